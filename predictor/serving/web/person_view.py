"""One person's interviews as dots in time order: one chart per family, one per model, not joined by lines.

Single-case research asks for at least five points on either side before medians are compared, and school practice for
at least twelve before a trend is mentioned. A point is one interview; medians are of one rater in one round, and stand
to the right of the dots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from predictor.errors import plural
from predictor.journal.entry import Entry
from predictor.ratings.catalogue import Catalogue

MOST_DRAWN = 18  # interviews in a chart, the latest; the others are a page away
LEAST_FOR_MEDIAN, LEAST_FOR_TREND = 5, 12  # points; where two medians are compared, on either side
MOST_SERIES = 3  # of medians: the raters and rounds with most interviews
STEP, HEIGHT, LEFT, TOP = 19.0, 110.0, 22.0, 8.0  # of a chart
MEDIAN_SPACING, GAP_TO_MEDIANS = 14.0, 10.0  # between medians, and between the dots and the first median
GAP = 4.6  # between dots of one interview and one rating
SHAPES = ("circle", "square", "triangle", "diamond")  # one per rater, so that colour is not needed


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
    medians
        Beside the dots: of all interviews of a rater and round, or of their earlier and later half.
    ticks
        Places and words of the scale.
    words
        The medians in words, and the trend where there are enough of one rater and round.
    width
        Of the drawing.
    """

    label: str
    n: int
    ratings: int
    dots: tuple[Dot, ...]
    medians: tuple[Dot, ...]
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
        Which `MOST_DRAWN` interviews are drawn: 1 for the latest.
    """
    shown, shapes, drawn = window(entries, number), shape_of(entries), []
    by_family = {
        key: [(entry, values) for entry in entries if (values := _numbers(entry, catalogue, key))]
        for key in catalogue.families
    }
    series = {key: _series(counted) for key, counted in by_family.items()}
    n_medians = max((sum(len(item.halves) for item in family) for family in series.values()), default=0)
    for key, label in catalogue.families.items():
        if not (counted := by_family[key]):
            continue
        scales = [signal.scale for signal in catalogue.signals if signal.family == key]
        low, high = min(scale.low for scale in scales), max(scale.high for scale in scales)
        dots = [
            Dot(round(x, 1), _up(value, low, high), shapes[entry.rater_role])
            for place, entry in enumerate(shown)
            for x, value in _spread(place, _numbers(entry, catalogue, key))
        ]
        halves = [(item.role, half) for item in series[key] for half in item.halves]
        first = _width(len(shown)) + GAP_TO_MEDIANS
        medians = [
            Dot(round(first + MEDIAN_SPACING * place, 1), _up(median(half), low, high), shapes[role])
            for place, (role, half) in enumerate(halves)
        ]
        ticks = tuple((_up(value, low, high), f"{value:g}") for value in (low, (low + high) / 2, high))
        words, total = tuple(item.words for item in series[key]), sum(len(values) for _, values in counted)
        width = _width(len(shown)) + (GAP_TO_MEDIANS + MEDIAN_SPACING * n_medians if n_medians else 0)
        drawn.append(Chart(label, len(counted), total, tuple(dots), tuple(medians), ticks, words, width))
    return drawn


def _spread(place: int, values: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Yield x and rating of an interview's dots: equal ratings beside each other, within its column."""
    for value, count in Counter(sorted(values)).items():
        gap = min(GAP, (STEP - 3) / max(1, count - 1))
        yield from ((_across(place) + gap * (number - (count - 1) / 2), value) for number in range(count))


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
        label = f"Estimates of {first.model}, of 100{', ' + first.label if first.label else ''}"
        made.append(Chart(label, len(some), 0, tuple(dots), (), ticks, (), _width(len(shown))))
    return made


def window(entries: Sequence[Entry], number: int) -> Sequence[Entry]:
    """Return the interviews that are drawn on a page, the oldest of them first."""
    end = len(entries) - MOST_DRAWN * (number - 1)
    return entries[max(0, end - MOST_DRAWN) : max(0, end)]


def shape_of(entries: Sequence[Entry]) -> dict[str, str]:
    """Return the shape of each rater's dots, in the order of their names."""
    roles = sorted({entry.rater_role for entry in entries})
    return {role: SHAPES[place % len(SHAPES)] for place, role in enumerate(roles)}


@dataclass(frozen=True)
class Series:
    """Ratings of one family, by one rater in one round, over some interviews: others are not comparable.

    Examples
    --------
    >>> rated = [(Entry(id="0" * 12, title="", rater_role="observer"), [3.0 + (n > 5)]) for n in range(12)]
    >>> [[some.words for some in _series(rated[:n])] for n in (4, 5)]
    [[], ['observer: median 3 of 5 interviews (n = 5 ratings).']]
    >>> [some.words for some in _series(rated[:10])]
    ['observer: median 3 in the earlier 5 interviews, 4 in the later 5 (n = 10 ratings).']
    >>> [some.words for some in _series(rated)]
    ['observer: median 3 in the earlier 6 interviews, 4 in the later 6 (n = 12 ratings): a higher median later.']
    """

    role: str
    round: str
    interviews: Sequence[Sequence[float]]

    @property
    def halves(self) -> list[list[float]]:
        """The ratings of the earlier and the later half; all together where a half has too few interviews."""
        n = len(self.interviews)
        cut = n // 2 if n >= 2 * LEAST_FOR_MEDIAN else 0
        parts = (self.interviews[:cut], self.interviews[cut:])
        return [[value for values in part for value in values] for part in parts if part]

    @property
    def words(self) -> str:
        """The medians in words, and the trend where there are enough interviews."""
        name = ", ".join(filter(None, [self.role or "rater not known", self.round]))
        count = len(self.interviews)
        medians = [median(half) for half in self.halves]
        n = plural(sum(map(len, self.halves)), "rating")
        if len(medians) == 1:
            return f"{name}: median {medians[0]:g} of {count} interviews (n = {n})."
        one, two = medians
        later = f"{two:g} in the later {count - count // 2}"
        sentence = f"{name}: median {one:g} in the earlier {count // 2} interviews, {later} (n = {n})"
        if count < LEAST_FOR_TREND:
            return f"{sentence}."
        return f"{sentence}: {'a higher' if two > one else 'a lower' if two < one else 'the same'} median later."


def _series(counted: Sequence[tuple[Entry, list[float]]]) -> list[Series]:
    """Return those with enough interviews for a median, the ones with most interviews first."""
    made: dict[tuple[str, str], list[list[float]]] = {}
    for entry, values in counted:
        made.setdefault((entry.rater_role, entry.round), []).append(values)
    enough = [Series(*of, some) for of, some in made.items() if len(some) >= LEAST_FOR_MEDIAN]
    return sorted(enough, key=lambda some: -len(some.interviews))[:MOST_SERIES]


def _numbers(entry: Entry, catalogue: Catalogue, family: str) -> list[float]:
    names = [signal.name for signal in catalogue.signals if signal.family == family]
    return [value for name in names if isinstance(value := entry.ratings.get(name), int | float)]


def _across(place: int) -> float:
    return LEFT + STEP * (place + 0.5)


def _up(value: float, low: float, high: float) -> float:
    return round(TOP + HEIGHT * (1 - (value - low) / (high - low)), 1)


def _width(count: int) -> float:
    return LEFT + STEP * max(count, 10) + 4
