"""Compare a model's likelihoods and people's own decisions between groups: rates, impact ratios, calibration, errors.

Selection rate, scoring rate and impact ratio are those of 6 RCNY 5-300 (New York City). Every rate has an interval, and
every ratio a score interval (Miettinen and Nurminen) and an exact test. A design effect accounts for the correlation of
rows of one person. Attribute names are the keys of audit.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.evaluation.groups import Axis
from predictor.evaluation.rates import below_four_fifths, design_effect, exact_test, ratio_interval, wilson
from predictor.evaluation.scores import LEAST_OF_EACH, GroupBootstrap, Score, calibration_slope, roc_auc
from predictor.model.tables import Floats

LEAST_ROWS = 30  # rows from which a category is judged; smaller ones are shown, and marked
SMALL_ONE_IN = 50  # a category of less than one row in 50, which is 2 %, gets no ratio and is never the comparator
MEANINGS = {  # of each rate
    "offers": "Share of rows that ended in an offer, of those whose outcome is known.",
    "selected": "Share whose likelihood is at the threshold or above it.",
    "above_median": "Share whose likelihood is strictly above the median of all rows.",
}


@dataclass(frozen=True)
class Proportion:
    """A share of a category's rows with its 90 % interval (Wilson)."""

    value: float
    low: float
    high: float
    count: int
    n: int


@dataclass(frozen=True)
class ImpactRatio:
    """A category's rate over the highest rate of any category.

    Attributes
    ----------
    value, low, high
        The ratio with its 90 % score interval.
    below_four_fifths
        Whether it is under .8, computed in whole numbers.
    p
        P-value of Fisher's exact test that both rates are the same; rows count as independent.
    """

    value: float
    low: float
    high: float
    below_four_fifths: bool
    p: float


@dataclass(frozen=True)
class GroupRate:
    """A rate of a category, and its ratio to the highest rate.

    Attributes
    ----------
    rate
        None if no row counts.
    ratio
        None if this rate is the highest, the category's share is too small, or the highest rate is 0.
    comparator
        Whether this rate is the highest, with which the others are compared.
    few
        Whether this category, or the comparator, has fewer than 30 rows: too few to judge.
    """

    rate: Proportion | None
    ratio: ImpactRatio | None
    comparator: bool
    few: bool


@dataclass(frozen=True)
class GroupPerformance:
    """How good the likelihoods are for the rows of a category whose outcome is known.

    Attributes
    ----------
    n, offers
        Rows, and the number of them that ended in an offer.
    predicted
        Mean likelihood.
    beyond
        Share of offers minus mean likelihood; above 0 the likelihoods are too low for this category.
    slope, auc
        Calibration slope and ROC AUC; None with fewer than 30 rows, five offers or five non-offers.
    false_positive, false_negative
        Share of non-offers at the threshold or above it, and of offers below it.
    """

    n: int
    offers: int
    predicted: float
    beyond: Score
    slope: Score | None
    auc: Score | None
    false_positive: Proportion | None
    false_negative: Proportion | None


@dataclass(frozen=True)
class Category:
    """Rates and errors of one category of an axis.

    Attributes
    ----------
    name, n
        Its name and rows.
    share
        Share of the rows whose category is known, 0 to 1.
    small_share
        Whether it is under 2 % of them: then it has no ratio, and is never the comparator.
    figures
        Rates, by the names in `MEANINGS`.
    quality
        None if no outcome is known.
    """

    name: str
    n: int
    share: float
    small_share: bool
    figures: Mapping[str, GroupRate]
    quality: GroupPerformance | None


