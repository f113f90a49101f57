"""Ratings: parsed once, at the door, valid by type, or every problem at once.

Whatever ratings come from (JSON, CSV, a DataFrame, the simulator), they end as one `Ratings` value.
It exists only if it is valid, so nothing later checks again.
"""

from __future__ import annotations

import hashlib
import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property, partial
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem, RatingsError, nearest, shorten
from predictor.ratings.catalogue import (
    NOT_APPLICABLE,
    ORIGIN,
    RATINGS,
    SIMULATED,
    Catalogue,
    ContextInput,
    Signal,
    folded,
)
from predictor.ratings.outcomes import is_offer, other_words, plain_word

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Cells = Sequence[Any] | NDArray[Any]

HINTS, LONGEST = 100, 100  # a hint takes a millisecond: for so many unknown names at most, and of so many characters
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NOT_IN = "is not in the catalogue"
_NOT_A_NUMBER = "is not a number; write one{other}, or leave it {empty} where it was not observed"
_OTHER = f" or '{NOT_APPLICABLE}'"


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of interviews, with outcome and context.

    Attributes
    ----------
    catalogue
        The catalogue that the ratings follow.
    values
        Ratings, shape (n, p), one column a signal in the catalogue's order; NaN where not observed, and one step below
        the scale where "not applicable" (`Signal.not_applicable_value`).
    y
        Outcomes, shape (n,): 1 (offer), 0 (no offer), NaN (unknown).
    columns
        Context columns by name, each of shape (n,); rater role, ids, group, dates.
    source
        Where the ratings came from, for messages and the model file.

    Raises
    ------
    RatingsError
        If shapes do not agree, a rating is out of scale, or an outcome or input is not one.

    Examples
    --------
    >>> from predictor.ratings.catalogue import Catalogue
    >>> ratings = Ratings.from_records([{"goals_discussed": 4, "offer": "yes"}], Catalogue.shipped())
    >>> len(ratings), ratings.y
    (1, array([1.]))
    """

    catalogue: Catalogue
    values: Floats
    y: Floats
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    source: str = "ratings"

    def __post_init__(self) -> None:
        shape = (len(self.y), len(self.catalogue.signals))
        if self.values.shape != shape or any(len(column) != shape[0] for column in self.columns.values()):
            raise RatingsError(self.source, [Problem(f"shapes do not agree: ratings {self.values.shape}, not {shape}")])
        object.__setattr__(self, "values", within_learned_ends(self.values, self.catalogue))
        problems = out_of_scale(self.values, self.catalogue, "NaN")
        problems += [
            Problem("is not an outcome; 1, 0 or NaN is", int(row) + 1, self.catalogue.outcome, str(self.y[row]))
            for row in np.flatnonzero(~(np.isnan(self.y) | (self.y == 0) | (self.y == 1)))
        ]
        for item in self.catalogue.inputs:
            if unknown := set(self.columns.get(item.name, ())) - {"", *item.levels}:
                kind = f"holds words other than {', '.join(item.levels)}"
                problems.append(Problem(kind, column=item.name, found=", ".join(map(str, unknown))))
        if problems:
            raise RatingsError(self.source, problems)

    def __len__(self) -> int:
        return len(self.y)

    # -- making ----------------------------------------------------------------------------------------------------

    @classmethod
    def from_records(
        cls,
        records: Iterable[Any],
        catalogue: Catalogue,
        *,
        source: str = "ratings",
        training: bool = False,
        offer_word: str | None = None,
        problems: Iterable[Problem] = (),
    ) -> Ratings:
        """Parse mappings, each flat or with its ratings under the key "ratings".

        Parameters
        ----------
        records
            One mapping an interview: ratings by signal name (numbers, or codes of the catalogue; None or NaN where not
            observed) and context.
        training
            Whether outcomes of both kinds must be there.
        offer_word
            The outcome that means an offer, where it is another word than those of `predictor.ratings.outcomes.OFFER`;
            there may be one other word then, which means none.

        Raises
        ------
        RatingsError
            With every problem of every record, and those passed in.
        """
        problems = list(problems)
        rows = [_flat(record, number, problems) for number, record in enumerate(records, 1)]
        known = dict.fromkeys(catalogue.columns)
        unknown: dict[str, str] = {}
        for number, row in enumerate(rows, 1):
            for name in map(str, row):
                if name not in known:
                    kind = unknown.get(name) or unknown.setdefault(
                        name, _unknown(name, catalogue, hinted=len(unknown) < HINTS)
                    )
                    problems.append(Problem(kind, number, found=name))
        present = dict.fromkeys(name for row in rows for name in row if name in known)
        columns = {name: [row.get(name) for row in rows] for name in present}
        return cls._parse(columns, len(rows), catalogue, source, training, offer_word, "null", problems)

    @classmethod
    def from_text(
        cls,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        catalogue: Catalogue,
        *,
        source: str = "ratings",
        training: bool = False,
        offer_word: str | None = None,
        problems: Iterable[Problem] = (),
    ) -> Ratings:
        """Parse a table of text, as a CSV file holds it; an empty cell means not observed.

        Raises
        ------
        RatingsError
            With every problem of the table, and those passed in.
        """
        found, known = [*problems, *_header(header, catalogue)], frozenset(catalogue.columns)
        columns = {name: Text(row[place] for row in rows) for place, name in enumerate(header) if name in known}
        return cls._parse(columns, len(rows), catalogue, source, training, offer_word, "empty", found)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        catalogue: Catalogue,
        *,
        source: str = "frame",
        training: bool = False,
        offer_word: str | None = None,
    ) -> Ratings:
        """Parse a DataFrame; NaN, None and NA mean not observed.

        Named levels of its index that are columns of the catalogue are read as such.

        Raises
        ------
        RatingsError
            With every problem of the frame.
        """
        frame = _with_index(frame, catalogue)
        names = [str(name) for name in frame.columns]
        problems = _header(names, catalogue)
        columns: dict[str, Cells] = {}
        for place, name in enumerate(names):
            series = frame.iloc[:, place]
            if name in catalogue.columns and name not in columns:
                if series.dtype.kind in "iuf" and name in catalogue.names:  # an id may be too long for a float
                    columns[name] = series.to_numpy(np.float64, na_value=np.nan)
                else:
                    columns[name] = _each(series) if name in catalogue.names else _words(series)
        return cls._parse(columns, len(frame), catalogue, source, training, offer_word, "empty", problems)

    @classmethod
    def _parse(
        cls,
        columns: Mapping[str, Cells],
        n: int,
        catalogue: Catalogue,
        source: str,
        training: bool,
        offer_word: str | None,
        empty: str,
        problems: list[Problem],
    ) -> Ratings:
        values = np.full((n, len(catalogue.signals)), np.nan)
        for j, signal in enumerate(catalogue.signals):
            if signal.name in columns:
                values[:, j], bad = parse_numbers(columns[signal.name], signal.name, empty, signal.codes)
                problems += bad
        values = within_learned_ends(values, catalogue)
        problems += out_of_scale(values, catalogue, empty)
        y = np.full(n, np.nan)
        if catalogue.outcome in columns:
            y, bad = _once(
                partial(_outcomes, name=catalogue.outcome, empty=empty, offer_word=offer_word),
                columns[catalogue.outcome],
            )
            problems += bad
        context: dict[str, NDArray[Any]] = {}
        for item in catalogue.inputs:
            if item.name in columns:
                context[item.name], bad = _once(partial(parse_levels, item=item), columns[item.name])
                problems += bad
        for name in dict.fromkeys([*([catalogue.group] if catalogue.group else []), *catalogue.context]):
            if name in columns:
                exact = training and name == catalogue.group
                context[name], bad = _once(partial(_plain, name=name, exact=exact), columns[name])
                problems += bad
        unknown = {problem.column or problem.found for problem in problems if problem.kind.startswith(NOT_IN)}
        if len(unknown) > max(3, 3 * len(columns)):  # not a slip in a name or two: another file altogether
            kind = (
                f"{len(unknown)} columns, such as '{shorten(min(unknown))}', are not in the catalogue "
                f"'{catalogue.name}': name the right catalogue or model, or draft a catalogue of your own: "
                "predictor signals infer my.csv --outcome COLUMN > my.toml"
            )
            problems = [Problem(kind)]
        elif training:
            problems += _untrainable(columns, y, context, catalogue)
        elif n == 0:
            problems.append(Problem("there are no rows; add at least one rated interview"))
        if problems:
            raise RatingsError(source, problems)
        return cls(catalogue, values, y, context, source)

    # -- reading ---------------------------------------------------------------------------------------------------

    @cached_property
    def X(self) -> pd.DataFrame:  # noqa: N802 - the field's own name
        """Ratings as a DataFrame of shape (n, p), with the numbers of `values`."""
        import pandas as pd  # here, since predicting one interview needs no pandas

        return pd.DataFrame(self.values, columns=list(self.catalogue.names))

    @property
    def numbers(self) -> Floats:
        """Ratings on their scales, shape (n, p): NaN where not observed, and where not applicable."""
        return np.where(self.values < self.catalogue.ends[0], np.nan, self.values)

    def answers(self, row: int) -> dict[str, float | str]:
        """Give the ratings of a row by signal, and "not applicable" in words; what was not observed is left out."""
        found = zip(self.catalogue.signals, self.values[row].tolist(), strict=True)
        return {
            signal.name: NOT_APPLICABLE if value == signal.not_applicable_value else value
            for signal, value in found
            if value == value
        }

    @cached_property
    def features(self) -> pd.DataFrame:
        """`X` and a column for each context input of the catalogue, coded 0, 1, ... in the order of its levels."""
        return self.X.assign(**{item.name: self.codes(item) for item in self.catalogue.inputs})

    @cached_property
    def context(self) -> pd.DataFrame:
        """Context columns as a DataFrame with n rows."""
        import pandas as pd

        return pd.DataFrame(dict(self.columns), index=range(len(self)))

    def codes(self, item: ContextInput) -> Floats:
        """Code a context input by the place of its word among the levels, NaN where it is not given."""
        if item.name not in self.columns:
            return np.full(len(self), np.nan)
        return _coded(self.columns[item.name], item)

    @property
    def groups(self) -> NDArray[Any] | None:
        """The group of each row, shape (n,), or None where the file has no group column."""
        return self.columns.get(self.catalogue.group) if self.catalogue.group else None

    @property
    def simulated(self) -> bool:
        """Whether any row is marked SIMULATED in the context column `origin`."""
        return ORIGIN in self.columns and bool((self.columns[ORIGIN] == SIMULATED).any())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ratings, outcomes and context columns, in hexadecimal."""
        content = hashlib.sha256()
        for name in (*self.catalogue.names, *sorted(self.columns)):
            content.update(name.encode() + b"\0")
        content.update(np.ascontiguousarray(self.values).tobytes() + self.y.tobytes())
        for name in sorted(self.columns):
            content.update("\0".join(map(str, self.columns[name])).encode())
        return content.hexdigest()

    def labelled(self) -> Ratings:
        """Keep the rows whose outcome is known."""
        return self.rows(~np.isnan(self.y))

    def without(self, left_out: Collection[str]) -> Ratings:
        """Leave out signals, families or inputs by name; see `Catalogue.without`."""
        catalogue = self.catalogue.without(left_out)
        kept = [name in catalogue.names for name in self.catalogue.names]
        return replace(self, catalogue=catalogue, values=self.values[:, kept])

    def rows(self, chosen: NDArray[Any]) -> Ratings:
        """Keep the rows chosen by a mask or by indices."""
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return replace(self, values=self.values[chosen], y=self.y[chosen], columns=columns)


