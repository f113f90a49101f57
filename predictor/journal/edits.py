"""Which fields of an interview may be changed, and which are frozen once the outcome is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, TypedDict

from predictor.errors import FrozenError, Problem, RatingsError
from predictor.journal.days import today
from predictor.journal.entry import Entry
from predictor.journal.estimate import Estimate
from predictor.ratings.catalogue import ROLE, Catalogue
from predictor.ratings.ratings import Ratings

NO_RATING = "no signal is rated; rate one at least, since there is nothing to learn from an interview without ratings"


class Changes(TypedDict, total=False):
    """What may be changed at any time, by the attributes of `Entry`; what is not given stays."""

    title: str
    who: str
    round: str
    held_on: date | None
    due_on: date | None
    note: str
    private_note: str
    went_well: str
    differently: str
    try_next: str
    interview: str


def checked_ratings(
    ratings: Mapping[str, Any], rater_role: str, catalogue: Catalogue
) -> tuple[dict[str, float | str], str]:
    """Check ratings and role against a catalogue; return the observed ratings, and the role in the catalogue's words.

    Raises
    ------
    RatingsError
        With every problem, also if nothing is rated.
    """
    record = {"ratings": ratings, **({ROLE: rater_role} if rater_role else {})}
    checked = Ratings.from_records([record], catalogue, source="the rating")
    observed = checked.ratings_of_row(0)
    if not observed:
        raise RatingsError("the rating", [Problem(NO_RATING)])
    return observed, str(checked.columns[ROLE][0]) if rater_role else ""


def edited(
    old: Entry,
    catalogue: Catalogue,
    changes: Changes,
    *,
    ratings: Mapping[str, Any] | None,
    rater_role: str | None,
    not_come_up: Collection[str] | None,
    estimate: Estimate | None,
    answer: Mapping[str, Any] | None,
    day: date | None,
) -> Entry:
    """Return an entry with what is given changed; see `Journal.edit`.

    Raises
    ------
    FrozenError
        If the outcome is known and ratings, role or estimate would change.
    RatingsError, JournalError
        With every problem.
    """
    new_ratings, role = old.ratings, old.rater_role
    if ratings is not None or rater_role is not None:
        new_ratings, role = checked_ratings(
            old.ratings if ratings is None else ratings,
            old.rater_role if rater_role is None else rater_role,
            catalogue,
        )
    new_not_come_up = old.not_come_up if not_come_up is None else tuple(not_come_up)
    new = replace(old, **changes)
    rerated = (new_ratings, role, new_not_come_up) != (old.ratings, old.rater_role, old.not_come_up)
    if old.frozen and (rerated or estimate not in (None, old.estimate)):
        raise FrozenError(
            f"'{old.title}': the outcome has been known since {old.outcome_on}, so the ratings can "
            "no longer be changed: a change would leak the outcome, and a model would learn from hindsight"
        )
    if rerated:
        return replace(
            new, ratings=new_ratings, rater_role=role, not_come_up=new_not_come_up, rated_on=today(day),
            estimate=estimate, answer=answer,
        )  # fmt: skip
    # The same ratings were predicted again, by another model.
    return replace(new, estimate=estimate, answer=answer) if estimate and not old.frozen else new


def with_outcome_of(entry: Entry, other: Entry) -> Entry:
    """Return an entry with the outcome of another rating of the same interview; once frozen, it stays so."""
    frozen = entry.frozen or other.frozen
    outcome_on = other.outcome_on or (entry.outcome_on if frozen else None)
    return replace(entry, outcome=other.outcome, outcome_on=outcome_on, frozen=frozen)
