"""Read ratings from CSV, Excel, JSON, JSON Lines and Parquet files, and write them to CSV.

The same rules hold for every format, and a cell means the same in each: see `Signal.parse_text` and
`predictor.ratings.cells`.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.atomic import write_text
from predictor.errors import ConfigError, MissingExtraError, Problem, RatingsError
from predictor.ratings.catalogue import RATINGS, Catalogue
from predictor.ratings.ratings import Ratings
from predictor.sources.compression import COMPRESSIONS, read_unpacked, unpacked
from predictor.sources.dialect import MOST_COLUMNS, counts_rows, too_many_columns
from predictor.sources.text import Table, is_nameless, parse_table, warn_of_labels
from predictor.sources.workbook import WORKBOOKS

if TYPE_CHECKING:
    import pandas as pd

_ROW_LABEL = re.compile(r"__index_level_\d+__")  # the column in which pandas keeps an index without a name
_WHOLE = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
CSV, LINES = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson")  # whatever separates the cells
TEXT, JSON = (*CSV, *WORKBOOKS), (".json", *LINES)
FORMATS = (".csv", ".tsv", ".txt", ".xlsx", ".json", ".jsonl", ".parquet")


def read_ratings(
    path: str | Path,
    catalogue: Catalogue | None = None,
    *,
    training: bool = False,
    offer_word: str | None = None,
    unknown_words: Collection[str] = (),
    ignore_outcomes: bool = False,
    sheet: str | None = None,
) -> Ratings:
    """Read ratings from a file.

    Parameters
    ----------
    path
        A .csv, .tsv or .txt file (with a header; comma, semicolon, tab or pipe; UTF-8, UTF-16 or Windows-1252), an
        .xlsx workbook, a .json file (one mapping or a list of them), .jsonl (one mapping per line), or .parquet. CSV
        and JSON may be compressed, as in ratings.csv.gz (.gz, .bz2, .zst, .lz4).
    catalogue
        The catalogue that the file follows; default: the shipped one.
    training
        Whether outcomes of both kinds must be there.
    offer_word
        The outcome that means an offer, where no word of `predictor.ratings.outcomes.OFFER` does, such as "Ja"; there
        may be one other word then, which means none.
    unknown_words
        Outcomes that mean unknown, as an empty cell does, such as "Maybe".
    ignore_outcomes
        Whether outcomes are unknown whatever their words, as for a prediction.
    sheet
        Of a workbook, by name; default: the first that is visible.

    Returns
    -------
    Ratings
        One row per interview.

    Raises
    ------
    RatingsError
        With every problem of the file.
    MissingExtraError
        If pyarrow, which reads Parquet, is not installed.
    """
    known = catalogue or Catalogue.shipped()
    how: dict[str, Any] = {"training": training, "offer_word": offer_word}
    how |= {"unknown_words": tuple(unknown_words), "ignore_outcomes": ignore_outcomes}
    return read_by_header(lambda _: known, path, sheet, **how)


def read_by_header(
    catalogue_of: Callable[[list[str]], Catalogue], path: str | Path, sheet: str | None = None, **how: Any
) -> Ratings:
    """Read ratings by a catalogue that depends on the names of the file's columns; see `read_ratings`."""
    path, how["source"] = Path(path), str(path)
    ending = ending_of(path)
    refuse_sheet(path, sheet)
    if ending == ".parquet":
        frame = read_parquet(path)
        return Ratings.from_frame(frame, catalogue_of([*map(str, frame.columns)]), **how)
    if ending in TEXT:
        header, rows, problems = read_text(path, sheet)
        ratings = Ratings.from_text(header, rows, catalogue_of(header), problems=problems, **how)
        return replace(ratings, read_with={**ratings.read_with, "sheet": sheet}) if sheet else ratings
    if ending in JSON:
        records, problems = read_json(path)
        names = [name for record in records if isinstance(record, dict) for name in record]
        return Ratings.from_records(records, catalogue_of(names), problems=problems, **how)
    raise unknown_format(path)


def read_cells(path: Path, sheet: str | None = None) -> dict[str, list[Any]]:
    """Read the cells of each column without a catalogue, None where empty; a record's "ratings" are columns, too.

    Raises
    ------
    RatingsError
        If the file cannot be read, or has a problem in its form.
    """
    ending, problems = ending_of(path), list[Problem]()
    refuse_sheet(path, sheet)
    if ending == ".parquet":
        frame = read_parquet(path)
        header, rows = [*map(str, frame.columns)], frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    elif ending in TEXT:
        header, text, problems = read_text(path, sheet)
        rows = [[cell.strip() or None for cell in row] for row in text]
    elif ending in JSON:
        records, problems = read_json(path)
        bad = [number for number, record in enumerate(records, 1) if not isinstance(record, dict)]
        problems += [Problem("is not a mapping", number) for number in bad]
        flat = [
            record | record.pop(RATINGS) if isinstance(record.get(RATINGS), dict) else record
            for record in records
            if not bad
        ]
        header = list(dict.fromkeys(name for record in flat for name in record))
        rows = [[record.get(name) for name in header] for record in flat]
    else:
        raise unknown_format(path)
    for name, times in Counter(header).items():
        if not name.strip() and not problems:
            problems.append(Problem("a column of the header has no name; name it or take it out"))
        elif name.strip() and times > 1:
            problems.append(Problem(f"appears {times:,} times in the header; keep one column", column=name))
    if problems:
        raise RatingsError(str(path), problems)
    return {name: [row[index] for row in rows] for index, name in enumerate(header)}


