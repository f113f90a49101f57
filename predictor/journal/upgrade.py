"""Upgrade older layouts of the journal's file to the current one, in a single transaction.

Layouts 1 to 3 had one table: a group in place of who, times in UTC in place of days, and only the estimate, not the
whole answer. They differ from each other in the JSON of the estimate alone, and `Estimate` reads each form.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from predictor.journal.days import day_of_old_time
from predictor.journal.schema import ANSWERS, DELETIONS, INDEXES, VERSION

_RENAMED = {"group": "who", "rated_at": "rated_on", "outcome_at": "outcome_on"}
_ADDED = {
    "round": "TEXT NOT NULL DEFAULT ''", "guess": "INTEGER", "due_on": "TEXT", "interview": "TEXT NOT NULL DEFAULT ''",
    "not_come_up": "TEXT NOT NULL DEFAULT '[]'", "went_well": "TEXT NOT NULL DEFAULT ''",
    "differently": "TEXT NOT NULL DEFAULT ''", "try_next": "TEXT NOT NULL DEFAULT ''",
    "private_note": "TEXT NOT NULL DEFAULT ''", "day": "TEXT NOT NULL DEFAULT ''", "likelihood": "REAL",
}  # fmt: skip


def upgrade(connection: sqlite3.Connection) -> None:
    """Upgrade an older layout to the current one, inside the caller's transaction; a current one is not changed."""
    if connection.execute("PRAGMA user_version").fetchone()[0] >= VERSION:
        return
    for old, new in _RENAMED.items():
        connection.execute(f'ALTER TABLE entries RENAME COLUMN "{old}" TO {new}')
    for name, kind in _ADDED.items():
        connection.execute(f"ALTER TABLE entries ADD COLUMN {name} {kind}")
    connection.execute("UPDATE entries SET rated_on = day_of_time(rated_on), outcome_on = day_of_time(outcome_on)")
    connection.execute("UPDATE entries SET outcome = 'still open' WHERE outcome = 'unknown'")
    connection.execute(
        "UPDATE entries SET day = coalesce(held_on, rated_on, ''), likelihood = estimate ->> 'probability'"
    )
    connection.execute(ANSWERS)
    connection.execute(DELETIONS)
    for name, place in INDEXES.items():
        connection.execute(f"CREATE INDEX {name} ON {place}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def day_of_time(at: str | None) -> str | None:
    """Return the day of an older layout's time; other text is returned as it is, and refused when it is read."""
    try:
        return at and day_of_old_time(datetime.fromisoformat(at)).isoformat()
    except (TypeError, ValueError):
        return at
