"""Boosted trees as tables: each path of a tree splits on few terms, so the sum of all leaves can be written as tables.

A booster is trained on the codes of cells instead of ratings, so between knots its tables are interpolated like any
other. First, small trees are fitted; their depth is the largest number of terms that a table may have. They are fast,
and show whether boosters gain enough and which terms interact. Larger trees then split only on these terms. They are
chosen in each fold anew: if the held-out rows had a part in the choice, out-of-fold scores would be too good.

The boosters of the folds are averaged rather than fitted again on all rows: their mean varies less than any of them.
All are cut at one number of steps, that with the least loss on the held-out folds together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import lightgbm as lgb
import numpy as np
from joblib import Parallel, delayed

from predictor.learning.decomposition import TablesByTerms, add, evaluate, purify
from predictor.learning.weights import RowWeights, count, mean, take
from predictor.model.tables import Floats, Grid, Ints

# Chosen by hand on public sets (experiments/benchmark/README.md); with .05 and 32 leaves log-loss is within .001.
RATE, PATIENCE, MOST_STEPS = 0.2, 30, 1000  # learning rate, steps without gain before it stops, and most steps
FEATURE_FRACTION = 0.5  # share of the terms that a split may choose from, so that the averaged boosters differ
LEAVES, LEAF_ROWS = 16, 5  # of larger trees, and fewest rows of a leaf
PENALTY, SMALL_PENALTY = 3.0, 1.0  # on the squares of leaves of larger and of small trees
MOST_INTERACTIONS = 20  # pairs, or triples, on which a fold's larger trees may split
# Most cells of tables, for each row and in all; with more, most cells have few rows and the model's file is large.
CELLS_PER_ROW, MOST_CELLS = 200, 500_000
TOLERANCE = 1e-9  # most difference of tables and the trees that they were read from


@dataclass(frozen=True, eq=False)
class Boosters:
    """The mean of the folds' boosters.

    Attributes
    ----------
    tables
        Tables of the mean.
    out_of_fold
        Log-odds of each row by the booster that was fitted without it, shape (n,); NaN if no booster held it out.
    variance
        Jackknife variance of the log-odds of the mean, averaged over the rows.
    by_fold
        By the number of a fold: tables of the booster that was fitted without it.
    """

    tables: TablesByTerms
    out_of_fold: Floats
    variance: float
    by_fold: dict[int, TablesByTerms]


@dataclass(frozen=True, eq=False)
class FoldBooster:
    """A booster that was fitted without a fold; the codes of cells and of rows; its held-out loss after each step."""

    fold: int
    booster: Any
    cell_codes: CellCodes
    codes: Floats
    losses: Floats


@dataclass(frozen=True, eq=False)
class CellCodes:
    """Codes of cells in a booster.

    ================  ===================  =================  ============================
    cell              without a direction  with a direction   with one, ratings masked
    ================  ===================  =================  ============================
    knots             0, 1, ...            0, 1, ...          0, 1, ...
    not applicable    the next number      NaN                no code
    not rated         NaN                  no code            NaN
    ================  ===================  =================  ============================

    For NaN each split has a side of its own, outside of the order. With a direction all numbers are ordered, so
    there is room for one unordered cell only. A cell of the other two kinds without any training row has no code
    either. The value of a cell without a code is the mean over the term's other cells.

    Attributes
    ----------
    codes
        Code of each cell, shape (cells,); infinite if it has none.
    shares
        For each cell the share of the term's training rows, shape (cells,); 0 without a code.
    """

    codes: Floats
    shares: Floats


@dataclass(frozen=True, eq=False)
class FoldedRows:
    """Rows dealt to folds, and how boosters learn from them.

    Attributes
    ----------
    cells
        Rows as cell weights, shape (n, cells); see `Grid.weights`. If a term's weight is on several cells, one of them
        is drawn for training.
    y
        Outcomes 0 or 1, shape (n,).
    grid
        Grid of the terms.
    fold
        Number of each row's fold, shape (n,).
    directions
        For each term, shape (terms,): 1 if a higher rating may only raise the log-odds, -1 if it may only lower them, 0
        without a constraint.
    seed
        Seed of the boosters, and of the cells that are drawn.
    n_jobs
        Number of boosters fitted in parallel; None leaves it to joblib's configuration.
    weights
        How often each row counts, shape (n,).
    """

    cells: Floats
    y: Floats
    grid: Grid
    fold: Ints
    directions: Ints
    seed: int
    n_jobs: int | None = None
    weights: RowWeights = None

    def __sizeof__(self) -> int:  # joblib sends large objects to a cluster once, and not with every fit
        return int(self.cells.nbytes + self.y.nbytes)

    def in_parallel(self, jobs: Iterable[Any]) -> list[Any]:
        """Run joblib's jobs in parallel threads."""
        return list(Parallel(n_jobs=self.n_jobs, prefer="threads")(jobs))


