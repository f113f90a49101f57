"""A server in a process of its own, and load on it: requests as bytes over raw sockets that are kept alive."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
JSON = "application/json"


class Answer(NamedTuple):
    """What came back: the request it answers, status, head and body, and the seconds that it took."""

    request: bytes
    status: int
    head: bytes
    body: bytes
    seconds: float


@contextlib.contextmanager
def started(
    command: Sequence[str], folder: Path, *, environment: Mapping[str, str] | None = None, cores: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; where more than one core is given, on the first of them."""
    pinned = ["taskset", "-c", str(cores[0])] if len(cores) > 1 and shutil.which("taskset") else []
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # mlflow looks for uvicorn
    home = {"PYTHONPATH": str(ROOT), "PATH": path, **(environment or {})}
    with (folder / f"{Path(command[-1]).name}.log").open("w") as log:
        process = subprocess.Popen(
            [*pinned, *command], cwd=folder, env={**os.environ, **home}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):  # it may have ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def request(port: int, path: str, body: str | None = None, kind: str = JSON, **headers: str) -> bytes:
    """Write a request: POST where there is a body, else GET."""
    sent = (body or "").encode()
    told = {"Host": f"127.0.0.1:{port}", **headers}
    if body is not None:
        told |= {"Content-Type": kind, "Content-Length": str(len(sent))}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\n{head}\r\n".encode() + sent


def until(port: int, asked: bytes) -> None:
    """Wait until a server answers, and warm it."""
    for _ in range(600):
        with contextlib.suppress(OSError):
            for answer in answers(port, [asked] * 50):
                if answer.status != 200:
                    raise SystemExit(f"not answered: {answer}")
            return
        time.sleep(0.1)
    raise SystemExit(f"the server on port {port} does not answer")


def answers(port: int, requests: Iterable[bytes], connections: int = 1) -> Iterator[Answer]:
    """Ask over this many connections at once, each its next when it has an answer; give answers as they come.

    Raises
    ------
    OSError
        If the server cannot be reached, ends a connection, or says nothing for 30 seconds.
    """
    coming = iter(requests)
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as opened:
        for _ in range(connections):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if (asked := next(coming, None)) is not None:
                selector.register(connection, selectors.EVENT_READ, (asked, time.perf_counter()))
                connection.sendall(asked)
        while waiting := selector.get_map():
            ready = selector.select(timeout=30)
            if not ready:
                raise TimeoutError(f"{len(waiting)} requests were not answered in 30 seconds")
            for key, _ in ready:
                status, head, body = _read(key.fileobj)
                now = time.perf_counter()
                yield Answer(key.data[0], status, head, body, now - key.data[1])
                if (asked := next(coming, None)) is None:
                    selector.unregister(key.fileobj)
                else:
                    selector.modify(key.fileobj, selectors.EVENT_READ, (asked, time.perf_counter()))
                    key.fileobj.sendall(asked)


def _read(connection: socket.socket) -> tuple[int, bytes, bytes]:
    """Read one answer, whole: status, head, body."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += _some(connection)
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += _some(connection)
    return int(head.split(b" ", 2)[1]), head, body


def _some(connection: socket.socket) -> bytes:
    if got := connection.recv(65536):
        return got
    raise ConnectionError("the server ended the connection in the middle of an answer")


def free_port() -> int:
    """Find a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