def quick_row(record: Any, catalogue: Catalogue) -> list[float] | None:
    """Take one mapping of plain numbers and words as it stands, which takes a tenth of the time of a full parse.

    Returns
    -------
    list of float or None
        Signals in the catalogue's order, then its inputs, coded as by `Ratings.codes`; NaN where not observed. None
        where anything is wrong or unusual: `Ratings.from_records` then says what, or finds a way to read it.

    Examples
    --------
    >>> catalogue = Catalogue.shipped()
    >>> quick_row({"goals_discussed": 4}, catalogue)[catalogue.names.index("goals_discussed")]
    4
    >>> quick_row({"goals_discussed": 9}, catalogue) is None
    True
    """
    if not isinstance(record, dict):
        return None
    if RATINGS in record:
        inner = record[RATINGS]
        if not isinstance(inner, dict) or not record.keys().isdisjoint(inner):
            return None
        record = {**record, **inner}
        del record[RATINGS]
    places, codes, context = catalogue.lookup
    row = [math.nan] * (len(places) + len(codes))
    for name, cell in record.items():
        if found := places.get(name):
            place, low, high, meaning = found
            if cell is not None:
                if type(cell) in (int, float) and low <= cell <= high:  # NaN is in no scale
                    row[place] = cell
                elif meaning and type(cell) in (int, float, str) and (code := folded(cell)) in meaning:
                    row[place] = meaning[code]
                else:
                    return None
        elif name in codes:
            if cell is not None:
                at = codes[name].get(cell) if type(cell) is str else None
                if at is None:
                    return None
                row[at[0]] = at[1]
        elif name not in context or not (cell is None or type(cell) is str):
            return None
    return row


