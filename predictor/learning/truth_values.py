"""Booleans in the X of the estimator are an error, unless the catalogue has levels called true and false."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from predictor.errors import Problem, RatingsError
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.parsing import parse_level_codes, parse_ratings
from predictor.ratings.signals import Signal

_is_truth_value = np.frompyfunc(lambda cell: isinstance(cell, bool | np.bool_), 1, 1)


def read_truth_values(X: Any, catalogue: Catalogue | None) -> Any:
    """Replace booleans in X by the ratings, or codes, that they mean; scikit-learn would convert them to 1 and 0.

    Raises
    ------
    RatingsError
        If the catalogue has no such level.
    """
    types = getattr(X, "dtypes", None)
    types = [getattr(X, "dtype", object)] if types is None else list(types)
    if all(getattr(kind, "kind", "O") not in "bO" for kind in types):
        return X
    cells = np.array(X, dtype=object)
    if cells.ndim != 2:  # scikit-learn reports it
        return X
    truths = _is_truth_value(cells).astype(bool)
    if is_frame := hasattr(X, "isna"):
        cells[X.isna().to_numpy()] = np.nan  # pandas' NA, which is no number
    elif not truths.any():
        return X
    signals = {signal.name: signal for signal in catalogue.signals} if catalogue else {}
    inputs = {item.name: item for item in catalogue.inputs} if catalogue else {}
    names = [*map(str, X.columns)] if is_frame else [*signals, *inputs]
    problems: list[Problem] = []
    for j in np.flatnonzero(truths.any(axis=0)):
        name, rows = names[j] if j < len(names) else f"x{j}", np.flatnonzero(truths[:, j])
        if name in inputs:
            cells[rows, j], wrong = parse_level_codes(cells[rows, j], inputs[name])
        else:
            cells[rows, j], wrong = parse_ratings(cells[rows, j], signals.get(name) or Signal(name, name, ""), "NaN")
        problems += [replace(problem, row=int(rows[problem.row - 1]) + 1) for problem in wrong if problem.row]
    if problems:
        raise RatingsError("X", problems)
    return type(X)(cells, columns=X.columns, index=X.index) if is_frame else cells
