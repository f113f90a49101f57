"""Hints from the data of a column: values that are codes, not ratings, and which direction may be better.

Hints for a person who reviews a draft: only what is significant, and what the order of the ratings does not explain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CODES = {-99, -9, -1, 8, 9, 77, 88, 98, 99, 998, 999}  # usual for "not observed" in survey files
LEAST_RATINGS = 10  # other than codes, so that the gap between them is no accident
WIDEST = 10  # highest rating, so that a code is obvious
RARE = 0.1  # share of the ratings that a code has at most
DIRECTION_LEVEL, JUMP_LEVEL = 0.05, 0.01  # of the tests of all columns together


@dataclass(frozen=True)
class Tendency:
    """Spearman's rank correlation of ratings and outcome, over n rows."""

    correlation: float
    n: int

    def __str__(self) -> str:
        return f"rank correlation {self.correlation:.2f}".replace("0.", ".") + f", n = {self.n:,}"


@dataclass(frozen=True)
class OddEnd:
    """A rarely used end of a scale whose offer rate does not fit the order of the other ratings.

    Attributes
    ----------
    value, next
        The rating, and its neighbour.
    n, n_next
        How many rows have them.
    share, next_share
        Share of yes among those rows.
    """

    value: float
    next: float
    n: int
    n_next: int
    share: float
    next_share: float


def obvious_codes(values: Floats) -> tuple[float, ...]:
    """Find values that can only be codes: usual ones, far above all ratings, or far below zero where these are not.

    Parameters
    ----------
    values
        The column, shape (n,); NaN where empty.

    Examples
    --------
    >>> obvious_codes(np.array([1.0, 2, 3, 4, 5, 99] * 4)), obvious_codes(np.array([1.0, 2, 3, 4, 5, 9] * 4))
    ((99.0,), ())
    """
    points, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    usual = np.isin(points, list(CODES))
    ratings = points[~usual]
    if len(ratings) < 3 or counts[~usual].sum() < LEAST_RATINGS or (points != np.round(points)).any():
        return ()
    low, high = ratings[0], ratings[-1]
    if low < 0 or high > WIDEST:
        return ()
    span = high - low
    apart = usual & ((points > max(high + span, WIDEST)) | (points < (0 if low > 0 else -1)))
    return tuple(points[apart].tolist())


def tendency(x: Floats, y: Floats, groups: NDArray[Any], columns: int) -> Tendency | None:
    """Measure whether higher ratings go with yes; None where that is not significant.

    The test takes rows of one group as one observation (a sum over the group of the products of ranks), and is
    corrected for the number of columns.

    Parameters
    ----------
    x, y
        Ratings and outcomes, shape (n,), all known.
    groups
        Number of each row's group, shape (n,).
    columns
        How many columns are tested.
    """
    if len({*x.tolist()}) < 2 or len({*y.tolist()}) < 2:
        return None
    product = _standard_ranks(x) * _standard_ranks(y)
    noise = np.sqrt((np.bincount(groups, weights=product) ** 2).sum())
    if abs(product.sum()) < _limit(DIRECTION_LEVEL, columns) * noise:
        return None
    return Tendency(float(product.mean()), len(x))


def odd_ends(x: Floats, y: Floats, columns: int) -> Iterator[OddEnd]:
    """Find rarely used ends of a scale whose offer rate does not fit the order of the other ratings.

    Where the others go up or down with the outcome, a jump the other way is meant; where they do neither, one that is
    larger than every step between them. A test of two proportions, corrected for both ends of all columns, shows
    whether it is more than noise. A jump in the direction of the other ratings is not reported.

    Parameters
    ----------
    x, y
        Ratings and outcomes, shape (n,), all known.
    columns
        How many columns are tested.

    Examples
    --------
    >>> x = np.repeat([0.0, 1, 2, 3, 4, 5], [20, 100, 100, 100, 100, 100])
    >>> y = np.concatenate([np.arange(size) < yes for size, yes in zip([20, *[100] * 5], [18, 20, 30, 40, 50, 60])])
    >>> [(end.value, end.share, end.next_share) for end in odd_ends(x, y.astype(float), 10)]
    [(0.0, 0.9, 0.2)]
    """
    points, index, counts = np.unique(x, return_inverse=True, return_counts=True)
    if len(points) < 4 or (points != np.round(points)).any():
        return
    shares = np.bincount(index, weights=y) / counts
    for end, neighbour in ((0, 1), (len(points) - 1, len(points) - 2)):
        n, n_neighbour = int(counts[end]), int(counts[neighbour])
        if n > RARE * len(x) or n >= n_neighbour:
            continue
        jump = shares[end] - shares[neighbour]
        pooled = (n * shares[end] + n_neighbour * shares[neighbour]) / (n + n_neighbour)
        noise = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n_neighbour))
        if abs(jump) <= _limit(JUMP_LEVEL, 2 * columns) * noise:
            continue
        rest = index != end
        trend = tendency(x[rest], y[rest], np.arange(rest.sum()), 1)
        if trend:
            odd = jump * trend.correlation * (1 if end == 0 else -1) > 0
        else:
            odd = abs(jump) > np.abs(np.diff(np.delete(shares, end))).max()
        if odd:
            ends = float(points[end]), float(points[neighbour])
            yield OddEnd(*ends, n, n_neighbour, float(shares[end]), float(shares[neighbour]))


def numbered(words: Sequence[Any]) -> NDArray[np.int64]:
    """Number groups by their names; what has none is a group of its own."""
    own = [("", row) if word is None else ("group", str(word)) for row, word in enumerate(words)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(own))}
    return np.array([numbers[key] for key in own], dtype=np.int64)


def _standard_ranks(values: Floats) -> Floats:
    """Rank values, ties by their mean, brought to mean 0 and mean square 1."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    return np.asarray((ranks - ranks.mean()) / ranks.std())


def _limit(level: float, tests: int) -> float:
    """How many standard errors a two-sided test at `level`, shared out over this many tests, needs."""
    return NormalDist().inv_cdf(1 - level / 2 / max(tests, 1))
