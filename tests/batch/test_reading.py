"""Unreadable input is reported by file, row and column; no row is dropped silently and no file is half written."""

from __future__ import annotations

import io
import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor import OfferModel, read_ratings
from predictor.batch import reading
from predictor.batch.parts import FileFormat, Part
from predictor.batch.running import score_files
from predictor.batch.scoring import MOST_EXPLAINED, ScoringOptions
from predictor.errors import PredictorError, RatingsError
from predictor.sources.compression import COMPRESSIONS

MODEL = OfferModel.published()
NAMES = ("goals_discussed", "mutual_rapport")
OPTIONS = ScoringOptions(keep=("id",), unobserved=tuple(name for name in MODEL.signals if name not in NAMES))
HEADER = "id,goals_discussed,mutual_rapport\n"


def score(folder: Path, out: str = "answers.csv", **how: bool | str | Path) -> list[str]:
    """Score the files and return the ids of the answers, in order."""
    options = ScoringOptions(**{**vars(OPTIONS), **{k: how.pop(k) for k in [*how] if k in vars(OPTIONS)}})
    score_files(folder / "in", folder / out, MODEL, options=options, **how)  # type: ignore[arg-type]
    return [line.split(",")[0].strip('"') for line in (folder / out).read_text().splitlines()[1:]]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def parquet(**columns: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table({"id": ["a", "b"], "goals_discussed": [4, 5], "mutual_rapport": [4, None], **columns}), sink
    )
    return bytes(sink.getvalue())


def parquet_of(words: list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    ids = [str(number) for number in range(1, len(words) + 1)]
    pq.write_table(pa.table({"id": ids, "goals_discussed": [4] * len(words), "mutual_rapport": words}), sink)
    return bytes(sink.getvalue())


def no_rows() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pq.read_table(pa.py_buffer(parquet())).slice(0, 0), sink)
    return bytes(sink.getvalue())


REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "nothing in it": ("a.csv", "", r"a\.csv: 1 problem.*the file is empty; it needs a header"),
    "too many cells": ("a.csv", HEADER + "a,1,2\nb,1,2,3\n", r"a\.csv: 1 of 2 rows cannot be used.*row 2: '4 cells' does not have the header's 3"),
    "quote not closed": ("a.csv", HEADER + 'a,1,2\n"b,1,2\nc,1,2\n', r"a\.csv.*row 2: has a quote that nothing closes"),
    "quote closed by the next": ("a.csv", HEADER + 'a,1,2\n"b,1,2\n"c",1,2\n', r"a\.csv.*row 2: has text after a closing quote"),
    "not UTF-8": ("a.csv", (HEADER + "ä,1,2\nb,1,2\n").encode() + "ä,1,2\n".encode("cp1252"), r"a\.csv.*row 3: is not UTF-8"),
    "no text": ("a.csv", HEADER.encode("utf-16") + b"\x00\xd8,1,2\n", r"a\.csv.*is not UTF-8"),
    "a workbook by its bytes": ("a.csv", b"PK\x03\x04 and so on", r"a\.csv.*is an Excel workbook.*name it \.xlsx"),
    "a header only": ("a.csv", HEADER, r"has no rows"),
    "no rows of Parquet": ("a.parquet", no_rows(), r"has no rows"),
    "blank lines": ("a.jsonl", "\n \n\n", r"a\.jsonl.*has no rows"),
    "out of scale": ("a.csv", HEADER + "a,1,2\nb,0,2\n", r"a\.csv.*row 2, goals_discussed: '0' is out of scale; write 1 to 5"),
    "misspelled": ("a.csv", HEADER.replace("mutual", "mutal"), r"mutual_rapport: is missing in .*a\.csv; did you mean 'mutal_rapport'"),
    "nothing to keep": ("a.csv", HEADER.replace("id", "idx"), r"id: is missing in .*a\.csv, so --keep cannot copy it; did you mean 'idx'"),
    "column twice": ("a.csv", HEADER.replace("mutual_rapport", "goals_discussed"), r"goals_discussed: appears 2 times in .*a\.csv"),
    "compressed, cut off": ("a.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", r"a\.csv\.gz.*cannot be read"),
    "word for a number": ("a.jsonl", '{"id": "a", "mutual_rapport": "four", "goals_discussed": 4}\n', r"row 1, mutual_rapport: 'four' is not a number"),
    "true for a number": ("a.jsonl", '{"mutual_rapport": 4, "goals_discussed": 4, "id": 1}\n{"mutual_rapport": true}\n', r"row 2, mutual_rapport: 'True' is true or false"),
    "key twice": ("a.jsonl", '{"id": 1, "mutual_rapport": 4, "goals_discussed": 1, "mutual_rapport": 3}\n', r"row 1, mutual_rapport: is given twice"),
    "infinite": ("a.jsonl", '{"id": 1, "mutual_rapport": Infinity, "goals_discussed": 1}\n', r"row 1, mutual_rapport: 'inf' is not a number"),
    "no mapping": ("a.jsonl", '{"id": 1, "mutual_rapport": 4, "goals_discussed": 1}\n\nnull\n', r"row 2: is not a mapping"),
    "two on a line": ("a.jsonl", '{"id": 1, "mutual_rapport": 4, "goals_discussed": 1} {"id": 2}\n', r"row 1: is not JSON: Extra data"),
    "a word not UTF-8": ("a.jsonl", b'{"id": 1, "mutual_rapport": 4, "goals_discussed": 1}\n{"id": "\xe9"}\n', r"row 2: is not UTF-8"),
    "cut UTF-16": ("a.jsonl", '{"id": 1}\n'.encode("utf-16")[:-1], r"is not UTF-16 text"),
    "no mapping of ratings": ("a.jsonl", '{"id": 1, "mutual_rapport": 4, "goals_discussed": 1}\n{"ratings": null}\n', r"row 2, ratings: 'None' must be a mapping"),
    "misspelled key": ("a.jsonl", '{"id": 1, "mutal_rapport": 4, "goals_discussed": 1}\n', r"mutual_rapport: is in none of the first 1 lines; did you mean 'mutal_rapport'"),
    "cut off": ("a.parquet", parquet()[:-9], r"a\.parquet: is not a whole Parquet file"),
    "text column": ("a.parquet", parquet(mutual_rapport=["4", "five"]), r"a\.parquet.*row 2, mutual_rapport: 'five' is not a number"),
    "yes or no": ("a.parquet", parquet(mutual_rapport=[True, None]), r"mutual_rapport: has the type bool"),
    "a list to keep": ("a.parquet", parquet(id=[[1], [2]]), r"id: has the type list<.* cannot be kept"),
    "unknown word": ("a.parquet", parquet(rater_role=["observer", "boss"]), r"a\.parquet.*row 2, rater_role: 'boss' is none of interviewer"),
    "unknown ending": ("a.xls", b"PK", r"a\.xls: has none of the endings"),
    "no workbook": ("a.xlsx", b"PK", r"a\.xlsx.*is not an Excel workbook"),
    "a folder that rates": ("mutual_rapport=4/a.csv", HEADER, r"is in the name of a folder"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_unreadable_input_is_refused(case: str, tmp_path: Path) -> None:
    name, content, printed = REFUSED[case]
    with pytest.raises(PredictorError) as refused:
        score(write(tmp_path, name, content))
    assert re.search(printed, str(refused.value), re.DOTALL)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_missing_column_is_reported_with_its_file(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", HEADER + "a,1,2\n")
    write(tmp_path, "sub dir/b.csv", "id,goals_discussed,rater_role\nb,1,observer\n")
    with pytest.raises(PredictorError) as refused:
        score(tmp_path)
    assert "mutual_rapport: is missing in" in str(refused.value) and "sub dir/b.csv; if it was never" in str(
        refused.value
    )
    assert f"rater_role: is missing in {tmp_path / 'in' / 'a.csv'}, though" in str(refused.value)


@pytest.mark.parametrize("out", ["out.csv", "out"])
def test_some_files_may_be_empty_but_not_all(out: str, tmp_path: Path) -> None:
    write(write(tmp_path, "a.csv", HEADER + "a,1,2\n"), "b.csv", HEADER)
    assert score_files(tmp_path / "in", tmp_path / out, MODEL, options=OPTIONS).rows == 1
    write(tmp_path, "a.csv", HEADER)
    with pytest.raises(PredictorError, match="has no rows"):
        score_files(tmp_path / "in", tmp_path / f"no-{out}", MODEL, options=OPTIONS)
    assert not [path for path in tmp_path.rglob("no-out*/*") if path.suffix == ".csv"]
    assert not (tmp_path / "no-out.csv").exists()


@pytest.mark.parametrize("kind", ["utf-8", "utf-16", "gz", "bz2", "zst", "lz4"])
def test_json_lines_are_read_and_numbered_as_predict_does(kind: str, tmp_path: Path) -> None:
    """Blank lines are no rows, and a line ends with a line feed only."""
    lines = [
        '{"id": "a", "goals_discussed": 4,\r "mutual_rapport": 2}',
        " ",
        '{"id": "b", "mutual_rapport": "4/5"}',
        "",
    ]
    name = "a.jsonl" if kind.startswith("utf") else f"a.jsonl.{kind}"

    def content(*more: str) -> bytes:
        whole = "\n".join([*lines, *more])
        return whole.encode(kind) if kind.startswith("utf") else packed(whole.encode(), COMPRESSIONS[f".{kind}"])

    write(tmp_path, name, content())
    assert score(tmp_path) == ["a", "b"]
    there = read_ratings(tmp_path / "in" / name, replace(MODEL.catalogue, context=("id",)))
    assert there.columns["id"].tolist() == ["a", "b"]
    assert there.X["mutual_rapport"].tolist() == [2, 4]
    write(tmp_path, name, content('{"mutual_rapport": 9}'))
    for read in (score, lambda folder: read_ratings(folder / "in" / name, replace(MODEL.catalogue, context=("id",)))):
        with pytest.raises(RatingsError, match="row 3, mutual_rapport: '9' is out of scale"):
            read(tmp_path)


def packed(content: bytes, compression: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, compression) as stream:
        stream.write(content)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("line", ['{"goals_discussed": "what"}', '{"goals_discussed": [', '{"rater_role": {"a": 1}}'])
def test_unusable_json_lines_are_counted_quickly(line: str, tmp_path: Path) -> None:
    """Only the first of a part are explained; parsing each one fully took half a millisecond."""
    write(tmp_path, "a.jsonl", '{"id": "a", "goals_discussed": 4, "mutual_rapport": 4}\n' + f"{line}\n" * 20_000)
    begun = time.process_time()
    with pytest.raises(RatingsError, match="20,000 of 20,001 rows cannot be used") as refused:
        score(tmp_path)
    assert time.process_time() - begun < 4
    assert len(refused.value.problems) == MOST_EXPLAINED


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl"])
def test_many_bad_rows_are_counted_and_explained_in_the_bad_rows_file(name: str, tmp_path: Path) -> None:
    words = [f"neither {number:05} nor a rating" for number in range(3000)]
    words[7] = "4"
    rows = [f"{number},4,{word}\n" for number, word in enumerate(words, 1)]
    content = parquet_of(words) if name.endswith("parquet") else HEADER + "".join(rows)
    if name.endswith("jsonl"):
        lines = [{"id": n, "goals_discussed": 4, "mutual_rapport": word} for n, word in enumerate(words, 1)]
        content = "\n".join(map(json.dumps, lines))
    write(tmp_path, name, content)
    with pytest.raises(RatingsError, match="2,999 of 3,000 rows cannot be used") as refused:
        score(tmp_path)
    assert [problem.row for problem in refused.value.problems] == [row for row in range(1, 1002) if row != 8]
    assert score(tmp_path, bad_rows=tmp_path / "bad.jsonl") == ["8"]
    bad_rows_file = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert [row["row"] for row in bad_rows_file] == [row for row in range(1, 3001) if row != 8]
    for row in bad_rows_file:
        (problem,), word = row["problems"], words[row["row"] - 1]
        assert problem.startswith(f"mutual_rapport '{word}' is not a number")
        assert json.loads(row["data"])["mutual_rapport"] == word


def test_two_inputs_with_the_same_output_file_are_refused(tmp_path: Path) -> None:
    write(write(tmp_path, "a.jsonl", "{}\n"), "a.ndjson", "{}\n")
    with pytest.raises(PredictorError, match=r"a\.jsonl and .*a\.ndjson would become one file, a; rename one"):
        score(tmp_path, "out")


def test_links_to_folders_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", HEADER).joinpath("in", "more").symlink_to(tmp_path)
    with pytest.raises(PredictorError, match="more: is a link to a folder"):
        score(tmp_path)


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        ("\ufeffsep=;\r\nid;goals_discussed;mutual_rapport\r\na;3,5;4\r\nb;;\r\n;;\r\n;;\r\n", ["a", "b"]),
        (HEADER + "a,1,2\n\nc,1,2", ["a", "", "c"]),  # a blank row between others is one, as everywhere
        (HEADER + 'a,1,2\n5" disk,1,2\n', ["a", '5"" disk']),
        ('"id","note",goals_discussed,mutual_rapport,\na,"one\ntwo ""x""",1,2,\nb,,1,2,\n', ["a", "b"]),
    ],
)
def test_csv_written_by_spreadsheets_is_read(content: str, ids: list[str], tmp_path: Path) -> None:
    assert score(write(tmp_path, "a.csv", content)) == ids


