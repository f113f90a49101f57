"""The report on a team's panels: how far raters agree, how high panels rate, what that changes. Nobody is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.atomic import write_text
from predictor.errors import plural
from predictor.model.wording import CAVEAT
from predictor.panels.agreement import LEAST_RATED_TWICE, SignalAgreement
from predictor.panels.summary import FAR, NOTICEABLE
from predictor.reports.figures.curves import interval_plot
from predictor.reports.format import percent, signed, span
from predictor.reports.page import Drawing, Note, Page, Part, Section, Table, Tile, render_html
from predictor.reports.svg import inline_svg
from predictor.reports.text import cut, title, wrap

if TYPE_CHECKING:
    from predictor.evaluation.scores import Score
    from predictor.panels.summary import PanelSummary

UNIT = "Mean, in steps"
FOOTER = f"{CAVEAT} Not for judging raters either: nobody is named or ranked here."
BETWEEN = (
    "Between raters: the standard deviation between raters of the same person at the same stage, in points of the "
    f"scale. {FAR} steps apart: the share of these on whom two raters differ by {FAR} steps or more."
)
USES = {
    "withdrawn": "of people who withdrew",
    "later": "from after the chosen stage",
    "no application": "without an application",
}
INFLATED = (
    "Where raters can read others' scorecards before they send their own, agreement looks better than it is; these "
    "files do not show whether they could."
)


def render_panels(summary: PanelSummary) -> str:
    """Write a summary in at most 80 columns."""
    lines = [title(f"Panels of {summary.source}") + "  SIMULATED" * summary.simulated]
    sentences = [_counts(summary), *_agreement_sentences(summary), *([INFLATED] if summary.agreement else [])]
    if reason := _why(summary):
        sentences.append(reason)
    for sentence in (*sentences, *_leniency_sentences(summary)):
        lines += wrap(sentence)
    if summary.agreement:
        labels = summary.catalogue.labels
        lines += ["", title(f"{'Signal':<38}{'alpha':>6}  90 % interval      n")]
        for item in summary.agreement.signals:
            name = cut(labels[item.name], 36)
            if item.alpha is None:
                why = _no_alpha(item)
                lines.append(f"{name:<38}{'':>6}  {why:<20}{item.n:>4,}")
            else:
                ends = f"{item.alpha.low:.2f} to {item.alpha.high:.2f}"
                lines.append(f"{name:<38}{item.alpha.value:>6.2f}  {ends:<14}{item.n:>7,}")
    if summary.levels:
        head = f"{'The panel usually rates':<26}{'applications':>12}  {UNIT:>18}"
        lines += ["", title(head + ("  log-odds  likelihood" if summary.model else ""))]
        for level in summary.levels:
            more = ""
            if level.log_odds is not None:
                more = f"  {_signed(level.log_odds):>8}  {100 * (level.likelihood or 0):>8.0f} %"
            lines.append(f"{level.name:<26}{level.n:>12,}  {_signed(level.steps):>18}{more}")
    return "\n".join(lines)


def render_panel_report(summary: PanelSummary) -> str:
    """Write a summary as a whole HTML page.

    Examples
    --------
    >>> from predictor.panels.cards import Cards
    >>> from predictor.panels.summary import summarise_panels
    >>> from predictor.sources.simulation_teams import simulate_team
    >>> summary = summarise_panels(Cards.from_ratings(simulate_team(40, seed=1).cards))
    >>> page = render_panel_report(summary)
    >>> "SIMULATED" in page, "R-001" in page
    (True, False)
    """
    agreed = summary.agreement
    tiles = [
        Tile(
            "Scorecards",
            f"{summary.cards:,}",
            f"of {plural(summary.raters, 'rater')}",
            _per_rater(summary) + _not_in_rows(summary),
        ),
        Tile("Applications", f"{summary.applications:,}", f"of {_people(summary)}", f"{_sizes(summary)}."),
    ]
    if agreed:
        one, panel = agreed.single, agreed.panel
        words = "ICC(2,1): the share of the differences between scorecards that is due to the person."
        of_panels = "ICC(2,k): the same share for the means of panels."
        tiles += [
            Tile("One rater", f"{one.value:.2f}", _span(one), words),
            Tile(f"A panel of {agreed.size:.2g}", f"{panel.value:.2f}", _span(panel), of_panels),
        ]
    return render_html(
        Page(
            kind="Panels",
            day=datetime.now(UTC).date().isoformat(),
            name=Path(summary.source).name,
            simulated="SIMULATED: these scorecards were made up by a program." if summary.simulated else "",
            lede=_lede(summary),
            tiles=tiles,
            warnings=[reason for reason in (_why(summary), INFLATED if agreed else "") if reason],
            sections=[*_sections(summary)],
            footer=FOOTER,
        )
    )


def save_panel_report(summary: PanelSummary, path: str | Path) -> Path:
    """Write the page to a file, atomically."""
    return write_text(path, render_panel_report(summary))


def _sections(summary: PanelSummary) -> Iterator[Section]:
    yield Section("How far raters agree", [*_agreement(summary)])
    yield Section("Each signal", [*_signals(summary)])
    yield Section("How high panels rate", [*_leniency(summary)])
    yield Section("How it is computed", [*_method(summary)])


def _agreement(summary: PanelSummary) -> Iterator[Part]:
    yield from _agreement_sentences(summary)
    if agreed := summary.agreement:
        person, rater, rest = agreed.shares
        yield Table(
            ("Variance of scorecards' means that is due to", "Share", "90 % interval", "n"),
            [
                (name, percent(share.value), f"{percent(share.low)} to {percent(share.high)}", f"{share.n:,}")
                for name, share in (
                    ("the person", person),
                    ("the rater's leniency", rater),
                    ("how a rater differs on one person, and chance", rest),
                )
            ],
            caption="Where the differences between scorecards come from; n: applications with two raters at a stage",
        )


def _signals(summary: PanelSummary) -> Iterator[Part]:
    labels = summary.catalogue.labels
    if not any(spread.n for spread in summary.spreads):
        means = [(labels[item.name], f"{item.cards:,}", f"{item.mean:.2f}") for item in summary.spreads]
        yield Table(("Signal", "Scorecards", "Mean"), means, caption="Mean rating of each signal, all raters together")
        return
    alphas = {item.name: item.alpha for item in summary.agreement.signals} if summary.agreement else {}
    drawn: dict[str, Score] = {labels[name]: alpha for name, alpha in alphas.items() if alpha}
    rows = []
    for spread in summary.spreads:
        alpha = alphas.get(spread.name)
        figures = (
            (f"{alpha.value:.2f}", _span(alpha))
            if alpha
            else ("", "too few" if spread.n < LEAST_RATED_TWICE else "all alike")
        )
        between = ("", "") if spread.within is None else (f"{spread.within:.2f}", percent(spread.far or 0.0))
        rows.append(
            (labels[spread.name], f"{spread.cards:,}", f"{spread.mean:.2f}", *between, *figures, f"{spread.n:,}")
        )
    agreement = ("Between raters", f"{FAR} steps apart", "Alpha", "90 % interval", "Rated twice")
    table = Table(("Signal", "Scorecards", "Mean", *agreement), rows, caption=BETWEEN)
    if drawn:
        words = "; ".join(f"{name} {score}, n = {score.n:,}" for name, score in drawn.items())
        yield Drawing(
            inline_svg(
                interval_plot(drawn, "Krippendorff's alpha, 90 % interval", reference=0.0),
                "alpha",
                "Agreement on each signal",
                words,
            ),
            "1 is full agreement; the line at 0 is agreement by chance.",
            table,
        )
    else:
        yield table


def _leniency(summary: PanelSummary) -> Iterator[Part]:
    yield from _leniency_sentences(summary)
    if not summary.levels:
        return
    head = ["The panel usually rates", "Applications", UNIT]
    rows = [[level.name, f"{level.n:,}", _signed(level.steps)] for level in summary.levels]
    if summary.model:
        head += ["Log-odds in the model", "Likelihood at its base rate"]
        for row, level in zip(rows, summary.levels, strict=True):
            row += [_signed(level.log_odds or 0.0), percent(level.likelihood or 0.0)]
    yield Table(head, rows, caption="Applications by how high their panel rates, its own scorecards left out")
    if summary.model:
        yield Note(
            f"The model {summary.model} has this level as an input beside the ratings: the same ratings count for less "
            "from a panel that rates high, as far as outcomes show it. Likelihoods are for an interview that is "
            "average in everything else."
        )


def _method(summary: PanelSummary) -> Iterator[Part]:
    yield (
        "Raters are compared on the same person at the same stage. "
        "A scorecard counts as the mean of what it rates, each signal against its own mean at that stage. The variance "
        "of these means is split into people, raters and the rest (crossed random effects, REML). ICC(2,1) and "
        "ICC(2,k) follow from the parts: raters are taken as a sample of those who might rate, so no ICC(3,k) is "
        "given. Alpha is Krippendorff's, ordinal."
    )
    yield (
        "The fewer scorecards a rater has, the more the estimate of how high they rate is drawn towards 0. A panel's "
        "is the mean over its raters, without the application itself. Outcomes are ignored."
    )
    yield Note(
        "Intervals are 90 %, by leaving out a part of the people at a time (jackknife); they do not include the "
        "uncertainty of which raters were chosen."
    )


def _lede(summary: PanelSummary) -> str:
    if summary.agreement is None:
        return f"How far these raters agree is {summary.identification.agreement_obstacle}."
    person, panel = summary.agreement.single, summary.agreement.panel
    return (
        f"Of the differences between scorecards of one rater each, {percent(person.value)} ({percent(person.low)} to "
        f"{percent(person.high)}) are due to the person who was rated; with a panel of {summary.agreement.size:.2g}, "
        f"{percent(panel.value)} ({percent(panel.low)} to {percent(panel.high)}), n = {person.n:,}. The rest is due "
        "to raters and chance: where it is large, more raters help."
    )


def _counts(summary: PanelSummary) -> str:
    return (
        f"{plural(summary.cards, 'scorecard')} of {plural(summary.raters, 'rater')} on "
        f"{plural(summary.applications, 'application')} of {_people(summary)}: {_sizes(summary)}."
        f"{_not_in_rows(summary)} "
        f"{_per_rater(summary)}"
    )


def _sizes(summary: PanelSummary) -> str:
    return ", ".join(f"{n:,} with {plural(k, 'rater')}" for k, n in summary.panels.items())


def _people(summary: PanelSummary) -> str:
    return "1 person" if summary.people == 1 else f"{summary.people:,} people"


def _not_in_rows(summary: PanelSummary) -> str:
    """State why there are more scorecards than an import used in rows."""
    if not summary.not_in_rows:
        return ""
    kinds = ", ".join(f"{n:,} {USES.get(use, use)}" for use, n in summary.not_in_rows.items())
    return f" In no row of the import: {kinds}."


def _no_alpha(item: SignalAgreement) -> str:
    return "too few rated twice" if item.n < LEAST_RATED_TWICE else "all rated alike"


def _per_rater(summary: PanelSummary) -> str:
    low, middle, high = summary.per_rater
    return f"Half of the raters gave {low:.0f} to {high:.0f} scorecards, the median is {middle:.0f}."


def _agreement_sentences(summary: PanelSummary) -> Iterator[str]:
    if summary.agreement is None:
        yield f"Agreement is {summary.identification.agreement_obstacle}."
        return
    single, panel, k = summary.agreement.single, summary.agreement.panel, summary.agreement.size
    yield (
        f"One rater: ICC(2,1) {single.value:.2f} ({_span(single)}), n = {single.n:,} applications with two raters or "
        f"more at one stage. A panel of {k:.2g}: ICC(2,k) {panel.value:.2f} ({_span(panel)})."
    )


def _leniency_sentences(summary: PanelSummary) -> Iterator[str]:
    if summary.leniency_sd is None:
        yield f"How high raters rate is {summary.identification.leniency_obstacle}."
        return
    if not summary.leniency_sd:
        yield "Raters differ in how high they rate by no more than chance explains."
        return
    yield (
        f"Raters differ in how high they rate: the standard deviation is {summary.leniency_sd:.2f} steps of the scale, "
        f"n = {plural(summary.raters, 'rater')}. {summary.noticeable:,} of {summary.applications:,} applications "
        f"were rated by a panel that rates {NOTICEABLE:g} steps of the scale or more higher or lower than others."
    )


def _why(summary: PanelSummary) -> str:
    """Describe why leniency cannot be distinguished from the people met, if so."""
    if summary.assigned_at_random:
        return (
            "That people are assigned to raters at random is your assumption; if it does not hold, a rater of strong "
            "people looks lenient."
        )
    if not summary.identification.leniency_obstacle or summary.leniency_sd is None:
        return ""
    return (
        f"How severe raters are is {summary.identification.leniency_obstacle}. The figures show how high they rate, "
        "whatever the reason."
    )


def _span(score: Score) -> str:
    return span(score.low, score.high)


def _signed(value: float) -> str:
    return signed(value) if value == value else ""
