"""Subsets of the signals: one side, one family, a few at random; and the accuracy that training measured for each.

Training scores its folds' models on their test rows with only such a subset of the ratings kept. The model file keeps
those scores, so that a note can state how good answers from as few ratings are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.errors import plural
from predictor.model.tables import Floats
from predictor.ratings.catalogue import INPUT_FAMILY, Catalogue

EVERYTHING = "all"
SMALL_COUNT, LARGE_COUNT = 3, 10  # signals at random; of a small catalogue, half of them instead of ten
LEAST_SHARE_RATED = 2 / 3  # of a side or a family, for its score to be used for a row
OF_SIDE = {
    "candidate": "the candidate's own signals",
    "interviewer": "the interviewer's signals",
    "both": "the signals of both sides",
}


@dataclass(frozen=True)
class Subset:
    """A subset of the signals of a catalogue.

    Attributes
    ----------
    name
        "all", "side:SIDE", "family:FAMILY" or "random:COUNT".
    words, label
        What it is, as in "the candidate's own signals"; and for a table.
    signals
        Indices of its signals in the catalogue.
    others
        Indices of the signals that are left out.
    count
        How many of the ratings of a row are kept, drawn at random for each row; None where all of `signals` are.
    """

    name: str
    words: str
    label: str
    signals: tuple[int, ...]
    others: tuple[int, ...] = ()
    count: int | None = None

    def keep(self, values: Floats, rng: np.random.Generator) -> Floats:
        """Leave out every other rating; inputs, such as who rated, stay.

        Parameters
        ----------
        values
            Ratings, then coded inputs, shape (n, terms); NaN where not rated.
        rng
            For a random subset.

        Returns
        -------
        array of shape (n, terms)
            A copy.
        """
        kept = values.copy()
        kept[:, self.others] = np.nan
        if self.count is not None:
            ratings = kept[:, self.signals]
            order = np.where(np.isnan(ratings), 2.0, rng.random(ratings.shape))  # what was rated comes first
            rank = order.argsort(axis=1).argsort(axis=1)
            kept[:, self.signals] = np.where(rank < self.count, ratings, np.nan)
        return kept


def subsets(catalogue: Catalogue) -> tuple[Subset, ...]:
    """List the subsets that are measured: everything, each side, each family, 3 and 10 signals at random.

    A subset that has every signal, or the same signals as another, is omitted.

    Examples
    --------
    >>> [subset.name for subset in subsets(Catalogue.shipped())][:4]
    ['all', 'side:interviewer', 'side:candidate', 'side:both']
    """
    groups: dict[str, list[int]] = {}
    for index, signal in enumerate(catalogue.signals):
        if signal.side:
            groups.setdefault(f"side:{signal.side}", []).append(index)
    for index, signal in enumerate(catalogue.signals):
        groups.setdefault(f"family:{signal.family}", []).append(index)
    every = tuple(range(len(catalogue.signals)))
    by_signals = {every: Subset(EVERYTHING, "all ratings as given", "All ratings as given", every)}
    for name, members in groups.items():
        kind, _, which = name.partition(":")
        words = OF_SIDE[which] if kind == "side" else f"the family '{catalogue.families[which]}'"
        label = words[:1].upper() + words[1:] if kind == "side" else catalogue.families[which]
        others = tuple(index for index in every if index not in members)
        by_signals.setdefault(tuple(members), Subset(name, words, label, tuple(members), others))
    p, at_random = len(every), []
    for count in sorted({SMALL_COUNT, LARGE_COUNT if p > LARGE_COUNT else p // 2}):
        if 0 < count < p:
            words = f"{plural(count, 'signal')} at random"
            at_random.append(Subset(f"random:{count}", words, words, every, (), count))
    return (*by_signals.values(), *at_random)


def signal_groups(catalogue: Catalogue) -> dict[str, dict[str, list[int]]]:
    """Return the columns of each group: by "signal" (inputs too), by "family" and by "side".

    Examples
    --------
    >>> {kind: list(groups)[-1] for kind, groups in signal_groups(Catalogue.shipped()).items()}
    {'signal': 'rater_role', 'family': 'context', 'side': 'both'}
    """
    groups: dict[str, dict[str, list[int]]] = {"signal": {}, "family": {}, "side": {}}
    for column, signal in enumerate(catalogue.signals):
        groups["signal"][signal.name] = [column]
        groups["family"].setdefault(signal.family, []).append(column)
        if signal.side:
            groups["side"].setdefault(signal.side, []).append(column)
    for column, item in enumerate(catalogue.inputs, len(catalogue.signals)):
        groups["signal"][item.name] = [column]
        groups["family"].setdefault(INPUT_FAMILY, []).append(column)
    return groups


class FewRatings:
    """How good answers from few ratings are: the score that was measured on the most similar subset of the signals.

    Parameters
    ----------
    catalogue
        Of the model.
    measured
        By the name of a subset: its ROC AUC with the ends of its interval under "roc_auc", and its rows under "n";
        empty where nothing was measured.

    Examples
    --------
    >>> few = FewRatings(Catalogue.shipped(), {"random:3": {"roc_auc": [0.64, 0.6, 0.68], "n": 500}})
    >>> few.note([4.0, 3.0] + [math.nan] * (len(Catalogue.shipped().signals) - 2), 2)
    ' With 3 signals at random, ROC AUC out of fold is 0.64 (90 % interval 0.60 to 0.68, n = 500).'
    """

    def __init__(self, catalogue: Catalogue, measured: Mapping[str, Any]) -> None:
        known = [subset for subset in subsets(catalogue) if subset.name in measured and subset.name != EVERYTHING]
        self._sentences = {subset.name: _sentence(subset, measured[subset.name]) for subset in known}
        groups = sorted((subset for subset in known if subset.count is None), key=lambda subset: len(subset.signals))
        self._groups = [
            (subset.signals, math.ceil(LEAST_SHARE_RATED * len(subset.signals)), len(subset.signals), subset)
            for subset in groups
        ]
        counts = {subset.count: subset for subset in known if subset.count}
        self._by_count = [
            counts[min(counts, key=lambda count: abs(math.log(count / rated)))] if counts else None
            for rated in range(1, len(catalogue.signals) + 1)
        ]

    def most_similar(self, row: Sequence[float], rated: int) -> Subset | None:
        """Return the measured subset that is most similar to what was rated; None where none was measured.

        Parameters
        ----------
        row
            Ratings in the catalogue's order, NaN where not rated.
        rated
            How many were rated, 1 or more.

        Returns
        -------
        Subset or None
            A side or family if all ratings are of it, and most of it was rated; else that number of signals at random
            that is nearest to how many were rated.
        """
        for signals, least, most, subset in self._groups:
            if least <= rated <= most and sum([row[index] == row[index] for index in signals]) == rated:
                return subset
        return self._by_count[rated - 1]

    def note(self, row: Sequence[float], rated: int) -> str:
        """Write how good answers from such signals are, see `most_similar`; empty where that was not measured."""
        subset = self.most_similar(row, rated)
        return self._sentences[subset.name] if subset else ""


def _sentence(subset: Subset, measured: Mapping[str, Any]) -> str:
    value, low, high = measured["roc_auc"]
    interval = f"90 % interval {low:.2f} to {high:.2f}, n = {measured['n']:,}"
    alone = " alone" if subset.count is None else ""
    return f" With {subset.words}{alone}, ROC AUC out of fold is {value:.2f} ({interval})."


def check_scores(measured: Any) -> None:
    """Refuse scores that no training makes.

    Raises
    ------
    ValueError
        If a subset has no three finite figures for ROC AUC, or no number of rows.
    """
    for name, scores in measured.items():
        figures = scores["roc_auc"]
        if len(figures) != 3 or not all(type(x) in (int, float) and math.isfinite(x) for x in figures):
            raise ValueError(f"the ROC AUC of '{name}' is not a figure with its interval")
        if type(scores["n"]) is not int:
            raise ValueError(f"on how many rows '{name}' was scored is missing")
