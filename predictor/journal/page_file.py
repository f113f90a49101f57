"""Read the file that the exported page saves, with ratings and the estimate that was shown, as entries of a journal.

Its list `answers` has the interview, and `answer` is null if no estimate was shown:

    {"format": 1, "kind": "interview outcome predictor: answers", "simulated": false,
     "saved_at": "2026-05-31T10:00:00.000Z", "text": ["Interview: Acme", "Listens actively: 4"],
     "model": {"name": "m", "fingerprint": "0123456789abcdef", "created_at": "2026-05-01", "trained_on": {"n": 100}},
     "answers": [{"id": "0123456789ab", "rated_on": "2026-05-31", "title": "Acme", "who": "AB", "round": "second",
       "note": "", "held_on": null, "due_on": "2026-06-30", "rater_role": "candidate",
       "ratings": {"goals_discussed": 4}, "not_come_up": ["mutual_rapport"], "guess": 40,
       "answer": {"probability": 0.4, "low": 0.2, "high": 0.6, "base_rate": 0.3, "own_base_rate": false,
         "log_odds": -0.405465, "baseline": -0.905465, "parts": [["goals_discussed", 4, 0.5, 0.1]],
         "remaining": {"low": 0.1, "high": 0.8, "signals": ["mutual_rapport"]}, "quality": [], "notes": []}}]}

A part is a signal or input, its rating or null, its log-odds, and the implied part of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from predictor.errors import JournalError, Problem, RatingsError
from predictor.journal.cells import read_cells, safe
from predictor.journal.edits import checked_ratings
from predictor.journal.entry import AGREES, Entry, faults, new_id
from predictor.journal.estimate import Estimate
from predictor.model.log_odds import one_probability
from predictor.model.prediction import INTERVAL_LEVEL
from predictor.model.stored_answer import stored_answer
from predictor.ratings.catalogue import INPUT_FAMILY, Catalogue

FORMAT, KIND = 1, "interview outcome predictor: answers"
_TEXTS = ("title", "who", "round", "note")
_CELLS = (*_TEXTS, "held_on", "due_on", "rated_on", "guess")
_DAMAGED = "is damaged; save the interview again, from the page"


def is_page_file(content: bytes) -> bool:
    """Return whether a file is one that the exported page saved, of whatever format.

    Examples
    --------
    >>> answers = b'{"format": 1, "kind": "interview outcome predictor: answers"}'
    >>> is_page_file(answers), is_page_file(b'{"goals_discussed": 4}')
    (True, False)
    """
    if content.lstrip()[:1] != b"{" or KIND.encode() not in content:
        return False
    try:
        return bool(json.loads(content)["kind"] == KIND)
    except (ValueError, KeyError, RecursionError):
        return False


def superseded(contents: Sequence[bytes]) -> set[int]:
    """Return the positions of files superseded by a later save of the same interview.

    Parameters
    ----------
    contents
        Of files of any kind; those that the page did not save, or that are damaged, supersede nothing.

    Examples
    --------
    >>> file = '{"kind": "interview outcome predictor: answers", "saved_at": "%s", "answers": [{"id": "0123456789ab"}]}'
    >>> superseded([(file % time).encode() for time in ("2026-05-31T10:00:00Z", "2026-05-31T10:05:00Z")])
    {0}
    """
    newest: dict[str, tuple[str, int]] = {}
    older = set[int]()
    for place, content in enumerate(contents):
        if not is_page_file(content):
            continue
        data = json.loads(content)
        try:
            (item,) = data["answers"]
            name, saved = str(item["id"]), str(data["saved_at"])
        except (KeyError, TypeError, ValueError):
            continue
        known = newest.get(name)
        if known and saved < known[0]:
            older.add(place)
        else:
            older |= {known[1]} if known else set()
            newest[name] = saved, place
    return older


def parse_page_file(content: bytes, source: str, catalogue: Catalogue) -> tuple[list[Entry], list[Problem]]:
    """Parse a file that the exported page saved into entries, or problems.

    Parameters
    ----------
    content
        Of a file for which `is_page_file` is true.
    source
        What messages call it.
    catalogue
        What the ratings are checked against.

    Returns
    -------
    entries, problems
        One of them is empty. An entry has the id that the page gave it, so that the same file twice adds nothing; an
        entry without an id gets a new one.
    """
    data = json.loads(content)
    if type(number := data.get("format")) is not int or not 1 <= number <= FORMAT:
        kind = f"is {number!r}; this version reads {FORMAT}: update the predictor, or save the interview again"
        return [], [Problem(kind, column="format")]
    entries, problems = list[Entry](), list[Problem]()
    answers = data.get("answers")
    if not isinstance(answers, list) or not answers:
        return [], [Problem("has no interview; save it again, from the page", column="answers")]
    for row, item in enumerate(answers, 1):
        entry, wrong = _entry(item, data, row, catalogue)
        problems += wrong
        entries += [entry] if entry else []
    return ([], problems) if problems else (entries, [])


def _entry(item: Any, file: Mapping[str, Any], row: int, catalogue: Catalogue) -> tuple[Entry | None, list[Problem]]:
    if not isinstance(item, Mapping) or not isinstance(item.get("ratings"), Mapping):
        return None, [Problem(_DAMAGED, row, "answers", repr(item)[:60])]
    cells = {name: "" if item.get(name) is None else str(item[name]) for name in _CELLS}
    cells |= {name: safe(cells[name]) for name in _TEXTS}
    data, wrong = read_cells(cells)
    data["title"] = data["title"] or f"Rated on {cells['rated_on']}"
    data |= {"id": str(item.get("id") or new_id()), "outcome": "still open", "frozen": False, "outcome_on": None}
    not_come_up = item.get("not_come_up") or []
    if not isinstance(not_come_up, list) or not all(name in catalogue.names for name in not_come_up):
        wrong["not_come_up"] = _DAMAGED
    problems = [Problem(kind, row, name, cells.get(name, "")) for name, kind in (faults(data) | wrong).items()]
    try:
        ratings, role = checked_ratings(item["ratings"], str(item.get("rater_role") or ""), catalogue)
    except RatingsError as error:
        return None, problems + [Problem(p.message, row, p.column, p.found) for p in error.problems]
    except JournalError as error:
        return None, [*problems, Problem(str(error), row, "ratings")]
    if problems:
        return None, problems
    data |= {"ratings": ratings, "rater_role": role, "not_come_up": tuple(not_come_up)}
    try:
        return Entry(**data, **_answered(item, file, data, catalogue)), []
    except (KeyError, TypeError, ValueError, AttributeError, JournalError):
        return None, [Problem(_DAMAGED, row, "answer")]


def _answered(
    item: Mapping[str, Any], file: Mapping[str, Any], data: Mapping[str, Any], catalogue: Catalogue
) -> dict[str, Any]:
    """Return estimate and answer as they were shown, in the form of the server's pages; nothing if none was shown."""
    if (answer := item.get("answer")) is None:
        return {}
    remaining, sentences = answer["remaining"], [*answer["quality"], *answer["notes"]]
    if not all(isinstance(word, str) for word in sentences):
        raise ValueError("sentences are not text")
    if remaining is not None:
        low, high = _numbers(remaining["low"], remaining["high"])
        signals = [_known(name, catalogue.names) for name in remaining["signals"]]
        remaining = {"low": low, "high": high, "signals": signals}
    stored = stored_answer(
        _prediction(answer, file["model"], data["ratings"], catalogue),
        catalogue,
        rated_by=data["rater_role"],
        guess=data["guess"],
        not_come_up=data["not_come_up"],
        own_base_rate=answer["own_base_rate"] is True,
        remaining=remaining,
        quality=answer["quality"],
    )
    base_rate = answer["base_rate"] if stored["own_base_rate"] else None
    return {
        "estimate": Estimate.of_answer(stored, base_rate),
        "answer": stored | {"saved_at": str(file.get("saved_at", ""))},
    }