def columns_of(frame: pd.DataFrame, catalogue: Catalogue) -> list[Floats]:
    """Check a frame as `Ratings.from_frame` does, but take its columns as they stand, without a copy.

    Returns
    -------
    list of arrays of shape (n,)
        Signals in the catalogue's order, then its inputs, coded as by `Ratings.codes`; NaN where not observed.

    Raises
    ------
    RatingsError
        With every problem of the frame.
    """
    found = _quick_look(frame, catalogue)
    if found is None:
        ratings = Ratings.from_frame(frame, catalogue)  # says what is wrong and where, or finds a way to read it
        return [*ratings.values.T, *(ratings.codes(item) for item in catalogue.inputs)]
    unobserved = np.broadcast_to(np.nan, len(frame))
    return [found.get(name, unobserved) for name in (*catalogue.names, *(item.name for item in catalogue.inputs))]


def _quick_look(frame: pd.DataFrame, catalogue: Catalogue) -> dict[str, Floats] | None:
    """Look at whole columns; None if anything is wrong, or is not plain numbers and words."""
    frame = _with_index(frame, catalogue)
    names = [str(name) for name in frame.columns]
    if not len(frame) or _header(names, catalogue):
        return None
    scales = {signal.name: signal.scale for signal in catalogue.signals}
    parse: dict[str, Callable[[Cells], tuple[NDArray[Any], list[Problem]]]] = {
        catalogue.outcome: partial(_outcomes, name=catalogue.outcome, empty="empty"),
        **{item.name: partial(_codes, item=item) for item in catalogue.inputs},
    }
    found = {}
    for name, (_, series) in zip(names, frame.items(), strict=True):
        if scale := scales.get(name):
            if not isinstance(series.dtype, np.dtype) or series.dtype.kind not in "iuf":
                return None
            values = series.to_numpy(np.float64)
            # both are NaN, and neither below nor above anything, where the whole column is
            if np.fmin.reduce(values) < scale.low or np.fmax.reduce(values) > scale.high:
                return None
        else:
            values, problems = _once(parse.get(name) or partial(_plain, name=name), _words(series))
            if problems:
                return None
        found[name] = values
    return found


