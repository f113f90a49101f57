"""The effect of leaving out a family or a signal: accuracy and impact ratios, side by side.

The same model predicts without the signals, as it predicts from any subset of its signals; nothing is fitted again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.evaluation.audit import Audit
from predictor.evaluation.groups import Axis
from predictor.evaluation.scores import GroupBootstrap, Score, gain
from predictor.model.log_odds import probability
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.ratings.catalogue import Catalogue

ABOVE = "above_median"


@dataclass(frozen=True)
class RatioChange:
    """An impact ratio of scoring rates with all signals, and how leaving some out changes it.

    Attributes
    ----------
    axis, category, comparator
        The category with the lowest ratio among those of the axis that can be judged, and the one with which it is
        compared; both are the same whatever is left out.
    before, after
        The ratio with all signals, and without the signals that are left out.
    change
        The difference with its interval, by resampling people.
    """

    axis: str
    category: str
    comparator: str
    before: float
    after: float
    change: Score


@dataclass(frozen=True)
class LeftOut:
    """The effect of leaving out a family or a signal.

    Attributes
    ----------
    kind, name
        "family" or "signal", and its name in the catalogue.
    cost
        Increase of log-loss on the same rows; below 0 the predictions are better without it.
    ratios
        One for each axis that is not crossed.
    """

    kind: str
    name: str
    cost: Score
    ratios: Sequence[RatioChange]


def left_out_columns(catalogue: Catalogue) -> dict[tuple[str, str], list[int]]:
    """Return the indices of the signals to leave out: of each family of several, not all, signals; of each signal."""
    families = {
        ("family", key): [place for place, signal in enumerate(catalogue.signals) if signal.family == key]
        for key in catalogue.families
    }
    families = {key: places for key, places in families.items() if 1 < len(places) < len(catalogue.signals)}
    signals = {("signal", name): [place] for place, name in enumerate(catalogue.names)}
    return families | (signals if len(signals) > 1 else {})


def predict_without(
    model: OfferModel, values: Floats, adjust: Callable[[list[int], Floats], None] | None = None
) -> dict[tuple[str, str], Floats]:
    """Predict rows as if each family, and each signal, were not rated; ("all", "") leaves out none.

    Parameters
    ----------
    values
        Values of the model's terms, shape (n, terms).
    adjust
        A function of the indices of the left-out signals and of a copy of the values without them. It changes in this
        copy what else was computed from these signals, such as the leniency of a panel.
    """
    predictions = {("all", ""): probability(model.log_odds(values))}
    for key, places in left_out_columns(model.catalogue).items():
        fewer = values.copy()
        fewer[:, places] = np.nan
        if adjust:
            adjust(places, fewer)
        rated = ~np.isnan(fewer[:, : len(model.signals)]).all(axis=1)
        p = np.full(len(values), model.base_rate)
        p[rated] = probability(model.log_odds(fewer[rated])) if rated.any() else p[rated]
        predictions[key] = p
    return predictions


def left_out(
    predictions: Mapping[tuple[str, str], Floats],
    y: Floats,
    people: NDArray[np.generic],
    axes: Sequence[Axis],
    result: Audit,
    *,
    resamples: int = 200,
    seed: int = 0,
) -> list[LeftOut]:
    """Compare predictions without a family or a signal with those from all signals.

    Parameters
    ----------
    predictions
        Out-of-fold likelihoods, each of shape (n,), as by `predict_without`.
    y
        Outcomes, 1 or 0, shape (n,).
    people
        The person of each row, shape (n,).
    axes
        How these rows are grouped.
    result
        The audit of all rows, which chose the categories that are compared.
    resamples, seed
        Number and seed of the draws for the intervals.
    """
    resampling, full = GroupBootstrap(people, resamples, seed), predictions["all", ""]
    compared = []
    for axis, audited in zip(axes, result.axes, strict=True):
        lowest, best = audited.lowest(ABOVE), audited.comparator(ABOVE)
        if lowest and best and not axis.crossed:
            inside = [axis.place == axis.categories.index(item.name) for item in (lowest, best)]
            if all(part.any() for part in inside):
                compared.append((audited.name, lowest.name, best.name, *inside))
    results = []
    for (kind, name), fewer in predictions.items():
        if kind == "all":
            continue
        ratios = [
            _change(axis, category, best, full, fewer, inside, beside, resampling)
            for axis, category, best, inside, beside in compared
        ]
        results.append(LeftOut(kind, name, gain(y, full[None], fewer[None], resampling), ratios))
    return results


def _change(
    axis: str,
    category: str,
    comparator: str,
    full: Floats,
    fewer: Floats,
    inside: NDArray[np.bool_],
    beside: NDArray[np.bool_],
    resampling: GroupBootstrap,
) -> RatioChange:
    def figure(_: int, weight: Floats) -> Floats:
        return scoring_ratio(fewer, inside, beside, weight) - scoring_ratio(full, inside, beside, weight)

    one = np.ones((1, len(full)))
    before, after = (float(scoring_ratio(p, inside, beside, one)[0]) for p in (full, fewer))
    rows = int(inside.sum() + beside.sum())
    return RatioChange(axis, category, comparator, before, after, resampling.score(figure, 1, rows, (-np.inf, np.inf)))


def scoring_ratio(p: Floats, inside: NDArray[np.bool_], beside: NDArray[np.bool_], weight: Floats) -> Floats:
    """Compute the ratio of the scoring rates of two categories, for many weights of the rows at once.

    Parameters
    ----------
    p
        Likelihoods of all rows, shape (n,); a rate is the share of rows above their median.
    inside, beside
        Rows of the category, and of the one with which it is compared, shape (n,).
    weight
        Weights of the rows, shape (draws, n).

    Returns
    -------
    array of shape (draws,)
        NaN where a category has no row, or the rate in the denominator is 0.

    Examples
    --------
    >>> first = np.array([True, True, False, False])
    >>> scoring_ratio(np.array([0.1, 0.9, 0.8, 0.7]), first, ~first, np.ones((1, 4)))
    array([1.])
    """
    order = np.argsort(p, kind="stable")
    w = weight[:, order]
    total = np.cumsum(w, axis=1)
    median = p[order][(2 * total >= total[:, -1:]).argmax(axis=1)]
    above = w * (p[order] > median[:, None])
    rates = []
    for rows in (inside[order], beside[order]):
        all_rows = w @ rows
        rates.append(np.divide(above @ rows, all_rows, out=np.full(len(w), np.nan), where=all_rows > 0))
    ratio: Floats = np.divide(rates[0], rates[1], out=np.full(len(w), np.nan), where=rates[1] > 0)
    return ratio
