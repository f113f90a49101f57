"""Feature importances with intervals, by signal, family and side, and their limits.

*Mean absolute contribution*: how much does the model rely on this signal? *Permutation importance*: how much worse does
it predict unseen interviews when that signal is shuffled among them (Breiman 2001)? Both describe the model and its
data: associations, not causes.

The interval of a contribution is a delete-a-fold jackknife (Efron & Tibshirani 1993, chapter 11). The importance is
computed for the model of each of the k folds, which was fitted without that fold. The variance of these k values, times
k - 1 and averaged over repeats, is the variance of the importance; the quantile is Student's t with k - 1 degrees of
freedom. Folds hold whole groups, so rows of one group are not taken as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from predictor.errors import plural
from predictor.evaluation.scores import GroupBootstrap, Score
from predictor.model.offer_model import OfferModel
from predictor.model.subsets import signal_groups
from predictor.model.tables import Floats
from predictor.ratings.ratings import Ratings

TOP = 5  # a signal's stability is how often it is among the strongest five
PERMUTATIONS = 5  # of every row, over all repeats of the cross-validation
HIGH_CORRELATION = 0.7  # from which the effects of two signals are hard to separate
LEAST_COMMON_ROWS = 30  # rows that rate both signals, for their correlation
MOST_PAIRS = 5  # pairs that are named
ROWS_AT_ONCE = 2**16  # permuted rows predicted at once, about: many small calls take several times as long


@dataclass(frozen=True)
class Importance:
    """The importance of a signal, or of a group of signals taken together.

    Attributes
    ----------
    contribution
        Mean absolute contribution of the final model, in log-odds; for a group, that of its summed contributions.
    permutation
        Increase of a fold model's log-loss on its test rows when the signal, or the whole group of signals, is
        permuted among them. The interval resamples whole groups, as that of every score does.
    top
        Share of the fold models in which it is among the five with the largest contribution; None for a group, or if
        there are no more than five signals.
    """

    contribution: Score
    permutation: Score
    top: float | None


@dataclass(frozen=True, eq=False)
class FoldImportance:
    """Importances in one fold, of each signal and then of each group of signals.

    Attributes
    ----------
    size
        Mean absolute contributions, shape (signals and groups,).
    lost
        Increase of log-loss when it is permuted, shape (test rows, signals and groups).
    """

    size: Floats
    lost: Floats


def measure(model: OfferModel, test: Floats, y: Floats, repeats: int, seed: Sequence[int]) -> FoldImportance:
    """Compute the importances of a fold's model.

    Parameters
    ----------
    model
        Model that was fitted without the fold.
    test
        Values of the fold's rows, shape (n, terms).
    y
        Their outcomes.
    repeats
        Number of repeats of the cross-validation, among which the permutations are divided.
    seed
        Seed of the permutations.
    """
    permutations = -(-PERMUTATIONS // repeats)  # rounded up
    rng = np.random.default_rng(seed)
    sign = 1 - 2 * y
    before = np.logaddexp(0, sign * model.log_odds(test))
    groups = [columns for members in signal_groups(model.catalogue).values() for columns in members.values()]
    lost = np.empty((len(test), len(groups)))
    step = max(1, ROWS_AT_ONCE // (permutations * len(test)))
    for start in range(0, len(groups), step):
        batch = groups[start : start + step]
        shuffled = np.tile(test, (len(batch), permutations, 1, 1))
        for copies, columns in zip(shuffled, batch, strict=True):
            for copy in copies:
                copy[:, columns] = test[rng.permutation(len(test))][:, columns]
        after = model.log_odds(shuffled.reshape(-1, test.shape[1])).reshape(len(batch), permutations, -1)
        lost[:, start : start + step] = (np.logaddexp(0, sign * after).mean(axis=1) - before).T
    return FoldImportance(_sizes(model), lost)


def importances(
    model: OfferModel,
    n: int,
    folds: Sequence[tuple[int, NDArray[Any], FoldImportance]],
    resampling: GroupBootstrap,
) -> dict[str, dict[str, Importance]]:
    """Combine the folds.

    Parameters
    ----------
    model
        The final model.
    n
        Rows that it was fitted on.
    folds
        Repeat, test rows and importances of each fold of the cross-validation.
    resampling
        Draws for the intervals of permutation importances.

    Returns
    -------
    dict
        By "signal", "family" and "side", then by name: an `Importance`, the largest contribution first.
    """
    kinds, sizes = signal_groups(model.catalogue), _sizes(model)
    repeats = 1 + max(repeat for repeat, _, _ in folds)
    lost = np.full((repeats, n, len(sizes)), np.nan)
    jackknife = np.zeros(len(sizes))
    for repeat, test, fold in folds:
        lost[repeat, test] = fold.lost
    for repeat in range(repeats):
        without = np.stack([fold.size for number, _, fold in folds if number == repeat])
        jackknife += (len(without) - 1) * without.var(axis=0) / repeats
    half = stdtrit(len(without) - 1, 0.95) * np.sqrt(jackknife)
    signals = len(kinds["signal"])
    ranks = np.argsort(np.argsort([-fold.size[:signals] for _, _, fold in folds], axis=1), axis=1)
    top = (ranks < TOP).mean(axis=0)

    def importance(index: int) -> Importance:
        size = float(sizes[index])

        def figure(repeat: int, weight: Floats) -> Floats:
            return np.asarray(weight @ lost[repeat, :, index] / weight.sum(axis=1))

        return Importance(
            Score(size, max(0.0, size - float(half[index])), size + float(half[index]), n),
            resampling.score(figure, repeats, n, (-np.inf, np.inf)),
            float(top[index]) if index < signals and signals > TOP else None,
        )

    result: dict[str, dict[str, Importance]] = {}
    indices = count()
    for kind, members in kinds.items():
        of_kind = {name: importance(next(indices)) for name in members}
        result[kind] = dict(sorted(of_kind.items(), key=lambda item: -item[1].contribution.value))
    return result


def correlated_signals(ratings: Ratings) -> tuple[str, ...]:
    """List pairs of signals that are rated so much alike (halo) that their effects cannot be separated.

    The prior decides how the model divides the weight between them, and after one is permuted the other still carries
    the same information; so neither figure shows which of them matters.

    Returns
    -------
    tuple of str
        Sentences, the highest correlation first, and the number of further pairs.
    """
    labels = [signal.label for signal in ratings.catalogue.signals]
    correlation = pd.DataFrame(ratings.rated_values).corr(min_periods=LEAST_COMMON_ROWS).to_numpy()
    rated = ~np.isnan(ratings.rated_values)
    pairs = [(j, k) for j, k in np.argwhere(np.triu(np.abs(correlation) >= HIGH_CORRELATION, 1)).tolist()]
    pairs.sort(key=lambda pair: -abs(correlation[pair]))
    statements = [
        f"{labels[j]} and {labels[k]} are rated almost {'alike' if correlation[j, k] > 0 else 'as opposites'} "
        f"(r = {correlation[j, k]:.2f}, n = {(rated[:, j] & rated[:, k]).sum():,}): read their importances together."
        for j, k in pairs[:MOST_PAIRS]
    ]
    more = len(pairs) - MOST_PAIRS
    return (*statements, f"So are {plural(more, 'more pair')} of signals.") if more > 0 else tuple(statements)


def _sizes(model: OfferModel) -> Floats:
    """Return the mean absolute contribution of each signal, and then of each group, over the training rows."""
    kinds = {"signal": model.feature_importances, **model.group_importances}
    return np.array([kinds[kind][name] for kind, names in signal_groups(model.catalogue).items() for name in names])
