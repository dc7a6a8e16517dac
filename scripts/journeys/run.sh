#!/usr/bin/env bash
# The five journeys of a newcomer, each in an empty folder with the built program, and how long each took.
#
#   scripts/journeys/run.sh [NAME…]        extract, train, reason, score, python; all of them if none is named
#
# Each script types what its page says (its first line names the page; `cargo test --test docs` holds the two together).
# RNER names the program; target/release/rner of this clone if it is not set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clone=$(cd "$here/../.." && pwd)
rner=${RNER:-$clone/target/release/rner}
if [ ! -x "$rner" ]; then
    echo "error: $rner is not there; build it with: cargo build --release -p rner-cli" >&2
    exit 1
fi
if [ $# -eq 0 ]; then
    set -- extract train reason score python
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin"
ln -s "$(realpath "$rner")" "$scratch/bin/rner"
export PATH="$scratch/bin:$PATH"
failed=0
for name in "$@"; do
    if [ "$name" = python ] && ! command -v python3 >/dev/null; then
        echo "{\"journey\": \"python\", \"skipped\": \"python3 is not installed\"}"
        continue
    fi
    folder="$scratch/$name"
    mkdir "$folder"
    ln -s "$clone/fixtures" "$clone/scripts" "$folder/"
    start=$(date +%s%N) code=0
    (cd "$folder" && bash -euo pipefail "$here/$name.sh") >"$scratch/$name.log" 2>&1 || code=$?
    ms=$((($(date +%s%N) - start) / 1000000))
    if [ "$code" -ne 0 ]; then
        failed=1
        sed 's/^/  /' "$scratch/$name.log" >&2
    fi
    echo "{\"journey\": \"$name\", \"seconds\": $((ms / 1000)).$(printf %03d $((ms % 1000))), \"exit_code\": $code}"
done
exit "$failed"
