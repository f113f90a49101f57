"""The journal: rated interviews in one SQLite file, each frozen with its date when the outcome arrives."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.atomic import resolved, write_text
from predictor.errors import FrozenError, JournalError, NoEntryError, Problem, RatingsError, shorten
from predictor.journal.entry import (
    OUTCOMES,
    TOLD,
    UNKNOWN,
    Entry,
    Estimate,
    calibration_of,
    day_of,
    moment,
    new_id,
    now,
    rated,
    ratings_of,
)
from predictor.journal.exchange import COLUMNS, entries_csv, ordinary, parse_entries, parse_json_entries
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.ratings.signals import NOT_APPLICABLE
from predictor.sources.files import TEXT, read_bytes, read_ratings, refuse_sheet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

APPLICATION, VERSION = 0x494F504A, 3  # "IOPJ" in the file's header, and the layout of the table and its JSON
WAIT = 10.0  # seconds that one process waits for another
FIELDS = tuple(Entry.__dataclass_fields__)
_first_look, _known = threading.RLock(), set[tuple[int, int]]()
_TABLE = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, note TEXT NOT NULL, held_on TEXT,
    rater_role TEXT NOT NULL, ratings TEXT NOT NULL, rated_at TEXT, estimate TEXT, outcome TEXT NOT NULL,
    outcome_at TEXT, frozen INTEGER NOT NULL, "group" TEXT NOT NULL, simulated INTEGER NOT NULL
) STRICT
"""
_NAMES = ", ".join(f'"{name}"' for name in FIELDS)
_PLACES = ", ".join(f":{name}" for name in FIELDS)
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
        self.path, self._given = Path(path).absolute(), str(path)  # a model tells its source as it was given
        self.catalogue = _without_clash(catalogue or Catalogue.shipped())
        with self._explained(), _first_look:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._take_back()
            if self.path.is_file() and not self.path.stat().st_size:
                self._make()
        with self._open() as file:
            self._check_table(file)
            if (found := file.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise JournalError(f"{self.path}: damaged: {found}; put back a copy of it")

    def under(self, catalogue: Catalogue) -> Journal:
        """Return the same journal with another catalogue; the file is not looked at again."""
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
        found, role = rated(ratings, rater_role, self.catalogue)
        entry = Entry(new_id(), title, note, held_on, role, found, now(), estimate, group=group)
        with self._open(write=True) as file:
            _insert(file, entry)
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
        with self._open(write=True) as file:
            old = self._get(file, id)
            found, role = old.ratings, old.rater_role
            if ratings is not None or rater_role is not None:
                found, role = rated(
                    old.ratings if ratings is None else ratings,
                    old.rater_role if rater_role is None else rater_role,
                    self.catalogue,
                )
            new = replace(
                old,
                title=old.title if title is None else title,
                note=old.note if note is None else note,
                held_on=old.held_on if isinstance(held_on, EllipsisType) else held_on,
                group=old.group if group is None else group,
            )
            rerated = (found, role) != (old.ratings, old.rater_role)
            if old.frozen and (rerated or estimate not in (None, old.estimate)):
                raise FrozenError(
                    f"'{old.title}': the outcome is known since {day_of(old.outcome_at or now())}, so its ratings stay "
                    "as they were made: changed now, they would tell the outcome, and a model would learn hindsight"
                )
            if rerated:
                new = replace(new, ratings=found, rater_role=role, rated_at=now(), estimate=estimate)
            elif estimate:  # of the same ratings, by another model
                new = replace(new, estimate=estimate)
            _update(file, new)
        return new

    def set_outcome(self, id: str, outcome: str, *, at: date | None = None) -> Entry:  # noqa: A002
        """Say what came of an interview, or mend a mistake; an offer or no offer freezes the rating for good.

        Parameters
        ----------
        outcome
            "unknown", "offer", "no offer" or "withdrew".
        at
            Day, in the time zone of this machine, or time at which it was known. Where None: now, or for a mended
            outcome as it was before. An interview rated on a later day is told of by the warnings of a training, and
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
        with self._open(write=True) as file:
            old = self._get(file, id)
            known = moment(at) if at else (old.outcome_at or now())
            frozen = old.frozen or outcome in TOLD
            new = replace(
                old, outcome=outcome, outcome_at=known if frozen or outcome != UNKNOWN else None, frozen=frozen
            )
            _update(file, new)
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
        with self._open(write=True) as file:
            self._get(file, id)
            file.execute("DELETE FROM entries WHERE id = ?", (id,))
            foreign = _foreign(file)
        try:
            with self._open() as file:
                file.execute("VACUUM")  # needs as much room again as the file takes
        except JournalError as error:
            raise JournalError(
                f"the interview is deleted, but traces may be left in the file until the next deletion: {error}"
            ) from None
        if foreign:
            raise JournalError(
                f"the interview is deleted, but the file also holds what another tool has put there ({_few(foreign)}), "
                "in which copies may be left; look there"
            )

    # -- read ------------------------------------------------------------------------------------------------------

    def get(self, id: str) -> Entry:  # noqa: A002
        """Give one interview.

        Raises
        ------
        NoEntryError
            If there is no such interview.
        """
        with self._open() as file:
            return self._get(file, id)

    def entries(self) -> list[Entry]:
        """Give all interviews, the newest first: by the day held, or where that is unknown rated."""
        with self._open() as file:
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
        with self._open() as file:
            file.execute("BEGIN")  # so that both are of the same moment
            total = file.execute("SELECT count(*) FROM entries").fetchone()[0]
            some = (
                f"SELECT number FROM entries {_NEWEST_FIRST} LIMIT {int(size)} OFFSET {int(size) * (int(number) - 1)}"
            )
            return self._all(file, f"WHERE number IN ({some}) {_NEWEST_FIRST}"), total

    def outcomes(self) -> dict[str, int]:
        """Count the interviews by outcome."""
        with self._open() as file:
            counted = file.execute("SELECT outcome, count(*) FROM entries GROUP BY outcome").fetchall()
        return {**dict.fromkeys(OUTCOMES, 0), **dict(map(tuple, counted))}

    def ratings(self, catalogue: Catalogue | None = None, *, training: bool = False) -> Ratings:
        """Give all interviews as ratings, in the order in which they came.

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
        with self._open() as file:
            entries = self._all(file, "ORDER BY number")
        return ratings_of(entries, catalogue or self.catalogue, source=self._given, training=training)

    def calibration(self) -> tuple[Floats, Floats]:
        """Give what came, and what was estimated before it came.

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
        with self._open(write=True) as file:
            there = {entry.id: entry for entry in self._all(file)}
            fresh = {}
            for row, entry in enumerate(entries, 1):
                if there.get(entry.id, entry) != entry or entry.id in fresh:
                    kind = "is the id of another interview; leave it empty to add this one beside it"
                    problems.append(Problem(kind, row, "id", entry.id))
                elif entry.id not in there:
                    fresh[entry.id] = entry
            if problems:
                raise RatingsError(name, problems)
            for entry in reversed(fresh.values()):  # an export has the newest first
                _insert(file, entry)
        return len(fresh)

    # -- the file --------------------------------------------------------------------------------------------------

    @staticmethod
    def recognises(path: str | Path) -> bool:
        """Say whether a file is a journal, of whatever version, by its first bytes."""
        try:
            return _application(Path(path)) == APPLICATION
        except OSError:
            return False

    def _take_back(self) -> None:
        """Let SQLite take back what another process was killed at; where that was the making, an empty file stays."""
        there = resolved(self.path)
        beside = there.with_name(f"{there.name}-journal")
        if beside.exists() and _application(self.path):
            with contextlib.closing(self._connect()) as file:
                file.execute("PRAGMA user_version").fetchone()

    def _make(self) -> None:
        with contextlib.closing(self._connect()) as file:
            file.execute("BEGIN IMMEDIATE")
            if not file.execute("PRAGMA user_version").fetchone()[0]:  # another process may have been faster
                file.execute(_TABLE)
                file.execute(f"PRAGMA application_id = {APPLICATION}")
                file.execute(f"PRAGMA user_version = {VERSION}")
            file.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a file that has gone is an error, not a new and empty one
        file = sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True, timeout=WAIT, isolation_level=None)
        file.row_factory = sqlite3.Row
        return file

    @contextlib.contextmanager
    def _open(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file for one call; what is written is written whole or not at all."""
        with self._explained():
            self._check(_application(self.path))  # before SQLite opens it, which might change it
            with contextlib.closing(self._connect()) as file:
                self._check(*(file.execute(f"PRAGMA {x}").fetchone()[0] for x in ("application_id", "user_version")))
                file.execute("PRAGMA secure_delete = ON")  # what is deleted or changed is overwritten with zeros
                file.execute("PRAGMA temp_store = MEMORY")
                if write:
                    _leave_wal(file)
                    file.execute("BEGIN IMMEDIATE")
                    file.execute(f"PRAGMA user_version = {VERSION}")  # older code cannot read what is written
                yield file  # closing without a commit rolls back
                if write:
                    file.execute("COMMIT")

    def _check_table(self, file: sqlite3.Connection) -> None:
        """Refuse a table of another shape: SQLite reads the name of a column that is not there as a text."""
        columns = file.execute("PRAGMA table_info(entries)").fetchall()
        names = {column["name"] for column in columns}
        if missing := [name for name in ("number", *FIELDS) if name not in names]:
            raise JournalError(f"{self.path}: damaged: its table has no {', '.join(missing)}; put back a copy of it")
        needed = [x["name"] for x in columns if x["notnull"] and x["dflt_value"] is None]
        if more := [shorten(name) for name in needed if name not in ("number", *FIELDS)]:
            raise JournalError(
                f"{self.path}: another tool has added the column {_few(more)}, without which nothing can be added; "
                "take it out, or give it a default"
            )

    def _check(self, application: int, version: int = VERSION) -> None:
        if application != APPLICATION:
            raise JournalError(f"{self.path}: is not a journal of this tool; it is left as it is. Name another file")
        if version > VERSION:
            raise JournalError(
                f"{self.path}: its layout {version} is newer than this version reads ({VERSION}): update the predictor"
            )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise JournalError(f"{self.path}: no such file; it was there before") from None
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be used as a journal: {error.strerror or error}") from None
        except sqlite3.Error as error:
            match getattr(error, "sqlite_errorcode", 0) & 0xFF:
                case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                    why = f"another program has held it for {WAIT:g} s; try again"
                case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_ERROR:
                    why = f"damaged: {error}; put back a copy of it"
                case sqlite3.SQLITE_FULL:
                    why = "the disk is full; make room first"
                case sqlite3.SQLITE_READONLY:
                    why = "cannot be written to; look whether the file, its folder or the whole disk is read-only"
                case _:
                    why = f"cannot be read or written: {error}"
            raise JournalError(f"{self.path}: {why}") from None

    def _get(self, file: sqlite3.Connection, id: str) -> Entry:  # noqa: A002
        if found := self._all(file, "WHERE id = ?", id):
            return found[0]
        raise NoEntryError(f"{self.path}: no interview {id!r:.40}; it may have been deleted")

    def _all(self, file: sqlite3.Connection, where: str = "", *values: str) -> list[Entry]:
        rows = file.execute(f"SELECT {_NAMES} FROM entries {where}", values).fetchall()
        try:
            return [_entry(row) for row in rows]
        except (ValueError, TypeError, AttributeError, RecursionError, JournalError) as error:
            raise JournalError(f"{self.path}: damaged: {error}; put back a copy of it") from None


def _without_clash(catalogue: Catalogue) -> Catalogue:
    if clash := sorted(set(catalogue.names) & set(COLUMNS)):
        raise JournalError(f"the catalogue has signals named as columns of the journal: {', '.join(clash)}")
    return catalogue


def _application(path: Path) -> int:
    """Read which application a file says it belongs to; 0 where it is not ours.

    A file is looked at once: to close it while SQLite has it open in this process would release SQLite's locks (POSIX
    locks belong to the process and the file), and two would write at once. See sqlite.org/howtocorrupt.html, 2.2.
    """
    with _first_look:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):  # a pipe would be waited for
            raise OSError(errno.EINVAL, "it is not an ordinary file; name another")
        identity = status.st_dev, status.st_ino
        if identity not in _known:
            with path.open("rb") as file:
                head = file.read(72)
            if not head.startswith(b"SQLite format 3\0") or head[68:] != APPLICATION.to_bytes(4, "big"):
                return 0
            _known.add(identity)
        return APPLICATION


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _leave_wal(file: sqlite3.Connection) -> None:
    """Go back to a rollback journal where another tool has set a write-ahead log: deleted text would stay in that."""
    if file.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        file.execute("PRAGMA journal_mode = DELETE")  # needs the file for itself


