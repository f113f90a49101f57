"""Read the groups of rows that are to be audited: columns of the same table, or of a second one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import ConfigError, nearest, plural
from predictor.evaluation.groups import is_unknown
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.sources.files import read_cells, read_ratings, word_of


def read_groups(
    data: Path, catalogue: Catalogue, columns: Mapping[str, str], groups_file: Path | None = None, on: str | None = None
) -> tuple[Ratings, dict[str, NDArray[Any]]]:
    """Read rows to audit, and their groups.

    Parameters
    ----------
    data
        Ratings, as the model's catalogue reads them.
    catalogue
        Of the model.
    columns
        Columns of groups by their name in reports, as in {"sex": "Gender"}.
    groups_file
        A table with those columns, one row per person or application; None where they are in `data`.
    on
        Column by which the two are joined; if None, the first that both have and whose values determine the groups.

    Returns
    -------
    tuple
        The rows, and a column of groups for each name, shape (n,), "" where not known.

    Raises
    ------
    ConfigError
        If a column of groups is an input of the model or is missing, or the tables cannot be joined.
    RatingsError
        With every problem of the rows.
    """
    used = {*catalogue.names, *(item.name for item in catalogue.inputs), catalogue.outcome}
    if within := sorted(column for column in columns.values() if column in used):
        raise ConfigError(
            f"{', '.join(within)}: is an input of the model, or the outcome, so it cannot be a group. Train without "
            "it, or name another column"
        )
    if groups_file is None:
        if on:
            raise ConfigError(
                f"--on {on} names the column that a second table is joined by: name it with --groups FILE"
            )
        ratings = read_ratings(data, _with_context(catalogue, columns.values()))
        if missing := [column for column in columns.values() if column not in ratings.columns]:
            raise ConfigError(
                f"{data}: has no column {missing[0]!r}{nearest(missing[0], ratings.columns)}; where groups are in "
                "another table: --groups FILE"
            )
        return ratings, {name: ratings.columns[column] for name, column in columns.items()}
    table = read_table(groups_file)
    if missing := [column for column in columns.values() if column not in table]:
        raise ConfigError(f"{groups_file}: has no column {missing[0]!r}{nearest(missing[0], map(str, table))}")
    ratings = read_ratings(data, _with_context(catalogue, [on] if on else []))
    key = _key(ratings, data, table, groups_file, set(columns.values()), on)
    return ratings, _joined(ratings.columns[key], table, key, columns, groups_file)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of words from a file of any format; empty cells are ""."""
    columns = read_cells(path)
    return pd.DataFrame(
        {name: ["" if cell is None else word_of(cell) for cell in cells] for name, cells in columns.items()},
        dtype=object,
    )


def _with_context(catalogue: Catalogue, columns: Any) -> Catalogue:
    """Allow further columns in files; they are never passed to a model."""
    more = tuple(dict.fromkeys(column for column in columns if column not in catalogue.columns))
    return replace(catalogue, context=(*catalogue.context, *more))


def _key(ratings: Ratings, data: Path, table: pd.DataFrame, groups_file: Path, groups: set[str], on: str | None) -> str:
    shared = [str(name) for name in table if name in ratings.columns and name not in groups]
    if on:
        if on not in table or on not in ratings.columns:
            raise ConfigError(f"--on {on}: {groups_file if on not in table else data} has no such column")
        shared = [on]
    if not shared:
        raise ConfigError(
            f"{groups_file} and {data} have no column in common that names a person or an application; give them one, "
            f"such as {ratings.catalogue.group or 'person'}"
        )
    for name in shared:
        keys = table[name][table[name] != ""]
        if not keys.duplicated().any() or not _contradictions(table, name, groups):
            return name
    twice = _contradictions(table, shared[0], groups)
    raise ConfigError(
        f"{groups_file}: {plural(len(twice), 'value')} of {shared[0]!r} have rows that differ in their groups, "
        f"such as '{twice[0]}'; keep one row each, or name another column with --on"
    )


def _contradictions(table: pd.DataFrame, key: str, groups: set[str]) -> list[str]:
    """Keys whose rows do not agree on a group that they know."""
    result = set[str]()
    for column in groups:
        known = table[(table[key] != "") & ~table[column].map(is_unknown)]
        different = known[column].map(lambda word: " ".join(word.split()).casefold()).groupby(known[key]).nunique()
        result |= set(different.index[different > 1])
    return sorted(result)


def _joined(
    keys: NDArray[Any], table: pd.DataFrame, key: str, columns: Mapping[str, str], groups_file: Path
) -> dict[str, NDArray[Any]]:
    joined: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        known = {
            str(k): str(word) for k, word in zip(table[key], table[column], strict=True) if not is_unknown(str(word))
        }
        given = {str(k): str(word) for k, word in zip(table[key], table[column], strict=True)} | known
        joined[name] = np.array([given.get(str(k), "") for k in keys], dtype=object)
    if not {str(k) for k in keys} & set(table[key].map(str)):
        raise ConfigError(f"{groups_file}: none of its {plural(len(table), 'row')} has a {key!r} of the rows to audit")
    return joined


def parse_groups(options: Sequence[str]) -> dict[str, str]:
    """Read options such as "sex=Gender", or "sex" where the column has that name.

    Raises
    ------
    ConfigError
        If one is empty, or a name comes twice.

    Examples
    --------
    >>> parse_groups(["sex=Gender", "race"])
    {'sex': 'Gender', 'race': 'race'}
    """
    groups: dict[str, str] = {}
    for option in options:
        name, _, column = option.partition("=")
        name, column = name.strip(), (column or name).strip()
        if not name or not column:
            raise ConfigError(f"--attribute {option!r}: write what it is and its column, as in --attribute sex=Gender")
        if name in groups or column in groups.values():
            twice = name if name in groups else column
            raise ConfigError(f"--attribute {option}: {twice} is named twice; name it once")
        groups[name] = column
    return groups
