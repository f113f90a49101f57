"""Train on a journal, and compare the new model with the one in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.errors import ConfigError
from predictor.pipeline.run import Kept, train_and_keep
from predictor.training_folder import MODEL, OUT_OF_FOLD

if TYPE_CHECKING:
    from predictor.journal.store import Journal
    from predictor.model.offer_model import OfferModel
    from predictor.model.tables import Floats
    from predictor.ratings.ratings import Ratings
    from predictor.training.comparison import OutOfFold, Verdict
    from predictor.training.config import TrainingConfig
    from predictor.training.result import TrainingResult


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
    from predictor.training.config import TrainingConfig

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
