"""Parts as record batches of the columns that are needed, one after the other, in bounded memory."""

from __future__ import annotations

import contextlib
import csv
import json
import math
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

from predictor.batch.parts import CSV, JSONL, PARQUET, STANDARD, Part, open_parquet, told
from predictor.batch.quoting import QuotedText
from predictor.errors import Problem, RatingsError, nearest
from predictor.model.offer_model import OfferModel
from predictor.ratings.catalogue import RATINGS, folded
from predictor.ratings.ratings import Ratings
from predictor.sources.files import delimiter_of, parse_json

ROWS = 131_072  # of a batch of Parquet
BYTES = 8 << 20  # of a batch of text
BUFFER = 1 << 20  # bytes of a column of Parquet that are read at once: a row group may be larger than memory
LONGEST = 64 << 20  # bytes of a line of JSON
HEAD = 1000  # lines of JSON that tell the types of what is kept
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
    delimiter
        What parts cells where all of them are text, as in CSV; None where they have types.
    """

    batch: pa.RecordBatch
    numbers: NDArray[np.int64]
    broken: tuple[Broken, ...] = ()
    done: float = 0.0
    delimiter: str | None = None


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
                    words = pa.array([word], pa.string())
                    constant = pa.DictionaryArray.from_arrays(np.zeros(len(batch), dtype=np.int32), words)
                    batch = batch.append_column(name, constant)
            yield replace(found, batch=batch)


@dataclass(frozen=True)
class Header:
    """How a CSV file begins: its columns, what parts cells, and what was read beyond it."""

    names: tuple[str, ...]
    delimiter: str
    rest: bytes

    @classmethod
    def of(cls, part: Part) -> Header:
        """Read the header of a file.

        Raises
        ------
        RatingsError
            If the file is empty, cannot be read, or is not UTF-8.
        """
        with _explained(part), _opened(part)[0] as stream:
            return cls.read(stream, told(part))

    @classmethod
    def read(cls, stream: Any, source: str) -> Header:
        """Read the first line that is neither blank nor a spreadsheet's hint of what parts cells."""
        start, lines = b"", list[bytes]()
        while len(lines) < 3 and (more := stream.read(1 << 16)):
            start = (start + more).removeprefix(BOM).lstrip(b"\r\n")
            lines = start.splitlines(keepends=True)
        line = next((line for line in lines[:2] if not line.lower().startswith(b"sep=")), b"")
        if not line.strip():
            raise RatingsError(source, [Problem("has no header; it needs one, and rated interviews")])
        try:
            text = line.decode()
            delimiter = delimiter_of(text)
            ((*names,),) = csv.reader([text], delimiter=delimiter, strict=True)
        except UnicodeDecodeError:
            raise RatingsError(source, [Problem("is not UTF-8 text; save it as 'CSV UTF-8' or as UTF-8")]) from None
        except csv.Error as error:
            raise RatingsError(source, [Problem(f"has a header that cannot be read: {error}")]) from None
        return cls(tuple(name.strip() for name in names), delimiter, start.partition(line)[2])


