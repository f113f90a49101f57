"""The page of the journal's track record: estimates against outcomes, and which ratings went with offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from fastapi import APIRouter, Request, Response

from predictor.journal.entry import DUE_AFTER
from predictor.journal.track_record import TrackRecord
from predictor.ratings.catalogue import Catalogue
from predictor.serving.web.forms import browser_day
from predictor.serving.web.journal_pages import OpenJournal
from predictor.serving.web.pages import page
from predictor.serving.web.views import limits

if TYPE_CHECKING:
    from predictor.evaluation.scores import CalibrationBin
    from predictor.model.tables import Floats

calibration_pages = APIRouter(include_in_schema=False)

FEWEST_IN_BIN = 10  # interviews; with fewer the interval is too wide to be useful
MOST_BINS = 5  # each is a sentence to read


@dataclass(frozen=True)
class Means:
    """Mean rating of a signal in interviews that ended in an offer, and in those that did not; None without any."""

    label: str
    offer: float | None
    n_offer: int
    no_offer: float | None
    n_no_offer: int


@calibration_pages.get("/calibration")
def calibration(request: Request, journal: OpenJournal) -> Response:
    """Show estimates against outcomes, of interviews that are past their due date."""
    record = journal.track_record(browser_day(request))
    no_answer_counts = len(record.no_answer) > 0 and request.query_params.get("silence") == "no-offer"
    y, p = record.with_no_answer() if no_answer_counts else (record.y, record.p)
    brier = float(((p - y) ** 2).mean()) if len(y) else None
    base = float(y.mean() * (1 - y.mean())) if len(y) else None
    return page(
        request, "calibration.html", n=len(y), offers=int(y.sum()), brier=brier, base=base, fewest=FEWEST_IN_BIN,
        bins=bins(y, p), record=record, n_no_answer=len(record.no_answer), no_answer_counts=no_answer_counts,
        guessed=guessed(record), due_after=DUE_AFTER.days, means=means(journal.rated_outcomes(), journal.catalogue),
        limits=[*limits(request.app.state.current_model())],
    )  # fmt: skip


@dataclass(frozen=True)
class Guessed:
    """Own guesses and the estimates of the same interviews."""

    n: int
    mean_guess: float
    mean_estimate: float
    share_of_offers: float
    brier_guess: float
    brier_estimate: float


def guessed(record: TrackRecord) -> Guessed | None:
    """Compare own guesses with the estimates of the same interviews; None if there are too few."""
    made = np.isfinite(record.guess)
    if (n := int(made.sum())) < FEWEST_IN_BIN:
        return None
    y, p, guess = record.y[made], record.p[made], record.guess[made]
    means = (guess.mean(), p.mean(), y.mean(), ((guess - y) ** 2).mean(), ((p - y) ** 2).mean())
    return Guessed(n, *map(float, means))


def bins(y: Floats, p: Floats) -> tuple[CalibrationBin, ...]:
    """Compare estimates with outcomes, in up to five bins of at least ten interviews each.

    Parameters
    ----------
    y, p
        Outcomes and estimates, shape (n,).

    Returns
    -------
    tuple of CalibrationBin
        From low to high estimates, with Wilson's interval of 90 %; none below ten interviews.

    Raises
    ------
    MissingExtraError
        If what training needs is not installed.

    Examples
    --------
    >>> y, p = np.array([0.0, 1.0] * 12), np.linspace(0.1, 0.9, 24)
    >>> [(round(point.predicted, 2), point.observed, point.n) for point in bins(y, p)]
    [(0.29, 0.5, 12), (0.71, 0.5, 12)]
    """
    count = min(MOST_BINS, len(y) // FEWEST_IN_BIN)
    if not count:
        return ()
    from predictor.evaluation.scores import calibration  # here, so that a server without training starts

    grouped = np.empty(len(p))
    for rows in np.array_split(np.argsort(p, kind="stable"), count):
        grouped[rows] = p[rows].mean()  # `calibration` puts equal predictions into one bin
    return calibration(y, grouped)


def means(rated: Sequence[tuple[bool, Mapping[str, float | str]]], catalogue: Catalogue) -> list[Means]:
    """Compare the ratings of interviews with an offer and of those with none, the largest difference first.

    Nothing where there is only one of the two.

    Parameters
    ----------
    rated
        Whether each ended in an offer, and its ratings.
    """
    counts: dict[bool, Counter[tuple[str, float | str]]] = {False: Counter(), True: Counter()}
    for offer, ratings in rated:
        counts[offer].update(ratings.items())
    if not all(counts.values()):
        return []
    sums = {offer: _sums(counted) for offer, counted in counts.items()}
    rows = []
    for signal in catalogue.signals:
        (offer_sum, n_offer), (no_offer_sum, n_no_offer) = (
            sums[offer].get(signal.name, (0.0, 0)) for offer in (True, False)
        )
        if n_offer or n_no_offer:
            offer_mean = offer_sum / n_offer if n_offer else None
            no_offer_mean = no_offer_sum / n_no_offer if n_no_offer else None
            rows.append(Means(signal.label, offer_mean, n_offer, no_offer_mean, n_no_offer))
    return sorted(rows, key=_difference, reverse=True)


def _sums(counted: Counter[tuple[str, float | str]]) -> dict[str, tuple[float, int]]:
    """Return sum and number of the ratings of each signal; "not applicable" is none."""
    sums: dict[str, tuple[float, int]] = {}
    for (name, rating), n in counted.items():
        if isinstance(rating, int | float):
            total, before = sums.get(name, (0.0, 0))
            sums[name] = total + n * rating, before + n
    return sums


def _difference(row: Means) -> float:
    return -1.0 if row.offer is None or row.no_offer is None else abs(row.offer - row.no_offer)
