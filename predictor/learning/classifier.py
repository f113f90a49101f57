"""OfferClassifier: the pool as a scikit-learn estimator that ends in an `OfferModel`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from predictor.errors import ConfigError
from predictor.learning.members import Pool, fit_pool
from predictor.model import OfferModel, Pair, Pattern, logit, pattern_of, probability
from predictor.signals import Catalogue, Scale, Signal
from predictor.tables import Floats, Grid

DECIMALS = 12  # of the tables in the file: what rounding adds up to stays far below 1e-9
FACTOR_DECIMALS = 5  # of the interval's factors, which are estimates of estimates
THIN_ROWS = 1000  # rows that the coverage correction is worked out on
KNOTS = 11  # of a column that no catalogue describes


class OfferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Predict a yes or no from ratings by a pool of models that all are tables.

    Parameters
    ----------
    catalogue
        Signals and inputs, in the order of the columns of X. None takes every column of X as a signal on a scale
        from its smallest to its largest value.
    seed
        Of the little that is drawn: rows and signals left out to learn how thin input behaves.

    Attributes
    ----------
    model_ : OfferModel
        The fitted model: exact tables.
    members_ : tuple of Member
        What was fitted; the model's tables equal their mean.
    classes_ : ndarray of shape (2,)
        The two outcomes, sorted; the model predicts the second.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1, 2], [2, 1], [4, 5], [5, np.nan]] * 5)
    >>> classifier = OfferClassifier().fit(X, [0, 0, 1, 1] * 5)
    >>> classifier.predict([[5, 4], [1, np.nan]])
    array([1, 0])
    """

    def __init__(self, catalogue: Catalogue | None = None, *, seed: int = 0) -> None:
        self.catalogue = catalogue
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Learn from ratings.

        Parameters
        ----------
        X
            Shape (n, terms): signals, then inputs coded 0, 1, ... (may be left out); NaN where not observed.
        y
            Two classes, shape (n,).
        groups
            Rows that belong together, shape (n,). Accepted as scikit-learn's grouped estimators do; not used yet, so
            intervals take rows as independent.

        Returns
        -------
        OfferClassifier
            Itself, fitted.

        Raises
        ------
        ValueError
            If X or y is not of that form, as everywhere in scikit-learn.
        ConfigError
            If X does not have the catalogue's columns, in its order.
        """
        values, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        check_consistent_length(values, y, groups)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is multiclass: {len(self.classes_)}"
            )
        if len(self.classes_) < 2:
            raise ValueError(f"OfferClassifier needs two classes, but y has one class: {self.classes_[0]}")
        catalogue = self.catalogue or _catalogue_of(values, getattr(self, "feature_names_in_", None))
        values = _with_inputs(values, catalogue)
        names = [*catalogue.names, *(item.name for item in catalogue.inputs)]
        if list(getattr(self, "feature_names_in_", [])) not in ([], names, list(catalogue.names)):
            raise ConfigError(
                f"X has other columns, or in another order, than the catalogue: {', '.join(names[:5])}, ..."
            )
        pool = fit_pool(values, labels.astype(np.float64), catalogue)
        self.members_ = pool.members
        self.model_ = _describe(pool, values, labels.astype(np.float64), catalogue, self.seed)
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """Compute log-odds of the second class, shape (n,)."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return self.model_.log_odds(_with_inputs(values, self.model_.catalogue))

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Compute probabilities of both classes, shape (n, 2)."""
        p = probability(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the likelier class, shape (n,)."""
        likelier = (self.decision_function(X) > 0).astype(int)
        return np.asarray(self.classes_[likelier])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


def _with_inputs(X: Floats, catalogue: Catalogue) -> Floats:
    """Add inputs that X does not have, as not given."""
    signals, terms = len(catalogue.signals), len(catalogue.signals) + len(catalogue.inputs)
    if X.shape[1] not in (signals, terms):
        raise ConfigError(f"X has {X.shape[1]} columns; the catalogue '{catalogue.name}' has {signals} signals")
    return np.column_stack([X, np.full((len(X), terms - X.shape[1]), np.nan)])


def _catalogue_of(X: Floats, names: NDArray[Any] | None) -> Catalogue:
    signals = []
    for j, column in enumerate(X.T):
        seen = column[~np.isnan(column)]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
        if not high - low > 1e-9 * max(abs(low), abs(high)):  # a constant has no scale; any will do
            high = low + max(1.0, abs(low))
        name = str(names[j]) if names is not None else f"x{j}"
        whole = high - low < 2 * KNOTS and bool((seen == np.round(seen)).all())
        step = 1.0 if whole and high - low == round(high - low) else (high - low) / (KNOTS - 1)
        signals.append(Signal(name, name, "signals", scale=Scale(low, high, step)))
    outcome = "y" + "_" * max(len(signal.name) for signal in signals)  # a name that no column has
    return Catalogue("columns", "Columns of X", tuple(signals), {"signals": "Signals"}, outcome=outcome)


