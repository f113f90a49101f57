"""The log-in page, for the token of a server that other machines can reach."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from predictor.serving.reverse_proxy import cookie_options
from predictor.serving.security import LOGIN_COOKIE, SESSION_COOKIE
from predictor.serving.settings import Settings
from predictor.serving.tokens import address_of
from predictor.serving.web.forms import Form, text
from predictor.serving.web.pages import page

login_pages = APIRouter(include_in_schema=False)


@login_pages.get("/login")
def ask(request: Request) -> Response:
    """Ask for the token."""
    return page(request, "login.html", bare=True, wrong=False)


@login_pages.post("/login")
def log_in(request: Request, form: Form) -> Response:
    """Remember in a cookie, until the browser is closed or logs out, that the token was given."""
    state = request.app.state
    settings: Settings = state.settings
    if not state.throttle.check(text(form, "token"), settings.token or "", address_of(request.scope)):
        return page(request, "login.html", 401, bare=True, wrong=True)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(LOGIN_COOKIE, state.logins.begin(), **cookie_options(settings))
    answer.delete_cookie(SESSION_COOKIE, **cookie_options(settings))  # forms loaded before no longer count
    return answer


@login_pages.post("/logout")
def log_out(request: Request, form: Form) -> Response:
    """End the session: a copy of the cookie is of no use any more."""
    request.app.state.logins.end(request.cookies.get(LOGIN_COOKIE, ""))
    answer = RedirectResponse("/login", 303)
    for name in (LOGIN_COOKIE, SESSION_COOKIE):
        answer.delete_cookie(name, **cookie_options(request.app.state.settings))
    return answer
