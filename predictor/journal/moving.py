"""Export a journal to files, and import files into it, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from predictor.atomic import write_text
from predictor.errors import Problem, RatingsError
from predictor.journal.entry import Entry
from predictor.journal.exchange import entries_csv, parse_entries, parse_json_entries
from predictor.journal.exported_page import superseded
from predictor.journal.merging import Merge, merge
from predictor.journal.ordinary import from_ratings
from predictor.journal.reading import Reading
from predictor.journal.schema import insert, update
from predictor.ratings.catalogue import Catalogue
from predictor.sources.files import TEXT, ending_of, read_bytes, read_ratings, refuse_sheet

Parsed = tuple[list[Entry], list[Problem]]


class Moving(Reading):
    """A journal that is exported and imported; see `predictor.journal.store.Journal`."""

    def export_csv(self, path: str | Path | None = None, *, who: str | None = None) -> str:
        """Write interviews as CSV, which `import_csv` reads back; a spreadsheet runs no formula of it.

        Private notes are left out.

        Parameters
        ----------
        path
            A file to write as well, atomically.
        who
            Of this person only; of everybody where None.

        Returns
        -------
        str
            The CSV, one row per interview, the newest first.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        text = entries_csv(self._to_export(who), self.catalogue)
        if path is not None:
            write_text(path, text)
        return text

    def export_json(self, path: str | Path | None = None, *, who: str | None = None) -> str:
        """Write interviews as a JSON list, the newest first, which `import_json` reads back; see `export_csv`."""
        text = json.dumps([entry.to_dict() for entry in self._to_export(who)], indent=2, ensure_ascii=False) + "\n"
        if path is not None:
            write_text(path, text)
        return text

    def import_files(self, paths: Sequence[str | Path], *, sheet: str | None = None) -> Merge:
        """Add the interviews of files, all of them or none: exports, answers, or ratings as `read_ratings` reads them.

        Parameters
        ----------
        paths
            Files of any format that `read_ratings` reads.
        sheet
            Of a workbook; the first that is visible where None.

        Returns
        -------
        Merge
            What was added; what is there already is left as it is. Of answers that were saved several times, the last
            file counts, also where an earlier one was imported before.

        Raises
        ------
        RatingsError
            With every problem, by row and column.
        ConfigError
            If a sheet is named, and a file is not a workbook.
        """
        older = superseded([read_bytes(Path(path)) if is_json(path) else b"" for path in paths])
        kept = [path for place, path in enumerate(paths) if place not in older]
        parsed = [(str(path), parse_file(Path(path), self.catalogue, sheet)) for path in kept]
        return self.add_entries(*together(parsed))

    def import_csv(self, source: str | Path | bytes, name: str = "the uploaded file", *, limited: bool = False) -> int:
        """Add the interviews of a CSV file or an Excel workbook, all of them or none.

        Parameters
        ----------
        source
            A path, or the content of a file. Either an export of a journal: what is there already is left out. Or
            ordinary ratings, as `predictor train` reads them, with the page's own columns; see
            `predictor.journal.ordinary`.
        name
            How messages call content.
        limited
            Whether to refuse more rows and columns than a page imports; see `exchange.parse_entries`.

        Returns
        -------
        int
            How many were added.

        Raises
        ------
        RatingsError
            With every problem, by row and column.
        """
        if not isinstance(source, bytes):
            name = str(source)
            source = read_bytes(Path(source))
        return len(self.add_entries(*parse_entries(source, name, self.catalogue, limited=limited), name).fresh)

    def import_json(self, source: str | Path | bytes, name: str = "the uploaded file") -> int:
        """Add the interviews of a JSON file, all or none: an export of a journal, or ratings; see `import_csv`."""
        if not isinstance(source, bytes):
            name = str(source)
            source = read_bytes(Path(source))
        return len(self.add_entries(*parse_json_entries(source, name, self.catalogue), name).fresh)

    def parse_upload(self, content: bytes, name: str) -> Parsed:
        """Parse a file sent by a browser, in the format that its content shows, within the limits of a page.

        Raises
        ------
        RatingsError
            If it is neither a table nor JSON.
        """
        if content.lstrip()[:1] in (b"[", b"{"):
            return parse_json_entries(content, name, self.catalogue)
        return parse_entries(content, name, self.catalogue, limited=True)

    def plan(self, entries: Sequence[Entry]) -> Merge:
        """Compare interviews of a file with those of the journal, and change nothing."""
        with self._file.open() as file:
            return merge(file, entries)

    def add_entries(self, entries: Sequence[Entry], problems: Sequence[Problem], name: str) -> Merge:
        """Add interviews that were parsed, all of them or none; see `Merge` for those that are there already.

        Raises
        ------
        RatingsError
            With the problems that are given, and every id that another interview has.
        """
        if problems:
            raise RatingsError(name, problems)
        with self._file.open(write=True) as file:
            merged = merge(file, entries)
            if merged.problems:
                raise RatingsError(name, merged.problems)
            for entry in reversed(merged.fresh):  # an export has the newest first
                insert(file, entry)
            for entry in merged.updated:
                update(file, entry)
        return merged

    def _to_export(self, who: str | None) -> list[Entry]:
        return self.entries() if who is None else self.of_person(who)[::-1]


def parse_file(path: Path, catalogue: Catalogue, sheet: str | None = None) -> Parsed:
    """Parse the interviews of a file: an export of a journal, answers of the page, or ratings."""
    refuse_sheet(path, sheet)
    if ending_of(path) in TEXT:
        return parse_entries(read_bytes(path), str(path), catalogue, sheet=sheet)
    if ending_of(path) == ".json":
        return parse_json_entries(read_bytes(path), str(path), catalogue)
    return from_ratings(read_ratings(path, catalogue), str(path))


def is_json(path: str | Path) -> bool:
    """Return whether a file is JSON by its name."""
    return Path(path).suffix.lower() == ".json"


def together(parsed: Sequence[tuple[str, Parsed]]) -> tuple[list[Entry], list[Problem], str]:
    """Join what was parsed from files; where there are several, each problem names its file."""
    entries = [entry for _, (some, _) in parsed for entry in some]
    problems = [
        Problem(
            f"{problem.message} ({name})" if len(parsed) > 1 else problem.message,
            problem.row,
            problem.column,
            problem.found,
        )
        for name, (_, some) in parsed
        for problem in some
    ]
    names = [name for name, _ in parsed]
    return entries, problems, names[0] if len(names) == 1 else f"{len(names)} files"
