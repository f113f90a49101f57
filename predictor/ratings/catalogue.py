"""The signal catalogue: which signals are rated, on which scale, and what their ratings mean.

A catalogue is data (a TOML file, see `signals.toml`), so a hiring team writes its own without Python.
A trained model carries the catalogue that it was trained with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from predictor.errors import CatalogueError, control_character, nearest, printable
from predictor.ratings.signals import NOT_APPLICABLE, ContextInput, Scale, Signal, Wording
from predictor.reading import read_toml

SHIPPED = Path(__file__).with_name("signals.toml")
ORIGIN = "origin"  # the context column whose word SIMULATED marks simulated rows
SIMULATED = "SIMULATED"
RATINGS = "ratings"  # the JSON key that may hold the signals, apart from context
PANEL = "panel"  # the context column with the pseudonyms of the raters; see `predictor.model.raters`
ROLE = "rater_role"  # the input that names who rated, in a catalogue that has one
INPUT_FAMILY = "context"  # the family of inputs such as the rater's role
# Keys of a signal whose defaults, for all signals, may be at the top of the file.
_DEFAULTABLE: Mapping[str, Any] = {"better": str, "levels": list, "not_observed": list, "not_applicable": list}


class SignalColumn(NamedTuple):
    """A signal with its column and the ends of its scale."""

    column: int
    low: float
    high: float
    signal: Signal


class Lookup(NamedTuple):
    """What a record may have, by name.

    Attributes
    ----------
    signals
        By name of the signal.
    levels
        By name of the input and its level: column and code.
    context
        Further columns, without the outcome.
    """

    signals: dict[str, SignalColumn]
    levels: dict[str, dict[str, tuple[int, float]]]
    context: frozenset[str]


@dataclass(frozen=True)
class Catalogue:
    """The signals, inputs and columns that ratings may have.

    Attributes
    ----------
    name, title
        Short name (recorded with every run) and title.
    signals
        The signals in the order of the model's columns.
    families
        Label by family key.
    inputs
        Context columns that the model may use.
    outcome
        Column with the outcome, yes or no.
    group
        Column of the person (a candidate) whose rows are in the same fold; None if there is none.
    context
        Further columns that files may have; kept in `Ratings.columns`. A model uses none but `panel`, if it
        knows raters.
    learned_ends
        True if the ends of the scales were taken from data (`OfferClassifier` without a catalogue): ratings beyond them
        are clipped with a warning, not refused.

    Raises
    ------
    CatalogueError
        If names repeat or are empty, a family, side or direction is unknown, or a code is on a signal's scale or
        means two things.

    Examples
    --------
    >>> catalogue = Catalogue.shipped()
    >>> catalogue.signals[0].name, list(catalogue.families)[0], catalogue.outcome
    ('interviewer_active_listening', 'engagement', 'offer')
    """

    name: str
    title: str
    signals: tuple[Signal, ...]
    families: Mapping[str, str]
    inputs: tuple[ContextInput, ...] = ()
    outcome: str = "offer"
    group: str | None = None
    context: tuple[str, ...] = ()
    learned_ends: bool = False

    def __repr__(self) -> str:
        inputs = f", inputs {', '.join(item.name for item in self.inputs)}" if self.inputs else ""
        return f"<Catalogue {self.name!r}: {len(self.signals)} signals{inputs}>"

    def __post_init__(self) -> None:
        problems = [
            f"{what}: {text!r:.60} has a control character, {character!a}; take it out"
            for what, text in self._texts()
            if isinstance(text, str) and (character := control_character(text))
        ]
        if not self.signals:
            problems.append("it has no signals; add at least one [[signals]] table")
        columns = [*self.names, *(item.name for item in self.inputs), self.outcome, *self.context]
        columns += [self.group] if self.group and self.group not in self.context else []
        for name, times in Counter(columns).items():
            if times > 1:
                problems.append(f"the column '{name}' is named {times} times; name each column once")
            if not isinstance(name, str) or not name.strip():
                problems.append(f"a column is named {name!r}; write a name")
        if RATINGS in columns:
            problems.append(f"the name '{RATINGS}' is taken: JSON files hold all signals under it; use another name")
        for what, words in (
            ("family label", self.families),
            *((s.name + ", anchors", s.anchors) for s in self.signals),
            *((s.name + ", own.anchors", s.own.anchors) for s in self.signals),
        ):
            problems += [
                f"{what} {key}: {word!r} is not text" for key, word in words.items() if not isinstance(word, str)
            ]
        if INPUT_FAMILY in self.families:
            problems.append(f"the family '{INPUT_FAMILY}' is taken by the inputs; use another name")
        for signal in self.signals:
            if signal.family not in self.families:
                hint = nearest(signal.family, self.families)
                problems.append(f"signal '{signal.name}': family '{signal.family}' is not under [families]{hint}")
            problems += [f"signal '{signal.name}': {fault}" for fault in signal.faults()]
        problems += [
            f"input '{item.name}': levels must be two or more different words"
            for item in self.inputs
            if len(item.levels) < 2 or len(set(item.levels)) < len(item.levels)
        ]
        if problems:
            raise CatalogueError("\n  ".join([f"catalogue '{printable(str(self.name))}':", *problems]))

    def _texts(self) -> Iterator[tuple[str, Any]]:
        """Yield every text that a terminal or page shows, after the place where it is."""
        yield from (("name", self.name), ("title", self.title), *(("column", name) for name in self.columns))
        yield from (("[families]", text) for family in self.families.items() for text in family)
        for signal in self.signals:
            texts = (
                signal.label,
                signal.family,
                signal.side,
                signal.question,
                *signal.anchors,
                *signal.anchors.values(),
                *(signal.own.label, signal.own.question, *signal.own.anchors, *signal.own.anchors.values()),
            )
            codes = (*signal.levels, *signal.not_observed, *signal.not_applicable)
            yield from ((f"signal '{signal.name}'", text) for text in (*texts, *codes))
        for item in self.inputs:
            yield from ((f"input '{item.name}'", text) for text in (item.label, *item.levels))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the signals, in order."""
        return tuple(signal.name for signal in self.signals)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Labels of signals and inputs, by name."""
        return {s.name: s.label for s in self.signals} | {item.name: item.label for item in self.inputs}

    @cached_property
    def family_labels(self) -> dict[str, str]:
        """Labels of families, by key; the inputs together are the family `INPUT_FAMILY`."""
        return {**self.families, INPUT_FAMILY: ", ".join(item.label for item in self.inputs)}

    @cached_property
    def ends(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Lowest and highest rating of each signal, in order."""
        scales = [signal.scale for signal in self.signals]
        return tuple(scale.low for scale in scales), tuple(scale.high for scale in scales)

    @cached_property
    def not_applicable_values(self) -> tuple[float, ...]:
        """The number that means "not applicable" for each signal, in order; NaN if it has no such answer."""
        return tuple(math.nan if s.not_applicable_value is None else s.not_applicable_value for s in self.signals)

    @cached_property
    def possible_values(self) -> dict[str, tuple[float | str, ...]]:
        """The possible values of each signal and input, in the order of a model's cells, without "not observed"."""
        values: dict[str, tuple[float | str, ...]] = {item.name: item.levels for item in self.inputs}
        for signal in self.signals:
            other = (NOT_APPLICABLE,) if signal.not_applicable else ()
            values[signal.name] = (*signal.scale.knots, *other)
        return values

    @cached_property
    def directions(self) -> tuple[int, ...]:
        """For each signal 1 if higher ratings are better, -1 if lower ones are, 0 if unknown."""
        return tuple(signal.direction for signal in self.signals)

    @cached_property
    def lookup(self) -> Lookup:
        """What a record may have, by name."""
        signals = {s.name: SignalColumn(j, s.scale.low, s.scale.high, s) for j, s in enumerate(self.signals)}
        levels = {
            item.name: {level: (j, float(code)) for code, level in enumerate(item.levels)}
            for j, item in enumerate(self.inputs, len(signals))
        }
        context = frozenset(self.columns) - signals.keys() - levels.keys() - {self.outcome}
        return Lookup(signals, levels, context)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column that a file of ratings may have."""
        group = () if self.group is None or self.group in self.context else (self.group,)
        return (*self.names, *(item.name for item in self.inputs), self.outcome, *group, *self.context)

    def without(self, left_out: Collection[str]) -> Catalogue:
        """Leave out signals, whole families, sides ("side:interviewer") or inputs; files may still have their columns.

        Raises
        ------
        CatalogueError
            If a name is none of these, or nothing would be left.
        """
        sides = {f"side:{signal.side}" for signal in self.signals if signal.side}
        known = {*self.names, *self.families, *sides, *(item.name for item in self.inputs)}
        if unknown := [f"'{name}'{nearest(name, known)}" for name in left_out if name not in known]:
            raise CatalogueError(f"leave out: no such signal, family, side or input: {', '.join(unknown)}")
        signals = tuple(s for s in self.signals if not {s.name, s.family, f"side:{s.side}"} & set(left_out))
        inputs = tuple(item for item in self.inputs if item.name not in left_out)
        smaller = replace(self, signals=signals, inputs=inputs)
        dropped = [name for name in self.columns if name not in smaller.columns]
        return replace(smaller, context=(*self.context, *dropped))

    @classmethod
    def shipped(cls) -> Catalogue:
        """Load the catalogue that comes with the package."""
        return cls.load(SHIPPED)

    @classmethod
    def load(cls, path: str | Path) -> Catalogue:
        """Read a catalogue from a TOML file.

        Raises
        ------
        CatalogueError
            If the file is missing, is not TOML, or has unknown or missing keys.
        """
        missing = "no such catalogue; draft one with: predictor signals infer my.csv --outcome COLUMN"
        data = read_toml(path, CatalogueError, missing)
        try:
            return cls.from_dict(data)
        except CatalogueError as error:
            raise CatalogueError(f"{path}: {error}") from None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Catalogue:
        """Build a catalogue from plain data, in the form of the TOML file.

        Raises
        ------
        CatalogueError
            If a key is unknown, missing, or of the wrong type.
        """
        _check_keys(
            "catalogue",
            data,
            required={"name": str, "signals": list, "columns": dict, "families": dict},
            optional={"title": str, "scale": dict, "inputs": dict, "learned_ends": bool, **_DEFAULTABLE},
        )
        columns = data["columns"]
        _check_keys("[columns]", columns, required={"outcome": str}, optional={"group": str, "context": list})
        scale = _scale("[scale]", data.get("scale", {}))
        return cls(
            name=data["name"],
            title=data.get("title", data["name"]),
            signals=tuple(
                _signal(f"signal {number}", item, data, scale) for number, item in enumerate(data["signals"], 1)
            ),
            families=dict(data["families"]),
            inputs=tuple(_input(name, item) for name, item in data.get("inputs", {}).items()),
            outcome=columns["outcome"],
            group=columns.get("group"),
            context=tuple(columns.get("context", ())),
            learned_ends=data.get("learned_ends", False),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the catalogue as plain data; `from_dict` reads it back to an equal catalogue."""
        columns: dict[str, Any] = {"outcome": self.outcome, "context": list(self.context)}
        if self.group is not None:
            columns["group"] = self.group
        signals = []
        for signal in self.signals:
            item: dict[str, Any] = {"name": signal.name, "label": signal.label, "family": signal.family}
            item |= {"side": signal.side} if signal.side else {}
            item |= {"question": signal.question, "anchors": dict(signal.anchors)}
            item |= {"better": signal.better} if signal.direction else {}
            item |= {"levels": list(signal.levels)} if signal.levels else {}
            item |= {key: list(codes) for key in ("not_observed", "not_applicable") if (codes := getattr(signal, key))}
            scale = signal.scale
            even = {"low": scale.low, "high": scale.high, "step": scale.step}
            item["scale"] = {"knots": list(scale.uneven)} if scale.uneven else even
            if own := {key: text for key, text in vars(signal.own).items() if text}:
                item["own"] = own | ({"anchors": dict(signal.own.anchors)} if signal.own.anchors else {})
            signals.append(item)
        return {
            "name": self.name,
            "title": self.title,
            "columns": columns,
            "families": dict(self.families),
            "inputs": {
                item.name: {"label": item.label, "levels": list(item.levels)}
                | ({"ordered": True} if item.ordered else {})
                for item in self.inputs
            },
            "signals": signals,
            **({"learned_ends": True} if self.learned_ends else {}),
        }


