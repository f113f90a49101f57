"""The pool: a regression and boosted trees, weighted out of fold in log-odds, as one set of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from predictor.learning.basis import Basis, choose_basis
from predictor.learning.boosting import Boosters, Fit, average, enlarge, fit_folds, too_large
from predictor.learning.decomposition import Terms, add, evaluate
from predictor.learning.factors import fit_factors
from predictor.learning.gaps import fit_gaps
from predictor.learning.prior import Prior
from predictor.learning.regression import PRIOR_ROWS, SPREADS, Regression, fit_regression, project
from predictor.learning.threads import one_blas_thread
from predictor.model.factors import Completion
from predictor.model.partial import Gaps, PartialTables
from predictor.model.tables import Floats, Grid, Ints
from predictor.ratings.catalogue import Catalogue

FOLDS, FOLDS_MANY, MANY_ROWS = 10, 5, 20_000  # folds, and folds from many rows on
RARER = 30  # rows of the rarer outcome under which the regression stands alone
TRUST_ODDS = 3.0  # a prior model is trusted, before any row is seen, with odds of e^3
TRIAL = 3  # folds on which boosters must show a gain before the others are fitted
LEAST = 0.15  # weight of boosters under which they are left out: they would make the model larger for nothing
# What weights cost, in units of log-likelihood: a share w of the boosters TOLL w + PULL w^2, so that it is none at all
# without a clear gain; a slope s and an intercept i of calibration CALIBRATION ((s - 1)^2 + i^2).
TOLL, PULL, CALIBRATION = 2.5, 3.0, 30.0


@dataclass(frozen=True, eq=False)
class Regressions:
    """The fitted regression, or two of them mixed: one that starts from a prior model, one that does not.

    Attributes
    ----------
    terms
        Tables.
    leading
        The one with the larger weight; intervals are its.
    prior_share
        Share of what is known that comes from the prior model, 0 to 1; 0 without one.
    alone, started
        The fit without a prior model, and the one that starts from it; None where there is no such fit.
    """

    terms: Terms
    leading: Regression
    prior_share: float
    alone: Regression | None = None
    started: Regression | None = None


@dataclass(frozen=True, eq=False)
class Pool:
    """What was fitted, as tables.

    Attributes
    ----------
    completion
        What rated signals say of those that were not rated.
    regressions
        Fitted on all rows.
    boosters
        The mean of the folds' boosters; None where they have no weight.
    weights
        Of the two in the log-odds.
    terms
        The pool: weighted tables of both.
    gaps
        What leaving signals unrated says by itself.
    factors, variances
        For the interval, a table a term; `factors` starts with the intercept's. See `Regression.uncertainty`.
    """

    completion: Completion
    regressions: Regressions
    boosters: Boosters | None
    weights: tuple[float, float]
    terms: Terms
    gaps: Gaps
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
) -> Pool:
    """Fit the members, weigh them out of fold, and turn them into tables.

    Parameters
    ----------
    values
        Ratings, then coded inputs, shape (n, terms); NaN where not observed.
    y
        Outcomes 0 or 1, shape (n,).
    catalogue
        Of the ratings.
    groups
        Rows that belong together, shape (n,); a group is never split over folds.
    prior
        A model to start from.
    boosted
        Whether boosters may take part.
    seed
        Of folds and boosters.
    n_jobs
        How many fits run side by side; None leaves it to joblib's configuration.
    """
    grid, directions = Grid.of(catalogue), catalogue.directions
    known = np.concatenate([prior.rows, values]) if prior else values
    together = None if prior or groups is None else groups
    completion = Completion(grid, fit_factors(known, grid, catalogue, directions, together), directions)
    cells = completion.cells(values)
    known_cells = np.concatenate([completion.cells(prior.rows), cells]) if prior else cells
    regressions = fit_regressions(cells, y, known_cells, grid, catalogue, prior)
    leading = regressions.leading
    boosters: Boosters | None = None
    weights, intercept, gaps = (1.0, 0.0), 0.0, Gaps()
    fold = fold_numbers(y, np.arange(len(y)) if groups is None else groups, seed)
    left_out = np.isnan(values[:, : completion.signals]).mean(axis=1)
    if fold is not None and (boosted or left_out.any()):
        kappa = _kappa(values, regressions.terms, grid, completion)
        first = _OutOfFold(cells, y, known_cells, grid, catalogue, prior, fold, regressions, kappa, n_jobs)
        of_terms = np.array([*directions, *(0 for _ in catalogue.inputs)])
        if boosted:
            boosters = _boost(cells, y, grid, fold, first, kappa, of_terms, seed, n_jobs)
        if boosters:
            second = kappa * boosters.out_of_fold
            intercept, *both = weigh(first.log_odds(), second, y)
            weights = both[0], both[1]
        # On the rows that it was fitted on, the regression shows whether gaps may tell anything, before folds do.
        if fit_gaps(kappa * evaluate(regressions.terms, cells, grid), y, left_out, groups).slope:
            mixed = weights[0] * first.log_odds() + (intercept + weights[1] * second if boosters else 0.0)
            gaps = fit_gaps(mixed, y, left_out, groups)
    terms = regressions.terms
    start, factors, variances = leading.uncertainty(known_cells)
    scale = weights[0]
    if boosters:
        terms = add([(1.0, {(): np.array(intercept)}), (weights[0], terms), (weights[1], boosters.terms)])
        # Both members err alike where rows are few: standard deviations add up. The boosters' is known on average.
        scale += weights[1] * np.sqrt(boosters.variance / leading.variance(known_cells))
    cuts = grid.offsets[1:-1]
    return Pool(
        completion=completion,
        regressions=regressions,
        boosters=boosters,
        weights=weights,
        terms=terms,
        gaps=gaps,
        factors=[scale * start, *np.split(scale * factors, cuts)],
        variances=np.split(scale**2 * variances, cuts),
    )


def _kappa(values: Floats, terms: Terms, grid: Grid, completion: Completion) -> Floats:
    """Compute by how much each row's log-odds are drawn towards zero for what was not rated."""
    if not np.isnan(values[:, : completion.signals]).any():
        return np.ones(len(values))
    main = np.concatenate([terms[(term,)] for term in range(len(grid.levels))])
    joint = [(place, table) for place, table in terms.items() if len(place) == 2]
    tables = PartialTables(grid, completion, float(terms[()]), main, joint, Gaps())
    return tables.kappa(values, completion.estimate(values))


