"""Boosters: their tables equal the trees, have few signals each, and keep directions."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import EXAMPLES

from predictor.learning.boosting import FoldedRows, average, draw_cells, fit_fold, strongest_interactions, tables_of
from predictor.learning.decomposition import TablesByTerms
from predictor.model.tables import Grid

NONE = np.zeros(4, dtype=np.int64)
LARGE = [(0, 1, 3), (1, 2)]  # which terms larger trees may ask about together
SETS = [(2, None), (3, None), (3, LARGE)]


def _rows(seed: int, directions: Any = NONE, *, n: int = 300, fold_seed: int = 0) -> FoldedRows:
    """Ratings with gaps, some between knots; the third term is constant, and knot 6 is never rated."""
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 6, (n, 4)).astype(float)
    values[rng.random(values.shape) < 0.1] -= 0.5
    values[:, 2] = 2.0
    y = (values[:, 0] > values[:, 1]) ^ (values[:, 3] > 4) ^ (rng.random(n) < 0.1)
    values[:, [0, 1, 3]] = np.where(rng.random((n, 3)) < 0.1, np.nan, values[:, [0, 1, 3]])
    grid = Grid(np.ones(4), np.ones(4), np.full(4, 6))
    return FoldedRows(
        grid.weights(np.clip(values, 1, 5)), y.astype(float), grid, np.arange(n) % 5, directions, fold_seed
    )


def _everywhere(terms: TablesByTerms, grid: Grid) -> Any:
    """Return the sum of the tables at every combination of the four terms' cells."""
    total = np.zeros(np.diff(grid.offsets))
    for place, table in terms.items():
        total = total + table.reshape([size if term in place else 1 for term, size in enumerate(total.shape)])
    return total


@pytest.mark.parametrize(("order", "within"), SETS)
@pytest.mark.parametrize("directions", [NONE, np.array([1, 0, 0, -1])], ids=["free", "directed"])
def test_tables_equal_the_lightgbm_trees(order: int, within: Any, directions: Any) -> None:
    """At every combination of knots, also for "not rated" where it has a code; compared with LightGBM's prediction."""
    rows = _rows(0, directions)
    fit, grid = fit_fold(rows, 0, order, within), rows.grid
    numbers = np.split(fit.cell_codes.codes, grid.offsets[1:-1])
    known = [np.flatnonzero(number < np.inf) if not np.isnan(number[-1]) else np.arange(7) for number in numbers]
    codes = np.array(list(product(*(number[cell] for number, cell in zip(numbers, known, strict=True)))))
    steps = int(fit.losses.argmin()) + 1
    table = _everywhere(tables_of(fit, grid, steps), grid)
    trees = fit.booster.predict(codes, raw_score=True, num_iteration=steps)
    np.testing.assert_allclose(table[np.ix_(*known)].ravel(), trees, atol=1e-12)


@pytest.mark.parametrize(("order", "within"), SETS)
def test_no_tree_path_uses_more_signals_than_allowed(order: int, within: Any) -> None:
    rows = _rows(1)
    terms = tables_of(fit_fold(rows, 0, order, within), rows.grid, steps=60)
    allowed = within or list(combinations(range(4), order))
    assert max(map(len, terms)) == order, "otherwise nothing is tested"
    assert all(any(set(place) <= set(places) for places in allowed) for place in terms)
    assert not any(2 in place for place in terms), "a constant term says nothing"


@settings(max_examples=EXAMPLES or 15, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    directions=st.lists(st.sampled_from([-1, 0, 1]), min_size=4, max_size=4).map(np.array),
    trees=st.sampled_from(SETS),
)
def test_directions_hold_for_every_value_of_the_other_signals(seed: int, directions: Any, trees: Any) -> None:
    rows = _rows(seed, directions, n=150, fold_seed=seed)
    terms = tables_of(fit_fold(rows, 0, *trees), rows.grid, steps=40)
    total = _everywhere(terms, rows.grid)
    for term in np.flatnonzero(directions):
        rise = np.diff(np.moveaxis(total, term, 0)[:-1], axis=0) * directions[term]
        assert rise.min() >= -1e-12


def test_not_rated_is_the_mean_of_ratings_for_terms_with_a_direction() -> None:
    rows = _rows(2, np.array([1, 1, 0, 0]))
    fit = fit_fold(rows, 0, order=2)
    total, shares = _everywhere(tables_of(fit, rows.grid, steps=30), rows.grid), fit.cell_codes.shares
    np.testing.assert_allclose(total[6], np.tensordot(shares[:6], total[:6], axes=1), atol=1e-12)
    np.testing.assert_allclose(shares[:7].sum(), 1)
    assert not np.isclose(total[:, :, :, 6], np.tensordot(total[..., :6], shares[21:27], axes=1)).all()


def test_cells_are_drawn_in_proportion_to_their_weights() -> None:
    grid = Grid(np.ones(2), np.ones(2), np.array([3, 2]))
    weights = np.array([0.2, 0.0, 0.5, 0.3, 0.0, 1.0, 0.0])
    drawn = draw_cells(np.tile(weights, (20_000, 1)), grid, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn[:, 0]) / 20_000, weights[:4], atol=0.015)
    assert (drawn[:, 1] == 1).all()


def test_rows_without_information_give_the_base_rate() -> None:
    rows = _rows(3)
    y, fold = rows.y, rows.fold
    for value in (2.0, np.nan):
        silent = replace(rows, cells=rows.grid.weights(np.full((300, 4), value)))
        found = average(silent, [fit_fold(silent, k, order=2) for k in range(5)])
        base = [np.log(y[fold != k].mean() / (1 - y[fold != k].mean())) for k in range(5)]
        np.testing.assert_allclose(found.out_of_fold, np.array(base)[fold], atol=1e-6)
        assert strongest_interactions(silent, found.tables, 2) == []


def test_interacting_terms_are_ranked_first() -> None:
    rows = _rows(4, n=1000)
    fits = [fit_fold(rows, k, order=2) for k in range(3)]
    assert set(strongest_interactions(rows, average(rows, fits).tables, 2)[:3]) == {(0, 1), (0, 3), (1, 3)}
