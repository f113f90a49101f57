"""Tables of an export: which kind a file is by its columns, and the columns that are wanted of it, under our names.

Columns of free text are never read: a kind names what it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from predictor.errors import Problem, nearest, plural
from predictor.sources.scorecards.findings import Findings, shown_word
from predictor.sources.scorecards.times import BAD_TIME, NO_TIME, read_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_IDS = 1 << 20  # ids that are looked up at once
NO_ID = np.iinfo(np.int64).min  # in a column of whole numbers; "" in a column of text
IDS = frozenset(
    [
        "id",
        "application",
        "person",
        "rater",
        "submitter",
        "card",
        "record",
        "attribute",
        "kit",
        "interview",
        "reason",
        "template",
        "merged",
        "user",
    ]
)
MOMENTS = frozenset(("submitted", "updated", "interviewed", "created"))
DECISIONS = frozenset(("rejected", "sent", "resolved", "hired", "expires", "synced"))
TIMES = MOMENTS | DECISIONS
FLAGS = frozenset(("prospect", "deleted", "anonymised"))
DELETED = (
    *("fivetran_deleted", "is_deleted", "deleted", "deleted_at", "sdc_deleted_at", "airbyte_deleted_at"),
    *("ab_cdc_deleted_at", "airbyte_meta_deleted_at"),
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TRUE, _FALSE = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0", ""}


def plain(name: str) -> str:
    """Normalise a column's name for comparison.

    Examples
    --------
    >>> plain("candidateId"), plain("INTERVIEWER.ID"), plain("_fivetran_deleted"), plain("interview_step__name")
    ('candidate_id', 'interviewer_id', 'fivetran_deleted', 'interview_step_name')
    """
    return re.sub(r"[^0-9a-z]+", "_", _CAMEL.sub("_", name.strip()).lower()).strip("_")


@dataclass(frozen=True)
class TableKind:
    """A kind of table of a system.

    Attributes
    ----------
    name
        What it holds.
    signature
        Columns by which it is known: one of each group must be there.
    columns
        Our names, and those that a column may have, in order of preference.
    required
        Our names without which the table cannot be used.
    never
        Columns by which it is known to be another table.
    label
        What the file's name must contain, where the columns alone do not tell.
    """

    name: str
    signature: tuple[tuple[str, ...], ...]
    columns: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...] = ("id",)
    never: tuple[str, ...] = ()
    label: str = ""

    def fits(self, label: str, columns: frozenset[str]) -> bool:
        """Whether a table of these columns is of this kind."""
        if self.label and not re.search(self.label, plain(label)):
            return False
        return all(columns.intersection(group) for group in self.signature) and not columns.intersection(self.never)

    def wanted(self, columns: frozenset[str]) -> dict[str, list[str]]:
        """Return the columns that are there by our names, in order of preference."""
        there = {name: [column for column in theirs if column in columns] for name, theirs in self.columns.items()}
        return {name: theirs for name, theirs in there.items() if theirs}


@dataclass
class Table:
    """Rows of one kind, of one file or of several.

    Attributes
    ----------
    frame
        Our columns. Ids are whole numbers or text, times UTC, flags true or false, everything else words.
    files, starts
        Files, and the position of the first row of each.
    rows
        The row in its file, where that is not the position itself.
    records
        The records as JSON has them, where the table came from JSON.
    """

    frame: pd.DataFrame
    files: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    rows: NDArray[np.int64] | None = None
    records: list[Any] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.frame)

    def files_and_rows(self, positions: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the file of each position, and its row there, from 1."""
        part = np.searchsorted(self.starts, positions, side="right") - 1
        rows = positions - np.array(self.starts)[part] if self.rows is None else self.rows[positions]
        return np.array(self.files, dtype=object)[part], rows + 1

    def column(self, name: str) -> Any:
        """Return a column as an array: one of nothing where the table has no such column."""
        if name in self.frame:
            return self.frame[name].to_numpy()
        if name.endswith(" day"):
            return np.zeros(len(self), bool)
        if name in IDS:
            return np.full(len(self), "", dtype=object)
        if name in TIMES:
            return np.full(len(self), NO_TIME)
        return np.zeros(len(self), bool) if name in FLAGS else np.full(len(self), "", dtype=object)

    def chosen(self, keep: NDArray[Any]) -> Table:
        """Select rows by a mask or positions; each keeps its file and row number."""
        positions = np.flatnonzero(keep) if keep.dtype == bool else keep
        if len(positions) == len(self) and keep.dtype == bool:
            return self
        part = np.searchsorted(self.starts, positions, side="right") - 1
        rows = positions - np.array(self.starts, np.int64)[part] if self.rows is None else self.rows[positions]
        order = np.searchsorted(part, np.arange(len(self.starts)))
        records = [self.records[position] for position in positions] if self.records else []
        frame = self.frame.iloc[positions].reset_index(drop=True)
        return Table(frame, list(self.files), order.tolist(), rows, records)


