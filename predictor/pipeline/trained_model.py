"""A model with the folder of its training, if there is one: for its reports and out-of-fold predictions."""

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
    model
        The model.
    folder
        Of its training; None where that is not here.
    models
        The folder of trainings.
    """

    model: OfferModel
    folder: Path | None
    models: Path

    @classmethod
    def load(cls, path: Path, models: Path) -> TrainedModel:
        """Read a model, and look for its training: in its folder, or in models/NAME, as a champion's file is a copy.

        Parameters
        ----------
        path
            Its file.
        models
            The folder of trainings.

        Raises
        ------
        ModelError
            If the file is not a model.
        """
        model = OfferModel.load(path)
        for folder in (path.parent, models / model.name):
            if (folder / RECORD).is_file() and (folder / MODEL).is_file():
                try:
                    if OfferModel.load(folder / MODEL).fingerprint == model.fingerprint:
                        return cls(model, folder, models)
                except ModelError:
                    continue
        return cls(model, None, models)

    def report_folder(self, out: Path | None = None) -> Path:
        """Return the folder of reports: the one asked for, the training's, or where that is not here a new one."""
        if out is not None:
            return out
        return self.folder or self.models / f"{self.model.name}-{self.model.fingerprint[:8]}"
