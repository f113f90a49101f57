"""Parts as record batches of the columns that are needed, one after the other, in bounded memory."""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
from numpy.typing import NDArray

from predictor.batch.coding import is_text
from predictor.batch.parts import CSV, EXCEL, JSONL, PARQUET, STANDARD, Part, open_parquet, told
from predictor.batch.quoting import QuotedText
from predictor.errors import Problem, RatingsError, nearest
from predictor.model.offer_model import OfferModel
from predictor.ratings.catalogue import RATINGS
from predictor.ratings.ratings import Ratings
from predictor.sources.dialect import Header, Utf8
from predictor.sources.files import parse_json, read_text
from predictor.sources.parquet import explained, longest_word, refuse_long_words, worded

ROWS = 131_072  # of a batch of Parquet
BYTES = 8 << 20  # of a batch of text
BUFFER = 1 << 20  # bytes of a column of Parquet that are read at once: a row group may be larger than memory
WORDS = 16 << 20  # bytes of a column of text that are read at once
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


def read(
    part: Part, model: OfferModel, keep: Sequence[str] = (), as_json: Collection[str] | None = None
) -> Iterator[Read]:
    """Read a part, batch by batch.

    Parameters
    ----------
    part
        What to read.
    model
        Whose terms are needed.
    keep
        Further columns that are needed.
    as_json
        Those of them that are taken as JSON, which holds numbers and words alike, where the part is JSON Lines; see
        `mixed_columns`. None: as the part itself needs it.

    Yields
    ------
    Read
        In the order of the rows.

    Raises
    ------
    RatingsError
        If the file is damaged, by its name and, as far as is known, its row.
    """
    with _explained(part):
        if part.form.format == JSONL:
            batches = _jsonl(part, model, keep, as_json)
        else:
            batches = {PARQUET: _parquet, CSV: _csv, EXCEL: _excel}[part.form.format](part, model, keep)
        for found in batches:
            batch = found.batch
            for name, word in part.constants:
                if name in (*model.terms, *keep) and name not in batch.schema.names:
                    words = pa.array([word], pa.string())
                    constant = pa.DictionaryArray.from_arrays(np.zeros(len(batch), dtype=np.int32), words)
                    batch = batch.append_column(name, constant)
            yield replace(found, batch=batch)


def header_of(part: Part) -> tuple[str, ...]:
    """Read the names of the columns of a CSV file or a workbook.

    Raises
    ------
    RatingsError
        If the file is empty, cannot be read, or is not text.
    """
    if part.form.format == EXCEL:
        return tuple(_sheet(part)[0])
    with _explained(part), _opened(part)[0] as stream:
        return Header.read(Utf8(stream, told(part)), told(part))[0].names


