"""Train a model: evaluate it honestly on rows that it has not seen, then fit it on everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from predictor.errors import ConfigError, Problem, RatingsError, nearest
from predictor.learning.classifier import OfferClassifier
from predictor.learning.evaluation import CalibrationBin, Resampling, Score, calibration, gain, scores
from predictor.model import OfferModel, pattern_of
from predictor.ratings import Ratings
from predictor.tables import Floats

ROLE = "rater_role"  # scores are told by this input, since who rated decides how well ratings predict
# Above these an AUC is suspiciously good for ratings made before the outcome was known. A judgement from published
# anchors: a decision-maker's own ratings reach about .8, ratings by the other side about .65.
SUSPICIOUS_AUC = {"interviewer": 0.87, "observer": 0.84, "candidate": 0.75}
FEW = 50  # offers, or non-offers, under which a reader should be told that scores are shaky
MINIMUM = 5  # offers, and non-offers, that are needed to learn and to measure

Progress = Callable[[Iterator[Any], int], Iterator[Any]]


@dataclass(frozen=True)
class TrainingConfig:
    """What may differ from one experiment to the next.

    Attributes
    ----------
    folds
        Parts of a cross-validation, 2 to 20; fewer are used where groups are few.
    repeats
        How often the cross-validation is repeated with other folds, 1 to 50.
    resamples
        Draws for the intervals of scores, 20 to 10,000.
    seed
        Of folds and draws.
    leave_out
        Signals, families or inputs that the model must not use.

    Raises
    ------
    ConfigError
        If a value is out of range.

    Examples
    --------
    >>> TrainingConfig(leave_out=("body_language",)).folds
    5
    """

    folds: int = 5
    repeats: int = 5
    resamples: int = 200
    seed: int = 0
    leave_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ranges = {"folds": (2, 20), "repeats": (1, 50), "resamples": (20, 10_000), "seed": (0, 2**32 - 1)}
        problems = []
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                problems.append(f"{name} = {value!r}: write a whole number from {low} to {high}")
        listed = isinstance(self.leave_out, list | tuple)
        if not listed or not all(isinstance(name, str) for name in self.leave_out):
            problems.append(f"leave_out = {self.leave_out!r}: write a list of names in quotes")
        if problems:
            raise ConfigError("\n  ".join(problems))
        object.__setattr__(self, "leave_out", tuple(self.leave_out))  # a list where it comes from TOML

    @classmethod
    def load(cls, path: str | Path) -> TrainingConfig:
        """Read an experiment from a TOML file that holds only what differs from the defaults.

        Raises
        ------
        ConfigError
            If the file is missing, is not TOML, or has an unknown key or value.
        """
        import tomllib

        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise ConfigError(f"{path}: no such experiment{_others(Path(path))}") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: not a readable TOML file: {error}") from None
        known = [item.name for item in fields(cls)]
        if unknown := [f"unknown key '{key}'{nearest(key, known)}" for key in data if key not in known]:
            raise ConfigError(f"{path}: " + "\n  ".join([*unknown, f"known keys: {', '.join(known)}"]))
        try:
            return cls(**data)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """A trained model with the scores that it reached on rows that it had not seen.

    Attributes
    ----------
    name
        Name of the model.
    model
        Fitted on every row whose outcome is known.
    config
        How it was trained.
    scores
        By metric; see `predictor.learning.evaluation.METRICS`.
    scores_by_role
        The same by who rated, where the catalogue says so.
    baselines
        Scores of "base_rate" (always the share of offers) and "mean_rating" (a logistic regression on the plain
        mean of the ratings), in the same folds.
    gains
        Log-loss saved against each baseline, on the same rows.
    calibration
        Predicted against observed shares.
    data
        Source, digest, counts and base rate of what it learned from.
    warnings
        What a careful colleague would point out.
    seconds
        How long it took.
    """

    name: str
    model: OfferModel
    config: TrainingConfig
    scores: Mapping[str, Score]
    scores_by_role: Mapping[str, Mapping[str, Score]]
    baselines: Mapping[str, Mapping[str, Score]]
    gains: Mapping[str, Score]
    calibration: tuple[CalibrationBin, ...]
    data: Mapping[str, Any]
    warnings: tuple[str, ...]
    seconds: float


def train(
    ratings: Ratings,
    config: TrainingConfig | None = None,
    *,
    name: str = "offer-model",
    progress: Progress | None = None,
) -> TrainingResult:
    """Evaluate by repeated, stratified, group-aware cross-validation, then fit on every labelled row.

    Parameters
    ----------
    ratings
        Ratings with outcomes; rows whose outcome is unknown are left out.
    config
        How; defaults where None.
    name
        Name of the model.
    progress
        Wraps the iteration over fits, given their number, to show progress.

    Returns
    -------
    TrainingResult
        The model and its scores. The same ratings and config give the same model.

    Raises
    ------
    RatingsError
        If there are fewer than five offers or five non-offers, or too few groups.

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
    y, groups = ratings.y, _groups(ratings)
    folds = _folds(ratings, groups, config)
    resampling = Resampling(groups, config.resamples, config.seed)
    classifier = OfferClassifier(ratings.catalogue, seed=config.seed)
    with threadpool_limits(1):  # many small fits side by side: threads inside each would only get in the way
        jobs = (delayed(_predict_fold)(classifier, ratings, groups, train_rows, test) for _, train_rows, test in folds)
        fits = iter(Parallel(n_jobs=-1, backend="threading", return_as="generator")(jobs))
        predictions = np.full((config.repeats, 3, len(y)), np.nan)
        for (repeat, _, test), fold in zip(folds, progress(fits, len(folds)) if progress else fits, strict=True):
            predictions[repeat][:, test] = fold
        classifier.fit(ratings.features, y, groups=groups)
    pool, base_rate, mean_rating = predictions.swapaxes(0, 1)
    baselines = {"base_rate": base_rate, "mean_rating": mean_rating}
    overall = scores(y, pool, resampling)
    data = {
        "source": ratings.source,
        "digest": ratings.digest,
        "n": len(ratings),
        "n_outcome_unknown": len(everything) - len(ratings),
        "n_groups": len(np.unique(groups)),
        "base_rate": float(y.mean()),
        "simulated": ratings.simulated,
        "catalogue": ratings.catalogue.name,
    }
    by_role = {
        role: scores(y, pool, resampling, rows) for role, rows in _roles(ratings) if 0 < y[rows].sum() < rows.sum()
    }
    told = {metric: [score.value, score.low, score.high] for metric, score in overall.items()}
    model = replace(classifier.model_, name=name, trained_on={**data, "scores": told}, versions=_versions())
    return TrainingResult(
        name=name,
        model=model,
        config=config,
        scores=overall,
        scores_by_role=by_role,
        baselines={key: scores(y, reference, resampling) for key, reference in baselines.items()},
        gains={key: gain(y, pool, reference, resampling) for key, reference in baselines.items()},
        calibration=calibration(y, pool.mean(axis=0)),
        data=data,
        warnings=tuple(_warnings(ratings, data, by_role)),
        seconds=time.perf_counter() - started,
    )


