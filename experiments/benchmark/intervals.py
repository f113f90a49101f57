"""Check that a 90 % interval holds the near truth in about nine cases of ten, and that it narrows with data.

The near truth of a simulated interview is the answer of a model of a million simulated interviews. For each n some
models are trained on n others; printed is the share of fresh interviews whose near truth lies inside the interval,
with its least and most over the training sets, and the mean width.

    .venv/bin/python experiments/benchmark/intervals.py
"""

from __future__ import annotations

import sys

import click
import numpy as np

from predictor import OfferClassifier, simulate_interviews
from predictor.learning.classifier import describe
from predictor.learning.pool import fit_pool

TRUTH, FRESH = 1_000_000, 5_000
SIZES = {50: 20, 200: 20, 1_000: 10, 5_000: 6}  # training sets of each size


def main() -> None:
    """Train, compare and print."""
    many = simulate_interviews(TRUTH, seed=1).labelled()
    values = many.features.to_numpy()
    truth = describe(fit_pool(values, many.y, many.catalogue, boosted=False), values, many.y, many.catalogue)
    fresh = simulate_interviews(FRESH, seed=2)
    near = truth.predict_many(fresh)["offer_probability"].to_numpy()
    print(f"near truth: {len(many):,} SIMULATED interviews; {FRESH:,} fresh ones\n")
    print(f"{'n':>6} {'sets':>5} {'inside':>7} {'least':>6} {'most':>6} {'mean width':>11}")
    for n, sets in SIZES.items():
        inside, width = [], []
        with click.progressbar(range(sets), label=f"n = {n:,}", file=sys.stderr) as seeds:
            for seed in seeds:
                some = simulate_interviews(2 * n, seed=1000 + seed).labelled().rows(np.arange(n))
                model = OfferClassifier(some.catalogue).fit(some.features, some.y, groups=some.groups).model_
                answer = model.predict_many(fresh)
                low, high = answer["interval_low"].to_numpy(), answer["interval_high"].to_numpy()
                inside.append(np.mean((low <= near) & (near <= high)))
                width.append(np.mean(high - low))
        print(
            f"{n:>6,} {sets:>5} {np.mean(inside):>7.3f} {min(inside):>6.2f} {max(inside):>6.2f} {np.mean(width):>11.3f}"
        )


if __name__ == "__main__":
    main()
