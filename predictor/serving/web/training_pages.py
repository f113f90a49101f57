"""The training pages: train on the journal, see the progress, and use the new model."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from predictor.journal.days import parse_day
from predictor.journal.entry import OFFER, TARGET_OF_OUTCOME
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.serving.api.answers import Refusal
from predictor.serving.settings import Settings
from predictor.serving.web.forms import Form
from predictor.serving.web.journal_pages import OpenJournal
from predictor.serving.web.pages import page

training_pages = APIRouter(prefix="/train", include_in_schema=False)


@training_pages.get("")
def show(request: Request, journal: OpenJournal) -> Response:
    """Show how many interviews have an outcome, and the state of the training."""
    return _page(request, "train.html", journal)


@training_pages.get("/progress")
def progress(request: Request, journal: OpenJournal) -> Response:
    """Return the part of the page that changes."""
    return _page(request, "progress.html", journal)


@training_pages.post("")
def start(request: Request, form: Form) -> Response:
    """Begin a training, unless one is running."""
    settings: Settings = request.app.state.settings
    assert settings.journal
    current = settings.model if settings.model.is_file() else settings.fallback or settings.model
    request.app.state.training.start(settings.journal, current, settings.trainings_folder)
    return RedirectResponse("/train", 303)


@training_pages.post("/adopt")
def use_new_model(request: Request, form: Form) -> Response:
    """Copy the new model over the file that is served; the server reloads it like any other."""
    settings: Settings = request.app.state.settings
    if not settings.replaceable:
        raise Refusal(409, "this server was started with --model, so its model is fixed; start it without --model")
    request.app.state.training.use_new_model(settings.model)
    return RedirectResponse("/train", 303)


def _page(request: Request, template: str, journal: Journal) -> Response:
    state, settings = request.app.state.training.state, request.app.state.settings
    outcomes = journal.outcomes()
    n, offers = sum(outcomes[outcome] for outcome in TARGET_OF_OUTCOME), outcomes[OFFER]
    deleted = _deleted_since(request.app.state.current_model(), journal)
    return page(
        request, template, training=state, replaceable=settings.replaceable, n=n, offers=offers, deleted=deleted
    )


def _deleted_since(model: OfferModel, journal: Journal) -> int:
    """Count the interviews deleted since the model was trained on this journal; 0 if it was not."""
    if Path(str(model.trained_on.get("source", ""))).name != journal.path.name:
        return 0
    try:
        return journal.deleted_since(parse_day(model.created_at))
    except ValueError:
        return 0
