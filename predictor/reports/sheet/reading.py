"""Read the interviews that sheets are made of, from a table of ratings, an export of a journal or a journal."""

from __future__ import annotations

from pathlib import Path

from predictor.errors import ConfigError, RatingsError, nearest
from predictor.journal.entry import Entry
from predictor.journal.import_export import EXPORT_COLUMNS, Parsed, parse_file
from predictor.journal.ratings_tables import from_table
from predictor.journal.store import Journal
from predictor.ratings.catalogue import Catalogue
from predictor.sources.files import TEXT, ending_of, read_bytes, refuse_sheet
from predictor.sources.text import parse_table

WHO = "who"


def read_entries(
    file: str | Path, catalogue: Catalogue, *, who: str | None = None, worksheet: str | None = None
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
        Column of a table that names the person, if it is not called who, client, person or candidate.
    worksheet
        Of a workbook; default: the first that is visible.

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
    refuse_sheet(path, worksheet)
    if Journal.recognises(path):
        if who:
            raise ConfigError(f"{path} is a journal, which knows whom its interviews are about; leave --who out")
        journal = Journal.existing(path, catalogue)
        entries = journal.entries()
        hidden = journal.hidden_until_both_rated(entries)
        entries = [entry for entry in entries if entry.id not in hidden]
    else:
        entries = _of_file(path, catalogue, who, worksheet)
    if not any(entry.who for entry in entries):
        raise ConfigError(f"{path}: no interview says whom it is about; name the column: --who COLUMN")
    return entries


def _of_file(path: Path, catalogue: Catalogue, who: str | None, worksheet: str | None) -> list[Entry]:
    if who and ending_of(path) not in TEXT:
        raise ConfigError(f"{path}: --who names a column of CSV or Excel; give such a file, or leave it out")
    parsed = _of_table(path, catalogue, who, worksheet) if who else None
    entries, problems = parsed or parse_file(path, catalogue, worksheet)
    if problems:
        raise RatingsError(str(path), problems)
    return entries


def _of_table(path: Path, catalogue: Catalogue, who: str, worksheet: str | None) -> Parsed | None:
    """Parse a table whose column `who` names the person; None of an export of a journal, which has its own."""
    header, rows, problems = parse_table(read_bytes(path), str(path), sheet=worksheet)
    if who not in header:
        raise ConfigError(f"{path}: no column '{who}'{nearest(who, header)}; there are: {', '.join(header[:30])}")
    if set(EXPORT_COLUMNS) <= set(header):
        return None
    return from_table([WHO if name == who else name for name in header], rows, problems, str(path), catalogue)
