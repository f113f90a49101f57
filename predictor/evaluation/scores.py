"""Scores with intervals, calibration, and comparison of two sets of predictions on the same rows.

Every score comes from predictions for rows that their model had not seen (out of fold), with a 90 % interval
from resampling whole groups (a candidate), since rows of one group are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from predictor.evaluation.rates import QUANTILE, wilson
from predictor.model.tables import Floats

BINS = 10
LEAST_OF_EACH = 5  # offers, and non-offers, that are needed to learn without a prior, and to measure
MOST_WEIGHTS = 2**21  # weights in memory at once: draws times rows


@dataclass(frozen=True)
class Score:
    """A figure with its 90 % interval and the number of rows that it rests on."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        value, low, high = (round(number, 3) + 0.0 for number in (self.value, self.low, self.high))  # no minus zero
        return f"{value:.3f} ({low:.3f} to {high:.3f})"


@dataclass(frozen=True)
class CalibrationBin:
    """Rows with similar predictions: their mean, the share of offers among them with a 90 % interval, and n."""

    predicted: float
    observed: float
    low: float
    high: float
    n: int


def log_loss(y: Floats, p: Floats, weight: Floats) -> Any:
    """Compute the mean of -log(p), with p the predicted probability of the actual outcome; 0 is best.

    Parameters
    ----------
    y, p
        Outcomes (0 or 1) and probabilities, each of shape (n,).
    weight
        Weights of the rows, shape (n,); or those of many draws at once, shape (draws, n).

    Returns
    -------
    float, or array of shape (draws,)
        The same for every metric of this module.
    """
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return _mean(-np.where(y == 1, np.log(p), np.log1p(-p)), weight)


def brier(y: Floats, p: Floats, weight: Floats) -> Any:
    """Compute the mean squared difference of probability and outcome (Brier 1950); 0 is best."""
    return _mean((p - y) ** 2, weight)


def roc_auc(y: Floats, p: Floats, weight: Floats) -> Any:
    """Compute the share of pairs in which the offer is ranked above the non-offer, ties as half; NaN with one class."""
    offers, others = _by_prediction(y, p, weight)
    below = np.cumsum(others, axis=-1) - others
    return _ratio((offers * (below + others / 2)).sum(axis=-1), offers.sum(axis=-1) * others.sum(axis=-1))


def average_precision(y: Floats, p: Floats, weight: Floats) -> Any:
    """Compute the mean precision over recall, as scikit-learn does; NaN without an offer."""
    offers, others = (part[..., ::-1] for part in _by_prediction(y, p, weight))
    caught, flagged = np.cumsum(offers, axis=-1), np.cumsum(offers + others, axis=-1)
    precision = np.divide(caught, flagged, out=np.zeros_like(caught), where=flagged > 0)
    return _ratio((offers * precision).sum(axis=-1), offers.sum(axis=-1))


def calibration_error(y: Floats, p: Floats, weight: Floats) -> Any:
    """Compute the mean distance of predicted and observed share over ten bins of equal size; 0 is best."""
    place = _bins(p)
    member = (place[:, None] == np.arange(place.max() + 1)).astype(float)
    return _ratio(np.abs(weight @ (member * (p - y)[:, None])).sum(axis=-1), weight.sum(axis=-1))


def calibration_slope(y: Floats, p: Floats, weight: Floats) -> Any:
    """Compute the slope of a logistic regression of y on the predicted log-odds (Cox 1958); 1 is best.

    Below 1 the predictions are too extreme, above 1 too timid. A normal prior of standard deviation 10 about slope 1
    keeps it finite where predictions separate the outcomes; with more than a few rows it has no effect. All draws are
    fitted at once.
    """
    clipped, weights = np.clip(p, 1e-15, 1 - 1e-15), np.atleast_2d(weight)
    log_odds = np.log(clipped) - np.log1p(-clipped)
    design = np.column_stack([np.ones(len(p)), log_odds])
    squares = np.column_stack([np.ones(len(p)), log_odds, log_odds, log_odds**2])
    precision, middle, coefficients = 0.01 * np.eye(2), np.array([0.0, 1.0]), np.zeros((len(weights), 2))
    for _ in range(25):  # Newton from 0, where the likelihood is steepest; about five steps are enough
        fitted = expit(coefficients @ design.T)
        slope = (weights * (y - fitted)) @ design - (coefficients - middle) @ precision
        curved = ((weights * (fitted * (1 - fitted))) @ squares).reshape(-1, 2, 2) + precision
        step = np.linalg.solve(curved, slope[..., None])[..., 0]
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-6:
            break
    return coefficients[:, 1].reshape(weight.shape[:-1])[()]


Metric = Callable[[Floats, Floats, Floats], Any]
METRICS: Mapping[str, Metric] = {
    "log_loss": log_loss,
    "brier": brier,
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "calibration_error": calibration_error,
    "calibration_slope": calibration_slope,
}
UNBOUNDED = {"log_loss": (0.0, np.inf), "calibration_slope": (-np.inf, np.inf)}  # the others are shares


