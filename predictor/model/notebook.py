"""How a prediction and a model are displayed in a notebook: self-contained HTML.

Text takes the notebook's own colour, and marks have colours that stand out from white and from near black, so one
picture serves light and dark. All text is escaped: labels come from people's own catalogues and files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from predictor.model.wording import CAVEAT

if TYPE_CHECKING:
    from predictor.model.offer_model import OfferModel
    from predictor.model.prediction import Prediction

FOR, AGAINST, MARK = "#2e86c8", "#cf6a1f", "#b3471f"  # each at least 3:1 against white and against #111
MOST_REASONS, MOST_SHAPES = 8, 12
_TABLE = "border-collapse:collapse;font-size:.95em;margin:.6em 0;font-variant-numeric:tabular-nums"
_CELL = "padding:.15em .9em .15em 0;text-align:{};border:0;background:none;color:inherit;white-space:{}"


def prediction_html(prediction: Prediction) -> str:
    """Show an answer: the likelihood on its interval, what spoke for it and against it, and what to bear in mind.

    Parameters
    ----------
    prediction
        What a model answered.

    Returns
    -------
    str
        HTML with inline SVG, without scripts, styles or addresses of other files.
    """
    interval, base_rate = prediction.interval, prediction.base_rate
    head = f"Likelihood of an offer: {percent(prediction.offer_probability)}"
    span = f"{percent(interval.level)} interval {percent(interval.low)} to {percent(interval.high)}"
    trained_on = prediction.model["trained_on"]
    about = (
        f"base rate {percent(base_rate)}. Model {prediction.model['name']}, trained on {trained_on['n']:,} interviews."
    )
    reasons = sorted((item for item in prediction.contributions if item.log_odds), key=lambda item: -abs(item.log_odds))
    shown, rest = reasons[:MOST_REASONS], reasons[MOST_REASONS:]
    largest = max((abs(item.log_odds) for item in shown), default=1.0)
    rows = [
        (_words(item.signal), "" if item.rating is None else _rating(item.rating), _signed(item.log_odds),
         _bar(item.log_odds, largest))
        for item in shown
    ]  # fmt: skip
    if rest:
        rows.append((f"and {len(rest)} smaller", "", _signed(sum(item.log_odds for item in rest)), ""))
    notes = [*prediction.notes, CAVEAT]
    return page(
        bool(trained_on["simulated"]),
        head,
        f"{span}; {about}",
        _interval_bar(prediction.offer_probability, interval.low, interval.high, base_rate, f"{head}, {span}"),
        table(("What spoke for or against it", "rated", "log-odds", ""), rows) if rows else "",
        lines(notes),
    )


def model_html(model: OfferModel) -> str:
    """Show a model: what each rating adds, for the most important signals, with 90 % intervals.

    Parameters
    ----------
    model
        The model.

    Returns
    -------
    str
        HTML as of `prediction_html`.
    """
    shapes = model.shape_functions()
    shapes = shapes[shapes["low"].notna() & shapes["rating"].notna() & (shapes["n"] > 0)]
    names = [name for name in model.feature_importances if (shapes["signal"] == name).any()][:MOST_SHAPES]
    catalogue = model.catalogue
    labels = catalogue.labels
    shapes = shapes[shapes["signal"].isin(names)]
    reach = max(float(shapes[["log_odds", "low", "high"]].abs().max().max()), 0.05) if len(shapes) else 1.0
    panels = "".join(
        '<figure style="margin:0;width:13em"><figcaption style="font-size:.85em;line-height:1.25;min-height:2.5em;'
        f'overflow-wrap:anywhere">{escape(_short(labels[name]))}</figcaption>'
        f"{_shape(shapes[shapes['signal'] == name].to_dict('records'), reach, labels[name])}</figure>"
        for name in names
    )
    trained_on = model.trained_on
    left = len(model.feature_importances) - len(names)
    smaller = f" The {left} less important ones are in model.shape_functions()." if left > 0 else ""
    return page(
        model.simulated,
        f"Model {model.name}",
        f"{len(model.signals)} signals of the catalogue {catalogue.name}; trained on "
        f"{trained_on['n']:,} interviews from {trained_on['source']}; base rate {percent(model.base_rate)}.",
        f'<div style="display:flex;flex-wrap:wrap;gap:.8em 1.2em;margin:.6em 0">{panels}</div>',
        lines(
            [
                f"Log-odds that a rating adds, from -{reach:.2f} to +{reach:.2f} in each panel; shaded: 90 % interval. "
                f"Most important first.{smaller}",
                CAVEAT,
            ]
        ),
    )


class Drawn(str):
    """SVG of our own making, which is not escaped."""

    __slots__ = ()


def page(simulated: bool, head: str, about: str, *parts: str) -> str:
    """Build HTML from a heading, with a mark where SIMULATED, a line about it, and parts that are HTML already."""
    mark = (
        f' <span style="background:{MARK};color:#fff;border-radius:.25em;padding:.1em .5em;font-size:.75em">SIMULATED'
        "</span>"
    )
    return (
        '<div style="color:inherit;max-width:56em;line-height:1.45">'
        f'<div style="font-size:1.2em;font-weight:600;overflow-wrap:anywhere">{escape(head)}{mark if simulated else ""}'
        f'</div><div style="overflow-wrap:anywhere">{escape(about)}</div>{"".join(parts)}</div>'
    )


def lines(texts: Iterable[str]) -> str:
    """Write small lines of text, which is escaped."""
    return "".join(f'<div style="font-size:.88em;overflow-wrap:anywhere">{escape(text)}</div>' for text in texts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out text, which is escaped, and drawings, which are not."""
    first, others = _CELL.format("left", "normal"), _CELL.format("right", "nowrap")
    styles = [first, *(others for _ in head[1:])]

    def line(cells: Sequence[str], tag: str) -> str:
        columns = (
            f'<{tag} style="{style}">{cell if isinstance(cell, Drawn) else escape(cell)}</{tag}>'
            for cell, style in zip(cells, styles, strict=True)
        )
        return f'<tr style="background:none">{"".join(columns)}</tr>'

    body = "".join(line(cells, "td") for cells in rows)
    return f'<table style="{_TABLE}"><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table>'


