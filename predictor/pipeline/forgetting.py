"""Delete a person from journals, tables and out-of-fold predictions, and note it in models trained on them.

Everything is read first; then each file is written atomically. It can be repeated safely.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from predictor.atomic import resolved, write_bytes
from predictor.errors import ModelError, plural
from predictor.journal.store import Journal
from predictor.model.champions import champion_files
from predictor.model.offer_model import OfferModel
from predictor.sources.deletion import TableWithoutPerson, without_person
from predictor.tracking.runs import add_to_run
from predictor.training.comparison import OutOfFold
from predictor.training_folder import MODEL, OUT_OF_FOLD

PERSON = "person"  # column of imported scorecards


@dataclass(frozen=True, eq=False)
class ModelOfPerson:
    """A model that learned from a person's rows.

    Attributes
    ----------
    name, folder, fingerprint
        Of the model, and of its training.
    rows
        How many of its rows are the person's.
    remaining
        Its out-of-fold predictions without them.
    """

    name: str
    folder: Path
    fingerprint: str
    rows: int
    remaining: OutOfFold


@dataclass(frozen=True, eq=False)
class DeletionPlan:
    """What is to be deleted of a person.

    Attributes
    ----------
    person
        As in the files.
    journals
        Journals, with the ids of the person's interviews.
    tables
        Tables without the person's rows.
    models
        Models in the folder of trainings that learned from these files.
    others
        Models that learned from a person of this name in other files, by name and source.
    champions
        Files of champions, which are copies of models.
    """

    person: str
    journals: Sequence[tuple[Journal, Sequence[str]]]
    tables: Sequence[TableWithoutPerson]
    models: Sequence[ModelOfPerson]
    others: Sequence[tuple[str, str]]
    champions: Sequence[Path]

    @property
    def total(self) -> int:
        """Rows and interviews to delete; where only models know the person, theirs."""
        rows = sum(len(ids) for _, ids in self.journals) + sum(item.removed for item in self.tables)
        return rows or sum(model.rows for model in self.models)

    def lines(self) -> Iterator[str]:
        """Describe what is to be deleted, file by file."""
        for journal, ids in self.journals:
            yield f"{journal.path}: {plural(len(ids), 'interview')} of '{self.person}'"
        for item in self.tables:
            yield (
                f"{item.path}: {plural(item.removed, 'row')} with {item.column} '{self.person}', "
                f"{plural(item.left, 'row')} of others"
            )
        for model in self.models:
            yield f"{model.folder / OUT_OF_FOLD}: {plural(model.rows, 'prediction')}; {model.name} learned from them"
        for name, source in self.others:
            yield f"Left as it is: {name} learned from a '{self.person}' of {source}; name that file if it is the same"

    def carry_out(self) -> int:
        """Delete; models are annotated last, so that no note claims a deletion that has not happened.

        Returns
        -------
        int
            Rows and interviews deleted.
        """
        for item in self.tables:
            if item.removed:
                write_bytes(item.path, item.content)
        for journal, ids in self.journals:
            if ids:
                journal.forget(self.person)
        for model in self.models:
            self._note_in(model)
        return sum(len(ids) for _, ids in self.journals) + sum(item.removed for item in self.tables)

    def _note_in(self, trained: ModelOfPerson) -> None:
        deletion = {"rows": trained.rows, "on": datetime.now(UTC).date().isoformat()}
        for path in (trained.folder / MODEL, *self.champions):
            model = OfferModel.load(path)
            if model.fingerprint == trained.fingerprint:
                replace(model, deletions=(*model.deletions, deletion)).save(path)
        trained.remaining.write(trained.folder / OUT_OF_FOLD)

    def forget_in_runs(self) -> None:
        """Replace MLflow's out-of-fold predictions by those without the person, and its models by those with the note.

        Raises
        ------
        TrackingError
            If the store cannot be reached or written.
        """
        for model in self.models:
            files = [model.folder / OUT_OF_FOLD, model.folder / MODEL]
            add_to_run(model.folder, files, {"rows_deleted": str(model.rows)})


def left_beside(tables: Sequence[Path]) -> list[Path]:
    """Return files of the same imports that are not named: the other table, the list of rows, the report."""
    beside = dict.fromkeys(
        path.with_name(f"{path.stem.removesuffix('-cards')}{part}")
        for path in tables
        for part in (path.suffix, f"-cards{path.suffix}", "-rows.csv", "-report.html")
    )
    return [path for path in beside if path not in tables and path.is_file()]


def plan(
    person: str, journals: Sequence[Path], tables: Sequence[Path], models: Path, column: str | None
) -> DeletionPlan:
    """Look a person up in journals, tables and models; nothing is written.

    Parameters
    ----------
    person
        As in the files.
    journals, tables
        Files to look in.
    models
        The folder of trainings.
    column
        Of the tables, the one that names the person; default: "person", or as a model's catalogue calls it.

    Raises
    ------
    ConfigError, RatingsError, JournalError, ModelError
        If a file cannot be used.
    """
    person = person.strip()
    folders = sorted(path.parent for path in models.glob(f"*/{OUT_OF_FOLD}") if (path.parent / MODEL).is_file())
    trained = [(folder, OfferModel.load(folder / MODEL)) for folder in folders]
    known = [model.catalogue.group for _, model in trained if model.catalogue.group]
    columns = [column] if column else list(dict.fromkeys([PERSON, *known, "candidate_id"]))
    opened = [Journal.existing(path) for path in dict.fromkeys(journals)]
    learned, others = list[ModelOfPerson](), list[tuple[str, str]]()
    sources = [resolved(path) for path in (*journals, *tables)]
    for folder, model in trained:
        out_of_fold = OutOfFold.read(folder / OUT_OF_FOLD)
        theirs = out_of_fold.groups == _key(person)
        if rows := int(theirs.sum()):
            source = Path(str(model.trained_on["source"]))
            if resolved(source) in sources or source.name in {path.name for path in sources}:
                remaining = out_of_fold.chosen(~theirs)
                learned.append(ModelOfPerson(model.name, folder, model.fingerprint, rows, remaining))
            else:
                others.append((model.name, str(source)))
    return DeletionPlan(
        person=person,
        journals=[(journal, [entry.id for entry in journal.of_person(person)]) for journal in opened],
        tables=[without_person(path, person, columns) for path in dict.fromkeys(tables)],
        models=learned,
        others=others,
        champions=_readable(champion_files(models)),
    )


def _readable(paths: Sequence[Path]) -> list[Path]:
    result = []
    for path in paths:
        try:
            OfferModel.load(path)
        except ModelError:
            continue
        result.append(path)
    return result


def _key(person: str) -> np.uint64:
    """Return the number of a person, as `predictor.training.comparison.keys` makes it."""
    hashed = pd.util.hash_pandas_object(pd.Series(np.array([person], dtype=object).astype(str)), index=False)
    return np.uint64(hashed.iloc[0])
