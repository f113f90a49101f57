"""Partial answers: the fast paths equal the definition in `partial.py`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import EXAMPLES

from predictor import Catalogue, OfferModel
from predictor.model.data import Pair, TypicalRange
from predictor.model.factors import FactorModel, Missingness
from predictor.model.gaps import Gaps
from predictor.model.partial import PartialTables
from predictor.model.tables import Floats, Grid
from predictor.model.tree import Tree

BETTER = {1: "higher", -1: "lower", 0: "either"}
ROLES = ["interviewer", "candidate", "observer"]


def made(
    families: list[int],
    inputs: int = 1,
    seed: int = 0,
    directed: bool = True,
    odd: bool = True,
    missingness: bool = False,
) -> OfferModel:
    """Return a model with these numbers of signals per family, random tables, and some unusual scales and codes."""
    rng, p = np.random.default_rng(seed), sum(families)
    family = np.repeat(np.arange(len(families)), families)
    direction = rng.choice([1, 1, -1], p) if directed else np.zeros(p, dtype=int)
    signals = [
        {"name": f"s{j}", "family": f"f{family[j]}", "better": BETTER[int(direction[j])]}
        | ({"scale": {"low": 0, "high": 1, "step": 0.1}} if odd and j % 5 == 1 else {})
        | ({"scale": {"knots": [0, 10, 20, 1000]}} if odd and j % 5 == 3 else {})
        | ({"not_applicable": [9999]} if odd and j % 3 == 0 else {})
        for j in range(p)
    ]
    catalogue = Catalogue.from_dict(
        {
            "name": "made",
            "columns": {"outcome": "offer", "context": []},
            "families": {f"f{number}": f"F{number}" for number in range(len(families))},
            "inputs": {f"i{number}": {"levels": ROLES[: 2 + number % 2]} for number in range(inputs)},
            "signals": signals,
        }
    )
    grid, rank = Grid.of(catalogue), 4
    scale, a = rng.uniform(0.3, 0.8, p) * np.where(direction < 0, -1, 1), rng.uniform(0.3, 0.95, len(families))
    loadings = np.zeros((p, 1 + len(families)))
    loadings[:, 0] = scale * a[family]
    loadings[np.arange(p), 1 + family] = scale * np.sqrt(1 - a[family] ** 2)
    if not directed:
        loadings += rng.normal(0, 0.1, loadings.shape)
    terms = [*catalogue.names, *(item.name for item in catalogue.inputs)]
    sizes = dict(zip(terms, grid.sizes.tolist(), strict=True))
    order = dict(zip(terms, [*direction.tolist(), *[0] * inputs], strict=True))
    tables = {}
    for name, size, levels in zip(terms, grid.sizes, grid.n_knots, strict=True):
        tables[name] = rng.normal(0, 0.3, size)
        if order[name]:
            tables[name][:levels] = np.sort(tables[name][:levels])[:: order[name]]
    with_inputs = [(name, item.name) for item in catalogue.inputs for name in catalogue.names[:: 2 - directed]]
    return OfferModel(
        name="made",
        catalogue=catalogue,
        base_rate=0.3,
        intercept=-0.7,
        tables=tables,
        pairs=tuple(
            Pair(first, second, np.tile(rng.normal(0, 0.1, sizes[second]), (sizes[first], 1)) if order[first] else
                 rng.normal(0, 0.1, (sizes[first], sizes[second])))
            for first, second in with_inputs
        ),
        triples=(),
        factor_model=FactorModel(
            rng.uniform(1, 3, p),
            rng.uniform(0.7, 1.3, p),
            loadings,
            rng.uniform(0.2, 0.7, p),
            tuple(rng.dirichlet(np.full(levels, 3.0)) for levels in grid.n_knots),
            Missingness(0.3, 0.2, 0.8, np.append(-0.4, np.zeros(len(families))), 0.8) if missingness else None,
        ),
        gaps=Gaps(slope=-0.4, mean=0.2, most=0.7),
        factors={"intercept": rng.normal(0, 0.1, rank)}
        | {name: rng.normal(0, 0.1, (size, rank)) for name, size in sizes.items()},
        variances={name: rng.uniform(0, 0.01, size) for name, size in sizes.items()},
        counts={name: np.full(size, 10.0) for name, size in sizes.items()},
        feature_importances=dict.fromkeys(terms, 0.1),
        typical_range=TypicalRange((0.1, 0.9), (0.0, 0.5)),
        trained_on={"source": "made", "digest": "0", "n": 100, "simulated": True},
    )  # fmt: skip


MODELS = {
    "several families": made([5, 3, 1, 4]),
    "one family": made([6], odd=False),
    "no input": made([2, 3], inputs=0),
    "two inputs": made([3, 2], inputs=2),
    "a large family": made([13, 2], odd=False),
    "gaps that say something": made([4, 2, 3], missingness=True),
    "no directions": made([4, 3], directed=False),
}


def rows(model: OfferModel, n: int, seed: int, beside: bool = True) -> Floats:
    """Draw rows with at least one rating: on knots, half way or elsewhere, not applicable, not rated."""
    rng, grid, p = np.random.default_rng(seed), Grid.of(model.catalogue), len(model.signals)
    steps = rng.integers(0, 2 * grid.n_knots - 1, (n, len(grid.n_knots))) / 2
    steps[:, p:] = rng.integers(0, grid.n_knots[p:], (n, len(grid.n_knots) - p))
    if beside:
        steps[:, :p] = np.where(rng.random((n, p)) < 0.2, rng.uniform(0, grid.n_knots[:p] - 1, (n, p)), steps[:, :p])
    values = np.column_stack([grid.at(steps[:, term], term) for term in range(len(grid.n_knots))])
    values = np.where(
        (rng.random(values.shape) < 0.1) & ~np.isnan(grid.not_applicable_values), grid.not_applicable_values, values
    )
    values[rng.random(values.shape) < rng.choice([0.05, 0.3, 0.8], (n, 1))] = np.nan
    first = rng.integers(0, p, n)
    kept = np.isnan(values[:, :p]).all(axis=1)
    values[kept, first[kept]] = grid.low[first[kept]]
    return np.asarray(values)


def test_the_test_models_cover_trees_and_no_trees() -> None:
    for name, model in MODELS.items():
        assert model.factor_model and model._evaluator.partial_tables and model._evaluator.partial_tables.additive
        assert (
            (Tree.of(model.factor_model) is None)
            == (model._evaluator._tree_columns is None)
            == (name == "no directions")
        )


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=EXAMPLES or 15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_one_partial_row_equals_the_definition(name: str, seed: int) -> None:
    model, tables = MODELS[name], MODELS[name]._evaluator.partial_tables
    assert tables and model._evaluator._single_row
    values = rows(model, 20, seed)
    p = len(model.signals)
    for row in values[np.isnan(values[:, :p]).any(axis=1)]:
        baseline, own, implied, deviation = model._evaluator._single_row.one(row.tolist())
        reasons = tables.reasons(row[None])
        log_odds, spread = tables.many(row[None], interval=True)
        assert baseline == pytest.approx(reasons.baseline[0], abs=1e-12)
        np.testing.assert_allclose([own, implied], [reasons.own[0], reasons.implied[0]], rtol=0, atol=1e-12)
        assert [baseline + sum(own) + sum(implied), deviation] == pytest.approx([log_odds[0], spread[0]], abs=1e-12)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=EXAMPLES or 15, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.sampled_from([1, 7, 1500]))
def test_many_partial_rows_equal_the_definition(name: str, seed: int, n: int) -> None:
    model, tables = MODELS[name], MODELS[name]._evaluator.partial_tables
    assert tables
    values = rows(model, n, seed)
    partial = np.isnan(values[:, : len(model.signals)]).any(axis=1)
    log_odds, deviation, _ = model._evaluator.many(model.blocks.code(list(values.T)), interval=True)
    expected = tables.many(values, interval=True)
    np.testing.assert_allclose(log_odds[partial], expected[0][partial], rtol=0, atol=1e-12)
    np.testing.assert_allclose(deviation[partial], expected[1][partial], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_a_partial_answer_does_not_depend_on_other_rows(name: str) -> None:
    model = MODELS[name]
    values = rows(model, 3000, 5, beside=False)
    log_odds, deviation, _ = model._evaluator.many(model.blocks.code(list(values.T)), interval=True)
    rng = np.random.default_rng(6)
    for some in (rng.permutation(3000), rng.choice(3000, 50, replace=False), *rng.integers(0, 3000, (5, 1))):
        again = model._evaluator.many(model.blocks.code(list(values[some].T)), interval=True)
        np.testing.assert_array_equal(again[0], log_odds[some])
        np.testing.assert_array_equal(again[1], deviation[some])


def partial_tables(model: OfferModel) -> PartialTables:
    tables = model.partial_tables
    assert tables is not None
    return tables


def cancelling(model: OfferModel, rated: dict[int, float], free: int, unrated: int, expected: float) -> Floats:
    """Return a row in which one signal has this expected value, in standard units, by choice of another's rating."""
    row = np.full((1, len(model.terms)), np.nan)
    row[0, list(rated)] = list(rated.values())
    completion, at = partial_tables(model).completion, []
    for value in (1.0, 2.0):
        row[0, free] = value
        at.append(float(completion.estimate(row).expected[0, unrated]))
    row[0, free] = 1 + (expected - at[0]) / (at[1] - at[0])
    assert abs(completion.estimate(row).expected[0, unrated] - expected) < 1e-14
    return row


