#!/usr/bin/env python3
"""Parity and speed on a CUDA machine, from the bare program: no compiler is needed there.

    cargo build --release -p rner-lab --no-default-features --features cuda     # where there is a compiler
    python3 scripts/bench_gpu.py --lab ./rner-lab --peers --json gpu.json      # on the machine with the GPU

First `rner-lab parity` must pass on the GPU; nothing is measured before. Then random models in the shapes of Qwen3-1.7B and
Qwen3-8B are trained and sampled from in bf16, and with --peers PyTorch and transformers do the same in turn, with SDPA and
checkpointing. Memory is what nvidia-smi sees at most. --shape tiny tries the script itself, on any --backend.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHAPE = ["hidden", "layers", "heads", "kv-heads", "head-dim", "ffn", "vocab"]
SHAPES = {
    "tiny": (dict(zip(SHAPE, [64, 2, 4, 2, 16, 128, 512])), False),
    "1.7b": (dict(zip(SHAPE, [2048, 28, 16, 8, 128, 6144, 151936])), True),
    "8b": (dict(zip(SHAPE, [4096, 36, 32, 8, 128, 12288, 151936])), False),
}
# Command and flags for both; what of the hardware's peak is reported.
CASES = {
    "lora": ("sft", {"batch": 1, "seq": 4096, "lora": 16, "recompute": 1}),
    "full": ("sft", {"batch": 1, "seq": 4096, "recompute": 1}),
    "decode-1": ("generate", {"batch": 1, "prompt": 200, "new": 128}),
    "generate-64": ("generate", {"batch": 64, "prompt": 200, "new": 128}),
}


class DeviceMemory:
    """The most memory that the first GPU had in use while the block ran, in bytes."""

    def __init__(self) -> None:
        self.peak = 0
        self.over = threading.Event()

    def __enter__(self) -> "DeviceMemory":
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def watch(self) -> None:
        command = ["nvidia-smi", "--id=0", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        while shutil.which(command[0]) and not self.over.wait(0.2):
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            self.peak = max(self.peak, int(done.stdout.split()[0]) * 2**20)


def measure(command: list[str]) -> dict:
    """The JSON of a program; {"error": ...} with its last line if it fails, as for want of memory."""
    print("+", " ".join(command), file=sys.stderr)
    with DeviceMemory() as memory:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    return json.loads(done.stdout) | {"device_peak_bytes": memory.peak}


def commands(arguments: argparse.Namespace, shape: str, case: str) -> dict[str, list[str]]:
    """Our command and, if asked for, the peer's."""
    sizes, tied = SHAPES[shape]
    command, more = CASES[case]
    repeat = {"steps" if command == "sft" else "repetitions": arguments.repeat}
    options = [word for key, value in (sizes | more | repeat).items() for word in (f"--{key}", str(value))]
    options += ["--tied"] if tied else []
    peak = ["--peak-tflops", str(arguments.peak_tflops)] if command == "sft" else ["--peak-gbs", str(arguments.peak_gbs)]
    precision = ["--backend", arguments.backend, "--dtype", arguments.dtype]
    found = {"ours": [arguments.lab, "bench", command, "--json", *options, *precision, *peak]}
    if arguments.peers:
        device = "cuda" if arguments.backend == "cuda" else "cpu"
        dtype = "float32" if arguments.dtype == "f32" else "bfloat16"
        script = [arguments.python, str(ROOT / "scripts" / "peer.py"), command]
        found["torch"] = [*script, *options, "--device", device, "--dtype", dtype]
    return found


def run_case(arguments: argparse.Namespace, shape: str, case: str) -> dict:
    found: dict[str, list] = {}
    for _ in range(arguments.rounds):
        for who, command in commands(arguments, shape, case).items():
            found.setdefault(who, []).append(measure(command))
    return found


def row(shape: str, case: str, found: dict) -> str:
    key = "tokens_per_s" if CASES[case][0] == "sft" else "new_tokens_per_s"
    cells = [f"{case} {shape}"]
    for who in ("ours", "torch"):
        runs = [run for run in found.get(who, []) if "error" not in run]
        errors = [run["error"] for run in found.get(who, []) if "error" in run]
        if runs:
            memory = max(run["device_peak_bytes"] for run in runs) / 2**30
            cells.append(f"{statistics.median(run[key] for run in runs):.0f} tokens/s, {memory:.1f} GiB")
        else:
            cells.append(errors[-1] if errors else "not run")
    ours = found["ours"][-1]
    share = ours.get("mfu", ours.get("bandwidth_utilisation"))
    cells.append("" if share is None else f"{100 * share:.0f} %")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    program = str(ROOT / "target" / "release" / "rner-lab")
    parser.add_argument("--lab", "--rner", dest="lab", default=program, help="the program rner-lab")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has torch, transformers and peft")
    parser.add_argument("--peers", action="store_true", help="run PyTorch in turn")
    parser.add_argument("--backend", default="cuda")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=["1.7b", "8b"])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=9, help="timed steps or generations in a process")
    parser.add_argument("--peak-tflops", type=float, default=790.0, help="dense bf16; the default is an H200's")
    parser.add_argument("--peak-gbs", type=float, default=4300.0, help="memory bandwidth; the default is an H200's")
    parser.add_argument("--parity", default=str(ROOT / "fixtures" / "parity"), help="folder of the reference values")
    parser.add_argument("--json", type=pathlib.Path, help="file for every measurement")
    arguments = parser.parse_args()
    parity = [arguments.lab, "parity", arguments.parity, "--backend", arguments.backend]
    if subprocess.run(parity, stdout=sys.stderr).returncode != 0:
        sys.exit("parity failed: nothing was measured")
    print("| case | ours | torch | share of the peak |\n|---|---|---|---|")
    everything = {}
    for shape in arguments.shape:
        for case in arguments.only:
            everything[f"{case} {shape}"] = found = run_case(arguments, shape, case)
            print(row(shape, case, found), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
