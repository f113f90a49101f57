"""Figures of a training: calibration and feature importances."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.model.offer_model import OfferModel
from predictor.reports.figures.style import (
    BLUE,
    DASHED,
    INK,
    OTHER,
    PALETTE,
    PAPER,
    draw_legend,
    empty_figure,
    percent_tick,
    remove_clutter,
    save_figures,
    shortened,
    sides,
    write_head,
)
from predictor.training_folder import CALIBRATION_PLOT, IMPORTANCES_PLOT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from predictor.training.result import TrainingResult

TOP = 15  # signals shown at most


def calibration_plot(result: TrainingResult, *, titled: bool = True) -> Figure:
    """Draw observed against predicted shares of offers, with 90 % intervals, and how many ratings each point holds.

    Parameters
    ----------
    result
        What `train` returned.
    titled
        Whether the figure has a title; a page has its own.

    Returns
    -------
    matplotlib.figure.Figure
        Points on the diagonal mean: of interviews with an estimate of 70 %, 70 % ended in an offer.
    """
    figure = empty_figure(6.4, 6.6) if titled else empty_figure(5.0, 5.2)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    loss = result.scores["log_loss"]
    if titled:
        write_head(
            figure,
            "Calibration: predicted and observed",
            f"{result.name}: n = {result.data['n']:,}, log-loss {loss.value:.3f} "
            f"(90 % interval {loss.low:.3f} to {loss.high:.3f})",
            simulated=bool(result.data["simulated"]),
        )
    bins = result.calibration
    predicted, observed = [item.predicted for item in bins], [item.observed for item in bins]
    below = [max(0.0, item.observed - item.low) for item in bins]
    above = [max(0.0, item.high - item.observed) for item in bins]
    axes.plot([0, 1], [0, 1], **DASHED, label="perfect calibration", zorder=1)
    axes.errorbar(
        predicted, observed, yerr=[below, above], color=BLUE, linewidth=1.8, marker="o", markersize=6.5,
        markeredgecolor=PAPER, elinewidth=1.4, capsize=3.5, label="model, with 90 % intervals", zorder=3,
    )  # fmt: skip
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Observed share of offers")
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=INK)
    remove_clutter(axes, "both")
    _counts(counts, predicted, [item.n for item in bins], figure.get_figwidth())
    for axis in (axes.xaxis, counts.xaxis, axes.yaxis):
        axis.set_major_formatter(percent_tick)
    remove_clutter(counts, "x")
    return figure


def _counts(axes: Axes, places: list[float], counts: list[int], width: float) -> None:
    """Draw how many ratings each point holds, in figures where there is room for them."""
    gap = min((b - a for a, b in pairwise(sorted(places))), default=1.0)
    letter = 0.077 / width  # a digit's width in inches, as a share of the axis, which is nearly as wide as the figure
    upright = gap >= letter * max((len(f"{count:,}") for count in counts), default=0) + 0.01  # room for the figures
    axes.bar(places, counts, width=min(0.022, 0.8 * gap), color=BLUE, alpha=0.85)
    axes.set(ylim=(0, max(counts, default=1) * (1.5 if upright else 2.3)), yticks=[])
    axes.set(ylabel="Ratings", xlabel="Predicted probability of an offer")
    if gap < 0.02:
        each = f"{min(counts):,} to {max(counts):,} ratings a point"
        axes.text(0.99, 0.9, each, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=INK)
        return
    for place, count in zip(places, counts, strict=True):
        axes.annotate(
            f"{count:,}", (place, count), (0, 3), textcoords="offset points",
            ha="center", va="bottom", fontsize=8, color=INK, rotation=0 if upright else 90,
        )  # fmt: skip


def importance_plot(source: TrainingResult | OfferModel, *, titled: bool = True) -> Figure:
    """Draw the most important signals of a model, coloured by family.

    Parameters
    ----------
    source
        What `train` returned, or a model; a model alone has no intervals.
    titled
        Whether the figure has a title; a page has its own.

    Returns
    -------
    matplotlib.figure.Figure
        Horizontal bars, the most important signal first.
    """
    model, measured = (source, {}) if isinstance(source, OfferModel) else (source.model, source.importances)
    catalogue, importances = model.catalogue, model.feature_importances
    labels = catalogue.labels
    families = {signal.name: signal.family for signal in catalogue.signals}
    colours = {family: PALETTE[i] if i < len(PALETTE) else OTHER for i, family in enumerate(catalogue.families)}
    names = sorted(importances, key=lambda name: (-importances[name], name))[:TOP]
    figure = empty_figure(8.2, 1.2 + 0.7 * titled + 0.33 * max(len(names), 3))
    axes = figure.subplots()
    shown = (
        f"the {len(names)} strongest of {len(importances)}" if len(names) < len(importances) else f"all {len(names)}"
    )
    if titled:
        write_head(
            figure,
            "Feature importance: associations, not causes",
            f"{model.name}: feature importances{', 90 % intervals' if measured else ''}, {shown}; "
            f"trained on n = {model.trained_on['n']:,}",
            simulated=model.simulated,
        )
    values = [importances[name] for name in names]
    spans = [measured[name].contribution for name in names] if measured else []
    axes.barh(range(len(names)), values, height=0.72, color=[colours.get(families.get(n, ""), OTHER) for n in names])
    if spans:
        axes.errorbar(values, range(len(names)), xerr=sides(spans), fmt="none", ecolor=INK, elinewidth=1, capsize=2.5)
    ends = [span.high for span in spans] or values
    texts = [f"{span.value:.2f} ({span.low:.2f} to {span.high:.2f})" for span in spans] or [f"{v:.3f}" for v in values]
    for place, (end, text) in enumerate(zip(ends, texts, strict=True)):
        axes.annotate(text, (end, place), (5, 0), textcoords="offset points", va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(names)), [shortened(labels.get(name, name)) for name in names], parse_math=False)
    axes.set(ylim=(len(names) - 0.4, -0.6), xlim=(0, (max(ends, default=0) or 1) * (1.28 if spans else 1.12)))
    axes.set_xlabel("Importance: mean absolute contribution in log-odds")
    remove_clutter(axes, "x")
    axes.tick_params(axis="y", length=0)
    used = {families.get(name, "") for name in names}
    handles = [(catalogue.families[family], colours[family]) for family in catalogue.families if family in used]
    handles += [("Context", OTHER)] if "" in used else []
    draw_legend(figure, handles)
    return figure


def save_plots(result: TrainingResult, folder: str | Path) -> list[Path]:
    """Write `calibration.png` and `importances.png` into a folder, each atomically.

    Returns
    -------
    list of Path
        The files; no calibration where it could not be measured, no importances of a baseline.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    figures = {CALIBRATION_PLOT: calibration_plot(result)} if result.scores else {}
    if result.tables:
        figures[IMPORTANCES_PLOT] = importance_plot(result)
    return save_figures(figures, folder)
