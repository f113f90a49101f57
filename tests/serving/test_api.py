"""The API answers as Python does, refuses clearly, follows its OpenAPI document, and survives a promotion."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from strategies import EXAMPLES

from predictor import OfferModel, TrainingResult
from predictor.atomic import write_text
from predictor.model.offer_model import PUBLISHED
from predictor.serving.app import make_app
from predictor.serving.settings import Settings

EXAMPLE = json.loads((ROOT / "data" / "ratings.json").read_text())
HEAVY = ("sklearn", "pandas", "mlflow", "matplotlib", "scipy", "joblib", "lightgbm", "pyarrow")
JSON = {"content-type": "application/json"}
app = make_app(Settings(PUBLISHED, hosts=("testserver",), max_interviews=3))


@pytest.fixture(scope="module")
def client(model: OfferModel, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    path = model.save(tmp_path_factory.mktemp("served") / "model.json")
    return TestClient(
        make_app(Settings(path, max_interviews=3)), base_url="http://localhost", raise_server_exceptions=False
    )


def printed(answer: Any) -> Any:
    return json.loads(json.dumps(answer))


# --- what it answers


@pytest.mark.parametrize(
    "sent",
    [EXAMPLE, EXAMPLE["ratings"], {}, {"rater_role": "Observer", "goals_discussed": 4.5}],
    ids=["the example", "its ratings alone", "nothing rated", "a role and a half rating"],
)
def test_the_api_gives_exactly_the_answers_of_the_model(
    client: TestClient, model: OfferModel, sent: dict[str, Any]
) -> None:
    assert client.post("/v1/predict", json=sent).json() == printed(model.predict(sent).to_dict())
    rows = [sent, EXAMPLE]
    assert client.post("/v1/predict?base_rate=0.2", json=rows).json() == printed(
        [model.predict(row, base_rate=0.2).to_dict() for row in rows]
    )


def test_an_old_model_is_reported_by_the_api() -> None:
    old = make_app(Settings(ROOT / "tests/data/model-format-2.json", hosts=("testserver",)))
    client = TestClient(old)
    assert any(note.startswith("Old model") for note in client.get("/v1/model").json()["notes"])
    assert any(note.startswith("Old model") for note in client.post("/v1/predict", json={}).json()["notes"])


def test_the_api_describes_the_model(client: TestClient, model: OfferModel) -> None:
    about = client.get("/v1/model").json()
    assert (about["fingerprint"], about["simulated"]) == (model.fingerprint, True)
    assert about["trained_on"]["scores"] == printed(model.trained_on["scores"])
    assert all(len(score) == 3 for score in about["trained_on"]["scores"].values())
    assert any("SIMULATED" in note for note in about["notes"])
    assert about["catalogue"] == client.get("/v1/signals").json() == printed(model.catalogue.to_dict())
    importances = client.get("/v1/importances").json()
    assert importances["feature_importances"] == dict(model.feature_importances)
    for kind in ("family", "side"):
        assert importances[f"{kind}_importances"] == model.group_importances[kind]
    assert importances["measured"] is None  # its training is not beside it
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json()["model"]["name"] == model.name


def test_importances_have_the_intervals_of_their_training(
    training_folder: Path, training_result: TrainingResult
) -> None:
    client = TestClient(make_app(Settings(training_folder / "model.json")), base_url="http://localhost")
    found = client.get("/v1/importances").json()
    for kind, measured in (
        ("signal", training_result.importances),
        ("family", training_result.importances_by_family),
        ("side", training_result.importances_by_side),
    ):
        assert found["measured"][kind] == {name: vars(item.contribution) for name, item in measured.items()}
    values = {name: figure["value"] for name, figure in found["measured"]["signal"].items()}
    assert values == pytest.approx(found["feature_importances"])


def test_the_documentation_page_needs_no_other_host(client: TestClient) -> None:
    page = client.get("/docs").text
    assert all(path in page for path in client.get("/openapi.json").json()["paths"])
    links = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert links
    assert all(client.get(link).status_code == 200 for link in links)
    assert not re.search(r"<script(?! src=)|<style|style=|https?://", page)


def test_the_documented_example_gives_the_documented_answer(client: TestClient) -> None:
    shown = {
        name: unescape(text)
        for name, text in re.findall('<code id="(.*?)">(.*?)</code>', client.get("/docs").text, re.S)
    }
    curl, address, _, header, _, body = shlex.split(shown["curl"].replace("\\\n", ""))  # as a shell joins lines
    assert (curl, address) == ("curl", "localhost/v1/predict")
    answer = client.post(f"http://{address}", content=body, headers=[header.split(": ")]).json()
    abridged = json.loads(shown["answer"])
    rated = abridged.pop("contributions")
    assert abridged == {name: answer[name] for name in abridged}
    assert rated == [part for part in answer["contributions"] if part["rating"] is not None]
    assert {part["signal"]: part["rating"] for part in rated} == json.loads(body)


# --- what it refuses


@pytest.mark.parametrize(
    ("row", "field", "found", "problem"),
    [
        ({"goals_discussed": 9}, "goals_discussed", "9", "write 1 to 5"),
        ({"goals_discussed": "four"}, "goals_discussed", "four", "is not a number"),
        ({"goals_discussed": True}, "goals_discussed", "True", "true or false"),
        ({"goal_discussed": 4}, "goal_discussed", "goal_discussed", "did you mean 'goals_discussed'"),
        ({"rater_role": "boss"}, "rater_role", "boss", "is none of"),
        ({"ratings": 4}, "ratings", "4", "must be a mapping"),
        (4, "body", "4", "is not a mapping"),
    ],
)  # fmt: skip
def test_a_refusal_names_row_field_value_and_fix(
    client: TestClient, row: object, field: str, found: str, problem: str
) -> None:
    answer = client.post("/v1/predict", json=[{}, row])
    (only,) = answer.json()["problems"]
    assert answer.status_code == 422
    assert (only["row"], only["field"], only["found"]) == (2, field, found)
    assert problem in only["problem"]


def test_the_api_lists_every_problem(client: TestClient) -> None:
    answer = client.post(
        "/v1/predict", json=[{"goals_discussed": 0, "mutual_rapport": "x"}, {"clarity": 1, "rater_role": "boss"}]
    )
    assert answer.json()["error"] == "4 problems in the body"
    fields = [(item["row"], item["field"]) for item in answer.json()["problems"]]
    assert sorted(fields) == [(1, "goals_discussed"), (1, "mutual_rapport"), (2, "clarity"), (2, "rater_role")]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "the body is empty"),
        (b"{", 422, "is not JSON"),
        (b'{"goals_discussed": Infinity}', 422, "is not a number"),
        (b'{"goals_discussed": 1e999}', 422, "is not a number"),
        (b'{"goals_discussed": ' + b"9" * 400 + b"}", 422, "is not a number"),
        (b'{"goals_discussed": ' + b"9" * 9000 + b"}", 422, "is not usable JSON"),
        (b'{"goals_discussed": 4, "goals_discussed": 4}', 422, "given twice"),
        (b'{"\xff": 4}', 422, "is not UTF-8"),
        (b'{"\\ud800": "\\ud800"}', 422, "is not in the catalogue"),
        (b"[]", 422, "there are no rows"),
        (b"[{}, {}, {}, {}]", 413, "send at most 3"),
        (b'{"a":"' + b"a" * 1_000_000 + b'"}', 413, "longer than 1,000,000 bytes"),
    ],
    ids=lambda given: given[:30] if isinstance(given, bytes) else None,
)
def test_an_unusable_body_is_refused_with_a_clear_message(
    client: TestClient, body: bytes, status: int, words: str
) -> None:
    answer = client.post("/v1/predict", content=body, headers=JSON)
    assert answer.status_code == status
    assert words in answer.json()["problems"][0]["problem"]


def test_deeply_nested_bodies_are_refused_without_a_server_error(client: TestClient) -> None:
    for depth in (*range(100, 1200, 50), 100_000):
        for body in ('{"goals_discussed":' + "[" * depth + "]" * depth + "}", "[" * depth + "]" * depth):
            assert client.post("/v1/predict", content=body, headers=JSON).status_code in (413, 422), depth


@pytest.mark.parametrize(
    "kind",
    [
        None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1",
        "application/jsonl", "application/json, text/plain", "; application/json", "application/json; charset=utf-16",
    ],
)  # fmt: skip
def test_a_body_without_a_json_content_type_is_refused(client: TestClient, kind: str | None) -> None:
    answer = client.post("/v1/predict", content=b"{}", headers={"content-type": kind} if kind else {})
    assert answer.status_code == 415
    assert answer.json()["problems"][0]["field"] == "Content-Type"


def test_a_compressed_body_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/predict", content=gzip.compress(b"{}"), headers={**JSON, "content-encoding": "gzip"})
    assert answer.status_code == 415 and answer.json()["problems"][0]["field"] == "Content-Encoding"
    assert client.post("/v1/predict", content=b"{}", headers={**JSON, "content-encoding": "identity"}).is_success


@pytest.mark.parametrize("more", [";", " ; ;", "; charset=UTF-8", ';charset="utf-8";', ";charset=utf8", "; indent=2"])
def test_harmless_content_type_parameters_are_accepted(client: TestClient, more: str) -> None:
    for kind in ("application/json", "Application/JSON"):
        assert client.post("/v1/predict", content=b"{}", headers={"content-type": kind + more}).status_code == 200


def test_head_gives_the_headers_of_get_without_a_body(client: TestClient) -> None:
    paths = [path for path, printed in client.get("/openapi.json").json()["paths"].items() if "get" in printed]
    for path in (*paths, "/", "/docs", "/openapi.json", "/static/pages.css", "/nothing", "/v1/predict"):
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        assert path == "/metrics" or head.headers["content-length"] == got.headers["content-length"]
    assert client.put("/health").headers["allow"] == "GET, HEAD"
    assert client.put("/v1/predict").headers["allow"] == client.head("/v1/predict").headers["allow"] == "POST"
    assert 'method="HEAD",route="/health",status="200"' in client.get("/metrics").text


@pytest.mark.parametrize(
    "query",
    ["base_rate=0", "base_rate=1", "base_rate=nan", "base_rate=", "base_rate=0.2&base_rate=0.2", "base-rate=0.2"],
)
def test_an_invalid_query_is_refused(client: TestClient, query: str) -> None:
    answer = client.post(f"/v1/predict?{query}", json={})
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["field"] in ("base_rate", "base-rate")


def test_a_nonsense_body_is_refused_quickly(client: TestClient) -> None:
    many = json.dumps({f"{number:x}": 1 for number in range(60_000)})
    doubled = "{" + ",".join(f'"{number:x}":1' for number in (*range(60_000), 0)) + "}"
    for body in (many, doubled):
        started = time.process_time()
        answer = client.post("/v1/predict", content=body, headers=JSON)
        assert answer.status_code == 422
        assert time.process_time() - started < 3


@pytest.mark.parametrize("one", ["{}", "[]", "1", '{"goals_discussed":4}'])
def test_a_list_that_is_too_long_is_not_read_completely(client: TestClient, one: str) -> None:
    many = "[" + ",".join([one] * (990_000 // (len(one) + 1))) + "]"
    for body in (many, f'{{"ratings":{many}}}', f'[{{"goals_discussed":{many}}}]', many[:-1], f'"{many}'):
        started = time.process_time()
        answer = client.post("/v1/predict", content=body, headers=JSON)
        assert answer.status_code in ((413,) if body is many else (413, 422))
        assert time.process_time() - started < 1
    brackets = [{"candidate_id": "[{" * 100 + '\\"[', "goals_discussed": 4}] * 3
    assert client.post("/v1/predict", json=brackets).status_code == 200  # no list: a name


# --- that nothing makes it fail

numbers = st.integers() | st.floats() | st.sampled_from([1, 3, 4.5, 5])
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
columns = st.sampled_from([*app.state.current_model().catalogue.columns, "ratings"])
rows = st.dictionaries(
    columns | st.text(max_size=9), numbers | anything | st.dictionaries(columns, numbers), max_size=6
)
bodies = (rows | st.lists(rows, max_size=4) | anything).map(lambda data: json.dumps(data).encode()) | st.binary(
    max_size=99
)


@settings(max_examples=EXAMPLES or 100, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=bodies)
def test_no_body_causes_a_server_error(body: bytes) -> None:
    answer = TestClient(app, base_url="http://localhost").post("/v1/predict", content=body, headers=JSON)
    assert answer.status_code in (200, 413, 422)
    if answer.status_code == 200:
        assert all(
            0 <= one["offer_probability"] <= 1
            for one in ([answer.json()] if body.lstrip()[:1] != b"[" else answer.json())
        )
    else:
        assert all(item["field"] is not None and item["problem"] for item in answer.json()["problems"])


def test_the_api_follows_its_openapi_document(warm_python: Path) -> None:
    """In a separate process: if pytest collected these tests, Schemathesis would make its requests in every worker."""
    code = "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    options = ["-p", "schemathesis.pytest.plugin", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # that server has imported pytest plugins already
    command = [str(warm_python), "-c", code, *options, "tests/serving/schemathesis_api.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# --- as a process


class Server:
    """`predictor serve` in a separate process, on a free port."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "predictor", "serve", "--port", "0", *arguments],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE, stderr=self.log,
        )  # fmt: skip
        assert self.process.stdout
        self.said = self.process.stdout.readline()
        assert self.said, (folder / "log").read_text()
        self.port = int(self.said.rpartition(":")[2].split(";")[0])

    def ask(self, path: str, body: str | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET" if body is None else "POST", path, body, JSON)
        answer = connection.getresponse()
        status, printed = answer.status, json.loads(answer.read())
        connection.close()
        return status, printed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()
        server.log.close()


def test_a_promotion_is_loaded_without_a_failed_request(server: Server, model: OfferModel, tmp_path: Path) -> None:
    assert "published-evidence" in server.said
    seen: list[tuple[int, str]] = []
    stop = threading.Event()

    def stream() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)  # one, kept alive
        while not stop.is_set():
            connection.request("POST", "/v1/predict", '{"goals_discussed": 4}', JSON)
            answer = connection.getresponse()
            seen.append((answer.status, json.loads(answer.read())["model"]["name"]))
        connection.close()

    def until(name: str) -> None:
        while seen[-1:] != [(200, name)]:
            assert threads[0].is_alive()
            time.sleep(0.01)

    threads = [threading.Thread(target=stream, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    champion = tmp_path / "experiments" / "models" / "champion.json"
    until("published-evidence")
    model.save(champion)  # the first model that is trained here
    until(model.name)
    replace(model, name="another").save(champion)
    until("another")
    write_text(champion, "{")
    while not (trouble := server.ask("/ready")[1]["trouble"]):
        pass
    assert "champion.json: not a model file" in trouble
    assert str(tmp_path) not in trouble
    model.save(champion)
    until(model.name)
    assert server.ask("/ready")[1]["trouble"] is None
    stop.set()
    for thread in threads:
        thread.join()
    assert {status for status, _ in seen} == {200}
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=20) == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["event"] for line in lines if line["event"] != "request"] == [
        "model reloaded", "model reloaded", "model not reloaded", "model reloaded",
    ]  # fmt: skip


def test_a_port_in_use_is_reported(server: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "predictor", "serve", "--port", str(server.port)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be listened on" in done.stderr
    assert "Traceback" not in done.stderr


def test_predicting_over_http_imports_no_heavy_package() -> None:
    code = (
        "import asyncio, httpx, sys\n"
        "from predictor.model.offer_model import PUBLISHED; from predictor.serving.app import make_app\n"
        "from predictor.serving.settings import Settings\n"
        "async def ask():\n"
        "    client = httpx.AsyncClient(transport=httpx.ASGITransport(make_app(Settings(PUBLISHED))))\n"
        "    return await client.post('http://localhost/v1/predict', json={'goals_discussed': 4})\n"
        f"print(asyncio.run(ask()).status_code, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "200 []"
