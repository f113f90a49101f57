"""A journal as ratings to learn from: one row per interview, one group per person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from predictor.errors import Problem, RatingsError
from predictor.journal.entry import TARGET_OF_OUTCOME, Entry
from predictor.ratings.catalogue import ORIGIN, ROLE, SIMULATED, Catalogue
from predictor.ratings.ratings import Ratings


def ratings_of(entries: Sequence[Entry], catalogue: Catalogue, *, source: str, training: bool) -> Ratings:
    """Convert entries into `Ratings`; see `Journal.ratings`."""
    if training and not any(entry.outcome in TARGET_OF_OUTCOME for entry in entries):
        nothing = "no interview has an outcome yet, offer or no offer; add one, then train"
        raise RatingsError(source, [Problem(nothing)])
    records = []
    for entry in entries:
        context = {
            catalogue.outcome: TARGET_OF_OUTCOME.get(entry.outcome),
            ROLE: entry.rater_role,
            catalogue.group: group_of(entry),
        }
        known = {name: word for name, word in context.items() if name in catalogue.columns}
        records.append({**known, "ratings": entry.ratings})
    ratings = Ratings.from_records(records, catalogue, source=source, training=training)
    # Whether or not the catalogue names these columns: warnings about hindsight and simulation rest on them.
    columns = {
        "interview_id": [entry.id for entry in entries],
        "rated_on": [_written(entry.rated_on) for entry in entries],
        "outcome_on": [_written(entry.outcome_on) for entry in entries],
        ORIGIN: [SIMULATED if entry.simulated else "" for entry in entries],
    }
    return replace(ratings, columns={**ratings.columns, **{k: np.array(v, dtype=object) for k, v in columns.items()}})


def group_of(entry: Entry) -> str:
    """Return the group whose entries share a fold: the person, else the id that both sides share, else the entry's."""
    return entry.who or entry.interview or entry.id


def _written(day: date | None) -> str:
    return day.isoformat() if day else ""
