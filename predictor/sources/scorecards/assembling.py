"""From an export to rows: which cards count, for which application, up to which stage; nothing goes without a count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor.sources.scorecards.export import SourceExport, folded
from predictor.sources.scorecards.findings import Findings, shown_word
from predictor.sources.scorecards.levels import ScoreLevels
from predictor.sources.scorecards.outcomes import ApplicationOutcomes, newest
from predictor.sources.scorecards.signals import OVERALL, families_of, merged_names, name_of
from predictor.sources.scorecards.stages import NO_STAGE, Landmarks, landmarks
from predictor.sources.scorecards.tables import Table, positions, text_ids
from predictor.sources.scorecards.times import DAY_END

if TYPE_CHECKING:
    from numpy.typing import NDArray

A_DAY = np.timedelta64(1, "D")  # times without a zone may lie up to a day ahead of UTC
BLOCK_RATINGS = 1 << 20  # counted at once


@dataclass
class UsableCards:
    """The cards that count, by position.

    Attributes
    ----------
    table
        The cards as the system has them.
    application
        Position among the applications that are kept; -1 where the export has none at all.
    stage, submitted, rater
        Of each card; a rater's id in the system.
    use
        What the card is used for: "row" until the landmarks say otherwise, "unlabelled", "withdrawn", "no application".
    """

    table: Table
    application: NDArray[np.int64]
    stage: NDArray[Any]
    submitted: NDArray[Any]
    rater: NDArray[Any]
    use: NDArray[Any]


@dataclass
class CardRatings:
    """The ratings of the cards that count, sorted by card: card, signal, level of each; and the signals' names.

    A level is its index in `values`.
    """

    card: NDArray[Any]
    signal: NDArray[Any]
    level: NDArray[Any]
    values: NDArray[np.float64]
    labels: dict[str, str]
    families: dict[str, str]
    family_labels: dict[str, str]
    levels: dict[str, ScoreLevels]
    words: dict[str, dict[str, int]]  # by signal: how often each word was read, on any card


def read_card_ratings(
    export: SourceExport, findings: Findings, *, overall: bool, word_levels: Mapping[str, float]
) -> tuple[Table, CardRatings]:
    """Return the cards, each once, and what is rated on them, with words turned into levels."""
    before = export.cards
    cards = newest(before, findings)
    table = export.ratings
    # the card of each rating
    owner = table.column("card")
    if not export.by_position:
        card = positions(owner, cards.column("id")).astype(np.int32)
    else:  # of a card that is in the export twice, only the newest copy keeps its ratings
        card = owner if len(cards) == len(before) else _positions_kept(before, cards)[owner]
    ids = text_ids(cards.column("id")) if export.by_position else owner
    shown = np.append(ids, "")[card] if export.by_position else ids
    if not export.by_position:
        findings.add("orphan rating", table, card < 0, ids=shown)
    # its signal
    details = _by_word(table.frame["family"], lambda word: folded(word) == "details", otherwise=False)
    findings.add("details", table, details & (card >= 0), ids=shown)
    labels = [str(label) for label in table.frame["signal"].array.categories if str(label).strip()]
    numbers, names = merged_names(labels)
    number_of = dict(zip(labels, numbers.tolist(), strict=True))
    signal = _by_word(table.frame["signal"], lambda label: number_of.get(label, -1), otherwise=-1).astype(np.int16)
    signal[details] = -1
    blank = _by_word(table.frame["signal"], lambda label: not label.strip(), otherwise=True)
    findings.add("unnamed", table, blank & ~details & (card >= 0), ids=shown)
    # its level
    own = {name_of(label): scale for label, scale in export.levels_by_signal.items()}
    scales = [own.get(name, export.levels).with_words(word_levels) for name in names]
    words = [str(word) for word in table.frame["word"].array.categories]
    values, level = _levels(table, signal, scales, words, findings, shown)
    read = _tally(signal, table.frame["word"], len(names))
    families = _tally(signal, table.frame["family"], len(names))
    # without signals that nobody rated
    used = np.asarray(read.any(axis=1))
    keep = (card >= 0) & (level >= 0)
    names = {name: label for (name, label), there in zip(names.items(), used.tolist(), strict=True) if there}
    renumber = (np.cumsum(used) - 1).astype(np.int16)
    family_words = [str(word) for word in table.frame["family"].array.categories]
    labels_of_families, family = families_of(
        {name: Counter(_counted(row, family_words)) for name, row in zip(names, families[used], strict=True)}
    )
    ratings = CardRatings(
        card[keep], renumber[signal[keep]], level[keep], values,
        names, family, labels_of_families,
        {name: scales[at] for name, at in zip(names, np.flatnonzero(used).tolist(), strict=True)},
        {name: _shown(_counted(row, words)) for name, row in zip(names, read[used], strict=True)},
    )  # fmt: skip
    if overall:
        _add_overall(export, cards, ratings, word_levels, findings)
    return cards, ratings


def _by_word(column: pd.Series, meaning: Callable[[str], Any], otherwise: Any) -> NDArray[Any]:
    """Look up each different word of a column once."""
    meant = np.array([*(meaning(str(word)) for word in column.cat.categories), otherwise])
    return np.asarray(meant[column.array.codes])


def _tally(signal: NDArray[np.int16], column: pd.Series, signals: int) -> NDArray[np.int64]:
    """Count the words of a column by signal, shape (signals, words)."""
    codes, width = column.array.codes, len(column.array.categories) + 1  # the last for no word
    counts = np.zeros(signals * width + 1, np.int64)
    for start in range(0, len(signal), BLOCK_RATINGS):
        some = slice(start, start + BLOCK_RATINGS)
        cell = np.where(signal[some] < 0, signals * width, signal[some] * width + codes[some].astype(np.int64) % width)
        counts += np.bincount(cell, minlength=len(counts))
    return counts[:-1].reshape(signals, width)[:, :-1]


def _counted(row: NDArray[np.int64], words: Sequence[str]) -> dict[str, int]:
    return {words[at]: int(row[at]) for at in np.flatnonzero(row).tolist()}


def _shown(counts: Mapping[str, int]) -> dict[str, int]:
    shown = Counter[str]()
    for word, count in counts.items():
        shown[shown_word(word) or "(empty)"] += count
    return dict(shown)


def _positions_kept(before: Table, cards: Table) -> NDArray[np.int64]:
    """Return for each card as read its position among those kept, -1 where it was dropped."""
    files, rows = before.files_and_rows(np.arange(len(before)))
    kept_files, kept_rows = cards.files_and_rows(np.arange(len(cards)))
    kept = {(file, row): at for at, (file, row) in enumerate(zip(kept_files, kept_rows.tolist(), strict=True))}
    return np.array([kept.get((file, row), -1) for file, row in zip(files, rows.tolist(), strict=True)])


def _levels(
    table: Table,
    signal: NDArray[np.int16],
    scales: Sequence[ScoreLevels],
    words: Sequence[str],
    findings: Findings,
    ids: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Return the levels that there are, and the index of each rating's, -1 where nothing was judged.

    Words that are not levels are reported.
    """
    by_scale = {scale: [scale.level(word) for word in words] for scale in dict.fromkeys(scales)}
    read = [[*by_scale[scale], math.nan] for scale in scales] + [[math.nan] * (len(words) + 1)]
    levels = np.array([[math.nan if level is None else level for level in row] for row in read])
    strange = np.array([[level is None for level in row] for row in read])
    codes = table.frame["word"].array.codes
    findings.add("unknown word", table, strange[signal, codes], ids=ids, words=table.frame["word"])
    values = np.unique(levels[~np.isnan(levels)])
    indices = np.where(np.isnan(levels), -1, np.searchsorted(values, levels)).astype(np.int16)
    return values, indices[signal, codes]


