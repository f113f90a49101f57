"""The signal catalogue: which signals are rated, on which scale, and what their ratings mean.

A catalogue is data (a TOML file, see `signals.toml`), so a hiring team writes its own without Python.
A trained model carries the catalogue that it was trained with.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from predictor.errors import CatalogueError, nearest

SHIPPED = Path(__file__).with_name("signals.toml")
SIDES = ("interviewer", "candidate", "both")
ORIGIN = "origin"  # the context column whose word SIMULATED marks simulated rows
SIMULATED = "SIMULATED"
RATINGS = "ratings"  # the JSON key that may hold the signals, apart from context
CONTEXT = "context"  # the family that inputs such as the rater's role are told under
MAX_KNOTS = 64


@dataclass(frozen=True)
class Scale:
    """A rating scale; any number from `low` to `high` is a valid rating.

    Attributes
    ----------
    low, high
        Ends of the scale, both allowed as ratings.
    step
        Distance between the knots at which a model's tables are given; between them they are linear.

    Raises
    ------
    CatalogueError
        If the scale has no extent, or its knots are not between 2 and 64.

    Examples
    --------
    >>> Scale(1, 5).knots
    (1.0, 2.0, 3.0, 4.0, 5.0)
    >>> str(Scale(0, 1, 0.5))
    '0 to 1'
    """

    low: float = 1.0
    high: float = 5.0
    step: float = 1.0

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise CatalogueError(f"scale.{name} is {value!r}; write a number")
            object.__setattr__(self, name, float(value))
        if self.step <= 0 or self.high <= self.low:
            raise CatalogueError(f"scale {self} with step {self.step:g}: high must be above low, step above 0")
        count = (self.high - self.low) / self.step
        if abs(count - round(count)) > 1e-9 or not 1 <= round(count) < MAX_KNOTS:
            raise CatalogueError(
                f"scale {self} with step {self.step:g}: the step must divide the scale into 1 to {MAX_KNOTS - 1} parts"
            )

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    @cached_property
    def knots(self) -> tuple[float, ...]:
        """The ratings at which tables are given, from `low` to `high`."""
        count = round((self.high - self.low) / self.step)
        return (*(round(self.low + i * self.step, 12) for i in range(count)), self.high)


@dataclass(frozen=True)
class Signal:
    """One thing that a rater judges.

    Attributes
    ----------
    name
        The column or JSON key, in snake_case where we name it.
    label, question
        How pages and forms call it, and what they ask.
    family
        Key of one of the catalogue's families.
    side
        Whose behaviour it is: "interviewer", "candidate", "both", or None where nobody said.
    anchors
        What ratings mean, by rating ("1", "3", "5"), so that two raters mean the same.
    scale
        The scale it is rated on.
    """

    name: str
    label: str
    family: str
    side: str | None = None
    question: str = ""
    anchors: Mapping[str, str] = field(default_factory=dict)
    scale: Scale = Scale()


@dataclass(frozen=True)
class ContextInput:
    """A context column that the model may use, such as who rated; one of a few words."""

    name: str
    label: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """The signals, inputs and columns that ratings may have.

    Attributes
    ----------
    name, title
        Short name (kept with every run) and title.
    signals
        The signals in the order of the model's columns.
    families
        Label by family key.
    inputs
        Context columns that the model may use.
    outcome
        Column with the outcome, yes or no.
    group
        Column whose rows belong together (a candidate), never on both sides of a split; None if there is none.
    context
        Further columns that files may have; carried along, never used by a model.

    Raises
    ------
    CatalogueError
        If names repeat or are empty, or a family or side is unknown.

    Examples
    --------
    >>> catalogue = Catalogue.shipped()
    >>> len(catalogue.signals), len(catalogue.families), catalogue.outcome
    (24, 5, 'offer')
    """

    name: str
    title: str
    signals: tuple[Signal, ...]
    families: Mapping[str, str]
    inputs: tuple[ContextInput, ...] = ()
    outcome: str = "offer"
    group: str | None = None
    context: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        if not self.signals:
            problems.append("it has no signals; add at least one [[signals]] table")
        columns = [*self.names, *(item.name for item in self.inputs), self.outcome, *self.context]
        columns += [self.group] if self.group and self.group not in self.context else []
        for name in dict.fromkeys(columns):
            if columns.count(name) > 1:
                problems.append(f"the column '{name}' is named {columns.count(name)} times; name each column once")
            if not isinstance(name, str) or not name.strip():
                problems.append(f"a column is named {name!r}; write a name")
        if RATINGS in columns:
            problems.append(
                f"the name '{RATINGS}' is taken: JSON files hold all signals under it; name yours otherwise"
            )
        for what, words in (
            ("family label", self.families),
            *((s.name + ", anchors", s.anchors) for s in self.signals),
        ):
            problems += [
                f"{what} {key}: {word!r} is not text" for key, word in words.items() if not isinstance(word, str)
            ]
        if CONTEXT in self.families:
            problems.append(f"the family '{CONTEXT}' is taken by the inputs; name yours otherwise")
        for signal in self.signals:
            if signal.family not in self.families:
                hint = nearest(signal.family, self.families)
                problems.append(f"signal '{signal.name}': family '{signal.family}' is not under [families]{hint}")
            if signal.side is not None and signal.side not in SIDES:
                problems.append(f"signal '{signal.name}': side '{signal.side}' is none of {', '.join(SIDES)}")
        problems += [
            f"input '{item.name}': levels must be two or more different words"
            for item in self.inputs
            if len(item.levels) < 2 or len(set(item.levels)) < len(item.levels)
        ]
        if problems:
            raise CatalogueError("\n  ".join([f"catalogue '{self.name}':", *problems]))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the signals, in order."""
        return tuple(signal.name for signal in self.signals)

    @cached_property
    def ends(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Lowest and highest rating of each signal, in order."""
        scales = [signal.scale for signal in self.signals]
        return tuple(scale.low for scale in scales), tuple(scale.high for scale in scales)

    @cached_property
    def lookup(
        self,
    ) -> tuple[dict[str, tuple[int, float, float]], dict[str, dict[str, tuple[int, float]]], frozenset[str]]:
        """Column, low and high by signal; column and code by input and level; further columns without the outcome."""
        scales = [signal.scale for signal in self.signals]
        places = {name: (j, scales[j].low, scales[j].high) for j, name in enumerate(self.names)}
        codes = {
            item.name: {level: (j, float(code)) for code, level in enumerate(item.levels)}
            for j, item in enumerate(self.inputs, len(places))
        }
        return places, codes, frozenset(self.columns) - places.keys() - codes.keys() - {self.outcome}

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
            If a name is neither, or nothing would be left.
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
        """Load the catalogue that comes with the package: 24 signals in five families."""
        return cls.load(SHIPPED)

    @classmethod
    def load(cls, path: str | Path) -> Catalogue:
        """Read a catalogue from a TOML file.

        Raises
        ------
        CatalogueError
            If the file is missing, is not TOML, or has unknown or missing keys.
        """
        import tomllib  # here, since predicting with a saved model needs no TOML

        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise CatalogueError(
                f"{path}: no such catalogue; draft one with: predictor signals infer my.csv --outcome COLUMN"
            ) from None
        except UnicodeDecodeError:
            raise CatalogueError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise CatalogueError(f"{path}: not a readable TOML file: {error}") from None
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
            optional={"title": str, "scale": dict, "inputs": dict},
        )
        columns = data["columns"]
        _check_keys("[columns]", columns, required={"outcome": str}, optional={"group": str, "context": list})
        common = _scale("[scale]", data.get("scale", {}))
        signals = []
        for number, item in enumerate(data["signals"], 1):
            where = f"signal {number}"
            _check_keys(
                where,
                item,
                required={"name": str, "family": str},
                optional={"label": str, "side": str, "question": str, "anchors": dict, "scale": dict},
            )
            scale = _scale(f"{where}, scale", item["scale"]) if "scale" in item else common
            signals.append(
                Signal(
                    name=item["name"],
                    label=item.get("label") or item["name"].replace("_", " "),
                    family=item["family"],
                    side=item.get("side"),
                    question=item.get("question", ""),
                    anchors=dict(item.get("anchors", {})),
                    scale=scale,
                )
            )
        inputs = []
        for name, item in data.get("inputs", {}).items():
            _check_keys(f"[inputs.{name}]", item, required={"levels": list}, optional={"label": str})
            if not all(isinstance(level, str) for level in item["levels"]):
                raise CatalogueError(f"[inputs.{name}]: levels must be words in quotes")
            inputs.append(ContextInput(name, item.get("label", name), tuple(item["levels"])))
        return cls(
            name=data["name"],
            title=data.get("title", data["name"]),
            signals=tuple(signals),
            families=dict(data["families"]),
            inputs=tuple(inputs),
            outcome=columns["outcome"],
            group=columns.get("group"),
            context=tuple(columns.get("context", ())),
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
            item["scale"] = {"low": signal.scale.low, "high": signal.scale.high, "step": signal.scale.step}
            signals.append(item)
        return {
            "name": self.name,
            "title": self.title,
            "columns": columns,
            "families": dict(self.families),
            "inputs": {item.name: {"label": item.label, "levels": list(item.levels)} for item in self.inputs},
            "signals": signals,
        }


def _scale(where: str, item: Any) -> Scale:
    number = (int, float)
    _check_keys(where, item, required={}, optional={"low": number, "high": number, "step": number})
    try:
        return Scale(**item)
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
