"""How ratings become an OfferModel."""

from importlib.util import find_spec

from predictor.errors import MissingExtraError

for _library, _module in (("scikit-learn", "sklearn"), ("joblib", "joblib"), ("threadpoolctl", "threadpoolctl")):
    if find_spec(_module) is None:
        raise MissingExtraError(_library, "training", "train")
