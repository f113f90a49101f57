"""A training as one MLflow run: opened when it begins, filled and closed when it is done, failed when it is not.

A process that is killed cannot close its run. The run names it, so the next process that writes to the store marks the
run as failed.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from predictor.atomic import exclusive_lock, write_text
from predictor.errors import PredictorError, TrackingError
from predictor.tracking.models import log_model, register
from predictor.tracking.record import Record, without_interval_ends
from predictor.tracking.store import EXPERIMENT, VIEW_TAG, Store, import_mlflow, open_client
from predictor.training_folder import MODEL, RECORDED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Few, so that they fit beside one another; widths in pixels. The first scores fit on 1,280 pixels beside the two panels
# that MLflow opens.
COLUMNS = {
    "0": 73, "attributes.`Run Name`": 185, "metrics.`log_loss`": 90, "metrics.`roc_auc`": 90,
    "metrics.`gain_over_base_rate`": 170, "metrics.`n`": 70, "tags.`simulated`": 95, "runDateAndNestInfo": 125,
    "duration": 80,
}  # fmt: skip
HOST, PROCESS, FAILURE = "host", "process", "failure"
PARENT = "mlflow.parentRunId"
SAME_START = 2.0  # seconds by which two readings of a process's start may differ


@dataclass(frozen=True)
class RecordedRun:
    """Where a training was recorded.

    Attributes
    ----------
    run_id, name
        MLflow's id of the run, and its name.
    version
        Number of the registered version, or None where it was not registered.
    url
        Address of the run's page, or None when the store is a file that no server shows yet.
    hint
        How to look at the run, in words.
    seconds
        What recording took, without importing MLflow.
    """

    run_id: str
    name: str
    version: str | None
    url: str | None
    hint: str
    seconds: float


@dataclass(frozen=True)
class OpenRun:
    """A run that waits for its training to end."""

    store: Store
    run_id: str


@contextlib.contextmanager
def open_run(
    name: str, experiment: str, *, began: float | None = None, parent: str | None = None, store: str | None = None
) -> Iterator[OpenRun]:
    """Open a run for as long as a training works; if that raises, the run is marked failed.

    Parameters
    ----------
    name, experiment
        Of the run, and of the settings that are tried.
    began
        When the training began, in seconds since 1970; None for now.
    parent
        Id of the run that this one belongs to.
    store
        An MLflow tracking URI. None takes MLFLOW_TRACKING_URI, or else `experiments/mlflow.db` (SQLite) in
        the working folder, with artifacts beside it.

    Raises
    ------
    TrackingError
        If the store cannot be reached or written.
    MissingExtraError
        If MLflow is not installed.
    """
    target = Store.named(store)
    run = OpenRun(target, _begin(target, name, experiment, began or time.time(), parent))
    try:
        yield run
    except BaseException as error:  # Ctrl-C too: a run left RUNNING would look alive for ever
        with contextlib.suppress(PredictorError), open_client(target, "mark a run as failed") as client:
            reason = str(error) if isinstance(error, Exception) else "stopped by Ctrl-C or a signal"
            _fail(client, run.run_id, reason or type(error).__name__)
        raise


def finish(run: OpenRun, folder: Path, *, registered: bool = False) -> RecordedRun:
    """Fill an open run from the folder of a finished training, and close it.

    Parameters
    ----------
    run
        What `open_run` gave.
    folder
        What `predictor.pipeline.run.save` wrote; all of it is kept with the run.
    registered
        Whether to make its model a version of the registered model.

    Raises
    ------
    TrackingError
        If the store cannot be reached or written; the folder can be recorded later by `track`.
    """
    record, store = Record.load(folder), run.store
    import_mlflow()
    start = time.perf_counter()
    with open_client(store, f"record '{record.name}'") as client:
        version = _fill(client, run.run_id, record, folder, registered)
        done = client.get_run(run.run_id)
        if FAILURE in done.data.tags:  # of an earlier try
            client.delete_tag(run.run_id, FAILURE)
        experiment_id = done.info.experiment_id
        mark_killed(client, experiment_id)
    page = f"/#/experiments/{experiment_id}/runs/{run.run_id}"
    url = store.uri.rstrip("/") + page if store.is_server else None
    hint = f"open {url}" if url else "`make ui` or `predictor ui` shows it"
    return RecordedRun(run.run_id, record.name, version, url, hint, time.perf_counter() - start)


def track(folder: str | Path, *, registered: bool = False, store: str | None = None) -> RecordedRun:
    """Record a finished training that was not recorded, or not to its end, from its folder.

    A run that was opened for it is completed; what it has already is not kept twice.

    Safe to call from several processes at once, also on a store that does not exist yet.

    Parameters
    ----------
    folder
        What `predictor.pipeline.run.save` wrote.
    registered, store
        As for `finish` and `open_run`. A training that is recorded already can still be registered.

    Raises
    ------
    TrackingError
        If the folder holds no training (or no model, where it is to be registered), is recorded already and not to be
        registered, or the store cannot be reached or written.
    ConfigError
        If a training writes to the folder.
    MissingExtraError
        If MLflow is not installed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TrackingError(
            f"{folder}: no such folder; name one that `predictor train` made, such as experiments/models/NAME"
        )
    with exclusive_lock(folder, f"a training writes to {folder}; record it once that is done"):
        return record_folder(folder, registered=registered, store=store)