def _signal(where: str, item: Any, defaults: Mapping[str, Any], scale: Scale) -> Signal:
    texts = {"label": str, "question": str, "anchors": dict}
    optional = {**texts, "side": str, "scale": dict, "own": dict, **_DEFAULTABLE}
    _check_keys(where, item, required={"name": str, "family": str}, optional=optional)
    own = item.get("own", {})
    _check_keys(f"{where}, own", own, required={}, optional=texts)
    codes_of = {key: item.get(key, defaults.get(key, ())) for key in ("not_observed", "not_applicable")}
    levels = item.get("levels", () if "scale" in item else defaults.get("levels", ()))
    if "scale" in item:
        scale = _scale(f"{where}, scale", item["scale"])
    elif len(levels) > 1:  # a whole step each
        scale = _scale(f"{where}, levels", {"low": 1, "high": len(levels), "step": 1})
    return Signal(
        name=item["name"],
        label=item.get("label") or item["name"].replace("_", " "),
        family=item["family"],
        side=item.get("side"),
        question=item.get("question", ""),
        anchors=dict(item.get("anchors", {})),
        scale=scale,
        better=item.get("better", defaults.get("better", "either")),
        levels=tuple(levels),
        **{key: tuple(codes) for key, codes in codes_of.items()},
        own=Wording(**own),
    )


