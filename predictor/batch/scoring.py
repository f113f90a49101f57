"""Score the rows of parts: predictions, copied columns, and bad rows, which cannot be used."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from predictor.batch.coding import EXPLAINED, Coder, rows_at
from predictor.batch.parts import FileFormat, Part, name_of
from predictor.batch.reading import read_blocks
from predictor.batch.rows import BadRow, RowBlock
from predictor.batch.writing import Writer
from predictor.errors import Problem, RatingsError
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.model.wording import CAVEAT

MODEL_COLUMN, SIMULATED_COLUMN = "model", "simulated_model"  # of every output
BAD_ROWS_SCHEMA = pa.schema(
    [("file", pa.string()), ("row", pa.int64()), ("problems", pa.list_(pa.string())), ("data", pa.string())]
)
ROWS_AT_ONCE = 65_536  # rows predicted at once; see `OfferModel.answer`
MOST_EXPLAINED = 1000  # bad rows of a part that an error explains; the others are counted


@dataclass(frozen=True)
class ScoringOptions:
    """What to compute for each row, and what to copy.

    Attributes
    ----------
    base_rate
        The user's own share of offers, above 0 and below 1; None: the model's.
    interval
        Whether to write the ends of the 90 % interval.
    contributions
        Whether to write the contribution of each signal, in log-odds.
    top
        Number of the strongest contributions to write, by name and log-odds; 0: none.
    keep
        Columns to copy unchanged.
    unobserved
        Signals that are no columns of the files: they count as not observed.
    """

    base_rate: float | None = None
    interval: bool = True
    contributions: bool = False
    top: int = 0
    keep: tuple[str, ...] = ()
    unobserved: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoringTotals:
    """Counts of rows.

    Attributes
    ----------
    rows
        Number of scored rows.
    bad
        Number of bad rows.
    observed
        Signals that were rated in at least one row.
    """

    rows: int = 0
    bad: int = 0
    observed: frozenset[str] = frozenset()

    def __add__(self, other: ScoringTotals) -> ScoringTotals:
        return ScoringTotals(self.rows + other.rows, self.bad + other.bad, self.observed | other.observed)


class Scorer:
    """Computes predictions by a model as the options ask.

    Parameters
    ----------
    model
        The model that predicts.
    options
        What to compute and to copy.
    """

    def __init__(self, model: OfferModel, options: ScoringOptions) -> None:
        self.model, self.options = model, options
        self._names = model.answer_names(
            interval=options.interval, contributions=bool(options.contributions or options.top)
        )

    def warm(self) -> None:
        """Predict one row, so that the model makes its tables once, and not in each thread."""
        unrated = [np.full(1, np.nan) for _ in self.model.terms]
        self.model.answer(self.model.blocks.code(unrated), interval=self.options.interval)

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are added to those that are kept."""
        answers = self.model.answer_names(interval=self.options.interval, contributions=self.options.contributions)
        reasons = [f"reason_{place}{end}" for place in range(1, self.options.top + 1) for end in ("", "_log_odds")]
        return [*answers, *reasons, MODEL_COLUMN, SIMULATED_COLUMN]

    def score(self, block: RowBlock) -> tuple[pa.Table, ScoringTotals, Iterator[BadRow]]:
        """Predict some rows.

        Parameters
        ----------
        block
            Rows as they are read.

        Returns
        -------
        table
            The kept columns and `columns`, without bad rows.
        scored
            Counts of these rows.
        broken
            The bad rows, with the problems of each, which are computed only when the iterator reaches it.
        """
        coder = Coder(self.model, text=block.delimiter is not None, delimiter=block.delimiter or ",")
        coded, bad, problems = coder.code(block.batch, block.numbers)
        widening = coder.widening(block.batch) if self.options.interval else None
        answers = np.empty((len(self._names), len(coded)))
        for start in range(0, len(coded), ROWS_AT_ONCE):
            end = start + ROWS_AT_ONCE
            answers[:, start:end] = self.model.answer(
                coded.rows(start, end),
                base_rate=self.options.base_rate,
                interval=self.options.interval,
                contributions=bool(self.options.contributions or self.options.top),
                widening=None if widening is None else widening[start:end],
            )
        columns = dict(zip(self._names, map(arrow, answers), strict=True)) | self._strongest(answers)
        simulated = "yes" if self.model.simulated else "in part" if self.model.prior_share else "no"
        columns[MODEL_COLUMN] = constant(self.model.fingerprint, len(coded))
        columns[SIMULATED_COLUMN] = constant(simulated, len(coded))
        kept = {name: block.batch.column(name) for name in self.options.keep}
        table, broken = pa.table(kept | {name: columns[name] for name in self.columns}), iter(block.broken)
        if bad.any():
            table = table.filter(pa.array(~bad))
            broken = chain(broken, _broken(block.batch, np.flatnonzero(bad), problems))
        count = len(block.broken) + int(np.count_nonzero(bad))
        rated = zip(self.model.signals, coded.codes, self.model.blocks.counts, strict=False)
        observed = frozenset(name for name, codes, count in rated if codes.min(initial=count - 1) < count - 1)
        return table.replace_schema_metadata(self._about()), ScoringTotals(len(table), count, observed), broken

    def _strongest(self, answers: Floats) -> dict[str, pa.Array]:
        strongest: dict[str, pa.Array] = {}
        if self.options.top:
            added = answers[-len(self.model.terms) :]
            order = np.argsort(-abs(added), axis=0, kind="stable")[: self.options.top]
            for place, terms in enumerate(order, 1):
                strongest[f"reason_{place}"] = pa.DictionaryArray.from_arrays(
                    terms.astype(np.int32), list(self.model.terms)
                )
                strongest[f"reason_{place}_log_odds"] = arrow(np.take_along_axis(added, terms[None], axis=0)[0])
        return strongest

    def _about(self) -> dict[str, str]:
        """Return the metadata of a Parquet file: the model, and notes."""
        model = self.model
        about = {"name": model.name, "fingerprint": model.fingerprint, "simulated": model.simulated}
        about |= {"prior_share": model.prior_share, "trained_on": {"n": model.trained_on["n"]}}
        notes = [*model.prior_note(), CAVEAT]
        if model.simulated:
            notes.append("SIMULATED: the model learned from simulated interviews, not from real ones.")
        return {"predictor": json.dumps({"model": about, "notes": notes})}


