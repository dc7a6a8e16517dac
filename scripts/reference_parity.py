#!/usr/bin/env python3
"""Makes a folder of reference values that `rner-lab parity DIR` checks.

Random Qwen3 models of several shapes, adapters on them and a training run, computed by transformers, peft and
PyTorch in single precision on the CPU:

    pip install torch==2.9.0 transformers peft safetensors
    python scripts/reference_parity.py OUT [--seed 5]
    rner-lab parity OUT

With --large, only one model is made, of the size of Qwen3-0.6B (1.2 GB in BF16), without gradients; it needs 8 GB of memory.

Layout: see the table in `fixtures/parity/README.md`. Every seed gives other weights, batches and prompts, so that a
program which only knows the values of `fixtures/parity` fails.
"""

import argparse
import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

VOCABULARY = 211
# Qwen3-0.6B as it is published.
LARGE = dict(
    vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16,
    num_key_value_heads=8, head_dim=128, rope_theta=1000000.0, max_position_embeddings=40960,
    tie_word_embeddings=True, bos_token_id=151643, eos_token_id=151645,
)
IGNORED = -100
PADDING = 0

# Two shapes: tied and in several files of BF16, untied with an uneven head size.
MODELS = {
    "tied-sharded-bf16": dict(
        tied=True, dtype=torch.bfloat16, shard="60KB",
        shape=dict(hidden_size=48, intermediate_size=80, num_hidden_layers=3,
                   num_attention_heads=6, num_key_value_heads=3, head_dim=16),
    ),
    "untied-f32": dict(
        tied=False, dtype=torch.float32, shard="5GB",
        shape=dict(hidden_size=40, intermediate_size=72, num_hidden_layers=4,
                   num_attention_heads=4, num_key_value_heads=1, head_dim=32),
    ),
}
ADAPTERS = {
    "adapter-rslora": ("tied-sharded-bf16", dict(
        r=3, lora_alpha=5, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"])),
    "adapter-all": ("untied-f32", dict(
        r=8, lora_alpha=16, lora_dropout=0.1, target_modules="all-linear")),
}


def write(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


def load(path: Path):
    """The checkpoint in single precision; BF16 weights are exact in it."""
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager")


def make_model(path: Path, seed: int, *, tied, dtype, shard, shape) -> None:
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=VOCABULARY, max_position_embeddings=256, rope_theta=10000.0, initializer_range=0.15,
        tie_word_embeddings=tied, bos_token_id=0, eos_token_id=2, pad_token_id=PADDING, **shape)
    model = Qwen3ForCausalLM(config)
    for name, parameter in model.named_parameters():
        if "norm" in name:  # Gains of exactly 1 would hide a gain that is left out.
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.to(dtype).save_pretrained(path, max_shard_size=shard)


def make_batch(seed: int, rows: int, columns: int, left: bool, vocabulary: int = VOCABULARY):
    """Random tokens, padded at the end or (every other row, if `left`) at the beginning; the second half is trained."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, vocabulary, (rows, columns), generator=generator)
    mask, labels = torch.ones_like(ids), ids.clone()
    for row in range(rows):
        padding = int(torch.randint(0, columns // 2, (1,), generator=generator))
        length = columns - padding
        at_the_left = left and row % 2 == 0
        start = padding if at_the_left else 0
        mask[row] = 0
        mask[row, start:start + length] = 1
        ids[row, mask[row] == 0] = PADDING
        labels[row, : start + length // 2] = IGNORED
        labels[row, mask[row] == 0] = IGNORED
    return ids, mask, labels


def forward(model, ids, mask, labels):
    """Logits, log-probabilities of the trained tokens (0 elsewhere), their mean loss and their number."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    every = torch.log_softmax(logits[:, :-1], -1).gather(-1, ids[:, 1:, None])[..., 0]
    trained = labels[:, 1:] != IGNORED
    return logits, every * trained, -(every * trained).sum() / trained.sum(), int(trained.sum())


def write_pass(model, path: Path, seed: int, rename=lambda name: name, rows: int = 4) -> dict:
    """One forward and backward pass: `forward.safetensors`, `gradients.safetensors`, and what to expect of them."""
    vocabulary = model.config.vocab_size
    ids, mask, labels = make_batch(seed, rows=rows, columns=21, left=True, vocabulary=vocabulary)
    model.zero_grad()
    logits, log_probs, loss, trained = forward(model, ids, mask, labels)
    loss.backward()
    save_file({
        "logits": (logits * mask[..., None]).detach().contiguous(),
        "token_logprobs": log_probs.detach().contiguous(),
        "input_ids": ids.int(), "attention_mask": mask.int(), "labels": labels.int(),
    }, path / "forward.safetensors")
    gradients = {
        rename(name): parameter.grad.contiguous()
        for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    save_file(gradients, path / "gradients.safetensors")
    return {"loss": loss.item(), "trained_tokens": trained}


@torch.no_grad()
def greedy(model, prompt: list[int], steps: int) -> list[int]:
    """Without a cache, so that a wrong cache cannot agree with itself."""
    ids = list(prompt)
    for _ in range(steps):
        ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt):]


def reference_model(out: Path, name: str, seed: int) -> None:
    make_model(out / name, seed, **MODELS[name])
    write_reference(out / name, seed)


def write_reference(path: Path, seed: int, rows: int = 4) -> None:
    """What the checkpoint in `path` computes: a pass forward and backward, and greedy continuations."""
    model = load(path).eval()
    expected = write_pass(model, path, seed + 2, rows=rows)
    generator = torch.Generator().manual_seed(seed + 1)
    prompts = torch.randint(3, model.config.vocab_size, (3, 9), generator=generator).tolist()
    short = prompts[0][:4]
    write(path / "expected.json", expected | {
        "prompts": prompts, "greedy": [greedy(model, prompt, 12) for prompt in prompts],
        "short_prompt": short, "short_greedy": greedy(model, short, 12),
    })


def reference_adapter(out: Path, name: str, seed: int) -> None:
    write_adapter(out, name, *ADAPTERS[name], seed)


def write_adapter(out: Path, name: str, base: str, config: dict, seed: int, rows: int = 4) -> None:
    """A random adapter of PEFT on `base`, what it computes, and the model that PEFT merges."""
    torch.manual_seed(seed)
    model = get_peft_model(load(out / base), LoraConfig(task_type="CAUSAL_LM", **config)).eval()
    for parameter_name, parameter in model.named_parameters():
        if "lora_B" in parameter_name:  # A fresh adapter has zeros here and changes nothing.
            parameter.data = 0.1 * torch.randn_like(parameter)
    path, merged = out / name, f"{name}-merged"
    model.peft_config["default"].base_model_name_or_path = f"../{base}"
    model.save_pretrained(path)
    expected = write_pass(model, path, seed + 3, rename=lambda n: n.replace(".default.", "."), rows=rows)
    write(path / "expected.json", expected | {"base": base, "merged": merged})
    model.merge_and_unload().save_pretrained(out / merged)


def reference_trajectory(out: Path, base: str, seed: int) -> None:
    """Ten steps of AdamW with accumulation of three micro-batches, warm-up, linear decay and clipping."""
    model = load(out / base).train()
    batches = [make_batch(seed + i, rows=2, columns=15, left=False) for i in range(5)]
    path = out / "trajectory"
    path.mkdir(exist_ok=True)
    names = ("input_ids", "attention_mask", "labels")
    save_file({f"{name}.{i}": tensor.int() for i, batch in enumerate(batches)
               for name, tensor in zip(names, batch)}, path / "batches.safetensors")
    betas, eps, decay, clip = (0.9, 0.95), 1e-7, 0.1, 0.5
    total, warmup, peak = 10, 4, 1e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=betas, eps=eps, weight_decay=decay)
    trajectory = []
    for step in range(total):
        lr = peak * ((step + 1) / warmup if step < warmup else 1 - (step - warmup) / (total - warmup))
        for group in optimizer.param_groups:
            group["lr"] = lr
        chosen = [batches[(3 * step + j) % 5] for j in range(3)]
        trained = sum(int((labels[:, 1:] != IGNORED).sum()) for _, _, labels in chosen)
        optimizer.zero_grad()
        loss = 0.0
        for batch in chosen:
            part = -forward(model, *batch)[1].sum() / trained
            part.backward()
            loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip).item()
        optimizer.step()
        trajectory.append({"step": step, "lr": lr, "loss": loss, "grad_norm": norm})
    write(path / "expected.json", {
        "base": base,
        "optimizer": {"name": "adamw", "betas": betas, "eps": eps, "weight_decay": decay, "max_grad_norm": clip},
        "schedule": {"peak_lr": peak, "warmup_steps": warmup, "total_steps": total,
                     "kind": "linear warm-up (s+1)/warmup then linear to 0"},
        "accumulation": "step s uses batches (3s)%5, (3s+1)%5 and (3s+2)%5",
        "trajectory": trajectory,
    })


