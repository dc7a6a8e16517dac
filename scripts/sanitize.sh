#!/usr/bin/env bash
# Runs the tests of the crates that have `unsafe` under tools that see wrong accesses to memory:
#
#     scripts/sanitize.sh [address] [memcheck]
#
# address   AddressSanitizer: accesses outside an allocation or after its end, leaks; with AVX-512 where the processor
#           has it. Its runtime comes with the toolchain; RUSTC_BOOTSTRAP=1 lets a stable compiler take the flag.
# memcheck  valgrind: the same, and values that were never written; with AVX2, because valgrind knows no AVX-512.
#
# lm-kernels has nearly all `unsafe` and is tested whole. lm-model and lm-train map files into memory: of them the tests
# run that read checkpoints. Without an argument both tools run. Linux on x86-64 only. Everything is built under
# target/, or CARGO_TARGET_DIR.
set -euo pipefail
cd "$(dirname "$0")/.."

host=x86_64-unknown-linux-gnu

# tests RUNNER_OPTIONS...: all of lm-kernels, and what maps files.
tests() {
    cargo test --locked --release "${build[@]}" -p lm-kernels --lib --tests -- "$@"
    cargo test --locked --release "${build[@]}" -p lm-model --test checkpoint --test sharded -- "$@"
    cargo test --locked --release "${build[@]}" -p lm-train --test it -- "$@" optimizer contradiction
}

what=("$@")
[ $# -gt 0 ] || what=(address memcheck)
for tool in "${what[@]}"; do
    case $tool in
    address)
        # Apart, because the flag means that all crates are built again.
        build=(--target "$host")
        RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/address" tests
        ;;
    memcheck)
        command -v valgrind >/dev/null || { echo "error: valgrind is not installed" >&2; exit 2; }
        # One test at a time: valgrind runs one thread at a time anyway. The threads inside a kernel are kept. The test with
        # 18 million logits would take half an hour.
        build=()
        CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --error-exitcode=9" \
            tests --test-threads 1 --skip more_logits_than_are_kept
        ;;
    *)
        sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    echo "$tool: nothing found"
done