def word_of(cell: Any) -> str:
    """Write a cell as `Ratings` keeps it in a context column."""
    return (str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)).strip()


def ending_of(path: Path) -> str:
    """Return the ending that names the format: of a compressed file, that of its content.

    >>> ending_of(Path("My.CSV")), ending_of(Path("my.jsonl.gz")), ending_of(Path("my.parquet.gz"))
    ('.csv', '.jsonl', '')
    """
    inside = unpacked(path)
    ending = inside.suffix.lower()
    return ending if inside == path or ending in (*CSV, *JSON) else ""


def unknown_format(path: Path) -> RatingsError:
    """Return the problem that a format is unknown, with those that are read."""
    if unpacked(path) != path:
        kind = "is compressed, and by its name neither CSV nor JSON; decompress it"
    elif path.suffix.lower() in (".xls", ".xlsb", ".ods", ".numbers"):
        kind = "is a spreadsheet that is not read; save it as .xlsx or as CSV"
    else:
        kind = (
            f"the file's name has none of the endings {', '.join(FORMATS)}, CSV and JSON also compressed "
            f"({', '.join(COMPRESSIONS)}); save a spreadsheet as 'CSV UTF-8'"
        )
    return RatingsError(str(path), [Problem(kind)])


def refuse_sheet(path: Path, sheet: str | None) -> None:
    """Refuse a sheet where the file is not a workbook.

    Raises
    ------
    ConfigError
        If it is none.
    """
    if sheet is not None and path.suffix.lower() not in WORKBOOKS:
        raise ConfigError(f"{path}: only Excel workbooks have sheets; leave --worksheet out")


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys came twice."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        made.repeated = tuple(name for name, count in counts.items() if count > 1)
    return made


# NaN and Infinity are not JSON, but Python reads them: as text they are refused with row and name.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=str)


_NOTHING = "the file is empty; write one with: predictor signals form"
_QUOTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class TooManyError(RatingsError):
    """There are more records than were allowed."""


def parse_json(content: bytes, source: str, *, most: int | None = None) -> tuple[list[Any], list[Problem]]:
    """Parse JSON into records, one per interview, with the problems of its form.

    Parameters
    ----------
    content
        One mapping or a list of them.
    source
        How messages call it.
    most
        Most records; no more are parsed.

    Raises
    ------
    TooManyError
        If there are more records than `most`, or more nested objects than that many records can have.
    RatingsError
        If the content is empty, not UTF-8, or not JSON.
    """
    text = decode_json(content, source)
    if not text.strip():
        raise RatingsError(source, [Problem(_NOTHING)])
    if most is not None:
        _refuse_many(content, source, most)
    try:
        data = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RatingsError(source, [Problem(f"is not JSON: {error.msg} at {where}")]) from None
    except (ValueError, RecursionError) as error:
        raise RatingsError(source, [Problem(f"is not usable JSON: {error}")]) from None
    records = data if isinstance(data, list) else [data]
    if most is not None and len(records) > most:
        raise _too_many(source, most)
    return records, [problem for number, record in enumerate(records, 1) for problem in _repeated(record, number)]


def _refuse_many(content: bytes, source: str, most: int) -> None:
    """Refuse more objects and lists than this many records have, before they are made, which takes seconds.

    A record is an object, and in it its ratings may be one; what is in quotes is not an object.
    """
    room = 2 * most + 1
    if content.count(b"{") + content.count(b"[") > room:
        bare = _QUOTED.sub(b"", content)
        if bare.count(b"{") + bare.count(b"[") > room:
            raise _too_many(source, most)


def _too_many(source: str, most: int) -> TooManyError:
    return TooManyError(source, [Problem(f"has more than {most:,} interviews; send at most {most:,} at once")])


def read_json(path: Path) -> tuple[list[Any], list[Problem]]:
    """Read a file of JSON or JSON Lines into records; see `parse_json` and `parse_lines`.

    Raises
    ------
    RatingsError
        Also if the records have more different keys than a CSV file may have columns.
    """
    parse = parse_lines if ending_of(path) in LINES else parse_json
    records, problems = parse(read_bytes(path), str(path))
    mappings = [record for record in records if isinstance(record, dict)]
    nested = [inner for record in mappings if isinstance(inner := record.get(RATINGS), dict)]
    if (count := len(set[str]().union(*mappings, *nested))) > MOST_COLUMNS:
        raise RatingsError(str(path), [too_many_columns(count, MOST_COLUMNS)])
    return records, problems


