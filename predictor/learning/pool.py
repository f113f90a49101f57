"""The pool: a regression and boosted trees, weighted out of fold in log-odds, as one set of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from predictor.learning.boosting import Boosters, FoldBooster, FoldedRows, average, enlarge, fit_folds, too_large
from predictor.learning.decomposition import TablesByTerms, add, evaluate
from predictor.learning.factors import fit_factors
from predictor.learning.gaps import fit_gaps
from predictor.learning.masked import fit_masked
from predictor.learning.prior import Prior
from predictor.learning.prior_mixture import Regressions, Rows, fit_regressions
from predictor.learning.weights import RowWeights, count, mean, prepend_ones, take, weighted
from predictor.model.factors import Completion
from predictor.model.gaps import Gaps
from predictor.model.partial import PartialTables
from predictor.model.tables import Floats, Grid, Ints
from predictor.ratings.catalogue import Catalogue
from predictor.threads import one_thread

# These constants were chosen by hand on public sets: experiments/benchmark/README.md, "What was tried".
FOLDS, FOLDS_MANY, MANY_ROWS = 10, 5, 20_000  # folds, and folds from MANY_ROWS rows on
MIN_MINORITY_ROWS = 30  # of the rarer outcome; with fewer there is no boosting
TRIAL_FOLDS = 3  # folds on which boosters must show a gain before the others are fitted
MIN_BOOSTER_WEIGHT = 0.15  # with less, boosters are left out: they would make the model larger for hardly any gain
# Penalties, in log-likelihood: L1 w + L2 w^2 for the boosters' weight w, so that it is 0 without a clear gain;
# CALIBRATION_PENALTY ((s - 1)^2 + i^2) for slope s and intercept i of the mixture.
WEIGHT_PENALTY_L1, WEIGHT_PENALTY_L2, CALIBRATION_PENALTY = 2.5, 3.0, 30.0


@dataclass(frozen=True, eq=False)
class MaskedPool:
    """For rows with unrated signals: the log-odds are the expected tables of the pool, weighted, plus `tables`."""

    tables: TablesByTerms
    weight_of_other_tables: float


@dataclass(frozen=True, eq=False)
class Pool:
    """The fitted members and their mixture, as tables.

    Attributes
    ----------
    completion
        What is expected of unrated signals, given the rated ones.
    regressions
        Fitted on all rows.
    boosters
        The mean of the folds' boosters; None if they have no weight.
    member_weights
        Weights of regression and boosters in the log-odds.
    tables
        Tables of the pool: the weighted sum of those of both members.
    gaps
        Effect of the share of unrated signals on the outcome.
    masked
        Additional boosters for rows with unrated signals; None if they gain little.
    factors, variances
        For the interval, one table per term; `factors` starts with that of the intercept. See `Regression.uncertainty`.
    """

    completion: Completion
    regressions: Regressions
    boosters: Boosters | None
    member_weights: tuple[float, float]
    tables: TablesByTerms
    gaps: Gaps
    masked: MaskedPool | None
    factors: list[Floats]
    variances: list[Floats]


def fit_pool(
    values: Floats,
    y: Floats,
    catalogue: Catalogue,
    groups: NDArray[np.generic] | None = None,
    *,
    prior: Prior | None = None,
    boosted: bool = True,
    seed: int = 0,
    n_jobs: int | None = None,
    weights: RowWeights = None,
) -> Pool:
    """Fit the members, weigh them out of fold, and turn them into tables.

    Parameters
    ----------
    values
        Ratings, then coded inputs, shape (n, terms); NaN where not observed.
    y
        Outcomes 0 or 1, shape (n,).
    catalogue
        Catalogue of the ratings.
    groups
        Rows that belong together, shape (n,); all rows of a group are in one fold.
    prior
        A model to start from; None to start from none.
    boosted
        Whether boosters may take part.
    seed
        Seed of folds and boosters.
    n_jobs
        Number of parallel fits; None leaves it to joblib's configuration.
    weights
        How often each row counts, above 0, shape (n,). Rows of a prior model count once.
    """
    grid, directions = Grid.of(catalogue), catalogue.directions
    all_values = np.concatenate([prior.rows, values]) if prior else values
    together = None if prior or groups is None else groups
    all_weights = prepend_ones(len(all_values) - len(values), weights)
    factor_model = fit_factors(all_values, grid, catalogue, directions, together, all_weights)
    completion = Completion(grid, factor_model, directions)
    cells = completion.cells(values)
    all_cells = np.concatenate([completion.cells(prior.rows), cells]) if prior else cells
    missing = np.isnan(values[:, : completion.signals])
    rated = 1 - mean(missing, weights) if len(values) else None
    rows = Rows(cells, y, all_cells, grid, catalogue, prior, weights, rated)
    regressions = fit_regressions(rows)
    if missing.any():  # the fit depends on the shrinkage, and the shrinkage on the fitted tables: one more iteration
        rows = replace(rows, shrinkage=_shrinkage(values, regressions.tables, completion))
        regressions = fit_regressions(rows, regressions)
    shrinkage = _shrinkage(values, regressions.tables, completion)
    dominant = regressions.dominant
    boosters: Boosters | None = None
    masked: MaskedPool | None = None
    member_weights, intercept, gaps = (1.0, 0.0), 0.0, Gaps()
    fold = fold_numbers(y, np.arange(len(y)) if groups is None else groups, seed, weights)
    share_missing = missing.mean(axis=1)
    if fold is not None and (boosted or share_missing.any()):
        first = _OutOfFold(rows, fold, regressions, shrinkage, n_jobs)
        term_directions = np.array([*directions, *(0 for _ in catalogue.inputs)])
        folded = FoldedRows(cells, y, grid, fold, term_directions, seed, n_jobs, weights)
        if boosted:
            boosters = _boost(folded, first, shrinkage)
        if boosters:
            second = shrinkage * boosters.out_of_fold
            intercept, regression_weight, booster_weight = weigh(first.log_odds(), second, y, weights)
            member_weights = regression_weight, booster_weight

        def out_of_fold() -> Floats:  # a function, since the first call fits the regression's folds
            log_odds = intercept + member_weights[0] * first.log_odds()
            return log_odds + member_weights[1] * second if boosters else log_odds

        # A cheap test on the training rows first: only if it is positive, the regression is fitted out of fold.
        if fit_gaps(shrinkage * evaluate(regressions.tables, cells, grid), y, share_missing, groups, weights).slope:
            gaps = fit_gaps(out_of_fold(), y, share_missing, groups, weights)
        if boosters:
            both_tables = {
                k: _mixture(intercept, (member_weights[0], regressions.tables), (member_weights[1], tables))
                for k, tables in boosters.by_fold.items()
            }
            masked = _mask(folded, values, expit(out_of_fold()), completion, both_tables, gaps)
    tables = regressions.tables
    intercept_factors, factors, variances = dominant.uncertainty(all_cells, all_weights)
    scale = member_weights[0]
    if boosters:
        tables = _mixture(intercept, (member_weights[0], tables), (member_weights[1], boosters.tables))
        # With few rows the members' errors are strongly correlated, so standard deviations are added, not variances.
        # That of the boosters is known only as a mean over rows.
        scale += member_weights[1] * np.sqrt(boosters.variance / dominant.variance(all_cells, all_weights))
    cuts = grid.offsets[1:-1]
    return Pool(
        completion=completion,
        regressions=regressions,
        boosters=boosters,
        member_weights=member_weights,
        tables=tables,
        gaps=gaps,
        masked=masked,
        factors=[scale * intercept_factors, *np.split(scale * factors, cuts)],
        variances=np.split(scale**2 * variances, cuts),
    )


def _shrinkage(values: Floats, tables: TablesByTerms, completion: Completion) -> Floats:
    """Compute the factor by which each row's log-odds are shrunk towards zero for signals that were not rated."""
    if not np.isnan(values[:, : completion.signals]).any():
        return np.ones(len(values))
    return _tables(tables, completion).shrinkage(values, completion.estimate(values))


