"""Predict many rows with missing ratings, column by column: look-ups, and a closed form for each row.

For models whose factor model is a tree (see `tree.py`) and in which no two signals share a table. It returns the
numbers of `PartialTables.many`, for ratings on the knots and half way between them.

All that a row needs are sums over signals: precision and evidence of each family, log-odds, slopes, and the vectors of
the interval. Sums over a few signals of a family (a block) are tabulated for every combination of ratings. Then the
impressions follow; what unrated signals add in expectation is interpolated between points of a table. Two sums that are
looked up together are one complex number: its real and its imaginary part. A row's answer is exactly the same whatever
other rows there are: it comes from elementwise operations, and from matrix products that always have the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from predictor.model.factors import PER_UNIT, POINTS, REACH
from predictor.model.fused import Codes, TermBlocks
from predictor.model.partial import PartialTables, TablesGivenInputs
from predictor.model.tables import Floats, Ints
from predictor.model.tiles import TILE
from predictor.model.tree import Impressions, Tree

BLOCK_CELLS = 1024  # most cells of a block, unless one signal alone has more
JOINED_CELLS = 8192  # most cells of blocks whose vectors are joined
MOST_LEVELS = 50  # most combinations of the inputs' levels
# Rows at once: columns stay in the cache, and threads seldom wait for each other between numpy's short calls.
ROWS = 8192
STRIP = 8 * TILE  # rows whose vectors are looked up at once
_PIECES = POINTS - 1


@dataclass(frozen=True, eq=False)
class _FamilyBlock:
    """Some signals of one family, with a number for each combination of their cells.

    Attributes
    ----------
    family, signals
        Numbers of the family and of the signals.
    evidence
        Evidence (real part) and precision (imaginary part), summed over these signals, shape (cells,).
    added
        By level of the inputs: log-odds (real part) and the variance of what was not rated, without the common factors
        (imaginary part); shape (levels * cells,).
    slopes
        By level of the inputs: slope of what was not rated on the family's impression, shape (levels * cells,).
    """

    family: int
    signals: list[int]
    evidence: NDArray[np.complex128]
    added: NDArray[np.complex128]
    slopes: Floats


class TreeColumns:
    """Predicts many rows given by column.

    Parameters
    ----------
    tables
        Those of the model; `additive`, with their uncertainty.
    tree
        Its factor model.
    blocks
        The coding of ratings.
    """

    def __init__(self, tables: PartialTables, tree: Tree, blocks: TermBlocks) -> None:
        self._tables, self._tree, self._counts, self._p = tables, tree, blocks.counts, tables.p
        self._ends, self._half_knot_weights = np.cumsum([0, *blocks.counts]), blocks.half_knot_weights
        self._unrated_cells = self._ends[1 : self._p + 1] - 1
        loadings, inputs = np.array(tree.loadings), blocks.counts[self._p :]
        levels = list(product(*(range(count) for count in inputs)))
        values = [
            [np.nan if code == n - 1 else code / 2 for code, n in zip(codes, inputs, strict=True)] for codes in levels
        ]
        given = [tables.given(np.array([each])) for each in values]
        self._of_inputs = np.array([tables.intercept + each.inputs.sum() for each in given])
        self._pieces = _pieces(given)
        of_signals = np.array(tree.family)
        families = [np.flatnonzero(of_signals == number) for number in range(len(tree.overall))]
        self._order, self._scale = np.concatenate(families), loadings * PER_UNIT  # signals by family
        self._families = [slice(*both) for both in pairwise(np.cumsum([0, *map(len, families)]).tolist())]
        self._lines = np.pad(tables.lines[0] * loadings[:, None], ((0, 0), (0, 1)))[self._order]
        evidence, (added, slopes), (start, vectors) = self._evidence(), self._added(given), self._cell_vectors()
        first = self._ends[self._p : -1]
        of_levels = np.array([start + vectors[first + np.array(codes, dtype=int)].sum(axis=0) for codes in levels])
        self._blocks, of_blocks = list[_FamilyBlock](), [of_levels]
        for family, members in self._members():
            counts = [blocks.counts[j] for j in members]
            inside = np.stack(np.unravel_index(np.arange(math.prod(counts)), counts), axis=1) + self._ends[members]
            self._blocks.append(
                _FamilyBlock(
                    family,
                    members,
                    evidence[inside].sum(axis=1),
                    added[:, inside].sum(axis=2).ravel(),
                    slopes[:, inside].sum(axis=2).ravel(),
                )
            )
            of_blocks.append(vectors[inside].sum(axis=1))
        self._vectors = _joined(of_blocks)

    def _evidence(self) -> NDArray[np.complex128]:
        """Compute evidence (real part) and precision (imaginary part) of each cell of the signals, shape (cells,)."""
        loadings, unique = np.array(self._tree.loadings), np.array(self._tree.unique)
        term = np.repeat(np.arange(self._p), self._counts[: self._p])
        z = np.concatenate([self._units(j) for j in range(self._p)])
        evidence = np.where(np.isnan(z), 0, np.nan_to_num(z) + 1j * loadings[term])
        return np.asarray(evidence * (loadings / unique)[term])

    def _added(self, given: Sequence[TablesGivenInputs]) -> tuple[NDArray[np.complex128], Floats]:
        """Compute log-odds with variances, and slopes, of each cell of the signals, each of shape (levels, cells)."""
        loadings, unique = np.array(self._tree.loadings), np.array(self._tree.unique)
        weights = self._half_knot_weights[: int(self._ends[self._p]), : len(given[0].added) - 1]
        added = np.array([weights @ each.added[:-1].sum(axis=1) + 0j for each in given])
        added[:, self._unrated_cells] = [1j * (each.slopes**2 * unique + each.rest) for each in given]
        slopes = np.zeros(added.shape)
        slopes[:, self._unrated_cells] = [each.slopes * loadings for each in given]
        return added, slopes

    def _cell_vectors(self) -> tuple[Floats, Floats]:
        """Return the interval's vector of the intercept, and of each cell; the last column is the variance."""
        uncertainty, (_, means, variances) = self._tables.uncertainty, self._tables.lines
        assert uncertainty is not None
        vectors = self._half_knot_weights @ np.column_stack([uncertainty.vectors, uncertainty.variances])
        vectors[self._unrated_cells] = np.column_stack([means, variances])
        return np.append(uncertainty.intercept_vector, 0.0), vectors

    @staticmethod
    def possible(tables: PartialTables, blocks: TermBlocks) -> bool:
        """Whether inputs and signals allow this closed form."""
        return tables.additive and blocks.small_enough_to_fuse and math.prod(blocks.counts[tables.p :]) <= MOST_LEVELS

    def _members(self) -> Iterator[tuple[int, list[int]]]:
        """Divide each family's signals among blocks: number of the family, and numbers of some of its signals."""
        for family in range(len(self._tree.overall)):
            members, cells = list[int](), 1
            for j in (j for j, other in enumerate(self._tree.family) if other == family):
                if members and cells * self._counts[j] > BLOCK_CELLS:
                    yield family, members
                    members, cells = [], 1
                members.append(j)
                cells *= self._counts[j]
            yield family, members

    def _units(self, j: int) -> Floats:
        """Ratings of a signal's cells in standard units; NaN where it has none."""
        grid, factors = self._tables.grid, self._tables.completion.factor_model
        position = np.arange(2 * grid.n_knots[j] - 1) / 2  # in steps between knots
        return np.append((position - factors.mean[j]) / factors.sd[j], [np.nan] * int(1 + grid.has_not_applicable[j]))

    def many(self, codes: Sequence[Codes], interval: bool) -> tuple[Floats, Floats]:
        """Compute log-odds, and for an interval their standard deviation (else zeros), each of shape (n,)."""
        log_odds, deviation = np.empty(len(codes[0])), np.zeros(len(codes[0]))
        for start in range(0, len(log_odds), ROWS):
            part = slice(start, start + ROWS)
            log_odds[part], deviation[part] = self._chunk([column[part] for column in codes], interval)
        return log_odds, deviation

    def _chunk(self, codes: Sequence[Codes], interval: bool) -> tuple[Floats, Floats]:
        tables, tree, p, n = self._tables, self._tree, self._p, len(codes[0])
        level = np.zeros(n, dtype=np.int64)
        for code, count in zip(codes[p:], self._counts[p:], strict=True):
            level *= count
            level += code
        numbers, added = [level], np.zeros(n, dtype=np.complex128)
        evidence = [np.zeros(n, dtype=np.complex128) for _ in tree.overall]
        slopes = [np.zeros(n) for _ in tree.overall]
        for block in self._blocks:
            number = codes[block.signals[0]].copy()  # stays below BLOCK_CELLS, so within uint16
            for j in block.signals[1:]:
                number *= np.uint16(self._counts[j])
                number += codes[j]
            at = number.astype(np.int64)
            numbers.append(at)
            evidence[block.family] += block.evidence.take(at, mode="clip")
            at = level * len(block.evidence) + at
            added += block.added.take(at, mode="clip")
            slopes[block.family] += block.slopes.take(at, mode="clip")
        unrated, share = np.empty((p, n), dtype=bool), np.zeros(n)
        for j, where in zip(self._order.tolist(), unrated, strict=True):
            np.equal(codes[j], self._counts[j] - 1, out=where)
        if tables.gaps.slope or tree.missingness:
            share = np.sum(unrated, axis=0) / p
        impressions = tree.impressions([each.imag for each in evidence], [each.real for each in evidence], share)
        shrinkage = 1 / np.sqrt(1 + np.pi / 8 * (impressions.variance_of_sum(slopes) + added.imag))
        in_expectation = self._expected(unrated, level, impressions)
        log_odds = shrinkage * (self._of_inputs.take(level) + added.real + in_expectation)
        log_odds += tables.gaps.total(share)
        return log_odds, shrinkage * self._deviation(numbers, unrated, impressions) if interval else np.zeros(n)

    def _expected(self, unrated: NDArray[np.bool_], level: Ints, impressions: Impressions) -> Floats:
        """What unrated signals, shape (p, n) and in order of the families, add in expectation, shape (n,)."""
        added, first = np.zeros(len(level)), level * (_PIECES + 1)
        for family, signals in enumerate(self._families):
            members = self._order[signals]
            places = [where.nonzero()[0] for where in unrated[signals]]
            count = [len(rows) for rows in places]
            rows = np.concatenate(places)
            position = impressions.mean[family].take(rows)
            position *= np.repeat(self._scale[members], count)
            position += REACH * PER_UNIT
            np.clip(position, 0, POINTS - 1, out=position)
            lower = position.astype(np.int64)
            position -= lower
            lower += first.take(rows)
            lower += np.repeat(members * self._pieces[0].shape[1], count)
            near, rise, gap, change = (part.take(lower, mode="clip") for part in self._pieces)
            change *= position
            change += gap
            change *= impressions.variance(family).take(rows)
            rise *= position
            rise += near
            rise += change
            added += np.bincount(rows, rise, len(level))
        return added

    def _deviation(self, numbers: list[Ints], unrated: NDArray[np.bool_], impressions: Impressions) -> Floats:
        """Standard deviation of the tables' sum, shape (n,), by the number of the level and of each block's cells."""
        n, columns, joined = len(numbers[0]), len(self._lines.T), list[tuple[Floats, Ints]]()
        for table, (first, *others), sizes in self._vectors:
            cells = numbers[first]
            for index, size in zip(others, sizes, strict=True):
                cells = cells * size + numbers[index]
            joined.append((table, cells))
        tiles = (STRIP // TILE, TILE)
        variance, vectors, more = np.empty(n), np.empty((STRIP, columns)), np.empty((STRIP, columns))
        expected = np.zeros((len(unrated), STRIP))  # impressions behind the signals that were not rated
        by_tile = expected.T.reshape(*tiles, -1)
        for first in range(0, n, STRIP):
            rows = slice(first, min(first + STRIP, n))
            for signals, mean in zip(self._families, impressions.mean, strict=True):
                np.multiply(mean[rows], unrated[signals, rows], out=expected[signals, : rows.stop - first])
            np.matmul(by_tile, self._lines, out=vectors.reshape(*tiles, columns))
            total, other = vectors[: rows.stop - first], more[: rows.stop - first]
            for table, cells in joined:
                table.take(cells[rows], axis=0, out=other, mode="clip")
                total += other
            variance[rows] = np.einsum("nr,nr->n", total[:, :-1], total[:, :-1])
            variance[rows] += total[:, -1]
        return np.sqrt(variance)


def _pieces(given: Sequence[TablesGivenInputs]) -> list[Floats]:
    """Cut each signal's table in expectation into pieces between points, by signal, then by level of the inputs.

    Value and rise for known common factors, then what unknown ones add to both; each of shape (p, levels * points).
    """
    near, far = np.array([each.expected.sum(axis=3) for each in given]).transpose(1, 3, 0, 2)
    gap = far - near
    parts = (near, np.diff(near, append=near[..., -1:]), gap, np.diff(gap, append=gap[..., -1:]))
    return [part.reshape(len(part), -1).copy() for part in parts]


def _joined(tables: list[Floats]) -> list[tuple[Floats, list[int], list[int]]]:
    """Join small tables of vectors, as each look-up takes as long whatever it adds up.

    Returns
    -------
    list of tuple
        A table of all combinations: the row of cells i of a first part and j of a second of m cells is i m + j; the
        indices of its parts among `tables`; and the sizes of all parts but the first.
    """
    joined = list[tuple[Floats, list[int], list[int]]]()
    for index in sorted(range(len(tables)), key=lambda index: len(tables[index])):
        table = tables[index]
        if joined and len(joined[-1][0]) * len(table) <= JOINED_CELLS:
            before, indices, sizes = joined.pop()
            both = (before[:, None] + table).reshape(-1, table.shape[1])
            joined.append((both, [*indices, index], [*sizes, len(table)]))
        else:
            joined.append((table, [index], []))
    return joined
