"""The model: exact contributions, files that are saved and refused, and the form of an answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import EXAMPLES, interview

from predictor import Catalogue, OfferModel, Ratings, simulate_interviews
from predictor.errors import ConfigError, ModelError, PredictorError, RatingsError
from predictor.model.data import FORMAT, Pair, Triple
from predictor.model.file import fingerprint
from predictor.reports.inspection import render_model


def test_a_known_outcome_does_not_change_the_answer() -> None:
    """In every input path: one rating, a table, rows of a file."""
    model = OfferModel.published()
    name, outcome = model.signals[0], model.catalogue.outcome
    expected = model.predict({name: 4}).offer_probability
    for word in ("Ja", "pending", "yes", 7, None):
        assert model.predict({name: 4, outcome: word}).offer_probability == expected
        frame = pd.DataFrame({name: [4.0], outcome: [word]})
        assert model.predict_many(frame)["offer_probability"][0] == pytest.approx(expected, abs=1e-12)
    with pytest.raises(RatingsError, match="must be text or a number"):
        model.predict({name: 4, outcome: ["yes"]})


@given(data=st.data())
@settings(max_examples=EXAMPLES or 300, suppress_health_check=[HealthCheck.too_slow])
def test_contributions_add_up_to_the_log_odds(model: OfferModel, data: st.DataObject) -> None:
    answer = model.predict(data.draw(interview(model.catalogue)))
    parts = [item.log_odds for item in answer.contributions]
    assert math.fsum([answer.baseline, *parts]) == pytest.approx(answer.log_odds, abs=1e-12)
    assert math.fsum([answer.baseline, *answer.families.values()]) == pytest.approx(answer.log_odds, abs=1e-12)
    assert answer.offer_probability == pytest.approx(1 / (1 + math.exp(-answer.log_odds)), abs=1e-12)
    assert 0 < answer.interval.low <= answer.offer_probability <= answer.interval.high < 1


def test_predict_and_predict_many_agree(model: OfferModel) -> None:
    ratings = simulate_interviews(200, seed=8)
    many = model.predict_many(ratings, contributions=True)
    for row, one in enumerate(model.predict_each(ratings)):
        found = many.iloc[row]
        expected = [one.offer_probability, one.interval.low, one.interval.high, one.baseline]
        expected += [item.log_odds for item in one.contributions]
        np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-12)
    frame = model.predict_many(ratings.X.set_index(np.arange(200) + 7).assign(rater_role=ratings.columns["rater_role"]))
    assert frame.index[0] == 7
    np.testing.assert_array_equal(frame["offer_probability"], many["offer_probability"])


@pytest.fixture(scope="module")
def model_with_pairs(model: OfferModel) -> OfferModel:
    """The model with a table for every pair of signals and inputs, and for a triple."""
    rng = np.random.default_rng(0)
    cells = {name: len(table) for name, table in model.tables.items()}
    pairs = [Pair(a, b, rng.normal(scale=0.05, size=(cells[a], cells[b]))) for a, b in combinations(model.terms, 2)]
    triple = (model.terms[0], model.terms[5], model.terms[-1])
    table = rng.normal(scale=0.05, size=tuple(cells[name] for name in triple))
    return replace(model, pairs=tuple(pairs), triples=(Triple(triple, table),))


@given(seed=st.integers(0, 2**32 - 1), whole=st.floats(0, 1), gaps=st.sampled_from([0.0, 0.05, 0.5, 0.97]))
@settings(max_examples=EXAMPLES or 15, deadline=None)
def test_all_evaluation_paths_agree(
    model: OfferModel, model_with_pairs: OfferModel, seed: int, whole: float, gaps: float
) -> None:
    """On the knots, half way and anywhere, with gaps and roles: one row, many rows, with or without reasons."""
    rng = np.random.default_rng(seed)
    shape = (20, len(model.signals))
    values = np.where(rng.random((20, 1)) < whole, rng.integers(2, 11, shape) / 2, rng.uniform(1, 5, shape))
    values[rng.random(shape) < gaps] = np.nan
    levels = list(model.catalogue.inputs[0].levels)
    roles = rng.choice([*levels, ""], 20)
    frame = pd.DataFrame(values, columns=list(model.signals))
    frame["rater_role"] = pd.Categorical([role or None for role in roles], levels) if seed % 2 else roles
    ratings = Ratings.from_frame(frame, model.catalogue)
    for either in (model, model_with_pairs, replace(model_with_pairs, pairs=model_with_pairs.pairs[::7], triples=())):
        ones = list(either.predict_each(ratings, base_rate=0.3))
        expected = np.array([[one.offer_probability, one.interval.low, one.interval.high] for one in ones])
        many = either.predict_many(frame, base_rate=0.3)
        np.testing.assert_allclose(many, expected, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(either.predict_many(ratings, base_rate=0.3), many)
        alone = either.predict_many(frame, base_rate=0.3, interval=False)["offer_probability"]
        np.testing.assert_allclose(alone, many["offer_probability"], rtol=0, atol=1e-12)
        printed = either.predict_many(frame, contributions=True, interval=False)
        log_odds = either.log_odds(ratings.features.to_numpy())
        np.testing.assert_allclose(printed.iloc[:, 1:].sum(axis=1), log_odds, rtol=0, atol=1e-12)
        shift = math.log(0.3 / 0.7) - math.log(model.base_rate / (1 - model.base_rate))
        np.testing.assert_allclose([one.log_odds for one in ones], log_odds + shift, rtol=0, atol=1e-12)


def test_an_answer_does_not_depend_on_other_rows(model_with_pairs: OfferModel) -> None:
    frame = simulate_interviews(50, seed=2).X
    alone = model_with_pairs.predict_many(frame.iloc[:20])
    frame.iloc[20:, 3] = 2.22
    np.testing.assert_array_equal(model_with_pairs.predict_many(frame).iloc[:20], alone)


def test_tables_too_large_to_fuse_are_looked_up_correctly(model: OfferModel) -> None:
    """A scale of 64 knots makes tables too large to fuse."""
    catalogue = model.catalogue.to_dict()
    for signal in catalogue["signals"]:
        signal["scale"] = {"low": 1, "high": 5, "step": 4 / 63}
    fine = Catalogue.from_dict(catalogue)
    grow = {
        name: np.r_[np.zeros(59), table] if name in model.signals else table for name, table in model.tables.items()
    }
    zero = {name: np.zeros((len(table), len(model.factors["intercept"]))) for name, table in grow.items()}
    assert model.factor_model
    shares = tuple(
        np.r_[np.zeros(59), share] if j < len(model.signals) else share
        for j, share in enumerate(model.factor_model.shares)
    )
    large = replace(
        model, catalogue=fine, factor_model=replace(model.factor_model, shares=shares), tables=grow, pairs=(), factors={**zero, "intercept": model.factors["intercept"]},
        variances={name: np.ones(len(table)) for name, table in grow.items()},
    )  # fmt: skip
    ratings = Ratings.from_frame(simulate_interviews(30, seed=4).X, fine)
    expected = [[one.offer_probability, one.interval.low, one.interval.high] for one in large.predict_each(ratings)]
    np.testing.assert_allclose(large.predict_many(ratings), expected, atol=1e-12)


def test_a_saved_model_predicts_the_same_bits(model: OfferModel, tmp_path: Path) -> None:
    again = OfferModel.load(model.save(tmp_path / "model.json"))
    ratings = simulate_interviews(500, seed=9)
    np.testing.assert_array_equal(
        again.predict_many(ratings, contributions=True), model.predict_many(ratings, contributions=True)
    )
    assert again.fingerprint == model.fingerprint
    assert again.to_dict() == model.to_dict()
    assert again.save(tmp_path / "again.json").read_bytes() == (tmp_path / "model.json").read_bytes()


def test_no_rating_gives_the_base_rate(model: OfferModel) -> None:
    answer = model.predict({})
    assert answer.offer_probability == pytest.approx(model.base_rate, abs=1e-9)
    assert any("base rate" in note for note in answer.notes)
    assert answer.not_rated == model.signals
    for role in ("interviewer", "observer", "candidate"):  # a role without ratings changes nothing
        assert model.predict({"rater_role": role}).offer_probability == pytest.approx(model.base_rate, abs=1e-9)
    assert model.predict({}, base_rate=0.1).offer_probability == pytest.approx(0.1, abs=1e-9)


def test_a_base_rate_only_shifts_the_log_odds(model: OfferModel) -> None:
    ratings = {"goals_discussed": 5, "mutual_rapport": 2}
    plain, shifted = model.predict(ratings), model.predict(ratings, base_rate=0.2)
    moved = math.log(0.2 / 0.8) - math.log(model.base_rate / (1 - model.base_rate))
    assert shifted.log_odds - plain.log_odds == pytest.approx(moved)
    assert shifted.contributions == plain.contributions
    assert shifted.base_rate == 0.2
    for wrong in (0, 1, -0.1, 2, math.nan, True):
        with pytest.raises(ConfigError, match="above 0 and below 1"):
            model.predict(ratings, base_rate=wrong)


def test_half_ratings_give_values_between_their_neighbours(model: OfferModel) -> None:
    others = dict.fromkeys(model.signals, 4)
    three, half, four = (model.predict(others | {"mutual_respect": rating}).log_odds for rating in (3, 3.5, 4))
    assert half == pytest.approx((three + four) / 2)


def test_an_answer_converts_to_json(model: OfferModel) -> None:
    answer = json.loads(json.dumps(model.predict({"rater_role": "observer", "mutual_rapport": 4}).to_dict()))
    assert set(answer) == {
        "offer_probability", "interval", "base_rate", "log_odds", "baseline", "contributions", "families",
        "feature_importances", "not_rated", "notes", "model",
    }  # fmt: skip
    assert set(answer["interval"]) == {"level", "low", "high"}
    rated = {item["signal"]: item["rating"] for item in answer["contributions"] if item["rating"] is not None}
    assert rated == {"mutual_rapport": 4.0, "rater_role": "observer"}
    assert answer["model"]["trained_on"]["simulated"] is True
    assert any("SIMULATED" in note for note in answer["notes"])
    assert any("Few ratings" in note for note in answer["notes"])


def test_unusual_patterns_are_noted(model: OfferModel, catalogue: Catalogue) -> None:
    assert any("spread" in note for note in model.predict(dict.fromkeys(catalogue.names, 3)).notes)
    assert any("mean rating is lower" in note for note in model.predict(dict.fromkeys(catalogue.names, 1)).notes)
    ordinary = simulate_interviews(300, seed=3)
    for kept in (2, 5, 12, 24):  # thin input is no unusual pattern
        order = np.random.default_rng(kept).random(ordinary.values.shape).argsort(axis=1).argsort(axis=1)
        thin = replace(ordinary, values=np.where(order < kept, ordinary.values, np.nan))
        unusual = [any("Unusual" in note for note in answer.notes) for answer in model.predict_each(thin)]
        assert np.mean(unusual) < 0.06


def _damage(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def damaged(content: bytes) -> bytes:
        data = json.loads(content)
        change(data)
        return json.dumps(data).encode()

    return damaged


@pytest.mark.parametrize(
    ("damaged", "says"),
    [
        (lambda content: content[: len(content) // 2], "cut short"),
        (lambda content: b"", "cut short"),
        (lambda content: b"\x80\x04\x95 a pickle", "not a model file"),
        (lambda content: b"[1, 2]", "not a model of the interview outcome predictor"),
        (lambda content: b'{"model": "something else"}', "not a model of the interview outcome predictor"),
        (lambda content: content.replace(b'"base_rate": 0.', b'"base_rate": 0.9', 1), "does not match its fingerprint"),
        (_damage(lambda data: data.update(format=FORMAT + 1)), "is newer than this version reads"),
        (_damage(lambda data: data.update(format="x")), "its format is 'x'"),
        (_damage(lambda data: data["tables"].popitem()), "does not match its fingerprint"),
    ],
)
def test_a_damaged_model_is_refused(
    model: OfferModel, tmp_path: Path, damaged: Callable[[bytes], bytes], says: str
) -> None:
    path = model.save(tmp_path / "model.json")
    path.write_bytes(damaged(path.read_bytes()))
    with pytest.raises(ModelError, match=says) as caught:
        OfferModel.load(path)
    assert "model.json" in str(caught.value)


def _leaves(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return paths to a sample of a model file: the first and last item of each mapping and list."""
    items = list(data.items()) if isinstance(data, dict) else list(enumerate(data)) if isinstance(data, list) else []
    return [path] * bool(path) + [
        leaf for key, part in (items[:2] + items[-1:]) for leaf in _leaves(part, (*path, key))
    ]


BROKEN: list[Any] = [None, math.nan, "x", [], -1, 10**400, {}, True]


def test_a_forged_file_is_refused_or_gives_finite_answers(model: OfferModel) -> None:
    """Any value anywhere in a file with a matching fingerprint: no traceback, and no answer that is NaN."""
    whole = json.loads(json.dumps(model.to_dict()))
    refused = 0
    for path in _leaves(whole):
        for wrong in BROKEN:
            data = json.loads(json.dumps(whole))
            place = data
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = wrong
            data["fingerprint"] = fingerprint(data)
            try:
                answer = OfferModel.from_dict(data).predict({model.signals[0]: 4})
            except ModelError:
                refused += 1
            except PredictorError:
                continue  # a forged catalogue may have other signals or scales
            else:
                assert math.isfinite(answer.offer_probability)
                assert answer.interval.low <= answer.interval.high
    assert refused > 150


def test_unusual_titles_survive_saving(model: OfferModel, tmp_path: Path) -> None:
    odd = replace(model, trained_on={**model.trained_on, "source": 'my [ 1,  2 ] é "x".csv'})
    assert OfferModel.load(odd.save(tmp_path / "odd.json")).trained_on["source"] == odd.trained_on["source"]


def test_a_missing_model_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such model; train one with: predictor train"):
        OfferModel.load(tmp_path / "absent.json")
    with pytest.raises(ModelError, match="cannot be read"):
        OfferModel.load(tmp_path)


def test_a_failed_save_leaves_the_old_model(model: OfferModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = model.save(tmp_path / "model.json")
    before = path.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(ModelError, match="No space left on device"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_ratings_must_follow_the_models_catalogue(model: OfferModel) -> None:
    with pytest.raises(PredictorError, match="did you mean 'mutual_rapport'"):
        model.predict({"mutual_raport": 4})
    other = Catalogue.from_dict({**model.catalogue.to_dict(), "signals": model.catalogue.to_dict()["signals"][:3]})
    with pytest.raises(PredictorError, match="catalogue"):
        model.predict_many(Ratings.from_records([{model.signals[0]: 4}], other))


# Likelihoods and lower ends of their intervals, as the engine gave them that made these files (commit df992e1).
OLD_ANSWERS: dict[int, list[tuple[dict[str, Any], float, float]]] = {
    1: [
        ({"listening": 1, "fit": 5}, 0.9510564944261892, 0.7522218210831867),
        ({"listening": 4.5, "fit": 2}, 0.1850521020578625, 0.07056212485785347),
        ({"fit": 3}, 0.4758781348089579, 0.3015755936075219),
        ({}, 0.5125, 0.3765911936535706),
    ],
    2: [
        (
            {"rater_role": "interviewer", "candidate_enthusiasm": 5, "goals_discussed": 4, "mutual_rapport": 2,
             "next_steps_timeline": 3},
            0.2669952747472021,
            0.16253512271997358,
        ),
        ({"rater_role": "candidate", "candidate_enthusiasm": 1}, 0.20331636275131945, 0.09476568778272687),
        ({"goals_discussed": 4.5, "next_steps_timeline": 5}, 0.47109073584017036, 0.3156068422321183),
        ({}, 0.33088235294117646, 0.22905258995243313),
    ],
}  # fmt: skip


@pytest.mark.parametrize("number", OLD_ANSWERS)
def test_an_older_model_answers_as_before_and_states_its_age(number: int, tmp_path: Path) -> None:
    old = OfferModel.load(ROOT / f"tests/data/model-format-{number}.json")
    for model in (old, OfferModel.load(old.save(tmp_path / "model.json"))):
        for ratings, likelihood, low in OLD_ANSWERS[number]:
            answer = model.predict(ratings)
            assert answer.offer_probability == pytest.approx(likelihood, abs=1e-12)
            assert answer.interval.low == pytest.approx(low, abs=1e-12)
            assert any(note.startswith("Old model") for note in answer.notes)
            (row,) = model.predict_many(Ratings.from_records([ratings], model.catalogue)).to_numpy()
            assert row[:2] == pytest.approx([likelihood, low], abs=1e-12)
        assert "Old model" in render_model(model)
