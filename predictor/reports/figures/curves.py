"""Curves of a training: ranking (ROC, precision and recall), learning, and scores side by side with their intervals.

In the manner of `predictor.reports.figures.style`, without titles: they are on a page that has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from predictor.reports.figures.style import (
    BLUE,
    DASHED,
    INK,
    PAPER,
    SOFT,
    empty_figure,
    percent_tick,
    remove_clutter,
    shortened,
    sides,
)
from predictor.reports.format import number
from predictor.training import POOL
from predictor.training.learning_curve import LearningCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from predictor.evaluation.scores import Score
    from predictor.model.tables import Floats
    from predictor.training.result import TrainingResult

_GRID = np.linspace(0, 1, 201)  # where curves of several repeats are averaged


def roc_plot(result: TrainingResult) -> Figure:
    """Draw the ROC curve: the true positive rate against the false positive rate, at every threshold.

    Parameters
    ----------
    result
        What `train` returned, with scores.

    Returns
    -------
    matplotlib.figure.Figure
        The mean over the repeats of the cross-validation in bold, each repeat faintly behind it.
    """
    figure, axes = _square("Share of non-offers ranked as high", "Share of offers found")
    axes.plot([0, 1], [0, 1], **DASHED)
    axes.text(0.62, 0.57, "a coin toss", color=SOFT, fontsize=8.5, ha="left", va="top")
    _mean_of_repeats(axes, [roc_curve(result.y, p)[:2] for p in result.out_of_fold[POOL]])
    return figure


def precision_recall_plot(result: TrainingResult) -> Figure:
    """Draw precision against recall: of those ranked so high, how many had an offer; of all offers, how many are there.

    Parameters
    ----------
    result
        What `train` returned, with scores.

    Returns
    -------
    matplotlib.figure.Figure
        As `roc_plot`; the line across is the share of offers among all.
    """
    figure, axes = _square("Share of offers found (recall)", "Share of offers among them (precision)")
    base = float(result.y.mean())
    axes.axhline(base, **DASHED)
    axes.text(0.02, base - 0.02, f"all: {base:.0%}", color=SOFT, fontsize=8.5, va="top")
    curves = [precision_recall_curve(result.y, p)[:2] for p in result.out_of_fold[POOL]]
    _mean_of_repeats(axes, [(recall[::-1], precision[::-1]) for precision, recall in curves])
    return figure


def learning_plot(curve: LearningCurve, base_rate: Score | None = None) -> Figure:
    """Draw log-loss by the number of rows learned from, with 90 % intervals.

    Parameters
    ----------
    curve
        Of a training.
    base_rate
        Log-loss of always giving the base rate, drawn as a line across.

    Returns
    -------
    matplotlib.figure.Figure
        Each step to the right doubles the rows; lower is better.
    """
    figure = empty_figure(5.0, 3.3)
    axes = figure.subplots()
    if base_rate:
        axes.axhline(base_rate.value, **DASHED)
        axes.annotate(
            "always the base rate", (1, base_rate.value), (-2, 4), xycoords=("axes fraction", "data"),
            textcoords="offset points", color=SOFT, fontsize=8.5, ha="right",
        )  # fmt: skip
    values = [score.value for score in curve.log_loss]
    axes.errorbar(
        curve.rows, values, yerr=sides(curve.log_loss), color=BLUE, linewidth=1.8, marker="o", markersize=6.5,
        markeredgecolor=PAPER, elinewidth=1.4, capsize=3.5, zorder=3,
    )  # fmt: skip
    for rows, value in zip(curve.rows, values, strict=True):
        axes.annotate(f"{value:.3f}", (rows, value), (7, 5), textcoords="offset points", fontsize=8.5, color=INK)
    axes.set_xscale("log", base=2)
    axes.set_xticks(curve.rows, [f"{rows:,}" for rows in curve.rows])
    axes.minorticks_off()
    axes.set(
        xlabel="Rows learned from", ylabel="Log-loss on rows not seen", xlim=(curve.rows[0] / 1.2, curve.rows[-1] * 1.5)
    )
    axes.margins(y=0.15)
    remove_clutter(axes, "both")
    return figure


def interval_plot(
    scores: Mapping[str, Score], label: str, *, reference: float, marks: Mapping[str, float] | None = None
) -> Figure:
    """Draw scores below each other, each with its 90 % interval.

    Parameters
    ----------
    scores
        Scores by name.
    label
        Of the axis.
    reference
        Where a line is drawn: no difference, or chance.
    marks
        A further mark for some of the names.

    Returns
    -------
    matplotlib.figure.Figure
        One row per score, in their order.
    """
    figure = empty_figure(5.0, 0.75 + 0.38 * max(len(scores), 2))
    axes = figure.subplots()
    values, at = [score.value for score in scores.values()], range(len(scores))
    axes.axvline(reference, **DASHED)
    axes.errorbar(
        values, at, xerr=sides(scores.values()), color=BLUE, fmt="o", markersize=6.5, markeredgecolor=PAPER,
        elinewidth=1.8, capsize=3.5,
    )  # fmt: skip
    for place, (name, score) in enumerate(scores.items()):
        axes.annotate(
            number(score.value, 3),
            (score.value, place),
            (0, 6),
            textcoords="offset points",
            fontsize=8.5,
            color=INK,
            ha="center",
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6},
        )
        if marks and name in marks:
            axes.plot([marks[name]] * 2, [place - 0.3, place + 0.3], color=SOFT, linewidth=2)
    axes.set_yticks(at, [shortened(name, 32) for name in scores], parse_math=False)
    axes.set(ylim=(len(scores) - 0.4, -0.75), xlabel=label)
    axes.margins(x=0.08)
    remove_clutter(axes, "x")
    axes.tick_params(axis="y", length=0)
    return figure


def _square(x: str, y: str) -> tuple[Figure, Any]:
    figure = empty_figure(4.4, 4.1)
    axes = figure.subplots()
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(percent_tick)
    remove_clutter(axes, "both")
    return figure, axes


def _mean_of_repeats(axes: Axes, repeats: Sequence[tuple[Floats, Floats]]) -> None:
    curves = [np.interp(_GRID, x, y) for x, y in repeats]
    for one in curves if len(curves) > 1 else ():
        axes.plot(_GRID, one, color=BLUE, linewidth=0.8, alpha=0.35)
    axes.plot(_GRID, np.mean(curves, axis=0), color=BLUE, linewidth=2.2)
