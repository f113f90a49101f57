"""Accuracy in sentences for the exported page: by which subset of the signals was rated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from predictor.model.data import ModelData
from predictor.model.subsets import EVERYTHING, MOSTLY, Subset, subsets
from predictor.model.wording import TEXTS, of_100


def quality(model: ModelData) -> dict[str, Any]:
    """Return the sentences, as far as training measured how good answers are.

    Returns
    -------
    dict
        `all`: where `mostly` signals or more were rated; `parts`: of sides and families, with the places of their
        signals and how many of them must be rated at least; `by_count`: for 1, 2, ... signals rated; `unknown`: where
        nothing was measured. Empty where there is none.

    Examples
    --------
    >>> from predictor import OfferModel
    >>> quality(OfferModel.published())["parts"]
    []
    """
    measured: Mapping[str, Any] = model.trained_on.get("partial_scores", {})
    total, scores = len(model.signals), model.trained_on.get("scores")
    known = [part for part in subsets(model.catalogue) if part.name in measured and part.name != EVERYTHING]
    groups = sorted((part for part in known if part.count is None), key=lambda part: len(part.signals))
    counts = {part.count: _of_part(part, measured) for part in known if part.count}
    everything = ""
    if EVERYTHING in measured:
        everything = _sentence("everything rated", measured[EVERYTHING]["roc_auc"], measured[EVERYTHING]["n"])
    elif scores:
        everything = _sentence("everything rated", scores["roc_auc"], model.trained_on["n"])
    return {
        "mostly": MOSTLY * total,
        "all": everything,
        "parts": [
            {
                "signals": part.signals,
                "least": math.ceil(MOSTLY * len(part.signals)),
                "sentence": _of_part(part, measured),
            }
            for part in groups
        ],
        "by_count": [
            counts[min(counts, key=lambda count: abs(math.log(count / rated)))] if counts else ""
            for rated in range(1, total + 1)
        ],
        "unknown": TEXTS["quality_unknown"],
    }


def _of_part(part: Subset, measured: Mapping[str, Any]) -> str:
    words = f"{part.words} alone" if part.count is None else part.words
    return _sentence(words, measured[part.name]["roc_auc"], measured[part.name]["n"])


def _sentence(words: str, scores: tuple[float, float, float], n: int) -> str:
    value, low, high = map(of_100, scores)
    return TEXTS["quality"].format(subject=f"With {words}", value=value, low=low, high=high, n=f"{n:,}")
