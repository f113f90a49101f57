"""Look-ups: equal to a table read by hand, on the knots, between them, beyond the ends and where not observed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.fused import Blocks
from predictor.tables import Grid, PairTables, Tables

GRID = Grid(
    low=np.array([1.0, 0.0, -3.0]),
    step=np.array([1.0, 0.1, 2.0]),
    levels=np.array([5, 11, 4]),
    apart=np.array([1, 1, 0]),
)
RNG = np.random.default_rng(0)
MAIN = [RNG.normal(size=size) for size in GRID.sizes]
PAIRS = [(0, 1, RNG.normal(size=(7, 13))), (2, 0, RNG.normal(size=(5, 7)))]
value = st.one_of(
    st.just(math.nan), st.floats(-5, 6), st.sampled_from([0.0, -0.1, 1.0, 3.0, 4.5, 5.0, 0.3, -3.0, -5.0])
)


def _cells(term: int, x: float) -> list[tuple[int, float]]:
    """Cells of a value with their weights, by the definition."""
    levels, apart = int(GRID.levels[term]), int(GRID.apart[term])
    if math.isnan(x):
        return [(levels + apart, 1.0)]
    if apart and x == GRID.low[term] - GRID.step[term]:  # not applicable
        return [(levels, 1.0)]
    place = min(max((x - GRID.low[term]) / GRID.step[term], 0.0), levels - 1.0)
    below = min(int(place), levels - 2)
    return [(below, 1 - (place - below)), (below + 1, place - below)]


@given(st.lists(st.tuples(value, value, value), min_size=1, max_size=4))
def test_look_ups_follow_the_definition(rows: list[tuple[float, float, float]]) -> None:
    values = np.array(rows)
    place = GRID.place(values)
    main, pairs, weights = (
        Tables(GRID, MAIN).look_up(place),
        PairTables(GRID, PAIRS).look_up(place),
        GRID.weights(values),
    )
    for i, row in enumerate(rows):
        cells = [_cells(term, x) for term, x in enumerate(row)]
        for term, table in enumerate(MAIN):
            expected = sum(weight * table[cell] for cell, weight in cells[term])
            np.testing.assert_allclose(main[i, term], expected, atol=1e-12)
            inside = slice(GRID.offsets[term], GRID.offsets[term + 1])
            np.testing.assert_allclose(weights[i, inside] @ table, expected, atol=1e-12)
        for number, (first, second, table) in enumerate(PAIRS):
            expected = sum(u * v * table[a, b] for a, u in cells[first] for b, v in cells[second])
            np.testing.assert_allclose(pairs[i, number], expected, atol=1e-12)


@given(st.lists(st.tuples(value, value, value), min_size=1, max_size=4))
def test_fused_codes_mean_the_same(rows: list[tuple[float, float, float]]) -> None:
    """Codes of many rows, cells of one row and weights agree, wherever values stand on the knots or half way."""
    values, blocks = GRID.clip(np.array(rows)), Blocks(GRID)
    coded = blocks.code(list(values.T))
    np.testing.assert_allclose(blocks.all_values(coded), values, rtol=0, atol=1e-13)
    at = np.array(coded.codes).T + np.cumsum([0, *blocks.counts[:-1]])
    expected = GRID.weights(values)
    for row in np.flatnonzero(~coded.beside):
        np.testing.assert_allclose(blocks.halving[at[row]].sum(axis=0), expected[row], atol=1e-12)
    for row, weights in zip(values.tolist(), expected, strict=True):
        if (cells := GRID.cells(row)) is not None:
            assert weights[GRID.offsets[:-1] + cells].tolist() == pytest.approx([1.0] * 3)
