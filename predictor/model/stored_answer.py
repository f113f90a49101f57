"""A stored answer: a prediction with all the words that depend on the model and on who rated.

It is plain data, made once when the answer is seen, so that it can be shown later by a program with another model.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from predictor.model.wording import simulated_label
from predictor.ratings.catalogue import Catalogue

FORMAT = 1


def stored_answer(
    prediction: Mapping[str, Any],
    catalogue: Catalogue,
    *,
    rated_by: str = "",
    guess: int | None = None,
    not_come_up: Collection[str] = (),
    own_base_rate: bool = False,
    remaining: Mapping[str, Any] | None = None,
    quality: Sequence[str] = (),
    scores: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an answer as plain data, ready to be stored as JSON.

    Parameters
    ----------
    prediction
        As `Prediction.to_dict` returns it.
    catalogue
        Of the model, for labels and families.
    rated_by
        Who rated; empty where not given.
    guess
        The rater's own guess before the answer, 0 to 100 in fives; None where it was skipped.
    not_come_up
        Signals that did not come up, according to the rater.
    own_base_rate
        Whether the base rate is the rater's own, not the model's.
    remaining
        What the rest could still change: `low` and `high`, 0 to 1, and `signals`, the most informative first.
    quality
        Sentences on how good such answers are.
    scores
        Of the model out of fold: ROC AUC and Brier score with their intervals.

    Examples
    --------
    >>> from predictor import OfferModel
    >>> model = OfferModel.published()
    >>> prediction = model.predict({"goals_discussed": 4}).to_dict()
    >>> stored = stored_answer(prediction, model.catalogue, rated_by="candidate", guess=40)
    >>> stored["mark"], stored["labels"]["candidate_appreciation"]
    ('SIMULATED', 'You thanked them')
    """
    trained_on = prediction["model"]["trained_on"]
    simulated = 1.0 if trained_on["simulated"] else float(trained_on.get("prior", {}).get("share", 0.0))
    labels = {signal.name: signal.worded(rated_by).label for signal in catalogue.signals}
    data = {
        "format": FORMAT,
        "prediction": {name: part for name, part in prediction.items() if name != "feature_importances"},
        "rated_by": rated_by,
        "labels": labels | {item.name: item.label for item in catalogue.inputs},
        "families": catalogue.families,
        "total": len(catalogue.signals),
        "own_base_rate": own_base_rate,
        "guess": guess,
        "not_come_up": [*not_come_up],
        "remaining": remaining,
        "quality": [*quality],
        "scores": scores or {},
        "mark": simulated_label(simulated),
        "simulated": simulated,
    }
    return dict(json.loads(json.dumps(data)))
