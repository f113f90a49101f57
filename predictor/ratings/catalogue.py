"""The signal catalogue: which signals are rated, on which scale, and what their ratings mean.

A catalogue is data (a TOML file, see `signals.toml`), so a hiring team writes its own without Python.
A trained model carries the catalogue that it was trained with.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from predictor.errors import CatalogueError, control_character, nearest, printable

SHIPPED = Path(__file__).with_name("signals.toml")
SIDES = ("interviewer", "candidate", "both")
ORIGIN = "origin"  # the context column whose word SIMULATED marks simulated rows
SIMULATED = "SIMULATED"
RATINGS = "ratings"  # the JSON key that may hold the signals, apart from context
CONTEXT = "context"  # the family that inputs such as the rater's role are told under
NOT_APPLICABLE = "not applicable"  # the word for it, in answers and in files that we write
DIRECTIONS = {"higher": 1, "lower": -1, "either": 0}  # which way is better
MAX_KNOTS = 64
_LOOKS_LIKE_A_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)")


@dataclass(frozen=True)
class Scale:
    """A rating scale; any number from `low` to `high` is a valid rating.

    Attributes
    ----------
    low, high
        Ends of the scale, both allowed as ratings.
    step
        Distance between the knots at which a model's tables are given; between them they are linear.
    uneven
        The knots, where they are not evenly spaced: for numbers most of which lie close together. They then say what
        `low`, `high` and `step` (the distance of the first two) are.

    Raises
    ------
    CatalogueError
        If the scale has no extent, its knots are not between 2 and 64, or do not rise.

    Examples
    --------
    >>> Scale(1, 5).knots
    (1.0, 2.0, 3.0, 4.0, 5.0)
    >>> str(Scale(0, 1, 0.5))
    '0 to 1'
    >>> str(Scale(uneven=(0, 10, 20, 1000)))
    '0 to 1000'
    """

    low: float = 1.0
    high: float = 5.0
    step: float = 1.0
    uneven: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.uneven:
            self._take_knots()
            return
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

    def _take_knots(self) -> None:
        for value in self.uneven:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise CatalogueError(f"scale.knots has {value!r}; write numbers")
        knots = tuple(map(float, self.uneven))
        if not 2 <= len(knots) <= MAX_KNOTS or any(b <= a for a, b in pairwise(knots)):
            raise CatalogueError(f"scale.knots are {len(knots)} numbers; write 2 to {MAX_KNOTS}, each above the last")
        for name, number in (("low", knots[0]), ("high", knots[-1]), ("step", knots[1] - knots[0])):
            object.__setattr__(self, name, number)
        object.__setattr__(self, "uneven", knots)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    @cached_property
    def knots(self) -> tuple[float, ...]:
        """The ratings at which tables are given, from `low` to `high`."""
        if self.uneven:
            return self.uneven
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
    better
        Which ratings are better: "higher", "lower" or "either". Where it is higher or lower, a better rating never
        lowers the likelihood.
    not_observed
        Codes, numbers or words, by which files say "not observed", such as 99 or "N/A".
    not_applicable
        Codes that say "not applicable": an answer of its own, outside of the order of the ratings. Where there is one,
        the words "not applicable" are taken, too, and `not_applicable_value`, the number as which arrays hold it.

    Examples
    --------
    >>> signal = Signal("calm", "Calm", "body", not_observed=(99,), not_applicable=("n/a",))
    >>> signal.codes[99], signal.codes["n/a"], signal.codes["not applicable"]
    (nan, 0.0, 0.0)
    """

    name: str
    label: str
    family: str
    side: str | None = None
    question: str = ""
    anchors: Mapping[str, str] = field(default_factory=dict)
    scale: Scale = Scale()
    better: str = "either"
    not_observed: tuple[float | str, ...] = ()
    not_applicable: tuple[float | str, ...] = ()

    @property
    def direction(self) -> int:
        """1 where higher ratings are better, -1 where lower ones are, 0 where nobody said."""
        return DIRECTIONS[self.better]

    @cached_property
    def not_applicable_value(self) -> float | None:
        """How arrays of ratings hold "not applicable": one step below the scale; None where it is no answer."""
        return self.scale.low - self.scale.step if self.not_applicable else None

    @cached_property
    def codes(self) -> dict[float | str, float]:
        """What each code means, words folded: NaN (not observed) or `not_applicable_value`."""
        codes: dict[float | str, float] = {}
        if (value := self.not_applicable_value) is not None:
            codes = dict.fromkeys(map(folded, (value, *self.not_applicable, NOT_APPLICABLE)), value)
        return codes | {folded(code): math.nan for code in self.not_observed}

    def faults(self) -> Iterator[str]:
        """Say what is wrong with side, direction and codes."""
        if self.side is not None and self.side not in SIDES:
            yield f"side '{self.side}' is none of {', '.join(SIDES)}"
        if self.better not in DIRECTIONS:
            hint = nearest(str(self.better), DIRECTIONS)
            yield f"better is {self.better!r}, which is none of {', '.join(DIRECTIONS)}{hint}"
        lists = {"not_observed": self.not_observed, "not_applicable": self.not_applicable}
        usable = True
        for name, codes in lists.items():
            for code in codes:
                if wrong := _wrong_code(code, self.scale):
                    usable = False
                    yield f"{name} has {code!r}, {wrong}"
        if usable and (value := self.not_applicable_value) is not None:
            meant = {*map(folded, (*self.not_applicable, NOT_APPLICABLE))}
            for code in self.not_observed:
                if folded(code) in meant:
                    yield f"{code!r} is in not_observed and means 'not applicable' as well; let it mean one of them"
                elif folded(code) == value:
                    yield (
                        f"not_observed has {code!r}, the number as which arrays hold 'not applicable' (one step below "
                        "the scale); empty those cells instead"
                    )


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
    learned_ends
        Whether the ends of the scales are only the smallest and largest rating of some rows, as where `OfferClassifier`
        has no catalogue: a rating beyond them is then no mistake, and counts as the end.

    Raises
    ------
    CatalogueError
        If names repeat or are empty, a family, side or direction is unknown, or a code stands on a signal's scale or
        means two things.

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
    learned_ends: bool = False

    def __post_init__(self) -> None:
        problems = [
            f"{what}: {text!r:.60} has a control character, {found!a}; take it out"
            for what, text in self._texts()
            if isinstance(text, str) and (found := control_character(text))
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
            problems += [f"signal '{signal.name}': {fault}" for fault in signal.faults()]
        problems += [
            f"input '{item.name}': levels must be two or more different words"
            for item in self.inputs
            if len(item.levels) < 2 or len(set(item.levels)) < len(item.levels)
        ]
        if problems:
            raise CatalogueError("\n  ".join([f"catalogue '{printable(str(self.name))}':", *problems]))

    def _texts(self) -> Iterator[tuple[str, Any]]:
        """Give every text that a terminal or page shows, and where it stands."""
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
            )
            codes = (*signal.not_observed, *signal.not_applicable)
            yield from ((f"signal '{signal.name}'", text) for text in (*texts, *codes))
        for item in self.inputs:
            yield from ((f"input '{item.name}'", text) for text in (item.label, *item.levels))

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
    def worded(self) -> dict[str, dict[float | str, float]]:
        """Codes of the signals that have words among them, by signal."""
        return {s.name: s.codes for s in self.signals if any(isinstance(code, str) for code in s.codes)}

    @cached_property
    def outside(self) -> tuple[float, ...]:
        """The number that means "not applicable" for each signal, in order; NaN where that is no answer."""
        return tuple(math.nan if s.not_applicable_value is None else s.not_applicable_value for s in self.signals)

    @cached_property
    def answers(self) -> dict[str, tuple[float | str, ...]]:
        """What can be answered for each signal and input, in the order of a model's cells, but for "not observed"."""
        answers: dict[str, tuple[float | str, ...]] = {item.name: item.levels for item in self.inputs}
        for signal in self.signals:
            other = (NOT_APPLICABLE,) if signal.not_applicable else ()
            answers[signal.name] = (*signal.scale.knots, *other)
        return answers

    @cached_property
    def directions(self) -> tuple[int, ...]:
        """For each signal 1 where higher ratings are better, -1 where lower ones are, 0 where nobody said."""
        return tuple(signal.direction for signal in self.signals)

    @cached_property
    def lookup(
        self,
    ) -> tuple[
        dict[str, tuple[int, float, float, dict[float | str, float]]],
        dict[str, dict[str, tuple[int, float]]],
        frozenset[str],
    ]:
        """Column, ends and codes by signal; column and code by input and level; further columns without the outcome."""
        places = {s.name: (j, s.scale.low, s.scale.high, s.codes) for j, s in enumerate(self.signals)}
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
            optional={"title": str, "scale": dict, "inputs": dict, "learned_ends": bool, **_MEANING},
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
                optional={"label": str, "side": str, "question": str, "anchors": dict, "scale": dict, **_MEANING},
            )
            given = {key: item.get(key, data.get(key, ())) for key in ("not_observed", "not_applicable")}
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
                    better=item.get("better", data.get("better", "either")),
                    **{key: tuple(codes) for key, codes in given.items()},
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
            item |= {key: list(codes) for key in ("not_observed", "not_applicable") if (codes := getattr(signal, key))}
            scale = signal.scale
            even = {"low": scale.low, "high": scale.high, "step": scale.step}
            item["scale"] = {"knots": list(scale.uneven)} if scale.uneven else even
            signals.append(item)
        return {
            "name": self.name,
            "title": self.title,
            "columns": columns,
            "families": dict(self.families),
            "inputs": {item.name: {"label": item.label, "levels": list(item.levels)} for item in self.inputs},
            "signals": signals,
            **({"learned_ends": True} if self.learned_ends else {}),
        }


