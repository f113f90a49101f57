"""The prior from published evidence: a start that own outcomes overrule, and labelled as what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from predictor import Catalogue, OfferClassifier, OfferModel, TrainingConfig, simulate_interviews, train
from predictor.cli import main
from predictor.errors import ConfigError, RatingsError
from predictor.learning.published import build_published, published_prior

QUICK = TrainingConfig(folds=2, repeats=1, resamples=20, baselines=())  # scores are not checked


def test_the_shipped_prior_equals_a_rebuilt_one() -> None:
    shipped, built = OfferModel.published(), build_published()
    assert shipped.simulated
    values = simulate_interviews(50, seed=3).features.to_numpy()
    np.testing.assert_allclose(built.log_odds(values), shipped.log_odds(values), atol=1e-6)
    assert shipped.trained_on == built.trained_on
    some = simulate_interviews(50, seed=3)
    np.testing.assert_allclose(built.predict_many(some), shipped.predict_many(some), atol=1e-5)
    assert shipped.typical_range == built.typical_range


def test_the_share_of_the_prior_falls_with_own_interviews() -> None:
    """Offers go against all published evidence, so the prior fades as outcomes arrive.

    It ends at the base rate where higher is better: the catalogue's directions allow nothing beyond.
    """
    ratings = simulate_interviews(400, seed=1).labelled()
    either = replace(ratings.catalogue, signals=tuple(replace(s, better="either") for s in ratings.catalogue.signals))
    contrary = replace(ratings, y=1 - ratings.y, catalogue=either)
    good = {"rater_role": "interviewer", **dict.fromkeys(ratings.catalogue.names, 5)}
    answers, shares = [], []
    for n in (0, 5, 20, 80, len(ratings)):
        result = train(contrary.rows(np.arange(n)), replace(QUICK, prior="published"), curve=False)
        answers.append(result.model.predict(good).offer_probability)
        shares.append(result.model.trained_on["prior"]["share"])
    assert shares == sorted(shares, reverse=True) and shares[0] == 1 and shares[-1] < 0.3
    assert answers[0] > 0.6 and answers[-1] < 0.2
    held = train(replace(contrary, catalogue=ratings.catalogue), QUICK, curve=False).model
    assert abs(held.predict(good).offer_probability - held.base_rate) < 0.1


def test_the_prior_improves_models_of_few_interviews() -> None:
    fresh = simulate_interviews(3000, seed=50).labelled()
    gains = []
    for seed in range(5):
        few = simulate_interviews(60, seed=seed).labelled()
        few = few.rows(np.r_[np.flatnonzero(few.y == 1)[:7], np.flatnonzero(few.y == 0)[:13]])
        losses = []
        for prior in (None, published_prior()):
            log_odds = (
                OfferClassifier(few.catalogue, prior=prior).fit(few.features, few.y).decision_function(fresh.features)
            )
            losses.append(np.logaddexp(0, (1 - 2 * fresh.y) * log_odds).mean())
        gains.append(losses[0] - losses[1])
    assert np.mean(gains) > 0.02


@pytest.mark.parametrize(("rows", "outcome"), [([], ""), ([0, 1], ""), ([0, 1, 2, 3], "no"), (list(range(5)), "yes")])
def test_a_handful_of_rows_trains_a_model_labelled_as_a_prior(rows: list[int], outcome: str) -> None:
    some = simulate_interviews(30, seed=4).rows(np.array(rows, dtype=int))
    some = replace(some, y=np.full(len(some), {"": np.nan, "no": 0.0, "yes": 1.0}[outcome]))
    result = train(some)
    assert not result.scores
    assert any("SIMULATED" in warning and "Prior" in warning for warning in result.warnings)
    assert any("Too few to measure" in warning for warning in result.warnings)
    answer = result.model.predict({"goals_discussed": 5})
    assert answer.interval.low < answer.offer_probability < answer.interval.high
    assert answer.to_dict()["model"]["trained_on"]["prior"]["share"] > 0.2
    assert any(note.startswith("Prior: ") for note in answer.notes)


def test_the_prior_is_refused_for_other_catalogues() -> None:
    ratings = simulate_interviews(30, seed=4)
    with pytest.raises(ConfigError, match="leave_out removes signals"):
        train(ratings, TrainingConfig(prior="published", leave_out=("body_language",)))
    with pytest.raises(RatingsError, match="at least 5 of each"):
        train(ratings.rows(np.arange(5)), TrainingConfig(prior="none"))
    with pytest.raises(ConfigError, match="did you mean 'published'"):
        TrainingConfig(prior="publishd")
    other = Catalogue.shipped().without(["body_language"])
    with pytest.raises(ConfigError, match="leave the prior out"):
        labelled = ratings.without(["body_language"]).labelled()
        OfferClassifier(other, prior=published_prior()).fit(labelled.features, labelled.y)
    plenty = train(simulate_interviews(400, seed=1), QUICK, curve=False)
    assert "prior" not in plenty.model.trained_on


def test_predict_works_before_any_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(main, ["predict", "-"], input='{"goals_discussed": 4}')
    assert said.exit_code == 0
    assert "SIMULATED" in said.stdout and "100 % of this model comes from published effects" in said.stdout
    assert not list(tmp_path.iterdir())
