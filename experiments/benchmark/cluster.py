"""Time a training on one thread, on this machine's threads, and on a local cluster of two processes; SIMULATED rows.

All three give the same model; the script says so or fails. A training is one repeat of five folds, the learning curve
and the final fit, without baselines but the base rate. "Clock" is seconds with the start and the end of the cluster,
and grows with what else runs on the machine ("load"). CPU seconds hardly do: "here" are those of this process, all its
threads together, "worker" those of the busiest worker since it was started. While the workers work this process mostly
waits, so here + worker is about what the clock says on a quiet machine; on one thread it is "here".

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

CONFIG = TrainingConfig(repeats=1, baselines=("base_rate",))


@click.command()
@click.option("--n", "sizes", default="600,5000,100000", show_default=True, help="Rows, with commas.")
@click.option("--workers", default=2, show_default=True, help="Processes of the local cluster.")
def main(sizes: str, workers: int) -> None:
    """Print seconds for each size and way."""
    print(f"{'rows':>7} {'way':<12} {'clock':>7} {'here':>7} {'worker':>7} {'load':>5}")
    for n in map(int, sizes.split(",")):
        ratings, told = simulate_interviews(n, seed=1), set()
        ways: dict[str, AbstractContextManager[Any]] = {
            "one thread": parallel_config(backend="sequential"),
            "threads": nullcontext(),
            f"{workers} processes": cluster(workers=workers),
        }
        for way, context in ways.items():
            begun, worked, there = time.perf_counter(), time.process_time(), [0.0]
            with context as client:
                result = train(ratings, CONFIG)
                if "processes" in way:
                    there = list(client.run(time.process_time).values())
            clock, here = time.perf_counter() - begun, time.process_time() - worked
            told.add((result.model.fingerprint, tuple(result.scores.items())))
            times = f"{clock:>7.1f} {here:>7.1f} {max(there):>7.1f}"
            print(f"{n:>7,} {way:<12} {times} {os.getloadavg()[0]:>5.1f}", flush=True)
        if len(told) > 1:
            raise ArithmeticError(f"n = {n:,}: the ways give different numbers")


if __name__ == "__main__":
    main()
