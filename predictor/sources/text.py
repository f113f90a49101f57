"""Tables of text, as CSV files and worksheets hold them: a header, and rows of cells.

All CSV files and worksheets are read here, so that one means the same to training, prediction, drafting and the
journal; a batch, which reads CSV as a stream, takes encoding, delimiter and header from `dialect` as this does.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from predictor.errors import Problem, RatingsError, RatingsWarning, shorten
from predictor.sources.dialect import MOST_COLUMNS, counts_rows, decode, header_of, heading, in_words, too_many_rows
from predictor.sources.workbook import WORKBOOKS, is_workbook, read_rows

Table = tuple[list[str], list[list[str]], list[Problem]]
_DECIMAL_COMMA = re.compile(r"^(\s*[+-]?\d+),(\d+\s*)$")
_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*")
_TOTAL = re.compile(  # as spreadsheets sum a table up
    r"(grand |sub-?)?total(s|e|en)?|totaux|totaal|sum|summe|suma|soma|somme|gesamt|insgesamt|averages?|avg|mean|median"
    r"|durchschnitt|mittel(wert)?|moyenne|m[eé]dia|promedio|gemiddelde|średnia|medel|(genom)?snitt",
    re.IGNORECASE,
)
_PANDAS = re.compile(r"Unnamed: \d+(\.\d+)?(_level_\d+)?")  # what pandas calls a column without a name


def parse_table(
    content: bytes,
    source: str,
    *,
    sheet: str | None = None,
    most_rows: int | None = None,
    most_columns: int = MOST_COLUMNS,
) -> Table:
    """Parse a CSV file or an Excel workbook, whichever it is by its first bytes.

    Parameters
    ----------
    content
        Of the file.
    source
        How messages call it.
    sheet
        Of a workbook; default: the first that is visible.
    most_rows, most_columns
        How many are read at most; more are refused.

    Returns
    -------
    header, rows, problems
        Names of columns, cells, and what is wrong with the form. Columns that have neither a name nor a cell, and
        first ones without a name that number the rows, are left out.

    Raises
    ------
    RatingsError
        If it is empty, neither, or too large.
    """
    if is_workbook(content) or Path(source).suffix.lower() in WORKBOOKS:
        table = [*read_rows(content, source, sheet=sheet, most_rows=most_rows, most_columns=most_columns)]
        tidied = _tidied([*map(heading, table[0])], table[1:], source, [])
    elif sheet is not None:
        raise RatingsError(source, [Problem("is no Excel workbook, so it has no sheets; leave the sheet out")])
    else:
        tidied = parse_csv(content, source, most_rows=most_rows, most_columns=most_columns)
    first = next((cell for row in tidied[1][-1:] for cell in row if cell.strip()), "")
    if _TOTAL.fullmatch(first.strip(" :.")):
        kind = f"its last row begins with '{first.strip()}'; if it is not an interview, take it out"
        warnings.warn(f"{source}: {kind}", RatingsWarning, stacklevel=3)
    return tidied


def parse_csv(content: bytes, source: str, *, most_rows: int | None = None, most_columns: int = MOST_COLUMNS) -> Table:
    """Parse CSV into header, rows and the problems of its form; see `parse_table`.

    Raises
    ------
    RatingsError
        If the content is empty, not text, no table, or too large.
    """
    text = decode(content, source)
    begin = header_of(text, source, most_columns)
    header, delimiter = list(begin.names), begin.delimiter
    body = io.StringIO(text, newline="")
    body.seek(begin.length)
    problems: list[Problem] = []
    rows = _read(csv.reader(body, delimiter=delimiter, strict=True), header, source, most_rows, problems)
    if delimiter == ",":
        return _tidied(header, rows, source, problems)
    return _tidied(header, [[with_point(cell, delimiter) for cell in row] for row in rows], source, problems)


def _read(
    table: Iterator[list[str]], header: list[str], source: str, most: int | None, problems: list[Problem]
) -> list[list[str]]:
    """Read rows, each of the header's length."""
    rows: list[list[str]] = []
    blank = 0  # rows, of which those at the end, as spreadsheets leave them, are none
    named = max((index for index, name in enumerate(header, 1) if name), default=0)
    try:
        for row in table:
            if not any(map(str.strip, row)) and (not row or len(row) <= len(header)):
                blank += 1
                continue
            rows.extend([""] * len(header) for _ in range(blank))
            blank = 0
            if most is not None and len(rows) >= most:
                raise RatingsError(source, [too_many_rows(most)])
            if row == header:
                kind = "repeats the header, as where files were joined; take it out"
                problems.append(Problem(kind, len(rows) + 1))
                row = [""] * len(header)
            if len(row) != len(header):
                if len(row) < named or any(map(str.strip, row[len(header) :])):
                    kind = (
                        f"does not have the header's {len(header)} cells; look for a comma or quote too many or too few"
                    )
                    problems.append(Problem(kind, len(rows) + 1, found=f"{len(row)} cells"))
                row = (row + [""] * len(header))[: len(header)]
            rows.append(row)
    except csv.Error as error:
        raise RatingsError(source, [Problem(f"is not a CSV table: {in_words(error)}", len(rows) + 1)]) from None
    return rows


def _tidied(header: list[str], rows: list[list[str]], source: str, problems: list[Problem]) -> Table:
    """Leave out empty columns without a name, and leading ones that number the rows; others are problems."""
    nameless = [index for index, name in enumerate(header) if is_nameless(name)]
    left_out = set[int]()
    for index in nameless:
        cells = [row[index] for row in rows]
        number, cell = next(((number, cell) for number, cell in enumerate(cells, 1) if cell.strip()), (0, ""))
        if not number:
            left_out.add(index)
        elif left_out.issuperset(range(index)) and counts_rows(cells):  # more than one where a file was saved so twice
            left_out.add(index)
            warn_of_labels(source)
        elif not header[index]:
            kind = f"column {index + 1:,} has no name, and holds '{shorten(cell, 20)}'; name it or take it out"
            problems.append(Problem(kind, number))
    if not left_out:
        return header, rows, problems
    kept = [index for index in range(len(header)) if index not in left_out]
    return [header[index] for index in kept], [[row[index] for index in kept] for row in rows], problems


def is_nameless(name: str) -> bool:
    """Whether a column has no name, or one that pandas gave it for that."""
    return not name.strip() or bool(_PANDAS.fullmatch(name))


def warn_of_labels(source: str) -> None:
    """Warn that the labels of the rows, such as pandas' index, are not a column."""
    kind = "the first column has no name and numbers the rows, so it was left out"
    warnings.warn(f"{source}: {kind}", RatingsWarning, stacklevel=3)


def with_point(cell: str, delimiter: str = ";") -> str:
    r"""Replace a decimal comma by a point, unless the comma separates cells.

    Beside semicolons a comma is the decimal sign. Beside tabs and bars it may separate thousands, so 1,234 is left.

    >>> with_point("3,5"), with_point("3.5"), with_point("a,b"), with_point("1,234"), with_point("1,234", "\t")
    ('3.5', '3.5', 'a,b', '1.234', '1,234')
    """
    if delimiter == "," or "," not in cell or (delimiter != ";" and _THOUSANDS.fullmatch(cell)):
        return cell
    return _DECIMAL_COMMA.sub(r"\1.\2", cell)
