"""What an import gives: one row per application, and a table with one row per scorecard, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor.errors import ConfigError
from predictor.ratings.catalogue import ORIGIN, SIMULATED, Catalogue
from predictor.ratings.ratings import Ratings
from predictor.sources.scorecards.assembling import CardRatings, UsableCards
from predictor.sources.scorecards.findings import REASONS, Findings
from predictor.sources.scorecards.outcomes import ApplicationOutcomes
from predictor.sources.scorecards.pseudonyms import pseudonym
from predictor.sources.scorecards.signals import COUNT, OUTCOME, PERSON, SPREAD, STAGE
from predictor.sources.scorecards.stages import Landmarks
from predictor.sources.scorecards.tables import text_ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_ROWS = 20_000  # rows that are written at once
OFFER_WORDS = {"yes": "yes", "no": "no"}


@dataclass
class Imported:
    """Scorecards of a hiring system, ready to be learned from.

    Attributes
    ----------
    system
        Whose files they are, such as "Greenhouse Harvest v3".
    catalogue
        The signals as they are rated there; None where the files name none.
    findings
        Every row that was left out or flagged, and every question.
    outcomes, card_ratings, usable
        What came of applications, ratings, cards.
    rows
        The landmarks: which rows there are.
    pseudonym_key
        The secret from which pseudonyms are computed.
    application_ids, person_ids, card_ids
        As the tables have them: of applications, and of the cards that count.
    files
        What was read of each file, by its label; "" where nothing was.
    groups
        Sex and race by person, for an audit; never a column beside ratings.
    counts
        Cards, ratings and applications that were read.

    Examples
    --------
    >>> from predictor.sources.scorecards import read_scorecards
    >>> card = {"id": 1, "application_id": 7, "candidate_id": 3, "submitted_at": "2026-03-01T10:00:00Z",
    ...         "interviewer": {"id": 9}, "interview": "Phone screen", "overall_recommendation": "yes",
    ...         "attributes": [{"name": "Communication", "type": "Skills", "rating": "strong_yes"}]}
    >>> application = {"id": 7, "candidate_id": 3, "status": "hired", "prospect": False}
    >>> imported = read_scorecards("greenhouse", records={"cards": [card], "people": [application]})
    >>> imported.ratings.values, imported.ratings.y, imported.catalogue.names
    (array([[5.]]), array([1.]), ('communication',))
    """

    system: str
    catalogue: Catalogue | None
    findings: Findings
    outcomes: ApplicationOutcomes
    card_ratings: CardRatings
    usable: UsableCards
    rows: Landmarks
    pseudonym_key: bytes
    application_ids: NDArray[Any]
    person_ids: NDArray[Any]
    card_ids: NDArray[Any]
    simulated: bool
    files: dict[str, str] = field(default_factory=dict)
    groups: pd.DataFrame | None = None
    counts: dict[str, int] = field(default_factory=dict)
    about: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows.application)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the signals."""
        return tuple(self.card_ratings.labels)

    def usable_catalogue(self) -> Catalogue:
        """Return the catalogue.

        Raises
        ------
        ConfigError
            If the files name no signal; with what can be done.
        """
        if self.catalogue is None:
            nameless = ("orphan card", "orphan rating", "unnamed")
            reasons = [reason for reason in self.findings.by_reason() if reason in nameless]
            remedies = [f"{REASONS[reason].title}: {REASONS[reason].remedy}" for reason in reasons]
            if not (self.counts.get("ratings") or self.about or "unnamed" in reasons):
                remedies.insert(0, "No rating was read: export the table of the cards' attributes too.")
            lines = ["no signal is named in these files, so there is nothing to learn from.", *self.about, *remedies]
            raise ConfigError("\n  ".join(lines))
        return self.catalogue

    @cached_property
    def raters(self) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Code of each card's rater, and pseudonyms by code."""
        codes, ids = pd.factorize(self.usable.rater)
        return codes, np.array([pseudonym(self.pseudonym_key, "R", str(id_)) for id_ in ids], dtype=object)

    @cached_property
    def ratings(self) -> Ratings:
        """The rows as `Ratings`: what training and everything after it takes."""
        frame = self.table
        columns = {
            name: np.asarray(frame[name].astype(str), dtype=object)
            for name in map(str, frame)
            if name not in (*self.names, OUTCOME) and not name.endswith((COUNT, SPREAD))
        }
        values = np.asarray(frame[list(self.names)], dtype=np.float64)
        y = np.array([{"yes": 1.0, "no": 0.0}.get(word, np.nan) for word in frame[OUTCOME]])
        return Ratings(self.usable_catalogue(), values, y, columns, self.system)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The wide table: one row per application at its landmark."""
        return pd.concat([*self.row_blocks()], ignore_index=True)

    @cached_property
    def cards(self) -> pd.DataFrame:
        """The table of cards: one row per scorecard that is used."""
        return pd.concat([*self.card_blocks()], ignore_index=True)

    def row_blocks(self, size: int = BLOCK_ROWS) -> Iterator[pd.DataFrame]:
        """Return the wide table in parts, sorted by application; at least one, which may be empty."""
        order = np.lexsort((self.rows.until, _sortable(self.application_ids[self.rows.application])))
        by_application = np.argsort(self.usable.application, kind="stable")
        sorted_applications = self.usable.application[by_application]
        for start in range(0, max(len(order), 1), size):
            rows = order[start : start + size]
            of = self.rows.application[rows]
            low, high = (np.searchsorted(sorted_applications, of, side=side) for side in ("left", "right"))
            row, cards = _ranges(low, high)
            cards = by_application[cards]
            keep = self.usable.submitted[cards] <= self.rows.until[rows][row]
            yield self._block(rows, row[keep], cards[keep])

    def _block(
        self,
        rows: NDArray[np.int64],
        row: NDArray[np.int64],
        cards: NDArray[np.int64],
    ) -> pd.DataFrame:
        """Build rows from their cards: `row` and `cards` are pairs."""
        n, p = len(rows), len(self.names)
        codes, names = self.raters
        of = self.rows.application[rows]
        low, high = (
            np.searchsorted(self.card_ratings.card, cards.astype(np.int32), side=side) for side in ("left", "right")
        )
        pair, positions = _ranges(low, high)
        cell = row[pair] * p + self.card_ratings.signal[positions]
        mean, count, spread = over_raters(
            cell, codes[cards[pair]], self.card_ratings.values[self.card_ratings.level[positions]], n * p
        )
        state = self.outcomes.state[of]
        raters, panels = _panels(row, codes[cards], names, n)
        columns: dict[str, Any] = {
            "application": self.application_ids[of],
            PERSON: self.person_ids[of],
            STAGE: self.rows.stage[rows],
            "rated_on": iso(self.rows.until[rows]),
            "outcome_on": iso(self.outcomes.decided[of]),
            "cards": np.bincount(row, minlength=n),
            "raters": raters,
            "panel": panels,
        }
        if self.simulated:
            columns[ORIGIN] = np.full(n, SIMULATED, dtype=object)
        for j, name in enumerate(self.names):
            columns[name] = mean[j::p]
            columns[name + COUNT] = count[j::p]
            columns[name + SPREAD] = spread[j::p]
        columns[OUTCOME] = np.array([OFFER_WORDS.get(word, "") for word in state], dtype=object)
        return pd.DataFrame(columns)

    def card_blocks(self, size: int = BLOCK_ROWS) -> Iterator[pd.DataFrame]:
        """Return the table of cards in parts, sorted by application and card; at least one, which may be empty."""
        codes, names = self.raters
        ids = self.card_ids
        mine = self.usable.application
        if len(self.application_ids):
            application = np.append(self.application_ids, "")[mine]
            rank = np.append(np.argsort(np.argsort(_sortable(self.application_ids), kind="stable")), -1)[mine]
        else:
            application = text_ids(self.usable.table.column("application"))
            rank = _sortable(application)
        person = np.append(self.person_ids, "")[mine]
        order = np.lexsort((_sortable(ids), self.usable.submitted, rank))
        p = len(self.names)
        for start in range(0, max(len(order), 1), size):
            cards = order[start : start + size]
            low, high = (
                np.searchsorted(self.card_ratings.card, cards.astype(np.int32), side=side) for side in ("left", "right")
            )
            row, positions = _ranges(low, high)
            cell = row * p + self.card_ratings.signal[positions]
            mean, _, _ = over_raters(
                cell,
                np.zeros(len(cell), np.int64),
                self.card_ratings.values[self.card_ratings.level[positions]],
                len(cards) * p,
            )
            columns: dict[str, Any] = {
                "card": text_ids(ids[cards]),
                "application": application[cards],
                PERSON: person[cards],
                STAGE: self.usable.stage[cards],
                "rater": np.append(names, "")[codes[cards]],
                "submitted_at": iso(self.usable.submitted[cards]),
                "use": self.usable.use[cards],
            }
            if self.simulated:
                columns[ORIGIN] = np.full(len(cards), SIMULATED, dtype=object)
            columns |= {name: mean[j::p] for j, name in enumerate(self.names)}
            yield pd.DataFrame(columns)


def over_raters(
    cell: NDArray[np.int64], rater: NDArray[np.int64], level: NDArray[np.float64], cells: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return mean, count and standard deviation over raters of each cell; ratings of one rater are averaged first.

    Parameters
    ----------
    cell, rater, level
        Of each rating, shape (n,): where it belongs, from 0; who gave it; from 1 to 5.
    cells
        How many cells there are.

    Returns
    -------
    mean, count, spread
        Shape (cells,); NaN where nobody rated, and a spread needs two raters.

    Examples
    --------
    >>> over_raters(np.array([0, 0, 0]), np.array([7, 7, 8]), np.array([1.0, 3.0, 4.0]), 2)
    (array([ 3., nan]), array([2, 0]), array([1.41421356,        nan]))
    """
    raters = int(rater.max(initial=0)) + 1
    pairs, member = np.unique(cell * raters + rater, return_inverse=True)
    own = np.bincount(member, level, minlength=len(pairs)) / np.maximum(np.bincount(member, minlength=len(pairs)), 1)
    at = pairs // raters
    count = np.bincount(at, minlength=cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(at, own, minlength=cells) / count
        squares = np.bincount(at, (own - mean[at]) ** 2, minlength=cells)
        spread = np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)
    return mean, count, spread