def _foreign(file: sqlite3.Connection) -> list[str]:
    """Name what is in the file and not of this tool."""
    rows = file.execute("SELECT type, name FROM sqlite_schema WHERE name <> 'entries' AND name NOT LIKE 'sqlite_%'")
    return [f"{kind} {shorten(name)}" for kind, name in rows]


def _entry(row: sqlite3.Row) -> Entry:
    data = dict(row)
    data["ratings"] = json.loads(data["ratings"])
    if not isinstance(data["ratings"], dict) or not all(
        rating == NOT_APPLICABLE or (type(rating) in (int, float) and math.isfinite(rating))
        for rating in data["ratings"].values()
    ):
        raise ValueError("ratings are no numbers by signal")
    data["estimate"] = Estimate(**json.loads(data["estimate"])) if data["estimate"] else None
    data["held_on"] = date.fromisoformat(data["held_on"]) if data["held_on"] else None
    for name in ("rated_at", "outcome_at"):
        data[name] = datetime.fromisoformat(data[name]) if data[name] else None
    return Entry(**data | {name: bool(data[name]) for name in ("frozen", "simulated")})


def _row(entry: Entry) -> dict[str, Any]:
    data = entry.to_dict()
    return data | {
        "ratings": json.dumps(data["ratings"]),
        "estimate": json.dumps(data["estimate"]) if entry.estimate else None,
    }


def _insert(file: sqlite3.Connection, entry: Entry) -> None:
    file.execute(f"INSERT INTO entries ({_NAMES}) VALUES ({_PLACES})", _row(entry))


def _update(file: sqlite3.Connection, entry: Entry) -> None:
    file.execute(f"UPDATE entries SET ({_NAMES}) = ({_PLACES}) WHERE id = :id", _row(entry))
