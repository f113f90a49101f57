"""A row of weight 2 counts as two rows and one of weight 0 as none, in every part of the fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from predictor import Catalogue, OfferClassifier, OfferModel, Ratings, simulate_interviews
from predictor.learning.published import published_prior
from predictor.model.tables import quantile, uneven_knots
from predictor.ratings.signals import Signal


def _rows(ratings: Ratings) -> tuple[np.ndarray, np.ndarray]:
    return ratings.features.to_numpy(), ratings.y


def _numbers(model: OfferModel) -> Mapping[str, Any]:
    """Return all numbers that a fit puts into a model, by name, except the count of rows."""
    factors = model.factor_model
    assert factors is not None
    about = [factors.mean, factors.sd, factors.loadings, factors.unique, *factors.shares]
    return {
        "base rate": model.base_rate,
        "intercept": model.intercept,
        "tables": np.concatenate([model.tables[name] for name in model.terms]),
        "pairs": np.concatenate([[0.0], *(pair.log_odds.ravel() for pair in model.pairs)]),
        "factor model": np.concatenate([part.ravel() for part in about]),
        "gaps": [model.gaps.slope, model.gaps.mean],
        "variances": np.concatenate([model.variances[name] for name in model.terms]),
        "counts": np.concatenate([model.counts[name] for name in model.terms]),
        "importances": [model.feature_importances[name] for name in model.terms],
        "pattern": [*model.typical_range.mean, *model.typical_range.spread],
    }


# each leaves another part of the fit in: families, columns freed from the tree, a prior, scales that are learned
CASES = ("shipped", "no directions", "with a prior", "without a catalogue")


@pytest.mark.parametrize("case", CASES)
def test_weights_equal_repeated_rows(case: str) -> None:
    """To the last digits for the regression alone: nothing is random, and copies of a row are never in two folds."""
    X, y = _rows(simulate_interviews(60, seed=3).labelled())
    X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    shipped = Catalogue.shipped()
    catalogue: Catalogue | None = shipped
    if case == "no directions":
        catalogue = replace(shipped, signals=tuple(replace(s, better="either") for s in shipped.signals))
    if case == "without a catalogue":
        catalogue, X = None, np.round(np.exp(X[:, :8]), 2)
    weights = np.random.default_rng(2).integers(0, 3, size=len(y)).astype(float)
    offers = np.flatnonzero((y == 1) & (weights > 0))
    weights[offers[20:]] = 0  # fewer offers than are dealt to folds, even with copies
    assert weights @ y < 30
    classifier = OfferClassifier(catalogue, prior=published_prior() if case == "with a prior" else None)
    repeated = weights.astype(int)
    by_rows = classifier.fit(X.repeat(repeated, axis=0), y.repeat(repeated)).model_
    by_weights = classifier.fit(X, y, sample_weight=weights).model_
    assert by_weights.trained_on["n"] == (weights > 0).sum()
    assert by_weights.catalogue == by_rows.catalogue
    expected = _numbers(by_rows)
    for name, value in _numbers(by_weights).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-6, atol=2e-5, err_msg=name)


def _interacting() -> tuple[np.ndarray, np.ndarray, Catalogue]:
    rng = np.random.default_rng(5)
    X = rng.integers(1, 6, size=(300, 3)).astype(float)
    y = ((X[:, 0] > 3) ^ (X[:, 1] > 3)) ^ (rng.random(300) < 0.1)
    signals = tuple(Signal(name, name.title(), "all", better="either") for name in ("one", "two", "three"))
    return X, y.astype(int), Catalogue("abc", "ABC", signals, {"all": "All"})


def test_boosters_and_their_share_use_weights() -> None:
    """Copies of a row stay in one fold. A leaf needs five rows whatever their weight, so agreement is approximate."""
    X, y, catalogue = _interacting()
    weights, rows = np.random.default_rng(6).integers(0, 4, size=len(y)), np.arange(len(y))
    copies = rows.repeat(weights)
    by_weights = OfferClassifier(catalogue).fit(X, y, sample_weight=weights)
    by_rows = OfferClassifier(catalogue).fit(X[copies], y[copies], groups=copies)
    unweighted = OfferClassifier(catalogue).fit(X, y)
    assert by_weights.pool_.boosters
    assert by_weights.pool_.member_weights == pytest.approx(by_rows.pool_.member_weights, abs=0.1)
    answer = by_rows.predict_proba(X)
    assert np.abs(by_weights.predict_proba(X) - answer).mean() < 0.015
    assert np.abs(unweighted.predict_proba(X) - answer).mean() > 0.02, "weights should matter here"


def test_weight_zero_drops_a_row_and_weight_one_changes_nothing() -> None:
    X, y, catalogue = _interacting()
    gone = np.vstack([X, X[:100]]), np.concatenate([y, 1 - y[:100]])
    weights = np.concatenate([np.ones(300), np.zeros(100)])
    groups = np.arange(400) // 2
    kept = OfferClassifier(catalogue).fit(X, y, groups=groups[:300]).model_
    without = OfferClassifier(catalogue).fit(*gone, groups=groups, sample_weight=weights).model_
    assert without.fingerprint == kept.fingerprint
    with pytest.raises(ValueError, match=r"non-zero|is zero"):
        OfferClassifier(catalogue).fit(X, y, sample_weight=np.zeros(300))
    with pytest.raises(ValueError, match="one class"):
        OfferClassifier(catalogue).fit(X, y, sample_weight=y)


def test_weighted_quantiles_and_knots_equal_those_of_repeated_values() -> None:
    rng = np.random.default_rng(0)
    values, weights = rng.lognormal(size=80), rng.integers(1, 4, size=80)
    repeated, shares = values.repeat(weights), np.linspace(0, 1, 23)
    np.testing.assert_allclose(quantile(values, shares, weights.astype(float)), np.quantile(repeated, shares))
    ends = values.min(), values.max()
    assert uneven_knots(values, *ends, weights=weights.astype(float)) == pytest.approx(uneven_knots(repeated, *ends))


def test_weights_far_above_any_prior_are_refused() -> None:
    X, y = np.tile([[1.0], [5.0]], (5, 1)), np.tile([0, 1], 5)
    with pytest.raises(ValueError, match=r"sample weights sum to 1e[+]301; a weight counts rows"):
        OfferClassifier().fit(X, y, sample_weight=np.full(10, 1e300))
