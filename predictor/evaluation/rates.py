"""Rates of groups and their ratios: intervals that hold at zero, an exact test, four fifths in whole numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.9  # of intervals
ROUNDS = 80  # of bisection, on a scale from 0 to 1: the interval's ends are then exact


def wilson(count: float, n: float, level: float = CONFIDENCE) -> tuple[float, float]:
    """Compute the interval of a share (Wilson 1927).

    Parameters
    ----------
    count, n
        How many of how many; they need not be whole, since rows of one person count for less than rows of several.
    level
        Of the interval.

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
    z, share = _quantile(level), count / n
    shrink = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / shrink
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    return (0.0 if not count else max(0.0, middle - half)), (1.0 if count == n else min(1.0, middle + half))


def score_statistic(a: float, n: float, b: float, m: float, ratio: float) -> float:
    """Compute how far a/n lies from `ratio` times b/m, in standard errors under that ratio.

    The score test of Miettinen and Nurminen (Statistics in Medicine 4:213-226, 1985): the variance is that of the
    shares which are likeliest if the ratio is true. At ratio 1 it equals the pooled z of two shares, with n + m - 1 in
    place of n + m.

    Examples
    --------
    >>> round(score_statistic(34, 76, 50, 92, 1), 2)
    -1.24
    """
    total = n + m
    one, half, none = total * ratio, -(n * ratio + a + m + b * ratio), a + b
    q = (-half - math.sqrt(max(half * half - 4 * one * none, 0.0))) / (2 * one) if one else none / total
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
        Of the interval.
    chosen_from
        Among how many shares b/m is the highest. The highest of several is partly so by chance, which makes the ratio
        too low, hardly ever too high. So the whole error rate of the interval goes to its upper end, divided by this
        number (Bonferroni): in `experiments/benchmark/audit.py` its error rate is the nominal one.

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
        """Find, by its place between 0 and 1, the ratio at which `holds` turns from true to false."""
        below, above = 0.0, 1.0
        for _ in range(ROUNDS):
            middle = (below + above) / 2
            below, above = (middle, above) if holds(middle / (1 - middle)) else (below, middle)
        return below / (1 - below) if below < 1 - 1e-12 else math.inf

    low = end(lambda ratio: score_statistic(a, n, b, m, ratio) > z) if a else 0.0
    return low, end(lambda ratio: score_statistic(a, n, b, m, ratio) >= -high) if b else math.inf


def below_four_fifths(a: int, n: int, b: int, m: int) -> bool:
    """Whether a of n is under four fifths of b of m, in whole numbers: in floats 3/5 comes out under .8 of 6/8.

    Examples
    --------
    >>> below_four_fifths(3, 5, 6, 8), below_four_fifths(59, 100, 6, 8)
    (False, True)
    """
    return 5 * int(a) * int(m) < 4 * int(b) * int(n)


def exact_test(a: int, n: int, b: int, m: int) -> float:
    """Compute the two-sided p-value of Fisher's exact test that two shares are the same.

    Boschloo's test is more powerful where a category has few rows (at shares of .3 and .6 it rejects 36 against 23 % of
    15 and 15 rows), which is not judged anyway, and no more so from 30 and 60 rows on.

    Examples
    --------
    >>> round(exact_test(34, 76, 50, 92), 4)
    0.2779
    """
    from scipy.stats import fisher_exact

    return float(fisher_exact([[a, n - a], [b, m - b]])[1])


def design_effect(hit: NDArray[np.bool_], place: NDArray[Any], people: NDArray[Any]) -> float:
    """Compute how many times larger the variance of rates is than of rows that are independent; 1 at least.

    Rows of one person are alike, so they say less than as many rows of several people. One figure for all categories,
    since that of a small one is mostly noise (Rao & Scott, Biometrics 48:577-585, 1992).

    Parameters
    ----------
    hit
        What the rate counts, shape (n,).
    place
        Number of each row's category, shape (n,).
    people
        Whose row it is, shape (n,).

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


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
