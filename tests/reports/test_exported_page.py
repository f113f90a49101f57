"""The exported page, opened from disk in a real browser without a network: same numbers, same words, no data lost."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import AXE, SIGNALS
from firefox import FIREFOX, Firefox

from predictor import Catalogue, OfferClassifier, OfferModel, simulate_interviews
from predictor.journal.page_file import is_page_file, parse_page_file
from predictor.journal.store import Journal
from predictor.model.data import Masked, Pair, Triple
from predictor.model.factors import Missingness
from predictor.model.first_questions import first_questions, remaining
from predictor.model.gaps import Gaps
from predictor.model.points import points_of
from predictor.model.wording import headline, interval_sentence
from predictor.reports.measured_scores import MeasuredValue
from predictor.reports.rate_page.export import exported_page_html, save_rate_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

PUBLISHED = OfferModel.published()
SHIPPED = Catalogue.shipped()
Open = Callable[..., "Page"]


def everything() -> OfferModel:
    """Return a model with every part of the format: pairs, triples, masked tables, gaps, and active directions."""
    rng = np.random.default_rng(1)
    size, terms = dict(zip(PUBLISHED.terms, PUBLISHED.grid.sizes.tolist(), strict=True)), PUBLISHED.terms

    def table(*places: int) -> Any:
        return rng.normal(scale=0.2, size=[size[terms[place]] for place in places])

    def pair(a: int, b: int) -> Pair:
        return Pair(terms[a], terms[b], table(a, b))

    def triple(*places: int) -> Triple:
        return Triple(tuple(terms[place] for place in places), table(*places))  # type: ignore[arg-type]

    signals = [replace(s, better=("higher", "lower", "either")[n % 3]) for n, s in enumerate(SHIPPED.signals)]
    known = PUBLISHED.factor_model
    assert known
    loadings = known.loadings + rng.normal(scale=0.1, size=known.loadings.shape)
    missingness = Missingness(0.3, 0.2, 0.7, rng.normal(scale=0.3, size=(loadings.shape[1],)), 0.8)
    main = {name: table(place) for place, name in enumerate(terms)}
    return replace(
        PUBLISHED,
        catalogue=replace(SHIPPED, signals=tuple(signals)),
        pairs=(*PUBLISHED.pairs, pair(0, 3), pair(SIGNALS, 2)),
        triples=(triple(1, 5, 9), triple(2, 8, SIGNALS)),
        masked=Masked(0.6, 0.1, main, (pair(2, 4), pair(1, SIGNALS)), (triple(0, 6, SIGNALS),)),
        factor_model=replace(known, loadings=loadings, missingness=missingness),
        gaps=Gaps(-0.8, 0.2, 0.6),
    )


def with_masked_boosters() -> OfferModel:
    """Train on interacting signals, which use masked boosters; one may not apply, another has uneven knots."""
    rng = np.random.default_rng(0)
    X = rng.integers(1, 6, (800, 4)).astype(float)
    far = np.abs(X[:, 0] - 3)
    X[:, 1] = np.clip(np.round(1 + 2 * far + rng.normal(0, 0.3, 800)), 1, 5)
    y = rng.random(800) < 1 / (1 + np.exp(-3 * np.where(X[:, 2] > 3, 1, -1) * (X[:, 1] - 3) / 2))
    X[rng.random(800) < 0.1, 3] = 0.0  # not applicable
    signals = [replace(signal, family="engagement", better="either") for signal in SHIPPED.signals[:4]]
    signals[3] = replace(signals[3], not_applicable=(0,))
    catalogue = replace(SHIPPED, signals=tuple(signals), inputs=(), context=())
    model = OfferClassifier(catalogue).fit(X, y.astype(float)).model_
    assert model.masked
    return model


def trained() -> OfferModel:
    known = simulate_interviews(200, seed=1).labelled()
    return OfferClassifier(known.catalogue).fit(known.features, known.y).model_


MODELS = {"published": lambda: PUBLISHED, "trained": trained, "masked": with_masked_boosters, "everything": everything}


def inputs(model: OfferModel, n: int) -> Iterator[tuple[dict[str, Any], list[float | None]]]:
    """Return random interviews as records and as values of the page: few, many, all or no ratings, with half steps."""
    rng, catalogue = np.random.default_rng(7), model.catalogue
    for number in range(n):
        share = (0.0, 1.1, *rng.random(8))[number % 10]
        record: dict[str, Any] = {}
        values: list[float | None] = []
        for signal in catalogue.signals:
            value: float | None = None
            if rng.random() < share:
                value = float(rng.choice(signal.scale.knots)) - (0.5 if rng.random() < 0.2 else 0)
                value = max(value, signal.scale.low)
                record[signal.name] = value
                if signal.not_applicable and rng.random() < 0.2:
                    value, record[signal.name] = signal.not_applicable_value, "not applicable"
            values.append(value)
        for item in catalogue.inputs:
            code = int(rng.integers(-1, len(item.levels)))
            values.append(None if code < 0 else float(code))
            if code >= 0:
                record[item.name] = item.levels[code]
        yield record, values


@pytest.fixture
def open_file(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a model's page from disk; check at the end that it had no error and requested only the file."""
    contexts: list[Any] = []
    wrong: list[str] = []
    asked: set[str] = set()

    def opened(model: OfferModel = PUBLISHED, **options: Any) -> Page:
        file = tmp_path / "rate.html"
        save_rate_page(model, file, {"candidate": MeasuredValue(0.63, 0.58, 0.67, 429)})
        contexts.append(context := browser.new_context(offline=True, **options))
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.add(re.sub("^blob:.*", "blob", request.url)))
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong
    assert asked <= {(tmp_path / "rate.html").as_uri(), "blob"}


