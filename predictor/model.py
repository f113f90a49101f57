"""The model: exact tables of log-odds, and what they say about an interview.

    log-odds(offer) = baseline + sum of a table's value for each signal (and for pairs of them)

Needs numpy and the standard library only. A saved model is one readable JSON file that runs no code.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from operator import add
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predictor.atomic import write_text
from predictor.columns import TreeColumns
from predictor.errors import CatalogueError, ConfigError, ModelError, control_character
from predictor.factors import Completion, FactorModel, LeftOut
from predictor.fused import Blocks, Coded, Codes, FusedTables
from predictor.masked import MaskedTables
from predictor.partial import Gaps, PartialTables, Reasons, Uncertainty
from predictor.prediction import Contribution, Interval, Prediction
from predictor.ratings import Ratings, columns_of, quick_row
from predictor.signals import CONTEXT, NOT_APPLICABLE, Catalogue
from predictor.single import SingleRow
from predictor.subsets import ThinInput, check_scores
from predictor.tables import Floats, Grid, PairTables, Place, Tables, TripleTables
from predictor.tree import Tree

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 3  # 1 had no triples; 1 and 2 took what was not rated as an answer of its own, one signal at a time
LARGEST = 1e12  # of a number in a file: what squares and sums of it can hold
PUBLISHED = Path(__file__).with_name("published.json")
KIND = "interview outcome predictor: exact tables of log-odds"
LEVEL = 0.9
_QUANTILE = NormalDist().inv_cdf((1 + LEVEL) / 2)
CHUNK = 16384  # rows looked up at once, so that they stay in the cache


@dataclass(frozen=True)
class Pattern:
    """The ordinary range (99 % of the interviews learned from) of a row's mean rating and of its spread.

    Both in shares of the scale, over the rated signals.
    """

    mean: tuple[float, float]
    spread: tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """A table for two terms together; rows are the cells of `first`, columns those of `second`."""

    first: str
    second: str
    log_odds: Floats


@dataclass(frozen=True)
class Triple:
    """A table for three terms together; its axes are the cells of the `terms`, in order."""

    terms: tuple[str, str, str]
    log_odds: Floats


@dataclass(frozen=True, eq=False)
class Masked:
    """Tables for rows with gaps, in which "not rated" is an answer of its own; see `predictor.masked`.

    Attributes
    ----------
    share
        What the model's other tables count beside them in rows with gaps.
    intercept, tables, pairs, triples
        As of `OfferModel`.
    """

    share: float
    intercept: float
    tables: Mapping[str, Floats]
    pairs: tuple[Pair, ...]
    triples: tuple[Triple, ...]


@dataclass(frozen=True, eq=False)
class OfferModel:
    """Tables of log-odds with what is known about them.

    Attributes
    ----------
    name
        Name of the model, as in its file's name.
    catalogue
        The signals it was trained with; ratings are checked against it.
    base_rate
        Share of offers that it starts from: that of the interviews learned from, or with a prior between the two.
    intercept
        Mean log-odds over the interviews learned from, and with a prior over those that it is compared with.
    tables
        By signal and input: log-odds at each knot, then where not applicable if that is an answer, then where not
        observed; shape (cells,).
    pairs, triples
        Tables of two and of three terms together; most models have no triples.
    factor_model
        What rated signals say of those that were not rated; None in models of formats 1 and 2.
    gaps
        What leaving signals unrated adds by itself.
    masked
        Tables that count besides where not everything was rated; most models have none.
    factors, variances
        How the log-odds could differ with other data, as in factor analysis. Factors: for "intercept" shape (r,), by
        signal and input shape (cells, r); variances: by signal and input shape (cells,). The variance of
        the log-odds is the squared length of the sum of the cells' factors, plus the sum of their variances.
    counts
        Rows learned from by cell, for each signal and input; shape (cells,), a 3.5 counts half at 3 and at 4.
    feature_importances
        Mean absolute contribution by signal and input, in log-odds, largest first.
    pattern
        Which rows are ordinary.
    trained_on
        Source, digest, number of interviews, whether simulated, and scores.
    versions
        Of the libraries that it was trained with.
    created_at
        UTC time, ISO 8601.
    coverage
        In models of formats 1 and 2: added to the intercept by the number of signals rated, shape (signals + 1,).
    group_importances
        By "family" and "side", then by name: mean absolute value of the summed contributions of its signals, in
        log-odds, largest first. Contributions of opposite signs cancel, so it is no sum of `feature_importances`.
        Empty in older models.

    Examples
    --------
    >>> from predictor import OfferClassifier, simulate_interviews
    >>> known = simulate_interviews(200, seed=1).labelled()
    >>> model = OfferClassifier(known.catalogue).fit(known.features, known.y).model_
    >>> good, bad = (model.predict({"goals_discussed": rating}) for rating in (5, 1))
    >>> good.offer_probability > bad.offer_probability
    True
    """

    name: str
    catalogue: Catalogue
    base_rate: float
    intercept: float
    tables: Mapping[str, Floats]
    pairs: tuple[Pair, ...]
    triples: tuple[Triple, ...]
    factor_model: FactorModel | None
    gaps: Gaps
    factors: Mapping[str, Floats]
    variances: Mapping[str, Floats]
    counts: Mapping[str, Floats]
    feature_importances: Mapping[str, float]
    pattern: Pattern
    trained_on: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    coverage: Floats | None = None
    masked: Masked | None = None
    group_importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the signals, in order."""
        return self.catalogue.names

    @property
    def simulated(self) -> bool:
        """Whether it is known to be trained on simulated interviews; `fit(X, y)` alone cannot know."""
        return bool(self.trained_on["simulated"])

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """Names of signals, then of inputs: the columns of every look-up."""
        return (*self.catalogue.names, *(item.name for item in self.catalogue.inputs))

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of everything but name, fingerprint and creation time."""
        return _fingerprint(self.to_dict())

    # -- predict ---------------------------------------------------------------------------------------------------

    def predict(self, ratings: Mapping[str, Any], *, base_rate: float | None = None) -> Prediction:
        """Answer for one interview.

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
        row = quick_row(ratings, self.catalogue)
        if row is None:
            return next(self.predict_each(Ratings.from_records([ratings], self.catalogue), base_rate=base_rate))
        p = len(self.signals)
        if all(map(math.isnan, row[:p])):
            row[p:] = [math.nan] * (len(row) - p)  # who rated nothing says nothing
        return self._explain(row, self._shift(base_rate), self.base_rate if base_rate is None else base_rate)

    def predict_each(self, ratings: Ratings, *, base_rate: float | None = None) -> Iterator[Prediction]:
        """Answer for each interview of `ratings`, with reasons."""
        shift = self._shift(base_rate)
        for row in self._values(ratings).tolist():
            yield self._explain(row, shift, self.base_rate if base_rate is None else base_rate)

    def predict_many(
        self,
        ratings: Ratings | pd.DataFrame,
        *,
        base_rate: float | None = None,
        interval: bool = True,
        contributions: bool = False,
    ) -> pd.DataFrame:
        """Answer for many interviews at once.

        Parameters
        ----------
        ratings
            Ratings, or a DataFrame with a column a signal.
        base_rate
            As in `predict`.
        interval
            Whether to give the interval, which takes longer than the probability.
        contributions
            Whether to add "baseline" and a column "contribution:SIGNAL" for each signal and input.

        Returns
        -------
        DataFrame
            `offer_probability`, `interval_low` and `interval_high` unless left out, and contributions on request; the
            index of a DataFrame passed in is kept.

        Raises
        ------
        RatingsError
            With every problem of the ratings.
        """
        import pandas as pd

        index = None
        if isinstance(ratings, pd.DataFrame):
            index, columns = ratings.index, columns_of(ratings, self.catalogue)
        elif isinstance(ratings, Ratings):
            columns = list(np.ascontiguousarray(self._values(ratings).T))
        else:
            raise ConfigError(f"predict_many takes Ratings or a DataFrame, not {type(ratings).__name__}")
        names = self.answer_names(interval=interval, contributions=contributions)
        answers = np.empty((len(names), len(columns[0])))
        for start in range(0, len(columns[0]), CHUNK):
            coded = self.blocks.code([column[start : start + CHUNK] for column in columns])
            answers[:, start : start + CHUNK] = self.answer(
                coded, base_rate=base_rate, interval=interval, contributions=contributions
            )
        return pd.DataFrame(answers.T, columns=names, index=index, copy=False)

    def answer_names(self, *, interval: bool = True, contributions: bool = False) -> list[str]:
        """Name the rows of what `answer` gives."""
        names = ["offer_probability", *(["interval_low", "interval_high"] if interval else [])]
        return names + (["baseline", *(f"contribution:{name}" for name in self.terms)] if contributions else [])

    def answer(
        self, coded: Coded, *, base_rate: float | None = None, interval: bool = True, contributions: bool = False
    ) -> Floats:
        """Answer for ratings by column, with neither checks nor names around it; see `predict_many`.

        Parameters
        ----------
        coded
            Codes of the model's `blocks`, for each of `terms`; best some ten thousand rows, which stay in the cache.

        Returns
        -------
        array of shape (answers, n)
            Named by `answer_names`.
        """
        shift = self._shift(base_rate)
        log_odds, deviation, rated = self._answer(coded, interval)
        log_odds, half = log_odds + shift, _QUANTILE * deviation
        answers = [log_odds, *([log_odds - half, log_odds + half] if interval else [])]
        answers = [probability(row) for row in answers]
        answers[0][rated == 0] = self.base_rate if base_rate is None else base_rate
        if contributions:
            reasons = self._reasons(self._without_inputs(self.blocks.all_values(coded)))
            answers += [reasons.baseline + shift, *(reasons.own + reasons.implied).T]
        return np.array(answers)

    def log_odds(self, values: Floats) -> Floats:
        """Compute log-odds of an offer for ratings of shape (n, terms); inputs coded 0, 1, ... after the signals.

        Values beyond the scale count as its end: for numbers that no door has checked.
        """
        columns = list(np.ascontiguousarray(self._grid.clip(values).T))
        log_odds = np.empty(len(values))
        for start in range(0, len(values), CHUNK):
            part = slice(start, start + CHUNK)
            log_odds[part], _, _ = self._answer(self.blocks.code([column[part] for column in columns]), interval=False)
        return log_odds

    def contributions(self, values: Floats) -> Floats:
        """Compute what each term adds, shape (n, terms), for values of the same shape.

        A rated signal adds what its own tables say and what it says of signals that were not rated.
        """
        reasons = self._reasons(values)
        return reasons.own + reasons.implied

    def _values(self, ratings: Ratings) -> Floats:
        """Take the model's signals and coded inputs, shape (n, terms), from ratings that may have more signals."""
        signals = ratings.values
        if ratings.catalogue is not self.catalogue:
            theirs = {signal.name: signal for signal in ratings.catalogue.signals}
            if other := [
                signal.name
                for signal in self.catalogue.signals
                if signal.name not in theirs
                or theirs[signal.name].scale != signal.scale
                or (theirs[signal.name].not_applicable and not signal.not_applicable)
            ]:
                raise ConfigError(
                    f"the ratings follow the catalogue '{ratings.catalogue.name}', the model '{self.catalogue.name}': "
                    f"{', '.join(other[:5])} {'is' if len(other) == 1 else 'are'} not there, on another scale, "
                    f"or '{NOT_APPLICABLE}' there only"
                )
            place = {name: j for j, name in enumerate(ratings.catalogue.names)}
            signals = signals[:, [place[name] for name in self.signals]]
        return self._without_inputs(
            np.column_stack([signals, *(ratings.codes(item) for item in self.catalogue.inputs)])
        )

    def _without_inputs(self, values: Floats) -> Floats:
        """Take inputs as not given where no signal was rated: who rated nothing says nothing."""
        p = len(self.signals)
        values[np.isnan(values[:, :p]).all(axis=1), p:] = np.nan
        return values

    def _shift(self, base_rate: float | None) -> float:
        """Shift log-odds to another share of offers, the ratings given an outcome staying as they are."""
        if base_rate is None:
            return 0.0
        if isinstance(base_rate, bool) or not isinstance(base_rate, int | float) or not 0 < base_rate < 1:
            raise ConfigError(f"base rate {base_rate!r}: write a share above 0 and below 1, as in 0.35")
        return logit(base_rate) - logit(self.base_rate)

    def _reasons(self, values: Floats) -> Reasons:
        """Compute baseline and contributions for values of shape (n, terms)."""
        n, p = len(values), len(self.signals)
        baseline, own, implied = np.empty(n), np.empty(values.shape), np.zeros(values.shape)
        rated = (~np.isnan(values[:, :p])).sum(axis=1)
        partial = np.zeros(n, dtype=bool) if self.partial_tables is None else rated < p
        for start in range(0, n, CHUNK):
            part = slice(start, start + CHUNK)
            own[part] = self._contributions(self._grid.place(values[part]))
            baseline[part] = self._baseline(rated[part])
        if self.partial_tables is not None and partial.any():
            reasons = self.partial_tables.reasons(values[partial])
            baseline[partial], own[partial], implied[partial] = reasons.baseline, reasons.own, reasons.implied
            nothing = rated == 0
            baseline[nothing], own[nothing] = logit(self.base_rate), 0.0
        return Reasons(baseline, own, implied)

    def _baseline(self, rated: Any) -> Any:
        """Where the log-odds start, by the number of signals rated; of rows with everything rated from format 3 on."""
        return self.intercept + (self.gaps.start if self.coverage is None else self.coverage[rated])

    def _contributions(self, place: Place) -> Floats:
        added = self._main.look_up(place)
        if self.pairs:
            added += self._pair.share_out(self._pair.look_up(place))
        if self.triples:
            added += self._triple.share_out(self._triple.look_up(place))
        return added

    def _deviation(self, place: Place) -> Floats:
        """Compute the standard deviation of the log-odds, shape (n,)."""
        cells = self._grid.spread(place)
        vectors = self.factors["intercept"] + cells @ self._factors
        return np.asarray(np.sqrt((vectors**2).sum(axis=1) + cells @ self._variances))

    def _answer(self, coded: Coded, interval: bool) -> tuple[Floats, Floats, Codes]:
        """Answer for many rows given by column.

        Returns
        -------
        log_odds, deviation, rated
            Log-odds, for an interval their standard deviation (else zeros), and how many signals were rated, each of
            shape (n,).
        """
        p, n = len(self.signals), len(coded)
        rated = np.zeros(n, dtype=np.uint16)
        for code, count in zip(coded.codes[:p], self.blocks.counts, strict=False):
            rated += code != count - 1
        if len(self.terms) > p and not rated.all():
            coded = self.blocks.without_inputs(coded, rated == 0, p)
        whole = np.ones(n, dtype=bool) if self.partial_tables is None else rated == p
        log_odds, deviation = np.empty(n), np.zeros(n)
        if not whole.all():  # before whole rows, which it may write over
            self._answer_partial(coded, ~whole, interval, log_odds, deviation)
            log_odds[rated == 0] = logit(self.base_rate)
        if whole.any():
            added, spread = self._sums(coded if whole.all() else coded.where(whole), interval)
            at = np.flatnonzero(whole)
            log_odds[at], deviation[at] = self._baseline(rated.take(at)) + added, spread
        return log_odds, deviation, rated

    def _answer_partial(
        self, coded: Coded, partial: NDArray[np.bool_], interval: bool, log_odds: Floats, deviation: Floats
    ) -> None:
        """Write log-odds and standard deviations of partly rated rows, by column where there is a way.

        Other rows may be written over.
        """
        general = partial
        if self._columns:
            general, quick = partial & coded.beside, partial & ~coded.beside
            if np.count_nonzero(quick) > 0.9 * len(quick):  # nearly all: quicker than to pick them out
                log_odds[:], deviation[:] = self._columns.answer(coded.codes, interval)
            elif quick.any():
                at = np.flatnonzero(quick)
                log_odds[at], deviation[at] = self._columns.answer(coded.where(quick).codes, interval)
        if general.any():
            assert self.partial_tables is not None
            values = self.blocks.all_values(coded.where(general))
            log_odds[general], deviation[general] = self.partial_tables.answer(values, interval)

    def _sums(self, coded: Coded, interval: bool) -> tuple[Floats, Floats]:
        """Compute the sums that `_contributions` and `_deviation` make, for many rows given by column.

        They are added up beforehand wherever the ratings stand on the knots or half way between them.
        """
        added, deviation = np.zeros(len(coded)), np.zeros(len(coded))
        if self.blocks.few:
            numbers, start = self.blocks.number(coded.codes), self.factors["intercept"]
            if interval:
                both = self._fused_both.look_up(numbers)
                added, deviation = both.real.copy(), np.sqrt(np.maximum(start @ start + both.imag, 0))
            else:
                added = self._fused.look_up(numbers)
            if self.triples:
                added += self._triple.total(self._grid.place(self.blocks.all_values(coded)))
        if coded.beside.any():
            place = self._grid.place(coded.values)
            added[coded.beside] = self._contributions(place).sum(axis=1)
            if interval:
                deviation[coded.beside] = self._deviation(place)
        return added, deviation

    @cached_property
    def partial_tables(self) -> PartialTables | None:
        """The tables for rows in which not everything was rated; None in formats 1 and 2, which have none."""
        if self.factor_model is None:
            return None
        place = {name: j for j, name in enumerate(self.terms)}
        joint: list[tuple[tuple[int, ...], Floats]] = [
            ((place[pair.first], place[pair.second]), pair.log_odds) for pair in self.pairs
        ]
        joint += [(tuple(place[name] for name in item.terms), item.log_odds) for item in self.triples]
        return PartialTables(
            self._grid,
            Completion(self._grid, self.factor_model, self.catalogue.directions),
            self.intercept,
            np.concatenate([self.tables[name] for name in self.terms]),
            joint,
            self.gaps,
            Uncertainty(self.factors["intercept"], self._factors, self._variances),
            self._masked_tables,
        )

    @cached_property
    def _masked_tables(self) -> MaskedTables | None:
        if self.masked is None:
            return None
        masked, place = self.masked, {name: j for j, name in enumerate(self.terms)}
        joint: list[tuple[tuple[int, ...], Floats]] = [
            ((place[pair.first], place[pair.second]), pair.log_odds) for pair in masked.pairs
        ]
        joint += [(tuple(place[name] for name in item.terms), item.log_odds) for item in masked.triples]
        main = [masked.tables[name] for name in self.terms]
        return MaskedTables(self._grid, masked.share, masked.intercept, main, joint)

    @cached_property
    def _single(self) -> SingleRow | None:
        """The way for one row in which not everything was rated, where there is a quick one."""
        return SingleRow(self.partial_tables) if self.partial_tables and self.partial_tables.additive else None

    @cached_property
    def _columns(self) -> TreeColumns | None:
        """The same for many rows given by column."""
        tables = self.partial_tables
        if tables is None or tables.completion.bound or not TreeColumns.possible(tables, self.blocks):
            return None
        tree = Tree.of(tables.completion.factors)
        return TreeColumns(tables, tree, self.blocks) if tree else None

    @cached_property
    def blocks(self) -> Blocks:
        """How ratings are coded for `answer`."""
        return Blocks(self._grid)

    @cached_property
    def _added(self) -> tuple[Floats, Floats]:
        """What terms and pairs add, at the knots and half way between them."""
        first = dict(zip(self.terms, self._grid.offsets.tolist(), strict=False))
        pairs = np.zeros((int(self._grid.offsets[-1]),) * 2)
        for pair in self.pairs:
            rows, columns = pair.log_odds.shape
            a, b = first[pair.first], first[pair.second]
            pairs[a : a + rows, b : b + columns] += pair.log_odds
        halving = self.blocks.halving
        return halving @ np.concatenate([self.tables[name] for name in self.terms]), halving @ pairs @ halving.T

    @cached_property
    def _fused(self) -> FusedTables:
        return FusedTables(self.blocks, *self._added)

    @cached_property
    def _fused_both(self) -> FusedTables:
        """What is added, and as imaginary part its variance.

        That is the squared length of a sum of vectors: their own squared lengths, and twice the product of each pair.
        """
        vectors, start = self.blocks.halving @ self._factors, self.factors["intercept"]
        own = (vectors**2).sum(axis=1) + 2 * vectors @ start + self.blocks.halving @ self._variances
        terms, pairs = self._added
        return FusedTables(self.blocks, terms + 1j * own, pairs + 1j * (vectors @ vectors.T))

    @cached_property
    def _grid(self) -> Grid:
        return Grid.of(self.catalogue)

    @cached_property
    def _main(self) -> Tables:
        return Tables(self._grid, [self.tables[name] for name in self.terms])

    @cached_property
    def _factors(self) -> Floats:
        return np.concatenate([self.factors[name] for name in self.terms])

    @cached_property
    def _variances(self) -> Floats:
        return np.concatenate([self.variances[name] for name in self.terms])

    @cached_property
    def _triple(self) -> TripleTables:
        place = {name: j for j, name in enumerate(self.terms)}
        triples = [([place[name] for name in triple.terms], triple.log_odds) for triple in self.triples]
        return TripleTables(self._grid, triples)

    @cached_property
    def _pair(self) -> PairTables:
        place = {name: j for j, name in enumerate(self.terms)}
        return PairTables(self._grid, [(place[pair.first], place[pair.second], pair.log_odds) for pair in self.pairs])

    def _one(self, row: list[float], rated: int) -> tuple[float, list[float], list[float], float]:
        """Compute baseline, own and implied contributions and standard deviation for one row."""
        nothing = [0.0] * len(row)
        if self.partial_tables is not None and rated < len(self.signals):
            answer = self._single.answer(row) if self._single else self.partial_tables.one(np.array([row]))
            return answer if rated else (logit(self.base_rate), nothing, nothing, answer[-1])
        baseline = float(self._baseline(rated))
        cells = None if self.triples else self._grid.cells(row)  # by fewer steps where it stands on the knots
        if cells is None:
            place = self._grid.place(np.array([row]))
            return baseline, self._contributions(place)[0].tolist(), nothing, float(self._deviation(place)[0])
        added = self._main.at(cells)
        if self.pairs:
            added += self._pair.share_out(self._pair.at(cells))
        at = self._grid.offsets[:-1] + cells
        vector = self.factors["intercept"] + np.add.reduce(self._factors[at])
        deviation = math.sqrt(vector @ vector + np.add.reduce(self._variances[at]))
        return baseline, added.tolist(), nothing, deviation

    def _explain(self, row: list[float], shift: float, base_rate: float) -> Prediction:
        """Answer for one row of the model's signals and coded inputs; NaN where not observed."""
        p, (names, families, sides) = len(self.signals), self._about
        observed: list[float | str | None] = [value if value == value else None for value in row]
        not_rated = tuple([name for name, value in zip(self.signals, observed, strict=False) if value is None])
        for place, outside in self._outside:
            if observed[place] == outside:
                observed[place] = NOT_APPLICABLE
        for place, item in enumerate(self.catalogue.inputs, p):
            observed[place] = None if observed[place] is None else item.levels[int(row[place])]
        rated = p - len(not_rated)
        baseline, own, implied, deviation = self._one(row, rated)
        added = list(map(add, own, implied))
        baseline += shift
        log_odds, by_family = baseline, dict.fromkeys([*self.catalogue.families, *families[p:]], 0.0)
        for family, value in zip(families, added, strict=True):
            by_family[family] += value
            log_odds += value
        half, left_out = _QUANTILE * deviation, 0.0
        if self._gaps_count and not_rated:
            left_out = sum([value for value, seen in zip(added, observed[:p], strict=False) if seen is None])
        return Prediction(
            offer_probability=_chance(log_odds) if rated else base_rate,
            interval=Interval(LEVEL, _chance(log_odds - half), _chance(log_odds + half)),
            base_rate=base_rate,
            log_odds=log_odds,
            baseline=baseline,
            contributions=tuple(map(Contribution, names, families, sides, observed, added, implied)),
            families=by_family,
            feature_importances=self.feature_importances,
            not_rated=not_rated,
            notes=tuple(self._notes(row[:p], rated, left_out)),
            model=self._identity,
        )

    @cached_property
    def _outside(self) -> list[tuple[int, float]]:
        """Which signals have "not applicable" as an answer, and the number that means it."""
        found = ((place, signal.not_applicable_value) for place, signal in enumerate(self.catalogue.signals))
        return [(place, value) for place, value in found if value is not None]

    @cached_property
    def _about(self) -> tuple[list[str], list[str], list[str | None]]:
        """Name, family and side of each term."""
        signals, inputs = self.catalogue.signals, self.catalogue.inputs
        families = [signal.family for signal in signals] + [CONTEXT for _ in inputs]
        return list(self.terms), families, [signal.side for signal in signals] + [None for _ in inputs]

    @cached_property
    def _identity(self) -> dict[str, Any]:
        told = ("source", "digest", "n", "simulated", *(["prior"] if "prior" in self.trained_on else []))
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "created_at": self.created_at,
            "trained_on": {key: self.trained_on[key] for key in told},
        }

    @property
    def prior_share(self) -> float:
        """Share, 0 to 1, of what it knows that comes from a prior model; that is SIMULATED."""
        return float(self.trained_on["prior"]["share"]) if "prior" in self.trained_on else 0.0

    @cached_property
    def _standing_notes(self) -> list[str]:
        """What to bear in mind with every answer."""
        notes = [*self.prior_note(), *self.old_note()]
        if self.simulated:
            notes.append("SIMULATED: this model learned from simulated interviews, not from real ones.")
        return notes

    def prior_note(self) -> Iterator[str]:
        """Say how much of it is prior, if any."""
        if "prior" in self.trained_on:
            n = self.trained_on["n"]
            own = f"the rest comes from {n:,} interview{'s' * (n != 1)}" if n else "no interview of yours is in it yet"
            share = f"{100 * self.prior_share:.0f} %"
            yield f"Prior: {share} of what this model knows is published effects, SIMULATED; {own}."

    def old_note(self) -> Iterator[str]:
        """Say what an older format cannot do, if it is one."""
        if self.factor_model is None:
            yield "Old model: formats 1 and 2 answer poorly where few signals are rated; train the model anew."

    def gaps_note(self) -> Iterator[str]:
        """Say whether leaving signals unrated goes with the ratings or with the outcome by itself, if it does."""
        rows = f"Gaps: in the {self.trained_on['n']:,} interviews learned from, more signals were left unrated"
        if self.factor_model and (left_out := self.factor_model.left_out):
            signs = [direction or 1 for direction in self.catalogue.directions]
            together = float(signs @ self.factor_model.loadings @ left_out.loadings)
            yield (
                f"{rows} the {'better' if together > 0 else 'worse'} the others were rated, beyond noise; so how many "
                "are left out counts in what is expected of them."
            )
        share = min(0.5, self.gaps.most)
        if abs(added := float(self.gaps.added(share))) >= 0.005:
            yield (
                f"{rows} where {'more' if added > 0 else 'fewer'} offers came than the ratings say, beyond noise: "
                f"{added:+.2f} in log-odds for {100 * share:.0f} % left out, against none."
            )

    @cached_property
    def _gaps_count(self) -> bool:
        """Whether a signal that was not rated may add something by having been left out."""
        return bool(self.gaps.slope or (self.factor_model and self.factor_model.left_out))

    @cached_property
    def _thin(self) -> ThinInput:
        return ThinInput(self.catalogue, self.trained_on.get("partial_scores", {}))

    def _notes(self, row: list[float], rated: int, left_out: float = 0.0) -> Iterator[str]:
        total = len(self.signals)
        yield from self._standing_notes
        if rated == 0:
            yield "Nothing was rated: this is the base rate."
        elif rated < total / 2:
            yield f"Thin input: {rated} of {total} signals were rated.{self._thin.note(row, rated)}"
        if abs(left_out) >= 0.005:
            yield (
                f"Gaps: in the {self.trained_on['n']:,} interviews learned from, leaving signals unrated says "
                f"something by itself, beyond noise; the {total - rated} left out here add {left_out:+.2f} in log-odds."
            )
        if self._outside:  # "not applicable" has no place on a scale
            row = [value if value >= low else math.nan for value, low in zip(row, self.catalogue.ends[0], strict=True)]
            rated = sum([value == value for value in row])
        if rated >= max(2, total / 2):  # fewer ratings vary more than the whole rows that the range comes from
            # as by `pattern_of`, which takes longer for one row
            shares = [
                (value - low) / (high - low)
                for value, low, high in zip(row, *self.catalogue.ends, strict=True)
                if value == value
            ]
            mean = sum(shares) / rated
            spread = math.sqrt(sum([(share - mean) ** 2 for share in shares]) / rated)
            for what, value, (low, high) in (
                ("mean rating", mean, self.pattern.mean),
                ("spread of ratings", spread, self.pattern.spread),
            ):
                if not low <= value <= high:
                    word = "lower" if value < low else "higher"
                    those = "that it compares with, SIMULATED ones among them" if self.prior_share else "learned from"
                    yield f"Unusual pattern: the {what} is {word} than in 99 % of the interviews {those}."

    # -- inspect ---------------------------------------------------------------------------------------------------

    def shape_functions(self) -> pd.DataFrame:
        """Tell what each level of each term adds to the log-odds.

        Returns
        -------
        DataFrame
            A row a level: `signal` (or input), `rating` (its knot, "not applicable" where that is an answer, the word
            of an input, None where not observed, which adds 0 from format 3 on), `log_odds` against the usual
            interview, `low` and `high` (90 % interval of that difference; NaN where not observed, since the model
            keeps no honest one there), `n` (rows learned from, a 3.5 half at 3 and at 4).
            Pairs come on top; they are centred along both sides, so that they shift no shape function.

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
        import pandas as pd

        parts = []
        for name in self.terms:
            # Factors are centred on the rows learned from, as the tables are: their length is the difference's spread.
            half = _QUANTILE * np.sqrt((self.factors[name] ** 2).sum(axis=1) + self.variances[name])
            half[-1] = np.nan
            table = self.tables[name]
            parts.append(
                pd.DataFrame(
                    {
                        "signal": name,
                        "rating": pd.Series([*self.catalogue.answers[name], None], dtype=object),
                        "log_odds": table,
                        "low": table - half,
                        "high": table + half,
                        "n": self.counts[name],
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def strongest_pairs(self, k: int = 10) -> list[tuple[Pair, float]]:
        """Give the k pairs with the largest root mean square effect, in log-odds, largest first.

        The mean is over the rows learned from, as if the two ratings came up independently: a model keeps how often
        each level was seen, not how often two of them together.
        """
        n = self.trained_on["n"]  # with none, every cell counts alike
        shares = {name: count / n if n else np.full(len(count), 1 / len(count)) for name, count in self.counts.items()}
        sizes = [
            (pair, float(np.sqrt(shares[pair.first] @ pair.log_odds**2 @ shares[pair.second]))) for pair in self.pairs
        ]
        return sorted(sizes, key=lambda item: -item[1])[:k]

    def pair_contributions(self, ratings: Mapping[str, Any]) -> list[tuple[Pair, float]]:
        """Give what each pair adds to the log-odds of one interview, largest first.

        Half of it stands in the contribution of either term, see `predict`; of terms that were not rated, what is to be
        expected of it. What `masked` adds where not everything was rated is not in it.

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
        values = self._values(Ratings.from_records([ratings], self.catalogue))
        if self.partial_tables is not None and np.isnan(values[0, : len(self.signals)]).any():
            added = self.partial_tables.pairs(values)[0].tolist()
        else:
            added = self._pair.look_up(self._grid.place(values))[0].tolist()
        return sorted(zip(self.pairs, added, strict=True), key=lambda item: -abs(item[1]))

    # -- save and load ---------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain data, as it stands in its file."""
        terms: dict[str, Any] = {}
        for name, levels in zip(self.terms, self._grid.levels, strict=True):
            knots = int(levels)
            log_odds, rows = self.tables[name].tolist(), self.counts[name].tolist()
            terms[name] = {"log_odds": log_odds[:knots], "not_observed": log_odds[-1]}
            terms[name] |= {"rows": rows[:knots], "rows_not_observed": rows[-1]}
            if len(log_odds) > knots + 1:
                terms[name] |= {"not_applicable": log_odds[knots], "rows_not_applicable": rows[knots]}
        return {
            "format": self.format,
            "kind": KIND,
            "simulated": self.simulated,
            "name": self.name,
            "created_at": self.created_at,
            "trained_on": dict(self.trained_on),
            "versions": dict(self.versions),
            "base_rate": self.base_rate,
            "intercept": self.intercept,
            **self._unrated_to_dict(),
            "feature_importances": dict(self.feature_importances),
            **({"group_importances": dict(self.group_importances)} if self.group_importances else {}),
            "tables": terms,
            **_joint_to_dict(self),
            "ordinary": {"mean": list(self.pattern.mean), "spread": list(self.pattern.spread)},
            "interval": {
                "level": LEVEL,
                "factors": {name: part.tolist() for name, part in self.factors.items()},
                "variances": {name: part.tolist() for name, part in self.variances.items()},
            },
            "catalogue": self.catalogue.to_dict(),
        }

    @property
    def format(self) -> int:
        """Number of its file format; an older model keeps its own, since its answers do not change."""
        return FORMAT if self.factor_model else 2

    def _unrated_to_dict(self) -> dict[str, Any]:
        if self.factor_model is None:
            return {"coverage": [] if self.coverage is None else self.coverage.tolist()}
        model = self.factor_model
        return {
            "unrated": {
                "signals": {
                    name: {"mean": float(mean), "sd": float(sd), "loadings": loadings.tolist(), "unique": float(unique)}
                    for name, mean, sd, loadings, unique in zip(
                        self.signals, model.mean, model.sd, model.loadings, model.unique, strict=True
                    )
                },
                "shares": {name: share.tolist() for name, share in zip(self.terms, model.shares, strict=True)},
                "left_out": self._left_out_to_dict(),
                "gaps": {"slope": self.gaps.slope, "mean": self.gaps.mean, "most": self.gaps.most},
                **({"masked": self._masked_to_dict(self.masked)} if self.masked else {}),
            }
        }

    def _masked_to_dict(self, masked: Masked) -> dict[str, Any]:
        return {
            "share": masked.share,
            "intercept": masked.intercept,
            "tables": {name: table.tolist() for name, table in masked.tables.items()},
            **_joint_to_dict(masked),
        }

    def _left_out_to_dict(self) -> dict[str, Any] | None:
        left_out = self.factor_model.left_out if self.factor_model else None
        return None if left_out is None else {**vars(left_out), "loadings": left_out.loadings.tolist()}

    def save(self, path: str | Path) -> Path:
        """Write the model to a JSON file, atomically.

        Raises
        ------
        ModelError
            If the file cannot be written.
        """
        text = json.dumps(
            {**self.to_dict(), "fingerprint": self.fingerprint}, indent=1, ensure_ascii=False, allow_nan=False
        )
        # A list of numbers reads better, and makes smaller diffs, on one line. The newline tells it from text.
        text = re.sub(r"\[\n[\s\d.,e+-]+\]", lambda found: f"[{' '.join(found[0][1:-1].split())}]", text)
        try:
            return write_text(path, text + "\n")
        except OSError as error:
            raise ModelError(f"{path}: the model cannot be written: {error.strerror or error}") from None

    @classmethod
    def load(cls, path: str | Path) -> OfferModel:
        """Read a model from its JSON file; no code of the file is run.

        Raises
        ------
        ModelError
            If the file is missing, damaged, not a model, or of a newer format.
        """
        try:
            data = json.loads(Path(path).read_bytes())
        except FileNotFoundError:
            raise ModelError(f"{path}: no such model; train one with: predictor train DATA.csv") from None
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not a model file, or cut short: {error}") from None
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
        """Build a model from plain data, as `to_dict` gives it.

        Raises
        ------
        ModelError
            If it is not a model, of a newer format, or not what was once saved.
        """
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise ModelError("this is not a model of the interview outcome predictor")
        number = data.get("format")
        if type(number) is not int or number < 1:
            raise ModelError(f"damaged: its format is {number!r}, not a number")
        if number > FORMAT:
            raise ModelError(f"its format {number} is newer than this version reads ({FORMAT}): update the predictor")
        if data.get("fingerprint") != _fingerprint(data):
            raise ModelError("its content does not match its fingerprint: damaged or edited; train it or copy it again")
        try:
            return cls._from_dict(data)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, CatalogueError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise ModelError(f"damaged: {what}") from None

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> OfferModel:
        tables, counts = {}, {}
        for name, item in data["tables"].items():
            other = ([item["not_applicable"]], [item["rows_not_applicable"]]) if "not_applicable" in item else ([], [])
            tables[name] = np.array([*item["log_odds"], *other[0], item["not_observed"]], dtype=np.float64)
            counts[name] = np.array([*item["rows"], *other[1], item["rows_not_observed"]], dtype=np.float64)
        model = cls(
            name=data["name"],
            catalogue=Catalogue.from_dict(data["catalogue"]),
            base_rate=data["base_rate"],
            intercept=data["intercept"],
            tables=tables,
            counts=counts,
            pairs=_pairs(data),
            triples=_triples(data) if data["format"] > 1 else (),
            variances={name: np.array(part) for name, part in data["interval"]["variances"].items()},
            factor_model=_factor_model(data["unrated"], tuple(tables)) if data["format"] > 2 else None,
            gaps=Gaps(**data["unrated"]["gaps"]) if data["format"] > 2 else Gaps(),
            masked=_masked(data["unrated"]["masked"]) if "masked" in data.get("unrated", ()) else None,
            coverage=np.array(data["coverage"]) if data["format"] < 3 else None,
            factors={name: np.array(part) for name, part in data["interval"]["factors"].items()},
            feature_importances=data["feature_importances"],
            group_importances=data.get("group_importances", {}),
            pattern=Pattern(tuple(data["ordinary"]["mean"]), tuple(data["ordinary"]["spread"])),
            trained_on=data["trained_on"],
            versions=data["versions"],
            created_at=data["created_at"],
        )
        model._check()
        if data["format"] == model.format:  # checked already; not computed twice
            model.__dict__["fingerprint"] = data["fingerprint"]
        return model

    def _check(self) -> None:
        """Refuse what a file may hold and no training makes, so that a look-up neither fails nor answers nonsense."""
        r = len(self.factors["intercept"])
        cells = dict(zip(self.terms, self._grid.sizes.tolist(), strict=True))
        pairs, triples = self.pairs, self.triples
        if self.masked:
            pairs, triples = (*pairs, *self.masked.pairs), (*triples, *self.masked.triples)
        arrays: list[tuple[str, Floats, tuple[int, ...]]] = [
            ("intercept", self.factors["intercept"], (r,)),
            *((f"{p.first} with {p.second}", p.log_odds, (cells[p.first], cells[p.second])) for p in pairs),
            *((" with ".join(t.terms), t.log_odds, tuple(cells[name] for name in t.terms)) for t in triples),
            *((name, self.factors[name], (cells[name], r)) for name in self.terms),
        ]
        if any(len(set(item.terms)) != 3 for item in triples):
            raise ValueError("a triple has other than three terms")
        if self.coverage is not None:
            arrays.append(("coverage", self.coverage, (len(self.signals) + 1,)))
        arrays += self._unrated_arrays()
        for part in (self.tables, self.counts, self.variances, *([self.masked.tables] if self.masked else [])):
            arrays += [(name, part[name], (cells[name],)) for name in self.terms]
        for name, array, shape in arrays:
            if array.shape != shape or array.dtype.kind not in "if" or not (np.abs(array) <= LARGEST).all():
                raise ValueError(f"the numbers of {name} are not finite, beyond {LARGEST:g}, or not of shape {shape}")
        if any((self.variances[name] < 0).any() for name in self.terms):
            raise ValueError("a variance is below 0")
        if self.factor_model and min(self.factor_model.sd.min(), self.factor_model.unique.min()) < 1 / LARGEST:
            raise ValueError(f"a standard deviation or a unique variance is below {1 / LARGEST:g}")
        importances = [self.feature_importances[name] for name in self.terms]
        gaps = [self.gaps.slope, self.gaps.mean, self.gaps.most]
        gaps += [self.masked.intercept, self.masked.share] if self.masked else []
        for number in (self.intercept, self.base_rate, *gaps, *self.pattern.mean, *self.pattern.spread, *importances):
            if type(number) not in (int, float) or not abs(number) <= LARGEST:
                raise ValueError(f"{number!r:.40} stands where a finite number of at most {LARGEST:g} should")
        if not 0 < self.base_rate < 1 or len(self.pattern.mean) != 2 or len(self.pattern.spread) != 2:
            raise ValueError("the base rate or the ordinary pattern is out of range")
        told = self.trained_on
        for word in (self.name, self.created_at, told["source"], told["digest"]):
            if not isinstance(word, str) or not word.isprintable():
                raise ValueError(f"{word!r} stands where text should")
        if type(told["n"]) is not int or told["simulated"] not in (True, False, None):
            raise ValueError("how many interviews it was trained on, or whether simulated ones, is not told")
        check_scores(told.get("partial_scores", {}))
        scores = told.get("scores") or {}
        if not isinstance(scores, dict) or not all(_is_score(score) for score in scores.values()):
            raise ValueError("trained_on.scores are not a value and the ends of its interval by metric")
        if not isinstance(self.versions, Mapping) or not all(isinstance(word, str) for word in self.versions.values()):
            raise ValueError("versions are not texts by library")
        if word := next(filter(control_character, (*_texts(told), *_texts(self.versions))), None):
            raise ValueError(f"{word!r:.60} has a control character")
        if "prior" in told and not 0 <= told["prior"]["share"] <= 1:
            raise ValueError("the prior's share is not between 0 and 1")

    def _unrated_arrays(self) -> list[tuple[str, Floats, tuple[int, ...]]]:
        """Name, values and right shape of each array of the factor model."""
        if self.factor_model is None:
            return []
        model, p = self.factor_model, len(self.signals)
        arrays: list[tuple[str, Floats, tuple[int, ...]]] = [
            (word, getattr(model, word), (p,)) for word in ("mean", "sd", "unique")
        ]
        k = model.loadings.shape[-1]
        arrays.append(("loadings", model.loadings, (p, k)))
        if model.left_out is not None:
            about = model.left_out
            arrays.append(
                ("left_out", np.append(about.loadings, [about.mean, about.sd, about.most, about.unique]), (k + 4,))
            )
            if about.sd <= 0 or about.unique <= 0:
                raise ValueError("a spread of what was left out is not above 0")
        levels = zip(self.terms, model.shares, self._grid.levels.tolist(), strict=True)
        return arrays + [(f"shares of {name}", share, (count,)) for name, share, count in levels]


