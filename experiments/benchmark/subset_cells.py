"""The rows of `subsets.py`: data sets with a catalogue each, subsets of signals, and ways to leave ratings out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from protocol import load, splits

from predictor import Catalogue, simulate_interviews
from predictor.ratings.signals import Scale, Signal

SIZES = {  # training rows of each set; another set of the folder gets 1,000, or what it has
    "speed_dating": [200, 1000],
    "iclr_2017_2018_reviews": [500],
    "mit_interview": [90],
    "somerville_happiness": [95],
    "divorce_predictors": [100],
    "airline_satisfaction": [200, 1000],
    "recruitment_synthetic": [1000],
    "utrecht_recruitment_synthetic": [1000],
    "simulated": [200, 1000, 5000],
}
SIMULATED = "simulated"
ALL = "all"  # every signal: full input, which is no subset, so it is in no mean over subsets
TRAIN_SEED, TEST_SEED, TEST_ROWS = 11, 4321, 20_000
FEW = 1 / 3  # "few ratings": up to this share of the signals is rated
KNOTS = 11  # of a scale that is not a few whole numbers
Mask = np.ndarray  # of booleans


@dataclass(frozen=True)
class Rows:
    """Training and test rows of one split.

    Attributes
    ----------
    catalogue
        Of the columns: signals, then coded inputs.
    X, y, groups
        Training rows, their outcomes 0 or 1, and which of them belong together; NaN is "not rated".
    T, t, clusters
        The same of test rows.
    """

    catalogue: Catalogue
    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    T: np.ndarray
    t: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True)
class Cell:
    """One question: learn from the training rows, answer the test rows.

    Attributes
    ----------
    subset
        Name of the subset of signals, or of the way ratings were left out.
    keep
        Shape (signals,): which signals a test row may have; others are NaN in all of them.
    rows
        As they are learned from and asked about.
    base_shift
        How much higher the log-odds of the share of 1 are in all test rows than in training rows. Fresh interviews
        are of other organisations, so this is chance, and no calibration can know of it.
    """

    subset: str
    keep: Mask
    rows: Rows
    base_shift: float = 0.0


def catalogue_of(path: Path, X: np.ndarray) -> Catalogue:
    """Describe the columns of a set: one family, no inputs, scales as its JSON has them, else from end to end.

    Both ends hold the column's values, so that no test row is off the scale.
    """
    described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["features"]
    signals = []
    for (name, about), column in zip(described.items(), X.T, strict=True):
        said = about if isinstance(about, dict) else {}
        low = min(float(said.get("min", np.inf)), float(np.nanmin(column)))
        high = max(float(said.get("max", -np.inf)), float(np.nanmax(column)))
        whole = high - low < 2 * KNOTS and high - low == round(high - low)
        whole = whole and bool((column[~np.isnan(column)] % 1 == low % 1).all())
        scale = Scale(low, high, 1.0 if whole else (high - low) / (KNOTS - 1))
        signals.append(Signal(name, name, "signals", scale=scale))
    return Catalogue(path.stem, path.stem, tuple(signals), {"signals": "Signals"}, outcome="label")


def directed(catalogue: Catalogue, better: str | None) -> Catalogue:
    """Say of every signal which way is better, in a version of the project whose signals can say it."""
    if better is None or "better" not in {field.name for field in fields(Signal)}:
        return catalogue
    signals: tuple[Any, ...] = tuple(replace(signal, better=better) for signal in catalogue.signals)
    return replace(catalogue, signals=signals)


@lru_cache(maxsize=4)
def simulated(n: int, seed: int) -> Any:
    """Simulate n interviews and keep those with a known outcome."""
    return simulate_interviews(n, seed=seed).labelled()


def draw(folder: Path | None, name: str, n: int, split: int, better: str | None = None) -> Rows:
    """Make the training and test rows of one split: the benchmark's own splits, or fresh SIMULATED interviews."""
    if name == SIMULATED:
        test = simulated(int(TEST_ROWS * 1.15), TEST_SEED)
        return _simulated(n, split, test, better)
    if folder is None:
        raise ValueError(f"the set {name} needs a folder")
    data = load(folder, [name])[0]
    values = data.X.to_numpy(float)
    train, test = splits(data.y, data.groups, n, split + 1)[split]
    return Rows(
        directed(catalogue_of(folder / f"{name}.csv", values), better or "either"),
        values[train],
        data.y[train],
        data.groups[train],
        values[test],
        data.y[test],
        data.groups[test],
    )


def _simulated(n: int, split: int, test: Any, better: str | None) -> Rows:
    train = simulated(int(n * 1.15), TRAIN_SEED + split)
    train = train if len(train) >= n else simulated(int(n * 1.3), TRAIN_SEED + split)
    return Rows(
        directed(train.catalogue, better),
        train.features.to_numpy(float)[:n],
        np.asarray(train.y, dtype=int)[:n],
        np.asarray(train.groups)[:n],
        test.features.to_numpy(float)[:TEST_ROWS],
        np.asarray(test.y, dtype=int)[:TEST_ROWS],
        np.asarray(test.groups)[:TEST_ROWS],
    )