@pytest.mark.parametrize("kind", MODELS)
def test_the_exported_page_gives_the_answers_of_predict(open_file: Open, kind: str) -> None:
    model = MODELS[kind]()
    page, cases = open_file(model), list(inputs(model, 500))
    rates = [model.base_rate if number % 2 else 0.2 for number in range(len(cases))]
    answers = page.evaluate(
        """cases => cases.map(([values, rate]) => {
            const a = answerTo(values, rate), left = a.left && [a.left.low, a.left.high, a.left.explained[0][1]];
            return [[a.probability, a.low, a.high, a.logOdds, a.baseline, ...a.added, ...a.implied], left];
        })""",
        [[values, rate] for (_, values), rate in zip(cases, rates, strict=True)],
    )
    for (record, _), rate, (numbers, left) in zip(cases, rates, answers, strict=True):
        answered = model.predict(record, base_rate=rate)
        added = [part.log_odds for part in answered.contributions]
        wanted = [
            answered.offer_probability,
            answered.interval.low,
            answered.interval.high,
            answered.log_odds,
            answered.baseline,
            *added,
        ]
        wanted += [part.implied for part in answered.contributions]
        assert numbers == pytest.approx(wanted, abs=1e-9, rel=0)
        rest = remaining(model, record, base_rate=rate) if len(cases[0][1]) > 10 else None
        if rest and rest.high - rest.low > 1e-6:  # below, shares of nothing
            assert left == pytest.approx([rest.low, rest.high, max(rest.explained.values())], abs=1e-8)


def rate(page: Page, ratings: list[int]) -> list[str]:
    """Rate the first signals of the page, in order; return their names."""
    names: list[str] = page.eval_on_selector_all("[data-signal]", "all => all.map(e => e.dataset.signal)")[
        : len(ratings)
    ]
    for name, rating in zip(names, ratings, strict=True):
        page.locator(f'[data-signal="{name}"] label:has([value="{rating}"])').click()
    return names


