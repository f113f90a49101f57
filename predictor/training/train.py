"""Train a model: cross-validate it, then fit it on all rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from sklearn.base import clone

from predictor.errors import ConfigError
from predictor.evaluation.baselines import NON_ADDITIVE, baseline
from predictor.evaluation.data_quality import FEW_OF_EACH, data_quality, find_warnings, revealing_signals
from predictor.evaluation.drift import reference_of
from predictor.evaluation.importance import FoldImportance, correlated_signals, importances, measure
from predictor.evaluation.partial_scores import partial_scores, predict_subsets
from predictor.evaluation.scores import GroupBootstrap, Score, calibration, gain, scores
from predictor.learning.autologging import shielded
from predictor.learning.classifier import OfferClassifier
from predictor.learning.prior import Prior
from predictor.learning.published import published_prior
from predictor.model.offer_model import OfferModel
from predictor.model.raters import LENIENCY
from predictor.model.tables import Floats
from predictor.panels.cards import Cards, cards_of
from predictor.panels.leniency_input import LeniencyTrial, PanelInput
from predictor.ratings.catalogue import ROLE, Catalogue
from predictor.ratings.ratings import Ratings
from predictor.threads import one_thread
from predictor.training import POOL
from predictor.training.comparison import keys
from predictor.training.config import TrainingConfig
from predictor.training.folds import Fold, groups_of, split_into_folds
from predictor.training.learning_curve import learning_curve
from predictor.training.panel_trial import features_by_fold, try_panels
from predictor.training.result import DirectionCost, TrainingResult, Transparency, minus

DIGITS = 6  # of scores of parts of the signals in a model's file, far below their noise
# Repeats in which slow baselines take part. With two, the variance between folds is half of the row variance in the
# interval.
NON_ADDITIVE_REPEATS = 2

Progress = Callable[[Iterator[Any], int], Iterator[Any]]


@shielded()
def train(
    ratings: Ratings,
    config: TrainingConfig | None = None,
    *,
    name: str = "offer-model",
    progress: Progress | None = None,
    curve: bool = True,
    cards: Cards | None = None,
) -> TrainingResult:
    """Evaluate by repeated, stratified, group-aware cross-validation, then fit on every labelled row.

    Parameters
    ----------
    ratings
        Ratings with outcomes; rows whose outcome is unknown are left out.
    config
        Settings; None: the defaults.
    name
        Name of the model.
    progress
        Wraps the iteration over fits, given their number, to show progress.
    curve
        Whether to measure a learning curve, which takes a tenth of the time.
    cards
        Scorecards one by one, where there are any: for `panel_leniency`, which is tried where rows have a `panel`.

    Returns
    -------
    TrainingResult
        The model and its scores. The same ratings and config give the same model.

    Raises
    ------
    RatingsError
        If there are fewer than five offers or five non-offers, or too few groups, and there is no prior to start from.
    ConfigError
        If the prior does not fit the catalogue, or scorecards do not fit the rows.

    Examples
    --------
    >>> from predictor import simulate_interviews
    >>> result = train(simulate_interviews(300, seed=1), TrainingConfig(repeats=1, resamples=50))
    >>> result.scores["roc_auc"].value > 0.6
    True
    """
    if not isinstance(ratings, Ratings):
        raise ConfigError(f"train takes Ratings, not {type(ratings).__name__}; see read_ratings and Ratings.from_frame")
    started = time.perf_counter()
    config = config or TrainingConfig()
    if not isinstance(config, TrainingConfig):
        raise ConfigError(f"config is {type(config).__name__}; write TrainingConfig(folds=3), or leave it out")
    everything, ratings = ratings, ratings.without(config.leave_out).labelled()
    y, groups = ratings.y, groups_of(ratings)
    prior = _prior(ratings, config) if config.model == POOL else None
    folds = split_into_folds(ratings, groups, config, needed=prior is None)
    keys_as_trained = keys(ratings)[0] if config.leave_out else None
    panel_term, panels = _panels(ratings, cards, groups, folds, prior, config)
    ratings = panels.extended() if panels else ratings
    classifier = OfferClassifier(ratings.catalogue, prior=prior, random_state=config.seed)
    features = features_by_fold(panels, ratings.features)
    with one_thread():  # many small fits side by side: threads inside each would only get in the way
        catalogue = ratings.catalogue
        jobs = (delayed(_run)(fold, classifier, features(fold), y, groups, catalogue, config) for fold in folds)
        running = iter(Parallel(n_jobs=-1, prefer="threads", batch_size=1, return_as="generator")(jobs))
        runs = list(progress(running, len(folds)) if progress else running)
        tables = _fit(classifier, ratings, groups) if config.model == POOL else None
    tables = panels.attach(tables) if panels and tables else tables
    data = {
        "source": ratings.source,
        "digest": ratings.digest,
        "n": len(ratings),
        "n_outcome_unknown": len(everything) - len(ratings),
        "n_groups": len(np.unique(groups)),
        "base_rate": float(y.mean()) if len(y) else None,
        "simulated": ratings.simulated if len(y) else True,
        "catalogue": ratings.catalogue.name,
        **_period(ratings),
    }
    measured: dict[str, Any] = {}
    revealing = {}
    if runs:
        measured = _measure(runs, tables, ratings, groups, config)
        first = [fold for fold in folds if fold.repeat == 0]
        resampling = GroupBootstrap(groups, config.resamples, config.seed)
        if tables and curve:
            measured["learning_curve"] = learning_curve(
                ratings,
                groups,
                [(fold.train, fold.test, features(fold).to_numpy()) for fold in first],
                measured["out_of_fold"][POOL][0],
                resampling,
                prior=prior,
                boosted=classifier.pool_.boosters is not None,
                seed=config.seed,
            )
        revealing = revealing_signals(ratings, [(fold.train, fold.test) for fold in first], resampling)
    quality, roles = data_quality(ratings), _role_of_rows(ratings)
    scored, by_part = measured.get("scores", {}), measured.get("partial_scores", {})
    about = {**data, "scores": _figures(scored), "partial_scores": _plain(by_part)}
    if ratings.read_with:
        about["read_with"] = dict(ratings.read_with)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if panel_term:
        about["panels"] = panel_term.to_dict()
    if prior and tables:
        about["prior"] = tables.trained_on["prior"]
    if tables:
        unseen = measured["out_of_fold"][config.model][0] if measured else None
        reference = reference_of(ratings, unseen, groups) if len(ratings) else None
        tables = replace(tables, name=name, trained_on=about, versions=_versions(), created_at=now, reference=reference)
    return TrainingResult(
        name=name,
        tables=tables,
        config=config,
        catalogue=ratings.catalogue,
        **measured,
        halo=correlated_signals(ratings),
        y=y,
        roles=roles,
        keys=keys(everything.labelled()),
        keys_as_trained=keys_as_trained,
        data=data,
        quality=quality,
        panel_term=panel_term,
        warnings=tuple(
            find_warnings(
                ratings,
                about,
                quality,
                scores=scored,
                scores_by_role=measured.get("scores_by_role", {}),
                roles=roles,
                importances=measured.get("importances", {}),
                fits=len(runs),
                revealing=revealing,
            )
        ),
        seconds=time.perf_counter() - started,
    )


def _fit(classifier: OfferClassifier, ratings: Ratings, groups: NDArray[Any]) -> OfferModel:
    if classifier.prior and not len(ratings):
        return classifier.prior.model
    return classifier.fit(ratings.features, ratings.y, groups=groups).model_


def _prior(ratings: Ratings, config: TrainingConfig) -> Prior | None:
    """Return the model to start from, by what the config asks for."""
    few = min(ratings.y.sum(), len(ratings) - ratings.y.sum()) < FEW_OF_EACH
    if config.prior == "none" or (config.prior == "auto" and not few):
        return None
    prior = published_prior()
    if prior.is_compatible_with(ratings.catalogue):
        return prior
    if config.prior == "published":
        kind = "leave_out removes signals" if config.leave_out else "it is of other signals, scales or inputs"
        raise ConfigError(f'prior = "published" needs the whole shipped catalogue; {kind}: write prior = "none"')
    return None


def _panels(
    ratings: Ratings,
    cards: Cards | None,
    groups: NDArray[Any],
    folds: Sequence[Fold],
    prior: Prior | None,
    config: TrainingConfig,
) -> tuple[LeniencyTrial | None, PanelInput | None]:
    """Try how high panels usually rate as an input; give what came of it, and the input where it is kept."""
    if config.panels == "none" or config.model != POOL or LENIENCY in ratings.catalogue.columns:
        return None, None
    known = cards_of(ratings, cards)
    if known is None:
        return None, None
    panels = PanelInput(ratings, known)
    if prior or not folds:
        few = "with so few rows the model starts from published effects, which know no panels"
        return LeniencyTrial(False, None, None, few, panels.raters, len(known)), None
    both = [OfferClassifier(wide, random_state=config.seed) for wide in (ratings.catalogue, panels.catalogue)]
    term = try_panels(panels, folds, groups, *both, resamples=config.resamples, seed=config.seed)
    return term, panels if term.kept else None


def _measure(
    runs: Sequence[_Run], model: OfferModel | None, ratings: Ratings, groups: NDArray[Any], config: TrainingConfig
) -> dict[str, Any]:
    """Score the model and its baselines on the rows that each fold had not seen."""
    y, resampling = ratings.y, GroupBootstrap(groups, config.resamples, config.seed)
    out_of_fold = _out_of_fold(runs, len(y))
    first = [run for run in runs if run.fold.repeat == 0]
    predictions = {key: p for key, p in out_of_fold.items() if key != config.model}
    own = out_of_fold[config.model]
    tested = np.empty((len(own), len(y)), dtype=np.int64)
    for run in runs:
        tested[run.fold.repeat, run.fold.test] = run.fold.number % (len(runs) // len(own))
    gains = {key: gain(y, own[: len(other)], other, resampling) for key, other in predictions.items()}
    measured = [(run.fold.repeat, run.fold.test, run.importance) for run in runs if run.importance]
    by_kind = importances(model, len(y), measured, resampling) if model else {}
    roles = {role: rows for role, rows in _roles(ratings) if 0 < y[rows].sum() < rows.sum()}
    return {
        "scores": scores(y, own, resampling),
        "scores_by_role": {role: scores(y, own, resampling, rows) for role, rows in roles.items()},
        "baselines": {key: scores(y, other, resampling) for key, other in predictions.items()},
        "gains": gains,
        "transparency": _transparency(gains) if model else None,
        "direction_cost": _direction_cost(first, own[:1], y, resampling),
        "partial_scores": partial_scores(y, [(run.fold.test, run.parts) for run in first], resampling),
        "calibration": calibration(y, own.mean(axis=0)),
        "importances": by_kind.get("signal", {}),
        "importances_by_family": by_kind.get("family", {}),
        "importances_by_side": by_kind.get("side", {}),
        "folds": tested,
        "out_of_fold": out_of_fold,
    }


@dataclass(frozen=True, eq=False)
class _Run:
    """What came out of a fold.

    Attributes
    ----------
    fold
        Which it is.
    predictions
        For its test rows, shape (test rows,), of the model and of its baselines.
    importance
        The importances of its model; None for a baseline.
    parts
        Predictions from part of the signals, by part; in the first repeat only, as it takes time.
    undirected
        Predictions of the same model without directions; in the first repeat only; None where there are none.
    """

    fold: Fold
    predictions: Mapping[str, Floats]
    importance: FoldImportance | None
    parts: Mapping[str, Floats]
    undirected: Floats | None


def _run(
    fold: Fold,
    classifier: OfferClassifier,
    X: pd.DataFrame,
    y: Floats,
    groups: NDArray[Any],
    catalogue: Catalogue,
    config: TrainingConfig,
) -> _Run:
    """Fit the pool and its baselines on a fold's training rows, and predict its test rows."""
    learned, test = X.iloc[fold.train], X.iloc[fold.test]
    predictions, importance, parts, undirected = {}, None, {}, None
    with parallel_config(backend="sequential"), one_thread():  # the others run beside it, maybe elsewhere
        if config.model == POOL:
            pool = clone(classifier).fit(learned, y[fold.train], groups=groups[fold.train])
            predictions[POOL] = pool.predict_proba(test)[:, 1]
            seed = (config.seed, fold.number)
            importance = measure(pool.model_, test.to_numpy(), y[fold.test], repeats=config.repeats, seed=seed)
            if fold.repeat == 0:
                parts = predict_subsets(pool.model_, test.to_numpy(), seed)
                if any(catalogue.directions):
                    free = clone(classifier).set_params(catalogue=_undirected(catalogue))
                    free.fit(learned, y[fold.train], groups=groups[fold.train])
                    undirected = free.predict_proba(test)[:, 1]
        for name in _baselines(config, fold.repeat):
            fitted = _baseline(name, learned, y[fold.train], catalogue, config)
            predictions[name] = fitted.predict_proba(test)[:, 1]
    return _Run(fold, predictions, importance, parts, undirected)


