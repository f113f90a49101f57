"""Run ours and its peers on the same splits of a folder of data sets, and write what came out as tables and a plot.

    python experiments/benchmark/bench.py run FOLDER
    python experiments/benchmark/bench.py report

A run can be stopped and started again: what stands in the results file is not run again.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from job import learn
from joblib import Parallel, delayed
from peers import PEERS, installed
from protocol import FEWEST, DataSet, load, splits
from report import write

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.jsonl"
Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """Read the results there are; a line that was cut is as if it had not been written."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def append(path: Path, record: Record) -> None:
    """Add one line in one write, so that two runs may share a file; after a cut line, on a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        cut = file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read())[1] != b"\n"
        file.write(b"\n" * bool(cut) + json.dumps(record).encode() + b"\n")


def cell(data: DataSet, n: int, repeat: int, name: str, train: Any, test: Any) -> Any:
    """Make a job of letting one peer learn and predict; it carries no more than its rows, wherever it runs."""
    record = {"set": data.name, "n": n, "repeat": repeat, "peer": name, "n_train": len(train), "n_test": len(test)}
    X, T = (data.X.iloc[rows].reset_index(drop=True) for rows in (train, test))
    return delayed(learn)(record, X, data.y[train], data.groups[train], T, data.y[test])


def plan(sets: list[DataSet], sizes: list[int], repeats: int, names: list[str]) -> Iterator[tuple[Any, ...]]:
    """List what is to run, whole repeats first, so that what is finished at any time is a fair comparison."""
    for repeat in range(repeats):
        for name in names:
            for data in sets:
                for n in sizes:
                    if n <= data.most:
                        yield data, n, repeat, name


def run(arguments: argparse.Namespace) -> None:
    """Run every cell that does not stand in the results file."""
    results = arguments.results.resolve()  # whatever folder a peer leaves us in
    if unknown := set(arguments.peers) - set(PEERS):
        raise ValueError(f"unknown peer {', '.join(sorted(unknown))}; known are {', '.join(PEERS)}")
    if min(arguments.n) < 2 * FEWEST or arguments.repeats < 1:
        raise ValueError(f"--n starts at {2 * FEWEST} and --repeats at 1")
    names = [name for name in arguments.peers if installed(name)]
    if absent := [name for name in arguments.peers if name not in names]:
        print(f"Not installed here, so left out: {', '.join(absent)}")
    sets = load(arguments.folder, arguments.sets)
    done = {(record["set"], record["n"], record["repeat"], record["peer"]) for record in read(results)}
    cells = list(plan(sets, arguments.n, arguments.repeats, names))
    left = [item for item in cells if (item[0].name, *item[1:]) not in done]
    print(f"{len(left)} of {len(cells)} to run; the others stand in {arguments.results}", flush=True)
    drawn = {
        (data.name, n): splits(data.y, data.groups, n, arguments.repeats)
        for data, n in {(item[0].name, item[1]): item[:2] for item in left}.values()
    }
    jobs = (cell(*item, *drawn[item[0].name, item[1]][item[2]]) for item in left)
    with placed(arguments.scheduler, arguments.workers):
        done_now = Parallel(n_jobs=1, return_as="generator_unordered")(jobs)  # one at a time, or as a cluster has it
        for number, record in enumerate(done_now, 1):
            append(results, record)
            said = record.get("error") or f"log-loss {record['log_loss']:.3f}"
            which = f"[{number}/{len(left)}] {record['set']} n={record['n']} repeat {record['repeat']} {record['peer']}"
            print(f"{which}: {said} in {record['seconds']:.1f} s", flush=True)


@contextmanager
def placed(scheduler: str | None, workers: int | None) -> Iterator[None]:
    """Run jobs on a cluster, if one is asked for, with the files of this folder that they need."""
    if scheduler is None and workers is None:
        yield
        return
    from predictor.cluster import cluster  # here, since the heavy peers' environment does not have this project
    from predictor.errors import PredictorError

    try:
        with cluster(scheduler, workers) as client:
            carry(client)
            yield
    except PredictorError as error:
        raise ValueError(error) from None


def carry(client: Any) -> None:
    """Give the workers the files of this folder that jobs need."""
    for name in ("protocol.py", "peers.py", "job.py"):
        client.upload_file(str(HERE / name), load=False)


def report(arguments: argparse.Namespace) -> None:
    """Write the tables and the plot: of the project's own results into its pages, of others beside them."""
    records = [record for path in arguments.results for record in read(path)]
    if not records:
        raise ValueError(
            f"no results in {', '.join(map(str, arguments.results))}; start with: make bench DATASETS=folder"
        )
    first = arguments.results[0]
    own = first.resolve() == RESULTS
    page = HERE / "README.md" if own else first.with_suffix(".md")
    picture = HERE.parent / "pictures" / "benchmark.png" if own else first.with_suffix(".png")
    write(records, page, picture)
    print(f"Wrote {page} and {picture}")


def words(text: str) -> list[str]:
    """Take apart a list with commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str) -> list[int]:
    """Take apart a list of numbers with commas."""
    return [int(word) for word in words(text)]


def main(argv: list[str] | None = None) -> int:
    """Run the command; 2 where the input is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run", help="run what has not run yet")
    command.set_defaults(call=run)
    command.add_argument("folder", type=Path, help="data sets: pairs of NAME.csv and NAME.json")
    command.add_argument("--peers", type=words, default=list(PEERS), help="with commas; all that are installed")
    command.add_argument("--n", type=numbers, default=[100, 1000, 5000], help="training rows; 100,1000,5000")
    command.add_argument("--repeats", type=int, default=5, help="splits of each set; 5")
    command.add_argument("--sets", type=words, help="with commas; all of the folder")
    command.add_argument("--results", type=Path, default=RESULTS, help="one record per line")
    command.add_argument("--scheduler", help="run on the Dask cluster of this scheduler, tcp://HOST:PORT")
    command.add_argument("--workers", type=int, help="run in this many processes here; seconds then share the machine")
    command = commands.add_parser("report", help="write tables and plot of what has run")
    command.set_defaults(call=report)
    command.add_argument("--results", type=Path, nargs="+", default=[RESULTS], help="results files, shown together")
    arguments = parser.parse_args(argv)
    try:
        arguments.call(arguments)
    except ValueError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    sys.exit(main())
