"""Entries of a journal as CSV, and back; what a person typed is no formula to a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from predictor.errors import JournalError, Problem, RatingsError
from predictor.journal.entry import (
    NO_OFFER,
    OFFER,
    ROLE,
    UNKNOWN,
    Entry,
    Estimate,
    faults,
    moment,
    new_id,
    now,
)
from predictor.ratings.catalogue import ORIGIN, SIMULATED, Catalogue
from predictor.ratings.outcomes import NO, YES
from predictor.ratings.ratings import Ratings
from predictor.sources.files import parse_json
from predictor.sources.text import parse_table

MOST_ROWS, MOST_COLUMNS = 20_000, 1_000  # of an import by page, during which others are to be answered
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - a spreadsheet takes the wide ones, too
_ESTIMATE = {f"estimate_{item.name}": item.name for item in fields(Estimate)}
_BEFORE = ("id", "title", "note", "held_on", "group", ROLE)
_AFTER = ("rated_at", "outcome", "outcome_at", "frozen", "simulated", *_ESTIMATE)
COLUMNS = (*_BEFORE, *_AFTER)
_AHEAD = timedelta(hours=14)  # by which a file's time zone may be before UTC
_EXPORTED = {"id", "rated_at"}  # what ordinary ratings do not have
_LATER = ("estimate_base_rate",)  # not in exports of before
_TYPED = ("title", "note", "group", ROLE, "estimate_model", "estimate_fingerprint")


def entries_csv(entries: Sequence[Entry], catalogue: Catalogue) -> str:
    """Write entries as CSV text, a row each: the entry, its ratings, outcome and estimate.

    In cells that a person typed, a leading = + - @ tab or line end is kept from being a formula by an apostrophe, as
    OWASP advises; `parse_entries` takes it away.
    """
    signals = list(dict.fromkeys([*catalogue.names, *(name for entry in entries for name in entry.ratings)]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # a lone CR is not quoted otherwise
    writer.writerow([*_BEFORE, *signals, *_AFTER])
    for entry in entries:
        cells = entry.to_dict()
        cells |= {column: getattr(entry.estimate, name, None) for column, name in _ESTIMATE.items()}
        cells |= {name: _safe(cells[name] or "") for name in _TYPED}
        row = [*(cells[name] for name in _BEFORE), *(entry.ratings.get(name) for name in signals)]
        row += [cells[name] for name in _AFTER]
        writer.writerow([{True: "yes", False: "no"}[cell] if isinstance(cell, bool) else cell for cell in row])
    return out.getvalue()


def parse_entries(
    content: bytes, source: str, catalogue: Catalogue, *, sheet: str | None = None, limited: bool = False
) -> tuple[list[Entry], list[Problem]]:
    """Parse CSV or a workbook, either an export or ordinary ratings, into entries and the problems found.

    Raises
    ------
    RatingsError
        If it is no table with rows, or it is ordinary ratings and has problems; where `limited` also if it has more
        than `MOST_ROWS` rows or `MOST_COLUMNS` columns.
    """
    most: dict[str, int] = {"most_rows": MOST_ROWS, "most_columns": MOST_COLUMNS} if limited else {}
    header, rows, problems = parse_table(content, source, sheet=sheet, **most)
    if not set(header) >= _EXPORTED:
        ratings = Ratings.from_text(header, rows, catalogue, source=source, problems=problems)
        return ordinary(ratings, Path(source).stem), []
    return _exported(header, rows, problems, source, catalogue)


def parse_json_entries(content: bytes, source: str, catalogue: Catalogue) -> tuple[list[Entry], list[Problem]]:
    """Parse JSON, either an export or ordinary ratings, into entries and the problems found; see `parse_entries`."""
    records, problems = parse_json(content, source)
    if not records or not all(isinstance(record, dict) and set(record) >= _EXPORTED for record in records):
        ratings = Ratings.from_records(records, catalogue, source=source, problems=problems)
        return ordinary(ratings, Path(source).stem), []
    rows = []
    for number, record in enumerate(records, 1):
        cells = {**record}
        for name, prefix in (("ratings", ""), ("estimate", "estimate_")):
            inner = cells.pop(name, None)
            if isinstance(inner, dict):
                cells |= {f"{prefix}{key}": cell for key, cell in inner.items()}
            elif inner is not None:
                problems.append(Problem(f"must be a mapping of {name}", number, name, repr(inner)))
        rows.append(cells)
    header = list(dict.fromkeys(name for row in rows for name in (*COLUMNS, *row)))
    return _exported(
        header, [[_cell(row.get(name), name) for name in header] for row in rows], problems, source, catalogue
    )


def _cell(value: Any, name: str) -> str:
    if name in _TYPED:
        return _safe("" if value is None else str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _exported(
    header: list[str], rows: list[list[str]], problems: list[Problem], source: str, catalogue: Catalogue
) -> tuple[list[Entry], list[Problem]]:
    """Turn the rows of an export into entries, with every problem."""
    missing = set(COLUMNS) - set(_LATER) - set(header)
    problems += [Problem("is missing; export the journal anew", column=x) for x in COLUMNS if x in missing]
    signals = [place for place, name in enumerate(header) if name not in COLUMNS or name == ROLE]
    try:
        table = [[row[place] for place in signals] for row in rows]
        ratings = Ratings.from_text([header[place] for place in signals], table, catalogue, source=source)
    except RatingsError as error:
        return [], [*problems, *error.problems, *_read(header, rows)[1]]
    read, found = _read(header, rows)
    problems += found
    if problems:
        return [], problems
    roles = ratings.columns.get(ROLE, [""] * len(rows))
    return [
        Entry(**data, ratings=ratings.answers(row), rater_role=str(roles[row])) for row, data in enumerate(read)
    ], []


def _read(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Read what an entry is besides its ratings, row by row, with every problem."""
    read, problems, latest = [], [], now() + _AHEAD
    for number, row in enumerate(rows, 1):
        cells = {**dict.fromkeys(COLUMNS, ""), **dict(zip(header, row, strict=True))}
        cells |= {name: _typed(cells[name]) for name in _TYPED}
        data: dict[str, Any] = {name: cells[name] for name in ("title", "note", "group")}
        data |= {"id": cells["id"].strip() or new_id(), "outcome": cells["outcome"].strip() or UNKNOWN}
        wrong = {}
        for name, parse, kind in _PARSED:
            data[name] = None
            if cell := cells[name].strip():
                try:
                    data[name] = parse(cell)
                except (ValueError, KeyError):
                    wrong[name] = kind
        wrong |= {name: _TO_COME for name in ("rated_at", "outcome_at") if data[name] and data[name] > latest}
        estimate = {name: data.pop(column, cells[column]) for column, name in _ESTIMATE.items()}
        data |= {"estimate": None, "frozen": bool(data["frozen"]), "simulated": bool(data["simulated"])}
        if not wrong and any(cells[column].strip() for column in _ESTIMATE):
            try:
                data["estimate"] = Estimate(**estimate)
            except (JournalError, TypeError):
                wrong["estimate_probability"] = "is no estimate inside its interval, or not all of it is there"
        wrong = faults(data) | wrong
        problems += [Problem(why, number, name, cells[name]) for name, why in wrong.items() if name in header]
        read.append(data)
    return read, problems


