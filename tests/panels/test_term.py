"""Rater leniency as an input of a model: simulated teams whose true effects are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor import (
    Catalogue,
    OfferClassifier,
    OfferModel,
    PredictorError,
    TrainingConfig,
    TrainingResult,
    score_files,
    train,
)
from predictor.evaluation.drift import drift_tests
from predictor.model.data import ModelData
from predictor.model.file import fingerprint
from predictor.model.raters import AVERAGE, LENIENCY, LEVELS, names_of
from predictor.panels.cards import Cards, cards_of
from predictor.panels.leniency import codes_of, fit_leniency, quantile_cuts
from predictor.panels.leniency_input import PanelInput
from predictor.pipeline.audit_run import audit_model
from predictor.pipeline.run import save
from predictor.pipeline.trained_model import TrainedModel
from predictor.sources.files import write_csv
from predictor.sources.simulation_teams import SimulatedTeam, simulate_team

QUICK = TrainingConfig(folds=3, repeats=1, resamples=50, baselines=(), prior="none")


@pytest.fixture(scope="module")
def team() -> SimulatedTeam:
    """A team of 15 raters, one per interview; severity explains much of their ratings."""
    return simulate_team(180, panel=1, severity=0.6, cards_per_rater=12, seed=2)


@pytest.fixture(scope="module")
def team_result(team: SimulatedTeam) -> TrainingResult:
    return train(team.ratings, QUICK, name="panels", curve=False)


@pytest.fixture(scope="module")
def model(team_result: TrainingResult) -> OfferModel:
    return team_result.model


def all_threes(model: OfferModel, **more: object) -> dict[str, object]:
    return {"ratings": dict.fromkeys(model.signals, 3), **more}


@pytest.mark.parametrize("panel", [1, 3])
def test_rater_severities_are_recovered(panel: int) -> None:
    team = simulate_team(600, panel=panel, severity=0.24, seed=1)
    for cards in (Cards.from_ratings(team.cards), Cards.from_ratings(team.ratings, panel="panel")):
        leniency = fit_leniency(cards)
        truth = [-team.severity[name] for name in leniency.raters]
        sharp = cards.single or panel == 1
        assert np.corrcoef(truth, leniency.effects.leniency)[0, 1] > (0.85 if sharp else 0.6)
        if cards.single and panel == 3:
            effects = leniency.effects
            assert effects.rater / (effects.person + effects.rater + effects.rest) == pytest.approx(0.24, abs=0.06)


def test_leniency_that_improves_log_loss_is_kept_and_lowers_answers(team_result: TrainingResult) -> None:
    term = team_result.panel_term
    assert term is not None
    assert term.kept
    assert term.gain is not None
    assert term.slope is not None
    assert term.slope.high < 0 < term.gain.value
    assert "is in the model" in str(term)
    assert f"improvement of log-loss {term.gain}" in str(term)
    table = team_result.model.tables[LENIENCY]
    assert table[0] > table[AVERAGE] > table[4]
    assert team_result.model.trained_on["panels"]["kept"] is True


def test_audit_and_drift_recognise_the_training_rows(
    team: SimulatedTeam, team_result: TrainingResult, tmp_path: Path
) -> None:
    looked_at = {test.name: test for test in drift_tests(team_result.model, team.ratings.labelled())}
    assert looked_at[LENIENCY].p > 0.05  # the rows learned from, read again, have not drifted
    save(team_result, tmp_path / "model", experiment="pool")
    write_csv(team.ratings, tmp_path / "rows.csv")
    person = team.ratings.catalogue.group
    assert person is not None and team.ratings.groups is not None
    names = sorted(set(team.ratings.groups))
    lines = [f"{name},{'Female' if place % 2 else 'Male'}" for place, name in enumerate(names)]
    (tmp_path / "groups.csv").write_text("\n".join([f"{person},sex", *lines]))
    trained = TrainedModel.load(tmp_path / "model/model.json", tmp_path)
    audited = audit_model(
        trained, tmp_path / "rows.csv", {"sex": "sex"}, groups_file=tmp_path / "groups.csv", resamples=5
    )
    assert audited.n_out_of_fold == int((~np.isnan(team.ratings.y)).sum())
    assert "of 3 folds" in audited.left_out_by
    write_csv(team.cards, tmp_path / "cards.csv")
    options: dict[str, Any] = {"groups_file": tmp_path / "groups.csv", "cards": tmp_path / "cards.csv", "resamples": 5}
    by_cards = audit_model(trained, tmp_path / "rows.csv", {"sex": "sex"}, **options)
    costs = [{item.name: item.cost.value for item in some.left_out} for some in (audited, by_cards)]
    assert costs[0] == pytest.approx(costs[1], abs=1e-6)  # with one rater each, the mean of a panel is its scorecard


def test_leniency_without_a_signal_ignores_its_ratings(team: SimulatedTeam) -> None:
    cards = Cards.from_ratings(team.cards)
    other = replace(cards, values=np.where(np.arange(cards.values.shape[1]) == 0, 5.0, cards.values))
    rows, cuts = np.arange(180), (slice(0, 120), slice(120, 180))
    learned, tested = (rows[cut] for cut in cuts)
    some, same = (PanelInput(team.ratings, part.without([0])).codes(learned, tested)[1] for part in (cards, other))
    assert some.tolist() == same.tolist()


def test_leniency_of_permuted_raters_is_not_kept(team: SimulatedTeam) -> None:
    columns = dict(team.ratings.columns)
    columns["panel"] = np.random.default_rng(0).permutation(columns["panel"])
    permuted = train(replace(team.ratings, columns=columns), QUICK, curve=False)
    assert permuted.panel_term is not None
    assert not permuted.panel_term.kept
    assert permuted.model.raters is None
    assert LENIENCY not in permuted.model.terms


def test_leniency_of_a_fold_uses_no_rating_of_its_test_rows(team: SimulatedTeam) -> None:
    rows = np.arange(180)
    learned, tested = rows[:120], rows[120:]
    cards = Cards.from_ratings(team.cards)
    before = PanelInput(team.ratings, cards).codes(learned, tested)
    theirs = np.isin(cards.application, team.ratings.columns["application"][tested])
    other = replace(cards, values=np.where(theirs[:, None], 5.0, cards.values))
    after = PanelInput(team.ratings, other).codes(learned, tested)
    for one, two in zip(before, after, strict=True):
        assert one.tolist() == two.tolist()


def test_leniency_of_a_panel_is_estimated_without_its_own_row(team: SimulatedTeam) -> None:
    cards = Cards.from_ratings(team.cards)
    leniency = fit_leniency(cards)
    panels = [names_of(cell) for cell in team.ratings.columns["panel"]]
    own = leniency.of_panels(panels, team.ratings.columns["application"])
    scores = cards.scores()[0].score
    within = pd.Series(scores).groupby(team.ratings.columns["panel"]).transform(lambda part: part - part.mean())
    also = leniency.of_panels(panels, np.full(180, "none of these", dtype=object))
    assert np.corrcoef(within, own - also)[0, 1] < -0.9  # the better one's own card, the lower without it


def test_leniency_of_confounded_raters_should_not_be_subtracted() -> None:
    team = simulate_team(600, panel=1, severity=0.05, cards_per_rater=30, confounded=True, seed=4)
    panels = PanelInput(team.ratings, Cards.from_ratings(team.cards))
    leniency = panels.whole.of_panels(panels.panels, panels.applications)
    # raters who look lenient met the strong: the term's slope is upward, and subtracting would take what is true away
    assert np.corrcoef(leniency, team.quality)[0, 1] > 0.4
    score = panels.cards.scores()[0].score
    assert np.corrcoef(score - leniency, team.quality)[0, 1] < np.corrcoef(score, team.quality)[0, 1] - 0.05


def test_an_unknown_rater_counts_as_average(model: OfferModel) -> None:
    new = model.predict(all_threes(model, panel=["somebody new"]))
    average = model.predict(all_threes(model, panel_leniency="average"))
    assert new.offer_probability == average.offer_probability
    assert "new to this model and counts as average" in new.notes[-1]
    assert new.interval.high - new.interval.low > average.interval.high - average.interval.low


def test_uncertain_leniency_widens_the_interval(model: OfferModel) -> None:
    table = model.raters
    assert table is not None
    name = next(iter(table.raters))
    level = table.level([name])

    def variance(answer: object) -> float:
        low, high = answer.interval.low, answer.interval.high  # type: ignore[attr-defined]
        ends = [np.log(p / (1 - p)) for p in (low, high)]
        return float(((ends[1] - ends[0]) / 2 / 1.6448536269514722) ** 2)

    known, given = (
        variance(model.predict(all_threes(model, **more)))
        for more in ({"panel": name}, {"panel_leniency": LEVELS[level.code]})
    )
    assert known - given == pytest.approx(
        table.slope**2 * (level.variance - table.usual_variances[level.code]), abs=1e-9
    )
    assert model.variances[LENIENCY][level.code] >= table.slope**2 * table.usual_variances[level.code] > 0


def test_all_input_paths_agree_on_leniency(model: OfferModel, team: SimulatedTeam) -> None:
    table = model.raters
    assert table is not None
    highest = max(table.raters, key=lambda name: table.raters[name].leniency)
    answer = model.predict(all_threes(model, panel=[highest, "new"]))
    reason = {item.signal: item for item in answer.contributions}[LENIENCY]
    assert reason.rating in LEVELS[AVERAGE:]
    assert reason.family == "context"
    total = answer.baseline + sum(item.log_odds for item in answer.contributions)
    assert total == pytest.approx(answer.log_odds, abs=1e-12)
    frame = pd.DataFrame([dict.fromkeys(model.signals, 3) | {"panel": f"new; {highest}"}])
    many = model.predict_many(frame).iloc[0]
    assert many["offer_probability"] == pytest.approx(answer.offer_probability, abs=1e-12)
    assert many["interval_low"] == pytest.approx(answer.interval.low, abs=1e-12)


def test_raters_survive_saving_and_damaged_ones_are_refused(model: OfferModel, tmp_path: Path) -> None:
    again = OfferModel.load(model.save(tmp_path / "model.json"))
    assert again.fingerprint == model.fingerprint
    assert again.raters is not None
    assert model.raters is not None
    assert again.raters.to_dict() == model.raters.to_dict()
    data = json.loads(json.dumps(model.to_dict()))
    for key, value in (("unknown", -1.0), ("cuts", [3.0, 2.0, 1.0, 0.0]), ("slope", "x"), ("usual", [0.1])):
        broken = {**data, "raters": {**data["raters"], key: value}}
        with pytest.raises(PredictorError, match="damaged"):
            OfferModel.from_dict({**broken, "fingerprint": fingerprint(broken)})


def test_leniency_is_not_tried_with_too_few_or_equal_panels(team: SimulatedTeam) -> None:
    few = team.ratings.rows(np.arange(25))
    panels = PanelInput(few, Cards.from_ratings(few, panel="panel"))
    assert "25 rows have a panel" in panels.reason_not_tried
    assert train(few, replace(QUICK, panels="none"), curve=False).panel_term is None
    alike = simulate_team(120, severity=0.0, seed=1)
    cards = cards_of(alike.ratings)
    assert cards is not None
    leniency = PanelInput(alike.ratings, cards)
    if not leniency.whole.differs:
        assert "no more than chance" in leniency.reason_not_tried


def test_mismatched_tables_of_cards_and_ratings_are_refused(team: SimulatedTeam) -> None:
    other = Cards.from_ratings(simulate_team(60, panel=1, seed=9).cards)
    with pytest.raises(PredictorError, match="no scorecard here"):
        cards_of(team.ratings, other)
    with pytest.raises(PredictorError, match="needs the column 'panel'"):
        columns = {name: value for name, value in team.ratings.columns.items() if name != "panel"}
        cards_of(replace(team.ratings, columns=columns), other)


def test_leniency_levels_are_training_quantiles() -> None:
    leniency = np.linspace(-1, 1, 1001)
    codes = codes_of(leniency, quantile_cuts(leniency))
    assert (np.bincount(codes.astype(int)) / 1001).round(2).tolist() == [0.1, 0.2, 0.4, 0.2, 0.1]
    assert {*ModelData.__dataclass_fields__} >= {"raters"}


def test_batches_accept_panels(model: OfferModel, team: SimulatedTeam, tmp_path: Path) -> None:
    columns = [*model.signals, "panel"]
    frame = team.ratings.X.assign(panel=team.ratings.columns["panel"])[columns]
    frame.loc[0, "panel"] = "somebody new"
    frame.loc[1, "panel"] = ""
    # a level that is given counts, not the panel
    frame[LENIENCY] = ["high" if place % 5 == 3 else None for place in range(len(frame))]
    frame.to_csv(tmp_path / "in.csv", index=False)
    frame.to_parquet(tmp_path / "in.parquet")
    expected = model.predict_many(frame)
    table = frame.astype(object).where(frame.notna(), None)
    records = [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
    inner = (*model.signals, LENIENCY)
    nested = ({"ratings": {name: row[name] for name in inner}, "panel": row["panel"]} for row in records[2:])
    lines: list[dict[Any, Any]] = [*records[:2], *nested]  # flat records, and records with nested ratings
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for ending in ("csv", "parquet", "jsonl"):
        score_files(tmp_path / f"in.{ending}", tmp_path / "out.csv", model)
        scored = pd.read_csv(tmp_path / "out.csv")
        for name in ("offer_probability", "interval_low", "interval_high"):
            assert scored[name].to_numpy() == pytest.approx(expected[name].to_numpy(), abs=1e-9)
    (tmp_path / "in.jsonl").write_text(
        json.dumps(lines[0]) + "\n" + json.dumps({**lines[1], "panel": ["a", "b"]}) + "\n"
    )
    with pytest.raises(PredictorError, match="panel"):
        score_files(tmp_path / "in.jsonl", tmp_path / "out.csv", model)


def test_an_ordered_input_has_a_slope() -> None:
    team = simulate_team(60, panel=1, severity=0.5, seed=1)  # few rows: the regression alone
    panels = PanelInput(team.ratings, Cards.from_ratings(team.cards))
    wider = panels.extended()
    fitted = OfferClassifier(wider.catalogue).fit(wider.features, wider.y)
    steps = np.diff(fitted.model_.tables[LENIENCY][: len(LEVELS)])
    assert steps == pytest.approx(np.full(4, steps[0]), abs=1e-9)
    assert Catalogue.from_dict(wider.catalogue.to_dict()) == wider.catalogue
