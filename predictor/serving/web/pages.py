"""The rate page: rate an interview, see the likelihood and its reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from predictor.journal.people import person_id
from predictor.model.changes import what_would_change
from predictor.model.first_questions import first_questions
from predictor.model.offer_model import OfferModel
from predictor.model.wording import CAVEAT, TEXTS, of_100, rated_count
from predictor.ratings.catalogue import ROLE
from predictor.ratings.signals import CANDIDATE
from predictor.reports.format import signed
from predictor.serving.api.answers import Refusal, json_response
from predictor.serving.security import csrf_token, sign
from predictor.serving.settings import Settings
from predictor.serving.web import views
from predictor.serving.web.answer import answer_view, seen_answer
from predictor.serving.web.forms import Form, RatingForm, browser_day, percent
from predictor.serving.web.journal_form import FIELD_LABELS, roles_that_rated, save_fields, typed_fields

pages = APIRouter(include_in_schema=False)

REMEMBERED = "predictor_role"  # the cookie that says who rated last
FRAGMENT = "x-fragment"  # the header by which our script asks for the part of a page that changes


def page(
    request: Request, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
) -> Response:
    """Render a page, with what every page shows."""
    state = request.app.state
    model: OfferModel = context.pop("model", None) or state.current_model()
    shared = {
        "model": model,
        "csrf": lambda: csrf_token(request),  # called by forms, so that a page without one sets no cookie
        "journal": state.settings.journal is not None,
        "token": state.settings.token is not None,
        "root": state.settings.root_path,
        "here": request.scope["path"],  # not `request.url`: it contains the header Host, which the client controls
        "bare": False,
        "today": browser_day(request),
        "percent": percent,
        "words": views.percent_words,
        "signed": signed,
        "caveat": CAVEAT,
        "texts": TEXTS,
        "share": of_100,
        "person_id": person_id,
    }
    return state.templates.TemplateResponse(  # type: ignore[no-any-return]
        request, template, {**shared, **context}, status_code=status, headers=headers
    )


def refusal_page(request: Request, refusal: Refusal, *, bare: bool = False) -> Response:
    """Show on a small page why a request is refused, and what to do; a bare one shows nothing of the server."""
    return page(
        request,
        "refusal.html",
        refusal.status,
        refusal.headers,
        refusal=refusal,
        sentence=_sentence(refusal),
        bare=bare,
    )


def _sentence(refusal: Refusal) -> str:
    """Return what is wrong as a whole sentence: where it has no subject, the field and what was there."""
    if len(refusal.problems) != 1 or not refusal.error.startswith(("is ", "has ")):
        return refusal.error
    field, there = str(refusal.problems[0]["field"]), refusal.problems[0]["found"]
    return f"{FIELD_LABELS.get(field, field)}{there and f' “{there}”'} {refusal.error}"


def wants_page(request: Request) -> bool:
    """Return whether a browser shows the response to a person, rather than a program or our script."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/v1")


@pages.get("/")
def rate(request: Request) -> Response:
    """Show the empty rating form; who rated last time is filled in, except when the other side rates."""
    role = unquote(request.cookies.get(REMEMBERED, ""))
    known = role in _roles(request.app.state.current_model()) and role not in roles_that_rated(request)
    inputs = {ROLE: role} if known else {}
    return rate_page(request, RatingForm(inputs=inputs))


@pages.post("/")
def rate_again(request: Request, form: Form) -> Response:
    """Answer without JavaScript: the whole page, with the ratings filled in."""
    return rate_page(request, RatingForm.read(form, request.app.state.current_model()), form)


@pages.post("/estimate")
def estimate(request: Request, form: Form) -> Response:
    """Answer with JavaScript: the part of the page that changes."""
    model: OfferModel = request.app.state.current_model()
    seen = _seen(request, model, form)
    return page(request, "estimate.html", headers=_remember(request, seen["rated"]), model=model, **seen)


@pages.post("/estimate.json")
def estimate_json(request: Request, form: Form) -> Response:
    """Return the model's answer as `POST /v1/predict` does, as a file."""
    model: OfferModel = request.app.state.current_model()
    rated = RatingForm.read(form, model)
    answer = model.predict(rated.record, base_rate=rated.base_rate)
    return json_response(
        answer.to_dict(), headers={"content-disposition": 'attachment; filename="interview-estimate.json"'}
    )


def rate_page(
    request: Request,
    rated: RatingForm,
    form: FormData | None = None,
    *,
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """Show the rating form; after a submission also the prediction, the values entered and their problems.

    Parameters
    ----------
    rated
        What was filled in.
    form
        The form that was sent; None where the page is opened.
    problems
        What is wrong, by field.
    status
        Of the HTTP response.
    """
    model: OfferModel = request.app.state.current_model()
    first = _first(model)
    return page(
        request, "rate.html", status, _remember(request, rated) if form else None, model=model, first=first, here="/",
        more_rated=not set(first) >= {*rated.ratings, *rated.not_come_up}, seen=form is not None,
        save=save_fields(request, typed_fields(form) if form else None, problems),
        base_rate=model.base_rate if rated.base_rate is None else rated.base_rate,
        counted=rated_count(len(rated.ratings), len(model.signals), len(rated.not_come_up)),
        **({"rated": rated} if form is None else _seen(request, model, form)),
    )  # fmt: skip


def _seen(request: Request, model: OfferModel, form: FormData) -> dict[str, Any]:
    """Return what the page shows once there is an estimate; the stored answer is signed, so that it can be saved."""
    rated, stored = seen_answer(request, form, model)
    stored_json = json.dumps(stored, separators=(",", ":"))
    own_rated = any(signal.side == CANDIDATE and signal.name in rated.ratings for signal in model.catalogue.signals)
    # `what_would_change` needs a Prediction, and the stored answer is plain data.
    prediction = model.predict(rated.record, base_rate=rated.base_rate)
    return {
        "rated": rated,
        "answer": answer_view(stored, live=True),
        "stored_json": stored_json,
        "signature": sign(request, stored_json),
        "change": what_would_change(model, prediction, line=rated.threshold) if own_rated else None,
        "limits": [*views.limits(model)],
    }


def _roles(model: OfferModel) -> tuple[str, ...]:
    return {item.name: item.levels for item in model.catalogue.inputs}.get(ROLE, ())


def _remember(request: Request, rated: RatingForm) -> dict[str, str] | None:
    """Return the header that lets a browser remember who rated, for a year."""
    if not rated.role:
        return None
    settings: Settings = request.app.state.settings
    where = f"Path={settings.root_path or '/'}{'; Secure' * settings.https}"
    return {"set-cookie": f"{REMEMBERED}={quote(rated.role)}; {where}; Max-Age=31536000; HttpOnly; SameSite=Strict"}


@lru_cache(maxsize=2)
def _first(model: OfferModel) -> tuple[str, ...]:
    return first_questions(model)
