"""Numbers and the model's limits as text for the pages."""

from __future__ import annotations

from collections.abc import Iterator

from predictor.model.offer_model import OfferModel
from predictor.reports.rate_page.quality import quality


def limits(model: OfferModel) -> Iterator[str]:
    """Return in plain words what the model cannot do."""
    trained_on = model.trained_on
    n = f"{trained_on['n']:,}"
    if model.simulated:
        yield "It learned from SIMULATED interviews. Its estimate of a real one is an illustration, not a finding."
    elif model.prior_share:
        yield (
            f"{percent_words(model.prior_share)} of what it knows is published effects, by way of SIMULATED "
            f"interviews; interviews of yours (n = {n}) provide the rest."
        )
    known = quality(model)
    yield known["all"] or known["unknown"]
    yield "The interval is for the likelihood, given these ratings. One interview still ends in an offer or in none."
    yield (
        "Associations, not causes: an interviewer who already likes a candidate listens more closely. A signal that "
        "goes with offers need not bring them about."
    )
    yield "For reflection, practice and interviewer training, not for selecting people."


def percent_words(share: float) -> str:
    """Write a share for a reader, as in "36 %"; near 0 and 1 with a decimal, since no estimate is certain."""
    return f"{100 * share:.0f} %" if 0.02 <= share <= 0.98 else f"{100 * share:.1f} %"


def signed(number: float, decimals: int = 2) -> str:
    """Write a number with its sign, which is a minus, not a hyphen; what rounds to zero has none.

    Examples
    --------
    >>> signed(0.125), signed(-0.004)
    ('+0.12', '0.00')
    """
    text = f"{number:+.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text[1:]
