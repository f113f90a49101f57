"""What would change an answer: exact by brute force, of the candidate's own signals only, worded as an association."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import predictor.model.changes as changes
from predictor import Catalogue, OfferModel, Prediction, Ratings, what_would_change
from predictor.errors import ConfigError
from predictor.model.data import Pair, TypicalRange
from predictor.model.gaps import Gaps
from predictor.ratings.signals import ContextInput, Scale, Signal

OWN = ("a", "b", "c")
SMALL = Catalogue(
    "small",
    "Small",
    (
        *(Signal(name, name.upper(), "f", "candidate", scale=Scale(1, 4)) for name in OWN),
        Signal("host", "Host", "f", "interviewer", scale=Scale(1, 4)),
    ),
    {"f": "Family"},
    (ContextInput("role", "Role", ("x", "y")),),
)
CELLS = {**dict.fromkeys(SMALL.names, 5), "role": 3}


def hand_made(tables: dict[str, Any], pairs: dict[tuple[str, str], Any] | None = None) -> OfferModel:
    """Return a model of SMALL with these tables, zeros elsewhere, and no uncertainty."""
    return OfferModel(
        name="small",
        catalogue=SMALL,
        base_rate=0.4,
        intercept=-0.5,
        tables={name: np.array(tables.get(name, np.zeros(n)), dtype=float) for name, n in CELLS.items()},
        pairs=tuple(Pair(first, second, np.array(table)) for (first, second), table in (pairs or {}).items()),
        triples=(),
        factor_model=None,
        gaps=Gaps(),
        intercept_by_rated_count=np.zeros(5),
        factors={"intercept": np.zeros(1), **{name: np.zeros((n, 1)) for name, n in CELLS.items()}},
        variances={name: np.zeros(n) for name, n in CELLS.items()},
        counts={name: np.ones(n) for name, n in CELLS.items()},
        feature_importances=dict.fromkeys(CELLS, 0.0),
        typical_range=TypicalRange((0.0, 1.0), (0.0, 1.0)),
        trained_on={"source": "by hand", "digest": "", "n": 1, "simulated": None},
    )


def which_way(*better: str) -> Catalogue:
    """Draw SMALL with or without a direction for each of the candidate's own signals."""
    own = [replace(signal, better=word) for signal, word in zip(SMALL.signals, better, strict=False)]
    return replace(SMALL, signals=(*own, SMALL.signals[-1]))


def worse(catalogue: Catalogue, name: str, rated: float, other: float) -> bool:
    """Return whether another rating of a signal is worse by the direction in the catalogue."""
    (direction,) = (signal.direction for signal in catalogue.signals if signal.name == name)
    return direction * (other - rated) < 0


