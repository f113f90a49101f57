"""Which signals are asked first, and how far the others could still change the answer."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from predictor import OfferModel, simulate_interviews
from predictor.model.first_questions import first_questions, remaining

PUBLISHED = OfferModel.published()
FAMILY = {signal.name: signal.family for signal in PUBLISHED.catalogue.signals}
OLD = Path(__file__).parent.parent / "data" / "model-format-2.json"


def left_over(names: tuple[str, ...]) -> float:
    """Return how much the other signals could still change the likelihood if these are rated 3."""
    left = remaining(PUBLISHED, dict.fromkeys(names, 3))
    assert left
    return left.high - left.low


def test_the_first_eight_signals_are_more_informative_than_random_ones() -> None:
    first = first_questions(PUBLISHED)
    assert len(set(first)) == 8
    assert {FAMILY[name] for name in first} == set(FAMILY.values())
    draw = random.Random(15)
    others = [left_over(tuple(draw.sample(PUBLISHED.signals, 8))) for _ in range(60)]
    assert left_over(first) < min(others)


def test_few_questions_cover_as_many_families_as_possible() -> None:
    every = len(PUBLISHED.signals)
    for count in (1, 3, 5, 6, every, 99):
        first = first_questions(PUBLISHED, count)
        assert len(first) == min(count, every)
        assert len({FAMILY[name] for name in first}) == min(count, 5)
        assert list(first) == [name for name in PUBLISHED.signals if name in first]


def test_a_model_without_factors_asks_for_its_most_important_signals() -> None:
    old = OfferModel.load(OLD)
    best: dict[str, str] = {}
    for signal in sorted(old.catalogue.signals, key=lambda signal: -old.feature_importances[signal.name]):
        best.setdefault(signal.family, signal.name)
    assert set(first_questions(old, len(best))) == set(best.values())
    assert remaining(old, {old.signals[0]: 3}) is None


def test_the_remaining_range_covers_the_full_answer_in_90_percent() -> None:
    rows = simulate_interviews(200, seed=15)
    first, inside, n = first_questions(PUBLISHED), 0, 0
    for row in rows.values:
        full = {name: value for name, value in zip(rows.catalogue.names, row, strict=True) if not np.isnan(value)}
        part = {name: value for name, value in full.items() if name in first}
        left = remaining(PUBLISHED, part)
        if len(full) < len(PUBLISHED.signals) or left is None:
            continue
        n += 1
        inside += left.low <= PUBLISHED.predict(full).offer_probability <= left.high
    assert n > 20
    assert 0.8 < inside / n < 0.99


def test_the_remaining_range_follows_the_base_rate_and_ends_with_all_rated() -> None:
    some = dict.fromkeys(first_questions(PUBLISHED), 4)
    usual, low = remaining(PUBLISHED, some), remaining(PUBLISHED, some, base_rate=0.05)
    assert usual and low and low.high < usual.high
    assert [*usual.explained] == sorted(usual.explained, key=lambda name: -usual.explained[name])
    assert not {*usual.explained} & {*some}
    assert remaining(PUBLISHED, dict.fromkeys(PUBLISHED.signals, 4)) is None
    assert remaining(PUBLISHED, {}) is None
    assert first_questions(replace(PUBLISHED, name="other")) == tuple(some)
