"""One person's interviews as dots in time order: one chart per family, one per model, not joined by lines.

Single-case research asks for five points on either side before medians are compared, and school practice for twelve
before a trend is worth a word. Both are the least, not enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from predictor.errors import plural
from predictor.journal.entry import Entry
from predictor.ratings.catalogue import Catalogue

SHOWN = 18  # interviews in a chart, the latest; the others are a page away
MEDIANS, TREND = 5, 12  # points either side before medians are shown; points before a word of trend
STEP, HEIGHT, LEFT, TOP = 19.0, 110.0, 22.0, 8.0  # of a chart
GAP = 4.6  # between dots of one interview and one rating
SHAPES = ("circle", "square", "triangle", "diamond")  # one a rater, so that colour is not needed


@dataclass(frozen=True)
class Dot:
    """A rating or an estimate: its position, its shape, and for an estimate the ends of its interval."""

    x: float
    y: float
    shape: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    """Dots of one family or of one model's estimates.

    Attributes
    ----------
    label
        What it shows.
    n, ratings
        Interviews and ratings that it counts, of all that the person has.
    dots
        Of the interviews shown.
    ticks
        Places and words of the scale.
    words
        The trend in words: medians of the earlier and later half, where there are enough of one rater and round.
    width
        Of the drawing.
    """

    label: str
    n: int
    ratings: int
    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]
    words: tuple[str, ...]
    width: float


def charts(entries: Sequence[Entry], catalogue: Catalogue, number: int = 1) -> list[Chart]:
    """Draw a person's ratings, one chart per family.

    Parameters
    ----------
    entries
        The person's interviews, the oldest first, without those that wait for their other side.
    catalogue
        Whose families are drawn, those with a rating.
    number
        Which `SHOWN` interviews are drawn: 1 for the latest.
    """
    shown, shapes, made = window(entries, number), shape_of(entries), []
    for key, label in catalogue.families.items():
        signals = [signal for signal in catalogue.signals if signal.family == key]
        low, high = min(s.scale.low for s in signals), max(s.scale.high for s in signals)
        names = [signal.name for signal in signals]
        counted = [(entry, values) for entry in entries if (values := _numbers(entry, names))]
        if not counted:
            continue
        dots = []
        for place, entry in enumerate(shown):
            seen: dict[float, int] = {}
            values = sorted(_numbers(entry, names))
            for value in values:
                aside = seen[value] = seen.get(value, -1) + 1
                count = values.count(value)
                gap = min(GAP, (STEP - 3) / max(1, count - 1))  # so that an interview stays in its column
                x = _across(place) + gap * (aside - (count - 1) / 2)
                dots.append(Dot(round(x, 1), _up(value, low, high), shapes[entry.rater_role]))
        ticks = tuple((_up(value, low, high), f"{value:g}") for value in (low, (low + high) / 2, high))
        total = sum(len(values) for _, values in counted)
        made.append(Chart(label, len(counted), total, tuple(dots), ticks, _words(counted), _width(len(shown))))
    return made


def estimate_charts(entries: Sequence[Entry], number: int = 1) -> list[Chart]:
    """Draw a person's estimates with intervals, one chart per model, the latest first: models are not comparable."""
    shown, shapes = window(entries, number), shape_of(entries)
    by_model: dict[str, list[Entry]] = {}
    for entry in reversed(entries):
        if entry.estimate:
            by_model.setdefault(entry.estimate.fingerprint, []).append(entry)
    made = []
    for some in by_model.values():
        first = some[0].estimate
        assert first
        dots = [
            Dot(
                round(_across(place), 1), _up(estimate.probability, 0, 1), shapes[entry.rater_role],
                _up(estimate.low, 0, 1), _up(estimate.high, 0, 1),
            )
            for place, entry in enumerate(shown)
            if (estimate := entry.estimate) and estimate.fingerprint == first.fingerprint
        ]  # fmt: skip
        ticks = tuple((_up(share, 0, 1), f"{100 * share:.0f}") for share in (0, 0.5, 1))
        label = f"Estimates of {first.model}, of 100{', ' + first.mark if first.mark else ''}"
        made.append(Chart(label, len(some), 0, tuple(dots), ticks, (), _width(len(shown))))
    return made


def window(entries: Sequence[Entry], number: int) -> Sequence[Entry]:
    """Return the interviews that are drawn on a page, the oldest of them first."""
    end = len(entries) - SHOWN * (number - 1)
    return entries[max(0, end - SHOWN) : max(0, end)]


def shape_of(entries: Sequence[Entry]) -> dict[str, str]:
    """Return the shape of each rater's dots, in the order of their names."""
    roles = sorted({entry.rater_role for entry in entries})
    return {role: SHAPES[place % len(SHAPES)] for place, role in enumerate(roles)}


def _words(counted: Sequence[tuple[Entry, list[float]]]) -> tuple[str, ...]:
    """Describe the trend within one rater and round only, since others are not comparable.

    Examples
    --------
    >>> rated = [(Entry(id="0" * 12, title="", rater_role="observer"), [3.0 + (n > 5)]) for n in range(12)]
    >>> _words(rated[:9]), _words(rated[:10])
    ((), ('observer: median 3 in the earlier 5 interviews, 4 in the later 5 (n = 10 ratings).',))
    >>> _words(rated)
    ('observer: median 3 in the earlier 6 interviews, 4 in the later 6 (n = 12 ratings). The later are higher.',)
    """
    series: dict[tuple[str, str], list[list[float]]] = {}
    for entry, values in counted:
        series.setdefault((entry.rater_role, entry.round), []).append(values)
    made = []
    for (role, round_), some in series.items():
        half = len(some) // 2
        if half < MEDIANS:
            continue
        early, late = (sorted(value for values in part for value in values) for part in (some[:half], some[half:]))
        one, two = median(early), median(late)
        name = ", ".join(filter(None, [role or "rater not known", round_]))
        n = plural(len(early) + len(late), "rating")
        later = len(some) - half
        sentence = f"{name}: median {one:g} in the earlier {half} interviews, {two:g} in the later {later} (n = {n})."
        if len(some) >= TREND:
            trend = "higher" if two > one else "lower" if two < one else "alike"
            sentence += f" The later are {trend}."
        made.append(sentence)
    return tuple(made)


def _numbers(entry: Entry, names: Sequence[str]) -> list[float]:
    return [value for name in names if isinstance(value := entry.ratings.get(name), int | float)]


def _across(place: int) -> float:
    return LEFT + STEP * (place + 0.5)


def _up(value: float, low: float, high: float) -> float:
    return round(TOP + HEIGHT * (1 - (value - low) / (high - low)), 1)


def _width(count: int) -> float:
    return LEFT + STEP * max(count, 10) + 4
