"""The mapping of a spreadsheet: a small TOML file: which column is what, which outcome means what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.errors import ConfigError, nearest, plural
from predictor.reading import read_toml
from predictor.sources.scorecards.levels import ScoreLevels

COLUMNS = {
    "person": "whose interview it is; rows of one person stay together",
    "application": "which application, where a person may have several",
    "card": "an id of the scorecard",
    "rater": "who rated",
    "stage": "the interview or round",
    "submitted": "when the scorecard was submitted",
    "outcome": "what came of it",
    "decided": "when that was decided",
    "overall": "the overall recommendation, which is used only with --with-overall",
    "signal": "what is rated, where a row is one rating",
    "rating": "the rating, where a row is one rating",
}
_EXAMPLE = "{rater}: {signal}"
_FORM = re.compile(r"[^{}]*\{(rater|signal)\}[^{}]*[^{}\s][^{}]*\{(?!\1)(rater|signal)\}[^{}]*")
RATER = "(rater in the heading)"  # column made of headings
OUTCOMES = ("yes", "no", "withdrawn", "unlabelled")


@dataclass(frozen=True)
class ColumnMapping:
    """Which column of a spreadsheet is what.

    Attributes
    ----------
    columns
        The spreadsheet's column by ours.
    outcomes
        What each word of the outcome means, by the word in small letters.
    signals
        Levels by column; in a table with one row per rating, by signal, and "*" for all others.
    date_format
        How dates are written, as in Python's strptime; ISO 8601 where "".
    heading
        How a heading names its rater and its signal, such as "{rater}: {signal}"; None where a row is of one rater.
    """

    columns: Mapping[str, str]
    outcomes: Mapping[str, str]
    signals: Mapping[str, ScoreLevels]
    overall: ScoreLevels | None = None
    date_format: str = ""
    heading: re.Pattern[str] | None = None

    @classmethod
    def load(cls, path: str | Path) -> ColumnMapping:
        """Read a mapping.

        Raises
        ------
        ConfigError
            With everything that is wrong with it.
        """
        draft = "predictor scorecards csv --draft FILE > my-mapping.toml"
        data = read_toml(path, ConfigError, f"no such mapping; draft one with: {draft}")
        problems: list[str] = []
        known = ("columns", "outcomes", "signals", "overall", "date_format", "heading")
        problems += [f"unknown key '{key}'{nearest(key, known)}" for key in data if key not in known]
        columns = _table(data, "columns", problems)
        problems += [
            f"[columns]: unknown key '{key}'{nearest(key, COLUMNS)}; there are {', '.join(COLUMNS)}"
            for key in columns
            if key not in COLUMNS
        ]
        unnamed = {key: value for key, value in columns.items() if not isinstance(value, str)}
        problems += [f"[columns]: '{key}' is {value!r}; write a column's name" for key, value in unnamed.items()]
        problems += [
            f"[columns]: '{key}' is missing: {COLUMNS[key]}" for key in ("person", "outcome") if key not in columns
        ]
        heading = None
        if "heading" in data:
            heading = _heading(data["heading"], problems)
            if {"rater", "card", "signal", "rating"} & set(columns):
                problems.append("heading: raters are in the headings; leave out rater, card, signal and rating")
            columns = {**columns, "rater": RATER}
        if ("signal" in columns) != ("rating" in columns):
            problems.append("[columns]: signal and rating go together: a row is then one rating")
        outcomes: dict[str, str] = {}
        for meaning, words in _table(data, "outcomes", problems).items():
            if meaning not in OUTCOMES or not isinstance(words, list):
                problems.append(
                    f"[outcomes]: '{meaning}'{nearest(meaning, OUTCOMES)}; write lists under {', '.join(OUTCOMES)}"
                )
                continue
            for word in map(str, words):
                if outcomes.setdefault(word.strip().casefold(), meaning) != meaning:
                    problems.append(f"[outcomes]: '{word}' means two things; let it mean one")
        if not {"yes", "no"} <= set(outcomes.values()):
            problems.append("[outcomes]: name the words that mean yes, and those that mean no")
        signals = {}
        for name, item in _table(data, "signals", problems).items():
            signals[name] = _levels(f"[signals] '{name}'", item, problems)
        if not signals:
            problems.append("[signals]: name at least one column, with its levels")
        overall = _levels("overall", data["overall"], problems) if "overall" in data else None
        if problems:
            raise ConfigError("\n  ".join([f"{path}: {plural(len(problems), 'problem')}", *problems]))
        usable = {name: levels for name, levels in signals.items() if levels is not None}
        return cls(columns, outcomes, usable, overall, str(data.get("date_format", "")), heading)


def _table(data: Mapping[str, Any], key: str, problems: list[str]) -> Mapping[str, Any]:
    value = data.get(key, {})
    if isinstance(value, dict):
        return value
    problems.append(f"'{key}' is not a table; write [{key}] and its lines below it")
    return {}


def heading_pattern(form: str) -> re.Pattern[str]:
    """Return the pattern of headings of a form.

    Examples
    --------
    >>> heading_pattern("{signal} ({rater})").fullmatch("Listening (Bob)").groups()
    ('Listening', 'Bob')
    """
    parts = re.split(r"\{(rater|signal)\}", form)
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    )


def _heading(form: Any, problems: list[str]) -> re.Pattern[str] | None:
    if isinstance(form, str) and _FORM.fullmatch(form):
        return heading_pattern(form)
    problems.append(f'heading is {form!r:.60}; write a form such as "{_EXAMPLE}"')
    return None


def _levels(where: str, item: Any, problems: list[str]) -> ScoreLevels | None:
    """Read levels: words, worst to best, or the ends of a scale of numbers."""
    if isinstance(item, list) and len(item) > 1 and all(isinstance(word, str) and word.strip() for word in item):
        return ScoreLevels.of(tuple(item))
    if isinstance(item, dict) and set(item) == {"low", "high"}:
        low, high = item["low"], item["high"]
        if isinstance(low, int) and isinstance(high, int) and low < high <= low + 100:
            return ScoreLevels.numbers(low, high)
    problems.append(f"{where} is {item!r:.60}; write words, worst to best, or {{ low = 1, high = 5 }}")
    return None
