"""The input `panel_leniency`: computed inside each fold, and stored in the model for predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.evaluation.scores import Score
from predictor.model.offer_model import OfferModel
from predictor.model.raters import AVERAGE, INPUT, LENIENCY, LEVELS, names_of
from predictor.model.tables import Floats
from predictor.panels.cards import APPLICATION, Cards
from predictor.panels.leniency import DIGITS, Leniency, codes_of, fit_leniency, quantile_cuts
from predictor.ratings.catalogue import PANEL, Catalogue
from predictor.ratings.ratings import Ratings

LEAST_ROWS, LEAST_RATERS = 30, 3  # with a panel, below which the input is not tried


@dataclass(frozen=True)
class LeniencyTrial:
    """Whether a model gained by knowing how high its panels usually rate.

    Attributes
    ----------
    kept
        Whether the model has it.
    slope
        Log-odds that one level more adds to those of the model without it, on rows not seen, with panels known
        from other applications only; None where it was not tried.
    gain
        Log-loss that the model with it saved on the same rows.
    reason
        Why it was kept, or not, or not tried.
    raters, cards
        How many there are.

    Examples
    --------
    >>> print(LeniencyTrial(True, Score(-0.2, -0.3, -0.1, 500), Score(0.012, 0.004, 0.02, 500), "", 40, 900))
    Panels: how high a panel usually rates is in the model. One level more adds, given the ratings, -0.200 (-0.300 to
    -0.100) in log-odds; improvement of log-loss 0.012 (0.004 to 0.020), n = 500, from 900 scorecards of 40 raters.
    """

    kept: bool
    slope: Score | None
    gain: Score | None
    reason: str
    raters: int
    cards: int

    def __str__(self) -> str:
        of = f"from {self.cards:,} scorecards of {self.raters:,} raters"
        if self.gain is None or self.slope is None:
            return f"Panels: how high they usually rate was not tried as an input: {self.reason}."
        state = "is in the model" if self.kept else f"is not in the model, as {self.reason}"
        return (
            f"Panels: how high a panel usually rates {state}. One level more adds, given the ratings, "
            f"{self.slope} in log-odds; improvement of log-loss {self.gain}, n = {self.gain.n:,}, {of}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, as a model's file holds it."""
        figures = {
            name: None if score is None else [score.value, score.low, score.high]
            for name, score in (("slope", self.slope), ("gain", self.gain))
        }
        return {"kept": self.kept, **figures, "reason": self.reason, "raters": self.raters, "cards": self.cards}


@dataclass(frozen=True, eq=False)
class PanelInput:
    """The input for the rows of a table.

    Attributes
    ----------
    ratings
        The rows, with the column `panel`.
    cards
        The scorecards that leniency is learned from; see `cards_of`.
    """

    ratings: Ratings
    cards: Cards

    @cached_property
    def panels(self) -> list[tuple[str, ...]]:
        """Raters of each row."""
        return [names_of(cell) for cell in self.ratings.columns[PANEL].tolist()]

    @cached_property
    def applications(self) -> NDArray[Any]:
        """Application of each row."""
        numbered = np.arange(1, len(self.ratings) + 1).astype(str).astype(object)
        return self.ratings.columns.get(APPLICATION, numbered)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The rows' catalogue with the input."""
        old = self.ratings.catalogue
        context = old.context if PANEL in old.columns else (*old.context, PANEL)
        return replace(old, inputs=(*old.inputs, INPUT), context=context)

    @property
    def raters(self) -> int:
        """How many different raters there are."""
        return len({name for panel in self.panels for name in panel})

    @property
    def reason_not_tried(self) -> str:
        """Why the input is not worth a trial; empty where it is."""
        rows, raters = sum(map(bool, self.panels)), self.raters
        if rows < LEAST_ROWS or raters < LEAST_RATERS or not len(self.cards):
            return (
                f"{rows} rows have a panel, of {raters} raters; {LEAST_ROWS} rows and {LEAST_RATERS} raters are needed"
            )
        if not self.whole.differs:
            return "raters differ in how high they rate by no more than chance explains"
        return ""

    @cached_property
    def whole(self) -> Leniency:
        """Leniency by all scorecards."""
        return fit_leniency(self.cards)

    def codes(self, learned: NDArray[Any], tested: NDArray[Any]) -> tuple[Floats, Floats]:
        """Code the training rows, each without its own application, and the rows tested, by the others' scorecards.

        Neither outcomes nor any rating of the applications tested are used.
        """
        history = self.cards.rows(~np.isin(self.cards.application, self.applications[tested]))
        leniency = fit_leniency(history) if len(history) else None
        if leniency is None or not leniency.differs:
            return np.full(len(learned), float(AVERAGE)), np.full(len(tested), float(AVERAGE))
        panels = [self.panels[row] for row in learned.tolist()]
        known = leniency.of_panels(panels, self.applications[learned])
        cuts = quantile_cuts(known)
        others = [self.panels[row] for row in tested.tolist()]
        unseen = leniency.of_panels(others, self.applications[tested])
        return codes_of(known, cuts), codes_of(unseen, cuts, leniency.knows(others))

    @cached_property
    def _leniency(self) -> Floats:
        return self.whole.of_panels(self.panels, self.applications)

    def extended(self) -> Ratings:
        """Add the input to the rows, each without its own application, and to their catalogue."""
        codes = codes_of(self._leniency, quantile_cuts(self._leniency))
        words = np.array(["" if code != code else LEVELS[int(code)] for code in codes.tolist()], dtype=object)
        return replace(self.ratings, catalogue=self.catalogue, columns={**self.ratings.columns, LENIENCY: words})

    def attach(self, model: OfferModel) -> OfferModel:
        """Add the table of raters to a model that was fitted with the input, and widen its interval.

        The variance of the log-odds grows by the squared slope times the mean variance of raters' leniency over the
        size of the panel.
        """
        leniency, table = self._leniency, model.tables[LENIENCY]
        cuts, there = quantile_cuts(leniency), ~np.isnan(leniency)
        codes = codes_of(leniency, cuts)[there].astype(np.int64)
        slope = round(slope_of(table[codes], leniency[there]), DIGITS)
        variance = self.whole.variances(self.panels)[there]
        usual = np.array(
            [
                variance[codes == code].mean() if (codes == code).any() else variance.mean()
                for code in range(len(LEVELS))
            ]
        )
        usual = np.round(usual, 2 * DIGITS)
        wider = model.variances[LENIENCY].copy()
        wider[: len(LEVELS)] += slope**2 * usual
        raters = self.whole.table(cuts, slope, usual)
        return replace(model, variances={**model.variances, LENIENCY: wider}, raters=raters)


def slope_of(log_odds: Floats, leniency: Floats) -> float:
    """Compute the least squares slope of log-odds on leniency."""
    centred = leniency - leniency.mean()
    return float(centred @ log_odds / max(float(centred @ centred), 1e-12))
