"""Behind a proxy: the path prefix, and the address of the client."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from predictor.serving.settings import LOOPBACK_ADDRESSES, Settings


def without_proxy(scope: Scope, settings: Settings) -> Scope:
    """Return a request as it would be without the proxy: path without the prefix, and the address of the real client.

    The prefix may be absent: some proxies remove it, and whoever asks the server directly need not write it. The
    client's address is the last one of X-Forwarded-For, added by a proxy of this machine; earlier ones may be made up.
    """
    root, path = settings.root_path, scope["path"]
    if root and (path == root or path.startswith(f"{root}/")):
        scope = {**scope, "path": path[len(root) :] or "/"}
        if scope.get("raw_path", b"").startswith(root.encode()):
            scope["raw_path"] = scope["raw_path"][len(root) :] or b"/"
    if (scope.get("client") or ("",))[0] in LOOPBACK_ADDRESSES:
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        if forwarded and (address := forwarded[-1].decode("latin-1").rpartition(",")[2].strip()):
            scope = {**scope, "client": (address, 0)}
    return scope


def cookie_options(settings: Settings) -> dict[str, Any]:
    """Return how cookies are set: HttpOnly, SameSite=Strict, and Secure with --https."""
    return {"path": settings.root_path or "/", "httponly": True, "samesite": "strict", "secure": settings.https}
