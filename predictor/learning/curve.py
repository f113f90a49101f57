"""Would more interviews help? The model fitted on parts of the rows, and scored on the same rows not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import threadpool_limits

from predictor.learning.decomposition import evaluate
from predictor.learning.evaluation import Resampling, Score, gain, log_loss
from predictor.learning.pool import fit_pool
from predictor.learning.prior import Prior
from predictor.learning.quality import MINIMUM
from predictor.ratings import Ratings
from predictor.tables import Floats, Grid

SHARES = (1 / 8, 1 / 4, 1 / 2)  # of the groups learned from; each step doubles them, and so does the one to all
LITTLE = 0.01  # log-loss: doubling the rows is hardly worth the work for a gain that is certainly below this


@dataclass(frozen=True)
class LearningCurve:
    """Log-loss by how much was learned from.

    Attributes
    ----------
    rows
        Rows learned from, from few to many, the mean over folds.
    log_loss
        On the rows that the folds had not seen, the same at every point. Intervals resample the rows tested, not those
        learned from.
    last_gain
        Log-loss saved by the last doubling, on the same rows.

    Examples
    --------
    >>> scores = (Score(0.6, 0.5, 0.7, 300), Score(0.59, 0.49, 0.69, 300))
    >>> print(LearningCurve((120, 240), scores, Score(0.01, 0.004, 0.016, 300)))
    More interviews would probably help: learning from 240 instead of 120 saved 0.010 (0.004 to 0.016) of log-loss,
    n = 300.
    """

    rows: tuple[int, ...]
    log_loss: tuple[Score, ...]
    last_gain: Score

    def __str__(self) -> str:
        last = self.last_gain
        fewer, rows = self.rows[-2:]
        told = f"learning from {rows:,} instead of {fewer:,} saved {last} of log-loss, n = {last.n:,}."
        if last.high < LITTLE:
            return f"More interviews of this kind would change little: {told}"
        if last.low > 0:
            return f"More interviews would probably help: {told}"
        return f"Whether more interviews would help cannot be told yet: {told}"


def learning_curve(
    ratings: Ratings,
    groups: NDArray[Any],
    folds: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    full: Floats,
    resampling: Resampling,
    *,
    prior: Prior | None = None,
    boosted: bool = True,
    seed: int = 0,
) -> LearningCurve | None:
    """Fit on growing shares of each fold's groups, each share within the next.

    Parameters
    ----------
    ratings
        Ratings whose outcomes are known.
    groups
        Group of each row, shape (n,).
    folds
        Rows learned from and rows tested, of one cross-validation.
    full
        Probabilities by models that learned from all of a fold's rows, shape (n,): the last point.
    resampling
        Draws for the intervals.
    prior, boosted, seed
        As in `fit_pool`. Boosters take most of the time; where the final model has none, the small fits need none.

    Returns
    -------
    LearningCurve or None
        None where half of the rows have fewer than five offers or five non-offers.
    """
    values, y, catalogue = ratings.features.to_numpy(), ratings.y, ratings.catalogue
    grid = Grid.of(catalogue)
    cells = grid.weights(values)
    rows, found = [], []
    for share in SHARES:
        p, used = np.empty(len(y)), 0
        for number, (train, test) in enumerate(folds):
            people = np.random.default_rng((seed, number)).permutation(np.unique(groups[train]))
            part = train[np.isin(groups[train], people[: round(share * len(people))])]
            if min(y[part].sum(), len(part) - y[part].sum()) < MINIMUM:
                break
            with threadpool_limits(1):  # the same sums, whatever the number of threads
                pool = fit_pool(values[part], y[part], catalogue, groups[part], prior=prior, boosted=boosted, seed=seed)
            p[test] = expit(evaluate(pool.terms, cells[test], grid))
            used += len(part)
        else:
            rows.append(round(used / len(folds)))
            found.append(p)
    if not found:
        return None
    rows.append(round(sum(len(train) for train, _ in folds) / len(folds)))
    found.append(full)

    def score(p: Floats) -> Score:
        return resampling.score(lambda _, weight: log_loss(y, p, weight), 1, len(y), (0.0, np.inf))

    return LearningCurve(tuple(rows), tuple(score(p) for p in found), gain(y, full[None], found[-2][None], resampling))
