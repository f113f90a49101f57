"""The content of a coaching sheet: interviews, the candidate's signals, differences to the best rating, agreements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from predictor.evaluation.practice import SIDE, OwnSignal, Practice, practice
from predictor.journal.entry import ROLE, STILL_OPEN, Entry
from predictor.journal.learning import ratings_of
from predictor.model.offer_model import OfferModel
from predictor.model.wording import mark_of_share, of_100

MOST_ROWS = 6  # interviews in view, the newest
MOST_SIGNALS = 10
MOST_RATINGS = 9  # of a signal, the newest
MOST_LOOKED_AT = 3
MOST_DUE, MOST_PEOPLE = 6, 30
MOST_OPEN = 2
HALF = 0.5  # points: less is shown as none
LONGEST, LONGEST_NAME, LONGEST_WORDS = 40, 16, 120  # letters of a title, and of a text


@dataclass(frozen=True)
class Row:
    """One interview: everything as text, empty where it is not known."""

    day: str
    title: str
    rater: str
    rated: str
    guess: str
    estimate: str
    outcome: str


@dataclass(frozen=True)
class Line:
    """One own signal: its ratings by who rated, in the order of time, and what the model says of them."""

    label: str
    ratings: tuple[tuple[str, str], ...]
    own: OwnSignal | None


@dataclass(frozen=True)
class Sheet:
    """A person's sheet.

    Attributes
    ----------
    who, day
        Whom it is about, and of which day it is.
    mark
        "SIMULATED", "in part SIMULATED" or nothing.
    model
        Which model its estimates are of.
    n, rows
        Interviews, and the newest of them.
    estimated_now
        Whether an estimate was made for the sheet, since the file has none.
    due, more_due
        What is still open, the first to be expected first, and how many more are.
    lines
        Own signals.
    practice
        The differences to the best rating.
    looking_back
        What was written last when looking back: heading and text.
    """

    who: str
    day: date
    mark: str
    model: str
    n: int
    rows: tuple[Row, ...]
    estimated_now: bool
    due: tuple[str, ...]
    more_due: int
    lines: tuple[Line, ...]
    practice: Practice
    looking_back: tuple[tuple[str, str], ...]

    @property
    def looked_at(self) -> tuple[OwnSignal, ...]:
        """The signals with the largest difference to the best rating."""
        return _looked_at(self.practice)


@dataclass(frozen=True)
class Cohort:
    """The sheet of all people together; see `Sheet`.

    Attributes
    ----------
    n, total
        Interviews on the sheet, the newest, and how many there are.
    outcomes
        How many of them have each outcome.
    people
        Name, interviews and next due date, sorted by that date, never by likelihood.
    more_people, more_due
        How many more there are.
    """

    day: date
    mark: str
    model: str
    n: int
    total: int
    n_people: int
    outcomes: tuple[tuple[str, int], ...]
    due: tuple[str, ...]
    more_due: int
    people: tuple[tuple[str, int, str], ...]
    more_people: int
    practice: Practice

    @property
    def looked_at(self) -> tuple[OwnSignal, ...]:
        """The signals with the largest difference to the best rating."""
        return _looked_at(self.practice)


def sheet_of(model: OfferModel, who: str, entries: Sequence[Entry], day: date) -> Sheet:
    """Build a person's sheet; a coach's private note is never read.

    Parameters
    ----------
    model
        Compares ratings, and estimates interviews that have no estimate of their own.
    who
        The person.
    entries
        The person's interviews, in any order.
    day
        Of the sheet.
    """
    ordered = sorted(entries, key=_when)
    shown = ordered[::-1][:MOST_ROWS]
    written = next((entry for entry in ordered[::-1] if entry.went_well or entry.differently or entry.try_next), None)
    texts = (("Went well", "went_well"), ("Would do differently", "differently"), ("One thing to try next", "try_next"))
    return Sheet(
        _short(who, 2 * LONGEST_NAME),
        day,
        _mark(model, entries),
        _model(model),
        len(entries),
        tuple(_row(model, entry) for entry in shown),
        any(entry.estimate is None for entry in shown),
        tuple(map(_due, _open(entries)[:MOST_OPEN])),
        max(0, len(_open(entries)) - MOST_OPEN),
        _lines(model, ordered, seen := _practice(model, entries)),
        seen,
        tuple((heading, _short(getattr(written, name) if written else "", LONGEST_WORDS)) for heading, name in texts),
    )


def cohort_of(model: OfferModel, entries: Sequence[Entry], day: date, total: int | None = None) -> Cohort:
    """Build the sheet of a cohort; interviews without a name count, but are listed under no name.

    Parameters
    ----------
    model, day
        As for `sheet_of`.
    entries
        Interviews, in any order.
    total
        How many there are, where `entries` are only the newest of them; None: these are all.
    """
    people = dict[str, list[Entry]]()
    for entry in entries:
        if entry.who:
            people.setdefault(entry.who, []).append(entry)
    waiting = _open(entries)
    next_due = {who: next((entry.due_on for entry in _open(some)), None) for who, some in people.items()}
    order = sorted(people, key=lambda who: (next_due[who] or date.max, who.casefold()))
    counts = {entry.outcome: 0 for entry in entries}
    for entry in entries:
        counts[entry.outcome] += 1
    return Cohort(
        day,
        _mark(model, entries),
        _model(model),
        len(entries),
        len(entries) if total is None else total,
        len(people),
        tuple(sorted(counts.items(), key=lambda item: -item[1])),
        tuple(f"{_short(entry.who, LONGEST_NAME) or 'nobody named'}: {_due(entry)}" for entry in waiting[:MOST_DUE]),
        max(0, len(waiting) - MOST_DUE),
        tuple((_short(who, LONGEST_NAME), len(people[who]), str(next_due[who] or "")) for who in order[:MOST_PEOPLE]),
        max(0, len(order) - MOST_PEOPLE),
        _practice(model, entries),
    )


def _practice(model: OfferModel, entries: Sequence[Entry]) -> Practice:
    return practice(model, ratings_of(entries, model.catalogue, source="the journal", training=False))


def _looked_at(seen: Practice) -> tuple[OwnSignal, ...]:
    return tuple(own for own in seen.signals if own.gain >= HALF)[:MOST_LOOKED_AT]


def _when(entry: Entry) -> tuple[date, str]:
    return entry.day or date.min, entry.id


def _open(entries: Sequence[Entry]) -> list[Entry]:
    waiting = [entry for entry in entries if entry.outcome == STILL_OPEN]
    return sorted(waiting, key=lambda entry: (entry.due_on or date.max, entry.id))


def _due(entry: Entry) -> str:
    when = f"expected by {entry.due_on}" if entry.due_on else "no day"
    return f"{_short(entry.title, LONGEST)}, {when}"


def _row(model: OfferModel, entry: Entry) -> Row:
    if (estimate := entry.estimate) is None:
        role = {ROLE: entry.rater_role} if _has_role(model, entry) else {}
        answer = model.predict({**role, "ratings": dict(entry.ratings)})
        p, low, high = answer.offer_probability, answer.interval.low, answer.interval.high
    else:
        p, low, high = estimate.probability, estimate.low, estimate.high
    title = entry.title if not entry.round or entry.round in entry.title else f"{entry.title}, {entry.round}"
    return Row(
        entry.day.isoformat() if entry.day else "",
        _short(title, LONGEST),
        entry.rater_role,
        f"{len(entry.ratings)} of {len(model.signals)}",
        "" if entry.guess is None else str(entry.guess),
        f"{of_100(p)} ({of_100(low)} to {of_100(high)}){'*' if estimate is None else ''}",
        entry.outcome,
    )


def _has_role(model: OfferModel, entry: Entry) -> bool:
    return bool(entry.rater_role) and any(item.name == ROLE for item in model.catalogue.inputs)


def _lines(model: OfferModel, ordered: Sequence[Entry], seen: Practice) -> tuple[Line, ...]:
    known = {own.signal: own for own in seen.signals}
    place = {own.signal: number for number, own in enumerate(seen.signals)}
    lines = []
    for signal in model.catalogue.signals:
        if signal.side != SIDE:
            continue
        by_rater = dict[str, list[str]]()  # raters are never mixed
        given = [(entry.rater_role or "not given", entry.ratings.get(signal.name)) for entry in ordered]
        for rater, rating in [pair for pair in given if isinstance(pair[1], int | float)][-MOST_RATINGS:]:
            by_rater.setdefault(rater, []).append(f"{rating:g}")
        ratings = tuple((rater, " ".join(values)) for rater, values in by_rater.items())
        lines.append((place.get(signal.name, len(place)), Line(signal.label, ratings, known.get(signal.name))))
    lines.sort(key=lambda item: item[0])
    return tuple(line for _, line in lines)[:MOST_SIGNALS]


def _mark(model: OfferModel, entries: Sequence[Entry]) -> str:
    if any(entry.simulated for entry in entries):
        return "SIMULATED"
    return mark_of_share(1.0 if model.simulated else model.prior_share)


def _model(model: OfferModel) -> str:
    return f"{model.name}, n = {model.trained_on['n']:,} interviews, fingerprint {model.fingerprint}"


def _short(text: str, longest: int) -> str:
    """Cut a text where paper ends, and show that it was cut."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 2].rstrip()} …"