@torch.no_grad()
def reference_large(out: Path, seed: int) -> None:
    """Logits of one short sequence and a greedy continuation, of random weights in the shape of Qwen3-0.6B."""
    torch.manual_seed(seed)
    path = out / "qwen3-0.6b-random"
    # Wider than Qwen's initialisation, so that the logits of random weights differ enough to be compared.
    Qwen3ForCausalLM(Qwen3Config(initializer_range=0.05, **LARGE)).to(torch.bfloat16).save_pretrained(path)
    model = load(path).eval()
    ids = torch.randint(3, LARGE["vocab_size"], (1, 12))
    mask, labels = torch.ones_like(ids), ids.clone()
    labels[:, :6] = IGNORED
    logits, log_probs, loss, trained = forward(model, ids, mask, labels)
    save_file({
        "logits": logits.contiguous(), "token_logprobs": log_probs.contiguous(),
        "input_ids": ids.int(), "attention_mask": mask.int(), "labels": labels.int(),
    }, path / "forward.safetensors")
    prompt = ids[0, :8].tolist()
    write(path / "expected.json", {
        "loss": loss.item(), "trained_tokens": trained,
        "prompts": [prompt], "greedy": [greedy(model, prompt, 4)],
        "short_prompt": prompt[:3], "short_greedy": greedy(model, prompt[:3], 4),
    })


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="only a model of the size of Qwen3-0.6B")
    arguments = parser.parse_args()
    if arguments.large:
        reference_large(arguments.out, arguments.seed)
        return
    torch.set_num_threads(1)  # The order of sums, and so the last bits, must not depend on the machine.
    arguments.out.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(MODELS):
        reference_model(arguments.out, name, arguments.seed + 100 * i)
    for i, name in enumerate(ADAPTERS):
        reference_adapter(arguments.out, name, arguments.seed + 1000 + 100 * i)
    reference_trajectory(arguments.out, "tied-sharded-bf16", arguments.seed + 2000)


if __name__ == "__main__":
    main()