def _parquet(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[Read]:
    with open_parquet(part.path) as file:
        metadata, there = file.metadata, file.schema_arrow.names
    names = [name for name in dict.fromkeys((*model.terms, *keep)) if name in there]
    words = [item.name for item in model.catalogue.inputs if item.name in there]
    with open_parquet(part.path, metadata=metadata, read_dictionary=words, buffer_size=BUFFER) as file:
        groups = range(*part.groups) if part.groups else range(file.num_row_groups)
        rows = 0
        for batch in file.iter_batches(ROWS, row_groups=list(groups), columns=names, use_threads=False):
            numbers = np.arange(part.first + rows + 1, part.first + rows + len(batch) + 1)
            rows += len(batch)
            for place, field in enumerate(batch.schema):
                if pa.types.is_string_view(field.type):  # which Arrow can neither filter nor write as CSV
                    batch = batch.set_column(place, field.name, batch.column(place).cast(pa.string()))
            yield Read(batch, numbers, done=rows / max(part.rows or rows, 1))
        if not rows:
            yield Read(_empty(file.schema_arrow, names), np.empty(0, dtype=np.int64), done=1.0)


def _csv(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[Read]:
    stream, done = _opened(part)
    with stream:
        header = Header.read(stream, told(part))
        text = QuotedText(stream, header.rest, header.delimiter)
        needed = [name for name in dict.fromkeys((*model.terms, *keep)) if name in header.names]
        broken: list[Broken] = []

        def set_aside(row: Any) -> str:
            mend = "look for a comma or quote too many or too few"
            kind = f"does not have the header's {row.expected_columns} cells; {mend}"
            problem = Problem(kind, row.number, found=f"{row.actual_columns} cells")
            broken.append(Broken(row.number, (problem,), row.text))
            return "skip"

        row, reader = 0, None
        try:
            reader = pa.csv.open_csv(
                text,
                pa.csv.ReadOptions(use_threads=False, block_size=BYTES, column_names=header.names),
                pa.csv.ParseOptions(
                    delimiter=header.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,  # rows of which nothing was observed, as everywhere
                    invalid_row_handler=set_aside,
                ),
                pa.csv.ConvertOptions(include_columns=needed, column_types=dict.fromkeys(needed, pa.string())),
            )
            for batch in reader:
                ahead = [item.row for item in broken]  # the parser is ahead of what it gives
                numbers = np.arange(row + 1, row + 1 + len(batch) + len(ahead))
                numbers = numbers[np.isin(numbers, ahead, invert=True)][: len(batch)]
                row = int(numbers[-1]) if len(numbers) else row
                before = tuple(item for item in broken if item.row < row)
                yield Read(batch, numbers, before, done(), header.delimiter)
                broken[:] = [item for item in broken if item.row > row]
        except pa.ArrowInvalid as error:
            if str(error) != "Empty CSV file":
                raise RatingsError(told(part), [_unreadable(str(error), row)]) from None
        if text.wrong:
            raise RatingsError(told(part), [Problem(text.wrong, max([row, *(item.row for item in broken)]))])
        schema = reader.schema if reader else pa.schema([(name, pa.string()) for name in needed])
        yield Read(_empty(schema, needed), np.empty(0, dtype=np.int64), tuple(broken), 1.0, header.delimiter)


def _unreadable(why: str, row: int) -> Problem:
    """Say why rows of CSV after `row` cannot be read."""
    kind = f"cannot be read further: {why}"
    if "straddl" in why:
        kind = f"or one soon after it is longer than {BYTES >> 20} MB; look for a quote that nothing closes"
    return Problem(kind, row + 1)


def _jsonl(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[Read]:
    """Read JSON Lines, each flat or with its ratings under "ratings"."""
    stream, done = _opened(part)
    with stream:
        rest, first, schema = stream.read(len(BOM)).removeprefix(BOM), 1, None
        while more := stream.read(BYTES):
            block, newline, rest = (rest + more).rpartition(b"\n")
            lines = block.splitlines() if newline else []
            if lines:
                schema = schema or _schema(lines, part, model, keep)
                yield replace(_lines(lines, first, schema, model, told(part)), done=done())
            elif len(rest) > LONGEST:
                raise RatingsError(told(part), [Problem("is longer than 64 MB; write one interview a line", first)])
            first += len(lines)
        lines = rest.splitlines()
        schema = schema or _schema(lines, part, model, keep)
        yield _lines(lines, first, schema, model, told(part))


def _schema(lines: Sequence[bytes], part: Part, model: OfferModel, keep: Sequence[str]) -> pa.Schema:
    """Choose types: of ratings floats, of inputs text, and of what is kept what the first lines have."""
    head: list[dict[str, Any]] = []
    for line in lines[:HEAD]:
        with contextlib.suppress(ValueError, RecursionError):
            head += [row] if isinstance(row := json.loads(line), dict) else []
    there = {key for row in head for key in (*row, *(row[RATINGS] if isinstance(row.get(RATINGS), dict) else ()))}
    constants = {name for name, _ in part.constants} - there
    kinds = {name: _kind([row.get(name) for row in head]) for name in keep}
    problems = []
    for name in dict.fromkeys((*model.terms, *keep)) if head else ():
        hint = nearest(name, there.difference(model.terms, keep))
        if name not in there | constants and (hint or name in keep):
            problems.append(Problem(f"is in none of the first {len(head):,} lines{hint}", column=name))
        elif pa.types.is_nested(kinds.get(name, pa.null())):
            problems.append(Problem("is a list or a mapping, which cannot be kept", column=name))
    if problems:
        raise RatingsError(told(part), problems)
    signals = [(name, pa.float64()) for name in model.signals]
    words = [(item.name, pa.string()) for item in model.catalogue.inputs]
    kept = [(name, kind) for name, kind in kinds.items() if name not in model.terms]
    flat = [(name, kind) for name, kind in (*signals, *words, *kept) if name not in constants]
    return pa.schema([*flat, (RATINGS, pa.struct([*signals, *words]))])


def _kind(cells: Sequence[Any]) -> pa.DataType:
    """Tell what type cells have; where they have several, the first cell decides."""
    for some in (cells, next(([cell] for cell in cells if cell is not None), [])):
        with contextlib.suppress(pa.ArrowException, ValueError, OverflowError):
            kind = pa.array(some).type
            return pa.string() if pa.types.is_null(kind) else kind
    return pa.string()


def _lines(lines: Sequence[bytes], first: int, schema: pa.Schema, model: OfferModel, source: str) -> Read:
    """Read lines at once; where that fails, look at each by itself, and set aside those that cannot be used."""
    rows, broken = [number for number, line in enumerate(lines) if line.strip()], list[Broken]()
    try:
        batch = _parse([lines[row] for row in rows], schema, model)
    except pa.ArrowInvalid:
        lines = [_in_numbers(line, model) for line in lines]
        for row in rows:
            if problems := _wrong(lines[row], schema, model, source):
                problems = tuple(replace(problem, row=first + row) for problem in problems)
                broken.append(Broken(first + row, problems, lines[row].decode(errors="replace")))
        wrong = {item.row for item in broken}
        rows = [row for row in rows if first + row not in wrong]
        batch = _parse([lines[row] for row in rows], schema, model)
    return Read(batch, np.array(rows, dtype=np.int64) + first, tuple(broken), 1.0)


def _parse(lines: Sequence[bytes], schema: pa.Schema, model: OfferModel) -> pa.RecordBatch:
    """Parse lines, one interview each, as strictly as one interview alone is parsed."""
    if not lines:
        return pa.RecordBatch.from_pylist([], schema).drop_columns([RATINGS])
    content = b"\n".join(lines) + b"\n"
    if any(line.lstrip()[:1] != b"{" for line in lines):
        raise pa.ArrowInvalid("a line is not a mapping")
    try:
        content.decode()
    except UnicodeDecodeError:
        raise pa.ArrowInvalid("is not UTF-8 text") from None
    table = pa.json.read_json(
        pa.BufferReader(content),
        pa.json.ReadOptions(use_threads=False, block_size=len(content) + 1),
        pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    if len(table) != len(lines):
        raise pa.ArrowInvalid("a line is not one mapping")
    batch = table.combine_chunks().to_batches()[0]
    apart = batch.column(RATINGS)
    for name in model.terms:
        inside = apart.field(name) if apart.null_count < len(apart) else None
        if inside is not None and name in batch.schema.names:
            flat = batch.column(name)
            if pc.any(pc.and_(flat.is_valid(), inside.is_valid())).as_py():
                raise pa.ArrowInvalid("a rating is given twice")
            batch = batch.set_column(batch.schema.get_field_index(name), name, pc.coalesce(flat, inside))
        if name in model.signals and pc.any(pc.is_nan(batch.column(name))).as_py():
            raise pa.ArrowInvalid("NaN is not JSON")
    return batch.drop_columns([RATINGS])


def _in_numbers(line: bytes, model: OfferModel) -> bytes:
    """Write the words that are codes, such as "not applicable", as what they mean; Arrow reads ratings as numbers."""
    if not model.catalogue.worded:
        return line
    try:
        (record,), problems = parse_json(line, "")
    except (RatingsError, ValueError):
        return line
    changed = False
    parts: list[Any] = [record, record.get(RATINGS)] if isinstance(record, dict) and not problems else []
    for part in parts:
        for name, codes in model.catalogue.worded.items():
            word = part.get(name) if isinstance(part, dict) else None
            if isinstance(word, str) and (code := folded(word)) in codes:
                part[name], changed = None if math.isnan(codes[code]) else codes[code], True
    return json.dumps(record).encode() if changed else line


def _wrong(line: bytes, schema: pa.Schema, model: OfferModel, source: str) -> tuple[Problem, ...]:
    """Say what is wrong with one line, if anything is."""
    try:
        records, problems = parse_json(line, source)
        if not (len(records) == 1 and isinstance(records[0], dict) and line.lstrip()[:1] == b"{"):
            return (Problem("is not a mapping; write one interview a line"),)
        record = records[0]
        inner = record.get(RATINGS)
        known = {name: record[name] for name in model.terms if name in record}
        if RATINGS in record:
            known[RATINGS] = {k: v for k, v in inner.items() if k in model.terms} if isinstance(inner, dict) else inner
        Ratings.from_records([known], model.catalogue, problems=problems)
        _parse([line], schema, model)
    except RatingsError as error:
        return error.problems
    except pa.ArrowInvalid as error:  # such as an id that is a number where the first lines have text
        return (Problem(f"cannot be read as the first lines are: {str(error).removesuffix(' in row 0')}"),)
    return ()


def _empty(schema: pa.Schema, names: Sequence[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], pa.schema([schema.field(name) for name in names]))


@contextlib.contextmanager
def _explained(part: Part) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise RatingsError(told(part), [Problem(f"cannot be read further: {str(error).strip()}")]) from None
    except OSError as error:
        raise RatingsError(told(part), [Problem(f"cannot be read: {error.strerror or error}")]) from None


def _opened(part: Part) -> tuple[Any, Callable[[], float]]:
    """Open a file of text, decompressed; tell how far it has been read, too."""
    if str(part.path) == STANDARD:
        return sys.stdin.buffer, lambda: 0.0
    raw = pa.OSFile(str(part.path))
    size = max(raw.size(), 1)
    stream = pa.CompressedInputStream(raw, part.form.compression) if part.form.compression else raw
    return stream, lambda: raw.tell() / size
