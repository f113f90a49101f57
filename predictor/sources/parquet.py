"""Read Parquet safely: damaged files, and files made to exhaust memory, are rejected with a message."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from predictor.errors import PredictorError, Problem, RatingsError, shorten
from predictor.sources.dialect import LONGEST_CELL, MOST_COLUMNS, too_many_columns

MOST_TEXT = 128 << 20  # bytes of all words, decompressed
MOST_CELLS = 500_000_000
Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)


@contextlib.contextmanager
def explained(source: str) -> Iterator[None]:
    """Convert whatever Arrow raises while it reads a file into one message.

    A damaged file is garbage to Thrift, to decompression, to types or to UTF-8, and each raises its own.

    Raises
    ------
    RatingsError
        With Arrow's message.
    """
    try:
        yield
    except (PredictorError, ImportError):
        raise
    except FileNotFoundError:
        raise RatingsError(source, [Problem("no such file")]) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise RatingsError(source, [Problem(f"cannot be read: {error.strerror}")]) from None
        why = shorten(" ".join(str(error).split()) or type(error).__name__, 120)
        raise RatingsError(source, [Problem(f"is not a whole Parquet file: {why}; write or copy it again")]) from None


def text_columns(schema: pa.Schema) -> list[str]:
    """Return the columns of text."""
    return [field.name for field in schema if is_text(field.type)]


def is_text(kind: pa.DataType) -> bool:
    """Whether a column is text or bytes."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def as_text(table: Rows) -> Rows:
    """Convert text of other types: bytes, as older writers keep it, views, which Arrow cannot filter, and UUIDs."""
    for index, field in enumerate(table.schema):
        inner = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if isinstance(inner, pa.UuidType):
            ids = [id_ and str(id_) for id_ in table.column(index).to_pylist()]
            table = table.set_column(index, field.name, pa.array(ids, pa.string()))
        elif is_text(inner) and not pa.types.is_string(inner) and not pa.types.is_large_string(inner):
            table = table.set_column(index, field.name, table.column(index).cast(pa.string()))
    return table


def refuse_size(metadata: Any, source: str) -> None:
    """Refuse a file that would take too much memory, by its metadata.

    Raises
    ------
    RatingsError
        If it has more columns than a CSV file may have, 500 million cells or 128 MB of words.
    """
    if metadata.num_columns > MOST_COLUMNS:
        raise RatingsError(source, [too_many_columns(metadata.num_columns, MOST_COLUMNS)])
    if metadata.num_rows * max(metadata.num_columns, 1) > MOST_CELLS:
        size = f"{metadata.num_rows:,} rows of {metadata.num_columns:,} columns"
        kind = f"has {size}, more than {MOST_CELLS:,} cells, which is the most that is read at once"
        raise RatingsError(source, [Problem(f"{kind}; take a part of them, or score them with: predictor batch")])
    words = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        columns = map(group.column, range(group.num_columns))
        words += sum(column.total_uncompressed_size for column in columns if column.physical_type == "BYTE_ARRAY")
    if words > MOST_TEXT:
        kind = f"has {words >> 20:,} MB of words, of which at most {MOST_TEXT >> 20:,} are read; leave out free text"
        raise RatingsError(source, [Problem(kind)])


def longest_word(cells: pa.Array) -> int:
    """Bytes of the longest word of a column, or of its dictionary; 0 where it is not of text."""
    words = cells.dictionary if pa.types.is_dictionary(cells.type) else cells
    if not is_text(words.type):
        return 0
    if pa.types.is_string_view(words.type) or pa.types.is_binary_view(words.type):
        words = words.cast(pa.large_string())
    return int(pc.max(pc.binary_length(words)).as_py() or 0)


def refuse_long_words(table: pa.Table | pa.RecordBatch, source: str) -> None:
    """Refuse cells of text that are longer than in any other format.

    Raises
    ------
    RatingsError
        With the columns that have such cells.
    """
    problems = []
    for name, column in zip(table.schema.names, table.columns, strict=True):
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            if (longest := longest_word(chunk)) > LONGEST_CELL:
                kind = f"has a cell of {longest:,} bytes, of which at most {LONGEST_CELL:,} are read; shorten it"
                problems.append(Problem(kind, column=name))
                break
    if problems:
        raise RatingsError(source, problems)