def fit_regressions(
    cells: Floats,
    y: Floats,
    known: Floats,
    grid: Grid,
    catalogue: Catalogue,
    prior: Prior | None = None,
    start: Regressions | None = None,
) -> Regressions:
    """Fit the regression; with a prior model, from it and without it, mixed in log-odds by their evidence.

    Parameters
    ----------
    cells
        Cell weights of the rows to learn from, shape (n, cells).
    y
        Their outcomes.
    known
        Cell weights that columns are scaled by: with a prior model, those of its rows as well.
    grid
        Where the tables stand.
    catalogue
        Of the ratings.
    prior
        A model to start from.
    start
        Fits on nearly the same rows, to start from.
    """
    directions = catalogue.directions
    if prior is None:
        basis = start.alone.basis if start and start.alone else choose_basis(cells, grid, catalogue, SPREADS)
        alone = _fit(cells, y, cells, basis, directions, start=start.alone if start else None)
        return Regressions(alone.terms(), alone, 0.0, alone)
    model = prior.model
    if start and start.started:
        basis = start.started.basis
    else:
        basis = choose_basis(known, grid, catalogue, SPREADS, prior.terms)
    precision = PRIOR_ROWS * model.base_rate * (1 - model.base_rate)  # of a base rate seen in so many rows
    from_prior = (model.intercept, precision)
    started = _fit(cells, y, known, basis, directions, from_prior, start=start.started if start else None)
    if not len(y):
        return Regressions(started.terms(), started, 1.0, None, started)
    alone = fit_regressions(cells, y, cells, grid, catalogue, start=start).leading
    trust = float(expit(TRUST_ODDS + started.evidence - alone.evidence))
    terms = add([(trust, started.terms()), (1 - trust, alone.terms())])
    share = trust * started.left(known[: len(prior.rows)])
    return Regressions(terms, started if trust > 0.5 else alone, share, alone, started)


def _fit(
    cells: Floats,
    y: Floats,
    known: Floats,
    basis: Basis,
    directions: Sequence[int],
    prior: tuple[float, float] | None = None,
    start: Regression | None = None,
) -> Regression:
    """Fit a regression; where signals have directions, with tables that never fall against them, whoever rated.

    There an input's levels scale all tables together: a level that makes every signal weigh less then makes none
    weigh less than nothing.
    """
    if start is not None:
        return fit_regression(cells, y, basis, prior, steps=start.steps, start=start)
    if not any(directions):
        return fit_regression(cells, y, basis, prior)
    free = None
    if basis.pairs:
        free = fit_regression(cells, y, basis, prior)
        m = basis.main.shape[1]
        main = replace(basis, pairs=(), prior={})
        coefficients = project(free.coefficients[:m], free.covariance[1 : m + 1, 1 : m + 1], main.steps(directions))
        table = basis.main @ coefficients
        table[int(basis.grid.offsets[len(directions)]) :] = 0.0
        basis = basis.scaled_by_inputs(table, known)
    return fit_regression(cells, y, basis, prior, steps=basis.steps(directions), start=free)


