"""Printed sheets: one page each on A4 and Letter, nothing cut off, nothing private."""

from __future__ import annotations

import csv
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from predictor import Catalogue, OfferModel, simulate_interviews
from predictor.cli import main
from predictor.errors import ConfigError, RatingsError
from predictor.journal.entry import Entry, new_id
from predictor.journal.people import person_id
from predictor.journal.store import Journal
from predictor.model.offer_model import PUBLISHED as FILE
from predictor.reports.sheet.content import cohort_of, sheet_of
from predictor.reports.sheet.reading import read_entries
from predictor.reports.sheet.writing import cohort_html, person_html
from predictor.serving.app import make_app
from predictor.serving.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MODEL = OfferModel.published()
SHIPPED = Catalogue.shipped()
DAY = date(2026, 5, 31)
LONG = "Incomprehensibly long words that somebody typed without a thought of paper, and more of them. " * 3
SECRET = "the coach's own words"


def entries(people: int, each: int) -> list[Entry]:
    """Return interviews with the longest permitted texts."""
    rows = simulate_interviews(people * each, seed=2)
    return [
        Entry(
            id=new_id(), title=LONG[:190], who=f"Client number {number % people:03d} {LONG[:40]}", round=LONG[:90],
            held_on=date(2026, 1 + number % 12, 1 + number % 28), due_on=date(2026, 12, 1 + number % 28),
            rater_role=("candidate", "interviewer", "observer")[number % 3], ratings=rows.ratings_of_row(number), guess=55,
            went_well=LONG, differently=LONG, try_next=LONG, private_note=SECRET,
        )
        for number in range(people * each)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["person", "cohort", "new"])
def test_each_sheet_is_one_page(browser: Browser, kind: str) -> None:
    if kind == "cohort":
        html = cohort_html(MODEL, entries(60, 6), day=DAY)
    elif kind == "person":
        html = person_html(MODEL, LONG[:60], entries(1, 30), day=DAY)
    else:
        html = person_html(MODEL, "AB", [Entry(id=new_id(), title="Acme", who="AB")], day=DAY)
    assert SECRET not in html
    page = browser.new_page()
    page.set_content(html)
    page.emulate_media(media="print")
    for paper, width in (("A4", 703), ("Letter", 725)):
        pdf = page.pdf(format=paper)
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1, paper
        page.set_viewport_size({"width": width, "height": 1000})  # what is left of its width within the margins
        sheet = page.locator(".sheet")
        high, box = sheet.evaluate("e => e.scrollHeight"), sheet.evaluate("e => e.clientHeight")
        assert high <= box, f"{paper}: {high - box} px are cut off"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_a_sheet_has_its_contents_and_nothing_private() -> None:
    some = entries(1, 8)
    sheet = sheet_of(MODEL, "AB", some, DAY)
    assert (sheet.n, len(sheet.rows), sheet.mark, sheet.estimated_now) == (8, 6, "SIMULATED", True)
    assert [row.day for row in sheet.rows] == sorted((row.day for row in sheet.rows), reverse=True)
    gains = [own.gain for own in sheet.practice.signals]
    assert gains == sorted(gains, reverse=True)
    assert min(gains) > -1e-9  # a better rating never hurts
    first = sheet.lines[0]
    assert {rater for rater, _ in first.ratings} == {"candidate", "interviewer", "observer"}  # each judged separately
    few = sheet_of(MODEL, "AB", some[:4], DAY)
    assert not few.practice.signals
    assert not few.to_discuss
    assert "from 5 ratings on" in person_html(MODEL, "AB", some[:4], day=DAY)


def test_people_on_sheets_are_sorted_by_due_day() -> None:
    high, low = (dict.fromkeys(MODEL.signals, rating) for rating in (5.0, 1.0))
    later = Entry(id=new_id(), title="x", who="later", ratings=high, due_on=date(2026, 7, 1))
    sooner = Entry(id=new_id(), title="x", who="sooner", ratings=low, due_on=date(2026, 6, 1))
    assert [who for who, _, _ in cohort_of(MODEL, [later, sooner], DAY).people] == ["sooner", "later"]


def table(path: Path, column: str) -> Path:
    rows = simulate_interviews(12, seed=4)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column, "Title", "Date", *SHIPPED.names])
        for number in range(12):
            answers = rows.ratings_of_row(number)
            writer.writerow(
                [f"C{number % 3}", "Acme", "2026-05-01", *(answers.get(name, "") for name in SHIPPED.names)]
            )
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments], catch_exceptions=False)


def test_pages_and_sheets_are_written_by_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no champion: the published model answers
    done = run("export", "page", "--out", "rate.html")
    size = (tmp_path / "rate.html").stat().st_size
    assert f"{size / 1000:.0f} kB, with the model published-evidence, which learned from SIMULATED" in done.output
    table(tmp_path / "clients.csv", "coachee")
    done = run("sheet", "clients.csv", "--who", "coachee", "--out", "sheets")
    assert (done.exit_code, done.output) == (0, "3 sheets and cohort.html written to sheets\n")
    assert len([*(tmp_path / "sheets").glob("C?-*.html")]) == 3
    assert "Session with C1" in (tmp_path / f"sheets/C1-{person_id('C1')[:6]}.html").read_text()
    done = run("sheet", "clients.csv", "--who", "coache", "--out", "other")
    assert done.exit_code == 2
    assert "did you mean 'coachee'" in done.output
    assert not (tmp_path / "other").exists()


def test_a_hidden_side_is_not_printed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "my.journal")
    mine = journal.add("Blind", {"goals_discussed": 4}, who="AB", rater_role="interviewer", interview="0" * 12)
    with pytest.raises(ConfigError, match="whom it is about"):
        read_entries(journal.path, SHIPPED)
    app = TestClient(make_app(Settings(FILE, journal=journal.path)), base_url="http://localhost")
    assert "Blind" not in app.get(f"/people/{person_id('AB')}/sheet").text
    journal.add("Blind", {"goals_discussed": 2}, who="AB", rater_role="candidate", interview="0" * 12)
    assert len(read_entries(journal.path, SHIPPED)) == 2
    shown = app.get(f"/people/{person_id('AB')}/sheet")
    assert "Blind" in shown.text
    assert "<style" not in shown.text  # the policy takes none; it is linked
    assert f'href="/people/{person_id("AB")}"' in shown.text  # a link back, which a file lacks
    assert app.get("/sheet.css").headers["content-type"].startswith("text/css")
    assert "Cohort of 1" in app.get("/cohort/sheet").text
    assert app.get("/people/000000000000/sheet").status_code == 404
    assert mine.who == "AB"
    page = app.get("/rate.html")
    assert page.headers["content-disposition"] == 'attachment; filename="rate.html"'
    assert MODEL.fingerprint in page.text


def test_a_file_with_problems_produces_no_sheets(tmp_path: Path) -> None:
    path = table(tmp_path / "clients.csv", "client")
    path.write_text(path.read_text().replace("2026-05-01", "soon", 1))
    with pytest.raises(RatingsError, match="soon"):
        read_entries(path, SHIPPED)
