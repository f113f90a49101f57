"""Informative missingness: whether missing ratings (`gaps`) predict the outcome beyond the ratings.

People may rate fewer signals if an interview went badly, or more of those that they liked. The factor model does not
cover this; one coefficient on the share of unrated signals does. It is kept only if it is significant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from predictor.learning.factors import LEAST_DEVIATION, TEST_LEVEL
from predictor.learning.weights import RowWeights, mean, std, weighted
from predictor.model.gaps import Gaps
from predictor.model.tables import Floats, quantile

PRIOR_DEVIATION = 0.5  # prior standard deviation of the coefficient, in log-odds
TINY = 1e-9  # a precision that only keeps the fit defined


def fit_gaps(
    log_odds: Floats,
    y: Floats,
    share: Floats,
    groups: NDArray[np.generic] | None = None,
    weights: RowWeights = None,
) -> Gaps:
    """Fit the coefficient, with an intercept and a slope of the out-of-fold log-odds.

    Its standard error takes rows of a group (one person) together, since they are alike.

    Parameters
    ----------
    log_odds
        Out of fold, shape (n,).
    y
        Outcomes 0 or 1, shape (n,).
    share
        Share of unrated signals, 0 to 1, shape (n,).
    groups
        Rows that belong together, shape (n,).
    weights
        How often each row counts, shape (n,).

    Examples
    --------
    >>> fit_gaps(np.zeros(100), np.tile([0.0, 1.0], 50), np.zeros(100))
    Gaps(slope=0.0, mean=0.0, most=1.0)
    """
    if std(share, weights) < LEAST_DEVIATION:
        return Gaps()
    typical = float(mean(share, weights))
    slope, error = fit_slope(log_odds, share - typical, y, groups, weights, penalty=(TINY, TINY, PRIOR_DEVIATION**-2))
    if abs(slope) < norm.ppf((1 + TEST_LEVEL) / 2) * error:
        return Gaps()
    return Gaps(round(slope, 6), round(typical, 6), round(float(quantile(share, 0.99, weights)), 6))


def fit_slope(
    log_odds: Floats,
    column: Floats,
    y: Floats,
    groups: NDArray[np.generic] | None,
    weights: RowWeights = None,
    *,
    penalty: tuple[float, float, float],
) -> tuple[float, float]:
    """Fit a logistic regression on out-of-fold log-odds and a column; return the column's slope and its error.

    The standard error takes rows of a group together (Liang & Zeger 1986, Biometrika 73:13-22).

    Parameters
    ----------
    log_odds, column, y, groups, weights
        As in `fit_gaps`, shape (n,); `column` instead of the share.
    penalty
        Precisions of normal priors around 0, of intercept, coefficient of the log-odds, and slope.
    """
    design = np.column_stack([np.ones(len(y)), log_odds, column])
    precision = np.diag(penalty)
    beta = np.array([0.0, 1.0, 0.0])
    for _ in range(30):
        p = expit(design @ beta)
        hessian = weighted(design * (p * (1 - p))[:, None], weights).T @ design + precision
        step = np.linalg.solve(hessian, design.T @ weighted(y - p, weights) - precision @ beta)
        beta = beta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    score = design * (y - expit(design @ beta))[:, None]
    squares = weighted(score, weights)
    if groups is not None:
        member = np.unique(groups, return_inverse=True)[1].ravel()
        score = squares = np.array([np.bincount(member, weights=column) for column in squares.T]).T
    inverse = np.linalg.inv(hessian)
    return float(beta[2]), float(np.sqrt((inverse @ (score.T @ squares) @ inverse)[2, 2]))
