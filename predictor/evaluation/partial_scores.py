"""Accuracy with partial ratings: each fold's model predicts its test rows from some of the signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.evaluation.data_quality import MINIMUM
from predictor.evaluation.scores import GroupBootstrap, Score, scores
from predictor.model.log_odds import probability
from predictor.model.offer_model import OfferModel
from predictor.model.subsets import subsets
from predictor.model.tables import Floats

METRICS = ("log_loss", "roc_auc", "calibration_slope")


def predict_parts(model: OfferModel, test: Floats, seed: Sequence[int]) -> dict[str, Floats]:
    """Predict rows with only part of their signals kept.

    Parameters
    ----------
    model
        Fitted without these rows.
    test
        Values of shape (n, terms).
    seed
        Of the parts at random.

    Returns
    -------
    dict
        By the name of each part, see `predictor.model.subsets.subsets`: probabilities of shape (n,), NaN for a row in
        which nothing of it was rated.
    """
    rng, p = np.random.default_rng(seed), len(model.signals)
    answers = {}
    for part in subsets(model.catalogue):
        kept = part.keep(test, rng)
        rated = ~np.isnan(kept[:, :p]).all(axis=1)
        answers[part.name] = np.full(len(test), np.nan)
        answers[part.name][rated] = probability(model.log_odds(kept[rated]))
    return answers


def partial_scores(
    y: Floats, folds: Sequence[tuple[NDArray[Any], Mapping[str, Floats]]], resampling: GroupBootstrap
) -> dict[str, dict[str, Score]]:
    """Score what the folds' models predicted from part of the signals.

    Parameters
    ----------
    y
        Outcomes, shape (n,).
    folds
        Test rows of each fold, and their predictions by `predict_parts`: together every row once.
    resampling
        Draws for the intervals.

    Returns
    -------
    dict
        By part, "all" first: log-loss, ROC AUC and calibration slope on the rows in which something of it was rated.
        A part with fewer than five offers or five others among those rows is left out.
    """
    measured = {}
    for name in folds[0][1]:
        p = np.empty(len(y))
        for test, answers in folds:
            p[test] = answers[name]
        rated = ~np.isnan(p)
        if min(y[rated].sum(), rated.sum() - y[rated].sum()) >= MINIMUM:
            measured[name] = scores(y, p[None], resampling, rated, METRICS)
    return measured
