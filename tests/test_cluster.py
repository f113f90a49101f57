"""Training on a real cluster of two processes: the same numbers if a worker dies, an end if the cluster is lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
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
from joblib import Parallel, delayed, parallel_config

from predictor import (
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

LIMIT = 400  # seconds for a test on a busy machine


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    """Let a test fail that waits for a cluster for minutes."""

    def over(*_: object) -> None:
        raise AssertionError("this test took longer than its time limit")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def small_data() -> Ratings:
    return simulate_interviews(200, seed=5)


@pytest.fixture(scope="module")
def local_result(small_data: Ratings) -> TrainingResult:
    return train(
        small_data, TrainingConfig(repeats=1, resamples=20, baselines=("base_rate", "logistic")), name="tested"
    )


@pytest.fixture(scope="module")
def client(local_result: TrainingResult) -> Iterator[Client]:
    """A client that makes joblib run on the cluster; `local_result` is trained before it, without the cluster."""
    from predictor.cluster import cluster

    with cluster(workers=2) as client:
        yield client


def test_training_gives_the_same_numbers_if_a_worker_is_killed(
    client: Client, small_data: Ratings, local_result: TrainingResult
) -> None:
    with ThreadPoolExecutor(1) as aside:
        killed = aside.submit(_kill_one_that_fits, client)
        there = train(small_data, local_result.config, name=local_result.name)
    assert killed.result() not in client.run(os.getpid, on_error="ignore").values()  # one may still be starting
    assert there.model.fingerprint == local_result.model.fingerprint
    for name, ours in local_result.out_of_fold.items():
        np.testing.assert_allclose(there.out_of_fold[name], ours, rtol=0, atol=1e-12)
    for printed in ("scores", "baselines", "gains", "importances", "learning_curve"):
        assert getattr(there, printed) == getattr(local_result, printed), printed


def _kill_one_that_fits(client: Client) -> int:
    numbers = client.run(os.getpid)  # before they fit, when on a busy machine they may not answer for half a minute
    while True:
        for worker, tasks in client.processing().items():
            if any("_run" in str(task) for task in tasks):
                pid = int(numbers[worker])
                os.kill(pid, signal.SIGKILL)
                return pid
        time.sleep(0.01)


def test_only_the_driver_imports_mlflow(client: Client, small_data: Ratings) -> None:
    import mlflow  # noqa: F401  # as it is after a training was recorded

    train(small_data.rows(np.arange(60)), TrainingConfig(repeats=1, resamples=20, baselines=("base_rate",)))
    loaded = client.run(lambda: {name for name in ("sklearn", "mlflow") if name in __import__("sys").modules})
    assert set().union(*loaded.values()) == {"sklearn"}


def test_a_batch_gives_the_same_bytes_if_a_worker_is_killed(
    client: Client, local_result: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictor.cluster.cluster", lambda *_: nullcontext(client))
    model, some = local_result.model, simulate_interviews(3000, seed=8)
    for number in range(30):
        write_csv(some.rows(np.arange(100 * number, 100 * (number + 1))), tmp_path / "in" / f"{number}.csv")
    options = ScoringOptions(keep=("interview_id",), top=2)
    ours = score_files(tmp_path / "in", tmp_path / "here", model, options=options, write_as="parquet")
    pid = next(iter(client.run(os.getpid).values()))
    with ThreadPoolExecutor(1) as aside:
        aside.submit(_kill_at_the_first_of, tmp_path / "there", pid)
        there = score_files(tmp_path / "in", tmp_path / "there", model, options=options, write_as="parquet", workers=2)
    assert there == ours
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


def test_the_benchmark_runs_on_a_cluster(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_an_unreachable_scheduler_is_refused(
    run: Callable[..., Result], address: str, monkeypatch: pytest.MonkeyPatch
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


def test_a_cluster_requires_a_scheduler_or_a_number_of_workers() -> None:
    from predictor.cluster import cluster

    for given in ({}, {"scheduler": "tcp://there:1", "workers": 2}, {"workers": 0}):
        with pytest.raises(ConfigError, match="a scheduler, or a number of workers"), cluster(**given):
            pass


def test_a_missing_cluster_extra_is_reported_with_its_install_name(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "predictor.cluster", raising=False)
    done = run("compare", "my.csv", "--workers", "2")
    assert done.exit_code == 2
    assert "interview-outcome-predictor[cluster]" in done.stderr


# --- a cluster that is lost


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """Give clusters up after some seconds; check at the end that no traceback was printed."""
    import predictor.cluster

    for name, seconds in {"LOST": 8.0, "ANSWER": 10.0, "QUIET": 3.0}.items():
        monkeypatch.setattr(predictor.cluster, name, seconds)
    yield []
    assert "Traceback" not in capfd.readouterr().err


def _lose_amid_the_work(client: Client, act: Callable[[], object]) -> None:
    """Start tasks as trainings and as batches do, lose the cluster, and check that both end."""
    from predictor.cluster import run_tasks

    def lose() -> None:
        while sum(map(len, client.processing().values())) < 2:
            time.sleep(0.05)
        act()

    with ThreadPoolExecutor(2) as aside:
        batch = aside.submit(lambda: list(run_tasks(client, time.sleep, [LIMIT])))
        lost = aside.submit(lose)
        try:
            Parallel(n_jobs=-1)([delayed(time.sleep)(LIMIT)])
        finally:
            lost.result()
            assert batch.exception()


def test_work_ends_if_local_workers_cannot_restart(
    short_timeouts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from predictor.cluster import cluster

    room = tmp_path / "tmp"
    room.mkdir()

    def lose() -> None:
        pids = local.run(os.getpid).values()
        shutil.rmtree(room, ignore_errors=True)
        room.write_text("a file, where a worker would have to write: it cannot start, as on a full disk")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    with (
        monkeypatch.context() as moved,
        pytest.raises(
            ConfigError, match=r"lost during the run: there is no worker for 8 s; see what became of its work"
        ),
    ):
        moved.setattr(tempfile, "tempdir", str(room))
        with cluster(workers=2, warn=short_timeouts.append) as local:
            _lose_amid_the_work(local, lose)
    assert short_timeouts == ["Waiting: there is no worker. The work is given up after 8 s without a worker."]


def test_work_ends_if_workers_freeze_and_they_are_killed(short_timeouts: list[str]) -> None:
    from predictor.cluster import cluster

    def freeze() -> None:
        pids.extend(client.run(os.getpid).values())
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    pids: list[int] = []
    with (
        pytest.raises(ConfigError, match="no worker responds for 8 s"),
        cluster(workers=2, warn=short_timeouts.append) as client,
    ):
        _lose_amid_the_work(client, freeze)
    assert short_timeouts[0].startswith("Waiting: no worker responds.")
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_task_that_kills_every_worker_ends_the_work() -> None:
    from predictor.cluster import cluster

    with (
        pytest.raises(
            ConfigError,
            match=r"lost during the run: KilledWorker: .* see what became of its workers",
        ),
        cluster(workers=2, warn=lambda _: None),
    ):
        Parallel(n_jobs=-1)(delayed(os._exit)(1) for _ in range(2))


def test_a_restarted_worker_is_reported_and_work_continues(client: Client) -> None:
    from predictor.cluster import _Backend, _Client, _Watch

    said: list[str] = []
    with contextlib.closing(_Client(client.cluster, set_as_default=False)) as own:
        watch = _Watch(own, _Backend(client=own), said.append)
        while not said:  # a worker that restarts within a second is not noticed
            for pid in client.run(os.getpid, on_error="ignore").values():
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)
        while len(said) < 2:
            time.sleep(0.1)
        watch.end()
    assert said[0].startswith("Waiting: there is no worker.")
    assert said[1] == "A worker is running again; the work goes on."


def test_local_workers_have_no_memory_limit(client: Client) -> None:
    limits = client.run(lambda dask_worker: dask_worker.memory_manager.memory_limit)
    assert set(limits.values()) == {None}


def test_workers_without_a_temporary_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from predictor.cluster import cluster

    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="set TMPDIR to a folder with room"), cluster(workers=1):
        pass


class RemoteCluster:
    """A Dask scheduler and a worker in separate processes; `address` is the scheduler's.

    The scheduler takes a free port by itself and writes it to a file: one chosen here may be taken a moment later.
    """

    def __init__(self, folder: Path, *worker: str) -> None:
        self.file = folder / "scheduler.json"
        there = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        dask = [sys.executable, "-m", "dask"]
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file)]
        self.scheduler = subprocess.Popen([*dask, "scheduler", *options], **there)  # type: ignore[call-overload]
        options = ["--scheduler-file", str(self.file), "--nthreads", "2", "--no-dashboard", "--no-nanny", *worker]
        self.worker = subprocess.Popen([*dask, "worker", *options], **there)  # type: ignore[call-overload]

    @property
    def address(self) -> str:
        while not self.file.exists() or not self.file.read_text().endswith("}"):  # it may still be writing it
            assert self.scheduler.poll() is None, "the scheduler did not start"
            time.sleep(0.05)
        return str(json.loads(self.file.read_text())["address"])

    def wait(self) -> None:
        from distributed import Client

        with Client(self.address, timeout=LIMIT, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=LIMIT)

    def wait_until_paused(self) -> None:
        from distributed import Client

        with Client(self.address, timeout=LIMIT, set_as_default=False) as client:
            while "paused" not in {each["status"] for each in client.scheduler_info()["workers"].values()}:
                time.sleep(0.1)

    def end(self) -> None:
        for process in (self.worker, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def remote_cluster(tmp_path: Path) -> Iterator[RemoteCluster]:
    there = RemoteCluster(tmp_path)
    try:
        there.wait()
        yield there
    finally:
        there.end()


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda there: there.worker.send_signal(signal.SIGTERM), "there is no worker for 8 s"),  # an orderly shutdown
        (lambda there: there.worker.send_signal(signal.SIGSTOP), "no worker responds for 8 s"),
        # on a busy machine, the silence may be noticed before the end of the connection
        (lambda there: there.scheduler.kill(), "the (connection to the scheduler was lost|scheduler does not answer)"),
        (lambda there: there.scheduler.send_signal(signal.SIGSTOP), "the scheduler does not answer for 8 s"),
    ],
    ids=["its worker leaves", "its worker is frozen", "it is killed", "it is frozen"],
)
def test_a_lost_remote_cluster_ends_the_work(
    short_timeouts: list[str],
    remote_cluster: RemoteCluster,
    act: Callable[[RemoteCluster], None],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import predictor.cluster
    from predictor.cluster import cluster

    monkeypatch.setattr(predictor.cluster, "ANSWER", LIMIT)  # once lost, the cluster is not waited for
    with (
        pytest.raises(ConfigError, match=f"lost during the run: .*{says}"),
        cluster(remote_cluster.address, warn=short_timeouts.append) as client,
    ):
        _lose_amid_the_work(client, lambda: act(remote_cluster))
    assert len(short_timeouts) >= ("connection" not in says)


def test_paused_workers_count_as_no_workers(tmp_path: Path) -> None:
    from predictor.cluster import cluster

    there = RemoteCluster(tmp_path, "--memory-limit", "50MB")  # less than the process itself needs
    try:
        there.wait_until_paused()
        with pytest.raises(ConfigError, match="has no worker; start one"), cluster(there.address):
            pass
    finally:
        there.end()
