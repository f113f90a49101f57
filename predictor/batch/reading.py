"""Parts as record batches of the columns that are needed, one after the other, in bounded memory."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
from numpy.typing import NDArray

from predictor.batch.parts import CSV, JSONL, PARQUET, STANDARD, Part, open_parquet
from predictor.errors import Problem, RatingsError
from predictor.model import OfferModel
from predictor.ratings import Ratings
from predictor.signals import RATINGS
from predictor.sources.files import delimiter_of, parse_json

ROWS = 131_072  # of a batch of Parquet
BYTES = 8 << 20  # of a batch of text
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Broken:
    """A row that is no row, such as one with a cell too many: what is wrong, and how it stands in the file."""

    row: int
    problems: tuple[Problem, ...]
    text: str


@dataclass(frozen=True)
class Read:
    """Some rows of a part.

    Attributes
    ----------
    batch
        The columns that are needed, as far as the file has them.
    numbers
        Row numbers in the file, counted from 1, shape (n,).
    broken
        Rows that are no rows.
    done
        Share of the part that is read now, 0 to 1.
    """

    batch: pa.RecordBatch
    numbers: NDArray[np.int64]
    broken: tuple[Broken, ...] = ()
    done: float = 0.0


def read(part: Part, model: OfferModel, keep: Sequence[str] = ()) -> Iterator[Read]:
    """Read a part, batch by batch.

    Parameters
    ----------
    part
        What to read.
    model
        Whose terms are needed.
    keep
        Further columns that are needed.

    Yields
    ------
    Read
        In the order of the rows.

    Raises
    ------
    RatingsError
        If the file is damaged, by its name and, as far as is known, its row.
    """
    readers = {PARQUET: _parquet, CSV: _csv, JSONL: _jsonl}
    with _explained(part):
        for found in readers[part.form.format](part, model, keep):
            batch = found.batch
            for name, word in part.constants:
                if name in (*model.terms, *keep) and name not in batch.schema.names:
                    constant = pa.DictionaryArray.from_arrays(np.zeros(len(batch), dtype=np.int32), [word])
                    batch = batch.append_column(name, constant)
            yield replace(found, batch=batch)


@dataclass(frozen=True)
class Header:
    """How a CSV file begins: its columns, what parts cells, and how many bytes stand before the first row."""

    names: tuple[str, ...]
    delimiter: str
    length: int

    @classmethod
    def of(cls, part: Part) -> Header:
        """Read the header of a file.

        Raises
        ------
        RatingsError
            If the file is empty, cannot be read, or is not UTF-8.
        """
        with _explained(part), _opened(part)[0] as stream:
            start = b""
            while len(lines := start.splitlines(keepends=True)) < 3 and (more := stream.read(1 << 16)):
                start += more
        return cls.parse(lines, str(part.path))

    @classmethod
    def parse(cls, lines: Sequence[bytes], source: str) -> Header:
        """Parse the first lines, of which the header is one."""
        before = [line for line in lines[:1] if line.removeprefix(BOM).lower().startswith(b"sep=")]
        found = lines[len(before) : len(before) + 1]
        if not b"".join(found).strip():
            raise RatingsError(source, [Problem("has no header; it needs one, and rated interviews")])
        try:
            line = found[0].removeprefix(BOM).decode()
        except UnicodeDecodeError:
            raise RatingsError(source, [Problem("is not UTF-8 text; save it as 'CSV UTF-8' or as UTF-8")]) from None
        delimiter = delimiter_of(line)
        (names,) = csv.reader([line], delimiter=delimiter)
        return cls(tuple(name.strip() for name in names), delimiter, sum(map(len, [*before, *found])))


def _parquet(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[Read]:
    words = [item.name for item in model.catalogue.inputs]
    with open_parquet(part.path, read_dictionary=words) as file:
        names = [name for name in dict.fromkeys((*model.terms, *keep)) if name in file.schema_arrow.names]
        groups = range(*part.groups) if part.groups else range(file.num_row_groups)
        rows = 0
        for batch in file.iter_batches(ROWS, row_groups=list(groups), columns=names, use_threads=False):
            numbers = np.arange(part.first + rows + 1, part.first + rows + len(batch) + 1)
            rows += len(batch)
            yield Read(batch, numbers, done=rows / max(part.rows or rows, 1))
        if not rows:
            yield Read(_empty(file.schema_arrow, names), np.empty(0, dtype=np.int64), done=1.0)


def _csv(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[Read]:
    stream, done = _opened(part)
    with stream:
        if str(part.path) == STANDARD:
            header = Header.parse([stream.readline(), stream.readline()], "standard input")
        else:
            header = Header.of(part)
            stream.read(header.length)
        needed = [name for name in dict.fromkeys((*model.terms, *keep)) if name in header.names]
        broken: list[Broken] = []

        def set_aside(row: Any) -> str:
            kind = f"does not have the header's {row.expected_columns} cells; look for a comma or a quote too many"
            broken.append(
                Broken(row.number, (Problem(kind, row.number, found=f"{row.actual_columns} cells"),), row.text)
            )
            return "skip"

        reader = pa.csv.open_csv(
            stream,
            pa.csv.ReadOptions(use_threads=False, block_size=BYTES, column_names=header.names),
            pa.csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=set_aside),
            pa.csv.ConvertOptions(include_columns=needed, column_types=dict.fromkeys(needed, pa.string())),
        )
        row = 0
        for batch in reader:
            ahead = [item.row for item in broken]  # the parser is ahead of what it gives
            numbers = np.arange(row + 1, row + 1 + len(batch) + len(ahead))
            numbers = numbers[np.isin(numbers, ahead, invert=True)][: len(batch)]
            row = int(numbers[-1]) if len(numbers) else row
            yield Read(batch, numbers, tuple(item for item in broken if item.row < row), done())
            broken[:] = [item for item in broken if item.row > row]
        yield Read(_empty(reader.schema, needed), np.empty(0, dtype=np.int64), tuple(broken), 1.0)


def _jsonl(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[Read]:
    """Read JSON Lines, each flat or with its ratings under "ratings"."""
    stream, done = _opened(part)
    with stream:
        rest, first, schema = b"", 1, None
        while more := stream.read(BYTES):
            block, newline, rest = (rest + more).rpartition(b"\n")
            lines = block.splitlines() if newline else []
            schema = schema or (_schema(lines, model, keep) if lines else None)
            if lines and schema:
                yield replace(_lines(lines, first, schema, model, str(part.path)), done=done())
            first += len(lines)
        lines = rest.splitlines()
        yield _lines(lines, first, schema or _schema(lines, model, keep), model, str(part.path))


def _schema(lines: Sequence[bytes], model: OfferModel, keep: Sequence[str]) -> pa.Schema:
    """Choose types: of ratings floats, of inputs text, and of what is kept what the first lines have."""
    signals = [(name, pa.float64()) for name in model.signals]
    words = [(item.name, pa.string()) for item in model.catalogue.inputs]
    head = []
    for line in lines[:1000]:
        with contextlib.suppress(ValueError):
            head.append(json.loads(line))
    told = pa.Table.from_pylist([{name: row.get(name) for name in keep} for row in head if isinstance(row, dict)])
    kept = [(field.name, pa.string() if pa.types.is_null(field.type) else field.type) for field in told.schema]
    return pa.schema(
        [*signals, *words, (RATINGS, pa.struct(signals)), *(item for item in kept if item[0] not in model.terms)]
    )


def _lines(lines: Sequence[bytes], first: int, schema: pa.Schema, model: OfferModel, source: str) -> Read:
    """Read lines at once; where that fails, look at each by itself, and set aside those that cannot be used."""
    rows, broken = [number for number, line in enumerate(lines) if line.strip()], []
    try:
        batch = _parse([lines[row] for row in rows], schema, model)
    except pa.ArrowInvalid:
        wrong = {row: problems for row in rows if (problems := _wrong(lines[row], model, source))}
        broken = [
            Broken(
                first + row,
                tuple(replace(problem, row=first + row) for problem in problems),
                lines[row].decode(errors="replace"),
            )
            for row, problems in wrong.items()
        ]
        rows = [row for row in rows if row not in wrong]
        batch = _parse([lines[row] for row in rows], schema, model)
    return Read(batch, np.array(rows, dtype=np.int64) + first, tuple(broken), 1.0)


def _parse(lines: Sequence[bytes], schema: pa.Schema, model: OfferModel) -> pa.RecordBatch:
    if not lines:
        return pa.RecordBatch.from_pylist([], schema).drop_columns([RATINGS])
    table = pa.json.read_json(
        pa.BufferReader(b"\n".join(lines) + b"\n"),
        pa.json.ReadOptions(use_threads=False, block_size=2 * BYTES + max(map(len, lines))),
        pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    batch = table.combine_chunks().to_batches()[0]
    apart = batch.column(RATINGS)
    if apart.null_count < len(apart):
        for name in model.signals:
            flat, inside = batch.column(name), apart.field(name)
            if pc.any(pc.and_(flat.is_valid(), inside.is_valid())).as_py():
                raise pa.ArrowInvalid("a rating is given twice")
            batch = batch.set_column(batch.schema.get_field_index(name), name, pc.coalesce(flat, inside))
    return batch.drop_columns([RATINGS])


def _wrong(line: bytes, model: OfferModel, source: str) -> tuple[Problem, ...]:
    """Say what is wrong with one line, if anything is."""
    try:
        (record, *more), problems = parse_json(line, source)
        if not isinstance(record, dict) or more:
            return (Problem("is not a mapping; write one interview a line"),)
        inner = record.get(RATINGS)
        known = {name: record[name] for name in model.terms if name in record}
        if RATINGS in record:
            known[RATINGS] = {k: v for k, v in inner.items() if k in model.terms} if isinstance(inner, dict) else inner
        Ratings.from_records([known], model.catalogue, problems=problems)
    except RatingsError as error:
        return error.problems
    except ValueError:
        return (Problem("is not a mapping; write one interview a line"),)
    return ()


def _empty(schema: pa.Schema, names: Sequence[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], pa.schema([schema.field(name) for name in names]))


@contextlib.contextmanager
def _explained(part: Part) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise RatingsError(str(part.path), [Problem(f"cannot be read further: {str(error).strip()}")]) from None
    except OSError as error:
        raise RatingsError(str(part.path), [Problem(f"cannot be read: {error.strerror or error}")]) from None


def _opened(part: Part) -> tuple[Any, Callable[[], float]]:
    """Open a file of text, decompressed; tell how far it has been read, too."""
    if str(part.path) == STANDARD:
        return sys.stdin.buffer, lambda: 0.0
    raw = pa.OSFile(str(part.path))
    size = max(raw.size(), 1)
    stream = pa.CompressedInputStream(raw, part.form.compression) if part.form.compression else raw
    return stream, lambda: raw.tell() / size