def test_answers_stay_with_their_rows(tmp_path: Path) -> None:
    """Rows set aside before, between and after batches shift no answer to another row."""
    lines = [f"{n},{1 + n % 5},{'x' if n % 100_003 == 0 else 3}" + ",?" * (n % 70_001 == 5) for n in range(600_000)]
    write(tmp_path, "a.csv", HEADER + "\n".join(lines) + "\n")
    ids = score(tmp_path, bad_rows=tmp_path / "bad.jsonl")
    bad_rows_file = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    wrong = [n for n in range(600_000) if n % 100_003 == 0 or n % 70_001 == 5]
    assert sorted(row["row"] for row in bad_rows_file) == [n + 1 for n in wrong]
    assert [*map(int, ids)] == sorted({*range(600_000)} - {*wrong})
    found = [line.split(",")[1] for line in (tmp_path / "answers.csv").read_text().splitlines()[1:]]
    one = [MODEL.predict({"goals_discussed": 1 + n % 5, "mutual_rapport": 3}).offer_probability for n in range(5)]
    assert all(abs(float(p) - one[int(n) % 5]) < 1e-12 for n, p in zip(ids, found, strict=True))


def test_columns_missing_in_a_file_come_from_folder_names(tmp_path: Path) -> None:
    line = '{"id": "%s", "goals_discussed": 4, "mutual_rapport": 4}\n'
    write(tmp_path, "rater_role=observer/a.jsonl", line % "a")
    write(tmp_path, "rater_role=__HIVE_DEFAULT_PARTITION__/a.jsonl", line % "b")
    write(tmp_path, "rater_role=boss/a.jsonl", line % "c")
    score(tmp_path, bad_rows=tmp_path / "bad.jsonl")
    found = [line.split(",") for line in (tmp_path / "answers.csv").read_text().splitlines()[1:]]
    ratings = {"goals_discussed": 4, "mutual_rapport": 4}
    printed = {"b": MODEL.predict(ratings), "a": MODEL.predict({**ratings, "rater_role": "observer"})}
    assert {cells[0].strip('"'): pytest.approx(float(cells[1]), abs=1e-12) for cells in found} == {
        name: answer.offer_probability for name, answer in printed.items()
    }
    assert "'boss' is none of" in (tmp_path / "bad.jsonl").read_text()


