"""Plots of a training (is the model calibrated, which signals does it go by) and of a model's tables.

Drawn with matplotlib's objects, never with pyplot, so that nothing global changes and no window is needed.
White behind and dark text: readable on light and on dark pages. A page of its own, such as the training report, takes
them without their titles and gives them its own colours: see `predictor.reports.svg`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from predictor.atomic import write_bytes
from predictor.errors import MissingExtraError
from predictor.model.offer_model import OfferModel
from predictor.training_folder import CALIBRATION_PLOT, IMPORTANCES_PLOT, LEADERBOARD_PLOT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from predictor.ratings.catalogue import Catalogue
    from predictor.training.comparison import Leaderboard
    from predictor.training.result import TrainingResult

# Okabe and Ito (2008), "Color Universal Design": told apart with every common kind of colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
OTHER = "#999999"
INK = "#222222"
SOFT = "#555555"
FAINT = "#8A8A8A"
GRID = "#E4E4E4"
PAPER = "#FFFFFF"
BLUE = PALETTE[0]
TOP = 15
PANELS = 30  # shape functions drawn at most
HEATMAPS = 6  # pairs drawn at most
UNSEEN, BESIDE = "\u2013", "n/a"  # stand for "not observed" and "not applicable" on an axis
_DPI = 130


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
        Points on the diagonal mean: of interviews said to have 70 %, 70 % ended in an offer.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = _figure(6.4, 6.6) if titled else _figure(5.0, 5.2)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    loss = result.scores["log_loss"]
    if titled:
        _head(
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
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle=(0, (5, 4)), linewidth=1.2, label="perfect calibration", zorder=1)
    axes.errorbar(
        predicted, observed, yerr=[below, above], color=BLUE, linewidth=1.8, marker="o", markersize=6.5,
        markeredgecolor=PAPER, elinewidth=1.4, capsize=3.5, label="model, with 90 % intervals", zorder=3,
    )  # fmt: skip
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Observed share of offers")
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=INK)
    _quiet(axes, "both")
    _counts(counts, predicted, [item.n for item in bins], figure.get_figwidth())
    for axis in (axes.xaxis, counts.xaxis, axes.yaxis):
        axis.set_major_formatter(_percent)
    _quiet(counts, "x")
    return figure


def importance_plot(source: TrainingResult | OfferModel, *, top: int = TOP, titled: bool = True) -> Figure:
    """Draw the signals that a model goes by most, coloured by family.

    Parameters
    ----------
    source
        What `train` returned, or a model; a model alone has no intervals.
    top
        How many signals to show at most.
    titled
        Whether the figure has a title; a page has its own.

    Returns
    -------
    matplotlib.figure.Figure
        Horizontal bars, the most important signal first.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    model, measured = (source, {}) if isinstance(source, OfferModel) else (source.model, source.importances)
    catalogue, importances = model.catalogue, model.feature_importances
    labels = {signal.name: signal.label for signal in catalogue.signals}
    labels |= {item.name: item.label for item in catalogue.inputs}
    families = {signal.name: signal.family for signal in catalogue.signals}
    colours = {family: PALETTE[i] if i < len(PALETTE) else OTHER for i, family in enumerate(catalogue.families)}
    names = sorted(importances, key=lambda name: (-importances[name], name))[:top]
    figure = _figure(8.2, 1.2 + 0.7 * titled + 0.33 * max(len(names), 3))
    axes = figure.subplots()
    shown = (
        f"the {len(names)} strongest of {len(importances)}" if len(names) < len(importances) else f"all {len(names)}"
    )
    if titled:
        _head(
            figure,
            "What the model goes by: signs, not causes",
            f"{model.name}: feature importances{', 90 % intervals' if measured else ''}, {shown}; "
            f"trained on n = {model.trained_on['n']:,}",
            simulated=model.simulated,
        )
    values = [importances[name] for name in names]
    spans = [measured[name].contribution for name in names] if measured else []
    axes.barh(range(len(names)), values, height=0.72, color=[colours.get(families.get(n, ""), OTHER) for n in names])
    if spans:
        sides = [[span.value - span.low for span in spans], [span.high - span.value for span in spans]]
        axes.errorbar(values, range(len(names)), xerr=sides, fmt="none", ecolor=INK, elinewidth=1, capsize=2.5)
    ends = [span.high for span in spans] or values
    told = [f"{span.value:.2f} ({span.low:.2f} to {span.high:.2f})" for span in spans] or [f"{v:.3f}" for v in values]
    for place, (end, text) in enumerate(zip(ends, told, strict=True)):
        axes.annotate(text, (end, place), (5, 0), textcoords="offset points", va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(names)), [_short(labels.get(name, name)) for name in names], parse_math=False)
    axes.set(ylim=(len(names) - 0.4, -0.6), xlim=(0, (max(ends, default=0) or 1) * (1.28 if spans else 1.12)))
    axes.set_xlabel("Importance: mean absolute contribution in log-odds")
    _quiet(axes, "x")
    axes.tick_params(axis="y", length=0)
    used = {families.get(name, "") for name in names}
    handles = [(catalogue.families[family], colours[family]) for family in catalogue.families if family in used]
    handles += [("Context", OTHER)] if "" in used else []
    _legend(figure, handles)
    return figure