def _groups(ratings: Ratings) -> NDArray[Any]:
    return np.arange(len(ratings)) if ratings.groups is None else ratings.groups


def _folds(
    ratings: Ratings, groups: NDArray[Any], config: TrainingConfig
) -> list[tuple[int, NDArray[Any], NDArray[Any]]]:
    """Give repeat, training rows and test rows; no group is on both sides."""
    y = ratings.y
    problems = []
    for word, known in (("yes", 1), ("no", 0)):
        count, people = int((y == known).sum()), len(np.unique(groups[y == known]))
        if count < MINIMUM:
            kind = f"is '{word}' in {count} rows; learning needs at least {MINIMUM} of each"
            problems.append(Problem(kind, column=ratings.catalogue.outcome))
        elif people < 2:
            kind = f"has one group only among the rows with outcome '{word}'; two or more are needed"
            problems.append(Problem(kind, column=ratings.catalogue.group))
    if problems:
        raise RatingsError(ratings.source, problems)
    most = min(config.folds, *(len(np.unique(groups[y == known])) for known in (0, 1)))
    for parts in range(most, 1, -1):  # few groups may leave a part without offers; then fewer parts
        folds = [
            (repeat, train_rows, test)
            for repeat in range(config.repeats)
            for train_rows, test in _split(y, groups, parts, config.seed + repeat)
        ]
        if all(0 < y[train_rows].sum() < len(train_rows) for _, train_rows, _ in folds):
            return folds
    kind = "has too few groups to keep both outcomes on both sides of a split; add rows of other groups"
    raise RatingsError(ratings.source, [Problem(kind, column=ratings.catalogue.group)])


