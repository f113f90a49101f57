"""The data of a model: tables of log-odds and metadata. Predictions are computed elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from predictor.model.factors import FactorModel
from predictor.model.gaps import Gaps
from predictor.model.raters import RaterTable
from predictor.model.reference import Reference
from predictor.model.tables import Floats, Grid
from predictor.ratings.catalogue import PANEL, Catalogue

FORMAT = 3  # 1 had no triples; 1 and 2 treated "not rated" as a category of each signal


@dataclass(frozen=True)
class TypicalRange:
    """The typical range (99 % of the training interviews) of a row's mean rating and of its spread.

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
    """Tables for rows with gaps, in which "not rated" is a category of its own; see `predictor.model.masked`.

    Attributes
    ----------
    weight_of_other_tables
        Weight of the model's other tables in rows with missing ratings, 0 or more.
    intercept, tables, pairs, triples
        As of `ModelData`.
    """

    weight_of_other_tables: float
    intercept: float
    tables: Mapping[str, Floats]
    pairs: tuple[Pair, ...]
    triples: tuple[Triple, ...]


@dataclass(frozen=True, eq=False)
class ModelData:
    """Tables of log-odds with what is known about them: the values of a model, as its file holds them.

    Attributes
    ----------
    name
        Name of the model, as in its file's name.
    catalogue
        The signals it was trained with; ratings are checked against it.
    base_rate
        Share of offers that it starts from: that of the training interviews, or with a prior, between that and
        the prior's base rate.
    intercept
        Mean log-odds over the training interviews, and with a prior over those that it is compared with.
    tables
        By signal and input: log-odds at each knot, then where not applicable if it has that category, then where
        not observed; shape (cells,).
    pairs, triples
        Tables of two and of three terms together; most models have no triples.
    factor_model
        The distribution of the ratings, for those that are missing; None in models of formats 1 and 2.
    gaps
        The effect of leaving signals unrated on the log-odds.
    masked
        Further tables for rows in which not everything was rated; most models have none.
    factors, variances
        Uncertainty of the log-odds, written as in factor analysis; not the factors of `factor_model`. Factors: for
        "intercept" shape (r,), by signal and input shape (cells, r); variances: by signal and input shape (cells,). The
        variance of the log-odds is the squared length of the sum of the cells' factors, plus the sum of their
        variances.
    counts
        Training rows by cell, for each signal and input; shape (cells,); a 3.5 counts half at 3 and half at 4.
    feature_importances
        Mean absolute contribution by signal and input, in log-odds, largest first.
    typical_range
        Of a row's mean rating and of its spread.
    trained_on
        Source and the options with which it was read; digest, number of interviews, whether simulated, and scores.
    versions
        Of the libraries that it was trained with.
    created_at
        UTC time, ISO 8601.
    intercept_by_rated_count
        In models of formats 1 and 2: added to the intercept by the number of signals rated, shape (signals + 1,).
    group_importances
        By "family" and "side", then by name: mean absolute value of the summed contributions of its signals, in
        log-odds, largest first. Contributions of opposite signs cancel, so it is not the sum of `feature_importances`.
        Empty in older models.
    reference
        Further counts of the training rows, as the reference for drift; None in older models.
    deletions
        Rows that it learned from and that have been deleted since: of each deletion "rows" and the day, "on".
    raters
        How high each rater usually rates, by pseudonym, where the input `panel_leniency` is in the model.
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
    typical_range: TypicalRange
    trained_on: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    intercept_by_rated_count: Floats | None = None
    masked: Masked | None = None
    group_importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reference: Reference | None = None
    deletions: tuple[Mapping[str, Any], ...] = ()
    raters: RaterTable | None = None

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

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that an answer may need: `terms`, and `panel` where it knows raters."""
        return (*self.terms, PANEL) if self.raters else self.terms

    @cached_property
    def grid(self) -> Grid:
        """The grid on which the tables are defined."""
        return Grid.of(self.catalogue)

    @property
    def prior_share(self) -> float:
        """Share, 0 to 1, of what it knows that comes from a prior model; that is SIMULATED."""
        return float(self.trained_on["prior"]["share"]) if "prior" in self.trained_on else 0.0

    @property
    def rows_deleted(self) -> int:
        """Rows that it learned from and that have been deleted since."""
        return sum(int(item["rows"]) for item in self.deletions)

    @property
    def format(self) -> int:
        """Number of its file format; an older model keeps its own, since its answers do not change."""
        return FORMAT if self.factor_model else 2


def mean_and_spread(values: Floats, catalogue: Catalogue) -> tuple[Floats, Floats]:
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
    deviation = np.where(rated, shares - mean[:, None], 0.0)
    return mean, np.sqrt((deviation**2).sum(axis=1) / count)
