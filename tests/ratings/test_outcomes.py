"""Outcomes in files: known words, and words that the user names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictor import Catalogue, OfferModel, TrainingConfig, read_ratings, train
from predictor.cli.registry import _answers
from predictor.errors import ConfigError, RatingsError
from predictor.sources.drafting.write import draft_catalogue

ROWS = "goals_discussed,candidate_id,offer\n4,a,{0}\n2,b,{1}\n3,c,\n5,d,{0}\n"
WORDS = [
    ("hired", "not hired"),
    ("Offer", "Rejected"),
    ("accepted", "declined"),
    ("offered", "no-offer"),
    ("TRUE", "0"),
]


@pytest.mark.parametrize(("offer", "none"), WORDS)
def test_known_outcome_words_are_read(tmp_path: Path, offer: str, none: str) -> None:
    (path := tmp_path / "a.csv").write_text(ROWS.format(offer, none))
    np.testing.assert_array_equal(read_ratings(path, training=True).y, [1, 0, np.nan, 1])


@pytest.mark.parametrize(("offer", "none"), [("Ja", "Nein"), ("no", "yes"), ("2", "1"), ("oui", "no")])
def test_a_named_outcome_word_is_read(tmp_path: Path, offer: str, none: str) -> None:
    (path := tmp_path / "a.csv").write_text(ROWS.format(offer, none))
    np.testing.assert_array_equal(read_ratings(path, training=True, offer_word=offer).y, [1, 0, np.nan, 1])
    assert "--offer-word" in draft_catalogue(path, outcome="offer", group="candidate_id", offer_word=offer)


def test_an_unknown_outcome_word_must_be_named(tmp_path: Path) -> None:
    (path := tmp_path / "a.csv").write_text(ROWS.format("Ja", "Nein"))
    with pytest.raises(RatingsError, match="name it: --offer-word WORD"):
        read_ratings(path, Catalogue.shipped(), training=True)
    with pytest.raises(RatingsError, match="'Si' does not occur in the column"):
        read_ratings(path, Catalogue.shipped(), training=True, offer_word="Si")
    with path.open("a") as file:
        file.write("3,e,vielleicht\n")
    with pytest.raises(RatingsError, match="is one of several outcomes other than 'Ja', so it may not mean no offer"):
        read_ratings(path, Catalogue.shipped(), training=True, offer_word="Ja")


@pytest.mark.parametrize("words", [{"offer_word": " "}, {"unknown_words": ["Ja", ""]}])
def test_an_empty_outcome_word_is_refused_with_one_message(tmp_path: Path, words: dict[str, Any]) -> None:
    (path := tmp_path / "a.csv").write_text(ROWS.format("Ja", "Nein"))
    with pytest.raises(ConfigError, match=r"^--\w+-word is empty; give a word exactly as in the file"):
        read_ratings(path, training=True, **words)


def test_outcome_words_of_a_training_are_stored_and_reused(tmp_path: Path) -> None:
    """A comparison with the champion reads the file again, and must know the same words."""
    signals = Catalogue.shipped().names
    rows = [[i % 5 + 1] * len(signals) + [f"c{i}", ("Ja", "Nein", "Maybe", "Nein")[i % 4]] for i in range(40)]
    pd.DataFrame(rows, columns=[*signals, "candidate_id", "offer"]).to_csv(path := tmp_path / "a.csv", index=False)
    how: dict[str, Any] = {"offer_word": "Ja", "unknown_words": ["Maybe"]}
    ratings = read_ratings(path, training=True, **how)
    config = TrainingConfig(repeats=1, resamples=20, baselines=("base_rate",))
    trained = OfferModel.load(train(ratings, config, curve=False).model.save(tmp_path / "m.json"))
    assert trained.trained_on["read_with"] == how
    champion, y = OfferModel.published(), ratings.labelled().y
    answers = _answers(champion, trained, y, None)
    np.testing.assert_array_equal(
        answers, champion.predict_many(ratings.labelled(), interval=False)["offer_probability"]
    )
    path.rename(moved := tmp_path / "b.csv")
    in_a_sheet = replace(trained, trained_on={**trained.trained_on, "read_with": {**how, "sheet": "x"}})
    np.testing.assert_array_equal(_answers(champion, in_a_sheet, y, moved), answers)


@pytest.mark.parametrize(("offer", "none", "third"), [("hired", "rejected", "pending"), ("Ja", "no", "yes")])
def test_a_third_outcome_word_is_never_taken_for_no_offer(tmp_path: Path, offer: str, none: str, third: str) -> None:
    (path := tmp_path / "a.csv").write_text(ROWS.format(offer, none) + f"3,e,{third}\n")
    with pytest.raises(RatingsError, match=f"row 5, offer: '{third}' is one of several outcomes other than"):
        read_ratings(path, training=True, offer_word=offer)
    with pytest.raises(RatingsError, match="which is not an outcome"):
        draft_catalogue(path, outcome="offer", group="candidate_id", offer_word=offer)
