"""The journal's pages: keep an interview, list, edit, add the outcome, delete, export, import."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse

from predictor.errors import RatingsError, plural
from predictor.journal.entry import OUTCOMES, ROLE, TOLD, Entry, Estimate, day_of
from predictor.journal.exchange import MOST_COLUMNS, MOST_ROWS
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.ratings.signals import NOT_APPLICABLE
from predictor.serving.api.answers import Refusal
from predictor.serving.web import views
from predictor.serving.web.forms import Form, Rated, day, text
from predictor.serving.web.pages import page

journal_pages = APIRouter(prefix="/journal", include_in_schema=False)

SIZE = 50  # interviews on a page
SAID = {
    "kept": "Kept.",
    "changed": "Changed.",
    "outcome": "The outcome is kept.",
    "deleted": "Deleted for good. Exports and copies that you made are still where you put them.",
}


def the_journal(request: Request) -> Journal:
    """Return the journal of the server, with the catalogue of the model that is served."""
    journal: Journal = request.app.state.journal
    return journal.under(request.app.state.models().catalogue)


Kept = Annotated[Journal, Depends(the_journal)]


@journal_pages.get("")
def list_entries(request: Request, journal: Kept) -> Response:
    """List the interviews, the newest first, some on a page."""
    return _list(request, journal)


@journal_pages.post("")
def keep(request: Request, form: Form, journal: Kept) -> Response:
    """Keep what stands in the rating form, with the estimate of now."""
    model: OfferModel = request.app.state.models()
    rated = Rated.read(form, model)
    if not (title := text(form, "title")):
        raise Refusal(422, "is empty; go back and write a title, as in Acme, second round", field="title")
    answer = model.predict(rated.record, base_rate=rated.base_rate)
    entry = journal.add(
        title,
        rated.ratings,
        note=text(form, "note"),
        held_on=day(form, "held_on"),
        rater_role=rated.inputs.get(ROLE, ""),
        estimate=Estimate.of(answer, rated.base_rate),
    )
    return _to(f"/journal/{entry.id}?said=kept")


@journal_pages.get("/export.csv")
def export_csv(journal: Kept) -> Response:
    """Return all interviews as CSV."""
    return _file(journal.export_csv(), "text/csv", "journal.csv")


@journal_pages.get("/export.json")
def export_json(journal: Kept) -> Response:
    """Return all interviews as JSON."""
    return _file(journal.export_json(), "application/json", "journal.json")


@journal_pages.post("/import")
def import_csv(request: Request, form: Form, journal: Kept) -> Response:  # not async: others are answered meanwhile
    """Add the interviews of a CSV file or a workbook, all of them or none; every problem is shown by its row."""
    upload = form.get("file")
    if not isinstance(upload, UploadFile) or not upload.filename:
        raise Refusal(422, "is missing; choose a CSV or Excel file", field="file")
    try:
        with request.app.state.importing:  # one at a time, since each takes memory
            added = journal.import_csv(upload.file.read(), name=upload.filename[:100], limited=True)
    except RatingsError as error:
        problems = sorted(error.problems, key=lambda problem: problem.row or 0)
        return _list(request, journal, 422, problems=problems, source=error.source)
    return _to(f"/journal?added={added}")


@journal_pages.get("/{id}")
def show(request: Request, id: str, journal: Kept) -> Response:  # noqa: A002 - what it is
    """Show one interview: to be changed, or where its outcome is known frozen."""
    return _show(request, journal.get(id))


@journal_pages.post("/{id}")
def change(request: Request, id: str, form: Form, journal: Kept) -> Response:  # noqa: A002
    """Change title, note and day, and, while no outcome is known, the ratings; changed ones are estimated anew."""
    entry = journal.get(id)
    changed: dict[str, Any] = {}
    if not (title := text(form, "title")):
        raise Refusal(422, "is empty; go back and write a title", field="title")
    if text(form, "with_ratings"):  # an entry that was frozen meanwhile refuses them
        model: OfferModel = request.app.state.models()
        rated = Rated.read(form, model)
        role = rated.inputs.get(ROLE, "")
        if (dict(rated.ratings), role) != (dict(entry.ratings), entry.rater_role):
            base_rate = entry.estimate.base_rate if entry.estimate else None
            estimate = Estimate.of(model.predict(rated.record, base_rate=base_rate), base_rate)
            changed = {"ratings": rated.ratings, "rater_role": role, "estimate": estimate}
    journal.edit(id, title=title, note=text(form, "note"), held_on=day(form, "held_on"), **changed)
    return _to(f"/journal/{id}?said=changed")


@journal_pages.post("/{id}/outcome")
def add_outcome(id: str, form: Form, journal: Kept) -> Response:  # noqa: A002
    """Record what came of it."""
    journal.set_outcome(id, text(form, "outcome"), at=day(form, "known_on"))
    return _to(f"/journal/{id}?said=outcome")


@journal_pages.get("/{id}/delete")
def ask_to_delete(request: Request, id: str, journal: Kept) -> Response:  # noqa: A002
    """Ask once more."""
    return page(request, "delete.html", entry=journal.get(id))


@journal_pages.post("/{id}/delete")
def delete(id: str, form: Form, journal: Kept) -> Response:  # noqa: A002
    """Delete it for good."""
    journal.delete(id)
    return _to("/journal?said=deleted")


def _list(request: Request, journal: Journal, status: int = 200, **context: Any) -> Response:
    added = request.query_params.get("added", "")
    said = SAID.get(request.query_params.get("said", ""))
    if added.isdecimal():
        said = f"{plural(int(added[:9]), 'interview')} added."
    asked = request.query_params.get("page", "1")
    if not (asked.isascii() and asked.isdecimal() and int(asked[:9]) > 0):
        raise Refusal(422, "is not the number of a page; write one from 1", field="page", found=asked)
    number = int(asked[:9])
    entries, total = journal.page(number, SIZE)
    pages = max(1, -(-total // SIZE))
    if number > pages:
        raise Refusal(404, f"there is no page {number:,} of the journal; the last is {pages:,}", field="page")
    most = {"rows": MOST_ROWS, "columns": MOST_COLUMNS, "MB": request.app.state.settings.max_upload // 1_000_000}
    return page(
        request, "journal.html", status, entries=entries, total=total, number=number, pages=pages,
        first=SIZE * (number - 1), most=most, said=said, **context,
    )  # fmt: skip


def _show(request: Request, entry: Entry) -> Response:
    model: OfferModel = request.app.state.models()
    inputs = {ROLE: entry.rater_role} if entry.rater_role else {}
    said = SAID.get(request.query_params.get("said", ""))
    taken = {signal.name: bool(signal.not_applicable) for signal in model.catalogue.signals}
    foreign = sorted(
        name
        for name, rating in entry.ratings.items()
        if not taken.get(name, False) and (name not in taken or rating == NOT_APPLICABLE)
    )
    # Ratings that the model in use does not ask for would be lost by a change, so they are shown only.
    fixed = entry.frozen or bool(foreign)
    base_rate = entry.estimate.base_rate if entry.estimate else None
    seen = None if foreign else views.view(model, Rated(entry.ratings, inputs, base_rate))
    return page(
        request, "entry.html", model=model, entry=entry, inputs=inputs, said=said, outcomes=OUTCOMES, known=TOLD,
        foreign=foreign, fixed=fixed, day_of=day_of, seen=seen,
        labels={item.name: item.label for item in model.catalogue.signals},
    )  # fmt: skip


def _file(content: str, kind: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)


def _to(address: str) -> Response:
    return RedirectResponse(address, 303)  # so that loading the page again sends nothing again
