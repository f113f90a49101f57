"""Signals and inputs: what is rated, on which scale, and what a cell of such a column means."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from predictor.errors import CatalogueError, nearest
from predictor.ratings.cells import LONGEST, parse_mark, parse_number, says_not_applicable, says_not_observed, word_key

CANDIDATE = "candidate"  # a side; also the role of a candidate who rates
SIDES = ("interviewer", CANDIDATE, "both")
NOT_APPLICABLE = "not applicable"  # how it is written in predictions and in our files
DIRECTIONS = {"higher": 1, "lower": -1, "either": 0}  # which ratings are better
MAX_KNOTS = 64
_LOOKS_LIKE_A_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)")


def _is_number(value: Any) -> bool:
    """Return whether a value is a number that a float can represent: not NaN, infinite, or a longer whole number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


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
        The knots, if they are not evenly spaced: for numbers most of which lie close together. `low`, `high` and `step`
        are then derived from them. `step` is the distance of the first two, so that `low - step`, which means "not
        applicable", lies as far outside.

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
            if not _is_number(value):
                raise CatalogueError(f"scale.{name} is {value!r:.40}; write a number")
            object.__setattr__(self, name, float(value))
        if self.step <= 0 or self.high <= self.low:
            raise CatalogueError(f"scale {self} with step {self.step:g}: high must be above low, step above 0")
        count = (self.high - self.low) / self.step
        if not _is_number(count) or abs(count - round(count)) > 1e-9 or not 1 <= round(count) < MAX_KNOTS:
            raise CatalogueError(
                f"scale {self} with step {self.step:g}: the step must divide the scale into 1 to {MAX_KNOTS - 1} parts"
            )

    def _take_knots(self) -> None:
        for value in self.uneven:
            if not _is_number(value):
                raise CatalogueError(f"scale.knots has {value!r:.40}; write numbers")
        knots = tuple(map(float, self.uneven))
        if not 2 <= len(knots) <= MAX_KNOTS or any(b <= a for a, b in pairwise(knots)):
            raise CatalogueError(f"scale.knots: {len(knots)} numbers; write 2 to {MAX_KNOTS}, each above the previous")
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
class Wording:
    """The texts with which a signal is shown and asked; empty ones are taken from the signal.

    Attributes
    ----------
    label, question
        Its name on pages and forms, and the question.
    anchors
        Descriptions of ratings, by rating.
    """

    label: str = ""
    question: str = ""
    anchors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Signal:
    """One thing that a rater judges.

    Attributes
    ----------
    name
        The column or JSON key; in snake_case in the shipped catalogue.
    label, question
        Its name on pages and forms, and the question.
    family
        Key of one of the catalogue's families.
    side
        Whose behaviour it is: "interviewer", "candidate", "both", or None if unknown.
    anchors
        Descriptions of ratings, by rating ("1", "3", "5"), so that two raters mean the same.
    scale
        The scale it is rated on.
    better
        Which ratings are better: "higher", "lower", or "either" if that is unknown. If it is higher or lower, a better
        rating never lowers the likelihood.
    levels
        Words of the ratings, worst to best, one for each knot of the scale, such as "Strong No" to "Strong Yes"; empty
        if ratings are numbers only. Numbers on the scale are accepted as well.
    not_observed
        Codes (numbers or words) that mean "not observed" in your files, such as 99; in addition to
        `predictor.ratings.cells.NOT_OBSERVED`.
    not_applicable
        Codes that mean "not applicable": a category of its own, outside of the order of the ratings. If there is one,
        the words "not applicable" are accepted as well, and so is `not_applicable_value`, its number in arrays.
    own
        Label, question and anchors for a candidate who rates, as in "Did you thank them?"; empty parts are taken from
        the general ones.

    Examples
    --------
    >>> signal = Signal("calm", "Calm", "body", not_observed=(99,), not_applicable=("n/a",))
    >>> signal.codes[99], signal.codes["n/a"], signal.codes["not applicable"]
    (nan, 0.0, 0.0)
    >>> verdict = Signal("verdict", "Verdict", "all", scale=Scale(1, 3), levels=("No", "Mixed", "Yes"))
    >>> verdict.parse_text("YES"), verdict.parse_text("2"), verdict.parse_text("3/3"), verdict.parse_text("-")
    (3.0, 2.0, 3.0, nan)
    """

    name: str
    label: str
    family: str
    side: str | None = None
    question: str = ""
    anchors: Mapping[str, str] = field(default_factory=dict)
    scale: Scale = Scale()
    better: str = "either"
    levels: tuple[str, ...] = ()
    not_observed: tuple[float | str, ...] = ()
    not_applicable: tuple[float | str, ...] = ()
    own: Wording = Wording()

    @property
    def direction(self) -> int:
        """1 if higher ratings are better, -1 if lower ones are, 0 if unknown."""
        return DIRECTIONS[self.better]

    @cached_property
    def not_applicable_value(self) -> float | None:
        """The number for "not applicable" in arrays: one step below the scale; None if there is no such answer."""
        return self.scale.low - self.scale.step if self.not_applicable else None

    @cached_property
    def codes(self) -> dict[float | str, float]:
        """The meaning of each code, words folded: NaN (not observed) or `not_applicable_value`."""
        codes: dict[float | str, float] = {}
        if (value := self.not_applicable_value) is not None:
            codes = dict.fromkeys(map(folded, (value, *self.not_applicable, NOT_APPLICABLE)), value)
        return codes | {folded(code): math.nan for code in self.not_observed}

    @cached_property
    def ratings_by_word(self) -> dict[str, float]:
        """The rating of each level, by `word_key`."""
        return dict(zip(map(word_key, self.levels), self.scale.knots, strict=False))

    @property
    def anchor_texts(self) -> dict[str, str]:
        """The description of each rating: its anchor, or else its level."""
        levels = {f"{knot:g}": level for knot, level in zip(self.scale.knots, self.levels, strict=False)}
        return {**levels, **self.anchors}

    def worded(self, role: str = "") -> Wording:
        """Return the texts for a rater: those of `own`, as far as there are some, for a candidate who rates.

        Parameters
        ----------
        role
            Who rates, as in "candidate"; empty if not given.

        Examples
        --------
        >>> thanks = Signal("thanks", "Candidate thanks", "end", question="Did the candidate thank the interviewer?",
        ...                 own=Wording(question="Did you thank them?"))
        >>> thanks.worded("candidate").question, thanks.worded("observer").question
        ('Did you thank them?', 'Did the candidate thank the interviewer?')
        """
        if role != CANDIDATE:
            return Wording(self.label, self.question, self.anchor_texts)
        anchors = {**self.anchor_texts, **self.own.anchors}
        return Wording(self.own.label or self.label, self.own.question or self.question, anchors)

    def parse_text(self, text: str) -> float | None:
        """Return the rating in a cell of text: NaN if not observed; None if it cannot be read as a rating.

        Tried in this order: codes of the signal, levels, numbers in any notation (`predictor.ratings.cells`), words for
        "not applicable", words for "not observed". A number may be out of scale.
        """
        if self.codes and (code := folded(text)) in self.codes:
            return self.codes[code]
        if self.levels and len(text) <= LONGEST and (level := self.ratings_by_word.get(word_key(text))) is not None:
            return level
        if (parsed := parse_number(text)) and (number := parsed.rating_on(self.scale.high)) is not None:
            return self.codes.get(number, number)
        if self.not_applicable and says_not_applicable(text):
            return self.not_applicable_value
        return math.nan if says_not_observed(text) else self._mark(text)

    def _mark(self, text: str) -> float | None:
        """Return the rating of a mark such as "2+", which is no further than the end of the scale.

        Whether 2+ is below 2 depends on which end is better; "2-3" is a mark where 1 is the best one.
        """
        mark = None if self.levels or not self.direction else parse_mark(text)
        if mark is None or (not mark[1] and self.direction > 0):
            return None
        number, better = mark
        low, high = self.scale.low, self.scale.high
        return min(max(number + self.direction * better, low), high) if low <= number <= high else number

    def parse_cell(self, cell: Any) -> float | None:
        """Return the rating that a number, word or truth value means: NaN if not observed, None if it means none."""
        if isinstance(cell, str):
            return self.parse_text(cell)
        if isinstance(cell, bool):
            return self.ratings_by_word.get(str(cell).casefold())
        return self.codes.get(cell, cell) if isinstance(cell, int | float) else None

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with side, direction, levels and codes."""
        if self.side is not None and self.side not in SIDES:
            yield f"side '{self.side}' is none of {', '.join(SIDES)}"
        if self.better not in DIRECTIONS:
            hint = nearest(str(self.better), DIRECTIONS)
            yield f"better is {self.better!r}, which is none of {', '.join(DIRECTIONS)}{hint}"
        yield from self._faults_of_levels()
        yield from self._faults_of_codes()

    def _faults_of_codes(self) -> Iterator[str]:
        codes = [("not_observed", code) for code in self.not_observed]
        codes += [("not_applicable", code) for code in self.not_applicable]
        faults = [f"{name} has {code!r}, {wrong}" for name, code in codes if (wrong := _wrong_code(code, self.scale))]
        yield from faults
        if not faults and (value := self.not_applicable_value) is not None:
            not_applicable = {*map(folded, (*self.not_applicable, NOT_APPLICABLE))}
            for code in self.not_observed:
                if folded(code) in not_applicable:
                    yield f"{code!r} is in not_observed and means 'not applicable' as well; it can mean only one"
                elif folded(code) == value:
                    yield (
                        f"not_observed has {code!r}, the internal number of 'not applicable' (one step below "
                        "the scale); empty those cells instead"
                    )

    def _faults_of_levels(self) -> Iterator[str]:
        if not self.levels:
            return
        seen: dict[str, str] = {}
        for level in self.levels:
            if not isinstance(level, str) or not level.strip() or len(level) > LONGEST:
                yield f"levels have {level!r:.60}; write words of at most {LONGEST} characters in quotes, worst to best"
            elif (other := seen.setdefault(word_key(level), level)) is not level:
                yield f"levels have {level!r} and {other!r}, which read alike; keep one"
            elif folded(level) in self.codes:
                yield f"{level!r} is a level and a code; it can mean only one"
        if all(isinstance(level, str) and _LOOKS_LIKE_A_NUMBER.fullmatch(level.strip()) for level in self.levels):
            yield "levels are numbers in quotes; remove `levels` and use `scale`"
        if len(self.levels) != len(self.scale.knots):
            yield (
                f"it has {len(self.levels)} levels and a scale with {len(self.scale.knots)} steps ({self.scale}); "
                "write a level for each step, worst to best, or leave the scale out"
            )


@dataclass(frozen=True)
class ContextInput:
    """A context column that the model may use, such as who rated, whose cells are one of a few words, the levels.

    If the levels are `ordered`, low to high, the regression gives them one slope instead of an effect each.
    """

    name: str
    label: str
    levels: tuple[str, ...]
    ordered: bool = False

    def level(self, word: str) -> str | None:
        """Return the level that a word means: "" if the word means "not observed", None if it is not a level.

        Examples
        --------
        >>> [ContextInput("round", "Round", ("1", "2")).level(word) for word in ("1.0", "2", "", "-", "3")]
        ['1', '2', '', '', None]
        """
        if not word:
            return ""
        if (level := self._by_word.get(word)) is not None:
            return level
        if len(word) > LONGEST:
            return None
        for key in (word.casefold(), word_key(word), _plain_number(word)):
            if key is not None and (level := self._by_word.get(key)) is not None:
                return level
        return "" if says_not_observed(word) else None

    @cached_property
    def _by_word(self) -> dict[str | float, str]:
        """Each accepted spelling with its level: exact, case-folded, as `word_key`, as a number.

        A form that several levels share means none of them.
        """
        known: dict[str | float, str] = {level: level for level in self.levels}
        for form in (str.casefold, word_key, _plain_number):
            forms = [(key, level) for level in self.levels if (key := form(level)) is not None]
            count = Counter(key for key, _ in forms)
            known |= {key: level for key, level in forms if count[key] == 1 and key not in known}
        return known


def _plain_number(text: str) -> float | None:
    parsed = parse_number(text)
    return parsed.number if parsed and parsed.out_of is None else None


def folded(code: float | str) -> float | str:
    """Normalise a code for comparison: words without case and surrounding blanks."""
    return code.strip().casefold() if isinstance(code, str) else float(code)


def _wrong_code(code: Any, scale: Scale) -> str:
    """Return why a code is not allowed; empty if it is."""
    if isinstance(code, str):
        if not code.strip():
            return "which is blank; an empty cell means 'not observed' anyway"
        number = _LOOKS_LIKE_A_NUMBER.fullmatch(code.strip())
        return "a number in quotes; write it without" if number else ""
    if not _is_number(code):
        return "which is neither a number nor a word in quotes"
    if scale.low <= code <= scale.high:
        return f"a rating on its scale, {scale}; take it out, or give this signal a list of its own"
    return ""
