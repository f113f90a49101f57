"""Training on a real cluster of two processes: the same numbers, whatever becomes of a worker."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from conftest import ROOT
from joblib import parallel_config

from predictor import (
    OfferModel,
    Ratings,
    ScoringOptions,
    TrainingConfig,
    TrainingResult,
    score_files,
    simulate_interviews,
    train,
)
from predictor.errors import ConfigError
from predictor.sources.files import write_csv

if TYPE_CHECKING:
    from distributed import Client


@pytest.fixture(scope="module")
def client(result: TrainingResult) -> Iterator[Client]:
    """Whatever joblib runs while it lasts, runs there; `result` was trained before, on this machine."""
    from predictor.cluster import cluster

    with cluster(workers=2) as client:
        yield client


def test_the_same_numbers_though_a_worker_is_killed(
    client: Client, interviews: Ratings, result: TrainingResult
) -> None:
    with ThreadPoolExecutor(1) as aside:
        killed = aside.submit(_kill_one_that_fits, client)
        there = train(interviews, result.config, name=result.name)
    assert killed.result() not in client.run(os.getpid).values()
    assert there.model.fingerprint == result.model.fingerprint
    for name, ours in result.out_of_fold.items():
        np.testing.assert_allclose(there.out_of_fold[name], ours, rtol=0, atol=1e-12)
    for told in ("scores", "challengers", "gains", "importances", "learning_curve"):
        assert getattr(there, told) == getattr(result, told), told


def _kill_one_that_fits(client: Client) -> int:
    while True:
        for worker, tasks in client.processing().items():
            if any("_run" in str(task) for task in tasks):
                pid = int(client.run(os.getpid, workers=[worker])[worker])
                os.kill(pid, signal.SIGKILL)
                return pid
        time.sleep(0.01)


def test_workers_fit_and_only_the_driver_knows_mlflow(client: Client, interviews: Ratings) -> None:
    import mlflow  # noqa: F401  # as it is after a training was recorded

    train(interviews.rows(np.arange(60)), TrainingConfig(repeats=1, resamples=20, challengers=("base_rate",)))
    loaded = client.run(lambda: {name for name in ("sklearn", "mlflow") if name in __import__("sys").modules})
    assert set().union(*loaded.values()) == {"sklearn"}


def test_a_batch_is_scored_there_to_the_same_bytes_though_a_worker_is_killed(
    client: Client, model: OfferModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictor.cluster.cluster", lambda *_: nullcontext(client))
    some = simulate_interviews(3000, seed=8)
    for number in range(30):
        write_csv(some.rows(np.arange(100 * number, 100 * (number + 1))), tmp_path / "in" / f"{number}.csv")
    options = ScoringOptions(keep=("interview_id",), top=2)
    here = score_files(tmp_path / "in", tmp_path / "here", model, options=options, write_as="parquet")
    pid = next(iter(client.run(os.getpid).values()))
    with ThreadPoolExecutor(1) as aside:
        aside.submit(_kill_at_the_first_of, tmp_path / "there", pid)
        there = score_files(tmp_path / "in", tmp_path / "there", model, options=options, write_as="parquet", workers=2)
    assert there == here
    assert pid not in client.run(os.getpid).values()
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert len(names) == 32
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == names
    for name in names:
        if name.endswith(".parquet"):
            assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name


def _kill_at_the_first_of(folder: Path, pid: int) -> None:
    while not list(folder.glob("*.parquet")):
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)


def test_the_benchmark_runs_there_too(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "experiments/benchmark")
    import bench

    rows = np.random.default_rng(3).integers(1, 6, (120, 3))
    table = pd.DataFrame(rows, columns=["a", "b", "c"]).assign(label=(rows.sum(axis=1) > 9).astype(int))
    table.to_csv(tmp_path / "tiny.csv", index=False)
    (tmp_path / "tiny.json").write_text(json.dumps({"features": {"a": "", "b": "", "c": ""}}))
    bench.carry(client)
    there = _bench(bench, tmp_path, "there")
    with parallel_config(backend="sequential"):
        assert _bench(bench, tmp_path, "here") == there
    assert {record["peer"] for record in there} == {"ours", "base_rate"}
    assert not [record for record in there if "error" in record]


def _bench(bench: Any, folder: Path, name: str) -> list[dict[str, Any]]:
    results = folder / f"{name}.jsonl"
    words = ["run", str(folder), "--peers", "ours,base_rate", "--n", "40", "--repeats", "1", "--results", str(results)]
    assert bench.main(words) == 0
    records = [{**record, "seconds": 0, "load": 0} for record in bench.read(results)]
    return sorted(records, key=lambda record: record["peer"])


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "here", "http://127.0.0.1:1"])
def test_a_scheduler_that_is_none(
    run: Callable[..., Result], address: str, monkeypatch: pytest.MonkeyPatch, interviews: Ratings
) -> None:
    import predictor.cluster

    monkeypatch.setattr(predictor.cluster, "PATIENCE", 0.3)
    done = run("train", "my.csv", "--scheduler", address)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert address in done.stderr


def test_a_worker_with_other_versions_is_refused(client: Client) -> None:
    from predictor.cluster import _check, versions

    found = client.run(versions)
    _check("tcp://there", found)
    with pytest.raises(ConfigError, match=r"numpy 1.0, here \d"):
        _check("tcp://there", {**found, "tcp://other": {**versions(), "numpy": "1.0"}})
    with pytest.raises(ConfigError, match="install it there"):
        _check("tcp://there", {"tcp://other": ModuleNotFoundError("No module named 'predictor'")})


def test_either_a_scheduler_or_workers() -> None:
    from predictor.cluster import cluster

    for given in ({}, {"scheduler": "tcp://there:1", "workers": 2}, {"workers": 0}):
        with pytest.raises(ConfigError, match="a scheduler, or a number of workers"), cluster(**given):
            pass


def test_without_the_extra(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "predictor.cluster", raising=False)
    done = run("compare", "my.csv", "--workers", "2")
    assert done.exit_code == 2
    assert "interview-outcome-predictor[cluster]" in done.stderr
