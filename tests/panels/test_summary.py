"""The report on a team's panels, its command, and the simulated team that tests it."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from predictor import PredictorError
from predictor.cli import main
from predictor.panels.cards import Cards, read_cards
from predictor.panels.means import panel_means
from predictor.panels.summary import PanelSummary, summarise_panels
from predictor.ratings.catalogue import Catalogue
from predictor.reports.panel_report import render_panel_report, render_panels
from predictor.sources.files import write_csv
from predictor.sources.simulation_teams import SIGNALS, simulate_team


@pytest.fixture(scope="module")
def summary() -> PanelSummary:
    team = simulate_team(150, panel=3, severity=0.15, seed=6)
    return summarise_panels(Cards.from_ratings(team.cards))


def test_agreement_is_near_the_simulated_truth(summary: PanelSummary) -> None:
    assert summary.agreement is not None
    person, rater, _ = summary.agreement.shares
    assert person.low < 0.45 * 0.85 < person.high
    assert rater.value == pytest.approx(0.15, abs=0.08)
    assert summary.agreement.panel.value > summary.agreement.single.value
    assert all(item.alpha and item.alpha.low < item.alpha.value < item.alpha.high for item in summary.agreement.signals)
    assert sum(level.n for level in summary.levels) == summary.applications == 150


def test_the_report_names_no_rater(summary: PanelSummary) -> None:
    for text in (render_panels(summary), render_panel_report(summary)):
        assert "R-0" not in text
        assert "SIMULATED" in text
        assert "ICC(2,1)" in text
    assert "biased" not in render_panel_report(summary)


def test_two_cards_of_one_rater_are_no_agreement() -> None:
    team = Cards.from_ratings(simulate_team(60, panel=2, seed=4).cards)
    once = summarise_panels(team)
    again = summarise_panels(team.rows(np.repeat(np.arange(len(team)), 2)))  # each scorecard sent twice
    assert again.agreement == once.agreement
    assert again.panels == once.panels == {2: 60}
    assert [spread.far for spread in again.spreads] == [spread.far for spread in once.spreads]
    elsewhere = replace(team, stage=np.where(np.arange(len(team)) % 2, "a", "b").astype(object))
    apart = summarise_panels(elsewhere).identification
    assert "at one stage" in apart.agreement_obstacle
    assert apart.leniency_obstacle == ""


def test_zero_agreement_still_has_an_interval() -> None:
    cards = Cards.from_ratings(simulate_team(40, panel=2, seed=4).cards)
    cards.values[:] = np.random.default_rng(0).integers(1, 6, cards.values.shape)
    found = summarise_panels(cards).agreement
    assert found is not None
    assert found.single.low == 0 < found.single.high < found.panel.high < 0.5


def test_cards_without_a_row_are_counted() -> None:
    cards = Cards.from_ratings(simulate_team(40, panel=2, seed=4).cards)
    use = np.array(["row"] * 77 + ["unlabelled"] + ["withdrawn"] * 2, dtype=object)
    summary = summarise_panels(replace(cards, use=use))
    for text in (render_panels(summary), render_panel_report(summary)):
        assert "In no row of the import: 2 of people who withdrew." in " ".join(text.split())


def test_one_rater_each_gives_reasons_instead_of_figures() -> None:
    cards = Cards.from_ratings(simulate_team(120, panel=1, severity=0.3, seed=3).cards)
    alone = summarise_panels(cards)
    assert alone.agreement is None
    for text in (render_panels(alone), render_panel_report(alone)):
        assert "not identifiable" in text
        assert "ICC(2,1)" not in text.replace("ICC(2,1) and ICC(2,k) follow", "")
    assert "is your assumption" in render_panels(summarise_panels(cards, assigned_at_random=True))


def test_the_panels_command_reads_compressed_tables_and_parquet(tmp_path: Path) -> None:
    team = simulate_team(60, seed=2)
    write_csv(team.cards, tmp_path / "cards.csv")
    shutil.copy(SIGNALS, tmp_path / "team.toml")
    (tmp_path / "cards.csv.gz").write_bytes(gzip.compress((tmp_path / "cards.csv").read_bytes()))
    cards = read_cards(tmp_path / "cards.csv.gz", Catalogue.load(SIGNALS))
    assert len(cards) == 180
    assert cards.simulated
    asked = ["panels", str(tmp_path / "cards.csv"), "--signals", str(tmp_path / "team.toml")]
    done = CliRunner().invoke(main, [*asked, "--out", str(tmp_path / "panels.html")])
    assert done.exit_code == 0, done.output
    assert "180 scorecards" in done.output
    assert (tmp_path / "panels.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["application,problem_solving", "a,3"], "rater"),
        (["application,rater,problem_solving", "a,r1;r2,3"], "several raters"),
        (["application,rater,problem_solving", "a,r1,9"], "out of scale"),
        (["application,rater,problem_solvin", "a,r1,3"], "did you mean 'problem_solving'"),
    ],
)
def test_an_unreadable_table_of_cards_is_refused_with_its_place(tmp_path: Path, lines: list[str], message: str) -> None:
    (tmp_path / "cards.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(PredictorError, match=message):
        read_cards(tmp_path / "cards.csv", Catalogue.load(SIGNALS))


def test_cards_without_rating_rater_or_application_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "cards.csv").write_text("application,rater,problem_solving,use\na,r1,3,row\n,r1,3,no\nb,,3,\nc,r1,,\n")
    assert len(read_cards(tmp_path / "cards.csv", Catalogue.load(SIGNALS))) == 1


def test_joined_means_have_their_count_and_spread() -> None:
    team = simulate_team(40, panel=3, stages=True, seed=5)
    cards = Cards.from_ratings(team.cards)
    onsite = panel_means(cards, "on-site")
    survivors = team.ratings.rows(team.invited)
    assert onsite.application.tolist() == survivors.columns["application"].tolist()
    assert onsite.panel.tolist() == survivors.columns["panel"].tolist()
    assert onsite.mean == pytest.approx(survivors.values)
    theirs = cards.values[(cards.application == onsite.application[0]) & (cards.stage == "on-site")]
    assert onsite.spread[0] == pytest.approx(theirs.std(axis=0, ddof=1))
    assert np.isnan(panel_means(cards, "phone screen").spread).all()
    cards.values[0, :] = np.nan
    assert panel_means(cards.rows(np.arange(1))).count.tolist() == [[0.0] * 6]


def test_a_simulated_team_has_the_requested_properties() -> None:
    team = simulate_team(2000, panel=3, severity=0.2, stages=True, seed=1)
    stage = team.ratings.columns["stage"]
    assert team.invited.mean() == pytest.approx(0.5, abs=0.01)
    assert team.ratings.y[stage == "phone screen"].sum() == 0
    assert team.quality[team.invited].mean() > 0.4 > team.quality[~team.invited].mean()
    assert team.ratings.y.mean() == pytest.approx(0.35, abs=0.02)
    assert len(team.cards) == 2000 + 3 * team.invited.sum()
    assert all(len(set(cell.split(";"))) == (3 if s == "on-site" else 1) for cell, s in zip(
        team.ratings.columns["panel"], stage, strict=True
    ))  # fmt: skip
    again = simulate_team(2000, panel=3, severity=0.2, stages=True, seed=1)
    assert again.ratings.digest == team.ratings.digest
    strict, at_random = (
        simulate_team(2000, panel=1, severity=0.3, confounded=confounded, seed=1) for confounded in (True, False)
    )
    met = [
        np.corrcoef([some.severity[name] for name in some.ratings.columns["panel"]], some.quality)[0, 1]
        for some in (strict, at_random)
    ]
    assert met[0] > 0.6 > 0.1 > abs(met[1])
    bad: list[dict[str, Any]] = [{"panel": 0}, {"severity": 1.0}, {"base_rate": 0.6, "stages": True}, {"n": 0}]
    for wrong in bad:
        with pytest.raises(PredictorError):
            simulate_team(**{"n": 10, **wrong})
