"""Convert log-odds to probabilities and back; a model's are computed in `evaluator.py`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def probability(log_odds: Any) -> Any:
    """Convert log-odds, of any shape, to probabilities: 1 / (1 + exp(-log_odds)), without overflow.

    Examples
    --------
    >>> float(probability(0.0))
    0.5
    """
    return 1 / (1 + np.exp(-np.maximum(log_odds, -700)))


def one_probability(log_odds: float) -> float:
    """Convert one log-odds to a probability, as `probability` does for many: numpy's start takes longer."""
    return 1 / (1 + math.exp(-max(log_odds, -700.0)))


def logit(share: float) -> float:
    """Convert a share above 0 and below 1 to log-odds.

    Examples
    --------
    >>> logit(0.5)
    0.0
    """
    return math.log(share / (1 - share))
