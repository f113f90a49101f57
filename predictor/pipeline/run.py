"""A finished training as a folder: the model, the report, and all that MLflow is told of it.

The folder is whole before MLflow hears of it, so a server that is down costs nothing but a later `predictor track`.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.atomic import alone, write_text
from predictor.errors import ConfigError, TrackingError

if TYPE_CHECKING:
    from predictor.journal.store import Journal
    from predictor.model.offer_model import OfferModel
    from predictor.model.tables import Floats
    from predictor.ratings.ratings import Ratings
    from predictor.tracking.runs import RecordedRun
    from predictor.training.comparison import Leaderboard, OutOfFold, Verdict
    from predictor.training.train import Progress, TrainingConfig, TrainingResult

MODEL, REPORT, OUT_OF_FOLD = "model.json", "report.html", "out_of_fold.csv"
IMPORTANCES, SCORES = "importances.csv", "scores.csv"


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
        The folder: model.json and report.html (not where a challenger was trained), plots, importances.csv and
        scores.csv with intervals, out_of_fold.csv (what models said of rows they had not seen; rows are numbers, not
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
    with _one_training(folder):
        return _save(result, folder, experiment)


def _save(result: TrainingResult, folder: Path, experiment: str) -> Path:
    from predictor.reports.plots import save_plots
    from predictor.reports.training_report import save_report
    from predictor.tracking.record import importances_csv, record_of, scores_csv
    from predictor.training.comparison import OutOfFold

    def fill(place: Path) -> None:
        if result.tables:
            result.tables.save(place / MODEL)
            save_report(result, place / REPORT)
            write_text(place / IMPORTANCES, importances_csv(result))
        if result.scores:
            write_text(place / SCORES, scores_csv(result))
        save_plots(result, place)
        OutOfFold.of(result).write(place / OUT_OF_FOLD)
        record_of(result, experiment).save(place)

    return _replace(folder, fill)


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
    curve: bool = True,
) -> Kept:
    """Train, write the folder, and record it in MLflow; whatever MLflow does, the training is finished and kept.

    Parameters
    ----------
    ratings, config, name, progress, curve
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
        As `train` does. The run is marked failed. ConfigError also if another process trains to the same folder.
    MissingExtraError
        If MLflow is not installed, and the training is to be recorded.
    """
    with _one_training(folder):
        return _train_and_keep(
            ratings, config, name, experiment, folder, recorded, registered, parent, progress, warn, curve
        )


def _train_and_keep(
    ratings: Ratings,
    config: TrainingConfig,
    name: str,
    experiment: str,
    folder: Path,
    recorded: bool,
    registered: bool,
    parent: str | None,
    progress: Progress | None,
    warn: Callable[[str], None],
    curve: bool,
) -> Kept:
    from predictor.tracking.runs import finish, note_begun, note_unrecorded, open_run, record_folder
    from predictor.training.train import train

    def work() -> tuple[TrainingResult, Path]:
        result = train(ratings, config, name=name, progress=progress, curve=curve)
        return result, _save(result, folder, experiment)

    if not recorded:
        kept = Kept(*work(), None)
        note_unrecorded(folder)
        return kept
    done: tuple[TrainingResult, Path] | None = None
    try:
        with open_run(name, experiment, parent=parent) as run:
            done = work()
            note_begun(run, folder)
            return Kept(*done, finish(run, folder, registered=registered))
    except TrackingError as error:
        trouble = error
    if done is None:
        warn(f"{trouble}\n  The training goes on, and is kept in {folder}.")
        done = work()
        try:  # it may be back
            return Kept(*done, record_folder(folder, registered=registered))
        except TrackingError as error:
            trouble = error
    return Kept(*done, None, trouble)


@dataclass(frozen=True, eq=False)
class Compared:
    """A comparison that is on disk, and what became of its record.

    Attributes
    ----------
    board
        The leaderboard, the best first; see `leaderboard` for what its differences are to.
    run
        Where it is recorded; None where it is not.
    missing
        Folders that were to be recorded and are not.
    trouble
        Why; None where none is missing.
    """

    board: Leaderboard
    run: RecordedRun | None
    missing: tuple[Path, ...]
    trouble: TrackingError | None


@dataclass(frozen=True, eq=False)
class Present:
    """The model in use, with what it said of rows while it had not seen them, so that a later one can be held to it.

    Taken before the later training, which may replace its folder.

    Attributes
    ----------
    model
        The model.
    out_of_fold
        None where it learned from rows, but what it said of them out of fold is not kept.
    """

    model: OfferModel
    out_of_fold: OutOfFold | None

    @classmethod
    def of(cls, model: OfferModel, models: Path) -> Present:
        """Look for its training in a folder of trainings; a model that learned from no rows needs none.

        Raises
        ------
        ModelError
            If its training is there, but damaged.
        """
        from predictor.training.comparison import OutOfFold

        folder = models / model.name
        if model.trained_on["n"] == 0:
            return cls(model, OutOfFold.none())
        kept = (folder / MODEL).is_file() and type(model).load(folder / MODEL).fingerprint == model.fingerprint
        return cls(model, OutOfFold.read(folder / OUT_OF_FOLD) if kept else None)

    def judge(self, result: TrainingResult, ratings: Ratings) -> Verdict | None:
        """Hold a later training against it, on rows that neither had seen; None where that cannot be done honestly.

        Parameters
        ----------
        result, ratings
            The later training, and what it was trained on.
        """
        from predictor.training.comparison import OutOfFold, Verdict, judge

        if not result.scores:
            return Verdict(None, len(result.y), 0)
        if self.out_of_fold is None:
            return None
        rows = ratings.labelled()

        def answers() -> Floats:
            return self.model.predict_many(rows, interval=False)["offer_probability"].to_numpy()

        try:
            return judge(OutOfFold.of(result), self.out_of_fold, answers)
        except ConfigError:  # it asks for signals that these ratings do not have
            return None

    def told(self, verdict: Verdict | None) -> str:
        """Say how a later model stands to it, in a sentence or two.

        Examples
        --------
        >>> from predictor import OfferModel
        >>> from predictor.training.comparison import Verdict
        >>> print(Present.of(OfferModel.published(), Path("models")).told(Verdict(None, 4, 0)))
        Against the present model, published-evidence: Cannot be told: 4 rows are too few, or of one outcome; 30 of
        each are needed.
        """
        why = (
            f"Cannot be told: what it said of interviews that it had not seen is not kept in a folder {self.model.name}"
            ", or it asks for other signals."
        )
        return f"Against the present model, {self.model.name}: {verdict or why}"


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned from a journal.

    Attributes
    ----------
    kept
        The training, as `train_and_keep` gives it.
    verdict
        Whether the new model is better than the present one beyond noise; None where that cannot be told honestly.
    told
        The same in words.
    """

    kept: Kept
    verdict: Verdict | None
    told: str