def _factor_model(data: Mapping[str, Any], terms: Sequence[str]) -> FactorModel:
    signals = list(data["signals"].values())
    if list(data["signals"]) != list(terms[: len(signals)]) or list(data["shares"]) != list(terms):
        raise ValueError("the factor model has other signals than the tables")
    left_out = data["left_out"]
    return FactorModel(
        left_out=left_out and LeftOut(**{**left_out, "loadings": np.array(left_out["loadings"])}),
        mean=np.array([item["mean"] for item in signals]),
        sd=np.array([item["sd"] for item in signals]),
        loadings=np.array([item["loadings"] for item in signals]),
        unique=np.array([item["unique"] for item in signals]),
        shares=tuple(np.array(share) for share in data["shares"].values()),
    )


def _pairs(data: Mapping[str, Any]) -> tuple[Pair, ...]:
    return tuple(Pair(item["first"], item["second"], np.array(item["log_odds"])) for item in data["pairs"])


def _triples(data: Mapping[str, Any]) -> tuple[Triple, ...]:
    return tuple(Triple(tuple(item["terms"]), np.array(item["log_odds"])) for item in data["triples"])


def _masked(data: Mapping[str, Any]) -> Masked:
    tables = {name: np.array(table) for name, table in data["tables"].items()}
    return Masked(data["share"], data["intercept"], tables, _pairs(data), _triples(data))


