"""Record a finished training as one MLflow run."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.tracking.store import EXPERIMENT, VIEW_TAG, Store, connect, explained, import_mlflow, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from predictor.learning.evaluation import Score
    from predictor.learning.training import TrainingResult

_COLUMNS = ("gain_over_base_rate", "log_loss", "n", "roc_auc")  # few, so that they fit beside one another


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


def record(
    result: TrainingResult,
    *,
    experiment: str = "pool",
    files: Sequence[Path] = (),
    store: str | None = None,
) -> RecordedRun:
    """Record a finished training as one MLflow run.

    Safe to call from several processes at once, also on a store that does not exist yet.

    Parameters
    ----------
    result
        What `train` returned. The ratings are not copied: MLflow gets their name, digest and size.
    experiment
        Which settings were tried, as the TOML file is called.
    files
        The model file, plots: kept with the run as artifacts.
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
    place = Store.named(store)
    import_mlflow()
    start = time.perf_counter()
    with explained(place, f"record '{result.name}'"), locked(place):
        client = connect(place)
        experiment_id = _experiment(client, EXPERIMENT, place)
        began = int((time.time() - result.seconds) * 1000)  # so that the run lasts as long as the training did
        run = client.create_run(experiment_id, began, tags=_tags(result), run_name=result.name)
        run_id = run.info.run_id
        try:
            _log(client, run_id, result, experiment)
            client.log_text(run_id, _importances(result), "importances.csv")
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


def _experiment(client: MlflowClient, name: str, place: Store) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        columns = [*(f"metrics.`{column}`" for column in _COLUMNS), "tags.`simulated`"]
        tags = {
            "mlflow.experimentKind": "custom_model_development",  # not about language models, the pages' first guess
            VIEW_TAG: json.dumps({"selectedColumns": columns}),
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

    def plain(name: str) -> str:
        return re.sub(r"[^\w-]+", "_", name)  # a catalogue's words are free, MLflow's names are not

    def add(name: str, score: Score) -> None:
        name = plain(name)
        metrics.update({name: score.value, f"{name}_low": score.low, f"{name}_high": score.high})

    for name, score in result.scores.items():
        add(name, score)
    for role, scores in result.scores_by_role.items():
        for name, score in scores.items():
            add(f"{name}_{role}", score)
        metrics[plain(f"n_{role}")] = float(scores["log_loss"].n)
    for challenger, score in result.gains.items():
        add(f"log_loss_{challenger}", result.challengers[challenger]["log_loss"])
        add(f"gain_over_{challenger}", score)
    if result.transparency:
        add("transparency_cost", result.transparency.cost)
    return metrics


def _importances(result: TrainingResult) -> str:
    """Write every importance with its interval as CSV, a row a signal, family or side."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    figures = [f"{figure}{end}" for figure in ("contribution", "permutation") for end in ("", "_low", "_high")]
    writer.writerow(["kind", "name", *figures, "top_five", "n"])
    for kind, found in (
        ("signal", result.importances),
        ("family", result.importances_by_family),
        ("side", result.importances_by_side),
    ):
        for name, item in found.items():
            size, lost = item.contribution, item.permutation
            writer.writerow(
                [kind, name, size.value, size.low, size.high, lost.value, lost.low, lost.high, item.top, size.n]
            )
    return table.getvalue()


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

    def line(label: str, scores: Mapping[str, Score]) -> str:
        told = (f"{name.replace('_', ' ')} {scores[name]}" for name in ("log_loss", "roc_auc"))
        return f"- {label}, n = {scores['log_loss'].n:,}: {', '.join(told)}"

    lines = [  # a list, since MLflow's page draws tables without any space between their cells
        f"{data['n']:,} ratings from `{data['source']}`, catalogue *{result.model.catalogue.name}*, "
        + (f"{data['base_rate']:.0%} with an offer." if data["n"] else "no outcome known."),
        *(["Cross-validated, with 90 % intervals:\n", line("**model**", result.scores)] if result.scores else []),
        *(line(name.replace("_", " "), scores) for name, scores in result.challengers.items()),
        *(line(f"rated by {role}", scores) for role, scores in result.scores_by_role.items()),
    ]
    told = [str(result.transparency)] if result.transparency else []
    return "\n".join([*lines, *(f"\n> {note}" for note in (*told, *result.halo, *result.warnings))])


def _text(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value)
