#!/usr/bin/env python3
"""Whether transformers stops behind the answers of a tuned model, by nothing but the model's own files.

    pip install torch==2.9.0 transformers safetensors
    rner sft --profile tiny --model BASE --data examples.jsonl --out runs/stops
    python scripts/check_stops.py runs/stops/model [--base BASE] [--prompts prompts.json] [--new-tokens 256]

For each prompt (a JSON list of texts; one in the paper's form if left out) the model answers with `generate` and its
defaults. An answer must end with a token that the chat form ends answers with, and have none before it. With --base,
the answers are also written with the end token that the base's files name, which is what the tuned model's files named
before: it writes on. Exit code 1 if an answer does not end, or if `config.json`, `generation_config.json` and the
tokenizer disagree.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

# What ends an answer in the chat forms of Qwen, Llama 3 and Llama 2.
ENDS = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|eom_id|>", "</s>"]
PAPER = Path(__file__).parent.parent / "fixtures/parity/format/prompt.json"


def ids(value) -> list[int]:
    """None, one id or a list, as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def ends_of(path: Path) -> dict[str, list[int]]:
    """The end tokens that each file names."""
    files = ("config.json", "generation_config.json")
    return {name: ids(json.loads((path / name).read_text()).get("eos_token_id")) for name in files}


@torch.no_grad()
def answer(model, prompt: torch.Tensor, new_tokens: int, ends: list[int] | None = None) -> list[int]:
    """A greedy answer; with `ends`, one that only these end."""
    given = {} if ends is None else {"eos_token_id": ends}
    out = model.generate(prompt[None], attention_mask=torch.ones_like(prompt[None]), do_sample=False,
                         max_new_tokens=new_tokens, **given)
    return out[0, len(prompt):].tolist()


def is_ended(answer: list[int], ends: list[int]) -> bool:
    """Whether an end token is the last of the answer and stands nowhere before."""
    return bool(answer) and answer[-1] in ends and not set(answer[:-1]) & set(ends)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--new-tokens", type=int, default=256)
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    vocabulary = tokenizer.get_vocab()
    ends = [vocabulary[token] for token in ENDS if token in vocabulary]
    named = ends_of(arguments.model)
    default = GenerationConfig.from_pretrained(arguments.model)
    print(f"end tokens of the chat form: {ends}; named: {named}; padding: {default.pad_token_id}")
    failed = [name for name, found in named.items() if not set(ends) <= set(found)]
    base = None if arguments.base is None else ends_of(arguments.base)["generation_config.json"]
    if arguments.prompts:
        prompts = json.loads(arguments.prompts.read_text())
    else:
        prompts = [json.loads(PAPER.read_text())["prompt"]]
    for message in prompts:
        messages = [{"role": "user", "content": message}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompt = torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])
        found = answer(model, prompt, arguments.new_tokens)
        told = f"{message[-40:]!r}: {len(found)} tokens, the last is {tokenizer.decode(found[-1:])!r}"
        if base is not None:
            on = answer(model, prompt, arguments.new_tokens, base)
            told += f"; {len(on)} with the base's {base}"
        print(told)
        if not is_ended(found, ends):
            failed.append(message[-40:])
    if failed:
        sys.exit(f"does not end: {failed}")
    print("every answer ends")


if __name__ == "__main__":
    main()
