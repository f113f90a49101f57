"""One interview of the journal: what was rated and when, what was estimated then, and what came of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import FrozenError, JournalError, Problem, RatingsError, nearest
from predictor.model.prediction import Prediction
from predictor.ratings.catalogue import ORIGIN, SIMULATED, Catalogue
from predictor.ratings.ratings import Ratings

if TYPE_CHECKING:
    from predictor.model.tables import Floats

UNKNOWN, OFFER, NO_OFFER, WITHDREW = OUTCOMES = ("unknown", "offer", "no offer", "withdrew")
TOLD = {OFFER: 1.0, NO_OFFER: 0.0}  # outcomes that a model learns from, and that freeze the rating
ROLE = "rater_role"
LONGEST = {"title": 200, "note": 20_000, "group": 200}  # characters


@dataclass(frozen=True)
class Estimate:
    """What a model said of an interview when it was rated.

    Attributes
    ----------
    probability, low, high
        Likelihood of an offer with its 90 % interval, 0 to 1.
    model, fingerprint
        Name and fingerprint of the model.
    simulated
        Share, 0 to 1, of what the model knew that came from SIMULATED interviews: 1 where it was trained on them, less
        where it started from published effects and learned from real ones.
    base_rate
        The person's own share of offers, 0 to 1, that it was asked for; None: the model's.

    Raises
    ------
    JournalError
        If a share is not from 0 to 1, or the numbers are not low <= probability <= high.

    Examples
    --------
    >>> Estimate(0.4, 0.2, 0.7, "mine", "0123456789abcdef", simulated=0.9).mark
    'in part SIMULATED'
    """

    probability: float
    low: float
    high: float
    model: str
    fingerprint: str
    simulated: float
    base_rate: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.probability <= self.high <= 1:
            raise JournalError(
                f"{self.low} to {self.high} around {self.probability}: an estimate is a likelihood from 0 to 1 inside "
                "its interval"
            )
        if not 0 <= self.simulated <= 1 or not (self.base_rate is None or 0 < self.base_rate < 1):
            raise JournalError(f"simulated {self.simulated}, base rate {self.base_rate}: a share is from 0 to 1")
        object.__setattr__(self, "simulated", float(self.simulated))  # true or false in a journal's first layout

    @classmethod
    def of(cls, prediction: Prediction, base_rate: float | None = None) -> Estimate:
        """Take what is kept of an answer, and the base rate that it was asked for, if any was."""
        interval, model = prediction.interval, prediction.model
        trained_on = model["trained_on"]
        simulated = 1.0 if trained_on["simulated"] else trained_on.get("prior", {}).get("share", 0.0)
        p = prediction.offer_probability
        return cls(p, interval.low, interval.high, model["name"], model["fingerprint"], simulated, base_rate)

    @property
    def mark(self) -> str:
        """What must stand beside it: "SIMULATED", "in part SIMULATED", or nothing."""
        return "SIMULATED" if self.simulated == 1 else "in part SIMULATED" if self.simulated else ""


@dataclass(frozen=True)
class Entry:
    """One interview of the journal.

    Attributes
    ----------
    id
        Twelve random hexadecimal digits; never given twice.
    title, note
        Free text, such as "Acme, second round"; at most 200 and 20,000 characters.
    held_on
        Day of the interview; None where nobody said.
    rater_role
        Who rated, one of the catalogue's words; empty where nobody said.
    ratings
        By signal name, or "not applicable"; what was not observed is left out.
    rated_at
        When ratings or role were last changed, UTC; None where an imported file does not say.
    estimate
        What the model said of these ratings then; None where it was not asked.
    outcome
        "unknown", "offer", "no offer" or "withdrew".
    outcome_at
        When the outcome was known, UTC; midnight where only the day was said. It stays where a mistaken outcome is
        mended.
    frozen
        Whether an offer or no offer has come, now or before: ratings, role and estimate then stay as they are.
    group
        Names what belongs together, such as a candidate, or the rounds of one application. Rows of one group stay on
        one side of a split. Empty: the interview stands for itself. At most 200 characters.
    simulated
        Whether the interview is SIMULATED, not held.

    Raises
    ------
    JournalError
        With everything that is wrong: text too long or not writable as UTF-8, no such outcome, a date that is missing.
    """

    id: str
    title: str
    note: str = ""
    held_on: date | None = None
    rater_role: str = ""
    ratings: Mapping[str, float | str] = field(default_factory=dict)
    rated_at: datetime | None = None
    estimate: Estimate | None = None
    outcome: str = UNKNOWN
    outcome_at: datetime | None = None
    frozen: bool = False
    group: str = ""
    simulated: bool = False

    def __post_init__(self) -> None:
        if problems := faults(vars(self)):
            raise JournalError("; ".join(f"{name} {why}" for name, why in problems.items()))

    @property
    def in_hindsight(self) -> bool:
        """Whether it was rated on a later day than the outcome was known."""
        return bool(self.rated_at and self.outcome_at and day_of(self.rated_at) > day_of(self.outcome_at))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON; times in ISO 8601."""
        data = dict(vars(self))
        for name in ("held_on", "rated_at", "outcome_at"):
            data[name] = data[name].isoformat() if data[name] else None
        return data | {"ratings": dict(self.ratings), "estimate": vars(self.estimate).copy() if self.estimate else None}


