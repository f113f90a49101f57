"""Scores equal those of scikit-learn where it has them, and their intervals have the stated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from predictor.evaluation.scores import METRICS, GroupBootstrap, calibration, gain, scores


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.05, 0.3, 0.31, 0.8]), st.integers(0, 3)), min_size=5))
def test_scores_equal_those_of_scikit_learn(rows: list[tuple[bool, float, int]]) -> None:
    y, p, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    if len(set(y[weight > 0])) < 2:
        return
    expected = {
        "log_loss": metrics.log_loss(y, p, sample_weight=weight),
        "brier": metrics.brier_score_loss(y, p, sample_weight=weight),
        "roc_auc": metrics.roc_auc_score(y, p, sample_weight=weight),
        "average_precision": metrics.average_precision_score(y, p, sample_weight=weight),
    }
    for name, value in expected.items():
        assert METRICS[name](y, p, weight) == pytest.approx(value, abs=1e-12)


def _world(rng: np.random.Generator, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return outcomes, likelihoods and groups of three rows with a shared random effect."""
    group = np.repeat(np.arange(groups), 3)
    p = 1 / (1 + np.exp(-rng.normal(size=groups)))[group]
    y = (rng.random(groups)[group] < p).astype(float)
    return y, p, group


def test_score_intervals_have_their_nominal_coverage() -> None:
    rng = np.random.default_rng(0)
    truth_y, truth_p, _ = _world(rng, 200_000)
    truth = METRICS["log_loss"](truth_y, truth_p, np.ones(len(truth_y)))
    inside = []
    for seed in range(200):
        y, p, group = _world(rng, 150)
        score = scores(y, p[None], GroupBootstrap(group, 100, seed))["log_loss"]
        inside.append(score.low <= truth <= score.high)
    assert 0.84 <= np.mean(inside) <= 0.96  # 90 % +- 3 standard errors; rows taken as independent give about 65 %


def test_gains_are_paired() -> None:
    rng = np.random.default_rng(1)
    y, p, group = _world(rng, 300)
    worse = np.clip(p + 0.05, 0, 1)
    saved = gain(y, p[None], worse[None], GroupBootstrap(group, 200, 0))
    alone = scores(y, p[None], GroupBootstrap(group, 200, 0))["log_loss"]
    assert saved.value == pytest.approx(-gain(y, worse[None], p[None], GroupBootstrap(group, 200, 0)).value)
    assert saved.high - saved.low < (alone.high - alone.low) / 2


def test_the_calibration_slope_is_below_one_for_extreme_predictions() -> None:
    rng = np.random.default_rng(3)
    log_odds = rng.normal(size=20_000)
    y = (rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))).astype(float)
    slope, even = METRICS["calibration_slope"], np.ones(len(y))
    for stretch in (0.5, 1, 2):
        assert slope(y, 1 / (1 + np.exp(-stretch * log_odds)), even) == pytest.approx(1 / stretch, rel=0.06)
    few, p, weight = y[:60], 1 / (1 + np.exp(-2 * log_odds[:60])), rng.integers(0, 4, 60).astype(float)
    line = LogisticRegression(C=np.inf).fit(2 * log_odds[:60, None], few, weight)
    assert slope(few, p, weight) == pytest.approx(line.coef_[0, 0], abs=0.01)
    assert np.isfinite(slope(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.ones(2)))  # outcomes that are separated


def test_calibration_bins_hold_means_and_counts() -> None:
    rng = np.random.default_rng(2)
    y, p, _ = _world(rng, 2000)
    bins = calibration(y, p)
    assert len(bins) == 10
    assert sum(item.n for item in bins) == len(y)
    assert all(item.low < item.observed < item.high for item in bins)
    perfect = METRICS["calibration_error"](p, p, np.ones(len(p)))
    assert perfect == pytest.approx(0, abs=1e-12)
    assert METRICS["calibration_error"](y, np.full(len(y), 0.9), np.ones(len(y))) == pytest.approx(0.9 - y.mean())
