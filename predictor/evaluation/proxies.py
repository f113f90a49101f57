"""Proxies: how well the signals predict a person's group, which may be inferred from them even if it is not an input.

A plain logistic regression on all signals and inputs of the model, in folds by person. It cannot detect interactions,
so a low figure is no proof that the group cannot be inferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.evaluation.audit import LEAST_ROWS
from predictor.evaluation.baselines import baseline
from predictor.evaluation.groups import Axis
from predictor.evaluation.scores import GroupBootstrap, Score, roc_auc
from predictor.model.tables import Floats
from predictor.ratings.ratings import Ratings
from predictor.threads import one_thread

FOLDS = 5


@dataclass(frozen=True)
class Proxy:
    """How well the signals separate a category from the others.

    Attributes
    ----------
    axis, category
        Their names.
    auc
        ROC AUC on people not seen; .5 is chance. None with fewer than 30 rows of the category or of the others.
    """

    axis: str
    category: str
    auc: Score | None


def measure_proxies(
    ratings: Ratings, axes: Sequence[Axis], people: NDArray[np.generic], *, resamples: int = 200, seed: int = 0
) -> list[Proxy]:
    """Measure how well signals and inputs predict each category of the axes that are not crossed.

    Parameters
    ----------
    ratings
        All rows; outcomes are not used.
    axes
        How the rows are grouped.
    people
        The person of each row, shape (n,); all rows of a person are in the same fold.
    resamples, seed
        Number and seed of the draws for the intervals.
    """
    X, result = ratings.features, []
    _, member = np.unique(people, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(int(member.max()) + 1) % FOLDS)[member]
    for axis in (axis for axis in axes if not axis.crossed):
        known = axis.known
        for number, category in enumerate(axis.categories):
            inside = (axis.place == number)[known]
            if len(axis.categories) == 2 and number:
                continue  # with two categories, one figure is that of both
            auc = None
            if min(inside.sum(), (~inside).sum()) >= LEAST_ROWS:
                p = np.full(len(inside), inside.mean())
                for part in range(FOLDS):
                    test = fold[known] == part
                    if 0 < inside[~test].sum() < (~test).sum():
                        with one_thread():
                            model = baseline("logistic", ratings.catalogue, seed).fit(X[known][~test], inside[~test])
                        p[test] = model.predict_proba(X[known][test])[:, 1] if test.any() else p[test]
                auc = _auc(inside.astype(float), p, people[known], resamples, seed)
            result.append(Proxy(axis.name, category, auc))
    return result


def _auc(y: Floats, p: Floats, people: NDArray[np.generic], resamples: int, seed: int) -> Score:
    def figure(_: int, weight: Floats) -> Floats:
        return np.asarray(roc_auc(y, p, weight))

    return GroupBootstrap(people, resamples, seed).score(figure, 1, len(y), (0.0, 1.0))
