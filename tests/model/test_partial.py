"""Answers from part of the ratings: exact, and never lowered by a better rating."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import EXAMPLES

from predictor import Catalogue, OfferClassifier, OfferModel, simulate_interviews
from predictor.learning.factors import fit_factors
from predictor.model.factors import Completion, FactorModel, Missingness
from predictor.model.gaps import Gaps
from predictor.model.tables import Floats, Grid

SHIPPED = Catalogue.shipped()
OWN = [signal.name for signal in SHIPPED.signals if signal.side == "candidate"]
P = len(SHIPPED.signals)


def fitted(X: Floats, y: Floats, catalogue: Catalogue = SHIPPED) -> OfferModel:
    return OfferClassifier(catalogue).fit(X, y).model_


def log_loss(model: OfferModel, X: Floats, y: Floats) -> float:
    return float(np.logaddexp(0, (1 - 2 * y) * model.log_odds(X)).mean())


@pytest.fixture(scope="module")
def training_rows() -> tuple[Floats, Floats]:
    known = simulate_interviews(1200, seed=11).labelled()
    return known.features.to_numpy()[:1000], known.y[:1000]


@pytest.fixture(scope="module")
def new_rows() -> tuple[Floats, Floats]:
    known = simulate_interviews(5000, seed=4321).labelled()
    return known.features.to_numpy(), known.y


@pytest.fixture(scope="module")
def simulated_model(training_rows: tuple[Floats, Floats]) -> OfferModel:
    return fitted(*training_rows)


@pytest.fixture(scope="module")
def boosted_model() -> OfferModel:
    """A model whose boosters have weight: interacting signals, all with "higher is better", on unusual scales."""
    rng = np.random.default_rng(0)
    X = rng.integers(1, 6, (700, 5)).astype(float)
    together = 2.0 * ((X[:, 0] > 3) & (X[:, 1] > 2)) + 2.0 * ((X[:, 2] > 2) & (X[:, 3] < 4)) + X[:, 4] / 4
    y = (rng.random(700) < 1 / (1 + np.exp(3 - together))).astype(float)
    better = ("higher", "higher", "higher", "lower", "either")
    signals = tuple(
        replace(signal, name=f"s{j}", family="engagement", better=word)
        for j, (signal, word) in enumerate(zip(SHIPPED.signals, better, strict=False))
    )
    X[rng.random(X.shape) < 0.1] = np.nan
    model = fitted(X, y, replace(SHIPPED, signals=signals, inputs=(), context=()))
    assert any({pair.first, pair.second} <= set(model.signals) for pair in model.pairs), "boosters must take part"
    assert model.masked, "those that learned from masked rows, too"
    return model


@pytest.mark.parametrize("name", ["prior", "simulated"])
def test_better_own_ratings_alone_raise_the_likelihood(name: str, simulated_model: OfferModel) -> None:
    model = OfferModel.published() if name == "prior" else simulated_model
    answers = [
        model.predict({"rater_role": "candidate", **dict.fromkeys(OWN, rating)}).offer_probability
        for rating in range(1, 6)
    ]
    assert answers == sorted(answers)
    assert answers[-1] - answers[0] > 0.4


@pytest.mark.parametrize("name", ["prior", "simulated", "boosted"])
@given(data=st.data())
@settings(max_examples=EXAMPLES or 100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_better_rating_never_lowers_the_likelihood(
    name: str, simulated_model: OfferModel, boosted_model: OfferModel, data: st.DataObject
) -> None:
    """For any other ratings and any rater role."""
    model = {"prior": OfferModel.published(), "simulated": simulated_model, "boosted": boosted_model}[name]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    p, directions = len(model.signals), np.array(model.catalogue.directions)
    values = rng.uniform(1, 5, (40, p))
    values = np.where(rng.random(values.shape) < 0.5, np.round(values), values)
    values[rng.random(values.shape) < rng.random((40, 1))] = np.nan
    roles = [rng.choice([np.nan, *range(len(item.levels))], (40, 1)) for item in model.catalogue.inputs]
    before = np.column_stack([values, *roles])
    signal = rng.choice(np.flatnonzero(directions), 40)
    better, at = before.copy(), np.arange(40)
    step = directions[signal] * rng.choice([0.5, 0.25, 1, 2, 4], 40)
    better[at, signal] = np.clip(before[at, signal] + step, 1, 5)
    change = np.diff([1 / (1 + np.exp(-model.log_odds(each))) for each in (before, better)], axis=0)
    rated = ~np.isnan(before[at, signal])
    assert change[0, rated].min(initial=0) >= -1e-12


@pytest.mark.parametrize("name", ["prior", "simulated", "boosted"])
def test_baseline_and_contributions_add_up_for_partial_ratings(
    name: str, simulated_model: OfferModel, boosted_model: OfferModel
) -> None:
    model = {"prior": OfferModel.published(), "simulated": simulated_model, "boosted": boosted_model}[name]
    rng = np.random.default_rng(1)
    for _ in range(100):
        some = rng.random(len(model.signals)) < rng.random()
        ratings = {signal: float(rng.integers(2, 11)) / 2 for signal, on in zip(model.signals, some, strict=True) if on}
        answer = model.predict(ratings)
        parts = [item.log_odds for item in answer.contributions]
        assert answer.baseline + sum(parts) == pytest.approx(answer.log_odds, abs=1e-12)
        unrated = [item.log_odds for item in answer.contributions if item.rating is None]
        assert any(model.gaps_note()) or not any(unrated)  # leaving signals out may be informative by itself
        assert all(item.implied == 0 for item in answer.contributions if item.rating is None)
        many = model.predict_many(model_rows(model, ratings))
        assert many["offer_probability"][0] == pytest.approx(answer.offer_probability, abs=1e-12)
        assert many["interval_low"][0] == pytest.approx(answer.interval.low, abs=1e-12)


def model_rows(model: OfferModel, ratings: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame([{name: ratings.get(name, np.nan) for name in model.signals}])


def test_no_rating_gives_exactly_the_base_rate(simulated_model: OfferModel) -> None:
    for model in (simulated_model, OfferModel.published()):
        for ratings in ({}, {"rater_role": "candidate"}):
            assert model.predict(ratings).offer_probability == model.base_rate
            assert model.predict(ratings, base_rate=0.3).offer_probability == 0.3
        assert model.predict_many(model_rows(model, {}))["offer_probability"][0] == model.base_rate


def test_partial_answers_match_a_model_of_just_these_signals(
    training_rows: tuple[Floats, Floats], new_rows: tuple[Floats, Floats], simulated_model: OfferModel
) -> None:
    (X, y), (T, t) = training_rows, new_rows
    for side in ("candidate", "interviewer"):
        left_out = [signal.name for signal in SHIPPED.signals if signal.side != side]
        kept = [*(j for j, signal in enumerate(SHIPPED.signals) if signal.side == side), P]
        masked = T.copy()
        masked[:, [j for j in range(P) if j not in kept]] = np.nan
        refit = fitted(X[:, kept], y, SHIPPED.without(left_out))
        assert log_loss(simulated_model, masked, t) < 1.005 * log_loss(refit, T[:, kept], t)


def test_training_with_two_thirds_missing_costs_little_log_loss(
    training_rows: tuple[Floats, Floats], new_rows: tuple[Floats, Floats], simulated_model: OfferModel
) -> None:
    X, y = training_rows
    rng = np.random.default_rng(0)
    order = np.argsort(np.argsort(rng.random((len(X), P)), axis=1), axis=1)
    thin = X.copy()
    thin[:, :P][order >= P // 3] = np.nan
    model = fitted(thin, y)
    assert log_loss(model, *new_rows) < 1.03 * log_loss(simulated_model, *new_rows)
    assert model.gaps.slope == 0 and model.factor_model and model.factor_model.missingness is None


def test_informative_missingness_is_learned(training_rows: tuple[Floats, Floats]) -> None:
    X, y = training_rows
    rng = np.random.default_rng(0)
    mean = np.nanmean(X[:, :P], axis=1, keepdims=True)
    thin = X.copy()
    thin[:, :P][rng.random((len(X), P)) < 1 / (1 + np.exp(3 * (mean - 3)))] = np.nan
    model = fitted(thin, y)
    assert model.factor_model and model.factor_model.missingness and model.factor_model.missingness.loadings[0] < -0.3
    answer = model.predict(dict.fromkeys(model.signals[:3], 3))
    assert sum(item.log_odds for item in answer.contributions if item.rating is None) < -0.1


def test_far_more_gaps_than_in_training_change_no_answer(simulated_model: OfferModel) -> None:
    """A short form is no sign of a bad interview, even if the few gaps in long ones were."""
    known = simulated_model.factor_model
    assert known
    k = known.loadings.shape[1]
    missingness = Missingness(mean=0.05, sd=0.05, most=0.2, loadings=np.append(-0.5, np.zeros(k - 1)), unique=0.75)
    without = replace(simulated_model, gaps=Gaps())
    informative = replace(without, gaps=Gaps(slope=-1.0, mean=0.05, most=0.2))
    both = replace(informative, factor_model=replace(known, missingness=missingness))
    for rated, applies in ((P, True), (P - 4, True), (P - 7, True), (P // 2, False), (3, False)):
        ratings = dict.fromkeys(simulated_model.signals[:rated], 4.0)
        change = informative.predict(ratings).log_odds - without.predict(ratings).log_odds
        expected = {P: 0.05, P - 4: 0.05 - 4 / P, P - 7: (0.05 - 0.2) * (0.35 - 7 / P) / 0.15}.get(rated, 0.0)
        assert change == pytest.approx(expected, abs=1e-12)
        added = [item.log_odds for item in both.predict(ratings).contributions if item.rating is None]
        assert any(added) == (applies and rated < P)


def test_estimates_equal_conditional_means_of_the_normal_distribution() -> None:
    """Those of a signal, given any others, under the factor model's covariance."""
    known = simulate_interviews(600, seed=3)
    values, grid = known.features.to_numpy(), Grid.of(SHIPPED)
    for directions in ((1,) * P, (0,) * P):
        factors = fit_factors(values, grid, SHIPPED, directions)
        completion = Completion(grid, factors, directions)
        covariance = factors.loadings @ factors.loadings.T + np.diag(factors.unique)
        estimate = completion.estimate(values[:20])
        for row in range(20):
            rated = estimate.rated[row]
            expected = covariance[:, rated] @ np.linalg.solve(covariance[np.ix_(rated, rated)], estimate.z[row, rated])
            np.testing.assert_allclose(estimate.expected[row, ~rated], expected[~rated], atol=1e-9)
        cells = completion.cells(values)
        np.testing.assert_allclose(np.add.reduceat(cells, grid.offsets[:-1], axis=1), 1)


def test_known_loadings_are_recovered() -> None:
    rng = np.random.default_rng(0)
    n, families = 4000, np.array([s.family for s in SHIPPED.signals])
    _, family = np.unique(families, return_inverse=True)
    overall = rng.normal(size=n)
    impressions = 0.7 * overall[:, None] + np.sqrt(1 - 0.49) * rng.normal(size=(n, 5))
    z = 0.8 * impressions[:, family] + 0.6 * rng.normal(size=(n, P))
    values = np.column_stack([np.clip(np.round(3 + z), 1, 5), np.full(n, np.nan)])
    values[:, :P][rng.random((n, P)) < 0.3] = np.nan
    model: FactorModel = fit_factors(values, Grid.of(SHIPPED), SHIPPED, (1,) * P)
    communality = (model.loadings**2).sum(axis=1)
    np.testing.assert_allclose(communality, 0.58, atol=0.07)  # .64, less what rounding adds to the variance
    np.testing.assert_allclose(model.loadings[:, 0] ** 2 / communality, 0.49, atol=0.08)
