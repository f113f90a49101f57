"""The journal: rated interviews in one SQLite file, each frozen when its outcome is entered."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Unpack

from predictor.atomic import write_text
from predictor.errors import JournalError, Problem, RatingsError
from predictor.journal.days import today
from predictor.journal.duplicates import ImportPlan, plan_import
from predictor.journal.edits import Changes, checked_ratings, edited, with_outcome_of
from predictor.journal.entry import FREEZING_OUTCOMES, STILL_OPEN, Entry, new_id
from predictor.journal.estimate import Estimate
from predictor.journal.import_export import (
    Parsed,
    entries_csv,
    is_json,
    join_parsed,
    parse_entries,
    parse_file,
    parse_json_entries,
)
from predictor.journal.page_file import superseded
from predictor.journal.reader import JournalReader
from predictor.journal.schema import delete, few, foreign_objects, insert, update
from predictor.sources.files import read_bytes


class Journal(JournalReader):
    """Rated interviews in one SQLite file.

    Several threads and processes may use one file at once: each call opens the file, works in one transaction, and
    closes it. The rollback journal, not a write-ahead log, is used, so that between calls there is one file only. A
    program that uses a journal must not open the same file in another way, not even to read: that would release the
    locks. A file of an older layout is brought up to date when it is first opened.

    Parameters
    ----------
    path
        The file; created with owner-only permissions if missing.
    catalogue
        What ratings are checked against; default: the shipped one.

    Raises
    ------
    JournalError
        If the file is not a journal, is damaged, is newer than this code, or cannot be read; it is left untouched.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> there = tempfile.TemporaryDirectory()
    >>> journal = Journal(Path(there.name, "my.journal"))
    >>> entry = journal.add("Acme, second round", {"goals_discussed": 4}, rater_role="candidate", who="AB")
    >>> entry = journal.set_outcome(entry.id, "offer")
    >>> journal.edit(entry.id, ratings={"goals_discussed": 5})
    Traceback (most recent call last):
    predictor.errors.FrozenError: ...: the outcome has been known since ..., so the ratings can no longer be changed...
    >>> journal.ratings().y
    array([1.])
    >>> there.cleanup()
    """

    def add(
        self,
        title: str,
        ratings: Mapping[str, Any],
        *,
        note: str = "",
        held_on: date | None = None,
        rater_role: str = "",
        who: str = "",
        round: str = "",  # noqa: A002 - what people call it
        due_on: date | None = None,
        guess: int | None = None,
        not_come_up: Collection[str] = (),
        interview: str = "",
        estimate: Estimate | None = None,
        answer: Mapping[str, Any] | None = None,
        day: date | None = None,
    ) -> Entry:
        """Save an interview, rated now; its outcome is added later, by `set_outcome`, or is known from its other side.

        Parameters
        ----------
        ratings
            By signal name; None where not observed. One at least must be there.
        estimate
            A model's estimate from these ratings: `Estimate.of(model.predict(...))`.
        day
            Today where the user is, as a browser gives it; default: that of this machine.
        title, note, held_on, rater_role, who, round, due_on, guess, not_come_up, interview, answer
            As in `Entry`.

        Raises
        ------
        RatingsError
            With every problem of ratings and role, or if nothing is rated.
        JournalError
            If a text is too long, or the file cannot be written.
        """
        observed, role = checked_ratings(ratings, rater_role, self.catalogue)
        entry = Entry(
            id=new_id(), title=title, who=who, round=round, held_on=held_on, rater_role=role, note=note,
            ratings=observed, not_come_up=tuple(not_come_up), rated_on=today(day), guess=guess, estimate=estimate,
            answer=answer, due_on=due_on, interview=interview,
        )  # fmt: skip
        with self._file.open(write=True) as connection:
            for side in self._sides(connection, interview):
                entry = entry if side.outcome == STILL_OPEN else with_outcome_of(entry, side)
            insert(connection, entry)
        return entry

    def edit(
        self,
        id: str,  # noqa: A002 - what it is
        *,
        ratings: Mapping[str, Any] | None = None,
        rater_role: str | None = None,
        not_come_up: Collection[str] | None = None,
        estimate: Estimate | None = None,
        answer: Mapping[str, Any] | None = None,
        day: date | None = None,
        **changes: Unpack[Changes],
    ) -> Entry:
        """Change what is given, and leave the rest; `held_on=None` takes the day away.

        If ratings or role change, `rated_on` becomes today, and the estimate is removed unless a new one is given.

        Raises
        ------
        FrozenError
            If the outcome is known and ratings, role or estimate would change.
        NoEntryError
            If there is no such interview.
        RatingsError, JournalError
            As `add` does.
        """
        with self._file.open(write=True) as connection:
            new = edited(
                self._get(connection, id), self.catalogue, changes, ratings=ratings, rater_role=rater_role,
                not_come_up=not_come_up, estimate=estimate, answer=answer, day=day,
            )  # fmt: skip
            update(connection, new)
        return new

    def set_outcome(
        self,
        id: str,  # noqa: A002
        outcome: str,
        *,
        at: date | None = None,
        day: date | None = None,
    ) -> Entry:
        """Set or correct the outcome of an interview, for each side; one of `FREEZING_OUTCOMES` freezes the rating.

        Parameters
        ----------
        outcome
            One of `predictor.journal.entry.OUTCOMES`. No model learns from a next round.
        at
            Day on which it was known; default: today, or for a corrected outcome the day it had before. An interview
            rated on a later day is named in the warnings of a training, and is not part of `calibration`.
        day
            Today where the user is, as a browser gives it; default: that of this machine.

        Raises
        ------
        NoEntryError
            If there is no such interview.
        JournalError
            If there is no such outcome, or the day is yet to come.
        """
        if at and at > today(day):
            raise JournalError(
                f"{at}: the day is in the future, when no outcome can be known; write today or an earlier day"
            )
        with self._file.open(write=True) as connection:
            old = self._get(connection, id)
            frozen = old.frozen or outcome in FREEZING_OUTCOMES
            known = (at or old.outcome_on or today(day)) if frozen or outcome != STILL_OPEN else None
            new = replace(old, outcome=outcome, outcome_on=known, frozen=frozen)
            for side in self._sides(connection, old.interview) or [old]:
                update(connection, with_outcome_of(side, new))
        return new

    def pair(self, id: str, other: str) -> None:  # noqa: A002
        """Record that two ratings by different sides are of the same interview.

        Raises
        ------
        NoEntryError
            If one of them is not there.
        JournalError
            If both were rated by the same side, or are of different people.
        """
        with self._file.open(write=True) as connection:
            one, two = self._get(connection, id), self._get(connection, other)
            if one.who != two.who or not one.rater_role or not two.rater_role or one.rater_role == two.rater_role:
                raise JournalError("both sides of one interview are of one person, and rated by different sides")
            interview = one.interview or two.interview or new_id()
            for entry, side in ((one, two), (two, one)):
                known = with_outcome_of(entry, side) if entry.outcome == STILL_OPEN else entry
                update(connection, replace(known, interview=interview))

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete an interview for good: its bytes are overwritten, and the file is rebuilt without them.

        Copies and exports, and what a file system keeps of old versions, are out of reach.

        Raises
        ------
        NoEntryError
            If there is no such interview.
        JournalError
            If the file cannot be written; or if the interview is deleted, but the file is not rebuilt.
        """
        with self._file.open(write=True) as connection:
            self._get(connection, id)
            self._delete(connection, "id", id)
        self._rebuild("the interview is")

    def forget(self, who: str) -> int:
        """Delete every interview of a person for good, as `delete` does.

        Only the day, how many interviews were deleted, and how many of them had an offer or no offer, are remembered:
        a model that was trained before may have learned from those; see `deleted_since`.

        Returns
        -------
        int
            How many were deleted; 0 where nothing is about such a person.

        Raises
        ------
        JournalError
            As for `delete`.
        """
        with self._file.open(write=True) as connection:
            count = self._delete(connection, "who", who) if who else 0
        if count:
            self._rebuild("the interviews are")
        return count

    # -- export and import -----------------------------------------------------------------------------------------

    def export_csv(self, path: str | Path | None = None, *, who: str | None = None) -> str:
        """Write interviews as CSV, which `import_csv` reads back; a spreadsheet runs no formula of it.

        Private notes are left out.

        Parameters
        ----------
        path
            A file to write as well, atomically.
        who
            Of this person only; default: of everybody.

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

    def import_files(self, paths: Sequence[str | Path], *, sheet: str | None = None) -> ImportPlan:
        """Add the interviews of files, all of them or none: exports, files of the exported page, or tables of ratings.

        Parameters
        ----------
        paths
            Files of any format that `read_ratings` reads.
        sheet
            Worksheet of a workbook; default: the first that is visible.

        Returns
        -------
        ImportPlan
            What was added; what is there already is left as it is. If the page saved an interview several times, the
            last file counts, also if an earlier one was imported before.

        Raises
        ------
        RatingsError
            With every problem, by row and column.
        ConfigError
            If a sheet is named, and a file is not a workbook.
        """
        older = superseded([read_bytes(Path(path)) if is_json(path) else b"" for path in paths])
        latest = [path for place, path in enumerate(paths) if place not in older]
        parsed = [(str(path), parse_file(Path(path), self.catalogue, sheet)) for path in latest]
        return self.add_entries(*join_parsed(parsed))

    def import_csv(self, source: str | Path | bytes, name: str = "the uploaded file", *, limited: bool = False) -> int:
        """Add the interviews of a CSV file or an Excel workbook, all of them or none.

        Parameters
        ----------
        source
            A path, or the content of a file: an export of a journal, or a table of ratings.
        name
            What messages call content.
        limited
            Whether to refuse more rows and columns than a page imports.

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

    def plan(self, entries: Sequence[Entry]) -> ImportPlan:
        """Compare interviews of a file with those of the journal, and change nothing."""
        with self._file.open() as connection:
            return plan_import(connection, entries)

    def add_entries(self, entries: Sequence[Entry], problems: Sequence[Problem], name: str) -> ImportPlan:
        """Add interviews that were parsed, all of them or none; see `ImportPlan` for those that are there already.

        Raises
        ------
        RatingsError
            With the problems that are given, and every id that another interview has.
        """
        if problems:
            raise RatingsError(name, problems)
        with self._file.open(write=True) as connection:
            plan = plan_import(connection, entries)
            if plan.problems:
                raise RatingsError(name, plan.problems)
            for entry in reversed(plan.fresh):  # an export has the newest first
                insert(connection, entry)
            for entry in plan.updated:
                update(connection, entry)
        return plan

    def _to_export(self, who: str | None) -> list[Entry]:
        return self.entries() if who is None else self.of_person(who)[::-1]

    # -- deleting --------------------------------------------------------------------------------------------------

    def _delete(self, connection: sqlite3.Connection, column: str, value: str) -> int:
        where = f"FROM entries WHERE {column} = ?"
        count_sql = f"SELECT count(*), coalesce(sum(outcome IN ('offer', 'no offer')), 0) {where}"
        n, labelled = connection.execute(count_sql, (value,)).fetchone()
        if n:
            # The other side of a deleted rating would wait for it forever.
            both_sides = f"interview IN (SELECT interview {where} AND interview <> '')"
            connection.execute(f"UPDATE entries SET interview = '' WHERE {both_sides}", (value,))
            connection.execute("INSERT INTO deletions VALUES (?, ?, ?)", (today().isoformat(), n, labelled))
            delete(connection, column, value)
        return int(n)

    def _rebuild(self, what: str) -> None:
        """Write the file again without what was deleted."""
        try:
            with self._file.open() as connection:
                foreign = foreign_objects(connection)
                connection.execute("VACUUM")  # needs as much free space as the file has
        except JournalError as error:
            raise JournalError(
                f"{what} deleted, but traces may be left in the file until the next deletion: {error}"
            ) from None
        if foreign:
            raise JournalError(
                f"{what} deleted, but the file also holds what another tool has put there ({few(foreign)}), "
                "in which copies may be left; look there"
            )
