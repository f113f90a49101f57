"""Sums over weighted rows: a row of weight 2 counts as two rows, one of weight 0 as none.

Without weights (None) every function here does what numpy does, to the last bit and at no cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from predictor.model.tables import Floats

RowWeights = Floats | None
"""A weight above 0 for each row, shape (n,); None where each counts as one."""


def count(rows: Floats, weights: RowWeights) -> float:
    """Count the rows.

    Examples
    --------
    >>> rows = np.array([1.0, 4.0])
    >>> count(rows, None), count(rows, np.array([1.0, 3.0]))
    (2, 4.0)
    """
    return len(rows) if weights is None else float(weights.sum())


def weighted(values: Floats, weights: RowWeights) -> Floats:
    """Multiply each row, shape (n,) or (n, columns), by its weight.

    Examples
    --------
    >>> weighted(np.array([1.0, 4.0]), np.array([1.0, 3.0]))
    array([ 1., 12.])
    """
    if weights is None:
        return values
    return np.asarray(values * (weights if values.ndim == 1 else weights[:, None]))


def mean(values: Floats, weights: RowWeights) -> Any:
    """Compute the mean over rows: a number of values of shape (n,), an array of those of shape (n, columns).

    Examples
    --------
    >>> mean(np.array([1.0, 4.0]), np.array([1.0, 3.0]))
    3.25
    """
    if weights is None:
        return values.mean(axis=0)
    total = weighted(values, weights).sum(axis=0) / weights.sum()
    return float(total) if values.ndim == 1 else total


def std(values: Floats, weights: RowWeights) -> float:
    """Compute the standard deviation of values of shape (n,).

    Examples
    --------
    >>> std(np.array([1.0, 6.0]), np.array([1.0, 4.0]))
    2.0
    """
    if weights is None:
        return float(values.std())
    return float(np.sqrt(mean((values - mean(values, weights)) ** 2, weights)))


def take(weights: RowWeights, rows: Any) -> RowWeights:
    """Select the weights of some rows.

    Examples
    --------
    >>> take(np.array([1.0, 3.0]), [1])
    array([3.])
    """
    return None if weights is None else weights[rows]


def prepend_ones(rows: int, weights: RowWeights) -> RowWeights:
    """Prepend a number of rows of weight 1.

    Examples
    --------
    >>> prepend_ones(2, np.array([3.0]))
    array([1., 1., 3.])
    """
    return None if weights is None else np.concatenate([np.ones(rows), weights])
