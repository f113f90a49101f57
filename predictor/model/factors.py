"""A factor model of the ratings: the distribution of ratings that are missing, given those that are there.

One good impression lifts many ratings (halo), so a few ratings predict the others in part. Ratings in standard units
are z = L u + e, with a few common factors u ~ N(0, I) and e ~ N(0, psi) of each signal's own. Given the signals that
were rated, the others have a normal distribution; its probabilities of each rating replace what was not rated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.model.tables import Floats, Grid, Ints

REACH, PER_UNIT = 4, 8  # probabilities are tabulated for estimates from -4 to 4 standard units, eight of them a unit
POINTS = 2 * REACH * PER_UNIT + 1
# A logistic distribution so scaled is nearly normal: its distribution function is off by .0095 at most.
LOGISTIC = 1.702
NEGLIGIBLE_EXPECTATION = 1e-12  # standard units; less is rounding, where evidence cancels out
RARE = 1e-6  # least share of a rating, so that its bounds are finite


def fade(share: Any, mean: float, most: float) -> Any:
    """Compute the weight, 0 to 1, of the effect of leaving signals unrated.

    It is 1 up to `most`, the share that training rows reach, then falls linearly to 0 at `2 * most - mean`: a row that
    leaves far more unrated has other reasons, such as a short form.

    Examples
    --------
    >>> fade(np.array([0.0, 0.2, 0.25, 0.9]), 0.1, 0.2).round(2)
    array([1. , 1. , 0.5, 0. ])
    """
    width = max(most - mean, 1e-9)
    return np.clip((most + width - share) / width, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Missingness:
    """How the share of signals that a row leaves unrated is associated with its ratings, where it is.

    People may rate less where an interview went badly. Then the share that was left out says something about the
    ratings that are missing: it is one more indicator of the common factors.

    Attributes
    ----------
    mean, sd
        Mean and standard deviation of the share left out, 0 to 1, among the training rows.
    most
        Share up to which those rows reach (99 % of them); beyond it, see `fade`.
    loadings
        Of that share, in standard units, on the common factors, shape (k,).
    unique
        Variance of that share that it does not have in common with them, in standard units.
    """

    mean: float
    sd: float
    most: float
    loadings: Floats
    unique: float

    def z(self, unrated: NDArray[np.bool_]) -> Floats:
        """Share left out by each row of shape (n, p), in standard units, shape (n,)."""
        return self.z_of(unrated.mean(axis=1))

    def z_of(self, share: Floats) -> Floats:
        """Shares left out, 0 to 1, in standard units."""
        z = (np.minimum(share, self.most) - self.mean) / self.sd
        return np.asarray(fade(share, self.mean, self.most) * z)


@dataclass(frozen=True, eq=False)
class FactorModel:
    """A factor model of p signals with k common factors.

    Attributes
    ----------
    mean, sd
        Mean and standard deviation of the ratings, in steps between the knots of their scale, 0 at the lowest, shape
        (p,).
    loadings
        Of the signals, in standard units, shape (p, k).
    unique
        Variance of each signal, in standard units, that it shares with no other, shape (p,).
    shares
        For each term of the model, inputs too, the share of each level, shape (levels,): how ratings spread where
        nothing is known.
    missingness
        How missingness is associated with the ratings; None where it is not, significantly.
    """

    mean: Floats
    sd: Floats
    loadings: Floats
    unique: Floats
    shares: tuple[Floats, ...]
    missingness: Missingness | None = None


@dataclass(frozen=True, eq=False)
class FactorScores:
    """What the rated signals of n rows suggest about the others.

    Attributes
    ----------
    rated, unrated
        Which signals have a rating, and which have none, shape (n, p). "Not applicable" is neither.
    z
        Ratings in standard units, 0 where there is none, shape (n, p).
    expected
        What is expected of each signal, in standard units, shape (n, p); used where it was not rated.
    by_gaps
        The part of `expected` that comes from how much was left unrated, shape (n, p).
    relative_variance
        How wide its distribution is: 0 if the common factors are known, 1 if nothing is rated, shape (n, p).
    covariance
        Of the common factors, given the rated signals, shape (n, k, k).
    """

    rated: NDArray[np.bool_]
    unrated: NDArray[np.bool_]
    z: Floats
    expected: Floats
    by_gaps: Floats
    relative_variance: Floats
    covariance: Floats


class Completion:
    """Replace an unrated signal by the probabilities of its ratings.

    Where a catalogue defines which ratings are better, a better rating never makes another signal look worse:
    estimates have no negative weights between such signals, and one without a direction does not depend on them.

    Parameters
    ----------
    grid
        The grid on which the tables are defined: p signals, then inputs.
    factor_model
        The factor model.
    directions
        1, -1 or 0 for each signal: higher is better, lower is better, either.

    Examples
    --------
    >>> grid = Grid(np.ones(2), np.ones(2), np.array([5, 5]))
    >>> even = np.full(5, 0.2)
    >>> factor_model = FactorModel(np.full(2, 2.0), np.ones(2), np.full((2, 1), 0.8), np.full(2, 0.36), (even, even))
    >>> completion = Completion(grid, factor_model, [1, 1])
    >>> completion.cells(np.array([[5.0, np.nan]])).round(2)
    array([[0.  , 0.  , 0.  , 0.  , 1.  , 0.  , 0.01, 0.02, 0.05, 0.16, 0.75,
            0.  ]])
    """

    def __init__(self, grid: Grid, factor_model: FactorModel, directions: Sequence[int]) -> None:
        self.grid, self.factor_model = grid, factor_model
        p, k = factor_model.loadings.shape
        self.signals, self.directions = p, np.asarray(directions, dtype=np.float64)
        self._low = grid.low[:p]
        self._weights = factor_model.loadings / factor_model.unique[:, None]
        self._precision = (factor_model.loadings[:, :, None] * self._weights[:, None, :]).reshape(p, k * k)
        self._communality = (factor_model.loadings**2).sum(axis=1)
        self.term = np.repeat(np.arange(p), np.diff(grid.offsets[: p + 1]))
        self._inputs = np.zeros(int(grid.offsets[-1]) - len(self.term))
        for term in range(p, len(grid.n_knots)):
            start = int(grid.offsets[term]) - len(self.term)
            self._inputs[start : start + int(grid.n_knots[term])] = factor_model.shares[term]

    @cached_property
    def needs_monotone_clipping(self) -> bool:
        """Whether monotonicity has to be enforced; not where it holds anyway, as with positive loadings on a tree."""
        directed = self.directions != 0
        if not directed.any():
            return False
        return not (directed.all() and is_tree(self.factor_model.loadings * self.directions[:, None]))

    @cached_property
    def cell_probabilities(self) -> Floats:
        """Probabilities of each cell, given the expectation of its signal, shape (2, points, cells of the signals).

        The first is for known common factors, the second for unknown ones: an ordered logistic model (McCullagh 1980,
        Journal of the Royal Statistical Society B 42:109-142), which at "nothing known" gives the observed shares.
        """
        points = np.linspace(-REACH, REACH, POINTS)
        tables = np.zeros((2, POINTS, len(self.term)))
        for j in range(self.signals):
            total = self._communality[j] + self.factor_model.unique[j]
            below = np.clip(np.cumsum(self.factor_model.shares[j])[:-1], RARE, 1 - RARE)
            steps = np.arange(self.grid.n_knots[j])
            middle = self.factor_model.shares[j] @ (steps - self.factor_model.mean[j]) / self.factor_model.sd[j]
            bounds = middle + np.log(below / (1 - below)) / LOGISTIC * math.sqrt(total)
            start = int(self.grid.offsets[j])
            for kind, variance in enumerate((self.factor_model.unique[j], total)):
                chance = 1 / (1 + np.exp(-LOGISTIC * (bounds - points[:, None]) / math.sqrt(variance)))
                edges = np.column_stack([np.zeros(POINTS), chance, np.ones(POINTS)])
                tables[kind, :, start : start + int(self.grid.n_knots[j])] = np.diff(edges, axis=1)
        return tables

    def estimate(self, values: Floats) -> FactorScores:
        """Estimate signals that were not rated from those that were; values of shape (n, terms), on the scale."""
        signals = values[:, : self.signals]
        unrated = np.isnan(signals)
        rated = signals >= self._low
        z = np.where(rated, (self.grid.positions(signals) - self.factor_model.mean) / self.factor_model.sd, 0.0)
        covariance = self._posterior(rated)
        by_gaps = np.zeros(z.shape)
        if (missingness := self.factor_model.missingness) is not None:
            weights = covariance @ (missingness.loadings / missingness.unique)
            by_gaps = missingness.z(unrated)[:, None] * (weights @ self.factor_model.loadings.T)
        if self.needs_monotone_clipping:
            expected = np.einsum("nji,ni->nj", self.weights(rated, covariance), z)
        else:
            expected = np.einsum("nab,nb->na", covariance, z @ self._weights) @ self.factor_model.loadings.T
        return FactorScores(
            rated, unrated, z, expected + by_gaps, by_gaps, self._relative_variance(covariance), covariance
        )

    def _posterior(self, rated: NDArray[np.bool_]) -> Floats:
        k = self.factor_model.loadings.shape[1]
        precision = (rated @ self._precision).reshape(-1, k, k) + self._known
        return np.asarray(np.linalg.inv(precision))

    @cached_property
    def _known(self) -> Floats:
        """Precision of the common factors before any rating is known, shape (k, k)."""
        known = np.eye(self.factor_model.loadings.shape[1])
        if (missingness := self.factor_model.missingness) is not None:
            known += np.outer(missingness.loadings, missingness.loadings) / missingness.unique
        return known

    def _relative_variance(self, covariance: Floats) -> Floats:
        loadings = self.factor_model.loadings
        explained = ((covariance @ loadings.T).swapaxes(1, 2) * loadings).sum(axis=2)
        return np.asarray(explained / self._communality)

    def weights(self, rated: NDArray[np.bool_], covariance: Floats) -> Floats:
        """Weights of the rated signals' z-scores in what is expected of each signal, shape (n, p, p)."""
        weights = (self.factor_model.loadings @ covariance @ self._weights.T) * rated[:, None, :]
        if not self.needs_monotone_clipping:
            return np.asarray(weights)
        free = self.directions == 0
        if free.any():  # estimated from each other alone
            others = rated & free
            own = (self.factor_model.loadings[free] @ self._posterior(others) @ self._weights.T) * others[:, None, :]
            weights[:, free] = own
        sign = np.outer(self.directions, self.directions)
        return np.where(sign > 0, np.maximum(weights, 0), np.where(sign < 0, np.minimum(weights, 0), weights))

    def share_out(self, ratio: Floats, estimate: FactorScores) -> Floats:
        """Divide what unrated signals add among the rated signals that they were estimated from.

        Parameters
        ----------
        ratio
            What each unrated signal adds for each standard unit that is expected of it, else 0; shape (n, p).
        estimate
            Of `Completion.estimate`.

        Returns
        -------
        array of shape (n, p)
            Sum over the unrated signals of ratio times weight times z-score.
        """
        if self.needs_monotone_clipping:
            weights = self.weights(estimate.rated, estimate.covariance)
            return np.asarray((ratio[:, None, :] @ weights)[:, 0] * estimate.z)
        common = np.einsum("nab,nb->na", estimate.covariance, ratio @ self.factor_model.loadings)
        return np.asarray(estimate.z * (common @ self._weights.T))

    def cells(self, values: Floats, estimate: FactorScores | None = None) -> Floats:
        """Spread values of shape (n, terms) over cells, what was not rated by its probabilities: shape (n, cells)."""
        estimate = estimate or self.estimate(values)
        return self.fill(self.grid.weights(values), values, estimate, estimate.expected)

    def position(self, expected: Floats) -> tuple[Ints, Floats]:
        """Find the points of `cell_probabilities` below an expectation, and the share of the way to the next."""
        position = np.clip((expected + REACH) * PER_UNIT, 0, POINTS - 1)
        lower = np.minimum(position.astype(np.int64), POINTS - 2)
        return lower, position - lower

    def fill(self, cells: Floats, values: Floats, estimate: FactorScores, expected: Floats) -> Floats:
        """Replace "not rated" in cell weights by the probabilities of the ratings, given what is expected."""
        signals = len(self.term)
        filled, inputs = cells[:, :signals].copy(), cells[:, signals:]
        at, of, cell = self._unrated_cells(estimate)
        lower, fraction = self.position(expected.take(of))
        lower = lower * signals + cell
        tables = self.cell_probabilities.reshape(2, -1)
        near, far = tables.take(lower, axis=1), tables.take(lower + signals, axis=1)
        known, unknown = near + fraction * (far - near)
        filled.reshape(-1)[at] = known + estimate.relative_variance.take(of) * (unknown - known)
        for term in range(self.signals, len(self.grid.n_knots)):
            part = slice(int(self.grid.offsets[term]) - signals, int(self.grid.offsets[term + 1]) - signals)
            missing = np.isnan(values[:, term])
            inputs[missing, part] = self._inputs[part]
        return np.concatenate([filled, inputs], axis=1)

    def probability_slopes(self, estimate: FactorScores) -> Floats:
        """Compute how probabilities of unrated signals rise from expectation 0, for each standard unit expected.

        It is the difference from those at expectation 0, divided by the expectation. Tables are linear between their
        points, and 0 is a point; so up to the next point it is computed as the slope, which is equal and keeps the
        digits that a quotient of two small differences loses. At expectation 0 it is the mean of both sides' slopes.

        Returns
        -------
        array of shape (n, cells)
            0 where a signal was rated, and for inputs.
        """
        signals, middle = len(self.term), REACH * PER_UNIT
        at, of, cell = self._unrated_cells(estimate)
        expected, tables = estimate.expected.take(of), self.cell_probabilities.reshape(2, -1)
        lower, fraction = self.position(expected)
        near, far, start = (tables.take(point * signals + cell, axis=1) for point in (lower, lower + 1, middle))
        before = tables.take((middle - 1) * signals + cell, axis=1)
        after = tables.take((middle + 1) * signals + cell, axis=1)
        still, beyond = np.abs(expected) < NEGLIGIBLE_EXPECTATION, (lower < middle - 1) | (lower > middle)
        slope = PER_UNIT * np.where(still, (after - before) / 2, far - near)
        whole = (near - start + fraction * (far - near)) / np.where(beyond, expected, 1.0)
        known, unknown = np.where(beyond, whole, slope)
        slopes = np.zeros((len(estimate.unrated), int(self.grid.offsets[-1])))
        row, cell = np.divmod(at, signals)
        slopes[row, cell] = known + estimate.relative_variance.take(of) * (unknown - known)
        return slopes

    def _unrated_cells(self, estimate: FactorScores) -> tuple[Ints, Ints, Ints]:
        """Find the cells of unrated signals: index among rows and cells, index among rows and signals, and the cell."""
        signals = len(self.term)
        at = np.flatnonzero(estimate.unrated[:, self.term])  # mostly few
        row, cell = np.divmod(at, signals)
        return at, row * self.signals + self.term[cell], cell


def is_tree(loadings: Floats) -> bool:
    """Whether loadings of shape (p, k) form a tree: one overall factor, one factor per family, and the ratings.

    Then the first factor and one other carry each signal, in the same proportion throughout a family, all without a
    minus; every estimate is then a weighted mean without negative weights.
    """
    if (loadings < 0).any():
        return False
    own = loadings[:, 1:] > 0
    if not own.shape[1]:
        return True
    if (own.sum(axis=1) != 1).any():
        return False
    for family in own.T:
        ratio = loadings[family, 0] / loadings[family, 1:].sum(axis=1)
        if len(ratio) and np.ptp(ratio) > 1e-9 * max(1.0, float(ratio.max())):
            return False
    return True
