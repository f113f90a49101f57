"""A search of the journal with filters and an order, as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

NEWEST_FIRST = "ORDER BY day DESC, number DESC"
ORDERS = {
    "newest": NEWEST_FIRST,
    "oldest": "ORDER BY day, number",
    "due": "ORDER BY outcome <> 'still open', coalesce(due_on, '9999-12-31'), number",
    "who": "ORDER BY who = '', who COLLATE NOCASE, day DESC, number DESC",
    "title": "ORDER BY title COLLATE NOCASE, day DESC, number DESC",
}
SEARCHED = ("title", "who", "round", "note", "private_note", "went_well", "differently", "try_next")
_TEXT = " || char(10) || ".join(SEARCHED)


@dataclass(frozen=True)
class Query:
    """Which interviews, and in which order.

    Attributes
    ----------
    search
        Text somewhere in title, who, round, notes or what was looked back on; case does not matter.
    who, outcome, round
        Exactly so; empty: any.
    since, until
        Days of the interview, both included.
    sort
        One of `ORDERS`.

    Examples
    --------
    >>> Query(who="AB").where
    ('WHERE who = ?', ('AB',))
    """

    search: str = ""
    who: str = ""
    outcome: str = ""
    round: str = ""
    since: date | None = None
    until: date | None = None
    sort: str = "newest"

    @property
    def narrowed(self) -> bool:
        """Return whether it leaves anything out."""
        return bool(self.where[0])

    @property
    def where(self) -> tuple[str, tuple[str, ...]]:
        """Return the SQL condition, and its values."""
        parts, values = [], []
        for name in ("who", "outcome", "round"):
            if value := getattr(self, name):
                parts.append(f"{name} = ?")
                values.append(value)
        for sign, day in ((">=", self.since), ("<=", self.until)):
            if day:
                parts.append(f"day {sign} ?")
                values.append(day.isoformat())
        if self.search.strip():
            parts.append(f"instr(folded({_TEXT}), ?)")
            values.append(self.search.strip().casefold())
        return f"WHERE {' AND '.join(parts)}" if parts else "", tuple(values)

    @property
    def order(self) -> str:
        """Return the SQL order."""
        return ORDERS[self.sort]
