"""Tables in which "not rated" has values of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor import Catalogue, OfferClassifier, OfferModel
from predictor.errors import ModelError
from predictor.learning.decomposition import TablesByTerms, evaluate
from predictor.model.masked import MaskedTables
from predictor.model.tables import Floats, Grid

SHIPPED = Catalogue.shipped()


def apart(n: int, seed: int) -> tuple[Floats, Floats]:
    """Return signals related only through their distance from the middle, whose effects interact."""
    rng = np.random.default_rng(seed)
    X = rng.integers(1, 6, (n, 4)).astype(float)
    far = np.abs(X[:, 0] - 3)
    X[:, 1] = np.clip(np.round(1 + 2 * far + rng.normal(0, 0.3, n)), 1, 5)
    log_odds = 3 * np.where(X[:, 2] > 3, 1, -1) * (X[:, 1] - 3) / 2
    return X, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float)


@pytest.fixture(scope="module")
def model() -> OfferModel:
    signals = tuple(replace(signal, family="engagement", better="either") for signal in SHIPPED.signals[:4])
    catalogue = replace(SHIPPED, signals=signals, inputs=(), context=())
    return OfferClassifier(catalogue).fit(*apart(800, 0)).model_


def log_loss(model: OfferModel, X: Floats, y: Floats) -> float:
    return float(np.logaddexp(0, (1 - 2 * y) * model.log_odds(X)).mean())


def test_masked_tables_use_rated_signals_for_unrated_ones(model: OfferModel) -> None:
    """The first signal stands in for the second, although their relation is no straight line."""
    X, y = apart(4000, 1)
    masked = X.copy()
    masked[:, 1] = np.nan
    assert model.masked
    assert log_loss(model, masked, y) < log_loss(replace(model, masked=None), masked, y) - 0.05
    assert log_loss(model, X, y) == log_loss(replace(model, masked=None), X, y)  # full rows are answered as without


def test_masked_tables_are_saved_and_checked(model: OfferModel) -> None:
    X = apart(50, 2)[0]
    X[np.random.default_rng(0).random(X.shape) < 0.5] = np.nan
    data = json.loads(json.dumps({**model.to_dict(), "fingerprint": model.fingerprint}))
    assert (OfferModel.from_dict(data).log_odds(X) == model.log_odds(X)).all()
    assert model.masked
    damaged = replace(model, masked=replace(model.masked, tables={**model.masked.tables, model.signals[0]: np.ones(3)}))
    with pytest.raises(ModelError, match=f"numbers of {model.signals[0]}"):
        OfferModel.from_dict({**damaged.to_dict(), "fingerprint": damaged.fingerprint})


@given(seed=st.integers(0, 10**6), order=st.integers(1, 3))
def test_masked_contributions_add_up_to_the_log_odds(seed: int, order: int) -> None:
    rng = np.random.default_rng(seed)
    grid = Grid(np.ones(4), np.ones(4), np.array([5, 2, 3, 4]), np.array([0, 1, 0, 0]))
    terms: TablesByTerms = {(): np.array(0.3)} | {(j,): rng.normal(size=size) for j, size in enumerate(grid.sizes)}
    for place in (place for size in range(2, order + 1) for place in combinations(range(4), size)):
        terms[place] = rng.normal(size=grid.sizes[list(place)])
    joint = [(place, table) for place, table in terms.items() if len(place) > 1]
    tables = MaskedTables(grid, 1.0, 0.3, [terms[(j,)] for j in range(4)], joint)
    values = rng.uniform(1, grid.n_knots, (30, 4))
    values[:, 1] = rng.choice([0.0, 1.0, 1.5, 2.0], 30)  # 0 is "not applicable"
    values[rng.random(values.shape) < 0.4] = np.nan
    wanted: Any = pytest.approx(evaluate(terms, grid.weights(values), grid), abs=1e-12)
    baseline, added = tables.reasons(values)
    assert tables.total(values) == wanted
    assert baseline + added.sum(axis=1) == wanted
    assert not added[np.isnan(values)].any()
