"""MLflow: record a finished training as one run, and open the MLflow pages on what was recorded.

The only module that imports mlflow, and it does so late: importing it takes seconds. MLflow's telemetry is off
here, unless the user's own environment says otherwise.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from predictor.errors import MissingExtraError, TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from predictor.learning.evaluation import Score
    from predictor.learning.training import TrainingResult

EXPERIMENT = "interview-outcome-predictor"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # on by default, which a hiring tool cannot answer for
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default of 7 lets a dead server take minutes to fail
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
# MLflow's pages show no metric until somebody picks columns; a shared view does it for them.
_VIEW = "scores"
_VIEW_TAG = f"mlflow.sharedViewState.{_VIEW}"
_VIEW_COLUMNS = ("log_loss", "brier", "roc_auc", "average_precision", "calibration_error", "gain_over_base_rate", "n")
_START_SECONDS = 120.0  # a slow, busy machine; usually it is under ten
_STOP_SECONDS = 8.0
_LOCK_SECONDS = 120.0


@dataclass(frozen=True)
class RecordedRun:
    """Where a training was recorded.

    Attributes
    ----------
    run_id, name
        MLflow's id of the run, and its name.
    url
        Address of the run's page, or None when the store is a file that no server shows yet.
    hint
        How to look at the run, in words.
    seconds
        What recording took, without importing MLflow.
    """

    run_id: str
    name: str
    url: str | None
    hint: str
    seconds: float


@dataclass(frozen=True)
class _Store:
    """An MLflow tracking URI; `path` and `artifacts` are set when it is an SQLite file."""

    uri: str
    path: Path | None = None
    artifacts: str | None = None

    @classmethod
    def named(cls, uri: str | None) -> _Store:
        uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///experiments/mlflow.db"
        if not uri.startswith("sqlite:///"):
            return cls(uri)
        # Absolute, and with its own place for artifacts: else runs are lost from another working folder.
        path = Path(uri.removeprefix("sqlite:///")).resolve()
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
        if self.is_server:
            mend = "check that the server runs, or unset MLFLOW_TRACKING_URI to record in experiments/mlflow.db"
        elif self.path:
            mend = f"check that {self.path.parent} can be written and the disk has room; a damaged {self.path.name} "
            mend += "can be moved away, and a new one is made"
        else:
            mend = "check MLFLOW_TRACKING_URI, or unset it to record in experiments/mlflow.db"
        message = f"MLflow could not {what} in {self.path or self.uri}: {lines[0]}\n  Mend: {mend}."
        return TrackingError(re.sub(r"//[^/@\s]*@", "//", message))  # no password in a message


def record(
    result: TrainingResult,
    *,
    files: Sequence[Path] = (),
    experiment: str = EXPERIMENT,
    store: str | None = None,
) -> RecordedRun:
    """Record a finished training as one MLflow run.

    Safe to call from several processes at once, also on a store that does not exist yet.

    Parameters
    ----------
    result
        What `train` returned. The ratings are not copied: MLflow gets their name, digest and size.
    files
        The model file, plots: kept with the run as artifacts.
    experiment
        MLflow's name for the group of runs; made if there is none.
    store
        An MLflow tracking URI. None takes MLFLOW_TRACKING_URI, or else `experiments/mlflow.db` (SQLite) in
        the working folder, with artifacts beside it.

    Raises
    ------
    TrackingError
        If the store cannot be reached or written. A run already begun is marked FAILED.
    MissingExtraError
        If MLflow is not installed.
    """
    place = _Store.named(store)
    _import_mlflow()
    start = time.perf_counter()
    with _explained(place, f"record '{result.name}'"), _locked(place):
        client = _connect(place)
        experiment_id = _experiment(client, experiment, place)
        began = int((time.time() - result.seconds) * 1000)  # so that the run lasts as long as the training did
        run = client.create_run(experiment_id, began, tags=_tags(result), run_name=result.name)
        run_id = run.info.run_id
        try:
            _log(client, run_id, result, experiment)
            for file in files:
                client.log_artifact(run_id, str(file))
            client.set_terminated(run_id, "FINISHED")
        except BaseException:  # Ctrl-C too: a run left RUNNING would look alive for ever
            with contextlib.suppress(Exception):
                client.set_terminated(run_id, "FAILED")
            raise
    page = f"/#/experiments/{experiment_id}/runs/{run_id}"
    url = place.uri.rstrip("/") + page if place.is_server else None
    hint = f"open {url}" if url else "`make ui` or `predictor ui` shows it"
    return RecordedRun(run_id, result.name, url, hint, time.perf_counter() - start)


def serve_ui(*, host: str = "127.0.0.1", port: int | None = None, store: str | None = None) -> None:
    """Serve MLflow's pages until Ctrl-C or SIGTERM; then end cleanly, with every process that was started.

    Parameters
    ----------
    host, port
        Where to listen. Port None takes 5000, or the next that is free.
    store
        As for `record`. When it is an MLflow server already, its address is printed and nothing is started.

    Raises
    ------
    TrackingError
        If the port is taken, or the server does not start.
    MissingExtraError
        If MLflow is not installed.
    """
    place = _Store.named(store)
    if place.is_server:
        print(f"MLflow runs on a server already: open {place.uri}", flush=True)
        return
    if find_spec("mlflow") is None:
        raise MissingExtraError("mlflow", "The page of recorded trainings", "train")
    with _explained(place, "open the store"), _locked(place):
        if place.path:
            _make_once(place.path, place.artifacts)
    port = _free_port(host, port)
    url = f"http://{host}:{port}"
    with _server(place, host, port) as (process, output):
        try:
            deadline = time.monotonic() + _START_SECONDS
            while process.poll() is None and not _healthy(host, port):
                if time.monotonic() > deadline:
                    raise place.error(f"answer at {url}", f"no answer in {_START_SECONDS:.0f} s\n{_tail(output)}")
                time.sleep(0.1)
            if process.poll() is None:
                print(f"MLflow is open at {url}{_landing(place)}  (Ctrl-C ends it)", flush=True)
            process.wait()
            raise place.error(f"serve at {url}", f"its server ended with code {process.returncode}: {_tail(output)}")
        except KeyboardInterrupt:
            print("\nMLflow is closed.", flush=True)


# --- MLflow and its store ---------------------------------------------------------------------------------


def _import_mlflow() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)  # before the import, which reads them
    try:
        with warnings.catch_warnings():  # they are about MLflow's own use of its libraries
            warnings.simplefilter("ignore")
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  loaded later otherwise, in the timed part
    except ImportError as error:
        raise MissingExtraError("mlflow", "Recording a training", "train") from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())


@contextlib.contextmanager
def _explained(place: _Store, what: str) -> Iterator[None]:
    """Turn whatever MLflow, SQLAlchemy or the system raises into one error with a mend."""
    try:
        yield
    except (TrackingError, MissingExtraError):
        raise
    except Exception as error:
        raise place.error(what, error) from error


@contextlib.contextmanager
def _locked(place: _Store) -> Iterator[None]:
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


def _connect(place: _Store) -> MlflowClient:
    from mlflow import MlflowClient

    if place.path:
        _make_once(place.path, place.artifacts)
    return MlflowClient(tracking_uri=place.uri, registry_uri=place.uri)


def _make_once(path: Path, artifacts: str | None) -> None:
    """Make the SQLite store if there is none: beside its final name, so that a kill midway leaves no half store."""
    if not path.exists() or not path.stat().st_size:
        _import_mlflow()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        make: Callable[[str, str | None], Any] = SqlAlchemyStore  # it has no types of its own
        make(f"sqlite:///{fresh}", artifacts).engine.dispose()
        fresh.replace(path)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("SELECT 1 FROM alembic_version")  # MLflow retries a damaged file for minutes; this does not


def _experiment(client: MlflowClient, name: str, place: _Store) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        columns = ["attributes.`Dataset`", *(f"metrics.`{column}`" for column in _VIEW_COLUMNS)]
        tags = {
            "mlflow.experimentKind": "custom_model_development",  # not about language models, the pages' first guess
            _VIEW_TAG: json.dumps({"selectedColumns": columns}),
        }
        try:
            return str(client.create_experiment(name, artifact_location=place.artifacts, tags=tags))
        except MlflowException:  # another training may have made it in between
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _landing(place: _Store) -> str:
    """Page to open first: the scores of the experiment that was last added to, or MLflow's own start page.

    Read with plain SQL, since importing mlflow for it would cost seconds and memory for as long as the pages are open.
    """
    query = (
        "SELECT experiment_id FROM runs JOIN experiment_tags USING (experiment_id) "
        "WHERE key = ? AND lifecycle_stage = 'active' ORDER BY start_time DESC LIMIT 1"
    )
    if place.path:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(place.path)) as database:
            for (experiment_id,) in database.execute(query, (_VIEW_TAG,)):
                return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={_VIEW}"
    return ""


# --- what a run holds -------------------------------------------------------------------------------------


def _log(client: MlflowClient, run_id: str, result: TrainingResult, experiment: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    data = result.data
    now = int(time.time() * 1000)
    params = {"experiment": experiment, **dataclasses.asdict(result.config)}
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in _metrics(result).items() if value == value],
        params=[Param(name, _text(value)) for name, value in params.items()],
    )
    columns = [{"type": "double", "name": name, "required": False} for name in result.model.catalogue.names]
    dataset = Dataset(
        name=Path(str(data["source"])).name[:500],
        digest=str(data["digest"])[:12],  # a column's width; MLflow allows 36, the whole digest is a tag
        source_type="local",
        source=json.dumps({"uri": str(data["source"])}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": data["n"], "num_elements": data["n"] * len(columns)}),
    )
    client.log_inputs(run_id, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _metrics(result: TrainingResult) -> dict[str, float]:
    """Every score by name; NaN stays in and is left out by the caller."""
    metrics: dict[str, float] = {"n": float(result.data["n"]), "seconds": result.seconds}

    def add(name: str, score: Score) -> None:
        name = re.sub(r"[^\w-]+", "_", name)  # a catalogue's words are free, MLflow's names are not
        metrics.update({name: score.value, f"{name}_low": score.low, f"{name}_high": score.high})

    for name, score in result.scores.items():
        add(name, score)
    for role, scores in result.scores_by_role.items():
        for name, score in scores.items():
            add(f"{name}_{role}", score)
    for baseline, score in result.gains.items():
        add(f"gain_over_{baseline}", score)
    return metrics


def _tags(result: TrainingResult) -> dict[str, str]:
    tags = {
        "simulated": str(bool(result.model.simulated)).lower(),
        "catalogue": result.model.catalogue.name,
        "data_digest": str(result.data["digest"]),
        "mlflow.source.name": "predictor train",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": _description(result)[:8000],
    }
    if commit := _git_commit():
        tags |= {"git_commit": commit, "mlflow.source.git.commit": commit.removesuffix("-dirty")}
    return tags


def _git_commit() -> str | None:
    """Commit of the working folder, with "-dirty" when tracked files differ from it; None where there is none."""
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def _description(result: TrainingResult) -> str:
    data = result.data

    def row(label: str, scores: Mapping[str, Score]) -> str:
        cells = [f"{s.value:.3f} ({s.low:.3f} to {s.high:.3f})" for s in (scores[name] for name in result.scores)]
        return " | ".join([f"| {label}", f"{scores['log_loss'].n:,}", *cells]) + " |"

    lines = ["**SIMULATED interviews: not evidence about real ones.**\n"] if result.model.simulated else []
    lines += [
        f"{data['n']:,} ratings from `{data['source']}`, catalogue *{result.model.catalogue.name}*, "
        f"{data['base_rate']:.0%} with an offer. Cross-validated scores with 90 % intervals:\n",
        "| | n | " + " | ".join(name.replace("_", " ") for name in result.scores) + " |",
        "|---|---|" + "---|" * len(result.scores),
        row("**model**", result.scores),
        *(row(name.replace("_", " "), scores) for name, scores in result.baselines.items()),
        *(row(f"rated by {role}", scores) for role, scores in result.scores_by_role.items()),
    ]
    return "\n".join([*lines, *(f"\n> {warning}" for warning in result.warnings)])


def _text(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value)


# --- the server -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _server(place: _Store, host: str, port: int) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run MLflow's server the light way, in a process group of its own that is gone afterwards."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", place.uri, "--host", host]
    command += ["--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    if place.artifacts:
        command += ["--default-artifact-root", place.artifacts, "--no-serve-artifacts"]
    # With job execution, and four workers, it is 16 processes and 2.4 GB before the first page.
    environment = {**_ENVIRONMENT, **os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    folder = place.path.parent if place.path else None  # `python -m` imports from the working folder first

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command, env=environment, cwd=folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                yield process, output
            finally:
                for number in previous:
                    signal.signal(number, signal.SIG_IGN)  # an impatient second Ctrl-C must not leave children
                _stop(process)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # MLflow passes it on to its worker and waits for it
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # whatever of the group is left
    process.wait()


def _free_port(host: str, port: int | None) -> int:
    for candidate in [port] if port is not None else range(5000, 5100):
        try:
            with socket.create_server((host, candidate)):
                return candidate
        except OSError as error:
            reason = error.strerror or str(error)
    if port is None:
        raise TrackingError(f"no free port from 5000 to 5099 at {host} ({reason}); name one, as in --port 6000")
    raise TrackingError(f"port {port} at {host} cannot be used ({reason}); leave --port out to take a free one")


def _healthy(host: str, port: int) -> bool:
    """Ask the server itself: no proxy that the environment may name."""
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tail(output: IO[bytes], lines: int = 5) -> str:
    output.seek(0)
    return " / ".join(output.read().decode(errors="replace").strip().splitlines()[-lines:])
