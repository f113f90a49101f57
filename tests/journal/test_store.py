"""The journal: what is kept comes back; the outcome freezes the rating; what is deleted is gone; one file, many hands."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import resource
import sqlite3
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from strategies import EXAMPLES

from predictor import Catalogue, OfferModel, TrainingConfig, simulate_interviews
from predictor.errors import FrozenError, JournalError, NoEntryError, RatingsError
from predictor.journal import entry as entry_module
from predictor.journal import file as file_module
from predictor.journal import schema
from predictor.journal import store as module
from predictor.journal.entry import OUTCOMES, Entry, Estimate, new_id
from predictor.journal.exchange import MOST_ROWS
from predictor.journal.schema import VERSION
from predictor.journal.store import Journal
from predictor.pipeline.journal_training import IncumbentModel, train_on_journal
from predictor.sources.files import write_csv
from predictor.training.comparison import FEWEST

GOALS, RAPPORT = "goals_discussed", "mutual_rapport"
SAID = Estimate(0.4, 0.2, 0.7, "mine", "0123456789abcdef", simulated=1)
NAMES = Catalogue.shipped().names
TEXT = st.text(max_size=40) | st.text("=+-@\t\r\n'\",;＝", max_size=6)  # noqa: RUF001
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "my.journal")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the clock of the journal to so many days after the first."""

    def turn(days: int) -> None:
        for part in (module, entry_module):
            monkeypatch.setattr(part, "now", lambda: datetime(2026, 5, 1, 12, tzinfo=UTC) + timedelta(days))

    turn(0)
    return turn


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    outcome = draw(st.sampled_from(OUTCOMES))
    frozen = outcome in ("offer", "no offer") or draw(st.booleans())
    low, p, high = sorted(draw(st.lists(st.floats(0, 1), min_size=3, max_size=3)))
    base_rate = draw(st.none() | st.floats(0, 1, exclude_min=True, exclude_max=True))
    said = Estimate(p, low, high, draw(TEXT), draw(TEXT), draw(st.floats(0, 1)), base_rate)
    return Entry(
        new_id(), draw(TEXT), draw(TEXT), draw(st.none() | st.dates()), draw(st.sampled_from(["", "observer"])),
        draw(st.dictionaries(st.sampled_from(NAMES), st.floats(1, 5))), draw(st.none() | TIMES), draw(st.sampled_from([None, said])),
        outcome, draw(TIMES) if frozen else None, frozen, draw(TEXT), draw(st.booleans()),
    )  # fmt: skip


def insert(journal: Journal, *kept: Entry) -> None:
    with journal._file.open(write=True) as file:
        for entry in kept:
            schema.insert(file, entry)


@settings(max_examples=EXAMPLES or 25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.lists(entries(), max_size=3))
@example(kept=[Entry(new_id(), "'=1+1", "\r", group="''@\0\u2028")])
def test_what_is_kept_comes_back_also_by_csv_and_json(tmp_path: Path, kept: list[Entry]) -> None:
    first, second, third = (Journal(tmp_path / f"{new_id()}.journal") for _ in range(3))
    insert(first, *kept)
    assert sorted(first.entries(), key=lambda entry: entry.id) == sorted(kept, key=lambda entry: entry.id)
    text = first.export_csv(tmp_path / "out.csv")
    if kept:
        assert second.import_csv(tmp_path / "out.csv") == len(kept)
        assert second.import_csv(text.encode()) == 0  # it is all there already
        assert second.entries() == first.entries()
        first.export_json(tmp_path / "out.json")
        assert third.import_json(tmp_path / "out.json") == len(kept)
        assert third.entries() == first.entries()
    assert json.loads(first.export_json()) == [entry.to_dict() for entry in first.entries()]
    for row in csv.DictReader(io.StringIO(text, newline="")):
        assert not row["title"].startswith(tuple("=+-@\t\r\n"))
        assert not row["note"].startswith(tuple("=+-@\t\r\n"))