def _parquet(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[Read]:
    with open_parquet(part.path) as file:
        metadata, schema = file.metadata, file.schema_arrow
    there = schema.names
    names = [name for name in dict.fromkeys((*model.terms, *keep)) if name in there]
    words = [name for name in model.terms if name in there and is_text(schema.field(name).type)]
    at_once = _rows_at_once(part, metadata, [name for name in names if name in worded(schema)])
    with open_parquet(part.path, metadata=metadata, read_dictionary=words, buffer_size=BUFFER) as file:
        groups = range(*part.groups) if part.groups else range(file.num_row_groups)
        rows = 0
        for batch in file.iter_batches(at_once, row_groups=list(groups), columns=names, use_threads=False):
            numbers = np.arange(part.first + rows + 1, part.first + rows + len(batch) + 1)
            rows += len(batch)
            refuse_long_words(batch, told(part))
            for place, field in enumerate(batch.schema):
                if pa.types.is_string_view(field.type):  # which Arrow can neither filter nor write as CSV
                    batch = batch.set_column(place, field.name, batch.column(place).cast(pa.string()))
            yield Read(batch, numbers, done=rows / max(part.rows or rows, 1))
        if not rows:
            yield Read(_empty(file.schema_arrow, names), np.empty(0, dtype=np.int64), done=1.0)


def _rows_at_once(part: Part, metadata: Any, texts: Sequence[str]) -> int:
    """Choose how many rows are read at once: fewer where words are long, since a small file may repeat one of them."""
    longest = 1
    if texts:
        with open_parquet(part.path, metadata=metadata, read_dictionary=texts, buffer_size=BUFFER) as file:
            for group in range(*part.groups) if part.groups else range(file.num_row_groups):
                for first in islice(file.iter_batches(1, row_groups=[group], columns=texts, use_threads=False), 1):
                    refuse_long_words(first, told(part))
                    longest = max(longest, *map(longest_word, first.columns))
    return max(1, min(ROWS, WORDS // longest))


def _csv(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[Read]:
    stream, done = _opened(part)
    with stream:
        decoded = Utf8(stream, told(part))
        header, rest = Header.read(decoded, told(part))
        text = QuotedText(decoded, rest, header.delimiter)
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


def _excel(part: Part, model: OfferModel, keep: Sequence[str]) -> Iterator[Read]:
    """Read a sheet whole, which is small enough; cells are text, as in CSV."""
    header, rows, problems = _sheet(part)
    if problems:
        raise RatingsError(told(part), problems)
    needed = [name for name in dict.fromkeys((*model.terms, *keep)) if name in header]
    places = [header.index(name) for name in needed]
    schema = pa.schema([(name, pa.string()) for name in needed])
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in places]
    if not needed:  # a batch of no columns has no rows
        raise RatingsError(told(part), [Problem("has no column of a signal of the model")])
    yield Read(pa.RecordBatch.from_arrays(columns, schema=schema), np.arange(1, len(rows) + 1), (), 1.0, ",")


def _sheet(part: Part) -> tuple[list[str], list[list[str]], list[Problem]]:
    return read_text(part.path, part.sheet)


def _unreadable(why: str, row: int) -> Problem:
    """Say why rows of CSV after `row` cannot be read."""
    kind = f"cannot be read further: {why}"
    if "straddl" in why:
        kind = f"or one soon after it is longer than {BYTES >> 20} MB; look for a quote that nothing closes"
    return Problem(kind, row + 1)


def _jsonl(part: Part, model: OfferModel, keep: Sequence[str], as_json: Collection[str] | None) -> Iterator[Read]:
    """Read JSON Lines, each flat or with its ratings under "ratings"."""
    if as_json is None:
        as_json = mixed_columns([part], keep)
    stream, done = _opened(part)
    with stream:
        rest, first, schema, blank = stream.read(len(BOM)).removeprefix(BOM), 1, None, True
        while more := stream.read(BYTES):
            block, newline, rest = (rest + more).rpartition(b"\n")
            lines = block.splitlines() if newline else []
            blank = blank and not block.strip()
            if lines and not blank:
                schema = schema or _schema(lines, part, model, keep, as_json)
                yield replace(_lines(lines, first, schema, model, told(part)), done=done())
            elif len(rest) > LONGEST:
                raise RatingsError(told(part), [Problem("is longer than 64 MB; write one interview a line", first)])
            first += len(lines)
        lines = rest.splitlines()
        if blank and not rest.strip():
            raise RatingsError(told(part), [Problem("has no rows, or blank lines only; write one interview a line")])
        schema = schema or _schema(lines, part, model, keep, as_json)
        yield _lines(lines, first, schema, model, told(part))


def _schema(
    lines: Sequence[bytes], part: Part, model: OfferModel, keep: Sequence[str], as_json: Collection[str]
) -> pa.Schema:
    """Choose types: of ratings floats, of inputs text, and of what is kept what the first lines have."""
    head: list[dict[str, Any]] = []
    for line in lines[:HEAD]:
        with contextlib.suppress(ValueError, RecursionError):
            head += [row] if isinstance(row := json.loads(line), dict) else []
    there = {key for row in head for key in (*row, *(row[RATINGS] if isinstance(row.get(RATINGS), dict) else ()))}
    constants = {name for name, _ in part.constants} - there
    kinds = {name: _kind([row.get(name) for row in head]) for name in keep}
    if str(part.path) == STANDARD:
        as_json = _mixed(_kinds(b"\n".join(lines), _patterns(keep)))
    kinds |= {name: pa.json_() for name in as_json}
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


def mixed_columns(parts: Iterable[Part], keep: Sequence[str]) -> frozenset[str]:
    """Find columns of JSON Lines that no one type holds: now a number, now a word, or a number beyond 64 bits.

    Files are looked through whole, since an id may become a word in the last line. What looks like such a column inside
    of a text is harmless: a column of JSON holds everything. Standard input is read only once; there the first lines
    tell.
    """
    patterns, kinds = _patterns(keep), dict[str, set[str]]()
    for part in parts:
        if not keep or part.form.format != JSONL or str(part.path) == STANDARD:
            continue
        stream, _ = _opened(part)
        rest = b""
        with stream:
            while len(rest) <= LONGEST and (more := stream.read(BYTES)):  # reading says what is too long
                block, _, rest = (rest + more).rpartition(b"\n")
                for name, seen in _kinds(block, patterns).items():
                    kinds.setdefault(name, set()).update(seen)
        for name, seen in _kinds(rest, patterns).items():
            kinds.setdefault(name, set()).update(seen)
    return _mixed(kinds)


def _patterns(keep: Sequence[str]) -> dict[str, re.Pattern[bytes]]:
    keys = {name: re.escape(json.dumps(name, ensure_ascii=False).encode()) for name in keep}
    # Ordinary whole numbers are told by nothing more, so that there are few different finds to look at.
    cell = rb"(?:\d{1,18}(?=[\s,}\]])|([\"tfn{\[]|[^\s,}\]]+))"
    return {name: re.compile(rb"%s\s*:\s*" % key + cell) for name, key in keys.items()}


def _kinds(lines: bytes, patterns: Mapping[str, re.Pattern[bytes]]) -> dict[str, set[str]]:
    """See what kinds of values columns have."""
    return {name: {*map(_json_kind, {*pattern.findall(lines)})} - {"null"} for name, pattern in patterns.items()}


def _mixed(kinds: Mapping[str, set[str]]) -> frozenset[str]:
    apart = {name: seen for name, seen in kinds.items() if "nested" not in seen}  # which cannot be kept
    return frozenset(name for name, seen in apart.items() if len(seen) > 1 or "large" in seen)


def _json_kind(token: bytes) -> str:
    if not token:
        return "whole"
    if token in b'"tfn[{':
        return {b'"': "text", b"t": "truth", b"f": "truth", b"n": "null"}.get(token, "nested")
    if not re.fullmatch(rb"-?\d+", token):
        return "decimal"
    return "whole" if -(2**63) <= int(token[:40]) < 2**63 else "large"


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
        if any(isinstance(kind, pa.JsonType) for kind in schema.types):
            raise pa.ArrowInvalid("a column of JSON")
        batch = _parse([lines[row] for row in rows], schema, model)
    except pa.ArrowInvalid:
        known: dict[tuple[str, str | bool], float | None] = {}
        plain = [_plain(line, schema, model, known) for line in lines]
        try:
            batch = _parse([plain[row] for row in rows], schema, model)
        except pa.ArrowInvalid:
            for row in rows:
                if problems := _wrong(lines[row], plain[row], schema, model, source):
                    problems = tuple(replace(problem, row=first + row) for problem in problems)
                    broken.append(Broken(first + row, problems, lines[row].decode(errors="replace")))
            wrong = {item.row for item in broken}
            rows = [row for row in rows if first + row not in wrong]
            batch = _parse([plain[row] for row in rows], schema, model)
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
    texts = [field.with_type(pa.string()) if isinstance(field.type, pa.JsonType) else field for field in schema]
    table = pa.json.read_json(
        pa.BufferReader(content),
        pa.json.ReadOptions(use_threads=False, block_size=len(content) + 1),
        pa.json.ParseOptions(explicit_schema=pa.schema(texts), unexpected_field_behavior="ignore"),
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
    for field in schema:
        if isinstance(field.type, pa.JsonType):
            made = pa.ExtensionArray.from_storage(field.type, batch.column(field.name))
            batch = batch.set_column(batch.schema.get_field_index(field.name), field.name, made)
    return batch.drop_columns([RATINGS])


def _plain(
    line: bytes, schema: pa.Schema, model: OfferModel, known: dict[tuple[str, str | bool], float | None]
) -> bytes:
    """Write ratings as numbers, inputs as their levels and columns of JSON as its text, as far as they mean something.

    Arrow reads a column of JSON Lines as one type. `known` collects what cells of signals mean, by name and cell.
    """
    try:
        (record,), problems = parse_json(line, "")
    except (RatingsError, ValueError):
        return line
    if problems or not isinstance(record, dict):
        return line
    for part in (record, record.get(RATINGS)):
        if not isinstance(part, dict):
            continue
        for signal in model.catalogue.signals:
            cell = part.get(signal.name)
            if not isinstance(cell, str | bool):
                continue
            if (key := (signal.name, cell)) not in known:
                known[key] = signal.reading(cell)
            if (rating := known[key]) is not None:
                part[signal.name] = None if math.isnan(rating) else rating
        for item in model.catalogue.inputs:
            cell = part.get(item.name)
            if isinstance(cell, str | bool | int | float) and (level := item.level(str(cell))) is not None:
                part[item.name] = level
    for field in schema:
        if isinstance(field.type, pa.JsonType) and record.get(field.name) is not None:
            record[field.name] = json.dumps(record[field.name])
    return json.dumps(record).encode()


def _wrong(line: bytes, plain: bytes, schema: pa.Schema, model: OfferModel, source: str) -> tuple[Problem, ...]:
    """Say what is wrong with one line, if anything is; `plain` is what `_plain` makes of it."""
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
        _parse([plain], schema, model)
    except RatingsError as error:
        return error.problems
    except pa.ArrowInvalid as error:  # such as an id that is a number where the first lines have text
        return (Problem(f"cannot be read as the first lines are: {str(error).removesuffix(' in row 0')}"),)
    return ()


def _empty(schema: pa.Schema, names: Sequence[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], pa.schema([schema.field(name) for name in names]))


@contextlib.contextmanager
def _explained(part: Part) -> Iterator[None]:
    if part.form.format == PARQUET:
        with explained(told(part)):
            yield
        return
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
