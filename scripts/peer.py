#!/usr/bin/env python3
"""What `rner-lab bench sft` and `rner-lab bench generate` measure, done by PyTorch and transformers; prints JSON.

scripts/bench_peers.py starts it. Flags and names are those of `rner-lab bench`; --mode chooses eager execution or
torch.compile for a training step, --device and --dtype where and in which precision it runs.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch.nn.functional import cross_entropy
from transformers import Qwen3Config, Qwen3ForCausalLM

WARMUPS = 3


def model(shape: argparse.Namespace, positions: int) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=positions,
        tie_word_embeddings=shape.tied,
    )
    with torch.device(shape.device):
        torch.set_default_dtype(getattr(torch, shape.dtype))
        net = Qwen3ForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    return net


def clock(device: str) -> float:
    """Seconds, once everything that was asked of the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def with_adapters(net: Qwen3ForCausalLM, rank: int):
    from peft import LoraConfig, get_peft_model

    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return get_peft_model(net, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names))


def sft(a: argparse.Namespace) -> dict:
    net = model(a, a.seq + 1).train()
    if a.lora:
        net = with_adapters(net, a.lora)
    if a.recompute:
        net.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if a.lora:
            net.enable_input_require_grads()
    trained = [p for p in net.parameters() if p.requires_grad]
    run = torch.compile(net) if a.mode == "compile" else net
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.0, fused=True)
    ids = torch.randint(0, a.vocab, (a.batch, a.seq + 1), device=a.device)
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].reshape(-1)
    times = []
    for _ in range(WARMUPS + a.steps):
        begun = clock(a.device)
        logits = run(input_ids=inputs, use_cache=False).logits
        loss = cross_entropy(logits.reshape(-1, a.vocab), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        times.append(clock(a.device) - begun)
    times, tokens = times[WARMUPS:], a.batch * a.seq
    return {
        "tokens_per_s": tokens / statistics.median(times),
        "tokens_per_s_best": tokens / min(times),
        "loss": loss.item(),
    }


def generate(a: argparse.Namespace) -> dict:
    net = model(a, a.prompt + a.new).eval()
    ids = torch.randint(0, a.vocab, (a.batch, a.prompt), device=a.device)
    options = dict(max_new_tokens=a.new, min_new_tokens=a.new, do_sample=True, temperature=0.9, top_k=0, pad_token_id=0)
    times = []
    for _ in range(1 + a.repetitions):
        begun = clock(a.device)
        net.generate(ids, attention_mask=torch.ones_like(ids), **options)
        times.append(clock(a.device) - begun)
    tokens = a.batch * a.new
    return {
        "new_tokens_per_s": tokens / statistics.median(times[1:]),
        "new_tokens_per_s_best": tokens / min(times[1:]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["sft", "generate"])
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    sizes = ["hidden", "layers", "heads", "kv-heads", "head-dim", "ffn", "vocab", "batch"]
    for name in [*sizes, "seq", "steps", "prompt", "new", "repetitions", "lora"]:
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--tied", action="store_true")
    parser.add_argument("--recompute", type=int, default=0, help="checkpoint the layers if not 0")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    arguments = parser.parse_args()
    result = sft(arguments) if arguments.command == "sft" else generate(arguments)
    # Linux counts in KiB.
    result["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if arguments.device == "cuda":
        result["device_bytes"] = torch.cuda.max_memory_allocated()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
