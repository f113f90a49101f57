"""Pseudonyms of people: the same id is the same pseudonym as long as the key beside the table is kept.

A key, not a plain hash: ids of a hiring system are few and short, so that all of them could be tried. Without the key
nobody can go back, whoever deletes it cuts the link for good; with it a later import gives the same pseudonyms.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from predictor.errors import ConfigError

DIGITS = 10  # hexadecimal: two of 10,000 raters share one with probability .00005
_UUID, _HEX = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"[0-9a-f]{12,64}"
_PLAIN_ID = re.compile(rf"\d{{1,24}}|[A-Z]{{1,3}}\d+|[A-Z]{{1,12}}[-_]\d+|{_UUID}|{_HEX}", re.IGNORECASE)


def pseudonym(key: bytes, kind: str, id_: str) -> str:
    """Return the pseudonym of a person.

    Parameters
    ----------
    key
        The secret from which pseudonyms are computed.
    kind
        "R" for who rates, "P" for who is rated.
    id_
        The id in the hiring system.

    Examples
    --------
    >>> pseudonym(b"a key", "R", "4080") == pseudonym(b"a key", "R", "4080"), pseudonym(b"a key", "R", "4080")[:2]
    (True, 'R-')
    """
    digest = hashlib.blake2b(f"{kind}\0{id_}".encode(), key=hashlib.sha256(key).digest(), digest_size=DIGITS // 2)
    return f"{kind}-{digest.hexdigest()}"


def is_plain_id(text: str) -> bool:
    """Whether a text can be nothing but an id: a number, a number after a few letters, or a UUID.

    Examples
    --------
    >>> [is_plain_id(text) for text in ("C-0042", "57683957", "Jane Doe", "jane.doe1", "Jane")]
    [True, True, False, False, False]
    """
    return bool(_PLAIN_ID.fullmatch(text))


def public_ids(key: bytes, ids: Iterable[str], kind: str = "P") -> dict[str, str]:
    """Return by id what a table may show: the id itself where it can be nothing else, else a pseudonym."""
    return {id_: id_ if not id_ or is_plain_id(id_) else pseudonym(key, kind, id_) for id_ in ids}


def key_file_of(table: Path) -> Path:
    """Return the file of the key of a table; one of the name that was usual before is still used."""
    before = table.with_suffix(".salt")
    return before if before.exists() else table.with_suffix(".key")


def key_for(table: Path | None) -> bytes:
    """Read the key beside a table, or make one where there is none; it is written with the table.

    Raises
    ------
    ConfigError
        If the file exists and is not a key.
    """
    path = key_file_of(table) if table else None
    if path is None or not path.exists():
        return secrets.token_hex(16).encode()
    key = path.read_bytes().strip()
    if len(key) < 16:
        raise ConfigError(
            f"{path}: is not a key of pseudonyms; put back the file that was there, or delete it for new ones"
        )
    return key
