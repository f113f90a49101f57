"""The journal's pages without JavaScript: saving, waiting, outcomes, people, and both sides of an interview."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import SIGNALS
from fastapi import FastAPI
from starlette.testclient import TestClient

from predictor import Catalogue, OfferModel
from predictor.journal.days import now, today
from predictor.journal.entry import Entry, new_id
from predictor.journal.estimate import Estimate
from predictor.journal.people import person_id
from predictor.journal.schema import insert
from predictor.journal.store import Journal
from predictor.model.offer_model import PUBLISHED
from predictor.serving.app import make_app
from predictor.serving.settings import Settings
from predictor.serving.web.answer import answer_to_store
from predictor.serving.web.forms import RatingForm
from predictor.serving.web.import_pages import MOST_WAITING
from predictor.serving.web.person_view import HEIGHT, MOST_DRAWN, TOP, charts, estimate_charts

PERSON = {"accept": "text/html"}
MODEL = OfferModel.published()
GOALS = "goals_discussed"


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return make_app(Settings(PUBLISHED, journal=tmp_path / "my.journal"))


@pytest.fixture
def journal(app: FastAPI) -> Journal:
    journal: Journal = app.state.journal
    return journal


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost", follow_redirects=False, headers=PERSON)


def post(client: TestClient, path: str, **fields: Any) -> httpx.Response:
    token = re.findall('name="csrf_token" value="(.*?)"', client.get("/journal/import").text)[0]
    return client.post(path, data={"csrf_token": token, **fields})


def text(answer: httpx.Response) -> str:
    """Return the visible text of a page."""
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", answer.text.partition("<main")[2]))


def test_the_saved_entry_equals_the_displayed_answer(client: TestClient, journal: Journal) -> None:
    rated = {f"rating.{GOALS}": "4", "rating.mutual_rapport": "did not come up", "input.rater_role": "candidate"}
    kept = {"title": "Acme", "who": "AB", "date": "2026-05-31", "round": "phone", "due": "2026-06-14", "note": "n"}
    answer = post(client, "/journal", **rated, **kept, guess="60", base_rate="20")
    entry = journal.entries()[0]
    assert answer.headers["location"] == f"/journal/{entry.id}?notice=saved"
    assert (entry.title, entry.who, entry.round, entry.note, entry.guess) == ("Acme", "AB", "phone", "n", 60)
    assert (entry.held_on, entry.due_on) == (date(2026, 5, 31), date(2026, 6, 14))
    assert (entry.ratings, entry.not_come_up, entry.rater_role) == ({GOALS: 4}, ("mutual_rapport",), "candidate")
    expected = MODEL.predict({GOALS: 4, "rater_role": "candidate"}, base_rate=0.2)
    assert entry.estimate == Estimate.of(expected, 0.2)
    assert entry.answer
    assert entry.answer["prediction"]["log_odds"] == expected.log_odds
    shown = text(client.get(f"/journal/{entry.id}"))
    assert "Your guess before: 60 of 100." in shown
    assert f"1 of {SIGNALS} rated, 1 did not come up." in shown


REFUSED = {
    "nothing rated": ({"title": "Acme"}, "no signal is rated; rate one at least"),
    "no title": ({f"rating.{GOALS}": "4"}, "Title is empty; write what you will know it by"),
    "no day": ({f"rating.{GOALS}": "4", "title": "A", "due": "soon"}, "When will you hear? is not a day"),
    "too long": ({f"rating.{GOALS}": "4", "title": "A", "note": "x" * 20_001}, "Note has 20,001 characters"),
}


@pytest.mark.parametrize(("fields", "says"), REFUSED.values(), ids=REFUSED)
def test_a_refused_entry_keeps_everything_that_was_typed(
    client: TestClient, journal: Journal, fields: dict[str, str], says: str
) -> None:
    answer = post(client, "/journal", who="<AB>", guess="60", **fields)
    assert answer.status_code == 422
    assert says in text(answer).replace("&#39;", "'")
    assert re.search(r'role="alert" tabindex="-1" autofocus', answer.text)
    assert 'name="who" list="people" maxlength="200" autocomplete="off" value="&lt;AB&gt;"' in answer.text
    assert journal.entries() == []


def test_a_refused_change_is_shown_again_on_its_form(client: TestClient, journal: Journal) -> None:
    entry = journal.add("Acme", {GOALS: 4}, rater_role="observer", not_come_up=("mutual_rapport",))
    page = client.get(f"/journal/{entry.id}").text
    assert 'name="rating.mutual_rapport" value="did not come up" checked' in page  # a new title keeps them
    late = {"outcome": "offer", "known_on": "2999-01-01"}
    cases: tuple[tuple[str, str, dict[str, str], tuple[str, ...]], ...] = (
        (
            "",
            "what",
            {"title": " ", "date": "soon", "note": "typed", "with_ratings": "yes"},
            ("title", "date", "ratings"),
        ),
        ("/outcome", "came", late, ("known_on",)),
        ("/outcome", "came", {"known_on": "2026-01-02"}, ("outcome",)),
        ("/look-back", "back", {"went_well": "w" * 2001, "private_note": "typed"}, ("went_well",)),
    )
    for path, form, sent, wrong in cases:
        answer = post(client, f"/journal/{entry.id}{path}", **sent)
        assert answer.status_code == 422
        assert re.findall('autofocus id="(.*?)-problems"', answer.text) == [form]
        assert len(re.findall("<strong>[^<]*</strong> [^<]*</li>", answer.text.partition("Not saved yet")[2])) == len(
            wrong
        )
        for name in {*wrong} - {"ratings", "outcome"}:
            assert f'id="{name}_fault"' in answer.text
        for value in {"typed", "2026-01-02", "2999-01-01", "w" * 2001} & {*sent.values()}:
            assert value in answer.text
    again = post(client, f"/journal/{entry.id}", title="", with_ratings="yes", **{f"rating.{GOALS}": "5"})
    assert f'name="rating.{GOALS}" value="5.0" checked' in again.text
    assert journal.get(entry.id) == entry


def test_days_are_the_browsers_and_outcomes_are_not_earlier(client: TestClient, journal: Journal) -> None:
    zone, shift = (840, 1) if now().hour >= 11 else (-720, -1)  # where it is another day than by UTC
    there = now().date() + timedelta(shift)
    client.cookies.set("predictor_zone", str(zone))
    post(client, "/journal", title="Acme", due=there.isoformat(), **{f"rating.{GOALS}": "4"})
    (entry,) = journal.entries()
    assert entry.rated_on == there
    assert f"{there}, today" in text(client.get("/journal"))
    address = f"/journal/{entry.id}/outcome"
    late = post(client, address, outcome="offer", known_on=(there + timedelta(1)).isoformat())
    assert (late.status_code, "no outcome can be known" in late.text) == (422, True)
    assert post(client, address, outcome="offer", known_on=there.isoformat()).status_code == 303
    for odd in ("x", "99999", "-1e9", ""):
        client.cookies.set("predictor_zone", odd)
        assert client.get("/journal").status_code == 200


def test_waiting_interviews_come_first_and_as_a_calendar(client: TestClient, journal: Journal) -> None:
    assert "Waiting" not in text(client.get("/journal"))
    for number, due in enumerate((3, -2, 1, 0)):
        journal.add(f"Number {number}; ä" + "ö" * 40, {GOALS: 4}, due_on=today() + timedelta(due))
    shown = text(client.get("/journal"))
    assert [int(n) for n in re.findall(r"Number (\d)", shown.partition("Interviews")[0])] == [1, 3, 2, 0]
    assert re.findall(r"\d, (2 days ago|today|tomorrow|in 3 days)", shown) == [
        "2 days ago",
        "today",
        "tomorrow",
        "in 3 days",
    ]
    answer = client.get("/journal/waiting.ics")
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    content = answer.content
    assert (content.count(b"BEGIN:VEVENT"), content.count(b"\r\n"), content.count(b"\n")) == (
        4,
        content.count(b"\n"),
        content.count(b"\r\n"),
    )
    assert max(map(len, content.split(b"\r\n"))) <= 75
    unfolded = content.decode().replace("\r\n ", "")
    assert f"SUMMARY:Hear back: Number 0\\; ä{'ö' * 40}\r\n" in unfolded
    one = client.get(f"/journal/{journal.waiting()[0][0].id}/hear.ics").text
    day = today() - timedelta(2)
    assert f"DTSTART;VALUE=DATE:{day:%Y%m%d}\r\nDURATION:P1D\r\n" in one
    journal.set_outcome(journal.waiting()[0][0].id, "no answer")
    assert len(journal.waiting()[0]) == 3


def test_the_outcome_page_shows_estimate_guess_and_base_rate(client: TestClient, journal: Journal) -> None:
    answer = answer_to_store(MODEL, RatingForm({GOALS: 4.0}, guess=60))
    entry = journal.add("Acme", {GOALS: 4}, who="AB", guess=60, estimate=Estimate.of_answer(answer), answer=answer)
    assert "Estimate and outcome" not in text(client.get(f"/journal/{entry.id}"))
    assert (
        post(client, f"/journal/{entry.id}/outcome", outcome="next round")
        .headers["location"]
        .endswith("?notice=outcome")
    )
    shown = text(client.get(f"/journal/{entry.id}"))
    table = shown.partition("Estimate and outcome")[2].partition("One interview shows nothing")[0]
    p = MODEL.predict({GOALS: 4})
    for words in (
        "next round",
        f"{round(100 * p.offer_probability)} of 100",
        "60 of 100",
        f"{round(100 * p.base_rate)} of 100",
    ):
        assert words in table
    fields = {"went_well": "a", "differently": "b", "try_next": "Ask first.", "private_note": "SECRET"}
    post(client, f"/journal/{entry.id}/look-back", **fields)
    back = journal.get(entry.id)
    assert {name: getattr(back, name) for name in fields} == fields
    for path, there in ((f"/?person={person_id('AB')}", True), ("/", True), (f"/people/{person_id('AB')}", True)):
        assert ("Ask first." in client.get(path).text) == there
    journal.add("Globex", {GOALS: 4}, who="CD")
    assert "Ask first." not in client.get(f"/?person={person_id('CD')}").text
    assert "Ask first." not in client.get("/").text  # of one client of several, so it is shown to nobody by chance
    assert "SECRET" not in client.get("/journal/export.json").text + client.get("/journal/export.csv").text


def test_each_side_is_hidden_until_both_have_rated(client: TestClient, journal: Journal) -> None:
    rated = {f"rating.{GOALS}": "1", "input.rater_role": "interviewer"}
    post(client, "/journal", title="Acme", who="AB", both="yes", guess="15", **rated)
    (entry,) = journal.entries()
    for path in (f"/journal/{entry.id}", f"/people/{person_id('AB')}", f"/journal/compare?a={entry.id}&b={entry.id}"):
        shown = client.get(path).text
        assert "ended in an offer" not in shown
        assert "15 of 100" not in shown
    assert "hidden until both sides have rated" in text(client.get("/journal"))
    remembered = {"cookie": "predictor_role=interviewer"}
    assert 'value="interviewer" checked' in client.get("/", headers=remembered).text
    form = client.get(f"/?interview={entry.interview}", headers=remembered).text
    assert 'value="interviewer" checked' not in form  # the other side states its role
    assert 'value="Acme"' in form
    assert f'name="interview" value="{entry.interview}"' in form
    nobody = post(client, "/journal", title="Acme", who="AB", interview=entry.interview, **{f"rating.{GOALS}": "5"})
    assert (nobody.status_code, "two sides rate this interview" in nobody.text) == (422, True)
    same = post(client, "/journal", title="Acme", who="AB", interview=entry.interview, **rated)
    assert (same.status_code, "has rated this interview already; choose the other side" in same.text) == (422, True)
    for page in (form, same.text):
        assert "The other side of <strong>Acme</strong>, <bdi>AB</bdi>: the interviewer has rated it." in page
    other = {f"rating.{GOALS}": "5", "input.rater_role": "candidate"}
    post(client, "/journal", title="Acme", who="AB", interview=entry.interview, **other)
    shown = text(client.get(f"/journal/{entry.id}"))
    assert re.search(r"Goals discussed 1 5", shown)
    assert "ended in an offer" in shown
    assert "Compare with another" not in shown  # its own other side is shown beside it
    listed = client.get(f"/people/{person_id('AB')}").text.partition("Still open")[2].partition("</ul>")[0]
    assert (listed.count("<li>"), journal.person_summaries()[0][0].n_open) == (1, 1)  # one interview, rated twice
    post(client, f"/journal/{entry.id}/outcome", outcome="no offer")
    assert {(one.outcome, one.frozen) for one in journal.entries()} == {("no offer", True)}  # of both sides
    late = journal.add("Acme", {GOALS: 3}, who="AB", rater_role="observer", interview=entry.interview)
    assert (late.outcome, late.frozen) == ("no offer", True)
    alone = journal.add("Globex", {GOALS: 2}, who="AB", rater_role="interviewer", interview="0" * 12)
    assert post(client, f"/journal/{alone.id}/open").status_code == 303
    assert not journal.hidden_until_both_rated([journal.get(alone.id)])


def test_a_comparison_of_two_interviews_states_its_caveats(client: TestClient, journal: Journal) -> None:
    one = journal.add("Acme", {GOALS: 4, "mutual_rapport": 2}, who="AB", rater_role="observer", round="phone")
    two = journal.add(
        "Globex", {GOALS: 2}, who="AB", rater_role="candidate", round="second", not_come_up=["mutual_rapport"]
    )
    shown = text(client.get(f"/journal/compare?a={one.id}&b={two.id}"))
    assert "They also differ in who rated (observer, candidate) and in the round (phone, second)." in shown
    assert "1 of the 1 signals that both rated differs by half the scale or more: Goals discussed ." in shown
    assert re.search("Goals discussed 4 2 \N{MINUS SIGN}2 ", shown)
    assert re.search(r"Rapport on both sides 2 did not come up", shown)
    assert client.get(f"/journal/compare?a={one.id}&b=none").status_code == 404


def entries(count: int, role: str = "observer", **fixed: Any) -> list[Entry]:
    return [
        Entry(id=new_id(), title="", rater_role=role, held_on=date(2026, 1, 1) + timedelta(n), ratings={GOALS: 2.0 + (n >= count // 2)}, **fixed)
        for n in range(count)
    ]  # fmt: skip


def test_a_person_over_time_is_shown_as_dots() -> None:
    catalogue = Catalogue.shipped()
    for count, words, shares in (
        (4, "", []),
        (9, "median 3 of 9 interviews (n = 9 ratings).", [0.5]),
        (10, "median 2 in the earlier 5 interviews, 3 in the later 5 (n = 10 ratings).", [0.25, 0.5]),
        (12, "3 in the later 6 (n = 12 ratings): a higher median later.", [0.25, 0.5]),
    ):
        (chart,) = charts(entries(count), catalogue)
        assert (chart.label, chart.n, chart.ratings, len(chart.dots)) == (
            "Alignment of values and goals",
            count,
            count,
            count,
        )
        assert len(chart.words) == bool(words)
        assert " ".join(chart.words).endswith(words)
        assert [mark.y for mark in chart.medians] == [TOP + HEIGHT * (1 - share) for share in shares]
        assert max(dot.x for dot in chart.dots) < min((mark.x for mark in chart.medians), default=chart.width)
        assert max((mark.x for mark in chart.medians), default=0) < chart.width
    mixed = [*entries(9), *entries(9, "candidate"), *entries(4, round="phone")]
    (chart,) = charts(mixed, catalogue)
    assert [mark.shape for mark in chart.medians] == ["square", "circle"]  # raters and rounds are never joined
    assert [words.partition(":")[0] for words in chart.words] == ["observer", "candidate"]
    assert len(chart.dots) == MOST_DRAWN < len(mixed) == chart.n
    assert len({dot.shape for dot in chart.dots}) == 2
    said = Estimate(0.4, 0.2, 0.7, "mine", "0" * 16, simulated=1)
    others = [*entries(2, estimate=said), *entries(3, estimate=Estimate(0.4, 0.2, 0.7, "other", "1" * 16, simulated=0))]
    assert [(chart.label, chart.n) for chart in estimate_charts(others)] == [
        ("Estimates of other, of 100", 3), ("Estimates of mine, of 100, SIMULATED", 2),
    ]  # fmt: skip


def test_unusual_names_and_days_are_handled(client: TestClient, journal: Journal) -> None:
    names = (
        "Zo\u00eb",
        "Zoe\u0308",
        " Zo\u00eb\n",
        "AB",
        "ab",
        "\u0645\u0647\u0627",
        "\U0001f642 <b>",
        "O'Brien & Co",
        "x" * 200,
    )
    for name in names:
        kept = post(
            client, "/journal", title=f"T\x00 \n{name[:9]}", who=name, due="9999-12-31", **{f"rating.{GOALS}": "4"}
        )
        assert kept.status_code == 303, name
    assert journal.person_names() == sorted(
        {*names[3:], names[0]}, key=journal.person_names().index
    )  # three spellings of one name
    for who in journal.person_names():
        for page in ("", "/sheet", "/export.csv", "/export.json", "/delete"):
            assert client.get(f"/people/{person_id(who)}{page}").status_code == 200, (who, page)
    assert "<b>" not in client.get("/people").text + client.get("/cohort/sheet").text
    assert client.get("/journal/waiting.ics").text.count("DTSTART;VALUE=DATE:99991231\r\nDURATION:P1D\r\n") == len(
        names
    )
    assert Journal(journal.path.with_name("other")).import_csv(journal.export_csv().encode()) == len(names)


def test_a_person_is_exported_and_deleted(client: TestClient, journal: Journal) -> None:
    for number in range(3):
        entry = journal.add(f"Number {number}", {GOALS: 4}, who="A & B" if number else "CD")
    journal.set_outcome(entry.id, "offer")
    id_ = person_id("A & B")
    assert client.get(f"/people/{id_}/export.json").text == journal.export_json(who="A & B")
    assert "A &amp; B" in client.get("/people").text
    asked = text(client.get(f"/people/{id_}/delete"))
    assert "1 of them has an offer or no offer: a model that was trained on this journal while it was here" in asked
    assert post(client, f"/people/{id_}/delete").headers["location"] == "/people?notice=forgotten"
    assert [entry.who for entry in journal.entries()] == ["CD"]
    assert client.get(f"/people/{id_}").status_code == 404


def test_a_model_trained_on_the_journal_states_later_deletions(tmp_path: Path) -> None:
    trained_on = {**MODEL.trained_on, "source": "my.journal"}  # as a training on it writes it
    replace(MODEL, trained_on=trained_on).save(tmp_path / "model.json")
    app = make_app(Settings(tmp_path / "model.json", journal=tmp_path / "my.journal"))
    client, journal = TestClient(app, base_url="http://localhost", headers=PERSON), app.state.journal
    journal.set_outcome(journal.add("Acme", {GOALS: 4}, who="AB").id, "offer")
    assert "was deleted" not in text(client.get("/train"))
    journal.forget("AB")
    assert "1 interview with an offer or no offer was deleted from the journal since the current model" in text(
        client.get("/train")
    )


def test_problems_with_a_field_are_whole_sentences(client: TestClient) -> None:
    refused = text(client.get("/journal?since=soon"))
    assert "Please check your input Since “soon” is not a day; write it as in 2026-05-31." in refused


def test_a_model_given_by_option_is_not_replaced(client: TestClient) -> None:
    assert "started with --model" in text(post(client, "/train/adopt"))


def test_an_import_preview_expires_and_is_used_once(client: TestClient, journal: Journal) -> None:
    keys = []
    for number in range(MOST_WAITING + 1):
        token = re.findall('name="csrf_token" value="(.*?)"', client.get("/journal/import").text)[0]
        files = [("file", (f"{n}.csv", f"title,{GOALS}\nAcme {number}.{n},4\n".encode(), "text/csv")) for n in range(2)]
        looked = client.post("/journal/import", data={"csrf_token": token}, files=files)
        assert "2 files: 2 new interviews" in text(looked)
        keys += re.findall('name="key" value="(.*?)"', looked.text)
    assert post(client, "/journal/import/add", key=keys[0]).status_code == 409  # the oldest preview was dropped
    assert post(client, "/journal/import/add", key=keys[-1]).status_code == 303
    assert post(client, "/journal/import/add", key=keys[-1]).status_code == 409
    assert len(journal.entries()) == 2
    assert client.get("/journal/template.csv").text.startswith("Title,Who,Date,Round,")


def test_a_long_journal_has_fast_short_pages(client: TestClient, journal: Journal) -> None:
    answer = answer_to_store(MODEL, RatingForm({GOALS: 4.0}))
    said = Estimate.of_answer(answer)
    with journal._file.open(write=True) as file:
        for number in range(2_000):
            day = date(2025, 1, 1) + timedelta(number % 300)
            outcome = ("offer", "no offer", "still open")[number % 3]
            insert(file, Entry(
                id=new_id(), title=f"Number {number}", who=f"P{number % 30}", held_on=day, rated_on=day, estimate=said, answer=answer,
                ratings=dict.fromkeys(MODEL.signals, 4.0), outcome=outcome, frozen=outcome != "still open",
                outcome_on=day if outcome != "still open" else None, due_on=day + timedelta(9), note="x" * 500,
            ))  # fmt: skip
    first = journal.entries()[0].id
    paths = ("/", "/journal", "/journal?page=40", "/journal?search=number+1999", "/journal?who=P3&sort=due", "/people")
    for path in (
        *paths,
        f"/journal/{first}",
        f"/people/{person_id('P3')}",
        "/calibration",
        "/train",
        "/journal/import",
    ):
        client.get(path)  # one-time work, such as compiling templates, is not measured
        before = time.process_time()
        answered = client.get(path)
        seconds = time.process_time() - before
        assert (answered.status_code, len(answered.content) < 300_000, seconds < 0.25) == (200, True, True), path
