"""How often the estimate came true, and what went with offers, in the interviews of the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from fastapi import APIRouter, Request, Response

from predictor.journal.entry import OFFER, TOLD, Entry, calibration_of
from predictor.ratings.catalogue import Catalogue
from predictor.serving.web.journal_pages import Kept
from predictor.serving.web.pages import page

if TYPE_CHECKING:
    from predictor.evaluation.scores import CalibrationBin
    from predictor.model.tables import Floats

history_pages = APIRouter(include_in_schema=False)

FEWEST = 10  # interviews in a bin; with fewer the interval is wider than what it could tell
BINS = 10


@dataclass(frozen=True)
class Means:
    """Mean rating of a signal in interviews that ended in an offer, and in those that did not; None without any."""

    label: str
    offer: float | None
    n_offer: int
    no_offer: float | None
    n_no_offer: int


@history_pages.get("/calibration")
def calibration(request: Request, journal: Kept) -> Response:
    """Show how often the estimate came true."""
    kept = journal.entries()
    y, p = calibration_of(kept)
    brier = float(((p - y) ** 2).mean()) if len(y) else None
    base = float(y.mean() * (1 - y.mean())) if len(y) else None
    entries = [entry for entry in kept if not entry.in_hindsight and not entry.simulated]
    return page(
        request, "calibration.html", n=len(y), offers=int(y.sum()), brier=brier, base=base, fewest=FEWEST,
        bins=bins(y, p), means=means(entries, journal.catalogue),
        left_out=sum(entry.outcome in TOLD for entry in kept) - len(y),
    )  # fmt: skip


def bins(y: Floats, p: Floats) -> tuple[CalibrationBin, ...]:
    """Compare estimates with what came, in as many bins of at least ten interviews as there are, up to ten.

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
        If what training needs is not installed, since it is counted there.

    Examples
    --------
    >>> y, p = np.array([0.0, 1.0] * 12), np.linspace(0.1, 0.9, 24)
    >>> [(round(point.predicted, 2), point.observed, point.n) for point in bins(y, p)]
    [(0.29, 0.5, 12), (0.71, 0.5, 12)]
    """
    count = min(BINS, len(y) // FEWEST)
    if not count:
        return ()
    from predictor.evaluation.scores import calibration  # here, so that a server without training starts

    grouped = np.empty(len(p))
    for rows in np.array_split(np.argsort(p, kind="stable"), count):
        grouped[rows] = p[rows].mean()  # equal predictions share a bin
    return calibration(y, grouped)


def means(entries: Sequence[Entry], catalogue: Catalogue) -> list[Means]:
    """Describe the ratings of interviews with an offer and of those with none, the largest difference first."""
    differences = []
    for signal in catalogue.signals:
        rated: dict[bool, list[float]] = {True: [], False: []}
        for entry in entries:
            rating = entry.ratings.get(signal.name)
            if entry.outcome in TOLD and isinstance(rating, int | float):  # "not applicable" has no mean
                rated[entry.outcome == OFFER].append(rating)
        a, b = rated[True], rated[False]
        if a or b:
            differences.append(
                Means(
                    signal.label,
                    sum(a) / len(a) if a else None, len(a), sum(b) / len(b) if b else None, len(b),
                )
            )  # fmt: skip
    return sorted(differences, key=_difference, reverse=True)


def _difference(row: Means) -> float:
    return -1.0 if row.offer is None or row.no_offer is None else abs(row.offer - row.no_offer)
