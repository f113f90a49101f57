"""Points of likelihood add up to the change from the base rate, whatever is rated."""

from __future__ import annotations

import random

import pytest

from predictor import OfferModel
from predictor.model.log_odds import logit, one_probability
from predictor.model.points import mean_slope, points_of, whole_points

PUBLISHED = OfferModel.published()
ROLES = PUBLISHED.catalogue.inputs[0].levels


def test_points_add_up_for_a_thousand_random_answers() -> None:
    draw = random.Random(15)
    rounded = 0
    for _ in range(1_000):
        names = draw.sample(PUBLISHED.signals, draw.randint(0, len(PUBLISHED.signals)))
        ratings = {name: draw.choice((1, 2, 2.5, 3, 4, 5)) for name in names}
        role = {"rater_role": draw.choice(ROLES)} if draw.random() < 0.7 else {}
        base_rate = draw.choice((None, 0.1, 0.5, 0.97))
        answer = PUBLISHED.predict({**ratings, **role}, base_rate=base_rate)
        points = points_of(answer.to_dict())
        gained = 100 * (answer.offer_probability - answer.base_rate)
        assert points.start + sum(points.parts) == pytest.approx(gained, abs=1e-9)
        whole = (points.whole_start, *points.whole_parts)
        assert points.base + sum(whole) == points.answer == round(100 * answer.offer_probability)
        assert max(abs(a - b) for a, b in zip(whole, (points.start, *points.parts), strict=True)) < 1 + 1e-9
        for part, worth in zip(answer.contributions, points.parts, strict=True):
            assert (worth > 0, worth < 0) == (part.log_odds > 0, part.log_odds < 0)
        rounded += any(whole)
    assert rounded > 900  # not all of them zero


def test_reasons_that_cancel_out_keep_their_points() -> None:
    kept = {
        "base_rate": 0.3,
        "baseline": logit(0.3),
        "log_odds": logit(0.3),
        "offer_probability": 0.3,
        "contributions": [{"log_odds": 1.0}, {"log_odds": -1.0}],
    }
    points = points_of(kept)
    assert points.parts == pytest.approx((21.0, -21.0))  # 100 p (1 - p) a unit
    assert points.whole_parts == (21, -21)


def test_the_slope_is_the_mean_slope_of_the_curve_even_at_its_ends() -> None:
    steps = 20_000
    for start, end in ((-1.0, 2.0), (0.5, 0.5 + 1e-9), (-30.0, 4.0)):
        places = [start + (end - start) * (step + 0.5) / steps for step in range(steps)]
        mean = sum(one_probability(x) * (1 - one_probability(x)) for x in places) / steps
        assert mean_slope(start, end) == pytest.approx(mean, rel=1e-5)
    assert mean_slope(-5_000.0, 5_000.0) < 1e-3  # and no overflow


def test_the_largest_remainder_gets_the_last_point() -> None:
    assert whole_points([0.6, 0.7, -0.2], 1) == [0, 1, 0]
    assert whole_points([-0.4, -0.4, 0.0], -1) == [0, -1, 0]
