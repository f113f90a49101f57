"""Security: hosts, other sites, the token, limits, browser headers, and what an error must never reveal."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from fastapi import Depends, FastAPI, Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from predictor.cli import main
from predictor.errors import ConfigError
from predictor.model.offer_model import PUBLISHED
from predictor.serving.app import make_app, make_server
from predictor.serving.observation import JsonLines
from predictor.serving.security import check_csrf, csrf_token
from predictor.serving.settings import Settings
from predictor.serving.tokens import PAUSE, TRIES

TOKEN = "0123456789abcdef0123456789abcdef"
HERE = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def app(log: io.StringIO) -> FastAPI:
    """The application, with a form like those of the pages and a route that raises an error."""
    app = make_app(Settings(PUBLISHED, timeout=0.5), log)

    @app.get("/form")
    async def form(request: Request) -> PlainTextResponse:
        return PlainTextResponse(csrf_token(request))

    @app.post("/form", dependencies=[Depends(check_csrf)])
    async def sent(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str((await request.form())["name"]))

    @app.get("/fault/{name}")
    async def fault(name: str) -> None:
        raise ValueError(f"{name} is a secret")

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(9)

    return app


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost", raise_server_exceptions=True)


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "LOCALHOST"])
def test_loopback_host_names_are_accepted(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "localhost:x"]
)
def test_another_host_is_refused_with_a_fix(client: TestClient, host: str) -> None:
    answer = client.get("/v1/model", headers={"host": host})
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["field"] == "Host"
    assert "--allow-host" in answer.json()["error"]


def test_the_refusal_page_reveals_nothing_about_the_server(client: TestClient) -> None:
    person = {"accept": "text/html,*/*;q=0.8"}
    name = client.get("/ready").json()["model"]["name"]
    refused = {
        400: client.get("/", headers={**person, "host": "evil.example<b>"}),
        403: client.post("/", headers={**person, "origin": "http://evil.example"}),
        413: client.post("/", content=b" " * 1_000_001, headers=person),
        503: client.get("/slow", headers=person),
    }
    for status, answer in refused.items():
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert f'<p class="kicker">{status}</p>' in answer.text
        assert not [word for word in (name, "fingerprint", "csrf_token", "<nav", "<b>") if word in answer.text]
        assert "set-cookie" not in answer.headers
    beyond = TestClient(make_app(Settings(PUBLISHED, token=TOKEN)), base_url="http://localhost")
    answer = beyond.post("/", headers=person)
    assert (answer.status_code, "The token is missing" in answer.text, name in answer.text) == (401, True, False)
    assert client.post("/v1/predict", headers={**person, "origin": "http://evil.example"}).json()["problems"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:9"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost"},
    ],
    ids=str,
)
def test_requests_from_another_site_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/v1/predict", json={}, headers=headers).status_code == 403
    assert client.post("/v1/predict", json={}, headers=HERE).status_code == 200
    assert client.post("/v1/predict", json={}).status_code == 200  # a program


def test_no_other_origin_may_read_answers(client: TestClient) -> None:
    asked = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    for answer in (client.options("/v1/predict", headers=asked), client.get("/v1/model", headers=asked)):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_security_headers_are_sent(client: TestClient) -> None:
    for answer in (client.get("/docs"), client.get("/nothing"), client.post("/v1/predict", content=b"{")):
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == (
            "'none'",
            "'self'",
            "'none'",
        )
        assert "unsafe" not in str(policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


# --- forms


def test_only_own_forms_are_accepted(client: TestClient, app: FastAPI) -> None:
    page = client.get("/form")
    cookie = page.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "set-cookie" not in client.get("/form").headers
    assert client.get("/form").text == page.text
    assert client.post("/form", data={"name": "A", "csrf_token": page.text}, headers=HERE).text == "A"
    other = TestClient(app, base_url="http://localhost").get("/form").text
    for token in (None, "", other, page.text[:-1], "é"):
        data = {"name": "A", **({} if token is None else {"csrf_token": token})}
        assert client.post("/form", data=data, headers=HERE).status_code == 403
    client.cookies.clear()
    assert client.post("/form", data={"name": "A", "csrf_token": page.text}, headers=HERE).status_code == 403


# --- the token


def test_a_token_is_required_beyond_loopback() -> None:
    with pytest.raises(ConfigError, match="token is needed"):
        Settings(PUBLISHED, host="0.0.0.0")
    with pytest.raises(ConfigError, match="16 or more"):
        Settings(PUBLISHED, token="short")
    done = CliRunner().invoke(main, ["serve", "--host", "0.0.0.0"])
    assert done.exit_code == 2
    assert "PREDICTOR_TOKEN" in done.output


def test_requests_without_a_token_learn_nothing() -> None:
    settings = Settings(PUBLISHED, host="0.0.0.0", token=TOKEN, hosts=("testserver",))
    client = TestClient(make_app(settings))
    for path in ("/v1/model", "/docs", "/openapi.json", "/metrics", "/logout", "/nothing"):
        answers = [client.get(path)]
        answers += [
            client.get(path, headers={"authorization": given.encode()})
            for given in ("Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é")
        ]
        for answer in answers:
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    known = {"authorization": f"Bearer {TOKEN}"}
    assert client.post("/v1/predict", json={}).status_code == 401
    assert client.post("/v1/predict", json={}, headers=known).status_code == 200
    assert client.get("/health").status_code == 200
    assert client.get("/openapi.json", headers=known).json()["security"]


@pytest.mark.parametrize("by", ["header", "page", "both"])
def test_wrong_tokens_are_slowed_down_and_logged_in_users_are_not(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(Settings(PUBLISHED, token=TOKEN, hosts=("testserver",)))
    clock = [0.0]
    monkeypatch.setattr(app.state.throttle, "_clock", lambda: clock[0])

    def client(address: str) -> TestClient:
        return TestClient(app, client=(address, 1), follow_redirects=False)

    def form(browser: TestClient, token: str) -> dict[str, str]:
        return {"token": token, "csrf_token": re.findall('csrf_token" value="(.*?)"', browser.get("/login").text)[0]}

    logged_in, guessing, neighbour, other = map(client, ("10.0.0.5", "10.0.0.5", "10.0.0.6", "2001:db8::1"))
    assert logged_in.post("/login", data=form(logged_in, TOKEN)).status_code == 303
    filled = form(guessing, "wrong" * 4)

    def guess(number: int, token: str = "wrong" * 4) -> httpx.Response:
        if by == "page" or (by == "both" and number % 2):
            return guessing.post("/login", data={**filled, "token": token})
        return guessing.get("/v1/model", headers={"authorization": f"Bearer {token}"})

    statuses = [guess(number).status_code for number in range(200)]
    assert statuses == [401] * TRIES + [429] * (200 - TRIES)
    for number in range(2):  # the right token is not checked either, or the answer would reveal it
        assert (guess(number, TOKEN).status_code, guess(number).headers["retry-after"]) == (429, "3")
    assert logged_in.get("/v1/model").status_code == 200
    assert guessing.get("/v1/model").status_code == 401  # none given, so none guessed
    assert neighbour.get("/v1/model", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    clock[0] += 10 * PAUSE
    assert [guess(number).status_code for number in range(12)] == [401] * 10 + [429] * 2
    clock[0] += PAUSE
    assert guess(0, TOKEN).status_code in (200, 303)
    assert [other.get("/v1/model", headers={"authorization": "Bearer x"}).status_code for _ in range(21)][-1] == 429
    moved = client("2001:db8::ffff:2")  # the same /64 network counts as one client
    assert moved.get("/v1/model", headers={"authorization": "Bearer x"}).status_code == 429


# --- limits


def test_a_chunked_body_cannot_bypass_the_limit(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(11):
            yield b" " * 100_000

    answer = client.post("/v1/predict", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["problems"][0]["field"] == "body"


def test_stalled_bodies_and_answers_time_out(client: TestClient, app: FastAPI) -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(9)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as slowly:
            return await slowly.post("/v1/predict", content=never())

    for answer in (client.get("/slow"), asyncio.run(ask())):
        assert answer.status_code == 503
        assert "within 0.5 seconds" in answer.json()["error"]


def test_stalled_requests_time_out_and_slow_ones_are_answered() -> None:
    app, settings = make_app(Settings(PUBLISHED, timeout=1)), Settings(PUBLISHED, timeout=1)
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "

    async def dribble(port: int, whole: bytes, bit: bytes) -> tuple[bytes, float]:
        """Send a whole request, if any, then a bit of another again and again; tell when the connection was closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began, got = time.monotonic(), asyncio.create_task(reader.read())
        writer.write(whole + bit)
        while not got.done():
            writer.write(bit[-1:])
            await asyncio.wait([got], timeout=0.1)
        writer.close()
        with contextlib.suppress(ConnectionError):
            return await got, time.monotonic() - began
        return b"", time.monotonic() - began  # bytes were under way when it closed

    async def ask() -> list[tuple[bytes, float]]:
        listening = socket.create_server(("127.0.0.1", 0))
        server, port = make_server(app, settings), listening.getsockname()[1]
        running = asyncio.create_task(server.serve([listening]))
        whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        seen = [*await asyncio.gather(
            dribble(port, b"", head),  # headers without end
            dribble(port, whole, head),  # the same on a connection that is kept alive
            dribble(port, whole, b"\n"),  # nothing, for ever
        )]  # fmt: skip
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for part in (head, b"x", b"\r\n\r\n"):  # slow, but in time
            writer.write(part)
            await asyncio.sleep(0.1)
        seen.append((await reader.readuntil(b"}"), 1.0))
        writer.close()
        server.should_exit = True
        await running
        return seen

    seen = asyncio.run(asyncio.wait_for(ask(), 20))
    assert [b'{"status":"ok"}' in got for got, _ in seen[-1:]] == [True]
    assert not seen[0][0]
    assert all(seconds > 0.8 for _, seconds in seen)


