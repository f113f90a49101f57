"""Where MLflow keeps its runs: an SQLite file beside the models, or whatever MLFLOW_TRACKING_URI names.

MLflow is imported late, since that takes seconds, and with its telemetry off unless the user's own environment says
otherwise.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.atomic import resolved
from predictor.errors import MissingExtraError, PredictorError, TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "interview-outcome-predictor"
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # on by default, which a hiring tool cannot answer for
    "DO_NOT_TRACK": "true",
    # The defaults, 7 and 120 s, let a dead server take minutes to fail, and a silent one a quarter of an hour.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # a server may ask to come back in an hour, which is a hang
    "PGCONNECT_TIMEOUT": "10",  # PostgreSQL's own default is to wait for ever
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # we print it in our own words
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # a lock file of the working folder is not part of a model
}
# MLflow's pages show no metric until somebody picks columns; a view of this name, kept with the experiment, does it.
VIEW = "scores"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
_LOCK_SECONDS = 120.0
ANSWER_SECONDS = 10.0  # in which a server or a database has to answer at all
_DATABASES = ("postgresql", "mysql", "mssql")
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Store:
    """An MLflow tracking URI; `path` and `artifacts` are set when it is an SQLite file."""

    uri: str
    path: Path | None = None
    artifacts: str | None = None

    @classmethod
    def named(cls, uri: str | None) -> Store:
        uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///experiments/mlflow.db"
        if not uri.startswith("sqlite:///"):
            return cls(uri)
        # Absolute, and with its own folder for artifacts: else runs are lost from another working folder.
        path = resolved(Path(uri.removeprefix("sqlite:///")))
        if clash := sorted(set(str(path)) & set("?%")):
            raise TrackingError(
                f"MLflow cannot use {path}: '{clash[0]}' in a path has a meaning in its addresses; "
                "rename the folder, or set MLFLOW_TRACKING_URI=sqlite:////another/folder/mlflow.db"
            )
        return cls(f"sqlite:///{path}", path, (path.parent / "artifacts").as_uri())

    @property
    def is_server(self) -> bool:
        return self.uri.startswith(("http://", "https://"))

    def error(self, what: str, cause: object) -> TrackingError:
        lines = str(cause).strip().splitlines() or [type(cause).__name__]
        if self.is_server:  # a chain of reasons in brackets, of which the last is the reason
            lines = [re.split(r"[:(] ?(?=\[Errno|Connection refused|Name or service)", lines[0])[-1].rstrip("')\"")]
        fix = self._fix(cause)
        message = f"MLflow could not {what} in {self.path or self.uri}: {lines[0]}\n  Fix: {fix}."
        return TrackingError(re.sub(r"//[^/@\s]*@", "//", message))  # no password in a message

    def _fix(self, cause: object) -> str:
        words, number = str(cause), getattr(cause, "errno", None)
        if isinstance(cause, ModuleNotFoundError) and self.uri.startswith(_DATABASES):
            return f"install the database's driver: pip install {cause.name}"
        if self.is_server or self.uri.startswith(_DATABASES):
            return (
                "check that the server runs, or unset MLFLOW_TRACKING_URI to record in experiments/mlflow.db; a slow "
                "server is given longer by MLFLOW_HTTP_REQUEST_TIMEOUT=60"
            )
        if not self.path:
            return "check MLFLOW_TRACKING_URI, or unset it to record in experiments/mlflow.db"
        if isinstance(cause, BusyError) or "database is locked" in words:
            return "wait until that one is done, or end it"
        if number in _READ_ONLY or "readonly database" in words:
            return (
                f"{self.path.parent} is read-only for you; ask for the right to write there, or copy the folder to "
                "where you may write. `predictor history` and `predictor pull` only read it"
            )
        if number in (errno.ENOSPC, errno.EDQUOT) or "database or disk is full" in words:
            return f"make room on the disk of {self.path.parent}"
        if "malformed" in words or "not a database" in words or "alembic_version" in words:
            return f"{self.path.name} is damaged, or another program's; once it is moved away, a new one is made"
        return (
            f"check that {self.path.parent} can be written and the disk has room; a damaged {self.path.name} can be "
            "moved away, and a new one is made"
        )


class BusyError(Exception):
    """Another process has the store for itself."""


def import_mlflow() -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)  # before the import, which reads them
    try:
        with warnings.catch_warnings():  # they are about MLflow's own use of its libraries
            warnings.simplefilter("ignore")
            for name in ("mlflow.store.tracking.sqlalchemy_store", "mlflow.pyfunc"):
                import_module(name)  # all of it now, not in the midst of recording
    except ImportError as error:
        raise MissingExtraError("mlflow", "Recording a training", "train") from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())


@contextlib.contextmanager
def translate_errors(store: Store, what: str) -> Iterator[None]:
    """Convert whatever MLflow, SQLAlchemy or the system raises into one error that states the fix."""
    try:
        yield
    except PredictorError:
        raise
    except Exception as error:
        raise store.error(what, error) from error


@contextlib.contextmanager
def locked(store: Store, *, reading: bool = False) -> Iterator[None]:
    """Lock an SQLite store, so that one process at a time writes to it.

    Two that touch a fresh one at once both run MLflow's schema migrations, which destroys it for good; two that
    name the same new data set at once collide in its table. Servers keep their own order. Who only reads need not be
    able to write a lock.
    """
    if store.path is None or (reading and not store.path.exists()):
        yield
        return
    from filelock import FileLock, Timeout

    with contextlib.ExitStack() as stack:
        try:
            store.path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(f"{store.path}.lock", timeout=_LOCK_SECONDS))
        except Timeout:
            raise BusyError(f"another process has had it for itself for {_LOCK_SECONDS:.0f} s") from None
        except OSError as error:
            if not (reading and error.errno in _READ_ONLY):
                raise
        yield


@contextlib.contextmanager
def open_client(store: Store, what: str) -> Iterator[MlflowClient]:
    """Open a client for one piece of work, with the store locked; errors name `what` could not be done."""
    import_mlflow()
    with translate_errors(store, what), locked(store):
        yield connect(store)


@contextlib.contextmanager
def open_client_to_read(store: Store, what: str) -> Iterator[MlflowClient | None]:
    """Open a client that only reads; None where there is no store yet, since reading does not create one."""
    import_mlflow()
    with translate_errors(store, what), locked(store, reading=True):
        yield None if store.path is not None and not store.path.exists() else connect(store)


def connect(store: Store) -> MlflowClient:
    """Open a client of a store: a file is created where there is none, a server is checked to answer."""
    from mlflow import MlflowClient

    if store.path:
        make_once(store.path, store.artifacts)
    else:
        _check_answers(store)
    return MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)


def make_once(path: Path, artifacts: str | None) -> None:
    """Create the SQLite store if there is none: under another name first, so that a kill leaves no partial store."""
    if not path.exists() or not path.stat().st_size:
        import_mlflow()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        fresh = path.with_name(f"{path.name}.new")
        _delete_database(fresh)
        make: Callable[[str, str | None], Any] = SqlAlchemyStore  # it has no types of its own
        try:
            make(f"sqlite:///{fresh}", artifacts).engine.dispose()
            fresh.replace(path)
        except BaseException:
            _delete_database(fresh)  # on a full disk it would take the room that a model needs
            raise
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("SELECT 1 FROM alembic_version")  # MLflow retries a damaged file for minutes; this does not


def _delete_database(database: Path) -> None:
    for ending in ("", "-journal", "-wal", "-shm"):
        file = database.with_name(database.name + ending)
        with contextlib.suppress(OSError):
            os.truncate(file, 0)  # MLflow still has it open, so its room would stay taken until the process ends
        file.unlink(missing_ok=True)


def _check_answers(store: Store) -> None:
    """Fail at once where nothing answers: MLflow waits for minutes, and its databases' drivers for ever.

    In a daemon thread, which may outlive the call: DNS look-ups and slow responses ignore the time limit.
    """
    if not (store.is_server or store.uri.startswith(_DATABASES)):
        return
    errors: list[Exception] = []

    def ask() -> None:
        try:
            if store.is_server:
                import requests

                # any answer will do, also that it needs a password: MLflow knows how to give it, and what else is wrong
                requests.get(f"{store.uri.rstrip('/')}/health", timeout=ANSWER_SECONDS, allow_redirects=False)
            else:
                from sqlalchemy import create_engine

                create_engine(store.uri).connect().close()
        except Exception as error:
            errors.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    if asking.is_alive() or any("timed out" in str(error).lower() for error in errors):
        raise TimeoutError(f"no answer in {ANSWER_SECONDS:g} s")
    if errors and not store.is_server:
        raise errors[0]
