"""Known effects in simulated interviews, for tests: groups of known disparity, drift of known size.

Groups are drawn for people by the verdicts on them; drift moves ratings by a share of their standard deviation.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.atomic import write_text
from predictor.errors import ConfigError, nearest
from predictor.ratings.catalogue import SIMULATED
from predictor.ratings.ratings import Ratings

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Share of each category, and which part of the disparity it has; the last race/ethnicity is under 2 %.
GROUPS = {
    "sex": {"Female": (0.47, 1.0), "Male": (0.53, 0.0)},
    "race": {
        "White": (0.52, 0.0), "Black or African American": (0.18, 1.0), "Hispanic or Latino": (0.16, 0.5),
        "Asian": (0.13, 0.0), "Native Hawaiian or Pacific Islander": (0.01, 0.0),
    },
}  # fmt: skip
UNKNOWN = 0.03  # share of people who did not say


def simulate_groups(ratings: Ratings, *, seed: int = 0, disparity: float = 0.0) -> dict[str, NDArray[Any]]:
    """Draw sex and race/ethnicity for simulated people, so that verdicts on them differ by a known size.

    Parameters
    ----------
    ratings
        What `simulate_interviews` returned.
    seed
        Any whole number from 0.
    disparity
        By about how many standard deviations of the verdict a category with the full disparity is judged lower. The
        log-odds of belonging to it fall by this for each standard deviation. 0: groups and verdicts are independent.

    Returns
    -------
    dict
        Columns "sex" and "race" of shape (n,), the same for each row of a person; "" for who did not say. SIMULATED.

    Raises
    ------
    ConfigError
        If the ratings are not simulated interviews.

    Examples
    --------
    >>> from predictor import simulate_interviews
    >>> interviews = simulate_interviews(2000, seed=1)
    >>> women = simulate_groups(interviews, disparity=1.0)["sex"] == "Female"
    >>> verdict = interviews.columns["latent_verdict"]
    >>> bool(verdict[women].mean() < verdict[~women].mean() - 0.5)
    True
    """
    if "latent_verdict" not in ratings.columns or ratings.groups is None:
        raise ConfigError(f"{ratings.source}: groups are simulated for what simulate_interviews returns, and only that")
    rng = np.random.default_rng(seed)
    _, person = np.unique(ratings.groups, return_inverse=True)
    verdict = np.bincount(person, weights=ratings.columns["latent_verdict"]) / np.bincount(person)
    columns = {}
    for name, categories in GROUPS.items():
        share, part = np.array(list(categories.values())).T
        weight = share * np.exp(-disparity * part * verdict[:, None])
        chosen = (rng.random((len(verdict), 1)) > (weight / weight.sum(axis=1, keepdims=True)).cumsum(axis=1)).sum(
            axis=1
        )
        words = np.array([*categories, ""], dtype=object)
        chosen = np.where(rng.random(len(verdict)) < UNKNOWN, len(categories), np.minimum(chosen, len(categories) - 1))
        columns[name] = words[chosen][person]
    return columns


def write_groups(ratings: Ratings, path: Path, *, seed: int = 0, disparity: float = 0.0) -> int:
    """Write the groups of simulated interviews to a CSV file, one row per person; see `simulate_groups`.

    Returns
    -------
    int
        Number of people.
    """
    columns = simulate_groups(ratings, seed=seed, disparity=disparity)
    assert ratings.groups is not None and ratings.catalogue.group
    people = dict(zip(ratings.groups, zip(*columns.values(), strict=True), strict=True))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([ratings.catalogue.group, *columns, "origin"])
    writer.writerows([person, *words, SIMULATED] for person, words in people.items())
    write_text(path, out.getvalue())
    return len(people)


def add_drift(ratings: Ratings, signals: Sequence[str], *, by: float = -0.5, seed: int = 0) -> Ratings:
    """Move the ratings of some signals down or up, whole steps of the scale, by a known share of their spread.

    Parameters
    ----------
    ratings
        Ratings on whole steps.
    signals
        Names of the signals to move.
    by
        Standard deviations, on average; below 0 down.
    seed
        Of the draw which ratings move.

    Returns
    -------
    Ratings
        The same rows; each rating of these signals has moved one step, or has not.

    Raises
    ------
    ConfigError
        If moving every rating by one step would not reach `by`.

    Examples
    --------
    >>> from predictor import simulate_interviews
    >>> before = simulate_interviews(2000, seed=1)
    >>> after = add_drift(before, ["goals_discussed"], by=-0.5)
    >>> moved = (before.X - after.X)["goals_discussed"].mean() / before.X["goals_discussed"].std()
    >>> round(float(moved), 1)
    0.5
    """
    rng, values = np.random.default_rng(seed), ratings.values.copy()
    low, high = map(np.array, ratings.catalogue.ends)
    if unknown := [name for name in signals if name not in ratings.catalogue.names]:
        raise ConfigError(f"drift: no signal '{unknown[0]}'{nearest(unknown[0], ratings.catalogue.names)}")
    for name in signals:
        index = ratings.catalogue.names.index(name)
        column, step = values[:, index], ratings.catalogue.signals[index].scale.step
        rated = column >= low[index]
        able = rated & ((column > low[index]) if by < 0 else (column < high[index]))
        chance = abs(by) * column[rated].std() * rated.sum() / (step * max(able.sum(), 1))
        if chance > 1:
            raise ConfigError(f"drift of {by:g} standard deviations: '{name}' has too few ratings that can move a step")
        column[able & (rng.random(len(column)) < chance)] += step if by > 0 else -step
    return replace(ratings, values=values, source=f"{ratings.source}, drift of {by:g} in {', '.join(signals)}")