# --- what is never told


def test_logs_and_metrics_contain_no_personal_data(
    client: TestClient, log: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    log.truncate(log.seek(0))
    with caplog.at_level(logging.INFO, "predictor.serving"):
        client.post("/v1/predict?base_rate=0.12345", json={"candidate_id": "Ada Lovelace", "goals_discussed": "Ada"})
        client.get("/nothing/Ada")
        answer = client.get("/fault/Ada")
    assert answer.status_code == 500
    assert "Ada" not in answer.text
    assert "Traceback" not in answer.text
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    lines += [json.loads(JsonLines().format(record)) for record in caplog.records]
    printed: dict[str, Any] = next(line for line in lines if line["event"] == "request")
    assert set(printed) == {"time", "level", "event", "method", "route", "status", "ms"}
    assert (printed["method"], printed["route"], printed["status"]) == ("POST", "/v1/predict", 422)
    fault = next(line for line in lines if line["event"] == "error")
    assert fault["exception"] == "ValueError"
    assert "test_security.py" in fault["at"][0]
    assert next(line for line in lines if line.get("status") == 500)["route"] == "/fault/{name}"
    metrics = client.get("/metrics").text
    assert 'predictor_requests_total{method="POST",route="/v1/predict",status="422"}' in metrics
    for text in (json.dumps(lines), metrics):
        assert not [word for word in ("Ada", "0.12345", "testclient", "127.0.0.1") if word in text]