class GroupBootstrap:
    """Bootstrap weights of whole groups, drawn with replacement; the same draws for everything that is compared.

    Parameters
    ----------
    groups
        Group of each row, shape (n,).
    resamples
        Number of draws.
    seed
        Seed of the draws.
    """

    def __init__(self, groups: NDArray[Any], resamples: int, seed: int) -> None:
        _, self._group = np.unique(groups, return_inverse=True)
        count = int(self._group.max()) + 1
        self._draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)

    def score(self, figure: Callable[[int, Floats], Floats], repeats: int, n: int, ends: tuple[float, float]) -> Score:
        """Compute a figure with its interval.

        Parameters
        ----------
        figure
            Takes the repeat of the cross-validation and row weights of shape (draws, n); returns shape (draws,).
        repeats
            Number of repeats. The value is their mean. Draw i uses repeat i mod repeats, so that the interval includes
            the variation between folds as well as that of the rows: a little too wide rather than too narrow.
        n
            Rows that the figure rests on.
        ends
            Range of the figure.
        """
        ones, drawn = np.ones((1, len(self._group))), np.empty(len(self._draws))
        value = float(np.mean([figure(repeat, ones)[0] for repeat in range(repeats)]))
        step = max(1, MOST_WEIGHTS // len(self._group)) * repeats
        for start in range(0, len(drawn), step):
            for repeat in range(min(repeats, len(drawn) - start)):
                draws = slice(start + repeat, start + step, repeats)
                drawn[draws] = figure(repeat, self._draws[draws, self._group].astype(float))
        half = QUANTILE * float(np.nanstd(drawn))
        return Score(value, max(ends[0], value - half), min(ends[1], value + half), n)


def scores(
    y: Floats,
    predictions: Floats,
    resampling: GroupBootstrap,
    rows: NDArray[np.bool_] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
) -> dict[str, Score]:
    """Score out-of-fold predictions.

    Parameters
    ----------
    y
        Outcomes, shape (n,).
    predictions
        Probabilities, shape (repeats, n).
    resampling
        Draws for the intervals.
    rows
        Mask of the rows to score, shape (n,); None: all rows.
    metrics
        Names in `METRICS`.

    Returns
    -------
    dict
        A `Score` for each of the metrics.
    """
    kept = np.ones(len(y), dtype=bool) if rows is None else rows
    made = {}
    for name in metrics:

        def figure(repeat: int, weight: Floats, metric: Metric = METRICS[name]) -> Floats:
            w = weight[:, kept]
            return np.where(w.any(axis=1), metric(y[kept], predictions[repeat, kept], w), np.nan)

        made[name] = resampling.score(figure, len(predictions), int(kept.sum()), UNBOUNDED.get(name, (0.0, 1.0)))
    return made


def gain(y: Floats, predictions: Floats, reference: Floats, resampling: GroupBootstrap) -> Score:
    """Compute the log-loss that predictions save against a reference on the same rows; above 0 is better."""

    def figure(repeat: int, weight: Floats) -> Floats:
        return np.asarray(log_loss(y, reference[repeat], weight) - log_loss(y, predictions[repeat], weight))

    return resampling.score(figure, len(predictions), len(y), (-np.inf, np.inf))


def calibration(y: Floats, p: Floats) -> tuple[CalibrationBin, ...]:
    """Compare predicted with observed shares in bins of equal size.

    Parameters
    ----------
    y, p
        Outcomes and probabilities, shape (n,).

    Returns
    -------
    tuple of CalibrationBin
        From low to high predictions; the interval is Wilson's (1927).
    """
    place = _bins(p)
    bins = []
    for number in np.unique(place):
        inside = place == number
        n, offers = int(inside.sum()), float(y[inside].sum())
        bins.append(CalibrationBin(float(p[inside].mean()), offers / n, *wilson(offers, n), n))
    return tuple(bins)


def _bins(p: Floats) -> NDArray[np.int64]:
    """Number bins of equal size by prediction; equal predictions share a bin."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(edges, p, side="right")


def _by_prediction(y: Floats, p: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Weigh offers and others at each distinct prediction, from low to high: shape (..., predictions)."""
    order = np.argsort(p, kind="stable")
    starts = np.flatnonzero(np.diff(p[order], prepend=-np.inf))
    sums = [np.add.reduceat((weight * part)[..., order], starts, axis=-1).astype(float) for part in (y, 1 - y)]
    return sums[0], sums[1]


def _mean(values: Floats, weight: Floats) -> Any:
    return _ratio(weight @ values, weight.sum(axis=-1))


def _ratio(part: Any, total: Any) -> Any:
    """Divide, NaN where the total is 0."""
    some = total > 0
    return np.where(some, part / np.where(some, total, 1), np.nan)[()]
