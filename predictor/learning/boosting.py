"""Boosted trees that are tables: every path of a tree asks about few terms, so the sum of its leaves is tables.

A booster sees the numbers of cells instead of ratings, so between knots its tables are interpolated like any other.
The boosters of the folds are averaged rather than fitted again on everything: each is judged by the fold that it has
not seen, and their mean is steadier than any of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from predictor.learning.decomposition import Terms, add
from predictor.tables import Floats, Grid, Ints

RATE, PATIENCE, STEPS = 0.1, 80, 1200  # learning rate, steps without gain before it stops, and most steps
TRIED = 0.5  # share of the terms that a split may choose from: makes the boosters of a mean differ
FEW_ROWS = 500  # under this many rows trees are smaller
# Cells of tables, for each row and in all; with more, trees fill them thinly and the model's file is large.
CELLS_PER_ROW, MOST_CELLS = 200, 500_000
OUTSIDE = -1.0  # what trees see of "not applicable"
TOLERANCE = 1e-9  # by which tables may differ from the trees that they were read from


@dataclass(frozen=True, eq=False)
class Boosters:
    """The mean of the folds' boosters.

    Attributes
    ----------
    terms
        Tables of the mean.
    out_of_fold
        Log-odds of each row by the one booster that had not seen it, shape (n,); NaN where every one had.
    variance
        Mean over the rows of the jackknife variance of the mean's log-odds.
    """

    terms: Terms
    out_of_fold: Floats
    variance: float


@dataclass(frozen=True, eq=False)
class Fit:
    """A fold's booster, the terms it was shown, the codes of all rows, and its held-out loss after each step."""

    fold: int
    model: Any
    used: NDArray[np.int64]
    codes: Floats
    losses: Floats


def fit_folds(
    values: Floats,
    y: Floats,
    grid: Grid,
    fold: Ints,
    some: Iterable[int],
    *,
    order: int,
    seed: int,
    n_jobs: int | None = None,
) -> list[Fit]:
    """Fit a booster on all rows but a fold's, for some of the folds.

    Parameters
    ----------
    values
        Ratings and coded inputs, shape (n, terms); NaN where not observed.
    y
        Outcomes 0 or 1, shape (n,).
    grid
        Of the terms.
    fold
        Number of each row's fold, shape (n,).
    some
        Numbers of the folds to leave out, one after the other.
    order
        Most terms that may stand in one table: 2 or 3.
    seed
        Of the terms that a split may choose from, and of ratings between knots.
    n_jobs
        How many boosters are fitted side by side; None leaves it to joblib's configuration.
    """
    jobs = (delayed(fit_fold)(values, y, grid, fold, k, order, seed) for k in some)
    return list(Parallel(n_jobs=n_jobs, prefer="threads")(jobs))


def average(fits: Sequence[Fit], y: Floats, grid: Grid, fold: Ints) -> Boosters:
    """Read the tables of folds' boosters, all cut at the step that is best for the rows they have not seen."""
    most = int(np.median([fit.model.n_iter_ for fit in fits]))
    steps = max(1, int(np.argmin(np.sum([fit.losses for fit in fits], axis=0)[: most + 1])))
    out, parts, answers = np.full(len(y), np.nan), [], []
    for fit in fits:
        terms = tables_of(fit.model, fit.used, grid, steps)
        answer = _at(terms, _cells(fit.codes, grid))
        out[fold == fit.fold] = answer[fold == fit.fold]
        parts.append(terms)
        answers.append(answer)
    _check(fits[0], answers[0], steps)
    spread = np.var(answers, axis=0).mean() * (len(parts) - 1)
    return Boosters(add((1 / len(parts), terms) for terms in parts), out, float(spread))


def _check(fit: Fit, answer: Floats, steps: int) -> None:
    """Hold the tables against scikit-learn's own answer: its trees are read from where it does not promise them."""
    with threadpool_limits(1, user_api="openmp"):
        stages = islice(fit.model.staged_decision_function(fit.codes[:, fit.used]), steps)
        trees = deque(stages, maxlen=1)[0].ravel()
    if np.abs(trees - answer).max() > TOLERANCE:
        raise ArithmeticError("the tables do not equal the trees: this version of scikit-learn stores them anew")


