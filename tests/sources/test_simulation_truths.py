"""Groups and drift in simulated interviews have the requested size and change nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from predictor import read_ratings, simulate_interviews
from predictor.cli import main
from predictor.errors import ConfigError
from predictor.sources.simulation_known_effects import GROUPS, add_drift, simulate_groups


def test_groups_without_disparity_are_independent_of_everything() -> None:
    ratings = simulate_interviews(20_000, seed=1)
    verdict, women = ratings.columns["latent_verdict"], simulate_groups(ratings, seed=2)["sex"] == "Female"
    assert abs(verdict[women].mean() - verdict[~women].mean()) < 0.06
    for name, categories in GROUPS.items():
        words = simulate_groups(ratings, seed=2)[name]
        for category, (share, _) in categories.items():
            assert (words == category).mean() == pytest.approx(0.97 * share, abs=0.015)


def test_a_person_has_one_group_for_a_seed() -> None:
    ratings = simulate_interviews(500, seed=1)
    assert ratings.groups is not None
    first, again = (simulate_groups(ratings, seed=3, disparity=0.5) for _ in range(2))
    for name, words in first.items():
        assert words.tolist() == again[name].tolist()
        assert len({*zip(ratings.groups, words, strict=True)}) == len(set(ratings.groups))


@pytest.mark.parametrize("by", [-0.5, 0.3])
def test_drift_shifts_only_the_named_signals_by_the_given_amount(by: float) -> None:
    before = simulate_interviews(8000, seed=2)
    after = add_drift(before, ["mutual_rapport"], by=by, seed=1)
    place = before.catalogue.names.index("mutual_rapport")
    moved = np.nanmean(after.values[:, place]) - np.nanmean(before.values[:, place])
    assert moved == pytest.approx(by * np.nanstd(before.values[:, place]), abs=0.03)
    others = np.delete(np.arange(before.values.shape[1]), place)
    assert np.array_equal(after.values[:, others], before.values[:, others], equal_nan=True)


def test_simulate_adds_groups_and_drift_by_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    done = run("simulate", "t.csv", "-n", "60", "--groups", "g.csv", "--disparity", "1", "--drift", "mutual_rapport")
    assert done.exit_code == 0, done.output
    with Path("g.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["origin"] for row in rows} == {"SIMULATED"}
    assert {row["candidate_id"] for row in rows} == set(read_ratings("t.csv").columns["candidate_id"])
    assert run("simulate", "t.csv", "--disparity", "1").exit_code == 2
    with pytest.raises(ConfigError, match="did you mean 'mutual_rapport'"):
        add_drift(simulate_interviews(10, seed=1), ["mutual_raport"])
