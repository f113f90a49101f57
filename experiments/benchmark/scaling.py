"""Time one fit of OfferClassifier and measure its memory, from 100 to 100,000 SIMULATED interviews.

Each size is made in one fresh process and fitted in another. Peak memory is that of the whole process, with Python and
its libraries; "before" is its peak with the data loaded, and "added" what the fit adds to that. "CPU s" is summed over
both threads: twice the seconds at most; less than the seconds where others use the machine. "Weights" are those of the
regression and of the boosters; they are found over ten folds, over five from 20,000 rows on, which saves time there.
Needs Linux or macOS. What starts the processes stays small, since Linux hands a parent's peak on to its children.

    .venv/bin/python experiments/benchmark/scaling.py
    .venv/bin/python experiments/benchmark/scaling.py --n 100,300 --picture /tmp/scaling.png
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

SIZES = "100,300,1000,3000,5000,10000,30000,100000"
ANCHOR = 5_000  # growth is counted from here, or from the next smaller size there is
PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "scaling.png"


def make(n: int, path: str) -> None:
    """Simulate n interviews with a known outcome, and keep them in a file."""
    import numpy as np

    from predictor import simulate_interviews

    some = simulate_interviews(2 * n, seed=1).labelled().rows(np.arange(n))
    np.savez(path, X=some.features.to_numpy(), y=some.y, groups=np.unique(some.groups, return_inverse=True)[1])


def fit(path: str) -> None:
    """Fit once, and print what it took."""
    import numpy as np

    from predictor import Catalogue, OfferClassifier

    with np.load(path) as data:
        X, y, groups = data["X"], data["y"], data["groups"]
    classifier = OfferClassifier(Catalogue.shipped(), n_jobs=2)
    before, started, worked = peak(), time.perf_counter(), time.process_time()
    classifier.fit(X, y, groups=groups)
    took = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - worked}
    print(json.dumps({**took, "before": before, "peak": peak(), "weights": classifier.pool_.member_weights}))


def peak() -> float:
    """Give the most memory that this process has had, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else KiB
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def measure(n: int, folder: str) -> dict[str, Any]:
    """Make the data in one fresh process and fit in another."""
    path = f"{folder}/{n}.npz"
    subprocess.run([sys.executable, __file__, "--make", path, "--n", str(n)], check=True)
    ran = subprocess.run([sys.executable, __file__, "--fit", path], stdout=subprocess.PIPE, check=True)
    record = json.loads(ran.stdout)
    return {"n": n, "added": record["peak"] - record["before"], **record}


def anchor(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Find the record that growth is counted from: the last up to 5,000 rows, but not the largest of all."""
    return [record for record in records[:-1] if record["n"] <= ANCHOR or record is records[0]][-1]


def draw(records: list[dict[str, Any]], path: Path) -> None:
    """Plot seconds and memory against n, with a line of slope one through the anchor."""
    from matplotlib.figure import Figure  # never pyplot: nothing global changes, no window is needed
    from matplotlib.ticker import FuncFormatter, LogLocator

    figure = Figure(figsize=(9, 4), layout="constrained", facecolor="white")
    figure.suptitle("One fit on SIMULATED interviews: 24 signals and role, two jobs", fontsize=11)
    n, start = [record["n"] for record in records], anchor(records)
    panels = figure.subplots(1, 2)
    for axis, main, label in zip(panels, ("seconds", "added"), ("seconds to fit", "memory, MB"), strict=True):
        if main == "added":
            process = [record["peak"] for record in records]
            axis.plot(n, process, color="#0072B2", marker="o", markersize=4, linewidth=1.4, label="peak of the process")
        measured = [max(record[main], 1e-3) for record in records]
        name = "measured" if main == "seconds" else "added by the fit"
        axis.plot(n, measured, color="#000000", marker="D", markersize=6, linewidth=2.4, label=name, zorder=5)
        line = [start[main] * size / start["n"] for size in n]
        axis.plot(n, line, color="#999999", linewidth=0.8, label=f"slope 1 through n = {start['n']:,}", zorder=2)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks(n, [f"{size:,}" for size in n], fontsize=8, rotation=45)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axis.minorticks_off()
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlabel("training rows")
        axis.set_ylabel(label)
        axis.legend(frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


@click.command()
@click.option("--n", "sizes", default=SIZES, show_default=True, help="Sizes, with commas.")
@click.option("--picture", type=click.Path(path_type=Path), default=PICTURE, help="Where the plot goes.")
@click.option("--make", "made", hidden=True)
@click.option("--fit", "fitted", hidden=True)
def main(sizes: str, picture: Path, made: str | None, fitted: str | None) -> None:
    """Time one fit and measure its memory, for each size."""
    if made:
        return make(int(sizes), made)
    if fitted:
        return fit(fitted)
    records = []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"one fit on SIMULATED interviews, n_jobs=2, cores: {cores}\n")
    print(f"{'n':>7} {'seconds':>8} {'CPU s':>8} {'s/1,000 rows':>13}", end=" ")
    print(f"{'peak MB':>8} {'before':>7} {'added':>6} {'weights':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for n in sorted({int(size) for size in sizes.split(",")}):
            print(f"n = {n:,} ...", file=sys.stderr, flush=True)
            try:
                r = measure(n, folder)
            except subprocess.CalledProcessError as error:  # out of memory, say; what was measured is shown
                print(f"n = {n:,} failed: {error}", file=sys.stderr)
                break
            records.append(r)
            print(f"{n:>7,} {r['seconds']:>8.2f} {r['cpu']:>8.2f} {1000 * r['seconds'] / n:>13.3f}", end=" ")
            print(f"{r['peak']:>8.0f} {r['before']:>7.0f} {r['added']:>6.0f}", end="")
            print(f"   {r['weights'][0]:.2f}, {r['weights'][1]:.2f}", flush=True)
    if len(records) < 2:
        return None
    start, end = anchor(records), records[-1]
    seconds, added = (
        math.log(max(end[key], 1e-3) / max(start[key], 1e-3)) / math.log(end["n"] / start["n"])
        for key in ("seconds", "added")
    )
    print(f"\nfrom n = {start['n']:,} to {end['n']:,}: seconds grow as n^{seconds:.2f}, memory added as n^{added:.2f}")
    draw(records, picture)
    print(f"Wrote {picture}", file=sys.stderr)
    return None


if __name__ == "__main__":
    main()