def too_large(grid: Grid, order: int, rows: int) -> bool:
    """Whether tables of so many terms would have too many cells for so many rows."""
    cells = comb(len(grid.levels), order) * float(np.median(grid.sizes)) ** order
    return cells > min(CELLS_PER_ROW * rows, MOST_CELLS)


def fit_fold(values: Floats, y: Floats, grid: Grid, fold: Ints, k: int, order: int, seed: int) -> Fit:
    codes = _codes(values, grid, np.random.default_rng([seed, k]))
    inside = fold != k
    used = np.flatnonzero([len(np.unique(column)) > 1 for column in codes[inside].T])  # else no split, and it fails
    if not len(used):
        used = np.array([0])
        codes[:, 0] = 0.0
    few = len(y) < FEW_ROWS
    within: Any = "pairwise" if order == 2 or len(used) < 3 else list(combinations(range(len(used)), order))
    with threadpool_limits(1, user_api="openmp"):  # small fits lose time to threads
        model = HistGradientBoostingClassifier(
            learning_rate=RATE,
            max_iter=STEPS,
            max_leaf_nodes=8 if few else 16,
            min_samples_leaf=3 if few else 5,
            l2_regularization=1.0 if few else 10.0,
            max_features=TRIED,
            interaction_cst=within if len(used) > 1 else None,
            early_stopping=True,
            n_iter_no_change=PATIENCE,
            tol=0.0,
            random_state=(seed + k) % 2**32,
        )
        model.fit(codes[inside][:, used], y[inside], X_val=codes[~inside][:, used], y_val=y[~inside])
    losses = -np.asarray(model.validation_score_) * np.sum(~inside)
    return Fit(k, model, used, codes, np.append(losses, np.full(STEPS + 1 - len(losses), losses[-1])))


def _codes(values: Floats, grid: Grid, rng: np.random.Generator) -> Floats:
    """Number the knots, NaN where not observed; a rating between two knots counts as one of them, drawn by nearness.

    "Not applicable" is OUTSIDE, below all knots, so that a split can tell it from all ratings, or take it with the low.
    """
    place = grid.place(values)
    codes = place.lower + (rng.random(values.shape) < place.fraction)
    return np.where(np.isnan(values), np.nan, np.where(codes == grid.levels, OUTSIDE, codes))


def _cells(codes: Floats, grid: Grid) -> Ints:
    """Give the cells of the codes that trees see."""
    cells = np.where(codes == OUTSIDE, grid.levels, codes)
    return np.where(np.isnan(codes), grid.unrated, cells).astype(np.int64)


def tables_of(model: Any, used: NDArray[np.int64], grid: Grid, steps: int) -> Terms:
    """Read the trees: a leaf adds its value to the cells that lead to it, in the table of the terms on its path."""
    terms: Terms = {(): np.array(float(np.ravel(model._baseline_prediction)[0]))}
    beside = [[np.nan], [OUTSIDE, np.nan]]
    cells = [np.append(np.arange(n), beside[apart]) for n, apart in zip(grid.levels, grid.apart, strict=True)]
    for (tree,) in model._predictors[:steps]:
        nodes = tree.nodes
        paths: list[tuple[int, dict[int, NDArray[np.bool_]]]] = [(0, {})]
        while paths:
            at, path = paths.pop()
            node = nodes[at]
            if node["is_leaf"]:
                place = tuple(sorted(path))
                if place not in terms:
                    terms[place] = np.zeros([len(cells[term]) for term in place])
                terms[place][np.ix_(*(path[term] for term in place))] += node["value"]
                continue
            term = int(used[node["feature_idx"]])
            left = cells[term] <= node["num_threshold"]
            left[-1] = node["missing_go_to_left"]
            before = path.get(term, np.ones(len(left), dtype=bool))
            paths.append((int(node["left"]), {**path, term: before & left}))
            paths.append((int(node["right"]), {**path, term: before & ~left}))
    return terms


def _at(terms: Terms, codes: Ints) -> Floats:
    total = np.zeros(len(codes))
    for place, table in terms.items():
        total += table[tuple(codes[:, term] for term in place)]
    return total
