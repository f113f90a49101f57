"""Stores that do not answer, are read-only or have no room: a clear message within seconds, never a silent wait."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result

from predictor import OfferModel, simulate_interviews
from predictor.cli import main
from predictor.errors import TrackingError
from predictor.sources.files import write_csv
from predictor.tracking import history, store
from predictor.tracking.store import Store, connect, import_mlflow, locked, make_once


class Silent:
    """A server that accepts every connection and sends nothing, or an endless header one letter at a time."""

    def __init__(self, *, trickles: bool = False) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.trickles, self.taken = trickles, list[socket.socket]()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.taken.append(connection)
            if self.trickles:
                threading.Thread(target=self._trickle, args=(connection,), daemon=True).start()

    def _trickle(self, connection: socket.socket) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            pass

    def end(self) -> None:
        for each in (self.socket, *self.taken):
            each.close()


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    monkeypatch.setattr(store, "ANSWER_SECONDS", 0.5)
    server = Silent()
    yield server
    server.end()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return lambda *words: CliRunner().invoke(main, words, catch_exceptions=False)


def _quick() -> list[str]:
    write_csv(simulate_interviews(60, seed=1), "few.csv")
    Path("quick.toml").write_text('folds = 2\nrepeats = 1\nresamples = 20\nchallengers = ["base_rate"]\n')
    return ["few.csv", "-e", "quick.toml", "--name", "mine"]


@pytest.mark.usefixtures("without_figures")
def test_a_silent_server_does_not_stop_a_training(
    run: Callable[..., Result], silent_server: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent_server.port}")
    done = run("train", *_quick())
    assert done.exit_code == 2
    for words in ("no answer in 0.5 s", "The training goes on", "check that the server runs", "predictor track"):
        assert words in done.stderr
    assert OfferModel.load("experiments/models/mine/model.json").name == "mine"


@pytest.mark.parametrize("words", ["history", "pull", "rollback", "promote 1"])
@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg2"])
def test_a_silent_server_is_reported_within_seconds(
    run: Callable[..., Result], silent_server: Silent, monkeypatch: pytest.MonkeyPatch, words: str, scheme: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://127.0.0.1:{silent_server.port}/it")
    import_mlflow()
    done = run(*words.split())
    assert (done.exit_code, "no answer in 0.5 s" in done.stderr) == (2, True), done.output


def test_a_server_that_answers_byte_by_byte_counts_as_silent(silent_server: Silent) -> None:
    server = Silent(trickles=True)
    try:
        with pytest.raises(TrackingError, match=r"no answer in 0\.5 s"):
            history(f"http://127.0.0.1:{server.port}")
    finally:
        server.end()


class Busy(BaseHTTPRequestHandler):
    """Answers every request with "retry after an hour"."""

    def do_GET(self) -> None:
        self.send_response(429)
        self.send_header("Retry-After", "3600")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the name that the library calls


def test_a_long_retry_after_is_not_waited_for() -> None:
    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        start = time.perf_counter()
        with pytest.raises(TrackingError, match="429"):
            history(f"http://127.0.0.1:{server.server_port}")
        assert time.perf_counter() - start < 60
        server.shutdown()


def test_requests_during_the_work_time_out_after_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)
    import_mlflow()
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT

    assert (MLFLOW_HTTP_REQUEST_TIMEOUT.get(), MLFLOW_HTTP_REQUEST_MAX_RETRIES.get()) == (10, 1)
    assert os.environ["PGCONNECT_TIMEOUT"] == "10"


def test_a_database_that_is_down_is_reported_within_seconds() -> None:
    start = time.perf_counter()
    with pytest.raises(TrackingError, match=r"(?s)check that the server runs"):
        history("postgresql+psycopg2://me:secret@127.0.0.1:9/it")
    assert time.perf_counter() - start < 20  # MLflow itself tries again for a minute and a half


def test_a_missing_database_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(TrackingError, match=r"(?s)Fix: install the database's driver: pip install psycopg2"):
        history("postgresql+psycopg2://me@127.0.0.1:9/it")


def test_a_locked_store_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Store.named(f"sqlite:///{tmp_path}/mlflow.db")
    make_once(tmp_path / "mlflow.db", place.artifacts)
    monkeypatch.setattr(store, "_LOCK_SECONDS", 0.2)
    with locked(place), pytest.raises(TrackingError, match=r"(?s)another process has had it.*wait until that one is"):
        history(place.uri)


def test_a_half_created_store_is_removed_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_mlflow()
    held: list[IO[bytes]] = []

    def full(address: str, _: object) -> None:
        path = Path(address.removeprefix("sqlite:///"))
        path.write_bytes(b"half")
        path.with_name(f"{path.name}-journal").write_bytes(b"half")
        held.append(path.open("rb"))  # as MLflow leaves it
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore", full)
    with pytest.raises(OSError, match="No space left"):
        connect(Store.named(f"sqlite:///{tmp_path}/mlflow.db"))
    assert not list(tmp_path.iterdir())
    with held[0] as file:
        assert os.fstat(file.fileno()).st_size == 0  # otherwise its space is freed only when the process ends


@pytest.mark.parametrize(
    ("cause", "mend"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "make room on the disk"),
        (sqlite3.OperationalError("database or disk is full"), "make room on the disk"),
        (OSError(errno.EROFS, "Read-only file system"), "is read-only for you"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "is read-only for you"),
        (sqlite3.OperationalError("database is locked"), "wait until that one is done"),
        (sqlite3.DatabaseError("file is not a database"), "once it is moved away, a new one is made"),
    ],
)
def test_each_store_error_has_its_own_fix(tmp_path: Path, cause: Exception, mend: str) -> None:
    assert mend in str(Store.named(f"sqlite:///{tmp_path}/mlflow.db").error("do it", cause))


def test_a_read_only_store_is_read_and_not_written(
    run: Callable[..., Result], training_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the test mounts a read-only disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root can mount a disk")
    try:
        shutil.copytree(training_folder, "experiments/models/mine")
        assert "the champion" in run("track", "experiments/models/mine", "--register").output
        # a copy, since MLflow keeps the file that it wrote open for writing
        shutil.copy("experiments/mlflow.db", disk)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{disk}/mlflow.db")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        Path("experiments/models/champion.json").unlink()
        done = run("history")
        assert (done.exit_code, "@champion" in done.output) == (0, True), done.output
        done = run("pull")
        assert (done.exit_code, "Version 1 (tested) is in" in done.output) == (0, True), done.output
        for words in (["rollback"], ["promote", "1"], ["track", "experiments/models/mine"]):
            done = run(*words)
            assert (done.exit_code, f"{disk} is read-only for you; ask for" in done.stderr) == (2, True), done.output
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
