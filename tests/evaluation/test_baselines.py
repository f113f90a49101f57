"""Baselines are trained and tested on the same rows and folds as the pool, whatever the data look like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from predictor import Catalogue, Ratings, TrainingConfig, TrainingResult, simulate_interviews, train
from predictor.errors import ConfigError
from predictor.evaluation.baselines import BASELINES, NON_ADDITIVE, baseline
from predictor.evaluation.scores import Score
from predictor.training import train as training
from predictor.training.result import Transparency


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BASELINES)
def test_baselines_accept_empty_columns_and_unseen_roles(name: str) -> None:
    known = simulate_interviews(200, seed=1).labelled()
    X = known.features
    learned = X.assign(goals_discussed=np.nan, rater_role=X["rater_role"].where(X["rater_role"] != 2))
    with threadpool_limits(1):
        p, again = (baseline(name, known.catalogue).fit(learned, known.y).predict_proba(X)[:, 1] for _ in range(2))
    assert ((p > 0) & (p < 1)).all()
    np.testing.assert_array_equal(p, again)


def test_the_boosting_baseline_beats_the_base_rate() -> None:
    """On few interviews, where scikit-learn's defaults are worse than the base rate; it also runs on a dozen rows."""
    known, new = (simulate_interviews(300, seed=seed).labelled() for seed in (1, 2))
    losses = {}
    for name in ("boosting", "base_rate"):
        p = baseline(name, known.catalogue).fit(known.features, known.y).predict_proba(new.features)
        losses[name] = log_loss(new.y, p)
    assert losses["boosting"] < losses["base_rate"]
    few = simulate_interviews(12, seed=1).labelled()
    p = baseline("boosting", few.catalogue).fit(few.features, few.y).predict_proba(few.features)[:, 1]
    assert ((p > 0) & (p < 1)).all()


def test_baselines_use_the_folds_of_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spy takes the place of a baseline and compares each pair of training and test rows with the pool's."""
    seen: dict[str, list[tuple[Any, Any]]] = {"pool": [], "forest": [], "undirected": []}

    class Spy:
        def __init__(self, name: str, inner: Any) -> None:
            self.name, self.inner = name, inner

        def set_params(self, **chosen: Any) -> Spy:
            self.inner.set_params(**chosen)
            self.name = "undirected"  # the same fit without directions, which says what these cost
            return self

        def fit(self, X: pd.DataFrame, y: Any, **groups: Any) -> Spy:
            self.rows = tuple(X.index)
            self.inner.fit(X, y, **groups)
            return self

        def predict_proba(self, X: pd.DataFrame) -> Any:
            seen[self.name].append((self.rows, tuple(X.index)))
            return self.inner.predict_proba(X)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    base_rate = BASELINES["base_rate"]
    monkeypatch.setattr(training, "clone", lambda estimator: Spy("pool", clone(estimator)))
    monkeypatch.setattr(training, "baseline", lambda _, *about: Spy("forest", base_rate(*about)))
    ratings = simulate_interviews(200, seed=1)
    found = train(ratings, TrainingConfig(folds=3, repeats=2, resamples=20, baselines=("forest",)))
    assert len(seen["pool"]) == 6
    assert sorted(seen["forest"]) == sorted(seen["pool"]), "in every repeat"
    assert len(seen["undirected"]) == 3 and set(seen["undirected"]) <= set(seen["pool"]), "in the first repeat"
    groups = ratings.labelled().groups
    assert groups is not None
    for learned, tested in seen["forest"]:
        assert not set(groups[list(learned)]) & set(groups[list(tested)])
    assert found.baselines["forest"]["log_loss"].n == found.data["n"]


def test_gains_are_paired_differences_on_the_same_rows(training_result: TrainingResult) -> None:
    assert set(training_result.baselines) == set(training_result.gains) == set(BASELINES)
    for name, saved in training_result.gains.items():  # one repeat, so that all use the same folds
        other = training_result.baselines[name]["log_loss"].value
        assert saved.value == pytest.approx(other - training_result.scores["log_loss"].value)


def test_without_baselines_nothing_is_compared() -> None:
    found = train(
        simulate_interviews(150, seed=1), TrainingConfig(folds=2, repeats=1, resamples=20, baselines=()), curve=False
    )
    assert not found.gains
    assert not found.baselines
    assert found.transparency is None


def test_rows_without_ratings_give_every_baseline_an_auc_of_one_half(catalogue: Catalogue) -> None:
    y = np.tile([0.0, 1.0, 0.0], 20)
    empty = Ratings(catalogue, np.full((60, len(catalogue.names)), np.nan), y)
    found = train(empty, TrainingConfig(folds=2, repeats=1, resamples=20))
    assert {score["roc_auc"].value for score in found.baselines.values()} == {0.5}


def test_the_cost_of_transparency_is_stated(training_result: TrainingResult) -> None:
    printed = training_result.transparency
    assert printed
    assert printed.cost.value == pytest.approx(-min(training_result.gains[name].value for name in NON_ADDITIVE))
    assert printed.cost.value == -training_result.gains[printed.baseline].value
    for low, high, says in (
        (0.005, 0.02, "Cost of interpretability: 0.012 (0.005 to 0.020) of log-loss against"),
        (-0.02, -0.005, "Cost of interpretability: none; log-loss is lower by 0.013 (0.005 to 0.020) than"),
        (-0.01, 0.01, "Cost of interpretability: none detectable against"),
    ):
        said = str(Transparency("forest", Score((low + high) / 2 - 1e-4, low, high, 100)))
        assert says in said
        assert "forest" in said


def test_a_rule_beyond_tables_shows_as_a_cost_of_transparency() -> None:
    """An offer where an odd number of four signals is high: trees can learn it, tables of up to three signals cannot."""
    ratings = simulate_interviews(900, seed=1)
    rng = np.random.default_rng(0)
    values = rng.choice([1.0, 5.0], ratings.values.shape)
    odd = (values[:, :4] > 3).sum(axis=1) % 2 == 1
    made = replace(ratings, values=values, y=(odd ^ (rng.random(len(odd)) < 0.05)).astype(float))
    made = made.without([*made.catalogue.names[4:], "rater_role"])
    found = train(made, TrainingConfig(repeats=1, resamples=50, baselines=("logistic", "boosting")), curve=False)
    assert found.transparency
    assert found.transparency.baseline == "boosting"
    assert found.transparency.cost.low > 0.2
    assert "Cost of interpretability: 0." in str(found.transparency)


def test_an_unknown_baseline_is_refused() -> None:
    with pytest.raises(ConfigError, match="no 'forrest'; did you mean 'forest'"):
        TrainingConfig(baselines=("forrest",))
    with pytest.raises(ConfigError, match="baselines = 'forest': write a list of names"):
        TrainingConfig(baselines="forest")  # type: ignore[arg-type]  # as in a file


def test_the_old_configuration_key_for_baselines_is_accepted(tmp_path: Path) -> None:
    former, both = tmp_path / "former.toml", tmp_path / "both.toml"
    former.write_text('challengers = ["forest"]\n')
    both.write_text('challengers = ["forest"]\nbaselines = ["forest"]\n')
    assert (
        TrainingConfig.load(former) == TrainingConfig(baselines=("forest",)) == TrainingConfig(challengers=["forest"])
    )
    with pytest.raises(ConfigError, match="former name of baselines"):
        TrainingConfig.load(both)
