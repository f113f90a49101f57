"""Look-ups equal a table read by hand: on and between knots, beyond the ends, and for "not observed"."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor import Catalogue, OfferClassifier
from predictor.errors import CatalogueError
from predictor.model.fused import TermBlocks
from predictor.model.tables import Grid, PairTables, Tables
from predictor.ratings.signals import Scale

GRID = Grid(
    low=np.array([1.0, 0.0, -3.0]),
    step=np.array([1.0, 0.1, 2.0]),
    n_knots=np.array([5, 11, 4]),
    has_not_applicable=np.array([1, 1, 0]),
)
RNG = np.random.default_rng(0)
MAIN = [RNG.normal(size=size) for size in GRID.sizes]
PAIRS = [((0, 1), RNG.normal(size=(7, 13))), ((2, 0), RNG.normal(size=(5, 7)))]
value = st.one_of(
    st.just(math.nan), st.floats(-5, 6), st.sampled_from([0.0, -0.1, 1.0, 3.0, 4.5, 5.0, 0.3, -3.0, -5.0])
)


def _cells(term: int, x: float) -> list[tuple[int, float]]:
    """Return the cells of a value with their weights, by the definition."""
    levels, apart = int(GRID.n_knots[term]), int(GRID.has_not_applicable[term])
    if math.isnan(x):
        return [(levels + apart, 1.0)]
    if apart and x == GRID.low[term] - GRID.step[term]:  # not applicable
        return [(levels, 1.0)]
    place = min(max((x - GRID.low[term]) / GRID.step[term], 0.0), levels - 1.0)
    below = min(int(place), levels - 2)
    return [(below, 1 - (place - below)), (below + 1, place - below)]


@given(st.lists(st.tuples(value, value, value), min_size=1, max_size=4))
def test_look_ups_equal_the_definition(rows: list[tuple[float, float, float]]) -> None:
    values = np.array(rows)
    location = GRID.locate(values)
    main, pairs, weights = (
        Tables(GRID, MAIN).look_up(location),
        PairTables(GRID, PAIRS).look_up(location),
        GRID.weights(values),
    )
    for i, row in enumerate(rows):
        cells = [_cells(term, x) for term, x in enumerate(row)]
        for term, table in enumerate(MAIN):
            expected = sum(weight * table[cell] for cell, weight in cells[term])
            np.testing.assert_allclose(main[i, term], expected, atol=1e-12)
            inside = slice(GRID.offsets[term], GRID.offsets[term + 1])
            np.testing.assert_allclose(weights[i, inside] @ table, expected, atol=1e-12)
        for number, ((first, second), table) in enumerate(PAIRS):
            expected = sum(u * v * table[a, b] for a, u in cells[first] for b, v in cells[second])
            np.testing.assert_allclose(pairs[i, number], expected, atol=1e-12)


@given(st.lists(st.tuples(value, value, value), min_size=1, max_size=4))
def test_fused_tables_equal_single_look_ups(rows: list[tuple[float, float, float]]) -> None:
    """Codes of many rows, cells of one row and weights agree, on the knots and half way between."""
    values, blocks = GRID.clip(np.array(rows)), TermBlocks(GRID)
    coded = blocks.code(list(values.T))
    np.testing.assert_allclose(blocks.all_values(coded), values, rtol=0, atol=1e-13)
    at = np.array(coded.codes).T + np.cumsum([0, *blocks.counts[:-1]])
    expected = GRID.weights(values)
    for row in np.flatnonzero(~coded.off_grid):
        np.testing.assert_allclose(blocks.half_knot_weights[at[row]].sum(axis=0), expected[row], atol=1e-12)
    for row, weights in zip(values.tolist(), expected, strict=True):
        if (cells := GRID.cells(row)) is not None:
            assert weights[GRID.offsets[:-1] + cells].tolist() == pytest.approx([1.0] * 3)


def test_knots_follow_the_distribution_of_skewed_values() -> None:
    """A column of many small and a few huge numbers: all look-ups agree, and the model improves with such knots."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.exp(rng.normal(2.6, 1.2, 900)), rng.integers(1, 6, 900)])
    y = (rng.random(900) < 1 / (1 + np.exp(2.6 - np.log(X[:, 0])))).astype(int)
    model = OfferClassifier().fit(X[:600], y[:600]).model_
    low, high = map(np.array, model.catalogue.ends)
    knots = model.catalogue.signals[0].scale.knots
    assert knots[5] < high[0] / 10 and not model.catalogue.signals[1].scale.uneven
    grid = Grid.of(model.catalogue)
    values = np.clip(X[600:], low, high)
    np.testing.assert_allclose(grid.at(grid.positions(values)[:, 0], 0), values[:, 0])
    values[rng.random(values.shape) < 0.3] = np.nan
    many = model.predict_many(pd.DataFrame(values, columns=list(model.signals)))
    for row, answer in zip(values, many["offer_probability"], strict=True):
        rated = {name: float(value) for name, value in zip(model.signals, row, strict=True) if value == value}
        assert model.predict(rated).offer_probability == pytest.approx(answer, abs=1e-12)
    scale = Scale(low[0], high[0], (high[0] - low[0]) / 10)
    even = replace(
        model.catalogue, signals=(replace(model.catalogue.signals[0], scale=scale), model.catalogue.signals[1])
    )
    losses = []
    for catalogue in (model.catalogue, even):
        log_odds = OfferClassifier(catalogue).fit(X[:600], y[:600]).model_.log_odds(X[600:])
        losses.append(np.logaddexp(0, (1 - 2 * y[600:]) * log_odds).mean())
    assert losses[0] < 0.98 * losses[1]
    again = Catalogue.from_dict(model.catalogue.to_dict())
    assert again == model.catalogue
    with pytest.raises(CatalogueError, match="each above the previous"):
        Scale(uneven=(1, 5, 3))
