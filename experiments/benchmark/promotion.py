"""Check that a better challenger is promoted and an equal one hardly ever, on SIMULATED interviews.

In each trial a champion is trained, and a challenger is held against it as `predictor promote` does: one trained on
other interviews, as many; one on the same interviews with another seed; and one on many more.

    .venv/bin/python experiments/benchmark/promotion.py
"""

from __future__ import annotations

import sys

import click
from joblib import Parallel, delayed

from predictor import TrainingConfig, TrainingResult, simulate_interviews, train
from predictor.learning.comparison import OutOfFold, judge

TRIALS, ROWS, MORE = 100, 300, 3_000
KINDS = ("other interviews, as many", "the same, another seed", f"other interviews, {MORE:,}")


def main() -> None:
    """Try, and print how often each kind of challenger was promoted."""
    with click.progressbar(length=TRIALS, label="Trials", file=sys.stderr) as bar:
        found = []
        for promoted in Parallel(n_jobs=2, return_as="generator")(delayed(trial)(seed) for seed in range(TRIALS)):
            found.append(promoted)
            bar.update(1)
    print(f"SIMULATED; the champion learned from about {ROWS} interviews; promoted in {TRIALS} trials:\n")
    for kind, promoted in zip(KINDS, zip(*found, strict=True), strict=True):
        print(f"{kind:<30}{sum(promoted):>5}")


def trial(seed: int) -> tuple[bool, ...]:
    """Say which challengers were promoted."""
    champion = made(ROWS, 3 * seed)
    return (
        better(made(ROWS, 3 * seed + 1), champion, ROWS, 3 * seed + 1),
        better(made(ROWS, 3 * seed, fold_seed=1), champion, ROWS, 3 * seed),
        better(made(MORE, 3 * seed + 2), champion, MORE, 3 * seed + 2),
    )


def made(n: int, seed: int, fold_seed: int = 0) -> TrainingResult:
    """Train on simulated interviews."""
    config = TrainingConfig(repeats=1, resamples=20, seed=fold_seed, challengers=(), prior="none")
    return train(simulate_interviews(n, seed=seed), config)


def better(challenger: TrainingResult, champion: TrainingResult, n: int, seed: int) -> bool:
    """Hold one against the other."""
    rows = simulate_interviews(n, seed=seed).labelled()
    verdict = judge(
        OutOfFold.of(challenger),
        OutOfFold.of(champion),
        lambda: champion.model.predict_many(rows, interval=False)["offer_probability"].to_numpy(),
    )
    return verdict.better


if __name__ == "__main__":
    main()
