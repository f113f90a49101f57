"""The regression with and without a prior model, averaged by their evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from predictor.learning.basis import Basis, choose_basis
from predictor.learning.decomposition import TablesByTerms, add
from predictor.learning.prior import Prior
from predictor.learning.regression import DEVIATION_PRIORS, PRIOR_ROWS, Regression, fit_regression, project
from predictor.learning.weights import RowWeights, prepend_ones, take
from predictor.model.tables import Floats, Grid
from predictor.ratings.catalogue import Catalogue

PRIOR_LOG_ODDS_OF_TRUST = (
    3.0  # before any row is seen, the odds are e^3 that a fit with the prior model is the right one
)


@dataclass(frozen=True, eq=False)
class Regressions:
    """The fitted regression, or two of them mixed: one that starts from a prior model, one that does not.

    Attributes
    ----------
    tables
        Tables.
    dominant
        The one with the larger weight, whose intervals are used.
    prior_share
        Share of the model that comes from the prior model, 0 to 1: its weight, times the share of the prior variance
        that the training rows leave; 0 without a prior model.
    without_prior, with_prior
        The fit without a prior model, and the one that starts from it; None if there is no such fit.
    """

    tables: TablesByTerms
    dominant: Regression
    prior_share: float
    without_prior: Regression | None = None
    with_prior: Regression | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """The training rows, and everything else that a fit of the regression needs.

    Attributes
    ----------
    cells, y
        Cell weights, shape (n, cells), and outcomes 0 or 1, shape (n,).
    all_cells
        Cell weights by which columns are scaled: those of the rows of a prior model, then `cells`.
    grid
        The grid on which the tables are defined.
    catalogue
        Catalogue of the ratings.
    prior
        A model to start from.
    weights
        How often each of the training rows counts, shape (n,).
    rated
        Share of the training rows in which each signal was rated, shape (p,); see `choose_basis`.
    shrinkage
        Factor by which each row's log-odds are shrunk towards zero, shape (n,); see `fit_regression`.
    """

    cells: Floats
    y: Floats
    all_cells: Floats
    grid: Grid
    catalogue: Catalogue
    prior: Prior | None = None
    weights: RowWeights = None
    rated: Floats | None = None
    shrinkage: Floats | None = None

    def __sizeof__(self) -> int:  # joblib sends large objects to a cluster once, and not with every fit
        return int(self.cells.nbytes + self.y.nbytes + self.all_cells.nbytes)

    @property
    def all_weights(self) -> RowWeights:
        """How often each row of `all_cells` counts."""
        return prepend_ones(len(self.all_cells) - len(self.cells), self.weights)

    def without(self, held_out: NDArray[np.bool_]) -> Rows:
        """Leave out some of the rows, but none of a prior model."""
        inside = np.concatenate([np.ones(len(self.all_cells) - len(self.cells), dtype=bool), ~held_out])
        shrinkage = None if self.shrinkage is None else self.shrinkage[~held_out]
        rows = {"cells": self.cells[~held_out], "y": self.y[~held_out], "all_cells": self.all_cells[inside]}
        return replace(self, **rows, weights=take(self.weights, ~held_out), shrinkage=shrinkage)


def fit_regressions(rows: Rows, start: Regressions | None = None) -> Regressions:
    """Fit the regression; with a prior model, once with and once without it, mixed in log-odds by their evidence.

    Parameters
    ----------
    rows
        The rows.
    start
        Fits on nearly the same rows, to start from.
    """
    prior, all_cells = rows.prior, rows.all_cells
    if prior is None:
        previous = start.without_prior if start else None
        without_prior = _fit(rows, previous.basis if previous else _basis(rows), start=previous)
        return Regressions(without_prior.tables(), without_prior, 0.0, without_prior)
    model, previous = prior.model, start.with_prior if start else None
    basis = previous.basis if previous else _basis(rows)
    precision = PRIOR_ROWS * model.base_rate * (1 - model.base_rate)  # of a base rate seen in that many rows
    with_prior = _fit(rows, basis, (model.intercept, precision), previous)
    if not len(rows.y):
        return Regressions(with_prior.tables(), with_prior, 1.0, None, with_prior)
    without_prior = fit_regressions(replace(rows, all_cells=rows.cells, prior=None), start).dominant
    trust = float(expit(PRIOR_LOG_ODDS_OF_TRUST + with_prior.evidence - without_prior.evidence))
    tables = add([(trust, with_prior.tables()), (1 - trust, without_prior.tables())])
    share = trust * with_prior.prior_variance_left(all_cells[: len(prior.rows)])
    return Regressions(tables, with_prior if trust > 0.5 else without_prior, share, without_prior, with_prior)


def _basis(rows: Rows) -> Basis:
    tables = rows.prior.tables if rows.prior else None
    return choose_basis(
        rows.all_cells, rows.grid, rows.catalogue, DEVIATION_PRIORS, tables, rows.all_weights, rows.rated
    )


def _fit(
    rows: Rows, basis: Basis, intercept_prior: tuple[float, float] | None = None, start: Regression | None = None
) -> Regression:
    """Fit a regression; if signals have directions, with tables that are monotone in them, at each level of the inputs.

    With directions, a level of an input scales the sum of all signals' tables instead of the mean rating: a level that
    weakens all effects then turns none of them around.
    """
    directions = rows.catalogue.directions
    fit = partial(
        fit_regression,
        rows.cells,
        rows.y,
        intercept_prior=intercept_prior,
        weights=rows.weights,
        shrinkage=rows.shrinkage,
    )
    if start is not None:
        return fit(basis, constraints=start.constraints, start=start)
    if not any(directions):
        return fit(basis)
    free = None
    if basis.pairs:
        free = fit(basis)
        m = basis.main.shape[1]
        main = replace(basis, pairs=(), prior={})
        coefficients = project(
            free.coefficients[:m], free.covariance[1 : m + 1, 1 : m + 1], main.constraints(directions)
        )
        table = basis.main @ coefficients
        table[int(basis.grid.offsets[len(directions)]) :] = 0.0
        basis = basis.scaled_by_inputs(table, rows.all_cells, rows.all_weights)
    return fit(basis, constraints=basis.constraints(directions), start=free)
