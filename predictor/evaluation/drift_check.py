"""The results of a check for drift as one value: all tests, and the outcomes known by now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from predictor.errors import ConfigError, plural
from predictor.evaluation.audited import plain
from predictor.evaluation.drift import LEAST_ROWS, OF_RATINGS, DriftTest, corrected, drift_tests
from predictor.evaluation.late_outcomes import LateOutcomes, late_outcomes
from predictor.evaluation.rates import mean_cluster_size
from predictor.model.offer_model import OfferModel
from predictor.model.raters import levels_of
from predictor.ratings.ratings import Ratings


@dataclass(frozen=True, eq=False)
class DriftCheck:
    """Whether current rows differ from the training rows of a model.

    Attributes
    ----------
    model
        The model.
    source, digest, n, people
        Of the current rows.
    simulated
        Whether the current rows, or the training rows, are simulated.
    made
        When, UTC, ISO 8601.
    tests
        Every test; adjusted p-values account for all of them.
    outcomes
        How likelihoods and outcomes agree, if outcomes are known.
    not_tested
        What could not be tested, and why.
    """

    model: OfferModel
    source: str
    digest: str
    n: int
    people: int
    simulated: bool
    made: str
    tests: Sequence[DriftTest]
    outcomes: LateOutcomes
    not_tested: Sequence[str]

    @property
    def significant(self) -> list[DriftTest]:
        """The significant changes, the clearest first."""
        return sorted((test for test in self.tests if test.significant), key=lambda test: test.p)

    @property
    def findings(self) -> list[DriftTest]:
        """The significant tests, the clearest first; of those of one signal's ratings only the easiest to explain."""
        plainest: dict[tuple[str, str], DriftTest] = {}
        for test in self.significant:
            what = ("ratings" if test.kind in OF_RATINGS else test.kind), test.name
            if what not in plainest or OF_RATINGS.index(test.kind) < OF_RATINGS.index(plainest[what].kind):
                plainest[what] = test
        return list(plainest.values())

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON: "looks" are the tests, "moved" the significant ones."""
        return {
            "made": self.made,
            "model": {"name": self.model.name, "fingerprint": self.model.fingerprint},
            "source": self.source,
            "digest": self.digest,
            "n": self.n,
            "people": self.people,
            "simulated": self.simulated,
            "moved": [plain(test) for test in self.significant],
            "looks": [plain(test) for test in self.tests],
            "outcomes": plain(self.outcomes),
            "not_looked_at": list(self.not_tested),
        }


def check_drift(model: OfferModel, ratings: Ratings) -> DriftCheck:
    """Compare current rows with the training rows of a model, and its likelihoods with outcomes known by now.

    Parameters
    ----------
    model
        The model.
    ratings
        Current rows, by its catalogue; rows without an outcome are still open.

    Raises
    ------
    ConfigError
        If there are fewer than 20 rows, or the model has no training rows.

    Examples
    --------
    >>> from predictor import OfferClassifier, simulate_interviews
    >>> known = simulate_interviews(200, seed=1).labelled()
    >>> model = OfferClassifier(known.catalogue).fit(known.features, known.y).model_
    >>> len(check_drift(model, simulate_interviews(60, seed=2)).significant)
    0
    """
    if len(ratings) < LEAST_ROWS:
        raise ConfigError(
            f"{ratings.source}: {plural(len(ratings), 'row')}; drift needs at least {LEAST_ROWS} rows; wait, or "
            "use a longer period"
        )
    if not any(counts.sum() for counts in model.counts.values()):
        raise ConfigError(f"{model.name} has no training rows to compare with; name another: --model NAME")
    people = np.arange(len(ratings)) if ratings.groups is None else ratings.groups
    p = model.predict_many(ratings, interval=False)["offer_probability"].to_numpy()
    effect = model.reference.design_effect("likelihood", mean_cluster_size(people)) if model.reference else 1.0
    outcomes = late_outcomes(ratings.y, p, effect)
    tests = drift_tests(model, ratings)
    not_tested = list(_not_tested(model, ratings, outcomes, tests))
    if outcomes.may_alarm and outcomes.p is not None:
        tests.append(DriftTest("calibration", "", "z", math.nan, m=float(outcomes.n), p=outcomes.p))
    return DriftCheck(
        model=model,
        source=ratings.source,
        digest=ratings.digest,
        n=len(ratings),
        people=len(np.unique(people)),
        simulated=ratings.simulated or model.simulated,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        tests=corrected(tests),
        outcomes=outcomes,
        not_tested=not_tested,
    )


def _not_tested(
    model: OfferModel, ratings: Ratings, outcomes: LateOutcomes, tests: Sequence[DriftTest]
) -> Iterator[str]:
    if outcomes.open and not outcomes.may_alarm:
        total = outcomes.n + outcomes.open
        yield (
            f"Calibration was not judged: {outcomes.open:,} of {total:,} outcomes are open, and those that come early "
            "need not be like those that come late."
        )
    elif outcomes.p is None:
        yield "Calibration was not tested: there are no outcomes."
    if model.reference is None:
        yield (
            "Likelihoods, and how much was rated, were not compared: this model's file is older and has no counts of "
            "them; train it again."
        )
    elif not len(model.reference.edges):
        yield "Likelihoods were not compared: the training was too small to predict rows that it had not seen."
    panels = [level for level in levels_of(model.raters, ratings) if level]
    if new := sum(level.n_unknown == level.raters for level in panels):
        yield f"How high {new:,} of {len(panels):,} panels rate is not known: the model has none of their raters."
    compared = {test.name for test in tests if test.kind == "level"}
    if thin := [name for name in model.signals if name not in compared]:
        yield (
            "Only the share of missing ratings was compared, as fewer than five rows rate them, now or in training: "
            f"{', '.join(thin)}."
        )
