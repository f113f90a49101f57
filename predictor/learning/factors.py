"""Fit the factor model of the ratings, from rows with unrated signals; outcomes are not used.

First a tree: an overall impression, one impression of each family, and the ratings. If every signal has a direction,
the tree is kept, since with it a better rating never lowers what is expected of another signal. Otherwise all loadings
are estimated freely, and shrunk to those of the tree.

If the share of unrated signals is associated with the ratings, it is used as one more indicator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import norm

from predictor.learning.weights import RowWeights, count, mean, std, take, weighted
from predictor.model.factors import FactorModel, Missingness
from predictor.model.tables import Floats, Grid, Ints, quantile
from predictor.ratings.catalogue import Catalogue

PSEUDO_ROWS = 5.0  # weight, in rows, of the values towards which loadings, variances and correlations shrink
PRIOR_CORRELATION = 0.6  # of the impressions of two families
LEAST_UNIQUE, LEAST_UNIQUE_IN_TREE, LEAST_LOADING = 0.02, 0.05, 0.02  # so that EM cannot end at a variance of 0
LEAST_ON_OVERALL, MOST_ON_OVERALL = 0.05, 0.98  # limits of the loading of a family on the overall impression
LEAST_DEVIATION = 0.02  # of the shares of unrated signals; below it they hardly differ and have no effect to estimate
TEST_LEVEL = 0.99  # two-sided, of the tests whether unrated signals are informative
MOST_OF_GAPS = 0.95  # largest loading of the share of unrated signals
TREE_STEPS, FREE_STEPS = 60, 40  # most steps of EM
SETTLED = 1e-3  # change of a loading under which EM ends
MOST_CLUSTERS = 6  # of correlated signals, if the catalogue has only one family
ROWS = 4000  # rows that the model is fitted on, at most: correlations need no more


def fit_factors(
    values: Floats,
    grid: Grid,
    catalogue: Catalogue,
    directions: Sequence[int],
    groups: NDArray[np.generic] | None = None,
    weights: RowWeights = None,
) -> FactorModel:
    """Fit a factor model by EM (Rubin & Thayer 1982, Psychometrika 47:69-76), with missing ratings.

    Parameters
    ----------
    values
        Ratings, then coded inputs, shape (n, terms); NaN where not rated.
    grid
        The grid on which the tables are defined.
    catalogue
        Of the ratings.
    directions
        1, -1 or 0 for each signal: higher is better, lower is better, either.
    groups
        Rows that belong together, shape (n,), for the test whether unrated signals are associated with the ratings.
    weights
        How often each row counts, shape (n,).
    """
    p = len(catalogue.signals)
    shares = tuple(_shares(values, grid, weights))
    if len(values) > ROWS:
        kept = slice(None, None, -(-len(values) // ROWS))
        values, groups, weights = values[kept], None if groups is None else groups[kept], take(weights, kept)
    signals = values[:, :p]
    rated = (signals >= grid.low[:p]).astype(np.float64)
    rows = weighted(rated, weights).sum(axis=0)
    positions = grid.positions(signals)
    middle = (grid.n_knots[:p] - 1) / 2
    total = weighted(np.where(rated > 0, positions, 0.0), weights).sum(axis=0)
    centre = np.where(rows > 0, total / np.where(rows > 0, rows, 1), middle)
    centred = np.where(rated > 0, positions - centre, 0.0)
    square = weighted(centred**2, weights).sum(axis=0)
    pooled = square.sum() / (rows.sum() or 1.0) or 1.0
    sd = np.sqrt((square + PSEUDO_ROWS * pooled) / (rows + PSEUDO_ROWS))
    sign = np.where(np.asarray(directions) < 0, -1.0, 1.0)
    z = centred / sd * sign
    family = _families(catalogue, z, rated, weights)
    fit = _fit_tree(z, rated, family, weights=weights)
    missingness = _missingness(np.isnan(signals), weights)
    if missingness is not None:
        gaps = missingness.z(np.isnan(signals))
        if _are_associated(gaps, fit.overall, groups, weights):
            fit = _fit_tree(z, rated, family, gaps, weights)
        else:
            missingness = None
    loadings, unique, shift = fit.loadings, fit.unique, fit.shift
    if not np.all(directions):
        if missingness is not None:  # as one signal more, which every row has
            z, rated = np.column_stack([z, gaps]), np.column_stack([rated, np.ones(len(z))])
        loadings, unique, shift = _free(z, rated, loadings, unique, weights)
    if missingness is not None:
        missingness = replace(missingness, loadings=loadings[p], unique=float(unique[p]))
    return FactorModel(
        centre + shift[:p] * sign * sd, sd, loadings[:p] * sign[:, None], unique[:p], shares, missingness
    )


def _missingness(unrated: NDArray[np.bool_], weights: RowWeights) -> Missingness | None:
    """Describe the share of unrated signals by row; None if it hardly differs between rows."""
    share = unrated.mean(axis=1) if len(unrated) else np.zeros(1)
    if (deviation := std(share, weights)) < LEAST_DEVIATION:
        return None
    most = round(float(quantile(share, 0.99, weights)), 6)
    return Missingness(round(float(mean(share, weights)), 6), round(deviation, 6), most, np.zeros(1), 1.0)


def _are_associated(gaps: Floats, overall: Floats, groups: NDArray[np.generic] | None, weights: RowWeights) -> bool:
    """Test whether unrated signals are associated with the overall impression, rows of a group taken together."""
    product = gaps * overall
    if groups is not None:
        member = np.unique(groups, return_inverse=True)[1].ravel()
        product = np.asarray(np.bincount(member, weights=weighted(product, weights)), dtype=np.float64)
        weights = None  # the sums hold them
    error = np.sqrt(weighted(product**2, weights).sum())
    return bool(abs(weighted(product, weights).sum()) > norm.ppf((1 + TEST_LEVEL) / 2) * error)


def _shares(values: Floats, grid: Grid, weights: RowWeights) -> list[Floats]:
    """Return the share of each level of each term among the rows that have one."""
    cells, shares = weighted(grid.weights(values), weights), []
    for term, levels in enumerate(grid.n_knots):
        start = int(grid.offsets[term])
        rows = cells[:, start : start + int(levels)].sum(axis=0) + 1e-3
        shares.append(np.round(rows / rows.sum(), 6))
        shares[-1][-1] += 1 - shares[-1].sum()
    return shares


def _families(catalogue: Catalogue, z: Floats, rated: Floats, weights: RowWeights) -> Ints:
    """Return the number of each signal's family; with only one family, of its cluster of correlated signals."""
    names = np.array([signal.family for signal in catalogue.signals])
    p = len(names)
    if len(set(names)) == 1 and p > 2:
        correlation = z.T @ weighted(z, weights) / (rated.T @ weighted(rated, weights) + PSEUDO_ROWS)
        distance = np.clip(1 - correlation, 0, 2)[np.triu_indices(p, 1)]
        clusters = max(1, min(MOST_CLUSTERS, p // 3))
        names = fcluster(linkage(distance, "average"), clusters, "maxclust")
    return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Tree:
    """Loadings on independent factors, shape (p, 1 + families), unique variances and shifts of the means, shape (p,).

    If the share of unrated signals is an indicator, it has the last row. `overall` is each row's overall impression,
    shape (n,).
    """

    loadings: Floats
    unique: Floats
    shift: Floats
    overall: Floats


def _fit_tree(z: Floats, rated: Floats, family: Ints, gaps: Floats | None = None, weights: RowWeights = None) -> _Tree:
    """Fit the tree; `gaps`, the standardised shares of unrated signals, shape (n,), depend on the overall impression.

    A rating is z = loading * g + e, its family's impression g = on_overall * u + sqrt(own_share) * v, with the overall
    impression u and v ~ N(0, 1), own_share = 1 - on_overall^2 and e ~ N(0, unique). Given the rated signals, g and u
    have closed forms, by one division for each family and one for all.
    """
    p, q, n = z.shape[1], int(family.max()) + 1, count(z, weights)
    member = np.eye(q)[family]
    loading, unique, on_overall = np.full(p, 0.7), np.full(p, 0.5), np.full(q, 0.8)  # where EM starts
    if q == 1:
        on_overall[:] = 1.0
    counted, gaps_z = weighted(rated, weights), np.zeros(len(z)) if gaps is None else gaps
    rows, shift, gaps_loading = counted.sum(axis=0), np.zeros(p), 0.0
    for _ in range(TREE_STEPS):
        # E step: means and variances of the impressions
        centred = z - rated * shift
        own_share = 1 - on_overall**2
        precision = rated @ (member * (loading**2 / unique)[:, None])
        evidence = (centred * loading / unique) @ member
        shrunk = 1 / (1 + own_share * precision)
        from_overall = on_overall * shrunk
        weight = gaps_loading / (1 - gaps_loading**2)
        explained = (on_overall * from_overall * precision).sum(axis=1, keepdims=True)
        overall_variance = 1 / (1 + gaps_loading * weight + explained)
        overall = overall_variance * (weight * gaps_z[:, None] + (from_overall * evidence).sum(axis=1, keepdims=True))
        impression = from_overall * overall + own_share * shrunk * evidence
        shared = from_overall * np.sqrt(overall_variance)
        own_variance = own_share * shrunk
        square = impression**2 + own_variance + shared**2
        # M step: loadings, unique variances and shifts that are likeliest, given these
        moment = np.einsum("ij,ij->j", counted, square[:, family])
        cross = np.einsum("ij,ij->j", weighted(centred, weights), impression[:, family])
        typical = (cross / np.maximum(moment, 1e-9)).mean()
        previous = loading
        loading = np.maximum((cross + PSEUDO_ROWS * typical) / (moment + PSEUDO_ROWS), LEAST_LOADING)
        left = weighted(centred**2, weights).sum(axis=0) - 2 * loading * cross + loading**2 * moment
        unique = np.maximum((left + PSEUDO_ROWS / 2) / (rows + PSEUDO_ROWS), LEAST_UNIQUE_IN_TREE)
        if not rated.all():  # the mean of the rated rows may differ from that of all rows
            missed = centred - rated * impression[:, family] * loading
            shift = shift + weighted(missed, weights).sum(axis=0) / (rows + PSEUDO_ROWS)
        square_overall = float(weighted(overall**2 + overall_variance, weights).sum())
        free_loading = gaps_z @ weighted(overall[:, 0], weights) / (square_overall + PSEUDO_ROWS)
        gaps_loading = float(np.clip(free_loading, -MOST_OF_GAPS, MOST_OF_GAPS))
        if q > 1:
            moments = impression.T @ weighted(impression, weights) + shared.T @ weighted(shared, weights)
            moments = moments / n + np.diag(mean(own_variance, weights))
            scale = np.sqrt(np.diag(moments))
            loading = loading * scale[family]
            moments = n * moments / np.outer(scale, scale)
            prior = PRIOR_CORRELATION + (1 - PRIOR_CORRELATION) * np.eye(q)
            on_overall = _one_factor((moments + PSEUDO_ROWS * prior) / (n + PSEUDO_ROWS), on_overall)
        if np.abs(loading - previous).max() < SETTLED:
            break
    loadings = loading[:, None]
    if q > 1:
        of_family = member * (loading * np.sqrt(1 - on_overall**2)[family])[:, None]
        loadings = np.column_stack([loading * on_overall[family], of_family])
    if gaps is not None:
        loadings = np.vstack([loadings, gaps_loading * (np.arange(loadings.shape[1]) == 0)])
        unique, shift = np.append(unique, 1 - gaps_loading**2), np.append(shift, 0.0)
    return _Tree(loadings, unique, shift, overall[:, 0])


def _one_factor(correlation: Floats, on_overall: Floats) -> Floats:
    """Fit correlations of the families' impressions as products of their loadings on an overall one."""
    others = ~np.eye(len(on_overall), dtype=bool)
    on_overall = on_overall.copy()
    for _ in range(20):
        previous = on_overall.copy()
        for f, other in enumerate(others):
            others_loadings = on_overall[other]
            slope = correlation[f, other] @ others_loadings / (others_loadings @ others_loadings)
            on_overall[f] = np.clip(slope, LEAST_ON_OVERALL, MOST_ON_OVERALL)
        if np.abs(on_overall - previous).max() < SETTLED / 100:
            break
    return on_overall


def _free(
    z: Floats, rated: Floats, tree: Floats, tree_unique: Floats, weights: RowWeights
) -> tuple[Floats, Floats, Floats]:
    """Estimate all loadings, shrunk to those of the tree."""
    (n, _), k = z.shape, tree.shape[1]
    patterns, which = np.unique(rated, axis=0, return_inverse=True)
    which = which.ravel()
    times = np.bincount(which, weights, minlength=len(patterns)).astype(np.float64)
    counted = weighted(rated, weights)
    rows, shift = counted.sum(axis=0), np.zeros(len(tree))
    loadings, unique = tree, tree_unique
    for _ in range(FREE_STEPS):
        centred = z - rated * shift
        scaled = loadings / unique[:, None]
        products = (loadings[:, :, None] * scaled[:, None, :]).reshape(-1, k * k)
        covariance = np.linalg.inv((patterns @ products).reshape(-1, k, k) + np.eye(k))
        scores = np.einsum("nab,nb->na", covariance[which], centred @ scaled)
        outer = (scores[:, :, None] * scores[:, None, :]).reshape(n, k * k)
        moments = counted.T @ outer + (patterns * times[:, None]).T @ covariance.reshape(-1, k * k)
        moment, cross = moments.reshape(-1, k, k), weighted(centred, weights).T @ scores
        before = loadings
        right = (cross + PSEUDO_ROWS * tree)[..., None]
        loadings = np.linalg.solve(moment + PSEUDO_ROWS * np.eye(k), right)[..., 0]
        left = weighted(centred**2, weights).sum(axis=0) - 2 * (loadings * cross).sum(axis=1)
        left = left + np.einsum("ja,jab,jb->j", loadings, moment, loadings)
        unique = np.maximum((left + PSEUDO_ROWS * tree_unique) / (rows + PSEUDO_ROWS), LEAST_UNIQUE)
        if not rated.all():
            missed = centred - rated * (scores @ loadings.T)
            shift = shift + weighted(missed, weights).sum(axis=0) / (rows + PSEUDO_ROWS)
        if np.abs(loadings - before).max() < SETTLED:
            break
    return loadings, unique, shift
