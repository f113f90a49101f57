"""Sheets as HTML: files with their style inside, or pages of a server that links it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.atomic import write_text
from predictor.errors import MissingExtraError
from predictor.journal.days import today
from predictor.journal.entry import Entry
from predictor.journal.people import person_id
from predictor.model.offer_model import OfferModel
from predictor.model.wording import CAVEAT
from predictor.reports.sheet.content import by_person, cohort_of, sheet_of

if TYPE_CHECKING:
    from jinja2 import Environment


def person_html(
    model: OfferModel, who: str, entries: Sequence[Entry], *, day: date | None = None, root: str | None = None
) -> str:
    """Return a person's sheet.

    Parameters
    ----------
    model, who, entries
        As for `sheet_of`.
    day
        Of the sheet; default: today.
    root
        Prefix of the server that has style sheet and icon; None: for a file, with the style inside.

    Examples
    --------
    >>> entry = Entry(id="0" * 12, title="Acme", who="AB", ratings={"candidate_enthusiasm": 2.0}, private_note="never")
    >>> html = person_html(OfferModel.published(), "AB", [entry], day=date(2026, 5, 31))
    >>> "Acme" in html, "SIMULATED" in html, "never" in html
    (True, True, False)
    """
    sheet = sheet_of(model, who, entries, day or today())
    return _environment().get_template("person.html").render(sheet=sheet, root=root, back=f"/people/{person_id(who)}")


def cohort_html(
    model: OfferModel,
    entries: Sequence[Entry],
    *,
    total: int | None = None,
    day: date | None = None,
    root: str | None = None,
) -> str:
    """Return the sheet of a cohort; see `person_html` and, for `total`, `cohort_of`."""
    sheet = cohort_of(model, entries, day or today(), total)
    return _environment().get_template("cohort.html").render(sheet=sheet, root=root, back="/people")


def style() -> str:
    """Return the style sheet of all sheets."""
    return (files("predictor.reports.sheet") / "sheet.css").read_text(encoding="utf-8")


def save_sheets(model: OfferModel, entries: Sequence[Entry], folder: str | Path) -> int:
    """Write a sheet for each person, and `cohort.html`, into a folder, which is made.

    Returns
    -------
    int
        How many people there are.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    people = by_person(entries)
    pages = {_file_name(who): person_html(model, who, some) for who, some in people.items()}
    pages["cohort.html"] = cohort_html(model, entries)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, html in pages.items():
        write_text(Path(folder, name), html)
    return len(people)


def _file_name(who: str) -> str:
    """Name a person's file; the digits keep apart what reads alike."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', who).strip('-')[:40] or 'person'}-{person_id(who)[:6]}.html"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "sheets", "serve") from None
    environment = Environment(
        loader=PackageLoader("predictor.reports", "sheet"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals |= {"style": style, "caveat": CAVEAT}
    return environment
