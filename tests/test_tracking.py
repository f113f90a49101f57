"""Trainings as MLflow keeps them: a real SQLite store, several processes, and what happens when it goes wrong."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from predictor import TrainingConfig, TrainingResult
from predictor.errors import MissingExtraError, TrackingError
from predictor.reports.plots import save_plots
from predictor.tracking import RecordedRun, record, serve_ui
from predictor.tracking.store import EXPERIMENT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

METRICS = ("log_loss", "brier", "roc_auc", "average_precision", "calibration_error", "calibration_slope")


@pytest.fixture(scope="module")
def files(result: TrainingResult, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    return [result.model.save(folder / "model.json"), *save_plots(result, folder)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that is warm already; its name has what paths of people have."""
    return tmp_path_factory.mktemp("my work, é")


@pytest.fixture(scope="module")
def store(place: Path) -> str:
    return f"sqlite:///{place}/experiments/mlflow.db"


@pytest.fixture(scope="module")
def recorded(result: TrainingResult, files: list[Path], store: str) -> RecordedRun:
    return record(replace(result, config=TrainingConfig(leave_out=("clarity", "rater_role"))), files=files, store=store)


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


def test_metrics_come_with_their_intervals(run: Run, result: TrainingResult) -> None:
    for name in METRICS:
        score = result.scores[name]
        assert [run.data.metrics[name + end] for end in ("", "_low", "_high")] == [score.value, score.low, score.high]
        for role, scores in result.scores_by_role.items():
            assert run.data.metrics[f"{name}_{role}"] == scores[name].value
    for name in ("base_rate", "mean_rating", "logistic", "boosting", "forest"):
        assert run.data.metrics[f"gain_over_{name}"] == result.gains[name].value
        assert run.data.metrics[f"gain_over_{name}_low"] == result.gains[name].low
        assert run.data.metrics[f"log_loss_{name}"] == result.challengers[name]["log_loss"].value
    assert result.transparency
    assert run.data.metrics["transparency_cost_high"] == result.transparency.cost.high
    assert run.data.metrics["n"] == result.data["n"]


def test_params_are_the_config(run: Run) -> None:
    assert run.data.params == {
        "experiment": "pool", "folds": "5", "repeats": "5", "resamples": "200", "seed": "0",
        "leave_out": "clarity, rater_role", "challengers": "base_rate, mean_rating, logistic, boosting, forest",
        "prior": "auto",
    }  # fmt: skip


def test_tags_and_description_say_what_it_stands_on(run: Run, result: TrainingResult) -> None:
    tags = run.data.tags
    assert tags["simulated"] == "true"
    assert tags["catalogue"] == "interview-signals"
    assert tags["data_digest"] == result.data["digest"]
    assert "SIMULATED" in tags["mlflow.note.content"]
    assert str(result.transparency) in tags["mlflow.note.content"]
    assert f"{result.scores['log_loss'].value:.3f}" in tags["mlflow.note.content"]


def test_data_set_is_named_not_copied(run: Run, result: TrainingResult, place: Path) -> None:
    assert run.inputs
    (used,) = run.inputs.dataset_inputs
    assert result.data["digest"].startswith(used.dataset.digest)
    assert result.data["source"] in used.dataset.source
    assert f'"num_rows": {result.data["n"]}' in str(used.dataset.profile)
    assert {path.name for path in place.rglob("*.csv")} == {"importances.csv"}


def test_files_are_kept_beside_the_store(
    run: Run, result: TrainingResult, store: str, place: Path, files: list[Path]
) -> None:
    names = {item.path for item in client(store).list_artifacts(run.info.run_id)}
    assert names == {"importances.csv", *(file.name for file in files)}
    kept = place / "experiments" / "artifacts" / run.info.run_id / "artifacts"
    first = next(csv.DictReader(io.StringIO((kept / "importances.csv").read_text())))
    name, item = next(iter(result.importances.items()))
    assert (first["kind"], first["name"], int(first["n"])) == ("signal", name, result.data["n"])
    assert float(first["contribution"]) == item.contribution.value
    assert float(first["permutation_low"]) == item.permutation.low
    assert all((kept / file.name).read_bytes() == file.read_bytes() for file in files)


