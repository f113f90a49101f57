"""Whether later rows differ from the training rows of a model: in each signal, what is missing, who rated, likelihoods.

Everything is compared with counts in the model's file. Thresholds account for the numbers of rows and of tests: if
nothing has changed, at most one check in twenty raises a false alarm (Holm's procedure over all tests).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, chi2_contingency, fisher_exact, norm

from predictor.evaluation.rates import QUANTILE, mean_cluster_size, wilson
from predictor.model.log_odds import probability
from predictor.model.offer_model import OfferModel
from predictor.model.reference import Reference
from predictor.model.tables import Floats
from predictor.ratings.ratings import Ratings

ALPHA = 0.05  # chance that a check raises an alarm although nothing has changed
LEAST_EXPECTED = 5.0  # rows expected in a cell; neighbouring cells are merged until each has them
BINS = 10  # of likelihood, of equal size among the training rows
LEAST_ROWS = 20  # current rows under which nothing is compared
# Tests of a signal's ratings, the easiest to explain first: two of the mean (which reports and JSON call "level"), one
# of the spread.
OF_RATINGS = ("level", "level given others", "shape")
LEAST_UNIQUE = 0.02  # least variance of a signal that no other shares, in standard units, so that the matrix inverts
DIGITS = 6  # of figures in the model's file


@dataclass(frozen=True)
class DriftTest:
    """One comparison of current rows with the training rows; these names are those of the JSON.

    Attributes
    ----------
    kind
        "level" (a signal's mean), "level given others", "shape" (its spread), "missing", "rated", "input",
        "likelihood", "calibration".
    name
        Name of the signal or input, or "".
    figure
        What was measured: "shift" in standard deviations, "psi", "share" (a difference), "auc" or "z".
    value, low, high
        The figure, and its 90 % interval, NaN if it has none; for a share the interval of `current`.
    reference, current
        Mean or share among the training rows, and now; NaN for other figures.
    n, m
        Training rows, and current ones; NaN for a test of outcomes, which compares no training rows.
    p
        The p-value of this test by itself.
    adjusted
        The p-value corrected for all tests (Holm 1979); under .05 the change is significant.
    """

    kind: str
    name: str
    figure: str
    value: float
    _: KW_ONLY
    low: float = math.nan
    high: float = math.nan
    reference: float = math.nan
    current: float = math.nan
    n: float = math.nan
    m: float
    p: float
    adjusted: float = 1.0

    @property
    def significant(self) -> bool:
        """Whether the change is significant."""
        return self.adjusted < ALPHA


def psi(reference: Floats, current: Floats) -> float:
    """Compute the population stability index of counts by cell; half a row is added to each where one is empty.

    Examples
    --------
    >>> round(psi(np.array([100, 200, 400, 200, 100]), np.array([50, 150, 350, 250, 200])), 5)
    0.13619
    """
    both = np.array([reference, current], dtype=np.float64)
    if (both == 0).any():
        both += 0.5
    p, q = both / both.sum(axis=1, keepdims=True)
    return float(((q - p) * np.log(q / p)).sum())


def merged(reference: Floats, current: Floats) -> tuple[Floats, Floats]:
    """Merge neighbouring cells until each is expected to have five current rows, and five training rows.

    Examples
    --------
    >>> [part.tolist() for part in merged(np.array([1.0, 40, 59]), np.array([0.0, 21, 29]))]
    [[41.0, 59.0], [21.0, 29.0]]
    """
    n, m = reference.sum(), current.sum()
    smaller = min(n, m) / (n + m)
    cells = [[a, b] for a, b in zip(reference.tolist(), current.tolist(), strict=True) if a + b]
    while len(cells) > 1:
        expected = [smaller * (a + b) for a, b in cells]
        least = int(np.argmin(expected))
        if expected[least] >= LEAST_EXPECTED:
            break
        neighbours = [place for place in (least - 1, least + 1) if 0 <= place < len(cells)]
        into = min(neighbours, key=lambda place: expected[place])
        cells[into] = [cells[into][0] + cells[least][0], cells[into][1] + cells[least][1]]
        del cells[least]
    parts = np.array(cells, dtype=np.float64).reshape(-1, 2)
    return parts[:, 0], parts[:, 1]


def mann_whitney(reference: Floats, current: Floats) -> tuple[float, float]:
    """Compare ordered counts: the chance that a current row is higher, ties counting half, and its standard error.

    The error is that under no difference, with ties (Mann & Whitney 1947).

    Examples
    --------
    >>> auc, _ = mann_whitney(np.array([100.0, 200, 400, 200, 100]), np.array([50.0, 150, 350, 250, 200]))
    >>> round(auc, 4)
    0.5975
    """
    n, m = reference.sum(), current.sum()
    auc = float((current * (np.cumsum(reference) - reference / 2)).sum() / (n * m))
    ties = reference + current
    total = n + m
    variance = (total + 1 - ((ties**3 - ties).sum()) / (total * (total - 1))) / (12 * n * m)
    return auc, math.sqrt(max(variance, 0.0))


def reference_of(ratings: Ratings, p: Floats | None, people: NDArray[Any]) -> Reference:
    """Count what later rows are compared with, in addition to the ratings.

    Parameters
    ----------
    ratings
        The training rows.
    p
        Their out-of-fold likelihoods, shape (n,); None if there are none.
    people
        The person of each row, shape (n,).
    """
    missing = np.isnan(ratings.values)
    rated = (~missing).sum(axis=1)
    member = np.unique(people, return_inverse=True)[1]
    codes = [ratings.codes(item)[:, None] for item in ratings.catalogue.inputs]
    correlation = {
        "ratings": _intraclass_correlation(ratings.rated_values, member),
        "missing": _intraclass_correlation(missing.astype(float), member),
        "rated": _intraclass_correlation(rated[:, None].astype(float), member),
        "inputs": _intraclass_correlation(np.hstack(codes), member) if codes else 0.0,
        "likelihood": _intraclass_correlation(p[:, None], member) if p is not None else 0.0,
    }
    edges = np.empty(0) if p is None else np.quantile(p, np.linspace(0, 1, BINS + 1)[1:-1])
    edges = np.unique(np.round(edges, DIGITS))
    binned = np.empty(0) if p is None else np.searchsorted(edges, p, side="right")
    return Reference(
        rated=np.bincount(rated, minlength=missing.shape[1] + 1).astype(float),
        edges=edges,
        likelihood=np.bincount(binned.astype(np.int64), minlength=len(edges) + 1).astype(float),
        mean_cluster_size=round(mean_cluster_size(people), DIGITS),
        intraclass_correlation={name: round(value, DIGITS) for name, value in correlation.items()},
    )


def _intraclass_correlation(columns: Floats, member: NDArray[np.int64]) -> float:
    """Compute the mean correlation of two rows of one person, over columns; 0 where nobody has two rows."""
    result = []
    for column in columns.T:
        there = ~np.isnan(column)
        if there.sum() < 2 or not (spread := column[there].var()):
            continue
        apart, who = column[there] - column[there].mean(), member[there]
        sums, squares, sizes = (np.bincount(who, weights=w) for w in (apart, apart**2, np.ones(len(who))))
        if pairs := float((sizes * (sizes - 1)).sum()):
            result.append(float((sums**2 - squares).sum()) / pairs / spread)
    return float(np.clip(np.mean(result), 0, 1)) if result else 0.0


@dataclass(frozen=True, eq=False)
class _Comparison:
    """What every test needs: the model's counts, the current rows, and their mean cluster size."""

    model: OfferModel
    reference: Reference | None
    values: Floats  # of signals and coded inputs, shape (m, terms)
    mean_cluster_size: float

    def design_effects(self, kind: str) -> tuple[float, float]:
        """Return the design effect among the training rows, and among the current ones."""
        if self.reference is None:
            return 1.0, 1.0
        sizes = self.reference.mean_cluster_size, self.mean_cluster_size
        before, now = (self.reference.design_effect(kind, size) for size in sizes)
        return before, now


def drift_tests(model: OfferModel, ratings: Ratings) -> list[DriftTest]:
    """Compare current rows with the training rows of a model.

    Parameters
    ----------
    model
        Models of older versions have no counts of likelihoods and of how much was rated: these are not compared.
    ratings
        Current rows, by the model's catalogue.

    Returns
    -------
    list of DriftTest
        With uncorrected p-values; `corrected` adjusts them for all tests.
    """
    values = model.values_of(ratings)  # with the level of each panel
    people = np.arange(len(ratings)) if ratings.groups is None else ratings.groups
    comparison = _Comparison(model, model.reference, values, mean_cluster_size(people))
    return [
        *_levels(comparison),
        *_shapes(comparison),
        *_missing(comparison),
        *_rated(comparison),
        *_inputs(comparison),
        *_likelihoods(comparison),
    ]


def corrected(result: Sequence[DriftTest]) -> list[DriftTest]:
    """Add Holm's adjusted p-value to each test.

    Examples
    --------
    >>> nothing = DriftTest("level", "a", "shift", 0, m=9, p=0.02)
    >>> [round(test.adjusted, 3) for test in corrected([nothing, replace(nothing, p=0.03)])]
    [0.04, 0.04]
    """
    order = sorted(range(len(result)), key=lambda place: result[place].p)
    adjusted, highest = [1.0] * len(result), 0.0
    for step, place in enumerate(order):
        highest = max(highest, min(1.0, result[place].p * (len(result) - step)))
        adjusted[place] = highest
    return [replace(test, adjusted=value) for test, value in zip(result, adjusted, strict=True)]


def _counts(comparison: _Comparison, term: int) -> tuple[Floats, Floats]:
    """Count the training rows and the current rows by cell of a term; a 3.5 counts half at 3 and half at 4."""
    grid, model = comparison.model.grid, comparison.model
    weights = grid.weights(comparison.values)
    span = slice(int(grid.offsets[term]), int(grid.offsets[term + 1]))
    return model.counts[model.terms[term]], weights[:, span].sum(axis=0)


@dataclass(frozen=True)
class _Level:
    """The change of a signal's mean, in standard deviations, and the effective numbers of rows that it rests on."""

    term: int
    shift: float
    n: float
    m: float


def _levels(comparison: _Comparison) -> Iterator[DriftTest]:
    """Compare the mean of each signal, by itself and given those of the others."""
    model, (before, now) = comparison.model, comparison.design_effects("ratings")
    levels = []
    for term, name in enumerate(model.signals):
        a, b = (part[: model.grid.n_knots[term]] for part in _counts(comparison, term))
        rows = {"n": float(a.sum()), "m": float(b.sum())}
        if min(rows.values()) < LEAST_EXPECTED:
            continue
        n, m = rows["n"] / before, rows["m"] / now
        knots = np.arange(len(a), dtype=float)
        means = [float((part * knots).sum() / part.sum()) for part in (a, b)]
        sd = math.sqrt(max(float((a * (knots - means[0]) ** 2).sum() / a.sum()), 1e-12))
        shift, half = (means[1] - means[0]) / sd, QUANTILE * math.sqrt(1 / n + 1 / m)
        auc, error = mann_whitney(a / before, b / now)
        p = float(2 * norm.sf(abs(auc - 0.5) / error)) if error else 1.0
        first, second = (float(np.interp(mean, knots, model.grid.knots(term))) for mean in means)
        levels.append(_Level(term, shift, n, m))
        ends = {"low": shift - half, "high": shift + half}
        yield DriftTest("level", name, "shift", shift, **ends, reference=first, current=second, **rows, p=p)
    if model.factor_model is not None and len(levels) > 1:
        yield from _given_others(model, levels)


def _given_others(model: OfferModel, levels: Sequence[_Level]) -> Iterator[DriftTest]:
    """Compare the mean of each signal with what the means of the others lead to expect.

    Halo raises and lowers all ratings together, from one sample to the next. The difference to the expected mean varies
    far less, so a few signals that have changed stand out.
    """
    places = [level.term for level in levels]
    assert model.factor_model is not None
    correlation = model.factor_model.loadings[places] @ model.factor_model.loadings[places].T
    correlation[np.diag_indices(len(places))] = np.maximum(1.0, np.diag(correlation) + LEAST_UNIQUE)
    z = np.array([level.shift / math.sqrt(1 / level.n + 1 / level.m) for level in levels])
    precision = np.linalg.inv(correlation)
    conditional = (precision @ z) / np.sqrt(np.diag(precision))
    for level, value in zip(levels, conditional.tolist(), strict=True):
        p = float(2 * norm.sf(abs(value)))
        name = model.signals[level.term]
        yield DriftTest("level given others", name, "z", value, n=float(model.counts[name].sum()), m=level.m, p=p)


def psi_test(kind: str, name: str, a: Floats, b: Floats, before: float, now: float) -> Iterator[DriftTest]:
    """Compare counts by cell; yield no test if there are too few.

    Parameters
    ----------
    kind, name
        Kind of the test, and name of the signal or input.
    a, b
        Counts of the training rows, and of current ones.
    before, now
        Design effect of each.
    """
    n, m = float(a.sum()), float(b.sum())
    if n < LEAST_EXPECTED or m < LEAST_EXPECTED:
        return
    training, current = merged(a, b)
    if len(training) < 2:
        return
    scale = before / n + now / m
    value = psi(training, current)
    statistic = float(chi2_contingency([training * (1 / before), current * (1 / now)], correction=False)[0])
    # Both have the same chi-square distribution; the smaller is more accurate far out in the tail, where tests are
    # judged after correction.
    p = float(chi2.sf(min(value / scale, statistic), len(training) - 1))
    yield DriftTest(kind, name, "psi", value, n=n, m=m, p=p)


def _shapes(comparison: _Comparison) -> Iterator[DriftTest]:
    """Compare how the ratings of each signal spread over its scale, "not applicable" among them."""
    for j, name in enumerate(comparison.model.signals):
        a, b = (part[:-1] for part in _counts(comparison, j))
        yield from psi_test("shape", name, a, b, *comparison.design_effects("ratings"))


def _missing(comparison: _Comparison) -> Iterator[DriftTest]:
    """Compare how often each signal was not rated."""
    for j, name in enumerate(comparison.model.signals):
        a, b = _counts(comparison, j)
        yield from _share("missing", name, float(a[-1]), float(a.sum()), float(b[-1]), float(b.sum()), comparison)


def _share(
    kind: str, name: str, a: float, n: float, b: float, m: float, comparison: _Comparison
) -> Iterator[DriftTest]:
    """Compare a share by Fisher's exact test, on counts divided by their design effect."""
    if not n or not m or a + b == 0 or a + b == n + m:
        return
    before, now = comparison.design_effects("missing")
    table = np.rint([[a / before, (n - a) / before], [b / now, (m - b) / now]]).astype(int)
    low, high = wilson(b / now, m / now)
    p = float(fisher_exact(table)[1])
    shares = {"reference": a / n, "current": b / m}
    yield DriftTest(kind, name, "share", b / m - a / n, low=low, high=high, **shares, n=n, m=m, p=p)


def _rated(comparison: _Comparison) -> Iterator[DriftTest]:
    """Compare how many signals were rated."""
    if comparison.reference is None:
        return
    p = len(comparison.model.signals)
    now = np.bincount((~np.isnan(comparison.values[:, :p])).sum(axis=1), minlength=p + 1).astype(float)
    effects = comparison.design_effects("rated")
    yield from _ordered("rated", comparison.reference.rated, now, np.arange(p + 1.0), *effects)


def _ordered(kind: str, a: Floats, b: Floats, knots: Floats, before: float, now: float) -> Iterator[DriftTest]:
    auc, error = mann_whitney(a / before, b / now)
    p = float(2 * norm.sf(abs(auc - 0.5) / error)) if error else 1.0
    half = QUANTILE * error
    first, second = (float((part * knots).sum() / part.sum()) for part in (a, b))
    ends, rows = {"low": auc - half, "high": auc + half}, {"n": float(a.sum()), "m": float(b.sum())}
    yield DriftTest(kind, "", "auc", auc, **ends, reference=first, current=second, **rows, p=p)


def _inputs(comparison: _Comparison) -> Iterator[DriftTest]:
    """Compare who rated, and other inputs; not given is a level of its own."""
    for place, item in enumerate(comparison.model.catalogue.inputs, len(comparison.model.signals)):
        a, b = _counts(comparison, place)
        yield from psi_test("input", item.name, a, b, *comparison.design_effects("inputs"))


def _likelihoods(comparison: _Comparison) -> Iterator[DriftTest]:
    """Compare the likelihoods now with the out-of-fold likelihoods of the training rows."""
    reference, model = comparison.reference, comparison.model
    if reference is None or not len(reference.edges):
        return
    p = probability(model.log_odds(comparison.values))
    now = np.bincount(np.searchsorted(reference.edges, p, side="right"), minlength=len(reference.likelihood))
    middles = np.convolve([0.0, *reference.edges, 1.0], [0.5, 0.5], "valid")
    effects = comparison.design_effects("likelihood")
    yield from _ordered("likelihood", reference.likelihood, now.astype(float), middles, *effects)
