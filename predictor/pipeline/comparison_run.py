"""Train several experiments on the same rows and folds, and rank them: a folder each, and one of the comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from predictor.atomic import write_text
from predictor.errors import ConfigError, TrackingError
from predictor.pipeline.run import train_and_save
from predictor.ratings.ratings import Ratings
from predictor.reports.figures.leaderboard import save_leaderboard
from predictor.tracking.record import comparison_record
from predictor.tracking.registry import champion_out_of_fold
from predictor.tracking.runs import RecordedRun, finish, note_run, open_run
from predictor.training.comparison import Leaderboard, leaderboard
from predictor.training.config import TrainingConfig
from predictor.training.result import TrainingResult
from predictor.training.train import Progress
from predictor.training_folder import LEADERBOARD, one_training, replace_folder


@dataclass(frozen=True, eq=False)
class Compared:
    """A comparison that is on disk, and where it is recorded.

    Attributes
    ----------
    board
        The leaderboard, the best first; `leaderboard` explains to which entry the differences are.
    run
        Where it is recorded; None where it is not.
    missing
        Folders that were to be recorded and are not.
    tracking_error
        Why; None where none is missing.
    """

    board: Leaderboard
    run: RecordedRun | None
    missing: tuple[Path, ...]
    tracking_error: TrackingError | None


def compare_and_save(
    ratings: Ratings,
    configs: Mapping[str, TrainingConfig],
    *,
    name: str,
    folder: Path,
    recorded: bool = True,
    progress: Callable[[str], Progress] | None = None,
    warn: Callable[[str], None] = lambda message: None,
) -> Compared:
    """Train experiments on the same rows and folds, and rank them and the registered champion.

    Each training is a run below the comparison's, and a folder NAME-EXPERIMENT next to `folder`. Every training and the
    comparison are saved to folders even if MLflow fails.

    Parameters
    ----------
    ratings
        With outcomes.
    configs
        By experiment's name. No baselines are trained: the compared experiments take their role.
    name, folder
        Of the comparison; leaderboard.csv and leaderboard.png are written to the folder.
    recorded
        Whether to record it in MLflow. If not, the champion is not asked for either.
    progress
        Called with an experiment's name; returns what `train` takes as progress.
    warn
        As for `train_and_save`.

    Raises
    ------
    RatingsError, ConfigError
        As `train` does, or if the experiments do not share folds.
    MissingExtraError
        If MLflow is not installed, and the comparison is to be recorded.
    """
    folds = {(config.folds, config.repeats, config.seed) for config in configs.values()}
    if len(folds) > 1:
        raise ConfigError("these experiments differ in folds, repeats or seed; give them the same to compare them")
    began, results = time.time(), {}
    run = tracking_error = None
    missing = []
    with ExitStack() as stack:
        stack.enter_context(one_training(folder))
        if recorded:
            try:
                run = stack.enter_context(open_run(name, "comparison"))
            except TrackingError as error:
                tracking_error = error
                warn(f"{tracking_error}\n  The trainings go on, and are saved in {folder}-EXPERIMENT.")
        for experiment, config in configs.items():
            saved = train_and_save(
                ratings,
                replace(config, baselines=("base_rate",)),
                name=f"{name}-{experiment}",
                experiment=experiment,
                folder=folder.with_name(f"{folder.name}-{experiment}"),
                recorded=recorded and not tracking_error,  # once it has failed, the others need not wait for it
                parent=run.run_id if run else None,
                progress=progress(experiment) if progress else None,
                warn=warn,
                curve=False,  # whether more interviews would help is no question of experiments
            )
            tracking_error = tracking_error or saved.tracking_error
            missing += [saved.folder] if recorded and not saved.run else []
            results[experiment] = saved.result
        champion = None
        if recorded and not tracking_error:
            try:
                champion = champion_out_of_fold(ratings.catalogue.name)
            except TrackingError as error:
                tracking_error = error
        board = leaderboard(results, champion)
        _save_comparison(name, board, results, folder, began)
        done = None
        if run:
            note_run(folder, run)
            try:
                done = finish(run, folder)
            except TrackingError as error:  # it is left open: once this process has ended, it counts as failed
                tracking_error = error
        missing += [folder] if recorded and not done else []
    return Compared(board, done, tuple(missing), tracking_error)


def _save_comparison(
    name: str, board: Leaderboard, results: Mapping[str, TrainingResult], folder: Path, began: float
) -> None:
    record = comparison_record(name, board, results, began)

    def fill(fresh: Path) -> None:
        write_text(fresh / LEADERBOARD, pd.DataFrame(board.rows()).to_csv(index=False))
        save_leaderboard(board, name, fresh, simulated=record.tags["simulated"] == "true")
        record.save(fresh)

    replace_folder(folder, fill)
