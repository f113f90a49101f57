"""The prior model from published effects: trained on simulated interviews, used when there are few real ones.

The simulator's strengths are tuned to published figures (see `predictor.sources.simulation`). A regression on many
simulated interviews gives the effect of each signal; the variance by which a real organisation may differ is added, so
intervals are wide. The result is a file of the package, so that `predict` works before any training.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.metadata import version

import numpy as np

from predictor.learning.assembly import assemble
from predictor.learning.pool import fit_pool
from predictor.learning.prior import Prior
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.sources.simulation import simulate_interviews

NAME = "published-evidence"
ROWS, SEED = 50_000, 1997
SCALING_ROWS = 500  # simulated rows by which columns are scaled, together with the few training rows


@cache
def published_prior() -> Prior:
    """Return the shipped model with typical, simulated rows.

    Examples
    --------
    >>> published_prior().model.trained_on["n"]
    0
    """
    return Prior(OfferModel.published(), _scaling_rows())


def build_published() -> OfferModel:
    """Train the shipped model again on simulated interviews: the same numbers each time."""
    ratings = simulate_interviews(ROWS, seed=SEED).labelled()
    values, none = ratings.features.to_numpy(), np.empty(0)
    pool = fit_pool(values, ratings.y, ratings.catalogue, boosted=False)
    effects = assemble(pool, values, ratings.y, ratings.catalogue)
    # The second fit, on no rows, adds the variance of an organisation around the effects (`PRIOR_SLOPE`, `PRIOR_ROWS`).
    prior = Prior(effects, _scaling_rows())
    pool = fit_pool(values[:0], none, ratings.catalogue, prior=prior)
    model = assemble(pool, values[:0], none, ratings.catalogue, prior=prior)
    trained_on = {
        "source": f"published effects, by way of {ROWS:,} SIMULATED interviews",
        "digest": ratings.digest,
        "n": 0,
        "simulated": True,
        "prior": {"name": NAME, "share": 1.0},
    }
    versions = {"interview-outcome-predictor": version("interview-outcome-predictor")}
    return replace(model, name=NAME, trained_on=trained_on, versions=versions, created_at="2026-11-24T00:00:00+00:00")


def _scaling_rows() -> Floats:
    return simulate_interviews(SCALING_ROWS, seed=SEED + 1).features.to_numpy()
