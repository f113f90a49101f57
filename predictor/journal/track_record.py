"""How well estimates and own guesses agreed with outcomes, counted so that early offers do not create a spurious bias.

Offers are often known sooner than rejections, and rejections sooner than that no answer will come. So an interview
counts from its due date on (`due_on`, or 30 days after it was held), even if its outcome is known earlier.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.journal.entry import DUE_AFTER, NO_ANSWER, STILL_OPEN, TARGET_OF_OUTCOME, is_hindsight

if TYPE_CHECKING:
    from predictor.model.tables import Floats

TRACKED_COLUMNS = "outcome, likelihood, guess, due_on, day, rated_on, outcome_on, simulated"  # SQL


@dataclass(frozen=True, eq=False)
class TrackRecord:
    """Estimates and outcomes of interviews that are past their due date.

    Attributes
    ----------
    y, p
        Outcomes, 1 (offer) or 0, and estimates, 0 to 1, shape (n,), in the order in which they were saved.
    guess
        Own guesses, 0 to 1, shape (n,); NaN where none was made.
    no_answer
        Estimates of interviews with the outcome "no answer", shape (n_no_answer,).
    still_open
        How many are past their due date and still open.
    early
        How many have an offer or no offer, but are not past their due date.
    left_out
        How many have an offer or no offer, but no estimate, were rated in hindsight, or are SIMULATED.
    """

    y: Floats
    p: Floats
    guess: Floats
    no_answer: Floats
    still_open: int
    early: int
    left_out: int

    def with_no_answer(self) -> tuple[Floats, Floats]:
        """Return outcomes and estimates with "no answer" counted as no offer."""
        return np.concatenate([self.y, np.zeros(len(self.no_answer))]), np.concatenate([self.p, self.no_answer])


def track_record(rows: Iterable[Any], day: date) -> TrackRecord:
    """Compare estimates with outcomes of interviews that are past their due date on a day.

    Parameters
    ----------
    rows
        Values of `TRACKED_COLUMNS`, days as text, in the order in which they were saved.
    day
        The day that it is.
    """
    counted, no_answer, still_open, early, left_out = list[tuple[float, float, float]](), list[float](), 0, 0, 0
    latest, assumed = day.isoformat(), (day - DUE_AFTER).isoformat()
    for outcome, p, guess, due_on, day_held, rated_on, outcome_on, simulated in rows:
        past = due_on <= latest if due_on else day_held <= assumed
        usable = p is not None and not simulated and not is_hindsight(rated_on, outcome_on)
        if outcome in TARGET_OF_OUTCOME and not usable:
            left_out += 1
        elif outcome in TARGET_OF_OUTCOME and not past:
            early += 1
        elif outcome in TARGET_OF_OUTCOME:
            counted.append((TARGET_OF_OUTCOME[outcome], p, np.nan if guess is None else guess / 100))
        elif outcome == NO_ANSWER and usable and past:
            no_answer.append(p)
        elif outcome == STILL_OPEN and usable and past:
            still_open += 1
    y, estimates, guesses = np.array(counted, dtype=np.float64).reshape(-1, 3).T
    return TrackRecord(y, estimates, guesses, np.array(no_answer, dtype=np.float64), still_open, early, left_out)
