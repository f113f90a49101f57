"""Where MLflow keeps its runs: an SQLite file beside the models, or whatever MLFLOW_TRACKING_URI names.

MLflow is imported late, since that takes seconds, and with its telemetry off unless the user's own environment says
otherwise.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
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
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default of 7 lets a dead server take minutes to fail
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # we say it in our own words
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # a lock file that lies about in the working folder is no part of a model
}
# MLflow's pages show no metric until somebody picks columns; a view of this name, kept with the experiment, does it.
VIEW = "scores"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
_LOCK_SECONDS = 120.0


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
        # Absolute, and with its own place for artifacts: else runs are lost from another working folder.
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
        if self.is_server:
            mend = "check that the server runs, or unset MLFLOW_TRACKING_URI to record in experiments/mlflow.db"
        elif self.path:
            mend = f"check that {self.path.parent} can be written and the disk has room; a damaged {self.path.name} "
            mend += "can be moved away, and a new one is made"
        else:
            mend = "check MLFLOW_TRACKING_URI, or unset it to record in experiments/mlflow.db"
        message = f"MLflow could not {what} in {self.path or self.uri}: {lines[0]}\n  Mend: {mend}."
        return TrackingError(re.sub(r"//[^/@\s]*@", "//", message))  # no password in a message


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
def explained(place: Store, what: str) -> Iterator[None]:
    """Turn whatever MLflow, SQLAlchemy or the system raises into one error with a mend."""
    try:
        yield
    except PredictorError:
        raise
    except Exception as error:
        raise place.error(what, error) from error


@contextlib.contextmanager
def locked(place: Store) -> Iterator[None]:
    """Let one process at a time write to an SQLite store.

    Two that touch a fresh one at once both run MLflow's schema migrations, which destroys it for good; two that
    name the same new data set at once collide in its table. Servers keep their own order.
    """
    if place.path is None:
        yield
        return
    from filelock import FileLock

    place.path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place.path}.lock", timeout=_LOCK_SECONDS):
        yield


def connect(place: Store) -> MlflowClient:
    from mlflow import MlflowClient

    if place.path:
        make_once(place.path, place.artifacts)
    return MlflowClient(tracking_uri=place.uri, registry_uri=place.uri)


def make_once(path: Path, artifacts: str | None) -> None:
    """Make the SQLite store if there is none: beside its final name, so that a kill midway leaves no half store."""
    if not path.exists() or not path.stat().st_size:
        import_mlflow()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        make: Callable[[str, str | None], Any] = SqlAlchemyStore  # it has no types of its own
        make(f"sqlite:///{fresh}", artifacts).engine.dispose()
        fresh.replace(path)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("SELECT 1 FROM alembic_version")  # MLflow retries a damaged file for minutes; this does not
