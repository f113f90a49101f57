"""Values that many tests share: simulated interviews, and a model trained on them once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from predictor import Catalogue, OfferModel, Ratings, TrainingConfig, TrainingResult, simulate_interviews, train
from predictor.cli import main

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.shipped()


@pytest.fixture(scope="session")
def interviews() -> Ratings:
    return simulate_interviews(600, seed=5)


@pytest.fixture(scope="session")
def result(interviews: Ratings) -> TrainingResult:
    return train(interviews, TrainingConfig(repeats=1, resamples=50), name="tested")


@pytest.fixture(scope="session")
def model(result: TrainingResult) -> OfferModel:
    return result.model


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: OfferModel) -> Path:
    """A folder to work in, as a user would, with a champion."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    model.save("experiments/models/champion.json")
    return tmp_path


@pytest.fixture
def run(workplace: Path) -> Callable[..., Result]:
    """Run the command line in the workplace."""

    def call(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin, catch_exceptions=False)

    return call
