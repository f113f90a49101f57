"""Security: allowed clients, limits on requests, and response headers for browsers.

One ASGI middleware guards every request: the host it names, where a browser sends it from, the token, the length of
its body and the time it takes. `csrf_token` and `check_csrf` guard the pages' forms.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable, Mapping

from starlette.requests import Request, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from predictor.errors import shorten
from predictor.serving.api.answers import Refusal
from predictor.serving.connections import LONG_HEADERS, TOO_LONG
from predictor.serving.settings import Settings
from predictor.serving.tokens import Logins, LoginThrottle, address_of

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOGIN_PAGE = ("/login", "/static/pages.css", "/static/pages.js", "/static/icon.svg")  # where a person gives the token
PATHS_WITHOUT_TOKEN = ("/health", "/ready", *LOGIN_PAGE)  # the first two are for health checks
IMPORT_PATH = "/journal/import"  # its body may be longer
REPLAY_BYTES = 20_000  # at once; the slowest input of that size takes about 20 ms to parse
SESSION_COOKIE, CSRF_FIELD, LOGIN_COOKIE = "predictor_session", "csrf_token", "predictor_login"

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": CSP,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",  # with "no-referrer" a browser would say a form's origin is "null"
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }.items()
)
NO_STORE = (b"cache-control", b"no-store")


class Guard:
    """Refuse what should not be answered, and add the headers that keep a browser strict.

    Parameters
    ----------
    app
        What answers.
    settings
        Allowed hosts, token and limits.
    answer
        Sends a refusal: to a person as a page, to a program as JSON.
    throttle, logins
        Limits on wrong tokens, and browsers that gave the right one on a page.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        answer: Callable[[Request, Refusal], Response],
        throttle: LoginThrottle,
        logins: Logins,
    ) -> None:
        self.app, self.settings, self.answer = app, settings, answer
        self.throttle, self.logins = throttle, logins
        self.hosts = frozenset(settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self.app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = [*message.get("headers", ()), *HEADERS]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(NO_STORE)
                if self.settings.root_path:
                    headers = [_under(self.settings.root_path, *header) for header in headers]
                if cookie := scope.get("state", {}).get("set_session"):
                    headers.append((b"set-cookie", cookie))
                message["headers"] = headers
            await send(message)

        try:
            async with asyncio.timeout(self.settings.timeout) as timer:
                try:
                    headers = dict(scope["headers"])
                    self._check(scope, headers)
                    if scope["method"] not in SAFE_METHODS:  # read it all before any route starts, so that limits hold
                        kind = headers.get(b"content-type", b"")
                        file = scope["path"] == IMPORT_PATH and kind.startswith(b"multipart/")
                        receive = _replayed(await self._body(headers, receive, file=file), receive)
                except Refusal as refusal:
                    person = scope["method"] in ("GET", "HEAD") and b"text/html" in headers.get(b"accept", b"")
                    log_in = refusal.status == 401 and person
                    answer = RedirectResponse("/login", 303) if log_in else self.answer(Request(scope), refusal)
                    await answer(scope, receive, send_with_headers)
                else:
                    await self.app(scope, receive, send_with_headers)
        except TimeoutError:
            if started or not timer.expired():
                raise
            late = Refusal(503, f"no answer within {self.settings.timeout:g} seconds; send less, or try again later")
            await self.answer(Request(scope), late)(scope, receive, send_with_headers)

    def _check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        if LONG_HEADERS in scope.get("state", ()):
            raise Refusal(431, TOO_LONG, field="headers")
        host = headers.get(b"host", b"").decode("latin-1")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if name.lower() not in self.hosts:
            raise Refusal(
                400,
                "the header Host has a host name that this server does not accept; "
                f"use one of {', '.join(sorted(self.hosts))}, or start it with: --allow-host NAME",
                field="Host",
                found=host,
            )
        if scope["method"] not in SAFE_METHODS:
            self._same_origin(headers, host)
        if self.settings.token and scope["path"] not in PATHS_WITHOUT_TOKEN and not self._logged_in(headers):
            scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
            presented = token.strip() if scheme.lower() == "bearer" else ""
            if not presented or not self.throttle.check(presented, self.settings.token, address_of(scope)):
                raise Refusal(
                    401,
                    "the token is missing or wrong, or you were logged out; "
                    "log in again, or send the header Authorization: Bearer TOKEN",
                    field="Authorization",
                    headers={"www-authenticate": "Bearer"},
                )

    def _same_origin(self, headers: Mapping[bytes, bytes], host: str) -> None:
        """Refuse what a page of another site makes a browser send; a program sends neither header.

        A page is ours if its origin is the host that was asked for, or one that the server was started with: a proxy
        that does not pass the host on asks for the address that it knows.
        """
        origin = headers.get(b"origin")
        sender = None if origin is None else origin.decode("latin-1").partition("://")[2].lower()
        ours = sender is None or sender == host.lower() or sender in map(str.lower, self.settings.hosts)
        if headers.get(b"sec-fetch-site", b"none") in (b"same-origin", b"none") and ours:
            return
        words = "cross-site request refused: send it from this server's own pages"
        if sender and not ours:
            words = (
                f"cross-site request refused: it comes from a page of {shorten(sender)}, and this server was asked "
                f"as {shorten(host)}; send it from this server's own pages. If {shorten(sender)} is a proxy before it, "
                "let the proxy pass the host on, in nginx by: proxy_set_header Host $http_host;"
            )
        raise Refusal(403, words, field="Origin", found=sender or "")

    def _logged_in(self, headers: Mapping[bytes, bytes]) -> bool:
        cookies = headers.get(b"cookie", b"").decode("latin-1")
        return cookie_parser(cookies).get(LOGIN_COOKIE, "") in self.logins

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive, *, file: bool) -> bytes:
        """Read the whole body, up to the limit, whatever length it announces."""
        most = self.settings.max_upload if file else self.settings.max_body
        announced = headers.get(b"content-length", b"0")
        parts, length, more = [], 0, True
        if announced.isdigit() and int(announced[:20]) > most:
            raise _too_long(most, file=file)
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the body is incomplete; send it again", field="body")
            part = message.get("body", b"")
            length += len(part)
            if length > most:
                raise _too_long(most, file=file)
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)