def _with_index(frame: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """Turn named levels of the index that are columns of the catalogue into columns, as after `set_index`."""
    levels = [name for name in frame.index.names if name in catalogue.columns and name not in frame.columns]
    return frame.reset_index(level=levels) if levels else frame


class Text(list[str]):
    """A column of text cells, in which "" is empty and "4" is a number."""


class _Repeated(list[Any]):
    """A column of words, most of them many times: `self[at]` in each row, where the last of them is None."""

    def __init__(self, words: Iterable[Any], at: NDArray[Any]) -> None:
        super().__init__([*words, None])
        self.at = at


def _each(series: pd.Series[Any]) -> list[Any]:
    return [None if empty else cell for cell, empty in zip(series, series.isna(), strict=True)]


def _words(series: pd.Series[Any]) -> list[Any]:
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype | pd.StringDtype):
        at, words = series.factorize()  # -1, the last, where there is none
        return _Repeated(words, at)
    return _each(series)


def _once(
    parse: Callable[[Cells], tuple[NDArray[Any], list[Problem]]], cells: Cells
) -> tuple[NDArray[Any], list[Problem]]:
    """Parse each word once; every row only where there is a problem, to name the row."""
    if not isinstance(cells, _Repeated):
        return parse(cells)
    parsed, problems = parse(cells)
    return parse([cells[at] for at in cells.at]) if problems else (parsed[cells.at], [])


