"""MLflow autologging: one run for each fit of `OfferClassifier`, none for the fits inside it.

MLflow is not imported here, but looked up among the modules that the user has imported, so it costs nothing if unused.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")
FLAVOR = "sklearn"  # ours is a scikit-learn estimator, so it is logged where these are
LONGEST_PARAMETER = 500  # characters that every store of MLflow accepts


@contextmanager
def shielded() -> Iterator[None]:
    """Prevent MLflow from logging the inner fits as separate runs, in all threads; also a decorator."""
    theirs = sys.modules.get("mlflow.utils.autologging_utils")
    if theirs is None or theirs._AUTOLOGGING_GLOBALLY_DISABLED:  # already disabled by an outer call
        yield
        return
    with theirs.disable_autologging():
        yield


def one_run(fit: Callable[Given, Made]) -> Callable[Given, Made]:
    """Log a method `fit` as one run, if autologging of scikit-learn is on and no outer fit is logged.

    The run has the parameters, scores on the training rows (as MLflow's own have them, and so too good), and
    `model.json`. A run that is active is used, and left open.
    """

    @wraps(fit)
    def call(*given: Given.args, **named: Given.kwargs) -> Made:
        wanted = _wanted()
        mlflow: Any = sys.modules.get("mlflow")
        own = wanted and not mlflow.active_run() and mlflow.start_run()
        status = "FAILED"
        try:
            with shielded():
                fitted = fit(*given, **named)
                if wanted:
                    _log(mlflow, fitted, *given, **named)
            status = "FINISHED"
        finally:
            if own:
                mlflow.end_run(status)
        return fitted

    return call


def _wanted() -> bool:
    """Whether the user has switched on autologging of scikit-learn, and this is not within another fit."""
    theirs = sys.modules.get("mlflow.utils.autologging_utils")
    if theirs is None or "mlflow.sklearn" not in sys.modules:
        return False
    within = theirs.safety._AutologgingSessionManager.active_session()  # of a pipeline or a search, which is logged
    return not (theirs.autologging_is_disabled(FLAVOR) or theirs._AUTOLOGGING_GLOBALLY_DISABLED or within)


def _log(mlflow: Any, fitted: Any, *given: Any, **named: Any) -> None:
    """Log to the active run; as all autologging, it may fail without harm to the fit."""
    from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

    try:
        kind = type(fitted)
        name = f"{kind.__module__}.{kind.__name__}"
        mlflow.set_tags({"estimator_name": kind.__name__, "estimator_class": name, "mlflow.autologging": FLAVOR})
        mlflow.log_params(
            {name: str(value)[:LONGEST_PARAMETER] for name, value in fitted.get_params(deep=False).items()}
        )
        _, X, y = (*given, *(named[name] for name in ("X", "y") if name in named))[:3]
        probability = fitted.predict_proba(X)
        metrics = {
            "training_log_loss": float(log_loss(y, probability, labels=fitted.classes_)),
            "training_accuracy_score": float(accuracy_score(y, fitted.predict(X))),
        }
        if len(set(y)) == 2:
            metrics["training_roc_auc"] = float(roc_auc_score(y, probability[:, 1]))
        mlflow.log_metrics(metrics)
        mlflow.log_dict(fitted.model_.to_dict(), "model.json")
    except Exception as error:
        logging.getLogger(__name__).warning("this fit is not logged in full: %s", error)
