"""Fit the factor model of the ratings, from rows with gaps; outcomes are not used.

First a tree: an overall impression, one impression of each family, and the ratings. Where every signal has a direction
the tree stays, since with it a better rating never makes another signal look worse. Elsewhere all loadings are freed,
and shrunk to those of the tree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from predictor.factors import FactorModel
from predictor.signals import Catalogue
from predictor.tables import Floats, Grid, Ints

PSEUDO_ROWS = 5.0  # by which loadings, variances and correlations are shrunk
LEAST_UNIQUE, LEAST_LOADING = 0.02, 0.02
TREE_STEPS, FREE_STEPS = 60, 40  # of EM, at most
SETTLED = 1e-3  # change of a loading under which EM ends
MOST_CLUSTERS = 6  # of correlated signals, where the catalogue has one family only
ROWS = 4000  # rows that the model is fitted on, at most: correlations need no more


def fit_factors(values: Floats, grid: Grid, catalogue: Catalogue, directions: Sequence[int]) -> FactorModel:
    """Fit a factor model by EM (Rubin & Thayer 1982, Psychometrika 47:69-76), with gaps in the ratings.

    Parameters
    ----------
    values
        Ratings, then coded inputs, shape (n, terms); NaN where not rated.
    grid
        Where the tables stand.
    catalogue
        Of the ratings.
    directions
        1, -1 or 0 for each signal: higher is better, lower is better, either.
    """
    p = len(catalogue.signals)
    shares = tuple(_shares(values, grid))
    if len(values) > ROWS:
        values = values[:: -(-len(values) // ROWS)]
    signals = values[:, :p]
    rated = (signals >= grid.low[:p]).astype(np.float64)
    count = rated.sum(axis=0)
    middle = grid.low[:p] + grid.step[:p] * (grid.levels[:p] - 1) / 2
    total = np.where(rated > 0, signals, 0.0).sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), middle)
    centred = np.where(rated > 0, signals - mean, 0.0)
    square = (centred**2).sum(axis=0)
    pooled = square.sum() / max(count.sum(), 1.0) or 1.0
    sd = np.sqrt((square + PSEUDO_ROWS * pooled) / (count + PSEUDO_ROWS))
    sign = np.where(np.asarray(directions) < 0, -1.0, 1.0)
    z = centred / sd * sign
    family = _families(catalogue, z, rated)
    loadings, unique, shift = _fit_tree(z, rated, family)
    if not np.all(directions):
        loadings, unique, shift = _free(z, rated, loadings, unique)
    return FactorModel(mean + shift * sign * sd, sd, loadings * sign[:, None], unique, shares)


def _shares(values: Floats, grid: Grid) -> list[Floats]:
    """Share of each level of each term among the rows that have one."""
    cells, shares = grid.weights(values), []
    for term, levels in enumerate(grid.levels):
        start = int(grid.offsets[term])
        count = cells[:, start : start + int(levels)].sum(axis=0) + 1e-3
        shares.append(np.round(count / count.sum(), 6))
        shares[-1][-1] += 1 - shares[-1].sum()
    return shares


def _families(catalogue: Catalogue, z: Floats, rated: Floats) -> Ints:
    """Number of each signal's family; where there is one only, clusters of signals that are rated alike."""
    names = np.array([signal.family for signal in catalogue.signals])
    p = len(names)
    if len(set(names)) == 1 and p > 2:
        correlation = z.T @ z / (rated.T @ rated + PSEUDO_ROWS)
        distance = np.clip(1 - correlation, 0, 2)[np.triu_indices(p, 1)]
        clusters = max(1, min(MOST_CLUSTERS, p // 3))
        names = fcluster(linkage(distance, "average"), clusters, "maxclust")
    return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.int64)


def _fit_tree(z: Floats, rated: Floats, family: Ints) -> tuple[Floats, Floats, Floats]:
    """Fit the tree: loadings on independent factors, shape (p, 1 + families), unique variances and shifts of means.

    A rating is `slope` times its family's impression, and that is `tie` times the overall one; given the rated
    signals both have closed forms, by one division for each family and one for all.
    """
    (n, p), q = z.shape, int(family.max()) + 1
    member = np.eye(q)[family]
    slope, unique, tie = np.full(p, 0.7), np.full(p, 0.5), np.full(q, 0.8)
    if q == 1:
        tie[:] = 1.0
    count, shift = rated.sum(axis=0), np.zeros(p)
    for _ in range(TREE_STEPS):
        centred = z - rated * shift
        own = 1 - tie**2
        precision = rated @ (member * (slope**2 / unique)[:, None])
        evidence = (centred * slope / unique) @ member
        damped = 1 / (1 + own * precision)
        pull = tie * damped
        overall_variance = 1 / (1 + (tie * pull * precision).sum(axis=1, keepdims=True))
        overall = overall_variance * (pull * evidence).sum(axis=1, keepdims=True)
        impression = pull * overall + own * damped * evidence
        joint = pull * np.sqrt(overall_variance)
        own_variance = own * damped
        square = impression**2 + own_variance + joint**2
        moment = np.einsum("ij,ij->j", rated, square[:, family])
        cross = np.einsum("ij,ij->j", centred, impression[:, family])
        typical = (cross / np.maximum(moment, 1e-9)).mean()
        before = slope
        slope = np.maximum((cross + PSEUDO_ROWS * typical) / (moment + PSEUDO_ROWS), LEAST_LOADING)
        left = (centred**2).sum(axis=0) - 2 * slope * cross + slope**2 * moment
        unique = np.maximum((left + PSEUDO_ROWS / 2) / (count + PSEUDO_ROWS), 0.05)
        if (count < n).any():  # what was not rated moves the means
            missed = centred - rated * impression[:, family] * slope
            shift = shift + missed.sum(axis=0) / (count + PSEUDO_ROWS)
        if q > 1:
            moments = (impression.T @ impression + joint.T @ joint) / n + np.diag(own_variance.mean(axis=0))
            scale = np.sqrt(np.diag(moments))
            slope = slope * scale[family]
            moments = n * moments / np.outer(scale, scale)
            tie = _one_factor((moments + PSEUDO_ROWS * (0.6 + 0.4 * np.eye(q))) / (n + PSEUDO_ROWS), tie)
        if np.abs(slope - before).max() < SETTLED:
            break
    if q == 1:
        return slope[:, None], unique, shift
    own_part = member * (slope * np.sqrt(1 - tie**2)[family])[:, None]
    return np.column_stack([slope * tie[family], own_part]), unique, shift


def _one_factor(correlation: Floats, tie: Floats) -> Floats:
    """Fit correlations of the families' impressions as products of their ties to an overall one."""
    others = ~np.eye(len(tie), dtype=bool)
    tie = tie.copy()
    for _ in range(20):
        for f, other in enumerate(others):
            tie[f] = np.clip(correlation[f, other] @ tie[other] / (tie[other] @ tie[other]), 0.05, 0.98)
    return tie


def _free(z: Floats, rated: Floats, tree: Floats, tree_unique: Floats) -> tuple[Floats, Floats, Floats]:
    """Free all loadings, shrunk to those of the tree."""
    (n, _), k = z.shape, tree.shape[1]
    patterns, which = np.unique(rated, axis=0, return_inverse=True)
    which = which.ravel()
    times = np.bincount(which, minlength=len(patterns)).astype(np.float64)
    count, shift = rated.sum(axis=0), np.zeros(len(tree))
    loadings, unique = tree, tree_unique
    for _ in range(FREE_STEPS):
        centred = z - rated * shift
        weights = loadings / unique[:, None]
        products = (loadings[:, :, None] * weights[:, None, :]).reshape(-1, k * k)
        covariance = np.linalg.inv((patterns @ products).reshape(-1, k, k) + np.eye(k))
        scores = np.einsum("nab,nb->na", covariance[which], centred @ weights)
        outer = (scores[:, :, None] * scores[:, None, :]).reshape(n, k * k)
        moments = rated.T @ outer + (patterns * times[:, None]).T @ covariance.reshape(-1, k * k)
        moment, cross = moments.reshape(-1, k, k), centred.T @ scores
        before = loadings
        right = (cross + PSEUDO_ROWS * tree)[..., None]
        loadings = np.linalg.solve(moment + PSEUDO_ROWS * np.eye(k), right)[..., 0]
        left = (centred**2).sum(axis=0) - 2 * (loadings * cross).sum(axis=1)
        left = left + np.einsum("ja,jab,jb->j", loadings, moment, loadings)
        unique = np.maximum((left + PSEUDO_ROWS * tree_unique) / (count + PSEUDO_ROWS), LEAST_UNIQUE)
        if (count < n).any():
            missed = centred - rated * (scores @ loadings.T)
            shift = shift + missed.sum(axis=0) / (count + PSEUDO_ROWS)
        if np.abs(loadings - before).max() < SETTLED:
            break
    return loadings, unique, shift
