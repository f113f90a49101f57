"""The result of a training: the model, its out-of-fold scores, and the cost of its constraints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import ConfigError
from predictor.evaluation.data_quality import DataQuality
from predictor.evaluation.importance import Importance
from predictor.evaluation.scores import CalibrationBin, Score
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.panels.leniency_input import LeniencyTrial
from predictor.ratings.catalogue import Catalogue
from predictor.training.config import TrainingConfig
from predictor.training.learning_curve import LearningCurve


@dataclass(frozen=True)
class Transparency:
    """The cost of interpretability: what the model loses by being tables.

    Attributes
    ----------
    baseline
        The best of the baselines that need not be tables, by log-loss in the same folds. That it was chosen after
        the fact favours it a little.
    cost
        Log-loss of the model minus that of the baseline, on the same rows and folds; below 0 the model is better.

    Examples
    --------
    >>> print(Transparency("forest", Score(0.02, 0.01, 0.03, 500)))
    Cost of interpretability: 0.020 (0.010 to 0.030) of log-loss against the best non-additive baseline, forest.
    """

    baseline: str
    cost: Score

    def __str__(self) -> str:
        best = f"the best non-additive baseline, {self.baseline}"
        if self.cost.low > 0:
            return f"Cost of interpretability: {self.cost} of log-loss against {best}."
        if self.cost.high < 0:
            return f"Cost of interpretability: none; log-loss is lower by {minus(self.cost)} than that of {best}."
        return f"Cost of interpretability: none detectable against {best}; difference of log-loss {self.cost}."


@dataclass(frozen=True)
class DirectionCost:
    """The cost of the monotonicity constraint: a better rating never lowers the likelihood.

    Attributes
    ----------
    cost
        Log-loss of the model minus that of the same model without directions, on the same rows and folds of the first
        repeat; below 0 the directions help.

    Examples
    --------
    >>> print(DirectionCost(Score(0.002, -0.001, 0.005, 500)))
    Cost of the monotonicity constraint: none detectable (interval spans 0): 0.002 (-0.001 to 0.005) of log-loss, n = 500.
    """  # noqa: E501 - as it is printed

    cost: Score

    def __str__(self) -> str:
        cost, n = self.cost, f"n = {self.cost.n:,}"
        if cost.low > 0:
            return f"Cost of the monotonicity constraint: {cost} of log-loss, {n}."
        if cost.high < 0:
            return f"Cost of the monotonicity constraint: none; log-loss is lower with it by {minus(cost)}, {n}."
        return f"Cost of the monotonicity constraint: none detectable (interval spans 0): {cost} of log-loss, {n}."


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingResult:
    """A trained model with the scores that it reached on rows that it had not seen.

    Attributes
    ----------
    name
        Name of the model.
    tables
        The model, fitted on every row whose outcome is known; None where the experiment trained a baseline.
    config
        How it was trained.
    catalogue
        Signals and inputs that it was trained on.
    scores
        By metric; see `predictor.evaluation.scores.METRICS`. Empty, like all that is measured, where a prior lets a
        model be trained on rows too few to measure it.
    scores_by_role
        The same by who rated, if the catalogue has such an input.
    baselines
        Scores of each baseline in the same folds: "base_rate" (always the share of offers), "mean_rating" (a
        logistic regression on the plain mean of the ratings), "logistic", "boosting" and "forest".
    gains
        Log-loss improvement over each baseline, on the same rows and folds.
    transparency
        What it costs to be tables; None without a non-additive baseline.
    direction_cost
        What it costs that a better rating never hurts; None where the catalogue gives no signal a direction.
    partial_scores
        Scores where only part of the signals were rated, in the first repeat: by part ("all", "side:candidate",
        "family:clarity", "random:3"), then by metric; see `predictor.model.subsets.subsets`.
    calibration
        Predicted against observed shares.
    importances, importances_by_family, importances_by_side
        Feature importances, the largest first: of signals and inputs, and of groups of them taken together.
    halo
        Which signals are rated so much alike that their effects cannot be separated, in plain statements.
    y
        Outcomes of the training rows, shape (n,).
    roles
        Who rated them, shape (n,), "" where unknown; None where the catalogue has no such input.
    folds
        Number of the fold, from 0 in each repeat, in which a row was not seen, shape (repeats, n).
    out_of_fold
        Probability of an offer by models that had not seen the row, shape (repeats, n): by name, the model itself
        under `config.model`. Slow baselines take part in the first two repeats only.
    keys
        Of rows and of their groups, to know them again in another file; see `predictor.training.comparison.keys`.
    keys_as_trained
        Of rows without the signals that were left out; None where none was.
    learning_curve
        Whether more interviews would help; None where they are too few to say, or it was not asked for.
    data
        Source, digest, counts and base rate of the training rows.
    quality
        Missing, repeated and flat rows, and ratings at the ends of the scale.
    warnings
        What a careful colleague would point out.
    seconds
        How long it took.
    panel_term
        Whether the model gained by knowing how high its panels usually rate; None where rows have no panel.
    """

    name: str
    tables: OfferModel | None
    config: TrainingConfig
    catalogue: Catalogue
    scores: Mapping[str, Score] = field(default_factory=dict)
    scores_by_role: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    gains: Mapping[str, Score] = field(default_factory=dict)
    transparency: Transparency | None = None
    direction_cost: DirectionCost | None = None
    partial_scores: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    calibration: tuple[CalibrationBin, ...] = ()
    importances: Mapping[str, Importance] = field(default_factory=dict)
    importances_by_family: Mapping[str, Importance] = field(default_factory=dict)
    importances_by_side: Mapping[str, Importance] = field(default_factory=dict)
    halo: tuple[str, ...]
    y: Floats
    roles: NDArray[Any] | None
    folds: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))
    out_of_fold: Mapping[str, Floats] = field(default_factory=dict)
    keys: tuple[NDArray[Any], NDArray[Any]]
    keys_as_trained: NDArray[Any] | None
    learning_curve: LearningCurve | None = None
    data: Mapping[str, Any]
    quality: DataQuality
    warnings: tuple[str, ...]
    seconds: float
    panel_term: LeniencyTrial | None = None

    def __repr__(self) -> str:
        loss = f": log-loss {self.scores['log_loss']}" if self.scores else ""
        return f"<TrainingResult {self.name!r} of {self.data['n']:,} interviews{loss}>"

    def _repr_html_(self) -> str:
        from predictor.training.notebook import result_html

        return result_html(self)

    @property
    def model(self) -> OfferModel:
        """The model of tables.

        Raises
        ------
        ConfigError
            If the experiment trained a baseline, which has none.
        """
        if self.tables is None:
            raise ConfigError(f"'{self.name}' was trained as {self.config.model}, which has no tables; train the pool")
        return self.tables


def minus(score: Score) -> Score:
    return Score(-score.value, -score.high, -score.low, score.n)
