"""The benchmark: the same rows for every library, nothing computed twice, and a report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from numpy.typing import NDArray

PEERS = ["ours", "base_rate", "lr"]
# the first split of 40 rows by the protocol, so that results of other years compare
TRAIN = [1, 10, 8, 14, 28, 29, 16, 30, 22, 21, 11, 19]
TEST = [5, 36, 32, 4, 39, 34, 13, 33, 38, 35, 37, 12]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "experiments/benchmark")
    import bench

    return bench


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one small data set in which all rows of a group have the same label."""
    rng = np.random.default_rng(3)
    rows, group = rng.integers(1, 6, (120, 3)).astype(float), np.repeat(np.arange(60), 2)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    label = (np.nanmean(np.column_stack([rows, np.full(120, 3.0)]), axis=1) + rng.normal(size=120) > 3).astype(int)
    table = pd.DataFrame(rows, columns=["a", "b", "c"]).assign(label=label, group=group, extra="text")
    made = tmp_path / "sets"
    made.mkdir()
    table.to_csv(made / "tiny.csv", index=False)
    (made / "tiny.json").write_text(json.dumps({"features": {"a": "1-5", "b": "1-5", "c": "1-5"}}))
    return made


def _run(bench: ModuleType, folder: Path, results: Path, repeats: int = 2) -> list[dict[str, Any]]:
    words = ["run", str(folder), "--peers", ",".join(PEERS), "--n", "40,5000", "--repeats", str(repeats)]
    assert bench.main([*words, "--results", str(results)]) == 0
    return bench.read(results)


def test_the_benchmark_resumes_and_reports(
    bench: ModuleType, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "mine.jsonl"
    records = _run(bench, folder, results)
    assert [(r["repeat"], r["peer"]) for r in records] == [(repeat, peer) for repeat in (0, 1) for peer in PEERS]
    assert all(r["n"] == r["n_train"] == 40 and r["n_test"] == 36 and "error" not in r for r in records)
    assert all(0 < r["log_loss"] < 1 and 0 < r["brier"] < 0.5 and 0 <= r["calibration_error"] < 0.6 for r in records)
    assert [r["calibration_slope"] for r in records if r["peer"] == "base_rate"] == [None, None]

    written = results.read_bytes()
    _run(bench, folder, results)
    assert results.read_bytes() == written

    results.write_bytes(written[:-20])  # stopped while it wrote the last line
    again = _run(bench, folder, results)
    assert [{**r, "seconds": 0, "load": 0} for r in again] == [{**r, "seconds": 0, "load": 0} for r in records]

    assert bench.main(["report", "--results", str(results)]) == 0
    page = results.with_suffix(".md").read_text()
    assert "| tiny | 40 | 2 | " in page
    assert page.count("**") == 2
    assert page.count("\n| tiny | 40 | ") == 1 + len(PEERS)
    assert results.with_suffix(".png").stat().st_size > 10_000
    assert bench.main(["report", "--results", str(results)]) == 0
    assert results.with_suffix(".md").read_text() == page


def test_all_libraries_get_the_same_rows(
    bench: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def peer(X: pd.DataFrame, y: NDArray[Any], groups: NDArray[Any], T: pd.DataFrame) -> NDArray[Any]:
        seen.append((X.to_csv(), tuple(y), T.to_csv(), set(groups)))
        if len(seen) == 3:
            raise RuntimeError("out of luck")
        return np.full(len(T), y.mean())

    monkeypatch.setattr(sys.modules["job"], "PEERS", dict.fromkeys(PEERS, peer))
    records = _run(bench, folder, tmp_path / "mine.jsonl")
    assert seen[0] == seen[1] == seen[2] != seen[3] == seen[4] == seen[5]
    assert [r.get("error") for r in records] == [None, None, "RuntimeError: out of luck", None, None, None]
    longer = _run(bench, folder, tmp_path / "longer.jsonl", repeats=3)
    assert seen[6][:3] == seen[0][:3]  # more repeats leave the first ones as they were
    assert len(longer) == 9
    table = pd.read_csv(folder / "tiny.csv")
    tested = {int(group) for group in table["group"]} - seen[0][3]
    assert len(tested) >= 18  # no group of the training side is tested


def test_splits_equal_the_published_ones(bench: ModuleType) -> None:
    y, groups = np.tile([0, 1, 1, 0], 10), np.repeat(np.arange(20), 2)
    (train, test), _ = sys.modules["protocol"].splits(y, groups, 12, 2)
    assert set(groups[train]).isdisjoint(groups[test])
    assert (train.tolist(), test.tolist()) == (TRAIN, TEST)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nowhere"], "there is no folder nowhere"),
        (["run", "."], "no pair NAME.csv and NAME.json"),
        (["run", "sets", "--peers", "magic"], "unknown peer magic; known are ours"),
        (["run", "sets", "--sets", "other"], "no set other; it has tiny"),
        (["run", "sets", "--n", "5"], "--n starts at 10"),
        (["run", "sets", "--n", "ten"], "--n"),
        (["report", "--results", "none.jsonl"], "no results in none.jsonl"),
    ],
)
def test_bad_benchmark_input_is_refused(
    bench: ModuleType,
    folder: Path,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder.parent)
    try:
        code = bench.main(words)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert said in capsys.readouterr().err
