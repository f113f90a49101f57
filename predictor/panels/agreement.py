"""How far raters agree: ICC(2,1) and ICC(2,k) of scorecards' means, and Krippendorff's alpha of each signal.

Raters are taken as a sample of those who might rate, so ICC(3,k) has no place here; where each person has one rater,
nothing can be computed. Intervals resample people.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from predictor.evaluation.scores import Score
from predictor.model.tables import Floats, Ints
from predictor.panels.cards import Cards
from predictor.panels.effects import CardMeans, Effects, fit_effects

_QUANTILE = NormalDist().inv_cdf(0.95)  # for intervals of 90 %
RESAMPLES = 200
# With many raters a fit takes long, and the spread of fewer draws does.
MANY, LEAST = 250, 20


def icc(effects: Effects, k: float = 1.0) -> float:
    """Compute ICC(2,k): the share of the variance of a mean of k raters that is the people's.

    Absolute agreement of raters who are a sample; with k = 1 of a single rater. By variance components, so that not
    everybody must be rated by the same raters.

    Parameters
    ----------
    effects
        Variances of people, raters and the rest.
    k
        Raters of the mean.

    Returns
    -------
    float
        0 to 1; NaN where people cannot be distinguished from the rest.

    References
    ----------
    P. Shrout and J. Fleiss (1979), Intraclass correlations: uses in assessing rater reliability, Psychological Bulletin
    86:420-428.
    """
    total = effects.person + (effects.rater + effects.rest) / k
    return float(effects.person / total) if total > 0 else float("nan")


def ordinal_alpha(ratings: Floats, weights: Floats | None = None) -> float:
    """Compute Krippendorff's alpha with the ordinal metric; 1 is agreement, 0 what chance gives.

    Parameters
    ----------
    ratings
        Shape (units, raters); NaN where a rater did not rate a unit. Who rated does not matter, only what.
    weights
        How often each unit counts, shape (units,).

    Returns
    -------
    float
        NaN where no unit has two ratings, or all ratings are the same.

    References
    ----------
    K. Krippendorff (2011), Computing Krippendorff's alpha-reliability.

    Examples
    --------
    >>> round(ordinal_alpha(np.array([[1, 1], [2, 2], [3, 3], [4, 5]])), 3)
    0.978
    """
    counts = _counts(ratings)
    return float(_alphas(counts, np.ones((1, len(counts))) if weights is None else weights[None])[0])


def _counts(ratings: Floats) -> Floats:
    """Count how often each value was given to each unit that was rated twice or more, shape (units, values)."""
    values = np.unique(ratings[~np.isnan(ratings)])
    counts: Floats = (ratings[:, :, None] == values).sum(axis=1).astype(np.float64)
    counts[counts.sum(axis=1) < 2] = 0.0
    return counts


def _alphas(counts: Floats, weights: Floats) -> Floats:
    """Compute alpha for each row of weights, shape (draws, units)."""
    size = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :] - np.eye(counts.shape[1]) * counts[:, :, None]
    pairs /= np.maximum(size - 1, 1)[:, None, None]
    results = np.full(len(weights), np.nan)
    for draw, weight in enumerate(weights):
        coincidence = np.tensordot(weight, pairs, axes=1)
        n = coincidence.sum(axis=1)
        ends = np.cumsum(n) - n / 2  # the ordinal metric: how many ratings lie between two values
        distance = (ends[:, None] - ends) ** 2
        expected = float((np.outer(n, n) * distance).sum())
        if expected > 0:
            results[draw] = 1 - (n.sum() - 1) * float((coincidence * distance).sum()) / expected
    return results


@dataclass(frozen=True)
class SignalAgreement:
    """Agreement on one signal.

    Attributes
    ----------
    name
        Of the signal.
    alpha
        Krippendorff's, ordinal; None where there are too few applications.
    n
        Applications on which two or more raters rated it.
    """

    name: str
    alpha: Score | None
    n: int


@dataclass(frozen=True)
class Agreement:
    """How far raters agree.

    Attributes
    ----------
    single, panel
        ICC(2,1) and ICC(2,k) of scorecards' means; n counts applications with two scorecards or more.
    size
        k, the mean number of raters of those applications.
    shares
        Of the variance of a scorecard's mean: of people, of raters, and the rest.
    signals
        Alpha of each signal.
    """

    single: Score
    panel: Score
    size: float
    shares: tuple[Score, Score, Score]
    signals: tuple[SignalAgreement, ...]


FEW = 10  # applications rated twice on a signal, below which its alpha says nothing


def agreement(cards: Cards, *, resamples: int = RESAMPLES, seed: int = 0) -> Agreement:
    """Measure agreement with 90 % intervals.

    Parameters
    ----------
    cards
        Single raters' scorecards, some people rated by two or more; see `identify`.
    resamples, seed
        Of people, for the intervals.
    """
    scores = cards.scores()[0]
    draws = _draws(cards, resamples, seed)
    size = np.bincount(scores.unit)
    paired = size > 1
    k, n = float(size[paired].mean()), int(paired.sum())

    def figures(effects: Effects) -> Floats:
        total = effects.person + effects.rater + effects.rest
        shares = np.array([effects.person, effects.rater, effects.rest]) / total
        return np.array([icc(effects), icc(effects, k), *shares])

    whole = fit_effects(scores)
    value = figures(whole)
    fewer = min(resamples, max(LEAST, round(resamples * (MANY / len(whole.leniency)) ** 2)))
    kept = [weight for weight in draws[:fewer] if _enough(size, weight)]
    drawn = np.array([figures(fit_effects(scores, weight, whole)) for weight in kept])
    single, panel, person, rater, rest = (_score(float(value[at]), drawn[:, at], n, 0.0) for at in range(len(value)))
    return Agreement(single, panel, k, (person, rater, rest), tuple(_signals(cards, scores, draws)))


def _enough(size: Ints, weight: Floats) -> bool:
    return bool(((size > 1) & (weight > 0)).sum() > 1)


def _signals(cards: Cards, scores: CardMeans, draws: Floats) -> list[SignalAgreement]:
    order = np.argsort(scores.unit, kind="stable")
    unit = scores.unit[order]
    starts = np.searchsorted(unit, unit)
    seat = np.arange(len(unit)) - starts
    results = []
    low = np.array(cards.catalogue.ends[0])
    for at, signal in enumerate(cards.catalogue.signals):
        table = np.full((int(unit.max()) + 1, int(seat.max()) + 1), np.nan)
        values = cards.values[order, at]
        table[unit, seat] = np.where(values >= low[at], values, np.nan)
        n = int(((~np.isnan(table)).sum(axis=1) > 1).sum())
        value = ordinal_alpha(table) if n >= FEW else np.nan
        alpha = None
        if value == value:
            drawn = _alphas(_counts(table), draws)
            alpha = _score(value, drawn, n, -1.0)
        results.append(SignalAgreement(signal.name, alpha, n))
    return results


def _draws(cards: Cards, resamples: int, seed: int) -> Floats:
    """Draw people with replacement: how often each application counts, shape (resamples, applications)."""
    _, first = np.unique(cards.application, return_index=True)
    people, person = np.unique(cards.person[first], return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), size=resamples)
    return np.asarray(drawn[:, person].astype(np.float64))


def _score(value: float, drawn: Floats, n: int, lowest: float) -> Score:
    """Add the interval of a figure, by the spread of the draws: a person drawn twice would shift them."""
    half = _QUANTILE * float(np.nanstd(drawn))
    return Score(value, max(lowest, value - half), min(1.0, value + half), n)