def _panels(
    row: NDArray[np.int64], rater: NDArray[np.int64], names: NDArray[Any], n: int
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return how many raters each row has, and their pseudonyms, sorted, joined by ";"."""
    ranks = np.argsort(np.argsort(names.astype(str), kind="stable")) if len(names) else np.array([], np.int64)
    pairs = np.unique(row * max(len(names), 1) + ranks[rater]) if len(row) else np.array([], np.int64)
    at, who = pairs // max(len(names), 1), np.sort(names.astype(str))[pairs % max(len(names), 1)] if len(row) else names
    counts = np.bincount(at, minlength=n)
    ends = np.cumsum(counts)
    texts = who.tolist()
    panels = [";".join(texts[end - count : end]) for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]
    return counts, np.array(panels, dtype=object)


def _ranges(low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return every position from each low to its high, and which of them it belongs to."""
    lengths = high - low
    owner = np.repeat(np.arange(len(low)), lengths)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths - low, lengths)


def _sortable(keys: NDArray[Any]) -> NDArray[Any]:
    """Return keys that sort numbers by size and everything else by its letters."""
    if keys.dtype.kind == "i":
        return keys
    texts = keys.astype(str)
    if not len(texts):
        return texts
    return np.where(np.char.isdigit(texts), np.char.zfill(texts, texts.dtype.itemsize // 4), texts)


def iso(times: NDArray[Any]) -> NDArray[Any]:
    """Write times as ISO 8601 in UTC, to the second; "" where there is none."""
    texts = np.char.add(np.datetime_as_string(times.astype("datetime64[s]")), "Z").astype(object)
    texts[np.isnat(times) | (times == np.datetime64(0, "ms"))] = ""  # 0: a spreadsheet without times
    return texts
