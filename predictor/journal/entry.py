"""One interview of the journal: what was rated and when, what was estimated then, and what came of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from predictor.errors import JournalError, nearest
from predictor.journal.estimate import Estimate

# "still open" is a status rather than an outcome; the journal's file, exports and HTTP call the field `outcome`.
OUTCOMES = ("still open", "offer", "no offer", "next round", "no answer", "withdrew")
STILL_OPEN, OFFER, NO_OFFER, NEXT_ROUND, NO_ANSWER, WITHDREW = OUTCOMES
TARGET_OF_OUTCOME = {OFFER: 1.0, NO_OFFER: 0.0}  # what a model learns from; a next round is neither
FREEZING_OUTCOMES = (OFFER, NO_OFFER, NEXT_ROUND, NO_ANSWER)  # outcomes after which a later rating would be hindsight
LONGEST = {
    "title": 200, "who": 200, "round": 100, "note": 20_000, "private_note": 20_000,
    "went_well": 2_000, "differently": 2_000, "try_next": 2_000,
}  # fmt: skip
TEXTS = tuple(LONGEST)
ONE_LINE_TEXTS = ("title", "who", "round")  # texts of one line
DAYS = ("held_on", "rated_on", "due_on", "outcome_on")
PRIVATE = "private_note"  # never exported or printed; who can open the journal can read it
AGREES = 1e-6  # largest difference between the likelihoods of a stored answer and its estimate, from rounding in text
DUE_AFTER = timedelta(days=30)  # after the interview, if nobody wrote when they expect to hear


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One side's rating of an interview, with its outcome and notes.

    Attributes
    ----------
    id
        Twelve random hexadecimal digits; never given twice.
    title, note
        Free text, such as "Acme, second round"; at most 200 and 20,000 characters.
    who
        Whom it is about, such as initials. Interviews of one person are always in the same fold. Empty: nobody in
        particular, and a person of its own.
    round
        Free text, such as "phone" or "second"; at most 100 characters.
    held_on
        Day of the interview; None where not given.
    rater_role
        Who rated, one of the catalogue's words; empty where not given.
    ratings
        By signal name, or "not applicable"; what was not observed is left out.
    not_come_up
        Signals that the rater marked "did not come up"; others without a rating were left open.
    rated_on
        Day on which ratings or role were last changed; None where an imported file does not say.
    guess
        The rater's own guess before the estimate was shown, 0 to 100; None where it was skipped.
    estimate
        What the model estimated from these ratings then; None if it was not asked.
    answer
        The model's whole answer as it was shown, with its reasons, as plain data; None if it was not stored.
    due_on
        Day by which the person expects to hear; None where not given.
    outcome
        One of `OUTCOMES`.
    outcome_on
        Day on which the outcome was known. It stays where a mistaken outcome is corrected.
    frozen
        Whether it has or had one of `FREEZING_OUTCOMES`: ratings, role, guess and estimate then stay as they are.
    interview
        Twelve hexadecimal digits that the ratings of both sides of one interview share; empty: one side rated it.
    went_well, differently, try_next
        The reflection, in three boxes; at most 2,000 characters each.
    private_note
        The coach's own; neither exported nor printed.
    simulated
        Whether the interview is SIMULATED, not held.

    Raises
    ------
    JournalError
        With everything that is wrong: text too long or not writable as UTF-8, no such outcome, a day that is missing.
    """

    id: str
    title: str
    who: str = ""
    round: str = ""
    held_on: date | None = None
    rater_role: str = ""
    note: str = ""
    ratings: Mapping[str, float | str] = field(default_factory=dict)
    not_come_up: tuple[str, ...] = ()
    rated_on: date | None = None
    guess: int | None = None
    estimate: Estimate | None = None
    answer: Mapping[str, Any] | None = None
    due_on: date | None = None
    outcome: str = STILL_OPEN
    outcome_on: date | None = None
    frozen: bool = False
    interview: str = ""
    went_well: str = ""
    differently: str = ""
    try_next: str = ""
    private_note: str = ""
    simulated: bool = False

    def __post_init__(self) -> None:
        if problems := faults(vars(self)):
            raise JournalError("; ".join(f"{name} {why}" for name, why in problems.items()))

    @property
    def day(self) -> date | None:
        """The day of the interview, or where that is unknown the day of the rating."""
        return self.held_on or self.rated_on

    @property
    def in_hindsight(self) -> bool:
        """Whether it was rated on a later day than the outcome was known."""
        return is_hindsight(self.rated_on, self.outcome_on)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON, without the private note."""
        data = {name: value for name, value in vars(self).items() if name != PRIVATE}
        data |= {name: data[name].isoformat() if data[name] else None for name in DAYS}
        return data | {
            "ratings": dict(self.ratings),
            "not_come_up": list(self.not_come_up),
            "estimate": vars(self.estimate).copy() if self.estimate else None,
            "answer": dict(self.answer) if self.answer else None,
        }


def is_hindsight(rated_on: Any, outcome_on: Any) -> bool:
    """Return whether a rating is of a later day than its outcome; both days as dates or both as text, or None."""
    return bool(rated_on and outcome_on and rated_on > outcome_on)


def faults(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with the attributes of an entry, by attribute."""
    problems = {}
    for name, longest in LONGEST.items():
        text = data.get(name, "")
        if len(text) > longest:
            problems[name] = f"has {len(text):,} characters; write at most {longest:,}"
        elif not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            problems[name] = "has a character that UTF-8 cannot hold; take it out"  # a lone surrogate
    if not _ID.fullmatch(data["id"]):
        problems["id"] = "is not twelve hexadecimal digits; leave it empty for a new interview"
    if (interview := data.get("interview", "")) and not _ID.fullmatch(interview):
        problems["interview"] = "is not twelve hexadecimal digits; leave it empty where one side rated"
    if (guess := data.get("guess")) is not None and not 0 <= guess <= 100:
        problems["guess"] = "is not from 0 to 100"
    if (outcome := data["outcome"]) not in OUTCOMES:
        hint = nearest(str(outcome), OUTCOMES) if len(str(outcome)) <= LONGEST["title"] else ""
        problems["outcome"] = f"is none of {', '.join(OUTCOMES)}{hint}"
    elif outcome in FREEZING_OUTCOMES and not data["frozen"]:
        problems["frozen"] = f"is no, but the outcome is '{outcome}'; write yes"
    if (answer := data.get("answer")) is not None and not _agrees(answer, data.get("estimate")):
        problems["answer"] = "does not match the stored estimate; export the journal again"
    if data["frozen"] and not data["outcome_on"]:
        problems["outcome_on"] = "is empty, but the rating is frozen; write when the outcome was known"
    return problems


def _agrees(answer: Any, estimate: Estimate | None) -> bool:
    try:
        return bool(estimate and abs(answer["prediction"]["offer_probability"] - estimate.probability) <= AGREES)
    except (TypeError, KeyError, IndexError):
        return False


def one_of_each(entries: Iterable[Entry]) -> list[Entry]:
    """Return the first entry of each interview, since both sides may have rated it."""
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.interview or entry.id, entry)
    return list(first.values())


def new_id() -> str:
    """Draw an id; by chance, so that journals can be joined."""
    return secrets.token_hex(6)


_ID = re.compile("[0-9a-f]{12}")
