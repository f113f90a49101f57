"""Baselines: scikit-learn classifiers that are evaluated in the same folds as the pool.

Three show how much the pool gains (the base rate, the plain mean of the ratings, an ordinary logistic regression); two
are not additive and show what interpretability costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from predictor.model.tables import Floats
from predictor.ratings.catalogue import Catalogue

EARLY_STOPPING_ROWS = 10  # rows of the rarer outcome from which a tenth of the rows is held out to stop boosting
NON_ADDITIVE = ("boosting", "forest")  # the others could be written as tables


def baseline(name: str, catalogue: Catalogue, seed: int = 0) -> Any:
    """Build a baseline: a scikit-learn classifier of `Ratings.features`.

    Parameters
    ----------
    name
        One of `BASELINES`.
    catalogue
        Signals and inputs, the columns of X.
    seed
        Seed of those that use random numbers.

    Returns
    -------
    estimator
        With fixed settings: like the pool, it is not tuned on the data.

    Examples
    --------
    >>> from predictor import simulate_interviews
    >>> known = simulate_interviews(300, seed=1).labelled()
    >>> forest = baseline("forest", known.catalogue).fit(known.features, known.y)
    >>> forest.predict_proba(known.features).shape == (len(known), 2)
    True
    """
    return BASELINES[name](catalogue, seed)


def _base_rate(catalogue: Catalogue, seed: int) -> Any:
    return DummyClassifier(strategy="prior")


def _mean_rating(catalogue: Catalogue, seed: int) -> Pipeline:
    return make_pipeline(MeanRating(catalogue.names, *catalogue.ends), LogisticRegression(C=1e3))


def _logistic(catalogue: Catalogue, seed: int) -> Pipeline:
    line = LogisticRegression(C=1.0, max_iter=1000)
    return make_pipeline(_columns(catalogue), SimpleImputer(), StandardScaler(), line)


def _boosting(catalogue: Catalogue, seed: int) -> Pipeline:
    return make_pipeline(_columns(catalogue), StoppedBoosting(random_state=seed))


def _forest(catalogue: Catalogue, seed: int) -> Pipeline:
    trees = RandomForestClassifier(50, min_samples_leaf=5, random_state=seed, n_jobs=1)
    return make_pipeline(_columns(catalogue), SimpleImputer(), trees)


BASELINES: Mapping[str, Callable[[Catalogue, int], Any]] = {
    "base_rate": _base_rate,
    "mean_rating": _mean_rating,
    "logistic": _logistic,
    "boosting": _boosting,
    "forest": _forest,
}


def _columns(catalogue: Catalogue) -> Columns:
    levels = {item.name: len(item.levels) for item in catalogue.inputs}
    pairs = zip(catalogue.names, catalogue.not_applicable_values, strict=True)
    return Columns(catalogue.names, levels, {name: value for name, value in pairs if value == value})


class Columns(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Keep the signals as they are, and give each level of an input a column of its own.

    Parameters
    ----------
    signals
        Names of the signals. One without any rating is left out, since imputing and boosting fail on it.
    inputs
        Number of levels by input, coded 0, 1, ... in X; an input that is not given has 0 in all its columns.
    not_applicable
        The number that means "not applicable", by signal: it becomes a missing rating, and a column of its own.
    """

    def __init__(
        self,
        signals: Sequence[str],
        inputs: Mapping[str, int],
        not_applicable: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.signals = signals
        self.inputs = inputs
        self.not_applicable = not_applicable

    def fit(self, X: pd.DataFrame, y: Any = None) -> Columns:
        applicable = {name: X[name].notna() & (X[name] != self.not_applicable.get(name)) for name in self.signals}
        self.rated_ = [name for name, rated in applicable.items() if rated.any()]
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        levels = (X[name].to_numpy()[:, None] == np.arange(count) for name, count in self.inputs.items())
        not_applicable = [X[name].to_numpy()[:, None] == value for name, value in self.not_applicable.items()]
        ratings = X[self.rated_].to_numpy(np.float64)
        values = [self.not_applicable.get(name, np.nan) for name in self.rated_]
        return np.hstack([np.where(ratings == values, np.nan, ratings), *not_applicable, *levels])


class StoppedBoosting(HistGradientBoostingClassifier):  # type: ignore[misc]  # as above
    """Gradient boosting that stops early on a tenth of the rows, or after 20 steps if the rows are too few for that.

    With scikit-learn's own settings, a hundred steps of 31 leaves, it is worse than the base rate on a thousand
    interviews. These settings were chosen on simulated and on public ratings, 96 to 5,000 rows.

    Parameters
    ----------
    random_state
        Seed of the choice of the rows for early stopping.
    """

    def __init__(self, *, random_state: int = 0) -> None:
        super().__init__(learning_rate=0.1, max_leaf_nodes=8, random_state=random_state)

    def fit(self, X: Floats, y: Any) -> StoppedBoosting:
        enough = np.unique(y, return_counts=True)[1].min() >= EARLY_STOPPING_ROWS
        self.early_stopping, self.max_iter = bool(enough), 300 if enough else 20
        super().fit(X, y)
        return self


class MeanRating(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # as above
    """Mean rating of each row as a share of the scale, shape (n, 1); .5 if nothing was rated.

    Parameters
    ----------
    signals
        Names of the signals.
    low, high
        Ends of their scales, in order.
    """

    def __init__(self, signals: Sequence[str], low: Sequence[float], high: Sequence[float]) -> None:
        self.signals = signals
        self.low = low
        self.high = high

    def fit(self, X: pd.DataFrame, y: Any = None) -> MeanRating:
        self.fitted_ = True
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        low, high = np.array(self.low), np.array(self.high)
        shares = (X[list(self.signals)].to_numpy(np.float64) - low) / (high - low)
        shares = np.where(shares < 0, np.nan, shares)  # not applicable
        count = (~np.isnan(shares)).sum(axis=1)
        mean = np.nansum(shares, axis=1) / np.maximum(count, 1)
        return np.where(count, mean, 0.5)[:, None]