def _tables(tables: TablesByTerms, completion: Completion, gaps: Gaps | None = None) -> PartialTables:
    """Return the tables for rows with unrated signals."""
    main = np.concatenate([tables[(term,)] for term in range(len(completion.grid.n_knots))])
    joint = [(terms, table) for terms, table in tables.items() if len(terms) > 1]
    return PartialTables(completion.grid, completion, float(tables[()]), main, joint, gaps or Gaps())


def _mixture(intercept: float, *parts: tuple[float, TablesByTerms]) -> TablesByTerms:
    """Add an intercept to weighted tables."""
    return add([(1.0, {(): np.array(intercept)}), *parts])


def _mask(
    folded: FoldedRows,
    values: Floats,
    probability: Floats,
    completion: Completion,
    by_fold: Mapping[int, TablesByTerms],
    gaps: Gaps,
) -> MaskedPool | None:
    """Fit boosters on masked rows, and weigh them against the members' expected tables; None if they add little.

    `by_fold` has for each fold the tables of the members that were fitted without it.
    """
    order = max(len(terms) for tables in by_fold.values() for terms in tables)
    fitted = fit_masked(folded, values, completion.signals, probability, order)
    expected = np.empty(len(fitted.rows))
    for k, tables in by_fold.items():
        rows = folded.fold[fitted.rows] == k
        if rows.any():
            expected[rows], _ = _tables(tables, completion, gaps).many(fitted.masked[rows])
    y, weights = folded.y[fitted.rows], take(folded.weights, fitted.rows)
    intercept, share, weight = weigh(expected, fitted.log_odds, y, weights)
    if weight < MIN_BOOSTER_WEIGHT:
        return None
    return MaskedPool(_mixture(intercept, (weight, fitted.tables)), share)


def _boost(rows: FoldedRows, first: _OutOfFold, shrinkage: Floats) -> Boosters | None:
    """Fit boosters of pairs, or of triples if these are better; None if they add little to the regression.

    They are tried on a few folds first; the other folds, of the regression as well, are fitted only if boosters gain
    enough there. `shrinkage` is the factor for signals that were not rated.
    """
    y, weights = rows.y, rows.weights
    folds, tried = int(rows.fold.max()) + 1, rows.fold < TRIAL_FOLDS
    best: tuple[float, int, list[FoldBooster]] | None = None
    for order in (2, 3):
        if too_large(rows.grid, order, count(y, weights)):
            break
        small = fit_folds(rows, range(min(TRIAL_FOLDS, folds)), order)
        second = shrinkage * average(rows, small).out_of_fold
        _, regression, boosters = weigh(
            first.log_odds(TRIAL_FOLDS)[tried], second[tried], y[tried], take(weights, tried)
        )
        if boosters < MIN_BOOSTER_WEIGHT:
            break
        lost = np.logaddexp(0, (1 - 2 * y[tried]) * second[tried])
        loss = float(weighted(lost, take(weights, tried)).sum())
        best = (loss, order, small) if best is None or loss < best[0] else best
        if boosters < regression:
            break
    if best is None:
        return None
    _, order, small = best
    small = small + fit_folds(rows, range(TRIAL_FOLDS, folds), order)
    whole = average(rows, enlarge(rows, small, order))
    _, _, boosters = weigh(first.log_odds(), shrinkage * whole.out_of_fold, y, weights)
    return whole if boosters >= MIN_BOOSTER_WEIGHT else None