def fit_folds(rows: FoldedRows, held_out_folds: Iterable[int], order: int) -> list[FoldBooster]:
    """Fit boosters of small trees, each on all rows but those of one fold.

    Parameters
    ----------
    rows
        The rows.
    held_out_folds
        Numbers of the folds to leave out, one for each booster.
    order
        Most terms of one table: 2 or 3.
    """
    return rows.in_parallel(delayed(fit_fold)(rows, k, order) for k in held_out_folds)


def enlarge(rows: FoldedRows, small: Sequence[FoldBooster], order: int) -> list[FoldBooster]:
    """Fit larger trees for the same folds, which split on the terms that interact in the fold's small trees."""
    return rows.in_parallel(delayed(_enlarge)(rows, fit, order) for fit in small)


def _enlarge(rows: FoldedRows, small: FoldBooster, order: int) -> FoldBooster:
    tables = tables_of(small, rows.grid, steps=1 + int(np.argmin(small.losses)))
    return fit_fold(rows, small.fold, order, strongest_interactions(rows, tables, order))


def average(rows: FoldedRows, fits: Sequence[FoldBooster]) -> Boosters:
    """Average the tables of folds' boosters, all cut at the step with the least held-out loss."""
    steps = 1 + int(np.argmin(np.sum([fit.losses for fit in fits], axis=0)))
    out_of_fold, tables, log_odds = np.full(len(rows.cells), np.nan), [], []
    for fit in fits:
        tables.append(tables_of(fit, rows.grid, steps))
        log_odds.append(evaluate(tables[-1], rows.cells, rows.grid))
        held_out = rows.fold == fit.fold
        out_of_fold[held_out] = log_odds[-1][held_out]
    check_tables(fits[0], tables[0], rows.grid, steps)
    variance = mean(np.var(log_odds, axis=0), rows.weights) * (len(fits) - 1)
    by_fold = dict(zip((fit.fold for fit in fits), tables, strict=True))
    return Boosters(add((1 / len(fits), part) for part in tables), out_of_fold, float(variance), by_fold)


def strongest_interactions(rows: FoldedRows, tables: TablesByTerms, order: int) -> list[tuple[int, ...]]:
    """Return the terms that interact most: those of the purified tables with the largest variance over the rows."""
    shares = np.split(mean(rows.cells, rows.weights), rows.grid.offsets[1:-1])
    size = {}
    for place, table in purify(tables, shares).items():
        if len(place) == order:
            square = table**2
            for term in place:
                square = np.tensordot(shares[term], square, axes=1)
            size[place] = float(square)
    return sorted(size, key=lambda place: -size[place])[:MOST_INTERACTIONS]


def too_large(grid: Grid, order: int, rows: float) -> bool:
    """Return whether tables of this many terms have too many cells for this many rows."""
    cells = comb(len(grid.n_knots), order) * float(np.median(grid.sizes)) ** order
    return cells > min(CELLS_PER_ROW * rows, MOST_CELLS)


def fit_fold(rows: FoldedRows, k: int, order: int, within: Sequence[tuple[int, ...]] | None = None) -> FoldBooster:
    """Fit a booster on all rows but those of fold `k`: small trees, or larger ones that split `within` some terms."""
    inside, y, directions = rows.fold != k, rows.y, rows.directions
    rng = np.random.default_rng([rows.seed, k])
    cell_codes, codes = encode_cells(rows.cells, inside, rows.grid, directions, rng, rows.weights)
    weight, held_out_weight = take(rows.weights, inside), take(rows.weights, ~inside)
    # LightGBM counts rows, not weights: scaled so that a leaf has this weight on average
    leaf_rows = max(LEAF_ROWS, round(LEAF_ROWS * int(np.sum(inside)) / count(y[inside], weight)))
    settings: dict[str, Any] = {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": RATE,
        "min_data_in_leaf": leaf_rows,
        "monotone_constraints": directions.tolist(),
        "seed": (rows.seed + k) % 2**31,
    }
    if within is None:
        settings |= {"lambda_l2": SMALL_PENALTY, "max_depth": order, "num_leaves": 2**order}
    else:
        alone = [(term,) for term in range(len(rows.grid.n_knots))]
        settings |= {
            "lambda_l2": PENALTY,
            "num_leaves": LEAVES,
            "interaction_constraints": [list(place) for place in [*within, *alone]],
        }
    held_out = codes[~inside], y[~inside], held_out_weight
    booster, losses = grow(settings, (codes[inside], y[inside], weight), held_out)
    return FoldBooster(k, booster, cell_codes, codes, losses)


