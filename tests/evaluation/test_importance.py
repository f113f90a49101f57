"""Importances: planted signals are found, irrelevant ones are near zero, and halo is reported."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from predictor import OfferClassifier, OfferModel, Ratings, TrainingConfig, TrainingResult, simulate_interviews, train
from predictor.evaluation.importance import FoldImportance, correlated_signals, importances, measure
from predictor.evaluation.scores import GroupBootstrap
from predictor.model.subsets import signal_groups
from predictor.reports.terminal import render_training

QUICK = TrainingConfig(repeats=2, resamples=100, baselines=())
STRONG, WEAK = "next_steps_timeline", "candidate_enthusiasm"


@pytest.fixture(scope="module")
def planted_ratings() -> Ratings:
    """Random ratings, and outcomes that follow one signal strongly and another weakly."""
    ratings = simulate_interviews(900, seed=1)
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, ratings.values.shape).astype(float)
    strong, weak = (values[:, ratings.catalogue.names.index(name)] - 3 for name in (STRONG, WEAK))
    p = 1 / (1 + np.exp(-(1.2 * strong + 0.5 * weak - 0.5)))
    return replace(ratings, values=values, y=(rng.random(len(p)) < p).astype(float))


@pytest.fixture(scope="module")
def planted_training(planted_ratings: Ratings) -> TrainingResult:
    return train(planted_ratings, QUICK, curve=False)


def test_planted_signals_are_important_and_others_are_not(planted_training: TrainingResult) -> None:
    assert list(planted_training.importances)[:2] == [STRONG, WEAK]
    for name in (STRONG, WEAK):
        assert planted_training.importances[name].permutation.low > 0
        assert planted_training.importances[name].top == 1
    others = [item for name, item in planted_training.importances.items() if name not in (STRONG, WEAK)]
    assert all(abs(item.permutation.value) < 0.01 for item in others)
    assert np.mean([item.permutation.low <= 0 <= item.permutation.high for item in others]) > 0.8
    tops = [item.top for item in planted_training.importances.values()]
    assert sum(top for top in tops if top is not None) == pytest.approx(5)


def test_contributions_equal_those_of_the_model(planted_training: TrainingResult) -> None:
    model = planted_training.model
    assert {name: item.contribution.value for name, item in planted_training.importances.items()} == pytest.approx(
        model.feature_importances
    )
    for item in planted_training.importances.values():
        assert 0 <= item.contribution.low <= item.contribution.value <= item.contribution.high


def test_families_and_sides_sum_the_contributions_of_their_signals(
    planted_training: TrainingResult, planted_ratings: Ratings
) -> None:
    added = planted_training.model.contributions(planted_ratings.features.to_numpy())
    kinds = signal_groups(planted_ratings.catalogue)
    for kind, printed in (
        ("family", planted_training.importances_by_family),
        ("side", planted_training.importances_by_side),
    ):
        assert set(printed) == set(kinds[kind])
        for name, columns in kinds[kind].items():
            assert printed[name].contribution.value == pytest.approx(np.abs(added[:, columns].sum(axis=1)).mean())
    assert next(iter(planted_training.importances_by_family)) == "follow_up"
    signals = len(planted_ratings.catalogue.names)
    assert sorted(chain(*kinds["family"].values())) == list(range(signals + 1))
    assert sorted(chain(*kinds["side"].values())) == list(range(signals))


def test_signals_of_a_family_are_permuted_together() -> None:
    """Two columns are copies: shuffling either costs little, shuffling both costs everything."""
    known = simulate_interviews(600, seed=1).labelled()
    values = np.random.default_rng(0).integers(1, 6, known.values.shape).astype(float)
    j, k = (known.catalogue.names.index(name) for name in ("next_steps_timeline", "next_steps_stages"))
    values[:, k] = values[:, j]
    y = (values[:, j] > 3).astype(float)
    known = replace(known, values=values, y=y)
    model = OfferClassifier(known.catalogue).fit(known.features, y).model_
    X = known.features.to_numpy()
    lost = measure(model, X, y, repeats=1, seed=(0,)).lost.mean(axis=0)
    names = [name for members in signal_groups(known.catalogue).values() for name in members]
    apart = lost[names.index("next_steps_timeline")] + lost[names.index("next_steps_stages")]
    assert lost[names.index("follow_up")] > 1.2 * apart > 0


def test_signals_with_nearly_equal_ratings_are_named(planted_ratings: Ratings) -> None:
    names, labels = planted_ratings.catalogue.names, [signal.label for signal in planted_ratings.catalogue.signals]
    j, k = names.index(STRONG), names.index("mutual_respect")
    values = planted_ratings.values.copy()
    rng = np.random.default_rng(0)
    values[:, k] = np.where(rng.random(len(values)) < 0.1, values[:, k], values[:, j])
    values[rng.random(len(values)) < 0.2, k] = np.nan
    copied = replace(planted_ratings, values=values)
    both = (~np.isnan(values[:, [j, k]]).any(axis=1)).sum()
    (printed,) = correlated_signals(copied)
    assert printed.startswith(f"{labels[min(j, k)]} and {labels[max(j, k)]} are rated almost alike (r = 0.9")
    assert f"n = {both:,}" in printed
    assert correlated_signals(planted_ratings) == ()
    few = copied.rows(np.arange(250))
    found = train(few, replace(QUICK, folds=2, repeats=1, resamples=20), curve=False)
    assert found.halo == correlated_signals(few)
    assert len(found.halo) == 1
    assert "read their importances together" in " ".join(render_training(found).split())
    values[:] = values[:, [j]]
    assert len(correlated_signals(replace(planted_ratings, values=values))) == 6  # five pairs and how many more


def test_importance_intervals_account_for_groups(model: OfferModel, interviews: Ratings) -> None:
    """Every row appears four times under one candidate: four times the rows, but no more information."""
    count = sum(map(len, signal_groups(model.catalogue).values()))
    lost = np.repeat(np.random.default_rng(0).normal(size=(100, count)), 4, axis=0)
    folds = [
        (0, np.arange(400), FoldImportance(np.zeros(count), lost)),
        (0, np.arange(0), FoldImportance(np.ones(count), lost[:0])),
    ]
    widths = []
    for groups in (np.repeat(np.arange(100), 4), np.arange(400)):
        items = importances(model, 400, folds, GroupBootstrap(groups, 300, 0))["signal"].values()
        widths.append(np.mean([item.permutation.high - item.permutation.low for item in items]))
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.05)
