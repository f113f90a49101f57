"""A model in the terminal and as plain data: its importances, what each rating adds, its strongest pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from predictor.errors import plural
from predictor.model.subsets import subsets
from predictor.model.wording import CAVEAT
from predictor.reports.text import WIDTH, cut, signed_ascii, title, wrap

if TYPE_CHECKING:
    from predictor.model.changes import WhatWouldChange
    from predictor.model.offer_model import OfferModel

BAR = 20
PAIRS = 10  # shown in the terminal
LEVELS = 7  # of a scale that fit into 80 columns of the terminal; of a longer scale, every few are shown


def model_data(model: OfferModel) -> dict[str, Any]:
    """Return what `render_model` shows, and the whole tables, as plain data ready for JSON."""
    shapes = model.shape_functions()
    records = shapes.astype(object).where(shapes.notna(), None).to_dict("records")
    return {
        "name": model.name,
        "fingerprint": model.fingerprint,
        "created_at": model.created_at,
        "trained_on": dict(model.trained_on),
        "versions": dict(model.versions),
        "deletions": [dict(item) for item in model.deletions],
        "base_rate": model.base_rate,
        "intercept": model.intercept,
        "gaps": asdict(model.gaps),
        "feature_importances": dict(model.feature_importances),
        "family_importances": dict(model.group_importances.get("family", {})),
        "side_importances": dict(model.group_importances.get("side", {})),
        "shape_functions": records,
        "strongest_pairs": [
            {"first": pair.first, "second": pair.second, "root_mean_square": size, "log_odds": pair.log_odds.tolist()}
            for pair, size in model.strongest_pairs()
        ],
    }


def render_model(model: OfferModel) -> str:
    """Write a model in at most 80 columns: origin, scores, importances, shape functions, strongest pairs."""
    catalogue, trained_on = model.catalogue, model.trained_on
    labels = catalogue.labels
    kind = "SIMULATED interviews" if model.simulated else "interviews"
    lines = [
        title(f"{model.name}: a table for each of {plural(len(labels), 'term')}")
        + f", and for {plural(len(model.pairs), 'pair')} of them"
        + (f" and {plural(len(model.triples), 'triple')}" if model.triples else ""),
        *wrap(
            f"Trained on {trained_on['n']:,} {kind} from {trained_on['source']}, base rate "
            f"{100 * model.base_rate:.0f} %, on {model.created_at[:10]}; catalogue '{catalogue.name}', fingerprint "
            f"{model.fingerprint}."
        ),
        *(line for note in (*model.prior_note(), *model.old_note(), *model.deleted_note()) for line in wrap(note)),
        "",
    ]
    if scores := trained_on.get("scores"):
        lines.append(title(f"{'On rows not seen in training':<30}{'value':>7}   90 % interval"))
        for metric, (value, low, high) in scores.items():
            lines.append(f"  {metric.replace('_', ' '):<28}{value:>7.3f}   {low:.3f} to {high:.3f}")
        lines.append("")
    lines += _partial(model)
    lines += _bars("Feature importance: mean absolute contribution", labels, model.feature_importances)
    if families := model.group_importances.get("family"):
        lines += _bars("By family: its signals' contributions summed", catalogue.family_labels, families)
    else:
        lines += [*wrap("This older model does not hold importances by family; train it again to see them."), ""]
    if sides := model.group_importances.get("side"):
        lines += _bars("By side: its signals' contributions added", {}, sides)
    lines += _shapes(model, labels)
    lines += _pairs(model, labels)
    if model.simulated:
        lines += ["SIMULATED: this model learned from simulated interviews, not from real ones."]
    lines += wrap(CAVEAT)
    return "\n".join(lines)


def _partial(model: OfferModel) -> Iterator[str]:
    """Write how good it is when only part of the signals are rated, and what leaving signals unrated goes with."""
    if measured := model.trained_on.get("partial_scores"):
        yield title(f"{'When only these are rated':<46}{'ROC AUC':>7}   {'90 % interval':<17}{'n':>6}")
        for part in subsets(model.catalogue):
            if part.name in measured:
                (value, low, high), n = measured[part.name]["roc_auc"], measured[part.name]["n"]
                yield f"  {cut(part.label, 44):<44}{value:>7.3f}   {f'{low:.3f} to {high:.3f}':<17}{n:>6,}"
        yield ""
    for note in model.gaps_note():
        yield from (*wrap(note), "")


def render_changes(changes: WhatWouldChange) -> str:
    """Write what would change an answer in at most 80 columns."""
    text = f"{changes.sentence} An association, not advice."
    return "\n".join(["", title("What would change it"), *wrap(text, indent="  ")])


def _bars(heading: str, labels: Mapping[str, str], sizes: Mapping[str, float]) -> Iterator[str]:
    yield title(f"{heading:<48}log-odds")
    largest = max(sizes.values(), default=0.0) or 1.0
    for name, size in sizes.items():
        bar = click.style("█" * round(BAR * size / largest), fg="cyan")
        yield f"  {cut(labels.get(name, name), 44):<46}{size:>8.3f} {bar}".rstrip()
    yield ""


def _shapes(model: OfferModel, labels: Mapping[str, str]) -> Iterator[str]:
    """Write the shape functions, signals of the same scale under one heading; the most important first."""
    unseen = int(model.factor_model is None)  # from format 3 on, what was not observed adds nothing by itself
    scales: dict[tuple[float | str, ...], list[str]] = {}
    signals = {signal.name: signal for signal in model.catalogue.signals}
    for name in (name for name in model.feature_importances if name in signals):
        scales.setdefault(model.catalogue.possible_values[name], []).append(name)
    yield title("Shape functions: log-odds that a rating adds, against the usual interview")
    for answers, names in scales.items():
        knots = signals[names[0]].scale.knots
        last = len(knots) - 1
        shown = [round(i * last / 5) for i in range(6)] if last >= LEVELS else range(last + 1)
        beside = range(last + 1, len(answers) + unseen)  # not applicable, not observed
        width = WIDTH - 2 - 6 * max(6, len(shown) + len(beside))
        other = f"{'n/a':>6}" if len(beside) > unseen else ""
        head = "".join(f"{knots[i]:>6g}" for i in shown) + other + (f"{'-':>6}" if unseen else "")
        yield f"  {'rated':<{width}}{head}"
        for name in names:
            cells = "".join(f"{signed_ascii(model.tables[name][i]):>6}" for i in (*shown, *beside))
            yield f"  {cut(labels[name], width - 1):<{width}}{cells}"
        if len(shown) <= last:
            yield f"  ({len(shown)} of {last + 1} ratings; all of them: --json)"
    for scale, rated in _by_levels(model).items():
        places = ", ".join(f"{knot:g} {word}" for knot, word in zip(signals[rated[0]].scale.knots, scale, strict=True))
        yield from wrap(f"{', '.join(labels[name] for name in rated)}: {places}", indent="  ")
    for item in model.catalogue.inputs:
        levels = (*item.levels, "-") if unseen else item.levels
        words = [f"{word} {signed_ascii(value)}" for word, value in zip(levels, model.tables[item.name], strict=False)]
        yield from wrap(f"{item.label}: {', '.join(words)}", indent="  ")
    if legend := ["- not observed"] * unseen + ["n/a not applicable"] * any(s.not_applicable for s in signals.values()):
        yield f"  {'; '.join(legend)}"
    yield ""


def _by_levels(model: OfferModel) -> dict[tuple[str, ...], list[str]]:
    """Signals that are rated in the same words, by these words."""
    by_levels: dict[tuple[str, ...], list[str]] = {}
    for signal in model.catalogue.signals:
        if signal.levels:
            by_levels.setdefault(signal.levels, []).append(signal.name)
    return by_levels


def _pairs(model: OfferModel, labels: Mapping[str, str]) -> Iterator[str]:
    strongest = model.strongest_pairs(PAIRS)
    if not strongest:
        yield from ("No pairs: what a rating adds is the same whatever else was rated.", "")
        return
    yield title(f"{'Strongest pairs: root mean square effect':<66}log-odds")
    for pair, size in strongest:
        yield f"  {f'{cut(labels[pair.first], 30)} with {cut(labels[pair.second], 30)}':<66}{size:>6.3f}"
    if more := len(model.pairs) - len(strongest):
        yield f"  and {more} weaker"
    if model.triples:
        yield f"  and {plural(len(model.triples), 'triple')}, whose tables are in the model's file"
    yield ""
