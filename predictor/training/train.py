"""Train a model: evaluate it honestly on rows that it has not seen, then fit it on everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from sklearn.base import clone

from predictor.errors import ConfigError, Problem, RatingsError, nearest
from predictor.evaluation.baselines import CHALLENGERS, UNRESTRICTED, challenger
from predictor.evaluation.data_quality import (
    FEW,
    MINIMUM,
    DataQuality,
    copies,
    data_quality,
    find_warnings,
    revealing_signals,
)
from predictor.evaluation.importance import FoldImportance, Importance, alike, importances, measure
from predictor.evaluation.partial_scores import partial_scores, predict_parts
from predictor.evaluation.scores import CalibrationBin, Resampling, Score, calibration, gain, scores
from predictor.learning.autologging import without_inner_runs
from predictor.learning.classifier import OfferClassifier
from predictor.learning.prior import Prior
from predictor.learning.published import published_prior
from predictor.learning.threads import one_thread
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.training.comparison import keys
from predictor.training.learning_curve import LearningCurve, learning_curve

DIGITS = 4  # of scores of parts of the signals in a model's file, far below their noise
POOL = "pool"  # the model itself, beside its challengers
# Repeats in which slow challengers take part: their folds' luck is then half of what their interval shows of rows'.
UNRESTRICTED_REPEATS = 2
ROLE = "rater_role"  # scores are told by this input, since who rated decides how well ratings predict
PRIORS = ("auto", "published", "none")

Progress = Callable[[Iterator[Any], int], Iterator[Any]]


@dataclass(frozen=True)
class TrainingConfig:
    """What may differ from one experiment to the next.

    Attributes
    ----------
    model
        "pool", or one of `challengers` to train that instead: it is measured in the same way, but has no tables, so it
        cannot be served and never becomes the champion.
    folds
        Parts of a cross-validation, 2 to 20; fewer are used where groups are few.
    repeats
        How often the cross-validation is repeated with other folds, 1 to 50.
    resamples
        Draws for the intervals of scores, 20 to 10,000.
    seed
        Of folds and draws.
    leave_out
        Signals, families, sides ("side:interviewer") or inputs that the model must not use.
    challengers
        What the model is compared with in the same folds; see `predictor.evaluation.baselines`.
    prior
        "published" starts from the effects published about interviews, by way of the simulator, and lets the data
        overrule them; "none" learns from the data alone. "auto" takes "published" for data on the shipped catalogue
        with fewer than 50 offers or 50 non-offers.

    Raises
    ------
    ConfigError
        If a value is out of range.

    Examples
    --------
    >>> TrainingConfig(leave_out=("body_language",)).folds
    5
    """

    model: str = POOL
    folds: int = 5
    repeats: int = 5
    resamples: int = 200
    seed: int = 0
    leave_out: tuple[str, ...] = ()
    challengers: tuple[str, ...] = tuple(CHALLENGERS)
    prior: str = "auto"

    def __post_init__(self) -> None:
        ranges = {"folds": (2, 20), "repeats": (1, 50), "resamples": (20, 10_000), "seed": (0, 2**32 - 1)}
        problems = []
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                problems.append(f"{name} = {value!r}: write a whole number from {low} to {high}")
        for name in ("leave_out", "challengers"):
            value = getattr(self, name)
            if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
                problems.append(f"{name} = {value!r}: write a list of names in quotes")
                continue
            object.__setattr__(self, name, tuple(dict.fromkeys(value)))  # a list where it comes from TOML
            if name == "challengers":
                unknown = [word for word in value if word not in CHALLENGERS]
                known = f"; there are: {', '.join(CHALLENGERS)}"
                problems += [f"challengers: no '{word}'{nearest(word, CHALLENGERS) or known}" for word in unknown]
        for name, there in (("prior", PRIORS), ("model", (POOL, *CHALLENGERS))):
            if (value := getattr(self, name)) not in there:
                hint = nearest(str(value), there) or f"; there are: {', '.join(there)}"
                problems.append(f"{name} = {value!r}: no such {name}{hint}")
        if problems:
            raise ConfigError("\n  ".join(problems))

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
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigError(f"{path}: not a readable TOML file: {error}") from None
        known = [item.name for item in fields(cls)]
        if unknown := [f"unknown key '{key}'{nearest(key, known)}" for key in data if key not in known]:
            raise ConfigError(f"{path}: " + "\n  ".join([*unknown, f"known keys: {', '.join(known)}"]))
        try:
            return cls(**data)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None


@dataclass(frozen=True)
class Transparency:
    """What it costs that the model is tables.

    Attributes
    ----------
    challenger
        The best of the unrestricted challengers, by log-loss in the same folds. That it was chosen after the fact
        favours it a little.
    cost
        Log-loss of the model minus that of the challenger, on the same rows and folds; below 0 the model is better.

    Examples
    --------
    >>> print(Transparency("forest", Score(0.02, 0.01, 0.03, 500)))
    Transparency costs 0.020 (0.010 to 0.030) of log-loss against the best unrestricted challenger, forest.
    """

    challenger: str
    cost: Score

    def __str__(self) -> str:
        best = f"the best unrestricted challenger, {self.challenger}"
        if self.cost.low > 0:
            return f"Transparency costs {self.cost} of log-loss against {best}."
        if self.cost.high < 0:
            return f"Transparency costs nothing here: log-loss is lower by {_minus(self.cost)} than that of {best}."
        return f"Transparency: no difference beyond noise to {best}; log-loss {self.cost}."


@dataclass(frozen=True)
class DirectionCost:
    """What it costs that a better rating never hurts, where the catalogue says which way is better.

    Attributes
    ----------
    cost
        Log-loss of the model minus that of the same model without directions, on the same rows and folds of the first
        repeat; below 0 the directions help.

    Examples
    --------
    >>> print(DirectionCost(Score(0.002, -0.001, 0.005, 500)))
    A better rating never hurts: no cost beyond noise, log-loss 0.002 (-0.001 to 0.005), n = 500.
    """

    cost: Score

    def __str__(self) -> str:
        cost, n = self.cost, f"n = {self.cost.n:,}"
        if cost.low > 0:
            return f"A better rating never hurts: this costs {cost} of log-loss, {n}."
        if cost.high < 0:
            return f"A better rating never hurts: log-loss is lower for it by {_minus(cost)}, {n}."
        return f"A better rating never hurts: no cost beyond noise, log-loss {cost}, {n}."


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """A trained model with the scores that it reached on rows that it had not seen.

    Attributes
    ----------
    name
        Name of the model.
    tables
        The model, fitted on every row whose outcome is known; None where the experiment trained a challenger.
    config
        How it was trained.
    catalogue
        Signals and inputs that it was trained on.
    scores
        By metric; see `predictor.evaluation.scores.METRICS`. Empty, like all that is measured, where a prior lets a
        model be trained on rows too few to measure it.
    scores_by_role
        The same by who rated, where the catalogue says so.
    challengers
        Scores of each challenger in the same folds: "base_rate" (always the share of offers), "mean_rating" (a
        logistic regression on the plain mean of the ratings), "logistic", "boosting" and "forest".
    gains
        Log-loss saved against each challenger, on the same rows and folds.
    transparency
        What it costs to be tables; None without an unrestricted challenger.
    direction_cost
        What it costs that a better rating never hurts; None where the catalogue gives no signal a direction.
    partial_scores
        Scores where only part of the signals were rated, in the first repeat: by part ("all", "side:candidate",
        "family:clarity", "random:3"), then by metric; see `predictor.model.subsets.subsets`.
    calibration
        Predicted against observed shares.
    importances, importances_by_family, importances_by_side
        What the model goes by, the largest first: signals and inputs, and groups of them taken together.
    halo
        Which signals cannot be told apart, in plain statements.
    y
        Outcomes of the rows learned from, shape (n,).
    roles
        Who rated them, shape (n,), "" where nobody said; None where the catalogue has no such input.
    folds
        Number of the fold, from 0 in each repeat, in which a row was not seen, shape (repeats, n).
    out_of_fold
        Probability of an offer by models that had not seen the row, shape (repeats, n): by name, the model itself
        under `config.model`. Slow challengers take part in the first two repeats only.
    keys
        Of rows and of their groups, to know them again in another file; see `predictor.training.comparison.keys`.
    learning_curve
        Whether more interviews would help; None where they are too few to say, or it was not asked for.
    data
        Source, digest, counts and base rate of what it learned from.
    quality
        Missing, repeated and flat rows, and ratings at the ends of the scale.
    warnings
        What a careful colleague would point out.
    seconds
        How long it took.
    """

    name: str
    tables: OfferModel | None
    config: TrainingConfig
    catalogue: Catalogue
    scores: Mapping[str, Score]
    scores_by_role: Mapping[str, Mapping[str, Score]]
    challengers: Mapping[str, Mapping[str, Score]]
    gains: Mapping[str, Score]
    transparency: Transparency | None
    direction_cost: DirectionCost | None
    partial_scores: Mapping[str, Mapping[str, Score]]
    calibration: tuple[CalibrationBin, ...]
    importances: Mapping[str, Importance]
    importances_by_family: Mapping[str, Importance]
    importances_by_side: Mapping[str, Importance]
    halo: tuple[str, ...]
    y: Floats
    roles: NDArray[Any] | None
    folds: NDArray[np.int64]
    out_of_fold: Mapping[str, Floats]
    keys: tuple[NDArray[Any], NDArray[Any]]
    learning_curve: LearningCurve | None
    data: Mapping[str, Any]
    quality: DataQuality
    warnings: tuple[str, ...]
    seconds: float

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
            If the experiment trained a challenger, which has none.
        """
        if self.tables is None:
            raise ConfigError(f"'{self.name}' was trained as {self.config.model}, which has no tables; train the pool")
        return self.tables