def grow(
    settings: dict[str, Any], training: tuple[Floats, Floats, RowWeights], held_out: tuple[Floats, Floats, RowWeights]
) -> tuple[Any, Floats]:
    """Grow trees until the held-out loss falls no more.

    Parameters
    ----------
    settings
        Parameters of LightGBM, beside those that are the same for all.
    training, held_out
        Codes, outcomes and weights of the training rows, and of the held-out rows.

    Returns
    -------
    tuple
        The booster, and the summed loss of the held-out rows after each step, shape (MOST_STEPS,).
    """
    settings = settings | {
        "min_sum_hessian_in_leaf": 0.0,
        "feature_fraction_bynode": FEATURE_FRACTION,
        "monotone_constraints_method": "basic",
        "min_data_in_bin": 1,
        "feature_pre_filter": False,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    (codes, y, weights), (held_out_codes, held_out_y, held_out_weights) = training, held_out
    train_set = lgb.Dataset(codes, y, weight=weights, params=settings)
    valid_set = lgb.Dataset(held_out_codes, held_out_y, reference=train_set, weight=held_out_weights, params=settings)
    booster = lgb.Booster(settings, train_set)
    booster.add_valid(valid_set, "held out")
    losses: list[float] = []
    best = 0
    while len(losses) < MOST_STEPS and len(losses) - best <= PATIENCE:
        finished = booster.update()  # no split is left
        losses.append(booster.eval_valid()[0][2])
        if finished:
            break
        best = len(losses) - 1 if losses[-1] < losses[best] else best
    booster.free_dataset()
    losses += [losses[-1]] * (MOST_STEPS - len(losses))
    return booster, np.array(losses) * count(held_out_y, held_out_weights)


def encode_cells(
    cells: Floats,
    inside: Any,
    grid: Grid,
    directions: Ints,
    rng: np.random.Generator,
    weights: RowWeights = None,
    *,
    masked: bool = False,
) -> tuple[CellCodes, Floats]:
    """Draw a cell for every row and term, and encode it as in the table of `CellCodes`."""
    drawn, weight = draw_cells(cells, grid, rng), take(weights, inside)
    code_of_cell, shares = np.empty(cells.shape[1]), np.empty(cells.shape[1])
    codes = np.empty(drawn.shape)
    for term, (column, levels, start, end) in enumerate(
        zip(drawn.T, grid.n_knots, grid.offsets, grid.offsets[1:], strict=False)
    ):
        seen = np.bincount(column[inside], weight, minlength=end - start).astype(float)
        own = np.arange(end - start, dtype=float)
        not_applicable, not_rated = slice(levels, -1), slice(-1, None)  # of one cell at most, and of one
        as_nan, without_code = not_rated, slice(0)
        if directions[term]:
            as_nan, without_code = (not_rated, not_applicable) if masked else (not_applicable, not_rated)
        own[as_nan], own[without_code] = np.nan, np.inf
        own[levels:][seen[levels:] == 0] = np.inf
        seen[own == np.inf] = 0
        if not seen.any():
            seen[:levels] = 1
        code_of_cell[start:end], shares[start:end] = own, seen / seen.sum()
        code = own[column]
        without = code == np.inf
        if without.any():
            code[without] = own[rng.choice(len(own), without.sum(), p=shares[start:end])]
        codes[:, term] = code
    return CellCodes(code_of_cell, shares), codes


def draw_cells(cells: Floats, grid: Grid, rng: np.random.Generator) -> Ints:
    """Draw one cell for every row and term, by their weights: shape (n, terms), counted from the term's first."""
    terms = len(grid.n_knots)
    below = np.cumsum(cells, axis=1) - np.repeat(np.arange(terms), np.diff(grid.offsets))
    chance = np.repeat(rng.random((len(cells), terms)), np.diff(grid.offsets), axis=1)
    passed = np.add.reduceat(below <= chance, grid.offsets[:-1], axis=1)
    return np.asarray(np.minimum(passed, np.diff(grid.offsets) - 1), dtype=np.int64)


def tables_of(fit: FoldBooster, grid: Grid, steps: int) -> TablesByTerms:
    """Convert the trees into tables: a leaf adds its value to the cells that lead to it, in the table of its terms.

    For example a tree that splits on term 0 at code 1, and on the left on term 2 at code 0, has three leaves: two in
    the table (0, 2), of the cells with codes up to 1 of term 0, and up to 0 or above 0 of term 2; one in the table
    (0,), of the cells with codes above 1.
    """
    tables: TablesByTerms = {}
    # All trees at once, level by level; of each node `leads`, the cells that lead to it, and `asked`, the terms so far.
    nodes = _nodes(fit.booster.model_to_string(num_iteration=steps))
    cell_codes, sizes = fit.cell_codes.codes, np.diff(grid.offsets)
    at = nodes.roots
    leads = np.ones((len(at), len(cell_codes)), dtype=bool)
    asked = np.zeros((len(at), len(sizes)), dtype=bool)
    leaves = []
    while len(at):
        is_leaf = at < 0
        leaves.append((leads[is_leaf], asked[is_leaf], nodes.value[~at[is_leaf]]))
        at, leads, asked = at[~is_leaf], leads[~is_leaf], asked[~is_leaf]
        term = nodes.term[at]
        asked[np.arange(len(at)), term] = True
        left = cell_codes <= nodes.threshold[at][:, None]
        left = np.where(np.isnan(cell_codes), nodes.unknown_left[at][:, None], left)
        of_term = np.repeat(np.arange(len(sizes)), sizes) == term[:, None]
        leads = np.concatenate([leads & (left | ~of_term), leads & (~left | ~of_term)])
        asked = np.concatenate([asked, asked])
        at = np.concatenate([nodes.left[at], nodes.right[at]])
    leads, asked, value = (np.concatenate(part) for part in zip(*leaves, strict=True))
    leads = leads.astype(np.float64)
    # A cell without a code has the mean over the others.
    for cell in np.flatnonzero(cell_codes == np.inf):
        of = int(np.searchsorted(grid.offsets, cell, side="right")) - 1
        span = slice(grid.offsets[of], grid.offsets[of + 1])
        leads[:, cell] = leads[:, span] @ np.where(cell_codes[span] == np.inf, 0.0, fit.cell_codes.shares[span])
    places, which = np.unique(asked, axis=0, return_inverse=True)
    by_place = np.argsort(which, kind="stable")
    ends = np.cumsum(np.bincount(which))
    for place, rows in zip(places, np.split(by_place, ends[:-1]), strict=True):
        key = tuple(np.flatnonzero(place).tolist())
        operands: list[Any] = [value[rows], [0]]
        for axis, of in enumerate(key, start=1):
            operands += [leads[rows, grid.offsets[of] : grid.offsets[of + 1]], [0, axis]]
        tables[key] = np.asarray(np.einsum(*operands, list(range(1, len(key) + 1))))
    return tables


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Nodes of all trees, one after the other. A negative child is a leaf: number ~child of all leaves."""

    roots: Ints
    term: Ints
    threshold: Floats
    unknown_left: Any
    left: Ints
    right: Ints
    value: Floats


def _nodes(text: str) -> _Nodes:
    """Parse LightGBM's text format: blocks "Tree=0", ... of lines "name=value value ..."."""
    parts: dict[str, list[Any]] = {}
    roots, nodes, leaves = [], 0, 0
    for block in text.split("end of trees")[0].split("\nTree=")[1:]:
        lines = dict(line.split("=", 1) for line in block.splitlines()[1:] if "=" in line)
        n_leaves = int(lines["num_leaves"])
        roots.append(nodes if n_leaves > 1 else ~leaves)
        if n_leaves > 1:
            for name in ("split_feature", "threshold", "decision_type"):
                parts.setdefault(name, []).extend(lines[name].split())
            for name in ("left_child", "right_child"):
                child = np.array(lines[name].split(), dtype=np.int64)
                parts.setdefault(name, []).extend(np.where(child < 0, child - leaves, child + nodes))
        parts.setdefault("leaf_value", []).extend(lines["leaf_value"].split())
        nodes, leaves = nodes + n_leaves - 1, leaves + n_leaves
    kind = np.array(parts.get("decision_type", []), dtype=np.int64)
    return _Nodes(
        np.array(roots, dtype=np.int64),
        np.array(parts.get("split_feature", []), dtype=np.int64),
        np.array(parts.get("threshold", []), dtype=np.float64),
        kind & 2 > 0,
        np.array(parts.get("left_child", []), dtype=np.int64),
        np.array(parts.get("right_child", []), dtype=np.int64),
        np.array(parts["leaf_value"], dtype=np.float64),
    )


def check_tables(fit: FoldBooster, tables: TablesByTerms, grid: Grid, steps: int) -> None:
    """Compare the tables with LightGBM's own predictions, since its text format may change."""
    rows = fit.codes
    trees = fit.booster.predict(rows, raw_score=True, num_iteration=steps, num_threads=1)
    cells = np.zeros((len(rows), int(grid.offsets[-1])))
    for term, (start, end) in enumerate(zip(grid.offsets, grid.offsets[1:], strict=False)):
        own, code = fit.cell_codes.codes[start:end], rows[:, term]
        cells[:, start:end] = (own == code[:, None]) | (np.isnan(own) & np.isnan(code)[:, None])
    if np.abs(trees - evaluate(tables, cells, grid)).max() > TOLERANCE:
        raise ArithmeticError("the tables do not equal the trees: this version of LightGBM writes them in another form")
