"""Serve MLflow's own pages on the recorded runs, the light way, on this machine only."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import IO

from predictor.errors import MissingExtraError, TrackingError
from predictor.tracking.store import ENVIRONMENT, VIEW, VIEW_TAG, Store, locked, make_once, translate_errors

HOST = "127.0.0.1"  # of this machine only
_START_SECONDS = 120.0  # a slow, busy machine; usually it is under ten
_STOP_SECONDS = 8.0


def serve_ui(*, port: int | None = None, store: str | None = None) -> None:
    """Serve MLflow's pages until Ctrl-C or SIGTERM; then end cleanly, with every process that was started.

    Parameters
    ----------
    port
        Where to listen; None takes 5000, or the next that is free.
    store
        As for `open_run`. When it is an MLflow server already, its address is printed and nothing is started.

    Raises
    ------
    TrackingError
        If the port is taken, or the server does not start.
    MissingExtraError
        If MLflow is not installed.
    """
    target = Store.named(store)
    if target.is_server:
        print(f"MLflow runs on a server already: open {target.uri}", flush=True)
        return
    if find_spec("mlflow") is None:
        raise MissingExtraError("mlflow", "The page of recorded trainings", "train")
    with translate_errors(target, "open the store"), locked(target):
        if target.path:
            make_once(target.path, target.artifacts)
    port = _free_port(port)
    url = f"http://{HOST}:{port}"
    with _server(target, port) as (process, output):
        try:
            deadline = time.monotonic() + _START_SECONDS
            while process.poll() is None and not _healthy(port):
                if time.monotonic() > deadline:
                    raise target.error(f"answer at {url}", f"no answer in {_START_SECONDS:.0f} s\n{_tail(output)}")
                time.sleep(0.1)
            if process.poll() is None:
                print(f"MLflow is open at {url}{_landing(target)}  (Ctrl-C ends it)", flush=True)
            process.wait()
            raise target.error(f"serve at {url}", f"its server ended with code {process.returncode}: {_tail(output)}")
        except KeyboardInterrupt:
            print("\nMLflow is closed.", flush=True)


def _landing(store: Store) -> str:
    """Page to open first: the scores of the experiment that was last added to, or MLflow's own start page.

    Read with plain SQL, since importing mlflow for it would cost seconds and memory for as long as the pages are open.
    """
    query = (
        "SELECT experiment_id FROM runs JOIN experiment_tags USING (experiment_id) "
        "WHERE key = ? AND lifecycle_stage = 'active' ORDER BY start_time DESC LIMIT 1"
    )
    if store.path:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(store.path)) as database:
            for (experiment_id,) in database.execute(query, (VIEW_TAG,)):
                return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"
    return ""


@contextlib.contextmanager
def _server(store: Store, port: int) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run MLflow's server the light way, in a process group of its own that is gone afterwards."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri, "--host", HOST]
    command += ["--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    if store.artifacts:
        command += ["--default-artifact-root", store.artifacts, "--no-serve-artifacts"]
    # MLflow's defaults (job execution, four workers) start 16 processes and take 2.4 GB.
    environment = {**ENVIRONMENT, **os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    folder = store.path.parent if store.path else None  # `python -m` imports from the working folder first

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command, env=environment, cwd=folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                yield process, output
            finally:
                for number in previous:
                    signal.signal(number, signal.SIG_IGN)  # an impatient second Ctrl-C must not leave children
                _stop(process)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # MLflow passes it on to its worker and waits for it
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # whatever of the group is left
    process.wait()


def _free_port(port: int | None) -> int:
    for candidate in [port] if port is not None else range(5000, 5100):
        try:
            with socket.create_server((HOST, candidate)):
                return candidate
        except OSError as error:
            reason = error.strerror or str(error)
    if port is None:
        raise TrackingError(f"no free port from 5000 to 5099 at {HOST} ({reason}); name one, as in --port 6000")
    raise TrackingError(f"port {port} at {HOST} cannot be used ({reason}); leave --port out to take a free one")


def _healthy(port: int) -> bool:
    """Call the server directly, without a proxy of the environment."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tail(output: IO[bytes], lines: int = 5) -> str:
    output.seek(0)
    return " / ".join(output.read().decode(errors="replace").strip().splitlines()[-lines:])
