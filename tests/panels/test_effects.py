"""Crossed effects: published results, and leave-one-out equal to fitting without the row."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from predictor import PredictorError
from predictor.panels.agreement import icc, ordinal_alpha
from predictor.panels.effects import MOST_RATERS, CardMeans, _Equations, _Solved, fit_effects
from predictor.panels.identification import identify

# Shrout & Fleiss (1979), table 2: six people, four raters; variance components of lme4 1.1, REML
TABLE = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)
# Krippendorff (2011), data C
C = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, np.nan, np.nan, np.nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, np.nan, 3],
        [np.nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, np.nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, np.nan],
    ]
)


def everybody(table: np.ndarray) -> CardMeans:
    n, k = table.shape
    raters = csr_array(np.tile(np.eye(k), (n, 1)))
    return CardMeans(table.ravel(), np.repeat(np.arange(n), k), raters, np.zeros(n * k, dtype=np.int64))


def crossed(seed: int = 0, people: int = 40, raters: int = 7) -> tuple[CardMeans, np.ndarray]:
    """Return scorecards of some raters for each person, at two stages."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(people), 3)
    who = np.concatenate([rng.choice(raters, 3, replace=False) for _ in range(people)])
    kept = (rng.random(len(unit)) < 0.8) | (np.arange(len(unit)) % 3 == 0)
    unit, who = unit[kept], who[kept]
    score = rng.normal(size=people)[unit] + 0.7 * rng.normal(size=raters)[who] + 0.5 * rng.normal(size=len(unit))
    design = csr_array((np.ones(len(unit)), (np.arange(len(unit)), who)), shape=(len(unit), raters))
    return CardMeans(score, unit, design, rng.integers(2, size=len(unit))), who


def test_variances_icc_and_blups_equal_published_values() -> None:
    effects = fit_effects(everybody(TABLE))
    # lme4 stops within 1e-5 of the optimum, where the mean squares put it exactly
    assert [effects.person, effects.rater, effects.rest] == pytest.approx([2.555563, 5.244451, 1.019443], rel=1e-5)
    assert effects.leniency == pytest.approx([2.30047, -2.704062, -0.92826, 1.331851], rel=2e-6)
    assert effects.stages == pytest.approx([5.291667], abs=5e-7)
    assert round(icc(effects), 4) == 0.2898
    assert round(icc(effects, 4), 4) == 0.6201


def test_ordinal_alpha_equals_its_published_value() -> None:
    assert round(ordinal_alpha(C.T), 6) == 0.815388
    assert ordinal_alpha(C.T[:, ::-1]) == pytest.approx(ordinal_alpha(C.T), abs=1e-12)  # any order of raters
    twice = ordinal_alpha(np.concatenate([C.T, C.T]))
    assert ordinal_alpha(C.T, np.full(12, 2.0)) == pytest.approx(twice, abs=1e-12)


def test_constant_ratings_have_no_agreement() -> None:
    assert np.isnan(ordinal_alpha(np.full((5, 2), 3.0)))
    assert fit_effects(everybody(TABLE - TABLE.mean(axis=0))).rater == 0
    same = fit_effects(everybody(np.full((12, 3), 0.7)))
    assert (same.person, same.rater) == (0, 0)
    assert "rate alike" in identify(everybody(np.full((12, 3), 0.7))).agreement_obstacle


def test_leaving_an_application_out_equals_fitting_without_it() -> None:
    scores, who = crossed()
    scores.stage[5] = 2  # the only scorecard of its stage
    effects = fit_effects(scores)
    panels = [who[scores.unit == unit] for unit in range(40)]
    result = effects.without_own(panels, np.arange(40))
    for unit in range(0, 40, 9):
        weights = np.ones(40)
        weights[unit] = 0
        without = _Solved(_Equations(scores, weights), effects.equations.rater, effects.equations.person)
        assert result[unit] == pytest.approx(without.effects[without.sums.p :][panels[unit]].mean(), abs=1e-10)
    assert np.abs(result - [effects.leniency[panel].mean() for panel in panels]).max() > 0.01
    kept = effects.without_own(panels, np.full(40, -1))
    assert kept == pytest.approx([effects.leniency[panel].mean() for panel in panels])


def test_with_one_rater_each_effects_are_shrunken_means() -> None:
    rng = np.random.default_rng(3)
    who = np.repeat(np.arange(5), [4, 8, 12, 16, 20])
    score = rng.normal(size=5)[who] + rng.normal(size=60)
    raters = csr_array((np.ones(60), (np.arange(60), who)), shape=(60, 5))
    effects = fit_effects(CardMeans(score, np.arange(60), raters, np.zeros(60, dtype=np.int64)))
    assert np.isnan(effects.person)
    n = np.bincount(who)
    shrink = n * effects.rater / (n * effects.rater + effects.rest)
    means = np.bincount(who, weights=score) / n
    assert effects.leniency == pytest.approx(shrink * (means - effects.stages[0]), abs=1e-9)
    # the facts page's variance takes the mean as known; not knowing it adds to each rater's
    assert (effects.uncertainty >= effects.rater * effects.rest / (n * effects.rater + effects.rest)).all()


def test_a_weight_of_two_counts_as_two_people() -> None:
    scores, _ = crossed(1, people=12, raters=4)
    again = CardMeans(
        np.tile(scores.score, 2),
        np.concatenate([scores.unit, scores.unit + 12]),
        csr_array(np.tile(scores.raters.toarray(), (2, 1))),
        np.tile(scores.stage, 2),
    )
    both = fit_effects(scores, np.full(12, 2.0)), fit_effects(again)
    for name in ("person", "rater", "rest"):
        assert getattr(both[0], name) == pytest.approx(getattr(both[1], name), rel=1e-5)


def test_unidentifiable_effects_are_withheld_with_a_reason() -> None:
    one_each = CardMeans(
        np.arange(40.0), np.arange(40), csr_array(np.tile(np.eye(4), (10, 1))), np.zeros(40, dtype=int)
    )
    result = identify(one_each)
    assert "two raters at one stage" in result.agreement_obstacle
    assert "at random" in result.leniency_obstacle
    assert identify(one_each, random_assignment=True).leniency_obstacle == ""
    crossed_ones = identify(crossed()[0])
    assert (crossed_ones.agreement_obstacle, crossed_ones.leniency_obstacle, crossed_ones.linked) == ("", "", 7)
    means = identify(crossed()[0], single=False)
    assert "only the panels' means" in means.agreement_obstacle
    unit = np.repeat(np.arange(40), 2)  # two offices, whose raters never meet the same person
    who = np.where(unit < 20, 0, 2) + np.tile([0, 1], 40)
    design = csr_array((np.ones(80), (np.arange(80), who)), shape=(80, 4))
    split = identify(CardMeans(np.arange(80.0), unit, design, np.zeros(80, dtype=int)))
    assert split.leniency_obstacle.startswith("identifiable in part: 2 of 4")


def test_too_many_raters_are_refused() -> None:
    n = MOST_RATERS + 1
    wide = csr_array((np.ones(3), (np.arange(3), np.arange(3))), shape=(3, n))
    with pytest.raises(PredictorError, match="3,001 raters"):
        fit_effects(CardMeans(np.ones(3), np.arange(3), wide, np.zeros(3, dtype=np.int64)))
