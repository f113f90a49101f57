"""The journal's pages under load: uploads have limits and delay nobody else; a long journal is paged."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from predictor.journal.entry import Entry, new_id
from predictor.journal.file import JournalFile
from predictor.journal.import_export import MOST_COLUMNS, MOST_ROWS
from predictor.journal.schema import SELECT, insert
from predictor.journal.store import Journal
from predictor.model.offer_model import PUBLISHED
from predictor.serving.app import make_app
from predictor.serving.settings import Settings

PERSON = {"accept": "text/html"}


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return make_app(Settings(PUBLISHED, journal=tmp_path / "my.journal"))


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def csrf(client: TestClient) -> str:
    return re.findall('name="csrf_token" value="(.*?)"', client.get("/journal/import").text)[0]


def upload(client: TestClient, content: bytes) -> httpx.Response:
    files = {"file": ("my.csv", content, "text/csv")}
    return client.post("/journal/import", data={"csrf_token": csrf(client)}, files=files, headers=PERSON)


def agree(client: TestClient, looked: httpx.Response) -> httpx.Response:
    """Confirm the preview of an import."""
    assert looked.status_code == 200
    fields = dict(re.findall('type="hidden" name="(.*?)" value="(.*?)"', looked.text.split("/journal/import/add")[1]))
    return client.post("/journal/import/add", data=fields, headers=PERSON)


def keep(app: FastAPI, count: int) -> None:
    journal: Journal = app.state.journal
    with journal._file.open(write=True) as file:
        for number in range(count):
            insert(file, Entry(id=new_id(), title=f"Number {number}", note="x" * 100))


UPLOADS = {
    "wide": (",".join(f"c{number}" for number in range(100_000)) + "\n", f"of which at most {MOST_COLUMNS:,} are read"),
    "wide, one name": (",".join(["goals_discussed"] * 20_000) + "\n", "has 20,000 columns"),
    "wide, semicolons": (";" * 100_000, f"of which at most {MOST_COLUMNS:,} are read"),
    "a first line without end": ("x" * 2_000_000, "a cell has more than 131,072 characters"),
    "long": ("goals_discussed\n" + "4\n" * 450_000, f"has more than {MOST_ROWS:,} rows; a larger file is imported"),
    "long, CR": ("goals_discussed\r" + "4\r" * 450_000, f"has more than {MOST_ROWS:,} rows"),
    "long, blank": ("goals_discussed\n4\n" + "\n" * 450_000 + "4\n", f"has more than {MOST_ROWS:,} rows"),
    "bytes": (
        "x" * 11_000_000,
        "he body is longer than 10,000,000 bytes; send fewer interviews at once, or a file by: predictor",
    ),
}


@pytest.mark.parametrize(("content", "says"), UPLOADS.values(), ids=UPLOADS)
def test_an_upload_beyond_the_limits_is_refused_immediately(client: TestClient, content: str, says: str) -> None:
    started = time.process_time()
    answer = upload(client, content.encode())
    assert answer.status_code in (413, 422)
    assert says in re.sub(r"<[^>]*>", "", answer.text)
    assert time.process_time() - started < 10  # of 27 s and more while it was quadratic; coverage's trace takes 3


def test_an_upload_within_the_limits_is_accepted(client: TestClient, app: FastAPI) -> None:
    notes = "id,title,note,rated_at,held_on,group,rater_role,outcome,outcome_at,frozen,simulated,estimate_probability,"
    notes += "estimate_low,estimate_high,estimate_model,estimate_fingerprint,estimate_simulated\n"
    row = ',one,"{}",,,,,,,,,,,,,,\n'.format("line\n" * 3_000)  # more lines than rows are allowed
    looked = upload(client, (notes + row * 10).encode())
    assert not app.state.journal.entries()  # nothing is saved before it is confirmed
    assert agree(client, looked).headers["location"] == "/journal?added=10&updated=0&already_there=0"
    assert len(app.state.journal.entries()) == 10
    form = {"csrf_token": csrf(client), "title": "x", "note": "x" * 1_000_000}
    assert client.post("/journal", data=form, headers=PERSON).status_code == 413  # only a file may be that long
    page = client.get("/journal/import").text
    assert "At most 20,000 rows, 1,000 columns and 10 MB" in page
    assert "predictor journal import FILE" in page


def test_other_requests_are_answered_during_an_import(app: FastAPI, client: TestClient) -> None:
    token = csrf(client)

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", cookies=client.cookies
        ) as asking:
            app.state.importing.acquire()  # so that it takes as long as this test wants
            files = {"file": ("my.csv", b"goals_discussed\n4\n", "text/csv")}
            slow = asyncio.create_task(asking.post("/journal/import", data={"csrf_token": token}, files=files))
            try:
                await asyncio.sleep(0.2)
                seen = [(await asyncio.wait_for(asking.get(path), 5)).status_code for path in ("/health", "/journal")]
                assert not slow.done()
            finally:
                app.state.importing.release()
            return [*seen, (await slow).status_code]

    assert asyncio.run(ask()) == [200, 200, 200]


def test_a_long_journal_is_shown_in_pages_of_fifty(client: TestClient, app: FastAPI) -> None:
    assert "Page 1" not in client.get("/journal").text
    keep(app, 120)
    seen: list[str] = []
    for number, links in ((1, ["next"]), (2, ["prev", "next"]), (3, ["prev"])):
        page = client.get(f"/journal?page={number}").text
        assert re.findall('rel="(prev|next)"', page) == links
        assert f"{len(seen) + 1} to {min(120, len(seen) + 50)} of 120 interviews" in page
        seen += re.findall(r'<a href="/journal/[0-9a-f]{12}">(.*?)</a>', page)
    assert seen == [entry.title for entry in app.state.journal.entries()]
    assert client.get("/journal?page=4", headers=PERSON).status_code == 404
    for wrong in ("0", "-1", "x", "1.5", "²", ""):
        assert client.get(f"/journal?page={wrong}").status_code == 422


def test_the_journal_is_checked_at_start_and_not_for_each_request(
    client: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(app, 60)
    asked: list[str] = []
    connect = JournalFile._connect

    def traced(file: JournalFile) -> sqlite3.Connection:
        connection = connect(file)
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr(JournalFile, "_connect", traced)
    for path in ("/journal", "/calibration", "/train", "/train/progress", "/journal/export.csv"):
        before = len(asked)
        assert client.get(path).status_code == 200
        whole = [statement for statement in asked[before:] if SELECT in statement and "WHERE" not in statement]
        assert len(whole) == (path == "/journal/export.csv"), path  # no page reads the whole journal
    assert not [statement for statement in asked if "quick_check" in statement]
    app.state.journal.path.unlink()
    assert "the file has disappeared" in client.get("/journal").text
    assert not app.state.journal.path.exists()  # no empty journal is created in its place