def _too_long(most: int, *, file: bool) -> Refusal:
    by_command = ", or a file by: predictor journal import FILE" if file else ""
    words = f"the body is longer than {most:,} bytes; send fewer interviews at once{by_command}"
    return Refusal(413, words, field="body")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields a body; a long one in pieces, so that other requests are served in between."""
    if len(body) <= REPLAY_BYTES:
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay_whole() -> Message:
            return messages.pop() if messages else await receive()

        return replay_whole
    place: int | None = 0

    async def replay() -> Message:
        nonlocal place
        if place is None:
            return await receive()
        if place:
            await asyncio.sleep(0)
        start, end = place, place + REPLAY_BYTES
        place = end if end < len(body) else None
        return {"type": "http.request", "body": body[start:end], "more_body": place is not None}

    return replay


def _under(root: str, name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Add the path prefix of the proxy to the target of a redirect."""
    return (name, root.encode() + value) if name == b"location" and value.startswith(b"/") else (name, value)


def csrf_token(request: Request) -> str:
    """Return the token for a form on the page that answers `request`; `Guard` sets the session's cookie with it.

    The token is a keyed hash (HMAC-SHA-256) of the session that a cookie of the browser names. A page of another site
    can neither read the cookie nor make the hash.

    Returns
    -------
    str
        The value of the form's hidden field `csrf_token`, 64 hexadecimal digits.
    """
    session = _session(request) or getattr(request.state, "session", None)
    if session is None:
        session = request.state.session = secrets.token_urlsafe(32)
        settings: Settings = request.app.state.settings
        where = f"Path={settings.root_path or '/'}{'; Secure' * settings.https}"
        request.state.set_session = f"{SESSION_COOKIE}={session}; {where}; HttpOnly; SameSite=Strict".encode()
    return _hash(request, session)


async def check_csrf(request: Request) -> None:
    """Refuse a form that was not on a page of ours: a dependency of every route that takes one.

    Raises
    ------
    Refusal
        403, if the form's field `csrf_token` is not the one that the session was given.
    """
    sent = (await request.form()).get(CSRF_FIELD)
    session = _session(request)
    if (
        not session
        or not isinstance(sent, str)
        or not hmac.compare_digest(sent.encode(), _hash(request, session).encode())
    ):
        raise Refusal(
            403,
            "the form is too old, or your browser refuses cookies; load the page again, and send it",
            field=CSRF_FIELD,
        )


def sign(request: Request, text: str) -> str:
    """Return the keyed hash of what a page of ours hands out and wants back unchanged, 64 hexadecimal digits."""
    return _hash(request, f"signed {text}")


def is_signed(request: Request, text: str, signature: str) -> bool:
    """Whether a signed text is unchanged since this server issued it."""
    return hmac.compare_digest(signature.encode(), sign(request, text).encode())


def _session(request: Request) -> str | None:
    return request.cookies.get(SESSION_COOKIE)


def _hash(request: Request, session: str) -> str:
    return hmac.new(request.app.state.secret, session.encode(), "sha256").hexdigest()
