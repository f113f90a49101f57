"""Parse tables of ratings into entries of a journal; further columns: title, who, date, round, outcome and more."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from predictor.errors import Problem, RatingsError
from predictor.journal.cells import one_line, outcome_of, read_cells
from predictor.journal.days import today
from predictor.journal.edits import NO_RATING
from predictor.journal.entry import (
    FREEZING_OUTCOMES,
    NO_OFFER,
    OFFER,
    ONE_LINE_TEXTS,
    OUTCOMES,
    STILL_OPEN,
    Entry,
    faults,
    new_id,
)
from predictor.ratings.catalogue import ORIGIN, RATINGS, ROLE, SIMULATED, Catalogue
from predictor.ratings.cells import word_key
from predictor.ratings.ratings import Ratings
from predictor.sources.compression import unpacked

# The pages' label of an attribute of an entry, and other names for it; case, dashes and blanks do not matter.
COLUMN_NAMES = {
    "title": "Title", "who": "Who", "held_on": "Date", "round": "Round", "note": "Note", "due_on": "When will you hear",
    "guess": "Own guess", "outcome": "Outcome", "outcome_on": "Day of the outcome", "went_well": "Went well",
    "differently": "Would do differently", "try_next": "One thing to try next",
}  # fmt: skip
_ALSO = {
    "title": ("interview",), "who": ("client", "person", "candidate"), "held_on": ("day", "interview date"),
    "note": ("notes",), "due_on": ("due", "hear by"), "outcome_on": ("known since", "outcome known on", "outcome date"),
    "rated_on": ("rated on",), "guess": ("guess",), "not_come_up": ("did not come up",),
}  # fmt: skip
_TEMPLATE = ("title", "who", "held_on", "round", "due_on"), ("outcome", "outcome_on", "note")
_OUTCOME = f"is none of {', '.join(OUTCOMES)}, and neither yes nor no"


def template_csv(catalogue: Catalogue) -> str:
    """Return an empty table with the page's own labels as its header, to be filled in, one row per interview.

    Examples
    --------
    >>> template_csv(Catalogue.shipped()).splitlines()[0][:60]
    'Title,Who,Date,Round,When will you hear,Who rated,Interviewe'
    """
    before, after = ([COLUMN_NAMES[name] for name in part] for part in _TEMPLATE)
    roles = [item.label for item in catalogue.inputs if item.name == ROLE]
    out = io.StringIO()
    row = [*before, *roles, *(signal.label for signal in catalogue.signals), *after]
    csv.writer(out, lineterminator="\n").writerow(row)
    return out.getvalue()


def from_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], problems: list[Problem], source: str, catalogue: Catalogue
) -> tuple[list[Entry], list[Problem]]:
    """Parse a table of text into entries and problems.

    Parameters
    ----------
    header, rows, problems
        As `parse_table` returns them.
    source
        What messages call the file; interviews without a title get this name.

    Raises
    ------
    RatingsError
        If it is another kind of file altogether.
    """
    places = [_meaning(name, catalogue) for name in header]
    taken = [place for place, (kind, _) in enumerate(places) if kind]
    for name in {places[place][1] for place in taken}:
        columns = [header[place] for place in taken if places[place][1] == name]
        if len(columns) > 1:
            problems.append(Problem(f"means the same as '{columns[0]}'; keep one column", column=columns[1]))
    rest = [place for place in range(len(header)) if place not in taken]
    if not any(name in catalogue.names for _, name in places) and taken and not problems:
        problems.append(Problem("has no column of a signal, so nothing was rated; the template has them all"))
    flawed = {problem.row for problem in problems}
    numbered = [(number, row) for number, row in enumerate(rows, 1) if number in flawed or any(map(str.strip, row))]
    place_of = {number: place for place, (number, _) in enumerate(numbered, 1)}  # as `_joined` numbers them again
    problems = [replace(problem, row=place_of[problem.row]) if problem.row else problem for problem in problems]
    cells = [{places[place][1]: row[place] for place in taken} for _, row in numbered]
    names = [places[place][1] for place in rest]
    headings = {name: header[place] for place, (_, name) in enumerate(places)}
    table = [[row[place] for place in rest] for _, row in numbered]

    parse = partial(Ratings.from_text, names, table, catalogue, source=source, problems=problems)
    return _joined(parse, cells, headings, [number for number, _ in numbered], source, catalogue)


def from_records(
    records: Sequence[Any], problems: list[Problem], source: str, catalogue: Catalogue
) -> tuple[list[Entry], list[Problem]]:
    """Parse mappings, as in JSON, into entries and problems; see `from_table`."""
    cells, rest, headings = list[dict[str, str]](), [], dict[str, str]()
    for record in records:
        taken, left = dict[str, str](), record
        if isinstance(record, Mapping):
            left = {}
            for key, value in record.items():
                kind, name = _meaning(str(key), catalogue)
                if kind and not isinstance(value, Mapping | list):
                    taken[name] = "" if value is None else str(value)
                    headings.setdefault(name, str(key))
                else:
                    left[key if key == RATINGS else name] = value
            if isinstance(left.get(RATINGS), Mapping):
                left[RATINGS] = {_meaning(str(key), catalogue)[1]: value for key, value in left[RATINGS].items()}
        cells.append(taken)
        rest.append(left)

    parse = partial(Ratings.from_records, rest, catalogue, source=source, problems=problems)
    return _joined(parse, cells, headings, list(range(1, len(records) + 1)), source, catalogue)


def from_ratings(ratings: Ratings, source: str) -> tuple[list[Entry], list[Problem]]:
    """Convert ratings of a file into entries and problems; see `from_table`."""
    n = len(ratings)
    return _joined(lambda: ratings, [{} for _ in range(n)], {}, list(range(1, n + 1)), source, ratings.catalogue)


def _meaning(name: str, catalogue: Catalogue) -> tuple[bool, str]:
    """Return whether a column is an attribute of an entry, and its name there or in the catalogue."""
    if name == catalogue.outcome:
        return True, "outcome"
    if name in catalogue.columns:
        return False, name
    word = word_key(name).rstrip("?")
    for label, attributes in (
        *((signal.label, (False, signal.name)) for signal in catalogue.signals),
        *((item.label, (False, item.name)) for item in catalogue.inputs),
    ):
        if word == word_key(label):
            return attributes
    for attribute in dict.fromkeys((*COLUMN_NAMES, *_ALSO)):
        if word in map(word_key, (attribute, COLUMN_NAMES.get(attribute, attribute), *_ALSO.get(attribute, ()))):
            return True, attribute
    return False, name


def _joined(
    parse: Callable[[], Ratings], cells: list[dict[str, str]], headings: dict[str, str], numbers: list[int],
    source: str, catalogue: Catalogue,
) -> tuple[list[Entry], list[Problem]]:  # fmt: skip
    """Combine ratings with the other cells of each row, so that the problems of both are listed.

    Parameters
    ----------
    parse
        Returns the ratings, or raises RatingsError.
    cells
        The other cells of each row, by attribute of an entry.
    headings, numbers
        The file's own heading of each attribute and the number of each row, for messages.
    """
    read, problems = [], list[Problem]()
    for number, row in zip(numbers, cells, strict=True):
        data, wrong = read_cells(row)
        if "outcome" in data and (word := outcome_of(data["outcome"])):
            data["outcome"] = word
        elif "outcome" in data:
            wrong["outcome"] = _OUTCOME
        problems += [Problem(why, number, headings[name], row[name]) for name, why in wrong.items()]
        read.append(data)
    try:
        ratings = parse()
    except RatingsError as error:
        return [], [_as_in_file(problem, numbers, headings) for problem in error.problems] + problems
    entries = []
    for place, data in enumerate(read):
        entry, wrong = _entry(data, ratings, place, f"{unpacked(Path(source)).stem}, row {numbers[place]}", catalogue)
        columns = {"outcome": catalogue.outcome, **headings}  # as the file calls them
        problems += [Problem(why, numbers[place], columns.get(name, name)) for name, why in wrong.items()]
        if entry and not problems:
            entries.append(entry)
    return ([], problems) if problems else (entries, [])


def _as_in_file(problem: Problem, numbers: Sequence[int], headings: Mapping[str, str]) -> Problem:
    """Return a problem with the row and the column that it has in the file."""
    row = numbers[problem.row - 1] if problem.row and problem.row <= len(numbers) else problem.row
    column = headings.get(problem.column, problem.column) if problem.column else None
    return Problem(problem.message, row, column, problem.found)


def _entry(
    data: dict[str, Any], ratings: Ratings, row: int, title: str, catalogue: Catalogue
) -> tuple[Entry | None, dict[str, str]]:
    """Build the entry of a row; missing details are read from the file's context columns."""
    context = {column: str(cells[row]) for column, cells in ratings.columns.items() if str(cells[row])}
    days, wrong = read_cells({name: context.pop(name, "") for name in ("rated_on", "outcome_on")})
    data = {
        **{name: day for name, day in days.items() if day},
        **{k: v for k, v in data.items() if v not in (None, "")},
    }
    data["title"] = data.get("title") or context.pop("interview_id", title)
    if catalogue.group and not data.get("who"):
        data["who"] = context.pop(catalogue.group, "")
    data |= {name: one_line(data[name]) for name in ONE_LINE_TEXTS if name in data}
    data["rater_role"] = context.pop(ROLE, "")
    data["simulated"] = context.pop(ORIGIN, "") == SIMULATED
    data.setdefault("outcome", {1.0: OFFER, 0.0: NO_OFFER}.get(float(ratings.y[row]), STILL_OPEN))
    data["frozen"] = data["outcome"] in FREEZING_OUTCOMES
    if data["outcome"] != STILL_OPEN:  # without a day, it was known when it was imported
        data["outcome_on"] = data.get("outcome_on") or today()
    words = [f"{column}: {word}" for column, word in context.items()]
    data["note"] = "; ".join(filter(None, [data.get("note", ""), *words]))
    data |= {"id": new_id()}
    answers = ratings.ratings_of_row(row)
    wrong |= faults(data) | ({} if answers else {RATINGS: NO_RATING})
    return (None if wrong else Entry(**data, ratings=answers)), wrong
