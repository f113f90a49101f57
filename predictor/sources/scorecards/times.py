"""Times as systems write them: ISO 8601 with a zone or without, days, and counts since 1970; all become UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_TIME = np.datetime64("NaT", "ms")
EARLIEST, LATEST = np.datetime64("1990-01-01", "ms"), np.datetime64("2100-01-01", "ms")
DAY_END = np.timedelta64(86_399_999, "ms")
BAD_TIME = "is not a time that is read; write it like 2026-03-01T10:00:00Z"
_MILLISECONDS = 100_000_000_000  # counts since 1970 above this are in milliseconds, below it in seconds
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")
_ZONE = re.compile(r"\s*([+-]\d{2}(?::?\d{2})?)?\s*(UTC|GMT|Z)?$", re.IGNORECASE)  # as in "10:00:00 +0000 UTC"
NOTHING = frozenset(("", "null", "none", "nan", "nat", "<na>", "(null)", "\\n"))  # as copying tools write an empty cell


class Times(NamedTuple):
    """Times in UTC (NaT where there is none), which had no zone, which are days, and which are not times at all."""

    values: NDArray[np.datetime64]
    naive: NDArray[np.bool_]
    days: NDArray[np.bool_]
    bad: NDArray[np.bool_]


def read_times(cells: Any, *, day_end: bool, midnight_is_day: bool = False) -> Times:
    """Read a column of times.

    Parameters
    ----------
    cells
        Texts, numbers, dates or times, shape (n,); None, NaN and "" where there is none.
    day_end
        Whether a day without a time means its end, as for a decision; else its start.
    midnight_is_day
        Whether midnight is a day without a time: for what is a day in the system, and a time in warehouses.

    Examples
    --------
    >>> times = read_times(["2026-03-01 10:00:00", 1564508713023, "2026-03-04", "", "soon"], day_end=True)
    >>> times.values.astype(str).tolist()[:2], times.naive.tolist(), times.bad.tolist()
    (['2026-03-01T10:00:00.000', '2019-07-30T17:45:13.023'], [True, False, False, False, False], [False, ..., True])
    >>> str(times.values[2])
    '2026-03-04T23:59:59.999'
    """
    series = pd.Series(cells)
    n = len(series)
    naive, days, bad = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, bool)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        values = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[ms]")
    elif series.dtype.kind == "M":
        values = series.to_numpy().astype("datetime64[ms]")
        naive = ~np.isnat(values)
    elif series.dtype.kind in "iuf":
        values, bad = _counted(series.to_numpy(np.float64, na_value=np.nan))
    else:
        values, naive, days, bad = _worded(series)
    if midnight_is_day:
        days = days | (~np.isnat(values) & (values == values.astype("datetime64[D]")))
    if day_end:
        values[days] += DAY_END
    bad |= (values < EARLIEST) | (values > LATEST)
    values[bad] = NO_TIME
    return Times(values, naive, days, bad)


def _counted(numbers: NDArray[np.float64]) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    scaled = np.where(np.abs(numbers) < _MILLISECONDS, numbers * 1000, numbers)
    bad = ~np.isnan(numbers) & ~(np.abs(scaled) < 1e14)
    values = np.full(len(numbers), NO_TIME)
    usable = ~np.isnan(numbers) & ~bad
    values[usable] = scaled[usable].astype("int64").astype("datetime64[ms]")
    return values, bad


def _worded(
    series: pd.Series,
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Read each different cell once."""
    codes, words = pd.factorize(series.astype(object))
    read = [_one(word) for word in words]
    columns = [np.array([item[at] for item in read] + [last]) for at, last in enumerate((NO_TIME, *(False,) * 3))]
    values, naive, days, bad = (column[codes] for column in columns)
    return values.astype("datetime64[ms]"), naive.astype(bool), days.astype(bool), bad.astype(bool)


def _one(word: Any) -> tuple[np.datetime64, bool, bool, bool]:
    """Read one cell: the time, whether it has no zone, is a day, is not a time."""
    if isinstance(word, bool):
        return NO_TIME, False, False, True
    text = str(word).strip()
    if text.casefold() in NOTHING:
        return NO_TIME, False, False, False
    if re.fullmatch(r"\d{9,13}(\.0)?", text):
        values, bad = _counted(np.array([float(text)]))
        return values[0], False, False, bool(bad[0])
    try:
        day = bool(_DAY.fullmatch(text))
        time = datetime.fromisoformat(text if day else _ZONE.sub(_offset, text, count=1))
    except ValueError:
        return NO_TIME, False, False, True
    utc = time.astimezone(UTC) if time.tzinfo else time
    return np.datetime64(utc.replace(tzinfo=None), "ms"), not time.tzinfo and not day, day, False


def _offset(zone: re.Match[str]) -> str:
    return zone[1] or ("+00:00" if zone[2] else "")
