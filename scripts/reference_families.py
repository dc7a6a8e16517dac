#!/usr/bin/env python3
"""Reference values of the families beside Qwen3: Llama and Qwen2, with adapters, tokenizers and chat forms.

Random models of a few thousand weights, adapters on them and small byte-level tokenizers, computed by transformers,
peft and tokenizers in single precision on the CPU:

    pip install torch==2.9.0 transformers peft safetensors tokenizers
    python scripts/reference_families.py fixtures/parity [--seed 7]
    python scripts/reference_families.py --values DIR [--adapter DIR]

The second form is for checkpoints that this project wrote: transformers must find every tensor in it and none besides,
and the values that it computes are written into the folder, where `rner-lab parity` compares them. With --adapter the
logits of the checkpoint's base under that adapter, by peft, are compared with those of the checkpoint.

The layout is that of `fixtures/parity/README.md`.
"""

import argparse
import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from peft import AutoPeftModelForCausalLM
from transformers import (
    AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM)

from reference_parity import PADDING, make_batch, write, write_adapter, write_reference

VOCABULARY = 64
ROWS = 3
COMMON = dict(
    vocab_size=VOCABULARY, max_position_embeddings=256, initializer_range=0.4, bos_token_id=0, eos_token_id=2,
    pad_token_id=PADDING,
)
# Of the eight wavelengths 6, 11, 20, 35, 63, 112, 199 and 353 the first two are kept, the next three mixed and the
# others divided, so that sequences of some twenty tokens see all three bands.
LLAMA3_ROPE = dict(
    rope_type="llama3", rope_theta=100.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=64,
)
PLAIN_ROPE = dict(rope_type="default", rope_theta=10000.0)

# name: class, configuration, format of the weights, most bytes of a file.
MODELS = {
    "llama3-untied-f32": (LlamaForCausalLM, LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=16, rope_parameters=LLAMA3_ROPE, tie_word_embeddings=False, **COMMON), torch.float32, "5GB"),
    # As in Llama 2, every query head has its own keys.
    "llama2-biases-tied": (LlamaForCausalLM, LlamaConfig(
        hidden_size=24, intermediate_size=32, num_hidden_layers=1, num_attention_heads=3, rope_parameters=PLAIN_ROPE,
        attention_bias=True, mlp_bias=True, tie_word_embeddings=True, **COMMON), torch.float32, "5GB"),
    "qwen2-tied-bf16-sharded": (Qwen2ForCausalLM, Qwen2Config(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        rope_parameters=PLAIN_ROPE, tie_word_embeddings=True, **COMMON), torch.bfloat16, "14KB"),
}
ADAPTERS = {
    "llama3-adapter": ("llama3-untied-f32", dict(r=2, lora_alpha=4, target_modules="all-linear")),
    "qwen2-adapter": ("qwen2-tied-bf16-sharded", dict(
        r=3, lora_alpha=5, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"])),
}


def make_model(path: Path, seed: int, kind, config, dtype, shard) -> None:
    torch.manual_seed(seed)
    model = kind(config)
    for name, parameter in model.named_parameters():
        if "norm" in name or name.endswith("bias"):  # Fresh ones are 1 and 0, which would hide that one is left out.
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.to(dtype).save_pretrained(path, max_shard_size=shard)


# Tokenizers -----------------------------------------------------------------------------------------------------------

PROMPT = json.loads((Path(__file__).parent.parent / "fixtures/parity/format/prompt.json").read_text())
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN_PIECES = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST
LLAMA3_PIECES = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST

# The published forms for one message of the user, without the system turn that Llama 3.1 and Qwen2.5 add by default.
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n'"
    " + m['content'] | trim + '<|eot_id|>' }}{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
LLAMA2 = "{% for m in messages %}{{ bos_token + '[INST] ' + m['content'] | trim + ' [/INST]' }}{% endfor %}"


def texts() -> list[str]:
    """What the vocabularies are learned from."""
    return [PROMPT[key] for key in ("prompt", "prompt_with_source", "completion", "completion_with_cot")]


def byte_level(pieces: str, size: int, **options) -> Tokenizer:
    """A byte-level BPE that cuts texts by a pattern first."""
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pieces), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts(), trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    return tokenizer


def special(tokenizer: Tokenizer, names: list[str]) -> None:
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])


def qwen2_tokenizer():
    tokenizer = byte_level(QWEN_PIECES, 330)
    tokenizer.normalizer = normalizers.NFC()
    special(tokenizer, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>", chat_template=CHATML
    ), "<|im_end|>\n<|endoftext|>", ["<|im_end|>", "<|endoftext|>"]


