"""Time predictions: one mapping in microseconds, and many rows beside scikit-learn's logistic regression.

The regression and `predict_many` answer the same frame in turn on one thread, so that a machine that slows down slows
both; the ratio of rows per second is the median over the repetitions, with least and most. Time is the processor's, not
the clock's, so that what else runs does not count.

The pipeline copies the frame several times. Where the system gives it fresh memory for that it takes five times as long
as with memory at hand, and which of the two it is changes within a run: read least and most, too.

    .venv/bin/python experiments/benchmark/prediction.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from predictor import OfferClassifier, OfferModel, simulate_interviews
from predictor.model.data import Pair

ROWS = 1_000_000
MISSING = 0.05
REPETITIONS = 7
CALLS = 200  # of one mapping, by repetition


def seconds(work: Callable[[], object]) -> float:
    """Time one piece of work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def models() -> dict[str, OfferModel]:
    """Train a model, and give it no pairs, or a table for every pair of signals and inputs."""
    known = simulate_interviews(600, seed=5).labelled()
    trained: OfferModel = OfferClassifier(known.catalogue).fit(known.features, known.y).model_
    rng = np.random.default_rng(0)
    cells = {name: len(table) for name, table in trained.tables.items()}
    pairs = [Pair(a, b, rng.normal(scale=0.02, size=(cells[a], cells[b]))) for a, b in combinations(trained.terms, 2)]
    return {
        "main effects only": replace(trained, pairs=(), triples=()),
        "all pairs": replace(trained, pairs=tuple(pairs), triples=()),
    }


def one(model: OfferModel) -> str:
    """Time one mapping, rated throughout."""
    record = {name: 1 + place % 5 for place, name in enumerate(model.signals)} | {"rater_role": "observer"}
    model.predict(record)
    took = [
        seconds(lambda: [model.predict(record) for _ in range(CALLS)]) / CALLS * 1e6 for _ in range(5 * REPETITIONS)
    ]
    return f"{statistics.median(took):.0f} us (least {min(took):.0f})"


def main() -> None:
    """Print what one mapping takes, then rows per second and ratios."""
    both = models()
    for name, model in both.items():
        print(f"one mapping, {name}: {one(model)}")
    rng = np.random.default_rng(1)
    ratings = rng.integers(1, 6, size=(ROWS, len(model.signals))).astype(float)
    offers = ratings.mean(axis=1) + rng.normal(size=ROWS) > 3
    ratings[rng.random(ratings.shape) < MISSING] = np.nan
    frame = pd.DataFrame(ratings, columns=list(model.signals))
    regression = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    regression.fit(frame[:10_000], offers[:10_000])
    cases = [(name, model, interval) for name, model in both.items() for interval in (False, True)]
    for _, model, interval in cases:  # fused tables are made at the first call, and memory is got from the system
        model.predict_many(frame, interval=interval)
    theirs: list[float] = []
    ours: list[list[float]] = [[] for _ in cases]
    for _ in range(REPETITIONS):
        theirs.append(seconds(lambda: regression.predict_proba(frame)))
        for taken, (_, model, interval) in zip(ours, cases, strict=True):
            taken.append(seconds(lambda m=model, i=interval: m.predict_many(frame, interval=i)))
    print(f"logistic pipeline: {ROWS / statistics.median(theirs) / 1e6:.2f} million rows a second")
    for taken, (name, _, interval) in zip(ours, cases, strict=True):
        ratios = [their / our for their, our in zip(theirs, taken, strict=True)]
        print(
            f"predict_many, {name}, {'with' if interval else 'without'} interval: "
            f"{ROWS / statistics.median(taken) / 1e6:.1f} million rows a second, "
            f"ratio {statistics.median(ratios):.1f} (from {min(ratios):.1f} to {max(ratios):.1f})"
        )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
