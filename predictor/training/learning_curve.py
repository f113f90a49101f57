"""Learning curve: the model fitted on increasing parts of the rows, and scored on the same held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray

from predictor.evaluation.scores import LEAST_OF_EACH, GroupBootstrap, Score, gain, log_loss
from predictor.learning.assembly import assemble
from predictor.learning.pool import fit_pool
from predictor.learning.prior import Prior
from predictor.model.log_odds import probability
from predictor.model.tables import Floats
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.threads import one_thread

SHARES = (1 / 8, 1 / 4, 1 / 2)  # of the groups; each step doubles them, and so does the last one to all
LITTLE = 0.01  # log-loss: doubling the rows is hardly worth the work for a gain that is certainly below this


@dataclass(frozen=True)
class LearningCurve:
    """Log-loss by the number of training rows.

    Attributes
    ----------
    rows
        Training rows, from few to many, the mean over folds.
    log_loss
        Log-loss on the test rows of the folds, the same at every point. Intervals resample these, not training rows.
    last_gain
        Log-loss improvement by the last doubling, on the same rows.

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
        change = f"learning from {rows:,} instead of {fewer:,} saved {last} of log-loss, n = {last.n:,}."
        if last.high < LITTLE:
            return f"More interviews of this kind would change little: {change}"
        if last.low > 0:
            return f"More interviews would probably help: {change}"
        return f"Not clear yet whether more interviews would help: {change}"


def learning_curve(
    ratings: Ratings,
    groups: NDArray[Any],
    folds: Sequence[tuple[NDArray[Any], NDArray[Any], Floats]],
    full: Floats,
    resampling: GroupBootstrap,
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
        Training rows and rows tested, of one cross-validation, and features of all rows, shape (n, terms).
    full
        Out-of-fold probabilities by models of all of a fold's training rows, shape (n,): the last point.
    resampling
        Draws for the intervals.
    prior, boosted, seed
        As in `fit_pool`. Boosters take most of the time; where the final model has none, the small fits need none.

    Returns
    -------
    LearningCurve or None
        None where half of the rows have fewer than five offers or five non-offers.
    """
    y, catalogue = ratings.y, ratings.catalogue
    points = []
    for share in SHARES:
        parts = [_part(groups, train, share, (seed, number)) for number, (train, _, _) in enumerate(folds)]
        if all(min(y[part].sum(), len(part) - y[part].sum()) >= LEAST_OF_EACH for part in parts):
            points.append(parts)
    if not points:
        return None
    jobs = (
        delayed(_fold)(values, y, groups, part, test, catalogue, prior, boosted, seed)
        for parts in points
        for part, (_, test, values) in zip(parts, folds, strict=True)
    )
    with one_thread():  # here, too: the first thread to end would set BLAS free for the others
        answers = iter(Parallel(n_jobs=-1, prefer="threads", batch_size=1)(jobs))
    rows, predictions = [], []
    for parts in points:
        p = np.empty(len(y))
        for _, test, _ in folds:
            p[test] = next(answers)
        rows.append(round(sum(map(len, parts)) / len(folds)))
        predictions.append(p)
    rows.append(round(sum(len(train) for train, _, _ in folds) / len(folds)))
    predictions.append(full)

    def score(p: Floats) -> Score:
        return resampling.score(lambda _, weight: log_loss(y, p, weight), 1, len(y), (0.0, np.inf))

    return LearningCurve(
        tuple(rows), tuple(score(p) for p in predictions), gain(y, full[None], predictions[-2][None], resampling)
    )


def _part(groups: NDArray[Any], train: NDArray[Any], share: float, seed: tuple[int, int]) -> NDArray[Any]:
    """Select a share of a fold's groups; a larger share holds the smaller one."""
    people = np.random.default_rng(seed).permutation(np.unique(groups[train]))
    return train[np.isin(groups[train], people[: round(share * len(people))])]


def _fold(
    values: Floats,
    y: Floats,
    groups: NDArray[Any],
    part: NDArray[Any],
    test: NDArray[Any],
    catalogue: Catalogue,
    prior: Prior | None,
    boosted: bool,
    seed: int,
) -> Floats:
    """Fit on a part of the rows, and predict the test rows."""
    with parallel_config(backend="sequential"), one_thread():  # the others run beside it, maybe elsewhere
        pool = fit_pool(values[part], y[part], catalogue, groups[part], prior=prior, boosted=boosted, seed=seed)
        model = assemble(pool, values[part], y[part], catalogue, prior=prior, importances=False)
    return np.asarray(probability(model.log_odds(values[test])))
