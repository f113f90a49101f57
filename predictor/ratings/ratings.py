"""`Ratings`: validated when they are created; an error lists every problem at once.

Whatever ratings come from (JSON, CSV, a DataFrame, the simulator), they end as one `Ratings` value, which checks
itself. What reads files checks first, so that messages can name cells. No code that takes a `Ratings` checks again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem, RatingsError, shorten
from predictor.ratings.catalogue import ORIGIN, SIMULATED, Catalogue
from predictor.ratings.cells import says_not_observed
from predictor.ratings.frames import cells_of, parse_once, with_index, words_of
from predictor.ratings.outcomes import OutcomeRules
from predictor.ratings.parsing import (
    MOST_HINTS,
    clip_to_training_range,
    header_problems,
    level_codes,
    out_of_scale,
    parse_context,
    parse_levels,
    parse_ratings,
    unknown_column,
)
from predictor.ratings.signals import NOT_APPLICABLE, ContextInput

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Cells = Sequence[Any] | NDArray[Any]

_INITIALS = re.compile(r"[A-Z]\.? ?[A-Z]\.?")  # which may be a person's: N. A.


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of interviews, with outcome and context.

    Attributes
    ----------
    catalogue
        The catalogue that the ratings follow.
    values
        Ratings, shape (n, p), with signals in the catalogue's order; NaN means "not observed", the number one step
        below the scale "not applicable" (`Signal.not_applicable_value`).
    y
        Outcomes, shape (n,): 1 (offer), 0 (no offer), NaN (unknown).
    columns
        Context columns by name, each of shape (n,); rater role, ids, group, dates.
    source
        File or other origin of the ratings, for messages and the model file.
    read_with
        Options with which that source was read, so that it can be read again: offer_word, unknown_words, sheet.

    Raises
    ------
    RatingsError
        If shapes do not agree, a rating is out of scale, or an outcome or input value is invalid.

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
    read_with: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.y), len(self.catalogue.signals))
        if self.values.shape != shape or any(len(column) != shape[0] for column in self.columns.values()):
            raise RatingsError(self.source, [Problem(f"shapes do not agree: ratings {self.values.shape}, not {shape}")])
        object.__setattr__(self, "values", clip_to_training_range(self.values, self.catalogue))
        problems = out_of_scale(self.values, self.catalogue, "NaN")
        problems += [
            Problem("is not an outcome; 1, 0 or NaN is", int(row) + 1, self.catalogue.outcome, str(self.y[row]))
            for row in np.flatnonzero(~(np.isnan(self.y) | (self.y == 0) | (self.y == 1)))
        ]
        for item in self.catalogue.inputs:
            if unknown := set(self.columns.get(item.name, ())) - {"", *item.levels}:
                message = f"has values other than {', '.join(item.levels)}"
                problems.append(Problem(message, column=item.name, found=", ".join(map(str, unknown))))
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
        unknown_words: Collection[str] = (),
        ignore_outcomes: bool = False,
        problems: Iterable[Problem] = (),
    ) -> Ratings:
        """Parse mappings, each flat or with its ratings under the key "ratings".

        Parameters
        ----------
        records
            One mapping per interview: ratings by signal name (numbers, words for them, or codes of the catalogue; see
            `Signal.parse_text`; None or NaN if not observed) and context.
        training
            Whether the rows are for training: then the column of a signal, the outcome and the group column must exist.
        offer_word
            The outcome that means an offer, if it is not one of `predictor.ratings.outcomes.OFFER`; one other word may
            then occur, and means no offer.
        unknown_words
            Outcomes that mean neither an offer nor none, such as "Maybe": they count as unknown, like an empty cell.
        ignore_outcomes
            Whether to ignore the outcomes, as for a prediction.

        Raises
        ------
        RatingsError
            With every problem of every record, and those passed in.
        """
        problems = list(problems)
        rows = [_flattened(record, number, problems) for number, record in enumerate(records, 1)]
        known = dict.fromkeys(catalogue.columns)
        unknown: dict[str, str] = {}
        for number, row in enumerate(rows, 1):
            for name in map(str, row):
                if name not in known:
                    message = unknown.get(name) or unknown.setdefault(
                        name, unknown_column(name, catalogue, hinted=len(unknown) < MOST_HINTS)
                    )
                    problems.append(Problem(message, number, found=name, unknown_column=True))
        present = dict.fromkeys(name for row in rows for name in row if name in known)
        columns = {name: [row.get(name) for row in rows] for name in present}
        rules = OutcomeRules(catalogue.outcome, "null", offer_word, tuple(unknown_words), ignore_outcomes)
        return cls._parse(columns, len(rows), catalogue, source, training, rules, problems)

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
        unknown_words: Collection[str] = (),
        ignore_outcomes: bool = False,
        problems: Iterable[Problem] = (),
    ) -> Ratings:
        """Parse a table of text, such as a CSV file; see `from_records`.

        Raises
        ------
        RatingsError
            With every problem of the table, and those passed in.
        """
        all_problems, known = [*problems, *header_problems(header, catalogue)], frozenset(catalogue.columns)
        columns = {name: [row[place] for row in rows] for place, name in enumerate(header) if name in known}
        rules = OutcomeRules(catalogue.outcome, "empty", offer_word, tuple(unknown_words), ignore_outcomes)
        return cls._parse(columns, len(rows), catalogue, source, training, rules, all_problems)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        catalogue: Catalogue,
        *,
        source: str = "frame",
        training: bool = False,
        offer_word: str | None = None,
        unknown_words: Collection[str] = (),
        ignore_outcomes: bool = False,
    ) -> Ratings:
        """Parse a DataFrame; NaN, None and NA mean not observed, and text means the same as in a file.

        Named levels of its index that are columns of the catalogue are read as such.

        Raises
        ------
        RatingsError
            With every problem of the frame.
        """
        frame = with_index(frame, catalogue)
        names = [str(name) for name in frame.columns]
        problems = header_problems(names, catalogue)
        columns: dict[str, Cells] = {}
        for place, name in enumerate(names):
            series = frame.iloc[:, place]
            if name in catalogue.columns and name not in columns:
                if series.dtype.kind in "iuf" and name in catalogue.names:  # an id may be too long for a float
                    columns[name] = series.to_numpy(np.float64, na_value=np.nan)
                else:
                    columns[name] = cells_of(series) if name in catalogue.names else words_of(series)
        rules = OutcomeRules(catalogue.outcome, "empty", offer_word, tuple(unknown_words), ignore_outcomes)
        return cls._parse(columns, len(frame), catalogue, source, training, rules, problems)

    @classmethod
    def _parse(
        cls,
        columns: Mapping[str, Cells],
        n: int,
        catalogue: Catalogue,
        source: str,
        training: bool,
        outcomes: OutcomeRules,
        problems: list[Problem],
    ) -> Ratings:
        empty_word = outcomes.empty_word
        values = np.full((n, len(catalogue.signals)), np.nan)
        for j, signal in enumerate(catalogue.signals):
            if signal.name in columns:
                values[:, j], bad = parse_ratings(columns[signal.name], signal, empty_word)
                problems += bad
        values = clip_to_training_range(values, catalogue)
        problems += out_of_scale(values, catalogue, empty_word)
        y = np.full(n, np.nan)
        if catalogue.outcome in columns:
            y, bad = parse_once(outcomes.parse, columns[catalogue.outcome])
            problems += bad
        context: dict[str, NDArray[Any]] = {}
        for item in catalogue.inputs:
            if item.name in columns:
                context[item.name], bad = parse_once(partial(parse_levels, item=item), columns[item.name])
                problems += bad
        for name in dict.fromkeys([*([catalogue.group] if catalogue.group else []), *catalogue.context]):
            if name in columns:
                exact = training and name == catalogue.group
                context[name], bad = parse_once(partial(parse_context, name=name, exact=exact), columns[name])
                problems += bad
        unknown = {problem.column or problem.found for problem in problems if problem.unknown_column}
        if len(unknown) > max(3, 3 * len(columns)):  # not a mistake in a name or two, but a file of something else
            message = (
                f"{len(unknown)} columns, such as '{shorten(min(unknown))}', are not in the catalogue "
                f"'{catalogue.name}': name the right catalogue or model, or draft a catalogue of your own: "
                "predictor signals infer my.csv --outcome COLUMN > my.toml"
            )
            problems = [Problem(message)]
        elif training:
            problems += _untrainable(columns, y, context, catalogue)
        elif n == 0:
            problems.append(Problem("there are no rows; add at least one rated interview"))
        if problems:
            raise RatingsError(source, problems)
        return cls(catalogue, values, y, context, source, outcomes.reading_options)

    # -- reading ---------------------------------------------------------------------------------------------------

    @cached_property
    def X(self) -> pd.DataFrame:  # noqa: N802 - the field's own name
        """`values` as a DataFrame of shape (n, p), with the names of the signals."""
        import pandas as pd  # here, since predicting one interview needs no pandas

        return pd.DataFrame(self.values, columns=list(self.catalogue.names))

    @property
    def rated_values(self) -> Floats:
        """Ratings on their scales, shape (n, p): NaN if not observed or not applicable."""
        return np.where(self.values < self.catalogue.ends[0], np.nan, self.values)

    def ratings_of_row(self, row: int) -> dict[str, float | str]:
        """Return the ratings of a row by signal, with the words "not applicable", without those not observed."""
        rated = zip(self.catalogue.signals, self.values[row].tolist(), strict=True)
        return {
            signal.name: NOT_APPLICABLE if value == signal.not_applicable_value else value
            for signal, value in rated
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
        """Code a context input by the index of its level, NaN if it is not given."""
        if item.name not in self.columns:
            return np.full(len(self), np.nan)
        return level_codes(self.columns[item.name], item)

    @property
    def groups(self) -> NDArray[Any] | None:
        """The group of each row, shape (n,), or None without a group column."""
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
        for numbers in (self.values, self.y):  # NaN and zero have several forms
            content.update(np.where(np.isnan(numbers), np.nan, numbers + 0.0).tobytes())
        for name in sorted(self.columns):
            content.update("\0".join(map(str, self.columns[name])).encode())
        return content.hexdigest()

    def labelled(self) -> Ratings:
        """Select the rows whose outcome is known."""
        return self.rows(~np.isnan(self.y))

    def without(self, left_out: Collection[str]) -> Ratings:
        """Leave out signals, families or inputs by name; see `Catalogue.without`."""
        catalogue = self.catalogue.without(left_out)
        kept = [name in catalogue.names for name in self.catalogue.names]
        return replace(self, catalogue=catalogue, values=self.values[:, kept])

    def rows(self, chosen: NDArray[Any]) -> Ratings:
        """Select rows by a mask or by indices."""
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return replace(self, values=self.values[chosen], y=self.y[chosen], columns=columns)


def _flattened(record: Any, number: int, problems: list[Problem]) -> Mapping[str, Any]:
    """Return a record with the ratings under "ratings" beside its other keys."""
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


def _untrainable(
    columns: Mapping[str, Cells], y: Floats, context: Mapping[str, NDArray[Any]], catalogue: Catalogue
) -> list[Problem]:
    """Return what is missing to train on ratings that are otherwise valid."""
    problems = []
    if not any(name in columns for name in catalogue.names):
        problems.append(Problem(f"has no column of a signal of the catalogue '{catalogue.name}'"))
    if catalogue.outcome not in columns:
        problems.append(Problem("is missing; training needs the outcome, yes or no", column=catalogue.outcome))
    if catalogue.group and catalogue.group not in context:
        message = "is missing; it keeps all rows of one person in one fold (or take 'group' out of the catalogue)"
        problems.append(Problem(message, column=catalogue.group))
    elif catalogue.group:
        words = context[catalogue.group]
        nobody = {word for word in {*words} if says_not_observed(word) and not _INITIALS.fullmatch(word)}
        problems += [
            Problem(
                f"{'names nobody' if words[row] else 'is empty'}; write whose row it is",
                int(row) + 1,
                catalogue.group,
                words[row],
            )
            for row in np.flatnonzero(np.isin(words, [*nobody]) & ~np.isnan(y))
        ]
    return problems
