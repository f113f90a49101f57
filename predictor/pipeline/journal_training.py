"""Train on a journal, and compare the new model with the current one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.errors import ConfigError
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.pipeline.run import SavedRun, train_and_save
from predictor.ratings.ratings import Ratings
from predictor.training.comparison import OutOfFold, Verdict, judge
from predictor.training.config import TrainingConfig
from predictor.training.result import TrainingResult
from predictor.training_folder import MODEL, OUT_OF_FOLD


@dataclass(frozen=True, eq=False)
class CurrentTraining:
    """The current model with its out-of-fold predictions, so that a new one can be compared with it.

    Read before the new training, which may replace its folder.

    Attributes
    ----------
    model
        The model.
    out_of_fold
        None where it learned from rows, but its out-of-fold predictions were not saved.
    """

    model: OfferModel
    out_of_fold: OutOfFold | None

    @classmethod
    def of(cls, model: OfferModel, models: Path) -> CurrentTraining:
        """Read its out-of-fold predictions from a folder of trainings; a model without training rows needs none.

        Raises
        ------
        ModelError
            If its training is there, but damaged.
        """
        folder = models / model.name
        if model.trained_on["n"] == 0:
            return cls(model, OutOfFold.none())
        is_its = (folder / MODEL).is_file() and OfferModel.load(folder / MODEL).fingerprint == model.fingerprint
        return cls(model, OutOfFold.read(folder / OUT_OF_FOLD) if is_its else None)

    def judge(self, result: TrainingResult, ratings: Ratings) -> Verdict | None:
        """Compare a new training with it, on rows that neither had seen; None where the two cannot be compared.

        Parameters
        ----------
        result, ratings
            The new training, and what it was trained on.
        """
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

    def summary(self, verdict: Verdict | None) -> str:
        """Describe how a new model compares with it, in a sentence or two.

        Examples
        --------
        >>> from predictor import OfferModel
        >>> from predictor.training.comparison import Verdict
        >>> print(CurrentTraining.of(OfferModel.published(), Path("models")).summary(Verdict(None, 4, 0)))
        Compared with the current model, published-evidence: Not enough data: needs 30 offers and 30 non-offers, found
        4 rows.
        """
        why = (
            f"Cannot be compared: no out-of-fold predictions were saved in a folder {self.model.name}, or it asks for "
            "other signals."
        )
        return f"Compared with the current model, {self.model.name}: {verdict or why}"


@dataclass(frozen=True, eq=False)
class JournalTraining:
    """What was learned from a journal.

    Attributes
    ----------
    saved
        The training, as `train_and_save` returns it.
    verdict
        Whether the new model is significantly better than the current one; None where the data do not allow it.
    summary
        The same in words.
    """

    saved: SavedRun
    verdict: Verdict | None
    summary: str


def train_on_journal(
    journal: Journal,
    current_model: OfferModel,
    folder: Path,
    *,
    config: TrainingConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> JournalTraining:
    """Train on a journal's interviews with an outcome, without MLflow, and compare the new model with the current one.

    Parameters
    ----------
    journal
        Its rows; with few of them the model starts from the published prior, as `train` decides.
    current_model
        It stays in use: whoever calls this decides.
    folder
        Of the new training, as in "experiments/models/journal-pool"; its name is the model's. The current model's
        training is looked for next to it.
    config
        Settings; default: those of `TrainingConfig`.
    progress
        Called with how many fits of the cross-validation are done, and how many there are; not called where rows are
        too few for one. What it raises ends the training, and nothing is saved.

    Raises
    ------
    RatingsError
        If no interview has an outcome yet, or `train` refuses them.
    ModelError
        If the current model's training is damaged.

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
    >>> print(learned.summary)
    Compared with the current model, published-evidence: Not enough data: needs 30 offers and 30 non-offers, found 1
    row.
    """

    def counted(items: Iterator[Any], length: int) -> Iterator[Any]:
        for number, item in enumerate(items, 1):
            if progress:
                progress(number, length)
            yield item

    ratings = journal.ratings(training=True)
    current = CurrentTraining.of(current_model, folder.parent)
    saved = train_and_save(
        ratings,
        config or TrainingConfig(),
        name=folder.name,
        experiment="pool",
        folder=folder,
        recorded=False,
        progress=counted,
    )
    verdict = current.judge(saved.result, ratings)
    return JournalTraining(saved, verdict, current.summary(verdict))
