"""What every system's files hold, in the same columns: cards, their ratings, applications, offers, people.

Each system's module returns a `SourceExport`; the rules that follow (`outcomes`, `assembling`) know no system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor.sources.scorecards.findings import Findings
from predictor.sources.scorecards.levels import FIVE_WORDS, ScoreLevels
from predictor.sources.scorecards.tables import Table, empty, words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

CARD = ("id", "application", "person", "rater", "stage", "status", "submitted", "updated", "overall", "deleted")
RATING = ("card", "signal", "family", "word")
# state: open, hired, rejected, lead, unknown; reason_kind: "" (no reason), ours, theirs, none, unknown
APPLICATION = (
    *("id", "person", "state", "deleted", "anonymised", "expires", "rejected", "hired", "updated"),
    *("reason_kind", "reason_text", "origin"),
)
OFFER = (
    "id",
    "application",
    "state",
    "sent",
    "resolved",
    "created",
    "updated",
    "deleted",
)  # state: sent, waiting, unknown
PERSON = ("id", "deleted", "merged")
GROUP = ("application", "person", "sex", "race", "submitted")


@dataclass
class SourceExport:
    """An export, read and brought to common columns.

    Attributes
    ----------
    system
        Its name, such as "Greenhouse Harvest v3".
    cards, ratings, applications, offers, people, groups
        Tables with the columns above. A rating is of one signal on one card: the signal's name as the system has it,
        its family, its word; `card` is the card's id, or its position among the cards where `by_position`.
    levels, overall_levels
        How words become levels.
    levels_by_signal
        Where signals have scales of their own.
    no_applications
        Whether the export has no table of applications at all.
    naive_times
        Times without a zone, by column.
    ids_may_be_names
        Whether ids are whatever somebody wrote into a spreadsheet.
    about
        What else a reader should know: sentences.
    """

    system: str
    cards: Table = field(default_factory=lambda: empty(CARD))
    ratings: Table = field(default_factory=lambda: empty(RATING))
    applications: Table = field(default_factory=lambda: empty(APPLICATION))
    offers: Table = field(default_factory=lambda: empty(OFFER))
    people: Table = field(default_factory=lambda: empty(PERSON))
    groups: Table = field(default_factory=lambda: empty(GROUP))
    levels: ScoreLevels = FIVE_WORDS
    overall_levels: ScoreLevels = FIVE_WORDS
    levels_by_signal: Mapping[str, ScoreLevels] = field(default_factory=dict)
    by_position: bool = False
    no_applications: bool = False
    naive_times: int = 0
    ids_may_be_names: bool = False
    about: list[str] = field(default_factory=list)

    def set_ratings(
        self, owners: Sequence[int], names: Sequence[str], families: Sequence[str], words: Sequence[Any]
    ) -> None:
        """Take ratings from within the cards: the position of the card of each, its signal, family and word."""
        card = np.array(owners, dtype=np.int64)
        texts = ["" if word is None else str(word) for word in words]
        columns = {"card": card, "signal": words_of(names), "family": words_of(families), "word": words_of(texts)}
        starts = np.searchsorted(card, self.cards.starts).tolist()
        row = self.cards.files_and_rows(card)[1] - 1 if len(card) else card
        self.ratings, self.by_position = Table(pd.DataFrame(columns), list(self.cards.files), starts, row), True


def compact(export: SourceExport) -> None:
    """Keep each different text of a column once: a text a row is what fills the memory."""
    for table in (export.cards, export.ratings, export.applications, export.offers, export.people, export.groups):
        for name, column in table.frame.items():
            if isinstance(column.dtype, pd.StringDtype):
                table.frame[name] = words_of(column.fillna(""))


def mapped(words: Any, meanings: Mapping[str, str], otherwise: str) -> NDArray[Any]:
    """Return what each word means, each different word looked up once; case, blanks and underscores do not matter.

    Examples
    --------
    >>> mapped(pd.Categorical(["They rejected us", "other", ""]), {"theyrejectedus": "theirs"}, "unknown").tolist()
    ['theirs', 'unknown', '']
    """
    column = words if isinstance(words, pd.Categorical) else pd.Categorical(words)
    texts = [str(word) for word in column.categories]
    meant = [meanings.get(folded(word), otherwise) if word.strip() else "" for word in texts]
    return np.asarray(np.array([*meant, ""], dtype=object)[column.codes])


def folded(word: str) -> str:
    """Return the letters and digits of a word, without case."""
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def exploded(table: Table, key: str) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the items of a list that each record has, and the position of the record of each."""
    items: list[Any] = []
    owners: list[int] = []
    for position, record in enumerate(table.records):
        inner = record.get(key)
        if isinstance(inner, list):
            items += inner
            owners += [position] * len(inner)
    return items, np.array(owners, dtype=np.int64)


def list_others(kinds: Mapping[str, Sequence[int]], cards: Table, findings: Findings) -> None:
    """List the answers to questions that are not ratings: by their type, the position of the card of each."""
    for kind, at in sorted(kinds.items()):
        findings.add("other answer", cards, np.array(at, dtype=np.int64), words=np.full(len(cards), kind, dtype=object))


def count_naive(table: Table) -> int:
    """Count the timestamps of a table that had no time zone."""
    return int(sum(table.frame[name].sum() for name in table.frame if str(name).endswith(" naive")))
