"""How a training is displayed in a notebook: scores with intervals beside those of the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from predictor.model.notebook import FOR, lines, page, percent, svg, table

if TYPE_CHECKING:
    from predictor.training.result import TrainingResult


def result_html(result: TrainingResult) -> str:
    """Show a training: scores on rows not seen, with intervals, beside those of the baselines.

    Parameters
    ----------
    result
        What `train` returned.

    Returns
    -------
    str
        HTML as of `predictor.model.notebook.prediction_html`.
    """
    data = result.data
    named: dict[str, Mapping[str, Any]] = {result.name: result.scores, **result.baselines} if result.scores else {}
    losses = [by["log_loss"] for by in named.values()]
    low, high = (min(s.low for s in losses), max(s.high for s in losses)) if losses else (0.0, 1.0)
    rows = []
    for name, by in named.items():
        loss, auc, gained = by["log_loss"], by["roc_auc"], result.gains.get(name)
        colour = FOR if name == result.name else "currentColor"
        rows.append(
            (name.replace("_", " ") if gained else name, _score(loss), _range(loss, low, high, colour), _score(auc),
             _score(gained) if gained else "")
        )  # fmt: skip
    head = (f"n = {losses[0].n:,}" if losses else "", "log-loss", "", "ROC AUC", "improvement over it")
    others = [
        f"{metric.replace('_', ' ')} {score}" for metric, score in result.scores.items()
        if metric not in ("log_loss", "roc_auc")
    ]  # fmt: skip
    costs = [str(cost) for cost in (result.transparency, result.direction_cost, result.panel_term) if cost]
    notes = []
    if rows:
        notes.append("On rows not seen in training; in brackets 90 % intervals; improvement is in log-loss.")
        notes.append(f"Also: {'; '.join(others)}.")
    return page(
        bool(data["simulated"]),
        f"Training {result.name}",
        f"{data['n']:,} interviews from {data['source']}; base rate {percent(data['base_rate'])}."
        if data["n"] else "No interviews: a prior alone.",
        table(head, rows) if rows else "",
        lines([*notes, *costs, *result.warnings]),
    )  # fmt: skip


def _range(score: Any, low: float, high: float, colour: str) -> str:
    """Draw a score with its interval, on an axis from `low` to `high`."""

    def x(value: float) -> str:
        return f"{6 + 148 * (value - low) / ((high - low) or 1.0):.1f}"

    inside = (
        f'<line x1="{x(score.low)}" x2="{x(score.high)}" y1="7" y2="7" stroke="{colour}" stroke-width="3"/>'
        f'<circle cx="{x(score.value)}" cy="7" r="4.5" fill="{colour}"/>'
    )
    return svg(160, 14, _score(score), inside)


def _score(score: Any) -> str:
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
