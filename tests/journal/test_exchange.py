"""Export and import of a journal: round trips, ordinary rating files, all or nothing, and the commands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from predictor import Catalogue, OfferModel
from predictor.errors import RatingsError
from predictor.journal import import_export, schema
from predictor.journal.entry import FREEZING_OUTCOMES, OUTCOMES, Entry, new_id
from predictor.journal.estimate import Estimate
from predictor.journal.ratings_tables import template_csv
from predictor.journal.store import Journal

GOALS, RAPPORT = "goals_discussed", "mutual_rapport"
SAID = Estimate(0.4, 0.2, 0.7, "mine", "0123456789abcdef", simulated=1)
NAMES = Catalogue.shipped().names
TEXT = st.text(max_size=40) | st.text("=+-@\t\r\n'\",;＝", max_size=6)  # noqa: RUF001
DAYS = st.dates(date(1900, 1, 1), date(2026, 1, 1))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "my.journal")


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    outcome = draw(st.sampled_from(OUTCOMES))
    frozen = outcome in FREEZING_OUTCOMES or draw(st.booleans())
    low, p, high = sorted(draw(st.lists(st.floats(0, 1), min_size=3, max_size=3)))
    base_rate = draw(st.none() | st.floats(0, 1, exclude_min=True, exclude_max=True))
    said = draw(st.none() | st.just(Estimate(p, low, high, draw(TEXT), draw(TEXT), draw(st.floats(0, 1)), base_rate)))
    answer = {"prediction": {"offer_probability": p, "notes": [draw(TEXT)]}}
    return Entry(
        id=new_id(), title=draw(TEXT), who=draw(TEXT), round=draw(TEXT), held_on=draw(st.none() | st.dates()),
        rater_role=draw(st.sampled_from(["", "observer"])), note=draw(TEXT), due_on=draw(st.none() | st.dates()),
        ratings=draw(st.dictionaries(st.sampled_from(NAMES), st.floats(1, 5))), rated_on=draw(st.none() | DAYS),
        not_come_up=draw(st.sampled_from([(), (GOALS,), (GOALS, RAPPORT)])), guess=draw(st.none() | st.integers(0, 100)),
        estimate=said, answer=answer if said and draw(st.booleans()) else None, outcome=outcome, frozen=frozen,
        outcome_on=draw(DAYS) if frozen else None, interview=draw(st.sampled_from(["", "0" * 12])),
        went_well=draw(TEXT), differently=draw(TEXT), try_next=draw(TEXT), simulated=draw(st.booleans()),
    )  # fmt: skip


def insert(journal: Journal, *kept: Entry) -> None:
    with journal._file.open(write=True) as file:
        for entry in kept:
            schema.insert(file, entry)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn_entries=st.lists(entries(), max_size=3))
@example(drawn_entries=[Entry(id=new_id(), title="'=1+1", note="\r", who="''@\0\u2028")])
def test_an_export_is_imported_back_unchanged_from_csv_and_json(tmp_path: Path, drawn_entries: list[Entry]) -> None:
    first, second, third = (Journal(tmp_path / f"{new_id()}.journal") for _ in range(3))
    insert(first, *drawn_entries)
    assert sorted(first.entries(), key=lambda entry: entry.id) == sorted(drawn_entries, key=lambda entry: entry.id)
    text = first.export_csv(tmp_path / "out.csv")
    if drawn_entries:
        assert second.import_csv(tmp_path / "out.csv") == len(drawn_entries)
        assert second.import_csv(text.encode()) == 0  # every entry exists already
        assert second.entries() == first.entries()
        first.export_json(tmp_path / "out.json")
        assert third.import_json(tmp_path / "out.json") == len(drawn_entries)
        assert third.entries() == first.entries()
    assert json.loads(first.export_json()) == [entry.to_dict() for entry in first.entries()]
    for row in csv.DictReader(io.StringIO(text, newline="")):
        assert not row["title"].startswith(tuple("=+-@\t\r\n"))
        assert not row["note"].startswith(tuple("=+-@\t\r\n"))


def test_an_import_with_a_problem_adds_nothing_and_names_its_place(journal: Journal) -> None:
    journal.set_outcome(journal.add("one", {GOALS: 4}, estimate=SAID).id, "offer")
    rows = list(csv.DictReader(io.StringIO(journal.export_csv())))
    spoilt = {
        GOALS: "9", "rater_role": "boss", "held_on": "1.5.2026", "rated_on": "yesterday", "outcome": "hired",
        "frozen": "perhaps", "title": "x" * 201, "id": "7", "estimate_low": "low", "estimate_simulated": "7", "estimate_base_rate": "nan",
    }  # fmt: skip

    def table(*rows: dict[str, Any]) -> bytes:
        out = io.StringIO()
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue().encode()

    good = {**rows[0], "id": "", "title": "new"}
    with pytest.raises(RatingsError) as refused:
        journal.import_csv(table(good, {**rows[0], **spoilt}), "mine.csv")
    assert {(problem.row, problem.column) for problem in refused.value.problems} == {(2, name) for name in spoilt}
    for changed, column in (({"title": "other"}, "id"), ({"frozen": "no"}, "frozen"), ({"outcome_on": ""}, "outcome_on"),
                            ({"estimate_low": "0.5"}, "estimate_probability"), ({"estimate_low": ""}, "estimate_probability")):  # fmt: skip
        with pytest.raises(RatingsError, match=f"mine.csv: 1 problem; nothing was written.\n  row 2, {column}:"):
            journal.import_csv(table(good, {**rows[0], **changed}), "mine.csv")
    with pytest.raises(RatingsError, match=r"1 problem; nothing was written.\n  outcome_on: is missing"):
        journal.import_csv(table({name: cell for name, cell in good.items() if name != "outcome_on"}))
    assert len(journal.entries()) == 1
    assert journal.import_csv(table(good)) == 1


def test_ordinary_rating_files_are_imported_with_their_context(journal: Journal, tmp_path: Path) -> None:
    header = f"interview_id,candidate_id,stage,rater_role,rated_on,outcome_on,origin,{GOALS},offer\n"
    (tmp_path / "mine.csv").write_text(
        header + ",,,,,,,,\nI-1,C-1,first,Observer,2026-05-01,2026-05-08,,4,yes\n,,,,,,,2,\n"
    )
    assert journal.import_csv(tmp_path / "mine.csv") == 2  # a blank row is no interview
    one, two = journal.entries()
    assert (one.title, one.who, one.note, one.rater_role) == ("I-1", "C-1", "stage: first", "observer")
    assert (one.rated_on, one.outcome_on) == (date(2026, 5, 1), date(2026, 5, 8))
    assert (one.frozen, one.ratings, one.outcome, one.simulated) == (True, {GOALS: 4}, "offer", False)
    assert (two.title, two.ratings, two.outcome, two.frozen) == ("mine, row 3", {GOALS: 2}, "still open", False)
    (tmp_path / "mine.csv").write_text(header + ",,,,,,,,\nI-1,C-1,first,,,,,4,yes,5\n")
    with pytest.raises(RatingsError, match="row 2: '10 cells' does not have the header's 9"):
        journal.import_csv(tmp_path / "mine.csv")
    (tmp_path / "mine.csv").write_text(header + ",,,,,,,,\nI-1,C-1,first,,May,2026-05-08,,4,yes\nI-2,C-1,,,,,,9,no\n")
    with pytest.raises(RatingsError, match="row 3, goals_discussed: '9' is out of scale"):
        journal.import_csv(tmp_path / "mine.csv")
    with pytest.raises(RatingsError, match="row 1, ratings: no signal is rated"):
        journal.import_csv(f"title,{GOALS}\nAcme,\n".encode())
    for name, cells in (("outcome_on", "4,yes,2100-01-01"), ("rated_on", "4,yes,2100-01-01")):
        with pytest.raises(RatingsError, match=f"row 1, {name}: '?.*is in the future"):
            journal.import_csv(f"{GOALS},offer,{name}\n{cells}\n".encode())
    (row,) = json.loads(journal.export_json())[:1]
    for name in ("outcome_on", "rated_on"):
        with pytest.raises(RatingsError, match=f"{name}: '2100-01-01' is in the future"):
            journal.import_json(json.dumps([{**row, "id": "", name: "2100-01-01"}]).encode())


def test_the_template_and_common_column_names_are_recognised(journal: Journal) -> None:
    header = template_csv(journal.catalogue).strip().split(",")
    values = {
        "Title": "Acme", "Who": "AB", "Date": "2026-05-01", "Round": "second", "When will you hear": "2026-05-20",
        "Who rated": "Candidate", "Goals discussed": "4", "Outcome": "no answer", "Day of the outcome": "2026-05-21", "Note": "n",
    }  # fmt: skip
    assert values.keys() <= set(header)
    table = "\n".join(",".join(row) for row in (header, [values.get(name, "") for name in header]))
    assert journal.import_csv(table.encode()) == 1
    (entry,) = journal.entries()
    assert (entry.title, entry.who, entry.round, entry.note, entry.ratings) == ("Acme", "AB", "second", "n", {GOALS: 4})
    assert (entry.held_on, entry.due_on, entry.outcome_on) == (date(2026, 5, 1), date(2026, 5, 20), date(2026, 5, 21))
    assert (entry.rater_role, entry.outcome, entry.frozen) == ("candidate", "no answer", True)
    assert journal.import_csv(table.encode()) == 0
    record = {"client": "CD", "Interview date": "2026-05-02", "notes": "=1", "ratings": {"Goals discussed": 2}}
    assert journal.import_json(json.dumps([record, record]).encode()) == 2  # titles are row numbers, so they differ
    assert {(x.who, x.held_on, x.note) for x in journal.entries()[:2]} == {("CD", date(2026, 5, 2), "=1")}


FOREIGN = {
    f"title,interview,{GOALS}\nA,B,4\n": "interview: means the same as 'title'; keep one column",
    f"date,{GOALS}\n1.5.2026,4\n": "row 1, date: '1.5.2026' is not a day; write it as in 2026-05-31",
    f"outcome,{GOALS}\nperhaps,4\n": "row 1, outcome: 'perhaps' is none of still open, offer, .*, and neither yes nor no",
    f"own guess,{GOALS}\n101,4\n": "own guess: '101' is not a whole number from 0 to 100",
    "title,note\nAcme,good\n": "has no column of a signal, so nothing was rated; the template has them all",
    f"titel,{GOALS}\nAcme,4\n": "titel: is not in the catalogue",
    "Goals discussed\n\n9\n": "row 2, Goals discussed: '9' is out of scale",
}


@pytest.mark.parametrize(("text", "says"), FOREIGN.items())
def test_import_problems_name_row_and_column(journal: Journal, text: str, says: str) -> None:
    with pytest.raises(RatingsError, match=says):
        journal.import_csv(text.encode())
    assert journal.entries() == []


def test_an_import_never_overwrites_entries_changed_since_the_export(journal: Journal) -> None:
    entry = journal.add("Acme", {GOALS: 4}, who="AB")
    export = journal.export_json().encode()
    journal.edit(entry.id, note="They called.", private_note="SECRET")
    journal.set_outcome(entry.id, "offer")
    parsed, problems = journal.parse_upload(export, "mine.json")
    plan = journal.plan(parsed)
    assert (problems, plan.fresh, plan.same, [x.title for x in plan.changed]) == ([], (), 1, ["Acme"])
    assert journal.import_json(export) == 0
    assert journal.get(entry.id).outcome == "offer"
    for text in (journal.export_csv(), journal.export_json(), journal.export_csv(who="AB")):
        assert "They called." in text
        assert "SECRET" not in text
    assert json.loads(journal.export_json(who="CD")) == []
    again = Journal(journal.path.with_name("again"))
    assert (again.import_json(journal.export_json().encode()), again.entries()[0].private_note) == (1, "")


# -- the command line --------------------------------------------------------------------------------------------------


def test_the_import_and_export_commands_work(
    run: Callable[..., Result], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_export, "MOST_ROWS", 300)
    rows = "".join(f"I-{number},4\n" for number in range(301))  # more than a page takes
    (workplace / "long.csv").write_text(f"interview_id,{GOALS}\n{rows}")
    done = run("journal", "import", "long.csv", "--journal", "my.journal")
    assert (done.exit_code, done.output) == (0, "301 interviews added to my.journal\n")
    for name in ("out.csv", "out.json"):
        assert run("journal", "export", name, "--journal", "my.journal").output == f"301 interviews written to {name}\n"
        assert run("journal", "import", name, "--journal", "my.journal").output == "0 interviews added to my.journal\n"
    kept = Journal("my.journal").entries()[:3]
    small = Journal("small.journal")
    insert(small, *kept)
    assert run("journal", "export", "-", "--journal", "small.journal").stdout == small.export_csv()
    (workplace / "bad.csv").write_text(f"{GOALS}\n9\n")
    several = run("journal", "import", "bad.csv", "out.json", "--journal", "small.journal")
    assert (several.exit_code, "goals_discussed: '9' is out of scale" in several.output) == (2, True)
    assert len(small.entries()) == 3  # either all files are imported or none
    (workplace / "small.json").write_text(json.dumps([{GOALS: 4, "rater_role": "observer"}, {"ratings": {GOALS: 2}}]))
    assert run("journal", "import", "small.json").output == "2 interviews added to experiments/journal.db\n"
    (workplace / "linked.csv").symlink_to("my.journal")
    for words, says in (
        (["import", "my.doc"], "none of the endings"), (["export", "my.xlsx", "--journal", "my.journal"], "must end in .csv or .json"),
        (["export", "x.csv", "--journal", "none"], "no such journal"), (["import", "none.csv"], "no such file"),
        (["export", "linked.csv", "--journal", "my.journal"], "is the journal itself"),
        (["export", "-", "--journal", "my.journal", "--who", "AB"], "no interview of my.journal is about 'AB'"),
    ):  # fmt: skip
        refused = run("journal", *words)
        assert (refused.exit_code, says in refused.output) == (2, True), refused.output


JSON_FAULTS = {
    '[{"id": "", "rated_at": null, "ratings": 4}]': "must be a mapping of ratings",
    '[{"id": "", "rated_at": null, "estimate": [1]}]': "must be a mapping of estimate",
    '[{"id": "", "rated_at": null, "ratings": {"goals_discussed": true}}]': "row 1, goals_discussed: 'yes' is not a number",
    '[{"id": 7, "rated_at": "soon"}]': "rated_at: 'soon' is not a day",
    '[{"id": "", "rated_at": null, "zzz": 1}]': "zzz",
    '[{"id": "", "rated_at": null, "outcome": ["offer"]}]': "is none of still open, offer",
    "[1]": "is not a mapping", "{": "is not JSON", "": "is empty",
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), JSON_FAULTS.items())
def test_json_that_is_no_export_is_refused_with_a_clear_message(journal: Journal, text: str, says: str) -> None:
    with pytest.raises(RatingsError, match=says):
        journal.import_json(text.encode(), "mine.json")


@pytest.mark.usefixtures("without_figures")
def test_the_train_command_learns_from_a_journal(run: Callable[..., Result], workplace: Path) -> None:
    assert run("train", "--journal", "no.journal").output == (
        "Error: no.journal: no such journal; check the path, or save an interview first\n"
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
