"""Which words mean an offer: a list of words decides, and never the alphabetical order of a column's two words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import ConfigError, Problem
from predictor.ratings.cells import says_not_observed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Cells = Sequence[Any] | NDArray[Any]

# Among them the words for true and false that spreadsheets write in other languages. "ja" is not one of them: it is
# named with --offer-word, and then "nein" may mean no offer.
YES = {
    *("1", "yes", "y", "true", "wahr", "vrai", "verdadero", "verdadeiro", "vero", "waar", "prawda", "sant", "sann"),
    *("sand", "tosi", "pravda", "igaz"),
}
NO = {
    *("0", "no", "n", "false", "falsch", "faux", "falso", "onwaar", "fałsz", "falskt", "usann", "falsk", "epätosi"),
    *("nepravda", "hamis"),
}
# Words of an outcome in files, and classes of `OfferClassifier`. Ambiguous words, such as "passed", are not among them.
# "accepted" and "declined" are, as a pair: in a table with one outcome per interview they are the employer's decision.
# In exports of hiring systems, "declined" is the person's answer to an offer; `predictor.sources.scorecards.outcomes`
# has the rules for those.
OFFER = YES | {"offer", "offered", "hire", "hired", "accept", "accepted"}
NO_OFFER = NO | {
    *("no offer", "not offered", "no hire", "not hired", "not accepted"),
    *("reject", "rejected", "rejection", "decline", "declined"),
}
_NUMBER = re.compile(r"([+-]?)0*(\d{1,15})(?:[.,]0*)?", re.ASCII)  # a whole number, as a column of decimals writes it
_WORD_SEPARATOR = re.compile(r"\s+|(?<=[^\W\d_])[_-](?=[^\W\d_])")  # not the minus of -1


def normalise_outcome(cell: Any) -> str:
    """Normalise an outcome for comparison: without case, words separated by single blanks.

    Examples
    --------
    >>> normalise_outcome(" Not-Hired"), normalise_outcome(True), normalise_outcome(-1), normalise_outcome("1.00")
    ('not hired', 'true', '-1', '1')
    """
    word = _WORD_SEPARATOR.sub(" ", str(cell)).strip().casefold()
    if number := _NUMBER.fullmatch(word):
        return "-" * (number[1] == "-" and number[2] != "0") + number[2]
    return word


def is_offer(cell: Any) -> bool | None:
    """Return whether an outcome means an offer; None if its word is not known.

    Examples
    --------
    >>> is_offer("Hired"), is_offer("not hired"), is_offer("pending")
    (True, False, None)
    """
    word = normalise_outcome(cell)
    return True if word in OFFER else False if word in NO_OFFER else None


def other_words(cells: Iterable[Any], offer_word: str) -> list[str]:
    """Return the distinct words that are neither `offer_word` nor known to mean no offer.

    A word that is not known counts as no offer if it is the only other one.

    Examples
    --------
    >>> other_words(["Ja", "Nein", ""], "ja"), other_words(["hired", "rejected", "pending"], "hired")
    ([], ['pending'])
    """
    words = [
        word for word in dict.fromkeys(map(normalise_outcome, cells)) if word and word != normalise_outcome(offer_word)
    ]
    return [word for word in words if word not in NO_OFFER] if len(words) > 1 else []


@dataclass(frozen=True)
class OutcomeRules:
    """How outcomes are read.

    Attributes
    ----------
    name
        The column.
    empty_word
        How messages call an empty cell in this format.
    offer_word
        The outcome that means an offer, if it is an unusual word.
    unknown_words
        Outcomes that count as unknown.
    ignored
        Whether to ignore the column, as for a prediction: every outcome is then unknown.

    Raises
    ------
    ConfigError
        If one of these words is empty: an empty cell is unknown anyway.
    """

    name: str
    empty_word: str
    offer_word: str | None = None
    unknown_words: tuple[str, ...] = ()
    ignored: bool = False

    def __post_init__(self) -> None:
        for word, option in (
            (self.offer_word, "--offer-word"),
            *((word, "--unknown-word") for word in self.unknown_words),
        ):
            if word is not None and not word.strip():
                raise ConfigError(f"{option} is empty; give a word exactly as in the file, or leave the option out")

    @property
    def reading_options(self) -> dict[str, Any]:
        """The words given by options, as arguments for reading the same file again."""
        words = {"offer_word": self.offer_word, "unknown_words": list(self.unknown_words)}
        return {name: word for name, word in words.items() if word}

    def parse(self, cells: Cells) -> tuple[Floats, list[Problem]]:
        """Parse outcomes into 1 (offer), 0 (no offer) and NaN (unknown)."""
        y, problems, unclear = np.full(len(cells), np.nan), list[Problem](), list[str]()
        if self.ignored:
            message, nested = "must be text or a number", (Mapping, list, tuple, set)
            rows = [row for row, cell in enumerate(cells, 1) if isinstance(cell, nested)]
            return y, [Problem(message, row, self.name, repr(cells[row - 1])) for row in rows]
        texts = ["" if cell is None or (isinstance(cell, float) and math.isnan(cell)) else str(cell) for cell in cells]
        unknown = {normalise_outcome(word) for word in self.unknown_words}
        message = (
            f"is not an outcome; write yes or no (or 1 or 0), or leave it {self.empty_word} where unknown; where "
            "another word means an offer, name it: --offer-word WORD; where it means unknown: --unknown-word WORD"
        )
        if self.offer_word is not None:
            known = [cell for cell in texts if normalise_outcome(cell) not in unknown and not says_not_observed(cell)]
            unclear = other_words(known, self.offer_word)
            message = (
                f"is one of several outcomes other than '{self.offer_word}', so it may not mean no offer; write no, "
                f"leave it {self.empty_word} where unknown, or name it: --unknown-word WORD"
            )
        plain = {cell: normalise_outcome(cell) for cell in dict.fromkeys(texts)}
        for word, meant in ((self.offer_word, "an offer"), *((word, "unknown") for word in self.unknown_words)):
            if word is not None and normalise_outcome(word) not in plain.values():
                problems.append(
                    Problem(f"does not occur in the column, so it cannot mean {meant}", None, self.name, word)
                )
        if self.offer_word is not None and normalise_outcome(self.offer_word) in unknown:
            problems.append(Problem("cannot mean an offer and unknown", None, self.name, self.offer_word))
        offers = {cell: math.nan if word in unknown else self._offer(word, unclear) for cell, word in plain.items()}
        for row, cell in enumerate(texts):
            if (offer := offers[cell]) is None:
                problems.append(Problem(message, row + 1, self.name, cell))
            else:
                y[row] = offer
        return y, problems

    def _offer(self, word: str, unclear: Sequence[str]) -> float | None:
        """Return 1 for an offer, 0 for none, NaN if the word means unknown, None if it is not clear what it means."""
        if self.offer_word is None:
            offer = is_offer(word)
            return math.nan if offer is None and says_not_observed(word) else offer
        if word == normalise_outcome(self.offer_word):
            return 1.0
        if word in unclear:
            return None
        return math.nan if says_not_observed(word) else 0.0
