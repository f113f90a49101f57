"""The report of an audit: rates and impact ratios by group, calibration, errors, what leaving signals out changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from predictor.evaluation.audit import LEAST_ROWS, MEANINGS, AxisAudit, Category, GroupRate, ImpactRatio
from predictor.evaluation.audited import WORDS, AuditResult
from predictor.evaluation.left_out import LeftOut
from predictor.evaluation.scores import Score
from predictor.reports.figures.curves import interval_plot
from predictor.reports.format import (
    impact_ratio,
    number,
    of_people,
    p_value,
    percent,
    percents,
    signed,
    signed_span,
    span,
    verdict_words,
)
from predictor.reports.page import Drawing, Facts, Folded, Note, Page, Section, Table, Tile, render_html
from predictor.reports.svg import inline_svg

SHOWN_FROM = "above_median"  # the figure that headlines use: this is a tool that scores
WIDEST = 2.0  # of a ratio in a figure; ends beyond it are cut there
TITLES = {"above_median": "Scoring rate", "selected": "Selection rate", "offers": "Offers, as people decided"}
CALIBRATION = ("Predicted", "Offers", "Offers minus predicted", "90 % interval", "Slope", "90 % interval", "n")
ERRORS = ("ROC AUC", "90 % interval", "False positive", "90 % interval", "False negative", "90 % interval", "n")
FOUR_FIFTHS = (
    "The four-fifths rule of thumb ignores chance, so read it with the interval; it is computed from whole numbers. "
    "The interval also allows for chance in which category has the highest rate."
)


def audit_page(audited: AuditResult) -> Page:
    """Build the report of an audit.

    Parameters
    ----------
    audited
        What `predictor.pipeline.audit_run.audit_model` returned.
    """
    result = audited.audit
    sections = [
        *(_axis(axis, result.threshold) for axis in result.axes),
        _quality(audited),
        _proxies(audited),
        _left_out(audited),
        _made(audited),
    ]
    kind = "SIMULATED rows" if audited.simulated else "rows"
    return Page(
        kind="Audit by group",
        day=audited.made[:10],
        name=audited.model.name,
        simulated="SIMULATED: these figures are of simulated interviews and say nothing about real people."
        if audited.simulated
        else "",
        lede=f"{_headline(audited)} {WORDS}",
        tiles=[
            *(tile for axis in result.axes for tile in _tiles(axis)),
            Tile("Audited", f"{result.n:,}", f"{kind}{people_words(audited)}", predicted_by(audited)),
        ],
        warnings=audited.warnings,
        quiet="No warnings for these rows.",
        sections=sections,
    )


def render_audit_page(audited: AuditResult) -> str:
    """Render the report of an audit as HTML; see `audit_page`."""
    return render_html(audit_page(audited))


def predicted_by(audited: AuditResult) -> str:
    """Describe which models predicted the rows."""
    parts = []
    if audited.n_out_of_fold:
        parts.append(f"{audited.n_out_of_fold:,} predicted by models that had not seen them")
    if audited.n_new:
        parts.append(f"{audited.n_new:,} by the model itself")
    return "; ".join(parts) + "."


def people_words(audited: AuditResult) -> str:
    """Describe how many people the rows are of, if that is known."""
    return of_people(audited.audit.people, audited.model.catalogue.group is not None)


def _headline(audited: AuditResult) -> str:
    lowest_ratios = []
    for axis in audited.audit.axes:
        for lowest, best, ratio in lowest_ratio(axis, SHOWN_FROM):
            lowest_ratios.append(f"by {axis.name} {ratio_text(ratio)}: {lowest.name} against {best.name}")
    if not lowest_ratios:
        return "No impact ratio can be judged: two categories of at least 30 rows are needed."
    return f"The lowest impact ratio of scoring rates is {'; '.join(lowest_ratios)}."


def lowest_ratio(axis: AxisAudit, name: str) -> Iterator[tuple[Category, Category, ImpactRatio]]:
    """Yield the category with the lowest ratio, that with the highest rate, and the ratio; nothing without a ratio."""
    lowest, best = axis.lowest(name), axis.comparator(name)
    if lowest and best and (ratio := lowest.figures[name].ratio):
        yield lowest, best, ratio


def _tiles(axis: AxisAudit) -> Iterator[Tile]:
    for lowest, best, ratio in lowest_ratio(axis, SHOWN_FROM):
        against = f"{lowest.name} against {best.name}, n = {lowest.n:,} and {best.n:,}"
        words = f"{against}; {four_fifths_words(lowest.figures[SHOWN_FROM])} the four-fifths threshold."
        value = impact_ratio(ratio.value, ratio.below_four_fifths)
        yield Tile(f"Scoring rates by {axis.name}", value, span(ratio.low, ratio.high), words)


def _axis(axis: AxisAudit, threshold: float) -> Section:
    unknown = f"{axis.unknown:,} rows have no known category and are in no table below"
    if axis.unknown_words and axis.unknown:
        words = ", ".join(f"{word or 'empty'} {count:,}" for word, count in axis.unknown_words[:6])
        unknown += f" ({words})"
    parts: list[str | Note | Table | Drawing] = [f"{axis.known:,} rows; {unknown}."]
    if small := [item for item in axis.categories if item.small_share]:
        names = ", ".join(f"{item.name} ({item.n:,})" for item in small)
        parts.append(f"Under 2 % of the rows, so without a ratio and never the reference category: {names}.")
    drawn = {
        item.name: _clipped(ratio, item.n)
        for item in axis.categories
        if (ratio := item.figures[SHOWN_FROM].ratio) and not item.figures[SHOWN_FROM].few
    }
    if drawn:
        label = "Impact ratio of scoring rates, 90 % interval"
        svg = inline_svg(
            interval_plot(drawn, label, reference=0.8),
            "-".join(["ratios", *axis.name.split()]),
            f"Impact ratios by {axis.name}",
            "; ".join(f"{name} {score}" for name, score in drawn.items()),
        )
        best = axis.comparator(SHOWN_FROM)
        parts.append(Drawing(svg, f"Dashed: four fifths of the scoring rate of {best.name if best else 'none'}."))
    parts += [_rates(axis, name, threshold) for name in TITLES]
    parts.append(Note(FOUR_FIFTHS))
    return Section(f"By {axis.name}", parts)


def ratio_text(ratio: ImpactRatio) -> str:
    """Write a ratio with its interval."""
    return f"{impact_ratio(ratio.value, ratio.below_four_fifths)} ({span(ratio.low, ratio.high)})"


def _clipped(ratio: ImpactRatio, n: int) -> Score:
    return Score(min(ratio.value, WIDEST), min(ratio.low, WIDEST), min(ratio.high, WIDEST), n)


def _rates(axis: AxisAudit, name: str, threshold: float) -> Table:
    figures = ("Impact ratio (90 % interval)", "Four fifths", "Rate (90 % interval)", "Exact p", "n")
    rows = []
    for item in axis.categories:
        figure = item.figures[name]
        rate, ratio = figure.rate, figure.ratio
        rows.append(
            (
                item.name,
                ratio_text(ratio) if ratio else "1" if figure.comparator else "",
                "under 2 %" if item.small_share else four_fifths_words(figure),
                f"{percent(rate.value)} ({percents(rate.low, rate.high)})" if rate else "",
                p_value(ratio.p) if ratio else "",
                f"{rate.n if rate else 0:,}",
            )
        )
    at = f" (likelihood of {percent(threshold)} or more)" if name == "selected" else ""
    head = (axis.name.capitalize(), *figures)
    return Table(head, rows, caption=f"{TITLES[name]}{at}, by {axis.name}. {MEANINGS[name]}")


def four_fifths_words(figure: GroupRate) -> str:
    """Describe how a category compares with four fifths of the highest rate."""
    below = figure.ratio.below_four_fifths if figure.ratio else None
    return verdict_words(figure.comparator, figure.few, below)


def _quality(audited: AuditResult) -> Section:
    result = audited.audit
    if not result.outcomes:
        return Section("Calibration and errors", ["No outcome of these rows is known, so none can be measured."])
    parts: list[str | Note | Table] = [
        f"On the {result.outcomes:,} rows with a known outcome. A model that is right on the whole may give one group "
        "too high likelihoods and another too low ones."
    ]
    for axis in result.axes:
        head = (axis.name.capitalize(), *CALIBRATION)
        rows = [_calibration_row(item) for item in axis.categories]
        parts.append(Table(head, rows, caption=f"Calibration by {axis.name}"))
    for axis in result.axes:
        head, errors = (axis.name.capitalize(), *ERRORS), [_error_row(item) for item in axis.categories]
        at = f"at a likelihood of {percent(result.threshold)}"
        parts.append(Table(head, errors, caption=f"Errors by {axis.name}, {at}"))
    parts.append(
        Note(
            "Offers minus predicted: share of offers minus mean likelihood, in points; above 0 the likelihoods are too "
            "low. "
            "False positive: of those without an offer, the share at the threshold or above it; false negative: of "
            "those with one, the share below it. Slope and AUC need 30 rows, five offers and five non-offers. "
            f"Under {LEAST_ROWS} rows are too few to judge."
        )
    )
    return Section("Calibration and errors", parts)


def _calibration_row(item: Category) -> tuple[str, ...]:
    q = item.quality
    if q is None:
        return (item.name, *[""] * 6, "0")
    beyond = signed_span(100 * q.beyond.low, 100 * q.beyond.high, 0)
    return (
        item.name,
        percent(q.predicted),
        percent(q.offers / q.n),
        signed(100 * q.beyond.value, 0),
        beyond,
        number(q.slope.value) if q.slope else "",
        span(q.slope.low, q.slope.high) if q.slope else "",
        _counted(q.n),
    )


def _error_row(item: Category) -> tuple[str, ...]:
    q = item.quality
    if q is None:
        return (item.name, *[""] * 6, "0")
    cells: list[str] = [number(q.auc.value), span(q.auc.low, q.auc.high)] if q.auc else ["", ""]
    for rate in (q.false_positive, q.false_negative):
        cells += [f"{percent(rate.value)} of {rate.n:,}", percents(rate.low, rate.high)] if rate else ["", ""]
    return (item.name, *cells, _counted(q.n))


def _counted(n: int) -> str:
    return f"{n:,}" + (" (few)" if n < LEAST_ROWS else "")


def _proxies(audited: AuditResult) -> Section:
    rows = [
        (
            f"{item.axis}: {item.category}",
            number(item.auc.value) if item.auc else "too few to judge",
            span(item.auc.low, item.auc.high) if item.auc else "",
            _proxy_words(item.auc),
            f"{item.auc.n:,}" if item.auc else "",
        )
        for item in audited.proxies
    ]
    return Section(
        "Can the groups be inferred from the signals?",
        [
            "Groups are joined to the predictions and are never an input. But if the signals predict a group, a model "
            "may use it indirectly. ROC AUC of a logistic regression that predicts the group from all inputs of the "
            "model, on people not seen in fitting; .5 is chance.",
            Table(
                ("Group", "ROC AUC", "90 % interval", "Against chance", "n"),
                rows,
                caption="How well signals predict a group",
            ),
            Note("It cannot detect interactions: a figure near .5 does not prove that the group cannot be inferred."),
        ],
    )


def _proxy_words(auc: Score | None) -> str:
    if auc is None:
        return ""
    return "better than chance" if auc.low > 0.5 else "not beyond chance"


def _left_out(audited: AuditResult) -> Section:
    if not audited.left_out:
        return Section("What leaving something out would change", [audited.left_out_by])
    catalogue = audited.model.catalogue
    labels = {("family", key): label for key, label in catalogue.families.items()}
    labels |= {("signal", item.name): item.label for item in catalogue.signals}
    ratios = audited.left_out[0].ratios
    named = "; ".join(f"by {item.axis} {item.category} against {item.comparator}" for item in ratios)
    parts: list[str | Note | Table | Folded] = [
        f"Predictions without a family or a signal, {audited.left_out_by}, n = {audited.left_out_n:,}. Cost: how much "
        "higher the log-loss is without it than with all signals, on the same rows; above 0 predictions are worse.",
        Note(
            f"Ratios: impact ratios of scoring rates, {named}. They are of these rows and models, so the row 'nothing' "
            "may differ from the ratios above."
            if named
            else "No impact ratio can be judged."
        ),
    ]
    families = [item for item in audited.left_out if item.kind == "family"]
    signals = sorted((item for item in audited.left_out if item.kind == "signal"), key=lambda item: -item.cost.value)
    if families:
        parts.append(_left_out_table(families, labels, "Left out: a family"))
    if signals:
        table = _left_out_table(signals, labels, "Left out: a signal")
        parts.append(Folded("Each signal by itself", table) if families else table)
    parts.append(
        Note(
            "The models are not trained again without the signals; they treat them as not rated. A model trained "
            "without them may do a little better."
        )
    )
    return Section("What leaving something out would change", parts)


def _left_out_table(result: Sequence[LeftOut], labels: Mapping[tuple[str, str], str], caption: str) -> Table:
    head = ["Left out", "Cost (90 % interval)"]
    for item in result[0].ratios:
        head += [f"Ratio by {item.axis}", "Change (90 % interval)"]
    rows = []
    if result[0].ratios:
        before = [cell for item in result[0].ratios for cell in (number(item.before), "")]
        rows.append(["nothing", "", *before])
    for one in result:
        cost = f"{number(one.cost.value, 3)} ({span(one.cost.low, one.cost.high, 3)})"
        row = [labels[one.kind, one.name], cost]
        for item in one.ratios:
            change = item.change
            row += [number(item.after), f"{signed(change.value)} ({signed_span(change.low, change.high)})"]
        rows.append(row)
    return Table(head, rows, caption=caption)


def _made(audited: AuditResult) -> Section:
    result, model = audited.audit, audited.model
    ties = "no row is equal to it"
    if result.tied:
        ties = f"{100 * result.tied:.1f} % of the rows are equal to it, and so not above it"
    facts = [
        ("Rows", f"{result.n:,}{people_words(audited)} from {audited.source}; outcomes: {result.outcomes:,}"),
        ("Predicted", predicted_by(audited)),
        ("Model", f"{model.name}, fingerprint {model.fingerprint}, trained {model.created_at[:10]}"),
        ("Median", f"likelihood {result.median:.6f}, unrounded; {ties}"),
        ("Selected", f"at a likelihood of {percent(result.threshold)} or more"),
        ("Interval of a rate", "90 %, Wilson"),
        ("Interval of a ratio", "90 %, score interval of Miettinen and Nurminen (1985)"),
        ("Test", "Fisher's exact test against the highest rate, two-sided; each p by itself"),
        ("Rows of one person", "correlated; accounted for by a design effect (Rao and Scott 1992)"),
        ("Made", audited.made),
    ]
    return Section("How it was made", [Facts(facts)])


assert set(TITLES) == set(MEANINGS)
