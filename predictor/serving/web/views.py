"""Numbers and the model's limits as text for the pages."""

from __future__ import annotations

from collections.abc import Iterator

from predictor.model.offer_model import OfferModel
from predictor.model.wording import PURPOSE
from predictor.reports.quality import quality


def limits(model: OfferModel) -> Iterator[str]:
    """Return in plain words what the model cannot do."""
    trained_on = model.trained_on
    n = f"{trained_on['n']:,}"
    if model.simulated:
        yield "It was trained on SIMULATED interviews. Its estimate of a real one is an illustration, not a result."
    elif model.prior_share:
        yield (
            f"{percent_words(model.prior_share)} of the model comes from published effects, through SIMULATED "
            f"interviews; the rest comes from your interviews (n = {n})."
        )
    known = quality(model)
    yield known["all"] or known["unknown"]
    yield "The interval is for the likelihood, given these ratings. One interview still ends in an offer or in none."
    yield (
        "Associations, not causes: an interviewer who already likes a candidate listens more closely. A signal that "
        "goes with offers need not bring them about."
    )
    yield PURPOSE


def percent_words(share: float) -> str:
    """Write a share for a reader, as in "36 %"; near 0 and 1 with a decimal, since no estimate is certain."""
    return f"{100 * share:.0f} %" if 0.02 <= share <= 0.98 else f"{100 * share:.1f} %"
