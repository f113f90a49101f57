"""Signals of an export, named after what was rated, and the catalogue with the meaning of each level."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.ratings.catalogue import INPUT_FAMILY, ORIGIN, RATINGS, Catalogue
from predictor.ratings.signals import ContextInput, Scale, Signal
from predictor.sources.drafting.write import key_of, quoted
from predictor.sources.scorecards.levels import HIGH, LOW, ScoreLevels

if TYPE_CHECKING:
    from numpy.typing import NDArray

OVERALL = "overall_recommendation"
ABOUT_OVERALL = re.compile(r"overall|recommend|\bhire\b|verdict", re.IGNORECASE)  # in a question, or its options
PERSON, OUTCOME, STAGE = "person", "offer", "stage"
CONTEXT = ("application", "rated_on", "outcome_on", "cards", "raters", "panel", "card", "rater", "submitted_at", "use")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_SIGN = re.compile(r"(?<=\w)(\++|#)(?!\w)")  # as in C++ and C#, which are not C
COUNT, SPREAD = "_raters", "_spread"
_TAKEN = {*CONTEXT, PERSON, OUTCOME, STAGE, ORIGIN, RATINGS, INPUT_FAMILY, OVERALL, "panel_leniency", "sex", "race"}


def shown_label(label: str) -> str:
    """Return a label as people read it: without HTML and needless blanks.

    >>> shown_label(" <b>R&amp;D</b>  skills ")
    'R&D skills'
    """
    return unicodedata.normalize("NFC", " ".join(_TAG.sub(" ", html.unescape(label)).split()))


@lru_cache(4096)
def name_of(label: str) -> str:
    """Return a column's name for what was rated.

    Examples
    --------
    >>> name_of("Problem Solving / Logic"), name_of(" communication "), name_of("Offer"), name_of("!")
    ('problem_solving_logic', 'communication', 'offer_rating', 'signal')
    >>> name_of("C++"), name_of("C#"), name_of("C"), name_of("\N{ROCKET}"), name_of("Drive \N{ROCKET}")
    ('c_plus_plus', 'c_sharp', 'c', 'rocket', 'drive')
    """
    text = _SIGN.sub(_spelled, unicodedata.normalize("NFKC", shown_label(label)).casefold())
    name = re.sub(r"\W+", "_", text).strip("_")
    if not name:  # symbols alone
        signs = (unicodedata.name(sign, "") for sign in text if unicodedata.category(sign) == "So")
        name = re.sub(r"\W+", "_", " ".join(signs).lower()).strip("_") or "signal"
    return f"{name}_rating" if name in _TAKEN or name.endswith((COUNT, SPREAD)) else name


def _spelled(signs: re.Match[str]) -> str:
    return "".join(" plus" if sign == "+" else " sharp" for sign in signs[0])


def families_of(signals: Mapping[str, Counter[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return labels by family key, and the family of each signal: the one that it has most often."""
    keys: dict[str, str] = {}
    families: dict[str, str] = {}
    for name, counts in signals.items():
        label = min(counts, key=lambda family: (-counts[family], family)) if counts else ""
        key = re.sub(r"\W+", "_", label.strip().casefold()).strip("_") or "signals"
        key = "signals" if key == INPUT_FAMILY else key
        keys.setdefault(key, label.strip() or "Signals")
        families[name] = key
    return dict(sorted(keys.items())), families


def catalogue_of(
    labels: Mapping[str, str],
    families: Mapping[str, str],
    family_labels: Mapping[str, str],
    levels: Mapping[str, ScoreLevels],
    stages: Sequence[str],
    *,
    name: str,
    title: str,
    simulated: bool,
) -> Catalogue:
    """Build the catalogue of an import; it has the levels as words or as anchors, so a model has them, too."""
    signals = [_signal(key, label, families[key], levels[key]) for key, label in labels.items()]
    counts = [item + ending for item in labels for ending in (COUNT, SPREAD)]
    inputs = (ContextInput(STAGE, "Stage", tuple(stages)),) if len(stages) > 1 else ()
    context = [*CONTEXT, *([] if inputs else [STAGE]), *counts, *([ORIGIN] if simulated else [])]
    return Catalogue(
        name=name,
        title=title,
        signals=tuple(signals),
        families=dict(family_labels),
        inputs=inputs,
        outcome=OUTCOME,
        group=PERSON,
        context=tuple(context),
    )


def _signal(name: str, label: str, family: str, levels: ScoreLevels) -> Signal:
    scale = Scale(LOW, HIGH, 1.0)
    words = [word.replace("_", " ") for word in levels.words]
    if levels.values == scale.knots and not levels.numbered:
        return Signal(name, label, family, scale=scale, better="higher", levels=tuple(words))
    anchors = {f"{value:g}": word for word, value in zip(words, levels.values, strict=True)}
    return Signal(name, label, family, scale=scale, better="higher", anchors=anchors)


def toml_of(catalogue: Catalogue, comments: Iterable[str] = ()) -> str:
    """Write a catalogue as TOML, as `Catalogue.load` reads it."""
    data = catalogue.to_dict()
    lines = [*(f"# {' '.join(comment.split())}" for comment in comments)]
    lines += [f"name = {quoted(data['name'])}", f"title = {quoted(data['title'])}", "", "[columns]"]
    lines += [f"outcome = {quoted(data['columns']['outcome'])}", f"group = {quoted(data['columns']['group'])}"]
    lines += [f"context = {_list(data['columns']['context'])}", "", "[families]"]
    lines += [f"{key_of(key)} = {quoted(label)}" for key, label in data["families"].items()]
    for name, item in data["inputs"].items():
        lines += [
            "",
            f"[inputs.{key_of(name)}]",
            f"label = {quoted(item['label'])}",
            f"levels = {_list(item['levels'])}",
        ]
    for item in data["signals"]:
        lines += ["", "[[signals]]", *(f"{key} = {_value(item[key])}" for key in _KEYS if item.get(key))]
        lines += [f"anchors.{key_of(key)} = {quoted(text)}" for key, text in item["anchors"].items()]
    return "\n".join(lines) + "\n"


_KEYS = ("name", "label", "family", "better", "levels", "scale")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {number:g}" for key, number in value.items()) + " }"
    return quoted(str(value))


def _list(words: Sequence[Any]) -> str:
    return "[" + ", ".join(quoted(str(word)) for word in words) + "]"


def merged_names(labels: Sequence[str]) -> tuple[NDArray[np.int64], dict[str, str]]:
    """Return the signal of each label, and the first label of each signal: those that differ in case only are one."""
    names: dict[str, str] = {}
    for label in sorted(labels, key=lambda label: (label.isupper(), label)):
        names.setdefault(name_of(label), shown_label(label))
    names = dict(sorted(names.items()))
    number_of = {name: number for number, name in enumerate(names)}
    return np.array([number_of[name_of(label)] for label in labels], dtype=np.int64), names
