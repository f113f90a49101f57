"""A finished training as a folder: the model, the report, and all that MLflow keeps of it.

The folder is whole before MLflow hears of it, so a server that is down costs nothing but a later `predictor track`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from predictor.atomic import write_text
from predictor.errors import TrackingError
from predictor.panels.cards import Cards
from predictor.ratings.ratings import Ratings
from predictor.reports.figures.training import save_plots
from predictor.reports.training_report import save_report
from predictor.tracking.record import importances_csv, record_of, scores_csv
from predictor.tracking.runs import RecordedRun, finish, note_run, open_run, record_folder
from predictor.training.comparison import OutOfFold
from predictor.training.config import TrainingConfig
from predictor.training.result import TrainingResult
from predictor.training.train import Progress, train
from predictor.training_folder import IMPORTANCES, MODEL, OUT_OF_FOLD, REPORT, SCORES, one_training, replace_folder


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
        The folder: model.json and report.html (not where a baseline was trained), plots, importances.csv and
        scores.csv with intervals, out_of_fold.csv (predictions for rows not seen in training; rows are numbers, not
        ratings), and record.json.

    Raises
    ------
    OSError
        If the folder cannot be written; an old one is then untouched.
    ConfigError
        If another process trains to the same folder.

    Examples
    --------
    >>> import tempfile
    >>> from predictor import TrainingConfig, simulate_interviews, train
    >>> result = train(simulate_interviews(200, seed=1), TrainingConfig(repeats=1, resamples=20))
    >>> with tempfile.TemporaryDirectory() as there:
    ...     saved = save(result, Path(there, "mine"))
    ...     sorted(path.name for path in saved.glob("*.*"))
    ['calibration.png', 'importances.csv', 'importances.png', 'model.json', 'out_of_fold.csv', 'record.json',
     'report.html', 'scores.csv']
    """
    folder = Path(folder)
    with one_training(folder):
        return _save(result, folder, experiment)


def _save(result: TrainingResult, folder: Path, experiment: str) -> Path:
    def fill(fresh: Path) -> None:
        if result.tables:
            result.tables.save(fresh / MODEL)
            save_report(result, fresh / REPORT)
            write_text(fresh / IMPORTANCES, importances_csv(result))
        if result.scores:
            write_text(fresh / SCORES, scores_csv(result))
        save_plots(result, fresh)
        OutOfFold.of(result).write(fresh / OUT_OF_FOLD)
        record_of(result, experiment).save(fresh)

    return replace_folder(folder, fill)


@dataclass(frozen=True, eq=False)
class SavedRun:
    """A training that is on disk, and what became of its record.

    Attributes
    ----------
    result, folder
        What was trained, and where it is.
    run
        Where it is recorded; None where it is not.
    tracking_error
        Why it is not recorded; None where it is, or was not to be.
    """

    result: TrainingResult
    folder: Path
    run: RecordedRun | None
    tracking_error: TrackingError | None = None


def train_and_save(
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
    warn: Callable[[str], None] = lambda message: None,
    curve: bool = True,
    cards: Cards | None = None,
) -> SavedRun:
    """Train, write the folder, and record it in MLflow; whatever MLflow does, the training is finished and saved.

    Parameters
    ----------
    ratings, config, name, progress, curve, cards
        As for `train`.
    experiment, folder
        As for `save`.
    recorded, registered
        Whether to record it in MLflow, and to register its model.
    parent
        Id of the run that this one belongs to.
    warn
        Called at once with a message when MLflow cannot be reached before the training begins.

    Raises
    ------
    RatingsError, ConfigError
        As `train` does. The run is marked failed. ConfigError also if another process trains to the same folder.
    MissingExtraError
        If MLflow is not installed, and the training is to be recorded.
    """

    def work() -> tuple[TrainingResult, Path]:
        result = train(ratings, config, name=name, progress=progress, curve=curve, cards=cards)
        return result, _save(result, folder, experiment)

    with one_training(folder):
        if not recorded:
            saved = SavedRun(*work(), None)
            note_run(folder, None)
            return saved
        done: tuple[TrainingResult, Path] | None = None
        try:  # open the run, train, and close it
            with open_run(name, experiment, parent=parent) as run:
                done = work()
                note_run(folder, run)
                return SavedRun(*done, finish(run, folder, registered=registered))
        except TrackingError as error:
            tracking_error = error
        if done is None:  # the run could not be opened: train nevertheless
            warn(f"{tracking_error}\n  The training goes on, and is saved in {folder}.")
            done = work()
            try:  # by now MLflow may be back
                return SavedRun(*done, record_folder(folder, registered=registered))
            except TrackingError as error:
                tracking_error = error
        return SavedRun(*done, None, tracking_error)
