"""A logged model as MLflow runs it: `mlflow.pyfunc.load_model` and `mlflow models serve`.

This file travels with every logged model, beside `model.json` and the modules that predicting needs (see `models.py`),
so a server needs neither this project nor scikit-learn. There is no pickle: MLflow imports this module, and it reads
the JSON file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.errors import ConfigError, PredictorError
from predictor.model.offer_model import OfferModel
from predictor.ratings.ratings import Ratings

if TYPE_CHECKING:
    import pandas as pd

EVERYTHING = "everything"
ANSWERS = (EVERYTHING, "offer_probability", "outcome")
CONFIG = {"answer": EVERYTHING}


class ServedModel:
    """An `OfferModel` behind MLflow's interface of a Python function.

    Parameters
    ----------
    model
        The model that answers.
    answer
        What it answers for each row, `model_config={"answer": ...}` where MLflow loads it: "everything" as
        `predictor predict --json` has it, "offer_probability" alone, or "outcome", 1 for an offer and 0 for none,
        whichever is the likelier. For `mlflow.models.evaluate(..., model_type="classifier")` it is "outcome".

    Examples
    --------
    >>> import pandas as pd
    >>> model = OfferModel.published()
    >>> (answer,) = ServedModel(model).predict(pd.DataFrame([{"goals_discussed": 4}]))
    >>> answer == model.predict({"goals_discussed": 4}).to_dict()
    True
    """

    def __init__(self, model: OfferModel, answer: str = EVERYTHING) -> None:
        if answer not in ANSWERS:
            raise ConfigError(f"answer is {answer!r}; write one of {', '.join(ANSWERS)}")
        self.model, self.answer = model, answer

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Answer for each row as `OfferModel.predict` does.

        Parameters
        ----------
        frame
            One row per interview: flat, with one column per signal and input, or as in `data/ratings.json`, with the
            signals as a mapping in the column "ratings". A column that is not there, and a cell without a value, mean
            not observed.

            MLflow drops what its signature does not name: a flat column with a misspelt name counts as not observed,
            and a misspelt parameter as not given (MLflow logs a warning of both). Under "ratings" every name arrives,
            and an unknown one is refused.
        params
            `base_rate`: the user's own share of offers, above 0 and below 1; None takes the model's.

        Returns
        -------
        list of dict
            `Prediction.to_dict()` of each row: what `predictor predict --json` prints. Where only the probability or
            the outcome is asked for, an array of shape (n,).

        Raises
        ------
        MlflowException
            INVALID_PARAMETER_VALUE, which a scoring server answers with 400, with every problem of the ratings.
        """
        try:
            rows = Ratings.from_records(_records(frame), self.model.catalogue, ignore_outcomes=True)
            base_rate = (params or {}).get("base_rate")
            if self.answer != EVERYTHING:
                table = self.model.predict_many(rows, base_rate=base_rate, interval=False)
                likely = table["offer_probability"].to_numpy()
                return (likely > 0.5).astype(int) if self.answer == "outcome" else likely
            answers = self.model.predict_each(rows, base_rate=base_rate)
            return [answer.to_dict() for answer in answers]
        except PredictorError as error:
            from mlflow.exceptions import MlflowException

            raise MlflowException.invalid_parameter_value(str(error)) from None


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as JSON would hold them; a frame fills what a row does not have with NaN."""
    cells = frame.astype(object).where(frame.notna(), None)
    return [{str(name): cell for name, cell in row.items() if cell is not None} for row in cells.to_dict("records")]


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> ServedModel:
    """Read the model; MLflow calls this by its name."""
    return ServedModel(OfferModel.load(Path(path)), **{**CONFIG, **(model_config or {})})