@st.composite
def models(draw: st.DrawFn) -> OfferModel:
    """Draw a model of any tables and pairs, or of directions with tables that keep them."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    better = draw(st.sampled_from([("either",) * 3, ("higher", "lower", "higher"), ("higher", "lower", "either")]))
    catalogue = which_way(*better)
    tables = {name: rng.normal(scale=0.5, size=n) for name, n in CELLS.items()}
    for signal in catalogue.signals:
        if signal.direction:
            tables[signal.name][:4] = np.sort(tables[signal.name][:4])[:: signal.direction]
    pairs = [("role", "c"), ("host", "c")] if any(catalogue.directions) else [("a", "b"), ("c", "a"), ("role", "b")]
    chosen = draw(st.sets(st.sampled_from(pairs if better[2] == "either" else [("role", "host")])))
    joint = {(j, k): rng.normal(scale=0.5, size=(CELLS[j], CELLS[k])) for j, k in sorted(chosen)}
    return replace(hand_made(tables, joint), catalogue=catalogue)


rating = st.sampled_from([None, 1, 2, 2.5, 3, 4])


@given(
    model=models(),
    ratings=st.fixed_dictionaries({**dict.fromkeys(SMALL.names, rating), "role": st.sampled_from([None, "x", "y"])}),
    line=st.sampled_from([0.3, 0.5, 0.6, 0.8]),
    base_rate=st.sampled_from([None, 0.2]),
)
@settings(deadline=None)
def test_changes_equal_those_of_a_brute_force_search(
    model: OfferModel, ratings: dict[str, Any], line: float, base_rate: float | None
) -> None:
    answer = model.predict(ratings, base_rate=base_rate)
    found = what_would_change(model, answer, line=line)
    best = (0, -answer.offer_probability) if answer.offer_probability > line else (99, 0.0)
    moving = [name for name in OWN if ratings[name] is not None]
    every = [
        {**ratings, **dict(zip(moving, others, strict=True))}
        for others in product(*({1, 2, 3, 4, ratings[name]} for name in moving))
        if not any(
            worse(model.catalogue, name, ratings[name], other) for name, other in zip(moving, others, strict=True)
        )
    ]
    estimates = model.predict_many(Ratings.from_records(every, model.catalogue), base_rate=base_rate)[
        "offer_probability"
    ]
    for changed, estimate in zip(every, estimates, strict=True):
        if best[0] and estimate > line:
            best = min(best, (sum(math.ceil(abs(changed[name] - ratings[name])) for name in moving), -estimate))
    assert found.reached == (best[0] < 99)
    if found.reached:
        assert found.steps == best[0]
        assert found.probability_after == pytest.approx(-best[1])
        changed = {**ratings, **{change.signal: change.instead for change in found.changes}}
        assert model.predict(changed, base_rate=base_rate).offer_probability == pytest.approx(found.probability_after)
        assert all(change.rated == ratings[change.signal] and change.signal in OWN for change in found.changes)


def printed(model: OfferModel, line: float = 0.5, **ratings: Any) -> changes.WhatWouldChange:
    return what_would_change(model, model.predict(ratings), line=line)


def test_changes_are_worded_as_an_association() -> None:
    # Alone neither a nor b gets there; together they do, with b downwards. The host would, at once, but stays.
    table = np.zeros((5, 5))
    table[3, 0] = 1.0
    model = hand_made({"host": [0, 0, 0, 9, 0]}, {("a", "b"): table})
    found = printed(model, a=3, b=2, host=3)
    assert [(change.signal, change.rated, change.instead) for change in found.changes] == [("a", 3, 4), ("b", 2, 1)]
    assert found.steps == 2
    assert found.sentence == (
        "Among otherwise equal interviews, the model's estimate for these ratings of the candidate's own signals is "
        "62.2 %, above 50 %: A 4 rather than 3, B 1 rather than 2."
    )
    simulated = replace(model, trained_on={**model.trained_on, "simulated": True})
    said = [
        printed(simulated, a=3, b=2).sentence,
        printed(model, 0.9, a=3, b=2).sentence,
        printed(model, a=4, b=1).sentence,
        printed(model, host=3).sentence,
        printed(replace(model, catalogue=which_way("higher", "lower")), 0.9, a=3, b=2).sentence,
        printed(replace(model, catalogue=which_way("higher", "lower")), 0.9, a=4, b=1).sentence,
    ]
    words_of = ("SIMULATED", "none with other", "already above", "was rated", "none with better", "its best rating")
    for sentence, words in zip(said, words_of, strict=True):
        assert words in sentence
    causal = r"\b(because|caus\w*|lead\w*|make\w*|would|should|improv\w*|rais\w*|lower\w*|increas\w*|so that|if you)\b"
    assert not [sentence for sentence in (found.sentence, *said) if re.search(causal, sentence)]


def test_a_search_that_was_cut_short_states_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "BUDGET", 20)
    found = printed(hand_made({}), 0.9, a=2, b=2, c=2)
    assert (found.reached, found.steps) == (False, 1)
    assert "signals, up to 1 step away, above" in found.sentence


def test_the_search_budget_bounds_the_work_for_many_signals(model: OfferModel) -> None:
    """The worst case: all signals are the candidate's, none has a direction, many pairs, an unreachable threshold."""
    signals = tuple(replace(signal, side="candidate", better="either") for signal in model.catalogue.signals)
    zeros = np.zeros((6, 6))
    pairs = tuple(Pair(first.name, second.name, zeros) for first, second in pairwise(signals))
    large = replace(model, catalogue=replace(model.catalogue, signals=signals), pairs=pairs)
    found = printed(large, 1 - 1e-9, **dict.fromkeys(large.signals, 3))
    assert not found.reached
    assert 3 <= found.steps <= 10


def test_invalid_thresholds_and_answers_of_other_models_are_refused(model: OfferModel) -> None:
    answer: Prediction = model.predict({"goals_discussed": 4})
    for wrong in (0, 1, math.nan, True, -0.5):
        with pytest.raises(ConfigError, match="above 0 and below 1"):
            what_would_change(model, answer, line=wrong)
    with pytest.raises(ConfigError, match="not of small"):
        what_would_change(hand_made({}), answer)


def test_an_unreachable_threshold_is_recognised_without_a_search(model: OfferModel) -> None:
    """A better rating never lowers the likelihood, so trying the best ratings of all signals settles it."""
    own = [signal.name for signal in model.catalogue.signals if signal.side == "candidate"]
    best = model.predict(dict.fromkeys(own, 5)).offer_probability
    found = printed(model, best + 1e-9, **dict.fromkeys(own, 1))
    assert (found.reached, found.steps) == (False, 4 * len(own))
    assert "none with better ratings of the candidate's own signals above" in found.sentence
