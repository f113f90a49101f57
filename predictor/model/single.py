"""Predict one row with missing ratings in plain Python, since numpy has more overhead for a single row.

It returns the numbers of `PartialTables.one` for models in which no two signals share a table: given the inputs (who
rated), each signal then has one table. What depends only on which signals were rated, and on the inputs, is kept in a
`_Pattern`: few patterns are frequent, such as one side's own signals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictor.model.factors import NEGLIGIBLE_EXPECTATION, PER_UNIT, POINTS, REACH
from predictor.model.partial import PartialTables, RowReasons, TablesGivenInputs
from predictor.model.tables import Floats

MOST_PATTERNS = 1000  # of some kilobytes each
_MIDDLE, _END, _UNIT = REACH * PER_UNIT, POINTS - 1, 1 / PER_UNIT


# Plain tuples, since unpacking a NamedTuple takes longer.
Rated = tuple[float, float, int]
"""Of one rating: what it adds by itself, the rating in standard units, and its row of the sums."""
Piece = tuple[float, float, float, float, list[tuple[int, float, float, float, float]]]
"""A signal's expected table between two points: (value, rise, unknown, unknown rise, inputs). Value and unknown are
relative to those where nothing was rated; unknown is added for unknown factors, times the relative variance. Inputs:
the number of each, and the same four of what the signal adds to it, not relative."""


@dataclass(frozen=True, eq=False)
class _InputState:
    """What is precomputed for one combination of the inputs' levels.

    Attributes
    ----------
    own
        What a signal adds by itself, by row of `sums`.
    by_rating
        For each signal what its frequent ratings add: those on the knots and half way between them.
    pieces
        For each signal its table in expectation.
    usual, unknown
        For each signal its table in expectation where nothing was rated: its value, and what unknown factors add.
    sums
        A row for each knot, point half way to the next and "not applicable" of each signal: what it adds to vector,
        variance and inputs, shape (rows, columns).
    start
        Where these sums start, shape (columns,).
    lines
        What signals that were not rated add to the sums for each standard unit expected of them, shape (p, columns).
    """

    own: list[float]
    by_rating: list[dict[float, Rated]]
    pieces: list[list[Piece]]
    usual: Floats
    unknown: Floats
    sums: Floats
    start: Floats
    lines: Floats


@dataclass(frozen=True, eq=False)
class _Pattern:
    """What is precomputed for one combination of the inputs' levels and of the signals that were rated.

    Attributes
    ----------
    rated
        Number of each signal with a rating or "not applicable", and its `by_rating`.
    unrated
        Table in expectation of each of the others, and the relative variance of its distribution.
    weights
        Of the ratings, in standard units, in what is expected of the others, shape (unrated, p).
    shares
        The weights times shrinkage.
    lines
        What they add to the sums for each standard unit that is expected of them, shape (unrated, columns).
    shrinkage, baseline
        As in `PartialTables`.
    by_gaps
        What is expected of them for having been left out, in standard units, shape (unrated,).
    gaps
        For each of them its number, what leaving it out adds by itself, and `by_gaps`; empty where all are 0.
    """

    rated: list[tuple[int, dict[float, Rated]]]
    unrated: list[tuple[list[Piece], float]]
    weights: Floats
    shares: Floats
    lines: Floats
    shrinkage: float
    baseline: float
    by_gaps: Floats
    gaps: list[tuple[int, float, float]]


class SingleRow:
    """Predicts one row at a time.

    Parameters
    ----------
    tables
        Of the model; `additive`, with their uncertainty.
    """

    def __init__(self, tables: PartialTables) -> None:
        self._tables, self._p, self._rank = tables, tables.p, len(tables.lines[0].T)
        grid, factors = tables.grid, tables.completion.factor_model
        self._low, self._half_step = grid.low.tolist(), (grid.step / 2).tolist()
        self._mean, self._sd = factors.mean.tolist(), factors.sd.tolist()
        self._not_applicable = [
            (j, value) for j, value in enumerate(grid.not_applicable_values[: self._p].tolist()) if value == value
        ]
        self._halves = (2 * grid.n_knots - 1).tolist()  # knots, and points half way between them
        self._first = np.cumsum([0, *(2 * grid.n_knots - 1 + grid.has_not_applicable)[: self._p]]).tolist()
        self._states: dict[tuple[float, ...], _InputState] = {}
        self._patterns: dict[tuple[tuple[float | int, ...], ...], _Pattern] = {}

    def one(self, row: Sequence[float]) -> RowReasons:
        """Compute what `PartialTables.one` computes, for signals and coded inputs, NaN where not observed."""
        p = self._p
        inputs = tuple([value if value == value else -1.0 for value in row[p:]])
        missing = tuple([j for j, value in enumerate(row[:p]) if value != value])
        not_applicable = tuple([j for j, value in self._not_applicable if row[j] == value])
        state = self._states.get(inputs) or self._make_state(inputs)
        pattern = self._patterns.get((inputs, missing, not_applicable))
        pattern = pattern or self._make_pattern(row, inputs, missing, not_applicable)
        # Own contributions of the rated signals, and what is expected of the others (`Completion.estimate`).
        own, units, indices, between = [0.0] * len(row), [0.0] * p, list[int](), list[tuple[int, float]]()
        for j, by_rating in pattern.rated:
            if rating := by_rating.get(row[j]):
                own[j], units[j], index = rating
                indices.append(index)
            else:
                own[j], units[j], index, beyond = self._locate(state, j, row[j])
                between += [(index, 1 - beyond), (index + 1, beyond)]
        z = np.array(units)
        expected = pattern.weights.dot(z) + pattern.by_gaps
        # What each unrated signal adds per standard unit expected of it (`PartialTables._log_odds_per_unit`).
        ratio, of_inputs = list[float](), [0.0] * len(inputs)
        for (pieces, spread), now in zip(pattern.unrated, expected.tolist(), strict=True):
            x = now * PER_UNIT + _MIDDLE
            if 0 <= x < _END:
                lower = int(x)
                x -= lower
            else:
                lower, x = (0, 0.0) if x < 0 else (_END - 1, 1.0)
            value, rise, unknown, unknown_rise, to_inputs = pieces[lower]
            for number, part, part_rise, part_unknown, part_unknown_rise in to_inputs:
                of_inputs[number] += part + x * part_rise + spread * (part_unknown + x * part_unknown_rise)
            if not -_UNIT < now < _UNIT:
                ratio.append((value + x * rise + spread * (unknown + x * unknown_rise)) / now)
            elif not -NEGLIGIBLE_EXPECTATION < now < NEGLIGIBLE_EXPECTATION:
                # the quotient's value, without its loss of digits: see Completion.probability_slopes
                ratio.append(PER_UNIT * (rise + spread * unknown_rise))
            else:
                (_, rise, _, unknown_rise, _), (_, other, _, other_unknown, _) = pieces[_MIDDLE - 1 : _MIDDLE + 1]
                ratio.append(PER_UNIT / 2 * (rise + other + spread * (unknown_rise + other_unknown)))
        # The sums of the interval and of the inputs (`PartialTables._deviation`).
        sums = state.start + np.add.reduce(state.sums.take(np.array(indices, dtype=np.intp), 0))
        sums = sums + expected.dot(pattern.lines)
        for index, weight in between:
            sums += weight * state.sums[index]
        vector = sums[: self._rank]
        variance, *shared = sums[self._rank :].tolist()
        shrinkage, baseline = pattern.shrinkage, pattern.baseline
        for number, value in enumerate(inputs):
            added = of_inputs[number] + shared[number]
            if value < 0:
                baseline += shrinkage * added
            else:
                own[p + number] = added
        own = [shrinkage * value for value in own]
        for (j, gap, by_gaps), share in zip(pattern.gaps, ratio, strict=False):
            own[j] = gap + shrinkage * share * by_gaps
        implied = (np.array(ratio).dot(pattern.shares) * z).tolist() + [0.0] * len(inputs)
        return RowReasons(baseline, own, implied, shrinkage * math.sqrt(vector.dot(vector) + variance))

    # -- what is precomputed ---------------------------------------------------------------------------------------

    def _make_state(self, inputs: tuple[float, ...]) -> _InputState:
        """Precompute what depends on the inputs only, coded, -1 where not given."""
        tables, grid, p = self._tables, self._tables.grid, self._p
        given = tables.given(np.array([[code if code >= 0 else np.nan for code in inputs]]))
        uncertainty, (_, means, variances) = tables.uncertainty, tables.lines
        assert uncertainty is not None
        vectors = np.column_stack([uncertainty.vectors, uncertainty.variances])
        start = np.append(uncertainty.intercept_vector, 0.0)
        for term, code in enumerate(inputs, p):
            start += vectors[int(grid.offsets[term] + (code if code >= 0 else grid.unrated[term]))]
        # All signals are unrated to start with; a rating then adds by how much its cell differs from that.
        unrated = np.column_stack([means, variances])
        start += unrated.sum(axis=0)
        vectors = vectors[: grid.offsets[p]] - unrated[tables.completion.term]
        cells = np.column_stack([vectors, given.added[:-1, 1:], given.added[:-1, :1]])
        indices = np.concatenate([self._on_halves(j, cells) for j in range(p)])
        near, far = given.expected
        state = _InputState(
            own=indices[:, -1].tolist(),
            by_rating=[{} for _ in range(p)],
            pieces=_pieces(given),
            usual=near[_MIDDLE, :, 0],
            unknown=(far - near)[_MIDDLE, :, 0],
            sums=np.ascontiguousarray(indices[:, :-1]),  # else each look-up copies it
            start=np.concatenate([start, given.inputs]),
            lines=np.pad(tables.lines[0], ((0, 0), (0, 1 + len(inputs)))),
        )
        for j, by_rating in enumerate(state.by_rating):
            knots = grid.knots(j)
            for value in [*knots.tolist(), *((knots[1:] + knots[:-1]) / 2).tolist()]:
                own, z, index, beyond = self._locate(state, j, value)
                by_rating[value] = own, z, index + round(beyond)
        for j, value in self._not_applicable:
            index = self._first[j + 1] - 1
            state.by_rating[j][value] = state.own[index], 0.0, index
        self._states[inputs] = state
        return state

    def _make_pattern(
        self, row: Sequence[float], inputs: tuple[float, ...], missing: tuple[int, ...], not_applicable: tuple[int, ...]
    ) -> _Pattern:
        """Precompute what rows have in common that rate the same signals, with the same ones not applicable."""
        tables, state, unrated = self._tables, self._states[inputs], list(missing)
        values = np.array([row])
        estimate = tables.completion.estimate(values)
        weights = tables.completion.weights(estimate.rated, estimate.covariance)[0, unrated]
        shrinkage, spread = float(tables.shrinkage(values, estimate)[0]), estimate.relative_variance[0, unrated]
        by_gaps = estimate.by_gaps[0, unrated]
        usual = state.usual[unrated] + spread * state.unknown[unrated]
        share = len(missing) / self._p
        gap = float(tables.gaps.added(share)) / len(missing)
        pattern = _Pattern(
            rated=[(j, by_rating) for j, by_rating in enumerate(state.by_rating) if j not in missing],
            unrated=list(zip([state.pieces[j] for j in missing], spread.tolist(), strict=True)),
            weights=weights,
            shares=shrinkage * weights,
            lines=state.lines.take(unrated, 0),
            shrinkage=shrinkage,
            baseline=shrinkage * (tables.intercept + float(usual.sum())) + float(tables.gaps.offset(share)),
            by_gaps=by_gaps,
            gaps=[(j, gap, by) for j, by in zip(missing, by_gaps.tolist(), strict=True)]
            if gap or by_gaps.any()
            else [],
        )
        if len(self._patterns) >= MOST_PATTERNS:
            self._patterns.clear()
        self._patterns[inputs, missing, not_applicable] = pattern
        return pattern

    def _on_halves(self, j: int, cells: Floats) -> Floats:
        """Rows of the cells of one signal, those half way between knots among them, then "not applicable"."""
        first, levels = int(self._tables.grid.offsets[j]), int(self._tables.grid.n_knots[j])
        knots = cells[first : first + levels]
        halves = np.repeat(knots, 2, axis=0)[:-1]
        halves[1::2] = (knots[1:] + knots[:-1]) / 2
        return np.concatenate([halves, cells[first + levels : first + int(self._tables.grid.unrated[j])]])

    def _locate(self, state: _InputState, j: int, value: float) -> tuple[float, float, int, float]:
        """Find what a rating adds by itself, the rating in standard units, its index, and how far it is to the next."""
        if j in self._tables.grid.uneven:
            knots = self._tables.grid.uneven[j]
            position = 2 * float(np.interp(value, knots, np.arange(len(knots))))
        else:
            position = min(max((value - self._low[j]) / self._half_step[j], 0.0), self._halves[j] - 1.0)
        lower = min(int(position), self._halves[j] - 2)
        index, beyond = self._first[j] + lower, position - lower
        own = state.own[index] + beyond * (state.own[index + 1] - state.own[index])
        return own, (position / 2 - self._mean[j]) / self._sd[j], index, beyond


def _pieces(given: TablesGivenInputs) -> list[list[Piece]]:
    """Cut tables in expectation into pieces, for each signal."""
    near, far = given.expected
    parts = np.array([near[:-1], np.diff(near, axis=0), (far - near)[:-1], np.diff(far - near, axis=0)])
    parts[::2, :, :, 0] -= np.array([near, far - near])[:, _MIDDLE, :, 0][:, None]
    return [
        [(*own, [(number, *piece) for number, piece in enumerate(others)]) for own, *others in signal]
        for signal in parts.transpose(2, 1, 3, 0).tolist()
    ]
