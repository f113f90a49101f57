"""An answer as a page shows it: a gauge, reasons as bars around the baseline, and the model's limits in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from predictor.model.changes import WhatWouldChange, what_would_change
from predictor.model.offer_model import OfferModel
from predictor.model.prediction import Prediction
from predictor.serving.web.forms import Rated

SHOWN = 7  # reasons beside the form; the others are one tap away
NOTHING = 1e-9  # log-odds that are shown as none
WIDTH = 100.0  # of a bar's drawing, the baseline in the middle


@dataclass(frozen=True)
class Bar:
    """What something adds to the log-odds, drawn from the baseline to the right (for an offer) or to the left.

    Attributes
    ----------
    label, detail
        What it is, and how it was rated.
    log_odds
        What it adds.
    implied
        The part of it that is what a rating suggests about signals that were not rated.
    x, width
        Of the bar, in a drawing that is 100 wide.
    """

    label: str
    detail: str
    log_odds: float
    implied: float
    x: float
    width: float

    @property
    def side(self) -> str:
        """Which way it points: "for" or "against"."""
        return "for" if self.log_odds >= 0 else "against"


@dataclass(frozen=True)
class View:
    """An answer, made ready for a page.

    Attributes
    ----------
    answer
        The model's answer.
    reasons, families
        Bars, the longest first; together with the baseline, each list sums to the log-odds.
    not_rated
        Labels of the signals that were not observed.
    change
        What goes with an estimate past a line, in the candidate's own signals; None where none of them was rated.
    """

    answer: Prediction
    reasons: tuple[Bar, ...]
    families: tuple[Bar, ...]
    not_rated: tuple[str, ...]
    change: WhatWouldChange | None

    @property
    def implied(self) -> bool:
        """Return whether a reason says something of signals that were not rated."""
        return any(round(bar.implied, 2) for bar in self.reasons)


def view(model: OfferModel, rated: Rated) -> View:
    """Let a model answer, and make the answer ready.

    Raises
    ------
    RatingsError
        With every problem of the ratings.

    Examples
    --------
    >>> seen = view(OfferModel.published(), Rated({"goals_discussed": 5}))
    >>> [(bar.label, bar.side) for bar in seen.reasons if bar.detail == "5"]
    [('Goals discussed', 'for')]
    >>> abs(seen.answer.baseline + sum(bar.log_odds for bar in seen.reasons) - seen.answer.log_odds) < 1e-9
    True
    """
    answer = model.predict(rated.record, base_rate=rated.base_rate)
    catalogue = model.catalogue
    labels = {signal.name: signal.label for signal in catalogue.signals}
    labels |= {item.name: item.label for item in catalogue.inputs}
    rated_parts, unseen = [], 0.0
    for part in answer.contributions:
        if part.rating is None:
            unseen += part.log_odds
        else:
            rating = part.rating if isinstance(part.rating, str) else f"{part.rating:g}"
            rated_parts.append((labels[part.signal], rating, part.log_odds, part.implied))
    if abs(unseen) > NOTHING:  # rows learned from show that leaving signals unrated itself goes with the outcome
        left_out = f"{len(answer.not_rated)} signals left unrated" if answer.not_rated else "Who rated"
        rated_parts.append((left_out, "together" if answer.not_rated else "not said", unseen, 0.0))
    families = [(catalogue.families.get(name, "Who rated"), "", added, 0.0) for name, added in answer.families.items()]
    own = any(part.side == "candidate" and isinstance(part.rating, int | float) for part in answer.contributions)
    return View(
        answer,
        _bars(rated_parts),
        _bars(families),
        tuple(labels[name] for name in answer.not_rated),
        what_would_change(model, answer, line=rated.line) if own else None,
    )


def limits(model: OfferModel) -> Iterator[str]:
    """Return in plain words what the model cannot do."""
    trained_on = model.trained_on
    n = f"{trained_on['n']:,}"
    if model.simulated:
        yield "It learned from SIMULATED interviews. What it says of a real one is an illustration, not a finding."
    elif model.prior_share:
        yield (
            f"{percent_words(model.prior_share)} of what it knows is published effects, by way of SIMULATED "
            f"interviews; interviews of yours (n = {n}) tell the rest."
        )
    if scores := trained_on.get("scores"):
        value, low, high = scores["roc_auc"]
        yield (
            f"Of two interviews that it had not seen, one with an offer and one without, it ranked the right one "
            f"higher in {percent_words(value)} of cases (90 % interval {percent_words(low)} to {percent_words(high)}, "
            f"n = {n}); a coin toss has 50 %."
        )
    else:
        yield f"How well it predicts is not known: it was never tested on interviews that it had not seen (n = {n})."
    yield "The interval is for the likelihood, given these ratings. One interview still ends in an offer or in none."
    yield (
        "Associations, not causes: an interviewer who already likes a candidate listens more closely. A signal that "
        "goes with offers need not bring them about."
    )
    yield "For reflection, practice and interviewer training, not for selecting people."


def percent_words(share: float) -> str:
    """Write a share for a reader, as in "36 %"; near 0 and 1 with a decimal, since no estimate is certain."""
    return f"{100 * share:.0f} %" if 0.02 <= share <= 0.98 else f"{100 * share:.1f} %"


def signed(number: float, decimals: int = 2) -> str:
    """Write a number with its sign, which is a minus, not a hyphen; what rounds to zero has none.

    Examples
    --------
    >>> signed(0.125), signed(-0.004)
    ('+0.12', '0.00')
    """
    text = f"{number:+.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text[1:]


def _bars(parts: Sequence[tuple[str, str, float, float]]) -> tuple[Bar, ...]:
    longest = max((abs(log_odds) for _, _, log_odds, _ in parts), default=0.0) or 1.0
    bars = []
    for label, detail, log_odds, implied in sorted(parts, key=lambda item: -abs(item[2])):
        width = WIDTH / 2 * abs(log_odds) / longest
        x = round(WIDTH / 2 - (width if log_odds < 0 else 0), 2)
        bars.append(Bar(label, detail, log_odds, implied, x, round(width, 2)))
    return tuple(bars)
