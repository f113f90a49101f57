"""How words become ordered levels on the scale from 1 to 5; what is not a level is reported, never guessed.

Five words are 1 to 5 in order. Four have no neutral one, so they are 1, 2, 4 and 5; or evenly 1, 2.33, 3.67 and 5.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from predictor.errors import ConfigError
from predictor.ratings.cells import parse_number, says_not_observed, word_key
from predictor.sources.drafting.rating_words import levels_of

LOW, HIGH = 1.0, 5.0
_OTHER = re.compile(r"(.*) \(scale ([2-9]|[1-9]\d+)\)", re.DOTALL)  # a word on another scale of the same question
NO_NEUTRAL = {2: (1.0, 5.0), 4: (1.0, 2.0, 4.0, 5.0)}


@dataclass(frozen=True)
class ScoreLevels:
    """The words of a scale, worst to best, and the level of each.

    Attributes
    ----------
    words
        One for each level.
    values
        1 to 5, rising.
    unobserved
        Words that say that nothing was judged.
    numbered
        Whether a number before a word, as in "3 - Hire", is the place of its level, from 1.
    further_words
        Levels of further words: those of other versions, and those that the user gave.
    first
        The number of the lowest level, where they are numbered.
    fractions
        Whether numbers between two levels, such as 3.5, are taken.
    others
        Scales that the same question has on other forms; `word_on` writes the words of each.
    """

    words: tuple[str, ...]
    values: tuple[float, ...]
    unobserved: tuple[str, ...] = ("no_decision",)
    numbered: bool = False
    further_words: tuple[tuple[str, float], ...] = ()
    first: int = 1
    fractions: bool = False
    others: tuple[ScoreLevels, ...] = ()

    @classmethod
    def of(
        cls, words: tuple[str, ...], *, numbered: bool = False, unobserved: tuple[str, ...] = ("no_decision",)
    ) -> ScoreLevels:
        """Spread words over 1 to 5: five in order, four without the neutral one, others evenly.

        >>> ScoreLevels.of(("Poor", "Good")).values, ScoreLevels.of(("1", "2", "3", "4")).values
        ((1.0, 5.0), (1.0, 2.0, 4.0, 5.0))
        """
        return cls(words, NO_NEUTRAL.get(len(words)) or _even(len(words)), unobserved, numbered)

    @classmethod
    def numbers(cls, low: int, high: int) -> ScoreLevels:
        """Return a scale of whole numbers, on which those between two levels are taken too.

        >>> ScoreLevels.numbers(1, 4).level("2"), ScoreLevels.numbers(0, 10).level("7.5")
        (2.0, 4.0)
        """
        words = tuple(map(str, range(low, high + 1)))
        return replace(cls.of(words, numbered=True), first=low, fractions=True)

    def evenly_spaced(self) -> ScoreLevels:
        """Return the same words at even distances."""
        others = tuple(other.evenly_spaced() for other in self.others)
        return replace(self, values=_even(len(self.words)), others=others)

    def with_words(self, levels: Mapping[str, float]) -> ScoreLevels:
        """Return levels that know further words."""
        return replace(self, further_words=(*levels.items(), *self.further_words))

    def level(self, word: str) -> float | None:
        """Return the level of a word; NaN where it means that nothing was judged, None where it is not a level.

        Examples
        --------
        >>> levels = ScoreLevels.of(("definitely_not", "no", "mixed", "yes", "strong_yes"))
        >>> levels.level("Strong Yes"), levels.level("no_decision"), levels.level("stong_yes")
        (5.0, nan, None)
        >>> ScoreLevels.of(("1", "2", "3", "4"), numbered=True).level("3 - Hire")
        4.0
        """
        key = word_key(word)
        for known, value in self.further_words:
            if word_key(known) == key:
                return value
        if (of := _OTHER.fullmatch(word)) and int(of[2]) <= len(self.others) + 1:
            return self.others[int(of[2]) - 2].level(of[1])
        for known, value in zip(self.words, self.values, strict=True):
            if word_key(known) == key:
                return value
        if key in map(word_key, self.unobserved) or says_not_observed(word):
            return math.nan
        return self._numbered(word) if self.numbered else None

    def _numbered(self, word: str) -> float | None:
        """Return the level at the place of a number, such as 4, "4.0", "3 - Hire"."""
        parsed = parse_number(word) or parse_number(word.strip().partition(" ")[0].rstrip(".:-)"))
        number = parsed.rating_on(self.first + len(self.values) - 1) if parsed else None
        if number is None or (number != int(number) and not self.fractions):
            return None
        index = number - self.first
        if not 0 <= index <= len(self.values) - 1:
            return None
        low = min(int(index), len(self.values) - 2)
        return self.values[low] + (index - low) * (self.values[low + 1] - self.values[low])


def scale_of(options: Sequence[str]) -> ScoreLevels | None:
    """Return the levels of a question's options where their order is known; None where it is not.

    Examples
    --------
    >>> scale_of(["Strong Yes", "Yes", "No", "Strong No"]).level("Yes")
    4.0
    >>> scale_of(["4 - Strong Hire", "3 - Hire", "2 - No Hire", "1 - Strong No Hire"]).level("3 - Yes")
    4.0
    >>> scale_of(["Junior", "Senior"]) is None
    True
    """
    return _scale_of(tuple(dict.fromkeys(options)))


@lru_cache(1024)  # each form has its own copy of the options
def _scale_of(options: tuple[str, ...]) -> ScoreLevels | None:
    known = levels_of(list(options))
    if known is None or not known.sure or known.better == "either":
        return None
    if known.better == "lower":
        return ScoreLevels.of(known.words[::-1])
    return ScoreLevels.of(known.words, numbered=all(word[:1].isdigit() for word in known.words))


def numbered_scale(options: Sequence[str]) -> ScoreLevels | None:
    """Return the levels of options that begin with whole numbers, each once and without a gap; the highest is best.

    >>> numbered_scale(["3 - Ja", "4 - Unbedingt", "1 - Auf keinen Fall", "2 - Nein"]).level("3 - Ja")
    4.0
    >>> numbered_scale(["Yes", "No"]) is None
    True
    """
    numbers = sorted(int(match[0]) for option in set(options) if (match := re.match(r"\s*\d{1,2}\b", option)))
    if len(numbers) < 2 or len(numbers) != len(set(options)) or numbers != [*range(numbers[0], numbers[-1] + 1)]:
        return None
    return FOUR_NUMBERS if numbers == [1, 2, 3, 4] else ScoreLevels.numbers(numbers[0], numbers[-1])


def word_on(scales: dict[str, ScoreLevels], question: str, scale: ScoreLevels, word: str) -> str:
    """Return an answer as a word of its question's scales: forms change, and a word may be another level then.

    The first scale of a question is in `scales`, and learns of the others.

    >>> scales = {}
    >>> old, new = ScoreLevels.of(("Poor", "Good")), ScoreLevels.of(("Poor", "Fair", "Good", "Excellent"))
    >>> [word_on(scales, "Fit", scale, "Good") for scale in (old, new)]
    ['Good', 'Good (scale 2)']
    >>> [scales["Fit"].level(word) for word in ("Good", "Good (scale 2)")]
    [5.0, 4.0]
    """
    first = scales.setdefault(question, scale)
    if not word or first is scale or replace(first, others=()) == scale:
        return word
    if scale not in first.others:
        first = scales[question] = replace(first, others=(*first.others, scale))
    return f"{word} (scale {first.others.index(scale) + 2})"


def _even(count: int) -> tuple[float, ...]:
    return tuple(round(LOW + (HIGH - LOW) * index / (count - 1), 4) for index in range(count))


def read_levels(options: tuple[str, ...]) -> dict[str, float]:
    """Read levels of words such as "stong_yes=5".

    Raises
    ------
    ConfigError
        If one is not a word with a number from 1 to 5.
    """
    levels = {}
    for option in options:
        word, sign, number = option.rpartition("=")
        parsed = parse_number(number)
        if not sign or not word.strip() or parsed is None or not LOW <= parsed.number <= HIGH:
            raise ConfigError(
                f"--level {option!r}: write a word and its level from 1 to 5, such as --level 'stong_yes=5'"
            )
        levels[word.strip()] = parsed.number
    return levels


FIVE_WORDS = ScoreLevels.of(("definitely_not", "no", "mixed", "yes", "strong_yes"))
FOUR_NUMBERS = ScoreLevels.of(("1", "2", "3", "4"), numbered=True)
