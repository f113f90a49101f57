"""MLflow: record trainings, register and promote models, open MLflow's pages. The only package that imports mlflow."""

from predictor.tracking.registry import history, promote, pull, roll_back
from predictor.tracking.runs import RecordedRun, is_unrecorded, open_run, track
from predictor.tracking.ui import serve_ui

__all__ = [
    "RecordedRun",
    "history",
    "is_unrecorded",
    "open_run",
    "promote",
    "pull",
    "roll_back",
    "serve_ui",
    "track",
]
