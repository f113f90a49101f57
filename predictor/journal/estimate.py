"""The model's estimate when an interview was rated: the likelihood, its interval, and which model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from predictor.errors import JournalError
from predictor.model.prediction import Prediction


@dataclass(frozen=True)
class Estimate:
    """A model's estimate for an interview when it was rated.

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
        If a share is not from 0 to 1, or not low <= probability <= high.

    Examples
    --------
    >>> Estimate(0.4, 0.2, 0.7, "mine", "0123456789abcdef", simulated=0.9).label
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
        """Return the estimate of a prediction, with the base rate that was asked for, if any."""
        return cls.of_answer({"prediction": prediction.to_dict()}, base_rate)

    @classmethod
    def of_answer(cls, answer: Mapping[str, Any], base_rate: float | None = None) -> Estimate:
        """Return the estimate of an answer as a page showed it: plain data with the key `prediction`."""
        prediction = answer["prediction"]
        interval, model = prediction["interval"], prediction["model"]
        trained_on = model["trained_on"]
        simulated = 1.0 if trained_on["simulated"] else trained_on.get("prior", {}).get("share", 0.0)
        p, low, high = prediction["offer_probability"], interval["low"], interval["high"]
        return cls(p, low, high, model["name"], model["fingerprint"], simulated, base_rate)

    @property
    def label(self) -> str:
        """The label that must be shown with it: "SIMULATED", "in part SIMULATED", or nothing."""
        return "SIMULATED" if self.simulated == 1 else "in part SIMULATED" if self.simulated else ""
