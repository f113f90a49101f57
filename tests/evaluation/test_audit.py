"""Audits: rates and ratios as fairlearn computes them and as the law defines them, small and unknown groups, errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, false_negative_rate, false_positive_rate, selection_rate

from predictor import OfferModel, simulate_interviews
from predictor.errors import ConfigError
from predictor.evaluation.audit import Audit, audit
from predictor.evaluation.groups import axes_of, axis_of
from predictor.evaluation.left_out import left_out, predict_without
from predictor.evaluation.proxies import measure_proxies
from predictor.sources.simulation_known_effects import simulate_groups

LL144 = {  # the example of a system that scores in the rule's text
    "sex": {"Male": (50, 92), "Female": (34, 76)},
    "race": {"Hispanic": (18, 28), "White": (15, 40), "Black": (16, 32), "NHPI": (5, 8), "Asian": (10, 24)},
}
RATIOS = {"Female": 0.8232, "White": 0.583, "Black": 0.778, "NHPI": 0.972, "Asian": 0.648}


def counted(categories: dict[str, tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return categories and likelihoods: .9 for this many rows of each category, .1 for the others."""
    words = [name for name, (_, n) in categories.items() for _ in range(n)]
    p = [0.9 if row < hits else 0.1 for hits, n in categories.values() for row in range(n)]
    return np.array(words, dtype=object), np.array(p)


@pytest.fixture(scope="module")
def simulated_audit() -> tuple[Audit, np.ndarray, np.ndarray, dict[str, Any]]:
    ratings = simulate_interviews(700, seed=3)
    p = OfferModel.published().predict_many(ratings, interval=False)["offer_probability"].to_numpy()
    groups = simulate_groups(ratings, seed=3, disparity=0.7)
    assert ratings.groups is not None
    return audit(p[None], ratings.y, ratings.groups, axes_of(groups), threshold=0.4, resamples=30), p, ratings.y, groups


@pytest.mark.parametrize("axis", ["sex", "race"])
def test_the_published_local_law_144_example_is_reproduced(axis: str) -> None:
    words, p = counted(LL144[axis])
    result = audit(p[None], np.full(len(p), np.nan), np.arange(len(p)), [axis_of(axis, words)])
    for item in result.axes[0].categories:
        figure = item.figures["selected"]
        if item.name in RATIOS:
            assert figure.ratio is not None
            assert figure.ratio.value == pytest.approx(RATIOS[item.name], abs=5e-4)
        else:
            assert figure.comparator


def test_small_categories_have_an_error_but_no_calibration_slope(
    simulated_audit: tuple[Audit, np.ndarray, np.ndarray, dict[str, Any]],
) -> None:
    """Below 30 rows, likelihoods often separate the outcomes: the slope is then 8, with an interval that excludes 1."""
    _, p, y, _ = simulated_audit
    words = np.where(np.arange(700) < 29, "few", "many")
    few, many = sorted(
        audit(p[None], y, np.arange(700), [axis_of("size", words)], resamples=20).axes[0].categories, key=lambda c: c.n
    )
    assert few.quality and few.quality.false_negative and (few.quality.slope, few.quality.auc) == (None, None)
    assert many.quality and many.quality.slope and many.quality.auc


def test_group_words_that_differ_only_in_case_are_one_category() -> None:
    words = np.array(["Female", "female", "Female\u00a0", "MALE", "I don\u2019t wish to  answer", "n.a."], dtype=object)
    sex = axis_of("sex", words)
    assert (sex.categories, sex.place.tolist()) == (("Female", "MALE"), [0, 0, 0, 1, -1, -1])
    assert sex.unknown_words == (("I don\u2019t wish to answer", 1), ("n.a.", 1))


def test_the_uniform_guidelines_example_is_reproduced() -> None:
    rates = {"White": (60, 100), "American Indian": (45, 100), "Hispanic": (48, 100), "Black": (51, 100)}
    words, p = counted(rates)
    result = audit(p[None], np.full(400, np.nan), np.arange(400), [axis_of("race", words)]).axes[0]
    ratios = {item.name: item.figures["selected"].ratio for item in result.categories}
    values = {name: round(ratio.value, 2) for name, ratio in ratios.items() if ratio}
    assert values == {"American Indian": 0.75, "Hispanic": 0.8, "Black": 0.85}
    below = {name for name, ratio in ratios.items() if ratio and ratio.below_four_fifths}
    assert below == {"American Indian"}  # 48/100 is four fifths of 60/100, and not below