def _baselines(config: TrainingConfig, repeat: int) -> list[str]:
    some = [name for name in config.baselines if name not in NON_ADDITIVE or repeat < NON_ADDITIVE_REPEATS]
    return list(dict.fromkeys([*some, *([config.model] if config.model != POOL else [])]))


def _baseline(name: str, X: pd.DataFrame, y: Floats, catalogue: Catalogue, config: TrainingConfig) -> Any:
    # where nothing at all was rated, every one of them can only give the base rate
    model = baseline(name if X.notna().any(axis=None) else "base_rate", catalogue, config.seed)
    return model.fit(X, y)


def _out_of_fold(runs: Sequence[_Run], n: int) -> dict[str, Floats]:
    """Combine the folds' predictions: by name, shape (repeats that it took part in, n)."""
    repeats = {name: 1 + run.fold.repeat for run in runs for name in run.predictions}
    predictions = {name: np.full((count, n), np.nan) for name, count in repeats.items()}
    for run in runs:
        for name, values in run.predictions.items():
            predictions[name][run.fold.repeat, run.fold.test] = values
    return predictions


def _transparency(gains: Mapping[str, Score]) -> Transparency | None:
    non_additive = [name for name in NON_ADDITIVE if name in gains]
    if not non_additive:
        return None
    best = min(non_additive, key=lambda name: gains[name].value)
    return Transparency(best, minus(gains[best]))


