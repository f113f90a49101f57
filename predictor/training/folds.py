"""The folds of a cross-validation: stratified by outcome, and no group on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import Problem, RatingsError
from predictor.evaluation.copies import copies
from predictor.evaluation.scores import LEAST_OF_EACH
from predictor.model.tables import Floats
from predictor.ratings.ratings import Ratings
from predictor.training.config import TrainingConfig


@dataclass(frozen=True, eq=False)
class Fold:
    """The training rows and the test rows of one fold."""

    number: int
    repeat: int
    train: NDArray[Any]
    test: NDArray[Any]


def groups_of(ratings: Ratings) -> NDArray[Any]:
    """Return what stays in one fold and is resampled as one: the groups, or without groups the copies of a row."""
    return copies(ratings) if ratings.groups is None else ratings.groups


def split_into_folds(ratings: Ratings, groups: NDArray[Any], config: TrainingConfig, needed: bool) -> list[Fold]:
    """Split the rows, anew in each repeat; all rows of a group are in one fold. With too few rows: none, or an error.

    Parameters
    ----------
    ratings
        Ratings whose outcomes are known.
    groups
        As by `groups_of`.
    config
        Numbers of folds and repeats, and the seed.
    needed
        Whether it is an error if the rows are too few.
    """
    y = ratings.y
    problems = []
    for word, known in (("yes", 1), ("no", 0)):
        count, people = int((y == known).sum()), len(np.unique(groups[y == known]))
        if count < LEAST_OF_EACH:
            kind = f"is '{word}' in {count} rows; learning needs at least {LEAST_OF_EACH} of each"
            kind += " (with leave_out there is no published prior)" * bool(config.leave_out and config.prior == "auto")
            problems.append(Problem(kind, column=ratings.catalogue.outcome))
        elif people < 2:
            kind = f"has one group only among the rows with outcome '{word}'; two or more are needed"
            problems.append(Problem(kind, column=ratings.catalogue.group))
    if problems and not needed:
        return []
    if problems:
        raise RatingsError(ratings.source, problems)
    most = min(config.folds, *(len(np.unique(groups[y == known])) for known in (0, 1)))
    for parts in range(most, 1, -1):  # few groups may leave a part without offers; then fewer parts
        folds = [
            Fold(repeat * parts + number, repeat, train_rows, test)
            for repeat in range(config.repeats)
            for number, (train_rows, test) in enumerate(_split(y, groups, parts, (config.seed, repeat)))
        ]
        if all(0 < y[fold.train].sum() < len(fold.train) for fold in folds):
            return folds
    if not needed:
        return []
    kind = "has too few groups to keep both outcomes on both sides of a split; add rows of other groups"
    raise RatingsError(ratings.source, [Problem(kind, column=ratings.catalogue.group)])


def _split(
    y: Floats, groups: NDArray[Any], parts: int, seed: Sequence[int]
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Deal whole groups to parts, the largest first, each to the part that has least of the outcomes it brings.

    Greedily this makes squared shares of both outcomes least, as `StratifiedGroupKFold` does with their standard
    deviations, which takes a hundred times as long.
    """
    _, member = np.unique(groups, return_inverse=True)
    shares = np.stack(
        [np.bincount(member, weights=y == known) / max((y == known).sum(), 1) for known in (0, 1)], axis=1
    )
    order = np.random.default_rng(seed).permutation(len(shares))
    order = order[np.argsort(-(shares[order] ** 2).sum(axis=1), kind="stable")]
    held, part = np.zeros((parts, 2)), np.empty(len(shares), dtype=np.int64)
    for group in order:
        part[group] = number = int(np.argmin(held @ shares[group]))
        held[number] += shares[group]
    for number in range(parts):
        test = part[member] == number
        yield np.flatnonzero(~test), np.flatnonzero(test)
