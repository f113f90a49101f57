"""Figures as SVG inside a page: they take the page's colours, light and dark, and can be read aloud."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

from predictor.reports.figures.style import FAINT, GRID, INK, OTHER, PALETTE, PAPER, SOFT, printable_letters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
# The placeholder for each colour of the plots: the page's style sheet says what it is, in light and in dark.
VARIABLES = {INK: "ink", SOFT: "soft", FAINT: "faint", GRID: "grid", PAPER: "card", OTHER: "other"}
VARIABLES |= {colour: f"hue-{place}" for place, colour in enumerate(PALETTE, 1)}
_VARIABLES = {colour.lower(): f"var(--{name})" for colour, name in VARIABLES.items()}


def inline_svg(figure: Figure, name: str, title: str, description: str) -> Markup:
    """Convert a figure into an SVG element for an HTML page; the same figure gives the same text.

    Parameters
    ----------
    figure
        A matplotlib figure. Its colours (`predictor.reports.figures.style`) become CSS variables, its ground
        transparent.
    name
        Letters, digits and hyphens, another for each figure of a page, so that ids are the page's only ones.
    title, description
        Text for screen readers: what the figure shows.

    Returns
    -------
    Markup
        `<svg role="img">` with a title and a description.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure = Figure()
    >>> _ = figure.subplots().plot([0, 1], color=INK)
    >>> drawn = inline_svg(figure, "line", "A line", "It rises.")
    >>> "var(--ink)" in drawn, 'role="img"' in drawn, "<title" in drawn
    (True, True, True)
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    drawn = io.BytesIO()
    # Text stays text, in the page's font; ids depend on the name alone.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the page's fonts have more letters
        for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
            patch.set_facecolor("none")
        canvas: Any = FigureCanvasSVG(figure)  # it has no types of its own
        canvas.print_svg(drawn, metadata={"Date": None})  # savefig draws everything twice
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(drawn.getvalue())
    for tag in ("metadata", "defs"):  # the first defs is a style of all elements: the page has its own
        if (part := root.find(f"{{{SVG}}}{tag}")) is not None:
            root.remove(part)
    _remove_unused_ids(root)
    width = float(root.attrib.pop("width").removesuffix("pt"))
    del root.attrib["height"]  # the viewBox keeps the proportions
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-desc", "style": f"--width: {width:.0f}"}
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", id=f"{name}-{tag}")
        element.text = printable_letters(text)
        root.insert(place, element)
    text = ElementTree.tostring(root, encoding="unicode")
    return Markup(re.sub(r"#[0-9a-f]{6}\b", lambda match: _VARIABLES.get(match[0], match[0]), _without_fonts(text)))


def _remove_unused_ids(root: ElementTree.Element) -> None:
    """Remove the ids that nothing refers to: they are the same in every figure, the others depend on its name."""
    text = ElementTree.tostring(root, encoding="unicode")
    used = {*re.findall(r"url\(#([^)]+)\)", text), *re.findall(r'href="#([^"]+)"', text)}
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)


def _without_fonts(text: str) -> str:
    return re.sub(r"font-family: [^;\"]*;? ?", "", text)
