"""Drift: published values, thresholds that fit the number of rows and tests, detected changes, small cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency, mannwhitneyu

from predictor import OfferClassifier, OfferModel, Ratings, simulate_interviews
from predictor.errors import ConfigError
from predictor.evaluation.drift import (
    corrected,
    drift_tests,
    mann_whitney,
    merged,
    psi,
    psi_test,
    reference_of,
)
from predictor.evaluation.drift_check import check_drift
from predictor.evaluation.late_outcomes import late_outcomes
from predictor.model.log_odds import probability
from predictor.model.reference import Reference
from predictor.sources.simulation_known_effects import add_drift

REFERENCE, CURRENT = np.array([100.0, 200, 400, 200, 100]), np.array([50.0, 150, 350, 250, 200])
# Twelve likelihoods and outcomes with independently computed figures.
P = np.array([0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9])
Y = np.array([0.0, 0, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1])


@pytest.fixture(scope="module")
def trained_model() -> OfferModel:
    """A model of 420 rows with reference counts; two folds give the out-of-fold likelihoods."""
    known = simulate_interviews(470, seed=21).labelled()
    assert known.groups is not None
    people, p = known.groups, np.empty(len(known))
    half = np.isin(people, np.unique(people)[::2])
    for test in (half, ~half):
        fitted = OfferClassifier(known.catalogue).fit(known.features[~test], known.y[~test], groups=people[~test])
        p[test] = fitted.predict_proba(known.features[test])[:, 1]
    model = OfferClassifier(known.catalogue).fit(known.features, known.y, groups=people).model_
    return replace(model, name="learned", reference=reference_of(known, p, people))


def test_statistics_equal_published_values() -> None:
    assert round(psi(REFERENCE, CURRENT), 5) == 0.13619
    assert round(chi2_contingency([REFERENCE, CURRENT])[0], 4) == 66.0317
    assert mann_whitney(REFERENCE, CURRENT)[0] == 0.5975
    share = [part / part.sum() for part in (REFERENCE, CURRENT)]
    middle = sum(share) / 2
    jensen_shannon = sum((part * np.log(part / middle)).sum() for part in share) / 2
    assert round(float(np.sqrt(jensen_shannon)), 5) == 0.12946


def test_the_psi_threshold_has_a_false_alarm_rate_of_five_percent() -> None:
    """Of samples drawn from the same shares, one in twenty is significant."""
    rng, share = np.random.default_rng(0), REFERENCE / REFERENCE.sum()
    for n, m in ((500, 60), (500, 200), (1000, 400)):
        drawn = [(rng.multinomial(n, share), rng.multinomial(m, share)) for _ in range(700)]
        alarms = [
            test.p < 0.05
            for a, b in drawn
            for test in psi_test("shape", "", a.astype(float), b.astype(float), 1.0, 1.0)
        ]
        assert 0.025 < np.mean(alarms) < 0.075


def test_mann_whitney_equals_scipy() -> None:
    a, b = (np.repeat(np.arange(5), part.astype(int)) for part in (REFERENCE, CURRENT))
    theirs = mannwhitneyu(b, a, use_continuity=False, method="asymptotic")
    auc, error = mann_whitney(REFERENCE, CURRENT)
    assert auc == pytest.approx(theirs.statistic / (len(a) * len(b)))
    assert (auc - 0.5) / error == pytest.approx(np.sqrt(chi2_of(theirs.pvalue)), rel=1e-6)


def chi2_of(p: float) -> float:
    from scipy.stats import chi2

    return float(chi2.isf(p, 1))


def test_small_cells_are_merged() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        reference = rng.multinomial(500, rng.dirichlet(np.full(9, 0.4))).astype(float)
        current = rng.multinomial(60, rng.dirichlet(np.full(9, 0.4))).astype(float)
        a, b = merged(reference, current)
        assert (a.sum(), b.sum()) == (500, 60)
        assert len(a) == 1 or ((a + b) * 60 / 560).min() >= 5


def test_late_outcomes_give_the_published_calibration_figures() -> None:
    result = late_outcomes(np.append(Y, [np.nan] * 3), np.append(P, [0.5] * 3))
    assert result.in_the_large and result.slope and result.corp and result.spiegelhalter and result.log_loss
    half = result.in_the_large.high - result.in_the_large.value
    assert (round(result.in_the_large.value, 6), round(half / 1.6448536, 6)) == (0.655128, 0.663918)
    assert round(result.slope.value, 6) == 1.333439
    assert round(result.spiegelhalter, 6) == -0.062622
    parts = result.corp.brier, result.corp.miscalibration, result.corp.discrimination, result.corp.uncertainty
    assert [round(value, 6) for value in parts] == [0.185833, 0.044167, 0.101389, 0.243056]
    assert round(result.log_loss, 5) == 0.54931
    assert (result.n, result.open, result.may_alarm) == (12, 3, True)
    assert not late_outcomes(np.append(Y, [np.nan] * 4), np.append(P, [0.5] * 4)).may_alarm  # more than a fifth is open


def test_no_offers_or_only_offers_raise_an_alarm() -> None:
    """A hiring freeze or a wrongly coded column: no slope can be fitted, but the number of offers alone is far off."""
    p = np.full(40, 0.3)
    for offers, tail in ((0, binom.cdf(0, 40, 0.3)), (40, binom.sf(39, 40, 0.3)), (3, binom.cdf(3, 40, 0.3))):
        result = late_outcomes(np.array([1.0] * offers + [0.0] * (40 - offers)), p)
        assert result.slope is None and result.may_alarm and result.p == pytest.approx(2 * tail)
    rare = late_outcomes(np.array([1.0] * 2 + [0.0] * 38), np.full(40, 0.05), effect=2.0)
    assert rare.p == pytest.approx(1.0) and late_outcomes(np.array([np.nan]), p[:1]).p is None


def test_the_calibration_intercept_equals_the_reference() -> None:
    from predictor.evaluation.late_outcomes import logistic

    log_odds = np.log(P / (1 - P))
    weights, _, _ = logistic(np.column_stack([np.ones(12), log_odds]), Y, np.zeros(12))
    assert [round(value, 6) for value in weights] == [0.808732, 1.333439]


def test_reversed_outcomes_give_a_finite_calibration_slope() -> None:
    result = late_outcomes(np.array([0.0] * 6 + [1.0] * 6), np.linspace(0.1, 0.9, 12))  # perfectly separated
    assert result.slope and np.isfinite(result.slope.high)


def test_drifted_signals_raise_an_alarm_and_unchanged_data_do_not(trained_model: OfferModel) -> None:
    """A small version of experiments/benchmark/drift.py: 60 current rows, 24 signals, half a standard deviation in three."""
    alarms = {"same": 0, "moved": 0}
    rng = np.random.default_rng(3)
    for seed in range(20):
        current = simulate_interviews(60, seed=1000 + seed)
        signals = rng.choice(trained_model.signals, 3, replace=False).tolist()
        for name, rows in (("same", current), ("moved", add_drift(current, signals, by=-0.5, seed=seed))):
            alarms[name] += any(test.significant for test in corrected(drift_tests(trained_model, rows)))
    assert alarms["same"] <= 3
    assert alarms["moved"] >= 15


def test_drifted_signals_missingness_and_roles_are_named(trained_model: OfferModel) -> None:
    current = simulate_interviews(200, seed=77)
    moved = add_drift(current, ["mutual_rapport"], by=-0.6, seed=1)
    values = moved.values.copy()
    values[:80, trained_model.signals.index("next_steps_timeline")] = np.nan
    roles = moved.columns["rater_role"].copy()
    roles[:] = "candidate"
    moved = replace(moved, values=values, columns={**moved.columns, "rater_role": roles})
    named = {(test.kind, test.name) for test in check_drift(trained_model, moved).significant}
    assert {
        ("level given others", "mutual_rapport"),
        ("missing", "next_steps_timeline"),
        ("input", "rater_role"),
    } <= named


def test_likelihoods_are_compared_with_out_of_fold_likelihoods(trained_model: OfferModel) -> None:
    good = simulate_interviews(600, seed=5)
    p = probability(trained_model.log_odds(good.features.to_numpy()))
    best = good.rows(np.argsort(p)[-100:])
    moved = {test.kind for test in check_drift(trained_model, best).significant}
    assert "likelihood" in moved
    (test,) = (test for test in drift_tests(trained_model, best) if test.kind == "likelihood")
    assert test.value > 0.75
    assert test.current > test.reference + 0.1


def test_calibration_raises_an_alarm_only_with_outcomes(trained_model: OfferModel) -> None:
    current = simulate_interviews(200, seed=6).labelled()
    wrong = replace(current, y=1 - current.y)
    assert "calibration" in {test.kind for test in check_drift(trained_model, wrong).significant}
    y = np.where(np.arange(len(wrong)) % 2, wrong.y, np.nan)
    check = check_drift(trained_model, replace(wrong, y=y))
    assert "calibration" not in {test.kind for test in check.tests}
    assert any("not judged" in reason for reason in check.not_tested)


def test_rows_of_one_person_do_not_count_as_independent(trained_model: OfferModel) -> None:
    """Sixty rows of three people carry hardly more information than three rows."""
    one = simulate_interviews(60, seed=9)
    few = replace(one, columns={**one.columns, "candidate_id": np.repeat(["a", "b", "c"], 20).astype(object)})
    alone, together = (
        [test for test in drift_tests(trained_model, rows) if test.kind == "level"] for rows in (one, few)
    )
    assert all(b.p >= a.p for a, b in zip(alone, together, strict=True))
    assert sum(b.high - b.low for b in together) > 1.5 * sum(a.high - a.low for a in alone)


def test_a_model_without_likelihood_counts_is_compared_by_ratings_alone(trained_model: OfferModel) -> None:
    check = check_drift(replace(trained_model, reference=None), simulate_interviews(60, seed=4))
    assert {"rated", "likelihood"}.isdisjoint(test.kind for test in check.tests)
    assert "older" in " ".join(check.not_tested)


def test_drift_without_enough_rows_is_refused(trained_model: OfferModel) -> None:
    with pytest.raises(ConfigError, match="19 rows; drift needs at least 20"):
        check_drift(trained_model, simulate_interviews(19, seed=1))
    with pytest.raises(ConfigError, match="no training rows to compare with"):
        check_drift(OfferModel.published(), simulate_interviews(60, seed=1))


def test_unrated_signals_are_named(trained_model: OfferModel) -> None:
    rows: Ratings = simulate_interviews(60, seed=2)
    values = rows.values.copy()
    values[:, :2] = np.nan
    check = check_drift(trained_model, replace(rows, values=values))
    assert ", ".join(trained_model.signals[:2]) in " ".join(check.not_tested)
    assert {test.name for test in check.significant if test.kind == "missing"} == set(trained_model.signals[:2])


def test_reference_counts_survive_saving_and_invalid_ones_are_refused(trained_model: OfferModel) -> None:
    again = OfferModel.from_dict(trained_model.to_dict() | {"fingerprint": trained_model.fingerprint})
    assert again.reference and trained_model.reference
    assert again.reference.to_dict() == trained_model.reference.to_dict()
    good = trained_model.reference.to_dict()
    for wrong in (
        {"edges": [0.5, 0.4]},
        {"likelihood": [1.0]},
        {"crowd": 0.5},
        {"likeness": {"other": 0.1}},
        {"rated": [-1.0]},
    ):
        with pytest.raises(ValueError, match=r"its|a correlation"):
            Reference.from_dict(good | wrong)
