"""Read the interviews that sheets are made of, from a table of ratings, an export of a journal or a journal."""

from __future__ import annotations

from pathlib import Path

from predictor.errors import ConfigError, RatingsError, nearest
from predictor.journal.entry import Entry
from predictor.journal.exchange import COLUMNS
from predictor.journal.moving import Parsed, parse_file
from predictor.journal.ordinary import from_table
from predictor.journal.store import Journal
from predictor.ratings.catalogue import Catalogue
from predictor.sources.files import TEXT, ending_of, read_bytes, refuse_sheet
from predictor.sources.text import parse_table

WHO = "who"


def read_entries(
    file: str | Path, catalogue: Catalogue, *, who: str | None = None, sheet: str | None = None
) -> list[Entry]:
    """Read interviews, each with whom it is about.

    Ratings of one side of an interview, while the other side's are not in yet, are left out, as on the pages.

    Parameters
    ----------
    file
        A table of ratings, an export of a journal, or a journal.
    catalogue
        What the ratings are checked against.
    who
        Column of a table that names the person, where it is not called who, client, person or candidate.
    sheet
        Of a workbook; the first that is visible where None.

    Raises
    ------
    RatingsError
        With every problem of the file.
    ConfigError
        If a column is named that is not there, or no interview says whom it is about.
    JournalError
        If the journal cannot be read.
    """
    path = Path(file)
    refuse_sheet(path, sheet)
    if Journal.recognises(path):
        if who:
            raise ConfigError(f"{path} is a journal, which knows whom its interviews are about; leave --who out")
        journal = Journal.existing(path, catalogue)
        entries = journal.entries()
        hidden = journal.hidden_until_both_rated(entries)
        entries = [entry for entry in entries if entry.id not in hidden]
    else:
        entries = _of_file(path, catalogue, who, sheet)
    if not any(entry.who for entry in entries):
        raise ConfigError(f"{path}: no interview says whom it is about; name the column: --who COLUMN")
    return entries


def _of_file(path: Path, catalogue: Catalogue, who: str | None, sheet: str | None) -> list[Entry]:
    if who and ending_of(path) not in TEXT:
        raise ConfigError(f"{path}: --who names a column of CSV or Excel; give such a file, or leave it out")
    parsed = _of_table(path, catalogue, who, sheet) if who else None
    entries, problems = parsed or parse_file(path, catalogue, sheet)
    if problems:
        raise RatingsError(str(path), problems)
    return entries


def _of_table(path: Path, catalogue: Catalogue, who: str, sheet: str | None) -> Parsed | None:
    """Parse a table whose column `who` names the person; None of an export of a journal, which has its own."""
    header, rows, problems = parse_table(read_bytes(path), str(path), sheet=sheet)
    if who not in header:
        raise ConfigError(f"{path}: no column '{who}'{nearest(who, header)}; there are: {', '.join(header[:30])}")
    if set(COLUMNS) <= set(header):
        return None
    return from_table([WHO if name == who else name for name in header], rows, problems, str(path), catalogue)
