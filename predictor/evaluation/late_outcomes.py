"""Calibration of likelihoods, once outcomes are known: in the large, slope, the Brier score in parts.

Late outcomes need not be like early ones, so the result always includes how many are still open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import chi2, norm

from predictor.evaluation.rates import QUANTILE
from predictor.evaluation.scores import LEAST_OF_EACH, Score
from predictor.model.tables import Floats

MOST_OPEN = 0.2  # share of rows without an outcome above which calibration raises no alarm


@dataclass(frozen=True)
class BrierParts:
    """The Brier score in three parts (CORP): miscalibration - discrimination + uncertainty.

    By isotonic regression (Dimitriadis, Gneiting & Jordan, PNAS 118:e2016191118, 2021): recalibration would lower the
    score by `miscalibration`; calibrated likelihoods are better than the base rate by `discrimination`.
    """

    brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float


@dataclass(frozen=True)
class LateOutcomes:
    """How likelihoods and outcomes agree.

    Attributes
    ----------
    n, offers, open
        Rows with an outcome; the offers among them; rows whose outcome is not known yet.
    predicted
        Mean likelihood of the rows with an outcome; NaN without any.
    in_the_large
        Calibration in the large: mean shift in log-odds; above 0 the likelihoods are too low, 0 is right. This and all
        that follows but `p`: None with fewer than five offers or five non-offers.
    slope
        Calibration slope; 1 is right, below 1 likelihoods are too extreme.
    corp
        The Brier score in parts.
    spiegelhalter
        z of Spiegelhalter's test that likelihoods are right (Statistics in Medicine 5:421-433, 1986).
    log_loss
        Mean log-loss.
    p
        P-value of the likelihood-ratio test that intercept is 0 and slope 1; with fewer than five offers or five
        non-offers, of the exact test of the number of offers. None without outcomes.
    """

    n: int
    offers: int
    open: int
    predicted: float
    in_the_large: Score | None
    slope: Score | None
    corp: BrierParts | None
    spiegelhalter: float | None
    log_loss: float | None
    p: float | None

    @property
    def may_alarm(self) -> bool:
        """Whether calibration was tested and may raise an alarm: not while more than a fifth of outcomes are open."""
        return self.p is not None and self.open <= MOST_OPEN * (self.n + self.open)


def late_outcomes(y: Floats, p: Floats, effect: float = 1.0) -> LateOutcomes:
    """Compare likelihoods with the outcomes that are known by now.

    Parameters
    ----------
    y
        Outcomes 1, 0 or NaN, shape (n,).
    p
        Likelihoods from before the outcome was known, shape (n,).
    effect
        Design effect: by how much rows of one person, being alike, raise the variance of a mean.

    Examples
    --------
    >>> result = late_outcomes(np.array([0, 1, np.nan]), np.array([0.2, 0.7, 0.5]))
    >>> result.n, result.open, result.slope is None
    (2, 1, True)
    """
    known = ~np.isnan(y)
    n, offers, y, p = int(known.sum()), int((y == 1).sum()), y[known], np.clip(p[known], 1e-9, 1 - 1e-9)
    counts = n, offers, int((~known).sum()), float(p.mean()) if n else math.nan
    if min(offers, n - offers) < LEAST_OF_EACH:
        return LateOutcomes(*counts, None, None, None, None, None, _of_count(y, p, effect) if n else None)
    log_odds = np.log(p) - np.log1p(-p)
    one = np.ones((n, 1))
    (shift,), (shift_error,), _ = logistic(one, y, log_odds)
    (_, slope), (_, slope_error), best = logistic(np.column_stack([one, log_odds]), y, np.zeros(n))
    likelihood = float((y * np.log(p) + (1 - y) * np.log1p(-p)).sum())
    spread = float(((1 - 2 * p) ** 2 * p * (1 - p)).sum())
    half = QUANTILE * math.sqrt(effect)
    return LateOutcomes(
        *counts,
        in_the_large=Score(shift, shift - half * shift_error, shift + half * shift_error, n),
        slope=Score(slope, slope - half * slope_error, slope + half * slope_error, n),
        corp=corp(y, p),
        spiegelhalter=float(((y - p) * (1 - 2 * p)).sum()) / math.sqrt(spread) if spread else 0.0,
        log_loss=-likelihood / n,
        p=float(chi2.sf(max(0.0, 2 * (best - likelihood)) / effect, 2)),
    )


def _of_count(y: Floats, p: Floats, effect: float) -> float:
    """Return the exact two-sided p-value of the number of offers, for fewer than five offers or non-offers."""
    if 2 * y.sum() > len(y):  # count the rarer of both
        y, p = 1 - y, 1 - p
    count = int(y.sum())
    chances = np.zeros(count + 1)  # of 0, 1, ... of them
    chances[0] = 1.0
    for one in p:
        chances[1:] = chances[1:] * (1 - one) + chances[:-1] * one
        chances[0] *= 1 - one
    tail = min(float(chances.sum()), 1 - float(chances[:-1].sum()))
    return float(2 * norm.sf(norm.isf(min(max(tail, 1e-300), 0.5)) / math.sqrt(effect)))


def logistic(X: Floats, y: Floats, offset: Floats) -> tuple[list[float], list[float], float]:
    """Fit a logistic regression with an offset; return coefficients, their standard errors, and the log-likelihood.

    Where likelihoods separate the outcomes perfectly there is no maximum; then it stops after thirty steps.

    Examples
    --------
    >>> (shift,), (error,), _ = logistic(np.ones((4, 1)), np.array([0, 0, 1, 1]), np.zeros(4))
    >>> round(shift, 6), round(error, 6)
    (0.0, 1.0)
    """
    weights = np.zeros(X.shape[1])
    for _ in range(30):
        fitted = expit(X @ weights + offset)
        curved = (X.T * (fitted * (1 - fitted))) @ X + 1e-9 * np.eye(X.shape[1])
        step = np.linalg.solve(curved, X.T @ (y - fitted))
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    fitted = np.clip(expit(X @ weights + offset), 1e-12, 1 - 1e-12)
    curved = (X.T * (fitted * (1 - fitted))) @ X + 1e-9 * np.eye(X.shape[1])
    likelihood = float((y * np.log(fitted) + (1 - y) * np.log1p(-fitted)).sum())
    return weights.tolist(), np.sqrt(np.diag(np.linalg.inv(curved))).tolist(), likelihood


def corp(y: Floats, p: Floats) -> BrierParts:
    """Compute the Brier score in its three parts.

    Examples
    --------
    >>> parts = corp(np.array([0.0, 0, 1, 1]), np.array([0.2, 0.2, 0.8, 0.8]))
    >>> round(parts.miscalibration - parts.discrimination + parts.uncertainty - parts.brier, 12) + 0.0
    0.0
    """
    from sklearn.isotonic import IsotonicRegression

    calibrated = IsotonicRegression(y_min=0, y_max=1).fit_transform(p, y)
    brier, recalibrated = float(((p - y) ** 2).mean()), float(((calibrated - y) ** 2).mean())
    uncertainty = float(y.mean() * (1 - y.mean()))
    return BrierParts(brier, brier - recalibrated, uncertainty - recalibrated, uncertainty)