def _flat(record: Any, number: int, problems: list[Problem]) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        problems.append(Problem("is not a mapping of signals to ratings", number, found=repr(record)))
        return {}
    if "ratings" not in record:
        return record
    inner, outer = record["ratings"], {name: cell for name, cell in record.items() if name != "ratings"}
    if not isinstance(inner, Mapping):
        problems.append(Problem("must be a mapping of signals to ratings", number, "ratings", repr(inner)))
        return outer
    problems += [
        Problem("is given twice, inside 'ratings' and beside it; give it once", number, str(name))
        for name in inner
        if name in outer
    ]
    return {**outer, **inner}


def _unknown(name: str, catalogue: Catalogue, *, hinted: bool = True) -> str:
    hint = nearest(name, catalogue.columns) if hinted and len(name) <= LONGEST else ""
    return f"{NOT_IN} '{catalogue.name}'" + (hint or "; its columns: predictor signals show")


def _header(header: Sequence[str], catalogue: Catalogue) -> list[Problem]:
    problems, known, unknown = [], frozenset(catalogue.columns), 0
    for name, times in Counter(header).items():
        if times > 1:
            problems.append(Problem(f"stands {times:,} times in the header; keep one column", column=name))
        if not name.strip():
            problems.append(Problem("a column of the header has no name; name it or take it out"))
        elif name not in known:
            problems.append(Problem(_unknown(name, catalogue, hinted=unknown < HINTS), column=name))
            unknown += 1
    return problems


def parse_numbers(
    cells: Cells, name: str, empty: str, codes: Mapping[float | str, float] = MappingProxyType({})
) -> tuple[Floats, list[Problem]]:
    """Turn cells of the column `name` into floats; NaN where empty, and where a problem says why.

    `codes` are numbers and folded words that mean other numbers; see `Signal.codes`.

    >>> parse_numbers(Text(["4", "", "four"]), "goals_discussed", "empty")[0]
    array([ 4., nan, nan])
    >>> parse_numbers(Text(["4", "99", "N/A"]), "goals_discussed", "empty", {99: math.nan, "n/a": 0.0})[0]
    array([ 4., nan,  0.])
    """
    other = _OTHER if NOT_APPLICABLE in codes else ""
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        values = cells.astype(np.float64)
        infinite = np.flatnonzero(np.isinf(values))
        values[infinite] = np.nan
        kind = _NOT_A_NUMBER.format(other=other, empty=empty)
        return decoded(values, codes), [Problem(kind, int(row) + 1, name, str(cells[row])) for row in infinite]
    text = isinstance(cells, Text)
    numbers, problems = [math.nan] * len(cells), []
    for row, cell in enumerate(cells):
        if cell is None or (text and not cell.strip()) or (isinstance(cell, float) and math.isnan(cell)):
            continue
        number = (float(cell) if _NUMBER.fullmatch(cell.strip()) else None) if text else _finite(cell)
        if number is not None:
            numbers[row] = codes.get(number, number)
        elif codes and isinstance(cell, str) and (word := folded(cell)) in codes:
            numbers[row] = codes[word]
        else:
            problems.append(Problem(_why_no_number(cell, text, other, empty), row + 1, name, str(cell)))
    return np.array(numbers), problems


