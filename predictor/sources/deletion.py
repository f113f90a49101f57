"""Delete a person's rows from a table; no other byte of it changes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from predictor.errors import ConfigError, shorten
from predictor.sources.dialect import decode, encode, header_of
from predictor.sources.files import CSV, LINES, decode_json, read_bytes, read_json, word_of


@dataclass(frozen=True)
class TableWithoutPerson:
    """A table without a person's rows.

    Attributes
    ----------
    path
        Of the table.
    column
        The one that names the person.
    removed, left
        Rows of the person, and of others.
    content
        What the file is to hold.
    """

    path: Path
    column: str
    removed: int
    left: int
    content: bytes


def without_person(path: Path, person: str, columns: Sequence[str]) -> TableWithoutPerson:
    """Read a table and take a person's rows out; nothing is written.

    Parameters
    ----------
    path
        CSV, JSON Lines, JSON or Parquet.
    person
        As in the table.
    columns
        Names for the person's column: the first that the table has is taken.

    Raises
    ------
    ConfigError
        If it has none of them, or is of another format.
    RatingsError
        If it cannot be read.
    """
    ending = path.suffix.lower()
    if ending in CSV:
        return _csv(path, person, columns)
    if ending in (".json", *LINES):
        return _json(path, person, columns)
    if ending == ".parquet":
        return _parquet(path, person, columns)
    raise ConfigError(f"{path}: is none of CSV, JSON, JSON Lines and Parquet; delete the person's rows in it by hand")


def _column(path: Path, there: Sequence[str], columns: Sequence[str]) -> str:
    for name in columns:
        if there.count(name) > 1:  # the person may stand in any of them
            raise ConfigError(f"{path}: has {there.count(name)} columns with the name {name!r}; keep one")
        if name in there:
            return name
    listed = ", ".join(shorten(name) for name in there[:8]) + (", ..." if len(there) > 8 else "")
    raise ConfigError(
        f"{path}: has no column {' or '.join(repr(name) for name in columns)} that says whose row it is; name it with "
        f"--column. It has: {listed}"
    )


def _csv(path: Path, person: str, columns: Sequence[str]) -> TableWithoutPerson:
    content = read_bytes(path)
    text = decode(content, str(path))
    head = header_of(text, str(path))
    names = [name.strip() for name in head.names]
    column = _column(path, names, columns)
    index, kept, removed, left = names.index(column), [text[: head.length]], 0, 0
    for raw, cells in _records(text[head.length :], head.delimiter):
        if len(cells) > index and cells[index].strip() == person:
            removed += 1
        else:
            kept.append(raw)
            left += bool(cells)
    return TableWithoutPerson(path, column, removed, left, encode("".join(kept), content))


def _records(body: str, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """Each record unchanged, line breaks within quotes and at its end included, and its cells."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(body, newline=""):
            taken.append(line)
            yield line

    for cells in csv.reader(lines(), delimiter=delimiter):
        yield "".join(taken), cells
        taken.clear()


def _json(path: Path, person: str, columns: Sequence[str]) -> TableWithoutPerson:
    records, _ = read_json(path)
    rows = [record if isinstance(record, dict) else {} for record in records]
    column = _column(path, [str(name) for name in dict.fromkeys(key for row in rows for key in row)], columns)
    others = [number for number, row in enumerate(rows) if row.get(column) is None or word_of(row[column]) != person]
    if path.suffix.lower() in LINES:
        old = read_bytes(path)
        text = io.StringIO(decode_json(old, str(path)), newline="\n")
        lines = [line for line in text if line.strip()]  # as `read_json` counts them
        content = encode("".join(lines[number] for number in others), old)
    else:
        content = (json.dumps([records[number] for number in others], indent=2, ensure_ascii=False) + "\n").encode()
    return TableWithoutPerson(path, column, len(rows) - len(others), len(others), content)


def _parquet(path: Path, person: str, columns: Sequence[str]) -> TableWithoutPerson:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from predictor.sources.parquet import explained

    with explained(str(path)):
        table = pq.read_table(path)
    column = _column(path, table.schema.names, columns)
    words = pc.cast(table[column], pa.string())
    theirs = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(words), person), False)
    rest = table.filter(pc.invert(theirs))
    out = io.BytesIO()
    pq.write_table(rest, out)
    return TableWithoutPerson(path, column, table.num_rows - rest.num_rows, rest.num_rows, out.getvalue())
