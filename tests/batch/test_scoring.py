"""Every way to score a row gives the same numbers, and each row of a file is answered or set aside exactly once."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor import OfferModel, Ratings
from predictor.batch.running import score_files
from predictor.batch.scoring import ScoringOptions

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows(interviews: Ratings) -> Rows:
    """Interviews with ids; some ratings are half way between levels and some elsewhere, like means of raters."""
    found = []
    for number, values in enumerate(interviews.values[:300]):
        rated = zip(interviews.catalogue.names, values.tolist(), strict=True)
        row = {name: None if np.isnan(value) else value for name, value in rated}
        row["goals_discussed"] = [None, 3.5, 3.3, 4.0][number % 4]
        found.append({"id": f"i{number}", **row, "rater_role": interviews.columns["rater_role"][number]})
    return found


def write_csv(path: Path, rows: Rows, delimiter: str = ",", decimal: str = ".", line_end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end)
        writer.writerow(rows[0])
        writer.writerows(["" if c is None else str(c).replace(".", decimal) for c in row.values()] for row in rows)
    return path


def write_jsonl(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def write_parquet(path: Path, rows: Rows, group: int = 70) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return path


def nested(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "ratings": {name: cell for name, cell in row.items() if name != "id" and cell is not None}}


def write_gz(path: Path, rows: Rows) -> Path:
    path.write_bytes(gzip.compress(write_csv(path.with_name("plain.csv"), rows).read_bytes()))
    return path


def write_zst(path: Path, rows: Rows) -> Path:
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as file:
        file.write(write_jsonl(path.with_name("plain.jsonl"), [nested(row) for row in rows]).read_bytes())
    return path


def write_hive(path: Path, rows: Rows) -> Path:
    for role in dict.fromkeys(row["rater_role"] for row in rows):
        some = [{k: v for k, v in row.items() if k != "rater_role"} for row in rows if row["rater_role"] == role]
        write_parquet(path / f"rater_role={role}" / "year=2026" / "part.parquet", some)
    return path


WAYS: dict[str, Callable[[Path, Rows], Path]] = {
    "parquet": lambda at, rows: write_parquet(at / "a.parquet", rows),
    "hive": lambda at, rows: write_hive(at / "hive", rows),
    "csv": lambda at, rows: write_csv(at / "ä b.csv", rows),
    "spreadsheet": lambda at, rows: write_csv(at / "a.csv", rows, ";", ",", "\r\n"),
    "gz": lambda at, rows: write_gz(at / "a.csv.gz", rows),
    "jsonl": lambda at, rows: write_jsonl(at / "a.jsonl", rows),
    "zst": lambda at, rows: write_zst(at / "a.jsonl.zst", rows),
}


@pytest.fixture(scope="module")
def expected(model: OfferModel, rows: Rows) -> dict[str, list[Any]]:
    ratings = Ratings.from_records([{k: v for k, v in row.items() if k != "id"} for row in rows], model.catalogue)
    answers = model.predict_many(ratings, base_rate=0.2, contributions=True)
    for place in (0, 1, 2, 299):
        one = model.predict({k: v for k, v in rows[place].items() if k != "id" and v is not None}, base_rate=0.2)
        printed = [one.offer_probability, one.interval.low, one.interval.high, one.baseline]
        printed += [contribution.log_odds for contribution in one.contributions]
        np.testing.assert_allclose(answers.iloc[place], printed, rtol=0, atol=1e-12)
    return {"id": [row["id"] for row in rows], **{str(name): [*answers[name]] for name in answers}}


@pytest.mark.parametrize("way", WAYS)
def test_all_formats_give_the_same_answers(
    way: str, rows: Rows, model: OfferModel, expected: dict[str, list[Any]], tmp_path: Path
) -> None:
    options = ScoringOptions(base_rate=0.2, contributions=True, top=2, keep=("id",))
    done = score_files(WAYS[way](tmp_path, rows), tmp_path / "answers.parquet", model, options=options)
    table = pq.read_table(tmp_path / "answers.parquet")
    assert (done.rows, done.bad, len(table)) == (len(rows), 0, len(rows))
    assert json.loads(table.schema.metadata[b"predictor"])["model"]["fingerprint"] == model.fingerprint
    order = np.argsort([int(name[1:]) for name in table.column("id").to_pylist()])
    if way != "hive":
        assert order.tolist() == list(range(len(rows)))
    for name, column in expected.items():
        found = table.column(name).take(order).to_pylist()
        assert found == column if name == "id" else np.allclose(found, column, rtol=0, atol=1e-12), name
    added = np.array([expected[f"contribution:{term}"] for term in model.terms])
    assert np.array_equal(table.column("reason_1_log_odds").take(order), added[abs(added).argmax(axis=0), range(300)])
    assert table.column("reason_1").take(order).to_pylist() == [model.terms[at] for at in abs(added).argmax(axis=0)]


def test_output_has_the_requested_columns(rows: Rows, model: OfferModel, tmp_path: Path) -> None:
    source = write_hive(tmp_path / "hive", rows[:9])
    options = ScoringOptions(interval=False, keep=("year", "id"))
    score_files(source, tmp_path / "a.jsonl", model, options=options)
    first = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    assert [*first] == ["year", "id", "offer_probability", "model", "simulated_model"]
    assert (first["year"], first["simulated_model"]) == ("2026", "yes")


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("_parts.log", "_predictor.json")]  # fmt: skip
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_number_of_threads_changes_no_answer(rows: Rows, model: OfferModel, tmp_path: Path) -> None:
    for number in range(5):
        write_parquet(tmp_path / "in" / f"sub{number % 2}" / f"{number}.parquet", rows[number * 50 :])
    for threads in (1, 2):
        score_files(tmp_path / "in", tmp_path / f"out{threads}", model, threads=threads)
        score_files(tmp_path / "in", tmp_path / f"out{threads}.parquet", model, threads=threads)
    assert digests(tmp_path / "out1") == digests(tmp_path / "out2")
    assert len(digests(tmp_path / "out1")) == 5
    assert (tmp_path / "out1.parquet").read_bytes() == (tmp_path / "out2.parquet").read_bytes()


@pytest.mark.parametrize(("ending", "write"), [("csv", write_csv), ("jsonl", write_jsonl), ("parquet", write_parquet)])
@pytest.mark.parametrize("one", [True, False])
def test_each_row_is_answered_or_set_aside_once(ending: str, write: Callable[[Path, Rows], Path], one: bool, rows: Rows, model: OfferModel, tmp_path: Path) -> None:  # fmt: skip
    wrong = {("a", 1), ("a", 150), ("b", 7), ("b", 8), ("b", 150)}
    for name, some in (("a", rows[:150]), ("b", rows[150:])):
        some = [{**row, **({"mutual_rapport": 9.0} if (name, n) in wrong else {})} for n, row in enumerate(some, 1)]
        write(tmp_path / "in" / f"{name}.{ending}", some)
    if ending != "parquet":  # blank rows
        with (tmp_path / f"in/a.{ending}").open("a") as file:
            file.write("1,2,3\n" if ending == "csv" else '{"id": "x"} {"id": "y"}\n')
        wrong.add(("a", 151))
    out = tmp_path / ("out.jsonl" if one else "out")
    options = ScoringOptions(keep=("id",))
    done = score_files(tmp_path / "in", out, model, options=options, write_as="jsonl", bad_rows=tmp_path / "bad.jsonl")
    bad_rows_file = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert sorted((Path(row["file"]).stem, row["row"]) for row in bad_rows_file) == sorted(wrong)
    assert all(row["problems"] and row["data"] for row in bad_rows_file)
    answers = [out] if one else sorted(out.glob("*.jsonl"))
    ids = [json.loads(line)["id"] for path in answers for line in path.read_text().splitlines()]
    bad = [150 * (name == "b") + row - 1 for name, row in wrong if row <= 150]
    assert ids == [row["id"] for place, row in enumerate(rows) if place not in bad]
    assert (done.rows, done.bad) == (len(ids), len(wrong))


def test_batch_reads_standard_input_and_writes_standard_output(rows: Rows, model: OfferModel, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "a.csv", rows, ";", ",")
    model.save(tmp_path / "model.json")
    command = [sys.executable, "-m", "predictor", "batch", "-", "-", "--format", "csv", "--keep", "id", "-m", "model.json"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, input=source.read_bytes(), capture_output=True, check=True)
    score_files(source, tmp_path / "answers.csv", model, options=ScoringOptions(keep=("id",)))
    assert done.stdout == (tmp_path / "answers.csv").read_bytes()
    assert b"300 interviews scored" in done.stderr
