"""The grid of ratings, and look-ups in tables of log-odds on it.

Every term of a model (a signal, or a context input such as the rater's role) has a few knots, then a cell for "not
applicable" where that is an answer, and a last one for "not rated". A table has a log-odds for each cell; between two
knots it is linear. So a table is an exact function of any rating, on the knots or between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.ratings.catalogue import Catalogue

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Joint = Sequence[tuple[tuple[int, ...], Floats]]
"""Tables of two or three terms together: the indices of the terms, and the log-odds by their cells, axes in order."""

KNOTS = 11  # of a column without a catalogue
FEW_VALUES = 50  # values of a column under which its knots stay evenly spaced
MAX_SHARE_IN_HALF = 0.05  # most values in the emptier half of the gaps between even knots for uneven knots


@dataclass(frozen=True)
class Location:
    """Positions of values on a grid: cell `lower` and the share `fraction` of the way to the next, both (n, terms).

    At the last knot, `lower` is the one before it and `fraction` is 1.
    """

    lower: Ints
    fraction: Floats


@dataclass(frozen=True, eq=False)
class Grid:
    """Knots of each term: `low` + `step` * 0, 1, ..., `n_knots` - 1; then cells outside of their order.

    Cell `n_knots` is "not applicable" where a term has it; the last, cell `unrated`, is "not rated". In values of
    ratings, "not applicable" is the number one step below the first knot, and "not rated" is NaN.

    Attributes
    ----------
    low, step
        First knot and distance between knots, shape (terms,).
    n_knots
        Number of knots, 2 or more, shape (terms,).
    has_not_applicable
        1 where a term has a cell for "not applicable", else 0, shape (terms,).
    uneven
        Knots of terms whose knots are not evenly spaced, by number of the term, shape (knots,).

    Examples
    --------
    >>> grid = Grid(np.array([1.0]), np.array([1.0]), np.array([5]))
    >>> grid.weights(np.array([[3.5], [np.nan]]))
    array([[0. , 0. , 0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0. , 0. , 0. , 1. ]])
    >>> grid = Grid(np.array([1.0]), np.array([1.0]), np.array([3]), np.array([1]))
    >>> grid.weights(np.array([[0.0], [np.nan]]))  # not applicable, not rated
    array([[0., 0., 0., 1., 0.],
           [0., 0., 0., 0., 1.]])
    """

    low: Floats
    step: Floats
    n_knots: Ints
    has_not_applicable: Ints = field(default_factory=lambda: np.zeros((), dtype=np.int64))
    uneven: Mapping[int, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_not_applicable", np.broadcast_to(self.has_not_applicable, self.n_knots.shape))

    @classmethod
    def of(cls, catalogue: Catalogue) -> Grid:
        """Build the grid of a catalogue's signals, then of its inputs, whose levels are coded 0, 1, ..."""
        scales = [signal.scale for signal in catalogue.signals]
        inputs = [len(item.levels) for item in catalogue.inputs]
        return cls(
            np.array([scale.low for scale in scales] + [0.0 for _ in inputs]),
            np.array([scale.step for scale in scales] + [1.0 for _ in inputs]),
            np.array([len(scale.knots) for scale in scales] + inputs),
            np.array([int(bool(signal.not_applicable)) for signal in catalogue.signals] + [0 for _ in inputs]),
            {term: np.array(scale.uneven) for term, scale in enumerate(scales) if scale.uneven},
        )

    @cached_property
    def sizes(self) -> Ints:
        """Number of cells of each term, shape (terms,)."""
        return self.n_knots + self.has_not_applicable + 1

    @cached_property
    def unrated(self) -> Ints:
        """Cell of each term for "not rated", its last, shape (terms,)."""
        return self.n_knots + self.has_not_applicable

    @cached_property
    def not_applicable_values(self) -> Floats:
        """The number for "not applicable", shape (terms,); NaN, which equals nothing, where there is none."""
        return np.where(self.has_not_applicable > 0, self.low - self.step, np.nan)

    @cached_property
    def offsets(self) -> Ints:
        """First cell of each term when the cells of all terms are in one row, shape (terms + 1,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def knots(self, term: int) -> Floats:
        """Knots of one term, shape (knots,)."""
        if term in self.uneven:
            return self.uneven[term]
        return np.asarray(self.low[term] + self.step[term] * np.arange(self.n_knots[term]))

    def clip(self, values: Floats) -> Floats:
        """Clip values, of shape (n, terms), to the ends of their scales; NaN and "not applicable" stay."""
        return np.where(values == self.not_applicable_values, values, np.clip(values, self.low, self._high))

    @cached_property
    def _high(self) -> Floats:
        return np.array([self.knots(term)[-1] for term in range(len(self.n_knots))])

    def positions(self, values: Floats) -> Floats:
        """Count steps between knots: 0 at the first knot, 1 at the second, 1.5 half way to the third.

        Parameters
        ----------
        values
            Of the first m terms, shape (n, m), on their scales; NaN stays.
        """
        m = values.shape[1]
        positions = np.asarray((values - self.low[:m]) / self.step[:m])
        for term, knots in self.uneven.items():
            if term < m:
                positions[:, term] = np.interp(values[:, term], knots, np.arange(len(knots)))
        return positions

    def at(self, positions: Floats, term: int) -> Floats:
        """Return the values of one term at positions, counted in steps between knots."""
        if term in self.uneven:
            return np.interp(positions, np.arange(len(self.uneven[term])), self.uneven[term])
        return np.asarray(self.low[term] + positions * self.step[term])

    def locate(self, values: Floats) -> Location:
        """Find the cells of values of shape (n, terms); values beyond the ends are put on the end."""
        missing, other = np.isnan(values), values == self.not_applicable_values
        off_grid = missing | other
        position = np.clip(self.positions(values), 0, self.n_knots - 1)
        lower = np.minimum(np.where(off_grid, 0, position).astype(np.int64), self.n_knots - 2)
        fraction = np.where(off_grid, 0.0, position - lower)
        return Location(np.where(missing, self.unrated, np.where(other, self.n_knots, lower)), fraction)

    def cells(self, row: Sequence[float]) -> Ints | None:
        """Find the cells of one row whose values are all on knots, shape (terms,); None where one does not.

        Examples
        --------
        >>> grid = Grid(np.array([1.0, 1.0]), np.array([1.0, 1.0]), np.array([5, 5]))
        >>> grid.cells([3.0, np.nan]), grid.cells([3.5, np.nan])
        (array([2, 5]), None)
        """
        try:
            return np.array(
                [cell[value] if value == value else cell[None] for cell, value in zip(self._cell_of, row, strict=True)]
            )
        except KeyError:
            return None

    @cached_property
    def _cell_of(self) -> list[dict[float | None, int]]:
        """For each term the cell of each knot, of "not applicable", and of None."""
        cells: list[dict[float | None, int]] = []
        for term, (unrated, not_applicable) in enumerate(
            zip(self.unrated.tolist(), self.not_applicable_values.tolist(), strict=True)
        ):
            cells.append({knot: cell for cell, knot in enumerate(self.knots(term).tolist())} | {None: unrated})
            if self.has_not_applicable[term]:
                cells[term][not_applicable] = unrated - 1
        return cells

    def weights(self, values: Floats) -> Floats:
        """Distribute values of shape (n, terms) over cells: shape (n, cells), rows of a term add up to one."""
        return self.weights_at(self.locate(values))

    def weights_at(self, location: Location) -> Floats:
        """Distribute located values over cells, as `weights` does values."""
        cells = np.zeros((len(location.lower), int(self.offsets[-1]) + 1))
        rows = np.arange(len(cells))[:, None]
        at = self.offsets[:-1] + location.lower
        cells[rows, at] = 1 - location.fraction
        cells[rows, at + 1] += location.fraction
        return cells[:, :-1]


def uneven_knots(
    values: Floats, low: float, high: float, count: int = KNOTS, weights: Floats | None = None
) -> tuple[float, ...]:
    """Place knots at quantiles of the values if half of the gaps between evenly spaced ones would be nearly empty.

    Evenly used columns keep even knots, on which tables are smoother.

    Parameters
    ----------
    values
        Of one column, shape (n,), none missing.
    low, high
        Ends of its scale.
    count
        Number of knots.
    weights
        How often each value counts, shape (n,); None for once.

    Returns
    -------
    tuple of float
        Quantiles of the values, each once, with both ends; empty where even knots do.

    Examples
    --------
    >>> uneven_knots(np.arange(100.0), 0, 99)
    ()
    >>> uneven_knots(np.append(np.arange(100.0), 5000.0), 0, 5000, count=5)
    (0.0, 25.0, 50.0, 75.0, 5000.0)
    """
    rows = len(values) if weights is None else weights.sum()
    if rows < FEW_VALUES:
        return ()
    share = np.histogram(values, bins=count - 1, range=(low, high), weights=weights)[0] / rows
    if np.sort(share)[: (count - 1) // 2 + 1].sum() > MAX_SHARE_IN_HALF:
        return ()
    knots = np.unique(np.concatenate([[low], quantile(values, np.linspace(0, 1, count)[1:-1], weights), [high]]))
    return tuple(knots.tolist()) if len(knots) > 2 else ()


def quantile(values: Floats, shares: Any, weights: Floats | None = None) -> Any:
    """Compute quantiles as `numpy.quantile` does, of values that count for more or less than once.

    Parameters
    ----------
    values
        Shape (n,), none missing.
    shares
        Which quantiles, 0 to 1.
    weights
        How often each value counts, shape (n,); None for once.

    Examples
    --------
    >>> quantile(np.array([1.0, 2.0, 4.0]), 0.75, np.array([2.0, 1.0, 2.0]))
    np.float64(4.0)
    >>> quantile(np.array([1.0, 1.0, 2.0, 4.0, 4.0]), 0.75)
    np.float64(4.0)
    """
    if weights is None:
        return np.quantile(values, shares)
    order = np.argsort(values)
    ordered, ends = values[order], np.cumsum(weights[order])
    place = max(float(ends[-1]) - 1, 0.0) * np.asarray(shares)
    below = np.floor(place)
    last = len(ends) - 1
    low = ordered[np.minimum(np.searchsorted(ends, below, side="right"), last)]
    high = ordered[np.minimum(np.searchsorted(ends, below + 1, side="right"), last)]
    return low + (place - below) * (high - low)


class Tables:
    """One table per term, laid end to end for look-up.

    Parameters
    ----------
    grid
        The grid on which the tables are defined.
    tables
        For each term its log-odds by cell: at the knots, where not applicable if it has that, where not rated.
        A further axis, the same for every table, is carried through.

    Examples
    --------
    >>> grid = Grid(np.array([1.0]), np.array([1.0]), np.array([3]))
    >>> Tables(grid, [np.array([-1.0, 0.0, 2.0, 0.25])]).look_up(grid.locate(np.array([[2.5], [np.nan]])))
    array([[1.  ],
           [0.25]])
    """

    def __init__(self, grid: Grid, tables: Sequence[Floats]) -> None:
        self._first = grid.offsets[:-1]
        spare = np.zeros((1, *tables[0].shape[1:]))  # a look-up reads the next cell too, with weight 0 at the end
        self._flat = np.concatenate([*tables, spare])

    def look_up(self, location: Location) -> Floats:
        """Compute each term's log-odds, shape (n, terms)."""
        return _between(self._flat, self._first + location.lower, location.fraction)

    def at(self, cells: Ints) -> Floats:
        """Return each term's log-odds at the cells of one row, shape (terms,)."""
        return np.asarray(self._flat[self._first + cells])