def _prediction(
    answer: Mapping[str, Any], model: Mapping[str, Any], ratings: Mapping[str, Any], catalogue: Catalogue
) -> dict[str, Any]:
    """Return a prediction as plain data, like `Prediction.to_dict`; its parts must add up, and be of these ratings."""
    known = {signal.name: (signal.family, signal.side) for signal in catalogue.signals}
    known |= {item.name: (INPUT_FAMILY, None) for item in catalogue.inputs}
    p, low, high, log_odds, baseline = _numbers(
        answer["probability"], answer["low"], answer["high"], answer["log_odds"], answer["baseline"]
    )
    (base_rate,) = _numbers(answer["base_rate"])
    contributions, families = [], dict.fromkeys([*catalogue.families, INPUT_FAMILY], 0.0)
    for name, rating, *numbers in answer["parts"]:
        added, implied = _numbers(*numbers)
        family, side = known[name]
        if name in catalogue.names and rating != ratings.get(name):
            raise ValueError(f"{name} does not match the rating")
        families[family] += added
        part = {"signal": name, "family": family, "side": side, "rating": rating, "log_odds": added, "implied": implied}
        contributions.append(part)
    names = [part["signal"] for part in contributions]
    if len({*names}) < len(names) or not {*ratings} <= {*names}:
        raise ValueError("a part is there twice, or that of a rating is missing")
    if abs(baseline + sum(part["log_odds"] for part in contributions) - log_odds) > AGREES or not 0 < base_rate < 1:
        raise ValueError("the parts do not add up")
    if abs(one_probability(log_odds) - p) > AGREES:
        raise ValueError("the likelihood is not that of the log-odds")
    return {
        "offer_probability": p,
        "interval": {"level": INTERVAL_LEVEL, "low": low, "high": high},
        "base_rate": base_rate,
        "log_odds": log_odds,
        "baseline": baseline,
        "contributions": contributions,
        "families": families,
        "not_rated": [name for name in catalogue.names if name not in ratings],
        "notes": answer["notes"],
        "model": {name: model[name] for name in ("name", "fingerprint", "created_at", "trained_on")},
    }


def _numbers(*numbers: Any) -> tuple[float, ...]:
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise ValueError("a number is not finite")
    return tuple(map(float, numbers))


def _known(name: Any, names: Sequence[str]) -> str:
    if name not in names:
        raise ValueError(f"{name!r} is not a signal")
    return str(name)
