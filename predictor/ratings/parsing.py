"""Parse and validate the header and the cells of a table; every problem is reported with its row and column."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem, RatingsWarning, nearest, shorten
from predictor.ratings.catalogue import PANEL, Catalogue
from predictor.ratings.cells import parse_mark, parse_number
from predictor.ratings.signals import NOT_APPLICABLE, ContextInput, Signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Cells = Sequence[Any] | NDArray[Any]

# A hint takes a millisecond: at most so many unknown names get one, and none that has more characters.
MOST_HINTS, LONGEST_HINTED = 100, 100
_NOT_A_NUMBER = "is not a number; write one{other}, or leave it {empty} where it was not observed"
_WHOLE = re.compile(r"^(-?\d+)\.0+$")  # a decimal that is a whole number, such as an id
_SHORTENED = re.compile(r"\d(?:[.,](\d+))?[eE]\+?(\d{2,3})")  # as spreadsheets show 123456789012345678
_OTHER = f" or '{NOT_APPLICABLE}'"


def header_problems(header: Sequence[str], catalogue: Catalogue) -> list[Problem]:
    """Return what is wrong with the names of columns: repeated, empty or not in the catalogue."""
    problems, known, unknown = [], frozenset(catalogue.columns), 0
    for name, times in Counter(header).items():
        if times > 1:
            problems.append(Problem(f"appears {times:,} times in the header; keep one column", column=name))
        if not name.strip():
            problems.append(Problem("a column of the header has no name; name it or take it out"))
        elif name not in known:
            problems.append(
                Problem(unknown_column(name, catalogue, hinted=unknown < MOST_HINTS), column=name, unknown_column=True)
            )
            unknown += 1
    return problems


def unknown_column(name: str, catalogue: Catalogue, *, hinted: bool = True) -> str:
    """Return the message for a column that is not in the catalogue, with a hint at a similar name."""
    hint = nearest(name, catalogue.columns) if hinted and len(name) <= LONGEST_HINTED else ""
    return f"is not in the catalogue '{catalogue.name}'" + (hint or "; its columns: predictor signals show")


def parse_ratings(
    cells: Cells, signal: Signal, empty_word: str, *, hints: int = MOST_HINTS
) -> tuple[Floats, list[Problem]]:
    """Parse cells of a signal's column into floats, NaN if not observed; an invalid cell is NaN and a problem.

    A number may be out of scale; see `out_of_scale`.

    Parameters
    ----------
    cells
        Of the column: numbers, text, None.
    signal
        The signal of the column.
    empty_word
        How messages call an empty cell in this format, such as "null".
    hints
        How many different cells, at most, get a hint at what may be meant.

    Examples
    --------
    >>> signal = Signal("goals_discussed", "Goals", "all", not_observed=(99,), not_applicable=("n/a",))
    >>> parse_ratings([4, "3,5", "4/5", "★★☆☆☆", "", "-", 99, "N/A", "four"], signal, "empty")[0]
    array([4. , 3.5, 4. , 2. , nan, nan, nan, 0. , nan])
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        values = cells.astype(np.float64)
        infinite = np.flatnonzero(np.isinf(values))
        values[infinite] = np.nan
        problems = [
            Problem(_why_no_rating(cells[row], signal, empty_word), int(row) + 1, signal.name, str(cells[row]))
            for row in infinite
        ]
        return decoded(values, signal.codes), problems
    numbers, problems = [math.nan] * len(cells), list[Problem]()
    known: dict[str, float | None] = {}  # files have few different words
    whys: dict[str, str] = {}
    for row, cell in enumerate(cells):
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            continue
        if isinstance(cell, str):
            if cell not in known:
                known[cell] = signal.parse_text(cell)
            number = known[cell]
        elif isinstance(cell, bool | np.bool_):
            number = signal.parse_cell(bool(cell))
        elif (number := _finite(cell)) is not None:
            number = signal.codes.get(number, number)
        if number is not None:
            numbers[row] = number
            continue
        text = str(cell)
        if text not in whys and len(whys) < hints:
            whys[text] = _why_no_rating(cell, signal, empty_word, hinted=len(text) <= LONGEST_HINTED)
        why = whys.get(text) or _why_no_rating(cell, signal, empty_word, hinted=False)
        problems.append(Problem(why, row + 1, signal.name, text))
    return np.array(numbers), problems


