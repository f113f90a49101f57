"""Predictions from partial ratings: log-odds from the tables; a signal that was not rated adds its expected value.

    log-odds = shrinkage * (intercept + sum of the tables, in expectation) + gaps

and where a model has tables in which "not rated" is a category of its own, a weight times that plus those: `masked.py`.

The expectation of the probability is wanted, not that of the log-odds: `shrinkage`, below one, draws the log-odds
towards zero by the variance v of what was not rated (MacKay 1992, Neural Computation 4:720-736):
1 / sqrt(1 + pi v / 8). It depends on which signals were rated, never on how.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor.model.factors import Completion, FactorScores
from predictor.model.gaps import Gaps
from predictor.model.masked import MaskedTables
from predictor.model.tables import Floats, Grid, Ints, Joint
from predictor.model.tiles import TILE, tiles


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """How log-odds could differ with other data: vectors of the intercept and of each cell, and each cell's variance.

    Shapes (r,), (cells, r) and (cells,).
    """

    intercept_vector: Floats
    vectors: Floats
    variances: Floats


@dataclass(frozen=True, eq=False)
class Reasons:
    """What adds up to the log-odds of n rows.

    Attributes
    ----------
    baseline
        Shape (n,).
    own
        What each term adds by itself; a signal that was not rated, by having been left out; shape (n, terms).
    implied
        What each rated signal implies about those that were not rated, in log-odds, shape (n, terms).
    """

    baseline: Floats
    own: Floats
    implied: Floats


class RowReasons(NamedTuple):
    """What adds up to the log-odds of one row, as `Reasons`, and their standard deviation."""

    baseline: float
    own: list[float]
    implied: list[float]
    deviation: float


@dataclass(frozen=True, eq=False)
class TablesGivenInputs:
    """The tables of the signals, given the inputs (who rated).

    Attributes
    ----------
    added
        What each cell of the signals adds: first to the signal, then to each input, shape (cells + 1, 1 + inputs);
        the last row is 0.
    expected
        The same in expectation, given the expectation of a signal: for known and unknown common factors, shape
        (2, points, p, 1 + inputs).
    inputs
        What each input adds by itself, shape (inputs,).
    slopes, rest
        Least-squares line through each signal's table, in its standard units: slope, and residual variance, shape (p,).
    """

    added: Floats
    expected: Floats
    inputs: Floats
    slopes: Floats
    rest: Floats


class PartialTables:
    """Tables of a model, for rows in which not everything was rated.

    Parameters
    ----------
    grid
        The grid on which the tables are defined.
    completion
        What is expected of signals that were not rated.
    intercept
        Log-odds at which the tables are centred.
    main
        Main tables over all cells, shape (cells,).
    joint
        Tables of pairs and triples.
    gaps
        What leaving signals unrated adds by itself.
    uncertainty
        For intervals; None where they are not asked for.
    masked
        Further tables, with a cell for "not rated", if there are any.
    """

    def __init__(
        self,
        grid: Grid,
        completion: Completion,
        intercept: float,
        main: Floats,
        joint: Joint,
        gaps: Gaps,
        uncertainty: Uncertainty | None = None,
        masked: MaskedTables | None = None,
    ) -> None:
        self.grid, self.completion, self.intercept, self.main, self.gaps = grid, completion, intercept, main, gaps
        self.uncertainty, self.masked = uncertainty, masked
        self.p = completion.signals
        self._starts = grid.offsets[:-1]
        pairs = [(terms, table) for terms, table in joint if len(terms) == 2]
        self._each_pair = pairs
        self._triples = [(terms, table) for terms, table in joint if len(terms) == 3]
        self._first, self._second, self._pairs = _matrix(grid, pairs)
        self._given_inputs: dict[bytes, TablesGivenInputs] = {}

    # -- what the tables add ---------------------------------------------------------------------------------------

    def contributions(self, cells: Floats) -> Floats:
        """Compute what each term adds at cell weights of shape (n, cells), with its part of pairs and triples."""
        added = cells * self.main
        if self._pairs.size:
            first, second = cells[:, self._first], cells[:, self._second]
            across = first @ self._pairs
            added[:, self._first] += 0.5 * first * (second @ self._pairs.T)
            added[:, self._second] += 0.5 * second * across
        total = np.add.reduceat(added, self._starts, axis=1)
        for terms, value in self._each_triple(cells):
            total[:, terms] += value[:, None] / 3
        return np.asarray(total)

    def total(self, cells: Floats) -> Floats:
        """Compute the sum of all tables at cell weights of shape (n, cells), shape (n,)."""
        total = cells @ self.main
        if self._pairs.size:
            total += ((cells[:, self._first] @ self._pairs) * cells[:, self._second]).sum(axis=1)
        for _, value in self._each_triple(cells):
            total += value
        return np.asarray(total)

    def _each_triple(self, cells: Floats) -> list[tuple[list[int], Floats]]:
        offsets, values = self.grid.offsets, []
        for terms, table in self._triples:
            a, b, c = (cells[:, offsets[term] : offsets[term + 1]] for term in terms)
            values.append((list(terms), _product(table, a, b, c)))
        return values

    def pairs(self, values: Floats) -> Floats:
        """Compute what each pair adds to the log-odds, masked tables aside: shape (n, terms) to shape (n, pairs)."""
        estimate, offsets = self.completion.estimate(values), self.grid.offsets
        cells = self.completion.cells(values, estimate)
        added = np.zeros((len(values), len(self._each_pair)))
        for index, ((first, second), table) in enumerate(self._each_pair):
            along, across = (cells[:, offsets[term] : offsets[term + 1]] for term in (first, second))
            added[:, index] = ((along @ table) * across).sum(axis=1)
        share = self.masked.weight_of_other_tables if self.masked else 1.0
        return share * self.shrinkage(values, estimate)[:, None] * added

    # -- predictions ---------------------------------------------------------------------------------------------------

    def many(self, values: Floats, interval: bool = False) -> tuple[Floats, Floats]:
        """Compute log-odds, and for an interval their standard deviation (else zeros), each of shape (n,).

        Parameters
        ----------
        values
            Ratings and coded inputs on their scales, something rated in each row, shape (n, terms).
        """
        log_odds, deviation = np.empty(len(values)), np.zeros(len(values))
        for part, tile in tiles(values):
            n, estimate = part.stop - part.start, self.completion.estimate(tile)
            shrinkage = self.shrinkage(tile, estimate)
            added = np.zeros(TILE)
            if not self.masked or self.masked.weight_of_other_tables:  # with weight 0 it would only take time
                gaps = self.gaps.total(estimate.unrated.mean(axis=1))
                added = shrinkage * (self.intercept + self.total(self.completion.cells(tile, estimate))) + gaps
            if self.masked:
                added = self.masked.weight_of_other_tables * added + self.masked.total(tile)
            log_odds[part] = added[:n]
            if interval:
                deviation[part] = (shrinkage * self._deviation(tile, estimate))[:n]
        return log_odds, deviation

    def reasons(self, values: Floats, estimate: FactorScores | None = None) -> Reasons:
        """Compute what adds up to the log-odds, from `estimate` where the others were estimated already.

        A rated signal's own part is its table and its share of its pairs, these with the expected value of a signal
        that was not rated. What a
        signal that was not rated adds is divided in two steps: what it would add if nothing were rated belongs to
        the baseline; how far the rated signals move it from there belongs to them, by their weights in its estimate.
        """
        p, estimate = self.p, estimate or self.completion.estimate(values)
        cells = self.completion.cells(values, estimate)
        added = self.contributions(cells)
        given = ~np.isnan(values)
        own, implied = np.where(given, added, 0.0), np.zeros_like(added)
        baseline = self.intercept + np.where(given, 0.0, added).sum(axis=1)
        ratio = self._log_odds_per_unit(cells, estimate)
        implied[:, :p] = self.completion.share_out(ratio, estimate)
        by_gaps = ratio * estimate.by_gaps
        baseline -= implied.sum(axis=1) + by_gaps.sum(axis=1)
        shrinkage = self.shrinkage(values, estimate)[:, None]
        own[:, :p] += by_gaps
        own *= shrinkage
        share = estimate.unrated.mean(axis=1, keepdims=True)
        own[:, :p] += np.where(estimate.unrated, self.gaps.added(share) / np.maximum(share * p, 1), 0.0)
        baseline = shrinkage[:, 0] * baseline + self.gaps.offset(share[:, 0])
        reasons = Reasons(baseline, own, shrinkage * implied)
        return self._with_masked(reasons, values, self.masked) if self.masked else reasons

    def _log_odds_per_unit(self, cells: Floats, estimate: FactorScores) -> Floats:
        """Compute what unrated signals add per standard unit expected of them, from expectation 0; shape (n, p).

        If several signals of one table are unrated, each gets its Aumann-Shapley share: the mean of its partial effect
        along the straight path from 0 (Values of Non-Atomic Games, 1974); of a product, the change of the one times the
        mean of the other. So what a signal adds goes to 0 with what is expected of it, and the ratio stays finite.
        """
        slopes, offsets, signals = (
            self.completion.probability_slopes(estimate),
            self.grid.offsets,
            len(self.completion.term),
        )
        unrated, moved = estimate.unrated, slopes.copy()
        moved[:, :signals] *= estimate.expected[:, self.completion.term]
        mean, added = cells - moved / 2, slopes * self.main
        if self._pairs.size:
            halves = 0.5 * mean  # what is rated keeps its half
            halves[:, :signals] *= 1 + unrated[:, self.completion.term]
            added[:, self._first] += slopes[:, self._first] * (halves[:, self._second] @ self._pairs.T)
            added[:, self._second] += slopes[:, self._second] * (halves[:, self._first] @ self._pairs)
        total = np.add.reduceat(added, self._starts, axis=1)[:, : self.p]
        for terms, table in self._triples:
            parts = [slice(offsets[term], offsets[term + 1]) for term in terms]
            moving = np.sum([unrated[:, term] for term in terms if term < self.p], axis=0) / 3
            for index, term in enumerate(terms):
                if term < self.p:
                    others = [part for part in parts if part is not parts[index]]
                    turned = np.moveaxis(table, index, 0)
                    means, moves = ([part[:, other] for other in others] for part in (mean, moved))
                    along = _product(turned, slopes[:, parts[index]], *means)
                    # the mean of (t - 1/2)^2 over a path t in 0..1 is 1/12: the product of two moving factors
                    along += _product(turned, slopes[:, parts[index]], *moves) / 12
                    total[:, term] += moving * along
        return np.asarray(total)

    def _with_masked(self, reasons: Reasons, values: Floats, masked: MaskedTables) -> Reasons:
        """Add what masked tables add; `implied` is then the total minus the value of the signal's own table."""
        p, (baseline, added) = self.p, masked.reasons(values)
        total = masked.weight_of_other_tables * (reasons.own + reasons.implied) + added
        own = np.where(np.isnan(values), total, reasons.own)
        own[:, p:] = total[:, p:]
        return Reasons(masked.weight_of_other_tables * reasons.baseline + baseline, own, total - own)

    def shrinkage(self, values: Floats, estimate: FactorScores) -> Floats:
        """Compute by how much log-odds are drawn towards zero for what was not rated, 0 to 1, shape (n,)."""
        slopes, rest = self._sensitivity(values)
        slopes = np.where(estimate.unrated, slopes, 0.0)
        common = slopes @ self.completion.factor_model.loadings
        variance = np.einsum("na,nab,nb->n", common, estimate.covariance, common)
        variance += slopes**2 @ self.completion.factor_model.unique + np.where(estimate.unrated, rest, 0.0).sum(axis=1)
        return np.asarray(1 / np.sqrt(1 + np.pi / 8 * variance))

    def _deviation(self, values: Floats, estimate: FactorScores) -> Floats:
        """Standard deviation of the tables' sum; what was not rated counts as its table's line in standard units."""
        if self.uncertainty is None:
            raise ValueError("these tables were made without their uncertainty")
        cells = self.grid.weights(values)
        cells[:, : len(self.completion.term)] *= ~estimate.unrated[:, self.completion.term]
        line, mean, own = self.lines
        vector = self.uncertainty.intercept_vector + cells @ self.uncertainty.vectors
        vector += estimate.unrated @ mean + np.where(estimate.unrated, estimate.expected, 0.0) @ line
        variance = (vector**2).sum(axis=1) + cells @ self.uncertainty.variances + estimate.unrated @ own
        return np.asarray(np.sqrt(variance))

    def one(self, values: Floats) -> RowReasons:
        """Compute baseline, own, implied and the standard deviation for one row, shape (1, terms)."""
        estimate = self.completion.estimate(values)
        reasons = self.reasons(values, estimate)
        deviation = self.shrinkage(values, estimate) * self._deviation(values, estimate)
        parts = float(reasons.baseline[0]), reasons.own[0].tolist(), reasons.implied[0].tolist()
        return RowReasons(*parts, float(deviation[0]))

    # -- what is precomputed, given the inputs -----------------------------------------------------------------------

    @cached_property
    def additive(self) -> bool:
        """Whether signals add up, given the inputs: no two of them share a table, of whatever kind."""
        return (
            not self.masked
            and not self._triples
            and not (self._of_signals[self._first].any() and self._of_signals[self._second].any())
        )

    def _sensitivity(self, values: Floats) -> tuple[Floats, Floats]:
        """Slope and residual variance of the line through each signal's table in its standard units, shape (n, p).

        Pairs with inputs count at the input's level: who rated may make a signal weigh more.
        """
        inputs = values[:, self.p :]
        if len(values) == 1:
            given = self.given(inputs)
            return given.slopes[None], given.rest[None]
        kinds, which = np.unique(np.nan_to_num(inputs, nan=-1.0), axis=0, return_inverse=True)
        each, which = [self.given(np.where(kind < 0, np.nan, kind)[None]) for kind in kinds], which.ravel()
        return np.array([given.slopes for given in each])[which], np.array([given.rest for given in each])[which]

    def given(self, inputs: Floats) -> TablesGivenInputs:
        """Return the tables for some inputs, coded, shape (1, inputs)."""
        key = np.nan_to_num(inputs, nan=-1.0).tobytes()
        if key not in self._given_inputs:
            self._given_inputs[key] = self._tables_given(inputs)
        return self._given_inputs[key]

    def _tables_given(self, inputs: Floats) -> TablesGivenInputs:
        """Add to each signal's table its pairs with these inputs, and fit a line through the sum."""
        grid, p, signals = self.grid, self.p, len(self.completion.term)
        values = np.concatenate([np.full((1, p), np.nan), inputs], axis=1)
        cells = self.completion.cells(values, self._nothing_rated)[0] * ~self._of_signals
        shared = np.zeros((signals + 1, inputs.shape[1]))  # what a cell of a signal and an input add together
        for of_input, term in enumerate(range(p, len(grid.n_knots))):
            inside = np.zeros_like(cells)
            span = slice(grid.offsets[term], grid.offsets[term + 1])
            inside[span] = cells[span]
            joint = np.zeros(len(cells))
            joint[self._first] += self._pairs @ inside[self._second]
            joint[self._second] += inside[self._first] @ self._pairs
            shared[:signals, of_input] = joint[:signals]
        spans = grid.offsets[p:-1]
        of_inputs = np.add.reduceat(cells * self.main, spans) if len(spans) else np.zeros(0)
        tables = self.main[:signals] + shared[:signals].sum(axis=1)
        added = np.column_stack([np.append(self.main[:signals], 0.0) + shared.sum(axis=1) / 2, shared / 2])
        slopes, rest = np.zeros(p), np.zeros(p)
        for j in range(p):
            inside, share, z, square = self._each_line[j]
            table = tables[inside] - share @ tables[inside]
            slopes[j] = share @ (table * z) / square
            rest[j] = max(0.0, float(share @ table**2 - slopes[j] ** 2 * square))
        weighed = self.completion.cell_probabilities[..., None] * added[:-1]
        return TablesGivenInputs(added, np.add.reduceat(weighed, self._starts[:p], axis=2), of_inputs, slopes, rest)

    @cached_property
    def _of_signals(self) -> NDArray[np.bool_]:
        return np.arange(int(self.grid.offsets[-1])) < len(self.completion.term)

    @cached_property
    def _nothing_rated(self) -> FactorScores:
        """What is expected where no signal was rated: the same whatever the inputs."""
        return self.completion.estimate(np.full((1, len(self.grid.n_knots)), np.nan))

    @cached_property
    def _each_line(self) -> list[tuple[slice, Floats, Floats, float]]:
        return [self._line(j) for j in range(self.p)]

    def _line(self, j: int) -> tuple[slice, Floats, Floats, float]:
        """Cells of a signal's levels, their shares, their standard units around their mean, and the mean square."""
        factors, start = self.completion.factor_model, int(self.grid.offsets[j])
        share = factors.shares[j]
        z = (np.arange(self.grid.n_knots[j]) - factors.mean[j]) / factors.sd[j]
        z = z - share @ z
        return slice(start, start + int(self.grid.n_knots[j])), share, z, float(share @ z**2) or 1.0

    @cached_property
    def lines(self) -> tuple[Floats, Floats, Floats]:
        """Lines through the uncertainty's tables: slopes and means, shape (p, r), and mean variances, shape (p,)."""
        assert self.uncertainty is not None
        lines, means, own = [], [], []
        for j in range(self.p):
            inside, share, z, square = self._each_line[j]
            vectors = self.uncertainty.vectors[inside]
            means.append(share @ vectors)
            lines.append((share * z) @ vectors / square)
            own.append(float(share @ self.uncertainty.variances[inside]))
        return np.array(lines), np.array(means), np.array(own)


def _product(table: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """Look up a table of three terms at cell weights of shape (n, cells of each), shape (n,)."""
    inner = (b @ table.transpose(1, 0, 2).reshape(b.shape[1], -1)).reshape(len(a), a.shape[1], -1)
    return np.asarray(np.einsum("na,nac,nc->n", a, inner, c))


def _matrix(grid: Grid, pairs: Joint) -> tuple[Ints, Ints, Floats]:
    """All tables of pairs as one: the cells along its sides, and their log-odds."""
    firsts, seconds = sorted({terms[0] for terms, _ in pairs}), sorted({terms[1] for terms, _ in pairs})

    def cells(terms: list[int]) -> Ints:
        parts = [np.arange(grid.offsets[term], grid.offsets[term + 1]) for term in terms]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    along, across = cells(firsts), cells(seconds)
    index = {int(cell): row for row, cell in enumerate(along)}, {int(cell): row for row, cell in enumerate(across)}
    matrix = np.zeros((len(along), len(across)))
    for (first, second), table in pairs:
        row, column = index[0][int(grid.offsets[first])], index[1][int(grid.offsets[second])]
        matrix[row : row + table.shape[0], column : column + table.shape[1]] += table
    return along, across, matrix
