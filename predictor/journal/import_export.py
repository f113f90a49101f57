"""Write interviews as an export, and parse files into interviews: exports of any layout, or files of ratings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from predictor.errors import Problem, RatingsError
from predictor.journal.cells import ESTIMATE, TYPED, cells_of, read_cells, safe, take_estimate
from predictor.journal.entry import PRIVATE, STILL_OPEN, Entry, faults, new_id
from predictor.journal.page_file import is_page_file, parse_page_file
from predictor.journal.ratings_tables import from_ratings, from_records, from_table
from predictor.ratings.catalogue import ROLE, Catalogue
from predictor.ratings.ratings import Ratings
from predictor.sources.files import TEXT, ending_of, parse_json, read_bytes, read_ratings, refuse_sheet
from predictor.sources.text import parse_table

Parsed = tuple[list[Entry], list[Problem]]

MOST_ROWS, MOST_COLUMNS = 20_000, 1_000  # of an import by page, so that other requests need not wait long
COLUMNS_BEFORE_SIGNALS = ("id", "title", "who", "held_on", "round", ROLE, "note")
COLUMNS_AFTER_SIGNALS = (
    "not_come_up", "rated_on", "due_on", "guess", "outcome", "outcome_on", "frozen", "interview", "went_well",
    "differently", "try_next", "simulated", *ESTIMATE, "answer",
)  # fmt: skip
EXPORT_COLUMNS = (*COLUMNS_BEFORE_SIGNALS, *COLUMNS_AFTER_SIGNALS)
_RENAMED = {"group": "who", "rated_at": "rated_on", "outcome_at": "outcome_on"}  # columns since the first exports
_ADDED_SINCE = {  # columns that the first exports do not have
    "round", "not_come_up", "due_on", "guess", "interview", "went_well", "differently", "try_next",
    "estimate_base_rate", "answer",
}  # fmt: skip


def entries_csv(entries: Sequence[Entry], catalogue: Catalogue) -> str:
    """Write entries as CSV text, a row each, without private notes; `parse_entries` reads it back."""
    signals = list(dict.fromkeys([*catalogue.names, *(name for entry in entries for name in entry.ratings)]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # a lone CR is not quoted otherwise
    writer.writerow([*COLUMNS_BEFORE_SIGNALS, *signals, *COLUMNS_AFTER_SIGNALS])
    for entry in entries:
        cells = cells_of(entry)
        row = [*(cells[name] for name in COLUMNS_BEFORE_SIGNALS), *(entry.ratings.get(name) for name in signals)]
        writer.writerow([*row, *(cells[name] for name in COLUMNS_AFTER_SIGNALS)])
    return out.getvalue()


def parse_entries(
    content: bytes, source: str, catalogue: Catalogue, *, sheet: str | None = None, limited: bool = False
) -> Parsed:
    """Parse CSV or a workbook, either an export or ordinary ratings, into entries and problems.

    Raises
    ------
    RatingsError
        If it is not a table with rows; where `limited` also if it has more than `MOST_ROWS` rows or `MOST_COLUMNS`
        columns.
    """
    most: dict[str, int] = {"most_rows": MOST_ROWS, "most_columns": MOST_COLUMNS} if limited else {}
    header, rows, problems = parse_table(content, source, sheet=sheet, **most)
    if not _is_export(header):
        return from_table(header, rows, problems, source, catalogue)
    return _exported(header, rows, problems, source, catalogue)


def parse_json_entries(content: bytes, source: str, catalogue: Catalogue) -> Parsed:
    """Parse JSON (an export, a file that the page saved, or ratings) into entries and problems; see `parse_entries`."""
    if is_page_file(content):
        return parse_page_file(content, source, catalogue)
    records, problems = parse_json(content, source)
    if not records or not all(isinstance(record, dict) and _is_export(record) for record in records):
        return from_records(records, problems, source, catalogue)
    rows = []
    for number, record in enumerate(records, 1):
        cells = {name: cell for name, cell in record.items() if name != PRIVATE}
        for name, prefix in (("ratings", ""), ("estimate", "estimate_")):
            inner = cells.pop(name, None)
            if isinstance(inner, dict):
                cells |= {f"{prefix}{key}": cell for key, cell in inner.items()}
            elif inner is not None:
                problems.append(Problem(f"must be a mapping of {name}", number, name, repr(inner)))
        rows.append(cells)
    old = any("rated_at" in row for row in rows)
    known = [name for name in EXPORT_COLUMNS if not (old and name in _RENAMED.values())]
    header = list(dict.fromkeys(name for row in rows for name in (*known, *row)))
    return _exported(
        header, [[_cell(row.get(name), name) for name in header] for row in rows], problems, source, catalogue
    )


def _is_export(names: Any) -> bool:
    """Return whether these are names that ordinary ratings do not have together."""
    return "id" in names and ("rated_at" in names or {"rated_on", "frozen"} <= set(names))


def _cell(value: Any, name: str) -> str:
    if _RENAMED.get(name, name) in TYPED:
        return safe("" if value is None else str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "answer" and value is not None:
        return json.dumps(value)
    if name == "not_come_up" and isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)


def _exported(
    header: list[str], rows: list[list[str]], problems: list[Problem], source: str, catalogue: Catalogue
) -> Parsed:
    """Parse the rows of an export into entries, with every problem."""
    headings = {_RENAMED.get(name, name): name for name in header}  # the file's own, for messages
    header = [*headings]
    missing = set(EXPORT_COLUMNS) - _ADDED_SINCE - set(header)
    old = {new: name for name, new in _RENAMED.items()} if "rated_at" in headings.values() else {}
    problems += [
        Problem("is missing; export the journal again", column=old.get(x, x)) for x in EXPORT_COLUMNS if x in missing
    ]
    signals = [place for place, name in enumerate(header) if name not in EXPORT_COLUMNS or name == ROLE]
    read, unreadable = _read(header, rows, headings)
    try:
        table = [[row[place] for place in signals] for row in rows]
        ratings = Ratings.from_text([header[place] for place in signals], table, catalogue, source=source)
    except RatingsError as error:
        return [], [*problems, *error.problems, *unreadable]
    problems += unreadable
    if problems:
        return [], problems
    roles = ratings.columns.get(ROLE, [""] * len(rows))
    return [
        Entry(**data, ratings=ratings.ratings_of_row(row), rater_role=str(roles[row])) for row, data in enumerate(read)
    ], []


def _read(
    header: Sequence[str], rows: Sequence[Sequence[str]], headings: dict[str, str]
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Read what an entry is besides its ratings, row by row, with every problem."""
    read, problems = [], []
    for number, row in enumerate(rows, 1):
        cells = {**dict.fromkeys(EXPORT_COLUMNS, ""), **dict(zip(header, row, strict=True))}
        data, wrong = read_cells({name: cell for name, cell in cells.items() if name in EXPORT_COLUMNS})
        data.pop(ROLE, None)
        data["id"] = data["id"] or new_id()
        if (outcome := data["outcome"] or STILL_OPEN) == "unknown":  # as the first exports have it
            outcome = STILL_OPEN
        data |= {"outcome": outcome, **{name: bool(data[name]) for name in ("frozen", "simulated")}}
        take_estimate(data, wrong)
        wrong = faults(data) | wrong
        known = {name: why for name, why in wrong.items() if name in headings}
        problems += [Problem(why, number, headings[name], cells[name]) for name, why in known.items()]
        read.append(data)
    return read, problems


def parse_file(path: Path, catalogue: Catalogue, sheet: str | None = None) -> Parsed:
    """Parse the interviews of a file: an export of a journal, a file that the page saved, or ratings."""
    refuse_sheet(path, sheet)
    if ending_of(path) in TEXT:
        return parse_entries(read_bytes(path), str(path), catalogue, sheet=sheet)
    if ending_of(path) == ".json":
        return parse_json_entries(read_bytes(path), str(path), catalogue)
    return from_ratings(read_ratings(path, catalogue), str(path))


def is_json(path: str | Path) -> bool:
    """Return whether a file is JSON by its name."""
    return Path(path).suffix.lower() == ".json"


def join_parsed(parsed: Sequence[tuple[str, Parsed]]) -> tuple[list[Entry], list[Problem], str]:
    """Join what was parsed from files; where there are several, each problem names its file."""
    entries = [entry for _, (some, _) in parsed for entry in some]
    problems = [(name, problem) for name, (_, some) in parsed for problem in some]
    if len(parsed) == 1:
        return entries, [problem for _, problem in problems], parsed[0][0]
    named = [replace(problem, message=f"{problem.message} ({name})") for name, problem in problems]
    return entries, named, f"{len(parsed)} files"
