"""The order of questions, most informative first, and how much signals that are not rated could still change.

Signals that were not rated make the log-odds uncertain. The expected table of each is approximated by a line in its
rating (in standard units), and these ratings vary together as the factor model says. With slopes b and covariance C of
the unrated ratings, given what was rated, the variance is b' C b, plus what the lines leave. One more rating, j, takes
(C b)_j^2 / C_jj of that away, plus what its own line leaves, whatever the rating turns out to be. The first questions
are those that take most, one after the other.

No question is offered as one that narrows the answer's interval: the interval is the uncertainty of the tables in use,
and a further rating brings one more table into use (measured in experiments/benchmark/README.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.model.log_odds import one_probability
from predictor.model.offer_model import OfferModel
from predictor.model.prediction import QUANTILE
from predictor.model.tables import Floats
from predictor.ratings.ratings import Ratings

FIRST = 8  # questions of a first answer
NEGLIGIBLE = 1e-12  # variance of log-odds


@dataclass(frozen=True)
class Remaining:
    """What the signals that are not rated could still change.

    Attributes
    ----------
    low, high
        Between these likelihoods, 0 to 1, the answer would come out in 90 of 100 cases if the rest were rated, too.
    explained
        By signal that is not rated, the most informative first: the share of the variance in log-odds, 0 to 1, that
        its rating would take away.
    """

    low: float
    high: float
    explained: Mapping[str, float]


def first_questions(model: OfferModel, count: int = FIRST) -> tuple[str, ...]:
    """Choose the most informative signals for a given number of questions.

    Parameters
    ----------
    model
        Of formats 1 and 2, which have no factor model, the most important ones are taken.
    count
        How many; all where there are no more.

    Returns
    -------
    tuple of str
        In the catalogue's order, so that families stay together; at least one of each family, as far as the count
        reaches.

    Examples
    --------
    >>> first = first_questions(OfferModel.published())
    >>> len(first), len({s.family for s in OfferModel.published().catalogue.signals if s.name in first})
    (8, 5)
    """
    tables, signals = model.partial_tables, model.catalogue.signals
    importance = np.array([model.feature_importances.get(name, 0.0) for name in model.signals])
    covariance, slopes, rest = np.zeros((len(signals),) * 2), np.zeros(len(signals)), importance
    if tables is not None:
        factors, given = tables.completion.factor_model, tables.given(np.full((1, len(model.catalogue.inputs)), np.nan))
        covariance = factors.loadings @ factors.loadings.T + np.diag(factors.unique)
        slopes, rest = given.slopes, given.rest
    chosen: list[int] = []
    for left in range(min(count, len(signals)), 0, -1):
        gain = _gain(covariance, slopes, rest)
        gain[chosen] = -1.0
        unseen = {signal.family for signal in signals} - {signals[place].family for place in chosen}
        if len(unseen) >= left:  # each of the questions left goes to a family that has none
            gain = np.where([signal.family in unseen for signal in signals], gain, -1.0)
        best = int(gain.argmax())
        chosen.append(best)
        if variance := covariance[best, best]:
            covariance = covariance - np.outer(covariance[best], covariance[best]) / variance
    return tuple(model.signals[place] for place in sorted(chosen))


def remaining(model: OfferModel, ratings: Mapping[str, Any], *, base_rate: float | None = None) -> Remaining | None:
    """Return what the signals that are not rated could still change.

    Parameters
    ----------
    model, ratings, base_rate
        As for `OfferModel.predict`.

    Returns
    -------
    Remaining or None
        None where nothing or everything is rated, or the rest has no effect, and for models of formats 1 and 2, which
        do not know.

    Raises
    ------
    RatingsError
        With every problem of the ratings.

    Examples
    --------
    >>> model, rated = OfferModel.published(), {"goals_discussed": 4, "mutual_rapport": 4}
    >>> left = remaining(model, rated)
    >>> left.low < model.predict(rated).offer_probability < left.high
    True
    >>> len(left.explained) == len(model.signals) - len(rated)
    True
    """
    tables, p = model.partial_tables, len(model.signals)
    values = model.values_of(Ratings.from_records([ratings], model.catalogue))
    unrated = np.isnan(values[0, :p])
    if tables is None or unrated.all() or not unrated.any():
        return None
    estimate, given, factors = (
        tables.completion.estimate(values),
        tables.given(values[:, p:]),
        tables.completion.factor_model,
    )
    covariance = factors.loadings @ estimate.covariance[0] @ factors.loadings.T + np.diag(factors.unique)
    slopes, rest = np.where(unrated, given.slopes, 0.0), np.where(unrated, given.rest, 0.0)
    variance = float(slopes @ covariance @ slopes + rest.sum())
    if variance < NEGLIGIBLE:  # the rest counts nothing for this rater
        return None
    # The answer is drawn towards zero for this variance; with everything rated it would not be.
    middle = model.predict(ratings, base_rate=base_rate).log_odds / float(tables.shrinkage(values, estimate)[0])
    half = QUANTILE * math.sqrt(variance)
    gain = _gain(covariance, slopes, rest) / variance
    order = sorted(np.flatnonzero(unrated).tolist(), key=lambda place: -gain[place])
    explained = {model.signals[place]: min(1.0, float(gain[place])) for place in order}
    return Remaining(one_probability(middle - half), one_probability(middle + half), explained)


def _gain(covariance: Floats, slopes: Floats, rest: Floats) -> Floats:
    """How much of the variance of the log-odds each rating would take away, shape (p,)."""
    own = np.diag(covariance)
    return np.asarray((covariance @ slopes) ** 2 / np.where(own > 0, own, 1.0) + rest)
