"""Reference losses and gradients of TRL's newer losses and of its correction of the engine, by TRL itself.

The losses are those that `GRPOTrainer._compute_loss` of the installed package returns, for a trainer that has no model:
its log-probabilities are given, in double precision, and are the leaves of the gradients. The weights of the correction
are those that its own block of `_generate_and_score_completions` computes; the block is cut out of the package's source
and run. Everything is one micro-batch, which is the optimizer batch, on one process.

Run in an environment with torch and trl, from the root of the repository:

    python scripts/reference_trl.py fixtures/parity/grpo-trl/cases.json
"""

import argparse
import ast
import inspect
import json
import math
import pathlib
import textwrap
from collections import defaultdict
from types import SimpleNamespace

import torch
import trl
from trl import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

GROUPS, GROUP_SIZE, TOKENS, LONGEST, SEED = 2, 4, 6, 8, 35
EPSILON, EPSILON_HIGH, BETA = 0.2, 0.28, 0.04
WEIGHTS = [10.0, 1.0]
MODES = ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]

# The greatest weight of CISPO, which is no distance from 1.
CISPO = {"epsilon_high": 1.3}


def cases() -> list[tuple[str, dict]]:
    """Every loss, with what differs from the head of the file and from TRL's defaults."""
    found = [(loss, {"truncated": "mask"}) for loss in ["grpo", "dr_grpo", "bnpo", "dapo"]]
    new = [("cispo", CISPO), ("sapo", {}), ("luspo", {}), ("vespo", {})]
    for loss, own in new:
        for level in ["token", "sequence"]:
            # VESPO makes a ratio of the whole completion itself.
            if (loss, level) == ("vespo", "sequence"):
                continue
            for truncated in ["keep", "mask"]:
                found.append((loss, {**own, "level": level, "truncated": truncated}))
            found.append((loss, {**own, "level": level, "beta": 0.0}))
    found.append(("sapo", {"sapo_temperature_pos": 0.5, "sapo_temperature_neg": 3.0}))
    vespo = {"vespo_k_pos": 1.0, "vespo_lambda_pos": 0.5, "vespo_k_neg": 0.7, "vespo_lambda_neg": 4.0}
    found.append(("vespo", vespo))
    found.append(("luspo", {"level": "sequence", "delta": 1.5}))
    weighted = {"kl_bias_correction": "true"}
    for level in ["token", "sequence"]:
        found.append(("dr_grpo", {"level": level, **weighted}))
        found.append(("sapo", {"level": level, **weighted}))
    found.append(("vespo", weighted))
    for mode in MODES:
        for bounds in [{"cap": 1.6}, {"cap": 1.6, "floor": 0.7}]:
            for loss, own in [("dr_grpo", {}), ("grpo", {"level": "sequence"}), *new]:
                if loss == "luspo":
                    own = {"level": "sequence"}
                if loss == "vespo" and mode.startswith("sequence"):
                    continue
                found.append((loss, {**own, "correction": mode, **bounds}))
    return found


def inputs() -> dict:
    torch.manual_seed(SEED)
    count = GROUPS * GROUP_SIZE
    logp = -3 * torch.rand(count, TOKENS) - 0.01
    lengths = torch.randint(1, TOKENS + 1, (count,))
    # Completions differ as a whole too, or the means of their log-ratios would never leave the clipping range.
    drift = 1.2 * torch.rand(count, 1) - 0.6
    old = logp + drift + 0.6 * torch.rand(count, TOKENS) - 0.3
    return {
        "rewards": torch.rand(count, 2),
        "logp": logp,
        "old_logp": old,
        "ref_logp": logp + torch.rand(count, TOKENS) - 0.5,
        "engine_logp": old + (torch.rand(count, 1) - 0.5) * 0.5 + 1.6 * torch.rand(count, TOKENS) - 0.8,
        "mask": (torch.arange(TOKENS) < lengths[:, None]).to(torch.float64),
        "truncated": torch.arange(count) % 3 == 1,
    }


def advantages(rewards: torch.Tensor) -> torch.Tensor:
    groups = (rewards @ torch.tensor(WEIGHTS)).view(-1, GROUP_SIZE)
    centred = groups - groups.mean(dim=1, keepdim=True)
    return (centred / (groups.std(dim=1, keepdim=True) + 1e-4)).view(-1)


class Accelerator:
    """That of a single process."""

    num_processes = 1
    sync_gradients = True

    def gather(self, x):
        return x

    def reduce(self, x, reduction="sum"):
        return x


