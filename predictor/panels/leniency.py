"""How high each panel usually rates, from ratings alone, never from outcomes; and that as the levels of an input.

Strict raters may meet strong people. The estimate then holds both, which is why it is an input of the model, whose sign
and size the outcomes decide, and never a correction of ratings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.model.raters import AVERAGE, LEVELS, Rater, RaterTable
from predictor.model.tables import Floats
from predictor.panels.cards import Cards
from predictor.panels.effects import Effects, fit_effects

CUTS = (0.1, 0.3, 0.7, 0.9)  # quantiles of the panels learned from, between the levels
DIGITS = 6  # of leniencies in a model's file, far below their uncertainty


@dataclass(frozen=True, eq=False)
class Leniency:
    """Raters' leniency as some scorecards have it.

    Attributes
    ----------
    effects
        The fit.
    raters
        Pseudonyms, in the order of the effects.
    applications
        Names of the applications, in the order of their numbers.
    cards
        How many scorecards each rater gave, shape (raters,).
    """

    effects: Effects
    raters: tuple[str, ...]
    applications: NDArray[Any]
    cards: Floats

    @property
    def differs(self) -> bool:
        """Whether raters differ at all beyond what chance explains."""
        return self.effects.rater > 0

    def of_panels(self, panels: Sequence[tuple[str, ...]], applications: NDArray[Any]) -> Floats:
        """Compute mean leniencies of panels, each without its own application's scorecards; NaN for an empty panel.

        Parameters
        ----------
        panels
            Pseudonyms; somebody unknown counts as average, 0.
        applications
            Whose panel it is, shape (panels,); one that the scorecards do not have leaves nothing out.
        """
        number_of = self._number_of
        known = [np.array([number_of[name] for name in panel if name in number_of], dtype=np.int64) for panel in panels]
        at = np.searchsorted(self.applications, applications)
        at = np.minimum(at, len(self.applications) - 1)
        units = np.where(self.applications[at] == applications, at, -1)
        means = self.effects.without_own(known, units)
        share = np.array(
            [len(those) / len(panel) if panel else np.nan for those, panel in zip(known, panels, strict=True)]
        )
        return np.asarray(means * share)

    def variances(self, panels: Sequence[tuple[str, ...]]) -> Floats:
        """Compute the mean variance of each panel's raters over their number, shape (panels,)."""
        by_name = dict(zip(self.raters, self.effects.uncertainty.tolist(), strict=True))
        sizes = [max(len(panel), 1) for panel in panels]
        sums = [sum(by_name.get(name, self.effects.rater) for name in panel) for panel in panels]
        return np.array(sums) / np.square(sizes)

    def knows(self, panels: Sequence[tuple[str, ...]]) -> NDArray[np.bool_]:
        """Whether at least one rater of each panel is known, shape (panels,)."""
        return np.array([any(name in self._number_of for name in panel) for panel in panels], dtype=bool)

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.raters)}

    def table(self, cuts: Floats, slope: float, usual: Floats) -> RaterTable:
        """Return what a model keeps."""
        rows = zip(
            self.raters,
            self.effects.leniency.tolist(),
            self.effects.uncertainty.tolist(),
            self.cards.tolist(),
            strict=True,
        )
        raters = {name: Rater(round(b, DIGITS), round(v, 2 * DIGITS), round(n)) for name, b, v, n in rows}
        ends = np.round(cuts, DIGITS).tolist()
        return RaterTable(
            raters,
            round(float(self.effects.rater), 2 * DIGITS),
            (ends[0], ends[1], ends[2], ends[3]),
            slope,
            tuple(usual.tolist()),
        )


def fit_leniency(cards: Cards) -> Leniency:
    """Fit raters' leniency by `fit_effects` on scorecards' means, each stage with a mean of its own."""
    scores, raters, applications = cards.scores()
    count = np.asarray((scores.raters > 0).sum(axis=0)).ravel().astype(np.float64)
    return Leniency(fit_effects(scores), raters, applications, count)


def quantile_cuts(leniency: Floats) -> Floats:
    """Return where levels end: quantiles of the leniency of the panels learned from."""
    known = leniency[~np.isnan(leniency)]
    return np.quantile(known, CUTS) if len(known) else np.zeros(len(CUTS))


def codes_of(leniency: Floats, cuts: Floats, known: NDArray[np.bool_] | None = None) -> Floats:
    """Code leniencies by level, 0 to 4; NaN without a panel, and average where nobody of the panel is known.

    Examples
    --------
    >>> cuts = np.array([-0.2, -0.1, 0.1, 0.2])
    >>> codes_of(np.array([-0.3, 0.0, 0.15, np.nan]), cuts)
    array([ 0.,  2.,  3., nan])
    """
    codes = np.searchsorted(cuts, leniency, side="right").astype(np.float64)
    if known is not None:
        codes[~known] = AVERAGE
    return np.where(np.isnan(leniency), np.nan, np.minimum(codes, len(LEVELS) - 1))


__all__ = ["CUTS", "Leniency", "codes_of", "fit_leniency", "quantile_cuts"]
