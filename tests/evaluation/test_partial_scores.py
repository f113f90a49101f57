"""Scores with part of the signals: measured out of fold, stored in the model, and shown with answers that need them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from predictor import Catalogue, OfferModel, TrainingConfig, TrainingResult, simulate_interviews, train
from predictor.evaluation.scores import Score
from predictor.model.points import points_of
from predictor.model.subsets import Subset, subsets
from predictor.model.wording import TEXTS
from predictor.reports.format import signed
from predictor.serving.web.answer import answer_to_store, answer_view
from predictor.serving.web.forms import RatingForm
from predictor.training.result import DirectionCost
from predictor.training.train import DIGITS

SHIPPED = Catalogue.shipped()
NAMES = {part.name: part for part in subsets(SHIPPED)}


def own(catalogue: Catalogue) -> list[str]:
    return [signal.name for signal in catalogue.signals if signal.side == "candidate"]


def test_subsets_are_sides_families_and_random_signals() -> None:
    sides, families = ({word for s in SHIPPED.signals if (word := getattr(s, key))} for key in ("side", "family"))
    at_random = {"random:3", "random:10"}
    assert set(NAMES) == {"all", *at_random, *(f"side:{s}" for s in sides), *(f"family:{f}" for f in families)}
    few = replace(SHIPPED, signals=SHIPPED.signals[:5])  # one family
    assert [part.name for part in subsets(few)] == ["all", "side:interviewer", "side:candidate", "random:2", "random:3"]
    one = replace(SHIPPED, signals=SHIPPED.signals[:1])
    assert [part.name for part in subsets(one)] == ["all"]


@pytest.mark.parametrize("part", NAMES.values(), ids=NAMES)
def test_a_subset_keeps_its_signals_and_the_rater_role(part: Subset) -> None:
    values = simulate_interviews(300, seed=2).labelled().features.to_numpy()
    kept, p = part.keep(values, np.random.default_rng(0)), len(SHIPPED.signals)
    assert (kept[:, p:] == values[:, p:]).all()
    assert not (kept[:, part.others] == values[:, part.others]).any()
    before, after = (~np.isnan(some[:, :p]) for some in (values, kept))
    assert (kept[:, :p][after] == values[:, :p][after]).all()
    count = before[:, part.signals].sum(axis=1)
    assert (after.sum(axis=1) == np.minimum(count, part.count or p)).all()
    if part.count:
        assert (after.mean(axis=0) > 0.5 * part.count / p).all()  # every signal is drawn at some time


def test_all_signals_score_as_the_model_does_and_fewer_score_lower(training_result: TrainingResult) -> None:
    measured = training_result.partial_scores
    assert list(measured) == list(NAMES)
    for metric in ("log_loss", "roc_auc", "calibration_slope"):
        assert measured["all"][metric].value == pytest.approx(training_result.scores[metric].value)
    auc = {name: by["roc_auc"] for name, by in measured.items()}
    assert auc["all"].value > auc["random:3"].value > 0.5
    assert all(
        score.low < score.value < score.high and 0 < score.n <= training_result.data["n"] for score in auc.values()
    )


def test_an_answer_from_few_ratings_states_the_score_of_such_answers(
    training_result: TrainingResult, tmp_path: Path
) -> None:
    model = OfferModel.load(training_result.model.save(tmp_path / "model.json"))
    follow_up = [signal.name for signal in SHIPPED.signals if signal.family == "follow_up"]
    for names, part in (
        (own(SHIPPED), "side:candidate"),
        (own(SHIPPED)[:8], "side:candidate"),  # most of them
        (follow_up, "family:follow_up"),
        ([SHIPPED.names[0]], "random:3"),
        (SHIPPED.names[:11], "random:10"),
    ):
        notes = model.predict(dict.fromkeys(names, 4)).notes
        (thin,) = [note for note in notes if note.startswith("Few ratings")]
        auc = training_result.partial_scores[part]["roc_auc"]
        value, low, high = (
            round(figure, DIGITS) for figure in (auc.value, auc.low, auc.high)
        )  # as the model keeps them
        assert f"With {NAMES[part].words}" in thin
        assert f"{value:.2f} (90 % interval {low:.2f} to {high:.2f}, n = {auc.n:,})" in thin
    assert not [note for note in model.predict(dict.fromkeys(SHIPPED.names, 4)).notes if "Few ratings" in note]
    plain = replace(model, trained_on={k: v for k, v in model.trained_on.items() if k != "partial_scores"})
    assert f"Few ratings: 1 of {len(SHIPPED.names)} signals were rated." in plain.predict({SHIPPED.names[0]: 4}).notes


def test_informative_missing_ratings_are_noted(model: OfferModel) -> None:
    ratings = dict.fromkeys(own(SHIPPED), 4)
    assert not [note for note in model.predict(ratings).notes if note.startswith("Missing ratings")]
    assert not list(model.gaps_note())
    telling = replace(model, gaps=replace(model.gaps, slope=-0.6, mean=0.1))
    answer = telling.predict(ratings)
    unrated = len(SHIPPED.names) - len(ratings)
    left_out = sum(part.log_odds for part in answer.contributions if part.signal in answer.not_rated)
    assert left_out == pytest.approx(-0.6 * unrated / len(SHIPPED.names))
    (note,) = [note for note in answer.notes if note.startswith("Missing ratings")]
    assert f"the {unrated} left out here add {left_out:+.2f} in log-odds" in note
    assert "fewer offers" in next(telling.gaps_note())
    full = telling.predict(dict.fromkeys(SHIPPED.names, 4))
    assert not [note for note in full.notes if note.startswith("Missing ratings")]
    seen = answer_view(answer_to_store(telling, RatingForm(ratings)))
    points = points_of(answer.to_dict())
    parts = zip(answer.contributions, points.whole_parts, strict=True)
    left = sum(whole for part, whole in parts if part.rating is None)
    assert left < 0
    rows = [row["points"] for row in seen["reasons"] + seen["small"] if row["label"] == "14 signals left unrated"]
    assert rows == [signed(left, 0)]


def test_a_page_shows_implied_contributions_and_none_for_an_empty_form(model: OfferModel) -> None:
    empty = answer_view(answer_to_store(model, RatingForm({})))
    assert (empty["reasons"], empty["small"], empty["points"].answer) == ([], [], round(100 * model.base_rate))
    seen = answer_view(answer_to_store(model, RatingForm(dict.fromkeys(own(SHIPPED), 5))))
    start = {row["label"] for row in seen["reasons"] + seen["small"]} & {TEXTS["start"]}
    assert len(seen["reasons"] + seen["small"]) == len(own(SHIPPED)) + len(start)
    assert any(float(row["implied"].replace("\N{MINUS SIGN}", "-")) for row in seen["technical"]["rows"])
    whole = answer_view(answer_to_store(model, RatingForm(dict.fromkeys(SHIPPED.names, 5))))
    assert {row["implied"] for row in whole["technical"]["rows"]} == {"0.000"}


def test_the_cost_of_directions_is_measured_if_there_are_any(training_result: TrainingResult) -> None:
    cost = training_result.direction_cost
    assert cost
    assert cost.cost.low < cost.cost.value < cost.cost.high
    assert (
        cost.cost.high - cost.cost.low
        < training_result.scores["log_loss"].high - training_result.scores["log_loss"].low
    )  # paired
    known = simulate_interviews(60, seed=1)
    signals = tuple(replace(signal, better="either") for signal in SHIPPED.signals)
    free = replace(known, catalogue=replace(SHIPPED, signals=signals))
    assert train(free, TrainingConfig(repeats=1, resamples=20, baselines=()), curve=False).direction_cost is None


@pytest.mark.parametrize(
    ("cost", "says"),
    [
        (Score(0.02, 0.01, 0.03, 300), "constraint: 0.020"),
        (Score(0.002, -0.01, 0.014, 300), "none detectable"),
        (Score(-0.02, -0.03, -0.01, 300), "log-loss is lower with it by 0.020"),
    ],
)
def test_the_cost_of_directions_is_described_with_its_n(cost: Score, says: str) -> None:
    assert says in str(DirectionCost(cost))
    assert "n = 300" in str(DirectionCost(cost))