def trainer(loss: str, options: dict, logp: torch.Tensor) -> GRPOTrainer:
    """A trainer that has what the computation of a loss reads, and nothing else."""
    names = ["epsilon_high", "delta", "sapo_temperature_pos", "sapo_temperature_neg"]
    names += [name for name in vars(GRPOConfig(bf16=False)) if name.startswith("vespo_")]
    given = {name: options[name] for name in names if name in options}
    epsilons = {"epsilon": EPSILON, "epsilon_high": EPSILON_HIGH}
    args = GRPOConfig(
        **{**epsilons, **given},
        beta=options.get("beta", BETA),
        loss_type=loss,
        importance_sampling_level=options.get("level", "token"),
        # The plain k3 of the paper's time; the weighted one is the default of recent versions.
        use_bias_correction_kl="kl_bias_correction" in options,
        bf16=False,
    )
    made = object.__new__(GRPOTrainer)
    made.args, made.accelerator = args, Accelerator()
    made.model = SimpleNamespace(training=True)
    made.loss_type, made.beta = args.loss_type, args.beta
    made.importance_sampling_level = args.importance_sampling_level
    made.epsilon_low, made.epsilon_high = args.epsilon, args.epsilon_high
    made.max_completion_length = LONGEST
    made.top_entropy_quantile, made.off_policy_mask_threshold = 1.0, None
    made.aux_loss_enabled = made._entropy_bonus_enabled = made.use_adaptive_entropy = False
    made.use_vllm = made.vllm_importance_sampling_correction = "correction" in options
    made.vllm_importance_sampling_mode = options.get("correction")
    made.vllm_importance_sampling_clip_max = options.get("cap")
    made.vllm_importance_sampling_clip_min = options.get("floor")
    made.current_gradient_accumulation_steps = args.steps_per_generation = 1
    made._metrics = {"train": defaultdict(list), "eval": defaultdict(list)}
    entropies = torch.zeros_like(logp)
    made._get_per_token_logps_and_entropies = lambda *_, **__: (logp, entropies, None)
    return made


def correction_block() -> str:
    """The statements of the package that turn log-probabilities into weights of the correction."""
    source = textwrap.dedent(inspect.getsource(GRPOTrainer._generate_and_score_completions))
    wanted = "vllm_importance_sampling_ratio = torch.exp(logps_diff)"
    blocks = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.If) and wanted in ast.unparse(node)
    ]
    innermost = min(blocks, key=lambda node: len(ast.unparse(node)))
    return ast.unparse(innermost)


def correction(made: GRPOTrainer, data: dict, mask: torch.Tensor) -> torch.Tensor:
    names = {
        "self": made,
        "torch": torch,
        "math": math,
        "tool_mask": None,
        "completion_mask": mask,
        "old_per_token_logps": data["old_logp"],
        "sampling_per_token_logps": data["engine_logp"],
    }
    exec(correction_block(), names)
    return names["vllm_importance_sampling_ratio"]


def case(data: dict, loss: str, options: dict) -> dict:
    logp = data["logp"].clone().requires_grad_()
    made = trainer(loss, options, logp)
    mask = data["mask"]
    if options.get("truncated") == "mask":
        mask = mask * (~data["truncated"])[:, None]
    ids = torch.zeros_like(mask, dtype=torch.long)
    batch = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": torch.ones_like(ids[:, :1]),
        "completion_ids": ids,
        "completion_mask": mask,
        "advantages": advantages(data["rewards"]),
        "old_per_token_logps": data["old_logp"],
        "ref_per_token_logps": data["ref_logp"],
        "num_items_in_batch": mask.sum(),
    }
    if made.use_vllm:
        batch["importance_sampling_ratio"] = correction(made, data, mask)
    total = made._compute_loss(made.model, batch)
    total.backward()
    metrics = made._metrics["train"]
    metric = lambda name: metrics[name][0] if metrics[name] else None
    # Where a completion has one ratio, TRL counts completions, masked ones too; here tokens are counted.
    share = metric if options.get("level") != "sequence" else lambda name: None
    return {
        "loss": total.item(),
        "grad": logp.grad.tolist(),
        "mean_kl": metric("kl"),
        "clip_low": share("clip_ratio/low_mean"),
        "clip_high": share("cispo_clip_ratio" if loss == "cispo" else "clip_ratio/high_mean"),
    }


def name(loss: str, options: dict) -> str:
    options = {"scale": "group", "beta": BETA, **options}
    return "/".join([loss, *(f"{key}={value}" for key, value in options.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=pathlib.Path)
    path = parser.parse_args().path
    torch.set_default_dtype(torch.float64)
    data = inputs()
    expected = {name(loss, options): case(data, loss, options) for loss, options in cases()}
    head = {
        "made_by": f"trl {trl.__version__}, torch {torch.__version__}",
        "group_size": GROUP_SIZE,
        "max_completion_length": LONGEST,
        "epsilon": EPSILON,
        "epsilon_high": EPSILON_HIGH,
        "reward_weights": WEIGHTS,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {key: value.tolist() for key, value in data.items()}
    path.write_text(json.dumps({**head, **values, "expected": expected}) + "\n")


if __name__ == "__main__":
    main()
