"""Draft the mapping of a spreadsheet from its headings and cells, for a person to review.

What only that person can know is listed at the top, as lines that begin with `TO_DO`; a draft without them runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from predictor.errors import shorten
from predictor.ratings.cells import parse_number, says_not_observed
from predictor.ratings.outcomes import is_offer
from predictor.sources.drafting.protected import is_protected
from predictor.sources.drafting.rating_words import levels_of
from predictor.sources.drafting.write import key_of, quoted
from predictor.sources.scorecards.findings import shown_word
from predictor.sources.scorecards.folders import files_of
from predictor.sources.scorecards.mapping import COLUMNS, heading_pattern
from predictor.sources.scorecards.spreadsheet import day_of, read_as, read_table
from predictor.sources.scorecards.times import read_times

TO_DO = "# TO DO: "
# Headings that people give columns: the first pattern that fits any column, in this order.
_HEADINGS: Mapping[str, Sequence[str]] = {
    "card": (r"(score ?card|feedback|form|card) (id|key)$",),
    "rater": (
        r"interviewer|rater\b|reviewer|assessor|evaluator|panell?ist|(interviewed|submitted|scored|rated) by|bewerter"
        r"|évaluateur|intervieweur|entrevistador|evaluador|avaliador|valutatore",
    ),
    "application": (r"^application( (id|key|no|number))?$|opportunity",),
    "person": (
        r"(candidate|applicant|person|bewerber|kandidat|candidat) (id|key|no|nr|number)$",
        r"candidate|applicant|bewerber|kandidat|candidat",
        r"^person|^name$|full name|^e ?mail",
    ),
    "decided": (r"decided|decision date|date of decision|(rejected|hired) (at|on)|closed|offer date|entscheid\w* am",),
    "submitted": (
        r"submitted( at| on)?$|submission|(completed|rated) (at|on)|interview(ed)? (at|on|date)|date of interview",
        r"^(date|datum|fecha|data|timestamp)$",
    ),
    "stage": (r"stage|round|interview( name| type)?$|step\b|runde|phase|etapa|étape",),
    "overall": (r"overall|recommendation|verdict|gesamt|empfehlung",),
    "outcome": (r"outcome|decision|result|status|\bhired|\boffer|ergebnis|entscheidung|décision|statut",),
    "signal": (r"attribute$|competency|criterion|skill name|question",),
    "rating": (r"^rating$|^score$|attribute rating",),
}
_DATES = ("decided", "submitted")
_COUNT = re.compile(
    r"\b(years?|age|salary|experience|jahre|alter|tenure|gpa|number|count|hours|minutes|duration|level)\b"
    r"|\b(ids?|key|no|nr|index|row|rank|week|month|quarter|zip|phone)$"
)
_ENDS = re.compile(r"\b(\d{1,2}) ?(?:-|–|to|bis) ?(\d{1,2})\b")  # noqa: RUF001 - as in "Clarity (1-5)"
_WITHDRAWN = re.compile(r"withdr|declin\w* by (the )?cand|cand\w* (declin|refus)|zurückgezogen|not interested")
_YES = re.compile(
    r"^((accepted|signed|sent|made) )?((the|an?) )?offer( was)?( (made|sent|out|extended|accepted|declined|signed))?$"
    r"|^(declined|turned down) ((the|our|an?) )?offer$|^hired\b|^zusage|eingestellt|embauch|contratad"
)
_NO = re.compile(
    r"^reject|not (selected|hired|offered|a fit|moving)|^no (offer|hire)|unsuccess|turned down by us|absage|abgelehnt"
)
_OPEN = re.compile(r"active|process|pending|open|hold|progress|^new$|scheduled|review|offen|laufend")
_DAYS = (
    *("%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d"),
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y"),
)
_FORMATS = [day + time for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p") for day in _DAYS]
MOST_WORDS = 12


def draft_mapping(files: Sequence[str | Path], sheet: str | None = None) -> str:
    """Return a mapping as TOML, with comments where a person must decide.

    Raises
    ------
    RatingsError
        If the first file is not a table.
    """
    path, label = files_of(files)[0]
    table = read_table(path, label, sheet)
    cells = {str(name): list(dict.fromkeys(str(cell).strip() for cell in table[name])) for name in table.columns}
    chosen = _chosen(cells)
    to_do: list[str] = []
    dates = _date_lines([cell for ours in _DATES if ours in chosen for cell in cells[chosen[ours]]], to_do)
    outcomes = _outcomes(cells[chosen["outcome"]] if "outcome" in chosen else None, to_do)
    for ours in ("person", "outcome"):
        if ours not in chosen:
            to_do.insert(0, f"name the column: {COLUMNS[ours].partition(';')[0]} ({ours} = ... below)")
    signals = _signals(cells, chosen, to_do)
    if "rater" not in chosen:
        _ask_for_raters([name for name in cells if name not in chosen.values()], to_do)
    option = f" --worksheet {quoted(sheet)}" if sheet else ""
    run = f"predictor scorecards csv {quoted(label)}{option} --mapping my-mapping.toml --out interviews.csv"
    lines = [
        f"# Drafted from {shorten(label, 80)}. Read it and correct it, save it as my-mapping.toml, then:",
        f"#   {run}",
    ]
    lines += [TO_DO + item for item in to_do] + [""]
    if "overall" in chosen and (levels := _word_levels(_ratings(cells[chosen["overall"]]))):
        lines.append(f"overall = {levels}")
    lines += [*dates, "", "[columns]"]
    for ours, meaning in COLUMNS.items():
        if ours in chosen:
            lines.append(f"{ours} = {quoted(chosen[ours])}  # {meaning}")
        elif ours not in ("signal", "rating", "card"):
            lines.append(f'# {ours} = "COLUMN"  # {meaning}')
    lines += ["", *outcomes, "", "[signals]  # words worst to best, or the ends of a scale", *signals]
    return "\n".join(lines) + "\n"


def _chosen(cells: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Choose the column of each kind by its heading; one of times by its cells, too."""
    plain = {name: _words_of(name) for name in cells}
    chosen: dict[str, str] = {}
    for ours, patterns in _HEADINGS.items():
        free = [name for name in cells if name not in chosen.values()]
        if ours != "rater":
            free = [name for name in free if not re.search(_HEADINGS["rater"][0], plain[name])]
        if ours in _DATES:
            free = [name for name in free if _are_times(cells[name])]
        fitting = (name for pattern in patterns for name in free if re.search(pattern, plain[name]))
        if name := next(fitting, ""):
            chosen[ours] = name
    if "outcome" not in chosen:  # by its cells
        for name, words in cells.items():
            if name not in chosen.values() and {_meaning(word) for word in words if word} >= {"yes", "no"}:
                chosen["outcome"] = name
                break
    if not {"signal", "rating"} <= set(chosen):  # they go together
        chosen = {ours: name for ours, name in chosen.items() if ours not in ("signal", "rating")}
    return chosen


