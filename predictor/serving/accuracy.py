"""How well the model that is served ranks interviews by who rated them, as the record of its training tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

MODEL, RECORD = "model.json", "record.json"  # of a training's folder


@dataclass(frozen=True)
class Accuracy:
    """ROC AUC, 0 to 1, with its 90 % interval, on n interviews that were not seen in training."""

    value: float
    low: float
    high: float
    n: int


@lru_cache(maxsize=2)
def accuracy_by_role(folder: Path, fingerprint: str, roles: tuple[str, ...]) -> dict[str, Accuracy]:
    """Read the accuracy by role from the folder of a training, if it is the training of that very model.

    Parameters
    ----------
    folder
        Of the training, as in experiments/models/NAME.
    fingerprint
        Of the model that is served.
    roles
        Who may have rated.

    Returns
    -------
    dict
        By role, where it was measured; empty where there is no such training or it cannot be read.
    """
    try:
        if json.loads((folder / MODEL).read_bytes())["fingerprint"] != fingerprint:
            return {}
        metrics = json.loads((folder / RECORD).read_bytes())["metrics"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    found = {role: [metrics.get(f"rated_by_{role}/roc_auc{end}") for end in ("", "_low", "_high")] for role in roles}
    return {
        role: Accuracy(numbers[0], numbers[1], numbers[2], int(metrics[f"rated_by_{role}/n"]))
        for role, numbers in found.items()
        if None not in numbers and f"rated_by_{role}/n" in metrics
    }
