"""Score SIMULATED interviews by the million, beside pyarrow that reads and writes the same columns with no model.

- `floor`: pyarrow reads the columns that the model needs and an id, and writes the id with as many numbers as an answer
  has, drawn beforehand. As many threads as ours, over the same parts, by the same reader and writer.
- `main effects only` and `all pairs`: `score_files` with intervals, by a model without pairs, and with a table for each
  pair of signals and inputs.

Each measurement is a process of its own, in turn, so that a machine that slows down slows all. Rows per second are the
clock's, from the first look at the folder to the last file in its place. The import of libraries, and a first million
rows in which the process gets its memory, are told apart. CPU is the processor's nanoseconds a row. Memory is the peak,
with Python and its libraries. Data are made by the simulator, a million rows a file, and taken away again.

`peers` compares, on a million rows in memory: the pool's members as plain scikit-learn (ten boosters and a regression),
and MLflow's Python function on logged baselines. Ours reads and writes files meanwhile, and they do not.

    .venv/bin/python experiments/benchmark/batch.py                        1, 10 and 100 million rows: an hour
    .venv/bin/python experiments/benchmark/batch.py --millions 1,10 --rounds 3
    .venv/bin/python experiments/benchmark/batch.py peers
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import click

MILLION = 1_000_000
KEEP = ("interview_id",)
TREES, LEAVES = 170, 4  # of a booster, as the pool fits them on that many rows
KINDS = ("floor", "main effects only", "all pairs")


def make(folder: Path, number: int) -> None:
    """Simulate a million interviews into a Parquet file of whole numbers."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from predictor import simulate_interviews

    some = simulate_interviews(MILLION, seed=number)
    columns: dict[str, Any] = {"interview_id": some.columns["interview_id"].astype(str)}
    columns["rater_role"] = pa.array(some.columns["rater_role"].astype(str)).dictionary_encode()
    for name, ratings in zip(some.catalogue.names, some.values.T, strict=True):
        empty = np.isnan(ratings)
        columns[name] = pa.array(np.where(empty, 0, ratings).astype(np.int8), mask=empty)
    pq.write_table(pa.table(columns), folder / f"part-{number:05}.parquet", row_group_size=250_000)


def models() -> dict[str, Any]:
    """Train a model, and give it no pairs, or a table for every pair of signals and inputs."""
    import numpy as np

    from predictor import OfferClassifier, simulate_interviews
    from predictor.model.data import Pair

    known = simulate_interviews(600, seed=5).labelled()
    trained = replace(OfferClassifier(known.catalogue).fit(known.features, known.y).model_, triples=())
    rng, cells = np.random.default_rng(0), {name: len(table) for name, table in trained.tables.items()}
    pairs = [Pair(a, b, rng.normal(scale=0.02, size=(cells[a], cells[b]))) for a, b in combinations(trained.terms, 2)]
    return {"main effects only": replace(trained, pairs=()), "all pairs": replace(trained, pairs=tuple(pairs))}


def work(kind: str, folder: Path, model: Path, out: Path) -> None:
    """Do one measurement, and print what it took."""
    begun = time.perf_counter()
    from predictor import OfferModel, ScoringOptions, score_files

    chosen = OfferModel.load(model)
    options = ScoringOptions(keep=KEEP)

    def once(files: Path, to: Path) -> int:
        return floor(files, chosen, to) if kind == "floor" else score_files(files, to, chosen, options=options).rows

    loaded = time.perf_counter()
    once(next(iter(sorted(folder.glob("*")))), out / "first")
    warm, worked = time.perf_counter(), time.process_time()
    rows = once(folder, out / "all")
    took = {"seconds": time.perf_counter() - warm, "cpu": time.process_time() - worked}
    took |= {"import": loaded - begun, "first": warm - loaded}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({**took, "rows": rows, "peak": peak}))


def floor(folder: Path, model: Any, out: Path) -> int:
    """Read and write the same columns with no model."""
    import numpy as np
    import pyarrow as pa

    from predictor.batch.parts import find_parts
    from predictor.batch.reading import MOST_ROWS, read_blocks
    from predictor.batch.scoring import arrow, constant
    from predictor.batch.writing import Writer

    numbers = np.random.default_rng(0).random((3, MOST_ROWS))
    names = ("offer_probability", "interval_low", "interval_high")

    def answered(found: Any) -> Any:
        n = len(found.batch)
        answers = {name: arrow(row[:n]) for name, row in zip(names, numbers, strict=True)}
        who = {"model": constant(model.fingerprint, n), "simulated_model": constant("yes", n)}
        return pa.table({KEEP[0]: found.batch.column(KEEP[0]), **answers, **who})

    def copy(part: Any) -> int:
        tables = map(answered, read_blocks(part, model, KEEP))
        first = next(tables)
        with Writer(out / f"{part.name}.parquet", part.form, first.schema) as writer:
            for table in chain([first], tables):
                writer.write(table)
        return int(part.rows)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return sum(pool.map(copy, find_parts(folder).parts))


