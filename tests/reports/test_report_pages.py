"""Reports of audits, drift and models: valid pages without a network, for screen readers, themes and phones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import AXE
from test_training_report import Page as Parsed

from predictor import OfferModel, simulate_interviews
from predictor.evaluation.audit import audit
from predictor.evaluation.audited import AuditResult
from predictor.evaluation.drift import reference_of
from predictor.evaluation.drift_check import check_drift
from predictor.evaluation.groups import axes_of
from predictor.evaluation.left_out import left_out, predict_without
from predictor.reports.audit_report import render_audit_page
from predictor.reports.drift_report import render_drift_page
from predictor.reports.model_card import AttachedReports, card_page
from predictor.reports.page import Folded, Section, Table, render_html, render_markdown
from predictor.sources.simulation_known_effects import add_drift, simulate_groups

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """A report of each kind, for the shipped prior with counts of 300 rows; names contain markup."""
    rows = simulate_interviews(300, seed=4)
    assert rows.groups is not None
    model = OfferModel.published()
    cells, offsets = model.grid.weights(rows.features.to_numpy()).sum(axis=0), model.grid.offsets
    counts = {name: cells[offsets[j] : offsets[j + 1]] for j, name in enumerate(model.terms)}
    p = model.predict_many(rows, interval=False)["offer_probability"].to_numpy()
    trained_on = {**model.trained_on, "n": 300}
    model = replace(
        model,
        name="<b>mine</b> | & $x$",
        counts=counts,
        reference=reference_of(rows, p, rows.groups),
        trained_on=trained_on,
    )
    groups = simulate_groups(rows, seed=4, disparity=0.5)
    groups["race"] = np.where(groups["race"] == "Asian", "<script>alert(1)</script>", groups["race"])
    axes, known = axes_of(groups), ~np.isnan(rows.y)
    result = audit(p[None], rows.y, rows.groups, axes, resamples=5)
    some = [replace(axis, place=axis.place[known]) for axis in axes]
    answers = predict_without(model, rows.rows(known).features.to_numpy())
    without = left_out(answers, rows.y[known], rows.groups[known], some, result, resamples=5)
    about = AuditResult(
        model, "my|file.csv", True, "2026-11-30T00:00:00+00:00", result, 0, 300, [], without, "by the model itself", 270,
        ["<i>Careful</i>"],
    )  # fmt: skip
    current = add_drift(simulate_interviews(60, seed=5), ["mutual_rapport"], by=-0.7)
    return {
        "audit": render_audit_page(about),
        "drift": render_drift_page(replace(check_drift(model, current), source=f"/{'long' * 30}/later.csv")),
        "card": render_html(card_page(model, AttachedReports())),
        "markdown": render_markdown(card_page(model, AttachedReports())),
    }


@pytest.mark.parametrize("which", ["audit", "drift", "card"])
def test_each_report_is_one_valid_page_without_requests(pages: dict[str, str], which: str) -> None:
    page = Parsed(pages[which])
    assert "default-src 'none'" in page.values("content")[0]
    assert not [value for key in ("src", "href") for value in page.values(key) if not value.startswith("#")]
    assert set(page.values("href")) <= {f"#{anchor}" for anchor in page.values("id")}
    assert len(page.values("id")) == len(set(page.values("id")))
    assert page.texts("script") and len(page.texts("script")) == 1  # no script from the text of a file
    assert "SIMULATED" in page.texts("h1")[0] and "SIMULATED" in page.texts("title")[0]
    assert all(page.texts("th"))


def test_names_are_escaped_in_markdown(pages: dict[str, str]) -> None:
    text = pages["markdown"]
    assert r"# Model card: \<b\>mine\</b\> \| & $x$" in text
    assert "<b>" not in text.replace(r"\<b\>", "")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert tables and all(line.endswith("|") for line in tables)


def test_markdown_tables_have_as_many_cells_as_their_header() -> None:
    from predictor.reports.page import Page

    table = Table(("A|B", "n"), [("x|y", 3)], caption="c")
    text = render_markdown(Page("K", "2026-01-01", "m", "", "l", [Section("S", [Folded("more", table)])]))
    assert "| A\\|B | n |\n| --- | --: |\n| x\\|y | 3 |" in text


def _note(errors: list[str], message: ConsoleMessage) -> None:
    errors.append(message.text)


def test_reports_fit_a_phone_and_pass_accessibility_checks(
    pages: dict[str, str], browser: Browser, tmp_path: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for which, scheme in (("audit", "dark"), ("drift", "light"), ("card", "dark")):
        (tmp_path / f"{which}.html").write_text(pages[which], encoding="utf-8")
        page = browser.new_page(viewport={"width": 390, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        errors: list[str] = []
        page.on("console", partial(_note, errors))
        page.goto((tmp_path / f"{which}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        violations = Axe().run(page, options=AXE).response["violations"]
        assert not [(item["id"], item["nodes"][0]["html"]) for item in violations]
        assert not errors
        page.close()
