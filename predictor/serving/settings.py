"""The settings of a server: model, address, token, allowed hosts, and limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from predictor.errors import ConfigError
from predictor.training_folder import MODEL

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")
_ROOT = re.compile(r"(/[\w.~-]+)*", re.ASCII)
SHORTEST = 16  # characters of a token


@dataclass(frozen=True)
class Settings:
    """How a server is set up.

    Attributes
    ----------
    model
        The model file that is served, and reloaded when it changes.
    fallback
        A model file that is served while there is none at `model`; None: there must be one.
    replaceable
        Whether the Train page may overwrite the file at `model`: the champion, a copy; not a file given by --model.
    host, port
        Where it listens; port 0 takes a free one.
    token
        What every request must present, 16 characters or more; None: nobody is asked, which only loopback allows.
    hosts
        Names, beside those of loopback and `host`, that requests may call the server by.
    root_path
        Prefix that a proxy serves it under, as in /interviews; empty: none.
    https
        Whether browsers reach it by HTTPS, through a proxy; cookies are then sent over HTTPS only.
    journal
        SQLite file of the journal; None: there is no journal.
    max_body
        Longest body, in bytes.
    max_upload
        Longest body of an import into the journal, in bytes.
    max_interviews
        Most interviews in one request.
    timeout
        Most seconds that a connection may stay open without a request. The same limit holds for a request, from its
        body to the end of the response.

    Raises
    ------
    ConfigError
        If it listens beyond loopback without a token, the token is short, or the prefix is not a path.

    Examples
    --------
    >>> Settings(Path("model.json")).allowed_hosts
    ('127.0.0.1', '[::1]', 'localhost')
    >>> Settings(Path("model.json"), host="0.0.0.0")
    Traceback (most recent call last):
    predictor.errors.ConfigError: --host 0.0.0.0 is open to other machines, so a token is needed: ...
    """

    model: Path
    fallback: Path | None = None
    replaceable: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    hosts: tuple[str, ...] = ()
    root_path: str = ""
    https: bool = False
    journal: Path | None = None
    max_body: int = 1_000_000
    max_upload: int = 10_000_000
    max_interviews: int = 100
    timeout: float = 30.0

    def __post_init__(self) -> None:
        root = f"/{self.root_path.strip('/')}" if self.root_path.strip("/") else ""
        if not _ROOT.fullmatch(root):
            raise ConfigError(
                f"--root-path {self.root_path!r} is not the prefix of a path; write one as in /interviews"
            )
        object.__setattr__(self, "root_path", root)
        if self.token is not None and (len(self.token) < SHORTEST or not self.token.isascii()):
            raise ConfigError(f"the token needs {SHORTEST} or more plain characters: openssl rand -hex 32 makes one")
        if self.token is None and not self.on_loopback:
            raise ConfigError(
                f"--host {self.host} is open to other machines, so a token is needed: set PREDICTOR_TOKEN to the "
                "output of: openssl rand -hex 32; or keep to this machine: --host 127.0.0.1"
            )

    @property
    def trainings_folder(self) -> Path:
        """The folder of trainings: where the champion is, or the training whose model is served."""
        folder = self.model.parent
        return folder.parent if self.model.name == MODEL else folder

    @property
    def proxied(self) -> bool:
        """Return whether it is behind a proxy, whose headers then name the client."""
        return self.https or bool(self.root_path)

    @property
    def on_loopback(self) -> bool:
        """Return whether only this machine can reach the server."""
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Names that the header Host may have, without a port."""
        bound = f"[{self.host}]" if ":" in self.host else self.host
        return tuple(sorted({*LOOPBACK, bound.lower(), *(name.lower() for name in self.hosts)}))