def decoded(values: Floats, codes: Mapping[float | str, float]) -> Floats:
    """Replace numeric codes by their meaning, in place; words among the codes are ignored."""
    original = values.copy() if codes else values
    for code, meaning in codes.items():
        if not isinstance(code, str):
            values[original == code] = meaning
    return values


def _finite(cell: Any) -> float | None:
    """Convert a number, other than true and false, into a finite float; None if that is not possible."""
    if type(cell) not in (int, float) and (not isinstance(cell, Real | Decimal) or isinstance(cell, bool)):
        return None
    try:
        number = float(cell)
    except (OverflowError, ValueError):  # an integer too large for a float, or a decimal's signalling NaN
        return None
    return number if math.isfinite(number) else None


def _why_no_rating(cell: Any, signal: Signal, empty_word: str, *, hinted: bool = True) -> str:
    """Return why a cell is no rating, and what to write."""
    other = _OTHER if signal.not_applicable else ""
    if signal.levels:
        hint = nearest(cell, signal.levels) if hinted and isinstance(cell, str) else ""
        words = ", ".join(f"'{level}'" for level in signal.levels)
        message = f"is not one of the levels; write {words}, or a number on {signal.scale}{other}"
        return f"{message}; leave it {empty_word} where it was not observed{hint}"
    if isinstance(cell, bool | np.bool_):
        return "is true or false, not a rating; write a number on the scale"
    if isinstance(cell, str) and (parsed := parse_number(cell)):
        return f"is out of {parsed.out_of:g}, and the scale is {signal.scale}; write a number on the scale"
    if isinstance(cell, str) and parse_number(cell.replace(",", ".", 1)):
        return "has a comma that may be a thousands separator; write a decimal point, as in 3.5"
    if isinstance(cell, str) and (mark := parse_mark(cell)):
        ends = 'better = "lower" in the catalogue if 1 is the best mark'
        if not mark[1]:
            return f"is not a number, but between two; write {mark[0]:g}, or {ends}"
        ends += ', better = "higher" if it is the worst'
        return f"has + or -, and the catalogue does not state which end is better: write {ends}, or write a number"
    return _NOT_A_NUMBER.format(other=other, empty=empty_word)


def clip_to_training_range(values: Floats, catalogue: Catalogue) -> Floats:
    """Clip ratings of shape (n, p) to ends that were inferred from data, with a warning."""
    if not catalogue.learned_ends:
        return values
    low, high = catalogue.ends
    with np.errstate(invalid="ignore"):
        out_of_range = (values < low) | (values > high)
    if not out_of_range.any():
        return values
    warn_of_clipping([catalogue.signals[j] for j in np.flatnonzero(out_of_range.any(axis=0)).tolist()])
    return np.clip(values, low, high)


def warn_of_clipping(signals: Sequence[Signal]) -> None:
    """Warn that ratings of these signals are outside the range of the training rows."""
    names = ", ".join(f"{shorten(signal.name)} ({signal.scale})" for signal in signals[:5])
    more = f" and {len(signals) - 5:,} more" if len(signals) > 5 else ""
    warnings.warn(
        f"ratings outside the training range are clipped to it: {names}{more}; to avoid this, define their scales in "
        "a catalogue",
        RatingsWarning,
        stacklevel=3,
    )


def off_scale(values: Floats, low: Any, high: Any, not_applicable: Any) -> NDArray[np.bool_]:
    """Whether ratings are neither on their scale nor "not applicable"; False for NaN, which is not observed."""
    with np.errstate(invalid="ignore"):
        return np.asarray(((values < low) | (values > high)) & (values != not_applicable))


