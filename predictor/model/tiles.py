"""Process rows in tiles of one size, so that the rounding of a matrix product does not depend on the other rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from predictor.model.tables import Floats

TILE = 256  # few enough that BLAS uses one thread even where it has more


def tiles(values: Floats) -> Iterator[tuple[slice, Floats]]:
    """Divide rows into tiles of one size; the last is filled up with its last row.

    A matrix product may round a row differently if there are more or fewer rows, and an answer must not depend on the
    other rows.

    Parameters
    ----------
    values
        Shape (n, terms).

    Yields
    ------
    slice, array of shape (TILE, terms)
        Which rows, and their values.

    Examples
    --------
    >>> [(part.start, part.stop, tile.shape) for part, tile in tiles(np.zeros((300, 2)))]
    [(0, 256, (256, 2)), (256, 300, (256, 2))]
    """
    for start in range(0, len(values), TILE):
        tile = values[start : start + TILE]
        short = TILE - len(tile)
        yield slice(start, start + len(tile)), np.concatenate([tile, np.repeat(tile[-1:], short, axis=0)])
