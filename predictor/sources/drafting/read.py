"""Read the columns of a file of ratings without a catalogue."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem, RatingsError, shorten
from predictor.model.tables import uneven_knots
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.cells import parse_mark, parse_number, says_not_observed, word_key
from predictor.ratings.outcomes import OutcomeRules
from predictor.ratings.signals import Scale, Signal
from predictor.sources.drafting.hints import obvious_codes
from predictor.sources.drafting.rating_words import AnswerWords, levels_of, unordered
from predictor.sources.files import read_cells, word_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Ends of scales, by their lowest rating. With `MANY` whole numbers the next larger one of `_WORD` is drafted, else the
# next of `_USUAL`. Too wide costs nothing; too narrow refuses the first 5 that comes in after a file without one.
WIDE = (10, 20, 50, 100, 200, 500, 1000)
_WORD = {0: (1, 2, 3, 4, 5, 6, *WIDE), 1: (2, 3, 4, 5, 6, 7, 10)}
_USUAL = {0: (1, 5, *WIDE), 1: (5, 7, 10)}
MANY = 30  # rows from which a pattern is no accident
_ANCHOR = re.compile(r"(\d{1,3})\s*[=:–]\s*([^,;/()\d][^,;/()]*)")  # noqa: RUF001 - as in (1 = poor, 5 = good)


class Column:
    """A column of the file; `cells` are None where empty, `values` None unless every cell could be a rating.

    Obvious codes for "not observed" are in `codes`, and count as empty, as do words for it. Words that are known to be
    ratings are `levels`, and their numbers `values`. What numbers are out of, as in "4/5" and "80%", is `out_of`. The
    first of marks such as "2+" and "2-3" is `mark`; its value is 2, or 2.5; the first of the second form is `between`.
    `points`, `low`, `high`, `whole` and `binary` exist where there are values.
    """

    def __init__(self, name: str, cells: Sequence[Any], *, reused: Signal | None) -> None:
        self.name, self.snake, self.cells, self.reused = name, "_".join(tokens_of(name)).lower(), cells, reused
        self.texts = [None if cell is None else word_of(cell) for cell in cells]
        self.levels: AnswerWords | None = None
        self.out_of: float | None = None
        self.mark = self.between = ""
        self.codes: tuple[float, ...] = ()
        self.values: Floats | None = self._numbers()
        if self.values is not None:
            self.filled = ~np.isnan(self.values)
            self.codes = obvious_codes(self.values) if self.out_of is None else ()
            if self.codes:
                self.values = np.where(np.isin(self.values, self.codes), np.nan, self.values)
                self.filled = ~np.isnan(self.values)
            self.words = [f"{point:.15g}" for point in np.unique(self.values[self.filled])]
        else:
            self.filled = np.array([text is not None and not says_not_observed(text) for text in self.texts])
            every = _different(text for text in self.texts if text is not None)
            self.words = _different(
                text for text, filled in zip(self.texts, self.filled, strict=True) if filled and text
            )
            if levels := (levels_of(every) if len(every) > len(self.words) else None) or levels_of(self.words):
                self._take(levels)
        if self.values is not None and self.filled.any():
            self._measure()

    def _numbers(self) -> Floats | None:
        """Read numbers however they are written; None where a cell is none, or is out of something else."""
        numbers, out_of, known = [], set[float](), dict[str, Any]()
        for cell, text in zip(self.cells, self.texts, strict=True):
            if text is None or isinstance(cell, bool | np.bool_):
                numbers.append(math.nan)
                if text is not None:
                    return None
                continue
            if text not in known:
                known[text] = parse_number(text)
            if (parsed := known[text]) is None:
                if mark := parse_mark(text):
                    numbers.append(mark[0])
                    self.mark, self.between = self.mark or text, self.between or ("" if mark[1] else text)
                    continue
                if not says_not_observed(text):
                    return None
                numbers.append(math.nan)
            else:
                numbers.append(parsed.number)
                if parsed.out_of is not None:
                    out_of.add(parsed.out_of)
        values = np.array(numbers, dtype=np.float64)
        if len(out_of) > 1 or (out_of and not 0 <= np.nanmin(values) <= np.nanmax(values) <= max(out_of)):
            return None
        self.out_of = max(out_of, default=None)
        return values

    def _take(self, levels: AnswerWords) -> None:
        """Use words as ratings."""
        self.levels = levels
        by_word = dict(zip(map(word_key, levels.words), levels.numbers, strict=True))
        self.values = np.array(
            [math.nan if text is None else by_word.get(word_key(text), math.nan) for text in self.texts]
        )
        self.filled = ~np.isnan(self.values)

    def take_unordered(self, words: Sequence[str]) -> None:
        """Use words of unknown order as ratings; those of other columns may be among them."""
        self._take(unordered(words))
        self._measure()

    def _measure(self) -> None:
        assert self.values is not None
        self.points = np.unique(self.values[self.filled])
        self.low, self.high = float(self.points[0]), float(self.points[-1])
        self.whole = bool(self.mark or (self.points == np.round(self.points)).all())
        self.binary = {*self.points} <= {0.0, 1.0} and not self.levels

    @property
    def shipped(self) -> Signal | None:
        """The shipped signal of this name, if its scale holds these ratings."""
        scale = self.reused.scale if self.reused and not self.levels else None
        return self.reused if scale and scale.low <= self.low and self.high <= scale.high else None

    @cached_property
    def scale(self) -> Scale:
        """The narrowest scale in use that holds the column."""
        if self.shipped:
            return self.shipped.scale
        if self.levels:
            return _scale_of(self.levels.numbers)
        if self.out_of is not None:
            low = 0 if self.low < 1 or self.out_of > 10 else 1
            return Scale(low, self.out_of, 1 if self.out_of - low <= 10 else (self.out_of - low) / 10)
        if self.anchors:
            low, high = min(self.anchors), max(self.anchors)
            if low <= self.low and self.high <= high:
                return Scale(low, high, 1 if high - low <= 10 else (high - low) / 10)
        scale = narrowest(self.low, self.high, whole=self.whole, many=bool(self.filled.sum() >= MANY))
        if self.values is not None and len(scale.knots) > 2 and len(self.points) > len(scale.knots):
            knots = uneven_knots(self.values[self.filled], scale.low, scale.high)
            return Scale(uneven=tuple(float(f"{knot:.6g}") for knot in knots)) if knots else scale
        return scale

    @cached_property
    def anchors(self) -> dict[int, str]:
        """What ratings mean by the heading, as in "Listening (1 = poor, 5 = good)"; empty where it is silent."""
        texts = {int(number): text.strip() for number, text in _ANCHOR.findall(self.name)}
        return dict(sorted(texts.items())) if len(texts) > 1 and not self.levels else {}

    def fits(self, scale: Scale) -> bool:
        """Whether the column can share a scale, though it may not use its ends.

        Not if it fills only the lowest quarter, or if it fills a scale of its own that ends in the lower half.
        """
        if scale == self.scale:
            return True
        if self.out_of is not None:
            return scale.high == self.out_of and scale.low <= self.low
        if self.anchors or self.shipped or self.binary or not scale.low <= self.low <= self.high <= scale.high:
            return False
        own = self.scale
        fills = self.high == own.high and self.low - own.low <= (own.high - own.low) / 4
        share = 0.5 if fills and self.whole and self.filled.sum() >= 10 else 0.25
        return self.high > scale.low + share * (scale.high - scale.low)


def _scale_of(numbers: Sequence[float]) -> Scale:
    """Return the scale of levels."""
    even = all(b - a == 1 for a, b in pairwise(numbers))
    return Scale(numbers[0], numbers[-1], 1) if even else Scale(uneven=tuple(numbers))


def _different(words: Iterable[str]) -> list[str]:
    """Return each word once, in any case of letters, in order."""
    return list({word.casefold(): word for word in sorted(words, reverse=True)}.values())[::-1]


def narrowest(low: float, high: float, *, whole: bool, many: bool) -> Scale:
    if low < 0:
        top = next(end for end in (1, 2, 3, 4, 5, *WIDE) if end >= max(-low, high))
        bottom = -top
    else:
        bottom = 0 if low < 1 or high > 10 else 1
        ends = (_WORD if whole and many else _USUAL)[bottom]
        top = next(end for end in ends if end >= high)
    span = top - bottom
    return Scale(bottom, top, 1 if span <= 10 and (span > 2 or whole) else span / 10)


def read_columns(path: Path, sheet: str | None) -> dict[str, Column]:
    cells = read_cells(path, sheet)
    if not any(cells.values()):
        raise RatingsError(str(path), [Problem("there are no rows; it needs rated interviews with known outcomes")])
    shipped = {signal.name: signal for signal in Catalogue.shipped().signals}
    return {name: Column(name, column, reused=shipped.get(name)) for name, column in cells.items()}


def outcome_of(column: Column, path: Path, offer_word: str | None, unknown_words: Sequence[str]) -> Floats:
    words = {text for text, filled in zip(column.texts, column.filled, strict=True) if filled and text}
    if not words:
        raise RatingsError(str(path), [Problem("is empty in every row; it needs known outcomes", column=column.name)])
    if len({word.casefold() for word in words}) == 1:
        kind = f"is '{shorten(max(words), 20)}' in every row; a draft needs both yes and no"
        raise RatingsError(str(path), [Problem(kind, column=column.name)])
    y, problems = OutcomeRules(column.name, "empty", offer_word, tuple(unknown_words)).parse(column.texts)
    if not problems:
        return y
    if missing := [problem for problem in problems if problem.row is None]:
        raise RatingsError(str(path), missing)
    if column.values is not None and not column.levels:
        kind = f"holds {len(column.words):,} different numbers from {column.low:g} to {column.high:g}"
        fix = "decide which of them mean yes, and write yes or no (or 1 or 0)"
    else:
        some = ", ".join(f"'{shorten(word, 20)}'" for word in column.words[:5])
        kind = f"holds {some}{', ...' if len(column.words) > 5 else ''}"
        fix = "write yes or no (or 1 or 0), or leave it empty where unknown; or name the word that means an offer"
        fix += ": --offer-word WORD; and those that mean neither: --unknown-word WORD"
    raise RatingsError(str(path), [Problem(f"{kind}, which is not an outcome; {fix}", column=column.name)])


def tokens_of(name: str) -> list[str]:
    """Split snake_case, CamelCase and anything else at its seams: 'candidateID' is 'candidate', 'ID'."""
    seams = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return [token for token in re.split(r"[\W_]+", seams) if token]
