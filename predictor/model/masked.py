"""Tables with "not rated" as a category of its own: a part of the prediction when ratings are missing.

Models have them where signals act together, so that the expected value of each unrated signal is not enough. The
log-odds are then `weight_of_other_tables` times those of the other tables, in expectation, plus these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from predictor.model.tables import Floats, Grid, Joint, PairTables, Tables, TripleTables


@dataclass(frozen=True, eq=False)
class MaskedTables:
    """Tables of log-odds, looked up at ratings as they are.

    Attributes
    ----------
    grid
        The grid on which they are defined.
    weight_of_other_tables
        Weight of the model's other tables, in expectation, 0 or more.
    intercept
        Log-odds that they are centred at.
    main
        A table for each term, by cell.
    joint
        Tables of two or three terms together, by the terms that they depend on, in ascending order.

    Examples
    --------
    >>> grid = Grid(np.ones(2), np.ones(2), np.array([2, 2]))
    >>> main = [np.array([-1.0, 1.0, 0.5]), np.array([-2.0, 2.0, 0.0])]
    >>> both = np.array([[0.0, 0.0, -0.25], [0.0, 0.0, 0.25], [0.0, 0.0, 0.0]])
    >>> masked = MaskedTables(grid, 0.0, 0.1, main, [((0, 1), both)])
    >>> masked.reasons(np.array([[2.0, np.nan], [np.nan, 1.0]]))  # two baselines, and what the signals add
    (array([0.1, 0.6]), array([[ 1.25,  0.  ],
           [ 0.  , -2.  ]]))
    """

    grid: Grid
    weight_of_other_tables: float
    intercept: float
    main: Sequence[Floats]
    joint: Joint

    def total(self, values: Floats) -> Floats:
        """Compute log-odds of rows of shape (n, terms), shape (n,)."""
        location = self.grid.locate(values)
        total = self.intercept + self._main.look_up(location).sum(axis=1)
        total += self._pairs.look_up(location).sum(axis=1)
        if self._triples:
            total += self._triples.total(location)
        return np.asarray(total)

    def reasons(self, values: Floats) -> tuple[Floats, Floats]:
        """Compute what adds up to these log-odds: baseline, shape (n,), and what each term adds, shape (n, terms).

        A table is divided among those of its terms that were rated; if none was, it belongs to the baseline.
        """
        location, given = self.grid.locate(values), ~np.isnan(values)
        added = self._main.look_up(location)
        baseline = self.intercept + np.where(given, 0.0, added).sum(axis=1)
        joint: list[PairTables | TripleTables] = [self._pairs, *([self._triples] if self._triples else [])]
        for tables in joint:
            log_odds, count = tables.look_up(location), given @ tables.members
            baseline += np.where(count > 0, 0.0, log_odds).sum(axis=1)
            added += (log_odds / np.maximum(count, 1)) @ tables.members.T
        return baseline, np.where(given, added, 0.0)

    @cached_property
    def _main(self) -> Tables:
        return Tables(self.grid, self.main)

    @cached_property
    def _pairs(self) -> PairTables:
        return PairTables(self.grid, self.joint)

    @cached_property
    def _triples(self) -> TripleTables | None:
        return TripleTables(self.grid, self.joint) if any(len(terms) == 3 for terms, _ in self.joint) else None
