"""Import the scorecards of a hiring system: the main path, from files to rows.

files -> tables by kind (`opening`, `tables`) -> a `SourceExport` in common columns (one module per system) -> outcomes
by the rules (`outcomes`) -> scorecards that are used (`assembling`) -> rows at landmarks (`stages`) -> `Imported`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor.errors import ConfigError, PredictorError, nearest
from predictor.ratings.catalogue import SIMULATED
from predictor.sources.scorecards import ashby, greenhouse, lever, spreadsheet
from predictor.sources.scorecards.assembling import CardRatings, place_rows, read_card_ratings, usable_cards
from predictor.sources.scorecards.columns import release_memory
from predictor.sources.scorecards.export import CARD, RATING, SourceExport, compact, count_naive
from predictor.sources.scorecards.findings import Findings
from predictor.sources.scorecards.folders import files_of, not_read, written_beside
from predictor.sources.scorecards.groups import groups_of
from predictor.sources.scorecards.imported import Imported
from predictor.sources.scorecards.levels import read_levels
from predictor.sources.scorecards.opening import Source, open_files, source_of
from predictor.sources.scorecards.outcomes import ApplicationOutcomes, decide, read_reasons
from predictor.sources.scorecards.pseudonyms import key_for, public_ids
from predictor.sources.scorecards.signals import catalogue_of
from predictor.sources.scorecards.stages import EACH, merged, stage_counts
from predictor.sources.scorecards.tables import Table, TableKind, empty, missing_columns, text_ids

if TYPE_CHECKING:
    from types import ModuleType

SYSTEMS: Mapping[str, ModuleType] = {"greenhouse": greenhouse, "lever": lever, "ashby": ashby}
CARDS: Mapping[str, tuple[str, ...]] = {
    "greenhouse": (greenhouse.V1.name, greenhouse.V3.name),
    "lever": (lever.FORMS.name,),
    "ashby": (ashby.FEEDBACK.name,),
}
MOST_STAGES = 12  # levels of the input; stages with fewer cards than these are "other stages"
OTHER_STAGES = "other stages"


def read_scorecards(
    system: str,
    files: Sequence[str | Path] = (),
    *,
    records: Mapping[str, list[Any]] | None = None,
    mapping: str | Path | None = None,
    sheet: str | None = None,
    fields: Mapping[str, Mapping[str, str]] | None = None,
    stage: str = EACH,
    overall: bool = False,
    evenly_spaced: bool = False,
    levels: Sequence[str] = (),
    reasons: Sequence[str] = (),
    pseudonym_key: bytes | None = None,
    out: Path | None = None,
    groups: Path | None = None,
    today: datetime | None = None,
) -> Imported:
    """Read the scorecards of a hiring system.

    Parameters
    ----------
    system
        greenhouse, lever, ashby, or csv with a `mapping`.
    files
        Folders and files; what a file holds shows in its columns.
    records
        Records of the API by any name, in place of files.
    mapping
        Of csv: the file that names the columns.
    sheet
        Of csv: the sheet of a workbook; default: the first visible one.
    fields
        Of Lever's warehouse: names of its fields by template and field index.
    stage
        Up to where cards count: "each", a row for each stage that an application reached, or words of a stage's name.
    overall
        Whether the overall recommendation is a signal; it is half the verdict already.
    evenly_spaced
        Whether four levels are 1, 2.33, 3.67 and 5 rather than 1, 2, 4 and 5.
    levels, reasons
        Answers to what the import asks: "stong_yes=5"; "Offer declined=yes".
    pseudonym_key
        The secret from which pseudonyms are computed; default: that next to `out`, else a new one.
    out, groups
        The table to write, and that of sex and race; what an earlier import wrote there is not part of the export.
    today
        The day for which consent is checked; default: today.

    Returns
    -------
    Imported
        Its `ratings` go into training; `cards` beside them, `findings` for the report.

    Raises
    ------
    PredictorError
        With everything that keeps the files from being read, by file and row.
    """
    if system not in (*SYSTEMS, "csv"):
        raise ConfigError(
            f"no system '{system}'{nearest(system, (*SYSTEMS, 'csv'))}; there are {', '.join(SYSTEMS)} and csv"
        )
    findings, read = Findings(), dict[str, str]()
    word_levels, meanings = read_levels(tuple(levels)), read_reasons(tuple(reasons))
    ours = written_beside(out, groups)
    if system == "csv":
        export = spreadsheet.read(files_of(files, ours), mapping, findings, read, sheet)
    else:
        sources = (
            open_files(files_of(files, written_beside(out, groups)), findings)
            if records is None
            else _from_records(records)
        )
        findings.check()
        tables = _tables(system, sources, findings, read)
        findings.check()
        export = lever.read(tables, findings, fields) if system == "lever" else SYSTEMS[system].read(tables, findings)
        export.naive_times = sum(count_naive(table) for parts in tables.values() for table in parts)
        tables.clear()  # of millions of rows only what is used is kept
    findings.check()
    read |= dict.fromkeys(not_read(files), "")
    compact(export)
    release_memory()
    if evenly_spaced:
        export.levels, export.overall_levels = export.levels.evenly_spaced(), export.overall_levels.evenly_spaced()
        export.levels_by_signal = {name: scale.evenly_spaced() for name, scale in export.levels_by_signal.items()}
    today = today or datetime.now(UTC)
    outcomes = decide(export, meanings, today, findings)
    counts = {"cards": len(export.cards), "ratings": len(export.ratings), "applications": len(export.applications)}
    table, ratings = read_card_ratings(export, findings, overall=overall, word_levels=word_levels)
    findings.check()
    export.cards, export.ratings = empty(CARD), empty(RATING)
    release_memory()
    cards = usable_cards(export, table, ratings, outcomes, today, findings)
    del table
    cards.stage = _few_stages(merged(cards.stage), findings)
    rows = place_rows(stage, cards, outcomes, findings)
    release_memory()
    return _imported(
        export, system, outcomes, ratings, cards, rows, findings, counts, read, pseudonym_key or key_for(out)
    )


def _from_records(records: Mapping[str, list[Any]]) -> list[Source]:
    return [source_of(list(items), name) for name, items in records.items()]


def _tables(system: str, sources: Sequence[Source], findings: Findings, read: dict[str, str]) -> dict[str, list[Table]]:
    """Read what is wanted of each file, by kind; a file of another system is an error only if there is no card."""
    kinds: Sequence[TableKind] = SYSTEMS[system].KINDS
    fitting = [next((kind for kind in kinds if kind.fits(source.label, source.columns)), None) for source in sources]
    if not any(kind and kind.name in CARDS[system] for kind in fitting):
        raise _no_cards(system, sources)  # before what else may be wrong: they may be of another system
    tables: dict[str, list[Table]] = {}
    for source, kind in zip(sources, fitting, strict=True):
        read[source.label] = kind.name if kind else ""
        if kind and not missing_columns(kind, source.columns, source.label, findings):
            tables.setdefault(kind.name, []).append(source.read(kind, findings))
    for name in tables:
        pages = [source for source, kind in zip(sources, fitting, strict=True) if kind and kind.name == name]
        if (flags := [page.more for page in pages if page.more is not None]) and all(flags):
            findings.notes.append(f"{pages[-1].label}: states that more pages follow; export all pages of the {name}.")
    return tables


def _no_cards(system: str, sources: Sequence[Source]) -> PredictorError:
    """Describe what the files look like, where they hold no cards of the system that was named."""
    for other, names in CARDS.items():
        for source in sources:
            kind = next((kind for kind in SYSTEMS[other].KINDS if kind.fits(source.label, source.columns)), None)
            if other != system and kind and kind.name in names:
                return ConfigError(
                    f"{source.label}: looks like {kind.name} of {other.capitalize()}, not of {system.capitalize()}; "
                    f"use: predictor scorecards {other} ..."
                )
    wanted = " or ".join(CARDS[system])
    labels = ", ".join(source.label for source in sources[:5]) + (", ..." if len(sources) > 5 else "")
    empty = all(not source.columns for source in sources)
    why = "they are empty" if empty else f"{labels}: no table has the columns of {wanted}"
    hint = "; for a spreadsheet use: predictor scorecards csv --draft FILE" if not empty else ""
    return ConfigError(f"no scorecards in these files: {why}; export them too{hint}")


def _few_stages(stage: Any, findings: Findings) -> Any:
    """Merge rare stages where there are too many to be levels of an input."""
    counts = stage_counts(stage)
    if len(counts) <= MOST_STAGES:
        return stage
    kept = list(counts)[: MOST_STAGES - 1]
    rare = len(counts) - len(kept)
    findings.notes.append(
        f"There are {len(counts)} stages; the {rare} with the fewest cards are put together as '{OTHER_STAGES}'."
    )
    return np.where(pd.Series(stage).isin(kept), stage, OTHER_STAGES)


def _imported(
    export: SourceExport,
    system: str,
    outcomes: ApplicationOutcomes,
    ratings: CardRatings,
    cards: Any,
    rows: Any,
    findings: Findings,
    counts: dict[str, int],
    read: dict[str, str],
    key: bytes,
) -> Imported:
    applications = text_ids(outcomes.applications.column("id"))
    people, card_ids = outcomes.person, cards.table.column("id")
    if export.ids_may_be_names:
        public = public_ids(key, {str(id_) for id_ in people})
        people = np.array([public[str(id_)] for id_ in people], dtype=object)
        public = public_ids(key, {str(id_) for id_ in applications}, "A")
        applications = np.array([public[str(id_)] for id_ in applications], dtype=object)
        public = public_ids(key, {str(id_) for id_ in card_ids}, "C")
        card_ids = np.array([public[str(id_)] for id_ in card_ids], dtype=object)
    origin: Any = outcomes.applications.frame.get("origin", [])
    simulated = bool((np.asarray(origin, dtype=object) == SIMULATED).any())
    stages = list(stage_counts(rows.stage)) if len(rows.stage) else []
    catalogue = None if not ratings.labels else catalogue_of(
        ratings.labels, ratings.families, ratings.family_labels, ratings.levels, sorted(stages),
        name=f"{system}-scorecards", title=f"Scorecards of {export.system}, {rows.phrase}", simulated=simulated,
    )  # fmt: skip
    return Imported(
        export.system, catalogue, findings, outcomes, ratings, cards, rows, key, applications, people, card_ids,
        simulated, read,
        groups_of(export, outcomes, people, findings), counts | {"naive times": export.naive_times}, export.about,
    )  # fmt: skip
