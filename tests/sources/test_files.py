"""Tables written by any program give every reader the same interviews, or a clear refusal."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from strategies import EXAMPLES

from predictor.batch.running import score_files
from predictor.batch.scoring import ScoringOptions
from predictor.errors import ConfigError, PredictorError, RatingsError, RatingsWarning, nearest
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.sources.dialect import DELIMITERS, Utf8, delimiter_of
from predictor.sources.drafting.write import draft_catalogue
from predictor.sources.files import read_ratings

MODEL, CATALOGUE = OfferModel.published(), Catalogue.shipped()
SAMPLE = Path(__file__).parents[2] / "data" / "interviews.csv"
LINES = list(csv.reader(SAMPLE.read_text(encoding="utf-8").splitlines()[:13]))
HEADINGS = Catalogue.from_dict(
    {
        "name": "mine",
        "scale": {"low": 1, "high": 5, "step": 0.5},
        "columns": {"outcome": "hired", "context": ["cand"]},
        "families": {"f": "F"},
        "signals": [
            {"name": "Listening (1 = poor, 3 = mixed, 5 = good)", "label": "Listening", "family": "f"},
            {"name": "Warmth\nof tone", "label": "Warmth", "family": "f"},
        ],
    }
)
OWN = [["cand", *HEADINGS.names, "hired"], ["c1", "3.5", "4", "yes"], ["c2", "2", "", "no"], ["c3", "4", "5", "no"]]


def text(table: list[list[str]], delimiter: str = ",", line_end: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    return out.getvalue()


def book(*sheets: tuple[str, list[list[Any]]]) -> bytes:
    made, out = Workbook(), io.BytesIO()
    made.remove(made.active)
    for name, rows in sheets:
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(out)
    return out.getvalue()


def _typed(cell: str) -> Any:
    """Return a cell as a spreadsheet stores it: numbers as numbers, days as days."""
    for kind in (int, float, date.fromisoformat):
        try:
            return kind(cell)
        except ValueError:
            pass
    return cell or None


FORMATS = st.sampled_from(["csv", "xlsx", "parquet", "json", "jsonl"])
SIGNALS, IDS = set(CATALOGUE.names), "candidate_id"
# How a rating may be written, and what a file may say where there is none.
NOTATIONS: list[Callable[[float], Any]] = [
    lambda rating: int(rating) if rating.is_integer() else rating,
    lambda rating: f"{rating:g}/5",
    lambda rating: f"{rating:.2f}".replace(".", ","),
    lambda rating: f"{rating:g} stars",
    lambda rating: ("★" * int(rating) + "½" * (rating % 1 > 0)).ljust(5, "☆") if rating % 1 in (0, 0.5) else rating,
]
GAPS = [None, "N/A", "-", "k.A.", "#N/A", "not observed", "n.v.t.", "no aplica"]
OUTCOMES: list[tuple[tuple[Any, Any, Any], dict[str, Any]]] = [
    (("yes", "no", None), {}),
    (("1.00", "0.00", "-"), {}),
    ((Decimal("1.00"), Decimal("0.00"), None), {}),
    ((True, False, None), {}),
    (("Hired", "not hired", "N/A"), {}),
    (("Ja", "Nein", None), {"offer_word": "ja"}),
    (("Yes", "No", "Maybe"), {"unknown_words": ["Maybe"]}),
]
DTYPES: list[Callable[[pd.DataFrame], pd.DataFrame]] = [
    lambda frame: frame,
    lambda frame: frame.convert_dtypes(),
    lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    lambda frame: frame.astype({name: "category" for name in frame if name != IDS}),
    lambda frame: frame.astype({name: "float32" for name in frame if frame[name].dtype == "float64"}),
]


def written(cell: Any) -> Any:
    """Return a cell as text or as JSON."""
    return str(cell) if isinstance(cell, Decimal | date) else cell


@settings(max_examples=EXAMPLES or 30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_sample_is_the_same_in_every_format_and_dialect(data: st.DataObject, tmp_path: Path) -> None:
    """However ratings, gaps, outcomes and ids are written: the same `Ratings` and the same answers."""
    header, *rows = LINES
    expected = Ratings.from_text(header, rows, CATALOGUE)
    ids = [str(2**60 + n) for n in range(len(rows))]
    expected = replace(expected, columns={**expected.columns, IDS: np.array(["", *ids[1:]], dtype=object)})
    kind, rated, gap = data.draw(FORMATS), data.draw(st.sampled_from(NOTATIONS)), data.draw(st.sampled_from(GAPS))
    (offer, none, unknown), words = data.draw(st.sampled_from(OUTCOMES))
    outcome = {"yes": offer, "no": none, "": unknown}
    as_numbers = kind != "xlsx" and data.draw(st.booleans())  # a spreadsheet keeps 15 digits
    order = data.draw(st.permutations(range(len(header))))

    def cell_of(name: str, cell: str, row: int) -> Any:
        if name in SIGNALS:
            if cell and gap and kind == "parquet":  # whose columns are of one type
                return str(rated(float(cell)))
            return rated(float(cell)) if cell else gap
        if name == IDS:
            return None if row == 0 else 2**60 + row if as_numbers or (kind == "jsonl" and row % 2) else ids[row]
        return outcome[cell] if name == "offer" else _typed(cell)

    names = [header[place] for place in order]
    cells = [[cell_of(header[place], row[place], n) for place in order] for n, row in enumerate(rows)]
    labels, empty = data.draw(st.booleans()), data.draw(st.integers(0, 2))
    table = [[*names, *[""] * empty], *([*row, *[None] * empty] for row in cells)]
    if labels:
        table = [["" if not number else number - 1, *row] for number, row in enumerate(table)]
    sheet = None
    if kind == "csv":
        delimiter = data.draw(st.sampled_from(DELIMITERS))
        lines = [["" if cell is None else str(cell) for cell in row] for row in table]
        encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]
        encoding = data.draw(st.sampled_from([*encodings, *["cp1252"] * ("★" not in text(lines))]))
        hint = data.draw(st.sampled_from(["", f"sep={delimiter}\r\n"]))
        quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
        end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
        blank = data.draw(st.sampled_from(["", end * 3, (delimiter * (len(table[0]) - 1) + end) * 2]))
        content = (hint + text(lines, delimiter, end, quoting) + blank).encode(encoding)
    elif kind == "xlsx":
        sheets = [("Interviews", [[written(cell) for cell in row] for row in table])]
        if data.draw(st.booleans()):
            sheet, sheets = "Interviews", [("Notes", [["see the next"]]), *sheets]
        content = book(*sheets)
    elif kind == "parquet":
        levels = data.draw(st.lists(st.sampled_from(header), unique=True, max_size=2))
        frame = data.draw(st.sampled_from(DTYPES))(_framed(cells, names))
        out = io.BytesIO()
        (frame.set_index(levels) if levels else frame).to_parquet(out)
        content = out.getvalue()
    else:
        records = [{name: written(cell) for name, cell in zip(names, row, strict=True)} for row in cells]
        whole = json.dumps(records)
        content = (whole if kind == "json" else "\n".join(map(json.dumps, records))).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RatingsWarning)
        ending = data.draw(st.sampled_from(["csv", "TSV", "txt"])) if kind == "csv" else kind
        packing = data.draw(st.sampled_from(["", ".gz", ".bz2"])) if kind in ("csv", "json", "jsonl") else ""
        path = tmp_path / f"sample.{ending}{packing}"
        pack: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}
        path.write_bytes(pack[packing](content))
        got = read_ratings(path, CATALOGUE, sheet=sheet, **words)
        assert got.digest == expected.digest
        answers = MODEL.predict_many(expected)["offer_probability"].tolist()
        known = read_ratings(path, CATALOGUE, sheet=sheet, ignore_outcomes=True)
        assert [answer.offer_probability for answer in MODEL.predict_each(known)] == pytest.approx(answers, abs=1e-12)
        if kind == "parquet":
            many = MODEL.predict_many(pd.read_parquet(path))["offer_probability"]
            assert many.tolist() == pytest.approx(answers, abs=1e-12)
        elif kind in ("json", "jsonl"):
            one = [MODEL.predict(record).offer_probability for record in records]
            assert one == pytest.approx(answers, abs=1e-12)
        if kind != "json":
            score_files(path, tmp_path / "out.csv", MODEL, options=ScoringOptions(keep=(IDS,)), sheet=sheet)
            batch = pd.read_csv(tmp_path / "out.csv", dtype={IDS: str}, keep_default_na=False)
            assert batch["offer_probability"].tolist() == pytest.approx(answers, abs=1e-12)
            assert batch[IDS].tolist() == expected.columns[IDS].tolist()


def _framed(cells: list[list[Any]], names: list[str]) -> pd.DataFrame:
    """Return a frame whose whole numbers stay whole beside a gap; pandas would make them floats."""
    frame = pd.DataFrame(cells, columns=names, dtype=object)
    whole = any(isinstance(cell, int) for cell in frame[IDS])
    return frame.astype({IDS: "Int64"} if whole else {}).infer_objects()


DIALECTS = {
    "semicolons, commas in a heading": text(OWN, ";").encode(),
    "all quoted": text(OWN, ";", quoting=csv.QUOTE_ALL).encode(),
    "tabs": text(OWN, "\t").encode("utf-16"),
    "tabs, by their escape": rb"sep=\t" + b"\n" + text(OWN, "\t").encode(),
    "bars": text(OWN, "|").encode(),
    "a hint": b"\xef\xbb\xbfsep=^\r\n" + text(OWN, "^").encode(),
    "decimal commas": text([OWN[0], *([cell.replace(".", ",") for cell in row] for row in OWN[1:])], ";").encode(),
    "decimal commas, tabs": text([OWN[0], *([c.replace(".", ",") for c in row] for row in OWN[1:])], "\t").encode(),
    "empty columns": text([[*row, "", ""] for row in OWN]).encode(),
    "empty cells beyond the header": text([OWN[0], *([*row, ""] for row in OWN[1:])]).encode(),
    "an index": text([["" if not n else str(n - 1), *row] for n, row in enumerate(OWN)]).encode(),
    "an index with a name": text([["Unnamed: 0" if not n else str(7 * n), *row] for n, row in enumerate(OWN)]).encode(),
    "two indexes": text(
        [["Unnamed: 0.1", "Unnamed: 0"] + OWN[0], *([str(n), str(n), *row] for n, row in enumerate(OWN[1:]))]
    ).encode(),
    "empty headings beyond the cells": text([[*OWN[0], "", ""], *OWN[1:]]).encode(),
    "headings broken as on Windows": text([[name.replace("\n", "\r\n") for name in OWN[0]], *OWN[1:]]).encode(),
    "two byte order marks": b"\xef\xbb\xbf" * 2 + text(OWN).encode(),
    "marks of joined files": b"\xef\xbb\xbf" + text(OWN).encode().replace(b"c2", b"\xef\xbb\xbfc2"),
    "line ends written twice": text(OWN).encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\r\n"),
    "a rule of dashes": text([OWN[0], [":---", "---:", "---", "------"], *OWN[1:]], "|").encode(),
    "row names of R": text([OWN[0], *([str(n), *row] for n, row in enumerate(OWN[1:], 1))]).encode(),
    "blank lines": b"\r\n\r\n" + text(OWN).encode() + b"\r\n\r\n",
}


@pytest.mark.filterwarnings("ignore:.*numbers the rows")
@pytest.mark.parametrize("content", DIALECTS.values(), ids=DIALECTS)
def test_all_input_paths_read_dialects_alike(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_bytes(content)
    ratings = read_ratings(tmp_path / "my.csv", HEADINGS)
    assert ratings.values.tolist()[0] == [3.5, 4] and np.isnan(ratings.values[1, 1]) and ratings.y.tolist() == [1, 0, 0]
    assert ratings.columns["cand"].tolist() == ["c1", "c2", "c3"]
    model = small_model()
    score_files(tmp_path / "my.csv", tmp_path / "out.csv", model)
    batch = pa.csv.read_csv(tmp_path / "out.csv")["offer_probability"].to_pylist()
    assert batch == pytest.approx(model.predict_many(ratings)["offer_probability"].tolist())
    assert Journal(tmp_path / "my.journal", HEADINGS).import_csv(content) == 3
    assert all(json.dumps(name) in draft_catalogue(tmp_path / "my.csv", outcome="hired") for name in HEADINGS.names)


def small_model() -> OfferModel:
    from predictor.learning.classifier import OfferClassifier

    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(1, 6, (60, 2)).astype(float), columns=list(HEADINGS.names))
    return OfferClassifier(HEADINGS).fit(X, (X.sum(axis=1) + rng.normal(0, 1, 60) > 6).astype(int)).model_


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        ("a, b\tc, d\thired\n3,5\t4,25\tyes\n", "\t"),
        ("listening, talking;hired\n3,5;yes\n", ";"),
        ("a|b,c|d,hired\nx|y,4,yes\n", ","),
        ('note;r\n"Well, yes, but, no";4\n', ";"),
        ('"Listening\nskill";"b, c";hired\n4;3;yes\n', ";"),
        ("rating\n4\n", ","),
    ],
)
def test_the_delimiter_is_inferred_from_the_rows(head: str, delimiter: str) -> None:
    assert delimiter_of(head) == delimiter


@given(st.text(alphabet="aé€ß1,\n", max_size=40), st.sampled_from(["utf-8", "utf-16", "cp1252"]), st.integers(1, 5))
def test_a_stream_is_decoded_as_a_whole_file_is(words: str, encoding: str, size: int) -> None:
    content = words.encode(encoding)
    if encoding == "cp1252" and content.decode("utf-8", "ignore") != content.decode("cp1252"):
        from predictor.sources.dialect import encoding_of

        if encoding_of(content) != "cp1252":
            return  # the same bytes are UTF-8, too
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RatingsWarning)
        stream, parts = Utf8(io.BytesIO(content), "my.csv"), []
        while part := stream.read(max(size, 4)):
            parts.append(part)
    assert b"".join(parts).decode() == words


def test_automatic_decisions_are_reported_as_warnings(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_bytes(text([["", "goals_discussed", "rater_role"], ["0", "4", "observer"], ["1", "3", ""]]).encode())
    with pytest.warns(RatingsWarning, match=r"my\.csv: the first column has no name and numbers the rows"):
        assert read_ratings(path).X["goals_discussed"].tolist() == [4, 3]
    path.write_bytes(text([["goals_discussed", "interview_id"], ["4", "Zoë"]]).encode("cp1252"))
    with pytest.warns(RatingsWarning, match="was read as Windows-1252"):
        assert read_ratings(path).columns["interview_id"].tolist() == ["Zoë"]


REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a column without a name": ("a.csv", lambda: b"goals_discussed,\n4,\n5,late\n", "column 2 has no name, and holds 'late'"),
    "one rating without a name": ("a.csv", lambda: b",goals_discussed\n1,4\n", "column 1 has no name"),
    "a title above the header": ("a.csv", lambda: b"Export\n\nid;goals_discussed\na;4\n", "'Export', is not a header: .* 2 cells; take out"),
    "quotes after blanks": ("a.csv", lambda: b'"a", "goals, discussed"\n1, "4"\n', "a quote after a blank"),
    "blank lines": ("a.csv", lambda: b"\n \n\n", "the file is empty"),
    "blank lines of JSON": ("a.jsonl", lambda: b"\n \n\n", "the file is empty"),
    "commas only": ("a.csv", lambda: b",,\n,,\n", "no rows"),
    "a header that comes again": ("a.csv", lambda: b"goals_discussed\n4\n\ngoals_discussed\n5\n", "row 3: repeats the header"),
    "JSON named CSV": ("a.csv", lambda: b'[{"goals_discussed": 4}]', "is JSON, by its first bytes"),
    "a long first line": ("a.csv", lambda: b"x" * 20_000_000, "more than 131,072 characters"),
    "many columns": ("a.csv", lambda: b"c," * 1_000_000, "of which at most 16,384 are read|longer than 1 MB"),
    "a long cell": ("a.csv", lambda: b"goals_discussed\n" + b"4" * 200_000, "more than 131,072 characters"),
    "a workbook named CSV": ("a.csv", lambda: book(("x", [["a"]])), "no column|not in the catalogue|no rows"),
    "an old workbook": ("a.xlsx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "before Excel 2007"),
    "a password": ("a.xlsx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "password"),
    "a cut workbook": ("a.xlsx", lambda: book(("x", [["a"]]))[:-200], "damaged Excel workbook"),
    "a strict workbook": ("a.xlsx", lambda: zipped({"xl/workbook.xml": b'<workbook xmlns="http://purl.oclc.org/ooxml/x">'}), "Strict Open XML"),
    "another archive": ("a.xlsx", lambda: zipped({"a.txt": b"x"}), "is not an Excel workbook"),
    "an empty sheet": ("a.xlsx", lambda: book(("x", [])), "sheet 'x' is empty"),
    "a formula without result": ("a.xlsx", lambda: book(("x", [["goals_discussed"], ["=1+3"]])), "cell A2 holds a formula"),
    "a long id": ("a.xlsx", lambda: book(("x", [["interview_id", "goals_discussed"], [1.5e17, 4]])), "more than 15 digits"),
    "a packed file by its bytes": ("a.csv", lambda: gzip.compress(b"goals_discussed\n4\n"), "is compressed .gzip., by its first bytes"),
    "packed, by its name": ("a.csv.gz", lambda: b"goals_discussed\n4\n", "is not compressed as its name states"),
    "packed and cut": ("a.jsonl.gz", lambda: gzip.compress(b"{}" * 999)[:-9], "is not compressed as its name states, or damaged"),
    "a small file that unpacks to much": ("a.csv.gz", lambda: gzip.compress(b"\n" * (129 << 20), 1), "larger than 128 MB decompressed"),
    "many keys": ("a.jsonl", lambda: json.dumps(dict.fromkeys(map(str, range(20_000)), 4)).encode(), "20,000 columns, of which at most 16,384"),
    "many columns of Parquet": ("a.parquet", lambda: parquet(20_000), "20,000 columns, of which at most 16,384"),
    "a packed workbook": ("a.xlsx.gz", lambda: b"x", "is compressed, and by its name neither CSV nor JSON"),
    "an older spreadsheet": ("a.ods", lambda: b"x", "save it as .xlsx or as CSV"),
}  # fmt: skip


def parquet(columns: int) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({str(number): [4] for number in range(columns)}), out)
    return out.getvalue()


def zipped(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_are_no_tables_are_refused_clearly(case: str, tmp_path: Path) -> None:
    name, content, says = REFUSED[case]
    (tmp_path / name).write_bytes(content())
    started = time.process_time()
    with pytest.raises(PredictorError, match=says):
        read_ratings(tmp_path / name)
    assert time.process_time() - started < 3


@pytest.mark.parametrize(("start", "row"), [(b"", b"a,"), (b'a,"', b"b\n")])
def test_an_oversized_compressed_header_is_refused_early(start: bytes, row: bytes, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.csv.gz", "wb", 1) as file:
        file.write(start)
        for _ in range(20):
            file.write(row * 500_000)
    with pytest.raises(RatingsError, match=r"longer than 1 MB|at most 16,384|131,072"):
        score_files(tmp_path / "a.csv.gz", tmp_path / "out.csv", MODEL)


def test_a_sheet_is_read_as_displayed(tmp_path: Path) -> None:
    path = tmp_path / "my.xlsx"
    made = Workbook()
    made.active.title = "Notes"
    made.active["A1"] = "see the next"
    sheet = made.create_sheet("Ratings")
    sheet.append(["interview_id", "rated_on", "goals_discussed", "offer"])
    sheet.append([10**14 + 1, date(2026, 5, 31), 3.5, True])
    sheet.append(["0042", None, 2, "no"])
    sheet.append([43, None, 2, "no"])
    sheet["A4"].number_format = "0000"
    sheet.append(["Average:", None, 2.5])
    made.save(path)
    with pytest.warns(RatingsWarning, match="its last row begins with 'Average:'; if it is not an interview"):
        read = read_ratings(path, sheet="Ratings")
    assert read.columns["interview_id"].tolist()[:3] == [str(10**14 + 1), "0042", "0043"]
    assert read.columns["rated_on"].tolist()[:2] == ["2026-05-31", ""]
    assert read.X["goals_discussed"].tolist()[:2] == [3.5, 2] and read.y.tolist()[:2] == [1, 0]
    with pytest.raises(RatingsError, match="has no sheet 'Rating'; it has 'Notes', 'Ratings'"):
        read_ratings(path, sheet="Rating")
    with pytest.warns(RatingsWarning, match="sheet 'Notes' was read, the first of 2"), pytest.raises(RatingsError):
        read_ratings(path)
    with pytest.warns(RatingsWarning, match="Average"):
        assert len(Journal(tmp_path / "my.journal").import_files([path], sheet="Ratings").fresh) == 4
    with pytest.raises(ConfigError, match="only Excel workbooks have sheets"):
        read_ratings(tmp_path / "my.csv", sheet="Ratings")


def test_merged_cells_apply_to_all_their_rows(tmp_path: Path) -> None:
    """As pandas writes an index of several levels, and people write a candidate with several raters."""
    frame = pd.DataFrame(
        [["a", "observer", 4], ["a", "candidate", 3], ["b", "observer", 2]],
        columns=["candidate_id", "rater_role", "goals_discussed"],
    )
    frame.set_index(["candidate_id", "rater_role"]).to_excel(tmp_path / "my.xlsx")
    assert read_ratings(tmp_path / "my.xlsx").columns["candidate_id"].tolist() == ["a", "a", "b"]
    made = Workbook()
    for row in ([*frame], *frame.to_numpy().tolist()):
        made.active.append(row)
    made.active["A3"] = None
    made.active.merge_cells("A2:A3")
    made.active.merge_cells("B4:B9")  # beyond the last row: adds no interviews
    made.save(tmp_path / "other.xlsx")
    ratings = read_ratings(tmp_path / "other.xlsx")
    assert ratings.columns["candidate_id"].tolist() == ["a", "a", "b"]
    assert ratings.columns["rater_role"].tolist() == ["observer", "candidate", "observer"]


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.xlsx"
    monkeypatch.setattr("predictor.sources.workbook.MOST_BYTES", 1 << 20)
    path.write_bytes(zipped({"xl/workbook.xml": bytes(3 << 20)}))
    with pytest.raises(RatingsError, match="has 3 MB decompressed, of which at most 1 are read"):
        read_ratings(path)
    monkeypatch.setattr("predictor.sources.workbook.MOST_CELLS", 100)
    path.write_bytes(book(("x", [["a"], [*[None] * 200, "far"]])))
    with pytest.raises(RatingsError, match="has more than 100 cells"):
        read_ratings(path)


def test_percentages_in_a_sheet_are_read_as_in_csv(tmp_path: Path) -> None:
    from predictor.sources.text import parse_table

    made, out = Workbook(), io.BytesIO()
    made.active.append(["a", "b"])
    made.active.append([0.8, 0.125])
    made.active["A2"].number_format, made.active["B2"].number_format = "0%", "0.0%"
    made.save(out)
    assert parse_table(out.getvalue(), "my.xlsx")[1] == [["80%", "12.5%"]]


def test_damaged_parquet_is_refused_clearly(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"interview_id": ["a", "b", "ü"], "goals_discussed": [4, None, 2], "offer": ["yes", "no", "no"]}
    )
    whole = io.BytesIO()
    frame.to_parquet(whole)
    content, rng = whole.getvalue(), np.random.default_rng(0)
    options = ScoringOptions(keep=("interview_id",), unobserved=tuple(set(MODEL.signals) - {"goals_discussed"}))
    path = tmp_path / "a.parquet"
    for place in rng.choice(len(content), 30, replace=False):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        for reader in (
            lambda: read_ratings(path),
            lambda: score_files(path, tmp_path / "out.csv", MODEL, options=options),
            lambda: draft_catalogue(path, outcome="offer"),
        ):
            try:
                reader()  # a flipped bit in a value is another value
            except PredictorError as error:
                assert "a.parquet" in str(error)


def test_long_words_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), ["x" * 1_000_000])
    table = pa.table({"rater_role": long, **{name: pa.array([4] * 50_000) for name in MODEL.signals}})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", store_schema=False)  # 50 GB unpacked
    for reader in (
        lambda: read_ratings(tmp_path / "a.parquet"),
        lambda: score_files(tmp_path / "a.parquet", tmp_path / "out.csv", MODEL),
        lambda: draft_catalogue(tmp_path / "a.parquet", outcome="offer"),
    ):
        with pytest.raises(RatingsError, match="rater_role: has a cell of 1,000,000 bytes"):
            reader()
    assert nearest("x" * 10_000_000, ["goals_discussed"]) == nearest("goals", ["g" * 10_000_000]) == ""
