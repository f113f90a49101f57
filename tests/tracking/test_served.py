"""The model as MLflow serves it: the answers and strictness of `OfferModel`, without a pickle or the project itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from conftest import ROOT

from predictor import OfferModel, Ratings
from predictor.cli import main
from predictor.errors import ConfigError, RatingsError
from predictor.tracking.models import REGISTERED, log_model, register
from predictor.tracking.store import Store, connect, import_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.pyfunc import PyFuncModel

EXAMPLE = ROOT / "data" / "ratings.json"
CHAMPION = f"models:/{REGISTERED}@champion"
FLAT: list[dict[str, Any]] = [
    {"rater_role": "Interviewer", "goals_discussed": 4, "mutual_rapport": 4.5},
    {"clarity": 1, "mutual_respect": 2},
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.named(f"sqlite:///{tmp_path_factory.mktemp('my work, é')}/mlflow.db")


@pytest.fixture(scope="module")
def client(place: Store) -> MlflowClient:
    import_mlflow()
    return connect(place)


@pytest.fixture(scope="module")
def run_id(client: MlflowClient, place: Store) -> str:
    run = client.create_run(client.create_experiment("served", artifact_location=place.artifacts))
    client.log_param(run.info.run_id, "folds", 5)
    return str(run.info.run_id)


@pytest.fixture(scope="module")
def uri(client: MlflowClient, run_id: str, model: OfferModel) -> str:
    """The URI of a model that is logged, registered and the champion."""
    uri = log_model(client, run_id, model)
    client.set_registered_model_alias(REGISTERED, "champion", register(client, uri))
    return uri


@pytest.fixture(scope="module")
def folder(client: MlflowClient, uri: str) -> Path:
    logged = client.get_logged_model(uri.removeprefix("models:/"))
    return Path(url2pathname(logged.artifact_location.removeprefix("file://")))


@pytest.fixture(scope="module")
def served(place: Store, uri: str) -> Iterator[PyFuncModel]:
    import mlflow

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", place.uri)
        yield mlflow.pyfunc.load_model(CHAMPION)


# --- what it answers


def test_a_served_frame_gets_exactly_the_answers_of_the_model(
    served: Any, model: OfferModel, interviews: Ratings
) -> None:
    frame = interviews.X.assign(rater_role=interviews.columns["rater_role"]).head(50)
    ours = list(model.predict_each(Ratings.from_frame(frame, model.catalogue)))
    assert served.predict(frame) == [answer.to_dict() for answer in ours]
    assert [row["offer_probability"] for row in served.predict(frame)] == [answer.offer_probability for answer in ours]


def test_whole_numbers_gaps_and_nested_ratings_are_accepted(served: Any, model: OfferModel) -> None:
    flat = [{key: value for key, value in row.items() if key != "clarity"} for row in FLAT]
    nested = json.loads(EXAMPLE.read_text())
    for records in (flat, [nested], [*flat, nested], [nested["ratings"]]):
        ours = [model.predict(record).to_dict() for record in records]
        assert served.predict(pd.DataFrame(records)) == ours
        assert served.predict(records) == ours


def test_a_served_model_accepts_a_base_rate(served: Any, model: OfferModel) -> None:
    (answer,) = served.predict(pd.DataFrame([{"goals_discussed": 4}]), params={"base_rate": 0.2})
    assert answer == model.predict({"goals_discussed": 4}, base_rate=0.2).to_dict()


@pytest.mark.parametrize(
    "rows",
    [
        [{"goals_discussed": 99}],
        [{"goals_discussed": 0.9, "mutual_rapport": "four"}, {"mutual_respect": True, "rater_role": "boss"}],
        [{"goals_discussed": "four"}],
        [{"goals_discussed": [4]}],
        [{"goals_discussed": float("inf")}],
        [{"goals_discussed": 4, "candidate_id": ["a"]}],
        [{"ratings": {"goal_discussed": 4}}, {"ratings": {"goals_discussed": 6}}],
        [{"goals_discussed": 4, "ratings": {"goals_discussed": 4}}],
        [{"ratings": 4}],
        [],
    ],
    ids=str,
)
def test_a_served_model_refuses_with_the_messages_of_the_model(
    served: Any, model: OfferModel, rows: list[dict[str, Any]]
) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(RatingsError) as ours:
        Ratings.from_records(rows, model.catalogue)
    with pytest.raises(MlflowException) as theirs:
        served.predict(pd.DataFrame(rows))
    assert theirs.value.message == str(ours.value)
    assert theirs.value.get_http_status_code() == 400


@pytest.mark.parametrize("base_rate", [0, 1.5, "a fifth", True])
def test_an_invalid_base_rate_is_refused(served: Any, base_rate: object) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=r"base.rate") as refused:
        served.predict(pd.DataFrame([{"goals_discussed": 4}]), params={"base_rate": base_rate})
    assert refused.value.get_http_status_code() == 400


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)  # MLflow's own
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_mlflow_evaluates_the_champion(
    uri: str, client: MlflowClient, run_id: str, place: Store, model: OfferModel, interviews: Ratings, kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As the README shows; the mean squared error of a probability is the Brier score."""
    import mlflow
    from sklearn.metrics import accuracy_score, brier_score_loss

    known = interviews.labelled()
    frame = known.X.assign(rater_role=known.columns["rater_role"], offer=known.y.astype(int))
    ours = model.predict_many(known, interval=False)["offer_probability"].to_numpy()
    # by the environment alone: an address set in the process would outlive this test
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.uri)
    with mlflow.start_run(experiment_id=client.get_run(run_id).info.experiment_id):
        metrics = mlflow.models.evaluate(
            CHAMPION, frame, targets="offer", model_type=kind,
            model_config={"answer": "outcome" if kind == "classifier" else "offer_probability"},
            evaluator_config={"log_model_explainability": False},
        ).metrics  # fmt: skip
    if kind == "classifier":
        assert metrics["accuracy_score"] == pytest.approx(accuracy_score(known.y, ours > 0.5))
    else:
        assert metrics["mean_squared_error"] == pytest.approx(brier_score_loss(known.y, ours))