def empty(names: Iterable[str]) -> Table:
    """Return a table without rows."""
    nothing = Table(pd.DataFrame())
    frame = pd.DataFrame({name: _joined([nothing.column(name)], name) for name in names})
    return Table(frame, [""], [0])


def stacked(tables: Sequence[Table], names: Sequence[str]) -> Table:
    """Concatenate the rows of tables of one kind."""
    names = [*names, *(f"{name} day" for name in names if name in DECISIONS)]
    if not tables:
        return empty(names)
    if len(tables) == 1:  # nothing is copied
        frame = tables[0].frame
        for name in names:
            if name not in frame:
                frame[name] = _joined([tables[0].column(name)], name)
        return tables[0]
    lengths = [len(table) for table in tables]
    offsets = np.cumsum([0, *lengths])
    columns = {name: _joined([table.column(name) for table in tables], name) for name in names}
    frame = pd.DataFrame(columns)
    starts = [int(offset + start) for offset, table in zip(offsets, tables, strict=False) for start in table.starts]
    rows = None
    if any(table.rows is not None for table in tables):
        rows = np.concatenate([_rows_of(table) for table in tables])
    records = [record for table in tables for record in table.records]
    return Table(frame, [file for table in tables for file in table.files], starts, rows, records)


def _rows_of(table: Table) -> NDArray[np.int64]:
    positions = np.arange(len(table))
    return table.files_and_rows(positions)[1] - 1


def _joined(parts: list[Any], name: str) -> Any:
    if name in IDS and any(part.dtype.kind != "i" for part in parts):
        return np.concatenate([text_ids(part) for part in parts])
    if name in TIMES or name in FLAGS or name in IDS or name.endswith((" day", " naive")):
        return np.concatenate(parts)
    return union_categoricals([words_of(part) for part in parts])


