"""Read chosen columns of CSV and Parquet files by Arrow: millions of rows, and never a column that was not chosen."""

from __future__ import annotations

import io
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.errors import MissingExtraError, Problem, RatingsError
from predictor.sources.compression import unpacked
from predictor.sources.dialect import HEAD, Utf8, header_of
from predictor.sources.files import read_bytes
from predictor.sources.read_ahead import read_ahead
from predictor.sources.text import parse_table

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 20  # rows that show whether cells are JSON
BYTES = 8 << 20  # of CSV read at once
ROWS = 1 << 17  # of Parquet read at once
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
            raise RatingsError(label, [Problem("the file is empty; export it again, or remove it from the folder")])
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
    refuse_twice(names, label)
    return names, rows


def refuse_twice(names: Sequence[str], label: str) -> None:
    """Refuse a table that names a column twice."""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        kind = f"the column '{twice[0]}' is there twice; keep one"
        raise RatingsError(label, [Problem(kind)])


def read_columns(
    path: Path, names: Sequence[str], words: Collection[str], label: str, *, as_text: bool = False
) -> Iterator[pd.DataFrame]:
    """Read columns of a CSV or Parquet file in blocks of rows; those of words are kept as codes.

    Parameters
    ----------
    as_text
        Whether numbers and times of a CSV file stay texts: for a column that looks numeric in its first block only.

    Raises
    ------
    MixedTypesError
        If a column is not what its first block is.
    RatingsError
        If the file is damaged or ragged; with the rows.
    """
    import pandas as pd

    if path.suffix.lower() in (".parquet", ".pq"):
        batches = _parquet_batches(path, names, words, label)
    else:
        batches = _csv_batches(path, names, words, label, as_text)
    for batch in batches:
        yield pd.DataFrame({name: _cells(batch.column(name), name in words) for name in names}, copy=False)


def _cells(column: Any, is_word: bool) -> Any:
    import pandas as pd
    import pyarrow as pa

    kind = column.type
    if is_word and not pa.types.is_dictionary(kind):
        column = column.cast(pa.string()).dictionary_encode()
    elif pa.types.is_null(kind):
        return pd.Series([None] * len(column), dtype=object)
    elif pa.types.is_date(kind):
        return column.cast(pa.string()).to_pandas().astype(object)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = _times(column)
    elif pa.types.is_integer(kind) and column.null_count:
        return column.to_pandas(integer_object_nulls=False, types_mapper={kind: pd.Int64Dtype()}.get)
    return column.to_pandas()


def _times(texts: Any) -> Any:
    """Return texts as times where each is a date with a time, all with a zone or none; else as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shortest = pc.min(pc.utf8_length(texts)).as_py()
    if shortest is None or shortest <= len("2026-03-01"):
        return texts
    for zone in ("UTC", None):
        try:
            return texts.cast(pa.timestamp("ns", zone))
        except pa.ArrowInvalid:
            continue
    return texts


def _parquet_batches(path: Path, names: Sequence[str], words: Collection[str], label: str) -> Iterator[Any]:
    from predictor.sources.parquet import explained

    pq = _arrow("parquet")
    flat = [name for name in words if name in names]
    with explained(label), pq.ParquetFile(path, read_dictionary=flat) as file:
        if not file.metadata.num_rows:
            yield file.schema_arrow.empty_table().select(list(names))
        yield from file.iter_batches(ROWS, columns=list(names))


def _csv_batches(path: Path, names: Sequence[str], words: Collection[str], label: str, as_text: bool) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.csv as arrow

    with _opened(path, label) as stream:
        text = stream.read(HEAD).decode("utf-8", errors="ignore")
    begin = header_of(text, label)
    header = len(text[: begin.length].encode())
    if not text[begin.length :].strip():  # a header alone, which Arrow refuses
        yield pa.table({name: pa.array([], pa.string()) for name in names})
        return
    ragged: list[Any] = []

    def keep(row: Any) -> str:
        ragged.append((row.number, row.actual_columns, row.expected_columns))
        return "skip"

    parse = arrow.ParseOptions(delimiter=begin.delimiter, newlines_in_values=True, invalid_row_handler=keep)
    read = arrow.ReadOptions(use_threads=False, block_size=BYTES, column_names=[name.strip() for name in begin.names])

    @contextmanager
    def opened(types: dict[str, Any]) -> Iterator[Any]:
        ragged.clear()
        convert = arrow.ConvertOptions(
            include_columns=list(names), column_types=types, null_values=list(NULLS), strings_can_be_null=True
        )
        with _opened(path, label) as stream, ExitStack() as stack:
            stream.read(header)
            yield arrow.open_csv(stack.enter_context(read_ahead(stream)), read, parse, convert)

    kinds = {name: pa.dictionary(pa.int32(), pa.string()) for name in words}
    others = [name for name in names if name not in words]
    try:
        if not as_text:
            with opened(kinds) as file:  # a column of which the first block has nothing may hold anything further on
                others = [field.name for field in file.schema if pa.types.is_null(field.type)]
        with opened(kinds | dict.fromkeys(others, pa.string())) as file:
            yield from file
    except pa.ArrowInvalid as error:
        if not as_text:
            raise MixedTypesError from None
        reason = "a cell is not UTF-8 text" if "UTF8" in str(error) else "look for a quote that nothing closes"
        raise RatingsError(label, [Problem(f"is not a CSV table: {reason}; export it again")]) from None
    if ragged:
        kind = "does not have the header's {} cells; look for a comma or quote too many or too few"
        raise RatingsError(
            label, [Problem(kind.format(wanted), number, found=f"{count} cells") for number, count, wanted in ragged]
        )


class MixedTypesError(Exception):
    """A column of a CSV file is not what its first block is."""


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
    """Open a file of text, decompressed where it is compressed, as UTF-8 whatever it is written in."""
    try:
        stream = path.open("rb") if unpacked(path) == path else io.BytesIO(read_bytes(path))
    except OSError as error:
        raise RatingsError(label, [Problem(f"cannot be read: {error.strerror or error}")]) from None
    return _Text(stream, label)


class _Text(io.RawIOBase):
    """A stream of bytes as UTF-8, as Arrow reads it: never more than `size` bytes, which `Utf8` may give."""

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


def release_memory() -> None:
    """Return freed memory to the system: Arrow's pool and, on Linux, the C library keep that of blocks."""
    import ctypes

    if arrow := sys.modules.get("pyarrow"):
        arrow.default_memory_pool().release_unused()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):  # musl has none
        libc.malloc_trim(0)


def _arrow(module: str) -> Any:
    try:
        from importlib import import_module

        return import_module(f"pyarrow.{module}")
    except ImportError:
        raise MissingExtraError("pyarrow", "reading tables", "train") from None
