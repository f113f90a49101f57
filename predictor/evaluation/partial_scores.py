"""Accuracy with partial ratings: each fold's model predicts its test rows from subsets of the signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.evaluation.scores import LEAST_OF_EACH, GroupBootstrap, Score, scores
from predictor.model.log_odds import probability
from predictor.model.offer_model import OfferModel
from predictor.model.subsets import subsets
from predictor.model.tables import Floats

METRICS = ("log_loss", "roc_auc", "calibration_slope")


def predict_subsets(model: OfferModel, test: Floats, seed: Sequence[int]) -> dict[str, Floats]:
    """Predict rows from each subset of their signals, as if the others were not rated.

    Parameters
    ----------
    model
        Fitted without these rows.
    test
        Values of shape (n, terms).
    seed
        Seed of the random subsets.

    Returns
    -------
    dict
        By the name of each subset, see `predictor.model.subsets.subsets`: probabilities of shape (n,), NaN for a row in
        which nothing of it was rated.
    """
    rng, p = np.random.default_rng(seed), len(model.signals)
    predictions = {}
    for subset in subsets(model.catalogue):
        kept = subset.keep(test, rng)
        rated = ~np.isnan(kept[:, :p]).all(axis=1)
        predictions[subset.name] = np.full(len(test), np.nan)
        predictions[subset.name][rated] = probability(model.log_odds(kept[rated]))
    return predictions


def partial_scores(
    y: Floats, folds: Sequence[tuple[NDArray[Any], Mapping[str, Floats]]], resampling: GroupBootstrap
) -> dict[str, dict[str, Score]]:
    """Score what the folds' models predicted from subsets of the signals.

    Parameters
    ----------
    y
        Outcomes, shape (n,).
    folds
        Test rows of each fold, and their predictions by `predict_subsets`; each row is in one fold.
    resampling
        Draws for the intervals.

    Returns
    -------
    dict
        By subset, "all" first: log-loss, ROC AUC and calibration slope on the rows in which something of it was rated.
        A subset with fewer than five offers or five non-offers among those rows is left out.
    """
    measured = {}
    for name in folds[0][1]:
        p = np.empty(len(y))
        for test, predictions in folds:
            p[test] = predictions[name]
        rated = ~np.isnan(p)
        if min(y[rated].sum(), rated.sum() - y[rated].sum()) >= LEAST_OF_EACH:
            measured[name] = scores(y, p[None], resampling, rated, METRICS)
    return measured
