"""The pages in a real browser on a real server: rate, save, train; by keyboard, on a phone, without JavaScript."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import PUBLISHED, Open, headline_of, opened, rate, rate_eight, see, served
from conftest import AXE, SIGNALS
from starlette.testclient import TestClient

from predictor import Catalogue, OfferModel, TrainingResult
from predictor.journal.days import today
from predictor.journal.estimate import Estimate
from predictor.journal.people import person_id
from predictor.journal.store import Journal
from predictor.model.changes import what_would_change
from predictor.model.first_questions import first_questions
from predictor.model.offer_model import PUBLISHED as PUBLISHED_FILE
from predictor.model.points import points_of
from predictor.model.wording import of_100
from predictor.reports.measured_scores import accuracy_by_role
from predictor.serving.app import make_app
from predictor.serving.settings import Settings
from predictor.serving.web.calibration_pages import bins

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Locator, Page

TITLE = "=1+1 <img src=x onerror=alert(1)>"  # a formula to a spreadsheet, and a script to a careless page


@pytest.fixture(scope="module")
def work_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def address(work_folder: Path) -> Iterator[str]:
    PUBLISHED.save(work_folder / "experiments/models/champion.json")  # which a new model may replace
    yield from served(work_folder)


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Open]:
    yield from opened(browser, address)


@pytest.fixture(scope="module")
def journal(work_folder: Path, address: str) -> Journal:
    return Journal(work_folder / "my.journal")


def whole(share: float) -> str:
    return f"{100 * share:.0f} %"


def test_the_answer_appears_after_a_guess_and_follows_the_ratings(open_page: Open) -> None:
    page = open_page()
    assert not page.locator("input[name^='rating.']:checked").count()
    assert not page.locator("#answer").is_visible()
    page.locator('label:has([value="interviewer"])').click()
    rate(page, "interviewer_highlights_fit", 5)
    assert page.locator("#count").inner_text() == f"1 of {SIGNALS} rated"
    page.locator('#guess label:has([value="45"])').click()
    see(page)
    ratings: dict[str, Any] = {"rater_role": "interviewer", "interviewer_highlights_fit": 5}
    assert page.locator(".headline").inner_text() == headline_of(PUBLISHED.predict(ratings))
    assert "Your guess before: 45 of 100." in page.locator(".guess").last.inner_text()
    assert page.locator("#guess input").first.is_disabled()  # frozen
    page.locator("#more > summary").click()
    rate(page, "candidate_enthusiasm", 1)
    answer = PUBLISHED.predict({**ratings, "candidate_enthusiasm": 1})
    page.locator(".headline", has_text=headline_of(answer)).wait_for()
    assert (page.locator("#spoken").text_content() or "").startswith("Estimate")
    assert page.locator('[name="guess"][type="hidden"]').input_value() == "45"
    points = points_of(answer.to_dict())
    place = [part.signal for part in answer.contributions].index("interviewer_highlights_fit")
    shown = page.locator(".bars li", has_text="Interviewer points out fit").inner_text()
    assert f"{points.whole_parts[place]:+d}" in shown
    page.get_by_text("SIMULATED").first.wait_for()
    page.locator("#goes-with summary").click()
    page.locator("#settings summary").click()
    page.select_option("#line", "90")
    page.get_by_text(what_would_change(PUBLISHED, answer, line=0.9).sentence).wait_for()
    page.fill("#base_rate", "10")
    page.get_by_text("Without any rating it is 10 of 100, your own base rate.").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as JSON").click()
    saved = json.loads(download.value.path().read_text())
    again = PUBLISHED.predict({k: v for k, v in _rated(saved).items() if v is not None}, base_rate=0.1)
    assert saved == json.loads(json.dumps(again.to_dict()))


def _rated(answer: dict[str, Any]) -> dict[str, Any]:
    return {part["signal"]: part["rating"] for part in answer["contributions"]}


def test_an_interview_is_saved_and_frozen_by_its_outcome(open_page: Open, journal: Journal) -> None:
    page = open_page()
    page.locator("#more > summary").click()
    page.locator("#more details", has_text="Alignment").locator("summary").click()
    rate(page, "goals_discussed", 4)
    see(page)
    page.fill("#title", TITLE)
    page.fill("#note", "</textarea><b>note</b>")
    page.fill("#date", "2026-05-31")
    page.fill("#who", "AB")
    page.get_by_role("button", name="Save in journal").click()
    page.get_by_text("Saved.").wait_for()
    assert page.locator("h1").inner_text() == TITLE
    assert page.locator("#note").input_value() == "</textarea><b>note</b>"
    entry = journal.entries()[0]
    said = PUBLISHED.predict({"goals_discussed": 4})
    assert entry.estimate and entry.estimate.probability == said.offer_probability
    assert (entry.ratings, entry.who, entry.held_on) == ({"goals_discussed": 4.0}, "AB", date(2026, 5, 31))
    assert page.locator("#then .headline").inner_text() == headline_of(said)
    page.locator("#ratings summary").click()
    rate(page, "goals_discussed", 5)
    page.fill("#date", "")
    page.get_by_role("button", name="Save the ratings").click()
    page.get_by_text("Changed.").wait_for()
    assert journal.get(entry.id).held_on is None
    late = open_page(f"/journal/{entry.id}")  # left open in another window
    late.locator("#ratings summary").click()
    rate(late, "goals_discussed", 1)
    page.locator('label:has([value="offer"])').click()
    page.get_by_role("button", name="Save the outcome").click()
    page.get_by_text("The rating is frozen since").wait_for()
    assert not page.locator('[name^="rating."]').count()
    answer = late.request.post(f"/journal/{entry.id}", form={**_form(late)}, headers={"accept": "text/html"})
    assert answer.status == 409
    assert "no longer be changed" in answer.text()
    kept = journal.get(entry.id)
    assert (kept.ratings, kept.outcome, kept.frozen) == ({"goals_discussed": 5.0}, "offer", True)
    page.goto("/train")  # while the tests below run
    page.get_by_role("button", name="Train on the journal").click()
    page.get_by_text("Training journal-").wait_for()


def _form(page: Page) -> dict[str, str]:
    return dict(page.evaluate("[...new FormData(document.querySelector('form:has([name=with_ratings])'))]"))


def test_an_exported_journal_can_be_imported(open_page: Open, journal: Journal, tmp_path: Path) -> None:
    page = open_page("/journal", refused=True)
    for name in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Export {name}").click()
        text = download.value.path().read_text()
        assert text == (journal.export_csv() if name == "CSV" else journal.export_json())
    exported = journal.export_csv()
    assert next(csv.DictReader(io.StringIO(exported)))["title"].startswith("'=")
    before = len(journal.entries())
    page.get_by_role("link", name="Import").click()
    (tmp_path / "bad.csv").write_text("interview_id,goals_discussed\nAcme,4\nGlobex,9\nInitech,x\n")
    page.set_input_files("#file", tmp_path / "bad.csv")
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("bad.csv: 2 problems; nothing was added").wait_for()
    assert re.findall(r"Row (\d), goals_discussed", page.locator("#problems").inner_text()) == ["2", "3"]
    page.wait_for_load_state()  # when its script has moved the focus
    assert page.evaluate("document.activeElement.id") == "problems"
    assert "out of scale; write 1 to 5" in page.locator("#problems").inner_text()
    assert len(journal.entries()) == before
    (tmp_path / "good.csv").write_text("interview_id,goals_discussed,offer\nAcme,4,\nGlobex,2,\n")
    for added in (2, 0):
        page.set_input_files("#file", tmp_path / "good.csv")
        page.get_by_role("button", name="Preview").click()
        page.get_by_text(f"good.csv: {added} new interviews").wait_for()
        if added:
            assert len(journal.entries()) == before  # nothing is saved before it is confirmed
            page.get_by_role("button", name="Add all 2").click()
            page.get_by_text("2 interviews added.").wait_for()
            page.goto("/journal/import")
    page.get_by_text("There is nothing to add.").wait_for()
    assert {"Acme", "Globex"} <= {entry.title for entry in journal.entries()}


def test_unsaved_text_in_another_form_prompts_before_it_is_lost(open_page: Open, journal: Journal) -> None:
    entry = journal.add("Two forms", {"goals_discussed": 3})
    page, asked = open_page(f"/journal/{entry.id}"), list[str]()

    def stay_or_leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        if len(asked) == 1:
            dialog.dismiss()
        else:
            dialog.accept()

    page.on("dialog", stay_or_leave)
    page.fill("#note", "typed")
    page.get_by_role("button", name="Save the outcome").click(no_wait_after=True)
    page.locator("button:focus", has_text="Save the outcome").wait_for()
    assert page.locator("#note").input_value() == "typed"
    page.get_by_role("button", name="Save", exact=True).last.click()  # its own form: no dialog
    page.get_by_text("Changed.").wait_for()
    assert (asked, journal.get(entry.id).note) == (["beforeunload"], "typed")
    journal.delete(entry.id)


def test_deleting_asks_for_confirmation(open_page: Open, journal: Journal) -> None:
    page, entry = open_page(), journal.add("To go", {"goals_discussed": 4})
    page.goto(f"/journal/{entry.id}")
    page.get_by_role("link", name="Delete").click()
    assert entry in journal.entries()
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_text("Deleted for good.").wait_for()
    assert entry not in journal.entries()


def test_a_form_with_a_foreign_csrf_token_is_refused(open_page: Open, journal: Journal) -> None:
    page, before = open_page(), journal.entries()
    for path in ("/journal", "/journal/import", f"/journal/{before[0].id}/delete", "/train", "/train/adopt"):
        assert page.request.post(path, form={"title": "x", "csrf_token": "0" * 64}).status == 403
    assert journal.entries() == before
    missing = page.request.get("/journal/none", headers={"accept": "text/html"})
    assert missing.status == 404
    assert "No interview" in missing.text()


def test_the_pages_work_without_javascript(open_page: Open, journal: Journal) -> None:
    page = open_page(java_script_enabled=False)
    rate(page, "interviewer_highlights_fit", 5)
    page.locator('.signal:has([name="rating.mutual_rapport"]) label:has([value="did not come up"])').click()
    page.locator("#submit").click()
    expected = PUBLISHED.predict({"interviewer_highlights_fit": 5})
    assert page.locator(".headline").inner_text() == headline_of(expected)
    assert f"1 of {SIGNALS} rated, 1 did not come up." in page.locator(".guess").inner_text()
    assert page.locator('[name="rating.interviewer_highlights_fit"][value="5.0"]').is_checked()
    assert page.locator('[name="rating.mutual_rapport"][value="did not come up"]').is_checked()
    page.fill("#title", "Kept while the answer changes")
    page.locator("#settings summary").click()
    page.locator("#base_rate").press("Enter")  # it answers, but does not save
    assert page.locator(".headline").inner_text() == headline_of(expected)
    assert page.locator("#title").input_value() == "Kept while the answer changes"
    page.get_by_role("button", name="Save in journal").click()
    page.get_by_text("Saved.").wait_for()
    assert "Save what you wrote in one before you write in another." in page.locator("noscript p:visible").inner_text()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_text("Deleted for good.").wait_for()


def test_the_pages_work_by_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    focused = "document.activeElement"
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    asked = [f"rating.{name}" for name in first_questions(PUBLISHED)]
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.name") == asked[0]:
            break
    assert page.evaluate(f"{focused}.name") == asked[0]
    outline = f"getComputedStyle({focused}.nextElementSibling).outlineStyle"
    assert page.evaluate(outline) == "solid"  # where the focus is can be seen
    page.keyboard.press("Space")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")  # one stop a signal
    assert page.evaluate(f"{focused}.name") == asked[1]
    while page.evaluate(f"{focused}.id") != "submit":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expected = PUBLISHED.predict({asked[0].removeprefix("rating."): 5})
    page.locator(".headline", has_text=headline_of(expected)).wait_for()
    assert page.evaluate(f"{focused}.id") == "answer-title"  # so that a screen reader announces it

    def reach(selector: str) -> None:
        for _ in range(150):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"{selector} cannot be reached")

    def press(selector: str, key: str = "Enter") -> None:
        reach(selector)
        page.keyboard.press(key)

    def arrive(at: Locator) -> None:
        at.wait_for()
        page.wait_for_load_state()  # when its script has removed the draft, and nothing moves the focus any more

    for title in ("First by keys", "Second by keys"):
        if title.startswith("Second"):
            page.goto("/")
            press("#first [name^='rating.']", "Space")
            press("#submit")
            page.locator(".headline").wait_for()
        reach("#title")
        page.keyboard.type(title)
        reach("#who")
        page.keyboard.type("By keys")
        press("[formaction$='/journal']")
        arrive(page.get_by_text("Saved."))
    press("[name=outcome]", "ArrowRight")  # from "still open" to an offer
    press("form[action$='/outcome'] button")
    arrive(page.get_by_text("The outcome is saved."))
    reach("#try_next")
    page.keyboard.type("Ask more")
    press("form[action$='/look-back'] button")
    arrive(page.get_by_text("Saved.", exact=True))
    press("form[action$='/compare'] button")
    arrive(page.get_by_role("heading", name="Two interviews"))
    press("nav a[href$='/people']")
    arrive(page.get_by_role("heading", name="People"))
    press(f"a[href$='{person_id('By keys')}']")
    arrive(page.get_by_role("heading", name="For the next session"))
    press("a[href$='/sheet']")
    arrive(page.get_by_role("heading", name="Session with By keys"))
    page.go_back()
    arrive(page.get_by_role("heading", name="For the next session"))
    for link in ("a[href$='/export.csv']", "a[href$='/export.json']"):
        with page.expect_download():
            press(link)
    press("a[href$='/delete']")
    arrive(page.get_by_role("heading", name="Delete everything about"))
    press("button.danger")
    arrive(page.get_by_text("All about this person is deleted for good."))


def test_accuracy_by_role_belongs_to_the_model_in_use(training_folder: Path, training_result: TrainingResult) -> None:
    roles = Catalogue.shipped().inputs[0].levels
    found = accuracy_by_role(training_folder, training_result.model)
    measured = {role: scores["roc_auc"] for role, scores in training_result.scores_by_role.items()}
    assert set(found) == set(measured) == set(roles)
    for role, score in measured.items():
        assert vars(found[role]) == pytest.approx(vars(score), abs=1e-4)  # a record is rounded
    assert not accuracy_by_role(training_folder, PUBLISHED)


def test_a_remote_user_enters_the_token_once() -> None:
    token = "0123456789abcdef"
    settings = Settings(PUBLISHED_FILE, host="0.0.0.0", token=token, hosts=("testserver",))
    browser = TestClient(make_app(settings), headers={"accept": "text/html"})
    asked = browser.get("/")
    assert (asked.url.path, asked.status_code) == ("/login", 200)
    assert PUBLISHED.fingerprint not in asked.text
    csrf = re.findall('name="csrf_token" value="(.*?)"', asked.text)[0]
    assert browser.post("/login", data={"token": token}).status_code == 403
    assert browser.post("/login", data={"token": f"{token}x", "csrf_token": csrf}).status_code == 401
    assert browser.get("/").url.path == "/login"
    assert browser.post("/login", data={"token": token, "csrf_token": csrf}).url.path == "/"
    assert token not in str(browser.cookies)
    shown = browser.get("/").text
    assert "Rate an interview" in shown
    assert "journal" not in shown.lower()  # no journal is served
    assert browser.get("/journal").status_code == 404
    csrf = re.findall('action="/logout"><input type="hidden" name="csrf_token" value="(.*?)"', shown)[0]
    assert browser.post("/logout", data={"csrf_token": "0" * 64}).status_code == 403
    assert browser.get("/").url.path == "/"
    assert browser.post("/logout", data={"csrf_token": csrf}).url.path == "/login"
    assert browser.get("/").url.path == "/login"
    assert "/logout" not in TestClient(make_app(Settings(PUBLISHED_FILE)), base_url="http://localhost").get("/").text
    other = TestClient(make_app(settings), cookies={"predictor_login": "0" * 64})
    assert other.get("/").status_code == 401


def test_a_cookie_does_not_survive_logging_out() -> None:
    settings = Settings(PUBLISHED_FILE, host="0.0.0.0", token="0123456789abcdef", hosts=("testserver",))
    app = make_app(settings)
    one, other = (TestClient(app, headers={"accept": "text/html"}) for _ in range(2))

    def csrf(browser: TestClient, path: str) -> dict[str, str]:
        return {"csrf_token": re.findall('name="csrf_token" value="(.*?)"', browser.get(path).text)[0]}

    before = {}
    for browser in (one, other):
        before = csrf(browser, "/login")
        browser.post("/login", data={"token": settings.token, **before})
        assert browser.get("/").url.path == "/"
        assert browser.post("/estimate", data=before).status_code == 403  # a form of before the login
    stolen = TestClient(app, cookies=dict(one.cookies))
    assert stolen.get("/v1/model").status_code == 200
    one.post("/logout", data=csrf(one, "/"))
    assert "predictor_login" not in one.cookies
    assert stolen.get("/v1/model").status_code == 401
    assert other.get("/").url.path == "/"  # another browser stays as it is
    assert TestClient(make_app(settings), cookies=dict(other.cookies)).get("/v1/model").status_code == 401


def test_calibration_shows_how_often_estimates_came_true(open_page: Open, journal: Journal) -> None:
    page = open_page("/calibration")
    assert page.locator("section:has(#model) li", has_text="How good such estimates are is not known").count() == 1
    assert "too few to tell" in page.locator("main").inner_text()
    for number in range(12):
        ratings = {"goals_discussed": 1 + number % 5, "candidate_enthusiasm": 5}
        estimate = Estimate.of(PUBLISHED.predict(ratings))
        entry = journal.add(f"Number {number}", ratings, estimate=estimate, due_on=today())
        journal.set_outcome(entry.id, "offer" if number % 3 else "no offer")
    page.reload()
    y, p = journal.calibration()
    (found,) = bins(y, p)
    printed = page.locator("main").inner_text().replace("\xa0", " ")
    assert (
        printed.index(f"about {whole(found.predicted)[:-2]} of 100, {whole(found.observed)[:-2]} of 100 (n = 12)") < 300
    )
    assert "Brier" not in printed
    page.locator("#statistics summary").click()
    assert f"{((p - y) ** 2).mean():.3f} (n = {len(y)}" in page.locator("#statistics").inner_text()
    row = page.locator("#statistics table").first.locator("td").all_inner_texts()
    assert row == [whole(found.predicted), whole(found.observed), f"{whole(found.low)} to {whole(found.high)}", "12"]
    offers = [float(entry.ratings["goals_discussed"]) for entry in journal.entries() if entry.outcome == "offer"]
    cell = page.locator("tr", has_text="Goals discussed").locator("td").first.inner_text()
    assert cell == f"{sum(offers) / len(offers):.1f} ({len(offers)})"


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_the_pages_fit_a_phone_and_pass_accessibility_checks(
    open_page: Open, journal: Journal, width: int, scheme: Any
) -> None:
    from axe_playwright_python.sync_playwright import Axe  # here, since without a browser the test is skipped

    page = open_page(viewport={"width": width, "height": 844}, color_scheme=scheme, refused=True)
    frozen = next(entry.id for entry in journal.entries() if entry.frozen)
    free = next(entry.id for entry in journal.entries() if not entry.frozen)
    paths = ["/", "/journal", f"/journal/{frozen}", f"/journal/{free}", "/calibration", "/train"]
    paths += [f"/journal/{free}/delete", "/docs", "/people", "/journal/import", f"/journal/compare?a={frozen}&b={free}"]
    paths += [f"/people/{person_id('AB')}", f"/people/{person_id('AB')}/delete"]
    paths += ["/journal?search=zzz", "/journal?search=a&sort=who", "/people?search=zzz", "/journal?page=x"]
    for path in [*paths, "problems of a form", "problems of a file", "preview"]:
        if path.startswith("/"):
            page.goto(path)
        elif path == "problems of a form":
            page.goto(f"/journal/{free}")
            page.locator("#title").evaluate("e => { e.required = false; }")
            page.fill("#title", " ")
            page.fill("#note", "typed")
            page.get_by_role("button", name="Save", exact=True).last.click()
            page.locator("#what-problems:focus").wait_for()
            assert page.locator("#note").input_value() == "typed"
        else:
            page.goto("/journal/import")
            rating = "5" if path == "preview" else "9"
            content = f"Title,Goals discussed\nNew,{rating}\n".encode()
            page.set_input_files("#file", {"name": "my.csv", "mimeType": "text/csv", "buffer": content})
            page.get_by_role("button", name="Preview").click()
            page.locator("#preview" if path == "preview" else "#problems").wait_for()
        if page.locator("#ratings summary").count():
            page.locator("#ratings summary").first.click()
        if path == "/":
            assert page.evaluate("document.getElementById('first').offsetWidth >= Math.min(600, innerWidth - 40)")
            page.locator('label:has([value="observer"])').click()
            rate_eight(page)
            see(page)
        page.wait_for_load_state()  # a form's answer may be there before its style
        page.evaluate(
            "for (const e of document.querySelectorAll('details')) { e.removeAttribute('name'); e.open = true; }"
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(246, 245, 241)" if scheme == "light" else "rgb(20, 23, 27)"
        )
        if path != "/" or width > 390:  # on a phone, test_rate_page.py looks at that page in all its states
            found = Axe().run(page, options=AXE).response
            assert len(found["passes"]) > 10  # that the check ran
            faults = found["violations"]
            assert not [(path, f["id"], [node["html"][:120] for node in f["nodes"]][:3]) for f in faults]
        page.emulate_media(media="print")
        assert not page.locator(".private:visible").count()
        page.emulate_media(media="screen")
        if width == 390:
            small = page.evaluate(
                "[...document.querySelectorAll('button:not(.hidden), .button, select, .scale label, nav a, summary')]"
                ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43.9).map(e => e.outerHTML)"
            )
            assert not small, path


def test_a_new_model_is_compared_and_adopted(open_page: Open, work_folder: Path, journal: Journal) -> None:
    page = open_page("/train")  # begun above
    page.get_by_role("heading", name="The new model").wait_for(timeout=60_000)
    printed = page.locator("#training").inner_text()
    # how many depends on how soon the process came to read the journal, to which the tests above add
    assert re.search(r"\d+ interviews? with an outcome, \d+ with an offer", printed)
    assert re.search(r"\d+ interviews? (is|are) very few: the figures above may be chance", printed)
    assert re.search(
        r"Compared with the current model, published-evidence: Not enough data: .* found \d+ rows?", printed
    )
    assert "published-evidence" in page.locator("footer").inner_text()
    page.get_by_role("button", name="Use the new model").click()
    page.get_by_text("It is now being served.").wait_for()
    (folder,) = (work_folder / "experiments/models").glob("journal-*")
    trained = OfferModel.load(folder / "model.json")
    served = page.request.get("/v1/model").json()
    assert (served["name"], served["fingerprint"]) == (folder.name, trained.fingerprint)
    page.goto("/")
    assert "In part SIMULATED" in page.locator(".strip").inner_text()
    for summary in page.locator("#more > summary, #settings > summary").all():
        summary.click()
    for summary in page.locator("#more details", has_text="Alignment").locator("summary").all():
        summary.click()  # none where this model asks all of the family first
    rate(page, "goals_discussed", 5)
    expected = trained.predict({"goals_discussed": 5}, base_rate=0.1)
    page.fill("#base_rate", "10")
    see(page)
    page.get_by_text("10 of 100, your own base rate").wait_for()
    assert "simulated" not in page.locator(".headline").inner_text()
    page.fill("#title", "Kept at another base rate")
    page.get_by_role("button", name="Save in journal").click()
    shown = page.locator("#then").inner_text()
    assert "in part SIMULATED" in shown
    assert "10 of 100, your own base rate" in shown
    kept = next(entry for entry in journal.entries() if entry.title == "Kept at another base rate")
    assert kept.estimate == Estimate.of(expected, 0.1)
    assert kept.estimate.simulated == trained.prior_share < 1
    (work_folder / "experiments/models/champion.json").write_bytes(PUBLISHED_FILE.read_bytes())  # a later model
    page.reload()
    later = PUBLISHED.predict({"goals_discussed": 5}, base_rate=0.1)
    shown = page.locator("#then").inner_text()
    assert f"estimates {of_100(later.offer_probability)} of 100" in shown
    assert "at the same base rate of 10 of 100" in shown
    assert "10 of 100, your own base rate" in shown  # the stored estimate is unchanged
