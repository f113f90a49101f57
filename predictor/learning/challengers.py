"""Challengers: ordinary scikit-learn classifiers that stand beside the pool in the same folds.

Three say what is gained at all (the base rate, the plain mean of the ratings, an ordinary logistic regression); two
are no tables and say what transparency costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from predictor.model import pattern_of
from predictor.signals import Catalogue
from predictor.tables import Floats

UNRESTRICTED = ("boosting", "forest")  # a logistic regression is additive, and so could be tables too
HEAVY = ("boosting", "forest")  # take longer than the rest of a fold; the folds of one repeat do for them


def challenger(name: str, catalogue: Catalogue, seed: int = 0) -> Any:
    """Make a challenger: a scikit-learn classifier of `Ratings.features`.

    Parameters
    ----------
    name
        One of `CHALLENGERS`.
    catalogue
        Signals and inputs, the columns of X.
    seed
        Of those that draw.

    Returns
    -------
    estimator
        With scikit-learn's usual settings: none is tuned, and neither is the pool.

    Examples
    --------
    >>> from predictor import simulate_interviews
    >>> known = simulate_interviews(300, seed=1).labelled()
    >>> forest = challenger("forest", known.catalogue).fit(known.features, known.y)
    >>> forest.predict_proba(known.features).shape == (len(known), 2)
    True
    """
    return CHALLENGERS[name](catalogue, seed)


def _base_rate(catalogue: Catalogue, seed: int) -> Any:
    return DummyClassifier(strategy="prior")


def _mean_rating(catalogue: Catalogue, seed: int) -> Pipeline:
    mean = FunctionTransformer(partial(_mean_of, catalogue=catalogue))
    return make_pipeline(mean, LogisticRegression(C=1e3))


def _logistic(catalogue: Catalogue, seed: int) -> Pipeline:
    line = LogisticRegression(C=1.0, max_iter=1000)
    return make_pipeline(_columns(catalogue), SimpleImputer(), StandardScaler(), line)


def _boosting(catalogue: Catalogue, seed: int) -> Pipeline:
    return make_pipeline(_columns(catalogue), HistGradientBoostingClassifier(random_state=seed))


def _forest(catalogue: Catalogue, seed: int) -> Pipeline:
    trees = RandomForestClassifier(200, min_samples_leaf=5, random_state=seed, n_jobs=1)
    return make_pipeline(_columns(catalogue), SimpleImputer(), trees)


CHALLENGERS: Mapping[str, Callable[[Catalogue, int], Any]] = {
    "base_rate": _base_rate,
    "mean_rating": _mean_rating,
    "logistic": _logistic,
    "boosting": _boosting,
    "forest": _forest,
}


def _columns(catalogue: Catalogue) -> ColumnTransformer:
    """Pass signals on, and give each word of an input a column; the order of words means nothing."""
    inputs = [item.name for item in catalogue.inputs]
    levels = [np.arange(len(item.levels)) for item in catalogue.inputs]

    def rated(X: pd.DataFrame) -> list[str]:  # imputing and boosting fail on a column without any value
        return [name for name in catalogue.names if X[name].notna().any()]

    words = OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer([("signals", "passthrough", rated), ("inputs", words, inputs)])


def _mean_of(X: pd.DataFrame, catalogue: Catalogue) -> Floats:
    """Mean rating of each row as a share of the scale, shape (n, 1); the middle where nothing was rated."""
    values = X[list(catalogue.names)].to_numpy(dtype=np.float64)
    mean = np.full((len(values), 1), 0.5)
    rated = ~np.isnan(values).all(axis=1)
    mean[rated, 0] = pattern_of(values[rated], catalogue)[0]
    return mean
