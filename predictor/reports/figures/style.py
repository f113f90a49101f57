"""Shared by all figures: colours, frames, text and numbers, and saving to files.

Drawn with matplotlib's objects, never with pyplot, so that nothing global changes and no window is needed.
White behind and dark text: readable on light and on dark pages. A page of its own, such as the training report, takes
them without their titles and gives them its own colours: see `predictor.reports.svg`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.atomic import write_bytes
from predictor.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from predictor.evaluation.scores import Score

# Okabe and Ito (2008), "Color Universal Design": distinguishable with every common kind of colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
OTHER = "#999999"
INK = "#222222"
SOFT = "#555555"
FAINT = "#8A8A8A"
GRID = "#E4E4E4"
PAPER = "#FFFFFF"
BLUE = PALETTE[0]
DASHED: dict[str, Any] = {"color": FAINT, "linestyle": (0, (5, 4)), "linewidth": 1.2}  # a line to compare with
_DPI = 130


def empty_figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise MissingExtraError("matplotlib", "Drawing plots", "train") from error
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.06)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def write_head(figure: Figure, title: str, subtitle: str, *, simulated: bool) -> None:
    figure.suptitle(f"{title}\n", x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK, linespacing=1.6)
    height = figure.get_figheight()
    figure.text(0.02, 1 - 0.47 / height, subtitle, fontsize=9, color=SOFT, va="center", parse_math=False)
    if simulated:
        figure.text(
            0.985, 1 - 0.21 / height, "SIMULATED interviews", ha="right", va="center", fontsize=9, fontweight="bold",
            color="white", bbox={"boxstyle": "round,pad=0.35", "facecolor": "#B23A00", "edgecolor": "none"},
        )  # fmt: skip


def draw_legend(figure: Figure, handles: list[tuple[str, str]]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=colour, label=shortened(label)) for label, colour in handles]
    legend = figure.legend(
        handles=patches, loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # a label may hold a dollar sign


def remove_clutter(axes: Axes, grid: str) -> None:
    """Remove what carries no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.grid(visible=True, axis="both" if grid == "both" else "x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(fontsize=9.5, color=INK)


def sides(scores: Collection[Score]) -> list[list[float]]:
    """Return how far each interval reaches below its value and above it, as error bars are drawn."""
    return [[score.value - score.low for score in scores], [score.high - score.value for score in scores]]


def percent_tick(value: float, _: object) -> str:
    return f"{value:.0%}"


def printable_letters(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)  # they are not allowed in SVG


def shortened(label: str, length: int = 46) -> str:
    label = printable_letters(label)
    return label if len(label) <= length else label[: length - 1].rstrip() + "\u2026"


def save_figures(figures: Mapping[str, Figure], folder: str | Path) -> list[Path]:
    paths = []
    for name, figure in figures.items():
        content = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box for a letter is no cause for alarm
            figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})  # the same bytes each time
        paths.append(write_bytes(Path(folder) / name, content.getvalue()))
    return paths
