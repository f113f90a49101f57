"""An audit in the terminal, in at most 80 columns: scoring rates by group, and the lowest of the other ratios."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from predictor.evaluation.audit import AxisAudit, Category
from predictor.evaluation.audited import WORDS, AuditResult
from predictor.reports.audit_report import (
    SHOWN_FROM,
    TITLES,
    four_fifths_words,
    lowest_ratio,
    people_words,
    predicted_by,
    ratio_text,
)
from predictor.reports.format import impact_ratio, percent, span
from predictor.reports.text import WIDTH, wrap

NAME = 27  # columns of a category's name


def audit_lines(audited: AuditResult) -> Iterator[str]:
    """Write an audit for the terminal."""
    result = audited.audit
    kind = "SIMULATED rows" if audited.simulated else "rows"
    rows = f"{audited.model.name}: {result.n:,} {kind}{people_words(audited)}; {predicted_by(audited)}"
    yield from textwrap.wrap(rows, WIDTH)
    if result.tied * result.n > 1.5:  # more than the row in the middle
        tied = f"{100 * result.tied:.1f} % of the rows are equal to the median likelihood, and so not above it."
        yield from textwrap.wrap(tied, WIDTH)
    for axis in result.axes:
        yield ""
        head = f"{_short(f'By {axis.name}', NAME + 2):<{NAME + 2}}{'n':>6}{'scoring':>8}{'ratio':>7}"
        yield f"{head}  90 % interval  four fifths"
        yield from (_category(item) for item in axis.categories)
        yield f"  {'not known':<{NAME}}{axis.unknown:>6,}"
        if len(axis.categories) == 1:
            yield "  one category only: nothing to compare"
        yield from _others(axis, result.threshold)
    if predicted := [item for item in audited.proxies if item.auc and item.auc.low > 0.5]:
        yield ""
        yield "Groups that signals predict better than chance, on unseen people:"
        for proxy in predicted:
            yield from wrap(f"{proxy.axis}: {proxy.category}, ROC AUC {proxy.auc}", indent="  ")
    yield ""
    yield from textwrap.wrap(WORDS, WIDTH)


def _category(item: Category) -> str:
    figure = item.figures[SHOWN_FROM]
    ratio, interval = "1" if figure.comparator else "", ""
    if figure.ratio:
        ratio = impact_ratio(figure.ratio.value, figure.ratio.below_four_fifths)
        interval = span(figure.ratio.low, figure.ratio.high)
    rate = percent(figure.rate.value) if figure.rate else ""
    words = "under 2 %" if item.small_share else four_fifths_words(figure)
    return f"  {_short(item.name, NAME):<{NAME}}{item.n:>6,}{rate:>8}{ratio:>7}  {interval:<15}{words}".rstrip()


def _others(axis: AxisAudit, threshold: float) -> Iterator[str]:
    for name in ("selected", "offers"):
        for lowest, best, ratio in lowest_ratio(axis, name):
            at = f" at {percent(threshold)}" if name == "selected" else ""
            text = f"{TITLES[name]}{at}: lowest ratio {ratio_text(ratio)}, {lowest.name} against {best.name}"
            yield from wrap(f"{text}: {four_fifths_words(lowest.figures[name])}", indent="  ")


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