class PairTables:
    """Tables of pairs of terms, bilinear between knots.

    Parameters
    ----------
    grid
        The grid on which the tables are defined.
    joint
        The tables; those of three terms are left out.
    """

    def __init__(self, grid: Grid, joint: Joint) -> None:
        pairs = [(terms, table) for terms, table in joint if len(terms) == 2]
        self.first = np.array([terms[0] for terms, _ in pairs], dtype=np.int64)
        self.second = np.array([terms[1] for terms, _ in pairs], dtype=np.int64)
        self._width = grid.sizes[self.second]
        sizes = grid.sizes[self.first] * self._width
        self._start = np.cumsum(sizes) - sizes
        spare = np.zeros(int(self._width.max(initial=0)) + 2)
        self._flat = np.concatenate([*(table.ravel() for _, table in pairs), spare])
        self.members = np.zeros((len(grid.n_knots), len(pairs)))  # 1 for each term of a pair
        self.members[[self.first, self.second], np.arange(len(pairs))] = 1.0

    def look_up(self, location: Location) -> Floats:
        """Compute each pair's log-odds, shape (n, pairs)."""
        at = self._start + location.lower[:, self.first] * self._width + location.lower[:, self.second]
        along, across = location.fraction[:, self.first], location.fraction[:, self.second]
        near, far = _between(self._flat, at, across), _between(self._flat, at + self._width, across)
        return near + along * (far - near)

    def at(self, cells: Ints) -> Floats:
        """Return each pair's log-odds at the cells of one row, shape (pairs,)."""
        return np.asarray(self._flat[self._start + cells[self.first] * self._width + cells[self.second]])

    def share_out(self, added: Floats) -> Floats:
        """Divide each pair's log-odds, of shape (n, pairs), equally among its terms: shape (n, terms)."""
        return added @ (0.5 * self.members.T)


class TripleTables:
    """Tables of three terms, linear between knots along each.

    Parameters
    ----------
    grid
        The grid on which the tables are defined.
    joint
        The tables, one of three terms at least; those of two are left out.
    """

    def __init__(self, grid: Grid, joint: Joint) -> None:
        triples = [(terms, table) for terms, table in joint if len(terms) == 3]
        self.terms = np.array([terms for terms, _ in triples], dtype=np.int64)
        sizes = grid.sizes[self.terms]
        self._steps = np.stack([sizes[:, 1] * sizes[:, 2], sizes[:, 2], np.ones(len(sizes), dtype=np.int64)], axis=1)
        self._start = np.cumsum(sizes.prod(axis=1)) - sizes.prod(axis=1)
        spare = np.zeros(int(self._steps.sum(axis=1).max()) + 1)  # a look-up reads the next cells too, with weight 0
        self._flat = np.concatenate([*(table.ravel() for _, table in triples), spare])
        self.members = np.zeros((len(grid.n_knots), len(sizes)))  # 1 for each term of a triple
        self.members[self.terms.T, np.arange(len(sizes))] = 1.0

    def look_up(self, location: Location) -> Floats:
        """Compute each triple's log-odds, shape (n, triples)."""
        lower, fraction = location.lower[:, self.terms], location.fraction[:, self.terms]
        if not (fraction % 1).any():  # all on the knots (1 is the last): one cell each
            return np.asarray(self._flat[self._start + ((lower + (fraction == 1)) * self._steps).sum(axis=2)])
        at = self._start + (lower * self._steps).sum(axis=2)
        total = np.zeros(at.shape)
        for corner in product((0, 1), repeat=3):
            weight = np.where(corner, fraction, 1 - fraction).prod(axis=2)
            total += weight * self._flat[at + self._steps @ np.array(corner)]
        return total

    def share_out(self, log_odds: Floats) -> Floats:
        """Divide each triple's log-odds, of shape (n, triples), equally among its terms: shape (n, terms)."""
        return log_odds @ (self.members.T / 3)

    def total(self, location: Location) -> Floats:
        """Compute the sum over all triples, shape (n,): one triple after the other where ratings are on the knots."""
        between = np.asarray((location.fraction % 1 > 0).any(axis=1))
        cells = np.ascontiguousarray((location.lower + (location.fraction == 1)).T)
        total, value = np.zeros(len(between)), np.empty(len(between))
        for (a, b, c), (far, near, _), start in zip(self.terms, self._steps, self._start, strict=True):
            at = cells[a] * far
            at += cells[b] * near
            at += cells[c]
            at += start
            self._flat.take(at, out=value, mode="clip")
            total += value
        if between.any():
            rest = Location(location.lower[between], location.fraction[between])
            total[between] = self.look_up(rest).sum(axis=1)
        return total


def _between(flat: Floats, at: Ints, fraction: Floats) -> Floats:
    below = flat[at]
    fraction = fraction.reshape(fraction.shape + (1,) * (below.ndim - fraction.ndim))
    return np.asarray(below + fraction * (flat[at + 1] - below))
