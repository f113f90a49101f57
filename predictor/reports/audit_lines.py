"""An audit in the terminal, in at most 80 columns: scoring rates by group, and the lowest of the other ratios."""

from __future__ import annotations

from collections.abc import Iterator

from predictor.evaluation.audited import WORDS, AuditedModel
from predictor.reports.audit_report import SHOWN_FROM, TITLES, answered, verdict
from predictor.reports.format import number, span


def audit_lines(audited: AuditedModel) -> Iterator[str]:
    """Write an audit for the terminal."""
    found = audited.audit
    kind = "SIMULATED rows" if audited.simulated else "rows"
    yield f"{audited.model.name}: {found.n:,} {kind} of {found.people:,} people; {answered(audited)}"
    for axis in found.axes:
        yield ""
        yield f"{'By ' + axis.name:<30}{'n':>6}{'scoring':>9}{'ratio':>7}  {'90 % interval':<14}four fifths"
        for item in axis.categories:
            figure = item.figures[SHOWN_FROM]
            ratio = f"{figure.ratio.value:.2f}" if figure.ratio else ("1" if figure.comparator else "")
            interval = span(figure.ratio.low, figure.ratio.high) if figure.ratio else ""
            name = item.name if len(item.name) <= 28 else f"{item.name[:25]}..."
            rate = f"{100 * figure.rate.value:.0f} %" if figure.rate else ""
            words = "under 2 %" if item.small_share else verdict(figure)
            yield f"  {name:<28}{item.n:>6,}{rate:>9}{ratio:>7}  {interval:<14}{words}".rstrip()
        yield f"  {'not known':<28}{axis.unknown:>6,}"
        for name in ("selected", "offers"):
            lowest, best = axis.lowest(name), axis.comparator(name)
            if lowest and best and (judged := lowest.figures[name].ratio):
                ratio = f"{number(judged.value)} ({span(judged.low, judged.high)})"
                yield f"  {TITLES[name]}: lowest ratio {ratio}, {lowest.name}"
                yield f"    against {best.name}: {verdict(lowest.figures[name])}"
    if told := [item for item in audited.proxies if item.auc and item.auc.low > 0.5]:
        yield ""
        yield "Signals foretell, better than chance:"
        for proxy in told:
            yield f"  {proxy.axis}: {proxy.category}, ROC AUC {proxy.auc}"
    yield ""
    yield WORDS.partition("; ")[0] + ";"
    yield WORDS.partition("; ")[2]
