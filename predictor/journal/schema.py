"""The tables of the journal's SQLite file, and interviews as rows."""

from __future__ import annotations

import json
import math
import sqlite3
import zlib
from collections.abc import Sequence
from datetime import date
from typing import Any

from predictor.errors import shorten
from predictor.journal.entry import DAYS, Entry
from predictor.journal.estimate import Estimate
from predictor.journal.track_record import TRACKED_COLUMNS
from predictor.ratings.signals import NOT_APPLICABLE

APPLICATION, VERSION = 0x494F504A, 4  # "IOPJ" in the file's header, and the layout of the tables and their JSON
FIELDS = tuple(name for name in Entry.__dataclass_fields__ if name != "answer")
TABLE_COLUMNS = (*FIELDS, "day", "likelihood")  # the last two for indexes, so that lists need not read the interviews
TABLE = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, who TEXT NOT NULL, round TEXT NOT NULL,
    held_on TEXT, rater_role TEXT NOT NULL, rated_on TEXT, guess INTEGER, due_on TEXT, outcome TEXT NOT NULL,
    outcome_on TEXT, frozen INTEGER NOT NULL, interview TEXT NOT NULL, simulated INTEGER NOT NULL, estimate TEXT,
    ratings TEXT NOT NULL, not_come_up TEXT NOT NULL, went_well TEXT NOT NULL, differently TEXT NOT NULL,
    try_next TEXT NOT NULL, note TEXT NOT NULL, private_note TEXT NOT NULL,
    day TEXT NOT NULL DEFAULT '', likelihood REAL
) STRICT
"""
# Apart, since an answer is longer than all else, and whatever looks at every interview does not need it.
ANSWERS = "CREATE TABLE answers (number INTEGER PRIMARY KEY, answer BLOB NOT NULL) STRICT"
# How many interviews were deleted on a day, and how many of them had an offer or no offer: no more is remembered.
DELETIONS = "CREATE TABLE deletions (day TEXT NOT NULL, n INTEGER NOT NULL, labelled INTEGER NOT NULL) STRICT"
INDEXES = {
    "entries_day": "entries (day)",
    "entries_who": "entries (who, day, outcome, due_on)",
    "entries_outcome": "entries (outcome, due_on)",
    "entries_round": "entries (round, outcome, day)",
    "entries_track": f"entries ({TRACKED_COLUMNS})",
    "entries_interview": "entries (interview) WHERE interview <> ''",
}
MAKE = (TABLE, ANSWERS, DELETIONS, *(f"CREATE INDEX {name} ON {place}" for name, place in INDEXES.items()))
NAMES = ", ".join(FIELDS)
SELECT = f"SELECT {NAMES}, answer FROM entries LEFT JOIN answers USING (number)"
_WRITTEN = ", ".join(TABLE_COLUMNS)
_PLACES = ", ".join(f":{name}" for name in TABLE_COLUMNS)


def entry_of(row: sqlite3.Row) -> Entry:
    """Return the interview of a row; ValueError, TypeError, AttributeError or JournalError where it is damaged."""
    data = dict(row)
    data["ratings"] = json.loads(data["ratings"])
    if not isinstance(data["ratings"], dict) or not all(
        rating == NOT_APPLICABLE or (type(rating) in (int, float) and math.isfinite(rating))
        for rating in data["ratings"].values()
    ):
        raise ValueError("ratings are not numbers by signal")
    data["not_come_up"] = tuple(map(str, json.loads(data["not_come_up"])))
    data["estimate"] = Estimate(**json.loads(data["estimate"])) if data["estimate"] else None
    data["answer"] = json.loads(zlib.decompress(data["answer"])) if data["answer"] else None
    for name in DAYS:
        data[name] = date.fromisoformat(data[name]) if data[name] else None
    return Entry(**data | {name: bool(data[name]) for name in ("frozen", "simulated")})


def row_of(entry: Entry) -> dict[str, Any]:
    """Return an interview as values of the table's columns."""
    data = entry.to_dict()
    return data | {
        "private_note": entry.private_note,
        "ratings": json.dumps(data["ratings"]),
        "not_come_up": json.dumps(data["not_come_up"]),
        "estimate": json.dumps(data["estimate"]) if data["estimate"] else None,
        "day": entry.day.isoformat() if entry.day else "",
        "likelihood": entry.estimate.probability if entry.estimate else None,
    }


def insert(connection: sqlite3.Connection, entry: Entry) -> None:
    """Add an interview."""
    connection.execute(f"INSERT INTO entries ({_WRITTEN}) VALUES ({_PLACES})", row_of(entry))
    _insert_answer(connection, entry)


def update(connection: sqlite3.Connection, entry: Entry) -> None:
    """Write an interview over the one of the same id."""
    connection.execute(f"UPDATE entries SET ({_WRITTEN}) = ({_PLACES}) WHERE id = :id", row_of(entry))
    connection.execute("DELETE FROM answers WHERE number = (SELECT number FROM entries WHERE id = ?)", (entry.id,))
    _insert_answer(connection, entry)


def delete(connection: sqlite3.Connection, column: str, value: str) -> None:
    """Delete the interviews that have a value in a column."""
    connection.execute(f"DELETE FROM answers WHERE number IN (SELECT number FROM entries WHERE {column} = ?)", (value,))
    connection.execute(f"DELETE FROM entries WHERE {column} = ?", (value,))


def _insert_answer(connection: sqlite3.Connection, entry: Entry) -> None:
    if entry.answer:
        packed = zlib.compress(json.dumps(entry.answer).encode())  # to a fifth
        connection.execute("INSERT INTO answers SELECT number, ? FROM entries WHERE id = ?", (packed, entry.id))


def foreign_objects(connection: sqlite3.Connection) -> list[str]:
    """Return what is in the file and not of this tool."""
    ours = {"entries", "answers", "deletions", *INDEXES}
    rows = connection.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    return [f"{kind} {shorten(name)}" for kind, name in rows if name not in ours]


def few(names: Sequence[str]) -> str:
    """Write the first five names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
