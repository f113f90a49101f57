"""Excel workbooks: a sheet as rows of text, as 'Save as CSV' would write it, but with every digit.

openpyxl reads them, since it knows how a cell is shown: .8 as 80 %, a day as a day. It is loaded only where a workbook
is read.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from predictor.errors import Problem, RatingsError, RatingsWarning, shorten
from predictor.sources.dialect import LONGEST_CELL, MOST_COLUMNS, too_many_columns, too_many_rows

WORKBOOKS = (".xlsx", ".xlsm")
MOST_CELLS = 3_000_000  # half a minute
MOST_BYTES = 500 << 20  # decompressed
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_FORMULA = re.compile(rb"<c( [^<>]*)><f[^<>]*(?:/>|>[^<]*</f>)(?:<v */>|<v></v>)?</c>")
_MERGED = re.compile(rb'<mergeCell ref="([A-Z]{1,3})([0-9]{1,7}):[A-Z]{1,3}([0-9]{1,7})"')
_PLACE = re.compile(rb' r="([A-Z]+[0-9]+)"')
_LEADING_ZEROS = re.compile("00+")  # the format of numbers such as 0042
_STRICT = b"purl.oclc.org/ooxml"  # in place of the namespace that is read
_EXACT = 2**53  # from which on a float is several whole numbers


def is_workbook(content: bytes) -> bool:
    """Whether a file is an Excel workbook, of whatever age, by its first bytes."""
    return content.startswith((_ZIP, _OLE))


def read_rows(
    content: bytes,
    source: str,
    *,
    sheet: str | None = None,
    most_rows: int | None = None,
    most_columns: int = MOST_COLUMNS,
) -> list[list[str]]:
    """Read the rows of a sheet as text, the header first; rows have its length, or more if they hold more cells.

    Parameters
    ----------
    content
        Of the file.
    source
        How messages call it.
    sheet
        Its name; default: the first visible one, with a warning if there are others.
    most_rows, most_columns
        How many are read at most, the header apart.

    Raises
    ------
    RatingsError
        If it is not a workbook, old, encrypted, damaged, empty or too large, or there is no such sheet.
    """
    _check(content, source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts of workbooks that openpyxl does not know, such as drop-down lists
        try:
            book, chosen, others = _opened(content, source, sheet)
            try:
                merged = _scan(content, chosen._worksheet_path, source)
                rows = _rows(chosen, source, most_rows, most_columns, merged)
            finally:
                book.close()
        except RatingsError:
            raise
        except Exception as error:
            raise _damaged(error, source) from None
    if sheet is None and others:
        warnings.warn(
            f"{source}: sheet '{chosen.title}' was read, the first of {len(others) + 1}; another: --worksheet NAME",
            RatingsWarning,
            stacklevel=3,
        )
    return rows


def sheets_of(content: bytes, source: str) -> list[str]:
    """Return the names of the visible sheets of a workbook.

    Raises
    ------
    RatingsError
        If it is not a workbook, old, encrypted, damaged or too large.
    """
    _check(content, source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            book, chosen, others = _opened(content, source, None)
        except RatingsError:
            raise
        except Exception as error:
            raise _damaged(error, source) from None
        names = [sheet.title for sheet in book.worksheets if sheet.title in (chosen.title, *others)]
        book.close()
        return names


def _damaged(error: Exception, source: str) -> RatingsError:
    """Return what to tell of an exception of openpyxl, which for damaged workbooks raises whatever its parts raise."""
    kind = f"is a damaged Excel workbook ({type(error).__name__}: {shorten(str(error), 80)}); save it again"
    return RatingsError(source, [Problem(kind)])


def _check(content: bytes, source: str) -> None:
    """Refuse what is not a current workbook, or would be too large decompressed."""
    if content.startswith(_OLE):
        locked = _ENCRYPTED in content
        kind = "is protected by a password; save it without one"
        raise RatingsError(
            source, [Problem(kind if locked else "is a workbook of before Excel 2007; save it as .xlsx")]
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            names, size = parts.namelist(), sum(part.file_size for part in parts.infolist())
            strict = "xl/workbook.xml" in names and size <= MOST_BYTES and _STRICT in parts.read("xl/workbook.xml")
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        damaged = "is a damaged Excel workbook; save it again"
        kind = damaged if content.startswith(_ZIP) else "is not an Excel workbook (.xlsx); if it is CSV, name it .csv"
        raise RatingsError(source, [Problem(kind)]) from None
    if "xl/workbook.xml" not in names:
        kind = "is not an Excel workbook (.xlsx); save it as one from your spreadsheet program"
        raise RatingsError(source, [Problem(kind)])
    if strict:
        raise RatingsError(source, [Problem("is saved as Strict Open XML; save it as 'Excel Workbook (.xlsx)'")])
    if size > MOST_BYTES:
        kind = (
            f"has {size >> 20:,} MB decompressed, of which at most {MOST_BYTES >> 20:,} are read; save the sheet as CSV"
        )
        raise RatingsError(source, [Problem(kind)])


def _opened(content: bytes, source: str, sheet: str | None) -> tuple[Any, Any, list[str]]:
    """Open a workbook; give it, the sheet, and the names of the other visible sheets."""
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    sheets = {there.title: there for there in book.worksheets}
    visible = [name for name, there in sheets.items() if there.sheet_state == "visible"] or list(sheets)
    if sheet is not None and sheet not in sheets:
        names = ", ".join(f"'{shorten(name)}'" for name in sheets)
        raise RatingsError(source, [Problem(f"has no sheet '{shorten(sheet)}'; it has {names}")])
    if not visible:
        raise RatingsError(source, [Problem("has no sheet of cells")])
    name = visible[0] if sheet is None else sheet
    sheets[name].reset_dimensions()  # which some programs write wrong
    return book, sheets[name], [other for other in visible if other != name]


def _rows(
    sheet: Any, source: str, most_rows: int | None, most_columns: int, merged: Mapping[int, Sequence[tuple[int, int]]]
) -> list[list[str]]:
    rows: list[list[str]] = []
    problems: list[Problem] = []
    blank = cells = width = 0
    held: dict[int, tuple[int, str]] = {}  # of a column: the content of a merged cell, and its last row
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells += len(row)
        if cells > MOST_CELLS:
            kind = f"has more than {MOST_CELLS:,} cells, the most that are read; save the sheet as CSV"
            raise RatingsError(source, [Problem(kind)])
        words = [_text(cell, len(rows) + blank, problems) for cell in row]
        if any(map(str.strip, words)):
            for column, (last, word) in held.items():
                if number <= last and column < len(words) and not words[column]:
                    words[column] = word
        held |= {column: (last, words[column]) for column, last in merged.get(number, ()) if column < len(words)}
        while words and not words[-1].strip():
            words.pop()
        if not words:
            blank += bool(rows)
            continue
        if len(words) > most_columns:
            raise RatingsError(source, [too_many_columns(len(words), most_columns)])
        width = max(width, len(words))
        rows.extend([] for _ in range(blank))
        blank = 0
        if most_rows is not None and len(rows) > most_rows:
            raise RatingsError(source, [too_many_rows(most_rows)])
        rows.append(words)
    if not rows:
        raise RatingsError(source, [Problem(f"sheet '{shorten(sheet.title)}' is empty; it needs a header and rows")])
    if problems:
        raise RatingsError(source, problems)
    if len(rows) * width > MOST_CELLS:
        raise RatingsError(source, [Problem(f"has more than {MOST_CELLS:,} cells; save the sheet as CSV")])
    return [row + [""] * (width - len(row)) for row in rows]


def _text(cell: Any, row: int, problems: list[Problem]) -> str:
    """Write a cell as text."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        if len(value) > LONGEST_CELL:
            problems.append(Problem(f"a cell has more than {LONGEST_CELL:,} characters", row or None))
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value, cell, row, problems)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _number(value: float, cell: Any, row: int, problems: list[Problem]) -> str:
    if "%" in (shown := str(cell.number_format)):
        return f"{100 * value:.13g}%"
    if _LEADING_ZEROS.fullmatch(shown) and float(value).is_integer() and 0 <= value < _EXACT:
        return str(int(value)).zfill(len(shown))
    if isinstance(value, int) or not value.is_integer():
        return str(value) if isinstance(value, int) else repr(value)
    if abs(value) >= _EXACT:
        kind = (
            "is a number of more than 15 digits, of which Excel keeps 15; format the column as text, and enter it again"
        )
        problems.append(Problem(kind, row or None, found=str(value)))
    return str(int(value))


