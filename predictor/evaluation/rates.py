"""Rates of groups and their ratios: intervals that hold at zero, an exact test, four fifths in whole numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.9  # of every interval
QUANTILE = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
ROUNDS = 80  # of bisection, on a scale from 0 to 1: the interval's ends are then exact


def wilson(count: float, n: float, level: float = CONFIDENCE) -> tuple[float, float]:
    """Compute the interval of a share (Wilson 1927).

    Parameters
    ----------
    count, n
        How many of how many; they need not be whole, since rows of one person count for less than rows of several.
    level
        Confidence level of the interval.

    Returns
    -------
    tuple of float
        Its ends, 0 to 1; both NaN where n is 0.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(0, 20)]
    [0.0, 0.119]
    """
    if not n:
        return math.nan, math.nan
    z, share = NormalDist().inv_cdf((1 + level) / 2), count / n
    shrink = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / shrink
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    return (0.0 if not count else max(0.0, middle - half)), (1.0 if count == n else min(1.0, middle + half))


def score_statistic(a: float, n: float, b: float, m: float, ratio: float) -> float:
    """Compute how far a/n lies from `ratio` times b/m, in standard errors under that ratio.

    The score test of Miettinen and Nurminen (Statistics in Medicine 4:213-226, 1985): the variance is that of the
    maximum-likelihood shares given the ratio; of the second share q, it is the root of x q^2 + y q + z = 0. At ratio 1
    the statistic equals the pooled z of two shares, with n + m - 1 in place of n + m.

    Examples
    --------
    >>> round(score_statistic(34, 76, 50, 92, 1), 2)
    -1.24
    """
    total = n + m
    x, y, z = total * ratio, -(n * ratio + a + m + b * ratio), a + b
    q = (-y - math.sqrt(max(y * y - 4 * x * z, 0.0))) / (2 * x) if x else z / total
    q = min(max(q, 0.0), 1.0, 1 / ratio if ratio else 1.0)
    p = ratio * q
    variance = (p * (1 - p) / n + ratio * ratio * q * (1 - q) / m) * total / (total - 1)
    distance = a / n - ratio * b / m
    if variance <= 1e-18:
        return math.copysign(math.inf, distance) if abs(distance) > 1e-9 else 0.0
    return distance / math.sqrt(variance)


def ratio_interval(
    a: float, n: float, b: float, m: float, level: float = CONFIDENCE, *, chosen_from: int = 1
) -> tuple[float, float]:
    """Compute the score interval of the ratio of two shares, a of n over b of m (Miettinen & Nurminen 1985).

    Unlike Katz's interval it holds where one of the counts is 0 or all.

    Parameters
    ----------
    a, n, b, m
        Counts; they need not be whole.
    level
        Confidence level of the interval.
    chosen_from
        Among how many shares b/m is the highest. The highest of several is partly so by chance, so the ratio is too low
        rather than too high. Therefore the upper end gets the whole error rate of the interval, divided by this number
        (Bonferroni). In `experiments/benchmark/audit.py` the error rate is then the nominal one.

    Returns
    -------
    tuple of float
        Its ends, from 0 to infinity.

    Examples
    --------
    >>> [round(end, 4) for end in ratio_interval(34, 76, 50, 92, 0.95)]
    [0.5962, 1.1185]
    >>> [round(end, 4) for end in ratio_interval(0, 20, 10, 20)]
    [0.0, 0.2478]
    """
    tail = (1 - level) / 2
    z, high = -NormalDist().inv_cdf(tail), -NormalDist().inv_cdf(min(tail, 2 * tail / chosen_from))

    def end(holds: Callable[[float], bool]) -> float:
        """Return the ratio at which `holds` turns from true to false, by bisection on ratio / (1 + ratio)."""
        below, above = 0.0, 1.0
        for _ in range(ROUNDS):
            middle = (below + above) / 2
            below, above = (middle, above) if holds(middle / (1 - middle)) else (below, middle)
        return below / (1 - below) if below < 1 - 1e-12 else math.inf

    low = end(lambda ratio: score_statistic(a, n, b, m, ratio) > z) if a else 0.0
    return low, end(lambda ratio: score_statistic(a, n, b, m, ratio) >= -high) if b else math.inf


def below_four_fifths(a: int, n: int, b: int, m: int) -> bool:
    """Return whether a/n is below .8 of b/m, computed in whole numbers: with floats, 3/5 is below .8 of 6/8.

    Examples
    --------
    >>> below_four_fifths(3, 5, 6, 8), below_four_fifths(59, 100, 6, 8)
    (False, True)
    """
    return 5 * int(a) * int(m) < 4 * int(b) * int(n)


def exact_test(a: int, n: int, b: int, m: int) -> float:
    """Compute the two-sided p-value of Fisher's exact test that two shares are the same.

    Boschloo's test is more powerful only in categories that are too small to be judged: at shares of .3 and .6 with 15
    rows each it rejects 36 instead of 23 %; from 30 and 60 rows on it is no more powerful.

    Examples
    --------
    >>> round(exact_test(34, 76, 50, 92), 4)
    0.2779
    """
    from scipy.stats import fisher_exact

    return float(fisher_exact([[a, n - a], [b, m - b]])[1])


def design_effect(hit: NDArray[np.bool_], place: NDArray[Any], people: NDArray[Any]) -> float:
    """Compute the factor, at least 1, by which rows of one person raise the variance of rates, being alike.

    One factor for all categories, since that of a small one is mostly noise (Rao & Scott, Biometrics 48:577-585, 1992).

    Parameters
    ----------
    hit
        What the rate counts, shape (n,).
    place
        Number of each row's category, shape (n,).
    people
        The person of each row, shape (n,).

    Examples
    --------
    >>> four = np.array([True, True, False, False])
    >>> design_effect(four, np.zeros(4, int), np.array(["a", "a", "b", "b"]))
    2.0
    """
    if not len(hit):
        return 1.0
    count = np.bincount(place)
    rate = np.bincount(place, weights=hit) / np.maximum(count, 1)
    apart = hit - rate[place]
    _, member = np.unique(people, return_inverse=True)
    pairs, both = np.unique(np.stack([member, place]), axis=1, return_inverse=True)  # a person in a category
    together = np.bincount(both.ravel(), weights=apart, minlength=pairs.shape[1])
    alone = float((apart**2).sum())
    return max(1.0, float((together**2).sum()) / alone) if alone else 1.0


def mean_cluster_size(people: NDArray[Any]) -> float:
    """Compute the number of rows of a row's own person, as the mean over rows; 1 if each row is of another person.

    Examples
    --------
    >>> mean_cluster_size(np.array(["a", "a", "b"])) == 5 / 3
    True
    """
    sizes = np.unique(people, return_counts=True)[1]
    return float((sizes**2).sum() / sizes.sum()) if len(sizes) else 1.0
