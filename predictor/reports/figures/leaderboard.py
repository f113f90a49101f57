"""The figure of a comparison: differences in log-loss with their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from predictor.reports.figures.style import (
    BLUE,
    DASHED,
    INK,
    PALETTE,
    PAPER,
    SOFT,
    empty_figure,
    remove_clutter,
    save_figures,
    shortened,
    write_head,
)
from predictor.reports.format import signed
from predictor.training_folder import LEADERBOARD_PLOT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from predictor.training.comparison import Leaderboard


def leaderboard_plot(board: Leaderboard, title: str, *, simulated: bool) -> Figure:
    """Draw how far each experiment's log-loss is from the reference's, with paired 90 % intervals.

    Parameters
    ----------
    board
        What `predictor.training.comparison.leaderboard` returned.
    title
        Of the comparison, such as the name of the data.
    simulated
        Whether the interviews are simulated.

    Returns
    -------
    matplotlib.figure.Figure
        One row per experiment, the best first; in words at the right, whether the difference is significant.
    """
    entries, reference = board.entries, board.reference
    figure = empty_figure(8.0, 1.8 + 0.4 * len(entries))
    axes = figure.subplots()
    write_head(
        figure,
        f"Experiments against {board.against}",
        f"{title}: n = {reference.log_loss.n:,} rows not seen, the same for all; paired 90 % intervals",
        simulated=simulated,
    )
    axes.axvline(0, **DASHED)
    colours = {"reference": INK, "better": PALETTE[2], "worse": PALETTE[5]}
    for place, entry in enumerate(entries):
        gap, colour = entry.difference, colours.get(entry.verdict, BLUE)
        value, low, high = (gap.value, gap.low, gap.high) if gap else (0.0, 0.0, 0.0)
        axes.errorbar(
            value, place, xerr=[[value - low], [high - value]], color=colour, marker="o" if gap else "D",
            markersize=6.5, markeredgecolor=PAPER, elinewidth=1.8, capsize=3.5 if gap else 0, zorder=3,
        )  # fmt: skip
        annotation = f"{entry.log_loss.value:.3f}  {entry.verdict}" + (f" {signed(value, 3)}" if low < high else "")
        axes.annotate(
            annotation, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=INK,
            annotation_clip=False,
        )  # fmt: skip
    axes.annotate(
        "log-loss, and verdict", (1.02, -0.75), xycoords=("axes fraction", "data"), va="center", fontsize=8.5,
        color=SOFT, annotation_clip=False,
    )  # fmt: skip
    axes.set_yticks(range(len(entries)), [shortened(entry.name, 30) for entry in entries], parse_math=False)
    axes.set(
        xlabel=f"\u2190 better     log-loss beyond that of {board.against}     worse \u2192",
        ylim=(len(entries) - 0.4, -0.6),
    )
    axes.margins(x=0.06)
    remove_clutter(axes, "x")
    axes.tick_params(axis="y", length=0)
    return figure


def save_leaderboard(board: Leaderboard, title: str, folder: str | Path, *, simulated: bool) -> list[Path]:
    """Write `leaderboard.png`; see `leaderboard_plot`."""
    return save_figures({LEADERBOARD_PLOT: leaderboard_plot(board, title, simulated=simulated)}, folder)
