#!/usr/bin/env python3
"""What `rner-lab bench generate` measures for one sequence, done by llama.cpp; prints JSON.

scripts/bench_peers.py starts it. Flags and names are those of `rner-lab bench`. The model is a random Qwen3 in 32-bit floats,
written as a GGUF file into a temporary directory. Keys and values are cached in 32 bits as well and flash attention is off,
which with such a cache is twice as fast on a CPU; llama.cpp's own defaults are --cache f16 --flash.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import random
import resource
import statistics
import sys
import tempfile
import time

import llama_cpp as llama

# GGML_LOG_LEVEL_ERROR, which the binding has no name for.
ERROR = 4
CACHES = {"f32": llama.GGML_TYPE_F32, "f16": llama.GGML_TYPE_F16}


@llama.llama_log_callback
def log(level: int, text: bytes, _) -> None:
    """Errors only; the rest, hundreds of lines, says how the model was loaded."""
    if level == ERROR:
        sys.stderr.write(text.decode(errors="replace"))


def tensors(a: argparse.Namespace) -> dict[str, tuple[int, ...]]:
    """Names and shapes: rows are outputs, a gain has one axis."""
    queries, keys = a.heads * a.head_dim, a.kv_heads * a.head_dim
    layer = {
        "attn_norm": (a.hidden,),
        "attn_q": (queries, a.hidden),
        "attn_k": (keys, a.hidden),
        "attn_v": (keys, a.hidden),
        "attn_q_norm": (a.head_dim,),
        "attn_k_norm": (a.head_dim,),
        "attn_output": (a.hidden, queries),
        "ffn_norm": (a.hidden,),
        "ffn_gate": (a.ffn, a.hidden),
        "ffn_up": (a.ffn, a.hidden),
        "ffn_down": (a.hidden, a.ffn),
    }
    found = {"token_embd.weight": (a.vocab, a.hidden), "output_norm.weight": (a.hidden,)}
    if not a.tied:
        found["output.weight"] = (a.vocab, a.hidden)
    return found | {f"blk.{i}.{name}.weight": shape for i in range(a.layers) for name, shape in layer.items()}


def write(a: argparse.Namespace, path: str) -> None:
    """The random model as a file. Its tokenizer has no tokens, so no token ends a sequence."""
    import gguf
    import numpy

    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_vocab_size(a.vocab)
    writer.add_context_length(a.prompt + a.new)
    writer.add_embedding_length(a.hidden)
    writer.add_feed_forward_length(a.ffn)
    writer.add_block_count(a.layers)
    writer.add_head_count(a.heads)
    writer.add_head_count_kv(a.kv_heads)
    writer.add_key_length(a.head_dim)
    writer.add_value_length(a.head_dim)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("none")
    numbers = numpy.random.default_rng(0)
    for name, shape in tensors(a).items():
        weight = numbers.standard_normal(shape, numpy.float32) * numpy.float32(0.02)
        writer.add_tensor(name, weight if len(shape) == 2 else numpy.ones(shape, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def load(a: argparse.Namespace):
    """The model, from a file that a process of its own writes, so that what this takes does not count."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "model.gguf")
        child = multiprocessing.Process(target=write, args=(a, path))
        child.start()
        child.join()
        model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
    if not model:
        raise SystemExit("llama.cpp did not load the model")
    return model


def context(a: argparse.Namespace, model):
    options = llama.llama_context_default_params()
    options.n_ctx = a.prompt + a.new
    options.n_batch = a.prompt
    options.n_threads = options.n_threads_batch = a.threads
    options.type_k = options.type_v = CACHES[a.cache]
    enabled, disabled = llama.LLAMA_FLASH_ATTN_TYPE_ENABLED, llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    options.flash_attn_type = enabled if a.flash else disabled
    made = llama.llama_init_from_model(model, options)
    if not made:
        raise SystemExit("llama.cpp made no context")
    return made


def sampler(temperature: float):
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_temp(temperature))
    llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_dist(0))
    return chain


def complete(lm, chain, prompt: list[int], new: int) -> list[int]:
    """New tokens after the prompt. Of a batch made like this only the last token has logits."""
    llama.llama_memory_clear(llama.llama_get_memory(lm), False)
    tokens, completion = (llama.llama_token * len(prompt))(*prompt), []
    while True:
        if llama.llama_decode(lm, llama.llama_batch_get_one(tokens, len(tokens))):
            raise SystemExit("llama.cpp did not decode")
        completion.append(llama.llama_sampler_sample(chain, lm, -1))
        if len(completion) == new:
            return completion
        tokens = (llama.llama_token * 1)(completion[-1])


def generate(a: argparse.Namespace) -> dict:
    llama.llama_log_set(log, None)
    llama.llama_backend_init()
    lm, chain = context(a, load(a)), sampler(0.9)
    prompt = random.Random(0).choices(range(a.vocab), k=a.prompt)
    times = []
    for _ in range(1 + a.repetitions):
        begun = time.perf_counter()
        complete(lm, chain, prompt, a.new)
        times.append(time.perf_counter() - begun)
    return {
        "new_tokens_per_s": a.new / statistics.median(times[1:]),
        "new_tokens_per_s_best": a.new / min(times[1:]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["generate"])
    sizes = ["hidden", "layers", "heads", "kv-heads", "head-dim", "ffn", "vocab"]
    for name in [*sizes, "prompt", "new", "repetitions"]:
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--batch", type=int, choices=[1], default=1)
    parser.add_argument("--tied", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cache", choices=CACHES, default="f32", help="type of the cached keys and values")
    parser.add_argument("--flash", action="store_true", help="llama.cpp's fused attention")
    arguments = parser.parse_args()
    result = generate(arguments)
    # Linux counts in KiB.
    result["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
