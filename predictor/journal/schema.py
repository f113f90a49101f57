"""The table of the journal's SQLite file, and interviews as its rows."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from predictor.errors import shorten
from predictor.journal.entry import Entry, Estimate
from predictor.ratings.signals import NOT_APPLICABLE

APPLICATION, VERSION = 0x494F504A, 3  # "IOPJ" in the file's header, and the layout of the table and its JSON
FIELDS = tuple(Entry.__dataclass_fields__)
TABLE = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, note TEXT NOT NULL, held_on TEXT,
    rater_role TEXT NOT NULL, ratings TEXT NOT NULL, rated_at TEXT, estimate TEXT, outcome TEXT NOT NULL,
    outcome_at TEXT, frozen INTEGER NOT NULL, "group" TEXT NOT NULL, simulated INTEGER NOT NULL
) STRICT
"""
NAMES = ", ".join(f'"{name}"' for name in FIELDS)
_PLACES = ", ".join(f":{name}" for name in FIELDS)


def entry_of(row: sqlite3.Row) -> Entry:
    """Return the interview of a row; ValueError, TypeError, AttributeError or JournalError where it is damaged."""
    data = dict(row)
    data["ratings"] = json.loads(data["ratings"])
    if not isinstance(data["ratings"], dict) or not all(
        rating == NOT_APPLICABLE or (type(rating) in (int, float) and math.isfinite(rating))
        for rating in data["ratings"].values()
    ):
        raise ValueError("ratings are no numbers by signal")
    data["estimate"] = Estimate(**json.loads(data["estimate"])) if data["estimate"] else None
    data["held_on"] = date.fromisoformat(data["held_on"]) if data["held_on"] else None
    for name in ("rated_at", "outcome_at"):
        data[name] = datetime.fromisoformat(data[name]) if data[name] else None
    return Entry(**data | {name: bool(data[name]) for name in ("frozen", "simulated")})


def row_of(entry: Entry) -> dict[str, Any]:
    """Return an interview as values of the table's columns."""
    data = entry.to_dict()
    return data | {
        "ratings": json.dumps(data["ratings"]),
        "estimate": json.dumps(data["estimate"]) if entry.estimate else None,
    }


def insert(file: sqlite3.Connection, entry: Entry) -> None:
    """Add an interview."""
    file.execute(f"INSERT INTO entries ({NAMES}) VALUES ({_PLACES})", row_of(entry))


def update(file: sqlite3.Connection, entry: Entry) -> None:
    """Write an interview over the one of the same id."""
    file.execute(f"UPDATE entries SET ({NAMES}) = ({_PLACES}) WHERE id = :id", row_of(entry))


def foreign_objects(file: sqlite3.Connection) -> list[str]:
    """Return what is in the file and not of this tool."""
    rows = file.execute("SELECT type, name FROM sqlite_schema WHERE name <> 'entries' AND name NOT LIKE 'sqlite_%'")
    return [f"{kind} {shorten(name)}" for kind, name in rows]


def few(names: Sequence[str]) -> str:
    """Write the first five names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
