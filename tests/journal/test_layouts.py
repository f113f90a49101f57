"""Older layouts of a journal's file and older exports are read and upgraded without loss."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from predictor.errors import JournalError
from predictor.journal.entry import Entry, new_id
from predictor.journal.estimate import Estimate
from predictor.journal.schema import APPLICATION, VERSION
from predictor.journal.store import Journal

GOALS = "goals_discussed"
TABLE = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, note TEXT NOT NULL, held_on TEXT,
    rater_role TEXT NOT NULL, ratings TEXT NOT NULL, rated_at TEXT, estimate TEXT, outcome TEXT NOT NULL,
    outcome_at TEXT, frozen INTEGER NOT NULL, "group" TEXT NOT NULL, simulated INTEGER NOT NULL
) STRICT
"""  # of layouts 1 to 3, which differ in the JSON of an estimate
SAID = {"probability": 0.4, "low": 0.2, "high": 0.7, "model": "mine", "fingerprint": "0123456789abcdef"}
ESTIMATES: dict[int, dict[str, Any]] = {
    1: {**SAID, "simulated": True},
    2: {**SAID, "simulated": 0.9},
    3: {**SAID, "simulated": 0.9, "base_rate": 0.25},
}
ROWS = (
    ("0" * 12, "Acme", "note", "2026-04-30", "candidate", "2026-05-01T12:00:00+00:00", "offer", "2026-05-08T00:00:00+00:00", 1, "AB"),
    ("1" * 12, "Globex", "", None, "", "2026-05-02T12:00:00+00:00", "unknown", None, 0, ""),
    ("2" * 12, "Initech", "", None, "", None, "withdrew", "2026-05-03T12:00:00+00:00", 0, "AB"),
)  # fmt: skip


def make(path: Path, layout: int) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute(TABLE)
        for id_, title, note, held_on, role, rated_at, outcome, outcome_at, frozen, group in ROWS:
            values = (id_, title, note, held_on, role, json.dumps({GOALS: 4}), rated_at,
                      json.dumps(ESTIMATES[layout]), outcome, outcome_at, frozen, group, 0)  # fmt: skip
            file.execute(f"INSERT INTO entries VALUES (NULL{', ?' * len(values)})", values)
        file.execute(f"PRAGMA application_id = {APPLICATION}")
        file.execute(f"PRAGMA user_version = {layout}")


def expected(layout: int) -> list[Entry]:
    said = Estimate(**ESTIMATES[layout])
    shared = {"ratings": {GOALS: 4}, "estimate": said}
    return [
        Entry(id="0" * 12, title="Acme", note="note", held_on=date(2026, 4, 30), rater_role="candidate", who="AB",
              rated_on=date(2026, 5, 1), outcome="offer", outcome_on=date(2026, 5, 8), frozen=True, **shared),  # type: ignore[arg-type]
        Entry(id="1" * 12, title="Globex", rated_on=date(2026, 5, 2), **shared),  # type: ignore[arg-type]
        Entry(id="2" * 12, title="Initech", who="AB", outcome="withdrew", outcome_on=date(2026, 5, 3), **shared),  # type: ignore[arg-type]
    ]  # fmt: skip


@pytest.mark.parametrize("layout", ESTIMATES)
def test_an_older_layout_is_upgraded(tmp_path: Path, layout: int) -> None:
    path = tmp_path / "old.journal"
    make(path, layout)
    journal = Journal(path)
    assert sorted(journal.entries(), key=lambda entry: entry.id) == expected(layout)
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (VERSION,)
    journal.set_outcome(journal.add("new", {GOALS: 4}, who="CD").id, "no offer")
    assert journal.forget("AB") == 2
    assert (journal.person_names(), journal.deleted_since(date(2026, 1, 1))) == (["CD"], 1)
    assert [item.name for item in tmp_path.iterdir()] == ["old.journal"]


def test_a_damaged_older_layout_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "old.journal"
    make(path, 3)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute('ALTER TABLE entries RENAME COLUMN outcome_at TO "at"')
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"damaged: no such column.*restore it from a backup"):
        Journal(path)
    assert path.read_bytes() == before


def test_an_older_export_is_imported(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "my.journal")
    row: dict[str, Any] = {
        "id": new_id(), "title": "'=1", "note": "n", "held_on": "2026-04-30", "group": "AB", "rater_role": "observer", GOALS: "4",
        "rated_at": "2026-05-01T12:00:00+00:00", "outcome": "unknown", "outcome_at": "", "frozen": "no", "simulated": "no",
        **{f"estimate_{name}": value for name, value in SAID.items()}, "estimate_simulated": "yes",
    }  # fmt: skip
    out = io.StringIO()
    writer = csv.DictWriter(out, row)
    writer.writeheader()
    writer.writerow(row)
    assert journal.import_csv(out.getvalue().encode()) == 1
    assert journal.import_csv(out.getvalue().encode()) == 0
    said = Estimate(**ESTIMATES[1])
    known = Entry(id=row["id"], title="=1", note="n", held_on=date(2026, 4, 30), who="AB", rater_role="observer",
                  ratings={GOALS: 4}, rated_on=date(2026, 5, 1), estimate=said)  # fmt: skip
    assert journal.entries() == [known]
    record: dict[str, Any] = {
        **{name: cell or None for name, cell in row.items() if name not in (GOALS, "title")},
        "id": new_id(),
    }
    record = {name: cell for name, cell in record.items() if not name.startswith("estimate_")}
    record |= {
        "title": "=1",
        "frozen": False,
        "simulated": False,
        "ratings": {GOALS: 4},
        "estimate": ESTIMATES[3],
        "rated_at": None,
    }
    assert journal.import_json(json.dumps([record]).encode()) == 1
    entry = journal.get(record["id"])
    assert (entry.who, entry.rated_on, entry.estimate, entry.title) == ("AB", None, Estimate(**ESTIMATES[3]), "=1")
