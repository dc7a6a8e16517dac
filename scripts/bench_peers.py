#!/usr/bin/env python3
"""This program beside PyTorch, transformers, TRL and llama.cpp: training, generation and GRPO on random models of one shape.

    cargo build --release -p rner-lab
    python3 scripts/bench_peers.py                      # everything
    python3 scripts/bench_peers.py --only sft-small generate-16 --rounds 5 --json target/peers.json

Ours and theirs run in turn, each in a process of its own, so that what else the machine does meets both alike. A table
with the medians over the rounds, their spread and the ratios is printed; --json also writes every single measurement.

torch 2.9.0, transformers and TRL are installed into a virtual environment if it is not there yet (--venv, or the variable
BENCH_PEERS_VENV; target/peers by default). llama.cpp gets an environment of its own beside it, whose name ends in -llama, when
a case needs it. It is built from source for this processor, which takes minutes and a C++ compiler, and left out if that
fails. Its threads wait for each other by spinning: beside other programs two of them are slower than one.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ["torch==2.9.0", "transformers==5.23.0", "peft", "trl==1.16.0", "datasets"]
# llama.cpp's part for images is a quarter of its build.
NO_IMAGES = "--config-settings=cmake.define.LLAVA_BUILD=OFF"
LLAMA = ["llama-cpp-python==0.3.36", "--no-binary=llama-cpp-python", NO_IMAGES, "gguf", "numpy"]
SHAPE = ["hidden", "layers", "heads", "kv-heads", "head-dim", "ffn", "vocab", "batch"]
SMALL = dict(zip(SHAPE, [256, 4, 8, 4, 32, 768, 4096, 8]))
MODEL = {key: value for key, value in SMALL.items() if key != "batch"}
QWEN3_06B = dict(zip(SHAPE, [1024, 28, 16, 8, 128, 3072, 151936, 1])) | {"tied": True}
WIDE = dict(zip(SHAPE, [1024, 4, 16, 8, 128, 3072, 8192, 1]))

# What runs: command, shape, further flags for both, peers.
CASES = {
    "sft-small": ("sft", SMALL, {"seq": 512}, ["eager", "compile"]),
    "sft-wide": ("sft", WIDE, {"seq": 512}, ["eager", "compile"]),
    "sft-deep": ("sft", SMALL | {"layers": 12}, {"seq": 512}, ["eager"]),
    "sft-long": ("sft", SMALL | {"batch": 1}, {"seq": 4096}, ["eager"]),
    "sft-vocabulary": ("sft", SMALL | {"vocab": 32768}, {"seq": 512}, ["eager"]),
    "generate-16": ("generate", SMALL | {"batch": 16}, {"prompt": 200, "new": 128}, ["eager"]),
    "grpo": ("grpo", MODEL, {"prompts": 2, "group": 16, "prompt-tokens": 200, "new-tokens": 128}, ["eager", "checkpointing"]),
    "generate-1": ("generate", SMALL | {"batch": 1}, {"prompt": 200, "new": 128}, ["eager", "llama.cpp"]),
    # The last, because PyTorch takes 15 GiB; a step takes half a minute.
    "sft-qwen3-0.6b-lora": ("sft", QWEN3_06B, {"seq": 1024, "lora": 16, "steps": 3}, ["eager"]),
}


def flags(options: dict) -> list[str]:
    """Options as flags; one that is True has no value."""
    words = [[f"--{key}"] if value is True else [f"--{key}", str(value)] for key, value in options.items()]
    return [word for pair in words for word in pair]


def python(folder: pathlib.Path, packages: list[str]) -> str:
    """The interpreter of the environment, which is made if it is absent."""
    path = folder / "bin" / "python"
    if not path.exists():
        print(f"installing {' '.join(packages)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        try:
            subprocess.run([path, "-m", "pip", "install", "--quiet", *packages], check=True)
        except BaseException:
            # Without its interpreter the environment is absent, and the next run makes it again.
            path.unlink()
            raise
    return str(path)


def peer(mode: str, command: str, arguments: argparse.Namespace) -> list[str] | None:
    """How the peer starts, or nothing if it cannot be installed."""
    if mode != "llama.cpp":
        script = "peer_grpo.py" if command == "grpo" else "peer.py"
        return [arguments.python, str(ROOT / "scripts" / script), command, "--mode", mode]
    folder = arguments.venv.with_name(f"{arguments.venv.name}-llama")
    try:
        interpreter = python(folder, LLAMA)
    except subprocess.CalledProcessError:
        print("llama.cpp could not be installed and is left out", file=sys.stderr)
        return None
    return [interpreter, str(ROOT / "scripts" / "peer_llama.py"), command]


def measure(command: list[str]) -> dict:
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def run_case(name: str, arguments: argparse.Namespace) -> dict:
    command, shape, more, peers = CASES[name]
    repeat = {"repetitions" if command == "generate" else "steps": arguments.repeat}
    options = flags(repeat | shape | more)
    commands = {"ours": [arguments.lab, "bench", command, "--json"]}
    commands |= {mode: started for mode in peers if (started := peer(mode, command, arguments))}
    found: dict[str, list] = {who: [] for who in commands}
    for _ in range(arguments.rounds):
        for who, start in commands.items():
            found[who].append(measure([*start, *options]))
    return found


def comparisons(found: dict) -> list[dict]:
    """Ours beside the modes of PyTorch, of which a row takes the best, and ours beside llama.cpp."""
    alone = {who: found[who] for who in ("ours", "llama.cpp") if who in found}
    modes = {who: runs for who, runs in found.items() if who != "llama.cpp"}
    return [modes, alone] if len(alone) == 2 else [modes]


def row(name: str, found: dict) -> str:
    key = {"sft": "tokens_per_s", "generate": "new_tokens_per_s", "grpo": "completion_tokens_per_s"}[CASES[name][0]]
    speeds = {who: [run[key] for run in runs] for who, runs in found.items()}
    peaks = {who: statistics.median(run["peak_rss_bytes"] for run in runs) for who, runs in found.items()}
    middle = {who: statistics.median(values) for who, values in speeds.items()}
    best = max((who for who in middle if who != "ours"), key=middle.get)
    ratios = [ours / theirs for ours, theirs in zip(speeds["ours"], speeds[best], strict=True)]
    spread = " ".join(f"{who} {min(values):.0f}-{max(values):.0f}" for who, values in speeds.items())
    return (
        f"| {name} | {middle['ours']:.0f} | {middle[best]:.0f} ({best}) | {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f}-{max(ratios):.2f}) | {peaks['ours'] / 2**20:.0f} | {peaks[best] / 2**20:.0f} "
        f"| {peaks[best] / peaks['ours']:.1f} | {spread} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    program = str(ROOT / "target" / "release" / "rner-lab")
    parser.add_argument("--lab", "--rner", dest="lab", default=program, help="the program rner-lab")
    default = os.environ.get("BENCH_PEERS_VENV", str(ROOT / "target" / "peers"))
    parser.add_argument("--venv", type=pathlib.Path, default=pathlib.Path(default), help="folder of the environment")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="cases to run")
    parser.add_argument("--rounds", type=int, default=3, help="times that ours and theirs take turns")
    parser.add_argument("--repeat", type=int, default=9, help="timed steps or generations in a process")
    parser.add_argument("--json", type=pathlib.Path, help="file for every measurement")
    arguments = parser.parse_args()
    arguments.python = python(arguments.venv, PACKAGES)
    print("| case | ours, tokens/s | theirs | ratio (spread) | ours, MiB | theirs, MiB | their memory / ours | spread |")
    print("|---|---|---|---|---|---|---|---|")
    everything = {}
    for name in arguments.only:
        everything[name] = run_case(name, arguments)
        for found in comparisons(everything[name]):
            print(row(name, found), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
