"""Behind a proxy: the path prefix, and the address of the client."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from predictor.serving.settings import LOOPBACK_ADDRESSES, Settings


def as_asked(scope: Scope, settings: Settings) -> Scope:
    """Return a request as it would be without the proxy: its path without the prefix, its client the proxy's.

    A proxy may leave the prefix or take it off, and who asks the server itself need not write it. A client's address is
    the last one of X-Forwarded-For, which a proxy of this machine has added; those before may be made up.
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
    """Return how cookies are set: out of reach of scripts, for this server's own pages, and where stated over HTTPS."""
    return {"path": settings.root_path or "/", "httponly": True, "samesite": "strict", "secure": settings.https}
