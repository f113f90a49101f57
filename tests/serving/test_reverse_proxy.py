"""Behind a real nginx, set up as the README shows: forms, style, redirects and cookies under a prefix, over HTTPS."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ROOT
from starlette.testclient import TestClient
from test_connections import served

from predictor.errors import ConfigError
from predictor.model.offer_model import PUBLISHED
from predictor.serving.app import make_app
from predictor.serving.settings import Settings

NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
TOKEN = "0123456789abcdef0123456789abcdef"
HOST_LINE = "        proxy_set_header Host $http_host;\n"
OPTIONS = ("--journal", "my.journal", "--allow-host", "interviews.example", "--root-path", "/interviews", "--https")
PERSON = {"accept": "text/html", "sec-fetch-site": "same-origin"}


def snippet() -> str:
    found = re.search(
        r"<!-- nginx -->\n```nginx\n(.*?)```", (ROOT / "predictor/serving/README.md").read_text(), re.DOTALL
    )
    assert found
    return found[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Proxy:
    """nginx with the README's configuration, on free ports and with a self-signed certificate."""

    def __init__(self, folder: Path, lines: str, port: int) -> None:
        self.port = free_port()
        certificate, key = folder / "interviews.crt", folder / "interviews.key"
        names = ["-subj", "/CN=interviews.example", "-addext", "subjectAltName=DNS:interviews.example"]
        command: list[str | Path] = [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"], "-keyout", key, "-out", certificate, *names,
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        for old, new in (
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"), ("/etc/ssl/interviews", str(folder / "interviews")),
            ("127.0.0.1:8000", f"127.0.0.1:{port}"),
        ):  # fmt: skip
            assert old in lines
            lines = lines.replace(old, new)
        temporary = "".join(
            f"{kind}_temp_path {folder};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""  # otherwise the worker's user may not enter pytest's folder
        (folder / "nginx.conf").write_text(
            f"{user} daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{lines}}}\n"
        )
        with (folder / "nginx.log").open("w") as log:
            self.process = subprocess.Popen([str(NGINX), "-p", folder, "-c", folder / "nginx.conf"], stderr=log)
        self.context = ssl.create_default_context(cafile=str(certificate))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (folder / "nginx.log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)

    def client(self, **options: Any) -> httpx.Client:
        """An HTTP client with cookies that resolves interviews.example to this machine."""
        port = self.port

        class Here(httpx.HTTPTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                assert request.url.host == "interviews.example", request.url  # a redirect leads to no other host
                assert request.url.port == port
                here, more = request.url.copy_with(host="127.0.0.1"), {"sni_hostname": "interviews.example"}
                asked = httpx.Request(
                    request.method,
                    here,
                    headers=request.headers,
                    stream=request.stream,
                    extensions=request.extensions | more,
                )
                return super().handle_request(asked)

        return httpx.Client(
            transport=Here(verify=self.context), base_url=f"https://interviews.example:{port}", follow_redirects=True,
            headers={**PERSON, "origin": f"https://interviews.example:{port}"}, timeout=30, **options,
        )  # fmt: skip


@pytest.fixture(params=["as documented", "without Host"])
def browser(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    if not NGINX:
        reason = "nginx not installed: apt-get install nginx-light"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    monkeypatch.setenv("PREDICTOR_TOKEN", TOKEN)
    lines = snippet()
    assert HOST_LINE in lines
    if request.param == "without Host":
        lines = lines.replace(HOST_LINE, "")
    with served(tmp_path, *OPTIONS) as (_, port):
        proxy = Proxy(tmp_path, lines, port)
        try:
            with proxy.client() as client:
                if request.param == "without Host":  # as on the port of HTTPS, which needs no number
                    client.headers["origin"] = "https://interviews.example"
                yield client
        finally:
            proxy.process.terminate()
            proxy.process.wait(20)


def fields(page: str) -> dict[str, str]:
    return {"csrf_token": re.findall('name="csrf_token" value="(.*?)"', page)[0]}


def test_the_pages_work_behind_nginx(browser: httpx.Client) -> None:
    asked = browser.get("/interviews/")
    assert asked.url.path == "/interviews/login"
    cookies = asked.headers["set-cookie"]
    assert "Secure" in cookies
    assert "Path=/interviews;" in cookies
    entered = browser.post("/interviews/login", data={"token": TOKEN, **fields(asked.text)})
    assert (entered.status_code, entered.url.path) == (200, "/interviews/")
    login = next(header for header in entered.history[0].headers.get_list("set-cookie") if "predictor_login" in header)
    assert {"Secure", "HttpOnly", "Path=/interviews"} <= set(login.split("; "))
    page = entered.text
    addresses = re.findall(r'(?:href|src|action|formaction)="([^"#]+)"', page)
    assert {address for address in addresses if not address.startswith("/interviews/")} == set()
    for address in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert browser.get(address).status_code == 200, address
    assert 'data-root="/interviews"' in page
    kept = browser.post("/interviews/journal", data={"title": "Acme", "rating.goals_discussed": "4", **fields(page)})
    assert re.fullmatch("/interviews/journal/[0-9a-f]{12}", kept.url.path)
    assert "Saved." in kept.text
    long = b"goals_discussed\n" + (b"4" + b" " * 99 + b"\n") * 20_001  # two megabytes
    files = {"file": ("my.csv", long, "text/csv")}
    refused = browser.post("/interviews/journal/import", data=fields(page), files=files)
    assert (refused.status_code, "more than 20,000 rows" in refused.text) == (422, True)  # not by nginx
    assert browser.post("/interviews/estimate", data={**fields(page)}).status_code == 200
    answer = browser.post("/interviews/v1/predict", json={}, headers={"accept": "*/*"})
    assert 0 < answer.json()["offer_probability"] < 1
    document = browser.get("/interviews/openapi.json").json()
    assert document["servers"] == [{"url": "/interviews"}]
    assert "/interviews/v1/predict" in browser.get("/interviews/docs").text
    foreign = browser.post("/interviews/estimate", data=fields(page), headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    left = browser.post("/interviews/logout", data=fields(browser.get("/interviews/").text))
    assert left.url.path == "/interviews/login"


def test_a_proxy_that_changes_the_host_is_reported_with_both_hosts() -> None:
    client = TestClient(make_app(Settings(PUBLISHED)), base_url="http://127.0.0.1:8000")
    headers = {"origin": "https://interviews.example", "sec-fetch-site": "same-origin"}
    printed = client.post("/", headers=headers).json()["error"]
    for words in ("interviews.example", "127.0.0.1:8000", "proxy_set_header Host $http_host;", "cross-site request"):
        assert words in printed
    named = TestClient(make_app(Settings(PUBLISHED, hosts=("interviews.example",))), base_url="http://127.0.0.1:8000")
    assert named.post("/v1/predict", json={}, headers=headers).status_code == 200
    for wrong in ("https://evil.example", "https://interviews.example:8443", "http://localhost", "null"):
        assert named.post("/v1/predict", json={}, headers={**headers, "origin": wrong}).status_code == 403
    cross = {**headers, "sec-fetch-site": "cross-site"}
    assert named.post("/v1/predict", json={}, headers=cross).status_code == 403


def test_wrong_tokens_are_counted_per_forwarded_address() -> None:
    app = make_app(Settings(PUBLISHED, token=TOKEN, https=True, hosts=("testserver",)))
    proxy, direct = (TestClient(app, client=(address, 1)) for address in ("127.0.0.1", "10.0.0.9"))

    def guess(client: TestClient, forwarded: str) -> int:
        headers = {"authorization": "Bearer wrong", "x-forwarded-for": forwarded}
        return int(client.get("/v1/model", headers=headers).status_code)

    assert [guess(proxy, f"10.9.9.{number}, 10.0.0.5") for number in range(21)][-1] == 429  # the first is forged
    assert guess(proxy, "10.0.0.5, 10.0.0.6") == 401
    assert [guess(direct, f"10.9.9.{number}") for number in range(21)][-1] == 429  # not a proxy of this machine


@pytest.mark.parametrize(("given", "kept"), [("", ""), ("/", ""), ("interviews", "/interviews"), ("/a/b/", "/a/b")])
def test_a_prefix_is_normalised_to_a_path(given: str, kept: str) -> None:
    settings = Settings(PUBLISHED, root_path=given)
    assert settings.root_path == kept
    client = TestClient(make_app(settings), base_url="http://localhost")
    for path in ("/health", f"{kept}/health", f"{kept}/static/pages.css", f"{kept}/v1/signals", kept or "/"):
        assert client.get(path).status_code == 200, path  # the proxy may take the prefix off, or leave it
    assert client.post(f"{kept}/v1/predict", json={}).status_code == 200
    assert client.get(f"{kept}x/health").status_code == 404
    for wrong in ("/a b", "/a?b", '/"', "/a//b", "/é", "/a\r\nb"):
        with pytest.raises(ConfigError, match="write one as in /interviews"):
            Settings(PUBLISHED, root_path=wrong)