def _input(name: str, item: Any) -> ContextInput:
    _check_keys(f"[inputs.{name}]", item, required={"levels": list}, optional={"label": str, "ordered": bool})
    if not all(isinstance(level, str) for level in item["levels"]):
        raise CatalogueError(f"[inputs.{name}]: levels must be words in quotes")
    return ContextInput(name, item.get("label", name), tuple(item["levels"]), item.get("ordered", False))


def _scale(where: str, item: Any) -> Scale:
    number = (int, float)
    known = {"low": number, "high": number, "step": number, "knots": list}
    _check_keys(where, item, required={}, optional=known)
    if "knots" in item and (len(item) > 1 or not item["knots"]):
        raise CatalogueError(f"{where}: knots define the whole scale; write two or more, without low, high and step")
    try:
        return Scale(uneven=tuple(item["knots"])) if "knots" in item else Scale(**item)
    except CatalogueError as error:
        raise CatalogueError(f"{where}: {error}") from None


def _check_keys(where: str, data: Any, *, required: Mapping[str, Any], optional: Mapping[str, Any]) -> None:
    """Refuse unknown and missing keys and wrong types, all in one message."""
    if not isinstance(data, Mapping):
        raise CatalogueError(f"{where} is {type(data).__name__}; write a table of keys and values")
    known = {**required, **optional}
    problems = [f"{where}: unknown key '{key}'{nearest(str(key), known)}" for key in data if key not in known]
    problems += [f"{where}: '{key}' is missing" for key in required if key not in data]
    problems += [
        f"{where}: '{key}' is {type(data[key]).__name__} {data[key]!r:.40}, which does not fit"
        for key, kind in known.items()
        if key in data and not isinstance(data[key], kind)
    ]
    if problems:
        raise CatalogueError("\n  ".join(problems))
