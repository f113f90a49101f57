"""Would more interviews help: the curve falls to the model itself, and its sentence follows from the gain."""

from __future__ import annotations

import numpy as np
import pytest

from predictor import TrainingConfig, TrainingResult, simulate_interviews, train
from predictor.evaluation.scores import Score, log_loss
from predictor.training.learning_curve import LearningCurve


def test_the_learning_curve_falls_to_the_score_of_the_model(training_result: TrainingResult) -> None:
    curve = training_result.learning_curve
    assert curve
    n, folds = training_result.data["n"], 5
    assert len(curve.rows) == 4
    np.testing.assert_allclose(curve.rows, n * (1 - 1 / folds) * np.array([1 / 8, 1 / 4, 1 / 2, 1]), rtol=0.1)
    values = [score.value for score in curve.log_loss]
    assert values[0] > values[-1]
    assert all(score.low < score.value < score.high and score.n == n for score in curve.log_loss)
    assert values[-1] == log_loss(training_result.y, training_result.out_of_fold["pool"][0], np.ones(n))
    assert curve.last_gain.value == pytest.approx(values[-2] - values[-1])
    # paired: what is hard in the rows is hard for both
    assert curve.last_gain.high - curve.last_gain.low < curve.log_loss[-1].high - curve.log_loss[-1].low


def test_too_few_rows_have_no_learning_curve() -> None:
    found = train(simulate_interviews(30, seed=3), TrainingConfig(repeats=1, resamples=20, baselines=()))
    assert found.scores
    assert found.learning_curve is None


@pytest.mark.parametrize(
    ("gain", "says"),
    [
        (Score(0.02, 0.01, 0.03, 300), "would probably help"),
        (Score(0.02, -0.01, 0.05, 300), "Not clear yet"),
        (Score(0.002, 0.001, 0.003, 300), "would change little"),  # significant, but too small to matter
        (Score(-0.01, -0.02, 0.0, 300), "would change little"),
    ],
)
def test_the_learning_curve_sentence_follows_from_the_gain(gain: Score, says: str) -> None:
    printed = str(LearningCurve((100, 200), (gain, gain), gain))
    assert says in printed
    assert "n = 300" in printed