def _describe(pool: Pool, values: Floats, y: Floats, catalogue: Catalogue, seed: int) -> OfferModel:
    """Turn a fitted pool into a model: centred tables, and what is to be known of the rows learned from."""
    grid = Grid.of(catalogue)
    names = (*catalogue.names, *(item.name for item in catalogue.inputs))
    cells = grid.weights(values)
    spans = [slice(*grid.offsets[j : j + 2]) for j in range(len(names))]
    shares = [cells[:, span].mean(axis=0) for span in spans]
    intercept, tables, pairs = _centred(pool, shares)
    signals = values[:, : len(catalogue.signals)]
    rated = ~np.isnan(signals).all(axis=1)
    mean, spread = pattern_of(signals[rated], catalogue)
    draft = OfferModel(
        name="offer-model",
        catalogue=catalogue,
        base_rate=float(y.mean()),
        intercept=intercept,
        tables=dict(zip(names, tables, strict=True)),
        pairs=tuple(Pair(names[j], names[k], table) for j, k, table in pairs),
        coverage=np.zeros(signals.shape[1] + 1),
        factors={
            name: np.round(part, FACTOR_DECIMALS)
            for name, part in zip(("intercept", *names), pool.factors, strict=True)
        },
        variances={name: np.round(part, FACTOR_DECIMALS) for name, part in zip(names, pool.variances, strict=True)},
        counts={name: np.round(cells[:, span].sum(axis=0), 6) for name, span in zip(names, spans, strict=True)},
        feature_importances={},
        pattern=Pattern(_ordinary(mean), _ordinary(spread)),
        trained_on={"source": "fit(X, y)", "digest": "", "n": len(y), "simulated": None},
    )
    size = np.abs(draft.contributions(values)).mean(axis=0).tolist()
    importances = dict(sorted(zip(names, size, strict=True), key=lambda item: -item[1]))
    return replace(draft, feature_importances=importances, coverage=_coverage(draft, values, seed))


def _centred(pool: Pool, shares: list[Floats]) -> tuple[float, list[Floats], list[tuple[int, int, Floats]]]:
    """Shift tables so that each averages to zero over the rows learned from, and pairs along both of their sides.

    The sum stays the same; a contribution then says how this rating differs from the usual ones, and a pair only
    what its two terms do not say alone (Lengerich et al. 2020, "Purifying interaction effects").
    """
    intercept, tables, pairs = pool.intercept, [table.copy() for table in pool.tables], []
    for j, k, table in pool.pairs:
        across = shares[j] @ table
        tables[k] += across
        along = (table - across) @ shares[k]
        tables[j] += along
        pairs.append((j, k, np.round(table - across - along[:, None], DECIMALS)))
    for table, share in zip(tables, shares, strict=True):
        mean = float(share @ table)
        table -= mean
        intercept += mean
    return round(intercept, DECIMALS), [np.round(table, DECIMALS) for table in tables], pairs


def _coverage(model: OfferModel, values: Floats, seed: int) -> Floats:
    """Work out what keeps the mean probability where it is when only k of the signals were rated.

    Tables answer "not observed" one signal at a time; with many missing at once their sum is less spread out, and
    its mean probability drifts from the base rate. Ratings are taken away at random, and the drift is undone.
    """
    rng = np.random.default_rng(seed)
    p = len(model.signals)
    sample = values[rng.permutation(len(values))[:THIN_ROWS]]
    order = np.argsort(np.argsort(np.where(np.isnan(sample[:, :p]), 2.0, rng.random((len(sample), p))), axis=1), axis=1)
    target = float(probability(model.log_odds(sample)).mean())
    shifts = np.zeros(p + 1)
    for kept in range(1, p):
        thin = sample.copy()
        thin[:, :p][order >= kept] = np.nan
        shifts[kept] = _shift_to(model.log_odds(thin), target)
    nothing = np.full((1, values.shape[1]), np.nan)
    shifts[0] = logit(model.base_rate) - float(model.log_odds(nothing)[0])
    return np.round(shifts, DECIMALS)


def _shift_to(log_odds: Floats, target: float) -> float:
    """Find the shift of log-odds that brings their mean probability to a target."""
    return float(brentq(lambda shift: probability(log_odds + shift).mean() - target, -500, 500))


def _ordinary(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.005, 0.995]) if len(values) else (0.0, 1.0)
    return round(float(low), 4), round(float(high), 4)
