"""Whether a model gains by the leniency of panels as an input: tried in the same folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.base import clone

from predictor.evaluation.scores import GroupBootstrap, Score, gain
from predictor.learning.gaps import fit_slope
from predictor.model.prediction import QUANTILE
from predictor.model.raters import AVERAGE, LENIENCY
from predictor.model.tables import Floats
from predictor.panels.leniency_input import LeniencyTrial, PanelInput
from predictor.threads import one_thread
from predictor.training.folds import Fold

Features = Callable[[Fold], pd.DataFrame]


def features_by_fold(panels: PanelInput | None, X: pd.DataFrame) -> Features:
    """Return a function that gives the features of a fold's rows: those of all folds, but for the panels' leniency.

    Parameters
    ----------
    panels
        None leaves every fold the same.
    X
        Features of all rows, shape (n, terms).
    """
    if panels is None:
        return lambda fold: X

    def features(fold: Fold) -> pd.DataFrame:
        codes = np.full(len(X), np.nan)
        codes[fold.train], codes[fold.test] = panels.codes(fold.train, fold.test)
        return X.assign(**{LENIENCY: codes})

    return features


def try_panels(
    panels: PanelInput,
    folds: Sequence[Fold],
    groups: NDArray[Any],
    plain: Any,
    with_term: Any,
    *,
    resamples: int,
    seed: int,
) -> LeniencyTrial:
    """Fit each fold without the term and with it, and compare on the rows that it had not seen.

    Parameters
    ----------
    panels
        The rows, all with known outcomes.
    folds, groups
        The folds of the training, and the group of each row.
    plain, with_term
        Estimators for the features without and with `panel_leniency`.
    resamples, seed
        Number and seed of the draws for the interval.
    """
    raters, cards = panels.raters, len(panels.cards)
    if panels.reason_not_tried:
        return LeniencyTrial(False, None, None, panels.reason_not_tried, raters, cards)
    X, y = panels.ratings.features, panels.ratings.y
    features = features_by_fold(panels, panels.extended().features)
    with one_thread():
        wider = [features(fold) for fold in folds]
        pairs = zip(folds, wider, strict=True)
        jobs = (delayed(_fold)(fold, plain, with_term, X, table, y, groups) for fold, table in pairs)
        fits = list(Parallel(n_jobs=-1, prefer="threads", batch_size=1)(jobs))
    repeats = 1 + max(fold.repeat for fold in folds)
    both, levels = np.empty((2, repeats, len(y))), np.empty((repeats, len(y)))
    for fold, table, predictions in zip(folds, wider, fits, strict=True):
        both[:, fold.repeat, fold.test] = predictions
        levels[fold.repeat, fold.test] = table[LENIENCY].to_numpy()[fold.test]
    saved = gain(y, both[1], both[0], GroupBootstrap(groups, resamples, seed))
    slope = slope_given(
        logit(np.clip(both[0], 1e-9, 1 - 1e-9)).mean(axis=0), np.nan_to_num(levels - AVERAGE).mean(axis=0), y, groups
    )
    clear = slope.low > 0 or slope.high < 0
    reason = "log-loss is lower with it, and its slope is significant"
    if not clear or saved.value <= 0:
        reason = "log-loss is no lower with it" if clear else "its slope is not significant"
    return LeniencyTrial(clear and saved.value > 0, slope, saved, reason, raters, cards)


def slope_given(log_odds: Floats, level: Floats, y: Floats, groups: NDArray[Any]) -> Score:
    """Fit what a level adds beside log-odds that know nothing of it, with a 90 % interval.

    A logistic regression on both, out of fold. The difference of two log-losses has half the z of the same effect, so
    this says whether there is something, and log-loss whether it is worth it.

    Examples
    --------
    >>> level, y = np.tile([-1.0, 1.0], 200), np.tile([0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0], 50)
    >>> slope_given(np.zeros(400), level, y, np.arange(400)).low > 0
    True
    """
    slope, error = fit_slope(log_odds, level, y, groups, penalty=(1e-6, 1e-6, 1e-6))
    return Score(slope, slope - QUANTILE * error, slope + QUANTILE * error, len(y))


def _fold(
    fold: Fold, plain: Any, with_term: Any, X: pd.DataFrame, wider: pd.DataFrame, y: Floats, groups: NDArray[Any]
) -> Floats:
    predictions = []
    with parallel_config(backend="sequential"), one_thread():
        for estimator, features in ((plain, X), (with_term, wider)):
            fitted = clone(estimator).fit(features.iloc[fold.train], y[fold.train], groups=groups[fold.train])
            predictions.append(fitted.predict_proba(features.iloc[fold.test])[:, 1])
    return np.array(predictions)
