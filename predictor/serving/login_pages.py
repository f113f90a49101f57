"""Where a person gives the token of a server that other machines can reach."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from predictor.serving.forms import Form, text
from predictor.serving.pages import page
from predictor.serving.security import LOGIN, login_value
from predictor.serving.settings import Settings

login_pages = APIRouter(include_in_schema=False)


@login_pages.get("/login")
def ask(request: Request) -> Response:
    """Ask for the token."""
    return page(request, "login.html", bare=True)


@login_pages.post("/login")
def log_in(request: Request, form: Form) -> Response:
    """Remember in a cookie, until the browser is closed, that the token was given."""
    settings: Settings = request.app.state.settings
    if not hmac.compare_digest(text(form, "token").encode(), (settings.token or "").encode()):
        return page(request, "login.html", 401, bare=True, wrong=True)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(LOGIN, login_value(settings), httponly=True, samesite="strict")
    return answer


@login_pages.post("/logout")
def log_out(request: Request, form: Form) -> Response:
    """Forget in this browser that the token was given."""
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(LOGIN, httponly=True, samesite="strict")
    return answer
