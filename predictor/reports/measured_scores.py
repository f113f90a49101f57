"""What training measured of a model: accuracy by who rated, importances with intervals.

It is in the training's folder, and is shown only if the folder is that of this model.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from predictor.model.offer_model import OfferModel
from predictor.ratings.catalogue import ROLE
from predictor.training_folder import IMPORTANCES, MODEL, RECORD

MEANINGS = {
    "log_loss": "Mean surprise at what happened; 0 is best.",
    "brier": "Mean squared distance of probability and outcome; 0 is best.",
    "roc_auc": "How often an offer is ranked above a non-offer; 0.5 is chance, 1 is best.",
    "average_precision": "Mean precision over recall; the share of offers is chance, 1 is best.",
    "calibration_error": "Mean distance of predicted and observed shares in ten bins; 0 is best.",
    "calibration_slope": "1 is best; below 1 the predictions are too extreme, above 1 too timid.",
}
UNREADABLE = (OSError, ValueError, KeyError, TypeError, csv.Error)


@dataclass(frozen=True)
class MeasuredValue:
    """A measured value with its 90 % interval, on n interviews.

    Raises
    ------
    ValueError
        If the value is not inside its interval.
    """

    value: float
    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high < float("inf"):
            raise ValueError(f"{self.value} is not inside {self.low} to {self.high}")


@lru_cache(maxsize=2)
def accuracy_by_role(folder: Path, model: OfferModel) -> dict[str, MeasuredValue]:
    """Read the accuracy by role: ROC AUC, 0 to 1, on interviews that were not seen in training.

    Parameters
    ----------
    folder
        Of the training, as in experiments/models/NAME.
    model
        Whose catalogue says who may have rated.

    Returns
    -------
    dict
        By role, where it was measured; empty where there is no such training or it cannot be read.
    """
    try:
        if not _is_of(folder, model.fingerprint):
            return {}
        roles = next((item.levels for item in model.catalogue.inputs if item.name == ROLE), ())
        metrics = json.loads((folder / RECORD).read_bytes())["metrics"]
        accuracies = {role: [metrics.get(f"rated_by_{role}/{end}") for end in _ENDS] for role in roles}
        return {
            role: MeasuredValue(value, low, high, int(n))
            for role, (value, low, high, n) in accuracies.items()
            if None not in (value, low, high, n)
        }
    except UNREADABLE:
        return {}


@lru_cache(maxsize=2)
def importances(folder: Path, fingerprint: str) -> dict[str, dict[str, MeasuredValue]]:
    """Read the importances: mean absolute contribution in log-odds, 0 or more, with a jackknife interval over folds.

    Parameters
    ----------
    folder
        As for `accuracy_by_role`.
    fingerprint
        Of the model.

    Returns
    -------
    dict
        By "signal", "family" and "side", then by name; of a family or side, of its signals' summed contributions.
        Empty where there is no such training, it was not cross-validated, or it cannot be read.
    """
    figures: dict[str, dict[str, MeasuredValue]] = {}
    try:
        if _is_of(folder, fingerprint):
            with (folder / IMPORTANCES).open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    value, low, high = (float(row[f"contribution{end}"]) for end in ("", "_low", "_high"))
                    figures.setdefault(row["kind"], {})[row["name"]] = MeasuredValue(value, low, high, int(row["n"]))
    except UNREADABLE:
        return {}
    return figures


_ENDS = ("roc_auc", "roc_auc_low", "roc_auc_high", "n")


def _is_of(folder: Path, fingerprint: str) -> bool:
    return bool(json.loads((folder / MODEL).read_bytes())["fingerprint"] == fingerprint)
