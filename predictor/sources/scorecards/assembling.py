"""From an export to rows: which cards count, for which application, up to which stage; nothing goes without a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor.sources.scorecards.export import Export, folded
from predictor.sources.scorecards.findings import Findings, shown_word
from predictor.sources.scorecards.levels import Levels
from predictor.sources.scorecards.outcomes import Outcomes, newest
from predictor.sources.scorecards.signals import OVERALL, families_of, merged_names
from predictor.sources.scorecards.stages import NO_STAGE, Landmarks, landmarks
from predictor.sources.scorecards.tables import Table, positions, text_ids
from predictor.sources.scorecards.times import DAY_END

if TYPE_CHECKING:
    from numpy.typing import NDArray

A_DAY = np.timedelta64(1, "D")  # clocks without a zone may be ahead


@dataclass
class Cards:
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
class Marks:
    """The ratings of the cards that count, sorted by card: card, signal, level of each; and the signals' names."""

    card: NDArray[Any]
    signal: NDArray[Any]
    level: NDArray[Any]
    labels: dict[str, str]
    families: dict[str, str]
    family_labels: dict[str, str]
    levels: dict[str, Levels]
    words: dict[str, dict[str, int]]  # by signal: how often each word was read, on any card


def read_marks(
    export: Export, findings: Findings, *, overall: bool, answers: Mapping[str, float]
) -> tuple[Table, Marks]:
    """Return the cards, each once, and what is rated on them, with words turned into levels."""
    before = export.cards
    cards = newest(before, findings)
    kept = positions(text_ids(before.column("id")), text_ids(cards.column("id")))
    if export.by_position and len(cards) < len(before):  # of a card that came twice only the newest has its ratings
        rows = _positions_kept(before, cards)
        kept = rows
    elif export.by_position:
        kept = np.arange(len(before))
    table = export.marks
    details = np.array([folded(str(word)) == "details" for word in table.frame["family"].array.categories], bool)
    is_details = (
        np.append(details, False)[table.frame["family"].array.codes] if len(details) else np.zeros(len(table), bool)
    )
    owner = table.column("card")
    card = kept[owner] if export.by_position else positions(owner, cards.column("id"))
    ids = text_ids(cards.column("id")) if export.by_position else owner
    shown = np.append(ids, "")[card] if export.by_position else ids
    if not export.by_position:
        findings.add("orphan rating", table, card < 0, ids=shown)
    findings.add("details", table, is_details & (card >= 0), ids=shown)
    labels = [str(label) for label in table.frame["signal"].array.categories]
    places, names = merged_names([label for label in labels if label.strip()])
    lookup = np.full(len(labels) + 1, -1)
    lookup[[at for at, label in enumerate(labels) if label.strip()]] = places
    signal = lookup[table.frame["signal"].array.codes]
    signal = np.where(is_details, -1, signal)
    level, words = _levels(export, table, signal, names, answers, findings, shown, card)
    families = _families(table, signal, names)
    used = {name for place, name in enumerate(names) if (signal == place).any()}
    renumber = np.cumsum([name in used for name in names]) - 1 if names else np.array([], np.int64)
    names = {name: label for name, label in names.items() if name in used}
    keep = (card >= 0) & (signal >= 0) & ~np.isnan(level)
    labels_of_families, family = families_of({name: families[name] for name in names})
    levels = {name: _levels_of(export, label, answers) for name, label in names.items()}
    marks = Marks(
        card[keep].astype(np.int32), (renumber[signal[keep]] if len(names) else signal[keep]).astype(np.int32),
        level[keep],
        names, family, labels_of_families, levels, {name: words[name] for name in names},
    )  # fmt: skip
    if overall:
        _add_overall(export, cards, marks, answers, findings)
    return cards, marks


def _positions_kept(before: Table, cards: Table) -> NDArray[np.int64]:
    """Return for each card as read its position among those kept, -1 where it was dropped."""
    files, rows = before.places(np.arange(len(before)))
    kept_files, kept_rows = cards.places(np.arange(len(cards)))
    place = {(file, row): at for at, (file, row) in enumerate(zip(kept_files, kept_rows.tolist(), strict=True))}
    return np.array([place.get((file, row), -1) for file, row in zip(files, rows.tolist(), strict=True)])


def _levels_of(export: Export, label: str, answers: Mapping[str, float]) -> Levels:
    return export.levels_by_signal.get(label, export.levels).answered(answers)


def _levels(
    export: Export,
    table: Table,
    signal: NDArray[np.int64],
    names: Mapping[str, str],
    answers: Mapping[str, float],
    findings: Findings,
    ids: NDArray[Any],
    card: NDArray[np.int64],
) -> tuple[NDArray[np.float64], dict[str, dict[str, int]]]:
    """Return the level of each mark, NaN where nothing was judged; report words that are no level."""
    column = table.frame["word"].array
    words = [str(word) for word in column.categories]
    level = np.full(len(table), np.nan)
    unknown = np.zeros(len(table), bool)
    counts: dict[str, dict[str, int]] = {}
    scales = [_levels_of(export, label, answers) for label in names.values()]
    same = all(scale == scales[0] for scale in scales)
    groups = (
        [(range(len(names)), scales[0])] if same and scales else [((at,), scale) for at, scale in enumerate(scales)]
    )
    tally = np.zeros((len(names), len(words)), np.int64)
    usable = (signal >= 0) & (column.codes >= 0)
    np.add.at(tally, (signal[usable], column.codes[usable].astype(np.int64)), 1)
    for members, scale in groups:
        read = [scale.level(word) for word in words]
        values = np.array([np.nan if value is None else value for value in read] + [np.nan])
        strange = np.array([value is None for value in read] + [False])
        mine = signal >= 0 if same else np.isin(signal, members)
        level[mine] = values[column.codes[mine]]
        unknown |= mine & strange[column.codes]
    findings.add("unknown word", table, unknown, ids=ids, words=table.frame["word"])
    for at, name in enumerate(names):
        counts[name] = {}
        for place in np.flatnonzero(tally[at]):
            word = shown_word(words[place]) or "(empty)"
            counts[name][word] = counts[name].get(word, 0) + int(tally[at, place])
    return level, counts


