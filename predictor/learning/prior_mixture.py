"""The regression with and without a prior model, averaged by their evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from scipy.special import expit

from predictor.learning.basis import Basis, choose_basis
from predictor.learning.decomposition import Terms, add
from predictor.learning.prior import Prior
from predictor.learning.regression import PRIOR_ROWS, SPREADS, Regression, fit_regression, project
from predictor.learning.weights import Weights, after
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


def fit_regressions(
    cells: Floats,
    y: Floats,
    known: Floats,
    grid: Grid,
    catalogue: Catalogue,
    prior: Prior | None = None,
    start: Regressions | None = None,
    weights: Weights = None,
    rated: Floats | None = None,
    shrinkage: Floats | None = None,
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
        The grid on which the tables are defined.
    catalogue
        Of the ratings.
    prior
        A model to start from.
    start
        Fits on nearly the same rows, to start from.
    weights
        How often each of the rows to learn from counts, shape (n,).
    rated
        Share of the rows to learn from in which each signal was rated; see `choose_basis`.
    shrinkage
        By how much each row's log-odds are drawn towards zero, shape (n,); see `fit_regression`.
    """
    directions = catalogue.directions
    known_weights = after(len(known) - len(cells), weights)
    if prior is None:
        if start and start.alone:
            basis = start.alone.basis
        else:
            basis = choose_basis(cells, grid, catalogue, SPREADS, weights=weights, rated=rated)
        before = start.alone if start else None
        alone = _fit(cells, y, cells, basis, directions, start=before, weights=weights, shrinkage=shrinkage)
        return Regressions(alone.terms(), alone, 0.0, alone)
    model = prior.model
    if start and start.started:
        basis = start.started.basis
    else:
        basis = choose_basis(known, grid, catalogue, SPREADS, prior.terms, known_weights, rated)
    precision = PRIOR_ROWS * model.base_rate * (1 - model.base_rate)  # of a base rate seen in that many rows
    from_prior = (model.intercept, precision)
    before = start.started if start else None
    started = _fit(cells, y, known, basis, directions, from_prior, before, weights, shrinkage)
    if not len(y):
        return Regressions(started.terms(), started, 1.0, None, started)
    without_prior = fit_regressions(
        cells, y, cells, grid, catalogue, start=start, weights=weights, rated=rated, shrinkage=shrinkage
    )
    alone = without_prior.leading
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
    weights: Weights = None,
    shrinkage: Floats | None = None,
) -> Regression:
    """Fit a regression; where signals have directions, with tables that never fall against them, whoever rated.

    There an input's levels scale all tables together: a level that makes every signal weigh less then makes none
    weigh less than nothing.
    """
    rows: dict[str, Any] = {"prior": prior, "weights": weights, "shrinkage": shrinkage}
    if start is not None:
        return fit_regression(cells, y, basis, steps=start.steps, start=start, **rows)
    if not any(directions):
        return fit_regression(cells, y, basis, **rows)
    free = None
    if basis.pairs:
        free = fit_regression(cells, y, basis, **rows)
        m = basis.main.shape[1]
        main = replace(basis, pairs=(), prior={})
        coefficients = project(free.coefficients[:m], free.covariance[1 : m + 1, 1 : m + 1], main.steps(directions))
        table = basis.main @ coefficients
        table[int(basis.grid.offsets[len(directions)]) :] = 0.0
        basis = basis.scaled_by_inputs(table, known, after(len(known) - len(cells), weights))
    return fit_regression(cells, y, basis, steps=basis.steps(directions), start=free, **rows)
