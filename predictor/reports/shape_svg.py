"""A shape function as SVG, written directly: a page has dozens, and matplotlib takes a tenth of a second for each.

It looks as `predictor.reports.figures.tables.draw_shape` draws it, in points of the same panel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from predictor.reports.figures.style import printable_letters
from predictor.reports.figures.tables import shape_axis

if TYPE_CHECKING:
    import pandas as pd

    from predictor.model.tables import Floats

WIDTH, HEIGHT = 180.0, 126.0
LEFT, RIGHT, TOP = 28.8, 178.2, 3.8  # of the axes
ROOM, ROOM_OF_WORDS = 16.4, 25.2  # below them; words take two lines
TICKS = 6  # steps of the axis of log-odds, at most
_ASCENT, _LINE = 0.76, 1.17  # height of a letter and of a line of DejaVu Sans, by size of the font
_PAD = 3.5  # between axis and label
_CAP, _RADIUS = 2.5, 2.25


def shape_svg(shape: pd.DataFrame, reach: float, name: str, title: str, description: str) -> Markup:
    """Draw a shape function with its interval, and the rows learned from in grey behind it, for an HTML page.

    Parameters
    ----------
    shape
        The rows of one signal or input, of `OfferModel.shape_functions`.
    reach
        Half the height of the axis of log-odds, above 0; the same for all that are compared.
    name
        Letters, digits and hyphens, another for each figure of a page.
    title, description
        Text for screen readers: what the figure shows.

    Returns
    -------
    Markup
        `<svg role="img">` in the page's CSS variables, as `inline_svg` gives it.

    Examples
    --------
    >>> from predictor import OfferModel
    >>> shapes = OfferModel.published().shape_functions()
    >>> drawn = shape_svg(shapes[shapes["signal"] == "goals_discussed"], 1.0, "goals", "Goals", "They rise.")
    >>> drawn.startswith("<svg"), "<title" in drawn, "var(--hue-1)" in drawn
    (True, True, True)
    """
    parts = Markup("").join(Markup(part) for part in _parts(shape, reach))
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {:.0f} {:.0f}" role="img" style="--width: {:.0f}" '
        'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{}</title><desc id="{name}-desc">{}</desc>'
        "{}</svg>"
    ).format(WIDTH, HEIGHT, WIDTH, *map(printable_letters, (title, description)), parts, name=name)


def _parts(shape: pd.DataFrame, reach: float) -> Iterator[str]:
    """Write elements from the back to the front."""
    axis = shape_axis(shape)
    bottom = HEIGHT - (ROOM_OF_WORDS if axis.word else ROOM)
    log_odds, low, high = (shape[column].to_numpy() for column in ("log_odds", "low", "high"))
    count = 0 if axis.word else axis.count

    def across(place: Any) -> Any:
        start, end = axis.limits
        return LEFT + (place - start) / (end - start) * (RIGHT - LEFT)

    def up(value: Any) -> Any:
        return bottom - (value + reach) / (2 * reach) * (bottom - TOP)

    x, y, ends = across(axis.places), up(log_odds), (up(low), up(high))
    half = across(0.4) - across(0.0)
    bars = [f"M{at - half:.2f} {bottom:.2f}v{-share * (bottom - TOP):.2f}h{2 * half:.2f}V{bottom:.2f}z"
            for at, share in zip(x, axis.shares, strict=True) if share > 0]  # fmt: skip
    yield f'<path fill="var(--grid)" d="{"".join(bars)}"/>'
    ticks = _ticks(reach)
    grid = "".join(f"M{LEFT} {up(tick):.2f}H{RIGHT}" for tick in ticks)
    yield f'<path fill="none" stroke="var(--grid)" stroke-width="0.8" d="{grid}"/>'
    if count:
        band = _line(
            np.concatenate([x[:count], x[:count][::-1]]), np.concatenate([ends[0][:count], ends[1][:count][::-1]])
        )
        yield f'<path fill="var(--hue-1)" fill-opacity="0.2" d="{band}z"/>'
    yield f'<path stroke="var(--faint)" stroke-width="0.8" d="M{LEFT} {up(0.0):.2f}H{RIGHT}"/>'
    if count:
        line = _line(x[:count], y[:count])
        yield f'<path fill="none" stroke="var(--hue-1)" stroke-width="1.8" stroke-linecap="square" d="{line}"/>'
    inner = range(count, len(x) - 1)  # no order, hence no line
    if inner:
        whiskers = "".join(
            f"M{x[i]:.2f} {ends[0][i]:.2f}V{ends[1][i]:.2f}"
            + "".join(f"M{x[i] - _CAP:.2f} {end[i]:.2f}h{2 * _CAP}" for end in ends)
            for i in inner
            if ends[0][i] == ends[0][i]  # else it has no interval
        )
        yield f'<path fill="none" stroke="var(--hue-1)" stroke-width="1.5" d="{whiskers}"/>'
    if count and count < 12:
        yield from _points(x[:count], y[:count], 1.75, "hue-1")
    yield from _points(x[inner.start : inner.stop], y[inner.start : inner.stop], _RADIUS, "hue-1")
    yield from _points(x[-1:], y[-1:], _RADIUS, "card")
    yield f'<path fill="none" stroke="var(--faint)" stroke-width="0.8" d="M{LEFT} {TOP}V{bottom:.2f}H{RIGHT}"/>'
    size = 7.0 if axis.word else 8.0
    yield f'<g fill="var(--ink)" style="font-size: {size:g}px" text-anchor="middle">'
    for at, label in zip(across(axis.ticks), axis.labels, strict=True):
        below = bottom + _PAD + size * (_ASCENT + _LINE * label.count("\n"))
        yield f'<text x="{at:.2f}" y="{below:.2f}">{escape(printable_letters(label.lstrip()))}</text>'
    yield '</g><g fill="var(--ink)" style="font-size: 8px" text-anchor="end">'
    decimals = max(len(f"{tick:.4f}".rstrip("0").partition(".")[2]) for tick in ticks)
    for tick in ticks:
        label = f"{tick + 0.0:.{decimals}f}".replace("-", "\u2212")
        yield f'<text x="{LEFT - _PAD:.2f}" y="{up(tick) + 8 * _ASCENT / 2:.2f}">{label}</text>'
    yield "</g>"


def _ticks(reach: float) -> list[float]:
    """Choose round log-odds from -reach to reach, 0 among them, in steps of 1, 2, 2.5 or 5 times a power of ten."""
    least = 2 * reach / TICKS
    power = 10.0 ** np.floor(np.log10(least))
    step = next(step for step in (power, 2 * power, 2.5 * power, 5 * power, 10 * power) if step >= least * (1 - 1e-9))
    most = int(reach / step + 1e-9)
    return [round(float(step * place), 6) for place in range(-most, most + 1)]


def _line(x: Floats, y: Floats) -> str:
    return "M" + "L".join(f"{across:.2f} {up:.2f}" for across, up in zip(x, y, strict=True))


def _points(x: Iterable[float], y: Iterable[float], radius: float, fill: str) -> Iterator[str]:
    for across, up in zip(x, y, strict=True):
        yield (f'<circle cx="{across:.2f}" cy="{up:.2f}" r="{radius}" fill="var(--{fill})" stroke="var(--hue-1)"/>')