def _families(table: Table, signal: NDArray[np.int64], names: Mapping[str, str]) -> dict[str, Counter[str]]:
    column = table.frame["family"].array
    tally = np.zeros((len(names), len(column.categories)), np.int64)
    usable = (signal >= 0) & (column.codes >= 0)
    np.add.at(tally, (signal[usable], column.codes[usable].astype(np.int64)), 1)
    words = [str(word) for word in column.categories]
    return {
        name: Counter({words[place]: int(row[place]) for place in np.flatnonzero(row)})
        for name, row in zip(names, tally, strict=True)
    }


def _add_overall(export: Export, cards: Table, marks: Marks, answers: Mapping[str, float], findings: Findings) -> None:
    """Add the overall recommendation as one more signal; its words have a scale of their own."""
    scale = export.overall_levels.answered(answers)
    column = cards.frame["overall"]
    words = np.asarray(column, dtype=object).astype(str)
    read = {word: scale.level(word) for word in set(words)}
    level = np.array([np.nan if read[word] is None else read[word] for word in words], dtype=float)
    findings.add("unknown word", cards, np.array([read[word] is None for word in words], bool), words=words)
    rated = np.flatnonzero(~np.isnan(level))
    place = len(marks.labels)
    marks.card = np.concatenate([marks.card, rated])
    marks.signal = np.concatenate([marks.signal, np.full(len(rated), place)])
    marks.level = np.concatenate([marks.level, level[rated]])
    marks.labels[OVERALL] = "Overall recommendation"
    marks.families[OVERALL] = "overall"
    marks.family_labels["overall"] = "Overall"
    marks.levels[OVERALL] = scale
    counts = Counter(shown_word(word) or "(empty)" for word in words)
    marks.words[OVERALL] = dict(sorted(counts.items()))


def usable_cards(
    export: Export, table: Table, marks: Marks, outcomes: Outcomes, today: datetime, findings: Findings
) -> Cards:
    """Return the cards that count, and list the others by the first reason to leave each out."""
    open_ = np.ones(len(table), bool)

    def drop(kind: str, chosen: NDArray[Any]) -> None:
        nonlocal open_
        findings.add(kind, table, open_ & chosen)
        open_ &= ~chosen

    status = table.frame["status"].to_numpy()
    drop("deleted card", table.column("deleted"))
    drop("draft", status == "draft")
    open_ &= status != "unknown"  # listed by the system's module, with the word
    application = positions(table.column("application"), outcomes.applications.column("id"))
    known = positions(table.column("application"), export.applications.column("id"))
    if export.no_applications:
        findings.add("no application", table, open_)
    else:
        drop("orphan card", known < 0)
        open_ &= application >= 0  # of people who were deleted: listed by their applications
    rated = np.zeros(len(table), bool)
    rated[marks.card] = True
    drop("unrated", ~rated)
    submitted = table.column("submitted")
    drop("undated", np.isnat(submitted))
    findings.add("future", table, open_ & (submitted > np.datetime64(today.replace(tzinfo=None), "ms") + A_DAY))
    if len(outcomes.decided):
        when = np.where(application >= 0, outcomes.decided[application], np.datetime64("NaT", "ms"))
        only = np.where(application >= 0, outcomes.day_only[application], False)
        drop("late", submitted > when)
        findings.add("changed later", table, open_ & (table.column("updated") > when))
        findings.add("same day", table, open_ & only & (submitted > when - DAY_END))
    rater = text_ids(table.column("rater"))
    nobody = open_ & (rater == "")
    findings.add("no rater", table, nobody)
    if nobody.any():
        alone = np.flatnonzero(rater == "")
        rater[alone] = [f"card {key}" for key in text_ids(table.column("id")[alone])]
    stage = np.asarray(table.frame["stage"], dtype=object)
    stage = np.where((stage == "") | pd.isna(stage), NO_STAGE, stage)
    keep = np.flatnonzero(open_)
    state = np.append(outcomes.state, "no application")[application[keep]]
    use = np.where(np.isin(state, ("yes", "no")), "row", state)
    place = np.full(len(table) + 1, -1, np.int32)
    place[keep] = np.arange(len(keep))
    marks.card = place[marks.card]
    order = np.argsort(marks.card, kind="stable").astype(np.int32)
    order = order[np.searchsorted(marks.card[order], 0) :]
    marks.card, marks.signal, marks.level = marks.card[order], marks.signal[order], marks.level[order]
    return Cards(table.chosen(keep), application[keep], stage[keep], submitted[keep], rater[keep], use)


def place_rows(choice: str, cards: Cards, outcomes: Outcomes, findings: Findings) -> Landmarks:
    """Return the rows: applications with a usable card, at the landmark; withdrawn ones have none."""
    eligible = np.isin(cards.use, ("row", "unlabelled"))
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
    later = eligible & ~(cards.submitted <= np.append(last, last[:0])[cards.application]) if len(last) else eligible
    findings.add("later", cards.table, later)
    cards.use = np.where(later, "later", cards.use)
    return rows
