"""Reference distributions after repetition penalty, temperature, top-k, top-p and min-p.

Rows of random logits go through the processors of `transformers`, in double precision and in the order in which
`generate` applies them: repetition penalty, temperature, top-k, top-p, min-p. A temperature of 0 stands for greedy
decoding, which applies the penalty only; its distribution is 1 at the largest logit.

Each row has a context, the tokens so far, some of them more than once. Cases without a penalty ignore it.

Run in an environment with torch and transformers, from the root of the repository:

    python scripts/reference_sampling.py fixtures/parity/sampling-extra/cases.json
"""

import argparse
import itertools
import json
import pathlib

import torch
from transformers.generation import logits_process as processors

ROWS, VOCABULARY, CONTEXT, SEED = 3, 48, 20, 7
TEMPERATURES = [0.0, 0.7, 1.3]
TOP_K = [0, 12]
TOP_P = [1.0, 0.85]
MIN_P = [0.0, 0.08]
PENALTIES = [1.0, 1.2, 0.8]


def probabilities(logits: torch.Tensor, context: torch.Tensor, case: dict) -> torch.Tensor:
    chain = processors.LogitsProcessorList()
    if case["repetition_penalty"] != 1.0:
        chain.append(processors.RepetitionPenaltyLogitsProcessor(case["repetition_penalty"]))
    greedy = case["temperature"] == 0.0
    if not greedy:
        chain.append(processors.TemperatureLogitsWarper(case["temperature"]))
        if case["top_k"] > 0:
            chain.append(processors.TopKLogitsWarper(case["top_k"]))
        if case["top_p"] < 1.0:
            chain.append(processors.TopPLogitsWarper(case["top_p"]))
        if case["min_p"] > 0.0:
            chain.append(processors.MinPLogitsWarper(case["min_p"]))
    scores = chain(context, logits.clone())
    if greedy:
        return torch.nn.functional.one_hot(scores.argmax(dim=-1), scores.shape[-1]).double()
    return torch.softmax(scores, dim=-1)


def cases() -> list[dict]:
    keys = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty"]
    combinations = itertools.product(TEMPERATURES, TOP_K, TOP_P, MIN_P, PENALTIES)
    every = [dict(zip(keys, values)) for values in combinations]
    # What is neither cut by min-p nor penalised is compared elsewhere; greedy decoding cuts nothing.
    new = [case for case in every if case["min_p"] > 0.0 or case["repetition_penalty"] != 1.0]
    cut = lambda case: case["top_k"] > 0 or case["top_p"] < 1.0 or case["min_p"] > 0.0
    return [case for case in new if case["temperature"] > 0.0 or not cut(case)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(SEED)
    logits = torch.randn(ROWS, VOCABULARY, generator=generator, dtype=torch.float64) * 3
    # Two equals at the top of one row.
    logits[2, 5] = logits[2].max()
    context = torch.randint(0, VOCABULARY, (ROWS, CONTEXT), generator=generator)
    # The most probable token has been seen, so that the penalty may change the greedy choice.
    context[:, 3] = logits.argmax(dim=-1)
    written = {
        "logits": logits.tolist(),
        "contexts": context.tolist(),
        "cases": [{**case, "probabilities": probabilities(logits, context, case).tolist()} for case in cases()],
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(written) + "\n")


if __name__ == "__main__":
    main()
