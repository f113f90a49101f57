"""Which words mean an offer: outcomes as people write them, told apart by what they mean and never by the alphabet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

YES = {"1", "1.0", "yes", "y", "true"}
NO = {"0", "0.0", "no", "n", "false"}
# Words of an outcome in files, and classes of `OfferClassifier`.
# What may mean either, such as "passed", is not among them.
OFFER = YES | {"offer", "offered", "hire", "hired", "accept", "accepted"}
NO_OFFER = NO | {
    *("no offer", "not offered", "no hire", "not hired", "not accepted"),
    *("reject", "rejected", "rejection", "decline", "declined"),
}
_SEAM = re.compile(r"\s+|(?<=[^\W\d_])[_-](?=[^\W\d_])")  # the minus of -1 parts no words


def plain_word(cell: Any) -> str:
    """Bring an outcome to the form in which it is compared: words without case, single blanks for all that parts them.

    >>> plain_word(" Not-Hired"), plain_word(True), plain_word(-1)
    ('not hired', 'true', '-1')
    """
    return _SEAM.sub(" ", str(cell)).strip().casefold()


def is_offer(cell: Any) -> bool | None:
    """Whether an outcome means an offer; None where its word is not known.

    >>> is_offer("Hired"), is_offer("not hired"), is_offer("pending")
    (True, False, None)
    """
    word = plain_word(cell)
    return True if word in OFFER else False if word in NO_OFFER else None


def other_words(cells: Iterable[Any], offer_word: str) -> list[str]:
    """Words of a column, each once, that are neither the word for an offer nor known to mean none."""
    words = dict.fromkeys(plain_word(cell) for cell in cells)
    return [word for word in words if word and word != plain_word(offer_word) and word not in NO_OFFER]
