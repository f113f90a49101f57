"""The regression with and without a prior model, averaged by their evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from predictor.learning.basis import Basis, choose_basis
from predictor.learning.decomposition import Terms, add
from predictor.learning.prior import Prior
from predictor.learning.regression import PRIOR_ROWS, SPREADS, Regression, fit_regression, project
from predictor.learning.weights import Weights, after, some
from predictor.model.tables import Floats, Grid
from predictor.ratings.catalogue import Catalogue

TRUST_ODDS = 3.0  # a prior model is trusted, before any row is seen, with odds of e^3


@dataclass(frozen=True, eq=False)
class Regressions:
    """The fitted regression, or two of them mixed: one that starts from a prior model, one that does not.

    Attributes
    ----------
    terms
        Tables.
    leading
        The one with the larger weight, whose intervals are used.
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
class Rows:
    """The rows to learn from, and all that a fit of the regression takes beside them.

    Attributes
    ----------
    cells, y
        Cell weights, shape (n, cells), and outcomes 0 or 1, shape (n,).
    known
        Cell weights that columns are scaled by: rows of a prior model, then `cells`.
    grid
        The grid on which the tables are defined.
    catalogue
        Of the ratings.
    prior
        A model to start from.
    weights
        How often each of the rows to learn from counts, shape (n,).
    rated
        Share of the rows to learn from in which each signal was rated, shape (p,); see `choose_basis`.
    shrinkage
        By how much each row's log-odds are drawn towards zero, shape (n,); see `fit_regression`.
    """

    cells: Floats
    y: Floats
    known: Floats
    grid: Grid
    catalogue: Catalogue
    prior: Prior | None = None
    weights: Weights = None
    rated: Floats | None = None
    shrinkage: Floats | None = None

    def __sizeof__(self) -> int:  # by it joblib sends these rows to a cluster once, and not with every fit
        return int(self.cells.nbytes + self.y.nbytes + self.known.nbytes)

    @property
    def known_weights(self) -> Weights:
        """How often each row of `known` counts."""
        return after(len(self.known) - len(self.cells), self.weights)

    def without(self, outside: NDArray[np.bool_]) -> Rows:
        """Leave out some of the rows, but none of a prior model."""
        inside = np.concatenate([np.ones(len(self.known) - len(self.cells), dtype=bool), ~outside])
        shrinkage = None if self.shrinkage is None else self.shrinkage[~outside]
        rows = {"cells": self.cells[~outside], "y": self.y[~outside], "known": self.known[inside]}
        return replace(self, **rows, weights=some(self.weights, ~outside), shrinkage=shrinkage)


def fit_regressions(rows: Rows, start: Regressions | None = None) -> Regressions:
    """Fit the regression; with a prior model, from it and without it, mixed in log-odds by their evidence.

    Parameters
    ----------
    rows
        The rows.
    start
        Fits on nearly the same rows, to start from.
    """
    prior, known = rows.prior, rows.known
    if prior is None:
        before = start.alone if start else None
        alone = _fit(rows, before.basis if before else _basis(rows), start=before)
        return Regressions(alone.terms(), alone, 0.0, alone)
    model, before = prior.model, start.started if start else None
    basis = before.basis if before else _basis(rows)
    precision = PRIOR_ROWS * model.base_rate * (1 - model.base_rate)  # of a base rate seen in that many rows
    started = _fit(rows, basis, (model.intercept, precision), before)
    if not len(rows.y):
        return Regressions(started.terms(), started, 1.0, None, started)
    alone = fit_regressions(replace(rows, known=rows.cells, prior=None), start).leading
    trust = float(expit(TRUST_ODDS + started.evidence - alone.evidence))
    terms = add([(trust, started.terms()), (1 - trust, alone.terms())])
    share = trust * started.left(known[: len(prior.rows)])
    return Regressions(terms, started if trust > 0.5 else alone, share, alone, started)


def _basis(rows: Rows) -> Basis:
    terms = rows.prior.terms if rows.prior else None
    return choose_basis(rows.known, rows.grid, rows.catalogue, SPREADS, terms, rows.known_weights, rows.rated)


def _fit(
    rows: Rows, basis: Basis, prior: tuple[float, float] | None = None, start: Regression | None = None
) -> Regression:
    """Fit a regression; where signals have directions, with tables that never fall against them, whoever rated.

    There an input's levels scale all tables together: a level that makes every signal weigh less then makes none
    weigh less than nothing.
    """
    directions = rows.catalogue.directions
    fit = partial(fit_regression, rows.cells, rows.y, prior=prior, weights=rows.weights, shrinkage=rows.shrinkage)
    if start is not None:
        return fit(basis, steps=start.steps, start=start)
    if not any(directions):
        return fit(basis)
    free = None
    if basis.pairs:
        free = fit(basis)
        m = basis.main.shape[1]
        main = replace(basis, pairs=(), prior={})
        coefficients = project(free.coefficients[:m], free.covariance[1 : m + 1, 1 : m + 1], main.steps(directions))
        table = basis.main @ coefficients
        table[int(basis.grid.offsets[len(directions)]) :] = 0.0
        basis = basis.scaled_by_inputs(table, rows.known, rows.known_weights)
    return fit(basis, steps=basis.steps(directions), start=free)
