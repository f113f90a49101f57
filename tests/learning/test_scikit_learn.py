"""The estimator with scikit-learn's tools: display, inspection, saving and reweighting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import demographic_parity_difference
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.base import clone
from sklearn.feature_selection import SelectFromModel

from predictor import OfferClassifier, Ratings
from predictor.learning.published import published_prior


def test_the_same_random_state_gives_the_same_model() -> None:
    rng = np.random.default_rng(5)
    X = rng.integers(1, 6, size=(200, 3)).astype(float)
    y = (((X[:, 0] > 3) ^ (X[:, 1] > 3)) ^ (rng.random(200) < 0.1)).astype(int)

    def fingerprint(random_state: Any) -> str:
        return OfferClassifier(random_state=random_state).fit(X, y).model_.fingerprint

    assert fingerprint(0) == fingerprint(np.int64(0))
    state = np.random.RandomState(3)
    assert fingerprint(state) == fingerprint(np.random.RandomState(3)) != fingerprint(state), "a state moves on"
    assert fingerprint(None)


def test_feature_importances_follow_the_order_of_the_columns(interviews: Ratings) -> None:
    known = interviews.labelled()
    for X in (known.features, known.X):  # with inputs, and without
        classifier = OfferClassifier(known.catalogue)
        assert not hasattr(classifier, "feature_importances_")
        classifier.fit(X, known.y)
        expected = [classifier.model_.feature_importances[name] for name in X.columns]
        assert classifier.feature_importances_.tolist() == expected
        chosen = SelectFromModel(classifier, prefit=True, max_features=3, threshold=-np.inf).get_support()
        assert set(X.columns[chosen]) == set(
            sorted(X.columns, key=classifier.model_.feature_importances.__getitem__)[-3:]
        )


def test_the_estimator_has_a_one_line_representation(interviews: Ratings) -> None:
    catalogue = interviews.catalogue
    assert repr(OfferClassifier()) == "OfferClassifier()"
    p = len(catalogue.signals)
    said = f"OfferClassifier(catalogue=<Catalogue 'interviews': {p} signals, inputs rater_role>)"
    assert repr(OfferClassifier(catalogue)) == said.replace("'interviews'", repr(catalogue.name))
    assert len(repr(OfferClassifier(catalogue, prior=published_prior(), random_state=1))) < 250


def test_skops_saves_and_loads_a_fitted_estimator(interviews: Ratings) -> None:
    import skops.io  # here, since it imports all of scikit-learn, for seconds of each worker

    known = interviews.labelled()
    for classifier in (OfferClassifier(known.catalogue, prior=published_prior()), OfferClassifier()):
        classifier.fit(known.features, known.y)
        kept = skops.io.dumps(classifier)
        untrusted = skops.io.get_untrusted_types(data=kept)
        assert untrusted == ["predictor.learning.classifier.OfferClassifier"]
        again = skops.io.loads(kept, trusted=untrusted)
        np.testing.assert_array_equal(again.predict_proba(known.features), classifier.predict_proba(known.features))
        assert again.model_.fingerprint == classifier.model_.fingerprint
        assert again.classes_.tolist() == classifier.classes_.tolist()
        assert clone(again).fit(known.features, known.y).model_.fingerprint == classifier.model_.fingerprint


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_fairlearn_reductions_can_reweight_the_estimator() -> None:
    """Its reductions fit by `sample_weight`; the groups of the rows are passed beside X, never in it."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, size=200)
    X = pd.DataFrame({f"signal_{j}": np.clip(rng.integers(1, 6, 200) + 2 * group * (j == 0), 1, 5) for j in range(3)})
    y = (X.sum(axis=1) + rng.normal(size=200) > 10).astype(int)
    plain = OfferClassifier().fit(X, y).predict(X)
    fair = ExponentiatedGradient(OfferClassifier(), DemographicParity(), max_iter=4)
    fair.fit(X, y, sensitive_features=group)
    before, after = (
        demographic_parity_difference(y, answer, sensitive_features=group)
        for answer in (plain, fair.predict(X, random_state=0))
    )
    assert after < before / 2
    answer = fair._pmf_predict(X)[:, 1]
    assert np.where(y, answer, 1 - answer).mean() > 0.79, "with the weights ignored: .76"