def _add_overall(
    export: SourceExport, cards: Table, ratings: CardRatings, word_levels: Mapping[str, float], findings: Findings
) -> None:
    """Add the overall recommendation as one more signal; its words have a scale of their own."""
    scale = export.overall_levels.with_words(word_levels)
    column = cards.frame["overall"]
    level = _by_word(column, lambda word: read if (read := scale.level(word)) is not None else math.inf, math.nan)
    findings.add("unknown word", cards, np.isinf(level), words=column)
    level[np.isinf(level)] = math.nan
    rated = np.flatnonzero(~np.isnan(level))
    number = len(ratings.labels)
    values = np.union1d(ratings.values, level[rated])
    ratings.level = np.searchsorted(values, np.concatenate([ratings.values[ratings.level], level[rated]])).astype(
        np.int16
    )
    ratings.values = values
    ratings.card = np.concatenate([ratings.card, rated.astype(np.int32)])
    ratings.signal = np.concatenate([ratings.signal, np.full(len(rated), number, np.int16)])
    ratings.labels[OVERALL] = "Overall recommendation"
    ratings.families[OVERALL] = "overall"
    ratings.family_labels["overall"] = "Overall"
    ratings.levels[OVERALL] = scale
    counts = column.value_counts()
    ratings.words[OVERALL] = dict(sorted(_shown({str(word): int(n) for word, n in counts.items() if n}).items()))


