"""The model's difference to the best rating of each of a candidate's own signals: for reflection on several interviews.

For each interview in which a signal was rated, the estimate is compared with that of an otherwise equal interview in
which the signal has its best rating. The mean difference (`gain` in code) is an association, not the effect of
rating better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictor.model.log_odds import probability
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.ratings.ratings import Ratings
from predictor.ratings.signals import Signal

NEEDED = 5  # ratings of a signal before anything is read from it; a lower bound (single-case studies ask five a phase)
SIDE = "candidate"


@dataclass(frozen=True)
class OwnSignal:
    """One of the candidate's own signals over several interviews.

    Attributes
    ----------
    signal, label, question
        As in the catalogue.
    n
        Interviews in which it was rated.
    median
        Of these ratings.
    counts
        How often each knot of its scale was the nearest, lowest first: pairs of rating and count, summing to `n`.
    gain
        Mean difference of the likelihood, in points of 100, to otherwise equal interviews with the best rating here.
    middle, best
        What the middle and the best rating mean, in the catalogue's words: pairs of rating and words.
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
        Interviews, and people among whom they are; 0 people where the ratings name none.
    needed
        Ratings that a signal needs.
    signals
        Those that have them, the largest gain first.
    thin
        The others: label and number of ratings, in the catalogue's order.
    raters
        Who rated, and how often.
    """

    n: int
    people: int
    needed: int
    signals: tuple[OwnSignal, ...]
    thin: tuple[tuple[str, int], ...]
    raters: tuple[tuple[str, int], ...]


def practice(model: OfferModel, ratings: Ratings) -> Practice:
    """Compute for each of the candidate's own signals how it was rated, and its difference to the best rating.

    Parameters
    ----------
    model
        Whose estimates are compared, at its own base rate.
    ratings
        Interviews of one person, or of a cohort.

    Returns
    -------
    Practice
        Signals with at least `NEEDED` ratings, and which ones have fewer.

    Raises
    ------
    ConfigError
        If the ratings follow a catalogue that the model does not know.

    Examples
    --------
    >>> model = OfferModel.published()
    >>> rows = [{"candidate_enthusiasm": rating, "candidate_appreciation": 5} for rating in (1, 2, 2, 3, 2)]
    >>> seen = practice(model, Ratings.from_records(rows, model.catalogue))
    >>> [(own.label, own.median, own.gain > 0) for own in seen.signals]
    [('Candidate shows enthusiasm', 2.0, True), ('Candidate shows appreciation', 5.0, False)]
    >>> seen.thin[0]
    ('Candidate asks relevant questions', 0)
    """
    values = model.values_of(ratings)
    before = probability(model.log_odds(values))
    signals, thin = [], []
    for place, signal in enumerate(model.catalogue.signals):
        if signal.side != SIDE:
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

    Where the catalogue does not say which rating is better, it is the one with the highest estimates.
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
    """Count who rated, by the first input of the model that has its words; empty where it has none."""
    inputs = [(place, item) for place, item in enumerate(model.catalogue.inputs, len(model.signals))]
    if not inputs:
        return ()
    place, item = inputs[0]
    counts = [(word, int((values[:, place] == code).sum())) for code, word in enumerate(item.levels)]
    return tuple((word, count) for word, count in counts if count)
