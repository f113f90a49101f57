"""The sentences of an answer for people: whole numbers of a hundred, the same denominator throughout.

They are templates for `str.format`, so that a page that answers by itself has the same words.
"""

from __future__ import annotations

from collections.abc import Mapping

WIDE = 0.3  # least width, in likelihood, at which the headline states the interval instead of the estimate
PURPOSE = "For reflection, practice and interviewer training, not for selecting people."
CAVEAT = f"{PURPOSE} These are associations, not causes."
DID_NOT_COME_UP = "did not come up"  # what a rater may choose for a signal; to the model the same as no rating
MOST_REASONS = 7  # in view; the others are one tap away
MOST_SUGGESTED = 3  # unrated signals that would move the estimate most
SAME_RATINGS = 5  # ratings from which on nearly all being equal is worth a sentence

TEXTS: Mapping[str, str] = {
    "headline": "{count} of 100 {kind}interviews rated like this ended in an offer.",
    "headline_wide": "From {low} to {high} of 100 {kind}interviews rated like this ended in an offer (90 % interval).",
    "headline_nothing": "{count} of 100 {kind}interviews ended in an offer. Nothing was rated: this is the base rate.",
    "interval": "90 % interval: {low} to {high} of 100. Training on more interviews would narrow it.",
    "interval_wide": (
        "The best single estimate is {count} of 100. Too few training interviews for a more precise estimate."
    ),
    "base": "Without any rating it is {base} of 100, the base rate.",
    "own_base": "Without any rating it is {base} of 100, your own base rate.",
    "dots_both": "{count} of 100",
    "dots_more": "{count} more than the base rate of {base} of 100",
    "dots_fewer": "{count} fewer than the base rate of {base} of 100",
    "dots_same": "as many as the base rate",
    "counted": "{rated} of {total} rated",
    "counted_not_come_up": "{rated} of {total} rated, {not_come_up} did not come up",
    "guess": "Your guess before: {guess} of 100.",
    "no_guess": "You made no guess before.",
    "same": "{count} of your {total} ratings are {rating}.",
    "remaining": (
        "With all {total} rated, the figure would mostly come out from {low} to {high} of 100, with an interval that "
        "is usually no narrower. These would move the figure most:"
    ),
    "start": "Start: an interview with average ratings",
    "implied": (
        "Implied: the part of a contribution that comes from what the rating suggests about signals that were not "
        "rated."
    ),
    "points": (
        "Points: each contribution times the mean slope of the logistic curve from the base rate to the estimate, "
        "times 100, rounded so that they add up."
    ),
    "quality": (
        "{subject}: of two interviews that it had not seen, one with an offer and one without, it put the right one "
        "first in {value} of 100 cases ({low} to {high}, n = {n}). A coin flip would in 50."
    ),
    "quality_brief": "{subject}: in {value} of 100 ({low} to {high}, n = {n}).",
    "quality_unknown": "How good such estimates are is not known: this model was not tested on other interviews.",
}


def of_100(share: float) -> str:
    """Write a share as a whole number of a hundred; its ends in words, since no estimate is certain.

    Examples
    --------
    >>> of_100(0.424), of_100(0.004), of_100(0.999)
    ('42', 'fewer than 1', 'more than 99')
    """
    whole = round(100 * share)
    return "fewer than 1" if whole < 1 else "more than 99" if whole > 99 else str(whole)


def rated_count(rated: int, total: int, not_come_up: int) -> str:
    """Write how many signals were rated, and how many did not come up.

    Examples
    --------
    >>> rated_count(8, 24, 0), rated_count(8, 24, 2)
    ('8 of 24 rated', '8 of 24 rated, 2 did not come up')
    """
    name = "counted_not_come_up" if not_come_up else "counted"
    return TEXTS[name].format(rated=rated, total=total, not_come_up=not_come_up)


def kind_of(simulated: float) -> str:
    """Return the word before "interviews", with a blank: only a model that learned from simulated ones has one.

    Parameters
    ----------
    simulated
        Share, 0 to 1, of what the model knows that is SIMULATED.
    """
    return "simulated " if simulated == 1 else ""


def simulated_label(simulated: float) -> str:
    """Return the label that must be shown with an answer: "SIMULATED", "in part SIMULATED", or nothing."""
    return "SIMULATED" if simulated == 1 else "in part SIMULATED" if simulated else ""


def headline(share: float, low: float, high: float, *, simulated: float, rated: int) -> str:
    """Write the sentence that an answer begins with.

    Parameters
    ----------
    share, low, high
        Likelihood with the ends of its interval, 0 to 1.
    simulated
        Share, 0 to 1, of what the model knows that is SIMULATED.
    rated
        How many signals were rated.

    Examples
    --------
    >>> headline(0.42, 0.36, 0.49, simulated=1, rated=8)
    '42 of 100 simulated interviews rated like this ended in an offer.'
    >>> headline(0.42, 0.19, 0.68, simulated=0.2, rated=8)
    'From 19 to 68 of 100 interviews rated like this ended in an offer (90 % interval).'
    """
    name = "headline_nothing" if not rated else "headline_wide" if is_wide(low, high) else "headline"
    words = TEXTS[name].format(count=of_100(share), low=of_100(low), high=of_100(high), kind=kind_of(simulated))
    return words[:1].upper() + words[1:]


def interval_sentence(share: float, low: float, high: float) -> str:
    """Write the sentence for the interval, in the same denominator."""
    name = "interval_wide" if is_wide(low, high) else "interval"
    return TEXTS[name].format(count=of_100(share), low=of_100(low), high=of_100(high))


def is_wide(low: float, high: float) -> bool:
    """Return whether an interval is so wide that the headline states it instead of the estimate."""
    return round(100 * (high - low)) >= round(100 * WIDE)