def ordinary(ratings: Ratings, name: str) -> list[Entry]:
    """Turn ordinary ratings into entries: ids become titles, the group stays, other context becomes the note."""
    catalogue, entries, problems, latest = ratings.catalogue, [], [], now() + _AHEAD
    days = {"rated_on": "", "outcome_on": ""}
    for row in range(len(ratings)):
        context = {column: str(cells[row]) for column, cells in ratings.columns.items() if str(cells[row])}
        at: dict[str, datetime | None] = dict.fromkeys(days)
        for column in days:
            if day := context.pop(column, ""):
                try:
                    at[column] = parsed = moment(date.fromisoformat(day))
                except ValueError:
                    problems.append(Problem(_DAY, row + 1, column, day))
                else:
                    problems += [Problem(_TO_COME, row + 1, column, day)] if parsed > latest else []
        outcome = {1.0: OFFER, 0.0: NO_OFFER}.get(float(ratings.y[row]), UNKNOWN)
        if outcome != UNKNOWN:  # where nobody said when, it was known when it was imported
            at["outcome_on"] = at["outcome_on"] or now()
        data: dict[str, Any] = {
            "id": new_id(),
            "title": context.pop("interview_id", f"{name}, row {row + 1}"),
            "group": context.pop(catalogue.group or "", ""),
            "rater_role": context.pop(ROLE, ""),
            "simulated": context.pop(ORIGIN, "") == SIMULATED,
            "rated_at": at["rated_on"],
            "outcome": outcome,
            "outcome_at": at["outcome_on"],
            "frozen": outcome != UNKNOWN,
        }
        data["note"] = "; ".join(f"{column}: {word}" for column, word in context.items())
        problems += [Problem(why, row + 1, column) for column, why in faults(data).items()]
        if not problems:
            entries.append(Entry(**data, ratings=ratings.answers(row)))
    if problems:
        raise RatingsError(ratings.source, problems)
    return entries


def _safe(text: str) -> str:
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _typed(text: str) -> str:
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


_DAY = "is not a day; write it as in 2026-05-31"
_WHEN = "is not a time; write it as in 2026-05-31 or 2026-05-31T14:00:00+00:00"
_TO_COME = "is yet to come; write when it was"
_SWITCH = "is neither yes nor no"
_SHARE = "is not a number from 0 to 1"
_PART = "is neither a number from 0 to 1 nor yes or no"


def _switch(cell: str) -> bool:
    if (word := cell.lower()) not in YES | NO:
        raise ValueError(cell)
    return word in YES


def _part(cell: str) -> float:
    return float(_switch(cell)) if cell.lower() in YES | NO else _share(cell)


def _share(cell: str) -> float:
    if not 0 <= (number := float(cell)) <= 1:
        raise ValueError(cell)
    return number


_PARSED: tuple[tuple[str, Callable[[str], Any], str], ...] = (
    ("held_on", date.fromisoformat, _DAY),
    ("rated_at", lambda cell: moment(datetime.fromisoformat(cell)), _WHEN),
    ("outcome_at", lambda cell: moment(datetime.fromisoformat(cell)), _WHEN),
    ("frozen", _switch, _SWITCH),
    ("simulated", _switch, _SWITCH),
    ("estimate_probability", _share, _SHARE),
    ("estimate_low", _share, _SHARE),
    ("estimate_high", _share, _SHARE),
    ("estimate_simulated", _part, _PART),
    ("estimate_base_rate", _share, _SHARE),
)


def new_entries(entries: Sequence[Entry], saved: Iterable[Entry], source: str) -> list[Entry]:
    """Return the entries that are not in the journal yet; those that are there, and equal, are left out.

    Raises
    ------
    RatingsError
        With every entry whose id another interview has.
    """
    known = {entry.id: entry for entry in saved}
    fresh, problems = dict[str, Entry](), []
    for row, entry in enumerate(entries, 1):
        if known.get(entry.id, entry) != entry or entry.id in fresh:
            kind = "is the id of another interview; leave it empty to add this one beside it"
            problems.append(Problem(kind, row, "id", entry.id))
        elif entry.id not in known:
            fresh[entry.id] = entry
    if problems:
        raise RatingsError(source, problems)
    return list(fresh.values())
