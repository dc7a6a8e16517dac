#!/usr/bin/env bash
# Parity on a machine with an NVIDIA GPU, and then the benchmark that exists so far (the scorer, which runs on the
# CPU), given only the program and the folder of reference values:
#
#     scripts/cuda_check.sh path/to/rner path/to/parity [OUT]
#
# The program must have been built with the CUDA backend:
#     cargo build --release -p rner --no-default-features --features cuda
# Results go to OUT (default: cuda-check): parity.json, bench-score.json, gpu.txt. The exit code is that of the parity.
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
rner=$1 parity=$2 out=${3:-cuda-check}
[ -x "$rner" ] || { echo "error: $rner is not a program" >&2; exit 2; }
[ -d "$parity" ] || { echo "error: $parity is not a folder" >&2; exit 2; }
mkdir -p "$out"

if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv | tee "$out/gpu.txt"
else
    echo "warning: nvidia-smi not found; the driver may be missing" >&2
fi

code=0
"$rner" parity "$parity" --backend cuda || code=$?
"$rner" parity "$parity" --backend cuda --json >"$out/parity.json" || true
"$rner" bench score >"$out/bench-score.json" || echo "warning: bench score failed" >&2
exit "$code"