def appended(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate frames of the same columns, one column at a time, and let go of what was copied."""
    if len(frames) == 1:
        return frames[0]
    columns = {name: _joined([_array(frame.pop(name)) for frame in frames], name) for name in list(map(str, frames[0]))}
    return pd.DataFrame(columns, copy=False)


def _array(column: pd.Series) -> Any:
    return column.array if isinstance(column.dtype, pd.CategoricalDtype) else column.to_numpy()


# -- making columns ----------------------------------------------------------------------------------------------------


def text_ids(ids: Any) -> NDArray[Any]:
    """Return ids as text, "" where there is none."""
    array: NDArray[Any] = np.asarray(ids)
    if array.dtype.kind != "i":
        return array.astype(object)
    codes, numbers = pd.factorize(array)  # each different id is one text, which many rows share
    texts = np.array([*("" if number == NO_ID else str(number) for number in numbers.tolist()), ""], dtype=object)
    return np.asarray(texts[codes])


def no_id(ids: Any) -> NDArray[np.bool_]:
    """Return where a column of ids has none."""
    array: NDArray[Any] = np.asarray(ids)
    return np.asarray(array == (NO_ID if array.dtype.kind == "i" else ""), dtype=bool)


def positions(of: Any, within: Any) -> NDArray[np.int64]:
    """Return the first position of each id among others; -1 where there is none."""
    of, within = np.asarray(of), np.asarray(within)
    if not (of.dtype.kind == within.dtype.kind == "i"):
        of, within = text_ids(of), text_ids(within)
    if not len(within):
        return np.full(len(of), -1)
    index, first = pd.Index(within), None
    if not index.is_unique:
        first = np.flatnonzero(~index.duplicated())
        index = index[first]
    at = np.empty(len(of), np.int64)
    for start in range(0, len(of), BLOCK_IDS):
        some = slice(start, start + BLOCK_IDS)
        at[some] = np.where(no_id(of[some]), -1, index.get_indexer(of[some]))
    return at if first is None else np.append(first, -1)[at]


def ids_of(cells: Any) -> NDArray[Any]:
    """Convert cells into ids: whole numbers where all of them are, else text.

    Examples
    --------
    >>> ids_of([12, 13, None]).tolist()[:2], ids_of(["a-1", 7, None]).tolist(), ids_of([12.0, 13.0]).tolist()
    ([12, 13], ['a-1', '7', ''], [12, 13])
    """
    series = pd.Series(cells)
    if series.dtype.kind in "iu":
        return series.to_numpy(np.int64, na_value=NO_ID)
    if series.dtype.kind == "f":
        numbers = series.to_numpy(np.float64, na_value=np.nan)
        if np.all(np.isnan(numbers) | ((numbers == np.floor(numbers)) & (np.abs(numbers) < 2**63))):
            return np.where(np.isnan(numbers), NO_ID, np.nan_to_num(numbers)).astype(np.int64)
    texts = [_id_text(cell) for cell in series.astype(object)]
    if texts and all(re.fullmatch(r"[1-9]\d{0,17}|0|", text) for text in texts) and any(texts):
        return np.array([int(text) if text else NO_ID for text in texts])
    return np.array(texts, dtype=object)


def _id_text(cell: Any) -> str:
    if cell is None or cell != cell:
        return ""
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
    return text.removesuffix(".0") if re.fullmatch(r"\d+\.0", text) else text


def words_of(cells: Any) -> Any:
    """Convert cells into words, a Categorical; "" where there is none.

    Its categories are objects, so that an array made of it has each word once; pandas' own text dtype would make a new
    text for each row.
    """
    series = pd.Series(cells)
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, words = series.cat.codes.to_numpy(), series.cat.categories
    else:
        if series.dtype.kind == "f":  # whole numbers with gaps
            series = pd.Series(["" if value != value else f"{value:g}" for value in series])
        codes, words = pd.factorize(series.astype(object))
    new_codes, categories = _coded(codes, [str(word).strip() for word in words])
    return pd.Categorical.from_codes(new_codes, pd.Index(categories, dtype=object))


def _coded(codes: NDArray[Any], words: list[str]) -> tuple[NDArray[Any], list[str]]:
    """Assign the code of "" to cells without a word, and the same code to words that are alike."""
    code_of = {word: code for code, word in enumerate(dict.fromkeys([*words, ""]))}
    lookup = np.array([code_of[word] for word in words] + [code_of[""]])
    return lookup[codes], list(code_of)


def flags_of(cells: Any, name: str, source: str, findings: Findings, first: int = 0) -> NDArray[np.bool_]:
    """Convert cells into true or false; `first` rows of the file are before them."""
    series = pd.Series(cells)
    if series.dtype.kind == "b":
        return series.to_numpy()
    words = words_of(series)
    meant = []
    for code, word in enumerate(words.categories):
        key = word.lower()
        there = np.flatnonzero(words.codes == code)  # none where it is of a dictionary that a file shares
        if key not in _TRUE | _FALSE and len(there):
            kind = "is neither true nor false; write one of them"
            findings.refuse(source, Problem(kind, first + int(there[0]) + 1, name, shown_word(word)))
        meant.append(key in _TRUE)
    return np.asarray(np.array([*meant, False])[words.codes], dtype=bool)


def typed(
    raw: Mapping[str, list[Any]], kind: TableKind, source: str, findings: Findings, first: int = 0
) -> pd.DataFrame:
    """Convert cells of a file into the typed columns of a table, under our names.

    Several columns may show a deletion, and a flag or a time; any of them counts.

    Parameters
    ----------
    raw
        Columns by our names.
    kind
        What the table is; messages name its columns.
    source
        Label of the file.
    first
        Rows of the file before these.
    """
    columns: dict[str, Any] = {}
    for name, parts in raw.items():
        if name == "deleted":
            columns[name] = np.logical_or.reduce([_deleted(part, source, findings, first) for part in parts])
        elif name in IDS:
            columns[name] = ids_of(parts[0])
        elif name in TIMES:
            times = read_times(parts[0], day_end=name in DECISIONS, midnight_is_day=name == "sent")
            for at in np.flatnonzero(times.bad).tolist():
                cell = pd.Series(parts[0]).iloc[at]
                findings.refuse(source, Problem(BAD_TIME, first + at + 1, kind.columns[name][0], shown_word(cell)))
            columns[name], columns[f"{name} naive"], columns[f"{name} day"] = times.values, times.naive, times.days
        elif name in FLAGS:
            columns[name] = flags_of(parts[0], name, source, findings, first)
        else:
            columns[name] = words_of(parts[0])
    return pd.DataFrame(columns, copy=False)


def refuse_missing(frame: pd.DataFrame, kind: TableKind, source: str, findings: Findings) -> None:
    """Refuse a table in which ids that its kind needs are empty."""
    for name in set(kind.required) & IDS & set(frame):
        missing = no_id(frame[name].to_numpy())
        if missing.any():
            row = int(np.flatnonzero(missing)[0]) + 1
            count = plural(int(missing.sum()), "row")
            kind_of = f"is empty in {count} of the {kind.name}; each needs one: export it again, or delete the row"
            findings.refuse(source, Problem(kind_of, row, kind.columns[name][0]))


def _deleted(cells: Any, source: str, findings: Findings, first: int) -> NDArray[np.bool_]:
    series = pd.Series(cells)
    if series.dtype.kind in "Mifu" and series.dtype.kind != "b" and not set(series.dropna().unique()) <= {0, 1}:
        return series.notna().to_numpy()
    if series.dtype.kind not in "b":
        cell = next((str(cell) for cell in series if cell is not None and cell == cell and str(cell).strip()), "")
        if cell[:4].isdigit() and len(cell) > 4:  # the time of the deletion
            return np.array([bool(cell is not None and cell == cell and str(cell).strip()) for cell in series])
    return flags_of(series, "deleted", source, findings, first)


def missing_columns(kind: TableKind, columns: frozenset[str], source: str, findings: Findings) -> bool:
    """Refuse a table without a column that its kind needs."""
    wanted = kind.wanted(columns)
    lost = [name for name in kind.required if name not in wanted]
    for name in lost:
        theirs = kind.columns[name]
        hint = nearest(theirs[0], columns)
        findings.refuse(source, Problem(f"the {kind.name} have no column '{theirs[0]}'{hint}; export it too"))
    return bool(lost)
