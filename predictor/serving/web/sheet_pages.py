"""Sheets for a session, to be printed: of one person, and of everybody in the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from predictor.journal.entry import Entry
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.reports.sheet.writing import cohort_html, person_html, style
from predictor.serving.web.forms import browser_day

sheet_pages = APIRouter(include_in_schema=False)
NEWEST = 2000  # interviews of a cohort's sheet, so that it comes at once


@sheet_pages.get("/people/{id}/sheet")
def of_person(request: Request, id: str) -> Response:  # noqa: A002 - as the path names it
    """Show one person's sheet."""
    model, journal = _served(request)
    who = journal.person(id)
    return HTMLResponse(person_html(model, who, _visible(journal, journal.of_person(who)), **_shown(request)))


@sheet_pages.get("/cohort/sheet")
def of_cohort(request: Request) -> Response:
    """Show the sheet of everybody."""
    model, journal = _served(request)
    newest, total = journal.page(1, NEWEST)
    return HTMLResponse(cohort_html(model, _visible(journal, newest), total=total, **_shown(request)))


@sheet_pages.get("/sheet.css")
def sheet_style() -> Response:
    """Return how sheets look; the strict policy takes no style from inside of a page."""
    return Response(style(), media_type="text/css")


def _served(request: Request) -> tuple[OfferModel, Journal]:
    model: OfferModel = request.app.state.current_model()
    journal: Journal = request.app.state.journal
    return model, journal.with_catalogue(model.catalogue)


def _visible(journal: Journal, entries: Sequence[Entry]) -> list[Entry]:
    """Leave out interviews that one side has rated and the other has not: neither sees the other's rating first."""
    hidden = journal.hidden_until_both_rated(entries)
    return [entry for entry in entries if entry.id not in hidden]


def _shown(request: Request) -> dict[str, Any]:
    return {"day": browser_day(request), "root": str(request.app.state.settings.root_path)}
