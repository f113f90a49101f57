"""Looking into a model: shape functions and pairs are its log-odds taken apart, in the report and the plots."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import interview

from predictor import OfferModel, TrainingResult, simulate_interviews
from predictor.model.data import Pair
from predictor.reports.figures.tables import pair_plot, save_model_plots
from predictor.reports.inspection import model_data, render_model

PAIRED = ("interviewer_energy", "mutual_respect")


@pytest.fixture(scope="module")
def model_with_pair(model: OfferModel) -> OfferModel:
    """The model with one additional strong pair of signals."""
    return replace(model, pairs=(*model.pairs, Pair(*PAIRED, np.outer([2, 0, 0, 0, -1, 0], [1, 0, 0, 0, -1, 0]) / 3)))


def test_shape_functions_equal_differences_of_log_odds(model: OfferModel) -> None:
    alone = replace(model, pairs=())
    shapes = model.shape_functions()
    assert list(shapes) == ["signal", "rating", "log_odds", "low", "high", "n"]
    usual: dict[str, Any] = {**dict.fromkeys(model.signals, 3), "rater_role": "observer"}
    for name in shapes["signal"].unique():
        shape = shapes[shapes["signal"] == name]
        seen = shape[shape["rating"].notna()]
        found = [alone.predict({**usual, name: rating}).log_odds for rating in seen["rating"]]
        np.testing.assert_allclose(np.diff(found), np.diff(seen["log_odds"]), atol=1e-12)
        assert (shape["n"] @ shape["log_odds"]) / shape["n"].sum() == pytest.approx(0, abs=1e-6)
        assert shape["n"].sum() == pytest.approx(model.trained_on["n"])
        assert ((seen["low"] < seen["log_odds"]) & (seen["log_odds"] < seen["high"])).all()
        assert shape.loc[shape["rating"].isna(), ["low", "high"]].isna().all(axis=None)


def test_factors_are_centred_and_their_length_gives_the_interval(model: OfferModel) -> None:
    for name in model.terms:
        centre = model.counts[name] @ model.factors[name] / model.counts[name].sum()
        np.testing.assert_allclose(centre, 0, atol=1e-4)


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_pair_contributions_equal_their_part_of_the_contributions(
    model_with_pair: OfferModel, data: st.DataObject
) -> None:
    ratings = data.draw(interview(model_with_pair.catalogue))
    some = model_with_pair.pair_contributions(ratings)
    assert [abs(size) for _, size in some] == sorted((abs(size) for _, size in some), reverse=True)
    ratings |= {name: 3 for name in model_with_pair.signals if ratings.get(name) is None}
    added = model_with_pair.pair_contributions(ratings)
    assert len(added) == len(model_with_pair.pairs)
    assert [abs(size) for _, size in added] == sorted((abs(size) for _, size in added), reverse=True)
    alone = {item.signal: item.log_odds for item in replace(model_with_pair, pairs=()).predict(ratings).contributions}
    for item in model_with_pair.predict(ratings).contributions:
        halves = sum(size / 2 for pair, size in added for name in (pair.first, pair.second) if name == item.signal)
        assert item.log_odds == pytest.approx(alone[item.signal] + halves, abs=1e-12)


def test_the_strongest_pairs_are_listed(model_with_pair: OfferModel) -> None:
    (strongest, size), *others = model_with_pair.strongest_pairs(4)
    assert (strongest.first, strongest.second, len(others)) == (*PAIRED, 3)
    shares = [model_with_pair.counts[name] / model_with_pair.counts[name].sum() for name in PAIRED]
    assert size**2 == pytest.approx((np.outer(*shares) * strongest.log_odds**2).sum())
    assert replace(model_with_pair, pairs=()).strongest_pairs() == []
    assert replace(model_with_pair, pairs=()).pair_contributions({}) == []


def test_inspect_prints_text_and_json(run: Callable[..., Result], model: OfferModel, workplace: Path) -> None:
    done = run("inspect")
    assert done.exit_code == 0
    for words in ("On rows not seen", "By family", "By side", "Shape functions", "Strongest pairs", "SIMULATED"):
        assert words in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    data = json.loads(run("inspect", "--json").output)
    table = pd.DataFrame(data["shape_functions"])
    np.testing.assert_allclose(table["log_odds"], model.shape_functions()["log_odds"])
    assert "NaN" not in json.dumps(data)
    assert run("inspect", "--model", "absent").exit_code == 2


def test_inspection_plots_are_drawn(model_with_pair: OfferModel, run: Callable[..., Result], workplace: Path) -> None:
    assert [path.name for path in save_model_plots(model_with_pair, workplace)] == ["shapes.png", "pairs.png"]
    assert (workplace / "pairs.png").read_bytes().startswith(b"\x89PNG")
    plain = replace(model_with_pair, pairs=())
    assert pair_plot(plain) is None
    plain.save("experiments/models/plain.json")
    done = run("inspect", "--model", "plain", "--plots", "drawn")
    assert (done.exit_code, [path.name for path in Path("drawn").iterdir()]) == (0, ["shapes.png"])
    assert "No plot of pairs" in done.output
    assert "No pairs" in click.unstyle(render_model(plain))


def test_predict_with_a_threshold_adds_what_would_change(run: Callable[..., Result], workplace: Path) -> None:
    Path("my.json").write_text(json.dumps({"candidate_goal_alignment": 1, "goals_discussed": 4}))
    done = run("predict", "my.json", "--threshold", "0.3")
    assert done.exit_code == 0
    assert "What would change it" in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    found = json.loads(run("predict", "my.json", "--threshold", "0.4", "--json").output)["what_would_change"]
    assert found["line"] == 0.4
    assert {change["signal"] for change in found["changes"]} <= {"candidate_goal_alignment"}
    Path("two.json").write_text("[{}, {}]")
    for words, code in (
        (("my.json", "--threshold", "1.5"), 2),
        (("my.json", "--past", "0.5", "--out", "x.csv"), 2),
        (("two.json", "--threshold", "0.5"), 2),
        (("two.json", "--past", "0.5", "--json"), 0),
    ):
        assert run("predict", *words).exit_code == code


def test_families_and_sides_equal_those_of_the_training_report(training_result: TrainingResult) -> None:
    """Of summed contributions, which may cancel out; a sum of absolute values ranked the second family last."""
    model, ratings = training_result.model, simulate_interviews(600, seed=5).labelled()
    data = model_data(OfferModel.from_dict({**model.to_dict(), "fingerprint": model.fingerprint}))
    added = pd.DataFrame(model.contributions(ratings.features.to_numpy()), columns=model.terms)
    for kind, trained in (
        ("family", training_result.importances_by_family),
        ("side", training_result.importances_by_side),
    ):
        shown = data[f"{kind}_importances"]
        assert list(shown) == list(trained)
        assert shown == pytest.approx({name: item.contribution.value for name, item in trained.items()})
        for signal in {getattr(signal, kind) for signal in model.catalogue.signals} - {None}:
            members = [item.name for item in model.catalogue.signals if getattr(item, kind) == signal]
            assert shown[signal] == pytest.approx(added[members].sum(axis=1).abs().mean())


def test_an_older_model_states_that_it_has_no_families(model: OfferModel) -> None:
    older = replace(model, group_importances={})
    assert "does not hold importances by family" in click.unstyle(render_model(older))
    assert "group_importances" not in older.to_dict()
