"""Time a training on one thread, on this machine's threads, and on a local cluster of two processes; SIMULATED rows.

All three give the same model; the script says so or fails. A training is one repeat of five folds, the learning curve
and the final fit, without challengers but the base rate. "Start" is what the cluster takes before the first fit and
after the last; its workers import the project within the training's own seconds. Seconds are the clock's, since the
work is in several processes: run it on a machine that is quiet, and read "load", how many others wanted the processor.

    .venv/bin/python experiments/benchmark/cluster.py
    .venv/bin/python experiments/benchmark/cluster.py --n 600,5000 --workers 4
"""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click
from joblib import parallel_config

from predictor import TrainingConfig, simulate_interviews, train
from predictor.cluster import cluster

CONFIG = TrainingConfig(repeats=1, challengers=("base_rate",))


@click.command()
@click.option("--n", "sizes", default="600,5000,100000", show_default=True, help="Rows, with commas.")
@click.option("--workers", default=2, show_default=True, help="Processes of the local cluster.")
def main(sizes: str, workers: int) -> None:
    """Print seconds for each size and way."""
    print(f"{'rows':>7} {'way':<12} {'start s':>8} {'train s':>8} {'load':>5}")
    for n in map(int, sizes.split(",")):
        ratings, told = simulate_interviews(n, seed=1), set()
        ways: dict[str, AbstractContextManager[Any]] = {
            "one thread": parallel_config(backend="sequential"),
            "threads": nullcontext(),
            f"{workers} processes": cluster(workers=workers),
        }
        for way, context in ways.items():
            begun = time.perf_counter()
            with context:
                started = time.perf_counter()
                result = train(ratings, CONFIG)
                took = time.perf_counter() - started
            start = time.perf_counter() - begun - took
            told.add((result.model.fingerprint, tuple(result.scores.items())))
            print(f"{n:>7,} {way:<12} {start:>8.1f} {took:>8.1f} {os.getloadavg()[0]:>5.1f}", flush=True)
        if len(told) > 1:
            raise ArithmeticError(f"n = {n:,}: the ways give different numbers")


if __name__ == "__main__":
    main()
