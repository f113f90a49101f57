"""Many small tables merged into few larger ones: the fast look-up for many rows.

Signals of five knots, with the points half way between them and "not observed", have ten cells each, so two signals
together have 100 cells, four have 10,000. One look-up in a table of 10,000 then stands for four signals and the six
pairs among them; 66 of them hold all 276 pairs of 24 signals.

It is exact for ratings on the knots and half way between them, as the mean of two raters is; for others there are
`Tables` and `PairTables`.

A rating's cell is kept as a small whole number, its code, so that columns of whole numbers are never made floats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.model.tables import Floats, Grid, Ints

Codes = NDArray[np.uint16]

_BLOCK_CELLS = 128  # most cells of a block, unless one term alone has more: two blocks' table then stays in the cache
_ALL_CELLS = 2000  # most cells of all blocks together; 24 signals of five knots have 1,200
_ROUNDING = 1e-13  # in steps: a value so close to a knot such as 0.3 is on it; an answer is less exact


@dataclass(frozen=True)
class Coded:
    """Ratings of many rows, by term: the cell that each is in, and the values of rows off the grid.

    Attributes
    ----------
    codes
        For each term the cells, shape (n,): 0 at the lowest rating, 1 half a step above it, and so on; then not
        applicable, where the term has that; the last: not observed.
    off_grid
        Which rows have a rating off the grid, shape (n,): their codes are those of the nearest cells.
    values
        Values of those rows, shape (rows off the grid, terms); NaN where not observed.
    """

    codes: Sequence[Codes]
    off_grid: NDArray[np.bool_]
    values: Floats

    def __len__(self) -> int:
        return len(self.off_grid)

    def rows(self, start: int, stop: int) -> Coded:
        """Select a range of rows."""
        before, inside = (int(np.count_nonzero(self.off_grid[part])) for part in (slice(start), slice(start, stop)))
        codes = [column[start:stop] for column in self.codes]
        return Coded(codes, self.off_grid[start:stop], self.values[before : before + inside])

    def where(self, chosen: NDArray[np.bool_]) -> Coded:
        """Select rows by a mask of shape (n,)."""
        at = np.flatnonzero(chosen)  # once, since numpy takes longer to go through a mask than to take what it chooses
        codes = [column.take(at) for column in self.codes]
        return Coded(codes, self.off_grid.take(at), self.values[chosen[self.off_grid]])


class TermBlocks:
    """Neighbouring terms taken together, with the cells of each block numbered 0, 1, ...

    Parameters
    ----------
    grid
        The grid on which the terms' tables are defined.

    Examples
    --------
    >>> blocks = TermBlocks(Grid(np.ones(2), np.ones(2), np.array([5, 5])))
    >>> coded = blocks.code([np.array([1.0, 3.5, np.nan]), np.array([2.0, 2.2, 5.0])])
    >>> coded.codes, coded.off_grid
    ([array([0, 5, 9], dtype=uint16), array([2, 2, 8], dtype=uint16)], array([False,  True, False]))
    >>> blocks.number(coded.codes)
    array([[ 2, 52, 98]])
    """

    def __init__(self, grid: Grid) -> None:
        self._low, self._per_cell = grid.low.tolist(), (2 / grid.step).tolist()
        self._not_applicable: list[float] = grid.not_applicable_values.tolist()
        # cells: knots, points half way, not applicable, not observed
        self.counts: list[int] = (2 * grid.n_knots + grid.has_not_applicable).tolist()
        self._blocks: list[range] = []
        first = 0
        for last in range(1, len(self.counts) + 1):
            if last == len(self.counts) or math.prod(self.counts[first : last + 1]) > _BLOCK_CELLS:
                self._blocks.append(range(first, last))
                first = last
        self._ends = np.cumsum([0, *self.counts])
        self._grid = grid

    @property
    def small_enough_to_fuse(self) -> bool:
        """Whether the tables stay small: some megabytes with every pair."""
        return sum(math.prod(self.counts[term] for term in block) for block in self._blocks) <= _ALL_CELLS

    @cached_property
    def cells(self) -> list[Ints]:
        """For each cell of a block the cell of each of its terms, counted over all terms: shape (cells, terms)."""
        cells = []
        for block in self._blocks:
            counts = self.counts[block.start : block.stop]
            inside = np.stack(np.unravel_index(np.arange(math.prod(counts)), counts), axis=1)
            cells.append(self._ends[block.start : block.stop] + inside)
        return cells

    def table(self, pairs: NDArray[Any], first: int, second: int) -> NDArray[Any]:
        """Sum what the pairs of two blocks' terms add: shape (cells of the first, cells of the second)."""
        terms = [*self._blocks[first], *self._blocks[second]]
        total = np.zeros([self.counts[term] for term in terms], dtype=pairs.dtype)
        for a, b in product(self._blocks[first], self._blocks[second]):
            added = pairs[self._ends[a] : self._ends[a + 1], self._ends[b] : self._ends[b + 1]]
            total += added.reshape([self.counts[term] if term in (a, b) else 1 for term in terms])
        return total.reshape(len(self.cells[first]), len(self.cells[second]))

    @cached_property
    def half_knot_weights(self) -> Floats:
        """Weights that give a grid's tables their values half way as well: shape (cells here, cells of the grid)."""
        weights = np.zeros((int(self._ends[-1]), int(self._grid.offsets[-1])))
        row = column = 0
        for levels, beside in zip(
            self._grid.n_knots.tolist(), (self._grid.has_not_applicable + 1).tolist(), strict=True
        ):
            at = np.arange(2 * levels - 1)
            weights[row + at, column + at // 2] += 0.5
            weights[row + at, column + (at + 1) // 2] += 0.5
            row, column = row + 2 * levels - 1 + beside, column + levels + beside
            weights[np.arange(row - beside, row), np.arange(column - beside, column)] = 1
        return weights

    def code(self, columns: Sequence[Floats]) -> Coded:
        """Find the cells of values on the scale, NaN where not observed: for each term a column of shape (n,)."""
        codes, off_grid = [], np.full(len(columns[0]), not self.small_enough_to_fuse)
        for term, column in enumerate(columns):
            code, off = self.code_column(column, term)
            codes.append(code)
            if off is not None:
                off_grid |= off
        return Coded(codes, off_grid, np.column_stack([column[off_grid] for column in columns]))

    def code_column(self, column: Floats, term: int) -> tuple[Codes, NDArray[np.bool_] | None]:
        """Find the cells of one term's values, and which values are off the grid; None where none is."""
        if term in self._grid.uneven:
            knots = self._grid.uneven[term]
            place = np.interp(column, knots, 2.0 * np.arange(len(knots)))
        else:
            place = (column - self._low[term]) * self._per_cell[term]
        np.copyto(place, self.counts[term] - 1, where=np.isnan(place))  # the last: not observed
        if self._grid.has_not_applicable[term]:
            np.copyto(place, self.counts[term] - 2, where=column == self._not_applicable[term])
        cell = np.rint(place)
        off = np.not_equal(place, cell)
        return cell.astype(np.uint16), abs(place - cell) > _ROUNDING if off.any() else None

    def values(self, codes: Sequence[Codes]) -> Floats:
        """Return the values of cells, shape (n, terms); NaN where not observed."""
        values = np.empty((len(codes[0]), len(codes)))
        for term, (code, count) in enumerate(zip(codes, self.counts, strict=True)):
            beside = [self._not_applicable[term], np.nan] if self._grid.has_not_applicable[term] else [np.nan]
            rated = self._grid.at(np.arange(count - len(beside)) / 2, term)
            values[:, term] = np.append(rated, beside)[code]
        return values

    def all_values(self, coded: Coded) -> Floats:
        """Return the values that were coded, shape (n, terms); NaN where not observed."""
        values = self.values(coded.codes)
        values[coded.off_grid] = coded.values
        return values

    def without_inputs(self, coded: Coded, where: NDArray[np.bool_], first: int) -> Coded:
        """Set the terms from `first` on to "not observed" in some rows."""
        codes, values = [*coded.codes], coded.values.copy()
        for term in range(first, len(codes)):
            codes[term] = np.where(where, np.uint16(self.counts[term] - 1), codes[term])
        values[where[coded.off_grid], first:] = np.nan
        return Coded(codes, coded.off_grid, values)

    def number(self, codes: Sequence[Codes]) -> Ints:
        """Number the cells that rows are in, block by block: shape (blocks, n)."""
        numbers = np.empty((len(self._blocks), len(codes[0])), dtype=np.int64)
        for block, out in zip(self._blocks, numbers, strict=True):
            number = codes[block.start]  # uint16, which holds _BLOCK_CELLS or one term's cells
            for term in block[1:]:
                number = number * np.uint8(self.counts[term]) + codes[term]
            out[:] = number
        return numbers


class FusedTables:
    """The sum of what terms and pairs of them add, by look-up in tables of two blocks each.

    Parameters
    ----------
    blocks
        How terms are taken together.
    terms
        What each cell adds, shape (cells,); from a grid's by `TermBlocks.half_knot_weights`. Complex numbers are
        two sums at once, see `FusedSumAndVariance`.
    pairs
        What each two cells of different terms add together, shape (cells, cells): the sum of both triangles.

    Examples
    --------
    >>> grid = Grid(np.array([1.0, 1.0]), np.array([1.0, 1.0]), np.array([3, 2]))
    >>> blocks = TermBlocks(grid)
    >>> terms = blocks.half_knot_weights @ np.array([-1.0, 0.0, 2.0, 0.25, 10.0, 20.0, 0.0])
    >>> tables = FusedTables(blocks, terms, np.zeros((10, 10)))
    >>> tables.look_up(blocks.number(blocks.code([np.array([2.5, np.nan]), np.array([1.0, 2.0])]).codes))
    array([11.  , 20.25])
    """

    def __init__(self, blocks: TermBlocks, terms: NDArray[Any], pairs: NDArray[Any]) -> None:
        pairs = pairs + pairs.T
        self._tables: dict[tuple[int, int], NDArray[Any]] = {}
        self._kind = terms.dtype
        for a, b in combinations(range(len(blocks.cells)), 2):
            if (table := blocks.table(pairs, a, b)).any():
                self._tables[a, b] = table
        alone = [block for block in range(len(blocks.cells)) if not any(block in key for key in self._tables)]
        for a, b in zip(alone[::2], alone[1::2], strict=False):
            self._tables[a, b] = np.zeros((len(blocks.cells[a]), len(blocks.cells[b])), dtype=self._kind)
        for block, cells in enumerate(blocks.cells):
            own = terms[cells].sum(axis=1)
            for first, second in combinations(cells.T, 2):
                own += pairs[first, second]
            key = next((key for key in self._tables if block in key), (block, block))
            if key == (block, block):  # one that is left over: its number twice
                self._tables[key] = np.diag(own)
            else:
                self._tables[key] += own[:, None] if key[0] == block else own

    def look_up(self, numbers: Ints) -> NDArray[Any]:
        """Compute the sum for rows whose cells are `numbers`, shape (blocks, n)."""
        n = numbers.shape[1]
        total, value, cell = np.zeros(n, dtype=self._kind), np.empty(n, dtype=self._kind), np.empty(n, dtype=np.int64)
        of_first, row = (-1, -1), np.empty(n, dtype=np.int64)
        for (first, second), table in self._tables.items():
            if of_first != (first, table.shape[1]):
                of_first = first, table.shape[1]
                np.multiply(numbers[first], table.shape[1], row)
            np.add(row, numbers[second], cell)
            table.take(cell, out=value, mode="clip")  # every cell exists, and this mode is the fast one
            np.add(total, value, total)
        return total


class FusedSumAndVariance:
    """A sum of tables and its variance by one look-up each: complex numbers hold both, for little more than one.

    The variance is the squared length of a sum of vectors plus a sum of variances. A squared length is the sum of the
    vectors' own squared lengths and twice the product of each two of them: terms and pairs, as in a sum of tables.

    Parameters
    ----------
    blocks
        How terms are taken together.
    terms, pairs
        What they add, as `FusedTables` takes it.
    vectors
        Factors of each cell, shape (cells, r).
    start
        Factors of the intercept, shape (r,).
    variances
        Of each cell, shape (cells,).
    """

    def __init__(
        self, blocks: TermBlocks, terms: Floats, pairs: Floats, vectors: Floats, start: Floats, variances: Floats
    ) -> None:
        of_terms = (vectors**2).sum(axis=1) + 2 * vectors @ start + variances
        self._start = float(start @ start)
        self._tables = FusedTables(blocks, terms + 1j * of_terms, pairs + 1j * (vectors @ vectors.T))

    def look_up(self, numbers: Ints) -> tuple[Floats, Floats]:
        """Compute sum and variance, each of shape (n,), for rows in the cells `numbers`, shape (blocks, n)."""
        both = self._tables.look_up(numbers)
        return both.real.copy(), np.maximum(self._start + both.imag, 0)