class _OutOfFold:
    """Out-of-fold log-odds of the regression; a fold is fitted when it is first needed."""

    def __init__(self, rows: Rows, fold: Ints, start: Regressions, shrinkage: Floats, n_jobs: int | None) -> None:
        self._rows, self._fold, self._start, self._shrinkage, self._n_jobs = rows, fold, start, shrinkage, n_jobs
        self._log_odds = np.full(len(fold), np.nan)

    def log_odds(self, folds: int | None = None) -> Floats:
        """Return log-odds, shape (n,), of the first `folds` folds, or of all; NaN in rows of folds not fitted yet."""
        n_folds = int(self._fold.max()) + 1
        missing = [k for k in range(min(folds or n_folds, n_folds)) if np.isnan(self._log_odds[self._fold == k]).any()]
        jobs = (delayed(_fit_without)(self._rows, self._start, self._fold == k) for k in missing)
        parts = Parallel(n_jobs=self._n_jobs, prefer="threads")(jobs)
        for k, part in zip(missing, parts, strict=True):
            held_out = self._fold == k
            self._log_odds[held_out] = self._shrinkage[held_out] * part
        return self._log_odds


def _fit_without(rows: Rows, start: Regressions, held_out: NDArray[np.bool_]) -> Floats:
    """Fit on all rows but those held out, and return the log-odds of these."""
    with one_thread("blas"):  # here, since this may be another process than that of the caller
        return evaluate(fit_regressions(rows.without(held_out), start).tables, rows.cells[held_out], rows.grid)


def fold_numbers(y: Floats, groups: NDArray[np.generic], seed: int, weights: RowWeights = None) -> Ints | None:
    """Deal whole groups to folds in order of their share of offers, ties at random; None if outcomes are too few."""
    rows, offers = count(y, weights), weighted(y, weights)
    if min(offers.sum(), rows - offers.sum()) < MIN_MINORITY_ROWS:
        return None
    _, member = np.unique(groups, return_inverse=True)
    rate = np.bincount(member, offers) / np.bincount(member, weights)
    order = np.lexsort((np.random.default_rng(seed).random(len(rate)), rate))
    fold = np.empty(len(rate), dtype=np.int64)
    fold[order] = np.arange(len(rate)) % (FOLDS if rows < MANY_ROWS else FOLDS_MANY)
    fold = fold[member]
    inside = [fold != k for k in range(fold.max() + 1)]
    rarer = [np.bincount(y[kept].astype(int), take(weights, kept), minlength=2).min() for kept in inside]
    return fold if fold.max() > 0 and min(rarer) >= MIN_MINORITY_ROWS // 2 else None


def weigh(first: Floats, second: Floats, y: Floats, weights: RowWeights = None) -> tuple[float, float, float]:
    """Choose the members' weights, which minimise the out-of-fold log-loss plus penalties (see the constants).

    Log-odds = intercept + slope ((1 - w) first + w second), 0 <= w <= 1.

    Returns
    -------
    tuple of float
        The intercept and the weights of both.
    """
    gap = second - first

    def loss(at: Floats) -> tuple[float, Floats]:
        intercept, slope, w = at
        mix = first + w * gap
        eta = intercept + slope * mix
        rest = weighted(expit(eta) - y, weights)
        value = (
            np.sum(weighted(np.logaddexp(0, eta) - y * eta, weights))
            + WEIGHT_PENALTY_L1 * w
            + WEIGHT_PENALTY_L2 * w * w
        )
        value += CALIBRATION_PENALTY * ((slope - 1) ** 2 + intercept**2)
        return float(value), np.array(
            [
                rest.sum() + 2 * CALIBRATION_PENALTY * intercept,
                rest @ mix + 2 * CALIBRATION_PENALTY * (slope - 1),
                slope * (rest @ gap) + WEIGHT_PENALTY_L1 + 2 * WEIGHT_PENALTY_L2 * w,
            ]
        )

    bounds = [(None, None), (0.1, 10.0), (0.0, 1.0)]
    # From both ends: the problem is not convex in slope and w together.
    ends = [minimize(loss, (0.0, 1.0, w), jac=True, bounds=bounds, method="L-BFGS-B") for w in (0.0, 0.5)]
    intercept, slope, w = min(ends, key=lambda end: float(end.fun)).x
    return float(intercept), float(slope * (1 - w)), float(slope * w)
