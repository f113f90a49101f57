"""Cells of an exported journal: parse each kind of cell, and escape text that a spreadsheet would run as a formula."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from predictor.errors import JournalError
from predictor.journal.days import now, parse_day
from predictor.journal.entry import STILL_OPEN, TEXTS, WITHDREW, Entry
from predictor.journal.estimate import Estimate
from predictor.ratings.catalogue import ROLE
from predictor.ratings.cells import says_not_observed, word_key
from predictor.ratings.outcomes import NO, YES, is_offer

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - a spreadsheet takes the wide ones, too
CONTROL = dict.fromkeys((*range(9), *range(14, 28), 127))  # that no text needs; `str.split` removes 28 to 31
TYPED = (*TEXTS, ROLE, "estimate_model", "estimate_fingerprint")
ESTIMATE = {f"estimate_{name}": name for name in Estimate.__dataclass_fields__}

_NOT_DAY = "is not a day; write it as in 2026-05-31"
_NOT_YES_NO = "is neither yes nor no"
_NOT_SHARE = "is not a number from 0 to 1"
_NOT_SHARE_OR_YES_NO = "is neither a number from 0 to 1 nor yes or no"
_NOT_GUESS = "is not a whole number from 0 to 100"
_NOT_JSON = "is not the JSON that an export writes into this column; export the journal again"
TO_COME = "is in the future; write the day on which it happened"


def safe(text: str) -> str:
    """Escape text that a spreadsheet would run as a formula, by an apostrophe (OWASP); `typed` removes it.

    Examples
    --------
    >>> safe("=1+1"), typed(safe("=1+1")), safe("Acme")
    ("'=1+1", '=1+1', 'Acme')
    """
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def typed(text: str) -> str:
    """Return a text as it was before `safe`."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def one_line(text: str) -> str:
    r"""Write a name or a title in one line and one spelling, so that what looks alike is one person.

    Examples
    --------
    >>> one_line(" Zoe\u0308  O'Brien\n") == "Zo\u00eb O'Brien"
    True
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(CONTROL)).split())


def read_cells(cells: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the cells of one interview, but for its ratings.

    Parameters
    ----------
    cells
        By column; those that are not there are left out of what is returned.

    Returns
    -------
    data, wrong
        Attributes of `Entry`, but an estimate in the columns of `ESTIMATE`; and what is wrong, by column.
    """
    data: dict[str, Any] = {}
    wrong = {}
    latest = now().date() + timedelta(days=1)  # a file's time zone may be a day ahead
    for name, cell in cells.items():
        if name in TYPED:
            data[name] = typed(cell)
        elif name in _PARSED:
            parse, kind = _PARSED[name]
            data[name] = None
            if cell.strip():
                try:
                    data[name] = parse(cell.strip())
                except (ValueError, KeyError, TypeError):
                    wrong[name] = kind
        elif name == "not_come_up":
            data[name] = tuple(word.strip() for word in cell.split(";") if word.strip())
        elif name != ROLE:
            data[name] = cell.strip()
    wrong |= {name: TO_COME for name in ("rated_on", "outcome_on") if data.get(name) and data[name] > latest}
    return data, wrong


def take_estimate(data: dict[str, Any], wrong: dict[str, str]) -> None:
    """Combine the columns of an estimate into `estimate`; problems with them are added."""
    values = {name: data.pop(column, None) for column, name in ESTIMATE.items()}
    data["estimate"] = None
    if wrong:  # perhaps a column of the estimate, so the stored answer cannot be compared with it
        data["answer"] = None
    if wrong or all(value in (None, "") for value in values.values()):
        return
    try:
        data["estimate"] = Estimate(**values)
    except (JournalError, TypeError):
        wrong["estimate_probability"] = "is not inside its interval, or a part of the estimate is missing"


def outcome_of(cell: str) -> str | None:
    """Return the journal's outcome that a cell means; None if it is unknown.

    Examples
    --------
    >>> outcome_of("Hired"), outcome_of("No answer"), outcome_of(""), outcome_of("perhaps")
    ('offer', 'no answer', 'still open', None)
    """
    word = word_key(cell)
    if word in _OUTCOMES:
        return _OUTCOMES[word]
    offer = is_offer(cell)
    if offer is not None:
        return "offer" if offer else "no offer"
    return STILL_OPEN if says_not_observed(cell) else None


_OUTCOMES = {
    **dict.fromkeys(("", "still open", "open", "unknown", "waiting", "pending"), STILL_OPEN),
    **dict.fromkeys(("next round", "next stage"), "next round"),
    **dict.fromkeys(("no answer", "ghosted", "no response"), "no answer"),
    **dict.fromkeys(("withdrew", "withdrawn", "i withdrew"), WITHDREW),
    "offer": "offer",
    "no offer": "no offer",
}


def _yes_no(cell: str) -> bool:
    if (word := cell.lower()) not in YES | NO:
        raise ValueError(cell)
    return word in YES


def _share_or_yes_no(cell: str) -> float:
    return float(_yes_no(cell)) if cell.lower() in YES | NO else _share(cell)


def _share(cell: str) -> float:
    if not 0 <= (number := float(cell)) <= 1:
        raise ValueError(cell)
    return number


def _whole_percent(cell: str) -> int:
    number = float(cell.removesuffix("%"))
    if not 0 <= number <= 100 or number != int(number):
        raise ValueError(cell)
    return int(number)


def _stored_answer(cell: str) -> dict[str, Any]:
    if not isinstance(answer := json.loads(cell), dict):
        raise TypeError(cell)
    return answer


_PARSED: dict[str, tuple[Callable[[str], Any], str]] = {
    **dict.fromkeys(("held_on", "rated_on", "due_on", "outcome_on"), (parse_day, _NOT_DAY)),
    **dict.fromkeys(("frozen", "simulated"), (_yes_no, _NOT_YES_NO)),
    **{f"estimate_{name}": (_share, _NOT_SHARE) for name in ("probability", "low", "high", "base_rate")},
    "estimate_simulated": (_share_or_yes_no, _NOT_SHARE_OR_YES_NO),
    "answer": (_stored_answer, _NOT_JSON),
    "guess": (_whole_percent, _NOT_GUESS),
}


def cells_of(entry: Entry) -> dict[str, Any]:
    """Return an interview as the cells of a row of an export, but for its ratings."""
    data = entry.to_dict()
    estimate = data.pop("estimate") or {}
    cells = {**data, **{column: estimate.get(name) for column, name in ESTIMATE.items()}}
    cells |= {name: safe(cells[name] or "") for name in TYPED if name in cells}
    cells["not_come_up"] = "; ".join(entry.not_come_up)
    cells["answer"] = json.dumps(entry.answer) if entry.answer else ""
    return {name: {True: "yes", False: "no"}[cell] if isinstance(cell, bool) else cell for name, cell in cells.items()}
