"""The application: API, pages, security checks and logging combined; and the server that runs it."""

from __future__ import annotations

import logging
import math
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Lock, current_thread, main_thread
from typing import TextIO

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from predictor.errors import ConfigError, FrozenError, JournalError, NoEntryError, PredictorError
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.model.wording import DID_NOT_COME_UP
from predictor.serving.api import routes as api
from predictor.serving.api.answers import Refusal
from predictor.serving.api.openapi import document
from predictor.serving.connections import Server, TimedProtocol
from predictor.serving.current_model import CurrentModel
from predictor.serving.observation import JsonLines, Metrics, Observed
from predictor.serving.reverse_proxy import without_proxy
from predictor.serving.security import Guard
from predictor.serving.settings import Settings
from predictor.serving.tokens import Logins, LoginThrottle
from predictor.serving.training_job import TrainingJob
from predictor.serving.web.calibration_pages import calibration_pages
from predictor.serving.web.docs_pages import docs_pages
from predictor.serving.web.entry_pages import entry_pages
from predictor.serving.web.export_pages import export_pages
from predictor.serving.web.import_pages import Previews, import_pages
from predictor.serving.web.journal_pages import journal_pages
from predictor.serving.web.login_pages import login_pages
from predictor.serving.web.pages import pages, refusal_page, wants_page
from predictor.serving.web.people_pages import people_pages
from predictor.serving.web.sheet_pages import sheet_pages
from predictor.serving.web.training_pages import training_pages

WEB = Path(__file__).parent / "web"


class Application(FastAPI):
    """FastAPI, with a short path for predictions: from the middleware directly to the response.

    FastAPI's and Starlette's handling of a route takes as long as predicting does. The route of the same path is
    registered for the OpenAPI document, and to reject other methods.
    """

    @cached_property
    def _predict_app(self) -> ASGIApp:
        app: ASGIApp = _predicted
        for kind, args, kwargs in reversed(self.user_middleware):
            if kind is not HeadRequests:  # a POST is never a HEAD request
                app = kind(app, *args, **kwargs)
        return app

    @cached_property
    def _behind_proxy(self) -> bool:
        return bool(self.state.settings.proxied)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and self._behind_proxy:
            scope = without_proxy(scope, self.state.settings)
        if scope["type"] == "http" and scope["path"] == api.PREDICT and scope["method"] == "POST":
            scope["app"] = self
            await self._predict_app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class HeadRequests:
    """Middleware that answers HEAD like GET, with the same headers and no body, as RFC 9110 requires.

    FastAPI, unlike Starlette, does not do so by itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}

        async def send_headers(message: Message) -> None:
            if "route" in asked:
                scope["route"] = asked["route"]  # for logs and metrics
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app(asked, receive, send_headers)


async def _predicted(scope: Scope, receive: Receive, send: Send) -> None:
    scope["route"] = _PREDICT
    try:
        response = await api.predict(Request(scope, receive))
    except Refusal as refusal:
        response = refusal.response()
    except PredictorError as error:
        response = Refusal.of(error).response()
    await response(scope, receive, send)


_PREDICT = Route(api.PREDICT, api.predict)  # whose path is in logs and metrics


def make_app(settings: Settings, out: TextIO | None = None) -> FastAPI:
    """Build the application.

    `app.state` holds what routes need: `settings`, `current_model` (call it for the model as it is now), `metrics`,
    `templates`, and `secret`, which signs the forms.

    Parameters
    ----------
    settings
        Which model, access and limits.
    out
        Where a line of JSON for each request goes; None: nowhere.

    Returns
    -------
    FastAPI
        An ASGI application.

    Raises
    ------
    ModelError
        If there is no usable model.

    Examples
    --------
    >>> from predictor.model.offer_model import PUBLISHED
    >>> app = make_app(Settings(PUBLISHED))
    >>> app.state.current_model().name
    'published-evidence'
    """
    app = Application(docs_url=None, redoc_url=None, redirect_slashes=False)
    state = app.state
    state.settings = settings
    state.current_model = CurrentModel(settings.model, settings.fallback)
    state.metrics = Metrics(state.current_model)
    loader = FileSystemLoader(WEB / "templates")
    state.templates = Jinja2Templates(env=Environment(loader=loader, autoescape=True, undefined=StrictUndefined))
    state.templates.env.globals["did_not_come_up"] = DID_NOT_COME_UP
    state.secret = secrets.token_bytes(32)
    state.throttle, state.logins = LoginThrottle(), Logins()
    app.include_router(api.v1)
    app.include_router(api.root)
    app.include_router(pages)
    app.include_router(docs_pages)
    app.include_router(export_pages)
    if settings.token:
        app.include_router(login_pages)
    if settings.journal:
        state.journal = Journal(settings.journal, state.current_model().catalogue)  # checked once: it reads it whole
        state.importing, state.previews = Lock(), Previews()
        # /journal/{id} matches any word, so the routers with fixed paths come before entry_pages.
        routers = (
            journal_pages,
            import_pages,
            entry_pages,
            people_pages,
            sheet_pages,
            calibration_pages,
            training_pages,
        )
        for router in routers:
            app.include_router(router)
        state.training = TrainingJob()
    app.mount("/static", StaticFiles(directory=WEB / "static"))
    app.openapi = lambda: document(app, state.current_model().catalogue, settings)  # type: ignore[method-assign]  # FastAPI's own way
    for kind, answer in _HANDLERS.items():
        app.add_exception_handler(kind, answer)  # type: ignore[arg-type]  # it asks for any Exception
    app.add_middleware(HeadRequests)
    app.add_middleware(Guard, settings=settings, answer=_respond_bare, throttle=state.throttle, logins=state.logins)
    app.add_middleware(Observed, metrics=state.metrics, out=out)  # Starlette runs the last added first
    return app


def serve(settings: Settings, started: Callable[[OfferModel, str], None]) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first.

    Parameters
    ----------
    settings
        Which model, where to listen, access and limits.
    started
        Called with the model and the address once it listens.

    Raises
    ------
    ConfigError
        If the address cannot be bound.
    ModelError
        If there is no usable model.
    """
    app = make_app(settings, sys.stderr)
    listening = _listen(settings)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("predictor.serving", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.level, logger.propagate = [handler], level, False
    server = make_server(app, settings)

    def end(*_: object) -> None:  # before uvicorn's own handler is there, and when it sends the signal on at its end
        server.should_exit = True

    if current_thread() is main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    started(app.state.current_model(), f"http://{host}:{listening.getsockname()[1]}")
    server.run(sockets=[listening])


def make_server(app: FastAPI, settings: Settings) -> Server:
    """Set up what speaks HTTP for the application."""
    config = uvicorn.Config(
        app, http=TimedProtocol, log_config=None, access_log=False, server_header=False, proxy_headers=False, ws="none",
        lifespan="off", timeout_keep_alive=math.ceil(settings.timeout), timeout_graceful_shutdown=10,
    )  # fmt: skip
    return Server(config)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"{settings.host}, port {settings.port}, cannot be listened on: {error.strerror or error}; "
            "name another: --port 8001"
        ) from None