def subsets(catalogue: Catalogue) -> dict[str, Mask]:
    """Name subsets of the signals; those at random are the same for every split, size and version."""
    p = len(catalogue.signals)
    sides, families = (np.array([getattr(s, key) for s in catalogue.signals]) for key in ("side", "family"))
    chosen = {ALL: np.ones(p, dtype=bool)}
    chosen |= {f"side {side}": sides == side for side in ("candidate", "interviewer") if (sides == side).any()}
    if len(catalogue.families) > 1:
        chosen |= {f"family {name}": families == name for name in ("body_language", "follow_up") if name in families}
    sizes = {"3 at random": 3, "3 others": 3, "a third": max(2, round(p / 3)), "half": p // 2, "another half": p // 2}
    for name, size in sizes.items():
        rng = np.random.default_rng(zlib.crc32(f"{catalogue.name} {name}".encode()))
        mask = np.isin(np.arange(p), rng.permutation(p)[:size])
        if not mask.all() and not any((mask == other).all() for other in chosen.values()):
            chosen[name] = mask
    return chosen


def only(values: np.ndarray, keep: Mask) -> np.ndarray:
    """Take away the ratings that are not kept; keep has a mask for all rows, or one for each."""
    left = values.copy()
    signals = left[:, : keep.shape[-1]]
    signals[~np.broadcast_to(keep, signals.shape)] = np.nan
    return left


def subset_cells(rows: Rows) -> Iterator[Cell]:
    """Learn from everything, ask about a subset of the signals."""
    for name, keep in subsets(rows.catalogue).items():
        yield Cell(name, keep, replace(rows, T=only(rows.T, keep)))


# Ways to leave ratings out: one row per row of ratings (n, p), True where it stays.
Gaps = Callable[[np.ndarray, Catalogue, np.random.Generator], Mask]


def at_random(values: np.ndarray, catalogue: Catalogue, rng: np.random.Generator) -> Mask:
    """Each row has a share of its own of ratings, anything from none to all."""
    return rng.random(values.shape) < rng.random((len(values), 1))


def by_family(values: np.ndarray, catalogue: Catalogue, rng: np.random.Generator) -> Mask:
    """Each row shows one family only."""
    family = np.array([signal.family for signal in catalogue.signals])
    return family[None, :] == rng.choice(np.unique(family), len(values))[:, None]


def misses_a_side(values: np.ndarray, catalogue: Catalogue, rng: np.random.Generator) -> Mask:
    """Each row misses the interviewer's or the candidate's signals; those of both sides stay."""
    side = np.array([signal.side for signal in catalogue.signals])
    return side[None, :] != rng.choice(["candidate", "interviewer"], len(values))[:, None]


def by_side(values: np.ndarray, catalogue: Catalogue, rng: np.random.Generator) -> Mask:
    """Each row misses a side, and of the rest shows a share of its own."""
    return misses_a_side(values, catalogue, rng) & at_random(values, catalogue, rng)


def informative(values: np.ndarray, catalogue: Catalogue, rng: np.random.Generator) -> Mask:
    """Leave out more where things went badly: six in ten on average, and by the row's mean rating."""
    mean = np.nanmean(values, axis=1, keepdims=True)
    badness = -(mean - np.nanmean(mean)) / np.nanstd(mean)
    return rng.random(values.shape) > 1 / (1 + np.exp(-(0.5 + 1.2 * badness)))


def another_third(values: np.ndarray, catalogue: Catalogue, rng: np.random.Generator) -> Mask:
    """Each row rates another third of the signals."""
    order = np.argsort(np.argsort(rng.random(values.shape), axis=1), axis=1)
    return order < round(values.shape[1] / 3)


CALIBRATION: dict[str, Gaps] = {
    "at random": at_random,
    "by family": by_family,
    "by side": by_side,
    "informative": informative,
}
TRAINING_GAPS: dict[str, Gaps] = {
    "one side missing": misses_a_side,
    "a third rated": another_third,
    "one family": by_family,
}


def calibration_cells(rows: Rows, split: int) -> Iterator[Cell]:
    """Leave ratings out of training and test rows alike; ask about the rows with few ratings, but not none."""
    p = len(rows.catalogue.signals)
    learned, asked = (float(np.log(y.mean() / (1 - y.mean()))) for y in (rows.y, rows.t))
    for name, leave in CALIBRATION.items():
        rng = np.random.default_rng(zlib.crc32(f"{name} {split}".encode()))
        X = only(rows.X, leave(rows.X[:, :p], rows.catalogue, rng))
        T = only(rows.T, leave(rows.T[:, :p], rows.catalogue, rng))
        count = (~np.isnan(T[:, :p])).sum(axis=1)
        few = (count > 0) & (count <= FEW * p)
        thin = replace(rows, X=X, T=T[few], t=rows.t[few], clusters=rows.clusters[few])
        yield Cell(name, np.ones(p, dtype=bool), thin, asked - learned)


def training_gap_cells(n: int, split: int, better: str | None = None) -> Iterator[Cell]:
    """Leave ratings out of training rows, ask about full rows; first, for comparison, with full training rows."""
    rows = _simulated(n, split, simulated(6900, TEST_SEED), better)
    p = len(rows.catalogue.signals)
    everything = np.ones(p, dtype=bool)
    yield Cell("no gaps", everything, rows)
    for name, leave in TRAINING_GAPS.items():
        keep = leave(rows.X[:, :p], rows.catalogue, np.random.default_rng(split))
        yield Cell(name, everything, replace(rows, X=only(rows.X, keep)))
