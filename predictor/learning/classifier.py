"""OfferClassifier: the pool as a scikit-learn estimator that ends in an `OfferModel`."""

from __future__ import annotations

import json
import numbers
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted, validate_data

from predictor.errors import ConfigError, Problem, RatingsError
from predictor.learning.assembly import assemble
from predictor.learning.autologging import one_run
from predictor.learning.pool import fit_pool
from predictor.learning.prior import Prior
from predictor.learning.truth_values import read_truth_values
from predictor.learning.weights import RowWeights, take
from predictor.model.log_odds import probability
from predictor.model.offer_model import OfferModel
from predictor.model.tables import KNOTS, Floats, uneven_knots
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.outcomes import is_offer, normalise_outcome
from predictor.ratings.parsing import clip_to_training_range, out_of_scale
from predictor.ratings.signals import Scale, Signal
from predictor.threads import one_thread

MOST_WEIGHT = 1e12  # of all rows together, beyond which sums lose the prior
ORDINALS = ("zero", "one", "two", "three")  # classes in words, as scikit-learn's own estimator checks use them


class OfferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Predict a binary outcome from ratings by a weighted ensemble (pool) of models that are all tables.

    Parameters
    ----------
    catalogue
        Signals and inputs, in the order of the columns of X. None takes every column of X as a signal on a scale from
        its smallest to its largest value; later values beyond these are clipped, with a warning.
    positive
        The class that means an offer. None decides by known words ("offer", "hired", "accepted", "yes", "true" against
        "no offer", "not hired", "rejected", "declined", "no", "false"; the whole list is in
        `predictor.ratings.outcomes`); of two numbers, or words such as "one" and "two", it takes the larger, with a
        warning unless they are 0 and 1 or -1 and 1. Other words are never ordered by the alphabet: `fit` then asks for
        `positive`.
    prior
        A model to start from, for few rows, such as `published_prior()`; its catalogue must be the same. None uses the
        rows alone.
    random_state
        Seed of folds and boosters. The same whole number gives the same model; a `RandomState` is asked for the next
        seed; None takes one from numpy's global state.
    n_jobs
        Number of fits in parallel threads; None leaves it to joblib's configuration; processes (loky) gain more on
        thousands of rows. The model is the same.

    Attributes
    ----------
    model_ : OfferModel
        The fitted model: exact tables.
    pool_ : Pool
        The fitted members, from which the model's tables were made; not in a pickled or copied estimator.
    classes_ : ndarray of shape (2,)
        The two outcomes, sorted: the order of the columns of `predict_proba`.
    positive_
        The one of them that means an offer, of which `model_` gives the probability.
    feature_importances_ : ndarray of shape (n_features_in_,)
        Mean absolute contribution of each column, in log-odds: `model_.feature_importances` in the order of X.
        Associations with the outcome, not causes of it.
    n_features_in_, feature_names_in_
        As in every estimator of scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1, 2], [2, 1], [4, 5], [5, np.nan]] * 5)
    >>> classifier = OfferClassifier().fit(X, [0, 0, 1, 1] * 5)
    >>> classifier.predict([[5, 4], [1, np.nan]])
    array([1, 0])
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        *,
        positive: Any = None,
        prior: Prior | None = None,
        random_state: int | np.random.RandomState | None = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.positive = positive
        self.prior = prior
        self.random_state = random_state
        self.n_jobs = n_jobs

    @one_run
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the model to ratings.

        Parameters
        ----------
        X
            Shape (n, terms): signals, then inputs coded 0, 1, ... (may be left out). NaN means "not observed", the
            number one step below the scale "not applicable" (`Signal.not_applicable_value`).
        y
            Two classes, shape (n,).
        groups
            Rows that belong together, shape (n,): of one person, or of one interview. They are in the same fold when
            the members are weighed; the model's own intervals take rows as independent all the same.
        sample_weight
            How many rows each row counts as, 0 or more, shape (n,). With few rows the model keeps to the base rate, and
            weights that add up to 1 are one row in all: let them add up to the number of rows if they only state which
            rows count for more.

        Returns
        -------
        OfferClassifier
            Itself, fitted.

        Raises
        ------
        ValueError
            If X, y or a weight does not have this form, or the classes are words of which it is not known which means
            an offer.
        ConfigError
            If X does not have the catalogue's columns, in its order.
        RatingsError
            If a rating is out of scale, or true or false without a level of that name, or an input is not a code of its
            levels; see `Ratings.from_frame` for codes such as 99.
        """
        _refuse_unknown(y)
        X = read_truth_values(X, self.catalogue or (self.prior.model.catalogue if self.prior else None))
        values, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        known = np.asarray(y)
        if known.dtype == object and not any(isinstance(label, str) for label in known):
            y = np.array(known.tolist())  # numbers and truth values that pandas holds as objects
        check_classification_targets(y)
        check_consistent_length(values, y, groups)
        together = None if groups is None else np.asarray(groups)
        weights: RowWeights = None
        counted: Any = slice(None)  # or a mask: the rows whose weight is not 0
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, values, dtype=np.float64, ensure_non_negative=True)
            counted = weights > 0
            if not counted.any():
                raise ValueError("every sample weight is zero, so there is no row to learn from")
            if (total := weights.sum()) > MOST_WEIGHT:
                raise ValueError(f"the sample weights sum to {total:.3g}; a weight counts rows: divide by their mean")
            weights = None if (weights[counted] == 1).all() else weights[counted]
            y, together = np.asarray(y)[counted], None if together is None else together[counted]
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is multiclass: {len(self.classes_)}"
            )
        if len(self.classes_) == 1 and self.prior is not None and self.classes_[0] in (0, 1):
            # with a prior, rows of one outcome are enough
            self.classes_, labels = np.array([0, 1]), np.asarray(y, dtype=np.int64)
        if len(self.classes_) < 2:
            raise ValueError(f"OfferClassifier needs two classes, but y has one class: {self.classes_[0]}")
        self.positive_ = _positive(self.classes_, self.positive)
        described = self.catalogue or (self.prior.model.catalogue if self.prior else None)
        catalogue = described or _catalogue_of(values[counted], getattr(self, "feature_names_in_", None), weights)
        values = _with_inputs(values, catalogue)
        _refuse_other_columns(list(getattr(self, "feature_names_in_", [])), catalogue)
        if described:
            _refuse_out_of_scale(values, catalogue)
        values = values[counted]
        if self.prior and not self.prior.is_compatible_with(catalogue):
            raise ConfigError(
                f"the prior '{self.prior.model.name}' has other signals, scales or inputs than the catalogue "
                f"'{catalogue.name}'; leave the prior out"
            )
        outcomes = (self.classes_[labels] == self.positive_).astype(np.float64)
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        with one_thread("blas"):
            self.pool_ = fit_pool(
                values,
                outcomes,
                catalogue,
                together,
                prior=self.prior,
                seed=int(seed),
                n_jobs=self.n_jobs,
                weights=weights,
            )
            self.model_ = assemble(self.pool_, values, outcomes, catalogue, prior=self.prior, weights=weights)
        return self

    @property
    def feature_importances_(self) -> Floats:
        """Mean absolute contribution of each column of X, in log-odds, shape (n_features_in_,)."""
        check_is_fitted(self)
        sizes = self.model_.feature_importances
        return np.array([sizes[name] for name in self.model_.terms[: self.n_features_in_]])

    def decision_function(self, X: ArrayLike) -> Floats:
        """Compute log-odds of the second of `classes_`, shape (n,)."""
        check_is_fitted(self)
        X = read_truth_values(X, self.model_.catalogue)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        catalogue, p = self.model_.catalogue, len(self.model_.signals)
        values = _with_inputs(values, catalogue)
        values[:, :p] = clip_to_training_range(values[:, :p], catalogue)
        _refuse_out_of_scale(values, catalogue)
        log_odds = self.model_.log_odds(values)
        return log_odds if self.classes_[1] == self.positive_ else -log_odds

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Compute probabilities of both classes, shape (n, 2), in the order of `classes_`."""
        p = probability(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the likelier class, shape (n,)."""
        likelier = (self.decision_function(X) > 0).astype(int)
        return np.asarray(self.classes_[likelier])

    # pickle, joblib and skops write the model as JSON, so that their files contain none of our classes except this one

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = {**super().__getstate__()}
        state.pop("pool_", None)
        if isinstance(self.catalogue, Catalogue):
            state["catalogue"] = json.dumps(self.catalogue.to_dict())
        if isinstance(self.prior, Prior):
            state["prior"] = {"model": _written(self.prior.model), "rows": self.prior.rows}
        if "model_" in state:
            state["model_"] = _written(self.model_)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = {**state}
        if isinstance(state["catalogue"], str):
            state["catalogue"] = Catalogue.from_dict(json.loads(state["catalogue"]))
        if isinstance(prior := state["prior"], dict):
            state["prior"] = Prior(OfferModel.from_dict(json.loads(prior["model"])), prior["rows"])
        if "model_" in state:
            state["model_"] = OfferModel.from_dict(json.loads(state["model_"]))
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


def _refuse_unknown(y: Any) -> None:
    """Reject words with None, NaN or NA among them; numbers are checked by scikit-learn."""
    if getattr(getattr(y, "dtype", None), "kind", "O") != "O" or (labels := np.asarray(y, dtype=object)).ndim != 1:
        return
    unknown = sum(label is None or type(label).__name__ == "NAType" or label != label for label in labels)
    if unknown and any(not isinstance(label, numbers.Real) for label in labels):
        kind = f"y is empty (None, NaN or NA) in {unknown:,} of {len(labels):,} rows"
        raise ValueError(f"{kind}; leave out rows whose outcome is unknown")


def _written(model: OfferModel) -> str:
    return json.dumps({**model.to_dict(), "fingerprint": model.fingerprint})


def _positive(classes: NDArray[Any], asked: Any) -> Any:
    """Decide which of two classes means an offer."""
    if asked is not None:
        if asked not in classes.tolist():
            raise ValueError(f"positive={asked!r} is none of the classes {_both(classes)}")
        return classes[classes.tolist().index(asked)]
    offers = [is_offer(name) for name in classes.tolist()]
    if sorted(offers, key=str) == [False, True]:
        return classes[offers.index(True)]
    words = [normalise_outcome(name) for name in classes.tolist()]
    if classes.dtype.kind in "biuf" or all(isinstance(name, int | float) for name in classes.tolist()):
        larger = classes[1]
    elif all(word in ORDINALS for word in words):
        larger = max(classes.tolist(), key=lambda name: ORDINALS.index(normalise_outcome(name)))
    else:
        raise ValueError(f"which class means an offer, {_both(classes)}? Name it: OfferClassifier(positive=...)")
    if words not in (["-1", "1"], ["-1.0", "1.0"]):
        warnings.warn(
            f"{larger!s}, the larger of the classes {_both(classes)}, is taken as the offer; to choose, and to "
            "end this warning, name the class: OfferClassifier(positive=...)",
            stacklevel=3,
        )
    return larger


def _both(classes: NDArray[Any]) -> str:
    return " or ".join(map(repr, classes.tolist()))


def _with_inputs(X: Floats, catalogue: Catalogue) -> Floats:
    """Add the columns of inputs if X has only those of signals, as not given."""
    signals, terms = len(catalogue.signals), len(catalogue.signals) + len(catalogue.inputs)
    if X.shape[1] not in (signals, terms):
        raise ConfigError(f"X has {X.shape[1]} columns; the catalogue '{catalogue.name}' has {signals} signals")
    return np.column_stack([X, np.full((len(X), terms - X.shape[1]), np.nan)])


def _refuse_other_columns(given: list[str], catalogue: Catalogue) -> None:
    """Reject names of columns that are not those of the catalogue, in its order; X may have none, or no inputs."""
    names = [*catalogue.names, *(item.name for item in catalogue.inputs)]
    if given not in ([], names, list(catalogue.names)):
        ours, theirs = next(pair for pair in zip(names, given, strict=False) if pair[0] != pair[1])
        raise ConfigError(
            f"X has other columns, or in another order, than the catalogue '{catalogue.name}': '{theirs}' "
            f"instead of '{ours}'; select them with X[list(catalogue.names)], and let a ColumnTransformer keep "
            "their names (verbose_feature_names_out=False)"
        )


def _refuse_out_of_scale(values: Floats, catalogue: Catalogue) -> None:
    """Reject ratings out of scale, as readers of files do; the model itself would clip them without a warning."""
    p = len(catalogue.signals)
    problems = out_of_scale(values[:, :p], catalogue, "NaN")
    for column, item in zip(values[:, p:].T, catalogue.inputs, strict=True):
        wrong = ~np.isnan(column) & ~np.isin(column, range(len(item.levels)))
        codes = ", ".join(f"{code} ({level})" for code, level in enumerate(item.levels))
        kind = f"is not the code of a level; write {codes}, or leave it NaN where it is not given"
        problems += [Problem(kind, int(row) + 1, item.name, f"{column[row]:g}") for row in np.flatnonzero(wrong)]
    if problems:
        raise RatingsError("X", problems)


def _catalogue_of(X: Floats, names: NDArray[Any] | None, weights: RowWeights) -> Catalogue:
    signals = []
    for j, column in enumerate(X.T):
        there = ~np.isnan(column)
        seen = column[there]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
        if not high - low > 1e-9 * max(abs(low), abs(high)):  # a constant has no scale; any will do
            high = low + max(1.0, abs(low))
        name = str(names[j]) if names is not None else f"x{j}"
        whole = high - low < 2 * KNOTS and bool((seen == np.round(seen)).all())
        step = 1.0 if whole and high - low == round(high - low) else (high - low) / (KNOTS - 1)
        knots = () if whole else uneven_knots(seen, low, high, weights=take(weights, there))
        scale = Scale(uneven=knots) if knots else Scale(low, high, step)
        signals.append(Signal(name, name, "signals", scale=scale))
    outcome = "y" + "_" * max(len(signal.name) for signal in signals)  # a name that no column has
    return Catalogue(
        "columns", "Columns of X", tuple(signals), {"signals": "Signals"}, outcome=outcome, learned_ends=True
    )
