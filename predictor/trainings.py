"""A finished training as a folder: the model, the report, and all that MLflow is told of it.

The folder is whole before MLflow hears of it, so a server that is down costs nothing but a later `predictor track`.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.atomic import write_text
from predictor.errors import ConfigError, TrackingError

if TYPE_CHECKING:
    from predictor.learning.comparison import Leaderboard
    from predictor.learning.training import Progress, TrainingConfig, TrainingResult
    from predictor.ratings import Ratings
    from predictor.tracking.runs import RecordedRun

MODEL, REPORT, OUT_OF_FOLD, IMPORTANCES = "model.json", "report.html", "out_of_fold.csv", "importances.csv"
CHALLENGERS = "challengers"


def save(result: TrainingResult, folder: str | Path, experiment: str = "pool") -> Path:
    """Write a training to a folder of its own; one that is there already is replaced when all is written.

    Parameters
    ----------
    result
        What `train` returned.
    folder
        Where, as in "experiments/models/NAME".
    experiment
        Which settings were tried, as the TOML file is called.

    Returns
    -------
    Path
        The folder: model.json and report.html (not where a challenger was trained), plots, importances.csv,
        out_of_fold.csv (what models said of rows they had not seen; rows are numbers, not ratings), the fitted
        challengers, and record.json.

    Raises
    ------
    OSError
        If the folder cannot be written; an old one is then untouched.

    Examples
    --------
    >>> import tempfile
    >>> from predictor import TrainingConfig, simulate_interviews, train
    >>> result = train(simulate_interviews(200, seed=1), TrainingConfig(repeats=1, resamples=20))
    >>> with tempfile.TemporaryDirectory() as there:
    ...     saved = save(result, Path(there, "mine"))
    ...     sorted(path.name for path in saved.glob("*.*"))
    ['calibration.png', 'importances.csv', 'importances.png', 'model.json', 'out_of_fold.csv', 'record.json',
     'report.html']
    """
    from predictor.learning.comparison import OutOfFold
    from predictor.learning.persistence import save_challenger
    from predictor.reports.plots import save_plots
    from predictor.reports.training import save_report
    from predictor.tracking.record import importances_csv, record_of

    def fill(place: Path) -> None:
        if result.tables:
            result.tables.save(place / MODEL)
            save_report(result, place / REPORT)
            write_text(place / IMPORTANCES, importances_csv(result))
        save_plots(result, place)
        if result.scores:
            OutOfFold.of(result).write(place / OUT_OF_FOLD)
        for name, fitted in result.fitted.items():
            save_challenger(fitted, place / CHALLENGERS / f"{name}.skops")
        record_of(result, experiment).save(place)

    return _replace(Path(folder), fill)


@dataclass(frozen=True, eq=False)
class Kept:
    """A training that is on disk, and what became of its record.

    Attributes
    ----------
    result, folder
        What was trained, and where it is.
    run
        Where it is recorded; None where it is not.
    trouble
        Why it is not recorded; None where it is, or was not to be.
    """

    result: TrainingResult
    folder: Path
    run: RecordedRun | None
    trouble: TrackingError | None = None


def train_and_keep(
    ratings: Ratings,
    config: TrainingConfig,
    *,
    name: str,
    experiment: str,
    folder: Path,
    recorded: bool = True,
    registered: bool = False,
    parent: str | None = None,
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda told: None,
) -> Kept:
    """Train, write the folder, and record it in MLflow; whatever MLflow does, the training is finished and kept.

    Parameters
    ----------
    ratings, config, name, progress
        As for `train`.
    experiment, folder
        As for `save`.
    recorded, registered
        Whether to record it in MLflow, and to register its model.
    parent
        Id of the run that this one belongs to.
    warn
        Told at once, in words, when MLflow cannot be reached before the training begins.

    Raises
    ------
    RatingsError, ConfigError
        As `train` does. The run is marked failed.
    MissingExtraError
        If MLflow is not installed, and the training is to be recorded.
    """
    from predictor.learning.training import train
    from predictor.tracking.runs import finish, note_begun, open_run, track

    def work() -> tuple[TrainingResult, Path]:
        result = train(ratings, config, name=name, progress=progress)
        return result, save(result, folder, experiment)

    if not recorded:
        return Kept(*work(), None)
    done: tuple[TrainingResult, Path] | None = None
    try:
        with open_run(name, experiment, parent=parent) as run:
            done = work()
            note_begun(run, folder)
            return Kept(*done, finish(run, folder, registered=registered))
    except TrackingError as error:
        trouble = error
    if done is None:
        warn(f"{trouble}\nThe training goes on, and is kept in {folder}.")
        done = work()
        try:  # it may be back
            return Kept(*done, track(folder, registered=registered))
        except TrackingError as error:
            trouble = error
    return Kept(*done, None, trouble)


def compare_and_keep(
    ratings: Ratings,
    configs: Mapping[str, TrainingConfig],
    *,
    name: str,
    folder: Path,
    recorded: bool = True,
    progress: Callable[[str], Progress] | None = None,
) -> tuple[Leaderboard, RecordedRun | None]:
    """Train experiments on the same rows and folds, and rank them beside the registered champion.

    Each is a run of its own below the comparison's, and a folder of its own, NAME-EXPERIMENT beside `folder`.

    Parameters
    ----------
    ratings
        With outcomes.
    configs
        By experiment's name. Challengers are experiments here, so each is only held against the base rate.
    name, folder
        Of the comparison; leaderboard.csv and leaderboard.png are written to the folder.
    recorded
        Whether to record it in MLflow. If not, the champion is not asked for either.
    progress
        Given an experiment's name, what `train` takes as progress.

    Returns
    -------
    tuple
        The leaderboard, and the comparison's run, None where it was not to be recorded. See `leaderboard` for what the
        differences are to.

    Raises
    ------
    RatingsError, ConfigError
        As `train` does, or if the experiments do not share folds.
    TrackingError
        If MLflow cannot be reached.
    """
    from predictor.learning.comparison import leaderboard
    from predictor.tracking.registry import champion_out_of_fold
    from predictor.tracking.runs import finish, open_run

    folds = {(config.folds, config.repeats, config.seed) for config in configs.values()}
    if len(folds) > 1:
        raise ConfigError("these experiments differ in folds, repeats or seed; give them the same to compare them")
    began, results = time.time(), {}
    with ExitStack() as stack:
        run = stack.enter_context(open_run(name, "comparison")) if recorded else None
        for experiment, config in configs.items():
            kept = train_and_keep(
                ratings,
                replace(config, challengers=("base_rate",)),
                name=f"{name}-{experiment}",
                experiment=experiment,
                folder=folder.with_name(f"{folder.name}-{experiment}"),
                recorded=recorded,
                parent=run.run_id if run else None,
                progress=progress(experiment) if progress else None,
            )
            if kept.trouble:
                raise kept.trouble
            results[experiment] = kept.result
        board = leaderboard(results, champion_out_of_fold() if recorded else None)
        _save_comparison(name, board, results, folder, began)
        return board, finish(run, folder) if run else None


def _save_comparison(
    name: str, board: Leaderboard, results: Mapping[str, TrainingResult], folder: Path, began: float
) -> None:
    import pandas as pd

    from predictor.reports.plots import save_leaderboard
    from predictor.tracking.record import comparison_record

    record = comparison_record(name, board, results, began)

    def fill(place: Path) -> None:
        write_text(place / "leaderboard.csv", pd.DataFrame(board.rows()).to_csv(index=False))
        save_leaderboard(board, name, place, simulated=record.tags["simulated"] == "true")
        record.save(place)

    _replace(folder, fill)


def _replace(folder: Path, fill: Callable[[Path], None]) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        fresh.mkdir()
        fill(fresh)
        if folder.exists():
            old = fresh.with_suffix(".old")
            folder.rename(old)
            fresh.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder
