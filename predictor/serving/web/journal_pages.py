"""The journal's pages: save an interview, list them, see open outcomes; one interview is in `entry_pages`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import RedirectResponse

from predictor.errors import plural
from predictor.journal.entry import OUTCOMES
from predictor.journal.estimate import Estimate
from predictor.journal.ics import calendar
from predictor.journal.query import ORDERS, Query
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.serving.api.answers import Refusal
from predictor.serving.web.answer import seen_answer
from predictor.serving.web.forms import Form, parse_day
from predictor.serving.web.journal_form import journal_of, read_save_fields
from predictor.serving.web.pages import page, rate_page

journal_pages = APIRouter(prefix="/journal", include_in_schema=False)
OpenJournal = Annotated[Journal, Depends(journal_of)]

SIZE = 50  # interviews on a page
MOST_WAITING = 10  # interviews listed as waiting; the filter shows all
NOTICES = {  # by the parameter `notice` of an address; at "saved", pages.js also deletes the draft
    "saved": "Saved. When you hear, come back here and enter the outcome.",
    "changed": "Changed.",
    "outcome": "The outcome is saved.",
    "looked-back": "Saved.",
    "paired": "Both ratings now belong to one interview.",
    "opened": "It no longer waits for the other side.",
    "deleted": "Deleted for good. Exports and copies that you made are still where you put them.",
    "forgotten": "All about this person is deleted for good. Exports and copies are still where you put them.",
}
SORTS = dict(zip(ORDERS, ("Newest first", "Oldest first", "By due date", "By person", "By title"), strict=True))


@journal_pages.get("")
def list_entries(request: Request, journal: OpenJournal) -> Response:
    """Show the interviews that wait for an outcome, and one page of all interviews."""
    asked = dict(request.query_params)
    query, number = _query(asked), page_number(request)
    entries, total = journal.page(number, SIZE, query)
    pages = count_pages(total, SIZE, number)
    waiting, n_waiting = journal.waiting(MOST_WAITING)
    other_parameters = {
        name: value
        for name, value in asked.items()
        if value and name not in ("page", "notice", "added", "updated", "already_there")
    }
    return page(
        request, "journal.html", entries=entries, hidden=journal.hidden_until_both_rated(entries), total=total,
        number=number, pages=pages, first=SIZE * (number - 1), query=query, outcomes=OUTCOMES, sorts=SORTS,
        rounds=journal.rounds(),
        people=journal.person_names(1_000), waiting=waiting, n_waiting=n_waiting, notice=notice(request),
        address=lambda page: f"/journal?{urlencode({**other_parameters, 'page': page})}",
    )  # fmt: skip


@journal_pages.post("")
def save(request: Request, form: Form, journal: OpenJournal) -> Response:
    """Save the rating form, with the estimate that was shown; or show the form again, with the problems."""
    model: OfferModel = request.app.state.current_model()
    rated, answer = seen_answer(request, form, model)
    fields, problems = read_save_fields(request, form, rated)
    if problems:
        return rate_page(request, rated, form, problems=problems, status=422)
    entry = journal.add(
        ratings=rated.ratings, rater_role=rated.role, guess=rated.guess, not_come_up=rated.not_come_up,
        estimate=Estimate.of_answer(answer, rated.base_rate), answer=answer, **fields,
    )  # fmt: skip
    return redirect_to(f"/journal/{entry.id}?notice=saved")


@journal_pages.get("/waiting.ics")
def waiting_calendar(journal: OpenJournal) -> Response:
    """Return a calendar with the due date of each interview that waits for an outcome."""
    return attachment(calendar(journal.waiting()[0]), "text/calendar", "waiting.ics")


@journal_pages.get("/export.csv")
def export_csv(journal: OpenJournal) -> Response:
    """Return all interviews as CSV."""
    return attachment(journal.export_csv(), "text/csv", "journal.csv")


@journal_pages.get("/export.json")
def export_json(journal: OpenJournal) -> Response:
    """Return all interviews as JSON."""
    return attachment(journal.export_json(), "application/json", "journal.json")


def page_number(request: Request) -> int:
    """Return which page of a list is asked for; the first where none is."""
    asked = request.query_params.get("page", "1")
    if not (asked.isascii() and asked.isdecimal() and int(asked[:9]) > 0):
        raise Refusal(422, "is not the number of a page; write one from 1", field="page", found=asked)
    return int(asked[:9])


def count_pages(total: int, size: int, number: int) -> int:
    """Return how many pages a list has; refuse a number beyond the last."""
    pages = max(1, -(-total // size))
    if number > pages:
        raise Refusal(404, f"there is no page {number:,}; the last is {pages:,}", field="page")
    return pages


def notice(request: Request) -> str | None:
    """Return the message about what was just done."""
    asked = request.query_params
    if asked.get("added", "").isdecimal():
        added, updated, there = (_count(asked.get(name, "")) for name in ("added", "updated", "already_there"))
        words = [f"{plural(added, 'interview')} added."] if added or not updated else []
        words += [f"{plural(updated, 'interview')} replaced by the version that was saved later."] if updated else []
        were = "was" if there == 1 else "were"
        words += [f"{plural(there, 'interview')} {were} in the journal already."] if there else []
        return " ".join(words)
    return NOTICES.get(asked.get("notice", ""))


def _count(asked: str) -> int:
    return int(asked[:9]) if asked.isdecimal() else 0


def attachment(content: str, kind: str, name: str) -> Response:
    """Return text as a file to save."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)


def redirect_to(address: str) -> Response:
    """Redirect after a POST (303), so that reloading the page sends nothing again."""
    return RedirectResponse(address, 303)


def _query(asked: dict[str, str]) -> Query:
    values: dict[str, Any] = {name: asked.get(name, "").strip()[:200] for name in ("search", "who", "outcome", "round")}
    if values["outcome"] not in ("", *OUTCOMES):
        raise Refusal(422, f"is none of {', '.join(OUTCOMES)}", field="outcome", found=values["outcome"])
    for name in ("since", "until"):
        values[name] = parse_day(asked.get(name, ""), name)
    if (sort := asked.get("sort", "newest")) not in ORDERS:
        raise Refusal(422, f"is none of {', '.join(ORDERS)}", field="sort", found=sort)
    return Query(**values, sort=sort)
