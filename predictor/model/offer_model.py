"""`OfferModel`, the public class: it validates ratings, predicts, and explains each prediction in words and numbers.

One prediction needs only numpy; tables of them need pandas. A saved model is one readable JSON file that runs no code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import ConfigError, ModelError
from predictor.model import file, inspection
from predictor.model.data import ModelData, Pair
from predictor.model.evaluator import CHUNK, Evaluator
from predictor.model.fused import Coded, TermBlocks
from predictor.model.log_odds import logit, one_probability, probability
from predictor.model.matching import signals_of
from predictor.model.notes import Notes
from predictor.model.partial import PartialTables
from predictor.model.prediction import INTERVAL_LEVEL, QUANTILE, Contribution, Interval, Prediction
from predictor.model.raters import PanelLevel, coded_input, levels_of, widenings
from predictor.model.tables import Floats
from predictor.ratings.catalogue import INPUT_FAMILY, PANEL
from predictor.ratings.ratings import Ratings
from predictor.ratings.records import parse_record_fast, validated_columns
from predictor.ratings.signals import NOT_APPLICABLE

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED = Path(__file__).with_name("published.json")


@dataclass(frozen=True, eq=False)
class OfferModel(ModelData):
    """A trained model: predicts and explains by exact tables of log-odds; see `ModelData` for what it holds.

    Examples
    --------
    >>> from predictor import OfferClassifier, simulate_interviews
    >>> known = simulate_interviews(200, seed=1).labelled()
    >>> model = OfferClassifier(known.catalogue).fit(known.features, known.y).model_
    >>> good, bad = (model.predict({"goals_discussed": rating}) for rating in (5, 1))
    >>> good.offer_probability > bad.offer_probability
    True
    """

    def __repr__(self) -> str:
        rows = f"{self.trained_on['n']:,} {'SIMULATED ' * self.simulated}interviews"
        return f"<OfferModel {self.name!r}: {len(self.signals)} signals, trained on {rows}>"

    def _repr_html_(self) -> str:
        from predictor.model.notebook import model_html

        return model_html(self)

    # -- predict ---------------------------------------------------------------------------------------------------

    def predict(self, ratings: Mapping[str, Any], *, base_rate: float | None = None) -> Prediction:
        """Predict one interview.

        Parameters
        ----------
        ratings
            Ratings by signal name, or such a mapping under "ratings" with context beside it.
        base_rate
            The user's own share of offers, above 0 and below 1, where it differs from the model's.

        Returns
        -------
        Prediction
            The likelihood with its interval and reasons.

        Raises
        ------
        RatingsError
            With every problem of the ratings.
        ConfigError
            If `base_rate` is not between 0 and 1.
        """
        row = None if self.raters and PANEL in ratings else parse_record_fast(ratings, self.catalogue)
        if row is None:
            rows = Ratings.from_records([ratings], self.catalogue, ignore_outcomes=True)
            return next(self.predict_each(rows, base_rate=base_rate))
        p = len(self.signals)
        if all(map(math.isnan, row[:p])):
            row[p:] = [math.nan] * (len(row) - p)  # without a rating, who rated is ignored
        return self._explain(row, self._shift(base_rate), self.base_rate if base_rate is None else base_rate)

    def predict_each(self, ratings: Ratings, *, base_rate: float | None = None) -> Iterator[Prediction]:
        """Predict each interview of `ratings`, with reasons."""
        shift, levels = self._shift(base_rate), levels_of(self.raters, ratings)
        for row, level in zip(self.values_of(ratings).tolist(), levels, strict=True):
            yield self._explain(row, shift, self.base_rate if base_rate is None else base_rate, level)

    def predict_many(
        self,
        ratings: Ratings | pd.DataFrame,
        *,
        base_rate: float | None = None,
        interval: bool = True,
        contributions: bool = False,
    ) -> pd.DataFrame:
        """Predict many interviews at once.

        Parameters
        ----------
        ratings
            Ratings, or a DataFrame with one column per signal.
        base_rate
            As in `predict`.
        interval
            Whether to give the interval, which takes longer than the probability.
        contributions
            Whether to add "baseline" and a column "contribution:SIGNAL" for each signal and input.

        Returns
        -------
        DataFrame
            `offer_probability`, `interval_low` and `interval_high`, contributions; a DataFrame's index is kept.

        Raises
        ------
        RatingsError
            With every problem of the ratings.
        """
        import pandas as pd

        index, widening = (ratings.index if isinstance(ratings, pd.DataFrame) else None), None
        if isinstance(ratings, pd.DataFrame) and self.raters and PANEL in ratings:
            ratings = Ratings.from_frame(ratings, self.catalogue)
        if isinstance(ratings, pd.DataFrame):
            columns = validated_columns(ratings, self.catalogue)
        elif isinstance(ratings, Ratings):
            columns = list(np.ascontiguousarray(self.values_of(ratings).T))
            widening = widenings(self.raters, levels_of(self.raters, ratings))
        else:
            raise ConfigError(f"predict_many takes Ratings or a DataFrame, not {type(ratings).__name__}")
        names = self.answer_names(interval=interval, contributions=contributions)
        answers = np.empty((len(names), len(columns[0])))
        for start in range(0, len(columns[0]), CHUNK):
            coded = self.blocks.code([column[start : start + CHUNK] for column in columns])
            part = None if widening is None else widening[start : start + CHUNK]
            answers[:, start : start + CHUNK] = self.answer(
                coded, base_rate=base_rate, interval=interval, contributions=contributions, widening=part
            )
        return pd.DataFrame(answers.T, columns=names, index=index, copy=False)

    def answer_names(self, *, interval: bool = True, contributions: bool = False) -> list[str]:
        """Name the rows of what `answer` returns."""
        parts = ["baseline", *(f"contribution:{name}" for name in self.terms)] if contributions else []
        return ["offer_probability", *(["interval_low", "interval_high"] if interval else []), *parts]

    def answer(
        self,
        coded: Coded,
        *,
        base_rate: float | None = None,
        interval: bool = True,
        contributions: bool = False,
        widening: Floats | None = None,
    ) -> Floats:
        """Predict ratings by column, with neither checks nor names around it; see `predict_many`.

        Parameters
        ----------
        coded
            Codes of the model's `blocks`, for each of `terms`; 16,384 to 65,536 rows at a time are fastest.
        widening
            Variance of the log-odds that not knowing a panel's raters adds, shape (n,).

        Returns
        -------
        array of shape (answers, n)
            Named by `answer_names`.
        """
        shift = self._shift(base_rate)
        log_odds, deviation, rated = self._evaluator.many(coded, interval)
        if widening is not None:
            deviation = np.sqrt(np.maximum(deviation**2 + np.where(rated > 0, widening, 0.0), 0.0))
        log_odds, half = log_odds + shift, QUANTILE * deviation
        ends = [log_odds - half, log_odds + half] if interval else []
        answers = [probability(row) for row in (log_odds, *ends)]
        answers[0][rated == 0] = self.base_rate if base_rate is None else base_rate
        if contributions:
            reasons = self._evaluator.reasons(self._evaluator.without_inputs(self.blocks.all_values(coded)))
            answers += [reasons.baseline + shift, *(reasons.own + reasons.implied).T]
        return np.array(answers)

    def log_odds(self, values: Floats) -> Floats:
        """Compute log-odds of an offer for ratings of shape (n, terms); inputs coded 0, 1, ... after the signals.

        Values beyond the scale count as its end: for numbers that have not been validated.
        """
        columns = list(np.ascontiguousarray(self.grid.clip(values).T))
        log_odds = np.empty(len(values))
        for start in range(0, len(values), CHUNK):
            part = slice(start, start + CHUNK)
            coded = self.blocks.code([column[part] for column in columns])
            log_odds[part], _, _ = self._evaluator.many(coded, interval=False)
        return log_odds

    def contributions(self, values: Floats) -> Floats:
        """Compute what each term adds, shape (n, terms), for values of the same shape.

        A rated signal adds the value of its own tables, and what it implies about signals that were not rated.
        """
        reasons = self._evaluator.reasons(values)
        return reasons.own + reasons.implied

    def values_of(self, ratings: Ratings) -> Floats:
        """Select the model's signals and coded inputs, shape (n, terms), from ratings that may have more signals."""
        signals = signals_of(ratings, self.catalogue)
        levels = levels_of(self.raters, ratings)
        return self._evaluator.without_inputs(
            np.column_stack([signals, *(coded_input(ratings, item, levels) for item in self.catalogue.inputs)])
        )

    def _shift(self, base_rate: float | None) -> float:
        """Return the shift of log-odds to another share of offers, if P(ratings | outcome) stays the same."""
        if base_rate is None:
            return 0.0
        if isinstance(base_rate, bool) or not isinstance(base_rate, int | float) or not 0 < base_rate < 1:
            raise ConfigError(f"base rate {base_rate!r}: write a share above 0 and below 1, as in 0.35")
        return logit(base_rate) - logit(self.base_rate)

    def _explain(self, row: list[float], shift: float, base_rate: float, panel: PanelLevel | None = None) -> Prediction:
        """Predict one row of the model's signals and coded inputs; NaN where not observed."""
        p = len(self.signals)
        names, families, sides = self._term_labels
        observed: list[float | str | None] = [value if value == value else None for value in row]
        not_rated = tuple([name for name, value in zip(self.signals, observed, strict=False) if value is None])
        for place, number in self._not_applicable:
            if observed[place] == number:
                observed[place] = NOT_APPLICABLE
        for place, item in enumerate(self.catalogue.inputs, p):
            observed[place] = None if observed[place] is None else item.levels[int(row[place])]
        rated = p - len(not_rated)
        baseline, own, implied, deviation = self._evaluator.one(row, rated)
        added = list(map(add, own, implied))
        baseline += shift
        log_odds = baseline
        by_family = dict.fromkeys([*self.catalogue.families, *families[p:]], 0.0)
        for family, value in zip(families, added, strict=True):
            by_family[family] += value
            log_odds += value
        if panel and self.raters and rated:
            deviation = math.sqrt(max(deviation**2 + self.raters.widening(panel), 0.0))
        half = QUANTILE * deviation
        log_odds_of_missing = 0.0
        if self._notes.missingness_is_informative and not_rated:
            log_odds_of_missing = sum([value for value, seen in zip(added, observed[:p], strict=False) if seen is None])
        return Prediction(
            offer_probability=one_probability(log_odds) if rated else base_rate,
            interval=Interval(INTERVAL_LEVEL, one_probability(log_odds - half), one_probability(log_odds + half)),
            base_rate=base_rate,
            log_odds=log_odds,
            baseline=baseline,
            contributions=tuple(map(Contribution, names, families, sides, observed, added, implied)),
            families=by_family,
            feature_importances=self.feature_importances,
            not_rated=not_rated,
            notes=(*self._notes.of(row[:p], rated, log_odds_of_missing), *([panel.note()] if panel else [])),
            model=self._identity,
        )

    @cached_property
    def _not_applicable(self) -> list[tuple[int, float]]:
        """Which signals have "not applicable" as an answer, and the number that means it."""
        values = (signal.not_applicable_value for signal in self.catalogue.signals)
        return [(place, value) for place, value in enumerate(values) if value is not None]

    @cached_property
    def _term_labels(self) -> tuple[list[str], list[str], list[str | None]]:
        """Name, family and side of each term."""
        signals, inputs = self.catalogue.signals, self.catalogue.inputs
        families = [signal.family for signal in signals] + [INPUT_FAMILY for _ in inputs]
        return list(self.terms), families, [signal.side for signal in signals] + [None for _ in inputs]

    @cached_property
    def _identity(self) -> dict[str, Any]:
        public = ("source", "digest", "n", "simulated", *(["prior"] if "prior" in self.trained_on else []))
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "created_at": self.created_at,
            "trained_on": {key: self.trained_on[key] for key in public},
        }

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self)

    @property
    def blocks(self) -> TermBlocks:
        """How ratings are coded for `answer`."""
        return self._evaluator.blocks

    @property
    def partial_tables(self) -> PartialTables | None:
        """The tables for rows in which not everything was rated; None in formats 1 and 2."""
        return self._evaluator.partial_tables

    @cached_property
    def _notes(self) -> Notes:
        return Notes(self)

    def prior_note(self) -> Iterator[str]:
        """Describe how much of it is prior, if any."""
        return self._notes.prior()

    def deleted_note(self) -> Iterator[str]:
        """Describe how many of the rows that it learned from have been deleted since, if any."""
        return self._notes.deletions()

    def old_note(self) -> Iterator[str]:
        """Describe what a model of an older format cannot do; nothing for others."""
        return self._notes.old_format()

    def gaps_note(self) -> Iterator[str]:
        """Describe how leaving signals unrated is associated with ratings or with the outcome, if it is."""
        return self._notes.gaps()

    # -- inspect ---------------------------------------------------------------------------------------------------

    def shape_functions(self) -> pd.DataFrame:
        """Compute what each level of each term adds to the log-odds.

        Returns
        -------
        DataFrame
            One row per level: `signal` (or input), `rating` (its knot, "not applicable" where that is an answer, the
            word of an input, None where not observed, which adds 0 from format 3 on), `log_odds` against the usual
            interview, `low` and `high` (90 % interval of that difference; NaN where not observed, since the model keeps
            none for that), `n` (training rows; a 3.5 counts half at 3 and half at 4). Pairs come on top; they are
            centred along both sides, so that they shift no shape function.

        Examples
        --------
        >>> from predictor import OfferClassifier, simulate_interviews
        >>> known = simulate_interviews(200, seed=1).labelled()
        >>> shapes = OfferClassifier(known.catalogue).fit(known.features, known.y).model_.shape_functions()
        >>> goals = shapes[shapes["signal"] == "goals_discussed"]
        >>> goals["rating"].tolist()
        [1.0, 2.0, 3.0, 4.0, 5.0, None]
        >>> bool(goals["log_odds"].iloc[0] < goals["log_odds"].iloc[4])
        True
        """
        return inspection.shape_functions(self)

    def strongest_pairs(self, k: int = 10) -> list[tuple[Pair, float]]:
        """Return the k pairs with the largest root mean square effect, in log-odds, largest first.

        The mean is over the training rows, as if the two ratings came up independently: a model keeps how often
        each level was seen, not how often two of them together.
        """
        return inspection.strongest_pairs(self, k)

    def pair_contributions(self, ratings: Mapping[str, Any]) -> list[tuple[Pair, float]]:
        """Return what each pair adds to the log-odds of one interview, largest first.

        Half of it is in the contribution of either term, see `predict`. Where a term was not rated, a pair counts with
        its expected value. Masked tables are not included.

        Raises
        ------
        RatingsError
            With every problem of the ratings.

        Examples
        --------
        >>> from predictor import OfferClassifier, simulate_interviews
        >>> known = simulate_interviews(200, seed=1).labelled()
        >>> model = OfferClassifier(known.catalogue).fit(known.features, known.y).model_
        >>> pair, log_odds = model.pair_contributions({"rater_role": "observer", "goals_discussed": 5})[0]
        >>> pair.first in model.terms, pair.second in model.terms
        (True, True)
        """
        values = self.values_of(Ratings.from_records([ratings], self.catalogue, ignore_outcomes=True))
        added = self._evaluator.pairs(values)[0].tolist()
        return sorted(zip(self.pairs, added, strict=True), key=lambda item: -abs(item[1]))

    # -- save and load ---------------------------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of everything but name, fingerprint and creation time."""
        return file.fingerprint(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain data, as in its file."""
        return file.to_dict(self)

    def save(self, path: str | Path) -> Path:
        """Write the model to a JSON file, atomically.

        Raises
        ------
        ModelError
            If the file cannot be written.
        """
        return file.save(self.to_dict(), path)

    @classmethod
    def load(cls, path: str | Path) -> OfferModel:
        """Read a model from its JSON file; no code of the file is run.

        Raises
        ------
        ModelError
            If the file is missing, damaged, not a model, or of a newer format.
        """
        data = file.load(path)
        try:
            return cls.from_dict(data)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None

    @classmethod
    def published(cls) -> OfferModel:
        """Load the shipped model, which is SIMULATED: published effects by way of the simulator, and no interview.

        Examples
        --------
        >>> OfferModel.published().simulated
        True
        """
        return cls.load(PUBLISHED)

    @classmethod
    def from_dict(cls, data: Any) -> OfferModel:
        """Build a model from plain data, as `to_dict` returns it.

        Raises
        ------
        ModelError
            If it is not a model, of a newer format, or not what was once saved.
        """
        model = cls(**file.parse(data))
        if data["format"] == model.format:  # checked already; not computed twice
            model.__dict__["fingerprint"] = data["fingerprint"]
        return model
