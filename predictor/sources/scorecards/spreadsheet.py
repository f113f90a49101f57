"""Any CSV file or spreadsheet of scorecards, by a mapping of its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor.errors import ConfigError, Problem, RatingsError, nearest
from predictor.sources.files import read_bytes
from predictor.sources.scorecards.columns import refuse_twice
from predictor.sources.scorecards.export import CARD, SourceExport
from predictor.sources.scorecards.findings import Findings, joined, shown_word
from predictor.sources.scorecards.mapping import RATER, ColumnMapping
from predictor.sources.scorecards.tables import Table, stacked, words_of
from predictor.sources.scorecards.times import BAD_TIME, NO_TIME, read_times
from predictor.sources.text import parse_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_HEADING = "has no heading as the mapping's 'heading' has it, with a signal of [signals]; correct one of the two"
UNTIMED = np.datetime64(0, "ms")  # of cards in a table that has no times


def read(
    files: Sequence[tuple[Path, str]],
    mapping: str | Path | None,
    findings: Findings,
    read_as: dict[str, str],
    sheet: str | None = None,
) -> SourceExport:
    """Read spreadsheets that follow one mapping.

    Raises
    ------
    PredictorError
        If there is no mapping, a file has not its columns, or cells cannot be used; by file and row.
    """
    if mapping is None:
        draft = "predictor scorecards csv --draft FILE > my-mapping.toml, then --mapping my-mapping.toml"
        raise ConfigError(f"csv needs to know which column is what: {draft}")
    known = ColumnMapping.load(mapping)
    findings.ids_may_be_names = True
    export = SourceExport(
        "a spreadsheet", ids_may_be_names=True, by_position=True, levels_by_signal=dict(known.signals)
    )
    export.levels = known.signals.get("*", export.levels)
    export.overall_levels = known.overall or export.levels
    tables, errors = [], []
    for path, label in files:
        try:
            table = read_table(path, label, sheet)
        except RatingsError as error:
            errors.append(error)
            continue
        read_as[label] = "scorecards"
        if known.heading is not None:
            table = _by_rater(table, known, label, findings)
        if _has_columns(table, known, label, findings):
            tables.append((table, label))
    if errors:
        raise joined(errors)
    findings.check()
    cards, ratings, applications = [], [], []
    for table, label in tables:
        card = _cards(table, label, known, findings)
        cards.append(card)
        ratings.append(_ratings(table, label, known))
        applications.append(card)
    offset = 0
    for card, ratings_of_card in zip(cards, ratings, strict=True):
        ratings_of_card.frame["card"] += offset
        offset += len(card)
    export.ratings = stacked(ratings, ("card", "signal", "family", "word")) if len(ratings) > 1 else ratings[0]
    export.cards = stacked(cards, (*CARD, "outcome", "decided"))
    export.cards.records = []
    _applications(export, findings)
    if "submitted" not in known.columns:
        export.about.append(
            "There is no column for the time of submission, so cards written after the decision could not be noticed."
        )
    if "rater" not in known.columns:
        export.about.append("There is no column for who rated, so each row counts as a rater of its own.")
    return export


def read_table(path: Path, label: str, sheet: str | None = None) -> pd.DataFrame:
    """Read a CSV file or a sheet of a workbook as text.

    Raises
    ------
    RatingsError
        If it is neither, or ragged.
    """
    header, rows, problems = parse_table(read_bytes(path), label, sheet=sheet)
    if problems:
        raise RatingsError(label, problems)
    refuse_twice(header, label)
    if not rows:
        raise RatingsError(label, [Problem("has a header and no rows; export it again")])
    return pd.DataFrame(rows, columns=header, dtype=object)


def _by_rater(table: pd.DataFrame, known: ColumnMapping, label: str, findings: Findings) -> pd.DataFrame:
    """Return one row for each rater who rated, where headings name raters; rows keep their numbers."""
    assert known.heading is not None
    fits = {name: match for name in table if (match := known.heading.fullmatch(str(name).strip()))}
    fits = {name: match for name, match in fits.items() if match["signal"].strip() in known.signals}
    others = [name for name in table if name not in fits]
    if not fits:
        findings.refuse(label, Problem(_NO_HEADING))
    if both := [str(name) for name in others if name in known.signals]:
        kind = "has a rater in some headings, and none in this one; rename it"
        findings.refuse(label, Problem(kind, column=both[0]))
    if both or not fits:
        return table.assign(**{RATER: ""})
    parts = []
    for rater in dict.fromkeys(match["rater"].strip() for match in fits.values()):
        theirs = {name: match["signal"].strip() for name, match in fits.items() if match["rater"].strip() == rater}
        part = table[[*others, *theirs]].rename(columns=theirs).assign(**{RATER: rater})
        parts.append(part[(part[list(theirs.values())].astype(str).map(str.strip) != "").any(axis=1)])
    rated = pd.concat(parts)
    alone = table[~table.index.isin(rated.index)].assign(**{RATER: ""})  # rows that nobody rated
    columns = dict.fromkeys([*rated, *known.signals])
    return pd.concat([rated, alone]).reindex(columns=list(columns)).fillna("").sort_index(kind="stable")


def _has_columns(table: pd.DataFrame, known: ColumnMapping, label: str, findings: Findings) -> bool:
    signals = [] if "signal" in known.columns else [name for name in known.signals if name != "*"]
    wanted = [*known.columns.values(), *signals]
    lost = [name for name in wanted if name not in table.columns]
    for name in lost:
        there = [str(column) for column in table.columns]
        findings.refuse(label, Problem(f"has no column '{name}'{nearest(name, there)}; correct the mapping"))
    return not lost


def _cards(table: pd.DataFrame, label: str, known: ColumnMapping, findings: Findings) -> Table:
    n, rows = len(table), table.index.to_numpy(np.int64)  # a row may be several cards, one for each rater

    def cells(name: str) -> NDArray[Any]:
        if name not in known.columns:
            return np.full(n, "", dtype=object)
        return np.array([str(cell).strip() for cell in table[known.columns[name]]], dtype=object)

    person, application = cells("person"), cells("application")
    for row in np.flatnonzero(person == ""):
        kind = "is empty; write whose interview it is, or delete the row"
        findings.refuse(label, Problem(kind, int(rows[row]) + 1, known.columns["person"]))
    application = np.where(application == "", person, application)
    ids = cells("card")
    turn = pd.Series(rows).groupby(rows).cumcount().to_numpy()
    names = [f"row-{row + 1}" + (f".{at + 1}" if at else "") for row, at in zip(rows, turn, strict=True)]
    ids = np.where(ids == "", np.array(names, dtype=object), ids)
    submitted = _times(cells("submitted"), rows, label, known, "submitted", findings)
    timed = "submitted" in known.columns
    words = cells("outcome")
    outcome = np.array([word.casefold() for word in words], dtype=object)
    for word in dict.fromkeys(words):
        if word and word.casefold() not in known.outcomes:
            first = int(rows[np.flatnonzero(words == word)[0]]) + 1
            kind = (
                "is not an outcome that the mapping names; add it under [outcomes]: yes, no, withdrawn, or unlabelled "
                "(no outcome yet)"
            )
            findings.refuse(label, Problem(kind, first, known.columns["outcome"], shown_word(word)))
    frame = pd.DataFrame(
        {
            "id": ids,
            "application": application,
            "person": person,
            "rater": cells("rater"),
            "stage": words_of(cells("stage")),
            "status": np.where(np.isnat(submitted) & timed, "draft", "complete").astype(object),
            "submitted": submitted if timed else np.full(n, UNTIMED),
            "updated": np.full(n, NO_TIME),
            "overall": words_of(cells("overall")),
            "deleted": np.zeros(n, bool),
            "outcome": np.array([known.outcomes.get(word, "") for word in outcome], dtype=object),
            "decided": _times(cells("decided"), rows, label, known, "decided", findings),
        }
    )
    cards = Table(frame, [label], [0], rows)
    findings.add("alike", cards, table.duplicated().to_numpy() & (turn == 0))
    return cards


def _times(
    cells: NDArray[Any], rows: NDArray[np.int64], label: str, known: ColumnMapping, name: str, findings: Findings
) -> NDArray[Any]:
    values = cells
    if known.date_format:
        values = np.array([_dated(cell, known.date_format) for cell in cells], dtype=object)
    times = read_times(values, day_end=name == "decided")
    remedy = f'{BAD_TIME}; or name how dates are written in the mapping, such as date_format = "%d.%m.%Y"'
    for row in np.flatnonzero(times.bad):
        findings.refuse(label, Problem(remedy, int(rows[row]) + 1, known.columns[name], shown_word(cells[row])))
    return times.values


def _dated(cell: str, form: str) -> str:
    time = read_as(cell, form)
    return time.isoformat().removesuffix("T00:00:00") if time else cell


def read_as(cell: str, form: str) -> datetime | None:
    """Read a time that is written in a form, or a day without its time; None where it is neither.

    >>> [str(read_as(cell, "%d.%m.%Y %H:%M")) for cell in ("1.3.2026 10:30", "1.3.2026", "March")]
    ['2026-03-01 10:30:00', '2026-03-01 00:00:00', 'None']
    """
    for part in dict.fromkeys((form, day_of(form))):
        with suppress(ValueError):
            return datetime.strptime(cell, part)
    return None


def day_of(form: str) -> str:
    """Return the part of a form of times that is the day."""
    return re.sub(r" %[HI].*", "", form)


def _ratings(table: pd.DataFrame, label: str, known: ColumnMapping) -> Table:
    """Return the ratings: one column per signal, or one row per rating."""
    n = len(table)
    if "signal" in known.columns:
        columns = {
            "card": np.arange(n),
            "signal": words_of(table[known.columns["signal"]]),
            "family": words_of(np.full(n, "")),
            "word": words_of(table[known.columns["rating"]]),
        }
        return Table(pd.DataFrame(columns), [label], [0])
    names = list(known.signals)
    cells = np.concatenate([np.array([str(cell).strip() for cell in table[name]], dtype=object) for name in names])
    card = np.tile(np.arange(n), len(names))
    order = np.argsort(card, kind="stable")
    columns = {
        "card": card[order],
        "signal": words_of(np.repeat(np.array(names, dtype=object), n)[order]),
        "family": words_of(np.full(len(cells), "")),
        "word": words_of(cells[order]),
    }
    return Table(pd.DataFrame(columns), [label], [0], table.index.to_numpy(np.int64)[card[order]])


def _applications(export: SourceExport, findings: Findings) -> None:
    """Build the applications of the rows: all rows of one must agree on its outcome."""
    frame = export.cards.frame
    first = ~frame.duplicated("application").to_numpy()
    one = frame.groupby("application", sort=False)
    filled = frame[frame["outcome"] != ""]
    different = filled.groupby("application")["outcome"].nunique()
    for application in different[different > 1].index:
        positions = np.flatnonzero((frame["application"] == application).to_numpy())
        files, rows = export.cards.files_and_rows(positions)
        kind = "has two outcomes for one application; correct one, or name the column of the application in the mapping"
        findings.refuse(str(files[-1]), Problem(kind, int(rows[-1])))
    outcome = filled.groupby("application")["outcome"].first()
    table = export.cards.chosen(np.flatnonzero(first))
    state = table.frame["application"].map(outcome).fillna("").to_numpy(object)
    decided = table.frame["application"].map(one["decided"].min()).to_numpy().astype("datetime64[ms]")
    meant = {"yes": "hired", "no": "rejected", "withdrawn": "rejected", "unlabelled": "open", "": "open"}
    n = len(table)
    table.frame = pd.DataFrame(
        {
            "id": table.frame["application"],
            "person": table.frame["person"],
            "state": np.array([meant[word] for word in state], dtype=object),
            "deleted": np.zeros(n, bool),
            "anonymised": np.zeros(n, bool),
            "expires": np.full(n, NO_TIME),
            "updated": np.full(n, NO_TIME),
            "rejected": np.where(np.isin(state, ("no", "withdrawn")), decided, NO_TIME),
            "hired": np.where(state == "yes", decided, NO_TIME),
            "reason_kind": np.where(state == "withdrawn", "theirs", "").astype(object),
            "reason_text": np.full(n, "", dtype=object),
        }
    )
    export.applications = table
