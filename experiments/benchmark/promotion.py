"""Check that a better challenger is promoted and an equal one hardly ever, on SIMULATED interviews.

In each trial a champion is cross-validated and fitted, and a challenger is held against it as `predictor promote` does:
one of as many other interviews, one of the same interviews with other folds, and (in the first trials) one of more.

    .venv/bin/python experiments/benchmark/promotion.py
"""

from __future__ import annotations

import sys

import click
import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import StratifiedGroupKFold

from predictor import OfferClassifier, OfferModel, Ratings, simulate_interviews
from predictor.training.comparison import OutOfFold, judge, keys

TRIALS, ROWS = 100, 150
MORE_TRIALS, MORE = 25, 1_500
FOLDS = 5


def main() -> None:
    """Try, and print how often each kind of challenger was promoted."""
    found = []
    with click.progressbar(length=TRIALS, label="Trials", file=sys.stderr) as bar:
        for promoted in Parallel(n_jobs=2, return_as="generator")(delayed(trial)(seed) for seed in range(TRIALS)):
            found.append(promoted)
            bar.update(1)
    print(f"SIMULATED; the champion learned from about {ROWS} interviews; promoted:")
    for kind in ("other", "folds", "more"):
        promoted = [one[kind] for one in found if kind in one]
        print(f"{WORDS[kind]:<34}{sum(promoted):>5} of {len(promoted)}")


WORDS = {"other": f"as many others, about {ROWS}", "folds": "the same, other folds", "more": f"more, about {MORE:,}"}


def trial(seed: int) -> dict[str, bool]:
    """Say which challengers were promoted."""
    rows = simulate_interviews(ROWS, seed=3 * seed).labelled()
    out, model = made(rows, 0)
    others = simulate_interviews(ROWS, seed=3 * seed + 1).labelled()
    found = {"folds": judge(made(rows, 1)[0], out).better, "other": better(others, seed, out, model)}
    if seed < MORE_TRIALS:
        found["more"] = better(simulate_interviews(MORE, seed=3 * seed + 2).labelled(), seed, out, model)
    return found


def better(rows: Ratings, seed: int, champion: OutOfFold, model: OfferModel) -> bool:
    """Hold what learns from other people's rows against the champion."""
    out = made(rows, 0)[0]
    apart = OutOfFold(out.rows, out.groups + np.uint64(1), out.y, out.p, out.folds)  # simulated people have equal names
    return judge(
        apart, champion, lambda: model.predict_many(rows, interval=False)["offer_probability"].to_numpy()
    ).better


def made(rows: Ratings, seed: int) -> tuple[OutOfFold, OfferModel]:
    """Cross-validate, and fit on everything."""
    p, folds = np.empty((1, len(rows))), np.empty((1, len(rows)), dtype=np.int64)
    parts = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(rows.y, rows.y, rows.groups)
    for number, (learned, tested) in enumerate(parts):
        fold = rows.rows(learned)
        classifier = OfferClassifier(rows.catalogue, seed=seed).fit(fold.features, fold.y, groups=fold.groups)
        p[0, tested], folds[0, tested] = classifier.predict_proba(rows.rows(tested).features)[:, 1], number
    model = OfferClassifier(rows.catalogue, seed=seed).fit(rows.features, rows.y, groups=rows.groups).model_
    return OutOfFold(*keys(rows), rows.y, p, folds), model


if __name__ == "__main__":
    main()