def usable_cards(
    export: SourceExport,
    table: Table,
    ratings: CardRatings,
    outcomes: ApplicationOutcomes,
    today: datetime,
    findings: Findings,
) -> UsableCards:
    """Return the cards that count, and list the others by the first reason to leave each out."""
    open_ = np.ones(len(table), bool)

    def drop(reason: str, chosen: NDArray[Any]) -> None:
        nonlocal open_
        findings.add(reason, table, open_ & chosen)
        open_ &= ~chosen

    status = np.asarray(table.frame["status"], dtype=object)
    drop("deleted card", table.column("deleted"))
    drop("draft", status == "draft")
    open_ &= status != "unknown"  # already reported by the system's module, with the word
    application = positions(table.column("application"), outcomes.applications.column("id"))
    known = positions(table.column("application"), export.applications.column("id"))
    if export.no_applications:
        findings.add("no application", table, open_)
    else:
        drop("orphan card", known < 0)
        open_ &= application >= 0  # of deleted people: already reported as applications
    rated = np.zeros(len(table), bool)
    rated[ratings.card] = True
    drop("unrated", ~rated)
    submitted = table.column("submitted")
    drop("undated", np.isnat(submitted))
    findings.add("future", table, open_ & (submitted > np.datetime64(today.replace(tzinfo=None), "ms") + A_DAY))
    if len(outcomes.decided):
        when = np.where(application >= 0, outcomes.decided[application], np.datetime64("NaT", "ms"))
        only = np.where(application >= 0, outcomes.day_only[application], False)
        drop("after decision", submitted > when)
        findings.add("changed later", table, open_ & (table.column("updated") > when))
        findings.add("same day", table, open_ & only & (submitted > when - DAY_END))
    rater = text_ids(table.column("rater"))
    nobody = open_ & (rater == "")
    findings.add("no rater", table, nobody)
    if nobody.any():
        alone = np.flatnonzero(rater == "")
        rater[alone] = [f"card {key}" for key in text_ids(table.column("id")[alone])]
    stage = np.array(table.frame["stage"], dtype=object)
    unknown = (stage == "") | pd.isna(stage)
    stage[unknown] = NO_STAGE  # np.where would make a text of its own for each row
    if not unknown[open_].all():
        findings.add("no stage", table, open_ & unknown)
    keep = np.flatnonzero(open_)
    use = np.append(outcomes.state, "no application")[application[keep]]
    use[(use == "yes") | (use == "no")] = "row"
    renumbered = np.full(len(table) + 1, -1, np.int32)
    renumbered[keep] = np.arange(len(keep))
    ratings.card = renumbered[ratings.card]
    order = np.argsort(ratings.card, kind="stable").astype(np.int32)
    order = order[np.searchsorted(ratings.card[order], 0) :]
    ratings.card, ratings.signal, ratings.level = ratings.card[order], ratings.signal[order], ratings.level[order]
    few = replace(table, frame=table.frame[["id", "application"]], records=[])
    return UsableCards(few.chosen(keep), application[keep], stage[keep], submitted[keep], rater[keep], use)


def place_rows(choice: str, cards: UsableCards, outcomes: ApplicationOutcomes, findings: Findings) -> Landmarks:
    """Return the rows: applications with a usable card, at the landmark; withdrawn ones have none."""
    eligible = (cards.use == "row") | (cards.use == "unlabelled")
    rows = landmarks(choice, cards.application[eligible], cards.stage[eligible], cards.submitted[eligible])
    has_card = np.zeros(len(outcomes.applications), bool)
    has_card[cards.application[eligible]] = True
    has_row = np.zeros(len(outcomes.applications), bool)
    has_row[rows.application] = True
    withdrawn = outcomes.state == "withdrawn"
    findings.add("no card", outcomes.applications, ~has_card & ~withdrawn)
    findings.add("not at stage", outcomes.applications, has_card & ~has_row)
    last = np.full(len(outcomes.applications), np.datetime64("NaT", "ms"))
    order = np.argsort(rows.until, kind="stable")
    last[rows.application[order]] = rows.until[order]
    later = eligible & ~(cards.submitted <= last[cards.application]) if len(last) else eligible
    findings.add("after stage", cards.table, later)
    cards.use[later] = "later"
    return rows