@without_inner_runs
def train(
    ratings: Ratings,
    config: TrainingConfig | None = None,
    *,
    name: str = "offer-model",
    progress: Progress | None = None,
    curve: bool = True,
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
    curve
        Whether to measure a learning curve, which takes a tenth of the time.

    Returns
    -------
    TrainingResult
        The model and its scores. The same ratings and config give the same model.

    Raises
    ------
    RatingsError
        If there are fewer than five offers or five non-offers, or too few groups, and there is no prior to start from.
    ConfigError
        If the prior does not fit the catalogue.

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
    prior = _prior(ratings, config) if config.model == POOL else None
    folds = _folds(ratings, groups, config, needed=prior is None)
    classifier = OfferClassifier(ratings.catalogue, prior=prior, random_state=config.seed)
    with one_thread():  # many small fits side by side: threads inside each would only get in the way
        X, catalogue = ratings.features, ratings.catalogue
        jobs = (delayed(_run)(fold, classifier, X, y, groups, catalogue, config) for fold in folds)
        running = iter(Parallel(n_jobs=-1, prefer="threads", batch_size=1, return_as="generator")(jobs))
        runs = list(progress(running, len(folds)) if progress else running)
        tables = _fit(classifier, ratings, groups) if config.model == POOL else None
    data = {
        "source": ratings.source,
        "digest": ratings.digest,
        "n": len(ratings),
        "n_outcome_unknown": len(everything) - len(ratings),
        "n_groups": len(np.unique(groups)),
        "base_rate": float(y.mean()) if len(y) else None,
        "simulated": ratings.simulated if len(y) else True,
        "catalogue": ratings.catalogue.name,
    }
    measured, revealing = dict(_UNMEASURED), {}
    if runs:
        measured |= _measure(runs, tables, ratings, groups, config)
        first = [(fold.train, fold.test) for fold in folds if fold.repeat == 0]
        resampling = Resampling(groups, config.resamples, config.seed)
        if tables and curve:
            measured["learning_curve"] = learning_curve(
                ratings,
                groups,
                first,
                measured["out_of_fold"][POOL][0],
                resampling,
                prior=prior,
                boosted=classifier.pool_.boosters is not None,
                seed=config.seed,
            )
        revealing = revealing_signals(ratings, first, resampling)
    quality, roles = data_quality(ratings), _role_of_rows(ratings)
    told = _figures(measured["scores"])
    about = {**data, "scores": told, "partial_scores": _plain(measured["partial_scores"])}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if prior and tables:
        about["prior"] = tables.trained_on["prior"]
    if tables:
        tables = replace(tables, name=name, trained_on=about, versions=_versions(), created_at=now)
    return TrainingResult(
        name=name,
        tables=tables,
        config=config,
        catalogue=ratings.catalogue,
        **measured,
        halo=alike(ratings),
        y=y,
        roles=roles,
        keys=keys(everything.labelled()),
        data=data,
        quality=quality,
        warnings=tuple(
            find_warnings(
                ratings,
                about,
                quality,
                scores=measured["scores"],
                scores_by_role=measured["scores_by_role"],
                roles=roles,
                importances=measured["importances"],
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
    """Find the model to start from, by what the config says."""
    few = min(ratings.y.sum(), len(ratings) - ratings.y.sum()) < FEW
    if config.prior == "none" or (config.prior == "auto" and not few):
        return None
    prior = published_prior()
    if prior.fits(ratings.catalogue):
        return prior
    if config.prior == "published":
        kind = "leave_out takes signals away" if config.leave_out else "it is of other signals, scales or inputs"
        raise ConfigError(f'prior = "published" is for the shipped catalogue, all of it; {kind}: write prior = "none"')
    return None


_UNMEASURED: dict[str, Any] = {
    "scores": {},
    "scores_by_role": {},
    "challengers": {},
    "gains": {},
    "transparency": None,
    "direction_cost": None,
    "partial_scores": {},
    "calibration": (),
    "importances": {},
    "importances_by_family": {},
    "importances_by_side": {},
    "folds": np.empty((0, 0), dtype=np.int64),
    "out_of_fold": {},
    "learning_curve": None,
}


def _measure(
    runs: Sequence[_Run], model: OfferModel | None, ratings: Ratings, groups: NDArray[Any], config: TrainingConfig
) -> dict[str, Any]:
    """Score the model and its challengers on the rows that each fold had not seen."""
    y, resampling = ratings.y, Resampling(groups, config.resamples, config.seed)
    out_of_fold = _out_of_fold(runs, len(y))
    first = [run for run in runs if run.fold.repeat == 0]
    predictions = {key: found for key, found in out_of_fold.items() if key != config.model}
    pool = out_of_fold[config.model]
    tested = np.empty((len(pool), len(y)), dtype=np.int64)
    for run in runs:
        tested[run.fold.repeat, run.fold.test] = run.fold.number % (len(runs) // len(pool))
    gains = {key: gain(y, pool[: len(other)], other, resampling) for key, other in predictions.items()}
    found = [(run.fold.repeat, run.fold.test, run.importance) for run in runs if run.importance]
    goes_by = importances(model, len(y), found, resampling) if model else {}
    roles = {role: rows for role, rows in _roles(ratings) if 0 < y[rows].sum() < rows.sum()}
    return {
        "scores": scores(y, pool, resampling),
        "scores_by_role": {role: scores(y, pool, resampling, rows) for role, rows in roles.items()},
        "challengers": {key: scores(y, other, resampling) for key, other in predictions.items()},
        "gains": gains,
        "transparency": _transparency(gains) if model else None,
        "direction_cost": _direction_cost(first, pool[:1], y, resampling),
        "partial_scores": partial_scores(y, [(run.fold.test, run.parts) for run in first], resampling),
        "calibration": calibration(y, pool.mean(axis=0)),
        "importances": goes_by.get("signal", {}),
        "importances_by_family": goes_by.get("family", {}),
        "importances_by_side": goes_by.get("side", {}),
        "folds": tested,
        "out_of_fold": out_of_fold,
    }


@dataclass(frozen=True, eq=False)
class _Fold:
    """Which rows are learned from and which are tested."""

    number: int
    repeat: int
    train: NDArray[Any]
    test: NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Run:
    """What came out of a fold.

    Attributes
    ----------
    fold
        Which it is.
    predictions
        For its test rows, shape (test rows,), of the model and of its challengers.
    importance
        What its model goes by; None for a challenger.
    parts
        Predictions from part of the signals, by part; in the first repeat only, as it takes time.
    undirected
        Predictions of the same model without directions; in the first repeat only; None where there are none.
    """

    fold: _Fold
    predictions: Mapping[str, Floats]
    importance: FoldImportance | None
    parts: Mapping[str, Floats]
    undirected: Floats | None


def _groups(ratings: Ratings) -> NDArray[Any]:
    """What stays on one side of a split, and is drawn as one: a group, or without groups the copies of a row."""
    return copies(ratings) if ratings.groups is None else ratings.groups


def _folds(ratings: Ratings, groups: NDArray[Any], config: TrainingConfig, needed: bool) -> list[_Fold]:
    """Split the rows, again in each repeat; no group is on both sides. Without enough rows: none, where not needed."""
    y = ratings.y
    problems = []
    for word, known in (("yes", 1), ("no", 0)):
        count, people = int((y == known).sum()), len(np.unique(groups[y == known]))
        if count < MINIMUM:
            kind = f"is '{word}' in {count} rows; learning needs at least {MINIMUM} of each"
            kind += " (leave_out takes the published prior away)" * bool(config.leave_out and config.prior == "auto")
            problems.append(Problem(kind, column=ratings.catalogue.outcome))
        elif people < 2:
            kind = f"has one group only among the rows with outcome '{word}'; two or more are needed"
            problems.append(Problem(kind, column=ratings.catalogue.group))
    if problems and not needed:
        return []
    if problems:
        raise RatingsError(ratings.source, problems)
    most = min(config.folds, *(len(np.unique(groups[y == known])) for known in (0, 1)))
    for parts in range(most, 1, -1):  # few groups may leave a part without offers; then fewer parts
        folds = [
            _Fold(repeat * parts + number, repeat, train_rows, test)
            for repeat in range(config.repeats)
            for number, (train_rows, test) in enumerate(_split(y, groups, parts, (config.seed, repeat)))
        ]
        if all(0 < y[fold.train].sum() < len(fold.train) for fold in folds):
            return folds
    if not needed:
        return []
    kind = "has too few groups to keep both outcomes on both sides of a split; add rows of other groups"
    raise RatingsError(ratings.source, [Problem(kind, column=ratings.catalogue.group)])


def _split(
    y: Floats, groups: NDArray[Any], parts: int, seed: Sequence[int]
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Deal whole groups to parts, the largest first, each to the part that has least of the outcomes it brings.

    Greedily this makes squared shares of both outcomes least, as `StratifiedGroupKFold` does with their standard
    deviations, which takes a hundred times as long.
    """
    _, member = np.unique(groups, return_inverse=True)
    shares = np.stack(
        [np.bincount(member, weights=y == known) / max((y == known).sum(), 1) for known in (0, 1)], axis=1
    )
    order = np.random.default_rng(seed).permutation(len(shares))
    order = order[np.argsort(-(shares[order] ** 2).sum(axis=1), kind="stable")]
    held, part = np.zeros((parts, 2)), np.empty(len(shares), dtype=np.int64)
    for group in order:
        part[group] = number = int(np.argmin(held @ shares[group]))
        held[number] += shares[group]
    for number in range(parts):
        test = part[member] == number
        yield np.flatnonzero(~test), np.flatnonzero(test)


def _run(
    fold: _Fold,
    classifier: OfferClassifier,
    X: pd.DataFrame,
    y: Floats,
    groups: NDArray[Any],
    catalogue: Catalogue,
    config: TrainingConfig,
) -> _Run:
    """Fit the pool and its challengers on a fold's training rows, and predict its test rows."""
    learned, test = X.iloc[fold.train], X.iloc[fold.test]
    predictions, goes_by, parts, undirected = {}, None, {}, None
    with parallel_config(backend="sequential"), one_thread():  # the others run beside it, maybe elsewhere
        if config.model == POOL:
            pool = clone(classifier).fit(learned, y[fold.train], groups=groups[fold.train])
            predictions[POOL] = pool.predict_proba(test)[:, 1]
            seed = (config.seed, fold.number)
            goes_by = measure(pool.model_, test.to_numpy(), y[fold.test], repeats=config.repeats, seed=seed)
            if fold.repeat == 0:
                parts = predict_parts(pool.model_, test.to_numpy(), seed)
                if any(catalogue.directions):
                    free = clone(classifier).set_params(catalogue=_undirected(catalogue))
                    free.fit(learned, y[fold.train], groups=groups[fold.train])
                    undirected = free.predict_proba(test)[:, 1]
        for name in _challengers(config, fold.repeat):
            fitted = _challenger(name, learned, y[fold.train], catalogue, config)
            predictions[name] = fitted.predict_proba(test)[:, 1]
    return _Run(fold, predictions, goes_by, parts, undirected)


def _challengers(config: TrainingConfig, repeat: int) -> list[str]:
    some = [name for name in config.challengers if name not in UNRESTRICTED or repeat < UNRESTRICTED_REPEATS]
    return list(dict.fromkeys([*some, *([config.model] if config.model != POOL else [])]))


def _challenger(name: str, X: pd.DataFrame, y: Floats, catalogue: Catalogue, config: TrainingConfig) -> Any:
    # where nothing at all was rated, every one of them can only give the base rate
    model = challenger(name if X.notna().any(axis=None) else "base_rate", catalogue, config.seed)
    return model.fit(X, y)


def _out_of_fold(runs: Sequence[_Run], n: int) -> dict[str, Floats]:
    """Put the folds' predictions together: by name, shape (repeats that it took part in, n)."""
    repeats = {name: 1 + run.fold.repeat for run in runs for name in run.predictions}
    found = {name: np.full((count, n), np.nan) for name, count in repeats.items()}
    for run in runs:
        for name, predictions in run.predictions.items():
            found[name][run.fold.repeat, run.fold.test] = predictions
    return found


def _transparency(gains: Mapping[str, Score]) -> Transparency | None:
    unrestricted = [name for name in UNRESTRICTED if name in gains]
    if not unrestricted:
        return None
    best = min(unrestricted, key=lambda name: gains[name].value)
    return Transparency(best, _minus(gains[best]))


def _direction_cost(runs: Sequence[_Run], directed: Floats, y: Floats, resampling: Resampling) -> DirectionCost | None:
    undirected = np.empty((1, len(y)))
    for run in runs:
        if run.undirected is None:
            return None
        undirected[0, run.fold.test] = run.undirected
    return DirectionCost(_minus(gain(y, directed, undirected, resampling)))


def _undirected(catalogue: Catalogue) -> Catalogue:
    return replace(catalogue, signals=tuple(replace(signal, better="either") for signal in catalogue.signals))


def _minus(score: Score) -> Score:
    return Score(-score.value, -score.high, -score.low, score.n)


def _figures(scores: Mapping[str, Score]) -> dict[str, list[float]]:
    """Scores as they stand in a model's file."""
    return {metric: [score.value, score.low, score.high] for metric, score in scores.items()}


def _plain(parts: Mapping[str, Mapping[str, Score]]) -> dict[str, dict[str, Any]]:
    """Scores of parts of the signals as they stand in a model's file."""
    return {
        name: {metric: [round(x, DIGITS) for x in figures] for metric, figures in _figures(by).items()}
        | {"n": by["log_loss"].n}
        for name, by in parts.items()
    }


def _role_of_rows(ratings: Ratings) -> NDArray[Any] | None:
    return ratings.columns.get(ROLE) if ROLE in (item.name for item in ratings.catalogue.inputs) else None


def _roles(ratings: Ratings) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    if (roles := _role_of_rows(ratings)) is not None:
        (levels,) = (item.levels for item in ratings.catalogue.inputs if item.name == ROLE)
        yield from ((role, roles == role) for role in levels)


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("interview-outcome-predictor", "numpy", "scikit-learn")}


def _others(path: Path) -> str:
    there = sorted(other.stem for other in path.parent.glob("*.toml"))
    return (nearest(path.stem, there) or f"; there are: {', '.join(there)}") if there else ""
