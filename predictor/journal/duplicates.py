"""Which entries an import adds: duplicates are skipped; an interview that the exported page saved again is replaced."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from predictor.errors import Problem
from predictor.journal.entry import Entry
from predictor.journal.schema import SELECT, entry_of

_AT_ONCE = 500  # ids in one query
ID_CONFLICT = (
    "is in the journal with another title or other ratings; delete it there to take this one, or leave the id empty to "
    "add this one beside it"
)
FIELDS_OF_PAGE = (  # what the exported page saves of an entry
    "title", "who", "round", "held_on", "due_on", "note", "rater_role", "ratings", "not_come_up", "rated_on", "guess",
    "estimate", "answer",
)  # fmt: skip


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do.

    Attributes
    ----------
    fresh
        Interviews that are added, as the file has them.
    updated
        Interviews that a later save of the exported page replaces, in their new form.
    same
        How many are there already, and stay.
    changed
        Interviews that are there already, and have changed since: another outcome, note or the like. They stay as they
        are in the journal.
    problems
        Ids that another interview has.
    """

    fresh: tuple[Entry, ...]
    updated: tuple[Entry, ...]
    same: int
    changed: tuple[Entry, ...]
    problems: tuple[Problem, ...]


def plan_import(connection: sqlite3.Connection, entries: Sequence[Entry]) -> ImportPlan:
    """Compare interviews of a file with those of the journal: by id, or where the file has none, by content."""
    known = _by_id(connection, [entry.id for entry in entries])
    unmatched = Counter(map(_details_of_row, connection.execute(f"SELECT {_DETAILS} FROM entries")))
    unmatched.subtract(map(_details_and_ratings, known.values()))  # these are matched by their ids
    fresh, updated, changed, problems, same = dict[str, Entry](), list[Entry](), list[Entry](), list[Problem](), 0
    for row, entry in enumerate(entries, 1):
        old = known.get(entry.id)
        if old and _saved_again(old, entry):
            updated.append(replace(old, **{name: getattr(entry, name) for name in FIELDS_OF_PAGE}))
        elif entry.id in fresh or (
            old and not _saved_at(entry) and _title_and_ratings(old) != _title_and_ratings(entry)
        ):
            problems.append(Problem(ID_CONFLICT, row, "id", entry.id))
        elif old:
            same += 1
            changed += [entry] if _without_private(old) != entry else []
        # A file of the page always has ids, so only others are matched by their content.
        elif not _saved_at(entry) and unmatched[content := _details_and_ratings(entry)] > 0:
            unmatched[content] -= 1
            same += 1
        else:
            fresh[entry.id] = entry
    return ImportPlan(tuple(fresh.values()), tuple(updated), same, tuple(changed), tuple(problems))


def _saved_again(old: Entry, entry: Entry) -> bool:
    """Return whether the exported page saved `entry` later than `old`, and the outcome of `old` is not known yet."""
    return not old.frozen and _saved_at(entry) > _saved_at(old) > ""


def _saved_at(entry: Entry) -> str:
    """Return when the exported page saved an entry, in UTC; empty if the entry was made or changed elsewhere."""
    return str((entry.answer or {}).get("saved_at", ""))


def _by_id(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Entry]:
    known: dict[str, Entry] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        rows = connection.execute(f"{SELECT} WHERE id IN ({marks})", some)
        known.update((row["id"], entry_of(row)) for row in rows)
    return known


_DETAILS = "title, who, round, held_on, rater_role, rated_on, ratings"


def _details_of_row(row: sqlite3.Row) -> tuple[str | None, ...]:
    *texts, ratings = row
    return (*texts, _in_order(json.loads(ratings)))


def _details_and_ratings(entry: Entry) -> tuple[str | None, ...]:
    days = (day.isoformat() if day else None for day in (entry.held_on, entry.rated_on))
    held_on, rated_on = days
    return entry.title, entry.who, entry.round, held_on, entry.rater_role, rated_on, _in_order(entry.ratings)


def _in_order(ratings: Mapping[str, float | str]) -> str:
    return json.dumps({name: ratings[name] for name in sorted(ratings)})


def _title_and_ratings(entry: Entry) -> tuple[object, ...]:
    return entry.title, entry.rater_role, dict(entry.ratings)


def _without_private(entry: Entry) -> Entry:
    return replace(entry, private_note="")
