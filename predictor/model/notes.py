"""The notes of a prediction: its limits, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

from predictor.errors import plural
from predictor.model.data import ModelData
from predictor.model.subsets import FewRatings


class Notes:
    """The notes of a model's answers.

    Parameters
    ----------
    data
        The model's values.

    Examples
    --------
    >>> from predictor import OfferModel
    >>> model = OfferModel.published()
    >>> nothing = [float("nan")] * len(model.signals)
    >>> "Nothing was rated: this is the base rate." in Notes(model).of(nothing, rated=0)
    True
    """

    def __init__(self, data: ModelData) -> None:
        self.data = data
        self._any_not_applicable = any(signal.not_applicable_value is not None for signal in data.catalogue.signals)

    def of(self, row: list[float], rated: int, log_odds_of_missing: float = 0.0) -> Iterator[str]:
        """Write the notes of one answer.

        Parameters
        ----------
        row
            Ratings of the signals; NaN where not rated.
        rated
            How many were rated.
        log_odds_of_missing
            What unrated signals add to the log-odds.
        """
        total = len(self.data.signals)
        yield from self._standing_notes
        if rated == 0:
            yield "Nothing was rated: this is the base rate."
        elif rated < total / 2:
            yield f"Few ratings: {rated} of {total} signals were rated.{self._few_ratings.note(row, rated)}"
        if abs(log_odds_of_missing) >= 0.005:
            yield (
                f"Missing ratings: in the {self.data.trained_on['n']:,} training interviews, leaving signals "
                "unrated is informative by itself; "
                f"the {total - rated} left out here add {log_odds_of_missing:+.2f} in log-odds."
            )
        if self._any_not_applicable:  # "not applicable" has no place on a scale
            row = [
                value if value >= low else math.nan for value, low in zip(row, self.data.catalogue.ends[0], strict=True)
            ]
            rated = sum([value == value for value in row])
        if rated >= max(2, total / 2):  # fewer ratings vary more than the whole rows that the range comes from
            # the same as `mean_and_spread`, which takes longer for one row
            shares = [
                (value - low) / (high - low)
                for value, low, high in zip(row, *self.data.catalogue.ends, strict=True)
                if value == value
            ]
            mean = sum(shares) / rated
            spread = math.sqrt(sum([(share - mean) ** 2 for share in shares]) / rated)
            for what, value, (low, high) in (
                ("mean rating", mean, self.data.typical_range.mean),
                ("spread of ratings", spread, self.data.typical_range.spread),
            ):
                if not low <= value <= high:
                    word = "lower" if value < low else "higher"
                    those = (
                        "that it compares with, SIMULATED ones among them" if self.data.prior_share else "learned from"
                    )
                    yield f"Unusual pattern: the {what} is {word} than in 99 % of the interviews {those}."

    def prior(self) -> Iterator[str]:
        """Describe how much of the model is prior, if any."""
        if "prior" in self.data.trained_on:
            n = self.data.trained_on["n"]
            own = f"the rest comes from {plural(n, 'interview')}" if n else "no interview of yours is in it yet"
            share = f"{100 * self.data.prior_share:.0f} %"
            yield f"Prior: {share} of this model comes from published effects, SIMULATED; {own}."

    def deletions(self) -> Iterator[str]:
        """Describe how many of the training rows have been deleted since, if any."""
        if rows := self.data.rows_deleted:
            days = sorted(str(item["on"]) for item in self.data.deletions)
            when = f"on {days[0]}" if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
            yield (
                f"Trained with rows since deleted: {rows:,} of {self.data.trained_on['n']:,}, {when}. Their "
                "influence remains in the model; train it again without them."
            )

    def old_format(self) -> Iterator[str]:
        """Describe what a model of an older format cannot do; nothing for others."""
        if self.data.factor_model is None:
            yield "Old model: a file of format 1 or 2, which predicts poorly from few ratings; train the model again."

    def gaps(self) -> Iterator[str]:
        """Describe how leaving signals unrated is associated with ratings or with the outcome, if it is."""
        n = self.data.trained_on["n"]
        rows = f"Missing ratings: in the {n:,} training interviews, more signals were left unrated"
        if self.data.factor_model and (missingness := self.data.factor_model.missingness):
            signs = [direction or 1 for direction in self.data.catalogue.directions]
            together = float(signs @ self.data.factor_model.loadings @ missingness.loadings)
            yield (
                f"{rows} where the others were rated {'better' if together > 0 else 'worse'}, significantly; so "
                "what is expected of unrated signals depends on how many there are."
            )
        share = min(0.5, self.data.gaps.most)
        if abs(added := float(self.data.gaps.added(share))) >= 0.005:
            yield (
                f"{rows} where {'more' if added > 0 else 'fewer'} offers came than the ratings explain, significantly: "
                f"{added:+.2f} in log-odds with {100 * share:.0f} % unrated, compared with none."
            )

    @cached_property
    def missingness_is_informative(self) -> bool:
        """Whether a signal that was not rated may add something by having been left out."""
        return bool(self.data.gaps.slope or (self.data.factor_model and self.data.factor_model.missingness))

    @cached_property
    def _standing_notes(self) -> list[str]:
        """What to bear in mind with every answer."""
        notes = [*self.prior(), *self.old_format(), *self.deletions()]
        if self.data.simulated:
            notes.append("SIMULATED: this model learned from simulated interviews, not from real ones.")
        return notes

    @cached_property
    def _few_ratings(self) -> FewRatings:
        return FewRatings(self.data.catalogue, self.data.trained_on.get("partial_scores", {}))
