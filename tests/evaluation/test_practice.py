"""Differences to the best rating in own signals: an association, shown only with enough ratings."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from predictor import Catalogue, OfferClassifier, OfferModel, Ratings, simulate_interviews
from predictor.errors import ConfigError
from predictor.evaluation.practice import NEEDED, practice

MODEL = OfferModel.published()


def test_the_gain_is_the_mean_difference_to_the_best_rating() -> None:
    rows = simulate_interviews(40, seed=6)
    seen = practice(MODEL, rows)
    assert {own.signal for own in seen.signals} | {label for label, _ in seen.thin} == {
        signal.name for signal in MODEL.catalogue.signals if signal.side == "candidate"
    }
    assert seen.people == len({*rows.columns["candidate_id"]})
    assert dict(seen.raters) == Counter(rows.columns["rater_role"])
    for own in seen.signals[:3]:
        place = MODEL.signals.index(own.signal)
        gains = []
        for row in range(len(rows)):
            record = {"rater_role": str(rows.columns["rater_role"][row]), **rows.ratings_of_row(row)}
            if not np.isnan(rows.values[row, place]):
                best = MODEL.predict({**record, own.signal: 5}).offer_probability
                gains.append(best - MODEL.predict(record).offer_probability)
        assert own.n == len(gains) == sum(count for _, count in own.counts)
        assert own.gain == pytest.approx(100 * np.mean(gains), abs=1e-9)
        assert own.best[0] == "5"


def test_too_few_ratings_give_no_gain() -> None:
    rows = [{"candidate_enthusiasm": 1}] * (NEEDED - 1)
    seen = practice(MODEL, Ratings.from_records(rows, MODEL.catalogue))
    assert not seen.signals
    assert ("Candidate shows enthusiasm", NEEDED - 1) in seen.thin


def test_the_lowest_rating_is_best_if_lower_is_better() -> None:
    signals = tuple(replace(signal, better="lower") for signal in MODEL.catalogue.signals)
    model = replace(MODEL, catalogue=replace(MODEL.catalogue, signals=signals))
    rows = Ratings.from_records([{"candidate_enthusiasm": 4}] * NEEDED, model.catalogue)
    assert practice(model, rows).signals[0].best[0] == "1"


def test_another_input_is_not_used_as_the_rater_role() -> None:
    catalogue = replace(MODEL.catalogue, inputs=(replace(MODEL.catalogue.inputs[0], name="medium"),))
    rows = simulate_interviews(40, seed=6).labelled()
    frame = rows.features.drop(columns="rater_role").assign(medium=rows.columns["rater_role"])
    other = Ratings.from_frame(frame, catalogue)
    assert practice(OfferClassifier(catalogue).fit(other.features, rows.y).model_, other).raters == ()


def test_ratings_of_another_catalogue_are_refused() -> None:
    other = replace(Catalogue.shipped(), signals=Catalogue.shipped().signals[:3])
    with pytest.raises(ConfigError, match="follow the catalogue"):
        practice(MODEL, Ratings.from_records([{other.names[0]: 3}], other))
