"""Which entries an import adds or updates: duplicates are skipped; only an answer that was saved again is replaced."""

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
OTHER = (
    "is in the journal with another title or other ratings; delete it there to take this one, or leave the id empty to "
    "add this one beside it"
)
_SAVED = (
    "title",
    "who",
    "round",
    "held_on",
    "due_on",
    "note",
    "rater_role",
    "ratings",
    "not_come_up",
    "rated_on",
    "guess",
    "estimate",
    "answer",
)  # of an entry, by the exported page


@dataclass(frozen=True)
class Merge:
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


def merge(file: sqlite3.Connection, entries: Sequence[Entry]) -> Merge:
    """Compare interviews of a file with those of the journal: by id, or where the file has none, by content."""
    known = _by_id(file, [entry.id for entry in entries])
    there = Counter(map(_content_of_row, file.execute(f"SELECT {_CONTENT} FROM entries")))
    there.subtract(map(_content, known.values()))  # which are matched by id, and stand for no other
    fresh, updated, changed, problems, same = dict[str, Entry](), list[Entry](), list[Entry](), list[Problem](), 0
    for row, entry in enumerate(entries, 1):
        old = known.get(entry.id)
        if old and _saved_again(old, entry):
            updated.append(replace(old, **{name: getattr(entry, name) for name in _SAVED}))
        elif entry.id in fresh or (old and not _saved_at(entry) and _core(old) != _core(entry)):
            problems.append(Problem(OTHER, row, "id", entry.id))
        elif old:
            same += 1
            changed += [entry] if _without_private(old) != entry else []
        elif not _saved_at(entry) and there[content := _content(entry)] > 0:  # the page's ids are its own
            there[content] -= 1
            same += 1
        else:
            fresh[entry.id] = entry
    return Merge(tuple(fresh.values()), tuple(updated), same, tuple(changed), tuple(problems))


def _saved_again(old: Entry, entry: Entry) -> bool:
    """Return whether `entry` is a later save by the exported page of `old`, which has no outcome here yet."""
    return not old.frozen and (_saved_at(entry) > _saved_at(old) > "" or bool(_saved_at(entry) and not old.answer))


def _saved_at(entry: Entry) -> str:
    """Return when the exported page saved an answer, in UTC; empty where it was given or changed elsewhere."""
    return str((entry.answer or {}).get("saved_at", ""))


def _by_id(file: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Entry]:
    known: dict[str, Entry] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        rows = file.execute(f"{SELECT} WHERE id IN ({marks})", some)
        known.update((row["id"], entry_of(row)) for row in rows)
    return known


_CONTENT = "title, who, round, held_on, rater_role, rated_on, ratings"


def _content_of_row(row: sqlite3.Row) -> tuple[str | None, ...]:
    *texts, ratings = row
    return (*texts, _in_order(json.loads(ratings)))


def _content(entry: Entry) -> tuple[str | None, ...]:
    days = (day.isoformat() if day else None for day in (entry.held_on, entry.rated_on))
    held_on, rated_on = days
    return entry.title, entry.who, entry.round, held_on, entry.rater_role, rated_on, _in_order(entry.ratings)


def _in_order(ratings: Mapping[str, float | str]) -> str:
    return json.dumps({name: ratings[name] for name in sorted(ratings)})


def _core(entry: Entry) -> tuple[object, ...]:
    return entry.title, entry.rater_role, dict(entry.ratings)


def _without_private(entry: Entry) -> Entry:
    return replace(entry, private_note="")
