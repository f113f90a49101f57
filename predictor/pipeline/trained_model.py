"""A model with the folder of its training, if that is at hand: where reports on it go, and what it left of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from predictor.errors import ModelError
from predictor.model.offer_model import OfferModel
from predictor.training_folder import MODEL, RECORD


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model and where it comes from.

    Attributes
    ----------
    model, path
        The model, and its file.
    folder
        Of its training; None where that is not here.
    """

    model: OfferModel
    path: Path
    folder: Path | None

    @classmethod
    def load(cls, path: Path, models: Path) -> TrainedModel:
        """Read a model, and look for its training: beside it, or by its name, as a champion is a copy.

        Parameters
        ----------
        path
            Its file.
        models
            The folder of trainings.

        Raises
        ------
        ModelError
            If the file is no model.
        """
        model = OfferModel.load(path)
        for folder in (path.parent, models / model.name):
            if (folder / RECORD).is_file() and (folder / MODEL).is_file():
                try:
                    if OfferModel.load(folder / MODEL).fingerprint == model.fingerprint:
                        return cls(model, path, folder)
                except ModelError:
                    continue
        return cls(model, path, None)

    def place(self, out: Path | None) -> Path:
        """Return the folder that reports go to: the one asked for, the training's, or the one of the model's file.

        Beside a model's file of another name than a training's, reports have a folder of their own.
        """
        if out is not None:
            return out
        return self.folder or Path(self.path.stem if self.path.parent.name == "model" else self.path.with_suffix(""))
