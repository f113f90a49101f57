"""Code Arrow columns for the model, one column at a time; list bad rows with all their problems."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from predictor.errors import Problem
from predictor.model.fused import Coded, Codes
from predictor.model.offer_model import OfferModel
from predictor.model.raters import LENIENCY, PanelLevel, names_of
from predictor.model.tables import Floats
from predictor.ratings.catalogue import PANEL
from predictor.ratings.parsing import (
    MOST_HINTS,
    decoded,
    off_scale,
    out_of_scale,
    parse_levels,
    parse_ratings,
    warn_of_clipping,
)
from predictor.ratings.signals import ContextInput, Scale, Signal
from predictor.sources.parquet import is_text
from predictor.sources.text import with_point

Mask = NDArray[np.bool_]
EXPLAINED = 1024  # bad rows explained at once; more Python objects would take much memory


@dataclass(frozen=True)
class Column:
    """The cells of one term.

    Attributes
    ----------
    codes
        As in `Coded`, shape (n,); invalid cells count as not observed.
    bad
        Which cells are invalid, shape (n,); None if none is.
    off_grid, values
        Which values are off the grid, and all values, shape (n,); None if no value is off the grid.
    """

    codes: Codes
    bad: Mask | None = None
    off_grid: Mask | None = None
    values: Floats | None = None

    def take(self, at: NDArray[np.int64]) -> Column:
        """Select cells by index."""

        def taken(part: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if part is None else part[at]

        return Column(self.codes[at], taken(self.bad), taken(self.off_grid), taken(self.values))


class Coder:
    """Codes record batches for a model.

    Parameters
    ----------
    model
        The model whose terms are coded.
    text
        Whether cells are text, as in CSV, where "4" is a number and an empty cell is not observed.
    delimiter
        Separator of cells of text, for decimal commas; see `with_point`.

    Examples
    --------
    >>> coder = Coder(OfferModel.published())
    >>> batch = pa.record_batch({"goals_discussed": pa.array([4, None, 9], pa.int8())})
    >>> coded, bad, problems = coder.code(batch, np.array([1, 2, 3]))
    >>> [(problem.row, problem.found) for problem in problems]
    [(3, '9')]
    """

    def __init__(self, model: OfferModel, *, text: bool = False, delimiter: str = ",") -> None:
        self.model, self.text, self.delimiter = model, text, delimiter
        self._not_applicable = model.catalogue.not_applicable_values
        self._last = [np.uint16(count - 1) for count in model.blocks.counts]

    def code(self, batch: pa.RecordBatch, numbers: NDArray[np.int64]) -> tuple[Coded, Mask, Iterator[Problem]]:
        """Code a batch.

        Parameters
        ----------
        batch
            It has a column for each term that the files have.
        numbers
            Row numbers in the file, counted from 1, shape (n,).

        Returns
        -------
        coded
            All rows; invalid cells count as not observed.
        bad
            Which rows are bad, shape (n,).
        problems
            Every problem of those rows, row by row; computed only as the iterator advances, since a row takes .1 ms.
        """
        n, blocks = len(batch), self.model.blocks
        columns = [self._column(batch, term) for term in range(len(self.model.terms))]
        bad, off_grid = np.zeros(n, dtype=bool), np.full(n, not blocks.small_enough_to_fuse)
        for column in columns:
            if column.bad is not None:
                bad |= column.bad
            if column.off_grid is not None:
                off_grid |= column.off_grid
        rows = np.flatnonzero(off_grid)
        values = blocks.values([column.codes[rows] for column in columns])
        for term, column in enumerate(columns):
            if column.values is not None:
                values[:, term] = column.values[rows]
        problems = self._problems(batch, np.flatnonzero(bad), numbers)
        return Coded([column.codes for column in columns], off_grid, values), bad, problems

    def _column(self, batch: pa.RecordBatch, term: int) -> Column:
        signals, inputs, name = self.model.catalogue.signals, self.model.catalogue.inputs, self.model.terms[term]
        column = Column(np.full(len(batch), self._last[term]))
        if term < len(signals):
            return self._ratings(batch.column(name), term, signals[term]) if name in batch.schema.names else column
        if name in batch.schema.names:
            column = self._words(batch.column(name), term, inputs[term - len(signals)])
        if name == LENIENCY and (panels := self._panels(batch)):  # where no level is given
            levels = [self._last[term] if level is None else 2 * level.code for level in panels[1]]
            own = self._each(Column(np.array(levels, dtype=np.uint16)), panels[0], term).codes
            return replace(column, codes=np.where(column.codes == self._last[term], own, column.codes))
        return column

    def widening(self, batch: pa.RecordBatch) -> Floats | None:
        """Compute what panels add to the variance of the log-odds, shape (n,); see `OfferModel.answer`."""
        if (panels := self._panels(batch)) is None:
            return None
        words, levels = panels
        table = self.model.raters
        added = np.array([*(table.widening(level) if table and level else 0.0 for level in levels), 0.0])
        at, empty = _buffers(words.indices)
        widening = np.asarray(added[at if empty is None else np.where(empty, len(levels), at)])
        if LENIENCY in batch.schema.names:
            term = self.model.terms.index(LENIENCY)
            given = self._words(
                batch.column(LENIENCY), term, self.model.catalogue.inputs[term - len(self.model.signals)]
            )
            widening[given.codes != self._last[term]] = 0.0
        return widening

    def _panels(self, batch: pa.RecordBatch) -> tuple[pa.DictionaryArray, list[PanelLevel | None]] | None:
        """Return the panels and the level of each different one; None if the files or the model have none."""
        if self.model.raters is None or PANEL not in batch.schema.names:
            return None
        cells = batch.column(PANEL)
        words = cells if pa.types.is_dictionary(cells.type) else cells.cast(pa.string()).dictionary_encode()
        panels = [names_of(word or "") for word in words.dictionary.to_pylist()]
        return words, [self.model.raters.level(panel) if panel else None for panel in panels]

    def _ratings(self, cells: pa.Array, term: int, signal: Signal) -> Column:
        if pa.types.is_dictionary(cells.type):
            return self._each(self._ratings(cells.dictionary, term, signal), cells, term)
        if is_text(cells.type) or pa.types.is_boolean(cells.type):
            words = cells.cast(pa.string()).dictionary_encode()
            meanings = [signal.parse_text(word) for word in self._text(words.dictionary)]
            unknown = np.array([meaning is None for meaning in meanings], dtype=bool)
            numbers = np.array([math.nan if meaning is None else meaning for meaning in meanings])
            column = self._floats(numbers, term, signal)
            wrong = unknown if column.bad is None else column.bad | unknown
            return self._each(Column(column.codes, wrong, column.off_grid, column.values), words, term)
        whole = self._integers(cells, term, signal.scale) if pa.types.is_integer(cells.type) else None
        return whole or self._floats(_numpy(cells.cast(pa.float64(), safe=False).fill_null(math.nan)), term, signal)

    def _integers(self, cells: pa.Array, term: int, scale: Scale) -> Column | None:
        """Code whole numbers without converting them to floats; None if some are not on knots of the scale."""
        if scale.uneven:
            return None
        low, high, per_one, last = int(scale.low), int(scale.high), 2 / scale.step, self._last[term]
        values, empty = _buffers(cells)
        kind = np.iinfo(values.dtype)
        if low != scale.low or not per_one.is_integer() or not kind.min <= low <= kind.max:
            return None
        # in uint16 an out-of-scale value could wrap round to a valid code
        if (kind.max - kind.min + abs(low)) * per_one >= 65_536 - int(last):
            known = values if empty is None else values[~empty]
            if len(known) and not low <= known.min() <= known.max() <= high:
                return None
        codes = values.astype(np.uint16)
        codes -= np.uint16(low % 65_536)
        codes *= np.uint16(per_one)
        if empty is not None:
            codes *= ~empty  # arithmetic takes a tenth of the time of an assignment by mask
            codes += empty * last
        return Column(codes) if np.count_nonzero(codes >= last) == cells.null_count else None

    def _floats(self, values: Floats, term: int, signal: Signal) -> Column:
        bad, scale = None, signal.scale
        if (
            np.fmin.reduce(values, initial=scale.low) < scale.low
            or np.fmax.reduce(values, initial=scale.low) > scale.high
        ):
            values = decoded(values.copy(), signal.codes)
            if self.model.catalogue.learned_ends:
                warn_of_clipping([signal])
                values = np.where(np.isinf(values), values, np.clip(values, scale.low, scale.high))
            bad = off_scale(values, scale.low, scale.high, self._not_applicable[term])
            values = np.where(bad, np.nan, values)
        codes, off_grid = self.model.blocks.code_column(values, term)
        exact = off_grid is None and self.model.blocks.small_enough_to_fuse
        return Column(codes, bad, off_grid, None if exact else values)

    def _words(self, cells: pa.Array, term: int, item: ContextInput) -> Column:
        words = cells if pa.types.is_dictionary(cells.type) else cells.cast(pa.string()).dictionary_encode()
        known, problems = parse_levels(words.dictionary.to_pylist(), item, hints=0)
        bad = np.zeros(len(known), dtype=bool)
        bad[[problem.row - 1 for problem in problems if problem.row]] = True
        code = {level: 2 * place for place, level in enumerate(item.levels)}
        codes = np.array([code.get(word, self._last[term]) for word in known], dtype=np.uint16)
        return self._each(Column(codes, bad), words, term)

    def _each(self, column: Column, words: pa.DictionaryArray, term: int) -> Column:
        """Return for each row the cell of its word; `column` has those of the different words."""

        def append(part: NDArray[Any] | None, not_observed: Any) -> NDArray[Any] | None:
            return None if part is None else np.append(part, not_observed)

        codes = np.append(column.codes, self._last[term])
        bad, off_grid = append(column.bad, False), append(column.off_grid, False)
        by_word = Column(codes, bad, off_grid, append(column.values, np.nan))
        at, empty = _buffers(words.indices)
        return by_word.take(at if empty is None else np.where(empty, len(column.codes), at))

    def _text(self, cells: pa.Array) -> list[str]:
        words = ["" if word is None else str(word) for word in cells.to_pylist()]
        return [with_point(word, self.delimiter) for word in words]

    def _problems(self, batch: pa.RecordBatch, bad: NDArray[np.int64], numbers: NDArray[np.int64]) -> Iterator[Problem]:
        """Yield the problems of bad rows, by the parsers of ordinary files; only the first get slow hints."""
        for start in range(0, len(bad), EXPLAINED):
            at = bad[start : start + EXPLAINED]
            problems = self._explain(rows_at(batch, at), MOST_HINTS if start == 0 else 0)
            unexplained = {*range(1, len(at) + 1)} - {item.row for item in problems}
            problems += [Problem("cannot be read as ratings of the model's signals", row) for row in unexplained]
            rows = numbers[at].tolist()
            for item in sorted(problems, key=lambda item: item.row or 0):
                yield Problem(item.message, rows[(item.row or 1) - 1], item.column, item.found)

    def _explain(self, batch: pa.RecordBatch, hints: int) -> list[Problem]:
        """Return every problem of some rows, counted from 1."""
        catalogue, empty_word = self.model.catalogue, "empty" if self.text else "null"
        columns = {
            name: self._text(batch.column(name)) if self.text else batch.column(name).to_pylist()
            for name in self.model.terms
            if name in batch.schema.names
        }
        problems: list[Problem] = []
        values = np.full((len(batch), len(catalogue.signals)), np.nan)
        for place, signal in enumerate(catalogue.signals):
            if signal.name in columns:
                values[:, place], wrong = parse_ratings(columns[signal.name], signal, empty_word, hints=hints)
                problems += wrong
        if not catalogue.learned_ends:  # beyond these, ratings are clipped
            problems += out_of_scale(values, catalogue, empty_word)
        for item in catalogue.inputs:
            if item.name in columns:
                problems += parse_levels(columns[item.name], item, hints=hints)[1]
        return problems


def rows_at(batch: pa.RecordBatch, at: NDArray[np.int64]) -> pa.RecordBatch:
    """Select rows; dictionaries are decoded, since `to_pylist` is slow on them."""
    rows = batch.take(pa.array(at))
    columns = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, rows.schema.names)


def _buffers(cells: pa.Array) -> tuple[NDArray[Any], Mask | None]:
    """Return the memory of whole numbers, and which are null; Arrow's own functions would import pandas first."""
    present, data = cells.buffers()
    part = slice(cells.offset, cells.offset + len(cells))
    values = np.frombuffer(data, dtype=str(cells.type))[part]
    if not cells.null_count:
        return values, None
    bits = np.unpackbits(np.frombuffer(present, dtype=np.uint8), bitorder="little", count=part.stop)[part]
    return values, bits == 0


def _numpy(array: Any) -> NDArray[Any]:
    return np.asarray(array.to_numpy(zero_copy_only=False))
