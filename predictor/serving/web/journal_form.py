"""The form that saves an interview: its fields, the values entered, and their problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from fastapi import Request
from starlette.datastructures import FormData

from predictor.journal.edits import NO_RATING, Changes
from predictor.journal.entry import LONGEST, Entry, new_id
from predictor.journal.people import person_id
from predictor.journal.store import Journal
from predictor.ratings.catalogue import ROLE
from predictor.serving.api.answers import Refusal
from predictor.serving.web.forms import RatingForm, browser_day, parse_day, text

MOST_NAMES = 1_000  # of people that are offered to choose from; any other can be typed
_TEXTS = ("title", "who", "round", "note")
_DAYS = {"date": "held_on", "due": "due_on"}  # as the form and the entry call them
REFLECTION = ("went_well", "differently", "try_next", "private_note")
FIELD_LABELS = {
    "title": "Title",
    "who": "Who",
    "date": "Date",
    "round": "Round",
    "due": "When will you hear?",
    "note": "Note",
    "ratings": "Ratings",
    ROLE: "Who rated",
    "outcome": "Outcome",
    "known_on": "Day of the outcome",
    "went_well": "Went well",
    "differently": "Would do differently",
    "try_next": "One thing to try next",
    "private_note": "Coach's note",
}


@dataclass(frozen=True)
class TryNext:
    """The "one thing to try next" that was written last, and its interview."""

    text: str
    day: date | None
    title: str
    who: str


def journal_of(request: Request) -> Journal:
    """Return the server's journal, with the catalogue of the current model."""
    journal: Journal = request.app.state.journal
    return journal.with_catalogue(request.app.state.current_model().catalogue)


def roles_that_rated(request: Request) -> set[str]:
    """Return the roles that have rated the interview named by the address's parameter `interview`."""
    asked = request.query_params.get("interview", "")
    if request.app.state.settings.journal is None or not asked:
        return set()
    return {entry.rater_role for entry in journal_of(request).sides(asked)}


def save_fields(
    request: Request, typed: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None
) -> dict[str, Any] | None:
    """Return what `_save.html` shows; None where there is no journal.

    Parameters
    ----------
    typed
        Values of the fields, by their names; else the address may give `person`, `title`, `round` or
        `interview`, the one that the other side has rated.
    problems
        What is wrong, by field.
    """
    if request.app.state.settings.journal is None:
        return None
    journal, asked = journal_of(request), request.query_params
    people = journal.person_names(MOST_NAMES)
    values = dict.fromkeys((*_TEXTS, *_DAYS, "interview", "both"), "")
    sides = journal.sides((typed or asked).get("interview", ""))
    if typed:
        values |= {name: typed[name] for name in values if name in typed}
    elif sides:
        first = sides[0]
        held = first.held_on.isoformat() if first.held_on else ""
        values |= {
            "interview": first.interview,
            "title": first.title,
            "who": first.who,
            "round": first.round,
            "date": held,
        }
    else:
        values["who"] = next((who for who in people if person_id(who) == asked.get("person")), "")
        values |= {name: asked.get(name, "")[: LONGEST[name]] for name in ("title", "round")}
    return {
        "values": values,
        "labels": FIELD_LABELS,
        "wrong": problems or {},
        "people": people,
        "rounds": journal.rounds(),
        "today": browser_day(request).isoformat(),
        "try_next": _try_next(journal, values["who"], people),
        "rated_by_other": [entry.rater_role for entry in sides if entry.rater_role],
        "longest": LONGEST,
        "two_sides": any(item.name == ROLE for item in journal.catalogue.inputs),
        "shared": request.app.state.settings.token is not None,
    }


def read_save_fields(request: Request, form: FormData, rated: RatingForm) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the fields beside the rating as what `Journal.add` takes, and what is wrong, by field."""
    details, problems = read_details(form)
    entered: dict[str, Any] = {**details, "day": browser_day(request)}
    if not rated.ratings:
        problems = {"ratings": NO_RATING, **problems}
    entered["interview"] = text(form, "interview") or (new_id() if text(form, "both") else "")
    if entered["interview"] and not rated.role:
        problems[ROLE] = "choose one, since two sides rate this interview"
    elif rated.role in {entry.rater_role for entry in journal_of(request).sides(entered["interview"])}:
        problems[ROLE] = f"the {rated.role} has rated this interview already; choose the other side"
    return entered, problems


def read_details(form: FormData) -> tuple[Changes, dict[str, str]]:
    """Read what is known of an interview besides its ratings, and what is wrong, by field."""
    changes, problems = read_texts(form, _TEXTS)
    if not text(form, "title"):
        problems = {"title": "is empty; write what you will know it by, as in Acme, second round", **problems}
    for name, attribute in _DAYS.items():
        try:
            changes[attribute] = parse_day(text(form, name), name)  # type: ignore[literal-required]
        except Refusal as refusal:
            problems[name] = refusal.error
    return changes, problems


def read_texts(form: FormData, names: Sequence[str]) -> tuple[Changes, dict[str, str]]:
    """Read texts of an interview, and which of them are too long, by field."""
    texts = {name: text(form, name) for name in names}
    long = {name: f"has {len(texts[name]):,} characters; write at most {LONGEST[name]:,}" for name in names}
    return cast("Changes", texts), {name: why for name, why in long.items() if len(texts[name]) > LONGEST[name]}


def values_of(entry: Entry) -> dict[str, str]:
    """Return what the form of an interview shows, by field."""
    days = {name: getattr(entry, attribute) for name, attribute in _DAYS.items()}
    texts = {name: str(getattr(entry, name)) for name in (*_TEXTS, *REFLECTION, "outcome")}
    return texts | {name: at.isoformat() if at else "" for name, at in (days | {"known_on": entry.outcome_on}).items()}


def typed_fields(form: FormData) -> dict[str, str]:
    """Return the values of the fields, to be shown again."""
    return {name: text(form, name) for name in (*_TEXTS, *_DAYS, "interview", "both")}


def _try_next(journal: Journal, who: str, people: list[str]) -> TryNext | None:
    """Return the person's last "one thing to try next"; if no person is named, only in a journal of one person."""
    last: Entry | None = journal.last_try(who) if who or len(people) < 2 else None
    return TryNext(last.try_next, last.day, last.title, last.who) if last else None
