"""Ask models about PARTIAL ratings: one model for every subset of its signals, against a model refitted on just those.

    python experiments/benchmark/subsets.py run FOLDER                  # public sets and SIMULATED interviews
    python experiments/benchmark/subsets.py calibration                 # SIMULATED rows with few ratings
    python experiments/benchmark/subsets.py gaps                        # SIMULATED training rows with gaps
    python experiments/benchmark/subsets.py report

What stands in the results file is not run again, so a change of the project costs no more than its own fits:

    python experiments/benchmark/subsets.py run FOLDER --peers ours --tag my-change --only 'simulated/(200|1000)'
    python experiments/benchmark/subsets.py run FOLDER --peers ours --tag other --fit my_module:my_fit
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # the heavy peers' environment does not have this project installed
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # before numpy: a process is one job, and each job has one thread

import numpy as np  # noqa: E402
from bench import append, read, words  # noqa: E402
from joblib import Parallel, delayed  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402
from subset_cells import (  # noqa: E402
    SIMULATED,
    SIZES,
    Cell,
    calibration_cells,
    draw,
    subset_cells,
    training_gap_cells,
)
from subset_peers import PEERS, PROTOTYPE, installed, named  # noqa: E402
from subset_report import KEPT, REFERENCES, Record, compared, key, write  # noqa: E402

import predictor  # noqa: E402

RESULTS = HERE / "subsets.jsonl"


@dataclass(frozen=True)
class Job:
    """What one process does at a time: a peer on one split of one set, all subsets that are left to do."""

    experiment: str
    peer: str
    tag: str
    name: str
    n: int
    split: int
    folder: Path | None
    better: str | None
    fit: str | None
    done: frozenset[str] = frozenset()  # subsets that stand in the results

    def cells(self) -> Iterator[Cell]:
        """Make the cells of this split."""
        if self.experiment == "gaps":
            return training_gap_cells(self.n, self.split, self.better)
        rows = draw(self.folder, self.name, self.n, self.split, self.better)
        return calibration_cells(rows, self.split) if self.experiment == "calibration" else subset_cells(rows)

    def about(self, subset: str) -> Record:
        """Name a cell."""
        keys = ("experiment", "peer", "tag", "name", "n", "split")
        return {("set" if key == "name" else key): getattr(self, key) for key in keys} | {"subset": subset}


def losses(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Compute the log-loss of each row; probabilities are held between 1e-6 and 1 - 1e-6."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(-np.where(t == 1, np.log(p), np.log1p(-p)))


def paired(difference: np.ndarray, clusters: np.ndarray) -> list[float]:
    """Compute the mean of a difference over test rows and its standard error, where rows of a cluster go together."""
    mean = float(difference.mean())
    _, member = np.unique(clusters, return_inverse=True)
    sums = np.bincount(member, weights=difference - mean)
    return [round(mean, 6), round(float(np.sqrt((sums**2).sum()) / len(difference)), 6)]


def recalibration(t: np.ndarray, p: np.ndarray, base_shift: float = 0.0) -> Record:
    """Fit the outcome on the predicted log-odds: slope (1 is right), intercept (0 is right) and their standard errors.

    `in_the_large` is the intercept where the slope is held at 1: above 0, likelihoods are too low. `base_shift` is
    added to the log-odds first.
    """
    p = np.clip(p, 1e-6, 1 - 1e-6)
    eta = np.log(p) - np.log1p(-p) + base_shift
    if np.ptp(eta) < 1e-9:
        return {}
    fits = []
    for design, offset in ((np.column_stack([np.ones(len(eta)), eta]), 0 * eta), (np.ones((len(eta), 1)), eta)):
        at = np.zeros(design.shape[1])
        for _ in range(50):  # Newton's steps; nothing separates the outcomes on some thousand rows
            mean = 1 / (1 + np.exp(-(offset + design @ at)))
            inverse = np.linalg.inv(design.T @ (design * (mean * (1 - mean) + 1e-12)[:, None]))
            step = inverse @ (design.T @ (t - mean))
            at = at + np.clip(step, -2, 2)
            if np.abs(step).max() < 1e-10:
                break
        fits.append((at, np.sqrt(np.diag(inverse))))
    (both, errors), (alone, error) = fits
    return {
        "slope": [round(float(both[1]), 4), round(float(errors[1]), 4)],
        "intercept": [round(float(both[0]), 4), round(float(errors[0]), 4)],
        "in_the_large": [round(float(alone[0]), 4), round(float(error[0]), 4)],
    }


def kept(results: Path, about: Record) -> Path:
    """Tell where the losses, row by row, of a reference are kept."""
    name = "-".join(str(about[part]) for part in ("experiment", "peer", "set", "n", "split", "subset"))
    return results.with_suffix(".losses") / (name.replace(" ", "_") + ".npy")


def learn(job: Job, results: Path) -> list[tuple[Record, np.ndarray | None]]:
    """Let a peer learn and answer; its records, and the losses row by row where later ones are compared with them."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    peer = PEERS[job.peer]
    fit = named(job.fit) if job.fit and job.peer == "ours" else peer.fit
    made: list[tuple[Record, np.ndarray | None]] = []
    model, learned = None, None
    cells = list(job.cells())
    for cell in cells:
        if cell.subset in job.done:
            continue
        about, rows = job.about(cell.subset), cell.rows
        started = time.perf_counter()
        if peer.refitted:
            outside = [name for name, keep in zip(rows.catalogue.names, cell.keep, strict=True) if not keep]
            columns = np.r_[cell.keep, np.ones(rows.X.shape[1] - len(cell.keep), dtype=bool)]
            model = fit(rows.catalogue.without(outside), rows.X[:, columns], rows.y, rows.groups)
            p = model.predict_proba(rows.T[:, columns])[:, 1]
        else:
            if learned is not rows.X:
                model, learned = fit(rows.catalogue, rows.X, rows.y, rows.groups), rows.X
            p = model.predict_proba(rows.T)[:, 1]
        seconds = time.perf_counter() - started
        loss = losses(rows.t, np.asarray(p, dtype=float))
        above = {"base_rate": paired(loss - losses(rows.t, np.full(len(rows.t), rows.y.mean())), rows.clusters)}
        for reference in KEPT:
            path = kept(results, {**about, "peer": reference})
            if reference != job.peer and path.exists():
                above[reference] = paired(loss - np.load(path), rows.clusters)
        record = {
            **about,
            "of": len(cells),  # of this job, so that a finished one is known without drawing its rows
            "rated": int(cell.keep.sum()),
            "n_train": len(rows.y),
            "n_test": len(rows.t),
            "log_loss": round(float(loss.mean()), 6),
            "roc_auc": round(float(roc_auc_score(rows.t, p)), 6) if 0 < rows.t.mean() < 1 else None,
            "above": above,
            **(recalibration(rows.t, p, cell.base_shift) if job.experiment == "calibration" else {}),
            "seconds": round(seconds, 3),
            "version": version(),
        }
        made.append((record, loss.astype(np.float32) if job.peer in KEPT else None))
    return made


