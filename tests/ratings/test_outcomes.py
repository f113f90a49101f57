"""Outcomes in files: known words, and a word of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from predictor import Catalogue, read_ratings
from predictor.errors import RatingsError
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
def test_known_words(tmp_path: Path, offer: str, none: str) -> None:
    (path := tmp_path / "a.csv").write_text(ROWS.format(offer, none))
    np.testing.assert_array_equal(read_ratings(path, training=True).y, [1, 0, np.nan, 1])


@pytest.mark.parametrize(("offer", "none"), [("Ja", "Nein"), ("no", "yes"), ("2", "1"), ("oui", "no")])
def test_a_word_of_ones_own(tmp_path: Path, offer: str, none: str) -> None:
    (path := tmp_path / "a.csv").write_text(ROWS.format(offer, none))
    np.testing.assert_array_equal(read_ratings(path, training=True, offer_word=offer).y, [1, 0, np.nan, 1])
    assert "--offer-word" in draft_catalogue(path, outcome="offer", group="candidate_id", offer_word=offer)


def test_a_word_that_is_not_known_is_asked_for(tmp_path: Path) -> None:
    (path := tmp_path / "a.csv").write_text(ROWS.format("Ja", "Nein"))
    with pytest.raises(RatingsError, match="name it: --offer-word WORD"):
        read_ratings(path, Catalogue.shipped(), training=True)
    with pytest.raises(RatingsError, match="'Si' is no outcome there"):
        read_ratings(path, Catalogue.shipped(), training=True, offer_word="Si")
    with path.open("a") as file:
        file.write("3,e,vielleicht\n")
    with pytest.raises(RatingsError, match="one of 2 other outcomes than 'Ja'"):
        read_ratings(path, Catalogue.shipped(), training=True, offer_word="Ja")