def svg(width: float, height: float, title: str, inside: str) -> Drawn:
    """Build a picture from elements that are SVG already; `title` is its text for screen readers."""
    return Drawn(
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" style="max-width:100%;display:inline-block;vertical-align:middle">'
        f"<title>{escape(title)}</title>{inside}</svg>"
    )


def _interval_bar(value: float, low: float, high: float, base_rate: float, title: str) -> str:
    """Draw 0 to 100 % with the interval, the likelihood on it and a tick at the base rate."""

    def x(share: float) -> str:
        return f"{20 + 440 * share:.1f}"

    ticks = "".join(
        f'<text x="{x(share)}" y="48" font-size="11" text-anchor="middle" fill="currentColor">{percent(share)}</text>'
        for share in (0.0, 0.5, 1.0)
    )
    inside = (
        f'<line x1="{x(0)}" x2="{x(1)}" y1="20" y2="20" stroke="currentColor" stroke-opacity=".35" stroke-width="2"/>'
        f'<line x1="{x(low)}" x2="{x(high)}" y1="20" y2="20" stroke="{FOR}" stroke-width="8" stroke-linecap="round"/>'
        f'<line x1="{x(base_rate)}" x2="{x(base_rate)}" y1="8" y2="32" stroke="currentColor" stroke-width="2"/>'
        f'<circle cx="{x(value)}" cy="20" r="8" fill="{FOR}" stroke="#fff" stroke-width="2"/>{ticks}'
    )
    return f'<div style="margin:.5em 0">{svg(480, 52, f"{title}; the tick is the base rate", inside)}</div>'


def _bar(value: float, largest: float) -> str:
    """Draw a bar to the right of the middle where it speaks for an offer, else to the left."""
    length = 58 * abs(value) / largest
    start = 60.0 if value > 0 else 60 - length
    inside = (
        f'<rect x="{start:.1f}" y="2" width="{length:.1f}" height="10" fill="{FOR if value > 0 else AGAINST}"/>'
        '<line x1="60" x2="60" y1="0" y2="14" stroke="currentColor" stroke-opacity=".6"/>'
    )
    return svg(120, 14, _signed(value), inside)


def _shape(levels: Sequence[Mapping[Any, Any]], reach: float, label: str) -> str:
    """Draw what each level of a signal adds: a line between ratings, points alone for words."""
    numbers = [level for level in levels if not isinstance(level["rating"], str)]
    ratings = [float(level["rating"]) for level in numbers]
    low, high = min(ratings, default=0.0), max(ratings, default=1.0)
    words = [level for level in levels if isinstance(level["rating"], str)]
    room = 176 - 26 * len(words) if numbers else 0.0  # words stand apart, to the right

    def x(level: Mapping[Any, Any]) -> float:
        if isinstance(level["rating"], str):
            return room + (176 - room) * (words.index(level) + 0.5) / len(words)
        return 14 + (room - 28) * (float(level["rating"]) - low) / ((high - low) or 1.0)

    def y(value: float) -> float:
        return 40 - 34 * value / reach

    def path(points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)

    band = [(x(item), y(item["low"])) for item in numbers] + [(x(item), y(item["high"])) for item in reversed(numbers)]
    parts = ['<line x1="4" x2="172" y1="40" y2="40" stroke="currentColor" stroke-opacity=".35"/>']
    parts.append(f'<polygon points="{path(band)}" fill="{FOR}" fill-opacity=".25"/>')
    line = path((x(item), y(item["log_odds"])) for item in numbers)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{FOR}" stroke-width="2"/>')
    for item in words:
        at = f'x1="{x(item):.1f}" x2="{x(item):.1f}" y1="{y(item["low"]):.1f}" y2="{y(item["high"]):.1f}"'
        parts.append(f'<line {at} stroke="{FOR}" stroke-opacity=".5" stroke-width="4"/>')
    parts += [f'<circle cx="{x(item):.1f}" cy="{y(item["log_odds"]):.1f}" r="2.8" fill="{FOR}"/>' for item in levels]
    for item in [*numbers[:1], *numbers[1:][-1:], *words]:
        text = escape(_short(_rating(item["rating"]), 11))
        at = f'x="{x(item):.1f}" y="92" font-size="9" text-anchor="middle" fill="currentColor"'
        parts.append(f"<text {at}>{text}</text>")
    title = ", ".join(f"{_rating(item['rating'])}: {_signed(item['log_odds'])}" for item in levels)
    return svg(176, 96, f"{label}; {title}", "".join(parts))


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _short(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _rating(rating: Any) -> str:
    return rating if isinstance(rating, str) else f"{rating:.4g}"


def _signed(value: float) -> str:
    return f"{round(float(value), 2) + 0.0:+.2f}"


def percent(share: float) -> str:
    """Write a share, 0 to 1, as whole per cent."""
    return f"{100 * share:.0f} %"
