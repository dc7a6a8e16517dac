#!/usr/bin/env python3
"""Adapters as PEFT writes them, with the logits that PEFT computes after it has read them again.

    pip install torch==2.9.0 transformers peft safetensors
    python scripts/reference_adapters.py fixtures/adapters [--seed 11]

The base is the small Llama of `fixtures/parity`. Each folder holds an adapter whose configuration chooses modules,
ranks or scales in another way, or whose first values were drawn in another way, and `logits.safetensors`: token ids of
one sequence and their logits. What PEFT reads here, `load_adapter` must compute.
"""

import argparse
import json
import os
from pathlib import Path

import torch
from peft import EvaConfig, LoraConfig, PeftModel, get_peft_model, initialize_lora_eva_weights
from safetensors.torch import save_file

from reference_parity import load, make_batch

BASE = "../../parity/llama3-untied-f32"
PLAIN = dict(r=2, lora_alpha=4)
QUERY_VALUE = dict(target_modules=["q_proj", "v_proj"], **PLAIN)
ADAPTERS = {
    "gaussian": dict(init_lora_weights="gaussian", **QUERY_VALUE),
    "orthogonal": dict(init_lora_weights="orthogonal", **QUERY_VALUE),
    "mica": dict(init_lora_weights="mica", **QUERY_VALUE),
    "rank-pattern": dict(
        target_modules=["q_proj", "v_proj", "up_proj", "down_proj"], r=4, lora_alpha=8,
        rank_pattern={r"layers.1.self_attn.q_proj": 2, r"^model.layers.0.mlp.(up|down)_proj": 3},
        alpha_pattern={"v_proj": 5, r"model\.layers\.1\.mlp\..*": 7}),
    "rank-pattern-rslora": dict(
        target_modules="all-linear", r=3, lora_alpha=6, use_rslora=True, rank_pattern={"o_proj": 1}),
    "one-layer": dict(layers_to_transform=1, **QUERY_VALUE),
    "listed-layers": dict(layers_to_transform=[0], layers_pattern=["h", "layers"], **QUERY_VALUE),
    "expression": dict(target_modules=r"model\.layers\.(?:\d+)\.self_attn\.(?:q|o)_proj|.*\.1\.mlp\.up_proj", **PLAIN),
    "excluded": dict(target_modules="all-linear", exclude_modules=["layers.0.mlp.up_proj", "k_proj"], **PLAIN),
    "excluded-expression": dict(
        target_modules=["q_proj", "up_proj"], exclude_modules=r".*layers\.1\..*(?:q|k)_proj", **PLAIN),
    "full-names": dict(target_modules=["self_attn.q_proj", "model.layers.1.mlp.down_proj"], **PLAIN),
}


def fill(model) -> None:
    """Values that change the logits; a fresh adapter changes nothing."""
    for name, parameter in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            parameter.data += 0.2 * torch.randn_like(parameter)


def save(model, path: Path, **options) -> None:
    model.peft_config["default"].base_model_name_or_path = BASE
    model.save_pretrained(path, **options)
    (path / "README.md").unlink(missing_ok=True)


@torch.no_grad()
def write_logits(out: Path, name: str, ids) -> None:
    """By a model that has read the adapter, so that what is lost in writing or reading is lost here too."""
    model = PeftModel.from_pretrained(load(out / name / BASE), out / name).eval()
    logits = model(input_ids=ids[None]).logits[0]
    plain = load(out / name / BASE).eval()(input_ids=ids[None]).logits[0]
    print(f"{name}: largest difference to the base {(logits - plain).abs().max():.3f}")
    save_file({"input_ids": ids.int(), "logits": logits.contiguous()}, out / name / "logits.safetensors")


def make_plain(out: Path, name: str) -> None:
    (out / name).mkdir(parents=True, exist_ok=True)
    model = get_peft_model(load(out / name / BASE), LoraConfig(task_type="CAUSAL_LM", **ADAPTERS[name]))
    fill(model)
    save(model, out / name)


def make_fan_in(out: Path) -> None:
    """PEFT switches `fan_in_fan_out` off for linear layers, with a warning, also while reading."""
    make_plain(out, "gaussian")
    (out / "gaussian").rename(out / "fan-in-fan-out")
    path = out / "fan-in-fan-out" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fan_in_fan_out": True}, indent=2))


def make_eva(out: Path, seed: int) -> None:
    """EVA leaves the base alone, but gives each module a rank and a scale of its own."""
    path = out / "eva"
    path.mkdir(parents=True, exist_ok=True)
    config = LoraConfig(
        task_type="CAUSAL_LM", init_lora_weights="eva", eva_config=EvaConfig(rho=2.0), r=2, lora_alpha=4,
        target_modules=["q_proj", "v_proj", "down_proj"])
    model = get_peft_model(load(path / BASE), config)
    ids, mask, labels = make_batch(seed, rows=64, columns=21, left=False, vocabulary=64)
    rows = [dict(input_ids=ids[i:i + 16], attention_mask=mask[i:i + 16], labels=labels[i:i + 16])
            for i in range(0, 64, 16)]
    initialize_lora_eva_weights(model, rows * 8, show_progress_bar=False)
    fill(model)
    save(model, path)


def make_converted(out: Path) -> None:
    """A PiSSA adapter that PEFT has converted into one of the published base."""
    path = out / "pissa-converted"
    path.mkdir(parents=True, exist_ok=True)
    config = LoraConfig(task_type="CAUSAL_LM", init_lora_weights="pissa", **QUERY_VALUE)
    model = get_peft_model(load(path / BASE), config)
    initial = out / "initial"
    save(model, initial)
    fill(model)
    save(model, path, path_initial_model_for_weight_conversion=str(initial))
    for file in initial.iterdir():
        os.remove(file)
    initial.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    make_fan_in(arguments.out)
    for name in ADAPTERS:
        make_plain(arguments.out, name)
    make_eva(arguments.out, arguments.seed + 1)
    make_converted(arguments.out)
    ids = torch.randint(3, 64, (17,))
    for path in sorted(arguments.out.iterdir()):
        if path.is_dir():
            write_logits(arguments.out, path.name, ids)


if __name__ == "__main__":
    main()