UUIDS = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16), None], pa.binary(16)))


@pytest.mark.parametrize("kind", [pa.binary(), pa.binary_view(), pa.dictionary(pa.int8(), pa.binary()), pa.uuid()], ids=str)  # fmt: skip
def test_ids_and_ratings_stored_as_bytes_are_read_as_text(kind: pa.DataType, tmp_path: Path) -> None:
    ids = UUIDS if kind == pa.uuid() else pa.array([b"c1", None]).cast(kind)
    rated = pa.array([4, None]) if kind == pa.uuid() else pa.array([b"4", None]).cast(kind)
    written = pa.table({"candidate_id": ids, "goals_discussed": rated, "mutual_rapport": pa.array([5, 5])})
    pq.write_table(written, tmp_path / "my.parquet")
    ratings = read_ratings(tmp_path / "my.parquet")
    assert list(ratings.columns["candidate_id"]) == [
        "00000000-0000-0000-0000-000000000000" if ids is UUIDS else "c1",
        "",
    ]
    unobserved = tuple({*MODEL.signals} - {*written.column_names})
    options = ScoringOptions(keep=("candidate_id",), unobserved=unobserved)
    score_files(tmp_path / "my.parquet", tmp_path / "answers.csv", MODEL, options=options)
    answers = pd.read_csv(tmp_path / "answers.csv", keep_default_na=False)
    assert list(answers["candidate_id"]) == list(ratings.columns["candidate_id"])
    assert list(answers["offer_probability"]) == pytest.approx(list(MODEL.predict_many(ratings)["offer_probability"]))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary(), pa.timestamp("us", "UTC"), pa.decimal128(21, 2), pa.float64()], ids=str)  # fmt: skip
