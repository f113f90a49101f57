"""Read chosen columns of CSV and Parquet files by Arrow: millions of rows, and never a column that was not chosen."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.errors import MissingExtraError, Problem, RatingsError
from predictor.sources.compression import unpacked
from predictor.sources.dialect import HEAD, Utf8, header_of
from predictor.sources.files import read_bytes
from predictor.sources.text import parse_table

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 20  # rows that show whether cells are JSON
BLOCK = 8 << 20  # bytes read at once
NULLS = ("", "null", "NULL", "Null", "\\N", "NaN", "nan")


def header_and_sample(path: Path, ending: str, label: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the columns, and the first rows.

    Raises
    ------
    RatingsError
        If the file cannot be read, or names a column twice.
    """
    if ending in (".parquet", ".pq"):
        from predictor.sources.parquet import explained

        pq = _arrow("parquet")
        with explained(label), pq.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            first = next(file.iter_batches(batch_size=SAMPLE), None)
            rows = first.to_pylist() if first is not None else []
    else:
        with _opened(path, label) as stream:
            text = stream.read(HEAD).decode("utf-8", errors="ignore")
        if not text.strip():
            raise RatingsError(label, [Problem("the file is empty; export it again, or take it away")])
        begin = header_of(text, label)
        names = [name.strip() for name in begin.names]
        import csv

        body = csv.reader(io.StringIO(text[begin.length :], newline=""), delimiter=begin.delimiter)
        rows = []
        try:
            for row, _ in zip(body, range(SAMPLE), strict=False):
                rows.append(dict(zip(names, row, strict=False)))
        except csv.Error:  # a cell that is cut off by the sample's end
            pass
    _refuse_twice(names, label)
    return names, rows


def _refuse_twice(names: Sequence[str], label: str) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        kind = f"the column '{twice[0]}' is there twice; keep one"
        raise RatingsError(label, [Problem(kind)])


def read_columns(path: Path, names: Sequence[str], words: Collection[str], label: str) -> pd.DataFrame:
    """Read columns of a CSV or Parquet file; those of words are kept as codes.

    Raises
    ------
    RatingsError
        If the file is damaged or ragged; with the rows.
    """
    import pandas as pd
    import pyarrow as pa

    if path.suffix.lower() in (".parquet", ".pq"):
        from predictor.sources.parquet import explained

        pq = _arrow("parquet")
        with explained(label):
            flat = [name for name in words if name in names]
            table = pq.read_table(path, columns=list(names), read_dictionary=flat, memory_map=True)
    else:
        table = _read_csv(path, names, words, label)
    columns = {}
    for name in names:
        column = table.column(name)
        kind = column.type
        if pa.types.is_dictionary(kind) or name in words:
            column = column if pa.types.is_dictionary(kind) else column.cast(pa.string()).dictionary_encode()
            columns[name] = column.unify_dictionaries().combine_chunks().to_pandas()
        elif pa.types.is_null(kind):
            columns[name] = pd.Series([None] * len(column), dtype=object)
        elif pa.types.is_date(kind):
            columns[name] = column.cast(pa.string()).to_pandas().astype(object)
        elif pa.types.is_integer(kind) and column.null_count:
            columns[name] = column.to_pandas(integer_object_nulls=False, types_mapper={kind: pd.Int64Dtype()}.get)
        else:
            columns[name] = column.to_pandas()
    return pd.DataFrame(columns, copy=False)


def _read_csv(path: Path, names: Sequence[str], words: Collection[str], label: str) -> Any:
    import pyarrow as pa
    import pyarrow.csv as arrow

    with _opened(path, label) as stream:
        text = stream.read(HEAD).decode("utf-8", errors="ignore")
    begin = header_of(text, label)
    header = len(text[: begin.length].encode())
    ragged: list[Any] = []

    def keep(row: Any) -> str:
        ragged.append((row.number, row.actual_columns, row.expected_columns))
        return "skip"

    parse = arrow.ParseOptions(delimiter=begin.delimiter, newlines_in_values=True, invalid_row_handler=keep)
    read = arrow.ReadOptions(use_threads=False, block_size=BLOCK, column_names=[name.strip() for name in begin.names])

    def attempt(types: dict[str, Any]) -> Any:
        ragged.clear()
        convert = arrow.ConvertOptions(
            include_columns=list(names), column_types=types, null_values=list(NULLS), strings_can_be_null=True
        )
        with _opened(path, label) as stream:
            stream.read(header)
            return arrow.read_csv(pa.PythonFile(stream, "r"), read, parse, convert)

    kinds = {name: pa.dictionary(pa.int32(), pa.string()) for name in words}
    try:
        table = attempt(kinds)
    except pa.ArrowInvalid:
        try:  # a column that begins as numbers or times and goes on otherwise
            table = attempt(kinds | {name: pa.string() for name in names if name not in words})
        except pa.ArrowInvalid as error:
            reason = "a cell is not UTF-8 text" if "UTF8" in str(error) else "look for a quote that nothing closes"
            raise RatingsError(label, [Problem(f"is not a CSV table: {reason}; export it again")]) from None
    if ragged:
        kind = "does not have the header's {} cells; look for a comma or quote too many or too few"
        raise RatingsError(
            label, [Problem(kind.format(wanted), number, found=f"{count} cells") for number, count, wanted in ragged]
        )
    return table


def read_records(path: Path, label: str) -> Iterator[dict[str, Any]]:
    """Read every row of a CSV or Parquet file as a record: for tables whose cells are JSON."""
    if path.suffix.lower() in (".parquet", ".pq"):
        from predictor.sources.parquet import explained

        pq = _arrow("parquet")
        with explained(label), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=10_000):
                yield from batch.to_pylist()
        return
    header, rows, problems = parse_table(read_bytes(path), label)
    if problems:
        raise RatingsError(label, problems)
    for row in rows:
        yield {name: cell or None for name, cell in zip(header, row, strict=False)}


def _opened(path: Path, label: str) -> Any:
    """Open a file of text, unpacked where it is packed, as UTF-8 whatever it is written in."""
    try:
        stream = path.open("rb") if unpacked(path) == path else io.BytesIO(read_bytes(path))
    except OSError as error:
        raise RatingsError(label, [Problem(f"cannot be read: {error.strerror or error}")]) from None
    return _Text(stream, label)


class _Text(io.RawIOBase):
    """A stream of bytes as UTF-8, as Arrow reads it."""

    def __init__(self, stream: Any, label: str) -> None:
        self._stream, self._utf8, self._rest = stream, Utf8(stream, label), b""

    def read(self, size: int = -1) -> bytes:
        parts, length = [self._rest], len(self._rest)
        while size < 0 or length < size:
            if not (more := self._utf8.read(1 << 20)):
                break
            parts.append(more)
            length += len(more)
        content = b"".join(parts)
        cut = len(content) if size < 0 else size
        self._rest = content[cut:]
        return content[:cut]

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()


def _arrow(module: str) -> Any:
    try:
        from importlib import import_module

        return import_module(f"pyarrow.{module}")
    except ImportError:
        raise MissingExtraError("pyarrow", "reading tables", "train") from None