def test_implied_contributions_keep_their_digits_when_ratings_cancel() -> None:
    """As a quotient of two small differences, a contribution would lose digits as its denominator nears zero."""
    model = MODELS["one family"]
    tables, single = partial_tables(model), model._evaluator._single_row
    assert single is not None
    implied = []
    for expected in (1e-2, 1e-9):
        row = cancelling(model, {0: 4.0}, free=1, unrated=2, expected=expected)
        implied += [tables.reasons(row).implied[0, 0], single.one(row[0].tolist())[2][0]]
    assert abs(implied[0]) > 1e-3
    np.testing.assert_allclose(implied, implied[0], rtol=1e-12)


def test_implied_contributions_are_finite_for_unrated_interactions() -> None:
    """A table of two unrated signals may contribute although the expected value of one of them is zero."""
    rng = np.random.default_rng(4)
    pair = Pair(
        "s0", "s3", rng.normal(0, 0.5, (len(MODELS["no input"].tables["s0"]), len(MODELS["no input"].tables["s3"])))
    )
    model = replace(MODELS["no input"], pairs=(pair,))
    tables = partial_tables(model)
    implied = []
    for expected in (1e-3, 1e-9):
        row = cancelling(model, {2: 5.0}, free=1, unrated=0, expected=expected)
        assert abs(tables.completion.estimate(row).expected[0, 3]) > 0.1
        reasons = tables.reasons(row)
        whole = reasons.baseline + reasons.own.sum(axis=1) + reasons.implied.sum(axis=1)
        np.testing.assert_allclose(whole, tables.many(row)[0], rtol=0, atol=1e-12)
        implied.append(reasons.implied[0])
    np.testing.assert_allclose(implied[1], implied[0], rtol=0, atol=1e-2)