def llama3_tokenizer():
    tokenizer = byte_level(LLAMA3_PIECES, 330, ignore_merges=True)
    special(tokenizer, [
        "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B:1",
            special_tokens=[("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))]),
    ])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>", chat_template=LLAMA3
    ), "<|eot_id|><|end_of_text|>", ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"]


def llama2_tokenizer():
    """A BPE over characters with bytes for those it does not know, as SentencePiece makes it."""
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    pieces.train_from_iterator(texts()[:3], trainers.BpeTrainer(vocab_size=130, show_progress=False))
    learned = json.loads(pieces.to_str())["model"]
    rare = "—ï小樽\n"  # Left to the bytes.
    kept = [token for token in sorted(learned["vocab"], key=learned["vocab"].get) if not set(token) & set(rare)]
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + kept
    merges = [tuple(merge) for merge in learned["merges"] if not set("".join(merge)) & set(rare)]
    tokenizer = Tokenizer(models.BPE(
        vocab={name: i for i, name in enumerate(names)}, merges=merges, unk_token="<unk>", fuse_unk=True,
        byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    special(tokenizer, ["<unk>", "<s>", "</s>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=LLAMA2
    ), " </s>", ["</s>"]


TOKENIZERS = {
    "qwen2-tokenizer": qwen2_tokenizer, "llama3-tokenizer": llama3_tokenizer, "llama2-tokenizer": llama2_tokenizer,
}


def reference_tokenizer(out: Path, name: str) -> None:
    """A tokenizer, and the ids of a prompt in its chat form with the completion behind it."""
    tokenizer, end, stops = TOKENIZERS[name]()
    path = out / name
    tokenizer.save_pretrained(path)
    (path / "special_tokens_map.json").unlink(missing_ok=True)
    template = path / "chat_template.jinja"
    if template.exists():  # One file less: the older place for it.
        config = json.loads((path / "tokenizer_config.json").read_text())
        write(path / "tokenizer_config.json", config | {"chat_template": template.read_text()})
        template.unlink()
    write(path / "generation_config.json", {"eos_token_id": tokenizer.convert_tokens_to_ids(stops)})
    messages = [{"role": "user", "content": PROMPT["prompt"]}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    # As one text, so that a cut of it in another place would show.
    space = " " if name == "llama2-tokenizer" else ""
    prompt, whole = encode(rendered), encode(rendered + space + PROMPT["completion_with_cot"] + end)
    assert whole[: len(prompt)] == prompt
    keys = ("template", "example", "prompt", "completion", "completion_with_cot")
    write(path / "prompt.json", {key: PROMPT[key] for key in keys} | {
        "tokenizer": f"{name}/tokenizer.json", "chat_prompt": rendered, "input_ids": whole,
        "labels": [-100] * len(prompt) + whole[len(prompt):], "stop_ids": tokenizer.convert_tokens_to_ids(stops),
        "decoded_completion": tokenizer.decode(whole[len(prompt):], skip_special_tokens=True),
    })


def check_written(path: Path, adapter: Path | None, seed: int) -> None:
    """What transformers, and peft, make of a checkpoint of this project."""
    model, info = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, output_loading_info=True)
    print(f"{path}: {type(model).__name__}, {sum(p.numel() for p in model.parameters())} parameters, {info}")
    write_reference(path, seed, rows=ROWS)
    if adapter is None:
        return
    ids, _, _ = make_batch(seed, rows=ROWS, columns=21, left=False, vocabulary=model.config.vocab_size)
    adapted = AutoPeftModelForCausalLM.from_pretrained(adapter, dtype=torch.float32)
    with torch.no_grad():
        difference = (adapted.eval()(input_ids=ids).logits - model.eval()(input_ids=ids).logits).abs().max().item()
    print(f"{adapter}: logits differ from the merged model's by {difference:g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--values", type=Path, metavar="DIR", help="a checkpoint to add reference values to")
    parser.add_argument("--adapter", type=Path, metavar="DIR", help="the adapter that it was merged from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # The order of sums, and so the last bits, must not depend on the machine.
    if arguments.values:
        check_written(arguments.values, arguments.adapter, arguments.seed)
        return
    out, seed = arguments.out, arguments.seed
    for i, (name, parts) in enumerate(MODELS.items()):
        make_model(out / name, seed + 100 * i, *parts)
        write_reference(out / name, seed + 100 * i, rows=ROWS)
    for i, (name, (base, config)) in enumerate(ADAPTERS.items()):
        write_adapter(out, name, base, config, seed + 1000 + 100 * i, rows=ROWS)
        (out / name / "README.md").unlink(missing_ok=True)
    for name in TOKENIZERS:
        reference_tokenizer(out, name)


if __name__ == "__main__":
    main()
