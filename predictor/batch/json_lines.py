"""Read JSON Lines as record batches: many plain lines at once, others line by line."""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json

from predictor.batch.parts import JSONL, STANDARD, Part, name_of
from predictor.batch.rows import BYTES, BadRow, RowBlock, opened
from predictor.errors import Problem, RatingsError, nearest
from predictor.model.offer_model import OfferModel
from predictor.ratings.catalogue import PANEL, RATINGS
from predictor.ratings.ratings import Ratings
from predictor.sources.files import parse_line

LONGEST_LINE = 64 << 20  # bytes
_NO_RATINGS = re.compile(rb'"ratings"\s*:\s*null')
HEAD = 1000  # first lines, which decide the types of kept columns
BOM, UTF_16 = codecs.BOM_UTF8, (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_json_lines(
    part: Part, model: OfferModel, keep: Sequence[str], as_json: Collection[str] | None
) -> Iterator[RowBlock]:
    """Read JSON Lines, each flat or with its ratings under "ratings"."""
    if as_json is None:
        as_json = mixed_columns([part], keep)
    first, schema = 1, None  # rows are counted without blank lines, as everywhere
    for lines, done in _blocks(part):
        schema = schema or _schema(lines, part, model, keep, as_json)
        yield replace(_lines(lines, first, schema, model, name_of(part)), done=done)
        first += len(lines)
    if schema is None:
        raise RatingsError(name_of(part), [Problem("has no rows, or blank lines only; write one interview per line")])


def _blocks(part: Part) -> Iterator[tuple[list[bytes], float]]:
    """Read lines, some at a time, without blank ones, as UTF-8; and the share that has been read."""
    stream, done = opened(part)
    with stream:
        rest = stream.read(len(BOM)).removeprefix(BOM)
        decoder = codecs.getincrementaldecoder("utf-16")() if rest.startswith(UTF_16) else None  # as PowerShell writes
        rest, count, ended = decoder.decode(rest).encode() if decoder else rest, 0, False
        while not ended:
            more = stream.read(BYTES)
            ended = not more
            try:
                more = decoder.decode(more, ended).encode() if decoder else more
            except UnicodeDecodeError:
                raise RatingsError(name_of(part), [Problem("is not UTF-16 text, as its first bytes say")]) from None
            block, _, rest = (b"", b"", rest + more) if ended else (rest + more).rpartition(b"\n")
            lines = [line for line in (rest if ended else block).split(b"\n") if line.strip()]
            if lines:
                yield lines, 1.0 if ended else done()
            elif len(rest) > LONGEST_LINE:
                kind = "is longer than 64 MB; write one interview per line"
                raise RatingsError(name_of(part), [Problem(kind, count + 1)])
            count += len(lines)


def mixed_columns(parts: Iterable[Part], keep: Sequence[str]) -> frozenset[str]:
    """Return columns of JSON Lines that do not fit one type: numbers and words, or numbers beyond 64 bits.

    Files are searched whole, since an id may become a word in the last line. A false match inside a text is harmless:
    the column is then kept as JSON, which holds any value. Standard input can be read only once, so there the first
    lines decide.
    """
    patterns, kinds = _patterns(keep), dict[str, set[str]]()
    for part in parts:
        if not keep or part.form.format != JSONL or str(part.path) == STANDARD:
            continue
        for lines, _ in _blocks(part):
            for name, seen in _find_kinds(b"\n".join(lines), patterns).items():
                kinds.setdefault(name, set()).update(seen)
    return _select_mixed(kinds)


def _schema(
    lines: Sequence[bytes], part: Part, model: OfferModel, keep: Sequence[str], as_json: Collection[str]
) -> pa.Schema:
    """Choose types: floats for ratings, text for inputs, and for kept columns the types in the first lines."""
    head: list[dict[str, Any]] = []
    for line in lines[:HEAD]:
        with contextlib.suppress(ValueError, RecursionError):
            head += [row] if isinstance(row := json.loads(line), dict) else []
    there = {key for row in head for key in (*row, *(row[RATINGS] if isinstance(row.get(RATINGS), dict) else ()))}
    constants = {name for name, _ in part.constants} - there
    kinds = {name: _infer_type([row.get(name) for row in head]) for name in keep}
    if str(part.path) == STANDARD:
        as_json = _select_mixed(_find_kinds(b"\n".join(lines), _patterns(keep)))
    kinds |= {name: pa.json_() for name in as_json}
    problems = []
    for name in dict.fromkeys((*model.terms, *keep)) if head else ():
        hint = nearest(name, there.difference(model.terms, keep))
        if name not in there | constants and (hint or name in keep):
            problems.append(Problem(f"is in none of the first {len(head):,} lines{hint}", column=name))
        elif pa.types.is_nested(kinds.get(name, pa.null())):
            problems.append(Problem("is a list or a mapping, which cannot be kept", column=name))
    if problems:
        raise RatingsError(name_of(part), problems)
    signals = [(name, pa.float64()) for name in model.signals]
    words = [(item.name, pa.string()) for item in model.catalogue.inputs]
    words += [(PANEL, pa.string())] if model.raters else []
    kept = [(name, kind) for name, kind in kinds.items() if name not in model.columns]
    flat = [(name, kind) for name, kind in (*signals, *words, *kept) if name not in constants]
    return pa.schema([*flat, (RATINGS, pa.struct([*signals, *words]))])


def _patterns(keep: Sequence[str]) -> dict[str, re.Pattern[bytes]]:
    keys = {name: re.escape(json.dumps(name, ensure_ascii=False).encode()) for name in keep}
    # Ordinary whole numbers match an empty group, so that there are few different matches.
    cell = rb"(?:\d{1,18}(?=[\s,}\]])|([\"tfn{\[]|[^\s,}\]]+))"
    return {name: re.compile(rb"%s\s*:\s*" % key + cell) for name, key in keys.items()}


def _find_kinds(lines: bytes, patterns: Mapping[str, re.Pattern[bytes]]) -> dict[str, set[str]]:
    """Return the kinds of values of each column."""
    return {name: {*map(_kind_of_token, {*pattern.findall(lines)})} - {"null"} for name, pattern in patterns.items()}


def _select_mixed(kinds: Mapping[str, set[str]]) -> frozenset[str]:
    flat = {name: seen for name, seen in kinds.items() if "nested" not in seen}  # which cannot be kept
    return frozenset(name for name, seen in flat.items() if len(seen) > 1 or "large" in seen)


def _kind_of_token(token: bytes) -> str:
    if not token:
        return "whole"
    if token in (b'"', b"t", b"f", b"n", b"[", b"{"):
        return {b'"': "text", b"t": "truth", b"f": "truth", b"n": "null"}.get(token, "nested")
    if not re.fullmatch(rb"-?\d+", token):
        return "decimal"
    return "whole" if -(2**63) <= int(token[:40]) < 2**63 else "large"


def _infer_type(cells: Sequence[Any]) -> pa.DataType:
    """Return the type of cells; if there are several, that of the first cell."""
    for some in (cells, next(([cell] for cell in cells if cell is not None), [])):
        with contextlib.suppress(pa.ArrowException, ValueError, OverflowError):
            kind = pa.array(some).type
            return pa.string() if pa.types.is_null(kind) else kind
    return pa.string()


def _lines(lines: Sequence[bytes], first: int, schema: pa.Schema, model: OfferModel, source: str) -> RowBlock:
    """Read lines at once; if that is not possible, simplify each and list those that are bad rows."""
    # Arrow reads neither a column of JSON nor, without an error, null instead of a mapping.
    if not any(isinstance(kind, pa.JsonType) for kind in schema.types) and not any(map(_NO_RATINGS.search, lines)):
        with contextlib.suppress(pa.ArrowInvalid):
            batch = _parse(lines, schema, model)
            return RowBlock(batch, np.arange(first, first + len(lines)), (), 1.0)
    known: dict[tuple[str, str | bool], float | None] = {}
    plain = [_simplified(line, schema, model, known) for line in lines]
    valid = [row for row, line in enumerate(plain) if line is not None]  # the others are certainly bad rows
    try:
        batch = _parse([plain[row] or b"" for row in valid], schema, model)
    except pa.ArrowInvalid:
        valid = [row for row in valid if not _problems_of(lines[row], plain[row], schema, model, source)]
        batch = _parse([plain[row] or b"" for row in valid], schema, model)
    broken = []
    for row in sorted({*range(len(lines))} - {*valid}):
        explain = partial(_problems_of, lines[row], plain[row], schema, model, source)
        broken.append(BadRow(first + row, explain, lines[row].decode(errors="replace")))
    return RowBlock(batch, np.array(valid, dtype=np.int64) + first, tuple(broken), 1.0)


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
    nested = batch.column(RATINGS)
    for name in model.columns:
        inside = nested.field(name) if nested.null_count < len(nested) else None
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


def _simplified(
    line: bytes, schema: pa.Schema, model: OfferModel, known: dict[tuple[str, str | bool], float | None]
) -> bytes | None:
    """Write ratings as numbers, inputs as their levels and columns of JSON as text; None if a rating is invalid.

    Arrow reads a column of JSON Lines as one type. `known` collects the ratings that cells mean, by signal and cell.
    """
    try:
        record, problems = parse_line(line.decode())
    except UnicodeDecodeError:
        return None
    inner = record.get(RATINGS, {})
    if problems or not isinstance(inner, dict) or any(name in record for name in inner if name in model.columns):
        return None
    for part in (record, inner):
        for signal in model.catalogue.signals:
            cell = part.get(signal.name)
            if isinstance(cell, list | dict):
                return None
            if not isinstance(cell, str | bool):
                continue
            if (key := (signal.name, cell)) not in known:
                known[key] = signal.parse_cell(cell)
            if (rating := known[key]) is None:
                return None
            part[signal.name] = None if math.isnan(rating) else rating
        for item in model.catalogue.inputs:
            cell = part.get(item.name)
            if isinstance(cell, list | dict):
                return None
            if isinstance(cell, str | bool | int | float) and (level := item.level(str(cell))) is not None:
                part[item.name] = level
    for field in schema:
        if isinstance(field.type, pa.JsonType) and record.get(field.name) is not None:
            record[field.name] = json.dumps(record[field.name])
    return json.dumps(record).encode()


def _problems_of(
    line: bytes, plain: bytes | None, schema: pa.Schema, model: OfferModel, source: str
) -> tuple[Problem, ...]:
    """Return the problems of one line; `plain` is the result of `_simplified` for it."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return (Problem(f"is not UTF-8 text (byte {error.start + 1:,})"),)
    record, problems = parse_line(text)
    if problems and not record:
        return (replace(problems[0], found=""),)
    try:
        inner = record.get(RATINGS)
        known = {name: record[name] for name in model.columns if name in record}
        if RATINGS in record:
            usable = {k: v for k, v in inner.items() if k in model.columns} if isinstance(inner, dict) else inner
            known[RATINGS] = usable
        Ratings.from_records([known], model.catalogue, problems=problems)
        if plain is not None:
            _parse([plain], schema, model)
    except RatingsError as error:
        return error.problems
    except pa.ArrowInvalid as error:  # such as an id that is a number where the first lines have text
        return (Problem(f"cannot be read as the first lines are: {str(error).removesuffix(' in row 0')}"),)
    return ()
