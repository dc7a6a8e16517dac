"""Reference values of rotary position embeddings with scaling.

For every case, a configuration of Qwen3 with `rope_scaling` or `rope_parameters`, this writes what `transformers`
computes from it:

- `inverse_frequencies` and `attention_factor`, the factor of cosines and sines;
- `cos` and `sin` at a few positions, row after row of head_dim / 2 values;
- `logits` after each token of a prompt, from the weights of a small checkpoint with that configuration. This shows that
  the scaling arrives where it belongs, and not only that it is computed.

Run in an environment with torch and transformers, from the root of the repository:

    python scripts/reference_rope.py fixtures/parity/qwen3-untied-f32 fixtures/parity/rope/rope.json
"""

import argparse
import json
import pathlib

import torch
import transformers
from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding

POSITIONS = [0, 1, 7, 40, 131, 1000, 32768, 131071]
PROMPT_LENGTH = 40
# Logits kept for each token of the prompt: the first of the vocabulary are as good as others.
LOGITS = 6

# What is changed in the checkpoint's config.json. `None` removes a key.
CASES = {
    "default": {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
    "linear": {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e6, "factor": 3.0}},
    "linear, as version 4 writes it": {
        "rope_parameters": None,
        "rope_theta": 10000.0,
        "rope_scaling": {"type": "linear", "factor": 2.5},
    },
    "yarn, as published for Qwen3": {
        "rope_parameters": None,
        "rope_theta": 1000000,
        "head_dim": 128,
        "max_position_embeddings": 40960,
        "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
    },
    "yarn, short": {
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 1e4,
            "factor": 8.0,
            "original_max_position_embeddings": 64,
        }
    },
    "yarn, the original length left out": {
        "max_position_embeddings": 256,
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0},
    },
    "yarn, every parameter": {
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 5e5,
            "factor": 16.0,
            "original_max_position_embeddings": 512,
            "attention_factor": 0.75,
            "beta_fast": 20.0,
            "beta_slow": 2.5,
        }
    },
    "llama3, as published for Llama 3.1": {
        "rope_parameters": None,
        "rope_theta": 500000.0,
        "head_dim": 128,
        "max_position_embeddings": 131072,
        "rope_scaling": {
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
    },
    "llama3, as published for Llama 3.2 1B": {
        "rope_parameters": None,
        "rope_theta": 500000.0,
        "head_dim": 64,
        "max_position_embeddings": 131072,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
    },
    "llama3, short": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 1e2,
            "factor": 8.0,
            "low_freq_factor": 1.5,
            "high_freq_factor": 3.0,
            "original_max_position_embeddings": 48,
        }
    },
    "yarn, a range without width": {
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 1e4,
            "factor": 4.0,
            "original_max_position_embeddings": 4,
        }
    },
}


def changed(config: dict, change: dict) -> dict:
    merged = {**config, **change}
    return {key: value for key, value in merged.items() if value is not None}


def logits(checkpoint: pathlib.Path, config) -> list[list[float]]:
    """The first logits after each token of the prompt."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        checkpoint, config=config, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    ids = torch.tensor([prompt(config.vocab_size)])
    with torch.no_grad():
        return model(ids).logits[0, :, :LOGITS].tolist()


def prompt(vocab_size: int) -> list[int]:
    return [(i * 37 + 11) % vocab_size for i in range(PROMPT_LENGTH)]


def reference(checkpoint: pathlib.Path, base: dict, change: dict) -> dict:
    raw = changed(base, change)
    config = transformers.Qwen3Config.from_dict(json.loads(json.dumps(raw)))
    rotary = Qwen3RotaryEmbedding(config)
    half = config.head_dim // 2
    cos, sin = rotary(torch.zeros(1), torch.tensor([POSITIONS]))
    case = {
        "change": change,
        "inverse_frequencies": rotary.inv_freq.tolist(),
        "attention_factor": float(rotary.attention_scaling),
        "cos": cos[0, :, :half].flatten().tolist(),
        "sin": sin[0, :, :half].flatten().tolist(),
    }
    # Another width of the heads would need other weights.
    if config.head_dim == base["head_dim"]:
        case["logits"] = logits(checkpoint, config)
    return case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()
    base = json.loads((arguments.checkpoint / "config.json").read_text())
    cases = {name: reference(arguments.checkpoint, base, change) for name, change in CASES.items()}
    written = {
        "transformers": transformers.__version__,
        "torch": torch.__version__.split("+")[0],
        "checkpoint": arguments.checkpoint.name,
        "positions": POSITIONS,
        "prompt": prompt(base["vocab_size"]),
        "cases": cases,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(written) + "\n")


if __name__ == "__main__":
    main()