def parse_lines(content: bytes, source: str) -> tuple[list[Any], list[Problem]]:
    """Parse JSON Lines into records, one per line, with the problems of its form; blank lines are passed over.

    Raises
    ------
    RatingsError
        If there are none, or with every line that is not JSON.
    """
    records, problems = list[Any](), list[Problem]()
    lines = [line for line in decode_json(content, source).split("\n") if line.strip()]
    if not lines:
        raise RatingsError(source, [Problem(_NOTHING)])
    for number, line in enumerate(lines, 1):
        record, wrong = parse_line(line)
        records.append(record)
        problems += [replace(problem, row=number) for problem in wrong]
    return records, problems


def parse_line(line: str) -> tuple[dict[str, Any], list[Problem]]:
    """Parse one line of JSON Lines into a record, with the problems of its form; empty where it is none."""
    why = "is not a mapping"
    try:
        record = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        record, why = None, f"is not JSON: {error.msg}"
    except (ValueError, RecursionError) as error:
        record, why = None, f"is not usable JSON: {error}"
    if not isinstance(record, dict):
        return {}, [Problem(f"{why}; write one interview per line", found=line)]
    return record, _repeated(record, None)


def _repeated(record: Any, number: int | None) -> list[Problem]:
    """Return what a record gives twice."""
    parts = (record, record.get("ratings")) if isinstance(record, dict) else ()
    names = [name for part in parts if isinstance(part, _Object) for name in part.repeated]
    return [Problem("is given twice; give it once", number, name) for name in names]


def read_text(path: Path, sheet: str | None = None) -> Table:
    """Read a CSV file or a workbook into header, rows and the problems of its form; see `parse_table`."""
    return parse_table(read_bytes(path), str(path), sheet=sheet)


def read_parquet(path: Path) -> pd.DataFrame:
    """Read the columns of a Parquet file into a DataFrame, as a batch reads them.

    What was the index of a DataFrame is a column like any other, unless it had no name. Whole numbers stay whole where
    some are missing: as floats, ids above 2^53 would become one another.

    Raises
    ------
    RatingsError
        If the file is missing or is not Parquet.
    MissingExtraError
        If pyarrow is not installed.
    """
    import pandas as pd

    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "reading Parquet", "train") from None
    from predictor.sources.parquet import as_text, explained, refuse_long_words, refuse_size, text_columns

    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise RatingsError(str(path), [Problem("cannot be read: not an ordinary file; name another")])
    whole = {pa.from_numpy_dtype(kind.lower()): getattr(pd, f"{kind}Dtype")() for kind in _WHOLE}
    with explained(str(path)):
        with pq.ParquetFile(path) as file:
            refuse_size(file.metadata, str(path))
            words = text_columns(file.schema_arrow)
        with pq.ParquetFile(path, read_dictionary=words) as file:  # so that a long word is read once
            names = [name for name in file.schema_arrow.names if not _ROW_LABEL.fullmatch(name)]
            table = file.read().select([index for index, name in enumerate(file.schema_arrow.names) if name in names])
        refuse_long_words(table, str(path))
        frame: pd.DataFrame = as_text(table).to_pandas(ignore_metadata=True, types_mapper=whole.get)
    for index in (table.schema.pandas_metadata or {}).get(
        "index_columns", ()
    ):  # an index may be there as its rule only
        if isinstance(index, dict) and (name := index.get("name")) and name not in frame.columns:
            frame.insert(0, name, range(index["start"], index["stop"], index["step"]))
    while len(frame.columns) and is_nameless(str(frame.columns[0])) and counts_rows([*map(str, frame.iloc[:, 0])]):
        warn_of_labels(str(path))
        frame = frame.iloc[:, 1:]
    return frame


def write_csv(ratings: Ratings, path: str | Path) -> Path:
    """Write ratings to a CSV file that `read_ratings` reads back, with the catalogue's context columns.

    Columns that the catalogue does not name, such as the simulator's latent truth, are left out.
    """
    catalogue = ratings.catalogue
    names = [name for name in catalogue.columns if name in ratings.columns and name not in catalogue.names]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *catalogue.names, catalogue.outcome])
    for row in range(len(ratings)):
        answers = ratings.ratings_of_row(row)
        cells = [cell if isinstance(cell := answers.get(name, ""), str) else f"{cell:g}" for name in catalogue.names]
        outcome = {0.0: "no", 1.0: "yes"}.get(ratings.y[row], "")
        writer.writerow([*(ratings.columns[name][row] for name in names), *cells, outcome])
    return write_text(path, out.getvalue())


def read_bytes(path: Path) -> bytes:
    """Read a file whole, decompressed; see `read_unpacked`.

    Raises
    ------
    RatingsError
        If it cannot be read.
    """
    try:
        return read_unpacked(path)
    except OSError as error:
        raise RatingsError(str(path), [Problem(_os_reason(error))]) from None


def decode_json(content: bytes, source: str) -> str:
    """Decode the text of a JSON file, UTF-8 or marked as UTF-16.

    Raises
    ------
    RatingsError
        If it is neither.
    """
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell writes
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        kind = f"is not UTF-8 text (byte {error.start + 1:,}); save it as UTF-8"
        raise RatingsError(source, [Problem(kind)]) from None


def _os_reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return f"cannot be read: {error.strerror or error}"
