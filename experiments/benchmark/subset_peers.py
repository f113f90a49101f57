"""Who answers partial ratings in `subsets.py`: each learns once and is asked about any subset, or is refitted on each.

A peer is a function of (catalogue, X, y, groups) that returns something with `predict_proba`, where X holds ratings,
then coded inputs, and NaN is "not rated".
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # scikit-learn asks for it
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from predictor.ratings.catalogue import Catalogue

COPIES = 10  # of the training rows, with ratings left out, for the boosting that is trained on gaps
PROTOTYPE = "SUBSETS_PROTOTYPE"  # the environment variable that carries the path to worker processes
Fit = Callable[[Catalogue, np.ndarray, np.ndarray, np.ndarray], Any]


class Answers:
    """Anything that gives P(1) of rows, with scikit-learn's method."""

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray]) -> None:
        self.answer = answer

    def predict_proba(self, T: np.ndarray) -> np.ndarray:
        """Compute probabilities of both classes, shape (n, 2)."""
        p = self.answer(T)
        return np.column_stack([1 - p, p])


def ours(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
    """Fit this project's estimator at its defaults."""
    from predictor import OfferClassifier

    return OfferClassifier(catalogue, random_state=0, n_jobs=1).fit(X, y, groups=groups)


def either(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
    """Fit ours where no signal has a direction: what it costs that a better rating never hurts, is measured from it."""
    return ours(_changed(catalogue, [{"better": "either"}] * len(catalogue.signals)), X, y, groups)


def tendency(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
    """Fit ours with the directions in which ratings go with the outcome in the training rows."""
    rises = [
        np.cov(column[there := ~np.isnan(column)], y[there])[0, 1] >= 0 for column in X.T[: len(catalogue.signals)]
    ]
    return ours(_changed(catalogue, [{"better": "higher" if up else "lower"} for up in rises]), X, y, groups)


def not_applicable(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
    """Fit ours where the lowest rating means "not applicable", as 0 does in the airline survey."""
    scales = [signal.scale for signal in catalogue.signals]
    changes = [{"scale": replace(s, low=s.low + s.step), "not_applicable": (s.low,)} for s in scales]
    return ours(_changed(catalogue, changes), X, y, groups)


def _changed(catalogue: Catalogue, changes: list[dict[str, Any]]) -> Catalogue:
    pairs = zip(catalogue.signals, changes, strict=True)
    return replace(catalogue, signals=tuple(replace(signal, **change) for signal, change in pairs))


def regression(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
    """Fit the project's regression alone, without boosters."""
    from threadpoolctl import threadpool_limits

    from predictor.learning.assembly import assemble
    from predictor.learning.pool import fit_pool

    outcomes = y.astype(float)
    with threadpool_limits(1, user_api="blas"):
        pool = fit_pool(X, outcomes, catalogue, groups, boosted=False)
        model = assemble(pool, X, outcomes, catalogue)
    return Answers(lambda T: expit(model.log_odds(T)))


def base_rate(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
    """Predict the share of 1 for everyone."""
    share = float(y.mean())
    return Answers(lambda T: np.full(len(T), share))


def _spread(catalogue: Catalogue, X: np.ndarray) -> np.ndarray:
    """Give each level of an input a column of its own, as others need it; "not given" is none of them."""
    p = len(catalogue.signals)
    levels = [X[:, [p + j]] == np.arange(len(item.levels)) for j, item in enumerate(catalogue.inputs)]
    return np.column_stack([X[:, :p], *levels]).astype(float)


def _sklearn(make: Callable[[], Any]) -> Fit:
    def fit(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
        model = make().fit(_spread(catalogue, X), y)
        return Answers(lambda T: model.predict_proba(_spread(catalogue, T))[:, 1])

    return fit


def _imputer() -> Any:
    # With no tolerance it goes round ten times. At its default it would stop after one round wherever the training rows
    # have no gaps, and then also go round once when it is asked, which is far worse where much is left out.
    imputer = IterativeImputer(tol=0, max_iter=10, keep_empty_features=True, random_state=0)
    return make_pipeline(StandardScaler(), imputer, LogisticRegression(max_iter=2000))


def _boosting() -> Any:
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=8, l2_regularization=1.0, random_state=0
    )
    return make_pipeline(VarianceThreshold(), trees)  # without columns that no training row rates: it cannot bin them


def hgb_masked(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
    """Fit histogram boosting on the rows and on copies of them in which a share of the ratings is left out."""
    p, rng, copies = len(catalogue.signals), np.random.default_rng(0), [X]
    for _ in range(COPIES):
        copy = X.copy()
        copy[:, :p][rng.random((len(X), p)) < rng.random((len(X), 1))] = np.nan
        copies.append(copy)
    model = _boosting().fit(_spread(catalogue, np.concatenate(copies)), np.tile(y, COPIES + 1))
    return Answers(lambda T: model.predict_proba(_spread(catalogue, T))[:, 1])


def _ebm() -> Any:
    from interpret.glassbox import ExplainableBoostingClassifier

    return ExplainableBoostingClassifier(n_jobs=1)


def autogluon(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
    """Let AutoGluon do its best for 60 s; its folder goes when the answers are no longer needed."""
    from autogluon.tabular import TabularPredictor

    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    frame = pd.DataFrame(_spread(catalogue, X)).add_prefix("x")
    made = TabularPredictor("label", eval_metric="log_loss", path=folder.name, verbosity=0)
    made.fit(frame.assign(label=y), presets="best_quality", time_limit=60, num_cpus=1)

    def answer(T: np.ndarray, kept: Any = folder) -> np.ndarray:
        return made.predict_proba(pd.DataFrame(_spread(catalogue, T)).add_prefix("x"))[1].to_numpy()

    return Answers(answer)


def _prototype(direction: float | None) -> Fit:
    def fit(catalogue: Catalogue, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
        path = Path(os.environ[PROTOTYPE])
        if path.stem not in sys.modules:
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            sys.modules[path.stem] = module
        directions = None if direction is None else np.full(len(catalogue.signals), direction)
        made = sys.modules[path.stem].Partial(catalogue, X, y.astype(float), directions)

        def answer(T: np.ndarray) -> np.ndarray:  # in parts, since it holds matrices of signals by signals for each row
            return np.concatenate([expit(made.answer(part)[0]) for part in np.array_split(T, len(T) // 1000 + 1)])

        return Answers(answer)

    return fit


def named(place: str) -> Fit:
    """Import a fit function by MODULE:FUNCTION, also from the folder that the command was called in."""
    module, _, function = place.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"--fit {place}: {error}; write MODULE:FUNCTION") from error


@dataclass(frozen=True)
class Peer:
    """How a peer learns.

    Attributes
    ----------
    fit
        See the head of this module.
    label
        How tables call it.
    refitted
        Whether it is fitted anew on each subset's signals, instead of once.
    needs
        A package that must be installed.
    by_default
        Whether it runs where nobody names it.
    """

    fit: Fit
    label: str
    refitted: bool = False
    needs: str = ""
    by_default: bool = True


PEERS = {
    "refit": Peer(ours, "refit", refitted=True),
    "refit_regression": Peer(regression, "refitted regression", refitted=True, by_default=False),
    "either": Peer(either, "ours, no directions", by_default=False),
    "tendency": Peer(tendency, "ours, directions as seen", by_default=False),
    "not_applicable": Peer(not_applicable, "ours, lowest is not applicable", by_default=False),
    "regression": Peer(regression, "regression", by_default=False),
    "base_rate": Peer(base_rate, "base rate"),
    "imputer": Peer(_sklearn(_imputer), "imputer + logistic"),
    "hgb": Peer(_sklearn(_boosting), "boosting"),
    "hgb_masked": Peer(hgb_masked, "boosting, trained with gaps"),
    "ebm": Peer(_sklearn(_ebm), "EBM", needs="interpret"),
    "autogluon": Peer(autogluon, "AutoGluon 60 s", needs="autogluon"),
    "prototype": Peer(_prototype(0.0), "prototype", by_default=False),
    "prototype_monotone": Peer(_prototype(None), "prototype, better never hurts", by_default=False),
    "ours": Peer(ours, "ours"),
}


def installed(name: str) -> bool:
    """Whether a peer can run here."""
    if name.startswith("prototype"):
        return PROTOTYPE in os.environ
    return not PEERS[name].needs or importlib.util.find_spec(PEERS[name].needs) is not None
