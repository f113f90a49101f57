"""Design columns of the regression, which are tables.

A rating becomes weights over the cells of its grid (`Grid.weights`). Every design column is linear in these weights,
so every function fitted on the columns *is* a set of tables, exact on the knots and between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from predictor.learning.decomposition import TablesByTerms, evaluate
from predictor.learning.weights import RowWeights, count, mean
from predictor.model.tables import Floats, Grid
from predictor.ratings.catalogue import Catalogue

SD_ROWS = 5.0  # a signal's variance is pooled with the mean variance of all signals, which counts as so many rows
NEGLIGIBLE_MEAN_SQUARE = 1e-10  # a column below it is constant


@dataclass(frozen=True, eq=False)
class Basis:
    """A linear map from cell weights to design columns.

    Attributes
    ----------
    grid
        The grid of the cells: signals first, then inputs.
    main
        Design columns as tables over all cells, shape (cells, m), centred on the rows they were chosen from.
    pairs
        Further columns: an input's cell, by whose weight a table over all cells is multiplied, and this table.
    block
        Index of each column's block in `names`, shape (m + pairs,); -1 for the prior's column.
    names
        Names of the blocks.
    prior
        If the last column of `main` is the log-odds of a prior model: its tables of pairs, which belong to this column.
    """

    grid: Grid
    main: Floats
    pairs: tuple[tuple[int, Floats], ...]
    block: NDArray[np.int64]
    names: tuple[str, ...]
    prior: TablesByTerms = field(default_factory=dict)

    def design(self, cells: Floats) -> Floats:
        """Compute design columns, shape (n, columns), of rows given as cell weights, shape (n, cells)."""
        main = cells @ self.main
        if self.prior:
            main[:, -1] += evaluate(self.prior, cells, self.grid)
        products = [cells[:, cell] * (cells @ table) for cell, table in self.pairs]
        return np.column_stack([main, *products])

    def with_intercept(self, cells: Floats) -> Floats:
        """Compute design columns after one of ones, shape (n, columns + 1)."""
        return np.column_stack([np.ones(len(cells)), self.design(cells)])

    def constraints(self, directions: Sequence[int]) -> Floats:
        """Return C, shape (constraints, columns): C @ coefficients is what each step to a better rating adds.

        Each step counts once for each level of the inputs that have pairs, which are few. If none of these sums is
        negative, a better rating never lowers the log-odds, at any level of the inputs.

        Parameters
        ----------
        directions
            1, -1 or 0 for each signal: higher is better, lower is better, either.
        """
        offsets, m = self.grid.offsets, self.main.shape[1]
        terms = {self._term(cell) for cell, _ in self.pairs} | {key[1] for key in self.prior if len(key) == 2}
        levels = [range(int(offsets[term]), int(offsets[term] + self.grid.n_knots[term])) for term in sorted(terms)]
        rows = [np.zeros((0, m + len(self.pairs)))]
        for j in np.flatnonzero(directions).tolist():
            cells = offsets[j] + np.arange(self.grid.n_knots[j])
            main = np.diff(self.main[cells], axis=0)
            pairs = [np.diff(table[cells]) for _, table in self.pairs]
            for setting in product(*levels):
                active = [cell in setting for cell, _ in self.pairs]
                step = np.column_stack([main, *(part * on for part, on in zip(pairs, active, strict=True))])
                for cell in setting:
                    term = self._term(cell)
                    if (j, term) in self.prior:
                        step[:, m - 1] += np.diff(self.prior[j, term][: len(cells), cell - offsets[term]])
                rows.append(directions[j] * step)
        return np.concatenate(rows)

    def scaled_by_inputs(self, table: Floats, cells: Floats, weights: RowWeights = None) -> Basis:
        """Multiply each level of an input by a whole table over the cells, instead of by the mean rating.

        Parameters
        ----------
        table
            A table over all cells, shape (cells,), such as the sum of all signals' tables.
        cells
            Cell weights of the rows, shape (n, cells), by which the columns are scaled.
        weights
            How often each row counts, shape (n,).
        """
        centred = table - mean(cells @ table, weights)
        columns = [cells[:, cell] * (cells @ centred) for cell, _ in self.pairs]
        size = np.sqrt(sum(float(mean(column**2, weights)) for column in columns))
        if size**2 <= NEGLIGIBLE_MEAN_SQUARE:
            return self
        return replace(self, pairs=tuple((cell, centred / size) for cell, _ in self.pairs))

    def _term(self, cell: int) -> int:
        return int(np.searchsorted(self.grid.offsets, cell, side="right")) - 1

    def tables(self, coefficients: Floats) -> TablesByTerms:
        """Convert coefficients, shape (columns,), into equal tables."""
        m, offsets = self.main.shape[1], self.grid.offsets
        mains = np.split(self.main @ coefficients[:m], offsets[1:-1])
        terms: TablesByTerms = {(term,): table for term, table in enumerate(mains)}
        for key, table in self.prior.items():
            terms[key] = coefficients[m - 1] * table
        for (cell, table), coefficient in zip(self.pairs, coefficients[m:], strict=True):
            term = self._term(cell)
            for signal in np.flatnonzero(np.add.reduceat(np.abs(table), offsets[:-1])).tolist():
                inside = slice(offsets[signal], offsets[signal + 1])
                shape = (self.grid.sizes[signal], self.grid.sizes[term])
                part = terms.setdefault((signal, term), np.zeros(shape))
                part[:, cell - offsets[term]] += table[inside] * coefficient
        return terms


def choose_basis(
    cells: Floats,
    grid: Grid,
    catalogue: Catalogue,
    blocks: Iterable[str],
    prior: TablesByTerms | None = None,
    weights: RowWeights = None,
    rated: Floats | None = None,
) -> Basis:
    """Choose design columns from the ratings of the training rows; outcomes are not used.

    A block is scaled so that its columns together have mean square one; then a variance of its coefficients is a
    variance of the log-odds. Columns that are constant over the rows are left out.

    Parameters
    ----------
    cells
        Cell weights of the rows, shape (n, cells).
    grid
        The grid of the cells.
    catalogue
        Catalogue of the signals, with their families, and of the inputs.
    blocks
        The blocks to use, of

        - mean, family: overall mean and family means of the z-scores
        - linear: z-scores
        - steps: ramps from one knot to the next, "rating at least k" between whole ratings
        - shape: the same ramps averaged over signals with as many knots
        - not_applicable: a category outside of the order of the ratings
        - input, input_mean: an input's levels, alone and times the overall mean
        - trend: an input whose levels are ordered, by their number
    prior
        Tables of a prior model, centred, without its intercept: one more column.
    weights
        How often each row counts, shape (n,).
    rated
        Share of the rows, 0 to 1, in which each signal was rated, shape (p,); None if all were. Columns are multiplied
        by the square root of this share: the values of a rarely rated signal are mostly imputed from the other
        signals, whose effect would otherwise count twice.
    """
    p, offsets = len(catalogue.signals), grid.offsets
    parts = [slice(start, end) for start, end in pairwise(offsets)]
    share = mean(cells, weights)
    rated = np.ones(p) if rated is None else rated
    z, ramps = _z_scores(share, count(cells, weights) * rated, grid, p), [_ramps(share, grid, j) for j in range(p)]
    apart = (offsets[:-1] + grid.n_knots)[:p][grid.has_not_applicable[:p] > 0]
    other = np.zeros((len(share), len(apart)))
    other[apart, np.arange(len(apart))] = 1.0
    plain = [part for part, item in zip(parts[p:], catalogue.inputs, strict=True) if not item.ordered]
    ordered = [part for part, item in zip(parts[p:], catalogue.inputs, strict=True) if item.ordered]
    levels = np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(s.start, s.stop - 1) for s in plain)])
    inputs = np.zeros((len(share), len(levels)))
    inputs[levels, np.arange(len(levels))] = 1.0
    families = np.array([signal.family for signal in catalogue.signals])
    widths = np.array([ramp.shape[1] for ramp in ramps])
    alike = [np.flatnonzero(widths == width) for width in np.unique(widths)]
    shapes = [_average([ramps[j] for j in group], rated[group]) for group in alike if len(group) > 1]
    columns = {
        "mean": _average(z.T, rated)[:, None],
        "linear": z * np.sqrt(rated),
        "steps": np.hstack([ramp * np.sqrt(often) for ramp, often in zip(ramps, rated, strict=True)]),
        "shape": np.hstack([np.zeros((len(share), 0)), *shapes]),
        "not_applicable": other,
        "input": inputs,
        "trend": np.hstack([np.zeros((len(share), 0)), *(_trend(share, part) for part in ordered)]),
    }
    if len(set(families)) > 1:
        members = [families == family for family in np.unique(families)]
        columns["family"] = np.stack([_average(z.T[member], rated[member]) for member in members], axis=1)
    for table in columns.values():
        for part in parts:
            table[part] -= share[part] @ table[part]
    main = [np.zeros((len(share), 0))]
    pairs: list[tuple[int, Floats]] = []
    block: list[int] = []
    names: list[str] = []
    for name in [name for name in blocks if name in columns]:
        square = mean((cells @ columns[name]) ** 2, weights)
        kept = square > NEGLIGIBLE_MEAN_SQUARE
        if kept.any():
            main.append(columns[name][:, kept] / np.sqrt(square[kept].sum()))
            block += [len(names)] * int(kept.sum())
            names.append(name)
    if "input_mean" in blocks and len(levels):
        overall = columns["mean"][:, 0]
        square = mean((cells[:, levels] * (cells @ overall)[:, None]) ** 2, weights)
        pairs = [
            (int(levels[i]), overall / np.sqrt(square.sum())) for i in np.flatnonzero(square > NEGLIGIBLE_MEAN_SQUARE)
        ]
        block += [len(names)] * len(pairs)
        names += ["input_mean"] * bool(pairs)
    if prior:
        main.append(np.concatenate([prior[(term,)] for term in range(len(parts))])[:, None])
        block.insert(sum(part.shape[1] for part in main) - 1, -1)
    joint = {key: table for key, table in (prior or {}).items() if len(key) > 1}
    return Basis(grid, np.hstack(main), tuple(pairs), np.array(block, dtype=np.int64), tuple(names), joint)


def _average(tables: Floats | list[Floats], rated: Floats) -> Floats:
    """Average tables of signals, weighted by how often these were rated; scaled like the signals' own columns."""
    total = rated.sum()
    if not total:
        return np.zeros(np.shape(tables)[1:])
    return np.asarray(np.average(tables, axis=0, weights=rated) * np.sqrt(rated @ rated / total))


