"""Predictions, trainings, comparisons and versions as text for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from predictor.errors import plural, printable
from predictor.model.prediction import Contribution, Prediction
from predictor.model.subsets import subsets
from predictor.model.wording import CAVEAT, TEXTS
from predictor.ratings.catalogue import INPUT_FAMILY, Catalogue
from predictor.ratings.signals import NOT_APPLICABLE, Signal
from predictor.reports.text import WIDTH, cut, signed_ascii, title, wrap, yellow

if TYPE_CHECKING:
    from predictor.evaluation.importance import Importance
    from predictor.evaluation.scores import Score
    from predictor.tracking.registry import Version
    from predictor.training.comparison import Leaderboard
    from predictor.training.result import TrainingResult

BAR, BAR_BESIDE = 16, 8  # columns of the longest bar, and where the implied part is shown beside the figure
MOST = 6  # reasons shown on each side
MOST_ROWS = 20  # of a table
MOST_IMPORTANT = 10  # signals
SIDES = {"interviewer": "What the interviewer does", "candidate": "What the candidate does", "both": "What both do"}


def render_prediction(prediction: Prediction, catalogue: Catalogue) -> str:
    """Write one prediction in at most 80 columns: likelihood, reasons for and against, what was not rated."""
    interval = prediction.interval
    lines = [
        title(f"Likelihood of an offer: {_percent(prediction.offer_probability)}"),
        _gauge(prediction),
        f"{_percent(interval.level)} interval for the likelihood, given these ratings: "
        f"{_percent(interval.low)} to {_percent(interval.high)}",
        f"Base rate: {_percent(prediction.base_rate)}",
        "",
    ]
    labels = {name: cut(label, 43) for name, label in catalogue.labels.items()}
    signals = {signal.name: signal for signal in catalogue.signals}
    rated = [item for item in prediction.contributions if item.rating is not None]
    left_out = sum(item.log_odds for item in prediction.contributions if item.signal in prediction.not_rated)
    if abs(left_out) >= 0.005:  # missing ratings by themselves change the log-odds
        labels[""] = f"{len(prediction.not_rated)} signals left unrated"
        rated.append(Contribution("", INPUT_FAMILY, None, "together", left_out))
    largest = max((abs(item.log_odds) for item in rated), default=0.0)
    implied = any(round(item.implied, 2) for item in rated)
    for heading, sign, colour in (("Raised the estimate", 1, "green"), ("Lowered the estimate", -1, "red")):
        chosen = sorted((c for c in rated if c.log_odds * sign > 0), key=lambda c: -abs(c.log_odds))
        if chosen:
            head = f"{heading:<46}{'rated':<12}log-odds{' implied' if implied else ''}"
            lines.append(title(head))
            for item in chosen[:MOST]:
                rating = _rating(item, signals.get(item.signal))
                lines.append(_reason(item, labels[item.signal], rating, largest, colour, implied))
            if rest := chosen[MOST:]:
                lines.append(f"  {f'and {len(rest)} smaller':<56}{signed_ascii(sum(c.log_odds for c in rest))}")
            lines.append("")
    if implied:
        lines += wrap(TEXTS["implied"])
        lines.append("")
    if rated:
        lines.append(title(f"{'By family':<58}log-odds"))
        for key, value in prediction.families.items():
            if value:
                lines.append(f"  {cut(catalogue.family_labels[key], 54):<56}{signed_ascii(value)}")
        lines.append(f"  {'Baseline (start of the sum)':<56}{signed_ascii(prediction.baseline)}")
        total = f"Total ({_percent(prediction.offer_probability)})"
        lines.append(f"  {total:<56}{signed_ascii(prediction.log_odds)}")
        lines.append("")
    if prediction.not_rated:
        lines += wrap(f"Not rated: {', '.join(labels[name] for name in prediction.not_rated)}.")
    for note in prediction.notes:
        lines += yellow(note)
    lines += wrap(_about(prediction))
    lines += wrap(CAVEAT)
    return "\n".join(lines)


def render_table(predictions: Sequence[Prediction], total: int) -> str:
    """Write the first of many predictions, one line each."""
    lines = [title(f"{'row':>7}  {'offer':>6}  {'90 % interval':<16}not rated")]
    for row, item in enumerate(predictions, 1):
        span = f"{_percent(item.interval.low)} to {_percent(item.interval.high)}"
        lines.append(f"{row:>7,}  {_percent(item.offer_probability):>6}  {span:<16}{len(item.not_rated)}")
    if total > len(predictions):
        lines.append(f"... and {total - len(predictions):,} more; all of them: --json or --out FILE.csv")
    lines += yellow(_about(predictions[0]))
    return "\n".join(lines)


def render_training(result: TrainingResult) -> str:
    """Write a training run in at most 80 columns: scores, baselines, roles, importances, warnings."""
    data = result.data
    made = "trained on" if result.tables else f"a {result.config.model.replace('_', ' ')} model, measured on"
    lines = [
        title(f"{result.name}: {made} {data['n']:,} interviews ")
        + (f"({data['n_groups']:,} groups, {_percent(data['base_rate'])} offers) " if data["n"] else "")
        + f"in {result.seconds:.0f} s",
        "",
    ]
    if result.scores:
        lines.append(title(f"{'On rows not seen in training':<30}{'value':>7}   90 % interval"))
    for metric, score in result.scores.items():
        lines.append(f"  {metric.replace('_', ' '):<28}{score.value:>7.3f}   {_span(score)}")
    if result.gains:
        head = f"{'Log-loss improvement over':<30}{'value':>7}   {'90 % interval':<17}{'log-loss':>10}{'ROC AUC':>9}"
        lines += ["", title(head)]
    for name, saved in result.gains.items():
        columns = f"  {name.replace('_', ' '):<28}{_figure(saved.value):>7}   {_span(saved):<17}"
        other = result.baselines[name]
        lines.append(f"{columns}{other['log_loss'].value:>10.3f}{other['roc_auc'].value:>9.3f}")
    for cost in (result.transparency, result.direction_cost, result.panel_term):
        lines += wrap(str(cost)) if cost else []
    if result.scores_by_role:
        lines += ["", title(f"{'By who rated':<30}{'ROC AUC':>7}   {'90 % interval':<17}{'n':>10}")]
        for role, by in result.scores_by_role.items():
            auc = by["roc_auc"]
            lines.append(f"  {role:<28}{auc.value:>7.3f}   {_span(auc):<17}{auc.n:>10,}")
    if result.partial_scores:
        lines += ["", *_partial(result)]
    if result.importances:
        lines += ["", *_importances(result), ""]
    if result.tables:
        lines += [line for note in result.tables.gaps_note() for line in wrap(note)]
    for warning in result.warnings:
        lines += yellow(warning)
    return "\n".join(lines).rstrip()


def render_leaderboard(board: Leaderboard) -> str:
    """Write a comparison in at most 80 columns: the best, log-losses, and differences to the reference."""
    head = f"{'Experiment':<24}{'log-loss':>8}   {'minus the reference (90 % interval)':<38}ROC AUC"
    lines = [*wrap(board.headline), "", title(head)]
    colours = {"better": "green", "worse": "red"}
    for entry in board.entries:
        gap = entry.difference
        difference = f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})" if gap and entry.verdict != "same" else ""
        name = cut(entry.name, 23)
        lines.append(
            f"{name:<24}{entry.log_loss.value:>8.3f}   "
            + click.style(f"{entry.verdict:<10}{difference:<28}", fg=colours.get(entry.verdict))
            + f"{entry.roc_auc.value:>7.3f}"
        )
    lines += wrap(f'{board.why} Below 0 is better; "level" is no significant difference.')
    return "\n".join(lines)


def render_history(versions: Sequence[Version]) -> str:
    """Write the registered versions in at most 80 columns, the latest first."""
    lines = [title(f"{'version':<9}{'model':<27}{'n':>7}  {'log-loss (90 % interval)':<25}{'made':<12}")]
    for version in versions:
        scores = [version.metrics.get(f"log_loss{end}") for end in ("", "_low", "_high")]
        log_loss = "not measured"
        if all(score is not None for score in scores):
            value, low, high = scores
            log_loss = f"{value:.3f} ({low:.3f} to {high:.3f})"
        name = cut(printable(version.name), 25)
        rows = f"{version.metrics.get('n', 0):,.0f}"
        line = f"{version.number:<9}{name:<27}{rows:>7}  {log_loss:<25}{version.made:%Y-%m-%d}"
        lines.append(click.style(line, bold=bool(version.aliases)))
        remarks = [f"@{alias}" for alias in version.aliases]
        remarks += [f"gain {version.tags['gain']}"] if "gain" in version.tags else []
        remarks += [f"forced: {printable(version.tags['forced'])}"] if "forced" in version.tags else []
        if remarks:
            lines += textwrap.wrap(", ".join(remarks), WIDTH, initial_indent=" " * 9, subsequent_indent=" " * 9)
    lines += wrap(
        "Log-losses of versions trained on other rows do not compare; predictor promote compares on the same."
    )
    return "\n".join(lines)


def _partial(result: TrainingResult) -> Iterable[str]:
    """Write how good the model is when only part of the signals are rated; families in one sentence."""
    yield title(f"{'When only these are rated':<30}{'ROC AUC':>7}   {'90 % interval':<17}{'n':>10}")
    families = []
    for part in subsets(result.catalogue):
        if by := result.partial_scores.get(part.name):
            auc = by["roc_auc"]
            if part.name.startswith("family:"):
                families.append(auc)
            else:
                yield f"  {part.label:<28}{auc.value:>7.3f}   {_span(auc):<17}{auc.n:>10,}"
    if families:
        weakest, best = (choose(families, key=lambda auc: auc.value) for choose in (min, max))
        yield from wrap(f"One family alone: {weakest} to {best}, n = {best.n:,}; each of them is in the report.")
    yield from wrap("One repeat of the cross-validation, so the first line may differ from the scores above.")


def _importances(result: TrainingResult) -> list[str]:
    """Write the importances: the strongest signals, families and sides, and signals that cannot be distinguished."""
    catalogue = result.catalogue
    lines = [title(f"{'Feature importance':<37}{'size in log-odds':<20} top 5  permuted")]
    lines += _bars(result.importances, catalogue.labels)
    for heading, importances, named in (
        ("By family", result.importances_by_family, catalogue.family_labels),
        ("By side", result.importances_by_side, SIDES),
    ):
        if len(importances) > 1:
            lines += [title(heading), *_bars(importances, named)]
    lines += wrap(
        "Size: mean absolute contribution. Top 5: the share of the folds' models in which it is there. Permuted: "
        "increase of log-loss on unseen rows. ± is a 90 % interval. Associations, not causes."
    )
    return [*lines, *(line for statement in result.halo for line in wrap(statement))]


def _bars(importances: Mapping[str, Importance], labels: Mapping[str, str]) -> Iterable[str]:
    shown = list(importances.items())[:MOST_IMPORTANT]
    largest = shown[0][1].contribution.value if shown else 0.0
    for name, item in shown:
        size, shuffled = item.contribution, item.permutation
        bar = click.style(f"{'█' * (round(8 * size.value / largest) if largest else 0):<8}", fg="cyan")
        top = "" if item.top is None else f"{100 * item.top:.0f} %"
        label = cut(labels[name], 34)
        columns = f"{label:<34} {size.value:.2f} ± {size.high - size.value:.2f}"
        lost = f"{_figure(shuffled.value):>6} ± {shuffled.high - shuffled.value:.3f}"
        yield f"  {columns} {bar} {top:>5}  {lost}"


def _span(score: Score) -> str:
    return f"{_figure(score.low)} to {_figure(score.high)}"


def _figure(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}"  # adding 0 turns -0 into 0


def render_catalogue(catalogue: Catalogue) -> str:
    """Write the signals by family: name, question, and what ratings mean."""
    lines = [title(f"{printable(catalogue.title)}: {plural(len(catalogue.signals), 'signal')}")]
    for family, label in catalogue.families.items():
        lines += ["", title(printable(label))]
        for signal in (signal for signal in catalogue.signals if signal.family == family):
            side = f", {signal.side}" if signal.side else ""
            other = f" or '{NOT_APPLICABLE}'" if signal.not_applicable else ""
            better = f", {signal.better} is better" if signal.direction else ""
            lines.append(f"  {click.style(printable(signal.name), fg='cyan')}  ({signal.scale}{other}{side}{better})")
            lines += textwrap.wrap(signal.question, WIDTH, initial_indent="    ", subsequent_indent="    ")
            for rating, meaning in signal.anchor_texts.items():
                lines += textwrap.wrap(
                    f"{rating}  {meaning}", WIDTH, initial_indent="      ", subsequent_indent=" " * 9
                )
    for item in catalogue.inputs:
        lines += [
            "",
            title(printable(item.label)),
            f"  {click.style(printable(item.name), fg='cyan')}  {', '.join(item.levels)}",
        ]
    return "\n".join(lines)


def _rating(item: Contribution, signal: Signal | None) -> str:
    """Write a rating as it was given: in words where the signal has levels."""
    words = {knot: level for level, knot in zip(signal.levels, signal.scale.knots, strict=False)} if signal else {}
    if isinstance(item.rating, float):
        return words.get(item.rating, f"{item.rating:g}")
    return str(item.rating)


def _reason(item: Contribution, label: str, rating: str, largest: float, colour: str, implied: bool) -> str:
    rating = rating if len(rating) <= 11 else f"{rating[:8]}..."
    beside = f"{signed_ascii(item.implied):>8} " if implied else " "
    longest = BAR_BESIDE if implied else BAR
    bar = "█" * max(1, round(longest * abs(item.log_odds) / largest)) if largest else ""
    return f"  {label:<44}{rating:<12}{signed_ascii(item.log_odds)}{beside}" + click.style(bar, fg=colour)


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
    origin = f"Model {model['name']} ({model['fingerprint']}), trained on {data['n']:,} {kind} from {data['source']}."
    return f"{origin} {100 * data['prior']['share']:.0f} % of it is a SIMULATED prior." if "prior" in data else origin


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if 0.01 <= share <= 0.99 else 1}f} %"
