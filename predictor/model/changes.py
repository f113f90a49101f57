"""What would change a prediction: the smallest improvement of the candidate's own ratings that passes a threshold.

An association, not advice: it compares interviews that the model takes as equal in everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import ConfigError, plural
from predictor.model.log_odds import probability
from predictor.model.tables import Floats
from predictor.ratings.signals import NOT_APPLICABLE

if TYPE_CHECKING:
    from predictor.model.offer_model import OfferModel
    from predictor.model.prediction import Prediction

BUDGET = 50_000  # most combinations that are tried, so that an answer stays well under a second


@dataclass(frozen=True)
class RatingChange:
    """One signal of the candidate: how it was rated, and which rating instead."""

    signal: str
    rated: float
    instead: float


@dataclass(frozen=True)
class WhatWouldChange:
    """The smallest change of the candidate's own ratings that goes with an estimate above a threshold.

    Attributes
    ----------
    line
        The threshold: a probability; `line` in JSON since the first release.
    reached
        Whether the estimate is above it already, or with the changes.
    probability
        The estimate as rated.
    probability_after
        The estimate with the changes; None where the line is not reached.
    changes
        In the catalogue's order; empty where none is needed or there is none.
    steps
        Steps of the scales that the changes take together; where the line is not reached, the most that were tried.
    sentence
        The same in words.
    """

    line: float
    reached: bool
    probability: float
    probability_after: float | None
    changes: tuple[RatingChange, ...]
    steps: int
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        return asdict(self)


def what_would_change(model: OfferModel, answer: Prediction, *, line: float = 0.5) -> WhatWouldChange:
    """Find the fewest steps in the candidate's own ratings that would have moved an estimate above a threshold.

    Only signals on the candidate's side that were rated move, and "not applicable" never does; a step leads to the
    next better rating of the scale, or either way where the catalogue does not define which is better. Every
    combination of one step is tried, then of two, and so on: the answer is exact. Of equally small changes, the
    one with the highest estimate is returned.

    Parameters
    ----------
    model
        The model that answered.
    answer
        What it answered; its base rate is kept.
    line
        The threshold, above 0 and below 1.

    Raises
    ------
    ConfigError
        If `line` is out of range, or the answer is another model's.

    Examples
    --------
    >>> from predictor import OfferClassifier, simulate_interviews
    >>> known = simulate_interviews(200, seed=1).labelled()
    >>> model = OfferClassifier(known.catalogue).fit(known.features, known.y).model_
    >>> answer = model.predict({"goals_discussed": 4, "candidate_goal_alignment": 1})
    >>> better = what_would_change(model, answer, line=answer.offer_probability)  # anything above what it is
    >>> better.reached, better.changes[0].signal, better.changes[0].rated
    (True, 'candidate_goal_alignment', 1.0)
    """
    if isinstance(line, bool) or not isinstance(line, int | float) or not 0 < line < 1:
        raise ConfigError(f"line {line!r}: write a probability above 0 and below 1, as in 0.5")
    if answer.model["fingerprint"] != model.fingerprint:
        raise ConfigError(f"the answer is of the model {answer.model['name']}, not of {model.name}: predict again")
    before = answer.offer_probability
    kind = (
        "SIMULATED interviews"
        if model.simulated
        else "interviews, in part SIMULATED"
        if model.prior_share
        else "interviews"
    )
    if before > line:
        sentence = f"The estimate, {_percent(before)}, is already above {100 * line:g} %."
        return WhatWouldChange(line, True, before, before, (), 0, sentence)

    row = _values(model, answer)
    signals = model.catalogue.signals
    own = [j for j, signal in enumerate(signals) if signal.side == "candidate" and row[j] >= signal.scale.low]
    if not own:
        sentence = "No signal of the candidate's own was rated, so there is nothing to compare."
        return WhatWouldChange(line, False, before, None, (), 0, sentence)
    options = [_options(signals[j].scale.knots, row[j], signals[j].direction) for j in own]
    if all(len(option) == 1 for option in options):
        sentence = "Every signal of the candidate's own that was rated has its best rating already."
        return WhatWouldChange(line, False, before, None, (), 0, sentence)
    shift = answer.log_odds - float(model.log_odds(row[None])[0])  # another base rate
    directed = all(signals[j].direction for j in own)
    most_steps, combinations = sum(option[-1][0] for option in options), []
    all_best = row.copy()
    all_best[own] = [option[-1][1] for option in options]
    # Without a search if even the best ratings stay below: a better rating never lowers the estimate.
    if not directed or probability(model.log_odds(all_best[None]) + shift)[0] > line:
        combinations = _combinations(options)
    for steps, ratings in enumerate(combinations[1:], 1):
        values = np.repeat(row[None], len(ratings), axis=0)
        values[:, own] = ratings
        estimates = probability(model.log_odds(values) + shift)
        best = int(estimates.argmax())
        if estimates[best] > line:
            after, best_row = float(estimates[best]), values[best]
            changes = tuple(
                RatingChange(signals[j].name, float(row[j]), float(best_row[j])) for j in own if best_row[j] != row[j]
            )
            labels = model.catalogue.labels
            listed = ", ".join(f"{labels[c.signal]} {c.instead:g} rather than {c.rated:g}" for c in changes)
            sentence = (
                f"Among otherwise equal {kind}, the model's estimate for these ratings of the candidate's own signals "
                f"is {_percent(after)}, above {100 * line:g} %: {listed}."
            )
            return WhatWouldChange(line, True, before, after, changes, steps, sentence)
    most = len(combinations) - 1 if combinations else most_steps
    limit = "" if most == most_steps else f", up to {plural(most, 'step')} away,"
    what = "better" if directed else "other"
    sentence = (
        f"Among otherwise equal {kind}, the model estimates none with {what} ratings of the candidate's own "
        f"signals{limit} above {100 * line:g} %."
    )
    return WhatWouldChange(line, False, before, None, (), most, sentence)


def _values(model: OfferModel, answer: Prediction) -> Floats:
    """Return the ratings of a prediction and the codes of its inputs, as numbers of the model; shape (terms,)."""
    codes = {item.name: {word: float(code) for code, word in enumerate(item.levels)} for item in model.catalogue.inputs}
    codes |= {
        name: {NOT_APPLICABLE: value}
        for name, value in zip(model.signals, model.catalogue.not_applicable_values, strict=True)
    }
    return np.array(
        [
            np.nan if c.rating is None else codes[c.signal][c.rating] if isinstance(c.rating, str) else c.rating
            for c in answer.contributions
        ]
    )


def _options(knots: Sequence[float], rated: float, direction: int) -> list[tuple[int, float]]:
    """List (steps, rating): the rating as it is, then every better rating by its distance; without a direction, any."""
    below = [] if direction > 0 else [knot for knot in reversed(knots) if knot < rated]
    above = [] if direction < 0 else [knot for knot in knots if knot > rated]
    return [(0, rated), *sorted([*enumerate(below, 1), *enumerate(above, 1)])]


def _combinations(options: Sequence[Sequence[tuple[int, float]]]) -> list[Floats]:
    """Return every combination of the signals' options, shape (combinations, signals), by its total of steps.

    As many totals as fit the budget, one at least.
    """
    counts = np.ones(1)
    for option in options:
        counts = np.convolve(counts, np.bincount([steps for steps, _ in option]))
    most = max(1, int(np.searchsorted(counts.cumsum(), BUDGET, side="right")) - 1)
    ways = [np.empty((int(total == 0), 0)) for total in range(most + 1)]
    for option in options:
        ways = [
            np.concatenate(
                [
                    np.column_stack([ways[total - steps], np.full(len(ways[total - steps]), rating)])
                    for steps, rating in option
                    if steps <= total
                ]
            )
            for total in range(most + 1)
        ]
    return ways


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
