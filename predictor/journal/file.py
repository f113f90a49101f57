"""The journal's SQLite file: who may open it, what it must look like, and what its errors mean."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from predictor.atomic import resolved
from predictor.errors import JournalError, shorten
from predictor.journal.schema import APPLICATION, MAKE, TABLE_COLUMNS, VERSION, few
from predictor.journal.upgrade import day_of_time, upgrade

_MARKS = ("application_id", "user_version")
WAIT = 10.0  # seconds that one process waits for another
_open_lock, _checked_files = threading.RLock(), set[tuple[int, int]]()


class JournalFile:
    """A journal's SQLite file: made where there is none, checked once, and opened for each call.

    Parameters
    ----------
    path
        The file, absolute.

    Raises
    ------
    JournalError
        If the file is not a journal, is damaged, is newer than this code, or cannot be read; it is left untouched.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._translated_errors(), _open_lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._roll_back_unfinished()
            if self.path.is_file() and not self.path.stat().st_size:
                self._create()
        with self.open() as connection:
            self._check_table(connection)
            if (damage := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise JournalError(f"{self.path}: damaged: {damage}; restore it from a backup")

    def _roll_back_unfinished(self) -> None:
        """Let SQLite roll back the work of a process that was killed; if that was creating it, an empty file stays."""
        there = resolved(self.path)
        if there.with_name(f"{there.name}-journal").exists() and application_of(self.path):
            with contextlib.closing(self._connect()) as connection:
                connection.execute("PRAGMA user_version").fetchone()

    def _create(self) -> None:
        with contextlib.closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            if not connection.execute("PRAGMA user_version").fetchone()[0]:  # another process may have been faster
                for statement in MAKE:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a file that has gone is an error, not a new and empty one
        connection = sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True, timeout=WAIT, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.create_function("folded", 1, str.casefold, deterministic=True)
        connection.create_function("day_of_time", 1, day_of_time)
        return connection

    @contextlib.contextmanager
    def open(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file for one call; its changes are written atomically."""
        with self._translated_errors():
            self._check(application_of(self.path))  # before SQLite opens it, which might change it
            with contextlib.closing(self._connect()) as connection:
                application, version = (connection.execute(f"PRAGMA {x}").fetchone()[0] for x in _MARKS)
                self._check(application, version)
                if version < VERSION:
                    self._upgrade(connection)
                connection.execute("PRAGMA secure_delete = ON")  # what is deleted or changed is overwritten with zeros
                connection.execute("PRAGMA temp_store = MEMORY")
                if write:
                    _leave_wal(connection)
                    connection.execute("BEGIN IMMEDIATE")
                yield connection  # closing without a commit rolls back
                if write:
                    connection.execute("COMMIT")

    def _upgrade(self, connection: sqlite3.Connection) -> None:
        """Upgrade an older layout to the current one, completely or not at all."""
        try:
            _leave_wal(connection)
            connection.execute("BEGIN IMMEDIATE")
            upgrade(connection)
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                raise
            raise JournalError(
                f"{self.path}: it has an older layout and must be upgraded, but the file cannot be written; copy it "
                "to a folder where you may write"
            ) from None

    def _check_table(self, connection: sqlite3.Connection) -> None:
        """Refuse a table of another shape: SQLite reads the name of a column that is not there as a text."""
        columns = connection.execute("PRAGMA table_info(entries)").fetchall()
        names = {column["name"] for column in columns}
        if missing := [name for name in ("number", *TABLE_COLUMNS) if name not in names]:
            raise JournalError(f"{self.path}: damaged: its table has no {', '.join(missing)}; restore it from a backup")
        needed = [x["name"] for x in columns if x["notnull"] and x["dflt_value"] is None]
        if more := [shorten(name) for name in needed if name not in ("number", *TABLE_COLUMNS)]:
            raise JournalError(
                f"{self.path}: another tool has added the column {few(more)}, which must not be empty, so no interview "
                "can be saved; remove it, or give it a default"
            )

    def _check(self, application: int, version: int = VERSION) -> None:
        if application != APPLICATION:
            raise JournalError(f"{self.path}: is not a journal of this tool; it is left as it is. Name another file")
        if version > VERSION:
            raise JournalError(
                f"{self.path}: its layout {version} is newer than this version reads ({VERSION}): update the predictor"
            )

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            why = (
                "leads to no file; point it at a journal, or remove it" if self.path.is_symlink() else "has disappeared"
            )
            raise JournalError(f"{self.path}: the {'link' if self.path.is_symlink() else 'file'} {why}") from None
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be used as a journal: {error.strerror or error}") from None
        except sqlite3.Error as error:
            match getattr(error, "sqlite_errorcode", 0) & 0xFF:
                case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                    why = f"another program has held it for {WAIT:g} s; try again"
                case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_ERROR:
                    why = f"damaged: {error}; restore it from a backup"
                case sqlite3.SQLITE_FULL:
                    why = "the disk is full; make room first"
                case (
                    sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN
                ):  # the latter where no file can be made beside it
                    why = "cannot be written to; look whether the file, its folder or the whole disk is read-only"
                case _:
                    why = f"cannot be read or written: {error}"
            raise JournalError(f"{self.path}: {why}") from None


def application_of(path: Path) -> int:
    """Read the application number of a SQLite file; 0 if it is not this tool's.

    Each file is read only once: closing it while SQLite has it open in this process would release SQLite's locks (POSIX
    locks belong to the process and the file), and two would write at once. See sqlite.org/howtocorrupt.html, 2.2.
    """
    with _open_lock:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):  # a pipe would be waited for
            raise OSError(errno.EINVAL, "it is not an ordinary file; name another")
        identity = status.st_dev, status.st_ino
        if identity not in _checked_files:
            with path.open("rb") as file:
                head = file.read(72)
            if not head.startswith(b"SQLite format 3\0") or head[68:] != APPLICATION.to_bytes(4, "big"):
                return 0
            _checked_files.add(identity)
        return APPLICATION


def _leave_wal(connection: sqlite3.Connection) -> None:
    """Go back to a rollback journal where another tool has set a write-ahead log: deleted text would stay in that."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        connection.execute("PRAGMA journal_mode = DELETE")  # needs the file for itself
