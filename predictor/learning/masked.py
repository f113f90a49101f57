"""Boosters trained on rows with masked ratings, in which "not rated" is a category of its own.

If signals interact, the expected value of each by itself (`predictor.model.factors`) is not enough for rows in which
some were not rated. So small trees are trained on copies of the rows in which some ratings are masked. They are
converted into tables like all others, with cells of their own for "not rated", and are used only for rows with unrated
signals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import delayed

from predictor.learning.boosting import FoldBooster, FoldedRows, check_tables, encode_cells, grow, tables_of
from predictor.learning.decomposition import TablesByTerms, add, evaluate
from predictor.model.tables import Floats, Ints

FOLDS = 3  # held-out folds, one booster each; more take longer and gain little
TARGET_ROWS, MOST_COPIES = 20_000, 20  # masked rows for a booster, about; most copies of a row
RATE, LEAF_ROWS, PENALTY = 0.3, 1, 0.25  # learning rate; fewest rows of a leaf and penalty on its square, for each copy
HELD_OUT = 4  # masked copies of each held-out row
DISTILLATION_WEIGHT = 0.5  # of the full-row probability in the training target; the outcome itself is noisier


@dataclass(frozen=True, eq=False)
class MaskedBoosters:
    """The mean of a few folds' boosters.

    Attributes
    ----------
    tables
        Tables of the mean.
    rows
        Numbers of the held-out rows of all boosters, `HELD_OUT` times each, shape (m,).
    masked
        These rows with some ratings masked, shape (m, terms).
    log_odds
        Their log-odds by the booster that was fitted without them, shape (m,).
    """

    tables: TablesByTerms
    rows: Ints
    masked: Floats
    log_odds: Floats


def fit_masked(rows: FoldedRows, values: Floats, signals: int, probability: Floats, order: int) -> MaskedBoosters:
    """Fit boosters, each on masked copies of all rows but those of one fold.

    Parameters
    ----------
    rows
        The rows without masking; their cells are not used.
    values
        Ratings, then coded inputs, shape (n, terms); inputs are not masked.
    signals
        Number of terms that are signals.
    probability
        Out-of-fold probability of each row without masking, shape (n,).
    order
        Most terms of one table: 2 or 3.
    """
    grid, fold = rows.grid, rows.fold
    target = (1 - DISTILLATION_WEIGHT) * rows.y + DISTILLATION_WEIGHT * probability
    folds = range(min(FOLDS, int(fold.max()) + 1))
    fits: list[tuple[FoldBooster, Floats]] = rows.in_parallel(
        delayed(_fit)(rows, values, target, signals, k, order) for k in folds
    )
    steps = 1 + int(np.argmin(np.sum([fit.losses for fit, _ in fits], axis=0)))
    parts = [tables_of(fit, grid, steps) for fit, _ in fits]
    check_tables(fits[0][0], parts[0], grid, steps)
    log_odds = [evaluate(tables, grid.weights(masked), grid) for tables, (_, masked) in zip(parts, fits, strict=True)]
    return MaskedBoosters(
        tables=add((1 / len(parts), tables) for tables in parts),
        rows=np.concatenate([np.tile(np.flatnonzero(fold == fit.fold), HELD_OUT) for fit, _ in fits]),
        masked=np.concatenate([masked for _, masked in fits]),
        log_odds=np.concatenate(log_odds),
    )


def mask(values: Floats, signals: int, rng: np.random.Generator) -> Floats:
    """Mask signals of each row at random: first how many stay is drawn, from one to all but one, then which.

    Examples
    --------
    >>> masked = mask(np.ones((100, 4)), 3, np.random.default_rng(0))  # three signals and an input
    >>> np.unique((~np.isnan(masked)).sum(axis=1)), np.isnan(masked[:, 3]).any()
    (array([2, 3]), np.False_)
    """
    stay = rng.integers(1, max(signals, 2), (len(values), 1))
    rank = np.argsort(np.argsort(rng.random((len(values), signals)), axis=1), axis=1)
    masked = values.copy()
    masked[:, :signals][rank >= stay] = np.nan
    return masked


def _fit(
    rows: FoldedRows, values: Floats, target: Floats, signals: int, k: int, order: int
) -> tuple[FoldBooster, Floats]:
    """Fit one booster; return it with the masked copies of its held-out rows."""
    inside, y, weights = rows.fold != k, rows.y, rows.weights
    rng = np.random.default_rng([rows.seed, k, 1])
    copies = int(np.clip(TARGET_ROWS // np.sum(inside), 1, MOST_COPIES))
    training = mask(np.tile(values[inside], (copies, 1)), signals, rng)
    held_out = mask(np.tile(values[~inside], (HELD_OUT, 1)), signals, rng)
    cells = rows.grid.weights(np.concatenate([training, held_out]))
    is_training = np.arange(len(cells)) < len(training)
    training_weights, held_out_weights = (
        None if weights is None else np.tile(weights[chosen], times)
        for chosen, times in ((inside, copies), (~inside, HELD_OUT))
    )
    every = None if weights is None else np.concatenate([training_weights, held_out_weights])
    cell_codes, codes = encode_cells(cells, is_training, rows.grid, rows.directions, rng, every, masked=True)
    settings: dict[str, Any] = {
        "objective": "cross_entropy",
        "metric": "cross_entropy",
        "learning_rate": RATE,
        "max_depth": order,
        "num_leaves": 2**order,
        "min_data_in_leaf": LEAF_ROWS * copies,
        "lambda_l2": PENALTY * copies,
        "monotone_constraints": rows.directions.tolist(),
        "seed": (rows.seed + k) % 2**31,
    }
    training_rows = codes[is_training], np.tile(target[inside], copies), training_weights
    held_out_rows = codes[~is_training], np.tile(y[~inside], HELD_OUT), held_out_weights
    booster, losses = grow(settings, training_rows, held_out_rows)
    return FoldBooster(k, booster, cell_codes, codes[~is_training], losses), held_out
