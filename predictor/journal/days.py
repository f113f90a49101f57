"""The user's current day: from the browser if the form has it, else in this machine's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def today(browser: date | None = None) -> date:
    """Return the day that it is.

    Parameters
    ----------
    browser
        The day that a browser gave; ignored if it is more than a day from UTC, which no time zone is.

    Examples
    --------
    >>> today(date(1999, 12, 31)) == today()
    True
    """
    if browser and abs(browser - now().date()) <= timedelta(days=1):
        return browser
    return now().astimezone().date()


def day_of_old_time(at: datetime) -> date:
    """Return the day of a time of an older journal: in the time zone of this machine.

    A time of midnight in UTC stood for a day that somebody wrote, which is the same day in every zone.

    Examples
    --------
    >>> day_of_old_time(datetime(2026, 5, 31, tzinfo=UTC))
    datetime.date(2026, 5, 31)
    """
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if (at.hour, at.minute, at.second) == (0, 0, 0) and not at.utcoffset():
        return at.date()
    try:
        return at.astimezone().date()
    except OverflowError:  # the first or last day of the calendar
        return at.date()


def parse_day(text: str) -> date:
    """Read a day as a file has it: a day, or a time of which the day is meant.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> parse_day("2026-05-31"), parse_day("2026-05-31 00:00:00")
    (datetime.date(2026, 5, 31), datetime.date(2026, 5, 31))
    """
    at = datetime.fromisoformat(text)
    return day_of_old_time(at) if at.tzinfo else at.date()
