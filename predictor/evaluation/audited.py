"""`AuditResult`: an `Audit` with its model, proxies and warnings, as reports show it and audit.json holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.evaluation.audit import Audit
from predictor.evaluation.left_out import LeftOut
from predictor.evaluation.proxies import Proxy
from predictor.model.offer_model import OfferModel

WORDS = "Selection rate, scoring rate and impact ratio as defined in 6 RCNY 5-300; not an independent bias audit."


@dataclass(frozen=True, eq=False)
class AuditResult:
    """The results of an audit of a model.

    Attributes
    ----------
    model
        The audited model.
    source
        The file of the rows.
    simulated
        Whether the rows, or the training rows, are simulated.
    made
        When, UTC, ISO 8601.
    audit
        Rates, ratios, calibration and errors.
    n_out_of_fold, n_new
        Rows predicted by models that had not seen them, and new rows, predicted by the model itself.
    proxies
        How well signals predict groups.
    left_out
        The effect of leaving out a family or a signal; empty if it could not be measured.
    left_out_by, left_out_n
        A sentence: which models that was measured with, or why it was not; and on how many rows.
    warnings
        What to know before relying on the figures.
    """

    model: OfferModel
    source: str
    simulated: bool
    made: str
    audit: Audit
    n_out_of_fold: int
    n_new: int
    proxies: Sequence[Proxy]
    left_out: Sequence[LeftOut]
    left_out_by: str
    left_out_n: int
    warnings: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON; NaN and infinity become null."""
        model = self.model
        return {
            "words": WORDS,
            "made": self.made,
            "model": {"name": model.name, "fingerprint": model.fingerprint},
            "simulated": self.simulated,
            "source": self.source,
            "n_out_of_fold": self.n_out_of_fold,
            "n_new": self.n_new,
            "audit": plain(self.audit),
            "proxies": plain(list(self.proxies)),
            "left_out": plain(list(self.left_out)),
            "left_out_by": self.left_out_by,
            "left_out_n": self.left_out_n,
            "warnings": list(self.warnings),
        }


def plain(value: Any) -> Any:
    """Convert dataclasses and numpy values to JSON types; NaN and infinity become None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