def save_plots(result: TrainingResult, folder: str | Path) -> list[Path]:
    """Write `calibration.png` and `importances.png` into a folder, each whole or not at all.

    Returns
    -------
    list of Path
        The files; no calibration where it could not be measured, no importances of a challenger.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    OSError
        If the folder cannot be written.
    """
    figures = {CALIBRATION_PLOT: calibration_plot(result)} if result.scores else {}
    if result.tables:
        figures[IMPORTANCES_PLOT] = importance_plot(result)
    return _save(figures, folder)


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
        A row an experiment, the best first; in words at the right, whether the difference is beyond noise.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    entries, reference = board.entries, board.reference
    figure = _figure(8.0, 1.8 + 0.4 * len(entries))
    axes = figure.subplots()
    _head(
        figure,
        f"Experiments against {board.against}",
        f"{title}: n = {reference.log_loss.n:,} rows not seen, the same for all; paired 90 % intervals",
        simulated=simulated,
    )
    axes.axvline(0, color=FAINT, linestyle=(0, (5, 4)), linewidth=1.2)
    colours = {"reference": INK, "better": PALETTE[2], "worse": PALETTE[5]}
    for place, entry in enumerate(entries):
        gap, colour = entry.difference, colours.get(entry.word, BLUE)
        value, low, high = (gap.value, gap.low, gap.high) if gap else (0.0, 0.0, 0.0)
        axes.errorbar(
            value, place, xerr=[[value - low], [high - value]], color=colour, marker="o" if gap else "D",
            markersize=6.5, markeredgecolor=PAPER, elinewidth=1.8, capsize=3.5 if gap else 0, zorder=3,
        )  # fmt: skip
        told = f"{entry.log_loss.value:.3f}  {entry.word}" + (f" {_plus(value)}" if low < high else "")
        axes.annotate(
            told, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=INK,
            annotation_clip=False,
        )  # fmt: skip
    axes.annotate(
        "log-loss, and verdict", (1.02, -0.75), xycoords=("axes fraction", "data"), va="center", fontsize=8.5,
        color=SOFT, annotation_clip=False,
    )  # fmt: skip
    axes.set_yticks(range(len(entries)), [_short(entry.name, 30) for entry in entries], parse_math=False)
    axes.set(
        xlabel=f"\u2190 better     log-loss beyond that of {board.against}     worse \u2192",
        ylim=(len(entries) - 0.4, -0.6),
    )
    axes.margins(x=0.06)
    _quiet(axes, "x")
    axes.tick_params(axis="y", length=0)
    return figure


def save_leaderboard(board: Leaderboard, title: str, folder: str | Path, *, simulated: bool) -> list[Path]:
    """Write `leaderboard.png`; see `leaderboard_plot`."""
    return _save({LEADERBOARD_PLOT: leaderboard_plot(board, title, simulated=simulated)}, folder)


