"""Groups of people for an audit: the category of each row, and rows whose category is not known.

Groups are never an input of a model: they are only compared with its predictions.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import ConfigError

MOST_CATEGORIES = 40  # of an axis; a column with more holds a number or an id rather than groups
CROSSED = " and "
# Words of forms and of hiring systems for a group that is not known, in lower case.
UNKNOWN = frozenset(
    [
        "", "-", "?", "n/a", "na", "nan", "none", "null", "unknown", "not known", "not given", "not disclosed",
        "undisclosed", "declined", "decline to answer", "decline to self identify", "decline to self-identify",
        "declined to answer", "declined to self identify", "declined to self-identify", "prefer not to say",
        "prefer not to answer", "i prefer not to say", "i prefer not to answer", "i don't wish to answer",
        "i do not wish to answer", "i don't want to answer", "i do not want to answer", "not specified", "not stated",
        "no answer", "no response", "missing", "choose not to disclose", "i choose not to disclose", "decline",
        "prefer not to disclose", "prefer not to self-identify", "prefer not to self identify", "rather not say",
        "decline to state", "declined to state", "not reported", "not answered", "unspecified", "n.a.", "<na>", "nat",
        "not applicable", "i choose not to self-identify", "i don't wish to disclose", "i do not wish to disclose",
        "keine angabe", "k. a.", "k.a.", "unbekannt", "non précisé", "ne souhaite pas répondre", "prefiero no decirlo",
    ]
)  # fmt: skip


def is_unknown(word: str) -> bool:
    """Whether a cell does not name a group.

    >>> is_unknown(" I don\N{RIGHT SINGLE QUOTATION MARK}t wish to  answer"), is_unknown("Female")
    (True, False)
    """
    return " ".join(word.split()).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") in UNKNOWN


@dataclass(frozen=True, eq=False)
class Axis:
    """One way to group rows, such as sex, or sex crossed with race/ethnicity.

    Attributes
    ----------
    name
        Its name in reports.
    categories
        Names, the most rows first.
    place
        Number of each row's category, shape (n,); -1 if it is not known.
    crossed
        Whether it combines two others.
    unknown_words
        The texts of cells that name no category, with the number of rows; "" is an empty cell.
    """

    name: str
    categories: tuple[str, ...]
    place: NDArray[np.int64]
    crossed: bool = False
    unknown_words: tuple[tuple[str, int], ...] = ()

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows whose category is known, shape (n,)."""
        return self.place >= 0

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows by category, shape (categories,)."""
        return np.bincount(self.place[self.known], minlength=len(self.categories))


def axis_of(name: str, words: NDArray[Any]) -> Axis:
    """Group rows by the words of a column.

    Parameters
    ----------
    name
        Its name in reports.
    words
        The column, shape (n,).

    Raises
    ------
    ConfigError
        If there are more than 40 categories, or no known one.

    Examples
    --------
    >>> sex = axis_of("sex", np.array(["Female", "Male ", "female", "", "Decline To Self Identify"]))
    >>> sex.categories, sex.place.tolist()
    (('Female', 'Male'), [0, 1, 0, -1, -1])
    """
    text = [" ".join(unicodedata.normalize("NFC", str(word)).split()) for word in words]
    missing = [is_unknown(word) for word in text]
    unknown = Counter(word for word, there in zip(text, missing, strict=True) if there)
    known = Counter(word for word, there in zip(text, missing, strict=True) if not there)
    spelling: dict[str, str] = {}  # of words that differ only in case, the most frequent
    for word, _ in sorted(known.items(), key=lambda item: (-item[1], item[0])):
        spelling.setdefault(word.casefold(), word)
    text = [spelling.get(word.casefold(), word) for word in text]
    known = Counter(word for word, there in zip(text, missing, strict=True) if not there)
    if not known:
        raise ConfigError(f"--attribute {name}: the column has no known category in any of {len(text):,} rows")
    if len(known) > MOST_CATEGORIES:
        raise ConfigError(
            f"--attribute {name}: the column has {len(known):,} different values, such as '{min(known)[:40]}'; name a "
            f"column of at most {MOST_CATEGORIES} groups, for numbers one of classes such as '40 or older'"
        )
    categories = tuple(sorted(known, key=lambda word: (-known[word], word)))
    number = {word: place for place, word in enumerate(categories)}
    place = np.array([number.get(word, -1) for word in text], dtype=np.int64)
    return Axis(name, categories, place, unknown_words=tuple(unknown.most_common()))


def cross(first: Axis, second: Axis) -> Axis:
    """Cross two ways to group rows; a row whose category is unknown in one of them is unknown.

    Examples
    --------
    >>> sex, race = axis_of("sex", np.array(["F", "M", ""])), axis_of("race", np.array(["A", "A", "B"]))
    >>> both = cross(sex, race)
    >>> both.name, both.categories, both.place.tolist()
    ('sex and race', ('F and A', 'M and A'), [0, 1, -1])
    """
    known = first.known & second.known
    number = first.place * len(second.categories) + second.place
    counts = Counter(number[known].tolist())
    order = sorted(counts, key=lambda pair: (-counts[pair], pair))
    names = [
        f"{first.categories[pair // len(second.categories)]}{CROSSED}{second.categories[pair % len(second.categories)]}"
        for pair in order
    ]
    place_of = {pair: place for place, pair in enumerate(order)}
    place = np.array([place_of[pair] if both else -1 for pair, both in zip(number.tolist(), known, strict=True)])
    return Axis(f"{first.name}{CROSSED}{second.name}", tuple(names), place.astype(np.int64), crossed=True)


def axes_of(columns: Mapping[str, NDArray[Any]]) -> list[Axis]:
    """Group rows by each of several columns, and by each pair of them crossed.

    Raises
    ------
    ConfigError
        If a column is not a column of groups; see `axis_of`.
    """
    single: Sequence[Axis] = [axis_of(name, words) for name, words in columns.items()]
    return [*single, *(cross(first, second) for first, second in combinations(single, 2))]
