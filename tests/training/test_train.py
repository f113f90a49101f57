"""Training: honest scores, reproducible models, signals that must be learned and noise that must not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from strategies import EXAMPLES

from predictor import Catalogue, OfferClassifier, Ratings, TrainingConfig, TrainingResult, simulate_interviews, train
from predictor.errors import CatalogueError, ConfigError, RatingsError
from predictor.evaluation.scores import log_loss

QUICK = TrainingConfig(repeats=1, resamples=50, baselines=("base_rate",))
QUICKEST = TrainingConfig(folds=2, repeats=1, resamples=20, baselines=())  # for tests that do not check scores


def test_the_same_data_and_configuration_give_the_same_model(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        model = train(simulate_interviews(120, seed=4), replace(QUICK, folds=2)).model
        data = json.loads(model.save(tmp_path / f"{name}.json").read_text())
        data.pop("created_at")
        written.append(json.dumps(data))
    assert written[0] == written[1]


def test_scores_are_within_the_published_evidence(training_result: TrainingResult, interviews: Ratings) -> None:
    for scores in (training_result.scores, *training_result.scores_by_role.values()):
        assert all(score.low <= score.value <= score.high for score in scores.values())
    assert training_result.scores["log_loss"].n == training_result.data["n"] == len(interviews.labelled())
    assert training_result.gains["base_rate"].low > 0
    assert set(training_result.scores_by_role) == {"interviewer", "observer", "candidate"}
    assert (
        training_result.scores_by_role["interviewer"]["roc_auc"].value
        > training_result.scores_by_role["candidate"]["roc_auc"].value
    )
    assert any("SIMULATED" in warning for warning in training_result.warnings)


def test_scores_equal_those_of_the_out_of_fold_predictions(
    training_result: TrainingResult, interviews: Ratings
) -> None:
    groups, pool = interviews.labelled().groups, training_result.out_of_fold["pool"]
    assert pool.shape == training_result.folds.shape == (training_result.config.repeats, len(training_result.y))
    losses = [log_loss(training_result.y, p, np.ones(len(p))) for p in pool]
    assert np.mean(losses) == pytest.approx(training_result.scores["log_loss"].value)
    assert set(np.unique(training_result.folds)) == set(range(training_result.config.folds))
    assert groups is not None and training_result.roles is not None
    for repeat in training_result.folds:
        assert len(set(zip(groups, repeat, strict=True))) == training_result.data["n_groups"]  # each group in one fold
    assert set(training_result.roles) == set(training_result.scores_by_role)


def test_auc_by_role_is_realistic_on_simulated_interviews() -> None:
    """Realistic bands by rater role; on 10,000 other ratings one standard error is about .01."""
    known, others = (simulate_interviews(n, seed=n).labelled() for n in (3000, 10_000))
    model = OfferClassifier(known.catalogue).fit(known.features, known.y, groups=known.groups).model_
    answers = model.predict_many(others)["offer_probability"].to_numpy()
    roles = others.columns["rater_role"]
    auc = {role: roc_auc_score(others.y[roles == role], answers[roles == role]) for role in set(roles)}
    assert 0.76 < auc["interviewer"] < 0.83
    assert 0.71 < auc["observer"] < 0.80
    assert 0.60 < auc["candidate"] < 0.69
    assert 0.70 < roc_auc_score(others.y, answers) < 0.77


def test_shuffled_offers_give_the_base_rate() -> None:
    null = simulate_interviews(1500, seed=2, mode="null")
    found = train(null, QUICK, curve=False)
    assert found.scores["roc_auc"].value < 0.55  # below .5 is no news: folds with fewer offers teach lower rates
    assert abs(found.gains["base_rate"].value) < 0.005
    answers = found.model.predict_many(null)["offer_probability"]
    assert np.abs(answers - found.model.base_rate).quantile(0.9) < 0.05


def test_higher_ratings_give_higher_likelihoods(training_result: TrainingResult, catalogue: Catalogue) -> None:
    for role in catalogue.inputs[0].levels:
        means = [
            training_result.model.predict(
                {"rater_role": role, "ratings": dict.fromkeys(catalogue.names, rating)}
            ).log_odds
            for rating in (1, 2, 3, 4, 5)
        ]
        assert means == sorted(means)
        assert means[-1] - means[0] > 0.5


def test_the_order_of_rows_and_ids_hardly_changes_the_model() -> None:
    ratings = simulate_interviews(300, seed=3).labelled()
    model = train(ratings, QUICKEST, curve=False).model
    turned = ratings.rows(np.arange(len(ratings))[::-1])
    again = train(turned, QUICKEST, curve=False).model
    sample = simulate_interviews(50, seed=9)
    np.testing.assert_allclose(model.predict_many(sample), again.predict_many(sample), atol=0.02)


def test_groups_stay_on_one_side_of_a_split() -> None:
    """Rows copied five times under one id: scores must not be better than without the copies."""
    once = simulate_interviews(100, seed=5, mode="null").labelled()
    copies = once.rows(np.repeat(np.arange(len(once)), 5))
    found = train(copies, replace(QUICK, folds=2), curve=False)
    assert found.data["n_groups"] == len(set(copies.columns["candidate_id"]))
    assert found.gains["base_rate"].value < 0.01  # with copies on both sides it would be far higher


def test_ratings_without_groups_train_with_a_warning() -> None:
    ratings = simulate_interviews(150, seed=5)
    columns = {name: column for name, column in ratings.columns.items() if name != "candidate_id"}
    found = train(replace(ratings, columns=columns), QUICKEST, curve=False)
    assert any("No group column" in warning for warning in found.warnings)


def test_hindsight_ratings_are_reported(training_result: TrainingResult) -> None:
    found = train(simulate_interviews(600, seed=5, mode="hindsight"), QUICK, curve=False)
    assert any("suspiciously well" in warning for warning in found.warnings)
    assert any("rated after the outcome was known" in warning for warning in found.warnings)
    assert any("gives the outcome away" in warning for warning in found.warnings)
    assert not any("suspicious" in warning or "rated after" in warning for warning in training_result.warnings)


@given(st.data())
@settings(max_examples=EXAMPLES or 10, deadline=None)
def test_small_data_sets_train_or_are_refused_with_a_reason(data: st.DataObject) -> None:
    """With few rows in few groups a fold may lack an outcome; that must never cause a traceback."""
    n = data.draw(st.integers(10, 24))
    ratings = simulate_interviews(n, seed=data.draw(st.integers(0, 50)))
    groups = np.array([str(data.draw(st.integers(0, 6))) for _ in range(n)], dtype=object)
    y = np.array([float(data.draw(st.booleans())) for _ in range(n)])
    small = replace(ratings, y=y, columns={**ratings.columns, "candidate_id": groups})
    prior = data.draw(st.sampled_from(["auto", "none"]))
    config = TrainingConfig(repeats=1, resamples=20, baselines=("logistic", "boosting"), prior=prior)
    try:
        result = train(small, config)
        assert result.scores["log_loss"].n == n if result.scores else "prior" in result.model.trained_on
    except RatingsError as error:
        assert "at least 5" in str(error) or "group" in str(error)


def test_left_out_signals_are_accepted_and_ignored() -> None:
    ratings = simulate_interviews(300, seed=7)
    model = train(ratings, replace(QUICKEST, leave_out=("body_language", "mutual_rapport")), curve=False).model
    assert not {"candidate_eye_contact", "mutual_rapport"} & set(model.signals)
    with_it = model.predict({"goals_discussed": 4, "mutual_rapport": 5, "candidate_eye_contact": 1})
    assert with_it.log_odds == model.predict({"goals_discussed": 4}).log_odds
    with pytest.raises(CatalogueError, match="did you mean 'body_language'"):
        train(ratings, TrainingConfig(leave_out=("body_languages",)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fold = 3", "did you mean 'folds'"),
        ("folds = 1", "from 2 to 20"),
        ("folds = true", "from 2 to 20"),
        ("seed = -1\nrepeats = 0", "repeats = 0"),
        ("leave_out = 'body_language'", "a list of names"),
        ("leave_out = [1]", "a list of names"),
        ("leave_out = 5", "a list of names"),
        ("folds = ", "not a readable TOML"),
    ],
)
def test_an_invalid_experiment_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        TrainingConfig.load(tmp_path / "mine.toml")
    with pytest.raises(ConfigError, match="did you mean 'mine'"):
        TrainingConfig.load(tmp_path / "mien.toml")