@dataclass(frozen=True)
class AxisAudit:
    """One way to group the rows, with all its categories.

    Attributes
    ----------
    name, crossed
        As in `Axis`.
    known, unknown
        Rows whose category is known, and rows whose category is not.
    unknown_words
        The texts of cells that name no category, with the number of rows.
    categories
        The most rows first.
    """

    name: str
    crossed: bool
    known: int
    unknown: int
    unknown_words: Sequence[tuple[str, int]]
    categories: Sequence[Category]

    def lowest(self, figure: str) -> Category | None:
        """Return the category with the lowest ratio among those of 30 rows or more; None if there is none."""
        judged = [item for item in self.categories if item.figures[figure].ratio and not item.figures[figure].few]
        return min(judged, key=lambda item: item.figures[figure].ratio.value, default=None)  # type: ignore[union-attr]

    def comparator(self, figure: str) -> Category | None:
        """Return the category with which the others are compared."""
        return next((item for item in self.categories if item.figures[figure].comparator), None)


@dataclass(frozen=True)
class Audit:
    """Rates, ratios, calibration and errors by group.

    Attributes
    ----------
    n, people
        Numbers of rows and of people.
    outcomes
        Rows whose outcome is known.
    threshold
        Likelihood from which a row counts as selected.
    median, tied
        Median likelihood, and the share of rows that are equal to it: they do not count as above it.
    axes
        In the order of the columns, crossed ones last.
    """

    n: int
    people: int
    outcomes: int
    threshold: float
    median: float
    tied: float
    axes: Sequence[AxisAudit]


def audit(
    p: Floats,
    y: Floats,
    people: NDArray[np.generic],
    axes: Sequence[Axis],
    *,
    threshold: float = 0.5,
    resamples: int = 200,
    seed: int = 0,
) -> Audit:
    """Compute rates, ratios, calibration and errors by group.

    Parameters
    ----------
    p
        Likelihoods for rows that the models had not seen, shape (repeats, n); rates use the mean over repeats.
    y
        Outcomes 1, 0 or NaN, shape (n,).
    people
        The person of each row, shape (n,).
    axes
        How the rows are grouped; see `predictor.evaluation.groups.axes_of`.
    threshold
        Likelihood, 0 to 1, from which a row counts as selected.
    resamples, seed
        Number and seed of the draws of people, for the intervals of calibration and ROC AUC.

    Examples
    --------
    >>> from predictor.evaluation.groups import axis_of
    >>> sex = axis_of("sex", np.array(["Female"] * 50 + ["Male"] * 50))
    >>> result = audit(np.linspace(0, 1, 100)[None], np.full(100, np.nan), np.arange(100), [sex])
    >>> female, male = result.axes[0].categories
    >>> male.figures["above_median"].comparator, female.figures["above_median"].ratio.value
    (True, 0.0)
    """
    mean = p.mean(axis=0)
    median = float(np.median(mean))
    known = ~np.isnan(y)
    hits = {"offers": y == 1, "selected": mean >= threshold, "above_median": mean > median}
    rows = {"offers": known, "selected": np.ones(len(y), bool), "above_median": np.ones(len(y), bool)}
    resampling = GroupBootstrap(people[known], resamples, seed) if known.any() else None
    return Audit(
        n=len(y),
        people=len(np.unique(people)),
        outcomes=int(known.sum()),
        threshold=threshold,
        median=median,
        tied=float((mean == median).mean()),
        axes=[_axis(axis, hits, rows, people, p, y, threshold, resampling) for axis in axes],
    )


def _axis(
    axis: Axis,
    hits: Mapping[str, NDArray[np.bool_]],
    rows: Mapping[str, NDArray[np.bool_]],
    people: NDArray[np.generic],
    p: Floats,
    y: Floats,
    threshold: float,
    resampling: GroupBootstrap | None,
) -> AxisAudit:
    counts, known = axis.counts, int(axis.known.sum())
    small = SMALL_ONE_IN * counts < known
    figures: dict[str, list[GroupRate]] = {}
    for name, hit in hits.items():
        kept = rows[name] & axis.known
        place = axis.place[kept]
        n = np.bincount(place, minlength=len(counts))
        count = np.bincount(place, weights=hit[kept], minlength=len(counts)).astype(np.int64)
        figures[name] = _rates(count, n, small, design_effect(hit[kept], place, people[kept]))
    categories = [
        Category(
            name=category,
            n=int(counts[number]),
            share=counts[number] / known,
            small_share=bool(small[number]),
            figures={name: result[number] for name, result in figures.items()},
            quality=_quality(axis.place == number, p, y, people, threshold, resampling) if resampling else None,
        )
        for number, category in enumerate(axis.categories)
    ]
    return AxisAudit(axis.name, axis.crossed, known, len(y) - known, axis.unknown_words, categories)


