#!/bin/sh
# A durable upload and a download by the command over loopback, against sha256sum and cp of the same file, in one run.
#
#     upload.sh <keepsake> <vault.wasm> [MiB, 1024 unless said otherwise]
#
# Prints wall times, the processor time of each process and of the host's threads, and the ratios. Everything lies in a folder of
# its own below $TMPDIR, which is on the disk that is measured, and is removed at the end.
set -eu

keepsake=$1
wasm=$2
mib=${3:-1024}
folder=$(mktemp -d "${TMPDIR:-/tmp}/keepsake-bench.XXXXXX")
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT INT TERM
export HOME="$folder/home"
mkdir "$HOME"
file="$folder/content"
head -c "$((mib * 1024 * 1024))" /dev/urandom > "$file"
sync

"$keepsake" serve --json --listen 127.0.0.1:0 --state "$folder/state" --wasm "$wasm" > "$folder/served" 2> /dev/null &
server=$!
until grep -q url "$folder/served" 2> /dev/null; do
    kill -0 "$server"
    sleep 0.1
done
KEEPSAKE_URL=$(sed 's/.*"url": *"\([^"]*\)".*/\1/' "$folder/served" | head -1)
export KEEPSAKE_URL

# Ticks of a hundredth of a second, user and system, by the thread's name.
threads() {
    for task in /proc/"$server"/task/*; do
        printf '%s ' "$(tr ' ' _ < "$task/comm")"
        cut -d' ' -f14,15 "$task/stat"
    done | awk '{ ticks[$1] += $2 + $3 } END { for (name in ticks) print name, ticks[name] }' | sort
}

measure() {
    name=$1
    shift
    /usr/bin/time -f '%e %U %S' -o "$folder/time" "$@" > "$folder/out" 2>&1 || { cat "$folder/out"; exit 1; }
    awk -v name="$name" '{ printf "%-34s %7.2f s wall, %6.2f s of processors\n", name, $1, $2 + $3 }' "$folder/time"
    read -r wall _ < "$folder/time"
}

echo "$mib MiB, $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
measure "sha256sum" sha256sum "$file"
hashing=$wall
measure "cp and fsync" sh -c "cp '$file' '$folder/copy' && sync '$folder/copy'"
copying=$wall
threads > "$folder/before"
measure "upload, the command" "$keepsake" upload "$file"
uploading=$wall
threads > "$folder/after"
join "$folder/before" "$folder/after" | awk '{ if ($3 > $2) printf "  the host, %-22s %26.2f s of processors\n", $1, ($3 - $2) / 100 }'
memory=$("$keepsake" list --json | tr ',' '\n' | sed -n 's/.*"\(mem_[0-9a-f]*\)".*/\1/p' | head -1)
measure "download, the command" "$keepsake" get "$memory" -o "$folder/back"
downloading=$wall
cmp "$file" "$folder/back"
grep VmHWM "/proc/$server/status" | awk '{ printf "the host at most in memory %20.0f MiB\n", $2 / 1024 }'
awk -v h="$hashing" -v c="$copying" -v u="$uploading" -v d="$downloading" 'BEGIN {
    printf "speed of the upload: %.2f of sha256sum, %.2f of cp and fsync\n", h / u, c / u
    printf "speed of the download: %.2f of sha256sum\n", h / d
}'