def measure(kind: str, folder: Path, model: Path, out: Path) -> dict[str, float]:
    """Measure in a fresh process, and take the output away."""
    done = subprocess.run(
        [sys.executable, __file__, "work", kind, str(folder), str(model), str(out)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    shutil.rmtree(out)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def members() -> Any:
    """Fit the pool's members as plain scikit-learn: ten boosters, and a regression with a column a cell."""
    import numpy as np
    from sklearn.base import clone
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold

    from predictor import simulate_interviews
    from predictor.model.tables import Grid

    known = simulate_interviews(5000, seed=5).labelled()
    values, grid = known.features.to_numpy(np.float64), Grid.of(known.catalogue)
    booster = HistGradientBoostingClassifier(max_iter=TREES, max_leaf_nodes=LEAVES, early_stopping=False)
    boosters = [clone(booster).fit(values[rows], known.y[rows]) for rows, _ in KFold(10).split(values)]
    line = LogisticRegression(max_iter=1000).fit(grid.weights(values), known.y)

    def predict_proba(values: Any) -> Any:
        log_odds = line.decision_function(grid.weights(values))
        for fitted in boosters:
            log_odds = log_odds + fitted.decision_function(values) / len(boosters)
        return 1 / (1 + np.exp(-log_odds / 2))

    return predict_proba


def peers(folder: Path, model: Path) -> None:
    """Compare with plain scikit-learn and MLflow's Python function on the same million rows."""
    import mlflow
    import pyarrow.parquet as pq

    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it warns of pickles, which these are, for a minute
    from predictor import Catalogue, Ratings, simulate_interviews
    from predictor.evaluation.baselines import baseline

    ours = statistics.median(
        MILLION / measure("all pairs", folder, model, folder.parent / "out")["seconds"] for _ in "123"
    )
    print(f"ours, files in and out, all pairs: {ours:,.0f} rows/s")
    frame = pq.read_table(next(folder.glob("*.parquet"))).to_pandas()
    features = Ratings.from_frame(frame, Catalogue.shipped()).features
    known = simulate_interviews(5000, seed=5).labelled()
    predict_proba, values = members(), features.to_numpy()
    asked = {"the pool's members, predict_proba": lambda rows: predict_proba(values[:rows])}
    for name in ("logistic", "boosting", "forest"):
        fitted = baseline(name, known.catalogue).fit(known.features, known.y)
        place = folder.parent / name
        mlflow.sklearn.save_model(fitted, place, pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle")
        loaded = mlflow.pyfunc.load_model(str(place))
        asked[f"mlflow.pyfunc, {name}"] = lambda rows, loaded=loaded: loaded.predict(features.iloc[:rows])
    for name, predict in asked.items():
        rows, rates = MILLION // 4, []
        for _ in range(3):
            started = time.perf_counter()
            predict(rows)
            rates.append(rows / (time.perf_counter() - started))
        rate = statistics.median(rates)
        print(f"  {name:<36}{rate:>12,.0f} rows/s   ours/theirs {ours / rate:6.1f}")


@click.group(invoke_without_command=True)
@click.option("--millions", default="1,10,100", show_default=True, help="Rows, in millions.")
@click.option("--rounds", default=3, show_default=True, help="Measurements of each; one from 100 million on.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the data here, and use what is there.")
@click.pass_context
def main(ctx: click.Context, millions: str, rounds: int, folder: Path | None) -> None:
    """Measure, and print a table for each number of rows."""
    if ctx.invoked_subcommand:
        return
    with tempfile.TemporaryDirectory() as place:
        where, data = Path(place), folder or Path(place, "data")
        for kind, model in models().items():
            model.save(where / f"{kind}.json")
        for count in map(int, millions.split(",")):
            some = data_of(data, count, where / f"rows-{count}")
            print(f"\n{count} million rows, {sum(f.stat().st_size for f in some.glob('*')) / 1e6:,.0f} MB", flush=True)
            found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
            for _ in range(1 if count >= 100 else rounds):
                for kind in KINDS:
                    model = where / f"{kind if kind != 'floor' else KINDS[1]}.json"
                    found[kind].append(measure(kind, some, model, where / "out"))
            print("                        rows/s      CPU  peak MB  import s  first s   seconds/floor")
            for kind, took in found.items():
                ratios = sorted(a["seconds"] / b["seconds"] for a, b in zip(took, found["floor"], strict=True))
                middle = {key: statistics.median(one[key] for one in took) for key in took[0]}
                rate, cpu = middle["rows"] / middle["seconds"], 1e9 * middle["cpu"] / middle["rows"]
                print(
                    f"  {kind:<18}{rate:>12,.0f}{cpu:>9,.0f}{middle['peak']:>9,.0f}{middle['import']:>10.1f}"
                    f"{middle['first']:>9.2f}   {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                    flush=True,
                )


def data_of(data: Path, count: int, place: Path) -> Path:
    """Make what is missing of the data, and link the first files in a folder of their own."""
    data.mkdir(parents=True, exist_ok=True)
    place.mkdir()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        missing = [number for number in range(count) if not (data / f"part-{number:05}.parquet").exists()]
        list(pool.map(make, [data] * len(missing), missing))
    for number in range(count):
        (place / f"part-{number:05}.parquet").symlink_to((data / f"part-{number:05}.parquet").absolute())
    return place


@main.command("work", hidden=True)
@click.argument("kind")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def _work(kind: str, folder: Path, model: Path, out: Path) -> None:
    work(kind, folder, model, out)


@main.command("peers")
def _peers() -> None:
    """Compare with plain scikit-learn and MLflow's Python function."""
    with tempfile.TemporaryDirectory() as place:
        some = data_of(Path(place, "data"), 1, Path(place, "rows"))
        model = Path(place, "all pairs.json")
        models()["all pairs"].save(model)
        peers(some, model)


if __name__ == "__main__":
    main()
