"""Known scales of rating words in their order, such as Strong No to Strong Yes, for drafts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from predictor.ratings.cells import word_key
from predictor.ratings.outcomes import NO, YES

_NO = [*NO, "nein", "non", "não", "nee", "nie", "nej", "nei", "✗", "✘", "❌"]
_YES = [*YES, "ja", "oui", "sí", "si", "sì", "sim", "tak", "✓", "✔", "✅", "x"]


class WordScale(NamedTuple):
    """A line of the table: its steps, worst to best, and whether that and being one are sure."""

    steps: tuple[tuple[str, ...], ...]
    directed: bool
    sure: bool

    @classmethod
    def read(cls, line: str) -> WordScale:
        """Read a line of the table."""
        steps = (step.split("|") for step in line.lstrip("~? ").split(", "))
        return cls(tuple(map(tuple, steps)), directed=not line.startswith(("~", "?")), sure=not line.startswith("?"))


_LINES = Path(__file__).with_name("rating_words.txt").read_text(encoding="utf-8").splitlines()
SCALES = tuple(WordScale.read(line) for line in _LINES if not line.startswith("#"))
_PLACES: tuple[Mapping[str, int], ...] = tuple(
    {word_key(word): place for place, step in enumerate(scale.steps) for word in step} for scale in SCALES
)
_NUMBER_FIRST = re.compile(r"[(\[]?(\d{1,2})[)\]]?(\s*[-–—:.)=]\s*|\s+)(?:\((\S.*)\)|(\S.*))", re.DOTALL)  # noqa: RUF001
_NUMBER_LAST = re.compile(r"(.*\S)(\s*[-–—:=]\s*|\s*)[(\[](\d{1,2})[)\]]", re.DOTALL)  # noqa: RUF001


class AnswerWords(NamedTuple):
    """The words of a column in their order, with a rating for each.

    Attributes
    ----------
    words
        One for each step of the scale, in order; those that the file does not have are filled in where they are known.
    numbers
        The rating of each.
    better
        "higher", "lower" or "either", as in a catalogue.
    why
        How their order is known; empty where it is not.
    sure
        Whether they can be nothing but ratings.
    """

    words: tuple[str, ...]
    numbers: tuple[float, ...]
    better: str
    why: str
    sure: bool = True


def levels_of(words: Sequence[str]) -> AnswerWords | None:
    """Order the words of a column, by a number that they begin or end with, or by known scales.

    Parameters
    ----------
    words
        As in the file, each once in any case of letters.

    Returns
    -------
    AnswerWords or None
        None where nothing is known of them.

    Examples
    --------
    >>> levels_of(["Yes", "Strong No", "strong_yes"]).words
    ('Strong No', 'no', 'Yes', 'strong_yes')
    >>> levels_of(["4 - Strong Hire", "2 - No Hire", "1 - Strong No Hire"]).words
    ('1 - Strong No Hire', '2 - No Hire', '3 - Hire', '4 - Strong Hire')
    >>> levels_of(["red", "blue"]) is None
    True
    """
    if len({*map(word_key, words)}) < len(words) or len(words) < 2:
        return None
    if numbered := _numbered(words):
        return numbered
    by_key = {word_key(word): word for word in words}
    no, yes = ([by_key[key] for key in by_key if key in {*map(word_key, known)}] for known in (_NO, _YES))
    if len(words) == 2 and len(no) == len(yes) == 1:
        return AnswerWords((*no, *yes), (1.0, 2.0), "either", "no, then yes")
    if order := _known(words):
        scale, known = order
        way = ("higher", "worst to best") if scale.directed else ("either", "low to high")
        return AnswerWords(known, tuple(map(float, range(1, len(known) + 1))), *way, sure=scale.sure)
    return None


def unordered(words: Sequence[str]) -> AnswerWords:
    """Use words of unknown order as levels, in the order given."""
    return AnswerWords(tuple(words), tuple(map(float, range(1, len(words) + 1))), "either", "", sure=False)


def direction_of(words: Sequence[str]) -> int:
    """Return 1 where words are known to go from worse to better, -1 where from better to worse, 0 where nothing is.

    Examples
    --------
    >>> direction_of(["poor", "mixed", "good"]), direction_of(["sehr gut", "ungenügend"]), direction_of(["red", "blue"])
    (1, -1, 0)
    """
    keys = [word_key(word) for word in words]
    for scale, places in zip(SCALES, _PLACES, strict=True):
        if scale.directed and len(keys) > 1 and all(key in places for key in keys):
            order = [places[key] for key in keys]
            if order in (sorted({*order}), sorted({*order}, reverse=True)):
                return 1 if order[0] < order[-1] else -1
    return 0


def _known(words: Sequence[str]) -> tuple[WordScale, tuple[str, ...]] | None:
    """Find the narrowest scale that holds all of the words, and write it with them."""
    keys = {word_key(word): word for word in words}
    fitting = [number for number, places in enumerate(_PLACES) if keys.keys() <= places.keys()]
    for number in sorted(fitting, key=lambda number: len(SCALES[number].steps)):
        at = {_PLACES[number][key]: word for key, word in keys.items()}
        if len(at) == len(keys):
            steps = SCALES[number].steps
            return SCALES[number], tuple(at.get(place, _as_others(step[0], words)) for place, step in enumerate(steps))
    return None


def _as_others(word: str, others: Sequence[str]) -> str:
    """Write a word in capitals, or with a capital, where all others are so."""
    if all(other.isupper() for other in others):
        return word.upper()
    if all(other[:1].isupper() for other in others):
        titles = any(" " in other and other.istitle() for other in others)
        return word.title() if titles else word[:1].upper() + word[1:]
    return word


def _numbered(words: Sequence[str]) -> AnswerWords | None:
    """Order words such as "4 - Strong Hire" or "Strong Hire (4)"."""
    by_number: dict[int, str] = {}
    texts: dict[int, str] = {}
    written: tuple[str, ...] = ()
    for word in words:
        if first := _NUMBER_FIRST.fullmatch(word.strip()):
            bracketed = 3 if first[3] else 4
            number, text = int(first[1]), first[bracketed]
            between, after = word.strip()[first.end(1) : first.start(bracketed)], word.strip()[first.end(bracketed) :]
            form: tuple[str, ...] = (word.strip()[: first.start(1)], "number", between, "text", after)
        elif last := _NUMBER_LAST.fullmatch(word.strip()):
            number, text = int(last[3]), last[1]
            form = ("text", word.strip()[last.end(1) : last.start(3)], "number", word.strip()[last.end(3) :])
        else:
            return None
        if number in by_number or not re.search(r"[^\W\d_]", text):
            return None
        by_number[number], texts[number], written = word, text, written or form
    numbers = sorted(by_number)
    if numbers[-1] - numbers[0] > 20:
        return None
    direction = direction_of([texts[number] for number in numbers])
    if (known := _known([*texts.values()])) and direction:
        steps = known[1][::direction]
        lowest = {number - steps.index(texts[number]) for number in numbers}
        if len(lowest) == 1:  # numbers and known words agree, so those that nobody gave are known, too
            numbers = [*range(min(lowest), min(lowest) + len(steps))]
            for number, text in zip(numbers, steps, strict=True):
                parts = {"number": f"{number}", "text": text}
                by_number.setdefault(number, "".join(parts.get(part, part) for part in written))
    better = {1: "higher", -1: "lower", 0: "either"}[direction]
    words = tuple(by_number[number] for number in numbers)
    return AnswerWords(words, tuple(map(float, numbers)), better, "in the order of their numbers")