def never() -> bool:
    """Return False: the `halt` of work that is not interrupted."""
    return False


def write_part(
    scorer: Scorer,
    part: Part,
    path: Path,
    form: FileFormat,
    bad_rows_file: Path | None,
    halt: Callable[[], bool] = never,
) -> ScoringTotals:
    """Score one part into one file, written atomically.

    Parameters
    ----------
    path, form
        The file, and its format.
    bad_rows_file
        The file for bad rows, complete before `path`; None: they are an error.
    halt
        Called between batches; if it returns true, scoring the part ends.

    Raises
    ------
    RatingsError
        With the bad rows, if there is no file for them.
    InterruptedError
        If `halt` returned true.
    """
    refused = BadRows(part)
    if bad_rows_file:
        bad_rows_file.unlink(missing_ok=True)  # of an earlier run, in which the source may have been different
    with contextlib.ExitStack() as stack:
        writer: Writer | None = None
        bad: Writer | None = None
        for block in read_blocks(part, scorer.model, scorer.options.keep):
            if halt():
                raise InterruptedError
            table, scored, broken = scorer.score(block)
            writer = writer or stack.enter_context(Writer(path, form, table.schema))
            writer.write(table)
            refused.add(scored, () if bad_rows_file else broken)
            if scored.bad and bad_rows_file:
                # opened last and so closed first: this file is complete before that of the answers
                bad = bad or stack.enter_context(Writer(bad_rows_file, FileFormat("jsonl"), BAD_ROWS_SCHEMA))
                write_bad_rows(bad, part, broken)
        if not bad_rows_file:
            refused.check()
    return refused.total


class BadRows:
    """The bad rows of a part, reported in one error when all are counted."""

    def __init__(self, part: Part) -> None:
        self.part, self.problems, self.total = part, list[Problem](), ScoringTotals()
        self.explained = 0

    def add(self, scored: ScoringTotals, broken: Iterable[BadRow]) -> None:
        """Count rows, and keep the problems of the first bad ones."""
        self.total += scored
        for item in islice(broken, MOST_EXPLAINED - self.explained):
            self.explained += 1
            self.problems += item.problems

    def check(self) -> None:
        """Check that there are none.

        Raises
        ------
        RatingsError
            With the number of bad rows, and the first problems.
        """
        if bad := self.total.bad:
            most = f"{bad:,} of {self.total.rows + bad:,} rows cannot be used (--bad-rows FILE sets them aside)"
            raise RatingsError(f"{name_of(self.part)}: {most}", self.problems)


def write_bad_rows(writer: Writer, part: Part, broken: Iterator[BadRow]) -> None:
    """Write bad rows, some at a time: file, row, problems, and the row unchanged."""
    while some := list(islice(broken, EXPLAINED)):
        rows = [
            {
                "file": name_of(part),
                "row": item.row,
                "problems": [_text_of(p) for p in item.problems],
                "data": item.text,
            }
            for item in some
        ]
        writer.write(pa.Table.from_pylist(rows, BAD_ROWS_SCHEMA))


def _text_of(problem: Problem) -> str:
    return " ".join(filter(None, [problem.column, f"'{problem.found}'" if problem.found else "", problem.message]))


def _broken(batch: pa.RecordBatch, bad: NDArray[np.int64], problems: Iterator[Problem]) -> Iterator[BadRow]:
    """Yield each bad row, at the positions `bad`, with its problems and its text."""
    pieces = (rows_at(batch, bad[at : at + EXPLAINED]).to_pylist() for at in range(0, len(bad), EXPLAINED))
    rows = (row for piece in pieces for row in piece)
    for (number, of_row), row in zip(groupby(problems, key=lambda problem: problem.row), rows, strict=True):
        problems_of_row = tuple(of_row)
        yield BadRow(number or 0, partial(tuple, problems_of_row), json.dumps(row, default=str, ensure_ascii=False))


def arrow(numbers: Floats) -> pa.Array:
    """Return floats as an Arrow array that shares their memory.

    `pa.array` would import pandas first, which takes as long as a million rows.
    """
    return pa.Array.from_buffers(pa.float64(), len(numbers), [None, pa.py_buffer(numbers)])


def constant(word: str, n: int) -> pa.Array:
    """Return one word n times."""
    letters = word.encode()
    ends = np.array([0, len(letters)], dtype=np.int32)
    words = pa.StringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(letters))
    return pa.DictionaryArray.from_arrays(
        pa.Array.from_buffers(pa.int32(), n, [None, pa.py_buffer(bytes(4 * n))]), words
    )
