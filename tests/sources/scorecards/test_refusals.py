"""Malformed exports are refused with file, row and remedy: no traceback, no guess, nothing written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from exports import ashby, lever, v1, v1_application, v1_card, written

from predictor.errors import PredictorError
from predictor.sources.scorecards import read_scorecards

MAPPING = """
[columns]
person = "Who"
outcome = "Result"
[outcomes]
yes = ["Hired"]
no = ["No"]
[signals]
"Talk" = { low = 1, high = 5 }
"""
TABLE = "Who,Result,Talk\nC-1,Hired,4\n"


def good() -> dict[str, list[Any]]:
    return v1(a={"status": "hired"})


def changed(**cells: Any) -> dict[str, list[Any]]:
    return {"scorecards": [v1_card(1, 1), v1_card(2, 1, **cells)], "applications": [v1_application(1)]}


def bare(folder: Path, name: str, content: str | bytes) -> Path:
    written(folder, good())
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return folder


def spread(folder: Path, mapping: str = MAPPING, table: str = TABLE) -> Path:
    folder.mkdir()
    (folder / "my.csv").write_text(table)
    (folder.parent / "mapping.toml").write_text(mapping)
    return folder


CSV_CARDS = "id,application_id,overall_recommendation,submitted_at\n"
# name: (system, how the files are made, what the message must say)
CASES: dict[str, tuple[str, Callable[[Path], Path], tuple[str, ...]]] = {
    "empty file": ("greenhouse", lambda f: bare(f, "more.json", ""), ("more.json", "is empty", "export it again")),
    "cut off": ("greenhouse", lambda f: bare(f, "more.json", '[{"id": 1,'), ("more.json", "line 1", "cut off")),
    "a line": ("greenhouse", lambda f: bare(f, "more.jsonl", '{"id": 1}\n{"id": '), ("more.jsonl", "row 2", "JSON Lines", "delete the line")),
    "a number": ("greenhouse", lambda f: bare(f, "more.json", "7"), ("more.json", "no records")),
    "null": ("greenhouse", lambda f: bare(f, "more.json", "null"), ("more.json", "holds null, no records")),
    "no records": ("greenhouse", lambda f: bare(f, "more.json", "[1, 2]"), ("more.json", "rows 1, 2", "not a record", "delete it")),
    "not text": ("greenhouse", lambda f: bare(f, "more.json", b"\xff\xfe\xfa\xfb\xc3"), ("more.json",)),
    "cut gzip": ("greenhouse", lambda f: bare(f, "more.json.gz", gzip.compress(b"[]" * 99)[:20]), ("more.json.gz", "compress it again")),
    "no Parquet": ("greenhouse", lambda f: bare(f, "more.parquet", b"PAR1 nonsense"), ("more.parquet", "Parquet", "copy it again")),
    "ragged": ("greenhouse", lambda f: bare(f, "more.csv", CSV_CARDS + "1,2,yes,2026-03-01\n2,3,yes\n"), ("more.csv", "row 2", "4 cells", "3 cells")),
    "an open quote": ("greenhouse", lambda f: bare(f, "more.csv", CSV_CARDS + '1,2,"yes,2026-03-01\n'), ("more.csv", "row 1", "a comma or quote too many")),
    "a column twice": ("greenhouse", lambda f: bare(f, "more.csv", "id,id,application_id,overall_recommendation\n1,1,1,yes\n"), ("more.csv", "'id' is there twice")),
    "a column missing": ("greenhouse", lambda f: bare(f, "more.csv", "id,submitted_at,overall_recommendation\n1,2026-03-01,yes\n"), ("more.csv", "no column 'application_id'")),
    "no id": ("greenhouse", lambda f: written(f, changed(id=None)), ("scorecards.json", "row 2", "id", "each needs one", "delete the row")),
    "no person": ("greenhouse", lambda f: written(f, {**good(), "applications": [v1_application(1, candidate_id=None)]}), ("applications.json", "row 1", "candidate_id")),
    "no time": ("greenhouse", lambda f: written(f, changed(submitted_at="soon")), ("row 2", "submitted_at: 'soon'", "2026-03-01T10:00:00Z")),
    "a time long gone": ("greenhouse", lambda f: written(f, changed(submitted_at="0001-01-01T00:00:00Z")), ("row 2", "submitted")),
    "neither true nor false": ("greenhouse", lambda f: written(f, {**good(), "applications": [v1_application(1, prospect="perhaps")]}), ("prospect: 'perhaps'", "neither true nor false; write one")),
    "an attribute without a name": ("greenhouse", lambda f: written(f, changed(attributes=[{"rating": "yes"}])), ("row 2", "attributes", "without a name")),
    "a rating that is an object": ("greenhouse", lambda f: written(f, changed(attributes=[{"name": "A", "rating": {"x": 1}}])), ("row 2", "rating: 'dict'", "not a word")),
    "v1 and v3 at once": ("greenhouse", lambda f: written(f, {**good(), "new": [{"id": 1, "application_id": 1, "candidate_rating": "yes", "submitted_at": None}]}), ("v1 and of v3", "folder of its own")),
    "another system": ("greenhouse", lambda f: written(f, lever(a={})), ("of Lever", "predictor scorecards lever")),
    "another system still": ("lever", lambda f: written(f, ashby()), ("of Ashby", "predictor scorecards ashby")),
    "another system with faults": ("ashby", lambda f: written(f, {**good(), "applications": [v1_application(1, candidate_id=None)]}), ("of Greenhouse", "predictor scorecards greenhouse")),
    "no cards": ("greenhouse", lambda f: written(f, {"applications": good()["applications"]}), ("no scorecards", "export them too")),
    "an empty folder": ("greenhouse", lambda f: written(f, {}), ("has no file that is read",)),
    "an answer that is an error": ("ashby", lambda f: written(f, {"x": []}, "bundle") if not (written(f, {}) / "e.json").write_text('{"success": false, "errors": ["invalid_input"]}') else f, ("e.json", "invalid_input", "export it again")),
    "scores without values": ("lever", lambda f: written(f, lever(a={"fields": [{"type": "scorecard", "scores": [{"text": "A"}], "value": [{"score": 1}, {"score": 2}]}]})), ("row 1", "2 values for 1 scores")),
    "no fields": ("lever", lambda f: written(f, lever(a={}, b={"fields": "none"})), ("row 2", "no list of fields")),
    "a time in words": ("lever", lambda f: written(f, lever(a={"completedAt": "yesterday"})), ("row 1", "completed_at: 'yesterday'")),
    "no submitted values": ("ashby", lambda f: written(f, {**ashby(), "feedback": [*ashby()["feedback"], ashby(submittedValues=[])["feedback"][0]]}), ("row 2", "submittedValues: is missing")),
    "no form": ("ashby", lambda f: written(f, ashby(formDefinition=None)), ("row 1", "formDefinition: is missing")),
    "attributes that are no list": ("greenhouse", lambda f: written(f, changed(attributes={"name": "A"})), ("row 2", "attributes: is not a list")),
    "null in place of a record": ("greenhouse", lambda f: written(f, {**good(), "scorecards": [*good()["scorecards"], None]}), ("row 2", "is null")),
    "the same id with other content": ("greenhouse", lambda f: written(f, {**good(), "more": [v1_card(1, 1, "no")]}), ("scorecards.json, row 1", "keep one of them")),
    "a web page": ("greenhouse", lambda f: bare(f, "more.json", "\n<!DOCTYPE html><html>502</html>"), ("more.json", "web page", "export it again")),
    "a web page as a table": ("greenhouse", lambda f: bare(f, "more.csv", "<html><body>502</body></html>\n"), ("more.csv", "web page")),
    "a reply with its headers": ("greenhouse", lambda f: bare(f, "more.json", "HTTP/2 200\r\nlink: x\r\n\r\n[]"), ("more.json", "headers of a reply")),
    "a page that is an error": ("greenhouse", lambda f: bare(f, "more.json", '{"errors": [{"message": "Rate limit"}]}'), ("more.json", "error of the system", ": Rate limit;")),
    "an error without a list": ("greenhouse", lambda f: bare(f, "more.json", '{"status": 429, "title": "Too many"}'), ("more.json", "Too many")),
    "a packed folder": ("greenhouse", lambda f: bare(f, "more.zip", b"PK"), ("more.zip", "unpack it")),
    "an old workbook": ("greenhouse", lambda f: bare(f, "more.xls", b"\xd0\xcf"), ("more.xls", "save it as .xlsx")),
    "opportunities without a person": ("lever", lambda f: written(f, {**lever(a={}), "opportunities": [{"id": "o-1", "headline": "x", "archived": None}]}), ("no column 'contact'",)),
    "no mapping": ("csv", lambda f: spread(f, "[columns"), ("mapping.toml", "not a readable TOML file")),
    "a mapping of nothing": ("csv", lambda f: spread(f, "[columns]\nperson = 'Who'\nratr = 'x'"), ("'ratr'; did you mean 'rater'", "'outcome' is missing", "[outcomes]", "[signals]")),
    "a column that is not there": ("csv", lambda f: spread(f, MAPPING.replace('"Who"', '"Whom"')), ("my.csv", "no column 'Whom'; did you mean 'Who'")),
    "an outcome that is not named": ("csv", lambda f: spread(f, table=TABLE + "C-2,Maybe,3\n"), ("my.csv", "row 2", "Result: 'Maybe'", "[outcomes]")),
    "two outcomes for one": ("csv", lambda f: spread(f, table=TABLE + "C-1,No,3\n"), ("my.csv", "row 2", "two outcomes")),
    "nobody": ("csv", lambda f: spread(f, table=TABLE + ",No,3\n"), ("my.csv", "row 2", "Who")),
    "a heading twice": ("csv", lambda f: spread(f, table="Who,Result,Talk,Talk\nC-1,Hired,4,5\n"), ("my.csv", "'Talk' is there twice")),
    "ragged rows": ("csv", lambda f: spread(f, table=TABLE + "C-2,No\n"), ("my.csv", "row 2", "3 cells")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_malformed_exports_are_refused_with_file_row_and_fix(tmp_path: Path, name: str) -> None:
    system, make, words = CASES[name]
    folder = make(tmp_path / "export")
    with pytest.raises(PredictorError) as refusal:
        read_scorecards(system, [folder], mapping=tmp_path / "mapping.toml")
    message = str(refusal.value)
    assert all(word in message for word in words), message
    assert len(message) < 1000 and "Traceback" not in message


HARMS: dict[str, tuple[str, Callable[[], dict[str, list[Any]]]]] = {  # by a program that altered keys at random
    "a type that is a list": ("greenhouse", lambda: changed(attributes=[{"name": "A", "rating": "yes", "type": ["x"]}])),
    "an endless number": ("lever", lambda: lever(a={"interview": float("inf")})),
    "a flag of NUL": ("greenhouse", lambda: {**good(), "applications": [v1_application(1, prospect="\x00")]}),
    "scores that are a number": ("lever", lambda: lever(a={"fields": [{"type": "scorecard", "scores": 1.5, "value": [{"score": 1}, {"score": 2}]}]})),
    "a section that is null": ("ashby", lambda: ashby(formDefinition={"sections": [None, {"fields": {"a": 1}}]})),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMS)
def test_no_damaged_export_causes_a_traceback(name: str) -> None:
    system, records = HARMS[name]
    with suppress(PredictorError):
        assert read_scorecards(system, records=records()).findings.items


def test_every_problem_of_an_export_is_reported_at_once(tmp_path: Path) -> None:
    records = changed(submitted_at="soon")
    records["applications"].append(v1_application(2, rejected_at="later"))
    with pytest.raises(PredictorError, match=r"(?s)'later'.*'soon'|'soon'.*'later'"):
        read_scorecards("greenhouse", [written(tmp_path / "a", records)])


def test_messages_never_contain_free_text(tmp_path: Path) -> None:
    note = "She is the canary of our team, and her manners were poor"
    for records in (changed(submitted_at=note), changed(attributes=[{"name": "A", "rating": note}])):
        try:
            imported = read_scorecards("greenhouse", [written(tmp_path / "a", records)])
        except PredictorError as error:
            assert "canary" not in str(error)
        else:
            words = [word for item in imported.findings.items for *_, word in item.lines()]
            assert f"a text of {len(note)} characters" in words and not any("canary" in word for word in words)


def test_unrelated_json_files_are_listed_and_not_read(tmp_path: Path) -> None:
    folder = written(tmp_path, {**good(), "users": [{"id": 1, "name": "canary", "site_admin": True}]})
    assert read_scorecards("greenhouse", [folder]).files["users.json"] == ""
    assert json.loads((folder / "users.json").read_text())
