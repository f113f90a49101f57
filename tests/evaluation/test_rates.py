"""Rates and ratios of groups: published examples, zeros, whole numbers, several rows of one person."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats.contingency import relative_risk

from predictor.evaluation.rates import (
    below_four_fifths,
    design_effect,
    exact_test,
    ratio_interval,
    score_statistic,
    wilson,
)

# Independently computed (scipy, R's PropCIs): a of n against b of m, Katz's and the score interval of 95 %, Fisher's p, z.
EXAMPLES = [
    ((34, 76, 50, 92), (0.6024, 1.1249), (0.5962, 1.1185), 0.277864, -1.2401),
    ((12, 40, 48, 80), (0.3014, 0.8294), (0.2927, 0.7953), 0.003409, -3.0984),
    ((1, 10, 3, 20), (0.0791, 5.6215), (0.0975, 4.0556), 1.0, None),
    ((15, 40, 18, 28), (0.3588, 0.9485), None, 0.047934, None),
]


@pytest.mark.parametrize(("counts", "katz", "score", "p", "z"), EXAMPLES)
def test_published_examples_are_reproduced(
    counts: tuple[int, int, int, int],
    katz: tuple[float, float],
    score: tuple[float, float] | None,
    p: float,
    z: float | None,
) -> None:
    a, n, b, m = counts
    other = relative_risk(a, n, b, m).confidence_interval(0.95)
    assert (round(other.low, 4), round(other.high, 4)) == katz  # confirms that these are the published examples
    if score:
        assert tuple(round(end, 4) for end in ratio_interval(*counts, 0.95)) == score
    assert round(exact_test(*counts), 6) == p
    if z:  # the score statistic at ratio 1 is the pooled z, but for n + m - 1
        assert round(score_statistic(*counts, 1.0) * ((n + m) / (n + m - 1)) ** 0.5, 4) == z


@pytest.mark.parametrize(
    ("a", "n", "b", "m"), [(0, 20, 10, 20), (10, 20, 0, 20), (20, 20, 20, 20), (0, 5, 0, 5), (5, 5, 1, 9)]
)
def test_ratio_intervals_are_valid_at_rates_of_zero_and_one(a: int, n: int, b: int, m: int) -> None:
    low, high = ratio_interval(a, n, b, m)
    assert 0 <= low < high
    assert (low == 0) == (a == 0)
    assert np.isinf(high) == (b == 0)
    if a and b:
        assert low <= (a / n) / (b / m) <= high


def test_interval_ends_invert_the_score_test() -> None:
    for counts in [(3, 17, 8, 23), (1, 40, 30, 31), (0, 9, 4, 12)]:
        low, high = ratio_interval(*counts)
        assert score_statistic(*counts, high) == pytest.approx(-1.6449, abs=1e-3)
        if low:
            assert score_statistic(*counts, low) == pytest.approx(1.6449, abs=1e-3)


def test_comparing_with_the_highest_rate_widens_only_the_upper_end() -> None:
    one, several = ratio_interval(10, 40, 20, 40), ratio_interval(10, 40, 20, 40, chosen_from=8)
    assert several[0] == one[0]
    assert several[1] > one[1]
    assert ratio_interval(10, 40, 20, 40, chosen_from=2) == one


def test_the_four_fifths_rule_is_exact_for_small_groups() -> None:
    wrong = 0
    for n in range(1, 19):
        for m in range(1, 19):
            for a in range(n + 1):
                for b in range(1, m + 1):
                    assert below_four_fifths(a, n, b, m) == (Fraction(a, n) < Fraction(4, 5) * Fraction(b, m))
                    wrong += ((a / n) / (b / m) < 0.8) != below_four_fifths(a, n, b, m)
    assert wrong > 9  # floats get many of them wrong, such as 3/5 against 6/8


def test_wilson_intervals_cover_the_true_rate() -> None:
    for share in (0.05, 0.3, 0.5):
        n = 60
        held = [wilson(count, n)[0] <= share <= wilson(count, n)[1] for count in range(n + 1)]
        assert 0.85 < binom.pmf(range(n + 1), n, share)[held].sum() < 0.95


def test_the_design_effect_counts_copied_rows_once() -> None:
    rng = np.random.default_rng(0)
    people = rng.random(400) < 0.4
    place = np.zeros(1200, int)
    once = design_effect(people, place[:400], np.arange(400))
    thrice = design_effect(np.repeat(people, 3), place, np.repeat(np.arange(400), 3))
    assert once == pytest.approx(1.0)
    assert thrice == pytest.approx(3.0)
    assert 1 <= design_effect(rng.random(1200) < 0.4, place, np.repeat(np.arange(400), 3)) < 1.15
