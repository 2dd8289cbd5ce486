#!/bin/bash
# Photos into a vault by the command and by the SDK in Node, against `rclone copy` into `rclone serve webdav`, on the same files in one
# run. See README.md.
#
#     run.sh <keepsake> <vault.wasm> <folder of photos>
#
# Everything else lies in a folder of its own below $TMPDIR, which is removed at the end. Needs rclone, node, and sdk/ built.
set -euo pipefail

keepsake=$1
wasm=$2
photos=$(realpath "$3")
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/keepsake-bench.XXXXXX")
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT INT TERM

files=$(find "$photos" -type f | wc -l)
bytes=$(find "$photos" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')

# Hundredths of a second of processors that the server has had.
ticks() {
    awk '{ print $14 + $15 }' "/proc/$server/stat"
}

answered() {
    curl -s "$KEEPSAKE_URL/metrics" |
        awk -v family="keepsake_host_requests_total{endpoint=\"$1\"," 'index($0, family) == 1 { sum += $NF } END { print sum + 0 }'
}

# A new vault, and a new account.
vault() {
    stop
    export HOME="$folder/$1"
    mkdir -p "$HOME"
    "$keepsake" serve --json --listen 127.0.0.1:0 --state "$HOME/state" --wasm "$wasm" > "$HOME/served" 2> /dev/null &
    server=$!
    until grep -q url "$HOME/served" 2> /dev/null; do
        kill -0 "$server"
        sleep 0.1
    done
    KEEPSAKE_URL=$(sed 's/.*"url": *"\([^"]*\)".*/\1/' "$HOME/served" | head -1)
    canister=$(sed 's/.*"canister_id": *"\([^"]*\)".*/\1/' "$HOME/served" | head -1)
    export KEEPSAKE_URL
}

stop() {
    if [ -n "$server" ]; then
        kill "$server"
        wait "$server" 2>/dev/null || true
        server=
    fi
}

measure() {
    name=$1
    shift
    local before calls queries
    before=$(ticks)
    calls=0
    queries=0
    if [ -n "${KEEPSAKE_URL:-}" ]; then
        calls=$(answered call)
        queries=$(answered query)
    fi
    /usr/bin/time -f '%e %U %S' -o "$folder/time" "$@" > "$folder/out" 2>&1 || { tail -5 "$folder/out"; exit 1; }
    if [ -n "${KEEPSAKE_URL:-}" ]; then
        calls=$(($(answered call) - calls))
        queries=$(($(answered query) - queries))
    fi
    read -r wall user system < "$folder/time"
    awk -v name="$name" -v files="$files" -v bytes="$bytes" -v wall="$wall" -v client="$(echo "$user + $system" | bc)" \
        -v host="$(echo "($(ticks) - $before) / 100" | bc -l)" -v calls="$calls" -v queries="$queries" \
        'BEGIN { printf "| %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.2f | %.2f |\n", name, wall, files / wall, bytes / wall / 1e6, client, host, calls / files, queries / files }'
}

echo "$files photos, $bytes bytes; $(nproc) processors, load $(cut -d' ' -f1-2 /proc/loadavg)"
echo
echo "| | wall, s | files/s | MB/s | client's processors, s | server's processors, s | calls a photo | queries a photo |"
echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"

vault fast
measure "command, originals only (--fast)" "$keepsake" upload --fast "$photos"
measure "command, derivatives to these" "$keepsake" upload "$photos"
vault command
measure "command, with derivatives" "$keepsake" upload "$photos"
sleep 2
measure "command again, journal" "$keepsake" upload "$photos"
measure "command again, --no-journal" "$keepsake" upload --no-journal "$photos"
vault node
measure "SDK in Node, with derivatives" node "$here/sdk.mjs" "$KEEPSAKE_URL" "$canister" "$photos"
stop

unset KEEPSAKE_URL
mkdir "$folder/webdav"
port=$((20000 + RANDOM % 20000))
rclone serve webdav "$folder/webdav" --addr "127.0.0.1:$port" --config /dev/null > "$folder/rclone" 2>&1 &
server=$!
until curl -s -o /dev/null "http://127.0.0.1:$port/"; do
    kill -0 "$server"
    sleep 0.1
done
copy() {
    measure "$1" rclone copy "$photos" ":webdav:" --webdav-url "http://127.0.0.1:$port" --transfers 4 --config /dev/null
}
copy "rclone copy to rclone serve webdav"
copy "rclone copy again"
stop