def record_folder(folder: Path, *, registered: bool = False, store: str | None = None) -> RecordedRun:
    """Do what `track` does, for a caller who has the folder for itself."""
    target = Store.named(store)
    record = Record.load(folder)
    if registered and not (folder / MODEL).is_file():
        raise TrackingError(f"{folder} has no {MODEL}, so there is nothing to register; only a pool can be registered")
    with open_client(target, f"record '{record.name}'") as client:
        begun = run_of(client, folder, target)
    if begun is None:
        with open_run(record.name, record.experiment, began=record.began, store=store) as run:
            note_run(folder, run)
            return finish(run, folder, registered=registered)
    if begun.info.status == "FINISHED" and not registered:
        raise TrackingError(f"{folder} is recorded already, as run {begun.info.run_id} in {target.path or target.uri}")
    return finish(OpenRun(target, str(begun.info.run_id)), folder, registered=registered)


def add_to_run(folder: Path, files: Sequence[Path], tags: Mapping[str, str]) -> str | None:
    """Add files, such as an audit, to the run of a training; older ones of the same name are replaced.

    Parameters
    ----------
    folder
        Of the training.
    files, tags
        What to keep, and what to note on the run.

    Returns
    -------
    str or None
        Id of the run; None where the training has none in this store.

    Raises
    ------
    TrackingError
        If the store cannot be reached or written.
    """
    if not (folder / RECORDED).is_file() or is_unrecorded(folder):
        return None
    store = Store.named(None)
    with open_client(store, f"keep {', '.join(path.name for path in files)}") as client:
        run = run_of(client, folder, store)
        if run is None:
            return None
        for path in files:
            client.log_artifact(run.info.run_id, str(path))
        for name, value in tags.items():
            client.set_tag(run.info.run_id, name, value)
        return str(run.info.run_id)


def note_run(folder: Path, run: OpenRun | None) -> None:
    """Record in a training's folder which run was opened for it, if any, so that `track` can complete that one."""
    content = {"store": run.store.uri if run else None, "run_id": run.run_id if run else None}
    write_text(folder / RECORDED, json.dumps(content, indent=1) + "\n")


def is_unrecorded(folder: Path) -> bool:
    """Whether a training was not to be recorded."""
    return _noted(folder).get("store", "") is None


