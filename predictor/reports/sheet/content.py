"""The content of a coaching sheet: interviews, the candidate's signals, differences to the best rating, agreements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from predictor.evaluation.practice import OwnSignal, Practice, practice
from predictor.journal.entry import STILL_OPEN, Entry, one_of_each
from predictor.journal.learning import ratings_of
from predictor.model.offer_model import OfferModel
from predictor.model.wording import of_100, simulated_label
from predictor.ratings.catalogue import ROLE
from predictor.ratings.signals import CANDIDATE

MOST_ROWS = 6  # interviews in view, the newest
MOST_SIGNALS = 10
MOST_RATINGS = 9  # of a signal, the newest
MOST_TO_DISCUSS = 3
MOST_DUE, MOST_PEOPLE = 6, 30
MOST_OPEN = 2
LEAST_DIFFERENCE = 0.5  # points: less is shown as none
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
    """One signal of the candidate: its ratings by who rated, the oldest first, and the difference to the best."""

    label: str
    ratings: tuple[tuple[str, str], ...]
    own: OwnSignal | None


@dataclass(frozen=True, kw_only=True)
class SheetBase:
    """What every sheet has.

    Attributes
    ----------
    day
        Of which day it is.
    mark
        "SIMULATED", "in part SIMULATED" or nothing.
    model
        Which model its estimates are of.
    n
        Interviews.
    due, more_due
        What is still open, the first to be expected first, and how many more are.
    practice
        The differences to the best rating.
    """

    day: date
    mark: str
    model: str
    n: int
    due: tuple[str, ...]
    more_due: int
    practice: Practice

    @property
    def to_discuss(self) -> tuple[OwnSignal, ...]:
        """The signals with the largest difference to the best rating."""
        return tuple(own for own in self.practice.signals if own.gain >= LEAST_DIFFERENCE)[:MOST_TO_DISCUSS]


@dataclass(frozen=True, kw_only=True)
class Sheet(SheetBase):
    """A person's sheet.

    Attributes
    ----------
    who
        Whom it is about.
    rows
        The newest interviews.
    estimated_now
        Whether an estimate was made for the sheet, since the file has none.
    lines
        Own signals.
    reflection
        The reflection that was written last: headings and texts.
    """

    who: str
    rows: tuple[Row, ...]
    estimated_now: bool
    lines: tuple[Line, ...]
    reflection: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Cohort(SheetBase):
    """The sheet of all people together, with the newest `n` interviews.

    Attributes
    ----------
    total, n_people
        How many interviews there are, and people on the sheet.
    outcomes
        How many interviews have each outcome.
    people, more_people
        Name, interviews and next due date, sorted by that date, never by likelihood; and how many more there are.
    """

    total: int
    n_people: int
    outcomes: tuple[tuple[str, int], ...]
    people: tuple[tuple[str, int, str], ...]
    more_people: int


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
    paper = _paper(model, entries, day, tuple(map(_due, _awaiting_outcome(entries))), MOST_OPEN)
    back = ((heading, getattr(written, name) if written else "") for heading, name in texts)
    return Sheet(
        **vars(paper),
        who=_short(who, 2 * LONGEST_NAME),
        rows=tuple(_row(model, entry) for entry in shown),
        estimated_now=any(entry.estimate is None for entry in shown),
        lines=_lines(model, ordered, paper.practice),
        reflection=tuple((heading, _short(text, LONGEST_WORDS)) for heading, text in back),
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
    people = by_person(entries)
    waiting = _awaiting_outcome(entries)
    due = tuple(f"{_short(entry.who, LONGEST_NAME) or 'nobody named'}: {_due(entry)}" for entry in waiting)
    next_due = {who: next((entry.due_on for entry in _awaiting_outcome(some)), None) for who, some in people.items()}
    order = sorted(people, key=lambda who: (next_due[who] or date.max, who.casefold()))
    named = ((_short(who, LONGEST_NAME), len(people[who]), str(next_due[who] or "")) for who in order[:MOST_PEOPLE])
    return Cohort(
        **vars(_paper(model, entries, day, due, MOST_DUE)),
        total=len(entries) if total is None else total,
        n_people=len(people),
        outcomes=tuple(Counter(entry.outcome for entry in entries).most_common()),
        people=tuple(named),
        more_people=max(0, len(order) - MOST_PEOPLE),
    )


def by_person(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Return the interviews of each person; those without a name are left out."""
    people = dict[str, list[Entry]]()
    for entry in entries:
        if entry.who:
            people.setdefault(entry.who, []).append(entry)
    return people


def _paper(model: OfferModel, entries: Sequence[Entry], day: date, due: tuple[str, ...], most: int) -> SheetBase:
    simulated = any(entry.simulated for entry in entries)
    return SheetBase(
        day=day,
        mark="SIMULATED" if simulated else simulated_label(1.0 if model.simulated else model.prior_share),
        model=f"{model.name}, n = {model.trained_on['n']:,} interviews, fingerprint {model.fingerprint}",
        n=len(entries),
        due=due[:most],
        more_due=max(0, len(due) - most),
        practice=practice(model, ratings_of(entries, model.catalogue, source="the journal", training=False)),
    )


def _when(entry: Entry) -> tuple[date, str]:
    return entry.day or date.min, entry.id


def _awaiting_outcome(entries: Sequence[Entry]) -> list[Entry]:
    waiting = [entry for entry in entries if entry.outcome == STILL_OPEN]
    return one_of_each(sorted(waiting, key=lambda entry: (entry.due_on or date.max, entry.id)))


def _due(entry: Entry) -> str:
    when = f"expected by {entry.due_on}" if entry.due_on else "no due date"
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
        if signal.side != CANDIDATE:
            continue
        by_rater = dict[str, list[str]]()  # raters are never mixed
        given = [(entry.rater_role or "not given", entry.ratings.get(signal.name)) for entry in ordered]
        for rater, rating in [pair for pair in given if isinstance(pair[1], int | float)][-MOST_RATINGS:]:
            by_rater.setdefault(rater, []).append(f"{rating:g}")
        ratings = tuple((rater, " ".join(values)) for rater, values in by_rater.items())
        lines.append((place.get(signal.name, len(place)), Line(signal.label, ratings, known.get(signal.name))))
    lines.sort(key=lambda item: item[0])
    return tuple(line for _, line in lines)[:MOST_SIGNALS]


def _short(text: str, longest: int) -> str:
    """Cut a text where paper ends, and show that it was cut."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 2].rstrip()} …"
