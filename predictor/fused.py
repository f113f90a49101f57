"""Many small tables fused into few larger ones: the fast look-up for many rows.

Signals of five knots, with the points half way between them and "not observed", have ten cells each, so two signals
together have a hundred and four ten thousand. One look-up in a table of ten thousand then stands for four signals and
the six pairs among them; 66 of them hold all 276 pairs of 24 signals.

It is exact for ratings on the knots and half way between them, as the mean of two raters is; others are for
`Tables` and `PairTables`, which know any rating.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from predictor.tables import Floats, Grid, Ints

_CELLS = 128  # of a block at most, unless one term alone has more: two blocks' table then stays in the cache
_ALL_CELLS = 2000  # of all blocks together; 24 signals of five knots have 1,200
_ROUNDING = 1e-13  # of a knot such as 0.3, in steps; far below what the answer is exact to


class Blocks:
    """Neighbouring terms taken together, with the cells of each block numbered 0, 1, ...

    Parameters
    ----------
    grid
        Where the terms' tables stand.

    Examples
    --------
    >>> blocks = Blocks(Grid(np.ones(2), np.ones(2), np.array([5, 5])))
    >>> numbers, unobserved, off = blocks.number([np.array([1.0, 3.5, np.nan]), np.array([2.0, 2.2, 5.0])])
    >>> numbers
    array([[ 2, 52, 98]])
    >>> unobserved, off
    (array([0, 0, 1]), array([False,  True, False]))
    """

    def __init__(self, grid: Grid) -> None:
        self._low, self._per_cell = grid.low.tolist(), (2 / grid.step).tolist()
        self._counts: list[int] = (2 * grid.levels).tolist()  # cells: knots, points half way, not observed
        self._blocks: list[range] = []
        first = 0
        for last in range(1, len(self._counts) + 1):
            if last == len(self._counts) or math.prod(self._counts[first : last + 1]) > _CELLS:
                self._blocks.append(range(first, last))
                first = last
        self._ends = np.cumsum([0, *self._counts])
        self._grid = grid

    @property
    def few(self) -> bool:
        """Whether the tables stay small: a few megabytes with every pair."""
        return sum(math.prod(self._counts[term] for term in block) for block in self._blocks) <= _ALL_CELLS

    @cached_property
    def cells(self) -> list[Ints]:
        """For each cell of a block the cell of each of its terms, counted over all terms: shape (cells, terms)."""
        found = []
        for block in self._blocks:
            counts = self._counts[block.start : block.stop]
            inside = np.stack(np.unravel_index(np.arange(math.prod(counts)), counts), axis=1)
            found.append(self._ends[block.start : block.stop] + inside)
        return found

    @cached_property
    def halving(self) -> Floats:
        """Weights that give a grid's tables their values half way as well: shape (cells here, cells of the grid)."""
        weights = np.zeros((int(self._ends[-1]), int(self._grid.offsets[-1])))
        row = column = 0
        for levels in self._grid.levels.tolist():
            at = np.arange(2 * levels - 1)
            weights[row + at, column + at // 2] += 0.5
            weights[row + at, column + (at + 1) // 2] += 0.5
            row, column = row + 2 * levels, column + levels + 1
            weights[row - 1, column - 1] = 1
        return weights

    def number(self, columns: Sequence[Floats]) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """Number the cells that rows stand in.

        Parameters
        ----------
        columns
            For each term its values on the scale, shape (n,), NaN where not observed.

        Returns
        -------
        numbers
            Cells by block, shape (blocks, n).
        unobserved
            How many terms were not observed, shape (n,).
        off
            Which rows stand beside the cells, shape (n,): their numbers are those of the nearest cells.
        """
        n = len(columns[0])
        numbers, off = np.empty((len(self._blocks), n), dtype=np.int64), np.zeros(n, dtype=bool)
        unobserved = np.zeros(n, dtype=np.uint8 if len(columns) < 256 else np.int64)
        place, cell, number, mask = np.empty(n), np.empty(n), np.empty(n), np.empty(n, dtype=bool)
        for block, out in zip(self._blocks, numbers, strict=True):
            for term in block:
                np.subtract(columns[term], self._low[term], place)
                np.multiply(place, self._per_cell[term], place)
                np.copyto(place, self._counts[term] - 1, where=np.isnan(place, mask))  # the last: not observed
                np.add(unobserved, mask.view(np.uint8), unobserved)
                np.rint(place, cell)
                if np.not_equal(place, cell, mask).any():
                    off |= abs(place - cell) > _ROUNDING
                if term == block.start:
                    number, cell = cell, number
                else:
                    np.multiply(number, self._counts[term], number)
                    np.add(number, cell, number)
            np.copyto(out, number, casting="unsafe")
        return numbers, unobserved.astype(np.int64), off


class FusedTables:
    """The sum of what terms and pairs of them add, by look-up in tables of two blocks each.

    Parameters
    ----------
    blocks
        How terms are taken together.
    terms
        What each cell adds, shape (cells,); `Blocks.halving` gives it from a grid's.
    pairs
        What each two cells of different terms add together, shape (cells, cells): the sum of both triangles.

    Examples
    --------
    >>> grid = Grid(np.array([1.0, 1.0]), np.array([1.0, 1.0]), np.array([3, 2]))
    >>> blocks = Blocks(grid)
    >>> terms = blocks.halving @ np.array([-1.0, 0.0, 2.0, 0.25, 10.0, 20.0, 0.0])
    >>> tables = FusedTables(blocks, terms, np.zeros((10, 10)))
    >>> tables.look_up(blocks.number([np.array([2.5, np.nan]), np.array([1.0, 2.0])])[0])
    array([11.  , 20.25])
    """

    def __init__(self, blocks: Blocks, terms: Floats, pairs: Floats) -> None:
        pairs = pairs + pairs.T
        self._tables: dict[tuple[int, int], Floats] = {}
        for a, b in combinations(range(len(blocks.cells)), 2):
            if pairs[np.ix_(np.unique(blocks.cells[a]), np.unique(blocks.cells[b]))].any():
                table = pairs[blocks.cells[a]].sum(axis=1)[:, blocks.cells[b]].sum(axis=2)
                self._tables[a, b] = np.ascontiguousarray(table)
        alone = [block for block in range(len(blocks.cells)) if not any(block in key for key in self._tables)]
        for a, b in zip(alone[::2], alone[1::2], strict=False):
            self._tables[a, b] = np.zeros((len(blocks.cells[a]), len(blocks.cells[b])))
        for block, cells in enumerate(blocks.cells):
            own = terms[cells].sum(axis=1)
            for first, second in combinations(cells.T, 2):
                own += pairs[first, second]
            key = next((key for key in self._tables if block in key), (block, block))
            if key == (block, block):  # one that is left over: its number twice
                self._tables[key] = np.diag(own)
            else:
                self._tables[key] += own[:, None] if key[0] == block else own

    def look_up(self, numbers: Ints) -> Floats:
        """Give the sum for rows that stand in the cells `numbers`, shape (blocks, n)."""
        n = numbers.shape[1]
        total, value, cell = np.zeros(n), np.empty(n), np.empty(n, dtype=np.int64)
        for (first, second), table in self._tables.items():
            np.multiply(numbers[first], table.shape[1], cell)
            np.add(cell, numbers[second], cell)
            table.take(cell, out=value, mode="clip")  # every cell exists, and this mode is the fast one
            np.add(total, value, total)
        return total
