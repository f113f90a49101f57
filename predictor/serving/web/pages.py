"""The pages for people: rate an interview, see the likelihood and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from predictor.journal.entry import ROLE
from predictor.journal.people import person_id
from predictor.model.offer_model import OfferModel
from predictor.model.wording import of_100
from predictor.serving.api.answers import Refusal, json_response
from predictor.serving.security import csrf_token
from predictor.serving.web import views
from predictor.serving.web.forms import Form, Rated, percent, text
from predictor.serving.web.journal_form import keep_fields, typed_fields
from predictor.serving.web.record import accuracy_by_role

pages = APIRouter(include_in_schema=False)

FRAGMENT = "x-fragment"  # the header by which our script asks for the part of a page that changes


def page(
    request: Request, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
) -> Response:
    """Render a page, with what every page shows."""
    state = request.app.state
    model: OfferModel = context.pop("model", None) or state.models()
    shared = {
        "model": model,
        "csrf": lambda: csrf_token(request),  # called by forms, so that a page without one sets no cookie
        "journal": state.settings.journal is not None,
        "token": state.settings.token is not None,
        "root": state.settings.root_path,
        "here": request.scope["path"],  # of `request.url`, the header Host is part, whatever it says
        "percent": percent,
        "words": views.percent_words,
        "signed": views.signed,
        "share": of_100,
        "person_id": person_id,
    }
    return state.templates.TemplateResponse(  # type: ignore[no-any-return]
        request, template, {**shared, **context}, status_code=status, headers=headers
    )


def refusal_page(request: Request, refusal: Refusal, *, bare: bool = False) -> Response:
    """Show on a small page why a request is refused, and what to do; a bare one shows nothing of the server."""
    return page(request, "refusal.html", refusal.status, refusal.headers, refusal=refusal, bare=bare)


def wants_page(request: Request) -> bool:
    """Return whether a browser shows the answer to a person, rather than a program or our script."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/v1")


@pages.get("/")
def rate(request: Request) -> Response:
    """Show the empty rating form, with the base rate as the estimate."""
    return rate_page(request, Rated())


@pages.post("/")
def rate_again(request: Request, form: Form) -> Response:
    """Estimate without JavaScript: the whole page, with the ratings kept."""
    return rate_page(request, Rated.read(form, request.app.state.models()), form)


@pages.post("/estimate")
def estimate(request: Request, form: Form) -> Response:
    """Estimate with JavaScript: the part of the page that changes."""
    model: OfferModel = request.app.state.models()
    return page(request, "estimate.html", model=model, **_seen(model, Rated.read(form, model)))


@pages.post("/estimate.json")
def download(request: Request, form: Form) -> Response:
    """Return the answer as `POST /v1/predict` does, as a file."""
    model: OfferModel = request.app.state.models()
    rated = Rated.read(form, model)
    answer = model.predict(rated.record, base_rate=rated.base_rate)
    return json_response(
        answer.to_dict(), headers={"content-disposition": 'attachment; filename="interview-estimate.json"'}
    )


def rate_page(
    request: Request, rated: Rated, form: Any = None, *, problems: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    """Show the rating form with all that was filled in, and what is wrong with that, by field."""
    model: OfferModel = request.app.state.models()
    roles = {item.name: item.levels for item in model.catalogue.inputs}.get(ROLE, ())
    accuracy = accuracy_by_role(request.app.state.settings.models / model.name, model.fingerprint, roles)
    keep = keep_fields(request, typed_fields(form) if form else None, problems)
    return page(request, "rate.html", status, model=model, keep=keep, accuracy=accuracy, **_seen(model, rated))


def _seen(model: OfferModel, rated: Rated) -> dict[str, Any]:
    return {
        "rated": rated,
        "seen": views.view(model, rated),
        "shown": views.SHOWN,
        "limits": [*views.limits(model)],
        "base_rate": model.base_rate if rated.base_rate is None else rated.base_rate,
    }
