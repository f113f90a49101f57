"""Draft the mapping of a spreadsheet: what its headings and cells say, for a person to review."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from predictor.errors import shorten
from predictor.ratings.cells import parse_number, says_not_observed
from predictor.ratings.outcomes import is_offer
from predictor.sources.drafting.rating_words import levels_of
from predictor.sources.drafting.write import key_of, quoted
from predictor.sources.scorecards.findings import shown_word
from predictor.sources.scorecards.mapping import COLUMNS
from predictor.sources.scorecards.opening import files_of
from predictor.sources.scorecards.spreadsheet import read_table

# Headings that people give columns; the first that fits is taken, in this order.
_HEADINGS = {
    "card": r"score ?card id|feedback id|form id|card id",
    "application": r"application|req(uisition)?( |$)|opportunity",
    "person": r"candidate|applicant|person|name",
    "rater": r"interviewer|rater|reviewer|assessor|submitted by|scored by|panell?ist",
    "submitted": r"submitted( at| on)?$|submission|completed( at| on)|rated (at|on)|interviewed|interview date|^date$",
    "decided": r"decided|decision date|rejected (at|on)|hired (at|on)|closed",
    "stage": r"stage|round|interview( name| type)?$|step",
    "overall": r"overall|recommendation|verdict",
    "outcome": r"outcome|decision|result|status|hired|offer",
    "signal": r"attribute|competency|criterion|skill name|question",
    "rating": r"^rating$|^score$|attribute rating",
}
_WITHDRAWN, _OPEN = re.compile(r"withdr|declin.* by cand"), re.compile(r"active|process|pending|open|hold|progress|new")
MOST_WORDS = 12


def draft_mapping(files: Sequence[str | Path]) -> str:
    """Return a mapping as TOML, with comments where a person must decide.

    Raises
    ------
    RatingsError
        If the first file is no table.
    """
    path, label = files_of(files)[0]
    table = read_table(path, label)
    names = [str(name) for name in table.columns]
    chosen: dict[str, str] = {}
    for ours, pattern in _HEADINGS.items():
        for name in names:
            if name not in chosen.values() and re.search(pattern, " ".join(re.findall(r"[a-z0-9]+", name.lower()))):
                chosen[ours] = name
                break
    if not {"signal", "rating"} <= set(chosen):  # they go together
        chosen = {ours: name for ours, name in chosen.items() if ours not in ("signal", "rating")}
    command = f"predictor scorecards csv {shorten(label, 60)} --mapping my-mapping.toml --out interviews.csv"
    lines = [f"# Drafted from {label}; read it, mend it, then:", f"#   {command}", "", "[columns]"]
    for ours, meaning in COLUMNS.items():
        if ours in chosen:
            lines.append(f"{ours} = {quoted(chosen[ours])}  # {meaning}")
        elif ours not in ("signal", "rating", "card"):
            lines.append(f'# {ours} = "COLUMN"  # {meaning}')
    lines += [
        "",
        *_outcomes(table, chosen.get("outcome")),
        "",
        "[signals]  # words worst to best, or the ends of a scale",
    ]
    left, drafted = [], 0
    if "rating" in chosen:
        levels = _levels(table[chosen["rating"]])
        lines.append(f'"*" = {levels or "[]  # write the words of the ratings, worst to best"}')
        drafted = 1
    else:
        for name in names:
            if name in chosen.values():
                continue
            levels = _levels(table[name])
            if levels:
                lines.append(f"{key_of(name)} = {levels}")
                drafted += 1
            else:
                left.append(name)
    if not drafted:
        lines.append('# "COLUMN" = { low = 1, high = 5 }  # no column looked like ratings: name them')
    if "overall" in chosen and (levels := _levels(table[chosen["overall"]])):
        lines.insert(lines.index("[columns]"), f"overall = {levels}\n")
    lines += [f"# left out, since its cells are no ratings: {shorten(' '.join(name.split()), 60)}" for name in left]
    return "\n".join(lines) + "\n"


def _outcomes(table: pd.DataFrame, column: str | None) -> list[str]:
    lines = ["[outcomes]  # every word of the outcome's column under what it means"]
    if column is None:
        return [*lines, "yes = []", "no = []", "unlabelled = []", "withdrawn = []"]
    words = [word for word in dict.fromkeys(str(cell).strip() for cell in table[column]) if word]
    by_meaning: dict[str, list[str]] = {"yes": [], "no": [], "unlabelled": [], "withdrawn": []}
    unclear = []
    for word in words[:40]:
        offer = is_offer(word)
        key = word.lower()
        if _WITHDRAWN.search(key):
            by_meaning["withdrawn"].append(word)
        elif offer is not None:
            by_meaning["yes" if offer else "no"].append(word)
        elif _OPEN.search(key):
            by_meaning["unlabelled"].append(word)
        else:
            unclear.append(word)
    lines += [f"{meaning} = [{', '.join(map(quoted, there))}]" for meaning, there in by_meaning.items()]
    if unclear:
        lines.append(f"# not known, put each where it belongs: {', '.join(shown_word(word) for word in unclear)}")
    return lines


def _levels(cells: pd.Series) -> str:
    """Write the levels of a column of ratings; "" where it is none."""
    words = [word for word in dict.fromkeys(str(cell).strip() for cell in cells) if not says_not_observed(word)]
    marks = [parse_number(word) for word in words]
    if words and all(mark is not None for mark in marks):
        numbers = [mark.number for mark in marks if mark]
        out_of = {mark.out_of for mark in marks if mark and mark.out_of}
        low, high = min(numbers), max(numbers)
        if low >= 0 and max([high, *out_of]) <= 10:
            top = int(max(out_of)) if out_of else 4 if high <= 4 else 5 if high <= 5 else 10
            unsure = "" if out_of or high in (4, 5, 10) else "  # is that its highest number?"
            return f"{{ low = {0 if low < 1 else 1}, high = {top} }}{unsure}"
        return ""
    if 2 <= len(words) <= MOST_WORDS and (known := levels_of(words)) and known.sure and known.better != "lower":
        return f"[{', '.join(map(quoted, known.words))}]"
    return ""
