"""Trainings recorded in MLflow: a real SQLite store, several processes, and failures."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from predictor import TrainingConfig, TrainingResult
from predictor.errors import MissingExtraError, TrackingError
from predictor.tracking import RecordedRun, serve_ui, track
from predictor.tracking.record import record_of
from predictor.tracking.store import EXPERIMENT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

METRICS = ("log_loss", "brier", "roc_auc", "average_precision", "calibration_error", "calibration_slope")


Record = Callable[..., RecordedRun]


@pytest.fixture(scope="module")
def record(training_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Record a training from a new folder."""

    def call(result: TrainingResult, *, experiment: str = "pool", store: str | None = None) -> RecordedRun:
        folder = shutil.copytree(training_folder, tmp_path_factory.mktemp("kept") / training_folder.name)
        record_of(result, experiment).save(folder)
        return track(folder, store=store)

    return call


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for a store; its name has a space and an accent, as users' paths have."""
    return tmp_path_factory.mktemp("my work, é")


@pytest.fixture(scope="module")
def store(store_folder: Path) -> str:
    return f"sqlite:///{store_folder}/experiments/mlflow.db"


@pytest.fixture(scope="module")
def recorded(training_result: TrainingResult, record: Record, store: str) -> RecordedRun:
    return record(replace(training_result, config=TrainingConfig(leave_out=("clarity", "rater_role"))), store=store)


@pytest.fixture
def run(recorded: RecordedRun, store: str) -> Run:
    return client(store).get_run(recorded.run_id)


