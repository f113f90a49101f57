"""The training report: one HTML file that needs no network, for a careful reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from predictor.atomic import write_text
from predictor.evaluation.data_quality import SUSPICIOUS_AUC, shared_top
from predictor.evaluation.importance import TOP as TOP_IMPORTANCES
from predictor.model.subsets import subsets
from predictor.reports.figures.curves import interval_plot, learning_plot, precision_recall_plot, roc_plot
from predictor.reports.figures.tables import (
    HEATMAPS,
    NOT_APPLICABLE_MARK,
    NOT_OBSERVED_MARK,
    PANELS,
    cell_words,
    shape_reach,
)
from predictor.reports.figures.training import TOP, calibration_plot, importance_plot
from predictor.reports.format import number, percent, signed, span
from predictor.reports.measured_scores import MEANINGS
from predictor.reports.page import Drawing, Page, Table, render_template
from predictor.reports.shape_svg import shape_svg
from predictor.reports.svg import inline_svg
from predictor.reports.terminal import SIDES

if TYPE_CHECKING:
    import pandas as pd

    from predictor.evaluation.importance import Importance
    from predictor.evaluation.scores import Score
    from predictor.model.data import Pair
    from predictor.training.result import TrainingResult

LEVELS = 12  # of a scale, shown in a heatmap


@dataclass(frozen=True)
class Heatmap:
    """The table of a pair: `cells` holds text, share of the largest effect (0 to 1) and sign, by row and column."""

    first: str
    second: str
    size: float
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[tuple[str, float, str]]]


def render_report(result: TrainingResult) -> str:
    """Write the report of a training as HTML: headline and warnings first, then what they rest on.

    Parameters
    ----------
    result
        What `train` returned; where nothing could be measured, the report says so.

    Returns
    -------
    str
        A whole page. It holds its style and its figures, asks for nothing else, and runs no script but the three lines
        that make its list of sections work where MLflow shows it.

    Examples
    --------
    >>> from predictor import TrainingConfig, simulate_interviews, train
    >>> result = train(simulate_interviews(8, seed=1), TrainingConfig(repeats=1, resamples=20))
    >>> page = render_report(result)
    >>> page.startswith("<!doctype html>"), "SIMULATED" in page
    (True, True)
    """
    labels, families = result.model.catalogue.labels, result.model.catalogue.family_labels
    shown = list(result.model.feature_importances)[:PANELS]
    shapes = result.model.shape_functions()
    by_name = {name: shapes[shapes["signal"] == name] for name in shown}
    reach = shape_reach(shapes[shapes["signal"].isin(shown)])
    model = result.model
    page = Page(
        kind="Training report",
        day=model.created_at[:10],
        name=result.name,
        simulated="SIMULATED: this model learned from simulated interviews and says nothing about real ones."
        if model.simulated
        else "",
        lede="",
        sections=(),
        warnings=result.warnings,
        heading="Warnings",
        quiet="No warnings: dates, rows, importances and scores gave no cause for one.",
    )
    return render_template(
        "training_report.html",
        page,
        result=result,
        model=model,
        data=result.data,
        quality=result.quality,
        labels=labels,
        meanings=MEANINGS,
        filters={"decimal": _decimal, "span": _span},
        ranking=_ranking(result) if result.scores else None,
        calibration=_calibration(result) if result.scores else None,
        importances=_importances(result, labels, families),
        groups=list(_groups(result, families)),
        shared=shared_top(result.importances),
        top=TOP_IMPORTANCES,
        shapes=[(labels[name], _shape(place, labels[name], by_name[name], reach)) for place, name in enumerate(shown)],
        shape_table=Table(
            ("Signal", "Rating", "Log-odds", "90 % interval", "n"),
            [row for name in shown for row in _shape_rows(labels[name], by_name[name])],
            text_columns=2,
        ),
        heatmaps=[_heatmap(result, pair, size, labels) for pair, size in result.model.strongest_pairs(HEATMAPS)],
        learning=_learning(result),
        roles=_roles(result) if result.scores_by_role else None,
        gains=_gains(result) if result.gains else None,
        partial=_partial(result) if len(result.partial_scores) > 1 else None,
        gaps=list(result.model.gaps_note()),
        rated=sorted(result.quality.missing, key=lambda name: -result.quality.missing[name]),
    )


def save_report(result: TrainingResult, path: str | Path) -> Path:
    """Write the report of a training to a file, atomically.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    OSError
        If it cannot be written; an older report is then untouched.
    """
    return write_text(path, render_report(result))


def _ranking(result: TrainingResult) -> tuple[Drawing, Drawing]:
    auc, precision, n = result.scores["roc_auc"], result.scores["average_precision"], result.data["n"]
    ranked = f"The area under the curve is the ROC AUC, {auc}. The diagonal, 0.5, is chance."
    found = f"From the likeliest interviews down: average precision {precision}, against "
    found += f"{percent(result.y.mean())} offers among all."
    return (
        Drawing(inline_svg(roc_plot(result), "roc", "ROC curve", ranked), f"ROC AUC {auc}, n = {n:,}."),
        Drawing(
            inline_svg(precision_recall_plot(result), "recall", "Precision and recall", found),
            f"Average precision {precision}, n = {n:,}.",
        ),
    )


def _calibration(result: TrainingResult) -> Drawing:
    bins = result.calibration
    inside = sum(item.low <= item.predicted <= item.high for item in bins)
    return Drawing(
        inline_svg(
            calibration_plot(result, titled=False),
            "calibration",
            "Reliability diagram",
            f"{len(bins)} points, predicted against observed share of offers: "
            + "; ".join(f"{percent(b.predicted)} against {percent(b.observed)}, n = {b.n:,}" for b in bins),
        ),
        f"On the diagonal, calibration is perfect. It lies within the 90 % interval of {inside} of {len(bins)} "
        "points; about nine in ten can be expected. Bars: how many interviews each point holds.",
        Table(
            ("Predicted", "Observed", "90 % interval", "n"),
            [
                (percent(b.predicted), percent(b.observed), f"{percent(b.low)} to {percent(b.high)}", f"{b.n:,}")
                for b in bins
            ],
            text_columns=0,
        ),
    )


def _importances(result: TrainingResult, labels: dict[str, str], families: dict[str, str]) -> Drawing:
    importances = result.model.feature_importances
    family = {signal.name: families[signal.family] for signal in result.model.catalogue.signals}
    strongest = ", ".join(f"{labels[name]} {importances[name]:.2f}" for name in list(importances)[:5])
    head = ["Signal", "Family", "Size"]
    rows: list[tuple[str, ...]] = [(labels[n], family.get(n, "Context"), _decimal(v)) for n, v in importances.items()]
    if result.importances:
        head += ["90 % interval", "Permuted", "90 % interval", "Top 5"]
        rows = [(labels[n], family.get(n, "Context"), *_importance(item)) for n, item in result.importances.items()]
    return Drawing(
        inline_svg(
            importance_plot(result if result.importances else result.model, titled=False),
            "importances",
            "Feature importances",
            f"Mean absolute contribution in log-odds, the strongest signals first: {strongest}.",
        ),
        f"The {min(TOP, len(importances))} strongest of {len(importances)}, by mean absolute contribution"
        + (", with 90 % intervals" if result.importances else "")
        + f"; n = {result.model.trained_on['n']:,}.",
        Table(head, rows, text_columns=2),
    )


def _importance(item: Importance) -> tuple[str, ...]:
    size, lost = item.contribution, item.permutation
    top = "" if item.top is None else percent(item.top)
    return _decimal(size.value), _span(size), _decimal(lost.value), _span(lost), top


def _groups(result: TrainingResult, families: dict[str, str]) -> Iterator[Table]:
    for title, importances, names in (
        ("Family", result.importances_by_family, families),
        ("Whose behaviour", result.importances_by_side, SIDES),
    ):
        if len(importances) > 1:
            head = (title, "Size", "90 % interval", "Permuted", "90 % interval")
            yield Table(head, [(names[name], *_importance(item)[:-1]) for name, item in importances.items()])


def _shape(place: int, label: str, shape: pd.DataFrame, reach: float) -> Markup:
    rows = "; ".join(f"{rating} {value}" for _, rating, value, *_ in _shape_rows(label, shape))
    return shape_svg(shape, reach, f"shape-{place}", f"Shape function of {label}", f"Log-odds by rating: {rows}")


def _shape_rows(label: str, shape: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for rating, value, low, high, n in shape[["rating", "log_odds", "low", "high", "n"]].itertuples(index=False):
        known = f"{signed(low)} to {signed(high)}" if low == low else NOT_OBSERVED_MARK  # NaN where not observed
        rating_text = "not observed" if rating is None else rating if isinstance(rating, str) else f"{rating:g}"
        yield label, rating_text, signed(value), known, f"{n:,.0f}"


def _heatmap(result: TrainingResult, pair: Pair, size: float, labels: dict[str, str]) -> Heatmap:
    words = cell_words(result.model.catalogue)
    rows, columns = (_shown(words[name]) for name in (pair.first, pair.second))
    reach = max(float(np.abs(other.log_odds).max()) for other, _ in result.model.strongest_pairs(HEATMAPS)) or 1.0
    cells = [
        [(signed(v), abs(v) / reach, "for" if v > 0 else "against") for v in pair.log_odds[row, columns].tolist()]
        for row in rows
    ]
    return Heatmap(
        labels[pair.first],
        labels[pair.second],
        size,
        [words[pair.first][row] for row in rows],
        [words[pair.second][column] for column in columns],
        cells,
    )


def _shown(words: list[str]) -> list[int]:
    """Choose cells: of a long scale every few, and those for "not applicable" and "not observed"."""
    n_marks = 2 if NOT_APPLICABLE_MARK in words else 1
    knots = len(words) - n_marks
    return [*range(0, knots, -(-knots // LEVELS)), *range(knots, len(words))]


def _learning(result: TrainingResult) -> Drawing | None:
    curve = result.learning_curve
    if curve is None:
        return None
    points = list(zip(curve.rows, curve.log_loss, strict=True))
    points_text = "; ".join(f"{rows:,} rows {score}" for rows, score in points)
    return Drawing(
        inline_svg(
            learning_plot(curve, result.baselines.get("base_rate", {}).get("log_loss")),
            "learning",
            "Learning curve",
            f"Log-loss on rows not seen, by rows learned from: {points_text}.",
        ),
        f"Log-loss with 90 % intervals, on the same {curve.last_gain.n:,} rows at every point; lower is better.",
        Table(("Rows learned from", "Log-loss", "90 % interval", "n"), [(f"{k:,}", *_score(s)) for k, s in points]),
    )


def _roles(result: TrainingResult) -> Drawing:
    auc = {role: scores["roc_auc"] for role, scores in result.scores_by_role.items()}
    roles = result.roles
    offers = {role: percent(result.y[roles == role].mean()) for role in auc} if roles is not None else {}
    marks = {role: SUSPICIOUS_AUC[role] for role in auc if role in SUSPICIOUS_AUC}
    return Drawing(
        inline_svg(
            interval_plot(auc, "ROC AUC, 90 % interval", reference=0.5, marks=marks),
            "roles",
            "ROC AUC by who rated",
            "; ".join(f"{role} {score}, n = {score.n:,}" for role, score in auc.items()),
        ),
        "Dashed: chance."
        + (
            " Vertical marks: a higher AUC suggests that ratings were made after the outcome was known."
            if marks
            else ""
        ),
        Table(
            ("Who rated", "ROC AUC", "90 % interval", "Log-loss", "90 % interval", "Offers", "n"),
            [
                (role, *_score(by["roc_auc"])[:2], *_score(by["log_loss"])[:2], offers[role], f"{by['log_loss'].n:,}")
                for role, by in result.scores_by_role.items()
            ],
        ),
    )


def _partial(result: TrainingResult) -> Drawing:
    parts = [part for part in subsets(result.catalogue) if part.name in result.partial_scores]
    scores = {part.label: result.partial_scores[part.name] for part in parts}
    auc = {name: by["roc_auc"] for name, by in scores.items()}
    columns = ("roc_auc", "log_loss", "calibration_slope")
    return Drawing(
        inline_svg(
            interval_plot(auc, "ROC AUC, 90 % interval", reference=0.5),
            "partial",
            "ROC AUC by what is rated",
            "; ".join(f"{name} {score}, n = {score.n:,}" for name, score in auc.items()),
        ),
        "Dashed: chance.",
        Table(
            ("Rated", "ROC AUC", "90 % interval", "Log-loss", "90 % interval", "Slope", "90 % interval", "n"),
            [
                (name, *(text for key in columns for text in _score(by[key])[:2]), f"{by['log_loss'].n:,}")
                for name, by in scores.items()
            ],
        ),
    )


def _gains(result: TrainingResult) -> Drawing:
    gains = {name.replace("_", " "): score for name, score in result.gains.items()}
    rows = [
        (
            name.replace("_", " "),
            *_score(saved)[:2],
            *(_decimal(by[key].value) for key in ("log_loss", "brier", "roc_auc")),
            f"{saved.n:,}",
        )
        for (name, saved), by in zip(result.gains.items(), result.baselines.values(), strict=True)
    ]
    return Drawing(
        inline_svg(
            interval_plot(gains, "Log-loss improvement by this model, 90 % interval", reference=0.0),
            "gains",
            "Log-loss improvement over other models",
            "; ".join(f"{name} {score}" for name, score in gains.items()),
        ),
        "Right of the line this model is better, on the same rows and folds.",
        Table(
            ("Compared with", "Improvement", "90 % interval", "Its log-loss", "Its Brier", "Its ROC AUC", "n"),
            rows,
        ),
    )


def _score(score: Score) -> tuple[str, str, str]:
    return _decimal(score.value), _span(score), f"{score.n:,}"


def _span(score: Score) -> str:
    return span(score.low, score.high, 3)


def _decimal(value: float) -> str:
    return number(value, 3)
