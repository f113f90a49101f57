"""Landmarks: the moments at which rows are made; a row uses only cards submitted by then.

Cards of late stages exist only for those who got so far, so every row has its stage, which is an input. There is no
landmark "after the last card": where an application ends tells how it ended, since whoever ends at the phone screen was
rejected there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor.errors import ConfigError, plural
from predictor.sources.scorecards.export import folded

if TYPE_CHECKING:
    from numpy.typing import NDArray

EACH = "each"
NO_STAGE = "no stage"
_AFTER = re.compile(r"^\s*after\s+(the\s+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Landmarks:
    """Rows, each an application at a stage.

    Attributes
    ----------
    application
        Position of the application of each row.
    stage
        Name of the stage, shape (rows,).
    until
        Cards submitted by then count.
    phrase
        The choice in words.
    """

    application: NDArray[np.int64]
    stage: NDArray[Any]
    until: NDArray[Any]
    phrase: str


def landmarks(choice: str, application: NDArray[np.int64], stage: NDArray[Any], submitted: NDArray[Any]) -> Landmarks:
    """Place the landmarks of all applications.

    Parameters
    ----------
    choice
        "each": a row for each stage that an application reached; else words of a stage's name, such as "after the
        on-site": the last card of the stages whose names have them.
    application, stage, submitted
        Of each card.

    Raises
    ------
    ConfigError
        If no stage is called so; with those that there are.
    """
    codes, names = pd.factorize(stage, sort=True)
    order = np.lexsort((codes, submitted))
    if choice == EACH:
        key = application * max(len(names), 1) + codes
        phrase = "after each stage reached"
    else:
        wanted = folded(_AFTER.sub("", choice))
        fitting = [str(name) for name in names if wanted and wanted in folded(str(name))]
        if not fitting:
            raise ConfigError(f"--stage {choice!r}: there is no such stage; the stages are: {_listed(stage)}")
        order = order[np.isin(codes[order], np.flatnonzero(np.isin(names.astype(str), fitting)))]
        key = application
        phrase = f"after {', '.join(fitting)}"
    _, last = np.unique(key[order][::-1], return_index=True)
    cards = order[len(order) - 1 - last]
    cards = cards[np.lexsort((submitted[cards], application[cards]))]
    return Landmarks(application[cards], stage[cards], submitted[cards], phrase)


def _listed(stage: NDArray[Any]) -> str:
    counts = list(stage_counts(stage).items())[:20]
    return "; ".join(f"{name} ({plural(count, 'card')})" for name, count in counts) or "none with a usable card"


def merged(stage: NDArray[Any]) -> NDArray[Any]:
    """Return stages with one spelling each, the most frequent: those that differ in case or blanks are one.

    >>> merged(np.array(["Phone screen", "PHONE  SCREEN", "On-site", "Phone screen"], dtype=object)).tolist()
    ['Phone screen', 'Phone screen', 'On-site', 'Phone screen']
    """
    shown: dict[str, str] = {}
    for name, _ in sorted(stage_counts(stage).items(), key=lambda item: (-item[1], item[0].isupper())):
        shown.setdefault(" ".join(name.casefold().split()), name)
    codes, names = pd.factorize(stage)
    return np.array([shown[" ".join(str(name).casefold().split())] for name in names], dtype=object)[codes]


def in_order(application: NDArray[np.int64], stage: NDArray[Any], submitted: NDArray[Any]) -> list[str]:
    """Return the stages in order of the mean time between an application's first card and theirs.

    Examples
    --------
    >>> days = np.array(["2026-03-01", "2026-03-09", "2026-03-02"], dtype="datetime64[ms]")
    >>> in_order(np.array([0, 0, 1]), np.array(["Phone", "Final", "Phone"], dtype=object), days)
    ['Phone', 'Final']
    """
    time = submitted.astype("datetime64[ms]").astype(np.int64)
    first = np.full(int(application.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, application, time)
    codes, names = pd.factorize(np.asarray(stage, dtype=object), sort=True)
    later = np.bincount(codes, weights=time - first[application]) / np.maximum(np.bincount(codes), 1)
    return [str(names[at]) for at in np.argsort(later, kind="stable")]


def stage_counts(stages: Any) -> dict[str, int]:
    """Return how many cards each stage has, the most first."""
    codes, names = pd.factorize(np.asarray(stages, dtype=object), sort=True)
    counts = np.bincount(codes, minlength=len(names))
    return {str(names[at]): int(counts[at]) for at in np.argsort(-counts, kind="stable")}
