"""One row per application from its scorecards: mean, number and spread of the ratings of each signal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.panels.cards import Cards, means_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from predictor.model.tables import Floats


@dataclass(frozen=True, eq=False)
class PanelMeans:
    """The ratings of each application's raters, taken together.

    Attributes
    ----------
    application
        Shape (n,).
    panel
        Pseudonyms of its raters, as the column `panel` holds them, shape (n,).
    mean
        Mean rating, shape (n, p); NaN where nobody observed it. "Not applicable" counts as not observed.
    count
        How many rated it, shape (n, p).
    spread
        Standard deviation between raters (divided by count - 1), shape (n, p); NaN where fewer than two rated it.
    """

    application: NDArray[Any]
    panel: NDArray[Any]
    mean: Floats
    count: Floats
    spread: Floats


def panel_means(cards: Cards, stage: str | None = None) -> PanelMeans:
    """Compute means over the scorecards of each application.

    Parameters
    ----------
    cards
        One per row.
    stage
        Only of this stage; default: of all. On-site scorecards exist for the invited only, so stages are best kept
        apart.

    Examples
    --------
    >>> from predictor.sources.simulation_teams import simulate_team
    >>> team = simulate_team(30, panel=2, seed=1)
    >>> means = panel_means(Cards.from_ratings(team.cards))
    >>> bool((means.mean == team.ratings.values).all()), int(means.count.min()), means.panel[0]
    (True, 2, 'R-002;R-005')
    """
    kept = cards if stage is None else cards.rows(cards.stage == stage)
    kept = replace(kept, stage=np.full(len(kept), "", dtype=object)).by_rater()  # who rated twice counts once
    application, unit = np.unique(kept.application, return_inverse=True)
    mean, count = means_by(unit, kept.values, kept.catalogue)
    rated, square = kept.values >= np.array(kept.catalogue.ends[0]), np.zeros(mean.shape)
    np.add.at(square, unit, np.where(rated, (kept.values - mean[unit]) ** 2, 0.0))
    spread = np.where(count > 1, np.sqrt(square / np.maximum(count - 1, 1)), np.nan)
    names: list[set[str]] = [set() for _ in application]
    for at, raters in zip(unit.tolist(), kept.raters, strict=True):
        names[at].update(raters)
    panel = np.array([";".join(sorted(some)) for some in names], dtype=object)
    return PanelMeans(application, panel, mean, count, spread)