def test_the_outcome_freezes_the_rating_for_good(journal: Journal, clock: Callable[[int], None]) -> None:
    entry = journal.add("Acme", {GOALS: 3, RAPPORT: None}, rater_role="candidate", estimate=SAID)
    assert entry.ratings == {GOALS: 3}
    clock(1)
    entry = journal.edit(entry.id, ratings={GOALS: 4})
    assert (entry.rated_at, entry.estimate) == (datetime(2026, 5, 2, 12, tzinfo=UTC), None)  # it was of other ratings
    entry = journal.edit(entry.id, estimate=SAID)
    clock(2)
    assert journal.edit(entry.id, title="Acme, first round", ratings={GOALS: 4}).rated_at == entry.rated_at
    entry = journal.set_outcome(entry.id, "offer", at=date(2026, 5, 3))
    for change in ({"ratings": {GOALS: 5}}, {"rater_role": "observer"}, {"estimate": replace(SAID, probability=0.6)}):
        with pytest.raises(FrozenError, match=r"known since 2026-05-03.*hindsight"):
            journal.edit(entry.id, title="lost", **change)  # type: ignore[arg-type]
    assert journal.get(entry.id) == entry
    assert journal.edit(entry.id, held_on=date(2026, 4, 29)).held_on == journal.edit(entry.id).held_on
    assert journal.edit(entry.id, held_on=None).held_on is None
    mended = journal.edit(entry.id, note="They called.", ratings={GOALS: 4}, held_on=date(2026, 4, 30))
    assert (mended.note, mended.rated_at, mended.estimate) == ("They called.", entry.rated_at, SAID)
    assert journal.set_outcome(entry.id, "no offer").outcome == "no offer"
    assert journal.set_outcome(entry.id, "unknown").frozen
    with pytest.raises(FrozenError):
        journal.edit(entry.id, ratings={GOALS: 5})
    clock(9)
    assert journal.set_outcome(entry.id, "offer").outcome_at == entry.outcome_at  # so that hindsight cannot be hidden


