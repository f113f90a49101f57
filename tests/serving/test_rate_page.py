"""The rate page: taps and words to a first answer, a draft that survives, and two tabs that share one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import PUBLISHED, Open, eight, headline_of, opened, rate, rate_eight, see, served, sheets_of_paper
from conftest import AXE, ROOT, SIGNALS
from jinja2 import UndefinedError
from starlette.testclient import TestClient

from predictor.journal.store import Journal
from predictor.model.first_questions import first_questions
from predictor.model.offer_model import PUBLISHED as PUBLISHED_FILE
from predictor.model.points import points_of
from predictor.reports.format import signed
from predictor.serving.app import make_app
from predictor.serving.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MOST_TAPS, MOST_WORDS, MOST_TAPS_KEPT = 12, 350, 18
OLD = ROOT / "tests/data/model-format-2.json"
DRAFT = "localStorage.getItem('predictor.draft')"
# Words with a letter in every element that is seen on the way, each once; what only a screen reader has is left out.
WORDS = """() => {
  window.seenTexts ??= new Map();
  for (const e of document.body.querySelectorAll(":not(script)")) {
    const own = [...e.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join(" ");
    if (own.trim() && e.checkVisibility() && !e.closest(".hidden, .skip")) seenTexts.set(e, own);
  }
  return [...seenTexts.values()].join(" ").split(/\\s+/).filter((word) => /\\p{L}/u.test(word)).length;
}"""


@pytest.fixture(scope="module")
def work_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rating")


@pytest.fixture(scope="module")
def address(work_folder: Path) -> Iterator[str]:
    yield from served(work_folder)


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Open]:
    yield from opened(browser, address)


@pytest.mark.parametrize(("width", "role"), [(390, "candidate"), (1280, "candidate"), (390, "observer")])
def test_taps_and_words_lead_to_an_answer_and_a_saved_interview(
    open_page: Open, work_folder: Path, width: int, role: str
) -> None:
    page, taps = open_page(viewport={"width": width, "height": 844}), 0

    def tap(selector: str) -> None:
        nonlocal taps
        page.locator(selector).click()
        taps += 1
        page.wait_for_timeout(250)  # until the next family is there
        page.evaluate(WORDS)

    page.evaluate(WORDS)
    tap(f'label:has([value="{role}"])')
    if width > 640:  # all on one page, in the wording for this role from here on
        page.evaluate("seenTexts.clear()")
    for name, rating in eight().items():
        tap(f'label:has([name="rating.{name}"][value="{rating}.0"])')
    tap('#guess label:has([value="45"])')
    words = page.evaluate(WORDS)
    tap("#submit")
    answer = PUBLISHED.predict({"rater_role": role, **eight()})
    page.locator(".headline", has_text=headline_of(answer)).wait_for()
    print(f"{width} px, {role}: {taps} taps, {words} words to the first answer")
    assert taps <= MOST_TAPS
    assert words <= MOST_WORDS
    tap('.top-line a[href="#save"]')
    tap("#title")
    page.keyboard.type("Acme, second round")
    tap('button:has-text("Save in journal")')
    page.get_by_text("Saved.").wait_for()
    print(f"{taps} taps to a kept interview")
    assert taps <= MOST_TAPS_KEPT
    assert page.evaluate(DRAFT) is None  # it is in the journal now
    entry = Journal(work_folder / "my.journal").entries()[0]
    assert (entry.rater_role, entry.guess, dict(entry.ratings)) == (role, 45, eight())
    assert entry.answer
    assert entry.answer["prediction"]["offer_probability"] == answer.offer_probability
    page.goto("/")  # who rated is remembered, and the rest is not
    assert page.locator(f'[value="{role}"]').is_checked()
    assert not page.locator("input[name^='rating.']:checked").count()


def test_candidates_get_their_own_wording_with_and_without_javascript(open_page: Open) -> None:
    for scripts in (True, False):
        page = open_page(java_script_enabled=scripts, viewport={"width": 1280, "height": 844})
        signal = next(signal for signal in PUBLISHED.catalogue.signals if signal.name == "interviewer_energy")
        legend, five = page.locator(f"#signal-{signal.name} legend"), page.locator(f"#means-{signal.name}-5")
        assert (legend.inner_text(), five.inner_text()) == (signal.question, signal.anchors["5"])
        page.locator('label:has([value="candidate"])').click()
        assert (legend.inner_text(), five.inner_text()) == (signal.own.question, signal.own.anchors["5"])
        page.locator('label:has([value="observer"])').click()
        assert (legend.inner_text(), five.inner_text()) == (signal.question, signal.anchors["5"])


def test_a_phone_shows_one_family_at_a_time_and_advances_by_tap(open_page: Open) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    families = page.locator("#first .family")
    page.locator('label:has([value="observer"])').click()
    families.first.wait_for()
    assert sum(family.is_visible() for family in families.all()) == 1
    page.locator("#next").click()
    assert not families.first.is_visible()
    page.locator("#back").click()
    page.locator("#signal-interviewer_genuine_interest input").first.focus()
    names = [name for name in first_questions(PUBLISHED) if page.locator(f"#signal-{name}").is_visible()]
    for name in names:  # by keyboard nothing jumps
        page.locator(f"#signal-{name} input").first.press("Space")
    assert families.first.is_visible()
    page.locator('[aria-label="Who rated"]').wait_for(state="hidden")


def test_a_second_tap_removes_a_rating_without_advancing(open_page: Open) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    page.locator("#dock").click()  # to the answer, though nothing is rated
    assert page.locator("#submit").is_visible()
    assert page.locator("#where").inner_text() == "7 of 7; not all rated"
    page.locator("#back").click()
    (name,) = [name for name in first_questions(PUBLISHED) if page.locator(f"#signal-{name}").is_visible()]
    rate(page, name, 4)
    page.locator("#submit").wait_for()
    assert page.locator("#count").inner_text() == f"1 of {SIGNALS} rated"
    page.locator("#back").click()
    rate(page, name, 4)
    page.wait_for_timeout(250)
    assert page.locator(f"#signal-{name}").is_visible()
    assert page.locator("#count").inner_text() == f"0 of {SIGNALS} rated"
    rating = page.locator(f'[name="rating.{name}"]').first
    rating.press("Space")
    assert page.locator("#count").inner_text() == f"1 of {SIGNALS} rated"
    rating.press("Delete")
    assert page.locator("#count").inner_text() == f"0 of {SIGNALS} rated"


def test_the_displayed_points_add_up(open_page: Open) -> None:
    page = open_page()
    rate_eight(page)
    see(page)
    answer = PUBLISHED.predict(eight())
    points = points_of(answer.to_dict())
    shown = page.locator(".outcome .bars").first.locator(".number").all_inner_texts()
    page.locator("#answer-small summary").click()
    shown += page.locator("#answer-small .number").all_inner_texts()
    assert points.base + sum(int(text.replace("\N{MINUS SIGN}", "-")) for text in shown) == points.answer
    assert page.locator(".hundred > svg circle").count() == 100
    assert page.locator(".hundred > svg").get_attribute("aria-label")
    wide = page.locator(".outcome.quiet .headline")
    size = wide.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size < 20  # the shipped model is uncertain, and the page stays neutral
    text = page.locator("#fragment").inner_text().lower()
    assert "log-odds" not in text
    assert "roc auc" not in text
    page.locator("#answer-technical summary").click()
    assert signed(answer.log_odds, 3) in page.locator("#answer-technical").inner_text()
    page.locator("#answer-technical summary").click()
    page.evaluate("for (const e of document.querySelectorAll('.signal')) e.querySelectorAll('input')[1].click()")
    page.locator(".outcome .guess", has_text="24 of 24 rated").wait_for()
    assert sheets_of_paper(page) == [1, 1]
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert page.locator(".strip").evaluate("e => e.getBoundingClientRect().top") == 0  # SIMULATED is still in view


def test_nearly_equal_ratings_get_one_neutral_note(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    names = first_questions(PUBLISHED)
    for name in names:
        rate(page, name, 4)
    page.locator("#submit").click()
    assert page.get_by_text("8 of your 8 ratings are 4.").count() == 1
    rate(page, names[0], 2)
    rate(page, names[1], 2)
    page.locator("#submit").first.click()
    assert not page.get_by_text("ratings are 4.").count()


def test_a_draft_survives_leaving_the_page_and_an_ended_session(open_page: Open) -> None:
    page = open_page()
    page.locator('label:has([value="observer"])').click()
    rate_eight(page)
    page.locator('#guess label:has([value="30"])').click()
    see(page)
    page.fill("#title", "Not kept yet")
    page.goto("/journal")
    page.go_back()
    page.locator(".headline").wait_for()
    assert page.locator("#title").input_value() == "Not kept yet"
    page.context.clear_cookies()  # as when the session has ended
    page.goto("/")
    page.get_by_text("is back.").wait_for()
    page.locator(".headline", has_text=headline_of(PUBLISHED.predict({"rater_role": "observer", **eight()}))).wait_for()
    assert page.locator("#count").inner_text() == f"8 of {SIGNALS} rated"
    assert page.locator('[name="guess"][type="hidden"]').input_value() == "30"
    after = open_page(storage_state=page.context.storage_state())  # as when the browser was closed
    after.get_by_text("is back.").wait_for()
    assert after.locator("#count").inner_text() == f"8 of {SIGNALS} rated"
    page.goto("/?person=0")  # another person's interview has its own draft
    page.locator("#count", has_text=f"0 of {SIGNALS} rated").wait_for()
    page.goto("/")
    page.locator("#restored a").click()  # start over
    page.wait_for_load_state()
    assert page.evaluate(DRAFT) is None
    assert not page.locator("input[name^='rating.']:checked").count()


def test_two_tabs_never_overwrite_each_other_silently(open_page: Open) -> None:
    page = open_page()
    first, second, *_ = first_questions(PUBLISHED)
    rate(page, first, 5)
    other = open_page(beside=page)
    other.get_by_text("is back.").wait_for()
    rate(other, second, 1)
    page.locator("#conflict").wait_for()
    rate(page, first, 2)  # shown, but not saved over the other tab's draft
    kept = json.loads(page.evaluate(DRAFT))["values"]
    assert kept == {f"rating.{first}": "5.0", f"rating.{second}": "1.0"}
    page.get_by_role("button", name="Use the other tab's version").click()
    assert page.locator(f'[name="rating.{first}"][value="5.0"]').is_checked()
    assert page.locator(f'[name="rating.{second}"][value="1.0"]').is_checked()
    rate(page, first, 3)
    other.locator("#conflict").wait_for()
    other.get_by_role("button", name="Keep this tab's version").click()
    assert json.loads(other.evaluate(DRAFT))["values"][f"rating.{first}"] == "5.0"
    page.locator("#conflict").wait_for()


def test_a_tampered_answer_is_not_saved(open_page: Open, work_folder: Path) -> None:
    page = open_page()
    rate_eight(page)
    see(page)
    signed = json.loads(page.locator('[name="answer"]').input_value())
    signed["prediction"]["offer_probability"] = 0.99
    page.locator('[name="answer"]').evaluate("(e, text) => { e.value = text; }", json.dumps(signed))
    page.fill("#title", "Tampered with")
    page.get_by_role("button", name="Save in journal").click()
    page.get_by_text("Saved.").wait_for()
    entry = next(entry for entry in Journal(work_folder / "my.journal").entries() if entry.title == "Tampered with")
    assert entry.estimate
    assert entry.estimate.probability == PUBLISHED.predict(eight()).offer_probability


def test_fields_that_no_form_sends_are_refused() -> None:
    app = make_app(Settings(PUBLISHED_FILE))
    with pytest.raises(UndefinedError):  # a misspelled name in a template is an error, not a blank
        app.state.templates.env.from_string("{{ misspelled }}").render()
    browser = TestClient(app, base_url="http://localhost")
    csrf = re.findall('name="csrf_token" value="(.*?)"', browser.get("/").text)[0]
    for name, value in (("guess", "41"), ("guess", "00451"), ("guess", "-5"), ("rating.other", "did not come up")):
        answer = browser.post("/estimate", data={"csrf_token": csrf, name: value})
        assert (answer.status_code, answer.json()["problems"][0]["field"]) == (422, name)
    few = TestClient(make_app(Settings(OLD)), base_url="http://localhost").get("/").text
    assert 'id="more"' not in few  # four signals are asked at once


@pytest.mark.parametrize(
    ("width", "height", "scheme", "scripts"),
    [(390, 844, "dark", True), (640, 400, "light", True), (1280, 844, "light", False)],  # 640: 1280 px at 200 %
    ids=["phone", "zoomed", "no scripts"],
)
def test_every_state_passes_accessibility_checks(
    open_page: Open, width: int, height: int, scheme: Any, scripts: bool
) -> None:
    from axe_playwright_python.sync_playwright import Axe  # here, since without a browser the test is skipped

    how: dict[str, Any] = {"color_scheme": scheme, "java_script_enabled": scripts, "refused": True}
    page = open_page(viewport={"width": width, "height": height}, **how)

    def look(state: str) -> None:
        assert page.locator("html").evaluate("e => e.scrollWidth <= innerWidth"), state
        if scripts:
            faults = [fault["id"] for fault in Axe().run(page, options=AXE).response["violations"]]
            assert not faults, state

    page.evaluate("for (const e of document.querySelectorAll('details')) { e.removeAttribute('name'); e.open = true; }")
    look("empty")
    page.locator("#more").evaluate("e => { e.open = false; }")
    page.locator('label:has([value="candidate"])').click()
    for name, rating in eight().items():
        rate(page, name, rating)
        page.wait_for_timeout(250 if scripts else 0)
    look("rated")
    see(page)
    page.locator("#more > summary").click()
    look("answered")
    if scripts:
        other = open_page("/", beside=page)
        other.locator('[value="observer"]').evaluate("e => e.click()")
        page.locator("#conflict").wait_for()
        look("two tabs")
        page.locator("#ours").click()
    page.locator("#title").evaluate("e => { e.required = false; }")
    page.get_by_role("button", name="Save in journal").click()
    page.locator("#save-problems").wait_for()
    look("not saved")