def _joint_to_dict(tables: OfferModel | Masked) -> dict[str, Any]:
    pairs = [{"first": pair.first, "second": pair.second, "log_odds": pair.log_odds.tolist()} for pair in tables.pairs]
    triples = [{"terms": list(item.terms), "log_odds": item.log_odds.tolist()} for item in tables.triples]
    return {"pairs": pairs, "triples": triples}


def _is_score(score: Any) -> bool:
    return (
        isinstance(score, list | tuple)
        and len(score) == 3
        and all(type(number) in (int, float) and abs(number) <= LARGEST for number in score)
    )


def _texts(data: Any) -> Iterator[str]:
    """Give every text of nested data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        yield from (text for item in data.items() for part in item for text in _texts(part))
    elif isinstance(data, list | tuple):
        yield from (text for part in data for text in _texts(part))


def pattern_of(values: Floats, catalogue: Catalogue) -> tuple[Floats, Floats]:
    """Compute mean and standard deviation of each row's ratings, in shares of their scales.

    Parameters
    ----------
    values
        Ratings of shape (n, p), at least one on its scale in each row; "not applicable" counts as not rated.

    Returns
    -------
    tuple of arrays of shape (n,)
        Mean and spread, each 0 to 1.
    """
    low, high = np.array(catalogue.ends)
    rated = values >= low
    count = rated.sum(axis=1)
    shares = np.where(rated, (values - low) / (high - low), 0.0)
    mean = shares.sum(axis=1) / count
    beside = np.where(rated, shares - mean[:, None], 0.0)
    return mean, np.sqrt((beside**2).sum(axis=1) / count)


def probability(log_odds: Any) -> Any:
    """Turn log-odds into probabilities: 1 / (1 + exp(-log_odds)), without overflow."""
    return 1 / (1 + np.exp(-np.maximum(log_odds, -700)))


def _chance(log_odds: float) -> float:
    """Turn one log-odds into a probability, as `probability` does many."""
    return 1 / (1 + math.exp(-max(log_odds, -700.0)))


def logit(share: float) -> float:
    """Turn a share above 0 and below 1 into log-odds."""
    return math.log(share / (1 - share))


def _fingerprint(data: Mapping[str, Any]) -> str:
    content = {key: value for key, value in data.items() if key not in ("name", "created_at", "fingerprint")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
