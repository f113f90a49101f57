"""Validate the records to predict: a fast check, then a full parse of those in which anything is unusual."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem
from predictor.ratings.catalogue import RATINGS, Catalogue
from predictor.ratings.frames import parse_once, with_index, words_of
from predictor.ratings.outcomes import OutcomeRules
from predictor.ratings.parsing import header_problems, parse_context, parse_level_codes
from predictor.ratings.ratings import Ratings

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Cells = Sequence[Any] | NDArray[Any]

_PLAIN = frozenset((int, float, str, bool))  # types of cells as JSON has them


def parse_record_fast(record: Any, catalogue: Catalogue) -> list[float] | None:
    """Read one mapping of plain numbers and words, which takes a tenth of the time of a full parse.

    Returns
    -------
    list of float or None
        Signals in the catalogue's order, then its inputs, coded as by `Ratings.codes`; NaN if not observed. None if
        anything is wrong or unusual: `Ratings.from_records` then reads the record or raises an error.

    Examples
    --------
    >>> catalogue = Catalogue.shipped()
    >>> parse_record_fast({"goals_discussed": 4}, catalogue)[catalogue.names.index("goals_discussed")]
    4
    >>> parse_record_fast({"goals_discussed": 9}, catalogue) is None
    True
    """
    if not isinstance(record, dict):
        return None
    if RATINGS in record:
        inner = record[RATINGS]
        if not isinstance(inner, dict) or not record.keys().isdisjoint(inner):
            return None
        record = {**record, **inner}
        del record[RATINGS]
    places, codes, context = catalogue.lookup
    row = [math.nan] * (len(places) + len(codes))
    for name, cell in record.items():
        if column := places.get(name):
            place, low, high, signal = column
            if cell is not None:
                if type(cell) in (int, float) and low <= cell <= high:  # NaN is in no scale
                    row[place] = cell
                else:
                    value = signal.parse_cell(cell) if type(cell) in _PLAIN else None
                    if value is None or value > high or (value < low and value != signal.not_applicable_value):
                        return None
                    row[place] = value
        elif name in codes:
            if cell is not None:
                at = codes[name].get(cell) if type(cell) is str else None
                if at is None:
                    return None
                row[at[0]] = at[1]
        elif name not in context or not (cell is None or type(cell) is str):
            return None
    return row


def validated_columns(frame: pd.DataFrame, catalogue: Catalogue) -> list[Floats]:
    """Validate a frame as `Ratings.from_frame` does, and return its columns, without a copy if they are plain numbers.

    Returns
    -------
    list of arrays of shape (n,)
        Signals in the catalogue's order, then its inputs, coded as by `Ratings.codes`; NaN if not observed.

    Raises
    ------
    RatingsError
        With every problem of the frame.
    """
    columns = _plain_columns(frame, catalogue)
    if columns is None:
        ratings = Ratings.from_frame(frame, catalogue, ignore_outcomes=True)
        return [*ratings.values.T, *(ratings.codes(item) for item in catalogue.inputs)]
    unobserved = np.broadcast_to(np.nan, len(frame))
    return [columns.get(name, unobserved) for name in (*catalogue.names, *(item.name for item in catalogue.inputs))]


def _plain_columns(frame: pd.DataFrame, catalogue: Catalogue) -> dict[str, Floats] | None:
    """Return whole columns by name; None if anything is wrong, or is not plain numbers and words."""
    frame = with_index(frame, catalogue)
    names = [str(name) for name in frame.columns]
    if not len(frame) or header_problems(names, catalogue):
        return None
    scales = {signal.name: signal.scale for signal in catalogue.signals}
    parse: dict[str, Callable[[Cells], tuple[NDArray[Any], list[Problem]]]] = {
        catalogue.outcome: OutcomeRules(catalogue.outcome, "empty", ignored=True).parse,
        **{item.name: partial(parse_level_codes, item=item) for item in catalogue.inputs},
    }
    columns = {}
    for name, (_, series) in zip(names, frame.items(), strict=True):
        if scale := scales.get(name):
            if not isinstance(series.dtype, np.dtype) or series.dtype.kind not in "iuf":
                return None
            values = series.to_numpy(np.float64)
            # for a column of NaN both ends are NaN, so neither comparison is true
            if np.fmin.reduce(values) < scale.low or np.fmax.reduce(values) > scale.high:
                return None
        else:
            values, problems = parse_once(parse.get(name) or partial(parse_context, name=name), words_of(series))
            if problems:
                return None
        columns[name] = values
    return columns
