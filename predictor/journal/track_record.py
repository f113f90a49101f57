"""How well estimates and own guesses agreed with outcomes, counted so that early offers do not create a spurious bias.

An offer is often known before a rejection is, and a rejection before silence. An interview counts from the day on which
its outcome was to come, whatever is known before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.journal.entry import DUE_AFTER, NO_ANSWER, STILL_OPEN, TARGET_OF_OUTCOME

if TYPE_CHECKING:
    from predictor.model.tables import Floats

COLUMNS = "outcome, likelihood, guess, due_on, day, rated_on, outcome_on, simulated"  # that are read of each interview


@dataclass(frozen=True, eq=False)
class TrackRecord:
    """Estimates of interviews whose outcome was to come by now, and what came.

    Attributes
    ----------
    y, p
        Outcomes, 1 (offer) or 0, and estimates, 0 to 1, shape (n,), in the order in which they were kept.
    guess
        Own guesses, 0 to 1, shape (n,); NaN where none was made.
    silent
        Estimates of interviews that were never answered, shape (n_silent,).
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
    silent: Floats
    still_open: int
    early: int
    left_out: int

    def with_no_answer(self) -> tuple[Floats, Floats]:
        """Return outcomes and estimates with silence counted as no offer."""
        return np.concatenate([self.y, np.zeros(len(self.silent))]), np.concatenate([self.p, self.silent])


def track_record(rows: Iterable[Any], day: date) -> TrackRecord:
    """Count what was to come by a day.

    Parameters
    ----------
    rows
        Values of `COLUMNS`, days as text, in the order in which they were kept.
    day
        The day that it is.
    """
    counted, silent, still_open, early, left_out = list[tuple[float, float, float]](), list[float](), 0, 0, 0
    latest, assumed = day.isoformat(), (day - DUE_AFTER).isoformat()
    for outcome, p, guess, due_on, day_held, rated_on, outcome_on, simulated in rows:
        past = due_on <= latest if due_on else day_held <= assumed
        hindsight = rated_on and outcome_on and rated_on > outcome_on
        usable = p is not None and not simulated and not hindsight
        if outcome in TARGET_OF_OUTCOME and not usable:
            left_out += 1
        elif outcome in TARGET_OF_OUTCOME and not past:
            early += 1
        elif outcome in TARGET_OF_OUTCOME:
            counted.append((TARGET_OF_OUTCOME[outcome], p, np.nan if guess is None else guess / 100))
        elif outcome == NO_ANSWER and usable and past:
            silent.append(p)
        elif outcome == STILL_OPEN and usable and past:
            still_open += 1
    y, estimates, guesses = np.array(counted, dtype=np.float64).reshape(-1, 3).T
    return TrackRecord(y, estimates, guesses, np.array(silent, dtype=np.float64), still_open, early, left_out)
