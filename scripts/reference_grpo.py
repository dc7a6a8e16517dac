"""Reference losses and gradients of GRPO beyond the paper's settings, by PyTorch's autograd in double precision.

The formulas are TRL's: the normalisers grpo, dr_grpo, bnpo and dapo, ratios of tokens or of sequences (GSPO), two-sided
clipping, the KL estimators k1, k2 and k3, and completions that are masked because they ran into the limit. Log-probabilities
of tokens are the leaves, so every gradient is that of the loss of the whole batch.

Run in an environment with torch, from the root of the repository:

    python scripts/reference_grpo.py fixtures/parity/grpo-extra/cases.json
"""

import argparse
import itertools
import json
import pathlib

import torch

GROUPS, GROUP_SIZE, TOKENS, LONGEST, SEED = 2, 4, 6, 8, 11
EPSILON, EPSILON_HIGH, BETA = 0.2, 0.28, 0.04
LOSSES = ["grpo", "dr_grpo", "bnpo", "dapo"]
LEVELS = ["token", "sequence"]
TRUNCATED = ["keep", "mask"]
# The range of delta and the estimator do not interact, so each estimator is taken once.
BOUNDS = [(None, "k3"), (1.5, "k1"), (1.5, "k2")]


def inputs() -> dict:
    torch.manual_seed(SEED)
    count = GROUPS * GROUP_SIZE
    double = {"dtype": torch.float64}
    logp = -3 * torch.rand(count, TOKENS, **double) - 0.01
    lengths = torch.randint(1, TOKENS + 1, (count,))
    # Sequences differ as a whole too, or the mean of their log-ratios would never leave the clipping range.
    drift = 1.2 * torch.rand(count, 1, **double) - 0.6
    return {
        "rewards": torch.rand(count, 2, **double),
        "logp": logp,
        "old_logp": logp + drift + 0.6 * torch.rand(count, TOKENS, **double) - 0.3,
        "ref_logp": logp + torch.rand(count, TOKENS, **double) - 0.5,
        "mask": (torch.arange(TOKENS) < lengths[:, None]).to(torch.float64),
        "truncated": torch.arange(count) % 3 == 1,
    }


def advantages(rewards: torch.Tensor) -> torch.Tensor:
    groups = (rewards @ torch.tensor([10.0, 1.0], dtype=torch.float64)).view(-1, GROUP_SIZE)
    centred = groups - groups.mean(dim=1, keepdim=True)
    return (centred / (groups.std(dim=1, keepdim=True) + 1e-4)).view(-1)


def kl(estimator: str, d: torch.Tensor) -> torch.Tensor:
    return {"k1": -d, "k2": d**2 / 2, "k3": torch.exp(d) - d - 1}[estimator]


def case(data: dict, loss: str, level: str, bound: float | None, estimator: str, truncated: str) -> dict:
    logp = data["logp"].clone().requires_grad_()
    mask = data["mask"]
    if truncated == "mask":
        mask = mask * (~data["truncated"])[:, None]
    log_ratio = logp - data["old_logp"]
    if level == "sequence":
        log_ratio = ((log_ratio * mask).sum(1) / mask.sum(1).clamp(min=1.0))[:, None]
    ratio = torch.exp(log_ratio)
    first = ratio if bound is None else ratio.clamp(max=bound)
    second = ratio.clamp(1 - EPSILON, 1 + EPSILON_HIGH)
    advantage = advantages(data["rewards"])[:, None]
    divergence = kl(estimator, data["ref_logp"] - logp)
    per_token = -torch.min(first * advantage, second * advantage) + BETA * divergence
    total = {
        "grpo": lambda: ((per_token * mask).sum(1) / mask.sum(1).clamp(min=1.0)).mean(),
        "dr_grpo": lambda: (per_token * mask).sum() / (len(mask) * LONGEST),
        "bnpo": lambda: (per_token * mask).sum() / mask.sum(),
        # The same, as the rollout batch is the optimizer batch.
        "dapo": lambda: (per_token * mask).sum() / mask.sum(),
    }[loss]()
    total.backward()
    mean = lambda x: ((x * mask).sum() / mask.sum()).item()
    return {
        "loss": total.item(),
        "grad": logp.grad.tolist(),
        "mean_kl": mean(divergence.detach()),
        "clip_low": mean((ratio.detach() < 1 - EPSILON) * (advantage < 0)),
        "clip_high": mean((ratio.detach() > 1 + EPSILON_HIGH) * (advantage > 0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=pathlib.Path)
    path = parser.parse_args().path
    data = inputs()
    expected = {}
    for loss, level, (bound, estimator), truncated in itertools.product(LOSSES, LEVELS, BOUNDS, TRUNCATED):
        options = f"scale=group/beta={BETA}/level={level}/kl={estimator}/truncated={truncated}"
        if bound is not None:
            options += f"/delta={bound}"
        expected[f"{loss}/{options}"] = case(data, loss, level, bound, estimator, truncated)
    head = {
        "group_size": GROUP_SIZE,
        "max_completion_length": LONGEST,
        "epsilon": EPSILON,
        "epsilon_high": EPSILON_HIGH,
        "reward_weights": [10, 1],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {key: value.tolist() for key, value in data.items()}
    path.write_text(json.dumps({**head, **values, "expected": expected}) + "\n")


if __name__ == "__main__":
    main()
