"""Functions of ratings as sums of tables: a number, one table per term, tables of two terms and of three.

The members of the pool are converted to this form, added up and purified in it (functional analysis of variance: a
larger table contains only what smaller ones cannot express).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from predictor.model.tables import Floats, Grid

TablesByTerms = dict[tuple[int, ...], Floats]
"""Tables by the terms that they depend on, in ascending order: () for a number, (3,), (1, 3), (1, 3, 4)."""

ROWS_AT_ONCE = 8192  # rows evaluated at once, so that intermediate arrays stay small


def add(parts: Iterable[tuple[float, Mapping[tuple[int, ...], Floats]]]) -> TablesByTerms:
    """Add up weighted sums of tables.

    Examples
    --------
    >>> one = {(): np.array(1.0), (0,): np.array([0.0, 2.0])}
    >>> total = add([(0.5, one), (2.0, {(): np.array(3.0)})])
    >>> float(total[()]), total[(0,)]
    (6.5, array([0., 1.]))
    """
    total: TablesByTerms = {}
    for weight, tables in parts:
        for terms, table in tables.items():
            total[terms] = total[terms] + weight * table if terms in total else np.asarray(weight * table)
    return total


def purify(tables: Mapping[tuple[int, ...], Floats], shares: Sequence[Floats]) -> TablesByTerms:
    """Move to smaller tables all that they can express; the sum stays the same.

    Afterwards every table averages to zero along each of its axes, weighted by how often each cell occurs
    (Lengerich et al. 2020, "Purifying interaction effects with the functional ANOVA").

    Parameters
    ----------
    tables
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
    pure = {terms: table.copy() for terms, table in tables.items()}
    for order in range(max(map(len, pure), default=0), 0, -1):
        for terms in [terms for terms in pure if len(terms) == order]:
            for axis, term in enumerate(terms):
                mean = np.tensordot(shares[term], pure[terms], axes=(0, axis))
                pure[terms] = pure[terms] - np.expand_dims(mean, axis)
                smaller = terms[:axis] + terms[axis + 1 :]
                pure[smaller] = np.asarray(pure[smaller] + mean if smaller in pure else mean)
    return dict(sorted(pure.items(), key=lambda item: (len(item[0]), item[0])))


def evaluate(tables: Mapping[tuple[int, ...], Floats], cells: Floats, grid: Grid) -> Floats:
    """Sum the tables at each row, linear between knots along every axis.

    Parameters
    ----------
    tables
        Tables.
    cells
        Rows as cell weights, shape (n, cells); see `Grid.weights`.
    grid
        The grid of the cells.

    Returns
    -------
    array of shape (n,)
        Their sum.
    """
    spans = [slice(*grid.offsets[term : term + 2]) for term in range(len(grid.n_knots))]
    number, main = 0.0, np.zeros(cells.shape[1])
    pairs: Floats | None = None  # what each two cells add together
    larger: dict[tuple[int, ...], dict[int, Floats]] = {}  # by all terms but the last, then by the last
    for terms, table in tables.items():
        if not terms:
            number += float(table)
        elif len(terms) == 1:
            main[spans[terms[0]]] += table
        elif len(terms) == 2:
            pairs = np.zeros((len(main), len(main))) if pairs is None else pairs
            pairs[spans[terms[0]], spans[terms[1]]] += table
        else:
            larger.setdefault(terms[:-1], {})[terms[-1]] = table
    total = number + cells @ main
    for start in range(0, len(cells), ROWS_AT_ONCE):
        part = cells[start : start + ROWS_AT_ONCE]
        added = total[start : start + ROWS_AT_ONCE]
        if pairs is not None:
            added += np.einsum("nc,nc->n", part @ pairs, part)
        for terms, by_last in larger.items():
            weights = part[:, spans[terms[0]]]
            for term in terms[1:]:
                weights = (weights[:, :, None] * part[:, None, spans[term]]).reshape(len(part), -1)
            last = np.concatenate([part[:, spans[term]] for term in by_last], axis=1)
            table = np.concatenate([table.reshape(weights.shape[1], -1) for table in by_last.values()], axis=1)
            added += np.einsum("nc,nc->n", weights @ table, last)
    return np.asarray(total)
