"""The days on which somebody expects to hear, as a calendar file (.ics, RFC 5545) with all-day events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from predictor.journal.days import now
from predictor.journal.entry import Entry

LINE = 75  # octets, without the line's end; RFC 5545, 3.1


def calendar(entries: Iterable[Entry], made: datetime | None = None) -> str:
    r"""Return a calendar with an all-day event for each interview that has a day by which to hear.

    Only the title is in it, since calendars are shared.

    Parameters
    ----------
    entries
        Those without such a day are left out.
    made
        When it is made, UTC; default: now.

    Examples
    --------
    >>> from datetime import date
    >>> entry = Entry(id="0" * 12, title="Acme; second, and last", due_on=date(2026, 12, 31))
    >>> [line for line in calendar([entry]).split("\r\n") if line.startswith(("SUMMARY", "DTSTART"))]
    ['DTSTART;VALUE=DATE:20261231', 'SUMMARY:Hear back: Acme\\; second\\, and last']
    """
    at = f"{made or now():%Y%m%dT%H%M%SZ}"
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//interview-outcome-predictor//journal//EN"]
    for entry in entries:
        if entry.due_on:
            lines += [
                "BEGIN:VEVENT",
                f"UID:{entry.id}@interview-outcome-predictor",
                f"DTSTAMP:{at}",
                f"DTSTART;VALUE=DATE:{entry.due_on.isoformat().replace('-', '')}",
                "DURATION:P1D",
                f"SUMMARY:{_escaped('Hear back: ' + (entry.title or 'an interview'))}",
                "TRANSP:TRANSPARENT",  # the day stays free
                "END:VEVENT",
            ]
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VCALENDAR"])


def _escaped(text: str) -> str:
    for sign in ("\\", ";", ","):
        text = text.replace(sign, f"\\{sign}")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")
    return "".join(letter for letter in text if letter >= " " and letter != "\x7f")  # no control character may be in it


def _folded(line: str) -> str:
    """Break a line before it has more than 75 octets, never inside a character; the rest begins with a blank."""
    parts, length = [""], 0
    for letter in line:
        size = len(letter.encode())
        if length + size > LINE:
            parts.append(" ")
            length = 1
        parts[-1] += letter
        length += size
    return "\r\n".join(parts)