def _respond(request: Request, refusal: Refusal) -> Response:
    return refusal_page(request, refusal) if wants_page(request) else refusal.response()


def _respond_bare(request: Request, refusal: Refusal) -> Response:
    return refusal_page(request, refusal, bare=True) if wants_page(request) else refusal.response()


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _respond(request, error)


async def _on_predictor_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PredictorError)
    return _respond(request, Refusal.of(error))


async def _on_journal_error(request: Request, error: Exception) -> Response:
    path = request.app.state.settings.journal.absolute()
    if isinstance(error, NoEntryError):
        return _respond(request, Refusal(404, str(error).removeprefix(f"{path}: ")))
    status = 409 if isinstance(error, FrozenError) else 422
    return _respond(request, Refusal(status, str(error).replace(str(path), path.name)))  # where it lies is private


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words, headers = _WORDS.get(error.status_code, str(error.detail)), dict(error.headers or {})
    if "GET" in (methods := headers.get("allow", headers.get("Allow", "")).split(", ")):
        headers = {"allow": ", ".join(sorted({*methods, "HEAD"}))}
    return _respond(request, Refusal(error.status_code, words, field="path", headers=headers))


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"row": None, "field": str(item["loc"][-1]), "found": "", "problem": item["msg"]} for item in error.errors()
    ]
    return _respond(request, Refusal(422, "the request cannot be used", problems=problems))


_WORDS = {
    404: "there is nothing at this address; /docs lists what programs can ask for",
    405: "this address does not take that method; the header Allow lists those that it takes",
}
_HANDLERS: dict[type[Exception], Callable[[Request, Exception], object]] = {
    Refusal: _on_refusal,
    JournalError: _on_journal_error,
    PredictorError: _on_predictor_error,
    HTTPException: _on_http_error,
    RequestValidationError: _on_invalid_request,
}
