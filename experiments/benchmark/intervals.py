"""Check that 90 % intervals hold the near truth in about nine cases of ten, whatever was rated, and narrow with data.

The near truth of a simulated interview is the answer of a model of 300,000 simulated interviews that was fitted on
just the signals that are rated: all, one side, one family, or three at random. For each n some models are trained on n
others, with all signals; printed is the share of fresh interviews whose near truth lies inside the interval, with its
least and most over the training sets, and the mean width.

    .venv/bin/python experiments/benchmark/intervals.py
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import click
import numpy as np

from predictor import Catalogue, OfferClassifier, OfferModel, Ratings, simulate_interviews
from predictor.learning.assembly import assemble
from predictor.learning.pool import fit_pool

TRUTH, FRESH = 300_000, 3_000
SIZES = {50: 20, 200: 20, 1_000: 20, 5_000: 20}  # training sets of each size
RANDOM = 3


def subsets(catalogue: Catalogue) -> dict[str, list[str]]:
    """Name the signals that are rated, by subset."""
    signals = catalogue.signals
    three = np.random.default_rng(0).choice(list(catalogue.names), RANDOM, replace=False)
    return {
        "everything": list(catalogue.names),
        "candidate's side": [signal.name for signal in signals if signal.side == "candidate"],
        "interviewer's side": [signal.name for signal in signals if signal.side == "interviewer"],
        "body language": [signal.name for signal in signals if signal.family == "body_language"],
        "three at random": sorted(map(str, three)),
    }


def near_truth(many: Ratings, rated: Sequence[str]) -> OfferModel:
    """Fit a model on just the rated signals."""
    some = many.without([name for name in many.catalogue.names if name not in rated])
    values = some.features.to_numpy()
    return assemble(fit_pool(values, some.y, some.catalogue, boosted=False), values, some.y, some.catalogue)


def main() -> None:
    """Train, compare and print."""
    many, fresh = simulate_interviews(TRUTH, seed=1).labelled(), simulate_interviews(FRESH, seed=2)
    masked, near = {}, {}
    with click.progressbar(subsets(fresh.catalogue).items(), label="near truth", file=sys.stderr) as chosen:
        for name, rated in chosen:
            left_out = [signal for signal in fresh.catalogue.names if signal not in rated]
            kept_columns = [signal in rated for signal in fresh.catalogue.names]
            masked[name] = replace(fresh, values=np.where(kept_columns, fresh.values, np.nan))
            kept = fresh.without(left_out) if left_out else fresh
            near[name] = near_truth(many, rated).log_odds(kept.features.to_numpy())
    print(f"near truth: {len(many):,} SIMULATED interviews; {FRESH:,} fresh ones\n")
    print(f"{'rated':20} {'n':>6} {'sets':>5} {'inside':>7} {'least':>6} {'most':>6} {'mean width':>11}")
    for n, sets in SIZES.items():
        models = []
        with click.progressbar(range(sets), label=f"n = {n:,}", file=sys.stderr) as seeds:
            for seed in seeds:
                some = simulate_interviews(2 * n, seed=1000 + seed).labelled().rows(np.arange(n))
                models.append(OfferClassifier(some.catalogue).fit(some.features, some.y, groups=some.groups).model_)
        for name, ratings in masked.items():
            inside, width = [], []
            truth = 1 / (1 + np.exp(-near[name]))
            for model in models:
                answer = model.predict_many(ratings)
                low, high = answer["interval_low"].to_numpy(), answer["interval_high"].to_numpy()
                inside.append(np.mean((low <= truth) & (truth <= high)))
                width.append(np.mean(high - low))
            shares = f"{np.mean(inside):>7.3f} {min(inside):>6.2f} {max(inside):>6.2f}"
            print(f"{name:20} {n:>6,} {sets:>5} {shares} {np.mean(width):>11.3f}", flush=True)


if __name__ == "__main__":
    main()
