"""Reasons in points of likelihood, of a hundred, that add up to the change from the base rate.

Reasons add up in log-odds, which few people read. An answer moves in log-odds from the base rate, L0, to L, by
d = L - L0, the sum of its reasons. On the straight way between them every unit of log-odds moves the likelihood, sigma,
by the same mean slope, so a reason of c log-odds is worth

    points = 100 * c * slope
    slope = (sigma(L) - sigma(L0)) / d = sinh(d / 2) / (d / 2) / (4 cosh(L / 2) cosh(L0 / 2))

These are the Aumann-Shapley values of the reasons along that way (Aumann and Shapley, Values of Non-Atomic Games,
1974). They add up exactly, keep sign and order of the log-odds, and do not depend on the order of the reasons. Where
reasons cancel and d is 0, the slope is that of the curve itself, p (1 - p): the formula on the right needs no case
for it.

Beside the signals there is one more reason, the start: an interview with average ratings does not lie exactly at the
base rate, since a mean of probabilities is not the probability at the mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predictor.model.log_odds import logit

LARGEST = 700.0  # log-odds beyond which nothing changes in a float


@dataclass(frozen=True)
class Points:
    """An answer in points of likelihood, of a hundred.

    Attributes
    ----------
    base, answer
        Base rate and likelihood, in whole points, 0 to 100.
    start
        Points, not rounded, of an interview with average ratings against the base rate.
    parts
        Points, not rounded, of each contribution, in their order.
    whole_start, whole_parts
        The same in whole points, which add up to `answer` - `base`.
    """

    base: int
    answer: int
    start: float
    parts: tuple[float, ...]
    whole_start: int
    whole_parts: tuple[int, ...]


def mean_slope(start: float, end: float) -> float:
    """Return the mean slope of the logistic curve between two log-odds: likelihood gained a unit, 0 to 0.25.

    Examples
    --------
    >>> mean_slope(0.0, 0.0)
    0.25
    >>> round(mean_slope(-1.0, 2.0) * 3.0, 12) == round(1 / (1 + math.exp(-2.0)) - 1 / (1 + math.exp(1.0)), 12)
    True
    """
    start, end = (max(-LARGEST, min(LARGEST, value)) for value in (start, end))
    half = (end - start) / 2
    rise = math.sinh(half) / half if half else 1.0
    return rise / math.cosh(start / 2) / math.cosh(end / 2) / 4


def points_of(prediction: Mapping[str, Any]) -> Points:
    """Convert an answer's contributions into points of likelihood.

    Parameters
    ----------
    prediction
        As `Prediction.to_dict` returns it, or as it was stored.

    Examples
    --------
    >>> from predictor import OfferModel
    >>> answer = OfferModel.published().predict({"goals_discussed": 5, "candidate_enthusiasm": 1})
    >>> points = points_of(answer.to_dict())
    >>> gained = 100 * (answer.offer_probability - answer.base_rate)
    >>> abs(points.start + sum(points.parts) - gained) < 1e-9
    True
    >>> points.whole_start + sum(points.whole_parts) == points.answer - points.base
    True
    """
    base_rate = prediction["base_rate"]
    base = logit(base_rate)
    slope = 100 * mean_slope(base, prediction["log_odds"])
    start = slope * (prediction["baseline"] - base)
    parts = tuple(slope * part["log_odds"] for part in prediction["contributions"])
    shown, shown_base = round(100 * prediction["offer_probability"]), round(100 * base_rate)
    whole = whole_points((start, *parts), shown - shown_base)
    return Points(shown_base, shown, start, parts, whole[0], tuple(whole[1:]))


def whole_points(points: Sequence[float], total: int) -> list[int]:
    """Round to whole points that add up to a total, by the largest remainder.

    Parameters
    ----------
    points
        Their sum differs from `total` by less than 1, or all are 0.
    total
        What the whole points add up to.

    Returns
    -------
    list of int
        Each less than 1 from its points, wherever the remainders reach; what is 0 stays 0 if others can give way.

    Examples
    --------
    >>> whole_points([1.4, 1.4, 1.2, 0.0], 4)
    [2, 1, 1, 0]
    >>> whole_points([-2.5, 0.0], -3)
    [-3, 0]
    """
    whole = [math.floor(value) for value in points]
    left = max(0, total - sum(whole))
    by_remainder = sorted(range(len(points)), key=lambda place: (points[place] == 0, whole[place] - points[place]))
    for place in by_remainder[:left]:
        whole[place] += 1
    return whole