def decoded(values: Floats, codes: Mapping[float | str, float]) -> Floats:
    """Put in place of codes what they mean, in an array that may be changed; words among the codes are passed over."""
    given = values.copy() if codes else values
    for code, meaning in codes.items():
        if not isinstance(code, str):
            values[given == code] = meaning
    return values


def _finite(cell: Any) -> float | None:
    """Turn a number, other than true and false, into a finite float; None where it is none."""
    if type(cell) not in (int, float) and (not isinstance(cell, Real | Decimal) or isinstance(cell, bool)):
        return None
    try:
        number = float(cell)
    except (OverflowError, ValueError):  # an integer too large for a float, or a decimal's signalling NaN
        return None
    return number if math.isfinite(number) else None


def _why_no_number(cell: Any, text: bool, other: str, empty: str) -> str:
    if isinstance(cell, bool | np.bool_):
        return "is true or false, not a rating; write a number on the scale"
    if text and _NUMBER.fullmatch(str(cell).strip().replace(",", ".", 1)):
        return "has a decimal comma; write a point, as in 3.5"
    if isinstance(cell, str) and not text and _NUMBER.fullmatch(cell.strip()):
        return "is text; write the number without quotes"
    return _NOT_A_NUMBER.format(other=other, empty=empty)


def within_learned_ends(values: Floats, catalogue: Catalogue) -> Floats:
    """Let ratings of shape (n, p) beyond ends that were only learned count as the end, and warn of it."""
    if not catalogue.learned_ends:
        return values
    low, high = catalogue.ends
    with np.errstate(invalid="ignore"):
        outside = (values < low) | (values > high)
    if not outside.any():
        return values
    warn_of_learned_ends([catalogue.signals[j] for j in np.flatnonzero(outside.any(axis=0)).tolist()])
    return np.clip(values, low, high)


def warn_of_learned_ends(signals: Sequence[Signal]) -> None:
    """Warn that ratings of these signals are beyond what a model learned from."""
    names = ", ".join(f"{shorten(signal.name)} ({signal.scale})" for signal in signals[:5])
    more = f" and {len(signals) - 5:,} more" if len(signals) > 5 else ""
    warnings.warn(
        f"ratings beyond those learned from count as the nearest of them: {names}{more}; a catalogue says what the "
        "scales are",
        stacklevel=3,
    )


def out_of_scale(values: Floats, catalogue: Catalogue, empty: str) -> list[Problem]:
    """Name the ratings of shape (n, p) that are neither on their scale nor "not applicable"."""
    low, high = catalogue.ends
    with np.errstate(invalid="ignore"):
        outside = ((values < low) | (values > high)) & (values != catalogue.outside)
    problems = []
    for j, row in np.argwhere(outside.T).tolist() if outside.any() else ():
        signal = catalogue.signals[j]
        other = _OTHER if signal.not_applicable else ""
        kind = f"is out of scale; write {signal.scale}{other}, or leave it {empty} where it was not observed"
        problems.append(Problem(kind, row + 1, signal.name, f"{values[row, j]:.12g}"))
    return problems


