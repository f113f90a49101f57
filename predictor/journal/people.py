"""The people whose interviews are in a journal: their ids, and the summary of each in a list."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Person:
    """What a list shows of a person.

    Attributes
    ----------
    who
        The name or initials, as they were written.
    n, n_open
        Interviews, and those that are still open.
    last
        Day of the last one.
    due
        The first day by which something is expected of those still open; None: nothing is.
    try_next
        The one thing to try next that was written last.
    """

    who: str
    n: int
    n_open: int
    last: date | None
    due: date | None
    try_next: str

    @property
    def id(self) -> str:
        """The person's id in the addresses of pages."""
        return person_id(self.who)


def person_id(who: str) -> str:
    """Return twelve hexadecimal digits for a person, so that no address contains a name.

    Examples
    --------
    >>> person_id("AB")
    '38164fbd1760'
    """
    return hashlib.sha256(who.encode()).hexdigest()[:12]