def test_rates_equal_those_of_fairlearn(simulated_audit: tuple[Audit, np.ndarray, np.ndarray, dict[str, Any]]) -> None:
    result, p, y, groups = simulated_audit
    known = ~np.isnan(y)
    metrics = {"selection": selection_rate, "positive": false_positive_rate, "negative": false_negative_rate}
    for axis in result.axes[:2]:
        words = pd.Series(groups[axis.name])
        hits = {"selected": p >= 0.4, "above_median": p > np.median(p)}
        for name, hit in hits.items():
            frame = MetricFrame(metrics=selection_rate, y_true=hit, y_pred=hit, sensitive_features=words)
            for item in axis.categories:
                figure = item.figures[name]
                assert figure.rate is not None
                assert figure.rate.value == pytest.approx(frame.by_group[item.name])
                if figure.ratio:
                    best = axis.comparator(name)
                    assert best
                    assert figure.ratio.value == pytest.approx(frame.by_group[item.name] / frame.by_group[best.name])
        frame = MetricFrame(
            metrics=metrics, y_true=y[known], y_pred=p[known] >= 0.4, sensitive_features=words[known].to_numpy()
        )
        for item in axis.categories:
            quality = item.quality
            assert quality
            if quality.false_positive and quality.false_negative:
                assert quality.false_positive.value == pytest.approx(frame.by_group["positive"][item.name])
                assert quality.false_negative.value == pytest.approx(frame.by_group["negative"][item.name])


