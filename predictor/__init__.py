"""Predict the likelihood of an offer from ratings of an interview, and show what drove it.

>>> from predictor import OfferClassifier, OfferModel, Ratings, simulate_interviews, train
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.batch.running import score_files
    from predictor.batch.scoring import ScoringOptions
    from predictor.errors import PredictorError
    from predictor.learning.classifier import OfferClassifier
    from predictor.learning.published import published_prior
    from predictor.model.changes import what_would_change
    from predictor.model.offer_model import OfferModel
    from predictor.model.prediction import Prediction
    from predictor.panels.cards import read_cards
    from predictor.ratings.catalogue import Catalogue
    from predictor.ratings.ratings import Ratings
    from predictor.sources.files import read_ratings
    from predictor.sources.simulation import simulate_interviews
    from predictor.sources.simulation_teams import simulate_team
    from predictor.training.config import TrainingConfig
    from predictor.training.result import TrainingResult
    from predictor.training.train import train

# Each name is loaded when it is first used, so that predicting never waits for what training needs.
_HOME = {
    "Catalogue": "predictor.ratings.catalogue",
    "OfferClassifier": "predictor.learning.classifier",
    "OfferModel": "predictor.model.offer_model",
    "Prediction": "predictor.model.prediction",
    "PredictorError": "predictor.errors",
    "Ratings": "predictor.ratings.ratings",
    "ScoringOptions": "predictor.batch.scoring",
    "TrainingConfig": "predictor.training.config",
    "TrainingResult": "predictor.training.result",
    "published_prior": "predictor.learning.published",
    "read_cards": "predictor.panels.cards",
    "read_ratings": "predictor.sources.files",
    "score_files": "predictor.batch.running",
    "simulate_interviews": "predictor.sources.simulation",
    "simulate_team": "predictor.sources.simulation_teams",
    "train": "predictor.training.train",
    "what_would_change": "predictor.model.changes",
}

__all__ = [  # written out, since type checkers read only a literal list
    "Catalogue",
    "OfferClassifier",
    "OfferModel",
    "Prediction",
    "PredictorError",
    "Ratings",
    "ScoringOptions",
    "TrainingConfig",
    "TrainingResult",
    "published_prior",
    "read_cards",
    "read_ratings",
    "score_files",
    "simulate_interviews",
    "simulate_team",
    "train",
    "what_would_change",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'predictor' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