def test_run_is_named_finished_and_as_long_as_the_training(run: Run, result: TrainingResult) -> None:
    assert run.info.run_name == result.name
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time >= 1000 * result.seconds - 1


def test_git_commit_is_kept_where_there_is_one(
    result: TrainingResult, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "git_commit" not in client(store).get_run(record(result, store=store).run_id).data.tags
    (tmp_path / "a.txt").write_text("one")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert client(store).get_run(record(result, store=store).run_id).data.tags["git_commit"] == commit
    (tmp_path / "a.txt").write_text("two")
    assert client(store).get_run(record(result, store=store).run_id).data.tags["git_commit"] == f"{commit}-dirty"


def test_words_of_a_catalogue_become_names_that_mlflow_takes(result: TrainingResult, store: str) -> None:
    odd = replace(result, scores_by_role={"../the boss (CEO), 50%": result.scores})
    metrics = client(store).get_run(record(odd, store=store).run_id).data.metrics
    assert metrics["log_loss__the_boss_CEO_50_"] == result.scores["log_loss"].value


def test_recording_is_quick_on_a_warm_store(recorded: RecordedRun, result: TrainingResult, store: str) -> None:
    assert min(record(result, store=store).seconds for _ in range(3)) < 1.5


# --- which store


def test_default_store_is_in_the_working_folder(
    result: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    done = record(result)
    assert done.url is None
    assert "predictor ui" in done.hint
    made = sorted(path.name for path in (tmp_path / "experiments").iterdir())
    assert made == ["artifacts", "mlflow.db", "mlflow.db.lock"]
    assert [path.name for path in tmp_path.iterdir()] == ["experiments"]
    assert capfd.readouterr() == ("", "")  # MLflow is not heard


def test_the_users_own_store_wins(
    result: TrainingResult, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.chdir(tmp_path)
    assert client(store).get_run(record(result).run_id).info.status == "FINISHED"
    assert not list(tmp_path.iterdir())


def test_a_deleted_experiment_comes_back(result: TrainingResult, store: str) -> None:
    record(result, experiment="deleted", store=store)
    found = client(store).get_experiment_by_name(EXPERIMENT)
    assert found
    client(store).delete_experiment(found.experiment_id)
    done = record(result, experiment="deleted", store=store)
    assert done.run_id in [run.info.run_id for run in runs(store, "deleted")]


# --- several at once

RECORD = """
import pickle, sys, time
from pathlib import Path
from predictor.tracking import record
from predictor.tracking.store import import_mlflow

result = pickle.load(open(sys.argv[1], "rb"))
import_mlflow()  # before the others are waited for, so that all begin at the same moment
for round in range(int(sys.argv[4])):
    folder = Path(sys.argv[2], str(round))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"ready-{sys.argv[3]}").touch()
    while len(list(folder.glob("ready-*"))) < int(sys.argv[5]):
        time.sleep(0.001)
    record(result, store=f"sqlite:///{folder}/experiments/mlflow.db")
"""


@pytest.fixture(scope="module")
def pickled(result: TrainingResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pickled") / "result.pickle"
    path.write_bytes(pickle.dumps(result))
    return path


def start(pickled: Path, folder: Path, number: int = 0, rounds: int = 1, count: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RECORD, str(pickled), str(folder), str(number), str(rounds), str(count)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_four_trainings_at_once_on_a_fresh_store(pickled: Path, tmp_path: Path) -> None:
    started = [start(pickled, tmp_path, number, rounds=2, count=4) for number in range(4)]
    assert [process.communicate(timeout=120)[1] for process in started] == [""] * 4
    for number in range(2):
        store = f"sqlite:///{tmp_path}/{number}/experiments/mlflow.db"
        assert [run.info.status for run in runs(store)] == ["FINISHED"] * 4
        assert len(client(store).search_experiments()) == 2  # ours, once, and MLflow's own "Default"


def test_a_store_half_made_by_a_killed_process_is_made_anew(
    pickled: Path, result: TrainingResult, tmp_path: Path
) -> None:
    path = tmp_path / "0" / "experiments" / "mlflow.db"
    with start(pickled, tmp_path) as process:
        while not path.with_name("mlflow.db.new").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not path.exists()
    record(result, store=f"sqlite:///{path}")
    assert len(runs(f"sqlite:///{path}")) == 1


# --- when it goes wrong


def test_a_failure_midway_marks_the_run_failed(result: TrainingResult, store: str, recorded: RecordedRun) -> None:
    with pytest.raises(TrackingError, match=r"(?s)could not record 'tested'.*no-such-file\.png.*Mend") as caught:
        record(result, files=[Path("no-such-file.png")], experiment="failing", store=store)
    assert caught.value.__cause__ is not None
    assert [run.info.status for run in runs(store, "failing")] == ["FAILED"]
    record(result, experiment="failing", store=store)
    assert [run.info.status for run in runs(store, "failing")] == ["FINISHED", "FAILED"]


def test_ctrl_c_marks_the_run_failed(result: TrainingResult, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "log_inputs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record(result, experiment="interrupted", store=store)
    assert [run.info.status for run in runs(store, "interrupted")] == ["FAILED"]


@pytest.mark.parametrize("content", [b"not a database at all " * 100, b"SQLite format 3\0"])
def test_a_damaged_store_is_refused_at_once_and_kept(result: TrainingResult, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(content)
    with pytest.raises(TrackingError, match=r"(?s)mlflow\.db: .*moved away"):
        record(result, store=f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_some_other_database_is_refused_and_kept(result: TrainingResult, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE orders (id)")
    with pytest.raises(TrackingError, match=r"shop\.db"):
        record(result, store=f"sqlite:///{path}")


def test_a_folder_that_cannot_be_made(result: TrainingResult, tmp_path: Path) -> None:
    (tmp_path / "in").touch()  # a file in its way stops even root, whom a read-only folder does not
    with pytest.raises(TrackingError, match="can be written"):
        record(result, store=f"sqlite:///{tmp_path}/in/mlflow.db")


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("sqlite:////tmp/what?/mlflow.db", "rename the folder"),
        ("http://127.0.0.1:9", r"(?s)check that the server runs"),
        ("file:///tmp/mlruns", r"(?s)check MLFLOW_TRACKING_URI"),
        ("nonsense://name:secret@host/x", r"(?s)nonsense://host/x.*check MLFLOW_TRACKING_URI"),
    ],
)
def test_stores_that_cannot_be_used_are_refused_with_a_mend(result: TrainingResult, store: str, message: str) -> None:
    with pytest.raises(TrackingError, match=message) as caught:
        record(result, store=store)
    assert "secret" not in str(caught.value)


def test_without_mlflow_the_install_line_is_named(result: TrainingResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.store.tracking.sqlalchemy_store", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'interview-outcome-predictor\[train\]'"):
        record(result)


def test_telemetry_is_off_unless_the_user_says_otherwise(result: TrainingResult, tmp_path: Path) -> None:
    code = "import os; from predictor.tracking.store import import_mlflow; import_mlflow(); from mlflow.telemetry.utils import "
    code += "is_telemetry_disabled as off; print(off(), os.environ['DO_NOT_TRACK'])"
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_DISABLE_TELEMETRY"}
    environment |= {"DO_NOT_TRACK": "false"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "True false"


# --- the pages (see test_ui.py for what they show)


def test_pages_on_a_server_are_only_pointed_at(capsys: pytest.CaptureFixture[str]) -> None:
    serve_ui(store="https://mlflow.example.org")
    assert "open https://mlflow.example.org" in capsys.readouterr().out


def test_a_taken_port_is_refused(store: str, recorded: RecordedRun) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TrackingError, match=f"port {port} at 127.0.0.1 cannot be used .*leave --port out"):
            serve_ui(port=port, store=store)
