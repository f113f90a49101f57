"""The report of a check for drift, as a page and in the terminal: the significant changes, and every test."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from predictor.errors import plural
from predictor.evaluation.drift import ALPHA, OF_RATINGS, DriftTest
from predictor.evaluation.drift_check import DriftCheck
from predictor.evaluation.late_outcomes import LateOutcomes
from predictor.reports.format import number, of_people, p_value, percent, percents, signed, signed_span, span
from predictor.reports.page import Facts, Folded, Note, Page, Section, Table, Tile, render_html
from predictor.reports.text import WIDTH, wrap

TITLES = {
    "level": "Mean",
    "level given others": "Mean, given the other signals",
    "shape": "Spread over the scale",
    "missing": "Not rated",
    "rated": "How much was rated",
    "input": "Inputs",
    "likelihood": "Likelihoods",
    "calibration": "Calibration",
}
HOLM = (
    "Without drift at most one check in twenty raises an alarm (Holm's correction for all tests): a change is "
    f"significant if its corrected p is under {ALPHA:g}. The usual limits of a PSI, .1 and .25, do not depend on the "
    "number of rows, and are not used."
)


def drift_page(check: DriftCheck) -> Page:
    """Build the page of a check for drift."""
    labels = check.model.catalogue.labels
    significant, kind = check.significant, "SIMULATED rows" if check.simulated else "rows"
    return Page(
        kind="Drift",
        day=check.made[:10],
        name=check.model.name,
        simulated="SIMULATED: these figures are of simulated interviews and say nothing about real ones."
        if check.simulated
        else "",
        lede=headline(check),
        tiles=[
            Tile(
                "Changed",
                f"{len(check.findings)}",
                "significant",
                f"{len(significant)} of {len(check.tests)} tests are significant; one change may show in several.",
            ),
            Tile("Current", f"{check.n:,}", kind, f"Rows{_whose(check)}, from {check.source}."),
            Tile("Learned from", f"{check.model.trained_on['n']:,}", "rows", f"Trained {check.model.created_at[:10]}."),
            _outcome_tile(check.outcomes),
        ],
        warnings=[sentence(test, labels) for test in check.findings],
        quiet="No significant change.",
        heading="What changed",
        sections=[
            _signals(check, labels),
            _missing(check, labels),
            _others(check, labels),
            _outcomes(check.outcomes),
            _made(check),
        ],
    )


def render_drift_page(check: DriftCheck) -> str:
    """Render the page of a check for drift as HTML; see `drift_page`."""
    return render_html(drift_page(check))


def headline(check: DriftCheck) -> str:
    """Write in one sentence whether anything changed."""
    rows = f"{check.n:,} current rows against the {check.model.trained_on['n']:,} that the model learned from"
    if not check.significant:
        return f"No significant change in {len(check.tests)} tests: {rows}."
    names = check.model.catalogue.labels
    what = list(dict.fromkeys(names.get(test.name, "") or TITLES[test.kind].lower() for test in check.findings))
    some = ", ".join(what[:4]) + (f" and {len(what) - 4} more" if len(what) > 4 else "")
    return f"Significant changes: {some}. {rows[0].upper()}{rows[1:]}."


def drift_lines(check: DriftCheck) -> Iterator[str]:
    """Write a check for drift for the terminal."""
    labels = check.model.catalogue.labels
    kind = "SIMULATED rows" if check.simulated else "rows"
    yield f"{check.model.name}: {check.n:,} current {kind}{_whose(check)}, {len(check.tests)} tests"
    yield ""
    if check.significant:
        yield "Significant changes:"
        for test in check.findings:
            yield from wrap(sentence(test, labels), indent="  ")
    else:
        yield "No significant change."
    yield ""
    for text in (*outcome_lines(check.outcomes), *check.not_tested):
        yield from textwrap.wrap(text, WIDTH)


def outcome_lines(result: LateOutcomes) -> Iterator[str]:
    """Describe how likelihoods and outcomes agree."""
    yield f"Outcomes: {result.n:,} known ({plural(result.offers, 'offer')}{_expected(result)}), {result.open:,} open."
    if result.in_the_large and result.slope and result.corp:
        large, slope = result.in_the_large, result.slope
        interval = signed_span(large.low, large.high)
        yield (
            f"Calibration in the large {signed(large.value)} ({interval}) in log-odds; 0 is right. "
            f"Slope {number(slope.value)} ({span(slope.low, slope.high)}); 1 is right."
        )


def _expected(result: LateOutcomes) -> str:
    """Describe how many offers the likelihoods had led to expect."""
    return f", {number(result.n * result.predicted, 1)} expected" if result.n else ""


def sentence(test: DriftTest, labels: dict[str, str]) -> str:
    """Describe the result of one test in a sentence."""
    name = labels.get(test.name, test.name)
    p = f"p {p_value(test.adjusted)}"
    way = "higher" if test.value > 0 else "lower"
    if test.kind == "level":
        shift = f"{signed(test.value)} standard deviations, {signed_span(test.low, test.high)}"
        means = f"{number(test.current)} on average, {number(test.reference)} in training"
        return f"{name}: rated {way}, {means} ({shift}; {p})."
    if test.kind == "level given others":
        return f"{name}: rated {way} than the other signals lead to expect (z {signed(test.value, 1)}; {p})."
    if test.kind == "shape":
        return f"{name}: ratings spread differently over the scale (PSI {number(test.value)}; {p})."
    if test.kind == "missing":
        share = (
            f"{percent(test.current)} of rows ({percents(test.low, test.high)}), {percent(test.reference)} in training"
        )
        return f"{name}: not rated in {share} ({p})."
    if test.kind == "rated":
        more = "more" if test.value > 0.5 else "fewer"
        means = f"{number(test.current, 1)} on average, {number(test.reference, 1)} in training"
        if not test.significant:
            return f"Signals rated: {means}; no significant change."
        return f"{more.capitalize()} signals rated: {means} ({p})."
    if test.kind == "input":
        return f"{name}: the shares of its levels have changed (PSI {number(test.value)}; {p})."
    if test.kind == "likelihood":
        side = "Higher" if test.value > 0.5 else "Lower"
        about = f"about {percent(test.current)} on average, {percent(test.reference)} in training"
        return f"{side} likelihoods: {about} ({p})."
    return f"Calibration: likelihoods and outcomes do not agree ({p})."


def _whose(check: DriftCheck) -> str:
    return of_people(check.people, check.model.catalogue.group is not None)


def _signals(check: DriftCheck, labels: dict[str, str]) -> Section:
    by_name: dict[str, dict[str, DriftTest]] = {}
    for test in check.tests:
        if test.kind in OF_RATINGS:
            by_name.setdefault(test.name, {})[test.kind] = test
    rows = []
    for name, tests in sorted(by_name.items(), key=lambda item: min(test.p for test in item[1].values())):
        level, given, shape = (tests.get(kind) for kind in OF_RATINGS)
        means, n = [""] * 4, ""
        if level:
            interval, n = signed_span(level.low, level.high), f"{level.m:,.0f}"
            means = [number(level.reference), number(level.current), signed(level.value), interval]
        z, psi = signed(given.value, 1) if given else "", number(shape.value) if shape else ""
        rows.append((labels[name], *means, z, psi, p_value(min(test.adjusted for test in tests.values())), n))
    figures = ("z, given other signals", "PSI", "p, corrected", "n (current)")
    head = ("Signal", "In training", "Now", "Shift", "90 % interval", *figures)
    return Section(
        "Signals",
        [
            "Each signal is tested in three ways: its mean (Mann and Whitney), its mean given those of the other "
            "signals, and how its ratings spread over the scale (PSI). The clearest change comes first.",
            Table(head, rows, caption="Mean ratings in training and now"),
            Note(
                "Shift: in standard deviations of the rows learned from. z, given other signals: a general impression "
                "(halo) lifts or lowers all ratings together; that part is removed, so that what changed stands out."
            ),
        ],
    )


def _missing(check: DriftCheck, labels: dict[str, str]) -> Section:
    tests = sorted((test for test in check.tests if test.kind == "missing"), key=lambda test: test.p)
    rows = [
        (
            labels[x.name],
            percent(x.reference),
            percent(x.current),
            percents(x.low, x.high),
            p_value(x.adjusted),
            f"{x.m:,.0f}",
        )
        for x in tests
    ]
    head = ("Signal", "In training", "Now", "90 % interval", "p, corrected", "n (current)")
    table = Table(head, rows, caption="Share of rows in which a signal was not rated")
    rated = [sentence(test, labels) for test in check.tests if test.kind == "rated"]
    nothing = Note("Nothing to test: each signal was rated in every row, or in none.")
    return Section("What is missing", [*rated, Folded("Each signal", table) if rows else nothing])


def _others(check: DriftCheck, labels: dict[str, str]) -> Section:
    tests = [test for test in check.tests if test.kind in ("input", "likelihood")]
    rows = [
        (
            labels.get(test.name) or TITLES[test.kind],
            f"PSI {number(test.value)}"
            if test.figure == "psi"
            else f"{number(test.value)} ({span(test.low, test.high)})",
            p_value(test.adjusted),
            f"{test.m:,.0f}",
        )
        for test in tests
    ]
    parts: list[str | Table | Note] = [Table(("What", "Figure", "p, corrected", "n (current)"), rows)] if rows else []
    parts.append(
        Note(
            "For likelihoods the figure is the chance that a current row's is higher than that of a training row, "
            "predicted out of fold; .5 means no difference."
        )
    )
    return Section("Other inputs, and likelihoods", [*parts, *(Note(text) for text in check.not_tested)])


def _outcome_tile(result: LateOutcomes) -> Tile:
    if not result.slope:
        return Tile("Outcomes", f"{result.n:,}", f"{result.open:,} open", "Too few for calibration.")
    words = f"1 is right; {result.n:,} outcomes, {result.open:,} still open."
    return Tile("Calibration slope", number(result.slope.value), span(result.slope.low, result.slope.high), words)


def _outcomes(result: LateOutcomes) -> Section:
    offers = f"{result.offers:,} of them offers{_expected(result)}"
    known = f"{result.n:,} outcomes have come, {offers}; {result.open:,} are still open."
    if not (result.in_the_large and result.slope and result.corp):
        return Section(
            "Are the likelihoods calibrated?",
            [known, "Too few for the slope: at least five offers and five non-offers are needed."],
        )
    large, slope, corp = result.in_the_large, result.slope, result.corp
    rows = [
        ("Calibration in the large, log-odds", signed(large.value), signed_span(large.low, large.high), "0"),
        ("Calibration slope", number(slope.value), span(slope.low, slope.high), "1"),
        ("Brier score", number(corp.brier, 3), "", "0"),
        ("Brier score: miscalibration", number(corp.miscalibration, 3), "", "0"),
        ("Brier score: discrimination", number(corp.discrimination, 3), "", "large"),
        ("Brier score: uncertainty", number(corp.uncertainty, 3), "", "given"),
        ("Log-loss", number(result.log_loss or 0.0, 3), "", "0"),
        ("Spiegelhalter's z", signed(result.spiegelhalter or 0.0), "", "within 2 of 0"),
    ]
    return Section(
        "Are the likelihoods calibrated?",
        [
            f"{known} Mean likelihood {percent(result.predicted)}, offers {percent(result.offers / result.n)}.",
            Table(
                ("Figure", "Value", "90 % interval", "Right"),
                rows,
                caption=f"Likelihoods and outcomes, n = {result.n:,}",
            ),
            Note(
                "Brier score = miscalibration \u2212 discrimination + uncertainty, by isotonic regression (CORP; "
                "Dimitriadis, Gneiting and Jordan 2021). With few outcomes, part of the miscalibration is noise."
            ),
        ],
    )


def _made(check: DriftCheck) -> Section:
    model = check.model
    facts: Sequence[tuple[str, str]] = [
        ("Current rows", f"{check.n:,} from {check.source}; SHA-256 {check.digest[:16]}..."),
        ("Model", f"{model.name}, fingerprint {model.fingerprint}, trained {model.created_at[:10]}"),
        ("Compared with", "counts in the model's file; the training rows are not needed"),
        ("Rows of one person", "adjusted for correlation within a person"),
        ("Made", check.made),
    ]
    return Section("How it was made", [HOLM, Facts(facts)])
