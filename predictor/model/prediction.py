"""A prediction: the likelihood of an offer, its interval, and the contribution of each signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

INTERVAL_LEVEL = 0.9  # of every interval
QUANTILE = NormalDist().inv_cdf((1 + INTERVAL_LEVEL) / 2)


@dataclass(frozen=True)
class Interval:
    """A credible interval of the probability, given these ratings, of the nominal level `level`."""

    level: float
    low: float
    high: float


@dataclass  # not frozen: each answer has one per signal, and to make a frozen one takes three times as long
class Contribution:
    """What one signal, as rated, adds to the log-odds, compared with the mean of the training interviews.

    Attributes
    ----------
    signal, family, side
        As in the catalogue; an input such as the rater's role has the family "context".
    rating
        The rating, or the word of an input; None where not observed.
    log_odds
        What it adds; above 0 speaks for an offer. Half of each pair and a third of each triple that it takes part in
        are included. Where it was not rated: 0, or what leaving it out adds, if that is informative; a note then
        states it.
    implied
        The part of `log_odds` that comes from what the rating suggests about signals that were not rated; 0 where all
        were.
    """

    signal: str
    family: str
    side: str | None
    rating: float | str | None
    log_odds: float
    implied: float = 0.0


@dataclass(frozen=True)
class Prediction:
    """The prediction for one interview.

    Attributes
    ----------
    offer_probability
        Likelihood of an offer, 0 to 1.
    interval
        A 90 % interval of that likelihood given these ratings, not of the outcome.
    base_rate
        Share of offers that the prediction starts from.
    log_odds
        log(p / (1 - p)) of the probability; exactly `baseline` plus the contributions, added in order.
    baseline
        Where the contributions start; it depends on which signals were rated, not on how.
    contributions
        One for each signal and input, in the catalogue's order.
    families
        Contributions summed by family.
    feature_importances
        Of the model, not of this prediction: mean absolute contribution by signal, in log-odds, largest first.
    not_rated
        Signals that were not observed.
    notes
        What to bear in mind: few ratings, a simulated model, an unusual pattern.
    model
        Which model answered: name, fingerprint, what it was trained on and when.
    """

    offer_probability: float
    interval: Interval
    base_rate: float
    log_odds: float
    baseline: float
    contributions: tuple[Contribution, ...]
    families: Mapping[str, float]
    feature_importances: Mapping[str, float]
    not_rated: tuple[str, ...]
    notes: tuple[str, ...]
    model: Mapping[str, Any]

    def _repr_html_(self) -> str:
        from predictor.model.notebook import prediction_html

        return prediction_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data, ready for JSON."""
        # Written out, since `dataclasses.asdict`, which returns the same, takes longer than predicting.
        return {
            **vars(self),
            "interval": {**vars(self.interval)},
            "contributions": tuple([{**vars(contribution)} for contribution in self.contributions]),
            "families": dict(self.families),
            "feature_importances": dict(self.feature_importances),
            "model": _copied(self.model),
        }


def _copied(value: Any) -> Any:
    return {key: _copied(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value
