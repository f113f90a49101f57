"""The journal: rated interviews in one SQLite file, each frozen with its day when the outcome arrives."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Unpack

from predictor.errors import JournalError
from predictor.journal.days import today
from predictor.journal.edits import Changes, edited, rated, with_outcome_of
from predictor.journal.entry import FREEZING_OUTCOMES, STILL_OPEN, Entry, new_id
from predictor.journal.estimate import Estimate
from predictor.journal.moving import Moving
from predictor.journal.schema import delete, few, foreign_objects, insert, update


class Journal(Moving):
    """Rated interviews in one SQLite file.

    Several threads and processes may use one file at once: each call opens the file, works in one transaction, and
    closes it. The rollback journal, not a write-ahead log, is used, so that between calls there is one file only. While
    a program uses a journal, it must not open the file by other means, not even to read: that would release the locks.
    A file of an older layout is brought up to date when it is first opened.

    What is read is in `predictor.journal.reading`, what moves in and out in `predictor.journal.moving`.

    Parameters
    ----------
    path
        The file; created with owner-only permissions if missing.
    catalogue
        What ratings are checked against; the shipped one where None.

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
    predictor.errors.FrozenError: 'Acme, second round': the outcome is known since ..., so its ratings stay as they ...
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
            What a model says of these ratings: `Estimate.of(model.predict(...))`.
        day
            The day that it is, as a browser gives it; that of this machine where None.
        title, note, held_on, rater_role, who, round, due_on, guess, not_come_up, interview, answer
            As in `Entry`.

        Raises
        ------
        RatingsError
            With every problem of ratings and role, or if nothing is rated.
        JournalError
            If a text is too long, or the file cannot be written.
        """
        observed, role = rated(ratings, rater_role, self.catalogue)
        entry = Entry(
            id=new_id(), title=title, who=who, round=round, held_on=held_on, rater_role=role, note=note,
            ratings=observed, not_come_up=tuple(not_come_up), rated_on=today(day), guess=guess, estimate=estimate,
            answer=answer, due_on=due_on, interview=interview,
        )  # fmt: skip
        with self._file.open(write=True) as file:
            for side in self._sides(file, interview):
                entry = entry if side.outcome == STILL_OPEN else with_outcome_of(entry, side)
            insert(file, entry)
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
                self._get(file, id), self.catalogue, changes, ratings=ratings, rater_role=rater_role,
                not_come_up=not_come_up, estimate=estimate, answer=answer, day=day,
            )  # fmt: skip
            update(file, new)
        return new

    def set_outcome(
        self,
        id: str,  # noqa: A002
        outcome: str,
        *,
        at: date | None = None,
        day: date | None = None,
    ) -> Entry:
        """Set or correct the outcome of an interview, for each side that rated it; what says how it went freezes it.

        Parameters
        ----------
        outcome
            One of `predictor.journal.entry.OUTCOMES`. A next round is feedback of its own, of which no model learns.
        at
            Day on which it was known. Where None: today, or for a corrected outcome as it was before. An interview
            rated on a later day is named in the warnings of a training, and is not part of `calibration`.
        day
            The day that it is, as a browser gives it; that of this machine where None.

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
        with self._file.open(write=True) as file:
            old = self._get(file, id)
            frozen = old.frozen or outcome in FREEZING_OUTCOMES
            known = (at or old.outcome_on or today(day)) if frozen or outcome != STILL_OPEN else None
            new = replace(old, outcome=outcome, outcome_on=known, frozen=frozen)
            for side in self._sides(file, old.interview) or [old]:
                update(file, with_outcome_of(side, new))
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
        with self._file.open(write=True) as file:
            one, two = self._get(file, id), self._get(file, other)
            if one.who != two.who or not one.rater_role or not two.rater_role or one.rater_role == two.rater_role:
                raise JournalError("both sides of one interview are of one person, and rated by different sides")
            interview = one.interview or two.interview or new_id()
            for entry, side in ((one, two), (two, one)):
                known = with_outcome_of(entry, side) if entry.outcome == STILL_OPEN else entry
                update(file, replace(known, interview=interview))

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
            self._delete(file, "id", id)
        self._rebuild("the interview is")

    def forget(self, who: str) -> int:
        """Delete every interview of a person for good, as `delete` does.

        Only the day, and how many interviews were deleted, are remembered: a model that was trained before may have
        learned from them; see `deleted_since`.

        Returns
        -------
        int
            How many were deleted; 0 where nothing is about such a person.

        Raises
        ------
        JournalError
            As for `delete`.
        """
        with self._file.open(write=True) as file:
            count = self._delete(file, "who", who) if who else 0
        if count:
            self._rebuild("the interviews are")
        return count

    def _delete(self, file: sqlite3.Connection, column: str, value: str) -> int:
        counted = f"SELECT count(*), coalesce(sum(outcome IN ('offer', 'no offer')), 0) FROM entries WHERE {column} = ?"
        n, labelled = file.execute(counted, (value,)).fetchone()
        if n:
            shared = f"SELECT interview FROM entries WHERE {column} = ? AND interview <> ''"
            lonely = (
                f"UPDATE entries SET interview = '' WHERE interview IN ({shared})"  # otherwise it would wait forever
            )
            file.execute(lonely, (value,))
            file.execute("INSERT INTO deletions VALUES (?, ?, ?)", (today().isoformat(), n, labelled))
            delete(file, column, value)
        return int(n)

    def _rebuild(self, what: str) -> None:
        """Write the file again without what was deleted."""
        try:
            with self._file.open() as file:
                foreign = foreign_objects(file)
                file.execute("VACUUM")  # needs as much room again as the file takes
        except JournalError as error:
            raise JournalError(
                f"{what} deleted, but traces may be left in the file until the next deletion: {error}"
            ) from None
        if foreign:
            raise JournalError(
                f"{what} deleted, but the file also holds what another tool has put there ({few(foreign)}), "
                "in which copies may be left; look there"
            )