def _words_of(heading: str) -> str:
    """Return the words of a heading, in small letters.

    >>> _words_of("candidateId"), _words_of("Fit_(1-5)")
    ('candidate id', 'fit 1 5')
    """
    return " ".join(re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", heading).lower()))


# Times ----------------------------------------------------------------------------------------------------------------


def _are_times(cells: Sequence[str]) -> bool:
    odd = _odd_times(cells)
    return any(cells) and (not odd or any(_fits(odd, form) for form in _FORMATS))


def _odd_times(cells: Sequence[str]) -> list[str]:
    """Return the cells that are read as times by a format only."""
    return [cell for cell, bad in zip(cells, read_times(list(cells), day_end=False).bad, strict=True) if bad]


def _fits(cells: Iterable[str], form: str) -> bool:
    return all(read_as(cell, form) for cell in cells)


def _date_lines(cells: Sequence[str], to_do: list[str]) -> list[str]:
    """Write how dates are written, where that is not ISO 8601."""
    odd = _odd_times(cells)
    forms = [form for form in _FORMATS if _fits(odd, form)] if odd else []
    forms = [form for form in forms if " " not in form or day_of(form) not in forms]  # days alone need no time
    lines = [f"date_format = {quoted(form)}" for form in forms]
    if len(forms) == 1 or not odd:
        return lines
    if not forms:
        to_do.append("dates are written in more than one way: write all of them alike, and name how: date_format")
        return ['# date_format = "%d.%m.%Y"']
    to_do.append("is the day first, or the month? Take the # off one of the lines with date_format")
    return [f"# {line}" for line in lines]


# Outcomes -------------------------------------------------------------------------------------------------------------


def _meaning(word: str) -> str:
    """Return what an outcome's word means, "" where only its writer knows."""
    key = " ".join(word.casefold().replace("_", " ").split())
    if key in ("decline", "declined"):  # by whom?
        return ""
    for meaning, pattern in (("withdrawn", _WITHDRAWN), ("no", _NO), ("yes", _YES)):
        if pattern.search(key):
            return meaning
    offer = is_offer(word)
    if offer is not None:
        return "yes" if offer else "no"
    return "unlabelled" if _OPEN.search(key) else ""


def _outcomes(cells: Sequence[str] | None, to_do: list[str]) -> list[str]:
    words: dict[str, list[str]] = {"yes": [], "no": [], "unlabelled": [], "withdrawn": [], "": []}
    for word in cells or ():
        if word:
            words[_meaning(word)].append(word)
    unclear = words.pop("")
    if unclear:
        names = ", ".join(shown_word(word) for word in unclear[:MOST_WORDS])
        to_do.append(f"put each of these words into a list under [outcomes]: {names}")
    elif not words["yes"] or not words["no"]:
        lost = " and ".join(meaning for meaning in ("yes", "no") if not words[meaning])
        to_do.append(f"write the words of the outcome that mean {lost} under [outcomes]")
    return [
        "[outcomes]  # every word of the outcome's column; an offer that was declined is a yes",
        *(f"{meaning} = [{', '.join(map(quoted, there))}]" for meaning, there in words.items()),
    ]


# Signals --------------------------------------------------------------------------------------------------------------


def _ask_for_raters(names: Sequence[str], to_do: list[str]) -> None:
    """Ask where headings may name raters, as in "Bob: Listening": only a person knows whether they do."""
    for form in ("{rater}: {signal}", "{rater} - {signal}", "{signal} ({rater})"):
        matches = [match for name in names if (match := heading_pattern(form).fullmatch(name.strip()))]
        by_signal: dict[str, list[str]] = {}
        for match in matches:
            by_signal.setdefault(match["signal"], []).append(match["rater"])
        if any(len(raters) > 1 for raters in by_signal.values()):
            raters = dict.fromkeys(match["rater"] for match in matches)
            to_do.append(
                f"are these people who rated: {shorten(', '.join(raters), 80)}? If so, write the line "
                f"heading = {quoted(form)} above [columns], and under [signals] each of these once: "
                f"{shorten(', '.join(by_signal), 80)}; if not, take this line out"
            )
            return


class _Numbers(NamedTuple):
    low: float
    high: float
    out_of: float | None


def _ratings(cells: Iterable[str]) -> list[str]:
    return [cell for cell in cells if not says_not_observed(cell)]


def _signals(cells: Mapping[str, Sequence[str]], chosen: Mapping[str, str], to_do: list[str]) -> list[str]:
    """Write the levels of the columns that can be ratings; those that share words or numbers share the scale."""
    if "rating" in chosen:
        words = _ratings(cells[chosen["rating"]])
        ends = _numbers("", words)
        levels = _number_levels("", ends, ends.high) if ends else _word_levels(words)
        if not levels:
            shown = ", ".join(shown_word(word) for word in words[:MOST_WORDS])
            to_do.append(f"write the words of the ratings, worst to best, under [signals]: {shown}")
        return [f'"*" = {levels or "[]"}']
    own = {name: _ratings(words) for name, words in cells.items() if name not in chosen.values()}
    numbers = {name: ends for name, words in own.items() if (ends := _numbers(name, words))}
    top = max((item.high for item in numbers.values() if not item.out_of), default=0)
    shared = _shared({name: words for name, words in own.items() if name not in numbers})
    lines, left, unsure = [], [], []
    for name, words in own.items():
        if name in numbers:
            lines.append(f"{key_of(name)} = {_number_levels(name, numbers[name], top)}")
        elif levels := "" if is_protected(name) else _word_levels(shared.get(name, words)):
            lines.append(f"{key_of(name)} = {levels}")
        elif 2 <= len(words) <= MOST_WORDS and (known := levels_of(words)) and known.better != "lower":
            unsure.append(f"# {key_of(name)} = [{', '.join(map(quoted, known.words))}]")
        else:
            left.append(name)
    if not lines:
        to_do.append("no column looks like ratings: name at least one under [signals], as in the line there")
        lines.append('# "COLUMN" = { low = 1, high = 5 }')
    if unsure:
        lines += ["# These may be ratings, worst to best; if so, take off the #:", *unsure]
    return [*lines, *(f"# left out, no ratings: {shorten(' '.join(name.split()), 60)}" for name in left)]


def _numbers(heading: str, words: Sequence[str]) -> _Numbers | None:
    """Return the ends of a column of numbers that may be ratings; None where it is none."""
    parsed = [parse_number(word) for word in words]
    if not words or not all(parsed) or is_protected(heading) or _COUNT.search(_words_of(heading)):
        return None
    numbers = [item.number for item in parsed if item]
    out_of = max((item.out_of for item in parsed if item and item.out_of), default=None)
    return (
        _Numbers(min(numbers), max(numbers), out_of) if 0 <= min(numbers) <= max(*numbers, out_of or 0) <= 10 else None
    )


def _number_levels(heading: str, numbers: _Numbers, top: float) -> str:
    if (ends := _ENDS.search(heading)) and int(ends[1]) <= numbers.low <= numbers.high <= int(ends[2]):
        return f"{{ low = {ends[1]}, high = {ends[2]} }}"
    top = numbers.out_of or top
    high = int(numbers.out_of or next(end for end in (4, 5, 10) if end >= top))
    unsure = "" if numbers.out_of or top in (5, 10) else "  # is that its highest number?"
    return f"{{ low = {0 if numbers.low < 1 else 1}, high = {high} }}{unsure}"


def _shared(columns: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return all words of columns that are rated alike: those whose words together are one scale."""
    shared: dict[str, list[str]] = {}
    scales = {name: words for name, words in columns.items() if _word_levels(words)}
    for name, words in scales.items():
        together = dict.fromkeys(words)
        for other in scales.values():
            if _word_levels([*(together | dict.fromkeys(other))]):
                together |= dict.fromkeys(other)
        shared[name] = list(together)
    return shared


def _word_levels(words: Sequence[str]) -> str:
    """Write levels in words; "" where their order is not known."""
    if not (2 <= len(words) <= MOST_WORDS and (known := levels_of(words)) and known.sure and known.better != "lower"):
        return ""
    parsed = [parse_number(word.partition(" ")[0].rstrip(".:-)")) for word in known.words]
    numbers = [item.number for item in parsed if item]
    if (
        len(numbers) == len(parsed)
        and numbers[-1] - numbers[0] != len(numbers) - 1
        and 0 <= numbers[0] < numbers[-1] <= 10
    ):
        return _number_levels(
            "", _Numbers(numbers[0], numbers[-1], None), numbers[-1]
        )  # "4 - Good" without a "3 - ..."
    return f"[{', '.join(map(quoted, known.words))}]"
