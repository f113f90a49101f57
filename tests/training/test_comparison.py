"""Which experiment won and by how much: against the champion if both have the same rows, otherwise against "pool"."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from predictor import TrainingResult
from predictor.training.comparison import Leaderboard, OutOfFold, leaderboard


@pytest.fixture(scope="module")
def results(training_result: TrainingResult) -> dict[str, TrainingResult]:
    """Training results of the model and of the base rate alone."""
    flat = np.full_like(training_result.out_of_fold["pool"], training_result.y.mean())
    other = replace(training_result, out_of_fold={"pool": flat}, scores=training_result.baselines["base_rate"])
    return {"base-rate": other, "pool": training_result}


def printed(board: Leaderboard) -> dict[str, str]:
    return {entry.name: entry.verdict for entry in board.entries}


def test_the_champion_is_the_reference_on_the_same_rows(results: dict[str, TrainingResult]) -> None:
    known = OutOfFold.of(results["pool"])
    order = np.random.default_rng(0).permutation(len(known.rows))
    shuffled = OutOfFold(
        known.rows[order], known.groups[order], known.y[order], known.p[:, order], known.folds[:, order]
    )
    board = leaderboard(results, ("3", shuffled))
    assert printed(board) == {"pool": "same", "champion (version 3)": "reference", "base-rate": "worse"}
    assert board.reference.log_loss.value == pytest.approx(results["pool"].scores["log_loss"].value)
    gain = results["pool"].gains["base_rate"].value
    assert board.entries[-1].difference
    assert board.entries[-1].difference.value == pytest.approx(gain, abs=1e-3)
    assert board.headline.endswith("its predictions are those of the champion (version 3).")


def test_a_better_experiment_beats_the_champion(results: dict[str, TrainingResult]) -> None:
    board = leaderboard({"pool": results["pool"]}, ("1", OutOfFold.of(results["base-rate"])))
    assert "significantly better than the champion (version 1)" in board.headline
    assert board.best.difference
    assert board.best.difference.high < 0


def test_pool_is_the_reference_if_the_champion_has_other_rows(results: dict[str, TrainingResult]) -> None:
    known = OutOfFold.of(results["pool"])
    fewer = OutOfFold(known.rows[1:], known.groups[1:], known.y[1:], known.p[:, 1:], known.folds[:, 1:])
    for champion, why in ((("1", fewer), "learned from other rows"), (None, "no registered champion")):
        board = leaderboard(results, champion)
        assert printed(board) == {"pool": "reference", "base-rate": "worse"}
        assert why in board.why
        assert {row["reference"] for row in board.rows()} == {"pool"}
