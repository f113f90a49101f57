"""MLflow's autologging of our fits: one run for each fit, none for the models fitted inside it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

CODE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow.db")
mlflow.create_experiment("it", artifact_location=f"file://{sys.argv[1]}/artifacts")
mlflow.set_experiment("it")
quiet = {"silent": True, "log_models": False}  # to list what a model needs, MLflow starts a process that loads it all
mlflow.autolog(**quiet)  # of scikit-learn and LightGBM, and of whatever else is there
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from predictor import OfferClassifier, TrainingConfig, simulate_interviews, train

told = {}

def new(what):
    known = {run for runs in told.values() for run in runs}
    found = {run.info.run_id: run for run in mlflow.search_runs(output_format="list") if run.info.run_id not in known}
    told[what] = {key: [run.data.tags.get("estimator_name"), run.info.status, run.data.params, run.data.metrics,
        [file.path for file in mlflow.MlflowClient().list_artifacts(key)]] for key, run in found.items()}

some = simulate_interviews(80, seed=1).labelled()
X, y = some.features, some.y
OfferClassifier(some.catalogue, random_state=3).fit(X, y)
new("fit")
with mlflow.start_run():
    OfferClassifier().fit(X=X, y=y)
    OfferClassifier(random_state=7).fit(X, y)  # other parameters: MLflow refuses them, the fit goes on
new("within a run")
try:
    OfferClassifier().fit(X.iloc[:, :2], y[:3])
except ValueError:
    pass
new("that fails")
make_pipeline("passthrough", OfferClassifier()).fit(X, y)
new("pipeline")
train(simulate_interviews(80, seed=1), TrainingConfig(folds=2, repeats=1, resamples=20))
new("train")
LogisticRegression().fit(y[:, None], y)
new("another's")
mlflow.autolog(disable=True)
OfferClassifier().fit(X, y)
new("switched off")
mlflow.sklearn.autolog(**quiet)
OfferClassifier().fit(X, y)
new("of scikit-learn alone")
assert mlflow.active_run() is None
print(json.dumps({what: list(runs.values()) for what, runs in told.items()}))
"""


def test_each_fit_logs_one_run(tmp_path: Path, warm_python: Path) -> None:
    done = subprocess.run([warm_python, "-c", CODE, tmp_path], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    printed = json.loads(done.stdout.splitlines()[-1])
    names = {what: [run[0] for run in runs] for what, runs in printed.items()}
    assert names == {
        "fit": ["OfferClassifier"],
        "within a run": ["OfferClassifier"],
        "that fails": [None],
        "pipeline": ["Pipeline"],
        "train": [],
        "another's": ["LogisticRegression"],
        "switched off": [],
        "of scikit-learn alone": ["OfferClassifier"],
    }
    ((_, status, params, metrics, files),) = printed["fit"]
    assert (status, params["random_state"], files) == ("FINISHED", "3", ["model.json"])
    assert set(metrics) == {"training_log_loss", "training_accuracy_score", "training_roc_auc"}
    assert 0 < metrics["training_log_loss"] < 0.7
    assert printed["that fails"][0][1] == "FAILED"