def save(page: Page, to: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save this interview").click()
    file = to / download.value.suggested_filename
    download.value.save_as(file)
    return file


def test_an_interview_rated_and_saved_on_the_page_can_be_imported(open_file: Open, tmp_path: Path) -> None:
    page = open_file()
    assert page.eval_on_selector_all("#first [data-signal]", "all => all.map(e => e.dataset.signal)") == list(
        first_questions(PUBLISHED)
    )
    assert page.locator(".strip", has_text="SIMULATED").is_visible()
    assert page.locator("#save").is_disabled()  # a journal takes no interview without ratings
    page.locator('label:has([value="candidate"])').click()
    assert page.locator("#first legend").first.inner_text() == "Did they listen closely to you?"
    names = rate(page, [4, 5, 3, 4, 2, 4, 3])
    page.locator("[data-signal]").nth(7).locator("label", has_text="did not come up").click()
    assert page.locator(".dock").inner_text().split("\n") == [f"7 of {SIGNALS} rated", "Not saved"]
    page.locator('#guess label:has([value="55"])').click()
    page.get_by_role("button", name="See the estimate").click()  # 11 taps

    record = {"rater_role": "candidate", **dict(zip(names, [4, 5, 3, 4, 2, 4, 3], strict=True))}
    answered = PUBLISHED.predict(record)
    shares = answered.offer_probability, answered.interval.low, answered.interval.high
    shown = page.locator("#answer-parts > p").all_inner_texts()
    assert shown[0] == headline(*shares, simulated=1, rated=7)
    assert shown[1].startswith(interval_sentence(*shares))
    assert shown[2] == f"Your guess before: 55 of 100. 7 of {SIGNALS} rated, 1 did not come up."
    assert page.locator("#guess").is_hidden()  # frozen
    of_candidates = "Where the candidate rated: in 63 of 100 (58 to 67, n = 429)."
    assert of_candidates in page.locator("#answer-parts").inner_text()
    points = points_of(answered.to_dict())
    column = page.locator("#answer-parts .reasons .number").all_text_contents()
    assert sum(int(cell.replace("\N{MINUS SIGN}", "-")) for cell in column) == points.answer - points.base
    label = page.locator("#answer-parts .reasons li", has_text="They want to continue")  # did not come up: no reason
    assert not label.count()

    page.fill("#title", "=1+1 <b>Acme</b>")
    page.fill("#who-field", "AB")
    page.fill("#due_on", "2030-05-31")
    files = [save(page, tmp_path)]
    assert page.locator("#mark").inner_text() == "Is the file there?"  # never "saved" before somebody has seen it
    page.get_by_role("button", name="I have saved the file").click()
    assert page.locator("#mark").inner_text() == "In your file"
    page.fill("#note", "Written afterwards")
    assert page.locator("#mark").inner_text() == "Changed since the file"
    (tmp_path / "again").mkdir()
    again = save(page, tmp_path / "again")
    page.get_by_role("button", name="I have saved the file").click()
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.get_by_role("button", name="Start a new interview").click()
    rate(page, [1])
    files.append(save(page, tmp_path))
    page.evaluate("for (const e of document.querySelectorAll('[data-signal]')) e.querySelectorAll('input')[1].click()")
    page.get_by_role("button", name="See the estimate").click()
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) == 1  # with every rating

    content = files[0].read_bytes()
    assert is_page_file(content)
    assert json.loads(content)["text"][0].startswith("SIMULATED")
    journal = Journal(tmp_path / "my.journal")
    (tmp_path / "bad.json").write_bytes(files[1].read_bytes().replace(b'"ratings": {', b'"ratings": {"no_signal": 1, '))
    with pytest.raises(Exception, match="no_signal"):
        journal.import_files([*files, tmp_path / "bad.json"])
    assert not journal.entries()
    done = [journal.import_files(files[:1])]
    journal.edit(journal.entries()[0].id, private_note="mine")
    done += [journal.import_files([again, *files]), journal.import_files(files), journal.import_files([*files, again])]
    assert [(len(one.fresh), len(one.updated)) for one in done] == [(1, 0), (1, 1), (0, 0), (0, 0)]
    entry = next(entry for entry in journal.entries() if entry.who)
    assert (entry.note, entry.private_note) == ("Written afterwards", "mine")  # of the file that was saved last
    assert (entry.title, entry.guess, str(entry.due_on), len(entry.not_come_up)) == (
        "=1+1 <b>Acme</b>",
        55,
        "2030-05-31",
        1,
    )
    assert {"rater_role": entry.rater_role, **entry.ratings} == record
    corrected = journal.edit(entry.id, ratings={**entry.ratings, names[0]: 1}, rater_role=entry.rater_role)
    assert not journal.import_files(files).updated
    assert journal.get(entry.id).ratings == corrected.ratings  # the file is the older one
    assert entry.estimate and entry.answer
    assert entry.answer["quality"][1:] == [of_candidates]
    assert (entry.estimate.model, entry.estimate.fingerprint) == (PUBLISHED.name, PUBLISHED.fingerprint)
    assert (entry.estimate.simulated, entry.simulated) == (1, False)
    assert entry.estimate.probability == pytest.approx(answered.offer_probability, abs=1e-9)
    kept, wanted = entry.answer["prediction"], answered.to_dict()
    assert [part["log_odds"] for part in kept["contributions"]] == pytest.approx(
        [c["log_odds"] for c in wanted["contributions"]], abs=1e-9
    )
    assert kept["families"] == pytest.approx(wanted["families"], abs=1e-9)
    assert {key: kept[key] for key in ("not_rated", "model")} == json.loads(
        json.dumps({key: wanted[key] for key in ("not_rated", "model")})
    )
    assert journal.entries()[0].answer is None or journal.entries()[1].answer is None  # no answer was asked for
    (tmp_path / "other.json").write_bytes(again.read_bytes().replace(entry.id.encode(), b"0" * 12))
    assert len(journal.import_files([tmp_path / "other.json"]).fresh) == 1  # another person with equal ratings


