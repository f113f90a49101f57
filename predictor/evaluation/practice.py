"""How much higher the estimates would be with the best rating of each of the candidate's own signals.

For reflection on several interviews. For each interview in which a signal was rated, the estimate is compared with that
of an otherwise equal interview in which the signal has its best rating. The mean difference (`gain` in code) is an
association, not the effect of rating better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictor.model.log_odds import probability
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.ratings.catalogue import ROLE
from predictor.ratings.ratings import Ratings
from predictor.ratings.signals import CANDIDATE, Signal

NEEDED = 5  # least ratings of a signal from which a gain is computed (single-case studies ask for five in each phase)


@dataclass(frozen=True)
class OwnSignal:
    """One of the candidate's own signals over several interviews.

    Attributes
    ----------
    signal, label, question
        As in the catalogue.
    n
        Number of interviews in which it was rated.
    median
        Median of these ratings.
    counts
        Pairs of a knot of the scale, lowest first, and the number of ratings nearest to it.
    gain
        How much higher the likelihood is with the best rating, in points of 100: the mean over these interviews.
    middle, best
        The middle and the best rating: pairs of the rating and its text in the catalogue.
    """

    signal: str
    label: str
    question: str
    n: int
    median: float
    counts: tuple[tuple[str, int], ...]
    gain: float
    middle: tuple[str, str]
    best: tuple[str, str]


@dataclass(frozen=True)
class Practice:
    """Own signals of one person, or of several.

    Attributes
    ----------
    n, people
        Numbers of interviews and of people; 0 people if the ratings name none.
    needed
        Smallest number of ratings from which a gain is computed.
    signals
        Signals with so many ratings, the largest gain first.
    thin
        Label and number of ratings of the other signals, in the catalogue's order.
    raters
        Who rated, and how many interviews each; empty if the model has no such input.
    """

    n: int
    people: int
    needed: int
    signals: tuple[OwnSignal, ...]
    thin: tuple[tuple[str, int], ...]
    raters: tuple[tuple[str, int], ...]


def practice(model: OfferModel, ratings: Ratings) -> Practice:
    """Compute for each of the candidate's own signals how it was rated, and the gain with its best rating.

    Parameters
    ----------
    model
        The model whose estimates are compared, at its own base rate.
    ratings
        Interviews of one person, or of a cohort.

    Returns
    -------
    Practice
        Signals with at least `NEEDED` ratings, and those with fewer.

    Raises
    ------
    ConfigError
        If the ratings follow a catalogue that the model does not know.

    Examples
    --------
    >>> model = OfferModel.published()
    >>> rows = [{"candidate_enthusiasm": rating, "candidate_appreciation": 5} for rating in (1, 2, 2, 3, 2)]
    >>> result = practice(model, Ratings.from_records(rows, model.catalogue))
    >>> [(own.label, own.median, own.gain > 0) for own in result.signals]
    [('Candidate shows enthusiasm', 2.0, True), ('Candidate shows appreciation', 5.0, False)]
    >>> result.thin[0]
    ('Candidate asks relevant questions', 0)
    """
    values = model.values_of(ratings)
    before = probability(model.log_odds(values))
    signals, thin = [], []
    for place, signal in enumerate(model.catalogue.signals):
        if signal.side != CANDIDATE:
            continue
        rated = values[:, place] >= signal.scale.low  # neither left out nor "not applicable"
        if (n := int(rated.sum())) < NEEDED:
            thin.append((signal.label, n))
            continue
        best, gain = _best(model, values[rated], before[rated], place)
        signals.append(
            OwnSignal(
                signal.name,
                signal.label,
                signal.question,
                n,
                float(np.median(values[rated, place])),
                _counts(values[rated, place], signal.scale.knots),
                100 * gain,
                _meaning(signal, signal.scale.knots[len(signal.scale.knots) // 2]),
                _meaning(signal, best),
            )
        )
    signals.sort(key=lambda own: -own.gain)
    groups = ratings.groups
    people = len({group for group in groups.tolist() if group}) if groups is not None else 0
    return Practice(len(values), people, NEEDED, tuple(signals), tuple(thin), _raters(model, values))


def _best(model: OfferModel, values: Floats, before: Floats, place: int) -> tuple[float, float]:
    """Return the best rating of a signal, and how much higher the estimates are with it, 0 to 1.

    If the catalogue does not define which rating is better, the best is the one with the highest estimates.
    """
    knots, direction = model.catalogue.signals[place].scale.knots, model.catalogue.signals[place].direction
    tried = {1: knots[-1:], -1: knots[:1]}.get(direction, knots)
    gains = {}
    for knot in tried:
        other = values.copy()
        other[:, place] = knot
        gains[knot] = float((probability(model.log_odds(other)) - before).mean())
    best = max(gains, key=gains.__getitem__)
    return best, gains[best]


def _counts(ratings: Floats, knots: Sequence[float]) -> tuple[tuple[str, int], ...]:
    nearest = np.abs(ratings[:, None] - np.array(knots)).argmin(axis=1)
    return tuple((f"{knot:g}", int((nearest == number).sum())) for number, knot in enumerate(knots))


def _meaning(signal: Signal, knot: float) -> tuple[str, str]:
    return f"{knot:g}", signal.anchor_texts.get(f"{knot:g}", "")


def _raters(model: OfferModel, values: Floats) -> tuple[tuple[str, int], ...]:
    """Count who rated; empty if the model has no such input."""
    for column, item in enumerate(model.catalogue.inputs, len(model.signals)):
        if item.name == ROLE:
            counts = [(word, int((values[:, column] == code).sum())) for code, word in enumerate(item.levels)]
            return tuple((word, count) for word, count in counts if count)
    return ()
