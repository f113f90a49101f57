"""The token: limits on attempts per address, and the sessions of browsers that have given it."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from threading import Lock

from starlette.types import Scope

from predictor.serving.api.answers import Refusal

TRIES, PAUSE = 20, 3.0  # wrong tokens at once, and seconds until one more
MOST_ADDRESSES, MOST_LOGINS = 10_000, 1_000  # remembered; the oldest are forgotten first


class LoginThrottle:
    """How many wrong tokens an address has sent, as a bucket that empties with time.

    While it is full, every token of that address is refused, even the right one: otherwise guessing on would reveal
    which is right. Browsers that are logged in, and other addresses, are not affected.

    Examples
    --------
    >>> throttle = LoginThrottle()
    >>> [throttle.check(word, "right", "10.0.0.5") for word in ("wrong", "right")]
    [False, True]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._empty_at: OrderedDict[str, float] = OrderedDict()  # by address, when its bucket will be empty

    def check(self, presented: str, token: str, address: str) -> bool:
        """Return whether a token is the right one, and count it if it is not.

        Raises
        ------
        Refusal
            429, if too many wrong ones came from the address.
        """
        with self._lock:  # so that concurrent attempts are counted
            now = self._clock()
            filled = max(self._empty_at.get(address, now) - now, 0.0)
            if filled > (TRIES - 1) * PAUSE:
                wait = math.ceil(filled - (TRIES - 1) * PAUSE)
                raise Refusal(
                    429,
                    f"too many wrong tokens came from this address; try again in {wait} s",
                    field="Authorization",
                    headers={"retry-after": str(wait)},
                )
            if hmac.compare_digest(presented.encode(), token.encode()):
                return True
            self._empty_at[address] = now + filled + PAUSE
            self._empty_at.move_to_end(address)
            if len(self._empty_at) > MOST_ADDRESSES:
                self._empty_at.popitem(last=False)
            return False


class Logins:
    """Browsers whose user has given the token, by a random id in a cookie; each ends with logging out.

    They are kept in memory, so all end with the server.

    Examples
    --------
    >>> logins = Logins()
    >>> session = logins.begin()
    >>> session in logins, logins.end(session), session in logins
    (True, None, False)
    """

    def __init__(self) -> None:
        self._begun: OrderedDict[str, None] = OrderedDict()

    def begin(self) -> str:
        """Return the id of a new log-in."""
        session = secrets.token_urlsafe(32)
        self._begun[session] = None
        if len(self._begun) > MOST_LOGINS:
            self._begun.popitem(last=False)
        return session

    def end(self, session: str) -> None:
        """Forget a log-in, if it is known."""
        self._begun.pop(session, None)

    def __contains__(self, session: str) -> bool:
        return session in self._begun


def address_of(scope: Scope) -> str:
    """Return the address of a request's client; for IPv6 its /64 network, since one client may use all of it."""
    address = (scope.get("client") or ("",))[0]
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return str(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