def client(store: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(store)


def runs(store: str, tried: str = "pool") -> list[Run]:
    found = client(store).get_experiment_by_name(EXPERIMENT)
    query = f"params.experiment = '{tried}'"
    return list(client(store).search_runs([found.experiment_id], query)) if found else []


# --- what a run holds


def test_metrics_have_their_intervals_in_a_table(
    run: Run, training_result: TrainingResult, training_folder: Path
) -> None:
    """MLflow draws a chart of every metric, so the ends of intervals are no metrics."""
    assert not [name for name in run.data.metrics if name.endswith(("_low", "_high"))]
    with (training_folder / "scores.csv").open() as file:
        table = {row.pop("name"): {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)}
    for name in METRICS:
        score = training_result.scores[name]
        assert run.data.metrics[name] == round(score.value, 4)
        assert table[name] == {"value": score.value, "low": score.low, "high": score.high, "n": score.n}
        for role, scores in training_result.scores_by_role.items():
            assert run.data.metrics[f"rated_by_{role}/{name}"] == round(scores[name].value, 4)
    for name in ("base_rate", "mean_rating", "logistic", "boosting", "forest"):
        assert run.data.metrics[f"gain_over_{name}"] == round(training_result.gains[name].value, 4)
        assert table[f"gain_over_{name}"]["low"] == training_result.gains[name].low
        value = training_result.baselines[name]["log_loss"].value
        assert run.data.metrics[f"other_models/log_loss_{name}"] == round(value, 4)
    assert training_result.transparency
    assert table["transparency_cost"]["high"] == training_result.transparency.cost.high
    ends = training_result.scores["log_loss"]
    assert run.data.tags["interval.log_loss"] == f"{ends.low:.4f} to {ends.high:.4f}"
    assert run.data.metrics["n"] == training_result.data["n"]


def test_params_equal_the_configuration(run: Run) -> None:
    assert run.data.params == {
        "experiment": "pool", "model": "pool", "folds": "5", "repeats": "3", "resamples": "200", "seed": "0",
        "leave_out": "clarity, rater_role", "challengers": "base_rate, mean_rating, logistic, boosting, forest",
        "prior": "auto",
        "panels": "auto",
    }  # fmt: skip


def test_tags_and_description_state_data_and_model(run: Run, training_result: TrainingResult) -> None:
    tags = run.data.tags
    assert tags["simulated"] == "true"
    assert tags["catalogue"] == "interview-signals"
    assert tags["data_digest"] == training_result.data["digest"]
    assert "SIMULATED" in tags["mlflow.note.content"]
    assert str(training_result.transparency) in tags["mlflow.note.content"]
    assert f"{training_result.scores['log_loss'].value:.3f}" in tags["mlflow.note.content"]


def test_the_data_set_is_named_and_not_copied(run: Run, training_result: TrainingResult, store_folder: Path) -> None:
    assert run.inputs
    (used,) = run.inputs.dataset_inputs
    assert training_result.data["digest"].startswith(used.dataset.digest)
    assert training_result.data["source"] in used.dataset.source
    assert f'"num_rows": {training_result.data["n"]}' in str(used.dataset.profile)
    assert {path.name for path in store_folder.rglob("*.csv")} == {"importances.csv", "out_of_fold.csv", "scores.csv"}
    header = next(store_folder.rglob("out_of_fold.csv")).read_text().partition("\n")[0]
    assert header == "row,group,outcome,probability_0,fold_0"


def test_each_fold_is_logged_as_a_step(run: Run, training_result: TrainingResult, store: str) -> None:
    steps = client(store).get_metric_history(run.info.run_id, "fold/log_loss")
    assert [step.step for step in sorted(steps, key=lambda step: step.step)] == list(range(5))
    sizes = [(training_result.folds[0] == step.step).sum() for step in steps]
    assert np.average([step.value for step in steps], weights=sizes) == pytest.approx(
        training_result.scores["log_loss"].value, abs=1e-4
    )


def test_artifacts_are_stored_beside_the_store(
    run: Run, training_result: TrainingResult, store_folder: Path, training_folder: Path
) -> None:
    there = store_folder / "experiments" / "artifacts" / run.info.run_id / "artifacts"
    files = {path.relative_to(training_folder) for path in training_folder.rglob("*.*")}
    assert (
        {path.relative_to(there) for path in there.rglob("*.*")} == files >= {Path("report.html"), Path("model.json")}
    )
    first = next(csv.DictReader(io.StringIO((there / "importances.csv").read_text())))
    name, item = next(iter(training_result.importances.items()))
    assert (first["kind"], first["name"], int(first["n"])) == ("signal", name, training_result.data["n"])
    assert float(first["contribution"]) == item.contribution.value
    assert float(first["permutation_low"]) == item.permutation.low
    assert all(
        (there / file).read_bytes() == (training_folder / file).read_bytes() for file in files - {Path("record.json")}
    )


def test_a_run_has_the_name_status_and_duration_of_its_training(run: Run, training_result: TrainingResult) -> None:
    assert run.info.run_name == training_result.name
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time >= 1000 * training_result.seconds - 1


def test_the_git_commit_is_recorded_if_there_is_one(
    record: Record, training_result: TrainingResult, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "git_commit" not in client(store).get_run(record(training_result, store=store).run_id).data.tags
    (tmp_path / "a.txt").write_text("one")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert client(store).get_run(record(training_result, store=store).run_id).data.tags["git_commit"] == commit
    (tmp_path / "a.txt").write_text("two")
    assert (
        client(store).get_run(record(training_result, store=store).run_id).data.tags["git_commit"] == f"{commit}-dirty"
    )


def test_catalogue_names_become_valid_mlflow_names(record: Record, training_result: TrainingResult, store: str) -> None:
    odd = replace(training_result, scores_by_role={"../the boss (CEO), 50%": training_result.scores})
    metrics = client(store).get_run(record(odd, store=store).run_id).data.metrics
    assert metrics["rated_by__the_boss_CEO_50_/log_loss"] == round(training_result.scores["log_loss"].value, 4)


# --- which store


def test_the_default_store_is_in_the_working_folder(
    record: Record,
    training_result: TrainingResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    done = record(training_result)
    assert done.url is None
    assert "predictor ui" in done.hint
    made = sorted(path.name for path in (tmp_path / "experiments").iterdir())
    assert made == ["artifacts", "mlflow.db", "mlflow.db.lock"]
    assert [path.name for path in tmp_path.iterdir()] == ["experiments"]
    assert capfd.readouterr() == ("", "")  # MLflow prints nothing


def test_the_users_own_store_takes_precedence(
    record: Record, training_result: TrainingResult, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.chdir(tmp_path)
    assert client(store).get_run(record(training_result).run_id).info.status == "FINISHED"
    assert not list(tmp_path.iterdir())


def test_a_deleted_experiment_is_restored(record: Record, training_result: TrainingResult, store: str) -> None:
    record(training_result, experiment="deleted", store=store)
    found = client(store).get_experiment_by_name(EXPERIMENT)
    assert found
    client(store).delete_experiment(found.experiment_id)
    done = record(training_result, experiment="deleted", store=store)
    assert done.run_id in [run.info.run_id for run in runs(store, "deleted")]


# --- several at once

TRAINING = """
import os, shutil, sys, time
from pathlib import Path
from predictor.tracking.runs import finish, open_run

kept, place, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def wait(word, number):
    (place / f"{word}-{number}").write_text(str(os.getpid()))
    while len(list(place.glob(f"{word}-*"))) < count:
        time.sleep(0.01)

def train(number):
    folder = Path(shutil.copytree(kept, place / f"kept-{number}"))
    wait("ready", number)
    with open_run(f"training {number}", "pool", store=f"sqlite:///{place}/experiments/mlflow.db") as run:
        wait("open", number)
        while number == 0 or (place / "alive").exists():  # number 0 trains until it is killed, the others until it was
            time.sleep(0.01)
        finish(run, folder)

for number in range(count):
    if os.fork() == 0:
        train(number)
        sys.exit()
sys.exit(sum(bool(os.wait()[1]) for _ in range(count)))  # how many did not end by themselves
"""


def test_four_trainings_share_a_fresh_store_if_one_is_killed(
    training_folder: Path, tmp_path: Path, warm_python: Path
) -> None:
    (tmp_path / "alive").touch()
    command = [str(warm_python), "-c", TRAINING, str(training_folder), str(tmp_path), "4"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while len(list(tmp_path.glob("open-*"))) < 4:
            assert process.poll() is None
            time.sleep(0.05)
        killed = psutil.Process(int((tmp_path / "ready-0").read_text()))
        killed.kill()
        killed.wait(60)
        (tmp_path / "alive").unlink()
        assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 1  # the one that was killed
    store = f"sqlite:///{tmp_path}/experiments/mlflow.db"
    found = client(store).search_runs([client(store).get_experiment_by_name(EXPERIMENT).experiment_id])  # type: ignore[union-attr]
    status = {run.info.run_name: run.info.status for run in found}
    assert status == {f"training {n}": "FINISHED" if n else "FAILED" for n in range(4)}
    assert (
        next(run for run in found if run.info.status == "FAILED").data.tags["failure"].startswith("its process ended")
    )
    assert len(client(store).search_experiments()) == 2  # ours, once, and MLflow's own "Default"
    with contextlib.closing(sqlite3.connect(tmp_path / "experiments/mlflow.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_half_created_store_is_created_again(training_folder: Path, tmp_path: Path, warm_python: Path) -> None:
    path = tmp_path / "experiments" / "mlflow.db"
    amid = "Path.replace = lambda *_: time.sleep(600)\nfor number in range"  # created, but not yet moved into place
    code = TRAINING.replace("for number in range", amid)
    with subprocess.Popen([warm_python, "-c", code, training_folder, tmp_path, "1"]) as process:
        while not path.with_name("mlflow.db.new").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(int((tmp_path / "ready-0").read_text()), signal.SIGKILL)
    assert not path.exists()
    track(tmp_path / "kept-0", store=f"sqlite:///{path}")
    assert len(runs(f"sqlite:///{path}")) == 1


# --- when it goes wrong


def test_a_failure_while_recording_marks_the_run_failed(
    record: Record, training_result: TrainingResult, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def refused(*_: object, **__: object) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_artifact", refused)
        with pytest.raises(TrackingError, match=r"(?s)could not record 'tested'.*no room.*Fix") as caught:
            record(training_result, experiment="failing", store=store)
    assert caught.value.__cause__ is not None
    assert [run.info.status for run in runs(store, "failing")] == ["FAILED"]
    record(training_result, experiment="failing", store=store)
    assert [run.info.status for run in runs(store, "failing")] == ["FINISHED", "FAILED"]


def test_ctrl_c_marks_the_run_failed(
    record: Record, training_result: TrainingResult, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "log_inputs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record(training_result, experiment="interrupted", store=store)
    assert [run.info.status for run in runs(store, "interrupted")] == ["FAILED"]


@pytest.mark.parametrize("content", [b"not a database at all " * 100, b"SQLite format 3\0"])
def test_a_damaged_store_is_refused_unchanged(
    record: Record, training_result: TrainingResult, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(content)
    with pytest.raises(TrackingError, match=r"(?s)mlflow\.db: .*moved away"):
        record(training_result, store=f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_an_unrelated_database_is_refused_unchanged(
    record: Record, training_result: TrainingResult, tmp_path: Path
) -> None:
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE orders (id)")
    with pytest.raises(TrackingError, match=r"shop\.db"):
        record(training_result, store=f"sqlite:///{path}")


def test_a_store_folder_that_cannot_be_created_is_reported(
    record: Record, training_result: TrainingResult, tmp_path: Path
) -> None:
    (tmp_path / "in").touch()  # a file in the way stops even root; a read-only folder would not
    with pytest.raises(TrackingError, match="can be written"):
        record(training_result, store=f"sqlite:///{tmp_path}/in/mlflow.db")


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("sqlite:////tmp/what?/mlflow.db", "rename the folder"),
        ("http://127.0.0.1:9", r"(?s)check that the server runs"),
        ("file:///tmp/mlruns", r"(?s)check MLFLOW_TRACKING_URI"),
        ("nonsense://name:secret@host/x", r"(?s)nonsense://host/x.*check MLFLOW_TRACKING_URI"),
    ],
)
def test_unusable_stores_are_refused_with_a_fix(
    record: Record, training_result: TrainingResult, store: str, message: str
) -> None:
    with pytest.raises(TrackingError, match=message) as caught:
        record(training_result, store=store)
    assert "secret" not in str(caught.value)


def test_a_missing_mlflow_is_reported_with_its_install_command(
    record: Record, training_result: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.store.tracking.sqlalchemy_store", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'interview-outcome-predictor\[train\]'"):
        record(training_result)


def test_telemetry_is_off_unless_the_user_enables_it(training_result: TrainingResult, tmp_path: Path) -> None:
    code = "import os; from predictor.tracking.store import import_mlflow; import_mlflow(); from mlflow.telemetry.utils import "
    code += "is_telemetry_disabled as off; print(off(), os.environ['DO_NOT_TRACK'])"
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_DISABLE_TELEMETRY"}
    environment |= {"DO_NOT_TRACK": "false"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "True false"


# --- the pages (see test_ui.py for what they show)


def test_the_ui_command_links_to_the_pages_of_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    serve_ui(store="https://mlflow.example.org")
    assert "open https://mlflow.example.org" in capsys.readouterr().out


def test_a_port_in_use_is_refused(store: str, recorded: RecordedRun) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TrackingError, match=f"port {port} at 127.0.0.1 cannot be used .*leave --port out"):
            serve_ui(port=port, store=store)