def _direction_cost(
    runs: Sequence[_Run], directed: Floats, y: Floats, resampling: GroupBootstrap
) -> DirectionCost | None:
    undirected = np.empty((1, len(y)))
    for run in runs:
        if run.undirected is None:
            return None
        undirected[0, run.fold.test] = run.undirected
    return DirectionCost(minus(gain(y, directed, undirected, resampling)))


def _undirected(catalogue: Catalogue) -> Catalogue:
    return replace(catalogue, signals=tuple(replace(signal, better="either") for signal in catalogue.signals))


def _figures(scores: Mapping[str, Score]) -> dict[str, list[float]]:
    """Scores as in a model's file."""
    return {metric: [score.value, score.low, score.high] for metric, score in scores.items()}


def _plain(parts: Mapping[str, Mapping[str, Score]]) -> dict[str, dict[str, Any]]:
    """Scores of parts of the signals as in a model's file."""
    return {
        name: {metric: [round(x, DIGITS) for x in figures] for metric, figures in _figures(by).items()}
        | {"n": by["log_loss"].n}
        for name, by in parts.items()
    }


def _period(ratings: Ratings) -> dict[str, list[str]]:
    """First and last day on which the rows were rated, where the file says so; ISO dates sort as text."""
    days = sorted(str(day)[:10] for day in ratings.columns.get("rated_on", ()) if day)
    return {"rated_on": [days[0], days[-1]]} if days else {}


def _role_of_rows(ratings: Ratings) -> NDArray[Any] | None:
    return ratings.columns.get(ROLE) if ROLE in (item.name for item in ratings.catalogue.inputs) else None


def _roles(ratings: Ratings) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    if (roles := _role_of_rows(ratings)) is not None:
        (levels,) = (item.levels for item in ratings.catalogue.inputs if item.name == ROLE)
        yield from ((role, roles == role) for role in levels)


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("interview-outcome-predictor", "numpy", "scikit-learn")}
