"""The training report: complete, escaped, without a network, light and dark, on a phone and for screen readers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from predictor import Catalogue, Ratings, TrainingConfig, TrainingResult, simulate_interviews, train
from predictor.model.data import Pair
from predictor.ratings.signals import Scale, Signal
from predictor.reports.page import SCRIPT
from predictor.reports.training_report import render_report, save_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SECTIONS = [
    "Warnings", "Is it calibrated?", "Feature importance", "Shape functions",
    "Strongest pairs", "Ranking: ROC, precision and recall", "Would more interviews help?", "Accuracy by who rated",
    "When only some signals are rated", "Cost of interpretability", "Data quality", "How it was made",
]  # fmt: skip
VOID = {"meta", "br", "hr", "img", "link", "input"}
AWKWARD = [
    "<b>bold</b> & 'quoted'", "$x^2$ costs $5", "</svg><script>alert(1)</script>", "{{ 7*7 }} --> ]]>", "\u6f22\u5b57 \U0001f389",
    "A label far too long for any figure, for somebody pasted the whole question of the form into it, twice over",
]  # fmt: skip


class Page(HTMLParser):
    """A page as a list of elements, each with its tag, attributes and text; refuses tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str], list[str]]] = []
        self.open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}, []))
        if tag not in VOID:
            self.open.append(self.found[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag, f"</{tag}> in line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        for _, _, text in self.open:
            text.append(data)

    def texts(self, tag: str) -> list[str]:
        return [" ".join("".join(text).split()) for name, _, text in self.found if name == tag]

    def values(self, key: str) -> list[str]:
        return [attributes[key] for _, attributes, _ in self.found if key in attributes]


@pytest.fixture(scope="module")
def awkward_result() -> TrainingResult:
    """54 signals of one family on four scales, no roles, no groups, no baselines, one pair, labels with markup."""
    scales = (Scale(1, 5), Scale(0, 10), Scale(0, 1), Scale(0, 100, 2))
    signals = tuple(
        Signal(f"s{j}", AWKWARD[j] if j < len(AWKWARD) else f"Signal {j}", "all", scale=scales[j % 4])
        for j in range(54)
    )
    catalogue = Catalogue("awkward", "<i>Awkward</i>", signals, {"all": "One & only <family>"})
    rng = np.random.default_rng(0)
    low, high = map(np.array, catalogue.ends)
    values = np.round(low + (high - low) * rng.random((80, 54)))
    values[rng.random(values.shape) < 0.2] = np.nan
    y = (values[:, 0] + rng.normal(size=80) > 3).astype(float)
    config = TrainingConfig(folds=2, repeats=1, resamples=20, baselines=())
    found = train(Ratings(catalogue, values, y, source="<my>.csv"), config, name="<awkward> $a$")
    log_odds = rng.normal(size=(6, 52))
    return replace(found, tables=replace(found.model, pairs=(Pair("s0", "s3", log_odds),)))


@pytest.fixture(scope="module")
def reports(
    training_folder: Path, awkward_result: TrainingResult, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Three reports on disk: an ordinary one, one with awkward labels, and one of a training too small to measure."""
    folder = tmp_path_factory.mktemp("my reports")
    trained = {"awkward": awkward_result, "unmeasured": train(simulate_interviews(6, seed=1))}
    made = {which: save_report(one, folder / "made" / f"{which}.html") for which, one in trained.items()}
    return {"ordinary": Path(shutil.copy(training_folder / "report.html", folder / "made" / "ordinary.html")), **made}


def test_the_training_report_has_every_section_and_score(
    reports: dict[str, Path], training_result: TrainingResult
) -> None:
    page = Page(reports["ordinary"].read_text("utf-8"))
    assert page.texts("h2") == SECTIONS
    assert page.texts("li")[: len(training_result.warnings)] == list(training_result.warnings)
    printed = " ".join(page.texts("body"))
    parts = (*training_result.scores_by_role.values(), *training_result.partial_scores.values())
    for score in (*training_result.scores.values(), *(by["roc_auc"] for by in parts)):
        assert f"{score.value:.3f}" in printed
    for statement in (
        training_result.learning_curve,
        training_result.transparency,
        training_result.direction_cost,
        *training_result.halo,
    ):
        assert str(statement) in printed
    labels = [signal.label for signal in training_result.model.catalogue.signals]
    labels += [item.label for item in training_result.model.catalogue.inputs]
    assert set(labels) <= set(page.texts("figcaption"))  # a shape function each
    assert all("SIMULATED" in page.texts(tag)[0] for tag in ("title", "h1", "div"))


def test_the_same_result_gives_the_same_report(reports: dict[str, Path], training_result: TrainingResult) -> None:
    assert render_report(training_result) == reports["ordinary"].read_text("utf-8")


@pytest.mark.parametrize("which", ["ordinary", "awkward", "unmeasured"])
def test_the_training_report_is_one_valid_page_without_external_links(reports: dict[str, Path], which: str) -> None:
    page = Page(reports[which].read_text("utf-8"))
    assert "default-src 'none'" in page.values("content")[0]
    tags = {tag for tag, _, _ in page.found}
    assert page.texts("script") == [" ".join(SCRIPT.split())]  # and none from a label
    assert not tags & {"img", "link", "iframe", "b", "i"}
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    linked = [link for key in ("href", "xlink:href", "aria-labelledby") for link in page.values(key)]
    assert {name for link in linked for name in link.replace("#", "").split()} <= set(ids)
    assert not page.values("src")
    for tag, attributes, _ in page.found:
        assert tag != "svg" or (attributes["role"] == "img" and attributes["aria-labelledby"])
    figures = page.texts("svg")
    assert figures
    assert len(page.texts("desc")) == len(figures)
    assert all(page.texts("desc"))


def test_labels_with_markup_are_escaped_in_the_report(reports: dict[str, Path]) -> None:
    page = Page(reports["awkward"].read_text("utf-8"))
    printed = " ".join(page.texts("body"))
    for label in ("<b>bold</b> & 'quoted'", "$x^2$ costs $5", "</svg><script>alert(1)</script>", "One & only <family>"):
        assert label in printed
    assert page.texts("h1") == ["<awkward> $a$"]
    missing = {"Accuracy by who rated", "Cost of interpretability"}
    assert page.texts("h2") == [title for title in SECTIONS if title not in missing]


def test_a_report_without_scores_states_the_reason(reports: dict[str, Path]) -> None:
    page = Page(reports["unmeasured"].read_text("utf-8"))
    assert "too few to measure" in " ".join(page.texts("header"))
    assert {"Feature importance", "Data quality"} <= set(page.texts("h2"))
    assert not {"Is it calibrated?", "Would more interviews help?"} & set(page.texts("h2"))


# Lightness by WCAG 2.1; a canvas turns any notation of a colour into red, green and blue.
CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const ground = node => { for (; node; node = node.parentElement) {
    const colour = rgb(getComputedStyle(node).backgroundColor); if (colour[3] == 255) return colour; } };
  return [...document.querySelectorAll('h1,h2,p,li,a,td,th,dt,dd,figcaption,summary,caption,.badge,.strip,svg text')]
    .filter(node => node.textContent.trim() && node.checkVisibility()).map(node => {
      const style = getComputedStyle(node), ink = rgb(node.closest('svg') ? style.fill : style.color);
      const [a, b] = [light(ink), light(ground(node))].sort((a, b) => b - a);
      return [(a + 0.05) / (b + 0.05), node.textContent.trim().slice(0, 40)]; });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["ordinary", "awkward"])
def test_the_report_opens_from_disk_without_a_network(
    browser: Browser, reports: dict[str, Path], which: str, scheme: Any
) -> None:
    path = reports[which]
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": 420, "height": 900})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda one: asked.append(one.url))
    page.goto(path.as_uri())
    page.locator("summary").first.click()
    assert page.locator("details[open] table").first.is_visible()
    assert (asked, said) == ([path.as_uri()], [])
    assert page.evaluate("document.documentElement.scrollWidth") == 420  # wide tables scroll in their own box
    found = page.evaluate(CONTRASTS)
    assert len(found) > 300
    assert not [one for one in found if one[0] < 4.5]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert dark == (scheme == "dark")
    context.close()


SANDBOX = """text => {
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts';
  frame.style = 'width: 1200px; height: 600px';
  frame.src = URL.createObjectURL(new Blob([text], {type: 'text/html'}));
  document.body.append(frame);
}"""


def test_section_links_work_in_the_sandbox_of_mlflow(browser: Browser, reports: dict[str, Path]) -> None:
    """MLflow's artifact viewer shows a page in such a frame."""
    from playwright.sync_api import expect

    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.route("http://127.0.0.1/", lambda route: route.fulfill(body="<body>", content_type="text/html"))
    page.goto("http://127.0.0.1/")
    page.evaluate(SANDBOX, reports["ordinary"].read_text("utf-8"))
    frame = page.frame_locator("iframe")
    title = frame.locator("#who-rated h2")
    expect(title).not_to_be_in_viewport()
    frame.get_by_role("link", name="Who rated").click()
    expect(title).to_be_in_viewport()
    assert said == []
    page.close()
