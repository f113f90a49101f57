"""Sums of tables: the fast evaluation equals the definition."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.learning import decomposition
from predictor.learning.decomposition import evaluate
from predictor.model.tables import Grid


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), order=st.integers(0, 4), few=st.booleans())
def test_evaluate_equals_the_expectation_over_independent_cells(seed: int, order: int, few: bool) -> None:
    """Each table times the product of its terms' cell weights, summed."""
    rng = np.random.default_rng(seed)
    grid = Grid(np.ones(5), np.ones(5), rng.integers(2, 6, 5))
    spans = [slice(*grid.offsets[term : term + 2]) for term in range(5)]
    cells = np.column_stack([rng.dirichlet(np.full(levels + 1, 0.3), size=7) for levels in grid.n_knots])
    places = [place for size in range(order + 1) for place in combinations(range(5), size)]
    kept = [place for place in places if not few or rng.random() < 0.3]
    terms = {place: rng.normal(size=[grid.n_knots[term] + 1 for term in place]) for place in kept}
    expected = np.zeros(7)
    for place, table in terms.items():
        for row in range(7):
            weighted = table
            for term in place:
                weighted = np.tensordot(cells[row, spans[term]], weighted, axes=1)
            expected[row] += weighted
    np.testing.assert_allclose(evaluate(terms, cells, grid), expected, atol=1e-12)


def test_many_rows_evaluated_in_slices_equal_one_evaluation() -> None:
    grid = Grid(np.ones(2), np.ones(2), np.array([3, 4]))
    values = np.random.default_rng(0).uniform(1, 4, (decomposition.ROWS_AT_ONCE + 5, 2))
    table = np.arange(20.0).reshape(4, 5)
    whole = evaluate({(0, 1): table}, grid.weights(values), grid)
    last = evaluate({(0, 1): table}, grid.weights(values[-9:]), grid)
    np.testing.assert_allclose(whole[-9:], last, atol=1e-12)
