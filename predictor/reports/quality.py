"""Accuracy in sentences for an estimate: by which subset of the signals was rated, and by who rated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from predictor.model.data import ModelData
from predictor.model.subsets import EVERYTHING, LEAST_SHARE_RATED, Subset, subsets
from predictor.model.wording import TEXTS, of_100
from predictor.reports.measured_scores import MeasuredValue


def quality(model: ModelData, by_role: Mapping[str, MeasuredValue] | None = None) -> dict[str, Any]:
    """Return the sentences, as far as training measured how good estimates are.

    Parameters
    ----------
    model
        Its own scores, by how much was rated, are in it.
    by_role
        ROC AUC by who rated, see `accuracy_by_role`.

    Returns
    -------
    dict
        With 24 signals `mostly` is 16: if 16 or more are rated, the sentence is `all`. Otherwise it is that of the
        first of `parts`, sides and families, which has all rated `signals` among its own, and `least` of them rated;
        or else `by_count`, for 1, 2, ... signals rated. `by_role` has one by who rated, and `unknown` one for a model
        that was not measured.

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
        everything = _sentence("With everything rated", measured[EVERYTHING]["roc_auc"], measured[EVERYTHING]["n"])
    elif scores:
        everything = _sentence("With everything rated", scores["roc_auc"], model.trained_on["n"])
    return {
        "mostly": LEAST_SHARE_RATED * total,
        "all": everything,
        "parts": [
            {
                "signals": part.signals,
                "least": math.ceil(LEAST_SHARE_RATED * len(part.signals)),
                "sentence": _of_part(part, measured),
            }
            for part in groups
        ],
        "by_count": [
            counts[min(counts, key=lambda count: abs(math.log(count / rated)))] if counts else ""
            for rated in range(1, total + 1)
        ],
        "by_role": {
            role: _sentence(f"Where the {role} rated", (it.value, it.low, it.high), it.n, "quality_brief")
            for role, it in (by_role or {}).items()
        },
        "unknown": TEXTS["quality_unknown"],
    }


def sentences_for(known: Mapping[str, Any], rated: Sequence[int], role: str) -> list[str]:
    """Choose from `quality` the sentences for an estimate, as `page.js` does.

    Parameters
    ----------
    known
        As `quality` returns it.
    rated
        Places of the signals that were rated.
    role
        Who rated; empty if not known.
    """
    if not rated or len(rated) >= known["mostly"]:
        nearest = known["all"]
    else:
        fitting = (part for part in known["parts"] if len(rated) >= part["least"] and {*rated} <= {*part["signals"]})
        by_count = known["by_count"][len(rated) - 1] or known["all"]
        nearest = next((part["sentence"] for part in fitting), by_count)
    return [nearest or known["unknown"], *filter(None, [known["by_role"].get(role)])]


def _of_part(part: Subset, measured: Mapping[str, Any]) -> str:
    words = f"{part.words} alone" if part.count is None else part.words
    return _sentence(f"With {words}", measured[part.name]["roc_auc"], measured[part.name]["n"])


def _sentence(subject: str, scores: Sequence[float], n: int, text: str = "quality") -> str:
    value, low, high = map(of_100, scores)
    return TEXTS[text].format(subject=subject, value=value, low=low, high=high, n=f"{n:,}")
