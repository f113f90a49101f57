"""Rows that are copies of others, as after a file was pasted twice, or a part of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.model.tables import Floats
from predictor.ratings.ratings import Ratings

COPIED_RATINGS = 10  # which hardly ever agree by chance
PASTED_KINDS = 10  # if there are so many kinds of rows, it is no chance that each of them occurs twice
FLAT_RATINGS = 3  # two equal ratings are no evidence about their rater


def copies(ratings: Ratings) -> NDArray[np.int64]:
    """Return for each row, shape (n,), the first of which it is a copy; equal rows that chance explains do not count.

    Copies have the same inputs, outcome and ratings: ten ratings or more, not all equal; or all other columns are the
    same, too, and identify an interview. Or rows in a sequence occur once more in the same sequence, as after a part
    was pasted. Or the whole file was pasted k times: k is the greatest common divisor of how often each row occurs.
    """
    telling = ((~np.isnan(ratings.values)).sum(axis=1) >= COPIED_RATINGS) & ~all_equal(ratings.rated_values)
    _, kind, times = np.unique(hashes(ratings), return_inverse=True, return_counts=True)
    order = np.argsort(kind, kind="stable")
    nth = np.empty(len(kind), dtype=np.int64)  # of its kind, in the file's order
    nth[order] = np.arange(len(kind)) - np.repeat(np.cumsum(times) - times, times)
    pasted = int(np.gcd.reduce(times)) if len(times) >= PASTED_KINDS else 1
    nth %= np.where(telling, 1, times[kind] // pasted)  # rows of the kind that are not copies of one another
    if pasted == 1 and len(times) >= PASTED_KINDS:
        nth[_in_repeated_sequence(kind, times) & ~telling] = -1
        others = pd.DataFrame(dict(ratings.columns))
        interview = others.groupby([*others], dropna=False).ngroup().to_numpy() if len(others) else np.zeros_like(kind)
        if len({*zip(interview, kind, strict=True)}) == interview.max() + 1:
            again = pd.Series(interview).duplicated(keep=False).to_numpy() & ~telling
            nth[again] = -2 - interview[again]
    _, first, number = np.unique(np.stack([kind, nth]), axis=1, return_index=True, return_inverse=True)
    return np.asarray(first[number.ravel()], dtype=np.int64)


def _in_repeated_sequence(kind: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Find rows in a sequence of kinds that occurs twice, so long that chance repeats one in 1 of 100 files."""
    n, repeated = len(kind), np.zeros(len(kind), dtype=np.bool_)
    needed = np.log(100 * n**2)  # nats: there are n**2 pairs of sequences
    length = int(np.ceil(needed / -np.log(((times / n) ** 2).sum())))  # by the chance that two rows are of one kind
    if length > len(times):
        return repeated
    sequences = np.lib.stride_tricks.sliding_window_view(kind, length)
    ordered = np.sort(sequences, axis=1)  # a kind counts once: where the file is sorted by ratings it repeats itself
    surprise = np.where(np.diff(ordered, prepend=-1) > 0, np.log(n / times)[ordered], 0).sum(axis=1)
    starts = np.flatnonzero(surprise >= needed)
    hashes = pd.util.hash_pandas_object(pd.DataFrame(sequences[starts]), index=False)
    for start in starts[hashes.duplicated(keep=False).to_numpy()]:
        repeated[start : start + length] = True
    return repeated


def hashes(ratings: Ratings) -> NDArray[np.uint64]:
    """Assign the same number to rows with the same ratings, inputs and outcome."""
    table = ratings.features.assign(**{ratings.catalogue.outcome: ratings.y})
    return np.asarray(pd.util.hash_pandas_object(table, index=False), dtype=np.uint64)


def all_equal(values: Floats) -> NDArray[np.bool_]:
    """Return which rows have three ratings or more, all equal."""
    rated = ~np.isnan(values)
    high = np.where(rated, values, -np.inf).max(axis=1)
    low = np.where(rated, values, np.inf).min(axis=1)
    equal: NDArray[np.bool_] = (rated.sum(axis=1) >= FLAT_RATINGS) & (high == low)
    return equal
