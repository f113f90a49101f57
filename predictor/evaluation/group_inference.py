"""How well the signals predict a person's group: a group that is not an input may still be inferred from the inputs.

A plain logistic regression on all inputs of the model, in folds by person. It cannot detect
interactions, so a low figure is no proof that nothing can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.evaluation.audit import FEW
from predictor.evaluation.baselines import baseline
from predictor.evaluation.groups import Grouping
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
        ROC AUC on people not seen; .5 is chance. None with under 30 rows of it or of others.
    """

    axis: str
    category: str
    auc: Score | None


def proxies(
    ratings: Ratings, axes: Sequence[Grouping], people: NDArray[np.generic], *, resamples: int = 200, seed: int = 0
) -> list[Proxy]:
    """Measure how well signals and inputs predict each category of the axes that are not crossed.

    Parameters
    ----------
    ratings
        All rows; outcomes are not used.
    axes
        How the rows are grouped.
    people
        Whose row it is, shape (n,): nobody is on both sides of a split.
    resamples, seed
        Of the intervals.
    """
    X, result = ratings.features, []
    _, member = np.unique(people, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(int(member.max()) + 1) % FOLDS)[member]
    for axis in (axis for axis in axes if not axis.crossed):
        known = axis.known
        for number, category in enumerate(axis.categories):
            inside = (axis.place == number)[known]
            if len(axis.categories) == 2 and number:
                continue  # who is not the one is the other
            auc = None
            if min(inside.sum(), (~inside).sum()) >= FEW:
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