_MEANING: Mapping[str, Any] = {"better": str, "not_observed": list, "not_applicable": list}


def folded(code: float | str) -> float | str:
    """Bring a code to the form in which it is compared: words without case and surrounding blanks."""
    return code.strip().casefold() if isinstance(code, str) else float(code)


def _wrong_code(code: Any, scale: Scale) -> str:
    """Say why a code is none; empty where it is one."""
    if isinstance(code, str):
        if not code.strip():
            return "which is blank; an empty cell means 'not observed' anyway"
        number = _LOOKS_LIKE_A_NUMBER.fullmatch(code.strip())
        return "a number in quotes; write it without" if number else ""
    if isinstance(code, bool) or not isinstance(code, int | float) or not math.isfinite(code):
        return "which is neither a number nor a word in quotes"
    if scale.low <= code <= scale.high:
        return f"a rating on its scale, {scale}; take it out, or give this signal a list of its own"
    return ""


def _scale(where: str, item: Any) -> Scale:
    number = (int, float)
    known = {"low": number, "high": number, "step": number, "knots": list}
    _check_keys(where, item, required={}, optional=known)
    if "knots" in item and (len(item) > 1 or not item["knots"]):
        raise CatalogueError(f"{where}: knots say the whole scale; write two or more, without low, high and step")
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