def out_of_scale(values: Floats, catalogue: Catalogue, empty_word: str) -> list[Problem]:
    """Return the ratings of shape (n, p) that are neither on their scale nor "not applicable".

    `empty_word` is how messages call an empty cell in this format.
    """
    bad = off_scale(values, *catalogue.ends, catalogue.not_applicable_values)
    problems = []
    for j, row in np.argwhere(bad.T).tolist() if bad.any() else ():
        signal = catalogue.signals[j]
        other = _OTHER if signal.not_applicable else ""
        message = f"is out of scale; write {signal.scale}{other}, or leave it {empty_word} where it was not observed"
        problems.append(Problem(message, row + 1, signal.name, f"{values[row, j]:.12g}"))
    return problems


def parse_levels(cells: Cells, item: ContextInput, *, hints: int = MOST_HINTS) -> tuple[NDArray[Any], list[Problem]]:
    """Parse cells of an input into its levels, "" if not given; an invalid cell is "" and a problem.

    Examples
    --------
    >>> parse_levels([1, 2.0, "1.00", "n/a"], ContextInput("round", "Round", ("1", "2")))[0]
    array(['1', '2', '1', ''], dtype=object)
    """
    words, problems = parse_context(cells, item.name)
    hint_of = dict[str, str]()
    for row, word in enumerate(words):
        level = item.level(word)
        if level is None:
            if word not in hint_of and len(hint_of) < hints and len(word) <= LONGEST_HINTED:
                hint_of[word] = nearest(word, item.levels)
            message = f"is none of {', '.join(item.levels)}{hint_of.get(word, '')}"
            problems.append(Problem(message, row + 1, item.name, word))
        words[row] = level or ""
    return words, problems


def parse_level_codes(cells: Cells, item: ContextInput) -> tuple[Floats, list[Problem]]:
    """Parse cells of an input into the codes of its levels, NaN if not given; see `parse_levels`."""
    words, problems = parse_levels(cells, item)
    return level_codes(words, item), problems


def level_codes(words: NDArray[Any], item: ContextInput) -> Floats:
    """Code levels, as by `parse_levels`, by their places 0, 1, ... among those of the input; NaN if not given."""
    code = {level: float(number) for number, level in enumerate(item.levels)}
    return np.array([code.get(word, np.nan) for word in words])


def _day(cell: Any) -> Any:
    """Return a time at midnight without a zone as its day, as columns of dates are read; other cells unchanged."""
    return cell.date() if isinstance(cell, datetime) and cell.time() == time() and cell.tzinfo is None else cell


def parse_context(cells: Cells, name: str, *, exact: bool = False) -> tuple[NDArray[Any], list[Problem]]:
    """Convert context cells into text; an id read as 7.0 is the id 7.

    If ids must be `exact`, floats that are too large to distinguish neighbouring whole numbers are problems.
    """
    words, problems = np.full(len(cells), "", dtype=object), []
    for row, cell in enumerate(cells):
        if name == PANEL and isinstance(cell, list | tuple) and all(isinstance(word, str | int) for word in cell):
            words[row] = "; ".join(str(word).strip() for word in cell)
            continue
        real = isinstance(cell, float | np.floating)
        if cell is None or (real and math.isnan(cell)):
            continue
        if isinstance(cell, Mapping | list | tuple | set | np.ndarray):
            problems.append(Problem("must be text or a number", row + 1, name, repr(cell)))
            continue
        if exact and real and abs(cell) >= 2 ** (np.finfo(type(cell)).nmant + 1):  # where n and n + 1 are one
            message = "is a decimal number too large to distinguish ids; write ids as whole numbers or as text"
            problems.append(Problem(message, row + 1, name, str(cell)))
        shortened = _SHORTENED.fullmatch(cell.strip()) if exact and isinstance(cell, str) else None
        if shortened and int(shortened[2]) > max(len(shortened[1] or ""), 10):
            message = "is a number that a spreadsheet shortened, so that many ids may be one; format them as text there"
            problems.append(Problem(message, row + 1, name, cell))
        word = str(int(cell)) if real and cell.is_integer() else str(_day(cell)).strip()
        words[row] = _WHOLE.sub(r"\1", word) if isinstance(cell, Decimal) else word
    return words, problems
