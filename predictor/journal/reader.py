"""Queries of a journal: one interview, a page of them, people, open outcomes, interviews to train on."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Sequence
from copy import copy
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from predictor.errors import JournalError, NoEntryError
from predictor.journal.days import today
from predictor.journal.entry import OUTCOMES, Entry, is_hindsight
from predictor.journal.file import JournalFile, application_of
from predictor.journal.import_export import EXPORT_COLUMNS
from predictor.journal.learning import ratings_of
from predictor.journal.people import Person, person_id
from predictor.journal.query import NEWEST_FIRST, Query
from predictor.journal.schema import APPLICATION, SELECT, entry_of
from predictor.journal.track_record import TRACKED_COLUMNS, TrackRecord, track_record
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings

if TYPE_CHECKING:
    from predictor.model.tables import Floats

_DAMAGED = (ValueError, TypeError, AttributeError, KeyError, RecursionError, zlib.error, JournalError)


class JournalReader:
    """The queries of `predictor.journal.store.Journal`."""

    def __init__(self, path: str | Path, catalogue: Catalogue | None = None) -> None:
        self.path, self._path_as_given = (
            Path(path).absolute(),
            str(path),
        )  # a model names its source as the user wrote it
        self.catalogue = _without_clash(catalogue or Catalogue.shipped())
        self._file = JournalFile(self.path)

    @staticmethod
    def recognises(path: str | Path) -> bool:
        """Whether a file is a journal, of whatever version, by its first bytes."""
        try:
            return application_of(Path(path)) == APPLICATION
        except OSError:
            return False

    def with_catalogue(self, catalogue: Catalogue) -> Self:
        """Return the same journal with another catalogue; the file is not checked again."""
        other = copy(self)
        other.catalogue = _without_clash(catalogue)
        return other

    @classmethod
    def existing(cls, path: str | Path, catalogue: Catalogue | None = None) -> Self:
        """Open a journal that is there already.

        Raises
        ------
        JournalError
            If there is none, or as for any journal.
        """
        if not Path(path).exists():
            raise JournalError(f"{path}: no such journal; check the path, or save an interview first")
        return cls(path, catalogue)

    # -- interviews ------------------------------------------------------------------------------------------------

    def get(self, id: str) -> Entry:  # noqa: A002 - what it is
        """Return one interview.

        Raises
        ------
        NoEntryError
            If there is no such interview.
        """
        with self._file.open() as connection:
            return self._get(connection, id)

    def entries(self) -> list[Entry]:
        """Return all interviews, the newest first: by the day held, or where that is unknown rated."""
        with self._file.open() as connection:
            return self._all(connection, NEWEST_FIRST)

    def page(self, number: int, size: int, query: Query | None = None) -> tuple[list[Entry], int]:
        """Return some of the interviews, and how many there are in all.

        Parameters
        ----------
        number
            Of the page, 1 or more; beyond the last, none are given.
        size
            Interviews on a page.
        query
            Which interviews, and in which order; default: all, the newest first.
        """
        query = query or Query()
        where, values = query.where
        start = size * (number - 1)
        with self._file.open() as connection:
            connection.execute("BEGIN")  # so that both queries see the same state
            rows = connection.execute(f"SELECT number FROM entries {where} {query.order}", values)
            numbers = [row[0] for row in rows]
            some = ", ".join(map(str, numbers[start : start + size]))
            return self._all(connection, f"WHERE number IN ({some}) {query.order}"), len(numbers)

    def sides(self, interview: str) -> list[Entry]:
        """Return the ratings of one interview by its sides, the first saved first; none if the id is empty."""
        with self._file.open() as connection:
            return self._sides(connection, interview)

    def _sides(self, connection: sqlite3.Connection, interview: str) -> list[Entry]:
        where = "WHERE interview = ? AND interview <> '' ORDER BY number"
        return self._all(connection, where, interview) if interview else []

    def hidden_until_both_rated(self, entries: Sequence[Entry]) -> set[str]:
        """Return the ids of those that are hidden because their other side has not rated yet."""
        shared = [*{entry.interview for entry in entries if entry.interview}]
        rated_by = """
            SELECT interview, count(DISTINCT rater_role) FROM entries
            WHERE interview <> '' AND interview IN (SELECT value FROM json_each(?)) GROUP BY interview
        """
        with self._file.open() as connection:
            sides = dict(map(tuple, connection.execute(rated_by, (json.dumps(shared),))))
        return {entry.id for entry in entries if entry.interview and sides.get(entry.interview, 0) < 2}

    def waiting(self, most: int | None = None) -> tuple[list[Entry], int]:
        """Return the interviews that are still open and have a day by which to hear, the first day first.

        Parameters
        ----------
        most
            How many are returned at most; default: all.

        Returns
        -------
        entries, total
            The interviews, and how many there are in all.
        """
        where, limit = (
            "WHERE outcome = 'still open' AND due_on IS NOT NULL",
            f"LIMIT {int(-1 if most is None else most)}",
        )
        with self._file.open() as connection:
            connection.execute("BEGIN")
            total = connection.execute(f"SELECT count(*) FROM entries {where}").fetchone()[0]
            return self._all(connection, f"{where} ORDER BY due_on, number {limit}"), total

    def outcomes(self) -> dict[str, int]:
        """Count the interviews by outcome."""
        with self._file.open() as connection:
            counted = connection.execute("SELECT outcome, count(*) FROM entries GROUP BY outcome").fetchall()
        return {**dict.fromkeys(OUTCOMES, 0), **dict(map(tuple, counted))}

    def rounds(self, most: int = 50) -> list[str]:
        """Return the rounds that were written, the commonest first."""
        counted = "SELECT round FROM entries WHERE round <> '' GROUP BY round ORDER BY count(*) DESC, round LIMIT ?"
        with self._file.open() as connection:
            return [row[0] for row in connection.execute(counted, (most,))]

    # -- people ----------------------------------------------------------------------------------------------------

    def person_names(self, most: int | None = None) -> list[str]:
        """Return the people whom interviews are about, in alphabetical order."""
        named = "SELECT DISTINCT who FROM entries WHERE who <> '' ORDER BY who COLLATE NOCASE, who LIMIT ?"
        with self._file.open() as connection:
            return [row[0] for row in connection.execute(named, (-1 if most is None else most,))]

    def person_summaries(self, search: str = "", start: int = 0, most: int | None = None) -> tuple[list[Person], int]:
        """Return the summaries of people for a list: sorted by due date, then those with open interviews, then by name.

        Parameters
        ----------
        search
            Part of a name; case does not matter.
        start, most
            Where the list begins, and how many are returned at most.

        Returns
        -------
        people, total
            The people, and how many there are in all.
        """
        counted = """
            SELECT who, count(*) AS n, sum(outcome = 'still open') AS n_open, max(day) AS last,
                min(CASE WHEN outcome = 'still open' THEN due_on END) AS due
            FROM entries WHERE who <> '' GROUP BY who
            ORDER BY due IS NULL, due, n_open = 0, who COLLATE NOCASE, who
        """
        twice = """
            SELECT who, count(*) - count(DISTINCT interview) FROM entries
            WHERE interview <> '' AND outcome = 'still open' GROUP BY who
        """  # rated by both sides; apart, so that what counts reads an index alone
        latest = "SELECT try_next FROM entries WHERE who = ? AND try_next <> '' ORDER BY day DESC, number DESC LIMIT 1"
        with self._file.open() as connection:
            rows = [row for row in connection.execute(counted) if search.casefold() in row["who"].casefold()]
            other_sides, people = dict(map(tuple, connection.execute(twice))), []
            for row in rows[start:][:most]:
                try_next = (connection.execute(latest, (row["who"],)).fetchone() or [""])[0]
                days = (_day(row["last"]), _day(row["due"]))
                people.append(
                    Person(row["who"], row["n"], row["n_open"] - other_sides.get(row["who"], 0), *days, try_next)
                )
        return people, len(rows)

    def person(self, id: str) -> str:  # noqa: A002
        """Return the name of a person by the id of `person_id`.

        Raises
        ------
        NoEntryError
            If no interview is about such a person.
        """
        for who in self.person_names():
            if person_id(who) == id:
                return who
        raise NoEntryError(f"{self.path}: no person has the id {id!r:.40}; all their interviews may have been deleted")

    def of_person(self, who: str) -> list[Entry]:
        """Return the interviews of a person, the oldest first."""
        with self._file.open() as connection:
            return self._all(connection, "WHERE who = ? ORDER BY day, number", who)

    def last_try(self, who: str = "") -> Entry | None:
        """Return the interview after which "one thing to try next" was written last: of a person, or of anybody."""
        whom, values = ("AND who = ?", (who,)) if who else ("", ())
        with self._file.open() as connection:
            rows = self._all(connection, f"WHERE try_next <> '' {whom} {NEWEST_FIRST} LIMIT 1", *values)
        return rows[0] if rows else None

    # -- to learn from ---------------------------------------------------------------------------------------------

    def ratings(self, catalogue: Catalogue | None = None, *, training: bool = False) -> Ratings:
        """Return all interviews as ratings, in the order in which they were saved.

        Offer and no offer are outcomes; the others are not. The context columns interview_id, rated_on, outcome_on and
        origin go with them, and the group is whom an interview is about.

        Parameters
        ----------
        catalogue
            What they are for; default: the journal's own.
        training
            Whether there must be an outcome.

        Raises
        ------
        RatingsError
            With every rating that does not fit the catalogue; or if there are no interviews, or no outcome to train on.
        """
        with self._file.open() as connection:
            entries = self._all(connection, "ORDER BY number")
        return ratings_of(entries, catalogue or self.catalogue, source=self._path_as_given, training=training)

    def track_record(self, day: date | None = None) -> TrackRecord:
        """Compare estimates with outcomes, of interviews that are past their due date on a day (default: today)."""
        with self._file.open() as connection:
            # `+number` prevents SQLite from scanning the table in key order, so it reads the index alone.
            rows = connection.execute(f"SELECT {TRACKED_COLUMNS} FROM entries ORDER BY +number").fetchall()
        return track_record(rows, day or today())

    def rated_outcomes(self) -> list[tuple[bool, dict[str, float | str]]]:
        """Return whether each interview ended in an offer, and its ratings.

        Only those with an offer or no offer count, neither rated in hindsight nor simulated.
        """
        labelled = """
            SELECT outcome = 'offer', ratings, rated_on, outcome_on FROM entries
            WHERE outcome IN ('offer', 'no offer') AND NOT simulated ORDER BY number
        """
        with self._file.open() as connection:
            rows = connection.execute(labelled).fetchall()
        return [(bool(offer), json.loads(ratings)) for offer, ratings, *days in rows if not is_hindsight(*days)]

    def calibration(self, day: date | None = None) -> tuple[Floats, Floats]:
        """Return outcomes, and what was estimated before they were known: `y` and `p` of `track_record`.

        Returns
        -------
        tuple of arrays of shape (n,)
            Outcomes y, 1 or 0, and probabilities p, as `predictor.evaluation.scores.calibration` takes them.
        """
        record = self.track_record(day)
        return record.y, record.p

    def deleted_since(self, day: date) -> int:
        """Count the interviews with an offer or no offer that were deleted on a day or later.

        A model that was trained before may have learned from them.
        """
        with self._file.open() as connection:
            labelled = "SELECT coalesce(sum(labelled), 0) FROM deletions WHERE day >= ?"
            return int(connection.execute(labelled, (day.isoformat(),)).fetchone()[0])

    def _get(self, connection: sqlite3.Connection, id: str) -> Entry:  # noqa: A002
        if entries := self._all(connection, "WHERE id = ?", id):
            return entries[0]
        raise NoEntryError(f"{self.path}: no interview {id!r:.40}; it may have been deleted")

    def _all(self, connection: sqlite3.Connection, where: str = "", *values: Any) -> list[Entry]:
        rows = connection.execute(f"{SELECT} {where}", values).fetchall()
        try:
            return [entry_of(row) for row in rows]
        except _DAMAGED as error:
            raise JournalError(f"{self.path}: damaged: {error}; restore it from a backup") from None


def _without_clash(catalogue: Catalogue) -> Catalogue:
    if clash := sorted(set(catalogue.names) & set(EXPORT_COLUMNS)):
        raise JournalError(f"the catalogue has signals named as columns of the journal: {', '.join(clash)}")
    return catalogue


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