def test_an_unknown_kind_of_answer_is_refused(uri: str, place: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.uri)
    with pytest.raises(ConfigError, match="write one of everything, offer_probability, outcome"):
        mlflow.pyfunc.load_model(CHAMPION, model_config={"answer": "verdict"})


def test_spark_returns_answers_in_columns(place: Store, uri: str, model: OfferModel, tmp_path: Path) -> None:
    """The README's own lines, on a local Spark."""
    needed = {"pyspark": find_spec("pyspark"), "a Java runtime": shutil.which("java")}
    if missing := [name for name, there in needed.items() if not there]:
        pytest.skip(f"{' and '.join(missing)} not installed: pip install -e '.[spark]'; apt-get install default-jre")
    (tmp_path / "data").symlink_to(ROOT / "data")
    (lines,) = re.findall(
        r"<!-- spark -->\n```python\n(.*?)```", (ROOT / "experiments/README.md").read_text(), re.DOTALL
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # as in an activated shell
    environment = {**os.environ, "MLFLOW_TRACKING_URI": place.uri, "PATH": path}
    done = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = pd.read_parquet(tmp_path / "answers.parquet")
    rows = Ratings.from_frame(answers[[*model.catalogue.names, "rater_role"]], model.catalogue)
    ours = [(said.offer_probability, said.interval.low, said.interval.high) for said in model.predict_each(rows)]
    assert len(ours) == 1200
    assert rows.X.isna().any(axis=None)
    np.testing.assert_allclose(answers[["offer_probability", "low", "high"]].to_numpy(), ours, rtol=0, atol=1e-12)


# --- what is stored


def test_a_logged_model_has_no_pickle_and_few_requirements(folder: Path, model: OfferModel) -> None:
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {"", ".py", ".toml", ".json", ".yaml", ".txt"}
    assert not [path for path in kept if path.read_bytes()[:1] == b"\x80"]  # the first bytes of a pickle
    assert OfferModel.load(folder / "data" / "model.json").fingerprint == model.fingerprint
    description = (folder / "MLmodel").read_text()
    assert "pickle" not in description
    assert str(Path.cwd()) not in description
    required = (folder / "requirements.txt").read_text().split()
    assert [line.split("==")[0] for line in required] == ["mlflow-skinny", "numpy", "pandas"]


def test_the_signature_names_every_column_with_a_labelled_example(folder: Path, served: Any, model: OfferModel) -> None:
    signature = served.metadata.signature
    assert signature.inputs.input_names() == [*model.catalogue.columns, "ratings"]
    assert not signature.inputs.required_input_names()
    assert signature.outputs.input_names() == list(model.predict({}).to_dict())
    assert [param.name for param in signature.params] == ["base_rate"]
    assert served.input_example[0]["origin"] == "EXAMPLE"
    assert served.predict(served.input_example)[0]["not_rated"] == ()
    printed = yaml.safe_load((folder / "MLmodel").read_text())["metadata"]
    assert printed["input_example"].startswith("EXAMPLE")
    assert printed["simulated"] is True
    assert (printed["scales"]["goals_discussed"], printed["scales"]["rater_role"][:11]) == ("1 to 5", "interviewer")
    assert set(printed["scales"]) == {*model.catalogue.names, "rater_role"}


def test_run_model_and_version_are_linked(client: MlflowClient, run_id: str, uri: str) -> None:
    logged = client.get_logged_model(uri.removeprefix("models:/"))
    outputs = client.get_run(run_id).outputs
    assert outputs
    assert logged.model_id in [output.model_id for output in outputs.model_outputs]
    assert (logged.status, logged.source_run_id, logged.params) == ("READY", run_id, {"folds": "5"})
    assert logged.tags["simulated"] == "true"
    version = client.get_model_version_by_alias(REGISTERED, "champion")
    assert (version.source, version.run_id) == (logged.artifact_location, run_id)
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": REGISTERED, "version": str(version.version)}]


def test_logging_again_is_silent_and_changes_no_global_state(
    client: MlflowClient, run_id: str, uri: str, model: OfferModel, capfd: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    before, path = mlflow.get_tracking_uri(), list(sys.path)
    register(client, log_model(client, run_id, model))
    assert capfd.readouterr() == ("", "")
    assert (mlflow.get_tracking_uri(), list(sys.path)) == (before, path)
    assert mlflow.active_run() is None


def test_a_failure_while_logging_marks_the_model_failed(
    client: MlflowClient, run_id: str, model: OfferModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(type(client), "log_model_artifacts", full)
    run_id = client.create_run(client.get_run(run_id).info.experiment_id).info.run_id  # one that has no model yet
    with pytest.raises(OSError, match="no space left"):
        log_model(client, run_id, model)
    found = client.search_logged_models([client.get_run(run_id).info.experiment_id], max_results=1)
    assert found[0].status == "FAILED"


# --- away from home

AWAY = """
import json, sys
from pathlib import Path

class Blocked:  # as if they were not installed
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("sklearn", "scipy", "joblib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
sys.path = [entry for entry in sys.path if not Path(entry, "predictor").is_dir()]
import mlflow

answers = mlflow.pyfunc.load_model(sys.argv[1]).predict([json.loads(Path(sys.argv[2]).read_text())])
import predictor
print(json.dumps([predictor.__file__, answers]))
"""


def test_a_logged_model_predicts_without_the_project_or_scikit_learn(
    folder: Path, model: OfferModel, tmp_path: Path
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", AWAY, str(folder), str(EXAMPLE)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    home, answers = json.loads(done.stdout)
    assert Path(home).is_relative_to(folder)
    assert answers == json.loads(json.dumps([model.predict(json.loads(EXAMPLE.read_text())).to_dict()]))
    assert done.stderr == ""


def test_mlflow_serves_the_model_over_http(place: Store, uri: str, model: OfferModel, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": place.uri}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", CHAMPION, "--env-manager", "local"]
    command += ["--port", str(port)]

    def ask(method: str, path: str, body: str | None = None) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, start_new_session=True, stdout=log, stderr=log
        )
        try:
            for _ in range(1200):
                try:
                    assert ask("GET", "/ping")[0] == 200
                    break
                except OSError:
                    assert process.poll() is None, (tmp_path / "log").read_text()
                    time.sleep(0.1)
            status, text = ask("POST", "/invocations", f'{{"dataframe_records": [{EXAMPLE.read_text()}]}}')
            assert status == 200, text
            arguments = ["predict", str(EXAMPLE), "--json", "--model", str(model.save(tmp_path / "model.json"))]
            printed = CliRunner().invoke(main, arguments, catch_exceptions=False).stdout
            assert json.loads(text) == {"predictions": [json.loads(printed)]}
            status, text = ask("POST", "/invocations", '{"dataframe_records": [{"goals_discussed": 99}]}')
            assert status == 400
            assert "row 1, goals_discussed: '99' is out of scale; write 1 to 5" in json.loads(text)["message"]
            assert "stack_trace" not in text
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with every process that it started
            process.wait()
