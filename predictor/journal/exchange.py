"""Export a journal as CSV or JSON, and import it: exports of any layout, or files of ratings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from predictor.errors import Problem, RatingsError
from predictor.journal.cells import ESTIMATE, TYPED, cells_of, read_cells, safe, take_estimate
from predictor.journal.entry import PRIVATE, ROLE, STILL_OPEN, Entry, faults, new_id
from predictor.journal.exported_page import is_answers, parse_answers
from predictor.journal.ordinary import from_records, from_table
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.sources.files import parse_json
from predictor.sources.text import parse_table

MOST_ROWS, MOST_COLUMNS = 20_000, 1_000  # of an import by page, during which others are to be answered
_BEFORE = ("id", "title", "who", "held_on", "round", ROLE, "note")
_AFTER = (
    "not_come_up", "rated_on", "due_on", "guess", "outcome", "outcome_on", "frozen", "interview", "went_well",
    "differently", "try_next", "simulated", *ESTIMATE, "answer",
)  # fmt: skip
COLUMNS = (*_BEFORE, *_AFTER)
_OLD = {"group": "who", "rated_at": "rated_on", "outcome_at": "outcome_on"}  # of exports of before
_LATER = {  # not in exports of before
    "round", "not_come_up", "due_on", "guess", "interview", "went_well", "differently", "try_next",
    "estimate_base_rate", "answer",
}  # fmt: skip


def entries_csv(entries: Sequence[Entry], catalogue: Catalogue) -> str:
    """Write entries as CSV text, a row each, without private notes; `parse_entries` reads it back."""
    signals = list(dict.fromkeys([*catalogue.names, *(name for entry in entries for name in entry.ratings)]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # a lone CR is not quoted otherwise
    writer.writerow([*_BEFORE, *signals, *_AFTER])
    for entry in entries:
        cells = cells_of(entry)
        row = [*(cells[name] for name in _BEFORE), *(entry.ratings.get(name) for name in signals)]
        writer.writerow([*row, *(cells[name] for name in _AFTER)])
    return out.getvalue()


def parse_entries(
    content: bytes, source: str, catalogue: Catalogue, *, sheet: str | None = None, limited: bool = False
) -> tuple[list[Entry], list[Problem]]:
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


def parse_json_entries(content: bytes, source: str, catalogue: Catalogue) -> tuple[list[Entry], list[Problem]]:
    """Parse JSON, an export, answers of the exported page or ratings, to entries and problems; see `parse_entries`."""
    if is_answers(content):
        return parse_answers(content, source, catalogue)
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
    known = [name for name in COLUMNS if not (old and name in _OLD.values())]
    header = list(dict.fromkeys(name for row in rows for name in (*known, *row)))
    return _exported(
        header, [[_cell(row.get(name), name) for name in header] for row in rows], problems, source, catalogue
    )


def _is_export(names: Any) -> bool:
    """Return whether these are names that ordinary ratings do not have together."""
    return "id" in names and ("rated_at" in names or {"rated_on", "frozen"} <= set(names))


def _cell(value: Any, name: str) -> str:
    if _OLD.get(name, name) in TYPED:
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
) -> tuple[list[Entry], list[Problem]]:
    """Parse the rows of an export into entries, with every problem."""
    shown = dict(zip((_OLD.get(name, name) for name in header), header, strict=True))  # as messages call them
    header = [*shown]
    missing = set(COLUMNS) - _LATER - set(header)
    old = {new: name for name, new in _OLD.items()} if "rated_at" in shown.values() else {}
    problems += [Problem("is missing; export the journal again", column=old.get(x, x)) for x in COLUMNS if x in missing]
    signals = [place for place, name in enumerate(header) if name not in COLUMNS or name == ROLE]
    read, unreadable = _read(header, rows, shown)
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
    header: Sequence[str], rows: Sequence[Sequence[str]], shown: dict[str, str]
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Read what an entry is besides its ratings, row by row, with every problem."""
    read, problems = [], []
    for number, row in enumerate(rows, 1):
        cells = {**dict.fromkeys(COLUMNS, ""), **dict(zip(header, row, strict=True))}
        data, wrong = read_cells({name: cell for name, cell in cells.items() if name in COLUMNS})
        data.pop(ROLE, None)
        data["id"] = data["id"] or new_id()
        if (outcome := data["outcome"] or STILL_OPEN) == "unknown":  # as exports of before have it
            outcome = STILL_OPEN
        data |= {"outcome": outcome, **{name: bool(data[name]) for name in ("frozen", "simulated")}}
        take_estimate(data, wrong)
        wrong = faults(data) | wrong
        problems += [Problem(why, number, shown[name], cells[name]) for name, why in wrong.items() if name in shown]
        read.append(data)
    return read, problems
