#!/usr/bin/env python3
"""What `rner-lab bench grpo` measures, done by TRL's GRPOTrainer; prints JSON.

scripts/bench_peers.py starts it. Flags and names are those of `rner-lab bench grpo`. The vocabulary is words `t2`, `t3`, …, so
that a random prompt has the same number of tokens in both programs, and the reward is the share of different tokens.
"""

import argparse
import json
import os
import random
import resource
import statistics
import tempfile
import time

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from datasets import Dataset
from peer import model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


def tokenizer(vocab: int) -> PreTrainedTokenizerFast:
    names = {"<pad>": 0, "<eos>": 1} | {f"t{i}": i for i in range(2, vocab)}
    words = Tokenizer(models.WordLevel(names, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = dict(pad_token="<pad>", eos_token="<eos>", unk_token="<pad>")
    return PreTrainedTokenizerFast(tokenizer_object=words, padding_side="left", **special)


def variety(completion_ids: list[list[int]], **_: object) -> list[float]:
    return [len(set(ids)) / len(ids) for ids in completion_ids]


class Clock(TrainerCallback):
    """Notes when steps end, and how long their completions are."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_begin(self, *_: object, **__: object) -> None:
        self.ends.append(time.perf_counter())

    def on_step_end(self, *_: object, **__: object) -> None:
        self.ends.append(time.perf_counter())


def settings(a: argparse.Namespace, folder: str) -> GRPOConfig:
    return GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=a.prompts * a.group,
        gradient_accumulation_steps=1,
        num_generations=a.group,
        num_iterations=1,
        max_completion_length=a.new_tokens,
        generation_kwargs={"min_new_tokens": a.new_tokens},
        temperature=0.9,
        top_k=0,
        beta=a.beta,
        epsilon=0.2,
        epsilon_high=0.28,
        loss_type="dr_grpo",
        scale_rewards="group",
        learning_rate=1e-6,
        lr_scheduler_type="constant",
        max_grad_norm=1.0,
        max_steps=a.warmups + a.steps,
        gradient_checkpointing=a.mode == "checkpointing",
        save_strategy="no",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        fp16=False,
    )


def grpo(a: argparse.Namespace) -> dict:
    words = tokenizer(a.vocab)
    net = model(a, a.prompt_tokens + a.new_tokens)
    net.config.pad_token_id, net.config.eos_token_id = 0, 1
    draw = random.Random(0)
    prompt = lambda: " ".join(f"t{draw.randrange(2, a.vocab)}" for _ in range(a.prompt_tokens))
    prompts = [prompt() for _ in range(a.prompts * (a.warmups + a.steps))]
    with tempfile.TemporaryDirectory() as folder:
        # The trainer reads its frozen reference from where the policy came from.
        net.save_pretrained(folder)
        words.save_pretrained(folder)
        clock = Clock()
        trainer = GRPOTrainer(
            model=folder,
            reward_funcs=variety,
            args=settings(a, folder),
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            processing_class=words,
            callbacks=[clock],
        )
        trainer.train()
    rows = [row for row in trainer.state.log_history if "reward" in row]
    tokens = (a.warmups + a.steps) * a.prompts * a.group * (a.prompt_tokens + a.new_tokens)
    assert rows[-1]["num_tokens"] == tokens, (rows[-1]["num_tokens"], tokens)
    lengths = {(row["completions/min_length"], row["completions/max_length"]) for row in rows}
    assert lengths == {(a.new_tokens, a.new_tokens)}, lengths
    dtypes = {p.dtype for p in trainer.model.parameters()}
    assert dtypes == {torch.float32}, dtypes
    steps = [end - begin for begin, end in zip(clock.ends, clock.ends[1:])][a.warmups :]
    seconds = statistics.median(steps)
    return {
        "seconds_per_step": seconds,
        "seconds_per_step_best": min(steps),
        "completion_tokens_per_s": a.prompts * a.group * a.new_tokens / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["grpo"])
    parser.add_argument("--mode", choices=["eager", "checkpointing"], default="eager")
    sizes = ["hidden", "layers", "heads", "kv-heads", "head-dim", "ffn", "vocab"]
    for name in [*sizes, "prompts", "group", "prompt-tokens", "new-tokens", "steps"]:
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--warmups", type=int, default=2)
    parser.add_argument("--beta", type=float, default=0.04)
    parser.add_argument("--tied", action="store_true")
    parser.set_defaults(device="cpu", dtype="float32")
    arguments = parser.parse_args()
    # What the trainer prints goes elsewhere: the result is the only line of the output.
    output = os.dup(1)
    os.dup2(2, 1)
    result = grpo(arguments)
    # Linux counts in KiB.
    result["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    os.write(output, (json.dumps(result) + "\n").encode())


if __name__ == "__main__":
    main()
