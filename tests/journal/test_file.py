"""The journal's file: permanent deletion, concurrent writers, damaged or older files, and full disks."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from predictor.errors import JournalError, NoEntryError
from predictor.journal import file as file_module
from predictor.journal.schema import TABLE_COLUMNS as NAMES
from predictor.journal.schema import VERSION
from predictor.journal.store import Journal

GOALS = "goals_discussed"
COLUMNS = ", ".join(NAMES)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "my.journal")


def test_a_deleted_entry_leaves_no_bytes_in_the_file(journal: Journal) -> None:
    secrets = [f"SECRET-{number}-" + "x" * 3000 for number in range(80)]  # over many pages of the file
    ids = [journal.add(f"TITLE-{number}", {GOALS: 4}, note=note).id for number, note in enumerate(secrets)]
    journal.edit(ids[0], note="OTHER")
    assert b"SECRET-0" not in journal.path.read_bytes()
    size = journal.path.stat().st_size
    for id_ in ids[:-1]:
        journal.delete(id_)
    left = journal.path.read_bytes()
    assert (left.count(b"SECRET"), left.count(b"TITLE"), len(left) < size / 5) == (1, 1, True)
    assert list(journal.path.parent.iterdir()) == [journal.path]  # no journal or log file beside it
    for call in (journal.delete, journal.get, journal.edit):
        with pytest.raises(NoEntryError, match="may have been deleted"):
            call(ids[0])


def test_a_deleted_entry_leaves_no_bytes_in_a_write_ahead_log(journal: Journal) -> None:
    ids = [journal.add(f"TITLE-{number}", {GOALS: 4}, note=f"SECRET-{number}-" + "x" * 3000).id for number in range(5)]
    _sqlite(journal.path, "PRAGMA journal_mode = WAL", "UPDATE entries SET note = note || '!'")
    assert len(journal.entries()) == 5  # reading must not change the file
    for id_ in ids[:-1]:
        journal.delete(id_)
    assert [path.name for path in journal.path.parent.iterdir()] == [journal.path.name]
    assert (left := journal.path.read_bytes()).count(b"SECRET") == 1
    assert left[18:20] == b"\1\1"  # a rollback journal: sqlite.org/fileformat2.html, 1.3
    _sqlite(journal.path, "PRAGMA journal_mode = WAL")
    with contextlib.closing(sqlite3.connect(journal.path)) as other:
        other.execute("SELECT * FROM entries").fetchone()
        with pytest.MonkeyPatch.context() as patch, pytest.raises(JournalError, match="another program has held it"):
            patch.setattr(file_module, "WAIT", 0.05)
            journal.delete(ids[-1])
    assert journal.get(ids[-1])  # not half deleted
    journal.edit(ids[-1], note="OTHER")
    assert b"SECRET" not in journal.path.read_bytes()


def test_a_trigger_that_copies_deleted_entries_is_reported(journal: Journal) -> None:
    copy = "CREATE TRIGGER keep AFTER DELETE ON entries BEGIN INSERT INTO copies VALUES (old.note); END"
    id_ = journal.add("one", {GOALS: 4}, note="SECRET").id
    _sqlite(journal.path, "CREATE TABLE copies (note TEXT)", copy)
    with pytest.raises(
        JournalError, match=r"is deleted, but .* another tool has put there \(table copies, trigger keep\)"
    ):
        journal.delete(id_)
    assert journal.entries() == []


@pytest.mark.parametrize("call", [Journal, Journal.existing, Journal.recognises])
def test_pipes_and_circular_links_are_refused_without_waiting(tmp_path: Path, call: Callable[[Path], Any]) -> None:
    pipe, circle = tmp_path / "pipe", tmp_path / "circle"
    os.mkfifo(pipe)
    circle.symlink_to(circle)
    for path in (pipe, circle, Path(os.devnull)):
        if call == Journal.recognises:
            assert not Journal.recognises(path)
        else:
            with pytest.raises(JournalError, match=r"is not an ordinary file|symbolic links|no such journal"):
                call(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["ALTER TABLE entries ADD COLUMN more TEXT"], None),
        (["ALTER TABLE entries ADD COLUMN more TEXT NOT NULL DEFAULT 'x'", "CREATE INDEX i ON entries (more)"], None),
        ([f"CREATE TABLE t AS SELECT number, {COLUMNS}, 1 AS a FROM entries", "DROP TABLE entries", f"CREATE TABLE entries (number INTEGER PRIMARY KEY, {COLUMNS}, a INT NOT NULL)", "INSERT INTO entries SELECT * FROM t", "DROP TABLE t"], "has added the column a, which must not be empty"),
        (["ALTER TABLE entries DROP COLUMN differently"], "its table has no differently"),
        (["ALTER TABLE entries RENAME COLUMN who TO whom"], "its table has no who"),
        (["ALTER TABLE entries RENAME TO others"], "its table has no number, id"),
        (["UPDATE entries SET ratings = '[1]'"], "damaged: ratings are not numbers by signal"),
        (["UPDATE entries SET ratings = '5'"], "damaged: ratings are not numbers by signal"),
        (["UPDATE entries SET ratings = '{\"goals_discussed\": \"4\"}'"], "damaged: ratings are not numbers by signal"),
        (["UPDATE entries SET ratings = '{\"goals_discussed\": 1e999}'"], "damaged: ratings are not numbers by signal"),
        ([f"UPDATE entries SET ratings = '{'[' * 100_000}'"], "damaged"),
        (["UPDATE entries SET estimate = '{\"more\": 1}'"], "damaged"),
        (["INSERT INTO answers SELECT number, x'00' FROM entries"], "damaged"),
        (["DROP TABLE answers"], "damaged: no such table: answers"),
    ], ids=[
    "a new column", "a new column with a default and an index", "a new column without a default", "a missing column",
    "a renamed column", "a renamed table", "a list of ratings", "a number as ratings", "a rating as text",
    "an infinite rating", "deeply nested ratings", "an estimate with an unknown key", "a broken answer", "no table of answers"])  # fmt: skip
def test_a_table_changed_by_another_tool_is_used_or_clearly_refused(
    journal: Journal, change: list[str], says: str | None
) -> None:
    id_ = journal.add("one", {GOALS: 4}).id
    _sqlite(journal.path, *change)
    if says is None:
        again = Journal(journal.path)
        again.edit(id_, note="two")
        again.set_outcome(again.add("two", {GOALS: 4}).id, "offer")
        assert [entry.note for entry in again.entries()] == ["", "two"]
    else:
        with pytest.raises(JournalError, match=says):
            Journal(journal.path).export_csv()


def test_concurrent_threads_and_processes_lose_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "shared.journal"
    code = (
        "import sys; from predictor.journal.store import Journal\n"
        "for n in range(20): Journal(sys.argv[1]).add(f'{sys.argv[2]}-{n}', {'goals_discussed': 4})"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("one", "two")]

    def work(number: int) -> None:
        shared = Journal(path)
        entry = shared.add(f"thread-{number}", {GOALS: 1})
        shared.edit(entry.id, ratings={GOALS: 5})
        shared.set_outcome(entry.id, "offer")
        shared.entries()
        if number % 4 == 0:
            shared.delete(entry.id)

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(24)))
    finally:
        ended = [process.wait(60) for process in running]
    assert ended == [0, 0]
    kept = Journal(path).entries()
    assert len({entry.title for entry in kept}) == len(kept) == 40 + 18
    assert {entry.ratings.get(GOALS) for entry in kept if entry.frozen} == {5}


def _sqlite(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as file:
        for statement in statements:
            file.execute(statement)
    file.close()


def _half(path: Path) -> None:
    journal = Journal(path)
    for _ in range(20):
        journal.add("x", {GOALS: 4}, note="x" * 3000)
    path.write_bytes(path.read_bytes()[:20_000])


def _newer(path: Path) -> None:
    Journal(path)
    _sqlite(path, f"PRAGMA user_version = {VERSION + 1}")


def _nonsense(path: Path) -> None:
    Journal(path).add("x", {GOALS: 4})
    _sqlite(path, "UPDATE entries SET outcome = 'hired'")


def _log_without_a_place(path: Path) -> None:
    Journal(path)
    _sqlite(path, "PRAGMA journal_mode = WAL")
    path.with_name(f"{path.name}-wal").mkdir()  # so the log cannot be made, as on a read-only disk


SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text": (lambda path: path.write_text("goals_discussed,offer\n4,yes\n"), "is not a journal of this tool"),
    "foreign": (lambda path: _sqlite(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)"), "is not a journal"),
    "newer": (_newer, "newer than this version reads"),
    "cut": (_half, "damaged"),
    "a folder": (lambda path: path.mkdir(), "cannot be used as a journal: Is a directory"),
    "a log without a place": (_log_without_a_place, "cannot be written to; look whether the file, its folder or"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "the link leads to no file; point it at a journal"),
    "nonsense": (_nonsense, "damaged: outcome is none of"),
}


@pytest.mark.parametrize(("spoil", "says"), SPOILT.values(), ids=SPOILT)
def test_damaged_files_are_refused_unchanged(tmp_path: Path, spoil: Callable[[Path], Any], says: str) -> None:
    path = tmp_path / "my.journal"
    spoil(path)
    before = {item: item.read_bytes() for item in tmp_path.iterdir() if item.is_file()}
    with pytest.raises(JournalError, match=says):
        Journal(path).entries()
    assert {item: item.read_bytes() for item in tmp_path.iterdir() if item.is_file()} == before


def test_a_journal_is_private_and_never_created_again_once_deleted(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    journal.add("kept", {GOALS: 4})
    with journal._file.open(write=True), pytest.raises(JournalError, match="another program has held it"):
        monkeypatch.setattr(file_module, "WAIT", 0.05)
        journal.add("late", {GOALS: 4})
    journal.path.unlink()
    with pytest.raises(JournalError, match="the file has disappeared"):
        journal.entries()
    assert not journal.path.exists()


def test_an_interrupted_creation_is_repeated(journal: Journal) -> None:
    journal.add("lost, since the making was not done", {GOALS: 4})
    # what SQLite leaves beside the file when it is killed: before, there were 0 pages; sqlite.org/fileformat2.html, 3
    nothing = struct.pack(">8s5I", bytes.fromhex("d9d505f920a163d7"), 0, 0, 0, 512, 4096).ljust(512, b"\0")
    journal.path.with_name(f"{journal.path.name}-journal").write_bytes(nothing)
    Journal(journal.path).add("the first", {GOALS: 4})
    assert [entry.title for entry in journal.entries()] == ["the first"]
    assert list(journal.path.parent.iterdir()) == [journal.path]


def test_a_deletion_on_a_full_disk_states_what_was_deleted(journal: Journal) -> None:
    first, *others = [journal.add(f"TITLE-{number}", {GOALS: 4}, note="x" * 3000).id for number in range(20)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size // 2, before[1]))
    try:
        with pytest.raises(JournalError, match="is deleted, but traces may be left in the file until the next"):
            journal.delete(first)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(entry.id for entry in journal.entries()) == sorted(others)