def _split(y: Floats, groups: NDArray[Any], parts: int, seed: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    if len(np.unique(groups)) == len(groups):
        return iter(StratifiedKFold(parts, shuffle=True, random_state=seed).split(y, y))
    return iter(StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(y, y, groups))


def _predict_fold(
    classifier: OfferClassifier, ratings: Ratings, groups: NDArray[Any], train_rows: NDArray[Any], test: NDArray[Any]
) -> Floats:
    """Predict test rows, shape (3, test rows), by the pool, the base rate and the mean rating."""
    y = ratings.y[train_rows]
    pool = clone(classifier).fit(ratings.features.iloc[train_rows], y, groups=groups[train_rows])
    base_rate = np.full(len(test), y.mean())
    mean = _mean_rating(ratings)
    line = LogisticRegression(C=1e3).fit(mean[train_rows, None], y)
    return np.stack(
        [pool.predict_proba(ratings.features.iloc[test])[:, 1], base_rate, line.predict_proba(mean[test, None])[:, 1]]
    )


def _mean_rating(ratings: Ratings) -> Floats:
    """Mean rating of each row as a share of the scale; the middle of the scale where nothing was rated."""
    mean = np.full(len(ratings), 0.5)
    rated = ~np.isnan(ratings.values).all(axis=1)
    mean[rated] = pattern_of(ratings.values[rated], ratings.catalogue)[0]
    return mean


def _roles(ratings: Ratings) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for item in ratings.catalogue.inputs:
        if item.name == ROLE and item.name in ratings.columns:
            yield from ((role, ratings.columns[ROLE] == role) for role in item.levels)


def _warnings(ratings: Ratings, data: Mapping[str, Any], by_role: Mapping[str, Mapping[str, Score]]) -> Iterator[str]:
    if ratings.simulated:
        yield "SIMULATED: these interviews are simulated; the model says nothing about real ones."
    few = int(min(ratings.y.sum(), len(ratings) - ratings.y.sum()))
    if few < FEW:
        yield f"Only {few} rows have the rarer outcome: expect the scores to move with more data."
    if ratings.groups is None:
        yield "No group column: if one person has several rows, the scores are too good; name it in the catalogue."
    for role, found in by_role.items():
        if found["roc_auc"].low > SUSPICIOUS_AUC.get(role, 1.0):
            yield (
                f"Ratings by the {role} predict suspiciously well (ROC AUC {found['roc_auc']}, n = "
                f"{found['roc_auc'].n:,}): were they made after the outcome was known?"
            )
    if {"rated_on", "outcome_on"} <= set(ratings.columns):
        rated, told = ratings.columns["rated_on"], ratings.columns["outcome_on"]  # ISO dates sort as text
        if late := int(((rated != "") & (told != "") & (rated > told)).sum()):
            yield f"{late:,} rows were rated after the outcome was known: such ratings tell the outcome."
    if data["n_outcome_unknown"]:
        yield f"{data['n_outcome_unknown']:,} rows without a known outcome were left out."
    empty = [
        name for name, column in zip(ratings.catalogue.names, ratings.values.T, strict=True) if np.isnan(column).all()
    ]
    if empty:
        yield f"Never rated: {', '.join(empty)}."


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("interview-outcome-predictor", "numpy", "scikit-learn")}


def _others(path: Path) -> str:
    there = sorted(other.stem for other in path.parent.glob("*.toml"))
    return (nearest(path.stem, there) or f"; there are: {', '.join(there)}") if there else ""