def faults(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with the attributes of an entry, by attribute."""
    problems = {}
    for name, longest in LONGEST.items():
        text = data[name]
        if len(text) > longest:
            problems[name] = f"has {len(text):,} characters; write at most {longest:,}"
        elif any("\ud800" <= letter <= "\udfff" for letter in text):  # half a character, which no file can hold
            problems[name] = "has a character that UTF-8 cannot hold; take it out"
    if not re.fullmatch("[0-9a-f]{12}", data["id"]):
        problems["id"] = "is not twelve hexadecimal digits; leave it empty for a new interview"
    if (outcome := data["outcome"]) not in OUTCOMES:
        hint = nearest(str(outcome), OUTCOMES) if len(str(outcome)) <= LONGEST["title"] else ""
        problems["outcome"] = f"is none of {', '.join(OUTCOMES)}{hint}"
    elif outcome in TOLD and not data["frozen"]:
        problems["frozen"] = f"is no, but the outcome is '{outcome}'; write yes"
    if data["frozen"] and not data["outcome_at"]:
        problems["outcome_at"] = "is empty, but the rating is frozen; write when the outcome was known"
    return problems


def new_id() -> str:
    """Draw an id; by chance, so that journals can be joined."""
    return secrets.token_hex(6)


def now() -> datetime:
    """Return the time in UTC, to the second, and never midnight, which stands for a day; see `day_of`."""
    at = datetime.now(UTC).replace(microsecond=0)
    return at if _is_time(at) else at + timedelta(seconds=1)


def day_of(at: datetime) -> date:
    """Return the day of a time as the person saw it: in the time zone of this machine.

    A time of midnight in UTC is a day that somebody wrote, which is the same day in every zone.

    Examples
    --------
    >>> day_of(moment(date(2026, 5, 31)))
    datetime.date(2026, 5, 31)
    """
    try:
        return at.astimezone().date() if _is_time(at) else at.date()
    except OverflowError:  # the first or last day of the calendar
        return at.date()


def _is_time(at: datetime) -> bool:
    return (at.hour, at.minute, at.second) != (0, 0, 0)


def moment(at: date) -> datetime:
    """Turn a day, or a time, into a time in UTC; a time without a zone is UTC."""
    if not isinstance(at, datetime):
        return datetime(at.year, at.month, at.day, tzinfo=UTC)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def rated(ratings: Mapping[str, Any], rater_role: str, catalogue: Catalogue) -> tuple[dict[str, float | str], str]:
    """Check ratings and role against a catalogue; those that were observed, and the role in the catalogue's words.

    Raises
    ------
    RatingsError
        With every problem.
    """
    record = {"ratings": ratings, **({ROLE: rater_role} if rater_role else {})}
    checked = Ratings.from_records([record], catalogue, source="the rating")
    return checked.answers(0), str(checked.columns[ROLE][0]) if rater_role else ""


def edited(
    old: Entry,
    catalogue: Catalogue,
    texts: Mapping[str, str | None],
    *,
    held_on: date | EllipsisType | None,
    ratings: Mapping[str, Any] | None,
    rater_role: str | None,
    estimate: Estimate | None,
) -> Entry:
    """Return an entry with what is given changed; see `Journal.edit`.

    Raises
    ------
    FrozenError
        If the outcome is known and ratings, role or estimate would change.
    RatingsError, JournalError
        With every problem.
    """
    new_ratings, role = old.ratings, old.rater_role
    if ratings is not None or rater_role is not None:
        new_ratings, role = rated(
            old.ratings if ratings is None else ratings,
            old.rater_role if rater_role is None else rater_role,
            catalogue,
        )
    changes: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
    if not isinstance(held_on, EllipsisType):
        changes["held_on"] = held_on
    new = replace(old, **changes)
    rerated = (new_ratings, role) != (old.ratings, old.rater_role)
    if old.frozen and (rerated or estimate not in (None, old.estimate)):
        raise FrozenError(
            f"'{old.title}': the outcome is known since {day_of(old.outcome_at or now())}, so its ratings stay "
            "as they were made: changed now, they would give the outcome away, and a model would learn from hindsight"
        )
    if rerated:
        return replace(new, ratings=new_ratings, rater_role=role, rated_at=now(), estimate=estimate)
    return replace(new, estimate=estimate) if estimate else new  # of the same ratings, by another model


def ratings_of(entries: Sequence[Entry], catalogue: Catalogue, *, source: str, training: bool) -> Ratings:
    """Turn entries into `Ratings`; see `Journal.ratings`."""
    if training and not any(entry.outcome in TOLD for entry in entries):
        nothing = "no interview has an outcome yet, offer or no offer; add one, then train"
        raise RatingsError(source, [Problem(nothing)])
    records = []
    for entry in entries:
        context = {
            catalogue.outcome: TOLD.get(entry.outcome),
            ROLE: entry.rater_role,
            catalogue.group: entry.group or entry.id,
        }
        known = {name: word for name, word in context.items() if name in catalogue.columns}
        records.append({**known, "ratings": entry.ratings})
    ratings = Ratings.from_records(records, catalogue, source=source, training=training)
    # Whether or not the catalogue names these columns: warnings about hindsight and simulation rest on them.
    columns = {
        "interview_id": [entry.id for entry in entries],
        "rated_on": [_day(entry.rated_at) for entry in entries],
        "outcome_on": [_day(entry.outcome_at) for entry in entries],
        ORIGIN: [SIMULATED if entry.simulated else "" for entry in entries],
    }
    return replace(ratings, columns={**ratings.columns, **{k: np.array(v, dtype=object) for k, v in columns.items()}})


def calibration_of(entries: Sequence[Entry]) -> tuple[Floats, Floats]:
    """Return outcomes and estimates; see `Journal.calibration`."""
    pairs = [
        (TOLD[entry.outcome], entry.estimate.probability)
        for entry in reversed(entries)
        if entry.outcome in TOLD and entry.estimate and not entry.in_hindsight and not entry.simulated
    ]
    y, p = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return y, p


def _day(at: datetime | None) -> str:
    return day_of(at).isoformat() if at else ""