def _scan(content: bytes, path: str, source: str) -> dict[int, list[tuple[int, int]]]:
    """Find what openpyxl does not give while it reads row by row, in the XML of a sheet.

    Formulas whose results no spreadsheet program has saved are refused: their cells would look empty. Cells that are
    merged over several rows are returned, since all but the first would look empty too: by their first row, the column
    from 0 on, and the last row.
    """
    from openpyxl.utils import column_index_from_string

    merged: dict[int, list[tuple[int, int]]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as parts, parts.open(path) as sheet:
        tail = b""
        while block := sheet.read(1 << 20):
            text = tail + block
            for cell in _FORMULA.finditer(text):
                if b" t=" not in cell.group(1):  # a text may be empty
                    place = _PLACE.search(cell.group(1))
                    where = f"cell {place.group(1).decode()}" if place else "a cell"
                    kind = f"{where} holds a formula without a saved result; open it in Excel and save it"
                    raise RatingsError(source, [Problem(kind)])
            for found in _MERGED.finditer(text):
                column, first, last = found[1].decode(), int(found[2]), int(found[3])
                if (cells := (column_index_from_string(column) - 1, last)) not in merged.setdefault(first, []):
                    merged[first].append(cells)
            tail = text[-(1 << 14) :]
    return {first: places for first, places in merged.items() if any(last > first for _, last in places)}
