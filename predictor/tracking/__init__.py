"""MLflow: record a finished training, and open MLflow's pages. The only room that imports mlflow."""

from predictor.tracking.pages import serve_ui
from predictor.tracking.runs import RecordedRun, record

__all__ = ["RecordedRun", "record", "serve_ui"]