def _z_scores(share: Floats, n: Floats, grid: Grid, p: int) -> Floats:
    """Return tables over all cells, shape (cells, p), of each signal's z-score; 0 in cells that are no rating."""
    offsets = grid.offsets
    seen, centre, variance = np.zeros(p), np.full(p, 0.5), np.zeros(p)
    for j in range(p):
        weight, place = share[offsets[j] : offsets[j] + grid.n_knots[j]], np.linspace(0, 1, grid.n_knots[j])
        seen[j] = weight.sum()
        if seen[j] > 0:
            centre[j] = weight @ place / seen[j]
            variance[j] = weight @ (place - centre[j]) ** 2 / seen[j]
    rows = n * seen
    pooled = rows @ variance / max(rows.sum(), 1e-12) or 1.0
    sd = np.sqrt((rows * variance + SD_ROWS * pooled) / (rows + SD_ROWS))
    z = np.zeros((len(share), p))
    for j in range(p):
        z[offsets[j] : offsets[j] + grid.n_knots[j], j] = (np.linspace(0, 1, grid.n_knots[j]) - centre[j]) / sd[j]
    return z


def _trend(share: Floats, part: slice) -> Floats:
    """Return a table over all cells, shape (cells, 1), of the level's number; of its mean for "not given"."""
    table = np.zeros((len(share), 1))
    weight, number = share[part][:-1], np.arange(part.stop - part.start - 1)
    table[part, 0] = np.append(number, weight @ number / weight.sum() if weight.sum() > 0 else number.mean())
    return table


def _ramps(share: Floats, grid: Grid, j: int) -> Floats:
    """Return tables over all cells, shape (cells, levels - 1), that rise from one knot to the next."""
    start, end, levels = grid.offsets[j], grid.offsets[j + 1], int(grid.n_knots[j])
    ramps = np.zeros((len(share), levels - 1))
    ramps[start : start + levels] = np.tri(levels, levels - 1, -1) / np.sqrt(levels - 1)
    weight = share[start : start + levels]
    if weight.sum() > 0:  # in cells that are no rating: the mean over the ratings
        ramps[start + levels : end] = weight @ ramps[start : start + levels] / weight.sum()
    return ramps
