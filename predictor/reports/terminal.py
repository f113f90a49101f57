"""What a person reads in the terminal about a prediction or a training run."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from predictor.prediction import Contribution, Prediction
from predictor.signals import CONTEXT, Catalogue

if TYPE_CHECKING:
    from predictor.learning.training import TrainingResult

WIDTH = 80
BAR = 16
MOST = 6  # reasons shown on each side
MOST_ROWS = 20  # of a table


def render_prediction(prediction: Prediction, catalogue: Catalogue) -> str:
    """Tell one prediction in at most 80 columns: likelihood, reasons for and against, what was not rated."""
    interval = prediction.interval
    lines = [
        click.style(f"Likelihood of an offer: {_percent(prediction.offer_probability)}", bold=True),
        _gauge(prediction),
        f"{_percent(interval.level)} interval for the likelihood, given these ratings: "
        f"{_percent(interval.low)} to {_percent(interval.high)}",
        f"Base rate: {_percent(prediction.base_rate)}",
        "",
    ]
    labels = {signal.name: signal.label for signal in catalogue.signals} | {i.name: i.label for i in catalogue.inputs}
    labels = {name: textwrap.shorten(label, 43, placeholder="...") for name, label in labels.items()}
    rated = [item for item in prediction.contributions if item.rating is not None]
    largest = max((abs(item.log_odds) for item in rated), default=0.0)
    for title, sign, colour in (("Spoke for an offer", 1, "green"), ("Spoke against", -1, "red")):
        chosen = sorted((c for c in rated if c.log_odds * sign > 0), key=lambda c: -abs(c.log_odds))
        if chosen:
            lines.append(click.style(f"{title:<46}{'rated':<12}log-odds", bold=True))
            lines += [_reason(item, labels[item.signal], largest, colour) for item in chosen[:MOST]]
            if rest := chosen[MOST:]:
                lines.append(f"  {f'and {len(rest)} smaller':<56}{_signed(sum(c.log_odds for c in rest))}")
            lines.append("")
    families = {**catalogue.families, CONTEXT: ", ".join(item.label for item in catalogue.inputs)}
    if rated:
        lines.append(click.style(f"{'By family':<58}log-odds", bold=True))
        for key, value in prediction.families.items():
            if value:
                lines.append(f"  {textwrap.shorten(families[key], 54, placeholder='...'):<56}{_signed(value)}")
        lines.append(f"  {'Baseline: a usual interview':<56}{_signed(prediction.baseline)}")
        total = f"Together, which is {_percent(prediction.offer_probability)}"
        lines.append(f"  {total:<56}{_signed(prediction.log_odds)}")
        lines.append("")
    if prediction.not_rated:
        lines += _wrap(f"Not rated: {', '.join(labels[name] for name in prediction.not_rated)}.")
    for note in prediction.notes:
        lines += [click.style(line, fg="yellow") for line in _wrap(note)]
    lines += _wrap(_about(prediction))
    lines += _wrap("These are associations, not causes: for reflection and practice, not for selecting people.")
    return "\n".join(lines)


def render_table(predictions: Sequence[Prediction], total: int) -> str:
    """Tell the first of many predictions, a line each."""
    lines = [click.style(f"{'row':>7}  {'offer':>6}  {'90 % interval':<16}not rated", bold=True)]
    for row, item in enumerate(predictions, 1):
        span = f"{_percent(item.interval.low)} to {_percent(item.interval.high)}"
        lines.append(f"{row:>7,}  {_percent(item.offer_probability):>6}  {span:<16}{len(item.not_rated)}")
    if total > len(predictions):
        lines.append(f"... and {total - len(predictions):,} more; all of them: --json or --out FILE.csv")
    lines += [click.style(line, fg="yellow") for line in _wrap(_about(predictions[0]))]
    return "\n".join(lines)


def render_training(result: TrainingResult) -> str:
    """Tell a training run in at most 80 columns: scores with intervals, baselines, roles, warnings."""
    data = result.data
    lines = [
        click.style(f"{result.name}: trained on {data['n']:,} interviews ", bold=True)
        + f"({data['n_groups']:,} groups, {_percent(data['base_rate'])} offers) in {result.seconds:.0f} s",
        "",
        click.style(
            f"{'On rows not seen in training':<30}{'value':>7}   {'90 % interval':<17}"
            f"{'base rate':>10}{'mean rating':>13}",
            bold=True,
        ),
    ]
    for metric, score in result.scores.items():
        others = "".join(
            f"{result.baselines[name][metric].value:>{width}.3f}"
            for name, width in (("base_rate", 10), ("mean_rating", 13))
        )
        span = f"{score.low:.3f} to {score.high:.3f}"
        lines.append(f"  {metric.replace('_', ' '):<28}{score.value:>7.3f}   {span:<17}{others}")
    lines.append("")
    for name, score in result.gains.items():
        lines.append(f"  log-loss saved against the {name.replace('_', ' ')}: {score}")
    if result.scores_by_role:
        lines += ["", click.style(f"{'By who rated':<30}{'ROC AUC':>7}   {'90 % interval':<17}{'n':>10}", bold=True)]
        for role, by in result.scores_by_role.items():
            auc = by["roc_auc"]
            span = f"{auc.low:.3f} to {auc.high:.3f}"
            lines.append(f"  {role:<28}{auc.value:>7.3f}   {span:<17}{auc.n:>10,}")
    lines.append("")
    for warning in result.warnings:
        lines += [click.style(line, fg="yellow") for line in _wrap(warning)]
    return "\n".join(lines).rstrip()


def render_catalogue(catalogue: Catalogue) -> str:
    """Tell the signals by family: name, question, and what ratings mean."""
    lines = [
        click.style(
            f"{catalogue.title}: {len(catalogue.signals)} signal{'s' * (len(catalogue.signals) != 1)}", bold=True
        )
    ]
    for family, title in catalogue.families.items():
        lines += ["", click.style(title, bold=True)]
        for signal in (signal for signal in catalogue.signals if signal.family == family):
            side = f", {signal.side}" if signal.side else ""
            lines.append(f"  {click.style(signal.name, fg='cyan')}  ({signal.scale}{side})")
            lines += textwrap.wrap(signal.question, WIDTH, initial_indent="    ", subsequent_indent="    ")
            for rating, meaning in signal.anchors.items():
                lines += textwrap.wrap(
                    f"{rating}  {meaning}", WIDTH, initial_indent="      ", subsequent_indent=" " * 9
                )
    for item in catalogue.inputs:
        lines += [
            "",
            click.style(item.label, bold=True),
            f"  {click.style(item.name, fg='cyan')}  {', '.join(item.levels)}",
        ]
    return "\n".join(lines)


def _reason(item: Contribution, label: str, largest: float, colour: str) -> str:
    rating = textwrap.shorten(f"{item.rating:g}" if isinstance(item.rating, float) else str(item.rating), 11)
    bar = "█" * max(1, round(BAR * abs(item.log_odds) / largest)) if largest else ""
    return f"  {label:<44}{rating:<12}{_signed(item.log_odds)} " + click.style(bar, fg=colour)


def _gauge(prediction: Prediction) -> str:
    """Draw 0 to 100 % with the interval and the estimate on it."""
    cells = ["·"] * 61
    low, high = (round(60 * share) for share in (prediction.interval.low, prediction.interval.high))
    cells[low : high + 1] = "━" * (high + 1 - low)
    cells[round(60 * prediction.base_rate)] = "┃"
    cells[round(60 * prediction.offer_probability)] = "●"
    return f"  0 % {''.join(cells)} 100 %"


def _about(prediction: Prediction) -> str:
    model, data = prediction.model, prediction.model["trained_on"]
    kind = "SIMULATED interviews" if data["simulated"] else "interviews"
    return f"Model {model['name']} ({model['fingerprint']}), trained on {data['n']:,} {kind} from {data['source']}."


def _signed(log_odds: float) -> str:
    return f"{round(log_odds, 2) + 0.0:+.2f}"  # adding 0 turns -0 into 0


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if 0.01 <= share <= 0.99 else 1}f} %"


def _wrap(text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")