def shape_plot(model: OfferModel) -> Figure:
    """Draw shape functions: what each rating adds to the log-odds, with 90 % intervals, and rows learned from in grey.

    Parameters
    ----------
    model
        A trained model.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a signal or input, the most important first, all on one axis of log-odds.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    catalogue, importances = model.catalogue, model.feature_importances
    names = sorted(importances, key=lambda name: (-importances[name], name))[:PANELS]
    labels = {signal.name: signal.label for signal in catalogue.signals}
    labels |= {item.name: item.label for item in catalogue.inputs}
    words = {item.name for item in catalogue.inputs}
    columns = min(5, len(names))
    rows = -(-len(names) // columns)
    figure = _figure(max(7.4, 2.45 * columns), max(4.4, 1.5 + 1.75 * rows))
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    _head(
        figure,
        "What each rating adds: signs, not causes",
        f"{model.name}: shape functions in log-odds with 90 % intervals"
        + (f", the {len(names)} strongest of {len(importances)}" if len(names) < len(importances) else "")
        + f"; {UNSEEN} not observed; grey: rows learned from, n = {model.trained_on['n']:,}",
        simulated=model.simulated,
    )
    shapes = model.shape_functions()
    shapes = shapes[shapes["signal"].isin(names)]
    reach = shape_reach(shapes)
    for axes, name in zip(panels, names, strict=False):
        shape = shapes[shapes["signal"] == name]
        draw_shape(axes, shape, reach, word=name in words)
        axes.set_title(_short(labels[name], 34), loc="left", fontsize=8.8, color=INK, parse_math=False)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.supylabel("Log-odds, against the usual interview", fontsize=9.5, color=INK)
    return figure


def draw_shape(axes: Axes, shape: pd.DataFrame, reach: float, *, word: bool) -> None:
    """Draw one shape function, with its interval, and the rows learned from in grey behind it.

    Parameters
    ----------
    axes
        What is drawn on.
    shape
        The rows of one signal or input, of `OfferModel.shape_functions`.
    reach
        Half the height of the axis of log-odds, which should be the same for all that are compared.
    word
        Whether levels are words of an input, which have no order.
    """
    *levels, _ = shape["rating"]
    other = len(levels) > 1 and not word and isinstance(levels[-1], str)  # "not applicable" is no step of the scale
    count = len(levels) - other
    at = np.arange(count)
    gap = len(levels) * 0.06 + 0.2
    beside = [count + gap + i * (1 + gap) for i in range(1 + other)]  # not applicable, not observed
    places = np.array([*at, *beside])
    log_odds, low, high = (shape[name].to_numpy() for name in ("log_odds", "low", "high"))
    share = shape["n"] / (3.6 * max(shape["n"].sum() / 2, shape["n"].max(), 1))  # of the height, below the grid
    axes.bar(places, share, width=0.8, color=GRID, zorder=0.4, transform=axes.get_xaxis_transform())
    axes.set(ylim=(-reach, reach), xlim=(-0.6, beside[-1] + 0.6 + 0.03 * len(levels)))
    axes.axhline(0, color=FAINT, linewidth=0.8)
    points = slice(0 if word else count, len(levels))  # no order, hence no line
    if points.start < points.stop:
        seen, bars = log_odds[points], [(log_odds - low)[points], (high - log_odds)[points]]
        axes.errorbar(places[points], seen, yerr=bars, color=BLUE, fmt="o", markersize=4.5, capsize=2.5)
    if not word:
        axes.fill_between(at, low[:count], high[:count], color=BLUE, alpha=0.2, linewidth=0)
        axes.plot(at, log_odds[:count], color=BLUE, linewidth=1.8, marker="o", markersize=3.5 if count < 12 else 0)
    axes.plot([beside[-1]], [log_odds[-1]], color=BLUE, marker="o", markersize=4.5, markerfacecolor=PAPER)
    shown = at[:: -(-count // 7)]
    ticks = [  # every second word a line lower, so that they do not run into each other
        "\n" * (i % 2) + _short(levels[i], 12) if word else f"{levels[i]:g}" for i in shown.tolist()
    ]
    axes.set_xticks([*shown, *beside], [*ticks, *([BESIDE] if other else []), UNSEEN], parse_math=False)
    _quiet(axes, "x")
    axes.grid(visible=False, axis="x")
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
    axes.tick_params(labelsize=7 if word else 8, length=0)
    axes.tick_params(axis="y", labelsize=8)


def cell_words(catalogue: Catalogue) -> dict[str, list[str]]:
    """Name the cells of each term: its ratings or words, "n/a" where not applicable is an answer, not observed."""
    words = {item.name: [*item.levels, UNSEEN] for item in catalogue.inputs}
    for signal in catalogue.signals:
        other = [BESIDE] if signal.not_applicable else []
        words[signal.name] = [*(f"{knot:g}" for knot in signal.scale.knots), *other, UNSEEN]
    return words


def shape_reach(shapes: pd.DataFrame) -> float:
    """Give half the height of an axis that holds every shape function of a table, intervals included."""
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

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    pairs = model.strongest_pairs(HEATMAPS)
    if not pairs:
        return None
    labels: dict[str, str] = {signal.name: signal.label for signal in model.catalogue.signals}
    labels |= {item.name: item.label for item in model.catalogue.inputs}
    cells = cell_words(model.catalogue)
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = _figure(max(7.4, 1.2 + 3.5 * columns), max(4.4, 1.1 + 2.9 * rows))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    _head(
        figure,
        "What two ratings together add: signs, not causes",
        f"{model.name}: the {len(pairs)} strongest of {len(model.pairs)} pairs, beyond what each rating adds alone; "
        f"{UNSEEN} not observed",
        simulated=model.simulated,
    )
    reach = max(float(np.abs(pair.log_odds).max()) for pair, _ in pairs) or 1.0
    for axes, (pair, size) in zip(panels, pairs, strict=False):
        # Red and blue of ColorBrewer's RdBu are told apart with every common kind of colour vision.
        image = axes.imshow(pair.log_odds, cmap="RdBu", vmin=-reach, vmax=reach, origin="lower", aspect="auto")
        for ticks, name, label in (
            (axes.set_xticks, pair.second, axes.set_xlabel), (axes.set_yticks, pair.first, axes.set_ylabel)
        ):  # fmt: skip
            words = [_short(word, 12) for word in cells[name]]
            every = -(-len(words) // 12)
            ticks(range(0, len(words), every), words[::every], parse_math=False)
            label(_short(labels[name], 34), parse_math=False)
        if max(pair.log_odds.shape) <= 7:  # else there is no room for figures
            for (i, j), value in np.ndenumerate(pair.log_odds):
                ink = "white" if abs(value) > 0.6 * reach else INK
                axes.text(
                    j, i, f"{round(float(value), 2) + 0.0:+.2f}", ha="center", va="center", fontsize=7.5, color=ink
                )
        axes.set_title(f"root mean square {size:.3f}", loc="left", fontsize=8.5, color=SOFT)
        _quiet(axes, "both")
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
    """Write `shapes.png`, and `pairs.png` where the model has pairs, into a folder, each whole or not at all.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    OSError
        If the folder cannot be written.
    """
    figures = {"shapes.png": shape_plot(model)}
    if pairs := pair_plot(model):
        figures["pairs.png"] = pairs
    return _save(figures, folder)


def _save(figures: Mapping[str, Figure], folder: str | Path) -> list[Path]:
    paths = []
    for name, figure in figures.items():
        content = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box for a letter is no cause for alarm
            figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})  # the same bytes each time
        paths.append(write_bytes(Path(folder) / name, content.getvalue()))
    return paths


def _figure(width: float, height: float) -> Figure:
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


def _head(figure: Figure, title: str, subtitle: str, *, simulated: bool) -> None:
    figure.suptitle(f"{title}\n", x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK, linespacing=1.6)
    height = figure.get_figheight()
    figure.text(0.02, 1 - 0.47 / height, subtitle, fontsize=9, color=SOFT, va="center", parse_math=False)
    if simulated:
        figure.text(
            0.985, 1 - 0.21 / height, "SIMULATED interviews", ha="right", va="center", fontsize=9, fontweight="bold",
            color="white", bbox={"boxstyle": "round,pad=0.35", "facecolor": "#B23A00", "edgecolor": "none"},
        )  # fmt: skip


def _legend(figure: Figure, handles: list[tuple[str, str]]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=colour, label=_short(label)) for label, colour in handles]
    legend = figure.legend(
        handles=patches, loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # a label may hold a dollar sign


def _quiet(axes: Axes, grid: str) -> None:
    """Take away what carries no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.grid(visible=True, axis="both" if grid == "both" else "x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(fontsize=9.5, color=INK)


def _plus(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}".replace("-", "\u2212")


def _percent(value: float, _: object) -> str:
    return f"{value:.0%}"


def _counts(axes: Axes, places: list[float], counts: list[int], width: float) -> None:
    """Draw how many ratings each point holds, in figures where there is room for them."""
    gap = min((b - a for a, b in pairwise(sorted(places))), default=1.0)
    letter = 0.077 / width  # of the axis, which is as wide as the figure, nearly
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


def _short(label: str, length: int = 46) -> str:
    label = "".join(letter if letter.isprintable() else "\ufffd" for letter in label)  # no control characters in SVG
    return label if len(label) <= length else label[: length - 1].rstrip() + "\u2026"