def version() -> str:
    """Tell which version of the project this is: its commit, and if its files are not those, a digest of them too."""
    home = Path(predictor.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        digest.update(path.read_bytes())
    git = partial(subprocess.run, cwd=home, capture_output=True, text=True, check=True)
    try:
        commit = git(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
        changed = git(["git", "status", "--porcelain", "--", "."]).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit, changed = "", "no repository"
    return "+".join(part for part in (commit, digest.hexdigest()[:6] if changed else "") if part)


def plan(arguments: argparse.Namespace, names: list[str]) -> Iterator[Job]:
    """List what is to run: peer by peer, so that what others are compared with is there first."""
    if arguments.experiment == "run":
        there = sorted(path.stem for path in arguments.folder.glob("*.csv")) if arguments.folder else []
        sizes = {name: SIZES.get(name, [1000]) for name in [*there, SIMULATED]}
    else:
        sizes = {SIMULATED: [1000, 5000] if arguments.experiment == "calibration" else [1000]}
    sizes = {name: arguments.n or here for name, here in sizes.items()}
    for peer in names:
        tag = (arguments.tag or version() + (f"-{arguments.better}" if arguments.better else "")) * (peer == "ours")
        for name, here in sizes.items():
            for n in here:
                for split in range(arguments.splits):
                    if re.search(arguments.only, f"{name}/{n}"):
                        yield Job(
                            {"run": "subsets"}.get(arguments.experiment, arguments.experiment),
                            peer, tag, name, n, split, arguments.folder,
                            arguments.better if peer == "ours" else None, arguments.fit,
                        )  # fmt: skip


def remaining(job: Job, done: dict[tuple[Any, ...], Record]) -> Job | None:
    """Take out of a job what is done; None where that is everything."""
    prefix = key(job.about(""))[:-1]
    there = {at[-1]: record for at, record in done.items() if at[:-1] == prefix}
    if there and len(there) >= min(record["of"] for record in there.values()):
        return None
    return replace(job, done=frozenset(there))


def tried(job: Job, results: Path) -> tuple[Job, list[tuple[Record, np.ndarray | None]] | str]:
    """Let a peer learn and answer; whatever it raises, the others go on."""
    try:
        return job, learn(job, results)
    except Exception as error:
        return job, f"{type(error).__name__}: {error}"[:300]


def run(arguments: argparse.Namespace) -> int:
    """Run what does not stand in the results file."""
    if arguments.folder and not arguments.folder.is_dir():
        raise ValueError(f"there is no folder {arguments.folder}")
    if unknown := set(arguments.peers or []) - set(PEERS):
        raise ValueError(f"unknown peer {', '.join(sorted(unknown))}; known are {', '.join(PEERS)}")
    if arguments.prototype:
        os.environ[PROTOTYPE] = str(arguments.prototype.resolve())
    if arguments.fit:
        named(arguments.fit)  # says now what is wrong with it
    wanted = arguments.peers or [name for name, peer in PEERS.items() if peer.by_default]
    if arguments.experiment != "run":  # there, nothing is refitted: the same rows are learned from
        wanted = [name for name in wanted if not PEERS[name].refitted]
    names = [name for name in wanted if installed(name)]
    if absent := [name for name in wanted if name not in names]:
        print(f"Not here, so left out: {', '.join(absent)}", file=sys.stderr)
    results = arguments.results.resolve()
    done = {key(record): record for record in read(results)}
    jobs = list(plan(arguments, names))
    todo = [job for job in jobs if arguments.again] or [left for job in jobs if (left := remaining(job, done))]
    print(f"{len(todo)} of {len(jobs)} to run; the others stand in {arguments.results}", file=sys.stderr, flush=True)
    failed = 0
    outcomes = Parallel(n_jobs=arguments.jobs, return_as="generator_unordered")(
        delayed(tried)(job, results) for job in todo
    )
    started = time.perf_counter()
    for number, (job, made) in enumerate(outcomes, 1):
        where = f"[{number}/{len(todo)}, {time.perf_counter() - started:.0f} s] {job.peer} {job.tag}".rstrip()
        where += f" {job.name}/{job.n} split {job.split}"
        if isinstance(made, str):
            failed += 1
            print(f"{where}: FAILED: {made}", file=sys.stderr, flush=True)
            continue
        for record, loss in made:
            if loss is not None:
                path = kept(results, record)
                path.parent.mkdir(exist_ok=True)
                np.save(path, loss)
            append(results, record)
            done[key(record)] = record
        print(f"{where}: {compared([record for record, _ in made], done)}", file=sys.stderr, flush=True)
    return 1 if failed else 0


def report(arguments: argparse.Namespace) -> int:
    """Write the tables of what has run to standard output, or into the page of this folder."""
    records = [record for path in arguments.results for record in read(path)]
    if not records:
        raise ValueError(f"no results in {', '.join(map(str, arguments.results))}; start with: subsets.py run FOLDER")
    chosen = [r for r in records if r["peer"] != "ours" or re.search(arguments.tags, r["tag"])]
    latest = {key(record): record for record in chosen}
    page = write(list(latest.values()), arguments.against, HERE / "README.md" if arguments.write else None)
    print(page)
    return 0


def numbers(text: str) -> list[int]:
    """Take apart a list of numbers with commas."""
    return [int(word) for word in words(text)]


def main(argv: list[str] | None = None) -> int:
    """Run the command; 2 where the input is wrong, 1 where a peer failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="experiment")
    for name, what in {
        "run": "subsets of public sets and of SIMULATED interviews",
        "calibration": "calibration of SIMULATED rows with few ratings, learned from rows with such gaps",
        "gaps": "learn from SIMULATED rows with gaps, answer full rows",
    }.items():
        command = commands.add_parser(name, help=what)
        command.set_defaults(call=run, folder=None)
        if name == "run":
            command.add_argument(
                "folder", type=Path, nargs="?", help="pairs of NAME.csv and NAME.json; none for only SIMULATED"
            )
        command.add_argument("--peers", type=words, help=f"with commas, of {', '.join(PEERS)}")
        command.add_argument("--splits", type=int, default=3, help="of each set; 3")
        command.add_argument("--n", type=numbers, help="training rows of every set, with commas; else each has its own")
        command.add_argument("--only", default="", help="a regular expression that SET/N must match")
        command.add_argument("--tag", help="name of this variant of ours; its commit where there is none")
        command.add_argument("--again", action="store_true", help="run what stands in the results, too")
        command.add_argument("--fit", help="MODULE:FUNCTION(catalogue, X, y, groups) to use for ours")
        command.add_argument("--better", choices=("higher", "lower", "either"), help="set it on every signal, for ours")
        command.add_argument("--prototype", type=Path, help="a file with another implementation, as a reference")
        command.add_argument("--jobs", type=int, default=1, help="processes; 1")
        command.add_argument("--results", type=Path, default=RESULTS, help="one record per line")
    command = commands.add_parser("report", help="write the tables of what has run")
    command.set_defaults(call=report)
    command.add_argument("--results", type=Path, nargs="+", default=[RESULTS], help="results files, read together")
    command.add_argument("--against", choices=REFERENCES, default="refit", help="what ratios divide by")
    command.add_argument("--tags", default="", help="a regular expression that the tag of ours must match")
    command.add_argument("--write", action="store_true", help="write the tables into README.md of this folder, too")
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.call(arguments))
    except (ValueError, re.error) as error:
        print(f"subsets: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