def _outcomes(cells: Cells, name: str, empty: str, offer_word: str | None = None) -> tuple[Floats, list[Problem]]:
    """Turn outcomes into 1 (offer), 0 (no offer) and NaN (unknown)."""
    y, problems, words = np.full(len(cells), np.nan), [], list[str]()
    given = ["" if cell is None or (isinstance(cell, float) and math.isnan(cell)) else str(cell) for cell in cells]
    kind = (
        f"is not an outcome; write yes or no (or 1 or 0), or leave it {empty} where unknown; where another word means "
        "an offer, name it: --offer-word WORD"
    )
    if offer_word is not None:
        words = other_words(given, offer_word)
        if plain_word(offer_word) not in map(plain_word, given):
            problems.append(Problem("is no outcome there, so it cannot mean an offer", None, name, offer_word))
        kind = (
            f"is one of {len(words)} other outcomes than '{offer_word}'; keep one of them for no offer, "
            f"and leave the others {empty}"
        )
    for row, cell in enumerate(given):
        if not (word := plain_word(cell)):
            continue
        offer = is_offer(word) if offer_word is None else word == plain_word(offer_word)
        if offer is None or (offer_word is not None and word in words and len(words) > 1):
            problems.append(Problem(kind, row + 1, name, cell))
        else:
            y[row] = offer
    return y, problems


def parse_levels(cells: Cells, item: ContextInput) -> tuple[NDArray[Any], list[Problem]]:
    words, problems = _plain(cells, item.name)
    levels, hints = {level.casefold(): level for level in item.levels}, dict[str, str]()
    for row, word in enumerate(words):
        level = levels.get(word.casefold(), "")
        if word and not level:
            if word not in hints and len(hints) < HINTS and len(word) <= LONGEST:
                hints[word] = nearest(word, item.levels)
            kind = f"is none of {', '.join(item.levels)}{hints.get(word, '')}"
            problems.append(Problem(kind, row + 1, item.name, word))
        words[row] = level
    return words, problems


def _codes(cells: Cells, item: ContextInput) -> tuple[Floats, list[Problem]]:
    words, problems = parse_levels(cells, item)
    return _coded(words, item), problems


def _coded(words: NDArray[Any], item: ContextInput) -> Floats:
    code = {level: float(place) for place, level in enumerate(item.levels)}
    return np.array([code.get(word, np.nan) for word in words])


def _plain(cells: Cells, name: str, *, exact: bool = False) -> tuple[NDArray[Any], list[Problem]]:
    """Turn context cells into text; an id read as 7.0 is the id 7.

    Where ids must be `exact`, floats too large to tell neighbours apart are problems.
    """
    words, problems = np.full(len(cells), "", dtype=object), []
    for row, cell in enumerate(cells):
        real = isinstance(cell, float | np.floating)
        if cell is None or (real and math.isnan(cell)):
            continue
        if isinstance(cell, Mapping | list | tuple | set):
            problems.append(Problem("must be text or a number", row + 1, name, repr(cell)))
        elif exact and real and abs(cell) > 2 ** (np.finfo(type(cell)).nmant + 1):
            kind = "is a decimal number too large to tell ids apart; write ids as whole numbers or as text"
            problems.append(Problem(kind, row + 1, name, str(cell)))
        else:
            words[row] = (str(int(cell)) if real and cell.is_integer() else str(cell)).strip()
    return words, problems


def _untrainable(
    columns: Mapping[str, Cells], y: Floats, context: Mapping[str, NDArray[Any]], catalogue: Catalogue
) -> list[Problem]:
    """Say what keeps ratings, otherwise valid, from being learned from."""
    problems = []
    if not any(name in columns for name in catalogue.names):
        problems.append(Problem(f"has no column of a signal of the catalogue '{catalogue.name}'"))
    if catalogue.outcome not in columns:
        problems.append(Problem("is missing; training needs the outcome, yes or no", column=catalogue.outcome))
    if catalogue.group and catalogue.group not in context:
        kind = "is missing; it keeps rows of one person on one side of a split (or take 'group' out of the catalogue)"
        problems.append(Problem(kind, column=catalogue.group))
    elif catalogue.group:
        problems += [
            Problem("is empty; write whose row it is", int(row) + 1, catalogue.group)
            for row in np.flatnonzero((context[catalogue.group] == "") & ~np.isnan(y))
        ]
    return problems
