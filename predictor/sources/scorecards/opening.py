"""Open the files of an export: CSV, Parquet, JSON and JSON Lines, compressed or not, one page per file or all in one.

What a file is shows in its content, not in its name: envelopes such as {"data": [...]} are opened, bundles of several
lists are several tables, and messages of copying tools (Airbyte, Singer) give their records.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from predictor.errors import Problem, RatingsError, shorten
from predictor.sources.compression import unpacked
from predictor.sources.dialect import BYTE_ORDERS, refuse_foreign
from predictor.sources.files import read_bytes
from predictor.sources.scorecards.findings import Findings
from predictor.sources.scorecards.tables import (
    FLAGS,
    IDS,
    TIMES,
    Table,
    TableKind,
    appended,
    plain,
    refuse_missing,
    typed,
)
from predictor.sources.text import parse_table
from predictor.sources.workbook import WORKBOOKS, sheets_of

_JSON_WORDS = {
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    type(None): "null",
}
_ENVELOPES = ("data", "results", "items", "value")
_MORE = ("hasNext", "has_next", "moreDataAvailable", "more_data_available")
SAMPLE = 200  # records by which the columns of JSON are known


@dataclass
class Source:
    """A table of a file, not read yet but for its columns.

    Attributes
    ----------
    label
        The file, and the list in it where it holds several.
    columns
        Names as `plain` has them; of nested objects too, joined by "_".
    more
        Whether the file itself states that more pages follow; None where it states nothing.
    """

    label: str
    columns: frozenset[str]
    names: dict[str, str] = field(default_factory=dict)  # as the file has them, by plain name
    path: Path | None = None
    records: list[Any] | None = None
    more: bool | None = None

    def read(self, kind: TableKind, findings: Findings) -> Table:
        """Read what a kind wants of it."""
        wanted = kind.wanted(self.columns)
        if self.records is not None:
            flat = [flattened(record) for record in self.records]
            raw: dict[str, list[Any]] = {name: _cells(flat, there, name) for name, there in wanted.items()}
            if not raw:
                raw = {"id": [[None] * len(flat)]}
            frame = typed(raw, kind, self.label, findings)
            refuse_missing(frame, kind, self.label, findings)
            return Table(frame, [self.label], [0], records=self.records)
        from predictor.sources.scorecards.columns import MixedTypesError

        wanted = {name: there if name == "deleted" else there[:1] for name, there in wanted.items()}

        try:
            return self._typed(wanted, kind, findings)
        except MixedTypesError:
            return self._typed(wanted, kind, findings, as_text=True)

    def _typed(
        self, wanted: Mapping[str, list[str]], kind: TableKind, findings: Findings, *, as_text: bool = False
    ) -> Table:
        """Read a flat file in blocks, of which only the typed columns are kept."""
        from predictor.sources.scorecards.columns import read_columns, release_memory

        words = {self.names[there[0]] for name, there in wanted.items() if name not in IDS | TIMES | FLAGS}
        columns = sorted({self.names[column] for there in wanted.values() for column in there})
        frames, first, own = [], 0, Findings()
        for block in read_columns(self._path, columns, words, self.label, as_text=as_text):
            raw = {name: [block[self.names[column]] for column in there] for name, there in wanted.items()}
            frames.append(typed(raw, kind, self.label, own, first))
            first += len(block)
        frame = appended(frames)
        release_memory()
        refuse_missing(frame, kind, self.label, own)
        for problem in own.problems.get(self.label, ()):
            findings.refuse(self.label, problem)
        return Table(frame, [self.label], [0])

    @property
    def _path(self) -> Path:
        assert self.path is not None
        return self.path


def _cells(flat: Sequence[Mapping[str, Any]], columns: Sequence[str], name: str) -> list[list[Any]]:
    """Return a column of records: the first that a record has, of the columns that show a deletion all."""
    if name == "deleted":
        return [[row.get(column) for row in flat] for column in columns]
    return [[next((row[column] for column in columns if row.get(column) is not None), None) for row in flat]]


def open_files(files: Sequence[tuple[Path, str]], findings: Findings) -> list[Source]:
    """Open files, and read the columns of each."""
    sources: list[Source] = []
    for path, label in files:
        try:
            sources += _open(path, label, findings)
        except RatingsError as error:
            for problem in error.problems:
                findings.refuse(label, problem)
    return sources


def _open(path: Path, label: str, findings: Findings) -> Iterator[Source]:
    ending = unpacked(path).suffix.lower()
    if ending in (".json", ".jsonl", ".ndjson"):
        yield from json_sources(read_bytes(path), label, findings)
    elif ending in WORKBOOKS:
        content = read_bytes(path)
        for sheet in sheets_of(content, label):
            header, rows, problems = parse_table(content, label, sheet=sheet)
            _refuse_all(problems, label, findings)
            records = [dict(zip(header, map(_unwrapped_cell, row), strict=False)) for row in rows]
            yield source_of(records, f"{label}: {sheet}")
    else:
        yield from _of_columns(path, label, ending)


def _refuse_all(problems: Sequence[Problem], label: str, findings: Findings) -> None:
    for problem in problems:
        findings.refuse(label, problem)


def _of_columns(path: Path, label: str, ending: str) -> Iterator[Source]:
    from predictor.sources.scorecards.columns import header_and_sample

    names, rows = header_and_sample(path, ending, label)
    known = {plain(name): name for name in names}
    nested = frozenset(plain(name) for name in names if any(_is_json(row.get(name)) for row in rows))
    if not nested:
        yield Source(label, frozenset(known), known, path)
        return
    from predictor.sources.scorecards.columns import read_records

    records = ({plain(name): _unwrapped_cell(cell) for name, cell in row.items()} for row in read_records(path, label))
    yield source_of([*records], label)


def _is_json(cell: Any) -> bool:
    return isinstance(cell, dict | list) or (isinstance(cell, str) and cell.lstrip()[:1] in ("{", "[") and _json(cell))


def _json(cell: str) -> bool:
    try:
        return isinstance(json.loads(cell), dict | list)
    except ValueError:
        return False


def _unwrapped_cell(cell: Any) -> Any:
    if isinstance(cell, str) and cell.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def json_sources(content: bytes, label: str, findings: Findings) -> Iterator[Source]:
    """Parse JSON, JSON Lines, or pages of JSON one after the other into tables.

    Raises
    ------
    RatingsError
        If it is none of them.
    """
    refuse_foreign(content.lstrip(), label)
    try:
        text = content.decode("utf-16" if content[:2] in BYTE_ORDERS else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise RatingsError(label, [Problem(f"is not UTF-8 text (byte {error.start + 1:,}); export it again")]) from None
    if not text.strip():
        raise RatingsError(label, [Problem("the file is empty; export it again, or remove it from the folder")])
    try:
        data = _parsed(text, label, findings)
    except RecursionError:
        raise RatingsError(label, [Problem("is nested too deeply to be an export; export it again")]) from None
    more = _more(data)
    for name, records in _lists(data, label):
        source = source_of(records, f"{label}: {name}" if name else label, findings)
        source.more = more
        yield source


def _parsed(text: str, label: str, findings: Findings) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and _json(lines[0]):
            return [_line(line, number, label, findings) for number, line in enumerate(lines, 1)]
        if pages := _one_after_the_other(text):
            return pages
        where = f": {error.msg} at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise RatingsError(label, [Problem(f"is not JSON{where}; it may be cut off: export it again")]) from None


def _one_after_the_other(text: str) -> list[Any]:
    """Return JSON values that follow each other, as pages that were appended to one file; none where a rest is left."""
    values, end = [], 0
    while end < len(text):
        try:
            value, end = json.JSONDecoder().raw_decode(text, end)
        except ValueError:
            return []
        values.append(value)
        end += len(text[end:]) - len(text[end:].lstrip())
    return values


def _line(line: str, number: int, label: str, findings: Findings) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        findings.refuse(
            label,
            Problem("is not JSON, and a line of JSON Lines is one record; export it again, or delete the line", number),
        )
        return {}


def _more(data: Any) -> bool | None:
    """Whether the pages of a file state that more follow after the last of them."""
    pages = data if isinstance(data, list) else [data]
    flags = [page[key] for page in pages if isinstance(page, dict) for key in _MORE if isinstance(page.get(key), bool)]
    return all(flags) if flags else None


def _lists(data: Any, label: str) -> Iterator[tuple[str, list[Any]]]:
    """Return the lists of records in a JSON value, each with its name in a bundle.

    - records, also as messages of copying tools: `[{...}, {...}]`
    - pages: `[[{...}], {"data": [{...}]}]`
    - one record, or records by their ids: `{"id": 5}`, `{"5": {"id": 5}}`
    - an envelope, or a bundle: `{"data": [{...}]}`, `{"applications": [{...}], "offers": [{...}]}`
    """
    if isinstance(data, dict):
        yield from _of_object(data, label)
    elif isinstance(data, list):
        pages = [page for page in data if isinstance(page, list) or _is_page(page)]
        if pages and len(pages) == len(data):
            together: dict[str, list[Any]] = {}
            for page in pages:
                for name, records in _lists(page, label) if page else ():
                    if records:
                        together.setdefault(name, []).extend(records)
            yield from together.items() if together else [("", [])]
            return
        streams: dict[str, list[Any]] = {}
        for record in data:
            stream, body = _message(record)
            if body is not None or record is None:
                streams.setdefault(stream, []).append(body)
        yield from streams.items()
        if not streams:
            yield "", []
    else:
        raise RatingsError(label, [Problem(f"holds {shorten(json.dumps(data), 20)}, no records; export it again")])


def _of_object(data: Mapping[str, Any], label: str) -> Iterator[tuple[str, list[Any]]]:
    """Return the lists in an object: a record alone, an envelope, a bundle, or records by their ids."""
    _refuse_error(data, label)
    envelope = next((key for key in _ENVELOPES if isinstance(data.get(key), list | dict)), "")
    bundle = {name: part for name, part in data.items() if _holds_records(part)}
    if "id" in data or _message(data)[0]:
        yield "", _unwrapped(data)
    elif envelope:
        yield from _lists(data[envelope], label)
    elif bundle:
        for name, part in bundle.items():
            yield from ((name, records) for _, records in _lists(part, label))
    elif data and all(isinstance(part, dict) and "id" in part for part in data.values()):
        yield "", [*data.values()]
    else:
        yield "", [] if any(isinstance(part, list) for part in data.values()) else [data]


def _holds_records(part: Any) -> bool:
    """Whether a part of a bundle is a list of records, also in an envelope of its own."""
    if isinstance(part, list):
        return bool(part) and isinstance(part[0], dict)
    return isinstance(part, dict) and "id" not in part and any(isinstance(part.get(key), list) for key in _ENVELOPES)


def _is_page(page: Any) -> bool:
    """Whether an object is a page: it holds a list of records, and is none itself."""
    if not isinstance(page, dict) or any(name == "id" or str(name).endswith(("_id", "Id")) for name in page):
        return False
    return any(part == [] or _holds_records(part) for part in page.values())


def _refuse_error(data: Mapping[str, Any], label: str) -> None:
    """Refuse the answer of a system that failed: it has words in place of records."""
    empty = not any(isinstance(part, list | dict) for name, part in data.items() if not name.startswith("error"))
    words = [data[key] for key in ("errors", "error", "errorInfo", "message", "title", "code") if data.get(key)]
    if data.get("success") is False or (words and empty and "id" not in data):
        word = words[0] if words else "without a reason"
        while isinstance(word, list | dict) and word:
            word = word[0] if isinstance(word, list) else word.get("message", next(iter(word.values())))
        reason = shorten(" ".join(str(word).split()), 80)
        raise RatingsError(label, [Problem(f"holds an error of the system, no data: {reason}; export it again")])


def _unwrapped(part: Any) -> list[Any]:
    records = part if isinstance(part, list) else [part]
    bodies = ((record, _message(record)[1]) for record in records)
    return [body for record, body in bodies if body is not None or record is None]


def _message(record: Any) -> tuple[str, Any]:
    """Return stream and record of a message of a copying tool; an ordinary record as it is, None for no record."""
    if not isinstance(record, dict):
        return "", record
    kind = str(record.get("type", "")).upper()
    inner = record.get("record")
    if kind == "RECORD" and isinstance(inner, dict):
        if isinstance(inner.get("data"), dict):
            return str(inner.get("stream", "")), inner["data"]
        return str(record.get("stream", "")), inner
    if kind in ("STATE", "SCHEMA", "LOG", "CATALOG", "SPEC", "TRACE", "ACTIVATE_VERSION") and "id" not in record:
        return "", None
    raw = record.get("_airbyte_data")
    if raw is not None:
        return str(record.get("_airbyte_stream", "")), _unwrapped_cell(raw)
    return "", record


def source_of(records: list[Any], label: str, findings: Findings | None = None) -> Source:
    """Return records as a table."""
    if records and isinstance(records[0], dict) and "_airbyte_data" in records[0]:
        records = [_message(record)[1] for record in records]
    usable = []
    for number, record in enumerate(records, 1):
        if isinstance(record, dict):
            usable.append(record)
        elif findings is not None:
            kind = f"is {_JSON_WORDS[type(record)]}, not a record with keys and values; delete it, or export it again"
            findings.refuse(label, Problem(kind, number))
    columns = {name for record in usable[:SAMPLE] for name in (*flattened(record), *map(plain, record))}
    return Source(label, frozenset(columns), records=usable)


def flattened(record: Mapping[str, Any], prefix: str = "", depth: int = 3) -> dict[str, Any]:
    """Return the cells of a record by plain names; nested objects joined by "_", as warehouses name them.

    Examples
    --------
    >>> flattened({"id": 5, "interviewer": {"id": 821, "name": "A"}, "isAnonymized": False})
    {'id': 5, 'interviewer_id': 821, 'interviewer_name': 'A', 'is_anonymized': False}
    """
    flat: dict[str, Any] = {}
    for key, cell in record.items():
        name = prefix + plain(str(key))
        if isinstance(cell, dict) and depth:
            for inner, value in flattened(cell, f"{name}_", depth - 1).items():
                flat.setdefault(inner, value)
        elif not isinstance(cell, list | dict):
            flat[name] = cell
    return flat