def test_ids_of_any_type_are_kept(kind: pa.DataType, ending: str, tmp_path: Path) -> None:
    cells = pa.array([1, None], pa.int64()) if kind.id != pa.binary().id else pa.array([b"1", None])
    cells = cells.cast(pa.string()).cast(kind) if "string" in str(kind) else cells.cast(kind)
    write(tmp_path, "a.parquet", parquet(id=cells))
    score_files(tmp_path / "in", tmp_path / f"answers.{ending}", MODEL, options=OPTIONS)
    content = (tmp_path / f"answers.{ending}").read_bytes()
    assert len(pq.read_table(tmp_path / "answers.parquet") if ending == "parquet" else content.splitlines()[ending == "csv" :]) == 2  # fmt: skip


def test_a_refused_file_is_not_closed_during_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.BytesIO):
        reading, closed_amid = False, False

        def read(self, size: int | None = -1) -> bytes:
            self.reading = True
            time.sleep(0.05)  # so nearly always something is being read
            content = super().read(size)
            self.reading = False
            return content

        def close(self) -> None:
            self.closed_amid |= self.reading
            super().close()

    model = OfferModel.published()
    stream = Slow(f"{','.join(model.signals)}\n{'4,' * 23}".encode() + b"y" * 8_000_000)
    monkeypatch.setattr(reading, "BYTES", 100_000)
    monkeypatch.setattr(reading, "opened", lambda part: (stream, lambda: 0.5))
    with pytest.raises(RatingsError, match="row 1: or one soon after it is longer than"):
        list(reading.read_blocks(Part(tmp_path / "my.csv", FileFormat("csv"), "my"), model))
    assert stream.closed
    assert not stream.closed_amid
