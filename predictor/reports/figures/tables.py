"""Figures of a model's tables: shape functions, and the strongest pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from predictor.model.offer_model import OfferModel
from predictor.reports.figures.style import (
    BLUE,
    FAINT,
    GRID,
    INK,
    PAPER,
    SOFT,
    empty_figure,
    remove_clutter,
    save_figures,
    shortened,
    write_head,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from predictor.model.tables import Floats
    from predictor.ratings.catalogue import Catalogue

PANELS = 30  # shape functions drawn at most
HEATMAPS = 6  # pairs drawn at most
NOT_OBSERVED_MARK, NOT_APPLICABLE_MARK = "\u2013", "n/a"  # stand for "not observed" and "not applicable" on an axis


def shape_plot(model: OfferModel) -> Figure:
    """Draw shape functions: what each rating adds to the log-odds, with 90 % intervals, and rows learned from in grey.

    Parameters
    ----------
    model
        A trained model.

    Returns
    -------
    matplotlib.figure.Figure
        A panel per signal or input, the most important first, all on one axis of log-odds.
    """
    catalogue, importances = model.catalogue, model.feature_importances
    names = sorted(importances, key=lambda name: (-importances[name], name))[:PANELS]
    labels = catalogue.labels
    columns = min(5, len(names))
    rows = -(-len(names) // columns)
    figure = empty_figure(max(7.4, 2.45 * columns), max(4.4, 1.5 + 1.75 * rows))
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    write_head(
        figure,
        "What each rating adds: signs, not causes",
        f"{model.name}: shape functions in log-odds with 90 % intervals"
        + (f", the {len(names)} strongest of {len(importances)}" if len(names) < len(importances) else "")
        + f"; {NOT_OBSERVED_MARK} not observed; grey: rows learned from, n = {model.trained_on['n']:,}",
        simulated=model.simulated,
    )
    shapes = model.shape_functions()
    shapes = shapes[shapes["signal"].isin(names)]
    reach = shape_reach(shapes)
    for axes, name in zip(panels, names, strict=False):
        shape = shapes[shapes["signal"] == name]
        draw_shape(axes, shape, reach)
        axes.set_title(shortened(labels[name], 34), loc="left", fontsize=8.8, color=INK, parse_math=False)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.supylabel("Log-odds, against the usual interview", fontsize=9.5, color=INK)
    return figure


@dataclass(frozen=True, eq=False)
class ShapeAxis:
    """The positions of the levels of a shape function, in steps between ratings.

    Attributes
    ----------
    word
        Whether levels are words of an input, which have no order.
    count
        Levels of the scale, or words, from 0 on; "not applicable" and "not observed" come after them.
    places
        Of every level, shape (levels,).
    shares
        Height of each level's grey bar, as a share of the panel's, shape (levels,).
    limits
        Ends of the axis.
    ticks, labels
        What is written, and where; a label that begins with a new line is one line lower.
    """

    word: bool
    count: int
    places: Floats
    shares: Floats
    limits: tuple[float, float]
    ticks: Floats
    labels: list[str]


def shape_axis(shape: pd.DataFrame) -> ShapeAxis:
    """Place the levels of one signal or input, given its rows of `OfferModel.shape_functions`."""
    *levels, _ = shape["rating"]
    word = isinstance(levels[0], str)
    other = len(levels) > 1 and not word and isinstance(levels[-1], str)  # "not applicable" is not a step of the scale
    count = len(levels) - other
    at, gap = np.arange(count), len(levels) * 0.06 + 0.2
    beside = [count + gap + i * (1 + gap) for i in range(1 + other)]  # not applicable, not observed
    n = shape["n"].to_numpy()
    shown = at[:: -(-count // 7)]
    labels = [  # every second word a line lower, so that they do not run into each other
        "\n" * (i % 2) + shortened(levels[i], 12) if word else f"{levels[i]:g}" for i in shown.tolist()
    ]
    return ShapeAxis(
        word,
        count,
        np.array([*at, *beside]),
        n / (3.6 * max(n.sum() / 2, n.max(), 1)),  # below the grid
        (-0.6, beside[-1] + 0.6 + 0.03 * len(levels)),
        np.array([*shown, *beside]),
        [*labels, *([NOT_APPLICABLE_MARK] if other else []), NOT_OBSERVED_MARK],
    )


def draw_shape(axes: Axes, shape: pd.DataFrame, reach: float) -> None:
    """Draw one shape function, with its interval, and the rows learned from in grey behind it.

    Parameters
    ----------
    axes
        What is drawn on.
    shape
        The rows of one signal or input, of `OfferModel.shape_functions`.
    reach
        Half the height of the axis of log-odds, which should be the same for all that are compared.
    """
    axis = shape_axis(shape)
    word, count, places = axis.word, axis.count, axis.places
    at = places[:count]
    log_odds, low, high = (shape[name].to_numpy() for name in ("log_odds", "low", "high"))
    axes.bar(places, axis.shares, width=0.8, color=GRID, zorder=0.4, transform=axes.get_xaxis_transform())
    axes.set(ylim=(-reach, reach), xlim=axis.limits)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    points = slice(0 if word else count, len(places) - 1)  # no order, hence no line
    if points.start < points.stop:
        seen, bars = log_odds[points], [(log_odds - low)[points], (high - log_odds)[points]]
        axes.errorbar(places[points], seen, yerr=bars, color=BLUE, fmt="o", markersize=4.5, capsize=2.5)
    if not word:
        axes.fill_between(at, low[:count], high[:count], color=BLUE, alpha=0.2, linewidth=0)
        axes.plot(at, log_odds[:count], color=BLUE, linewidth=1.8, marker="o", markersize=3.5 if count < 12 else 0)
    axes.plot([places[-1]], [log_odds[-1]], color=BLUE, marker="o", markersize=4.5, markerfacecolor=PAPER)
    axes.set_xticks(axis.ticks, axis.labels, parse_math=False)
    remove_clutter(axes, "x")
    axes.grid(visible=False, axis="x")
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
    axes.tick_params(labelsize=7 if word else 8, length=0)
    axes.tick_params(axis="y", labelsize=8)


def cell_words(catalogue: Catalogue) -> dict[str, list[str]]:
    """Name the cells of each term: its ratings or words, "n/a" where not applicable is an answer, not observed."""
    words = {item.name: [*item.levels, NOT_OBSERVED_MARK] for item in catalogue.inputs}
    for signal in catalogue.signals:
        other = [NOT_APPLICABLE_MARK] if signal.not_applicable else []
        words[signal.name] = [*(f"{knot:g}" for knot in signal.scale.knots), *other, NOT_OBSERVED_MARK]
    return words


def shape_reach(shapes: pd.DataFrame) -> float:
    """Return half the height of an axis that holds every shape function of a table, intervals included."""
    return 1.08 * max(float(shapes[["log_odds", "low", "high"]].abs().max().max()), 0.05)


def pair_plot(model: OfferModel) -> Figure | None:
    """Draw the tables of the strongest pairs, as heatmaps on one scale of colours.

    Parameters
    ----------
    model
        A trained model.

    Returns
    -------
    matplotlib.figure.Figure or None
        What two ratings together add to what they add alone; None for a model without pairs.
    """
    pairs = model.strongest_pairs(HEATMAPS)
    if not pairs:
        return None
    labels = model.catalogue.labels
    cells = cell_words(model.catalogue)
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = empty_figure(max(7.4, 1.2 + 3.5 * columns), max(4.4, 1.1 + 2.9 * rows))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    write_head(
        figure,
        "What two ratings together add: signs, not causes",
        f"{model.name}: the {len(pairs)} strongest of {len(model.pairs)} pairs, beyond what each rating adds alone; "
        f"{NOT_OBSERVED_MARK} not observed",
        simulated=model.simulated,
    )
    reach = max(float(np.abs(pair.log_odds).max()) for pair, _ in pairs) or 1.0
    for axes, (pair, size) in zip(panels, pairs, strict=False):
        # Red and blue of ColorBrewer's RdBu can be distinguished with every common kind of colour vision.
        image = axes.imshow(pair.log_odds, cmap="RdBu", vmin=-reach, vmax=reach, origin="lower", aspect="auto")
        for ticks, name, label in (
            (axes.set_xticks, pair.second, axes.set_xlabel), (axes.set_yticks, pair.first, axes.set_ylabel)
        ):  # fmt: skip
            words = [shortened(word, 12) for word in cells[name]]
            every = -(-len(words) // 12)
            ticks(range(0, len(words), every), words[::every], parse_math=False)
            label(shortened(labels[name], 34), parse_math=False)
        if max(pair.log_odds.shape) <= 7:  # else there is no room for figures
            for (i, j), value in np.ndenumerate(pair.log_odds):
                ink = "white" if abs(value) > 0.6 * reach else INK
                axes.text(
                    j, i, f"{round(float(value), 2) + 0.0:+.2f}", ha="center", va="center", fontsize=7.5, color=ink
                )
        axes.set_title(f"root mean square {size:.3f}", loc="left", fontsize=8.5, color=SOFT)
        remove_clutter(axes, "both")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(labelsize=8, length=0)
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    bar = figure.colorbar(image, ax=panels, shrink=0.7, aspect=30, pad=0.015)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=INK, length=0)
    bar.set_label("Log-odds: above 0 goes with an offer", fontsize=9.5, color=INK)
    return figure


def save_model_plots(model: OfferModel, folder: str | Path) -> list[Path]:
    """Write `shapes.png`, and `pairs.png` where the model has pairs, into a folder, each atomically.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    figures = {"shapes.png": shape_plot(model)}
    if pairs := pair_plot(model):
        figures["pairs.png"] = pairs
    return save_figures(figures, folder)
