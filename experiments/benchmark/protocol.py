"""The same rows for everyone: pairs of CSV and JSON, fixed splits of them, and scores."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

SEED = 7301
TEST_ROWS = 4000  # at most
FEWEST = 5  # rows of each class that a training side has
TRIES = 100_000  # splits that are drawn before a set is said to have too few rows of one class
BINS = 10


@dataclass(frozen=True)
class DataSet:
    """Features (NaN where missing), labels 0 or 1, and the group of each row (the row itself where none is given)."""

    name: str
    X: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray

    @property
    def most(self) -> int:
        """Count the rows of a training side at most: 70 %, and a little, so that 982 rows still pass for 1,000."""
        return int(0.7 * len(self.y) * 1.05)


def load(folder: Path, names: list[str] | None = None) -> list[DataSet]:
    """Read the pairs NAME.csv and NAME.json of a folder.

    Parameters
    ----------
    folder
        Where the pairs are. The keys of "features" in the JSON name the columns that are features; `label` is 0 or 1;
        `group`, where there, says which rows belong together.
    names
        Which pairs, in this order; all of them where None.

    Raises
    ------
    ValueError
        If the folder or a pair is not there, or a pair is not of that form.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    there = sorted(path.stem for path in folder.glob("*.csv") if path.with_suffix(".json").exists())
    if not there:
        raise ValueError(f"{folder} has no pair NAME.csv and NAME.json")
    if missing := set(names or []) - set(there):
        raise ValueError(f"{folder} has no set {', '.join(sorted(missing))}; it has {', '.join(there)}")
    return [_read(folder / f"{name}.csv") for name in names or there]


def _read(path: Path) -> DataSet:
    try:
        features = list(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["features"])
        table = pd.read_csv(path)
        X = table[features].apply(pd.to_numeric, errors="coerce").astype(float)
        groups = table["group"].to_numpy() if "group" in table else np.arange(len(table))
        y = table["label"].to_numpy(int)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} or its JSON cannot be read: {error}") from error
    if set(np.unique(y)) != {0, 1}:
        raise ValueError(f"{path}: the column label must have both 0 and 1, and nothing else")
    return DataSet(path.stem, X, y, groups)


def splits(y: np.ndarray, groups: np.ndarray, n: int, repeats: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw pairs of training and test rows: 70 % of the groups feed the training side, of which n rows are kept.

    The first pairs are the same however many are asked for, so that repeats can be added later.

    Raises
    ------
    ValueError
        If hardly any training side of n rows has five rows of each class.
    """
    rng, pairs, distinct = np.random.default_rng(SEED), [], np.unique(groups)
    for _ in range(TRIES):
        if len(pairs) == repeats:
            break
        chosen = rng.permutation(distinct)[: int(len(distinct) * 0.7)]
        inside = np.isin(groups, chosen)
        train = rng.permutation(np.flatnonzero(inside))[:n]
        test = rng.permutation(np.flatnonzero(~inside))[:TEST_ROWS]
        if min(np.bincount(y[train], minlength=2)) >= FEWEST:
            pairs.append((train, test))
    else:
        raise ValueError(f"training sides of {n} rows hardly ever have {FEWEST} rows of each class")
    return pairs


def scores(y: np.ndarray, p: np.ndarray) -> dict[str, float | None]:
    """Score probabilities on test rows; None where a score is not defined."""
    p = np.clip(np.asarray(p, dtype=float), 1e-6, 1 - 1e-6)
    found: dict[str, Any] = {
        "log_loss": -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)),
        "brier": np.mean((p - y) ** 2),
        "roc_auc": roc_auc_score(y, p) if 0 < y.mean() < 1 else np.nan,
        "calibration_error": calibration_error(y, p),
        "calibration_slope": calibration_slope(y, p),
    }
    return {name: round(float(value), 6) if np.isfinite(value) else None for name, value in found.items()}


def calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    """Compute the mean distance of predicted and observed share over ten bins of equal size; equal p share a bin."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, BINS + 1)[1:-1]))
    gaps = np.bincount(np.searchsorted(edges, p, side="right"), p - y)
    return float(np.abs(gaps).sum() / len(y))


def calibration_slope(y: np.ndarray, p: np.ndarray) -> float:
    """Compute the slope of the outcome on the predicted log-odds: 1 is best, below 1 is too sure of itself."""
    log_odds = np.log(p) - np.log1p(-p)
    if np.ptp(log_odds) < 1e-9 or not 0 < y.mean() < 1:
        return np.nan
    return float(LogisticRegression(C=1e6, max_iter=1000).fit(log_odds[:, None], y).coef_[0, 0])
