"""A team's MLflow server: a real one on PostgreSQL, and one that dies or is down."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from predictor import OfferModel, simulate_interviews
from predictor.cli import main
from predictor.sources.files import write_csv
from predictor.tracking.store import ENVIRONMENT, EXPERIMENT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

pytestmark = pytest.mark.usefixtures("without_figures")

QUICK = 'folds = 2\nrepeats = 1\nresamples = 20\nchallengers = ["base_rate"]\nprior = "none"\n'
RATINGS = {"goals_discussed": 4, "mutual_rapport": 2}
START_SECONDS = 120.0  # a slow, busy machine; usually it is under ten


@dataclass
class Server:
    """An MLflow server in its own process group, which stores the artifacts."""

    folder: Path
    backend: str

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.backend, "--serve-artifacts"]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--port", str(self.port)]
        environment = {**os.environ, **ENVIRONMENT, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1"], cwd=self.folder, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self.healthy():
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "server.log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def runs(self, name: str = "%") -> list[Run]:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        query = f"attributes.run_name LIKE '{name}'"
        return list(self.client.search_runs([found.experiment_id], query)) if found else []

    @property
    def client(self) -> MlflowClient:
        from mlflow import MlflowClient

        return MlflowClient(self.uri)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A separate PostgreSQL cluster, reached only by a Unix socket."""
    # Debian keeps the programs off PATH.
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
    initdb, program = shutil.which("initdb", path=path), shutil.which("postgres", path=path)
    missing = [] if initdb and program else ["PostgreSQL (apt-get install postgresql)"]
    missing += [] if find_spec("psycopg2") else ["psycopg2 (pip install psycopg2-binary)"]
    if missing:
        reason = f"{' and '.join(missing)} not installed"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    # It refuses to run as root. Outside of pytest's folder, which only its owner may enter.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, "postgres", "postgres")
        quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **user}
        subprocess.run([str(initdb), "-D", "data", "-A", "trust", "-U", "team", "--no-sync"], check=True, **quiet)  # type: ignore[call-overload]
        process = subprocess.Popen([str(program), "-D", "data", "-k", folder, "-h", "", "-F"], **quiet)  # type: ignore[call-overload]
        try:
            while not list(Path(folder).glob(".s.PGSQL.*")):
                assert process.poll() is None
                time.sleep(0.02)
            yield f"postgresql+psycopg2://team@/postgres?host={folder}"
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for clients
            process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with postgres() as backend:
        started = Server(tmp_path_factory.mktemp("server"), backend)
        try:
            started.start()
            yield started
        finally:
            started.kill()


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line beside a file of ratings; expect success by default and only progress on stderr."""
    monkeypatch.chdir(tmp_path)
    write_csv(simulate_interviews(120, seed=3), tmp_path / "my.csv")
    for name, text in (
        ("quick", QUICK),
        *((name, f'{QUICK}model = "{name}"\n') for name in ("base_rate", "mean_rating")),
    ):
        (tmp_path / "experiments").mkdir(exist_ok=True)
        (tmp_path / "experiments" / f"{name}.toml").write_text(text)

    def run(*arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
        assert done.exit_code == code, done.output
        assert code or all(" fits" in line for line in done.stderr.splitlines()), done.stderr
        return done

    return run


def test_a_server_works_like_a_local_store(
    server: Server,
    call: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    printed = call("train", "my.csv", "-e", "quick", "--name", "first", "--register").stdout
    assert f"open {server.uri}/#/experiments/" in printed
    assert "Registered as version 1, the champion" in printed
    printed = call("compare", "my.csv", "quick", "base_rate", "--name", "both").stdout
    assert "Recorded in MLflow as run 'both'" in printed
    runs = {run.info.run_name: run for run in server.runs()}
    assert {name: run.info.status for name, run in runs.items()} == dict.fromkeys(
        ["first", "both", "both-quick", "both-base_rate"], "FINISHED"
    )
    below = {name for name, run in runs.items() if run.data.tags.get("mlflow.parentRunId") == runs["both"].info.run_id}
    assert below == {"both-quick", "both-base_rate"}
    files = {file.path for file in server.client.list_artifacts(runs["first"].info.run_id)}
    assert {"model.json", "report.html", "out_of_fold.csv"} <= files

    assert (
        "Not significantly better: log-loss improvement 0.000 (0.000 to 0.000)"
        in call("promote", "both-quick", code=1).stdout
    )
    assert "instead of 1" in call("promote", "2", "--force", "a new name").stdout
    printed = call("history").stdout
    assert "@champion, gain 0.000 (0.000 to 0.000), forced: a new name" in printed
    assert printed.index("both-quick") < printed.index("@champion") < printed.index("first")

    champion = tmp_path / "experiments/models/champion.json"
    champion.unlink()
    assert "Version 2 (both-quick)" in call("pull").stdout
    assert OfferModel.load(champion).name == "both-quick"
    assert "version 1 again, instead of 2" in call("rollback").stdout
    assert OfferModel.load(champion).name == "first"

    import mlflow

    (answer,) = mlflow.pyfunc.load_model("models:/offer-predictor@champion").predict(pd.DataFrame([RATINGS]))
    assert answer == OfferModel.load(champion).predict(RATINGS).to_dict()
    assert capfd.readouterr() == ("", "")  # MLflow prints nothing


def test_a_training_survives_a_killed_server_and_is_tracked_later(
    server: Server, call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # each try waits for seconds
    kept = tmp_path / "experiments/models/mine"
    state = []

    def kill_when_it_trains() -> None:
        while not (found := server.runs("mine")):
            time.sleep(0.02)
        state.append((found[0].info.status, kept.exists()))
        server.kill()

    killer = threading.Thread(target=kill_when_it_trains)
    killer.start()
    printed = call("train", "my.csv", "-e", "quick", "--name", "mine", "--register", code=2)
    killer.join()
    assert state == [("RUNNING", False)]
    assert "Report: experiments/models/mine/report.html" in printed.stdout
    assert f"Error: MLflow could not record 'mine' in {server.uri}: " in printed.stderr
    assert "only its record is missing" in printed.stderr
    *_, command = printed.stderr.split("When the store is back: ")
    assert command == "predictor track experiments/models/mine --register\n"
    assert {"model.json", "report.html", "recorded.json"} <= {path.name for path in kept.iterdir()}
    known = json.loads((kept / "recorded.json").read_text())["run_id"]

    server.start()
    assert [(run.info.run_id, run.info.status) for run in server.runs("mine")] == [(known, "RUNNING")]
    assert "Registered as version" in call(*command.split()[1:]).stdout
    assert f"recorded already, as run {known} in {server.uri}" in call("track", str(kept), code=2).stderr
    call("track", str(kept), "--register")  # doing it again adds nothing
    (run,) = server.runs("mine")
    assert (run.info.run_id, run.info.status) == (known, "FINISHED")
    assert "failure" not in run.data.tags
    assert run.data.metrics["log_loss"] > 0
    assert run.outputs
    assert len(run.outputs.model_outputs) == 1
    assert len(server.client.search_model_versions(f"run_id = '{known}'")) == 1
    steps = server.client.get_metric_history(known, "fold/log_loss")
    assert sorted(step.step for step in steps) == [0, 1]


def test_a_server_that_is_down_is_reported_and_training_continues(
    call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for asked in (["history"], ["pull"], ["rollback"], ["promote", "1"]):
        assert "check that the server runs" in call(*asked, code=2).stderr
    printed = call("train", "my.csv", "-e", "quick", "--name", "mine", code=2)
    assert printed.stderr.startswith("Warning: MLflow could not open a run for 'mine'")
    assert "Model saved: experiments/models/mine/model.json" in printed.stdout
    assert printed.stderr.endswith("predictor track experiments/models/mine\n")
    printed = call("compare", "my.csv", "mean_rating", "base_rate", "--name", "both", code=2)
    assert "mean_rating" in printed.stdout
    commands = [line.strip() for line in printed.stderr.splitlines() if line.startswith("    predictor track")]
    assert commands == [f"predictor track experiments/models/both{end}" for end in ("-mean_rating", "-base_rate", "")]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")  # a store that is there
    assert "Recorded in MLflow as run 'both'" in call(*commands[-1].split()[1:]).stdout
