"""Read parts as record batches of the columns that are needed, in bounded memory."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json

from predictor.batch.json_lines import read_json_lines
from predictor.batch.parts import CSV, EXCEL, JSONL, PARQUET, Part, name_of, open_parquet
from predictor.batch.quoting import QuotedText
from predictor.batch.rows import BYTES, BadRow, RowBlock, no_rows, opened
from predictor.errors import Problem, RatingsError
from predictor.model.offer_model import OfferModel
from predictor.sources.dialect import Header, Utf8
from predictor.sources.files import read_text
from predictor.sources.parquet import as_text, explained, is_text, longest_word, refuse_long_words, text_columns
from predictor.sources.read_ahead import read_ahead

MOST_ROWS = 131_072  # of a batch of Parquet
BUFFER_BYTES = 1 << 20  # of a column of Parquet that are read at once: a row group may be larger than memory
TEXT_BYTES = 16 << 20  # of a column of text that are read at once


def read_blocks(
    part: Part, model: OfferModel, keep: Sequence[str] = (), as_json: Collection[str] | None = None
) -> Iterator[RowBlock]:
    """Read a part, block by block.

    Parameters
    ----------
    part
        The part.
    model
        The model whose terms are needed.
    keep
        Further columns to copy to the output.
    as_json
        Of JSON Lines: those of them that are read as JSON, which holds numbers and words alike; see `mixed_columns`.
        None: as the part itself needs it.

    Yields
    ------
    RowBlock
        In the order of the rows.

    Raises
    ------
    RatingsError
        If the file is damaged, with its name and, if it is known, the row.
    """
    with _explained(part):
        if part.form.format == JSONL:
            batches = read_json_lines(part, model, keep, as_json)
        else:
            batches = {PARQUET: _parquet, CSV: _csv, EXCEL: _excel}[part.form.format](part, model, keep)
        for block in batches:
            batch = block.batch
            for name, word in part.constants:
                if name in (*model.columns, *keep) and name not in batch.schema.names:
                    words = pa.array([word], pa.string())
                    constant = pa.DictionaryArray.from_arrays(np.zeros(len(batch), dtype=np.int32), words)
                    batch = batch.append_column(name, constant)
            yield replace(block, batch=batch)


def read_header(part: Part) -> tuple[str, ...]:
    """Read the names of the columns of a CSV file or a workbook.

    Raises
    ------
    RatingsError
        If the file is empty, cannot be read, or is not text.
    """
    if part.form.format == EXCEL:
        return tuple(_sheet(part)[0])
    with _explained(part), opened(part)[0] as stream:
        return Header.read(Utf8(stream, name_of(part)), name_of(part))[0].names


def _parquet(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[RowBlock]:
    with open_parquet(part.path) as file:
        metadata, schema = file.metadata, file.schema_arrow
    there = schema.names
    names = [name for name in dict.fromkeys((*model.columns, *keep)) if name in there]
    words = [name for name in model.columns if name in there and is_text(schema.field(name).type)]
    at_once = _rows_at_once(part, metadata, [name for name in names if name in text_columns(schema)])
    with open_parquet(part.path, metadata=metadata, read_dictionary=words, buffer_size=BUFFER_BYTES) as file:
        groups = range(*part.row_groups) if part.row_groups else range(file.num_row_groups)
        rows = 0
        for batch in file.iter_batches(at_once, row_groups=list(groups), columns=names, use_threads=False):
            numbers = np.arange(part.first + rows + 1, part.first + rows + len(batch) + 1)
            rows += len(batch)
            refuse_long_words(batch, name_of(part))
            yield RowBlock(as_text(batch), numbers, done=rows / max(part.rows or rows, 1))
        if not rows:
            yield RowBlock(no_rows(file.schema_arrow, names), np.empty(0, dtype=np.int64), done=1.0)


def _rows_at_once(part: Part, metadata: Any, texts: Sequence[str]) -> int:
    """Choose how many rows are read at once: fewer if words are long, since even a small file may repeat them often."""
    longest = 1
    if texts:
        with open_parquet(part.path, metadata=metadata, read_dictionary=texts, buffer_size=BUFFER_BYTES) as file:
            for group in range(*part.row_groups) if part.row_groups else range(file.num_row_groups):
                for first in islice(file.iter_batches(1, row_groups=[group], columns=texts, use_threads=False), 1):
                    refuse_long_words(first, name_of(part))
                    longest = max(longest, *map(longest_word, first.columns))
    return max(1, min(MOST_ROWS, TEXT_BYTES // longest))


def _csv(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[RowBlock]:
    stream, done = opened(part)
    with contextlib.ExitStack() as stack:
        decoded = Utf8(stack.enter_context(stream), name_of(part))
        header, rest = Header.read(decoded, name_of(part))
        text = QuotedText(decoded, rest, header.delimiter)
        needed = [name for name in dict.fromkeys((*model.columns, *keep)) if name in header.names]
        broken: list[BadRow] = []

        def set_aside(row: Any) -> str:
            fix = "look for a comma or quote too many or too few"
            kind = f"does not have the header's {row.expected_columns} cells; {fix}"
            problem = Problem(kind, row.number, found=f"{row.actual_columns} cells")
            broken.append(BadRow(row.number, lambda: (problem,), row.text))
            return "skip"

        row, reader = 0, None
        try:
            reader = pa.csv.open_csv(
                stack.enter_context(read_ahead(text)),
                pa.csv.ReadOptions(use_threads=False, block_size=BYTES, column_names=header.names),
                pa.csv.ParseOptions(
                    delimiter=header.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,  # they are rows in which nothing was observed
                    invalid_row_handler=set_aside,
                ),
                pa.csv.ConvertOptions(include_columns=needed, column_types=dict.fromkeys(needed, pa.string())),
            )
            for batch in reader:
                ahead = [item.row for item in broken]  # the parser reads ahead: some may come after this batch
                numbers = np.arange(row + 1, row + 1 + len(batch) + len(ahead))
                numbers = numbers[np.isin(numbers, ahead, invert=True)][: len(batch)]
                row = int(numbers[-1]) if len(numbers) else row
                before = tuple(item for item in broken if item.row < row)
                yield RowBlock(batch, numbers, before, done(), header.delimiter)
                broken[:] = [item for item in broken if item.row > row]
        except pa.ArrowInvalid as error:
            if str(error) != "Empty CSV file":
                raise RatingsError(name_of(part), [_unreadable(str(error), row)]) from None
        if text.wrong:
            raise RatingsError(name_of(part), [Problem(text.wrong, max([row, *(item.row for item in broken)]))])
        schema = reader.schema if reader else pa.schema([(name, pa.string()) for name in needed])
        yield RowBlock(no_rows(schema, needed), np.empty(0, dtype=np.int64), tuple(broken), 1.0, header.delimiter)


def _excel(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[RowBlock]:
    """Read a whole worksheet, which is small enough; cells are text, as in CSV."""
    header, rows, problems = _sheet(part)
    if problems:
        raise RatingsError(name_of(part), problems)
    needed = [name for name in dict.fromkeys((*model.columns, *keep)) if name in header]
    places = [header.index(name) for name in needed]
    schema = pa.schema([(name, pa.string()) for name in needed])
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in places]
    if not needed:  # a batch of no columns has no rows
        raise RatingsError(name_of(part), [Problem("has no column of a signal of the model")])
    yield RowBlock(pa.RecordBatch.from_arrays(columns, schema=schema), np.arange(1, len(rows) + 1), (), 1.0, ",")


def _sheet(part: Part) -> tuple[list[str], list[list[str]], list[Problem]]:
    return read_text(part.path, part.sheet)


def _unreadable(why: str, row: int) -> Problem:
    """Return why rows of CSV after `row` cannot be read."""
    kind = f"cannot be read further: {why}"
    if "straddl" in why:  # Arrow's message: "straddling object straddles two block boundaries"
        kind = f"or one soon after it is longer than {BYTES >> 20} MB; look for a quote that nothing closes"
    return Problem(kind, row + 1)


@contextlib.contextmanager
def _explained(part: Part) -> Iterator[None]:
    if part.form.format == PARQUET:
        with explained(name_of(part)):
            yield
        return
    try:
        yield
    except pa.ArrowException as error:
        raise RatingsError(name_of(part), [Problem(f"cannot be read further: {str(error).strip()}")]) from None
    except OSError as error:
        raise RatingsError(name_of(part), [Problem(f"cannot be read: {error.strerror or error}")]) from None