def test_leaving_the_page_with_unsaved_ratings_asks_first(open_file: Open, tmp_path: Path) -> None:
    page, asked = open_file(), list[str]()

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", accept)
    rate(page, [4, 4])
    page.locator("[data-signal] label:has(:checked)").first.click()  # a second tap takes it back
    assert page.locator("#count").inner_text() == f"1 of {SIGNALS} rated"
    page.reload()
    assert asked == ["beforeunload"]
    assert page.locator("#count").inner_text() == f"1 of {SIGNALS} rated"  # the draft
    assert "draft" in page.locator("#restored").inner_text()
    other = page.context.new_page()
    other.goto(page.url)
    rate(other, [5])
    page.get_by_text("also open in another tab").wait_for()
    other.close()
    save(page, tmp_path)
    page.get_by_role("button", name="I have saved the file").click()
    asked.clear()
    page.reload()
    assert not asked


def test_without_scripts_the_page_is_a_printable_form(open_file: Open) -> None:
    page = open_file(java_script_enabled=False)
    page.get_by_text("Scripts do not run here").wait_for()
    assert page.locator("#first [data-signal] dd").first.is_visible()
    assert page.locator("#see").is_hidden()
    page.locator("#more summary").click()
    assert page.locator("[data-signal]:visible").count() == SIGNALS


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_the_exported_page_passes_accessibility_checks(open_file: Open, width: int, scheme: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe  # here, since without a browser the test is skipped

    page = open_file(viewport={"width": width, "height": 844}, color_scheme=scheme)
    before = "header > :not([hidden]), #who, #first, #guessing, #see"  # what is read before the first answer
    page.locator('label:has([value="candidate"])').click()
    count = "(all) => all.map(e => { const c = e.cloneNode(true); c.querySelectorAll('.hidden, option').forEach(o => o.remove()); return c.textContent; })"
    words = sum(len(text.split()) for text in page.eval_on_selector_all(before, count))
    for state in ("empty", "answered"):
        if state == "answered":
            rate(page, [5, 5, 5, 1, 2, 3])
            page.keyboard.press("Tab")
            page.locator("#see").focus()
            page.keyboard.press("Enter")
            assert page.evaluate("document.activeElement.id") == "answer"
            for details in page.locator("details").all():
                details.evaluate("e => { e.open = true }")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        report = Axe().run(page, options=AXE).response
        assert len(report["passes"]) > 10
        assert not [(f["id"], [node["html"][:120] for node in f["nodes"]][:3]) for f in report["violations"]]
        small = page.evaluate(
            "[...document.querySelectorAll('button, select, .scale label, summary')]"
            ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43.9).map(e => e.outerHTML)"
        )
        assert not small
    assert words <= 350


