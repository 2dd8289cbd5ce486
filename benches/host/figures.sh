#!/bin/sh
# Throughput, latency, memory and start of a host, in one run:
#
#     figures.sh <keepsake> <host-load> <vault.wasm> [seconds a figure, 5] [GiB of the vault, 10]
#
# host-load is `cargo build --release -p keepsake --example host-load`. Everything lies in a folder of its own below $TMPDIR, which is on
# the disk that is measured and needs room for the vault and for 1 GiB more, and is removed at the end.
set -eu

keepsake=$1
load=$2
wasm=$3
seconds=${4:-5}
gib=${5:-10}
folder=$(mktemp -d "${TMPDIR:-/tmp}/keepsake-bench.XXXXXX")
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT INT TERM
export HOME="$folder/home"
mkdir "$HOME"

now() {
    date +%s%3N
}

# Serves the vault, and says how long it took until it answered.
serve() {
    begun=$(now)
    : > "$folder/served"
    "$keepsake" serve --json --listen 127.0.0.1:0 --state "$folder/state" --wasm "$wasm" \
        --peer-rate 0 --principal-rate 0 > "$folder/served" 2> "$folder/log" &
    server=$!
    until grep -q url "$folder/served"; do
        kill -0 "$server"
        sleep 0.01
    done
    KEEPSAKE_URL=$(sed 's/.*"url": *"\([^"]*\)".*/\1/' "$folder/served" | head -1)
    export KEEPSAKE_URL
    started=$(($(now) - begun))
}

stop() {
    kill "$server"
    wait "$server" || true
    server=
}

memory() {
    awk -v what="$1" '
        /^(VmHWM|VmRSS|RssAnon|RssFile|RssShmem):/ { mib[$1] = $2 / 1024 }
        END {
            printf "memory %s: %.0f MiB anonymous, %.0f MiB of files (the database that is mapped, and the program), %.0f MiB shared; %.0f MiB at most in all\n",
                what, mib["RssAnon:"], mib["RssFile:"], mib["RssShmem:"], mib["VmHWM:"]
        }' "/proc/$server/status"
}

echo "$(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
serve
echo "first start, compiling: $started ms"
"$load" syncs "$folder" "$seconds"
"$load" throughput "$KEEPSAKE_URL" "$seconds"

echo "latency of a small update:"
printf '  nothing else: '
"$load" latency "$KEEPSAKE_URL" "$((2 * seconds))"
head -c 1073741824 /dev/urandom > "$folder/content"
"$keepsake" upload "$folder/content" > "$folder/uploaded" 2>&1 &
upload=$!
sleep 1
printf '  during an upload of 1 GiB: '
"$load" latency "$KEEPSAKE_URL" "$((2 * seconds))"
kill -0 "$upload" 2> /dev/null || echo "  (the upload ended before)"
wait "$upload"
rm "$folder/content"

"$load" fill "$KEEPSAKE_URL" "$((gib * 1024 - 1024))"
memory "after filling"
echo "the database has $(du -m "$folder/state/data" | cut -f1) MiB on the disk"
stop
serve
echo "start with it: $started ms"
memory "after the start"
"$load" throughput "$KEEPSAKE_URL" "$seconds"
stop
