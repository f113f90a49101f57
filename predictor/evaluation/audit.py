"""Compare a model's likelihoods and people's own decisions between groups: rates, impact ratios, calibration, errors.

Selection rate, scoring rate and impact ratio are those of 6 RCNY 5-300 (New York City). Every rate has an interval, and
every ratio a score interval and an exact test. Rows of one person are correlated, which a
design effect accounts for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.evaluation.data_quality import MINIMUM
from predictor.evaluation.groups import Grouping
from predictor.evaluation.rates import CONFIDENCE, below_four_fifths, design_effect, exact_test, ratio_interval, wilson
from predictor.evaluation.scores import GroupBootstrap, Score, calibration_slope, roc_auc
from predictor.model.tables import Floats

FEW = 30  # rows of a category from which on it is judged; smaller ones are shown, and marked
SMALL_ONE_IN = 50  # a category of less than one row in 50, which is 2 %, gets no ratio and is never the comparator
FIGURES = {
    "offers": "offers, as people decided",
    "selected": "selection rate",
    "above_median": "scoring rate",
}
MEANINGS = {
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
        Whether it is under .8, in whole numbers.
    p
        Of Fisher's exact test that both rates are the same; rows count as independent.
    """

    value: float
    low: float
    high: float
    below_four_fifths: bool
    p: float


@dataclass(frozen=True)
class Figure:
    """A rate of a category, and its ratio to the highest rate.

    Attributes
    ----------
    rate
        None where no row counts.
    ratio
        None where it is the highest itself, of too small a share, or the highest is 0.
    comparator
        Whether it is the highest, which the others are compared with.
    few
        Whether it, or the one it is compared with, rests on under 30 rows: too few to judge.
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
        Rows, and how many of them ended in an offer.
    predicted
        Mean likelihood.
    beyond
        Share of offers minus mean likelihood; above 0 the likelihoods are too low for this category.
    slope, auc
        Calibration slope and ROC AUC; None with under 30 rows, or fewer than five offers or five non-offers.
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
    """What is known of one category of an axis.

    Attributes
    ----------
    name, n
        Its name and rows.
    share
        Of the rows whose category is known, 0 to 1.
    small_share
        Whether it is under 2 % of them: it has no ratio, and is never what others are compared with.
    figures
        By the names in `FIGURES`.
    quality
        None where no outcome is known.
    """

    name: str
    n: int
    share: float
    small_share: bool
    figures: Mapping[str, Figure]
    quality: GroupPerformance | None


@dataclass(frozen=True)
class AxisAudit:
    """One way to group the rows, with all its categories.

    Attributes
    ----------
    name, crossed
        As of `Grouping`.
    known, unknown
        Rows whose category is known, and not.
    unknown_words
        The cell's text where it is not known, with the number of rows.
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
        """Return the category that others are compared with."""
        return next((item for item in self.categories if item.figures[figure].comparator), None)


@dataclass(frozen=True)
class Audit:
    """Rates, ratios, calibration and errors by group.

    Attributes
    ----------
    n, people
        Rows, and how many people they are of.
    outcomes
        Rows whose outcome is known.
    threshold
        Likelihood at which a row counts as selected.
    median, tied
        Median likelihood, and the share of rows that are equal to it: they are not above it.
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
    axes: Sequence[Grouping],
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
        Whose row it is, shape (n,).
    axes
        How the rows are grouped; see `predictor.evaluation.groups.axes_of`.
    threshold
        Likelihood, 0 to 1, at which a row counts as selected.
    resamples, seed
        Of the intervals of calibration and ROC AUC, by resampling people.

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
    axis: Grouping,
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
    figures: dict[str, list[Figure]] = {}
    for name, hit in hits.items():
        kept = rows[name] & axis.known
        place = axis.place[kept]
        n = np.bincount(place, minlength=len(counts))
        count = np.bincount(place, weights=hit[kept], minlength=len(counts)).astype(np.int64)
        figures[name] = _figures(count, n, small, design_effect(hit[kept], place, people[kept]))
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


def _figures(count: NDArray[np.int64], n: NDArray[np.int64], small: NDArray[np.bool_], effect: float) -> list[Figure]:
    """Compute rates, and ratios to the highest rate of a category whose share is not small."""
    rates = [_rate(int(a), int(k), effect) for a, k in zip(count, n, strict=True)]
    able = [place for place, rate in enumerate(rates) if rate and not small[place]]
    # on a tie the category with the most rows, which comes first
    best = max(able, key=lambda place: (rates[place].value, -place), default=None)  # type: ignore[union-attr]
    figures = []
    for place, rate in enumerate(rates):
        compared = rate is not None and best is not None and place != best and not small[place] and count[best] > 0
        ratio = None
        if compared and best is not None:
            a, k, b, m = (int(x) for x in (count[place], n[place], count[best], n[best]))
            low, high = ratio_interval(
                a / effect, k / effect, b / effect, m / effect, CONFIDENCE, chosen_from=len(set(able) - {place})
            )
            ratio = ImpactRatio(a * m / (b * k), low, high, below_four_fifths(a, k, b, m), exact_test(a, k, b, m))
        few = min(int(n[place]), int(n[best]) if ratio else FEW) < FEW
        figures.append(Figure(rate, ratio, place == best, few))
    return figures


def _rate(count: int, n: int, effect: float) -> Proportion | None:
    if not n:
        return None
    return Proportion(count / n, *wilson(count / effect, n / effect, CONFIDENCE), count, n)


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

    enough = n >= FEW and min(offers, n - offers) >= MINIMUM  # fewer are often separated, which no resampling shows
    mean, person = p.mean(axis=0), people[known]
    selected = mean >= threshold
    one = np.zeros(len(y), np.int64)

    def errors(wrong: NDArray[np.bool_], among: NDArray[np.bool_]) -> Proportion | None:
        among = among & kept
        effect = design_effect(wrong[among], one[among], person[among])
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
    total = weight.sum(axis=-1)
    return np.where(total > 0, (weight @ (y - p)) / np.where(total > 0, total, 1), np.nan)
