"""The pages of people: a list by due date; one person over time; export or delete all of one person's interviews."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from predictor.errors import RatingsError
from predictor.evaluation.practice import Practice, practice
from predictor.journal.entry import STILL_OPEN, TARGET_OF_OUTCOME, Entry, one_of_each
from predictor.journal.learning import ratings_of
from predictor.model.offer_model import OfferModel
from predictor.serving.web.forms import Form
from predictor.serving.web.journal_pages import OpenJournal, attachment, count_pages, notice, page_number, redirect_to
from predictor.serving.web.pages import page
from predictor.serving.web.person_view import HEIGHT, LEFT, MOST_DRAWN, TOP, charts, estimate_charts, shape_of, window

people_pages = APIRouter(prefix="/people", include_in_schema=False)

SIZE = 50  # people on a page
LISTED = 10  # interviews of one person; the journal's filter has them all
NOTES = 20  # of the private notes
PRACTISED = 100  # of the latest interviews, from which differences to the best rating are computed


@people_pages.get("")
def list_people(request: Request, journal: OpenJournal) -> Response:
    """List people, sorted by next due date, then those with open interviews, then by name."""
    search = request.query_params.get("search", "").strip()[:200]
    number = page_number(request)
    some, total = journal.person_summaries(search, SIZE * (number - 1), SIZE)
    pages = count_pages(total, SIZE, number)
    return page(
        request, "people.html", people=some, total=total, number=number, pages=pages, search=search,
        notice=notice(request), first=SIZE * (number - 1),
        address=lambda page: f"/people?{urlencode({'search': search, 'page': page})}",
    )  # fmt: skip


@people_pages.get("/{id}")
def show(request: Request, id: str, journal: OpenJournal) -> Response:  # noqa: A002 - what it is
    """Show one person's interviews over time, and what to prepare for the next one."""
    who = journal.person(id)
    entries = journal.of_person(who)
    model: OfferModel = request.app.state.current_model()
    hidden = journal.hidden_until_both_rated([entry for entry in entries if entry.interview])
    visible = [entry for entry in entries if entry.id not in hidden]
    number = page_number(request)
    pages = count_pages(len(visible), MOST_DRAWN, number)
    drawn = window(visible, number)
    waiting = sorted((e for e in entries if e.outcome == STILL_OPEN), key=lambda e: (e.due_on or date.max, e.id))
    rated_by_both = {entry.interview: entry for entry in entries if entry.interview and entry.id not in hidden}
    return page(
        request, "person.html", model=model, who=who, id=id, n=len(entries), hidden=hidden,
        charts=charts(visible, model.catalogue, number), estimates=estimate_charts(visible, number)[:3],
        drawn=drawn, shapes=shape_of(visible), number=number, pages=pages, both=list(rated_by_both.values()),
        waiting=one_of_each(waiting),
        last=entries[-1], last_try=next((e for e in reversed(entries) if e.try_next), None),
        private=[entry for entry in reversed(entries) if entry.private_note][:NOTES],
        listed=entries[::-1][:LISTED], notice=notice(request), box=(LEFT, TOP, HEIGHT),
        practice=_practice(visible[-PRACTISED:], model),
    )  # fmt: skip


def _practice(entries: Sequence[Entry], model: OfferModel) -> Practice | None:
    """Return a person's differences to the best rating; None if the model does not know the ratings."""
    if not entries:
        return None
    try:
        return practice(model, ratings_of(entries, model.catalogue, source="the journal", training=False))
    except RatingsError:
        return None


@people_pages.get("/{id}/export.csv")
def export_csv(id: str, journal: OpenJournal) -> Response:  # noqa: A002
    """Return the interviews of a person as CSV."""
    return attachment(journal.export_csv(who=journal.person(id)), "text/csv", f"person-{id}.csv")


@people_pages.get("/{id}/export.json")
def export_json(id: str, journal: OpenJournal) -> Response:  # noqa: A002
    """Return the interviews of a person as JSON."""
    return attachment(journal.export_json(who=journal.person(id)), "application/json", f"person-{id}.json")


@people_pages.get("/{id}/delete")
def ask_to_forget(request: Request, id: str, journal: OpenJournal) -> Response:  # noqa: A002
    """Ask for confirmation, and show what the deletion means for models."""
    who = journal.person(id)
    entries = journal.of_person(who)
    labelled = sum(entry.outcome in TARGET_OF_OUTCOME for entry in entries)
    return page(request, "forget.html", who=who, id=id, n=len(entries), labelled=labelled)


@people_pages.post("/{id}/delete")
def forget(id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Delete all of a person's interviews for good."""
    journal.forget(journal.person(id))
    return redirect_to("/people?notice=forgotten")