def test_a_category_below_two_percent_is_never_the_comparator() -> None:
    # one of 51 is under 2 % of 51 rows, one of 50 is not
    for others, small in ((50, True), (49, False)):
        words, p = counted({"A": (others // 2, others), "B": (1, 1)})
        axis = audit(p[None], np.full(len(p), np.nan), np.arange(len(p)), [axis_of("x", words)]).axes[0]
        b = next(item for item in axis.categories if item.name == "B")
        assert (b.small_share, b.n) == (small, 1)
        assert b.figures["selected"].comparator == (not small)  # its rate, 1, is the highest
        assert b.figures["selected"].rate is not None
        assert (b.figures["selected"].ratio is None) == small or b.figures["selected"].comparator


def test_unknown_groups_are_counted_per_axis_and_crossing() -> None:
    sex = np.array(["F", "M", "", "Decline To Self Identify", "F", "M"] * 20, dtype=object)
    race = np.array(["A", "", "B", "B", "B", "prefer not to say"] * 20, dtype=object)
    result = audit(
        np.linspace(0, 1, 120)[None], np.full(120, np.nan), np.arange(120), axes_of({"sex": sex, "race": race})
    )
    assert [(axis.name, axis.unknown) for axis in result.axes] == [("sex", 40), ("race", 40), ("sex and race", 80)]
    assert result.axes[0].unknown_words == (("", 20), ("Decline To Self Identify", 20))


def test_likelihoods_equal_to_the_median_are_not_above_it() -> None:
    p = np.array([0.1, 0.5, 0.5, 0.5, 0.9, 0.95])
    result = audit(p[None], np.full(6, np.nan), np.arange(6), [axis_of("x", np.array(list("aabbcc")))])
    assert result.tied == 0.5
    rates = {item.name: item.figures["above_median"].rate for item in result.axes[0].categories}
    assert {name: rate and rate.count for name, rate in rates.items()} == {"a": 0, "b": 0, "c": 2}


def test_ratios_are_judged_from_thirty_rows_on() -> None:
    for n, few in ((29, True), (30, False)):
        words, p = counted({"A": (n // 2, n), "B": (5, 200)})
        axis = audit(p[None], np.full(len(p), np.nan), np.arange(len(p)), [axis_of("x", words)]).axes[0]
        assert {item.figures["selected"].few for item in axis.categories} == {few}  # A is what B is compared with
        assert (axis.lowest("selected") is None) == few


def test_ratio_intervals_cover_a_known_disparity() -> None:
    """A small version of experiments/benchmark/audit.py: 90 % intervals, 60 teams, a true ratio of .6."""
    rng, held = np.random.default_rng(0), []
    for _ in range(60):
        words = np.array(["F"] * 150 + ["M"] * 150, dtype=object)
        p = np.where(rng.random(300) < np.repeat([0.3, 0.5], 150), 0.9, 0.1)
        result = audit(p[None], np.full(300, np.nan), np.arange(300), [axis_of("sex", words)])
        ratio = result.axes[0].categories[0].figures["selected"].ratio
        assert ratio
        held.append(ratio.low <= 0.6 <= ratio.high)
    assert 0.8 <= np.mean(held) <= 0.98  # 90 % within what 60 teams can show


def test_groups_never_reach_the_model(simulated_audit: tuple[Audit, np.ndarray, np.ndarray, dict[str, Any]]) -> None:
    _, p, y, groups = simulated_audit
    other = {name: np.random.default_rng(1).permutation(words) for name, words in groups.items()}
    again = audit(p[None], y, np.arange(len(y)), axes_of(other), threshold=0.4, resamples=3)
    assert (again.median, again.outcomes) == (simulated_audit[0].median, simulated_audit[0].outcomes)
    assert {axis.known for axis in again.axes[:2]} == {axis.known for axis in simulated_audit[0].axes[:2]}


def test_calibration_by_group_shows_an_underestimated_group() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.1, 0.7, 800)
    words = np.array(["A", "B"] * 400, dtype=object)
    y = (rng.random(800) < np.where(words == "A", p, p + 0.2)).astype(float)
    result = audit(p[None], y, np.arange(800), [axis_of("x", words)], resamples=100)
    a, b = (item.quality for item in result.axes[0].categories)
    assert a and b and a.slope and b.auc
    assert a.beyond.low < 0 < a.beyond.high
    assert b.beyond.low > 0.1
    assert a.slope.low < 1 < a.slope.high


def test_the_proxy_auc_is_high_only_for_groups_that_signals_reveal() -> None:
    ratings = simulate_interviews(400, seed=5)
    assert ratings.groups is not None
    own = np.where(np.nan_to_num(ratings.X["goals_discussed"], nan=3) >= 4, "high", "low").astype(object)
    coin = np.where(np.random.default_rng(0).random(400) < 0.5, "a", "b").astype(object)
    noted, chance = measure_proxies(ratings, axes_of({"own": own, "coin": coin}), ratings.groups, resamples=50)
    assert noted.auc and chance.auc
    assert noted.auc.low > 0.9
    assert chance.auc.low < 0.5 < chance.auc.high + 0.03


def test_leaving_out_the_differing_signal_raises_the_ratio() -> None:
    """One group is rated lower in one strong signal only."""
    model = OfferModel.published()
    ratings = simulate_interviews(600, seed=8).labelled()
    assert ratings.groups is not None
    words = np.where(np.random.default_rng(1).random(len(ratings)) < 0.5, "A", "B").astype(object)
    values = ratings.values.copy()
    places = [
        ratings.catalogue.names.index(name)
        for name in ("interviewer_interest_in_continuing", "interviewer_highlights_fit")
    ]
    values[np.ix_(words == "A", places)] = 1.0
    values[np.ix_(words == "B", places)] = 5.0
    ratings = replace(ratings, values=values)
    assert ratings.groups is not None
    axes = axes_of({"x": words})
    answers = predict_without(model, ratings.features.to_numpy())
    p = answers["all", ""]
    assert p == pytest.approx(model.predict_many(ratings, interval=False)["offer_probability"].to_numpy(), abs=1e-12)
    result = audit(p[None], ratings.y, ratings.groups, axes, resamples=3)
    parts = {
        (item.kind, item.name): item
        for item in left_out(answers, ratings.y, ratings.groups, axes, result, resamples=40)
    }
    assert len(parts) == len(model.signals) + len(model.catalogue.families)
    mended = parts["signal", "interviewer_interest_in_continuing"].ratios[0]
    untouched = parts["signal", "candidate_appreciation"].ratios[0]
    assert mended.change.low > 0.02
    assert mended.after == pytest.approx(mended.before + mended.change.value)
    assert abs(untouched.change.value) < mended.change.value / 2


def test_a_column_of_ids_is_refused_as_a_group() -> None:
    with pytest.raises(ConfigError, match="300 different values"):
        axis_of("sex", np.arange(300).astype(str))
    with pytest.raises(ConfigError, match="no known category"):
        axis_of("sex", np.array(["", "unknown"]))
