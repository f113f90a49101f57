"""Compute log-odds, contributions and their standard deviation from a model's tables; the fastest code path is chosen.

The definition is `PartialTables` where something was not rated, and a look-up in `Tables`, `PairTables` and
`TripleTables` where everything was. The other code paths return the same numbers within 1e-12 in less time, as tested.

| asked for | everything rated                             | not everything rated                             |
| --------- | -------------------------------------------- | ------------------------------------------------ |
| `one` row | on the knots, no triples: cells (`at`); else | additive: `SingleRow.one`; else                  |
|           | look-ups                                     | `PartialTables.one`                              |
| `many`    | on knots and half way, few cells:            | additive, on knots and half way, few cells, the  |
| rows      | `FusedTables`; else look-ups                 | factor model a tree: `TreeColumns.many`; else    |
|           |                                              | `PartialTables.many`                             |
| `reasons` | look-ups                                     | `PartialTables.reasons`                          |

Additive: no two signals share a table, masked tables included (`PartialTables.additive`). Few cells:
`TermBlocks.small_enough_to_fuse`. `one` returns `RowReasons`, `many` log-odds and deviations, `reasons` `Reasons`.

Models of formats 1 and 2 have no factor model: every row counts as fully rated, since "not rated" has a cell.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.model.columns import TreeColumns
from predictor.model.data import Masked, ModelData
from predictor.model.factors import Completion
from predictor.model.fused import Coded, Codes, FusedSumAndVariance, FusedTables, TermBlocks
from predictor.model.log_odds import logit
from predictor.model.masked import MaskedTables
from predictor.model.partial import PartialTables, Reasons, RowReasons, Uncertainty
from predictor.model.single import SingleRow
from predictor.model.tables import Floats, Joint, Location, PairTables, Tables, TripleTables
from predictor.model.tiles import tiles
from predictor.model.tree import Tree

CHUNK = 16384  # rows looked up at once, so that they stay in the cache


class Evaluator:
    """Compute log-odds, contributions and standard deviations from a model's tables.

    Parameters
    ----------
    data
        The tables.

    Examples
    --------
    >>> from predictor import OfferModel
    >>> model = OfferModel.published()
    >>> baseline, own, implied, deviation = Evaluator(model).one([float("nan")] * len(model.terms), rated=0)
    >>> round(baseline - logit(model.base_rate), 12)
    0.0
    """

    def __init__(self, data: ModelData) -> None:
        self.data = data

    def one(self, row: list[float], rated: int) -> RowReasons:
        """Compute baseline, own and implied contributions and standard deviation for one row."""
        nothing = [0.0] * len(row)
        if self.partial_tables is not None and rated < len(self.data.signals):
            answer = self._single_row.one(row) if self._single_row else self.partial_tables.one(np.array([row]))
            return answer if rated else RowReasons(logit(self.data.base_rate), nothing, nothing, answer.deviation)
        baseline = float(self._baseline(rated))
        cells = None if self.data.triples else self.data.grid.cells(row)  # fewer steps for a row on the knots
        if cells is None:
            location = self.data.grid.locate(np.array([row]))
            own = self._contributions(location)[0].tolist()
            return RowReasons(baseline, own, nothing, float(self._deviation(location)[0]))
        added = self._main_tables.at(cells)
        if self.data.pairs:
            added += self._pair_tables.share_out(self._pair_tables.at(cells))
        at = self.data.grid.offsets[:-1] + cells
        vector = self.data.factors["intercept"] + np.add.reduce(self._vectors[at])
        deviation = math.sqrt(vector @ vector + np.add.reduce(self._variances[at]))
        return RowReasons(baseline, added.tolist(), nothing, deviation)

    def many(self, coded: Coded, interval: bool) -> tuple[Floats, Floats, Codes]:
        """Compute log-odds and their standard deviation for many rows given by column.

        Returns
        -------
        log_odds, deviation, rated
            Log-odds, for an interval their standard deviation (else zeros), and how many signals were rated, each of
            shape (n,).
        """
        p, n = len(self.data.signals), len(coded)
        rated = np.zeros(n, dtype=np.uint16)
        for code, count in zip(coded.codes[:p], self.blocks.counts, strict=False):
            rated += code != count - 1
        if len(self.data.terms) > p and not rated.all():
            coded = self.blocks.without_inputs(coded, rated == 0, p)
        whole = np.ones(n, dtype=bool) if self.partial_tables is None else rated == p
        log_odds, deviation = np.empty(n), np.zeros(n)
        if not whole.all():  # first, since it may overwrite the results of whole rows
            self._from_partial_rows(coded, ~whole, interval, log_odds, deviation)
            log_odds[rated == 0] = logit(self.data.base_rate)
        if whole.any():
            places, rows = np.flatnonzero(whole), coded if whole.all() else coded.where(whole)
            for start in range(0, len(places), CHUNK):
                at = places[start : start + CHUNK]
                added, deviation[at] = self._from_whole_rows(rows.rows(start, start + CHUNK), interval)
                log_odds[at] = self._baseline(rated.take(at)) + added
        return log_odds, deviation, rated

    def reasons(self, values: Floats) -> Reasons:
        """Compute baseline and contributions for values of shape (n, terms)."""
        n, p = len(values), len(self.data.signals)
        baseline, own, implied = np.empty(n), np.empty(values.shape), np.zeros(values.shape)
        rated = (~np.isnan(values[:, :p])).sum(axis=1)
        partial = np.zeros(n, dtype=bool) if self.partial_tables is None else rated < p
        for start in range(0, n, CHUNK):
            part = slice(start, start + CHUNK)
            own[part] = self._contributions(self.data.grid.locate(values[part]))
            baseline[part] = self._baseline(rated[part])
        if self.partial_tables is not None and partial.any():
            places = np.flatnonzero(partial)
            for part, tile in tiles(values[partial]):
                rows, reasons = places[part], self.partial_tables.reasons(tile)
                baseline[rows], own[rows] = reasons.baseline[: len(rows)], reasons.own[: len(rows)]
                implied[rows] = reasons.implied[: len(rows)]
            nothing = rated == 0
            baseline[nothing], own[nothing] = logit(self.data.base_rate), 0.0
        return Reasons(baseline, own, implied)

    def pairs(self, values: Floats) -> Floats:
        """Compute what each pair adds, shape (n, pairs), for values of shape (n, terms)."""
        if self.partial_tables is not None and np.isnan(values[:, : len(self.data.signals)]).any():
            return self.partial_tables.pairs(values)
        return self._pair_tables.look_up(self.data.grid.locate(values))

    def without_inputs(self, values: Floats) -> Floats:
        """Treat inputs as not given where no signal was rated: then who rated carries no information."""
        p = len(self.data.signals)
        values[np.isnan(values[:, :p]).all(axis=1), p:] = np.nan
        return values

    def _baseline(self, rated: Any) -> Any:
        """Return the baseline of fully rated rows; in formats 1 and 2 by the number of signals rated."""
        return self.data.intercept + (
            self.data.gaps.offset()
            if self.data.intercept_by_rated_count is None
            else self.data.intercept_by_rated_count[rated]
        )

    def _contributions(self, location: Location) -> Floats:
        added = self._main_tables.look_up(location)
        if self.data.pairs:
            added += self._pair_tables.share_out(self._pair_tables.look_up(location))
        if self.data.triples:
            added += self._triple_tables.share_out(self._triple_tables.look_up(location))
        return added

    def _deviation(self, location: Location) -> Floats:
        """Compute the standard deviation of the log-odds, shape (n,)."""
        cells = self.data.grid.weights_at(location)
        vectors = self.data.factors["intercept"] + cells @ self._vectors
        return np.asarray(np.sqrt((vectors**2).sum(axis=1) + cells @ self._variances))

    def _from_partial_rows(
        self, coded: Coded, partial: NDArray[np.bool_], interval: bool, log_odds: Floats, deviation: Floats
    ) -> None:
        """Compute log-odds and standard deviations of partly rated rows into the arrays, by column where possible.

        Values of other rows may be overwritten.
        """
        general = partial
        if self._tree_columns:
            general, quick = partial & coded.off_grid, partial & ~coded.off_grid
            if np.count_nonzero(quick) > 0.9 * len(quick):  # nearly all: quicker than to pick them out
                log_odds[:], deviation[:] = self._tree_columns.many(coded.codes, interval)
            elif quick.any():
                at = np.flatnonzero(quick)
                log_odds[at], deviation[at] = self._tree_columns.many(coded.where(quick).codes, interval)
        if general.any():
            assert self.partial_tables is not None
            values = self.blocks.all_values(coded.where(general))
            log_odds[general], deviation[general] = self.partial_tables.many(values, interval)

    def _from_whole_rows(self, coded: Coded, interval: bool) -> tuple[Floats, Floats]:
        """Compute summed contributions and standard deviations of whole rows, given by column.

        They are looked up in precomputed sums where all ratings are on the knots or half way between them.
        """
        added, deviation = np.zeros(len(coded)), np.zeros(len(coded))
        if self.blocks.small_enough_to_fuse:
            numbers = self.blocks.number(coded.codes)
            if interval:
                added, variance = self._fused_with_variance.look_up(numbers)
                deviation = np.sqrt(variance)
            else:
                added = self._fused.look_up(numbers)
            if self.data.triples:
                added += self._triple_tables.total(self.data.grid.locate(self.blocks.all_values(coded)))
        if coded.off_grid.any():
            location = self.data.grid.locate(coded.values)
            added[coded.off_grid] = self._contributions(location).sum(axis=1)
            if interval:
                deviation[coded.off_grid] = self._deviation(location)
        return added, deviation

    @cached_property
    def partial_tables(self) -> PartialTables | None:
        """The tables for rows in which not everything was rated; None in formats 1 and 2, which have none."""
        if self.data.factor_model is None:
            return None
        return PartialTables(
            self.data.grid,
            Completion(self.data.grid, self.data.factor_model, self.data.catalogue.directions),
            self.data.intercept,
            np.concatenate([self.data.tables[name] for name in self.data.terms]),
            self._joint(self.data),
            self.data.gaps,
            Uncertainty(self.data.factors["intercept"], self._vectors, self._variances),
            self._masked_tables,
        )

    @cached_property
    def _masked_tables(self) -> MaskedTables | None:
        masked = self.data.masked
        if masked is None:
            return None
        main = [masked.tables[name] for name in self.data.terms]
        return MaskedTables(self.data.grid, masked.weight_of_other_tables, masked.intercept, main, self._joint(masked))

    def _joint(self, data: ModelData | Masked) -> Joint:
        """Return the tables of pairs and triples, by the indices of their terms."""
        index = {name: j for j, name in enumerate(self.data.terms)}
        pairs = [((index[pair.first], index[pair.second]), pair.log_odds) for pair in data.pairs]
        return [*pairs, *((tuple(index[name] for name in item.terms), item.log_odds) for item in data.triples)]

    @cached_property
    def _single_row(self) -> SingleRow | None:
        """The fast path for one row in which not everything was rated; None where the model has none."""
        return SingleRow(self.partial_tables) if self.partial_tables and self.partial_tables.additive else None

    @cached_property
    def _tree_columns(self) -> TreeColumns | None:
        """The fast path for many partly rated rows, given by column; None where the model has none."""
        tables = self.partial_tables
        if tables is None or tables.completion.needs_monotone_clipping or not TreeColumns.possible(tables, self.blocks):
            return None
        tree = Tree.of(tables.completion.factor_model)
        return TreeColumns(tables, tree, self.blocks) if tree else None

    @cached_property
    def blocks(self) -> TermBlocks:
        """The coding of ratings for `many`."""
        return TermBlocks(self.data.grid)

    @cached_property
    def _tables_on_half_knots(self) -> tuple[Floats, Floats]:
        """The tables of terms and of pairs, at the knots and half way between them."""
        first = dict(zip(self.data.terms, self.data.grid.offsets.tolist(), strict=False))
        pairs = np.zeros((int(self.data.grid.offsets[-1]),) * 2)
        for pair in self.data.pairs:
            rows, columns = pair.log_odds.shape
            a, b = first[pair.first], first[pair.second]
            pairs[a : a + rows, b : b + columns] += pair.log_odds
        main, weights = (
            np.concatenate([self.data.tables[name] for name in self.data.terms]),
            self.blocks.half_knot_weights,
        )
        return weights @ main, weights @ pairs @ weights.T

    @cached_property
    def _fused(self) -> FusedTables:
        return FusedTables(self.blocks, *self._tables_on_half_knots)

    @cached_property
    def _fused_with_variance(self) -> FusedSumAndVariance:
        vectors, start = self.blocks.half_knot_weights @ self._vectors, self.data.factors["intercept"]
        return FusedSumAndVariance(
            self.blocks, *self._tables_on_half_knots, vectors, start, self.blocks.half_knot_weights @ self._variances
        )

    @cached_property
    def _main_tables(self) -> Tables:
        return Tables(self.data.grid, [self.data.tables[name] for name in self.data.terms])

    @cached_property
    def _pair_tables(self) -> PairTables:
        return PairTables(self.data.grid, self._joint(self.data))

    @cached_property
    def _triple_tables(self) -> TripleTables:
        return TripleTables(self.data.grid, self._joint(self.data))

    @cached_property
    def _vectors(self) -> Floats:
        return np.concatenate([self.data.factors[name] for name in self.data.terms])

    @cached_property
    def _variances(self) -> Floats:
        return np.concatenate([self.data.variances[name] for name in self.data.terms])
