"""Columns of a DataFrame as cells; words that repeat are parsed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem
from predictor.ratings.catalogue import Catalogue

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Cells = Sequence[Any] | NDArray[Any]


def with_index(frame: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """Convert named levels of the index that are columns of the catalogue into columns, as after `set_index`."""
    levels = [name for name in frame.index.names if name in catalogue.columns and name not in frame.columns]
    return frame.reset_index(level=levels) if levels else frame


class FactorizedColumn(list[Any]):
    """A column of words, factorized: row i has the word `self[codes[i]]`; the last is None, for code -1."""

    def __init__(self, words: Iterable[Any], codes: NDArray[Any]) -> None:
        super().__init__([*words, None])
        self.codes = codes


def cells_of(series: pd.Series[Any]) -> list[Any]:
    """Return the cells of a column, None if empty."""
    # iterating over a series would widen narrow floats, and `parse_context` checks how large ids may be in their type
    narrow = series.dtype in (np.float16, np.float32)
    cells: Iterable[Any] = series.to_numpy() if narrow else series
    return [None if empty else cell for cell, empty in zip(cells, series.isna(), strict=True)]


def words_of(series: pd.Series[Any]) -> list[Any]:
    """Return the cells of a column; of a categorical or string column its different words and their codes."""
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype | pd.StringDtype):
        codes, words = series.factorize()  # code -1, which is the last, for an empty cell
        return FactorizedColumn(words, codes)
    return cells_of(series)


def parse_once(
    parse: Callable[[Cells], tuple[NDArray[Any], list[Problem]]], cells: Cells
) -> tuple[NDArray[Any], list[Problem]]:
    """Parse each word of a `FactorizedColumn` once, or row by row if there is a problem, to name the row.

    Other columns are parsed row by row.
    """
    if not isinstance(cells, FactorizedColumn):
        return parse(cells)
    parsed, problems = parse(cells)
    return parse([cells[code] for code in cells.codes]) if problems else (parsed[cells.codes], [])
