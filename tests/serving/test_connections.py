"""Connections of a real server: headers have a limit, and at shutdown every request that was sent is answered."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from predictor.serving.connections import MOST_HEADERS

BODY = b'{"goals_discussed":4}'
ASKED = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
PREDICT = ASKED + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = ASKED + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "predictor", "serve", "--port", "0", *options]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE, stderr=log
        )  # fmt: skip
        try:
            assert process.stdout
            found = re.search(r":(\d+);", said := process.stdout.readline())
            assert found, said + (folder / "log").read_text()
            yield process, int(found[1])
        finally:
            process.kill()
            process.communicate()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def answer(connection: socket.socket, got: bytes = b"") -> tuple[int, bytes]:
    """Read one answer: its status, its content and what follows it; 0 if the connection ends first."""
    while not (found := re.match(rb"HTTP/1.1 (\d+).*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n", got, re.S | re.I)) or (
        len(got) < found.end() + int(found[2])
    ):
        try:
            part = connection.recv(65536)
        except ConnectionError:
            part = b""
        if not part:
            return 0, got
        got += part
    return int(found[1]), got


def two(connection: socket.socket) -> list[int]:
    status, got = answer(connection)
    return [status, answer(connection, got[got.index(b"HTTP", 1) :] if got.count(b"HTTP/1.1 ") > 1 else b"")[0]]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with served(tmp_path_factory.mktemp("served")) as (_, port):
        yield port


LONG = MOST_HEADERS + 1_000
BROWSER = b"Accept: text/html,*/*;q=0.8\r\n"
FLOODS = {
    "one header": (GET + b"X-Long: " + b"x" * LONG, b""),
    "one header without end": (GET + b"X-Long: ", b"x" * 100_000),
    "many headers": (GET, b"X-Many: x\r\n" * 10_000),
    "names without a colon": (GET, b"x" * 100_000),
    "the address": (b"GET /" + b"x" * LONG, b"x" * 100_000),
    "whole headers in one piece": (GET + b"X-Long: " + b"x" * LONG + b"\r\n\r\n", b""),
    "on a connection that was kept alive": (PREDICT + GET, b"X-Many: x\r\n" * 10_000),
    "trailers after a body": (CHUNKED, b"X-Many: x\r\n" * 10_000),
    "cookies of a browser": (GET + BROWSER + b"Cookie: ", b"x=y; " * 20_000),
    "a trailer without end": (CHUNKED + b"X-Long: ", b"x" * 100_000),
}


@pytest.mark.parametrize(("first", "more"), FLOODS.values(), ids=FLOODS)
def test_headers_beyond_the_limit_are_refused(port: int, first: bytes, more: bytes) -> None:
    with connected(port) as connection:
        sent = 0
        with contextlib.suppress(ConnectionError):
            connection.sendall(first)
            while more and sent < 40_000_000:
                connection.sendall(more)
                sent += len(more)
        if first.startswith(PREDICT):
            assert two(connection) == [200, 431]
        else:
            status, got = answer(connection)
            assert status == 431
            assert b"he headers are longer than 65,536 bytes" in got
            assert (b"content-type: text/plain" in got) == (BROWSER in first)  # words for a person, JSON for a program


def test_bodies_do_not_count_towards_the_header_limit(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(GET + b"X-Long: " + b"x" * (MOST_HEADERS - 1_000) + b"\r\n\r\n")
        assert answer(connection)[0] == 200
        for part in (ASKED + b"Content-Length: 900000\r\n\r\n", b" " * (900_000 - len(BODY)), BODY, PREDICT):
            connection.sendall(part)
        assert two(connection) == [200, 200]
        connection.sendall(CHUNKED + b"X-Short: x\r\n\r\n" + PREDICT)
        assert two(connection) == [200, 200]


@pytest.mark.parametrize("how", ["new", "kept alive", "pipelined", "body under way"])
def test_requests_sent_before_sigterm_are_answered(tmp_path: Path, how: str) -> None:
    with served(tmp_path) as (process, port), contextlib.ExitStack() as stack:
        connections = []
        for _ in range(150):
            connection = stack.enter_context(connected(port))
            if how == "kept alive":
                connection.sendall(PREDICT)
                assert answer(connection)[0] == 200
            connections.append(connection)
        for connection in connections:
            connection.sendall({"pipelined": PREDICT * 3, "body under way": PREDICT[:-5]}.get(how, PREDICT))
        idle = stack.enter_context(connected(port))
        half = stack.enter_context(connected(port))
        half.sendall(GET)
        if how == "body under way":
            with connected(port) as last:  # the last request is answered last, so the server has received the others
                last.sendall(GET + b"\r\n")
                assert answer(last)[0] == 200
        process.send_signal(signal.SIGTERM)
        if how == "body under way":
            time.sleep(0.3)
            for connection in connections:
                connection.sendall(PREDICT[-5:])
        statuses = []
        for connection in connections:
            got = b""
            with contextlib.suppress(ConnectionError):
                while part := connection.recv(65536):
                    got += part
            statuses.append([int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", got)])
        assert statuses == [[200] * (3 if how == "pipelined" else 1)] * 150
        assert process.wait(10) == 0
        assert idle.recv(1) == half.recv(1) == b""
        with pytest.raises(ConnectionError):
            connected(port)
