"""The JSON API: one or many interviews in, answers with their reasons out; the model, its signals, its health."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool

from predictor.errors import Problem, nearest
from predictor.model.offer_model import OfferModel
from predictor.model.wording import CAVEAT
from predictor.ratings.ratings import Ratings
from predictor.reports import measured_scores
from predictor.reports.inspection import model_data
from predictor.serving.api.answers import Refusal, answers_response, json_response
from predictor.serving.api.openapi import BASE_RATE, INTERVIEWS, documented
from predictor.sources.files import TooManyError, parse_json

v1 = APIRouter(prefix="/v1", tags=["the model"])
root = APIRouter(tags=["the server"])
PREDICT, JSON = "/v1/predict", "application/json"

SIMULATED = "SIMULATED: this model learned from simulated interviews, not from real ones."
_SHARE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGE_BYTES = 30_000  # a longer body is answered in a thread, so that other requests need not wait
TOO_DEEP = "the JSON is nested too deeply; send ratings by name"


@v1.post("/predict", **documented("Answers", 403, 413, 415, 422, query=BASE_RATE, body=INTERVIEWS))
async def predict(request: Request) -> Response:
    """Predict the likelihood of an offer for one interview, or for each of a list.

    The ratings are those of `predictor predict --json`, and so is the answer: likelihood, interval, and what each
    signal added.
    """
    body, base_rate = await request.body(), _base_rate(request)
    if len(body) > LARGE_BYTES:
        return await run_in_threadpool(_predict, request, body, base_rate)
    return _predict(request, body, base_rate)


def _predict(request: Request, body: bytes, base_rate: float | None) -> Response:
    state = request.app.state
    model: OfferModel = state.current_model()
    records, problems, one = _records(request, body)
    try:
        if one and not problems:
            answers = [model.predict(records[0], base_rate=base_rate)]
        else:
            rows = Ratings.from_records(records, model.catalogue, problems=problems, ignore_outcomes=True)
            answers = list(model.predict_each(rows, base_rate=base_rate))
    except RecursionError:
        raise Refusal(422, TOO_DEEP, field="body") from None
    state.metrics.interviews.inc(len(answers))
    return answers_response(answers, model, one=one)


@v1.get("/model", **documented("Model", 422))
def about_model(request: Request) -> Response:
    """Return what the model is, what it was trained on, its scores with their intervals, its tables and its catalogue.

    `trained_on` has the scores, and under `partial_scores` those with only part of the signals rated. `gaps`: what
    missing ratings add to the log-odds by themselves, `slope` times the share of them up to `most`, then fading; 0 if
    not significant.
    """
    _refuse_unknown_query(request)
    model: OfferModel = request.app.state.current_model()
    notes = [*model.prior_note(), *model.old_note(), *model.gaps_note()]
    notes += [SIMULATED, CAVEAT] if model.simulated else [CAVEAT]
    more = {"simulated": model.simulated, "notes": notes, "catalogue": model.catalogue.to_dict()}
    return json_response({**model_data(model), **more})


@v1.get("/importances", **documented("Importances", 422))
def importances(request: Request) -> Response:
    """Return what the model relies on: mean absolute contribution in log-odds, by signal, by family and by side.

    `family_importances` and `side_importances` are sums over the signals. `measured` holds each with its 90 % interval
    and n, where that of a family or a side is the mean absolute value of its signals' summed contributions. It is null
    if the results of this model's training are not in the folder of models.
    """
    _refuse_unknown_query(request)
    model: OfferModel = request.app.state.current_model()
    figures = measured_scores.importances(request.app.state.settings.trainings_folder / model.name, model.fingerprint)
    measured = {kind: {name: vars(figure) for name, figure in named.items()} for kind, named in figures.items()} or None
    data = model_data(model)
    names = ("name", "fingerprint", "feature_importances", "family_importances", "side_importances")
    more = {"n": model.trained_on["n"], "simulated": model.simulated, "measured": measured}
    return json_response({**{name: data[name] for name in names}, **more})


@v1.get("/signals", **documented("Catalogue", 422))
async def signals(request: Request) -> Response:
    """List the signals by family, with their questions, their scales, and what ratings mean."""
    _refuse_unknown_query(request)
    return json_response(request.app.state.current_model().catalogue.to_dict())


@root.get("/health", **documented("Health"))
async def health() -> Response:
    """Report that the server runs."""
    return json_response({"status": "ok"})


@root.get("/ready", **documented("Ready"))
async def ready(request: Request) -> Response:
    """Report which model is served, and under `trouble` why its file could not be reloaded, or null."""
    current = request.app.state.current_model
    model: OfferModel = current()
    served = {"name": model.name, "fingerprint": model.fingerprint, "simulated": model.simulated}
    return json_response({"ready": True, "model": served, "trouble": current.error})


@root.get("/metrics", **documented(None))
async def metrics(request: Request) -> Response:
    """Return counts and times in Prometheus's text format."""
    state = request.app.state
    state.metrics.set_model(state.current_model())
    return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _records(request: Request, body: bytes) -> tuple[list[Any], list[Problem], bool]:
    """Parse the body into interviews and problems of its form; also whether it was one interview, not a list."""
    headers = dict(request.scope["headers"])
    kind = headers.get(b"content-type", b"").decode("latin-1")
    most = request.app.state.settings.max_interviews
    if kind != JSON and not _is_json(kind):
        raise Refusal(
            415, "send JSON in UTF-8, with the header Content-Type: application/json", field="Content-Type", found=kind
        )
    if (coding := headers.get(b"content-encoding", b"identity").strip().lower()) != b"identity":
        found = coding.decode("latin-1")
        raise Refusal(415, "send the body uncompressed", field="Content-Encoding", found=found)
    if not body.strip():
        raise Refusal(422, 'the body is empty; send ratings, as in {"goals_discussed": 4}', field="body")
    try:
        records, problems = parse_json(body, "the body", most=most)
    except TooManyError as error:
        raise Refusal(413, f"the body {error.problems[0].message}", field="body") from None
    return records, problems, body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"["


@lru_cache(maxsize=64)
def _is_json(kind: str) -> bool:
    """Return whether a header Content-Type says JSON in UTF-8; of its parameters only charset is ours to look at."""
    name, parameters = parse_options_header(kind)
    charset = parameters.get(b"charset", b"utf-8").strip(b"' ").lower()
    return name.strip() == JSON.encode() and charset in (b"utf-8", b"utf8", b"us-ascii", b"ascii", b"")


def _base_rate(request: Request) -> float | None:
    if not request.scope["query_string"]:
        return None
    _refuse_unknown_query(request, BASE_RATE["name"])
    text = request.query_params[BASE_RATE["name"]]
    share = float(text) if _SHARE.fullmatch(text) else 0.0
    if not 0 < share < 1:
        raise Refusal(422, "write a share above 0 and below 1, as in 0.35", field=BASE_RATE["name"], found=text)
    return share


def _refuse_unknown_query(request: Request, *known: str) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            hint = nearest(name[:100], known) or "; take it out"
            raise Refusal(422, f"there is no such query parameter here{hint}", field=name, found=name)
        if names.count(name) > 1:
            raise Refusal(422, f"the query parameter '{name}' is given twice; give it once", field=name)
