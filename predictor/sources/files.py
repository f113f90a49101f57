"""Read ratings from JSON, CSV and Parquet files, and write them to CSV.

The same rules hold for every format; what differs is how "not observed" is written:
null in JSON, an empty cell in CSV, a null in Parquet.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.atomic import write_text
from predictor.errors import MissingExtraError, Problem, RatingsError
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings

if TYPE_CHECKING:
    import pandas as pd

_DECIMAL_COMMA = re.compile(r"^(\s*[+-]?\d+),(\d+\s*)$")
_ROW_LABEL = re.compile(r"__index_level_\d+__")  # the column in which pandas keeps an index without a name
_WHOLE = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
FORMATS = (".json", ".csv", ".parquet")


def read_ratings(
    path: str | Path,
    catalogue: Catalogue | None = None,
    *,
    training: bool = False,
    offer_word: str | None = None,
) -> Ratings:
    """Read ratings from a file.

    Parameters
    ----------
    path
        A .json file (one mapping or a list of them), a .csv file (header; comma, semicolon or tab), or .parquet.
    catalogue
        The catalogue that the file follows; the shipped one where None.
    training
        Whether outcomes of both kinds must be there.
    offer_word
        The outcome that means an offer, where no word of `predictor.ratings.outcomes.OFFER` does, such as "Ja"; there
        may be one other word then, which means none.

    Returns
    -------
    Ratings
        One row an interview.

    Raises
    ------
    RatingsError
        With every problem of the file.
    MissingExtraError
        If pyarrow, which reads Parquet, is not installed.
    """
    path, source, catalogue = Path(path), str(path), catalogue or Catalogue.shipped()
    how: dict[str, Any] = {"source": source, "training": training, "offer_word": offer_word}
    match path.suffix.lower():
        case ".json":
            records, problems = read_json(path)
            return Ratings.from_records(records, catalogue, problems=problems, **how)
        case ".csv":
            header, rows, problems = read_csv(path)
            return Ratings.from_text(header, rows, catalogue, problems=problems, **how)
        case ".parquet":
            return Ratings.from_frame(read_parquet(path), catalogue, **how)
    kind = f"the file's name has none of the endings {', '.join(FORMATS)}; save a spreadsheet as 'CSV UTF-8'"
    raise RatingsError(source, [Problem(kind)])


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys came twice."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        made.repeated = tuple(name for name, count in counts.items() if count > 1)
    return made


# NaN and Infinity are no JSON, but Python reads them: as text they are refused with row and name.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=str)


_QUOTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class TooManyError(RatingsError):
    """There are more records than were allowed."""


def parse_json(content: bytes, source: str, *, most: int | None = None) -> tuple[list[Any], list[Problem]]:
    """Parse JSON into records, one an interview, with the problems of its form.

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
        If there are more records than `most`, or as many objects inside of them as no such records have.
    RatingsError
        If the content is empty, not UTF-8, or not JSON.
    """
    text = _decode(content, source)
    if not text.strip():
        raise RatingsError(source, [Problem("the file is empty; write one with: predictor signals form")])
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
    problems = [
        Problem("is given twice; give it once", number, name)
        for number, record in enumerate(records, 1)
        for part in (record, record.get("ratings") if isinstance(record, dict) else None)
        if isinstance(part, _Object)
        for name in part.repeated
    ]
    return records, problems


def _refuse_many(content: bytes, source: str, most: int) -> None:
    """Refuse more objects and lists than so many records have, before they are made, which takes seconds.

    A record is an object, and in it its ratings may be one; what stands in quotes is no object.
    """
    room = 2 * most + 1
    if content.count(b"{") + content.count(b"[") > room:
        bare = _QUOTED.sub(b"", content)
        if bare.count(b"{") + bare.count(b"[") > room:
            raise _too_many(source, most)


def _too_many(source: str, most: int) -> TooManyError:
    return TooManyError(source, [Problem(f"has more than {most:,} interviews; send at most {most:,} at once")])


def read_json(path: Path) -> tuple[list[Any], list[Problem]]:
    """Read a JSON file into records; see `parse_json`."""
    return parse_json(read_bytes(path), str(path))


def read_csv(path: Path) -> tuple[list[str], list[list[str]], list[Problem]]:
    """Read a CSV file into header, rows and the problems of its form; see `parse_csv`."""
    return parse_csv(read_bytes(path), str(path))


def parse_csv(content: bytes, source: str) -> tuple[list[str], list[list[str]], list[Problem]]:
    """Parse CSV into header, rows and the problems of its form.

    Raises
    ------
    RatingsError
        If the content is empty, not UTF-8, or no table.
    """
    text = _decode(content, source)
    lines = text.strip("\r\n").splitlines(keepends=True)
    if lines and lines[0].lower().startswith("sep="):  # a hint that spreadsheets write for themselves
        lines = lines[1:]
    delimiter = delimiter_of(lines[0]) if lines else ","
    try:
        table = list(csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise RatingsError(source, [Problem(f"is not a CSV table: {error}")]) from None
    while table and not any(cell.strip() for cell in table[-1]):  # spreadsheets leave empty rows at the end
        table.pop()
    if not table:
        raise RatingsError(source, [Problem("the file is empty; it needs a header and rated interviews")])
    header, rows = [name.strip() for name in table[0]], table[1:]
    if delimiter == ";":
        rows = [[with_point(cell) for cell in row] for row in rows]
    problems = []
    for number, row in enumerate(rows, 1):
        if not row:  # a blank line: nothing was observed
            row.extend([""] * len(header))
        if len(row) != len(header):
            kind = f"does not have the header's {len(header)} cells; look for a comma or quote too many or too few"
            problems.append(Problem(kind, number, found=f"{len(row)} cells"))
            row[:] = (row + [""] * len(header))[: len(header)]
    return header, rows, problems


def delimiter_of(header: str) -> str:
    """Tell what parts the cells of a CSV file, by its header: comma, semicolon or tab."""
    return max(",;\t", key=header.count)


def with_point(cell: str) -> str:
    """Write a number with a decimal comma with a point: where a semicolon parts cells, a comma is the decimal sign.

    >>> with_point("3,5"), with_point("3.5"), with_point("a,b")
    ('3.5', '3.5', 'a,b')
    """
    return _DECIMAL_COMMA.sub(r"\1.\2", cell)


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
    whole = {pa.from_numpy_dtype(kind.lower()): getattr(pd, f"{kind}Dtype")() for kind in _WHOLE}
    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if not _ROW_LABEL.fullmatch(name)]
            table = file.read().select([place for place, name in enumerate(file.schema_arrow.names) if name in names])
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, types_mapper=whole.get)
        return frame
    except OSError as error:
        raise RatingsError(str(path), [Problem(_os_reason(error))]) from None
    except pa.ArrowException as error:
        raise RatingsError(str(path), [Problem(f"is not a Parquet file: {error}")]) from None


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
        answers = ratings.answers(row)
        cells = [cell if isinstance(cell := answers.get(name, ""), str) else f"{cell:g}" for name in catalogue.names]
        outcome = {0.0: "no", 1.0: "yes"}.get(ratings.y[row], "")
        writer.writerow([*(ratings.columns[name][row] for name in names), *cells, outcome])
    return write_text(path, out.getvalue())


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises
    ------
    RatingsError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RatingsError(str(path), [Problem(_os_reason(error))]) from None


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = f"is not UTF-8 text (byte {error.start + 1:,}); save it as 'CSV UTF-8' or as UTF-8"
        raise RatingsError(source, [Problem(kind)]) from None


def _os_reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return f"cannot be read: {error.strerror or error}"
