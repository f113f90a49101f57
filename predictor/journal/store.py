"""The journal: rated interviews in one SQLite file, each frozen with its date when the outcome arrives."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from predictor.atomic import write_text
from predictor.errors import JournalError, NoEntryError, Problem, RatingsError
from predictor.journal.entry import (
    OUTCOMES,
    TOLD,
    UNKNOWN,
    Entry,
    Estimate,
    calibration_of,
    day_of,
    edited,
    moment,
    new_id,
    now,
    rated,
    ratings_of,
)
from predictor.journal.exchange import COLUMNS, entries_csv, new_entries, ordinary, parse_entries, parse_json_entries
from predictor.journal.file import JournalFile, application_of
from predictor.journal.schema import APPLICATION, NAMES, entry_of, few, foreign_objects, insert, update
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.sources.files import TEXT, read_bytes, read_ratings, refuse_sheet

if TYPE_CHECKING:
    from predictor.model.tables import Floats

_NEWEST_FIRST = "ORDER BY coalesce(held_on, substr(rated_at, 1, 10), '') DESC, number DESC"


class Journal:
    """Rated interviews in one SQLite file.

    Several threads and processes may use one file at once: each call opens the file, works in one transaction, and
    closes it. The rollback journal, not a write-ahead log, is used, so that between calls there is one file only. While
    a program uses a journal, it must not open the file by other means, not even to read: that would release the locks.

    Parameters
    ----------
    path
        The file; made, for its owner's eyes only, where there is none.
    catalogue
        What ratings are checked against; the shipped one where None.

    Raises
    ------
    JournalError
        If the file is not a journal, is damaged, is newer than this code, or cannot be read; it is left untouched.

    Examples
    --------
    >>> import tempfile
    >>> there = tempfile.TemporaryDirectory()
    >>> journal = Journal(Path(there.name, "my.journal"))
    >>> entry = journal.add("Acme, second round", {"goals_discussed": 4}, rater_role="candidate")
    >>> entry = journal.set_outcome(entry.id, "offer")
    >>> journal.edit(entry.id, ratings={"goals_discussed": 5})
    Traceback (most recent call last):
    predictor.errors.FrozenError: 'Acme, second round': the outcome is known since ..., so its ratings stay as they ...
    >>> journal.ratings().y
    array([1.])
    >>> there.cleanup()
    """

    def __init__(self, path: str | Path, catalogue: Catalogue | None = None) -> None:
        self.path, self._given = Path(path).absolute(), str(path)  # a model names its source as the user did
        self.catalogue = _without_clash(catalogue or Catalogue.shipped())
        self._file = JournalFile(self.path)

    @staticmethod
    def recognises(path: str | Path) -> bool:
        """Whether a file is a journal, of whatever version, by its first bytes."""
        try:
            return application_of(Path(path)) == APPLICATION
        except OSError:
            return False

    def under(self, catalogue: Catalogue) -> Journal:
        """Return the same journal with another catalogue; the file is not checked again."""
        other = copy(self)
        other.catalogue = _without_clash(catalogue)
        return other

    @classmethod
    def existing(cls, path: str | Path, catalogue: Catalogue | None = None) -> Journal:
        """Open a journal that is there already.

        Raises
        ------
        JournalError
            If there is none, or as for any journal.
        """
        if not Path(path).exists():
            raise JournalError(f"{path}: no such journal; look at the path, or keep an interview first")
        return cls(path, catalogue)

    # -- write -----------------------------------------------------------------------------------------------------

    def add(
        self,
        title: str,
        ratings: Mapping[str, Any],
        *,
        note: str = "",
        held_on: date | None = None,
        rater_role: str = "",
        group: str = "",
        estimate: Estimate | None = None,
    ) -> Entry:
        """Keep an interview, rated now; its outcome comes later, by `set_outcome`.

        Parameters
        ----------
        ratings
            By signal name; None where not observed.
        estimate
            What a model says of these ratings: `Estimate.of(model.predict(...))`.
        title, note, held_on, rater_role, group
            As in `Entry`.

        Raises
        ------
        RatingsError
            With every problem of ratings and role.
        JournalError
            If a text is too long, or the file cannot be written.
        """
        observed, role = rated(ratings, rater_role, self.catalogue)
        entry = Entry(new_id(), title, note, held_on, role, observed, now(), estimate, group=group)
        with self._file.open(write=True) as file:
            insert(file, entry)
        return entry

    def edit(
        self,
        id: str,  # noqa: A002 - what it is
        *,
        title: str | None = None,
        note: str | None = None,
        held_on: date | EllipsisType | None = ...,
        group: str | None = None,
        rater_role: str | None = None,
        ratings: Mapping[str, Any] | None = None,
        estimate: Estimate | None = None,
    ) -> Entry:
        """Change what is given, and leave the rest; `held_on=None` takes the day away.

        Other ratings, or another role, are rated now, and the estimate of the old ones goes unless a new one is given.

        Raises
        ------
        FrozenError
            If the outcome is known and ratings, role or estimate would change.
        NoEntryError
            If there is no such interview.
        RatingsError, JournalError
            As `add` does.
        """
        with self._file.open(write=True) as file:
            new = edited(
                self._get(file, id),
                self.catalogue,
                {"title": title, "note": note, "group": group},
                held_on=held_on,
                ratings=ratings,
                rater_role=rater_role,
                estimate=estimate,
            )
            update(file, new)
        return new

    def set_outcome(self, id: str, outcome: str, *, at: date | None = None) -> Entry:  # noqa: A002
        """Set the outcome of an interview, or correct it; an offer or no offer freezes the rating for good.

        Parameters
        ----------
        outcome
            "unknown", "offer", "no offer" or "withdrew".
        at
            Day, in the time zone of this machine, or time at which it was known. Where None: now, or for a mended
            outcome as it was before. An interview rated on a later day is named in the warnings of a training, and
            is no part of `calibration`.

        Raises
        ------
        NoEntryError
            If there is no such interview.
        JournalError
            If there is no such outcome, or the day or time is yet to come.
        """
        if at and (moment(at) > now() if isinstance(at, datetime) else at > day_of(now())):
            raise JournalError(f"{at}: an outcome cannot be known before it has come; write today, or a day before")
        with self._file.open(write=True) as file:
            old = self._get(file, id)
            frozen = old.frozen or outcome in TOLD
            known = (moment(at) if at else old.outcome_at or now()) if frozen or outcome != UNKNOWN else None
            new = replace(old, outcome=outcome, outcome_at=known, frozen=frozen)
            update(file, new)
        return new

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete an interview for good: its bytes are overwritten, and the file is rebuilt without them.

        Copies and exports, and what a file system keeps of old versions, are out of reach.

        Raises
        ------
        NoEntryError
            If there is no such interview.
        JournalError
            If the file cannot be written; or, as it then says, the interview is deleted, but the file not rebuilt.
        """
        with self._file.open(write=True) as file:
            self._get(file, id)
            file.execute("DELETE FROM entries WHERE id = ?", (id,))
            foreign = foreign_objects(file)
        try:
            with self._file.open() as file:
                file.execute("VACUUM")  # needs as much room again as the file takes
        except JournalError as error:
            raise JournalError(
                f"the interview is deleted, but traces may be left in the file until the next deletion: {error}"
            ) from None
        if foreign:
            raise JournalError(
                f"the interview is deleted, but the file also holds what another tool has put there ({few(foreign)}), "
                "in which copies may be left; look there"
            )

    # -- read ------------------------------------------------------------------------------------------------------

    def get(self, id: str) -> Entry:  # noqa: A002
        """Return one interview.

        Raises
        ------
        NoEntryError
            If there is no such interview.
        """
        with self._file.open() as file:
            return self._get(file, id)

    def entries(self) -> list[Entry]:
        """Return all interviews, the newest first: by the day held, or where that is unknown rated."""
        with self._file.open() as file:
            return self._all(file, _NEWEST_FIRST)

    def page(self, number: int, size: int) -> tuple[list[Entry], int]:
        """Return some of the interviews, the newest first, and how many there are in all.

        Parameters
        ----------
        number
            Of the page, 1 or more; beyond the last, none are given.
        size
            Interviews on a page.
        """
        with self._file.open() as file:
            file.execute("BEGIN")  # so that both are of the same moment
            total = file.execute("SELECT count(*) FROM entries").fetchone()[0]
            some = (
                f"SELECT number FROM entries {_NEWEST_FIRST} LIMIT {int(size)} OFFSET {int(size) * (int(number) - 1)}"
            )
            return self._all(file, f"WHERE number IN ({some}) {_NEWEST_FIRST}"), total

    def outcomes(self) -> dict[str, int]:
        """Count the interviews by outcome."""
        with self._file.open() as file:
            counted = file.execute("SELECT outcome, count(*) FROM entries GROUP BY outcome").fetchall()
        return {**dict.fromkeys(OUTCOMES, 0), **dict(map(tuple, counted))}

    def ratings(self, catalogue: Catalogue | None = None, *, training: bool = False) -> Ratings:
        """Return all interviews as ratings, in the order in which they came.

        Offer and no offer are outcomes; withdrew and unknown are not. The context columns interview_id, rated_on,
        outcome_on and origin go with them.

        Parameters
        ----------
        catalogue
            What they are for; the journal's own where None.
        training
            Whether there must be an outcome.

        Raises
        ------
        RatingsError
            With every rating that does not fit the catalogue; or if there are no interviews, or no outcome to train on.
        """
        with self._file.open() as file:
            entries = self._all(file, "ORDER BY number")
        return ratings_of(entries, catalogue or self.catalogue, source=self._given, training=training)

    def calibration(self) -> tuple[Floats, Floats]:
        """Return outcomes, and what was estimated before they were known.

        Interviews count that have an offer or no offer and an estimate, were not rated in hindsight and not simulated.

        Returns
        -------
        tuple of arrays of shape (n,)
            Outcomes y, 1 or 0, and probabilities p, as `predictor.evaluation.scores.calibration` takes them.
        """
        return calibration_of(self.entries())

    # -- exchange --------------------------------------------------------------------------------------------------

    def export_csv(self, path: str | Path | None = None) -> str:
        """Write all interviews as CSV, which `import_csv` reads back; a spreadsheet runs no formula of it.

        Parameters
        ----------
        path
            A file to write as well, whole or not at all.

        Returns
        -------
        str
            The CSV, a row an interview, the newest first.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        text = entries_csv(self.entries(), self.catalogue)
        if path is not None:
            write_text(path, text)
        return text

    def export_json(self, path: str | Path | None = None) -> str:
        """Write all interviews as a JSON list, the newest first, which `import_json` reads back; see `export_csv`."""
        text = json.dumps([entry.to_dict() for entry in self.entries()], indent=2, ensure_ascii=False) + "\n"
        if path is not None:
            write_text(path, text)
        return text

    def import_file(self, path: str | Path, *, sheet: str | None = None) -> int:
        """Add the interviews of a file, all of them or none: an export, or ratings as `read_ratings` reads them.

        Parameters
        ----------
        path
            A file of any format that `read_ratings` reads.
        sheet
            Of a workbook; the first that is visible where None.

        Raises
        ------
        RatingsError
            With every problem, by row and column.
        ConfigError
            If a sheet is named, and the file is no workbook.
        """
        path = Path(path)
        refuse_sheet(path, sheet)
        if path.suffix.lower() in TEXT:
            return self.import_csv(path, sheet=sheet)
        if path.suffix.lower() == ".json":
            return self.import_json(path)
        return self._add(ordinary(read_ratings(path, self.catalogue), path.stem), [], str(path))

    def import_csv(
        self,
        source: str | Path | bytes,
        name: str = "the uploaded file",
        *,
        sheet: str | None = None,
        limited: bool = False,
    ) -> int:
        """Add the interviews of a CSV file or an Excel workbook, all of them or none.

        Parameters
        ----------
        source
            A path, or the content of a file. Either an export of a journal: what is there already, and equal, is left
            out. Or ordinary ratings, as `predictor train` reads them: their ids become titles, other context notes.
        name
            How messages call content.
        sheet
            Of a workbook; the first that is visible where None.
        limited
            Whether to refuse more rows and columns than a page imports; see `entry_csv.parse_entries`.

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
        return self._add(*parse_entries(source, name, self.catalogue, sheet=sheet, limited=limited), name)

    def import_json(self, source: str | Path | bytes, name: str = "the uploaded file") -> int:
        """Add the interviews of a JSON file, all or none: an export of a journal, or ratings; see `import_csv`."""
        if not isinstance(source, bytes):
            name = str(source)
            source = read_bytes(Path(source))
        return self._add(*parse_json_entries(source, name, self.catalogue), name)

    def _add(self, entries: list[Entry], problems: list[Problem], name: str) -> int:
        if problems:
            raise RatingsError(name, problems)
        with self._file.open(write=True) as file:
            fresh = new_entries(entries, self._all(file), name)
            for entry in reversed(fresh):  # an export has the newest first
                insert(file, entry)
        return len(fresh)

    def _get(self, file: sqlite3.Connection, id: str) -> Entry:  # noqa: A002
        if entries := self._all(file, "WHERE id = ?", id):
            return entries[0]
        raise NoEntryError(f"{self.path}: no interview {id!r:.40}; it may have been deleted")

    def _all(self, file: sqlite3.Connection, where: str = "", *values: str) -> list[Entry]:
        rows = file.execute(f"SELECT {NAMES} FROM entries {where}", values).fetchall()
        try:
            return [entry_of(row) for row in rows]
        except (ValueError, TypeError, AttributeError, RecursionError, JournalError) as error:
            raise JournalError(f"{self.path}: damaged: {error}; put back a copy of it") from None


def _without_clash(catalogue: Catalogue) -> Catalogue:
    if clash := sorted(set(catalogue.names) & set(COLUMNS)):
        raise JournalError(f"the catalogue has signals named as columns of the journal: {', '.join(clash)}")
    return catalogue