def _rates(count: NDArray[np.int64], n: NDArray[np.int64], small: NDArray[np.bool_], effect: float) -> list[GroupRate]:
    """Compute rates, and ratios to the highest rate of a category whose share is not small."""
    eligible = np.flatnonzero((n > 0) & ~small).tolist()
    # on a tie the first, which has the most rows
    highest = max(eligible, key=lambda place: count[place] / n[place], default=-1)
    rates = []
    for place in range(len(n)):
        ratio = None
        if place in eligible and place != highest and count[highest] > 0:
            a, k, b, m = (int(x) for x in (count[place], n[place], count[highest], n[highest]))
            others = len(eligible) - 1  # among which the comparator is the highest
            low, high = ratio_interval(a / effect, k / effect, b / effect, m / effect, chosen_from=others)
            ratio = ImpactRatio(a * m / (b * k), low, high, below_four_fifths(a, k, b, m), exact_test(a, k, b, m))
        few = min(n[place], n[highest] if ratio else LEAST_ROWS) < LEAST_ROWS
        rates.append(GroupRate(_rate(int(count[place]), int(n[place]), effect), ratio, place == highest, bool(few)))
    return rates


def _rate(count: int, n: int, effect: float) -> Proportion | None:
    if not n:
        return None
    return Proportion(count / n, *wilson(count / effect, n / effect), count, n)


def _quality(
    inside: NDArray[np.bool_],
    p: Floats,
    y: Floats,
    people: NDArray[np.generic],
    threshold: float,
    resampling: GroupBootstrap,
) -> GroupPerformance | None:
    """Compare likelihoods with outcomes in a category; the resampling is of all rows whose outcome is known."""
    known = ~np.isnan(y)
    kept, y, p = inside[known], y[known], p[:, known]
    n, offers = int(kept.sum()), int(y[kept].sum())
    if not n:
        return None

    def score(metric: object, ends: tuple[float, float]) -> Score:
        def figure(repeat: int, weight: Floats) -> Floats:
            w = weight[:, kept]
            values = metric(y[kept], p[repeat, kept], w)  # type: ignore[operator]
            return np.where(w.any(axis=1), values, np.nan)

        return resampling.score(figure, len(p), n, ends)

    # with fewer, predictions often separate the outcomes, which no resampling shows
    enough = n >= LEAST_ROWS and min(offers, n - offers) >= LEAST_OF_EACH
    mean, person = p.mean(axis=0), people[known]
    selected = mean >= threshold
    same_category = np.zeros(len(y), np.int64)

    def errors(wrong: NDArray[np.bool_], among: NDArray[np.bool_]) -> Proportion | None:
        among = among & kept
        effect = design_effect(wrong[among], same_category[among], person[among])
        return _rate(int((wrong & among).sum()), int(among.sum()), effect)

    return GroupPerformance(
        n=n,
        offers=offers,
        predicted=float(mean[kept].mean()),
        beyond=score(_beyond, (-1.0, 1.0)),
        slope=score(calibration_slope, (-np.inf, np.inf)) if enough else None,
        auc=score(roc_auc, (0.0, 1.0)) if enough else None,
        false_positive=errors(selected, y == 0),
        false_negative=errors(~selected, y == 1),
    )


def _beyond(y: Floats, p: Floats, weight: Floats) -> Floats:
    """Compute the share of offers minus the mean likelihood, for many weights of the rows at once."""
    total = weight.sum(axis=-1)
    return np.where(total > 0, (weight @ (y - p)) / np.where(total > 0, total, 1), np.nan)