def train_on_journal(
    journal: Journal,
    present: OfferModel,
    folder: Path,
    *,
    config: TrainingConfig | None = None,
    recorded: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Learned:
    """Train on a journal's interviews with an outcome, and hold the new model against the present one.

    Parameters
    ----------
    journal
        Its rows; with few of them the model starts from published evidence, as `train` decides.
    present
        The model in use. It stays so: whoever calls this decides.
    folder
        Of the new training, as in "experiments/models/journal-pool"; its name is the model's. The present model's
        training is looked for beside it.
    config
        How; defaults where None.
    recorded
        Whether to record it in MLflow.
    progress
        Told how many fits of the cross-validation are done, and how many there are; never where rows are too few for
        one. What it raises ends the training, and nothing is kept.

    Raises
    ------
    RatingsError
        If no interview has an outcome yet, or `train` refuses them.
    ModelError
        If the present model's training is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from predictor import OfferModel
    >>> from predictor.journal.store import Journal
    >>> with tempfile.TemporaryDirectory() as there:
    ...     journal = Journal(Path(there, "my.journal"))
    ...     entry = journal.add("Acme", {"goals_discussed": 4})
    ...     entry = journal.set_outcome(entry.id, "offer")
    ...     learned = train_on_journal(journal, OfferModel.published(), Path(there, "models", "journal-pool"))
    >>> print(learned.told)
    Against the present model, published-evidence: Cannot be told: 1 rows are too few, or of one outcome; 30 of each
    are needed.
    """
    from predictor.training.train import TrainingConfig

    def counted(items: Iterator[Any], length: int) -> Iterator[Any]:
        for number, item in enumerate(items, 1):
            if progress:
                progress(number, length)
            yield item

    ratings = journal.ratings(training=True)
    before = Present.of(present, folder.parent)
    kept = train_and_keep(
        ratings,
        config or TrainingConfig(),
        name=folder.name,
        experiment="pool",
        folder=folder,
        recorded=recorded,
        progress=counted,
    )
    verdict = before.judge(kept.result, ratings)
    return Learned(kept, verdict, before.told(verdict))


def compare_and_keep(
    ratings: Ratings,
    configs: Mapping[str, TrainingConfig],
    *,
    name: str,
    folder: Path,
    recorded: bool = True,
    progress: Callable[[str], Progress] | None = None,
    warn: Callable[[str], None] = lambda told: None,
) -> Compared:
    """Train experiments on the same rows and folds, and rank them beside the registered champion.

    Whatever MLflow does, all of it is kept.

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
    warn
        As for `train_and_keep`.

    Raises
    ------
    RatingsError, ConfigError
        As `train` does, or if the experiments do not share folds.
    MissingExtraError
        If MLflow is not installed, and the comparison is to be recorded.
    """
    from predictor.tracking.registry import champion_out_of_fold
    from predictor.tracking.runs import finish, note_begun, open_run
    from predictor.training.comparison import leaderboard

    folds = {(config.folds, config.repeats, config.seed) for config in configs.values()}
    if len(folds) > 1:
        raise ConfigError("these experiments differ in folds, repeats or seed; give them the same to compare them")
    began, results = time.time(), {}
    run = trouble = None
    missing = []
    with ExitStack() as stack:
        stack.enter_context(_one_training(folder))
        if recorded:
            try:
                run = stack.enter_context(open_run(name, "comparison"))
            except TrackingError as error:
                trouble = error
                warn(f"{trouble}\n  The trainings go on, and are kept in {folder}-EXPERIMENT.")
        for experiment, config in configs.items():
            kept = train_and_keep(
                ratings,
                replace(config, challengers=("base_rate",)),
                name=f"{name}-{experiment}",
                experiment=experiment,
                folder=folder.with_name(f"{folder.name}-{experiment}"),
                recorded=recorded and not trouble,  # once it is in trouble, the others need not wait for it
                parent=run.run_id if run else None,
                progress=progress(experiment) if progress else None,
                warn=warn,
                curve=False,  # it says whether more interviews would help, which is no question of experiments
            )
            trouble = trouble or kept.trouble
            missing += [kept.folder] if recorded and not kept.run else []
            results[experiment] = kept.result
        champion = None
        if recorded and not trouble:
            try:
                champion = champion_out_of_fold(ratings.catalogue.name)
            except TrackingError as error:
                trouble = error
        board = leaderboard(results, champion)
        _save_comparison(name, board, results, folder, began)
        done = None
        if run:
            note_begun(run, folder)
            try:
                done = finish(run, folder)
            except TrackingError as error:  # it is left open: once this process has ended, it counts as failed
                trouble = error
        missing += [folder] if recorded and not done else []
    return Compared(board, done, tuple(missing), trouble)


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


@contextmanager
def _one_training(folder: Path) -> Iterator[None]:
    """Keep other trainings from a folder, from before this one begins until it is recorded.

    Else a record could name the data of one and the model of the other. What a killed one left is put right.
    """
    with alone(folder, f"another training writes to {folder}; wait until it is done, or give this one another --name"):
        _mend(folder)
        yield


def _mend(folder: Path) -> None:
    """Put right what a training left that was killed while it replaced a folder.

    Before the old one is set aside the new one is whole, so of a folder that is missing the new one takes the place.
    """
    if not folder.parent.is_dir():
        return
    name = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{8}}(\.old)?")
    left = [path for path in folder.parent.iterdir() if name.fullmatch(path.name)]
    if not folder.exists():
        for old in (path for path in left if path.suffix == ".old"):
            fresh = old.with_suffix("")
            (fresh if fresh.exists() else old).rename(folder)
            break
    for path in left:
        _remove(path)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(folder: Path, fill: Callable[[Path], None]) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        fresh.mkdir()
        fill(fresh)
        if folder.exists() or folder.is_symlink():
            old = fresh.with_name(f"{fresh.name}.old")
            folder.rename(old)
            fresh.rename(folder)
            _remove(old)
        else:
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder
