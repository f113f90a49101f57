"""Functions of ratings as sums of tables: a number, a table a term, tables of two terms and of three.

Whatever the pool is made of is brought to this form, added up in it, and purified in it: the functional analysis of
variance, in which a larger table says only what the smaller ones cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from predictor.tables import Floats, Grid

Terms = dict[tuple[int, ...], Floats]
"""Tables by the terms that they stand on, in ascending order: () for a number, (3,), (1, 3), (1, 3, 4)."""


def add(parts: Iterable[tuple[float, Mapping[tuple[int, ...], Floats]]]) -> Terms:
    """Add up weighted sums of tables.

    Examples
    --------
    >>> one = {(): np.array(1.0), (0,): np.array([0.0, 2.0])}
    >>> total = add([(0.5, one), (2.0, {(): np.array(3.0)})])
    >>> float(total[()]), total[(0,)]
    (6.5, array([0., 1.]))
    """
    total: Terms = {}
    for weight, terms in parts:
        for place, table in terms.items():
            total[place] = total[place] + weight * table if place in total else np.asarray(weight * table)
    return total


def purify(terms: Mapping[tuple[int, ...], Floats], shares: Sequence[Floats]) -> Terms:
    """Move to smaller tables all that they can say; the sum stays the same.

    Afterwards every table averages to zero along each of its axes, weighted by how often each cell occurs
    (Lengerich et al. 2020, "Purifying interaction effects with the functional ANOVA").

    Parameters
    ----------
    terms
        Tables to purify.
    shares
        For each term, the share of rows in each of its cells.

    Examples
    --------
    >>> pure = purify({(0, 1): np.array([[0.0, 0.0], [0.0, 4.0]])}, [np.array([0.5, 0.5])] * 2)
    >>> pure[(0, 1)], pure[(0,)], pure[()]
    (array([[ 1., -1.],
           [-1.,  1.]]), array([-1.,  1.]), array(1.))
    """
    pure = {place: table.copy() for place, table in terms.items()}
    for order in range(max(map(len, pure), default=0), 0, -1):
        for place in [place for place in pure if len(place) == order]:
            for axis, term in enumerate(place):
                mean = np.tensordot(shares[term], pure[place], axes=(0, axis))
                pure[place] = pure[place] - np.expand_dims(mean, axis)
                smaller = place[:axis] + place[axis + 1 :]
                pure[smaller] = np.asarray(pure[smaller] + mean if smaller in pure else mean)
    return dict(sorted(pure.items(), key=lambda item: (len(item[0]), item[0])))


def evaluate(terms: Mapping[tuple[int, ...], Floats], cells: Floats, grid: Grid) -> Floats:
    """Sum the tables at each row, linear between knots along every axis.

    Parameters
    ----------
    terms
        Tables.
    cells
        Rows as cell weights, shape (n, cells); see `Grid.weights`.
    grid
        Where the cells stand.

    Returns
    -------
    array of shape (n,)
        Their sum.
    """
    total = np.zeros(len(cells))
    for place, table in terms.items():
        part = np.broadcast_to(table, (len(cells), *table.shape))
        for term in place:
            part = np.einsum("nc,nc...->n...", cells[:, grid.offsets[term] : grid.offsets[term + 1]], part)
        total += part
    return total
