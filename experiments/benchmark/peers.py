"""Ours and its peers: each learns from (X, y) and gives the probabilities of 1 for the rows T.

Random forest and logistic regression need gaps filled (by the mean); everyone else takes them as they are. The groups
are told to ours alone, since to take note of them is part of what it is; none of the others has a place for them.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

JOBS = 2  # threads, for those who let one choose
Peer = Callable[[pd.DataFrame, np.ndarray, np.ndarray, pd.DataFrame], np.ndarray]


def ours(X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, T: pd.DataFrame) -> np.ndarray:
    """Fit this project's estimator at its defaults."""
    from predictor import OfferClassifier

    return OfferClassifier(random_state=0).fit(X, y, groups=groups).predict_proba(T)[:, 1]


def base_rate(X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, T: pd.DataFrame) -> np.ndarray:
    """Predict the share of 1 for everyone."""
    return np.full(len(T), y.mean())


def _sklearn(make: Callable[[], Any]) -> Peer:
    return lambda X, y, groups, T: make().fit(X, y).predict_proba(T)[:, 1]


def _filled(*steps: Any) -> Any:
    return make_pipeline(SimpleImputer(keep_empty_features=True), *steps)


def ebm(X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, T: pd.DataFrame) -> np.ndarray:
    """Fit an explainable boosting machine at its defaults."""
    from interpret.glassbox import ExplainableBoostingClassifier

    return ExplainableBoostingClassifier(n_jobs=JOBS).fit(X, y).predict_proba(T)[:, 1]


def perpetual(X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, T: pd.DataFrame) -> np.ndarray:
    """Fit Perpetual with a budget of 0.5."""
    from perpetual import PerpetualBooster

    booster = PerpetualBooster(objective="LogLoss", budget=0.5)
    booster.fit(X, y)
    p = booster.predict_proba(T)
    return p[:, 1] if p.ndim == 2 else p


def flaml30(X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, T: pd.DataFrame) -> np.ndarray:
    """Let FLAML search for 30 s."""
    from flaml import AutoML

    search = AutoML()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        contextlib.chdir(folder),
    ):  # CatBoost litters
        search.fit(X, y, task="classification", metric="log_loss", time_budget=30, verbose=0, n_jobs=JOBS)
        return search.predict_proba(T)[:, 1]


def ag_best60(X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, T: pd.DataFrame) -> np.ndarray:
    """Let AutoGluon do its best for 60 s."""
    from autogluon.tabular import TabularPredictor

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = TabularPredictor("label", eval_metric="log_loss", path=folder, verbosity=0)
        made.fit(X.assign(label=y), presets="best_quality", time_limit=60, num_cpus=JOBS)
        return made.predict_proba(T)[1].to_numpy()


PEERS: dict[str, Peer] = {
    "ours": ours,
    "base_rate": base_rate,
    "lr": _sklearn(lambda: _filled(StandardScaler(), LogisticRegression(max_iter=2000))),
    "rf": _sklearn(lambda: _filled(RandomForestClassifier(500, min_samples_leaf=5, random_state=0, n_jobs=JOBS))),
    "hgb": _sklearn(lambda: HistGradientBoostingClassifier(random_state=0)),
    "perpetual": perpetual,
    "ebm": ebm,
    "flaml30": flaml30,
    "ag_best60": ag_best60,
}
LABELS = {
    "ours": "ours",
    "base_rate": "base rate",
    "lr": "logistic",
    "rf": "forest",
    "hgb": "boosting",
    "perpetual": "Perpetual",
    "ebm": "EBM",
    "flaml30": "FLAML 30 s",
    "ag_best60": "AutoGluon 60 s",
}
PACKAGES = {  # and the module that is imported before the clock starts
    "ours": ("interview-outcome-predictor", "predictor.learning"),
    "perpetual": ("perpetual", "perpetual"),
    "ebm": ("interpret-core", "interpret.glassbox"),
    "flaml30": ("flaml", "flaml.automl"),
    "ag_best60": ("autogluon.tabular", "autogluon.tabular"),
}


def installed(name: str) -> str | None:
    """Tell the version of a peer's package in this environment; None where it is not installed."""
    try:
        return version(PACKAGES[name][0] if name in PACKAGES else "scikit-learn")
    except PackageNotFoundError:
        return None


def prepare(name: str) -> None:
    """Import what a peer needs, so that its seconds are those of learning and predicting."""
    if name in PACKAGES:
        import_module(PACKAGES[name][1])