def _boost(
    cells: Floats,
    y: Floats,
    grid: Grid,
    fold: Ints,
    first: _OutOfFold,
    kappa: Floats,
    directions: Ints,
    seed: int,
    n_jobs: int | None,
) -> Boosters | None:
    """Fit boosters of pairs, or of triples where these are better; None where they add little to the regression.

    A few folds are tried first; the others, the regression's as well, are fitted where boosters pass. What was not
    rated draws log-odds towards zero by `kappa`.
    """
    count = int(fold.max()) + 1
    tried = fold < TRIAL
    options: dict[str, Any] = {"directions": directions, "seed": seed, "n_jobs": n_jobs}
    best: tuple[float, int, list[Fit]] | None = None
    for order in (2, 3):
        if too_large(grid, order, len(y)):
            break
        small = fit_folds(cells, y, grid, fold, range(min(TRIAL, count)), order=order, **options)
        second = kappa * average(small, cells, grid, fold).out_of_fold
        _, regression, boosters = weigh(first.log_odds(TRIAL)[tried], second[tried], y[tried])
        if boosters < LEAST:
            break
        loss = float(np.logaddexp(0, (1 - 2 * y[tried]) * second[tried]).sum())
        best = (loss, order, small) if best is None or loss < best[0] else best
        if boosters < regression:
            break
    if best is None:
        return None
    _, order, small = best
    small = small + fit_folds(cells, y, grid, fold, range(TRIAL, count), order=order, **options)
    found = average(enlarge(small, cells, y, grid, fold, order=order, **options), cells, grid, fold)
    return found if weigh(first.log_odds(), kappa * found.out_of_fold, y)[2] >= LEAST else None


class _OutOfFold:
    """Log-odds by the regression of rows that it was not fitted on, fold by fold, as far as they are asked for."""

    def __init__(
        self,
        cells: Floats,
        y: Floats,
        known: Floats,
        grid: Grid,
        catalogue: Catalogue,
        prior: Prior | None,
        fold: Ints,
        start: Regressions,
        kappa: Floats,
        n_jobs: int | None,
    ) -> None:
        self._rows, self._about = (cells, y, known), (grid, catalogue, prior, start)
        self._fold, self._kappa, self._n_jobs = fold, kappa, n_jobs
        self._log_odds = np.full(len(y), np.nan)

    def log_odds(self, folds: int | None = None) -> Floats:
        """Fit the first folds, or all, as far as they are not yet; NaN in the rows of the others, shape (n,)."""
        count = int(self._fold.max()) + 1
        missing = [k for k in range(min(folds or count, count)) if np.isnan(self._log_odds[self._fold == k]).any()]
        jobs = (delayed(_fit_without)(*self._rows, *self._about, self._fold == k) for k in missing)
        parts = Parallel(n_jobs=self._n_jobs, prefer="threads")(jobs)
        for k, part in zip(missing, parts, strict=True):
            outside = self._fold == k
            self._log_odds[outside] = self._kappa[outside] * part
        return self._log_odds


def _fit_without(
    cells: Floats,
    y: Floats,
    known: Floats,
    grid: Grid,
    catalogue: Catalogue,
    prior: Prior | None,
    start: Regressions,
    outside: NDArray[np.bool_],
) -> Floats:
    """Fit on all rows but those `outside`, and give the log-odds of these."""
    inside = np.concatenate([np.ones(len(known) - len(cells), dtype=bool), ~outside])
    with one_blas_thread():  # in this process, too, which may be another
        fitted = fit_regressions(cells[~outside], y[~outside], known[inside], grid, catalogue, prior, start)
        return evaluate(fitted.terms, cells[outside], grid)


def fold_numbers(y: Floats, groups: NDArray[np.generic], seed: int) -> Ints | None:
    """Deal whole groups to folds in order of their share of offers, ties at random; None where outcomes are too few."""
    if min(y.sum(), len(y) - y.sum()) < RARER:
        return None
    _, member = np.unique(groups, return_inverse=True)
    rate = np.bincount(member, weights=y) / np.bincount(member)
    order = np.lexsort((np.random.default_rng(seed).random(len(rate)), rate))
    fold = np.empty(len(rate), dtype=np.int64)
    fold[order] = np.arange(len(rate)) % (FOLDS if len(y) < MANY_ROWS else FOLDS_MANY)
    fold = fold[member]
    rarer = [np.bincount(y[fold != k].astype(int), minlength=2).min() for k in range(fold.max() + 1)]
    return fold if fold.max() > 0 and min(rarer) >= RARER // 2 else None


def weigh(first: Floats, second: Floats, y: Floats) -> tuple[float, float, float]:
    """Choose what the members count: the least out-of-fold log-loss plus the cost of leaving the first.

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
        rest = expit(eta) - y
        value = np.sum(np.logaddexp(0, eta) - y * eta) + TOLL * w + PULL * w * w
        value += CALIBRATION * ((slope - 1) ** 2 + intercept**2)
        return float(value), np.array(
            [
                rest.sum() + 2 * CALIBRATION * intercept,
                rest @ mix + 2 * CALIBRATION * (slope - 1),
                slope * (rest @ gap) + TOLL + 2 * PULL * w,
            ]
        )

    bounds = [(None, None), (0.1, 10.0), (0.0, 1.0)]
    # From both ends: the problem is not convex in slope and w together.
    ends = [minimize(loss, (0.0, 1.0, w), jac=True, bounds=bounds, method="L-BFGS-B") for w in (0.0, 0.5)]
    intercept, slope, w = min(ends, key=lambda end: float(end.fun)).x
    return float(intercept), float(slope * (1 - w)), float(slope * w)
