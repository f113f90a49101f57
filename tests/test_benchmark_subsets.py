"""A small run of the benchmark of partial ratings: nothing computed twice, and figures that mean what they state."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SIGNALS
from numpy.typing import NDArray

from predictor import Catalogue, simulate_interviews


@pytest.fixture
def subsets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "experiments/benchmark")
    import subsets

    monkeypatch.setattr(sys.modules["subset_cells"], "TEST_ROWS", 500)
    side = np.array([signal.side == "candidate" for signal in Catalogue.shipped().signals])
    everything = np.ones(len(side), dtype=bool)
    monkeypatch.setattr(sys.modules["subset_cells"], "subsets", lambda _: {"all": everything, "side candidate": side})
    return subsets


def test_the_subset_benchmark_resumes_and_reports(
    subsets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "mine.jsonl"

    def run(peers: str, tag: str, *more: str) -> list[dict[str, Any]]:
        words = ["run", "--n", "60", "--splits", "1", "--peers", peers, "--tag", tag, "--results", str(results), *more]
        assert subsets.main(words) == 0
        return subsets.read(results)

    first = run("refit,base_rate,ours", "a")
    assert [(r["peer"], r["tag"], r["subset"]) for r in first] == [
        (peer, tag, subset)
        for peer, tag in (("refit", ""), ("base_rate", ""), ("ours", "a"))
        for subset in ("all", "side candidate")
    ]
    assert all(r["n_train"] == 60 and r["n_test"] == 500 and 0.4 < r["log_loss"] < 0.9 for r in first)
    own = sum(signal.side == "candidate" for signal in Catalogue.shipped().signals)
    assert [r["rated"] for r in first] == [SIGNALS, own] * 3
    assert [r["above"]["base_rate"] for r in first if r["peer"] == "base_rate"] == [[0, 0], [0, 0]]
    full = first[-2]
    assert full["above"]["refit"] == [0, 0]  # with everything rated, refitting equals our model
    assert full["above"]["base_rate"][1] > 0

    assert run("refit,base_rate,ours", "a") == first
    lines = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(b"".join(lines[:-1]))  # stopped before the last cell
    assert [(r["tag"], r["subset"], r["log_loss"]) for r in run("ours", "a")[5:]] == [
        ("a", "side candidate", first[-1]["log_loss"])
    ]

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_fit.py").write_text(
        "import numpy as np\n\n\nclass Half:\n    def predict_proba(self, T):\n        return np.full((len(T), 2), 0.5)\n\n\n"
        "def fit(catalogue, X, y, groups):\n    return Half()\n"
    )
    other = run("ours", "half", "--fit", "mine_fit:fit")[6:]
    assert [round(r["log_loss"], 4) for r in other] == [0.6931, 0.6931]

    capsys.readouterr()
    assert subsets.main(["report", "--results", str(results)]) == 0
    page = capsys.readouterr().out
    worse = other[1]["log_loss"] / first[1]["log_loss"]
    assert f"| simulated | 60 | 1 | {first[1]['log_loss']:.4f} | " in page
    assert f"| {worse:.4f} |" in page
    assert "| ours half | simulated | 60 | " in page


def test_paired_errors_resample_whole_persons(subsets: ModuleType) -> None:
    difference = np.random.default_rng(0).normal(size=400)
    mean, alone = subsets.paired(difference, np.arange(400))
    assert mean == round(difference.mean(), 6)
    assert alone == pytest.approx(difference.std() / 20, abs=1e-6)
    assert subsets.paired(np.repeat(difference, 4), np.repeat(np.arange(400), 4)) == [mean, alone]


def test_pooled_differences_account_for_rows_shared_by_splits(subsets: ModuleType) -> None:
    report = sys.modules["subset_report"]
    paired = np.column_stack([[-0.3, -0.1, -0.2, -0.4], np.full(4, 0.1)])
    mean, half = report.pooled(paired, fresh=False)
    t, variance = 3.182446, paired[:, 0].var(ddof=1)
    assert (mean, half) == pytest.approx((-0.25, t * np.sqrt(variance * (1 / 4 + 3 / 7))))
    assert report.pooled(paired, fresh=True)[1] == pytest.approx(t * np.sqrt(variance / 4 + 0.1**2))

    def record(subset: str, split: int, difference: float) -> dict[str, Any]:
        about = {"peer": "ours", "tag": "", "set": "simulated", "n": 60, "log_loss": 0.5}
        return {**about, "split": split, "subset": subset, "above": {"imputer": [difference, 0.01]}}

    means = {"a": -0.2, "b": 0.2, "c": 0.001, "all": -9.0}  # full input is not a subset
    records = [record(subset, split, mean + split / 1e4) for subset, mean in means.items() for split in range(5)]
    *_, total, _, above = report.imputer_table(records).splitlines()
    assert total == "| **ours** | **all** |  |  |  |  | 3 | 1 | 1 | 1 | 1 |"
    assert above.startswith("Not lower in the mean: simulated/60 b +0.2002 (") and "/60 c +0.0012 (" in above


def test_recalibration_recovers_planted_slope_and_intercept(subsets: ModuleType) -> None:
    rng = np.random.default_rng(0)
    eta = rng.normal(size=100_000)
    t = (rng.random(len(eta)) < 1 / (1 + np.exp(-(0.5 + 2 * eta)))).astype(int)
    scores = subsets.recalibration(t, 1 / (1 + np.exp(0.3 - eta)), base_shift=0.3)
    for name, truth in (("slope", 2.0), ("intercept", 0.5)):
        value, error = scores[name]
        assert abs(value - truth) < 4 * error < 0.2


def test_gap_patterns_remove_the_ratings_they_describe(subsets: ModuleType) -> None:
    cells = sys.modules["subset_cells"]
    values, catalogue = simulate_interviews(2000, seed=1).values, Catalogue.shipped()
    family, side = (np.array([getattr(s, key) for s in catalogue.signals]) for key in ("family", "side"))

    def stays(leave: Callable[..., NDArray[np.bool_]]) -> NDArray[np.bool_]:
        return leave(values, catalogue, np.random.default_rng(0))

    assert all(
        len(set(family[row])) == 1 and row.sum() == (family == family[row][0]).sum() for row in stays(cells.by_family)
    )
    assert not any({"candidate", "interviewer"} <= set(side[row]) for row in stays(cells.by_side))
    missing = [set(side[~row]) for row in stays(cells.misses_a_side)]
    assert {frozenset(sides) for sides in missing} == {frozenset({"candidate"}), frozenset({"interviewer"})}
    assert (stays(cells.another_third).sum(axis=1) == 8).all()
    share, mean = stays(cells.informative).mean(axis=1), np.nanmean(values, axis=1)
    assert 0.3 < share.mean() < 0.5
    assert np.corrcoef(share, mean)[0, 1] > 0.5
    kept = cells.only(values, stays(cells.by_family))
    assert np.isnan(kept).mean() > 0.6 and not np.isnan(values).mean() > 0.1  # a copy


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nowhere"], "there is no folder nowhere"),
        (["run", "--peers", "magic"], "unknown peer magic; known are refit"),
        (["run", "--fit", "no_such_module:fit"], "--fit no_such_module:fit: No module named 'no_such_module'"),
        (["report", "--results", "none.jsonl"], "no results in none.jsonl"),
    ],
)
def test_bad_subset_benchmark_input_is_refused(
    subsets: ModuleType,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert subsets.main(words) == 2
    assert said in capsys.readouterr().err
