"""Exception classes, and the helpers that word their messages: each states the problem, its place, and what to do.

::

    PredictorError
    ├── CatalogueError
    ├── RatingsError
    ├── ModelError
    ├── JournalError
    │   ├── NoEntryError
    │   └── FrozenError
    ├── ConfigError
    │   └── ClusterError
    ├── TrackingError
    └── MissingExtraError
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

LONGEST_NAME, MOST_NAMES = 100, 1_000  # longest name, and most known words, that are compared for a hint


class RatingsWarning(UserWarning):
    """An assumption about a file of ratings that may be wrong; the command line prints it."""


class PredictorError(Exception):
    """Base of every error that a user can correct; the command line prints it and exits with 2."""


class CatalogueError(PredictorError):
    """A signal catalogue that cannot be used."""


class ModelError(PredictorError):
    """A model file that is missing, damaged, written by another program, or newer than this code."""


class JournalError(PredictorError):
    """A journal that is damaged, written by another program or newer than this code, or a change that it refuses."""


class NoEntryError(JournalError):
    """The journal has no such interview."""


class FrozenError(JournalError):
    """The outcome of the interview is known, so its rating stays as it is."""


class ConfigError(PredictorError):
    """A setting or argument that does not exist or is out of range."""


class ClusterError(ConfigError):
    """The cluster was lost during the work."""


class TrackingError(PredictorError):
    """MLflow could not be reached or written."""


class MissingExtraError(PredictorError):
    """An optional library is not installed."""

    def __init__(self, library: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs {library}, which is not installed: pip install 'interview-outcome-predictor[{extra}]'"
        )


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a file of ratings.

    Attributes
    ----------
    message
        What is wrong and how to fix it, in words that are the same for every row with this problem.
    row
        Row counted from 1 (the header is not counted), or None when the whole file or column is meant.
    column
        Name of the column, or None when the whole row or file is meant.
    found
        The value as it is in the file, or an empty string.
    unknown_column
        Whether the catalogue has no such column; its name is `column`, or `found` where a row has it.
    """

    message: str
    row: int | None = None
    column: str | None = None
    found: str = ""
    unknown_column: bool = False


class RatingsError(PredictorError):
    """Ratings that cannot be used: every problem of the file in one message.

    Problems of one kind in one column take one line, so that ten thousand bad rows read as one.

    Examples
    --------
    >>> print(RatingsError("my.csv", [Problem("must be 1 to 5", 2, "goals_discussed", "9")]))
    my.csv: 1 problem; nothing was written.
      row 2, goals_discussed: '9' must be 1 to 5
    """

    LINES = 20
    ROWS = 3

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(self._summary())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source, self.problems)  # what pickling keeps of an error in a worker

    def _summary(self) -> str:
        groups: dict[tuple[str | None, str], list[Problem]] = {}
        for problem in self.problems:
            groups.setdefault((problem.column, problem.message), []).append(problem)
        count = len(self.problems)
        lines = [f"{self.source}: {plural(count, 'problem')}; nothing was written."]
        lines += [f"  {self._line(group)}" for group in list(groups.values())[: self.LINES]]
        if len(groups) > self.LINES:
            rest = sum(len(group) for group in list(groups.values())[self.LINES :])
            lines.append(f"  ... and {rest:,} more in {len(groups) - self.LINES:,} more columns or kinds")
        if any(problem.row for problem in self.problems) and count > 1:
            lines.append("  (rows are counted from 1, without the header)")
        return "\n".join(lines)

    def _line(self, group: list[Problem]) -> str:
        """Write problems of one kind: "row 2, role: 'x' is unknown" or "role is unknown (2 times: rows 2 ('x'), 5)"."""
        first = group[0]
        column = shorten(first.column) if first.column else ""
        values = [shorten(problem.found) for problem in group if problem.found]
        if len(group) == 1:
            where = ", ".join(filter(None, [f"row {first.row:,}" if first.row else "", column]))
            what = " ".join(filter(None, [f"'{values[0]}'" if values else "", first.message]))
            return f"{where}: {what}" if where else what
        rows = ", ".join(
            f"{problem.row:,}" + (f" ('{shorten(problem.found)}')" if problem.found else "")
            for problem in group[: self.ROWS]
            if problem.row
        )
        more = ", ..." if len(group) > self.ROWS else ""
        return f"{column}{' ' if column else ''}{first.message} ({len(group):,} times: rows {rows}{more})"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, which takes an s unless the count is 1.

    >>> plural(1, "row"), plural(1200, "row"), plural(0, "row")
    ('1 row', '1,200 rows', '0 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shorten(text: str, length: int = 40) -> str:
    """Cut a value from a file to a length that fits a line, with control characters made visible.

    >>> shorten("a" * 50, 8)
    'aaaaa...'
    """
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= length else text[: length - 3] + "..."


# What moves a terminal's cursor, colours or reorders what it shows; \t, \n and \r are only white space to a file.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def control_character(text: str) -> str | None:
    r"""Find the first character that a terminal would obey rather than show; None where there is none.

    >>> control_character("\x1b[31mred"), control_character("red\n")
    ('\x1b', None)
    """
    first = _CONTROL.search(text)
    return first and first.group()


def printable(text: str) -> str:
    r"""Escape control characters, so that text of a file cannot rewrite what is on the terminal.

    >>> print(printable("\x1b[31mred\rgreen"))
    \x1b[31mred\rgreen
    """
    return re.sub(f"{_CONTROL.pattern}|\r", lambda match: match.group().encode("unicode_escape").decode(), text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known word nearest to an unknown one, as the end of a message.

    >>> nearest("goal_discussed", ["goals_discussed", "mutual_rapport"])
    "; did you mean 'goals_discussed'?"
    >>> nearest("zzz", ["goals_discussed"])
    ''
    """
    if len(name) > LONGEST_NAME:  # a comparison takes memory for each character
        return ""
    close = difflib.get_close_matches(name, [word for word in known if len(word) <= LONGEST_NAME][:MOST_NAMES], n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