def _noted(folder: Path) -> dict[str, Any]:
    """Read what `note_run` wrote; nothing where that is missing or damaged."""
    try:
        known = json.loads((folder / RECORDED).read_text(encoding="utf-8"))
        return {"store": known["store"], "run_id": known["run_id"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def mark_killed(client: MlflowClient, experiment_id: str) -> None:
    """Mark as failed the runs of this machine whose process has ended without closing them."""
    for run in client.search_runs([experiment_id], f"attributes.status = 'RUNNING' and tags.{HOST} = '{_host()}'"):
        if not _alive(run.data.tags.get(PROCESS, "")):
            _fail(client, run.info.run_id, "its process ended without closing the run")


def experiment_of(client: MlflowClient, store: Store) -> str:
    """Return MLflow's id of the experiment that all runs are in; create it where there is none."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        tags = {
            "mlflow.experimentKind": "custom_model_development",  # not about language models, the pages' first guess
            VIEW_TAG: _view(),
        }
        try:
            return str(client.create_experiment(EXPERIMENT, artifact_location=store.artifacts, tags=tags))
        except MlflowException:  # another training may have made it in between
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def _view() -> str:
    """Describe the table of runs as MLflow's pages open it."""
    chosen = [column for column in COLUMNS if column.startswith(("metrics.", "tags."))]
    return json.dumps({"selectedColumns": chosen, "columnOrder": list(COLUMNS), "columnWidths": COLUMNS})


def _begin(store: Store, name: str, experiment: str, began: float, parent: str | None) -> str:
    tags = {HOST: _host(), PROCESS: _process(), "experiment": experiment}
    tags |= {PARENT: parent} if parent else {}
    with open_client(store, f"open a run for '{name}'") as client:
        experiment_id = experiment_of(client, store)
        mark_killed(client, experiment_id)
        return str(client.create_run(experiment_id, int(began * 1000), tags=tags, run_name=name).info.run_id)


def _fill(client: MlflowClient, run_id: str, record: Record, folder: Path, registered: bool) -> str | None:
    """Log all of a folder to its run, and close it; return the version, if registered. Repeating it adds nothing."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    now = int((record.began + record.seconds) * 1000)  # the same at a second try: MLflow then keeps a step once
    metrics = [Metric(name, value, now, 0) for name, value in without_interval_ends(record.metrics).items()]
    metrics += [
        Metric(name, value, now, step)
        for name, values in record.steps.items()
        for step, value in enumerate(values)
        if value is not None
    ]
    tags = [RunTag(name, value) for name, value in record.tags.items()]
    client.log_batch(run_id, metrics, [Param(name, value) for name, value in record.params.items()], tags)
    if record.dataset:
        data = record.dataset
        schema = {"mlflow_colspec": [{"type": "double", "name": n, "required": False} for n in data["columns"]]}
        profile = {"num_rows": data["rows"], "num_elements": data["rows"] * len(data["columns"])}
        dataset = Dataset(
            name=data["name"],
            digest=data["digest"],
            source_type="local",
            source=json.dumps({"uri": data["source"]}),
            schema=json.dumps(schema),
            profile=json.dumps(profile),
        )
        client.log_inputs(run_id, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORDED):
        client.log_artifact(run_id, str(path), path.parent.relative_to(folder).as_posix().removeprefix("."))
    version = None
    if (file := folder / MODEL).is_file():
        from predictor.model.offer_model import OfferModel

        uri = log_model(client, run_id, OfferModel.load(file))
        version = register(client, uri) if registered else None
    # They tell whether a run is still worked on, and nothing of its result.
    for name in {HOST, PROCESS} & set(client.get_run(run_id).data.tags):
        client.delete_tag(run_id, name)
    client.set_terminated(run_id, "FINISHED", end_time=now)
    return version


def run_of(client: MlflowClient, folder: Path, store: Store) -> Run | None:
    """Find the run that was opened for a folder; None if there is none, or it is gone."""
    from mlflow.exceptions import MlflowException

    known = _noted(folder)
    if known.get("store") != store.uri:
        return None
    try:
        run = client.get_run(known["run_id"])
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return run if run.info.lifecycle_stage != "deleted" else None


def _fail(client: MlflowClient, run_id: str, reason: str) -> None:
    client.set_tag(run_id, FAILURE, reason[:500])
    client.set_terminated(run_id, "FAILED")


def _host() -> str:
    return socket.gethostname().replace("'", "")


def _process() -> str:
    """Name this process so that no later one has the name: process numbers are reused, but with another start."""
    own = psutil.Process()
    return f"{own.pid} {own.create_time():.2f}"


def _alive(process: str) -> bool:
    try:
        pid, started = process.split()
        return bool(abs(psutil.Process(int(pid)).create_time() - float(started)) < SAME_START)
    except (ValueError, psutil.Error):
        return False