@pytest.mark.parametrize(
    ("zone", "kept", "known", "hindsight"),
    [
        ("America/Los_Angeles", "2026-05-02T03:30:00", "2026-05-01", False),  # 20:30 on the first, and "today"
        ("America/Los_Angeles", "2026-05-02T03:30:00", "2026-04-30", True),
        ("Pacific/Auckland", "2026-05-01T20:00:00", "2026-05-01", True),  # 8:00 on the second, and "yesterday"
        ("Pacific/Auckland", "2026-05-01T20:00:00", "2026-05-02", False),
        ("UTC", "2026-05-01T23:59:59", "2026-05-01", False),
        ("UTC", "2026-05-02T00:00:01", "2026-05-01", True),
    ],
)
def test_hindsight_is_by_the_day_of_who_rates(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, zone: str, kept: str, known: str, hindsight: bool
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        at, day = datetime.fromisoformat(f"{kept}+00:00"), date.fromisoformat(known)
        monkeypatch.setattr(module, "now", lambda: at)
        entry = journal.add("Acme", {GOALS: 4}, estimate=SAID)
        later = max(at, datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
        monkeypatch.setattr(module, "now", lambda: later)
        entry = journal.set_outcome(entry.id, "offer", at=day)
        assert entry.in_hindsight == hindsight
        assert len(journal.calibration()[0]) == (not hindsight)
        columns = journal.ratings().columns
        assert (columns["rated_on"][0] > columns["outcome_on"][0]) == hindsight  # which the warnings go by
        assert columns["outcome_on"][0] == known
        again = Journal(journal.path.with_name("again"))
        again.import_csv(journal.export_csv().encode())
        assert again.entries()[0].in_hindsight == hindsight
        now = journal.add("Globex", {GOALS: 4})
        assert not journal.set_outcome(now.id, "offer").in_hindsight  # known the moment after
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_outcome_is_not_known_before_it_has_come(journal: Journal, clock: Callable[[int], None]) -> None:
    entry = journal.add("Acme", {GOALS: 4})
    for at in (date(2026, 5, 2), date(2027, 1, 1), datetime(2026, 5, 1, 12, 1, tzinfo=UTC), datetime(2026, 5, 1, 13)):
        with pytest.raises(JournalError, match="cannot be known before it has come"):
            journal.set_outcome(entry.id, "offer", at=at)
    assert journal.get(entry.id) == entry
    assert journal.set_outcome(entry.id, "offer", at=date(2026, 5, 1)).outcome == "offer"
    for name, header, cells in (
        ("outcome_on", f"{GOALS},offer,outcome_on", "4,yes,2100-01-01"), ("rated_on", f"{GOALS},rated_on", "4,2100-01-01"),
    ):  # fmt: skip
        with pytest.raises(RatingsError, match=f"row 1, {name}: '2100-01-01' is yet to come"):
            journal.import_csv(f"{header}\n{cells}\n".encode())
    (row,) = json.loads(journal.export_json())
    for name in ("outcome_at", "rated_at"):
        with pytest.raises(RatingsError, match=f"{name}: '2100-01-01' is yet to come"):
            journal.import_json(json.dumps([{**row, "id": "", name: "2100-01-01"}]).encode())


def test_what_did_not_come_to_a_verdict_stays_open(journal: Journal) -> None:
    entry = journal.add("Acme", {GOALS: 3})
    journal.set_outcome(entry.id, "withdrew")
    assert not journal.edit(entry.id, ratings={GOALS: 4}).frozen
    assert journal.set_outcome(entry.id, "unknown").outcome_at is None
    with pytest.raises(JournalError, match=r"is none of unknown, offer, no offer, withdrew; did you mean 'offer'"):
        journal.set_outcome(entry.id, "offr")


def test_newest_first(journal: Journal) -> None:
    held = [date(2026, 5, 2), None, date(2026, 5, 3), date(2026, 5, 3)]
    ids = [journal.add(str(day), {}, held_on=day).id for day in held]
    assert [entry.id for entry in journal.entries()] == [ids[1], ids[3], ids[2], ids[0]]  # rated today, whenever held


def test_ratings_to_train_on(journal: Journal, clock: Callable[[int], None]) -> None:
    ids = [journal.add(word, {GOALS: 4}, group=word[:2], rater_role="candidate").id for word in OUTCOMES]
    for id_, outcome in zip(ids, OUTCOMES, strict=True):
        journal.set_outcome(id_, outcome, at=date(2026, 4, 30) if outcome == "offer" else None)
    ratings = journal.ratings(training=True)
    assert ratings.y.tolist()[1:3] == [1, 0]
    assert len(ratings.labelled()) == 2
    assert ratings.columns["rated_on"].tolist() == ["2026-05-01"] * 4
    assert ratings.columns["outcome_on"].tolist() == ["", "2026-04-30", "2026-05-01", "2026-05-01"]
    assert list(ratings.groups if ratings.groups is not None else ()) == ["un", "of", "no", "wi"]
    assert not ratings.simulated


def test_a_journal_says_how_often_estimates_came_true(journal: Journal, clock: Callable[[int], None]) -> None:
    outcomes = {"offer": None, "no offer": None, "withdrew": None, "offer ": date(2026, 4, 30)}
    for number, (outcome, at) in enumerate(outcomes.items()):
        entry = journal.add(outcome, {GOALS: 4}, estimate=replace(SAID, probability=0.3 + number / 10))
        journal.set_outcome(entry.id, outcome.strip(), at=at)  # the last was rated on the day after
    journal.set_outcome(journal.add("never asked", {GOALS: 4}).id, "offer")
    y, p = journal.calibration()
    assert sorted(zip(y.tolist(), p.tolist(), strict=True)) == [(0, 0.4), (1, 0.3)]
    assert [len(part) for part in Journal(journal.path.with_name("new")).calibration()] == [0, 0]


def test_the_new_model_is_held_against_the_present_one(journal: Journal, tmp_path: Path) -> None:
    write_csv(simulate_interviews(130, seed=3, base_rate=0.5), tmp_path / "some.csv")
    assert journal.import_csv(tmp_path / "some.csv") == 130
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "models" / "journal-pool"
    learned = train_on_journal(
        journal,
        OfferModel.published(),
        folder,
        config=TrainingConfig(folds=2, repeats=1, resamples=20, baselines=("base_rate",)),
        progress=lambda *at: seen.append(at),
    )
    assert seen == [(1, 2), (2, 2)]
    result, ratings, verdict = learned.saved.result, journal.ratings(), learned.verdict
    assert ratings.simulated
    assert result.model.simulated
    assert verdict
    assert verdict.gain
    assert verdict.n == result.model.trained_on["n"] >= 2 * FEWEST
    itself = IncumbentModel.of(OfferModel.load(folder / "model.json"), folder.parent)
    again = itself.judge(result, ratings)
    assert again
    assert again.gain
    assert (again.gain.value, again.n, again.better) == (0, verdict.n, False)
    unkept = IncumbentModel.of(replace(result.model, name="other"), folder.parent)
    assert unkept.judge(result, ratings) is None
    assert "Cannot be compared: no out-of-fold predictions" in unkept.summary(None)


# -- the file ----------------------------------------------------------------------------------------------------------


def test_what_was_kept_in_the_first_layout_is_read_and_imported(journal: Journal) -> None:
    kept = journal.add("old", {GOALS: 4}, estimate=SAID)
    export = journal.export_csv()
    old = json.dumps({**{k: v for k, v in vars(SAID).items() if k != "base_rate"}, "simulated": True})
    _sqlite(journal.path, "PRAGMA user_version = 1", f"UPDATE entries SET estimate = '{old}'")
    header, row = csv.reader(io.StringIO(export))
    before = {**dict(zip(header, row, strict=True)), "id": new_id(), "estimate_simulated": "yes"}
    del before["estimate_base_rate"]
    assert journal.get(kept.id) == kept
    assert journal.import_csv("\n".join(",".join(cells) for cells in (before, before.values())).encode()) == 1
    assert [entry.estimate for entry in Journal(journal.path).entries()] == [SAID, SAID]
    with contextlib.closing(sqlite3.connect(journal.path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_deleted_for_good(journal: Journal) -> None:
    secrets = [f"SECRET-{number}-" + "x" * 3000 for number in range(40)]  # over many pages of the file
    ids = [journal.add(f"TITLE-{number}", {GOALS: 4}, note=note).id for number, note in enumerate(secrets)]
    journal.edit(ids[0], note="OTHER")
    assert b"SECRET-0" not in journal.path.read_bytes()
    size = journal.path.stat().st_size
    for id_ in ids[:-1]:
        journal.delete(id_)
    left = journal.path.read_bytes()
    assert (left.count(b"SECRET"), left.count(b"TITLE"), len(left) < size / 5) == (1, 1, True)
    assert list(journal.path.parent.iterdir()) == [journal.path]  # nothing beside it
    for call in (journal.delete, journal.get, journal.edit):
        with pytest.raises(NoEntryError, match="may have been deleted"):
            call(ids[0])


def test_deleted_for_good_also_where_another_tool_has_set_a_write_ahead_log(journal: Journal) -> None:
    ids = [journal.add(f"TITLE-{number}", {}, note=f"SECRET-{number}-" + "x" * 3000).id for number in range(5)]
    _sqlite(journal.path, "PRAGMA journal_mode = WAL", "UPDATE entries SET note = note || '!'")
    assert len(journal.entries()) == 5  # reading is no reason to change the file
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


def test_a_copy_that_another_tool_keeps_in_the_file_is_told_of(journal: Journal) -> None:
    copy = "CREATE TRIGGER keep AFTER DELETE ON entries BEGIN INSERT INTO copies VALUES (old.note); END"
    id_ = journal.add("one", {}, note="SECRET").id
    _sqlite(journal.path, "CREATE TABLE copies (note TEXT)", copy)
    with pytest.raises(
        JournalError, match=r"is deleted, but .* another tool has put there \(table copies, trigger keep\)"
    ):
        journal.delete(id_)
    assert journal.entries() == []


@pytest.mark.parametrize("call", [Journal, Journal.existing, Journal.recognises])
def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path: Path, call: Callable[[Path], Any]) -> None:
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
        (["CREATE TABLE t AS SELECT *, 1 AS a FROM entries", "DROP TABLE entries", "CREATE TABLE entries (number INTEGER PRIMARY KEY, id, title, note, held_on, rater_role, ratings, rated_at, estimate, outcome, outcome_at, frozen, \"group\", simulated, \"a\" INT NOT NULL)", "INSERT INTO entries SELECT * FROM t", "DROP TABLE t"], "has added the column a, without which"),
        (["ALTER TABLE entries DROP COLUMN outcome_at"], "its table has no outcome_at"),
        (["ALTER TABLE entries RENAME COLUMN \"group\" TO groups"], "its table has no group"),
        (["ALTER TABLE entries RENAME TO others"], "its table has no number, id"),
        (["UPDATE entries SET ratings = '[1]'"], "damaged: ratings are no numbers by signal"),
        (["UPDATE entries SET ratings = '5'"], "damaged: ratings are no numbers by signal"),
        (["UPDATE entries SET ratings = '{\"goals_discussed\": \"4\"}'"], "damaged: ratings are no numbers by signal"),
        (["UPDATE entries SET ratings = '{\"goals_discussed\": 1e999}'"], "damaged: ratings are no numbers by signal"),
        ([f"UPDATE entries SET ratings = '{'[' * 100_000}'"], "damaged"),
        (["UPDATE entries SET estimate = '{\"more\": 1}'"], "damaged"),
    ],
)  # fmt: skip
def test_a_table_that_another_tool_has_changed_is_used_or_refused_in_words(
    journal: Journal, change: list[str], says: str | None
) -> None:
    id_ = journal.add("one", {GOALS: 4}).id
    _sqlite(journal.path, *change)
    if says is None:
        again = Journal(journal.path)
        again.edit(id_, note="two")
        again.set_outcome(again.add("two", {}).id, "offer")
        assert [entry.note for entry in again.entries()] == ["", "two"]
    else:
        with pytest.raises(JournalError, match=says):
            Journal(journal.path).export_csv()


def test_many_hands(tmp_path: Path) -> None:
    path = tmp_path / "shared.journal"
    code = (
        "import sys; from predictor.journal.store import Journal\n"
        "for n in range(20): Journal(sys.argv[1]).add(f'{sys.argv[2]}-{n}', {})"
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
        journal.add("x", {}, note="x" * 3000)
    path.write_bytes(path.read_bytes()[:20_000])


def _nonsense(path: Path) -> None:
    Journal(path).add("x", {})
    _sqlite(path, "UPDATE entries SET outcome = 'hired'")


SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text": (lambda path: path.write_text("goals_discussed,offer\n4,yes\n"), "is not a journal of this tool"),
    "foreign": (lambda path: _sqlite(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)"), "is not a journal"),
    "newer": (
        lambda path: (Journal(path), _sqlite(path, f"PRAGMA user_version = {VERSION + 1}")),
        "newer than this version reads",
    ),
    "cut": (_half, "damaged"),
    "a folder": (lambda path: path.mkdir(), "cannot be used as a journal: Is a directory"),
    "nonsense": (_nonsense, "damaged: outcome is none of"),
}


@pytest.mark.parametrize(("spoil", "says"), SPOILT.values(), ids=SPOILT)
def test_spoilt_files_are_refused_and_left_as_they_are(tmp_path: Path, spoil: Callable[[Path], Any], says: str) -> None:
    path = tmp_path / "my.journal"
    spoil(path)
    before = {item: item.read_bytes() for item in tmp_path.iterdir() if item.is_file()}
    with pytest.raises(JournalError, match=says):
        Journal(path).entries()
    assert {item: item.read_bytes() for item in tmp_path.iterdir() if item.is_file()} == before


def test_for_the_owner_only_and_never_made_twice(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    journal.add("kept", {})
    with journal._file.open(write=True), pytest.raises(JournalError, match="another program has held it"):
        monkeypatch.setattr(file_module, "WAIT", 0.05)
        journal.add("late", {})
    journal.path.unlink()
    with pytest.raises(JournalError, match="no such file; it was there before"):
        journal.entries()
    assert not journal.path.exists()


def test_a_making_that_was_cut_off_is_made_anew(journal: Journal) -> None:
    journal.add("lost, since the making was not done", {})
    # what SQLite leaves beside the file when it is killed: before, there were 0 pages; sqlite.org/fileformat2.html, 3
    nothing = struct.pack(">8s5I", bytes.fromhex("d9d505f920a163d7"), 0, 0, 0, 512, 4096).ljust(512, b"\0")
    journal.path.with_name(f"{journal.path.name}-journal").write_bytes(nothing)
    Journal(journal.path).add("the first", {})
    assert [entry.title for entry in journal.entries()] == ["the first"]
    assert list(journal.path.parent.iterdir()) == [journal.path]


def test_a_deletion_without_room_to_rebuild_the_file_says_what_is_done(journal: Journal) -> None:
    first, *others = [journal.add(f"TITLE-{number}", {}, note="x" * 3000).id for number in range(20)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size // 2, before[1]))
    try:
        with pytest.raises(JournalError, match="is deleted, but traces may be left in the file until the next"):
            journal.delete(first)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(entry.id for entry in journal.entries()) == sorted(others)


# -- what people give it -----------------------------------------------------------------------------------------------


def test_bad_entries_are_refused_with_every_problem(journal: Journal) -> None:
    with pytest.raises(RatingsError) as told:
        journal.add("x", {GOALS: 9, RAPPORT: "four", "goal": 1}, rater_role="boss")
    assert len(told.value.problems) == 4
    with pytest.raises(JournalError, match=r"title has 201 characters.*note has a character that UTF-8 cannot hold"):
        journal.add("x" * 201, {}, note="\ud800")
    assert journal.entries() == []


def test_import_is_all_or_nothing_and_says_what_is_wrong_where(journal: Journal) -> None:
    journal.set_outcome(journal.add("one", {GOALS: 4}, estimate=SAID).id, "offer")
    rows = list(csv.DictReader(io.StringIO(journal.export_csv())))
    spoilt = {
        GOALS: "9", "rater_role": "boss", "held_on": "1.5.2026", "rated_at": "yesterday", "outcome": "hired",
        "frozen": "perhaps", "title": "x" * 201, "id": "7", "estimate_low": "low", "estimate_simulated": "7", "estimate_base_rate": "nan",
    }  # fmt: skip

    def table(*rows: dict[str, Any]) -> bytes:
        out = io.StringIO()
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue().encode()

    good = {**rows[0], "id": "", "title": "new"}
    with pytest.raises(RatingsError) as told:
        journal.import_csv(table(good, {**rows[0], **spoilt}), "mine.csv")
    assert {(problem.row, problem.column) for problem in told.value.problems} == {(2, name) for name in spoilt}
    for changed, column in (({"title": "other"}, "id"), ({"frozen": "no"}, "frozen"), ({"outcome_at": ""}, "outcome_at"),
                            ({"estimate_low": "0.5"}, "estimate_probability"), ({"estimate_low": ""}, "estimate_probability")):  # fmt: skip
        with pytest.raises(RatingsError, match=f"mine.csv: 1 problem; nothing was written.\n  row 2, {column}:"):
            journal.import_csv(table(good, {**rows[0], **changed}), "mine.csv")
    with pytest.raises(RatingsError, match=r"1 problem; nothing was written.\n  outcome_at: is missing"):
        journal.import_csv(table({name: cell for name, cell in good.items() if name != "outcome_at"}))
    assert len(journal.entries()) == 1
    assert journal.import_csv(table(good)) == 1


def test_ordinary_ratings_are_imported_with_what_they_say(journal: Journal, tmp_path: Path) -> None:
    header = f"interview_id,candidate_id,stage,rater_role,rated_on,outcome_on,origin,{GOALS},offer\n"
    (tmp_path / "mine.csv").write_text(header + ",,,,,,,,\nI-1,C-1,first,Observer,2026-05-01,2026-05-08,,4,yes\n")
    assert journal.import_csv(tmp_path / "mine.csv") == 2
    one, two = journal.entries()
    assert (one.title, one.group, one.note, one.rater_role) == ("I-1", "C-1", "stage: first", "observer")
    assert (one.rated_at, one.outcome_at) == (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 8, tzinfo=UTC))
    assert (one.frozen, one.ratings, one.outcome, one.simulated) == (True, {GOALS: 4}, "offer", False)
    assert (two.title, two.ratings, two.outcome, two.frozen) == ("mine, row 1", {}, "unknown", False)
    (tmp_path / "mine.csv").write_text(header + "I-1,C-1,first,,May,2026-05-08,,4,yes\nI-2,C-1,,,,,,9,no\n")
    with pytest.raises(RatingsError, match="row 2, goals_discussed: '9' is out of scale"):
        journal.import_csv(tmp_path / "mine.csv")


# -- the command line --------------------------------------------------------------------------------------------------


def test_import_and_export_by_command(run: Callable[..., Result], workplace: Path) -> None:
    rows = "".join(f"I-{number},4\n" for number in range(MOST_ROWS + 1))  # more than a page takes
    (workplace / "long.csv").write_text(f"interview_id,{GOALS}\n{rows}")
    done = run("journal", "import", "long.csv", "--journal", "my.journal")
    assert (done.exit_code, done.output) == (0, "20,001 interviews added to my.journal\n")
    for name in ("out.csv", "out.json"):
        assert (
            run("journal", "export", name, "--journal", "my.journal").output == f"20,001 interviews written to {name}\n"
        )
        assert run("journal", "import", name, "--journal", "my.journal").output == "0 interviews added to my.journal\n"
    kept = Journal("my.journal").entries()[:3]
    small = Journal("small.journal")
    insert(small, *kept)
    assert run("journal", "export", "-", "--journal", "small.journal").stdout == small.export_csv()
    (workplace / "small.json").write_text(json.dumps([{GOALS: 4, "rater_role": "observer"}, {"ratings": {GOALS: 2}}]))
    assert run("journal", "import", "small.json").output == "2 interviews added to experiments/journal.db\n"
    (workplace / "linked.csv").symlink_to("my.journal")
    for words, says in (
        (["import", "my.txt"], "none of the endings"), (["export", "my.xlsx", "--journal", "my.journal"], "must end in .csv or .json"),
        (["export", "x.csv", "--journal", "none"], "no such journal"), (["import", "none.csv"], "no such file"),
        (["export", "linked.csv", "--journal", "my.journal"], "is the journal itself"),
    ):  # fmt: skip
        refused = run("journal", *words)
        assert (refused.exit_code, says in refused.output) == (2, True), refused.output


JSON_FAULTS = {
    '[{"id": "", "rated_at": null, "ratings": 4}]': "must be a mapping of ratings",
    '[{"id": "", "rated_at": null, "estimate": [1]}]': "must be a mapping of estimate",
    '[{"id": "", "rated_at": null, "ratings": {"goals_discussed": true}}]': "row 1, goals_discussed: 'yes' is not a number",
    '[{"id": 7, "rated_at": "soon"}]': "rated_at: 'soon' is not a time",
    '[{"id": "", "rated_at": null, "zzz": 1}]': "zzz",
    '[{"id": "", "rated_at": null, "outcome": ["offer"]}]': "is none of unknown, offer",
    "[1]": "is not a mapping", "{": "is not JSON", "": "is empty",
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), JSON_FAULTS.items())
def test_json_that_is_no_export_is_refused_in_words(journal: Journal, text: str, says: str) -> None:
    with pytest.raises(RatingsError, match=says):
        journal.import_json(text.encode(), "mine.json")


def test_train_on_a_journal_by_command(run: Callable[..., Result], workplace: Path) -> None:
    assert run("train", "--journal", "no.journal").output == (
        "Error: no.journal: no such journal; look at the path, or keep an interview first\n"
    )
    journal = Journal("my.journal")
    entry = journal.add("Acme", {GOALS: 4}, rater_role="candidate")
    refused = run("train", "--journal", "my.journal", "--no-track")
    assert (refused.exit_code, "no interview has an outcome yet" in refused.output) == (2, True)
    journal.set_outcome(entry.id, "offer", at=date(2026, 5, 1))
    done = run("train", "--journal", "my.journal", "--no-track")
    assert done.exit_code == 0
    for words in (
        "Compared with the current model, tested: Not enough data",
        "1 row was rated after the outcome was known",
    ):
        assert words in done.output
    model = OfferModel.load("experiments/models/journal-pool/model.json")
    assert (model.trained_on["n"], model.trained_on["source"]) == (1, "my.journal")
    assert 0.5 < model.prior_share < 1
    for wrong in (["train"], ["train", "my.csv", "--journal", "my.journal"]):
        assert "either DATA, a file of ratings, or --journal FILE" in run(*wrong).output