@pytest.mark.skipif(not FIREFOX, reason="firefox not installed: apt-get install firefox-esr")
def test_firefox_gives_the_same_numbers_from_disk(tmp_path: Path) -> None:
    save_rate_page(PUBLISHED, tmp_path / "rate.html")
    (profile := tmp_path / "profile").mkdir()
    firefox = Firefox(profile)
    try:
        firefox("WebDriver:Navigate", url=(tmp_path / "rate.html").as_uri())
        firefox.run(
            """document.querySelector('[value="observer"]').click();
            document.querySelectorAll('#first fieldset').forEach((f, i) => f.querySelectorAll('input')[i % 5].click());
            document.getElementById('see').click();
            document.getElementById('save').click();"""
        )
        shown = firefox.run("return document.querySelector('#answer-parts > p').innerText")
        for _ in range(100):
            if files := [*profile.glob("interview-answers-*.json")]:
                break
            firefox.run("return new Promise(done => setTimeout(done, 100))")
        (entry,), problems = parse_page_file(files[0].read_bytes(), "saved", SHIPPED)
        messages = firefox.messages()
    finally:
        firefox.close()
    record = dict(zip(first_questions(PUBLISHED), [1, 2, 3, 4, 5, 1, 2, 3], strict=True))
    answered = PUBLISHED.predict({"rater_role": "observer", **record})
    shares = answered.offer_probability, answered.interval.low, answered.interval.high
    assert (entry.ratings, problems) == (record, [])
    assert entry.estimate
    assert (entry.estimate.probability, entry.estimate.low, entry.estimate.high) == pytest.approx(shares, abs=1e-9)
    assert shown == headline(*shares, simulated=1, rated=8)
    assert not [message for message in messages if "rate.html" in message or "Content-Security-Policy" in message]


def test_the_exported_page_is_small_and_blocks_foreign_content() -> None:
    page = exported_page_html(PUBLISHED)
    assert len(page.encode()) <= 150_000
    assert len(exported_page_html(everything()).encode()) <= 300_000
    policy = re.findall(r'Content-Security-Policy" content="(.*?)"', page)[0]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page)
    hostile = replace(
        PUBLISHED,
        catalogue=replace(SHIPPED, signals=tuple(replace(s, label="</script><img src=x>") for s in SHIPPED.signals)),
    )
    assert "</script><img" not in exported_page_html(hostile)


def test_damaged_answers_are_refused_on_import(tmp_path: Path) -> None:
    answered = PUBLISHED.predict({"goals_discussed": 4, "rater_role": "observer"})
    parts = [[part.signal, part.rating, part.log_odds, part.implied] for part in answered.contributions]
    answer = {
        "probability": answered.offer_probability, "low": answered.interval.low, "high": answered.interval.high,
        "base_rate": answered.base_rate, "own_base_rate": False, "log_odds": answered.log_odds, "baseline": answered.baseline,
        "parts": parts, "remaining": None, "quality": [], "notes": [],
    }  # fmt: skip
    item: dict[str, Any] = {
        "id": "0123456789ab",
        "rated_on": "2026-05-31",
        "title": "",
        "ratings": {"goals_discussed": 4},
    }
    item |= {"rater_role": "observer", "not_come_up": [], "guess": 40, "answer": answer}
    file = {
        "format": 1,
        "kind": "interview outcome predictor: answers",
        "model": dict(answered.model),
        "answers": [item],
    }

    def parsed(**changes: Any) -> tuple[list[Any], list[Any]]:
        return parse_page_file(json.dumps({**file, **changes}).encode(), "a.json", SHIPPED)

    (entry,), problems = parsed()
    change: dict[str, Any]
    assert (entry.title, problems) == ("Rated on 2026-05-31", [])
    for change in (
        {"id": "1"}, {"rated_on": "2999-01-01"}, {"ratings": {}}, {"ratings": {"goals_discussed": 9}}, {"guess": 140},
        {"ratings": 4}, {"not_come_up": ["x"]}, {"ratings": {"goals_discussed": 5}}, {"rater_role": "nobody"},
        {"answer": {**answer, "probability": 0.9}}, {"answer": {**answer, "baseline": 3.0}}, {"answer": {}},
        {"answer": {**answer, "parts": [p for p in parts if p[0] != "goals_discussed"]}}, {"answer": {**answer, "low": None}}, {"answer": {**answer, "quality": [1]}},
        {"title": "x" * 201},
    ):  # fmt: skip
        entries, problems = parsed(answers=[item, {**item, **change}])
        assert (len(entries), bool(problems), problems[0].row) == (0, True, 2), change
    assert "update the predictor" in parsed(format=2)[1][0].message
    assert parsed(answers=[])[1]
    assert math.isclose(entry.estimate.probability, answered.offer_probability)
