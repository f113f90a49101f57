"""The first member of the pool: a logistic regression with block-wise priors, chosen by the marginal likelihood.

The coefficients of each block (overall mean, family means, signals, steps, ...) have a prior standard deviation of
their own, chosen by the data. One near zero turns a block off: if only the overall mean is left, the model is the plain
mean; if no block is, the base rate. So one fit serves ten rows and a hundred thousand, without a search over settings.
A prior model, where there is one, is a column whose coefficient starts at one: the blocks then learn how these
interviews differ from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import nnls
from scipy.special import expit

from predictor.learning.basis import Basis
from predictor.learning.decomposition import TablesByTerms
from predictor.learning.weights import RowWeights, count, mean, weighted
from predictor.model.tables import Floats


@dataclass(frozen=True)
class DeviationPrior:
    """Log-normal prior of the standard deviation that a block adds to the log-odds.

    Attributes
    ----------
    median
        Prior median.
    own, shared
        Standard deviations of the logarithm: of a part that is independent for each block, and of a part that is common
        to all blocks, so that strong data raise all of them.
    """

    median: float
    own: float = 0.6
    shared: float = 1.5


# These medians and deviations, and that half of the evidence counts, were chosen by hand on public sets:
# experiments/benchmark/README.md, "What was tried".
DEVIATION_PRIORS: Mapping[str, DeviationPrior] = {
    "mean": DeviationPrior(0.8),
    "family": DeviationPrior(0.8),
    "linear": DeviationPrior(0.8),
    "steps": DeviationPrior(0.4),
    "shape": DeviationPrior(0.4),
    "not_applicable": DeviationPrior(1.5),  # it may matter much: chosen on the airline survey, 12 draws of 100 rows
    "input": DeviationPrior(0.4),
    "input_mean": DeviationPrior(0.4),
    "trend": DeviationPrior(0.4),
}
# as for a uniform prior on the base rate: a logistic variable's variance is pi^2 / 3
INTERCEPT_PRECISION = 3 / np.pi**2
PRIOR_ROWS = 10.0  # interviews that the base rate of a prior model counts for
PRIOR_SLOPE = 0.4  # standard deviation of a prior model's coefficient around one
DEVIATION_FACTOR_WITH_PRIOR = 0.25  # of the medians, if a prior model already gives the expected effects
# With few rows the evidence that ratings have any effect is weak, and overstated by its approximations: so the
# log-odds that they have one are 0.5 plus half of the evidence.
PRIOR_LOG_ODDS_OF_EFFECT, EVIDENCE_SHARE = 0.5, 0.5
NEGLIGIBLE_SHARE = 1e-9  # share of a variance under which it is rounding only
# Variance of the log-odds for misspecification of the model: measured as the difference of a joint fit and fits by role
MISSPECIFICATION_VARIANCE = 0.1**2
INTERVAL_FACTORS = 24  # directions of the covariance that the interval keeps; the rest is a variance of each cell
LEAST_CURVATURE = 0.05  # of the evidence in log precisions, so that a flat direction allows no huge step
MOST_STEP, SETTLED_STEP = 2.0, 0.02  # in log precisions: longest step, and the step under which the fit ends


@dataclass(frozen=True, eq=False)
class Regression:
    """A fitted regression.

    Attributes
    ----------
    basis
        The columns that the coefficients belong to.
    intercept, coefficients
        Log-odds at the posterior mode; coefficients of shape (columns,).
    covariance
        Shape (columns + 1, columns + 1), the intercept first: Laplace's approximation, plus the variance due to
        uncertain deviations and to a `belief` below one.
    deviations
        Prior standard deviation of each block's part of the log-odds, chosen by the data.
    evidence
        Logarithm of the marginal likelihood; without a prior model that of an equal mixture with the plain base rate.
    prior_variances, posterior_covariance
        Of intercept and coefficients at these deviations: shape (columns + 1,) and (columns + 1, columns + 1).
    belief
        Weight of the fit against the plain base rate, 0 to 1; near one except for few rows.
    warm_start
        Logarithms of the blocks' precisions, and coefficients with the intercept first, at which the fit converged:
        the next fit on nearly the same rows starts from them.
    constraints
        Combinations of coefficients that must not be negative, shape (constraints, columns); None if there are none.
    """

    basis: Basis
    intercept: float
    coefficients: Floats
    covariance: Floats
    deviations: Mapping[str, float]
    evidence: float
    prior_variances: Floats
    posterior_covariance: Floats
    belief: float
    warm_start: tuple[Floats, Floats]
    constraints: Floats | None = None

    def tables(self) -> TablesByTerms:
        """Return the regression as tables."""
        return {(): np.array(self.intercept), **self.basis.tables(self.coefficients)}

    def variance(self, cells: Floats, weights: RowWeights = None) -> float:
        """Compute the mean variance of the log-odds over rows given as cell weights."""
        phi = self.basis.with_intercept(cells)
        return float(MISSPECIFICATION_VARIANCE + mean(np.einsum("ij,ij->i", phi @ self.covariance, phi), weights))

    def prior_variance_left(self, cells: Floats) -> float:
        """Compute the share, 0 to 1, of the prior variance of rows' log-odds that the training rows leave."""
        phi = self.basis.with_intercept(cells)
        after = np.einsum("ij,jk,ik->", phi, self.posterior_covariance, phi, optimize=True)
        return float(after / (phi**2 @ self.prior_variances).sum())

    def uncertainty(self, cells: Floats, weights: RowWeights = None) -> tuple[Floats, Floats, Floats]:
        """Write the covariance as in factor analysis: a few directions, and a variance of each cell.

        The directions are those with most of the variance of the log-odds over the given rows. The rest (pairs
        included) is divided among the cells so that the mean variance of these rows is kept, including
        `MISSPECIFICATION_VARIANCE`.

        Returns
        -------
        array of shape (r,)
            Factors of the intercept.
        array of shape (cells, r)
            Factors of each cell.
        array of shape (cells,)
            Variance of each cell.
        """
        # pairs are added to main tables at the mean of their input, since the errors of both are negatively correlated
        tables = np.column_stack(
            [self.basis.main, *(mean(cells[:, cell], weights) * table for cell, table in self.basis.pairs)]
        )
        phi = self.basis.with_intercept(cells)
        exact = self.variance(cells, weights)
        root = np.linalg.cholesky(self.covariance + 1e-12 * np.eye(len(self.covariance)))
        _, turn = np.linalg.eigh(root.T @ (phi.T @ weighted(phi, weights) / count(phi, weights)) @ root)
        kept = (root @ turn[:, ::-1])[:, :INTERVAL_FACTORS]
        kept = np.column_stack([kept, np.sqrt(MISSPECIFICATION_VARIANCE) * (np.arange(len(kept)) == 0)])
        factors = tables @ kept[1:]
        own = np.einsum("ij,ij->i", tables @ self.covariance[1:, 1:], tables)
        own = np.maximum(own - (factors**2).sum(axis=1), 0.0)
        shown = mean(((kept[0] + cells @ factors) ** 2).sum(axis=1), weights)
        left = float(mean(cells @ own, weights))
        # with few columns the rest is rounding only, which must not be scaled up
        return kept[0], factors, own * max(0.0, exact - shown) / left if left > NEGLIGIBLE_SHARE * exact else own


def fit_regression(
    cells: Floats,
    y: Floats,
    basis: Basis,
    intercept_prior: tuple[float, float] | None = None,
    *,
    constraints: Floats | None = None,
    start: Regression | None = None,
    weights: RowWeights = None,
    shrinkage: Floats | None = None,
) -> Regression:
    """Fit by evidence: Newton steps for the coefficients inside Newton steps for the log precisions of the blocks.

    The logarithms of the deviations have a joint normal prior (`DeviationPrior`). The evidence is that of the working
    normal model at the current weights (Breslow & Clayton 1993, JASA 88:9-25; MacKay 1992, Neural Computation
    4:415-447): with few rows it favours small deviations, the safe side. Without a prior model, the fit is then mixed
    in log-odds with the plain base rate; its weight (`belief`) grows with its evidence over that of the base rate.

    Parameters
    ----------
    cells
        Cell weights, shape (n, cells).
    y
        Outcomes 0 or 1, shape (n,).
    basis
        The design columns.
    intercept_prior
        Prior mean and precision of the intercept, from the prior model in `basis`; None if there is no prior model.
    constraints
        Combinations of coefficients that must not be negative, shape (constraints, columns); see `Basis.constraints`.
    start
        A fit on nearly the same rows and the same basis, to start from: the result is the same, in fewer steps.
    weights
        How often each row counts, shape (n,).
    shrinkage
        Factor, 0 to 1, by which predictions of each row are shrunk towards zero for signals that were not rated, shape
        (n,); None for 1. Without it the fit would learn shrunk coefficients, which prediction would shrink once more.
    """
    phi = basis.with_intercept(cells)
    if shrinkage is not None:
        phi *= shrinkage[:, None]
    size, blocks = phi.shape[1], len(basis.names)
    own = 1 + np.flatnonzero(basis.block >= 0)
    inside = np.zeros((size, blocks))
    inside[own, basis.block[basis.block >= 0]] = 1.0
    # prior means, and the precisions that are not chosen: of the intercept and of a prior model
    centre, fixed = np.zeros(size), np.zeros(size)
    fixed[0] = INTERCEPT_PRECISION
    if intercept_prior:
        column = 1 + np.flatnonzero(basis.block < 0)[0]
        centre[0], fixed[0] = intercept_prior
        centre[column], fixed[column] = 1.0, PRIOR_SLOPE**-2
    columns = inside.sum(axis=0)
    chosen = [DEVIATION_PRIORS[name] for name in basis.names]
    middle = -2 * np.log([each.median * (DEVIATION_FACTOR_WITH_PRIOR if intercept_prior else 1.0) for each in chosen])
    shared = np.array([each.shared for each in chosen])
    hyper = np.linalg.inv(4 * (np.diag([each.own**2 for each in chosen]) + np.outer(shared, shared)))
    rho, w = middle.copy(), centre.copy()
    if not intercept_prior:
        offers = weighted(y, weights).sum()
        w[0] = np.log((offers + 1) / (count(y, weights) - offers + 1))
    if start is not None:
        rho, w = start.warm_start
    for _ in range(60):
        a = np.exp(rho)
        w, inverse, logdet = _mode(phi, y, fixed + inside @ a, w, centre, weights)
        square, trace = inside.T @ w**2, inside.T @ np.diag(inverse)
        moved = inside * w[:, None]
        slope = -(inverse @ moved) * a  # d w / d rho
        gradient = 0.5 * (columns - a * square - a * trace) - hyper @ (rho - middle)
        curvature = (
            0.5 * np.diag(a * (square + trace))
            + (moved.T @ slope) * a[:, None]
            - 0.5 * np.outer(a, a) * (inside.T @ inverse**2 @ inside)
            + hyper
        )
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
        values = np.maximum(np.abs(values), LEAST_CURVATURE)
        step = vectors @ ((vectors.T @ gradient) / values)
        longest = np.abs(step).max(initial=0.0)
        if longest < SETTLED_STEP:
            break
        step *= min(1.0, MOST_STEP / longest)
        rho = rho + step
        w = w + slope @ step * (longest < 1)
    from_deviations = slope @ vectors / np.sqrt(values)  # its square is the covariance due to uncertain deviations
    precision = fixed + inside @ np.exp(rho)
    evidence = _log_likelihood(y, phi @ w, weights) + 0.5 * (np.log(precision).sum() - logdet)
    evidence -= 0.5 * (precision @ (w - centre) ** 2 + (rho - middle) @ hyper @ (rho - middle))
    evidence += 0.5 * float(np.linalg.slogdet(hyper)[1] - np.log(values).sum())
    base, base_evidence = _base_rate(y, weights)
    belief = 1.0
    if not intercept_prior:
        belief = float(expit(PRIOR_LOG_ODDS_OF_EFFECT + EVIDENCE_SHARE * (evidence - base_evidence)))
        evidence = np.logaddexp(evidence, base_evidence) - np.log(2)
    warm_start = rho, w
    covariance = inverse + from_deviations @ from_deviations.T
    if constraints is not None:
        w = project(w, covariance, np.column_stack([np.zeros(len(constraints)), constraints]))
    # between-model variance of the mixture of fit and base rate
    between = np.sqrt(belief * (1 - belief)) * (w - base * (np.arange(size) == 0))
    return Regression(
        basis=basis,
        intercept=float(base + belief * (w[0] - base)),
        coefficients=belief * w[1:],
        covariance=covariance + np.outer(between, between),
        deviations=dict(zip(basis.names, np.exp(-rho / 2).tolist(), strict=True)),
        evidence=float(evidence),
        prior_variances=1 / precision,
        posterior_covariance=inverse,
        belief=belief,
        warm_start=warm_start,
        constraints=constraints,
    )


def project(w: Floats, covariance: Floats, constraints: Floats) -> Floats:
    """Return the nearest coefficients, measured by the inverse covariance, with `constraints @ w` not negative.

    A least-distance problem, solved by non-negative least squares (Lawson & Hanson 1974, chapter 23).

    Parameters
    ----------
    w
        Coefficients, shape (columns,).
    covariance
        Covariance of the coefficients, shape (columns, columns).
    constraints
        Combinations of coefficients that must not be negative, shape (constraints, columns).

    Examples
    --------
    >>> project(np.array([-1.0, 2.0]), np.eye(2), np.array([[1.0, 0.0]])).round(9) + 0.0
    array([0., 2.])
    """
    now = constraints @ w
    if not len(constraints) or now.min() >= 0:
        return w
    root = np.linalg.cholesky(covariance + 1e-12 * np.eye(len(w)))
    turned = constraints @ root
    size = np.linalg.norm(turned, axis=1)
    kept = size > 1e-9 * size.max()
    turned, now = turned[kept] / size[kept, None], now[kept] / size[kept]
    right = np.zeros(len(w) + 1)
    right[-1] = 1.0
    solution, _ = nnls(np.vstack([turned.T, -now]), right, maxiter=30 * len(w))
    rest = np.vstack([turned.T, -now]) @ solution - right
    return np.asarray(w - root @ (rest[:-1] / rest[-1]))


def _base_rate(y: Floats, weights: RowWeights) -> tuple[float, float]:
    """Return the log-odds of the base rate at the posterior mode, and the evidence of a model of it alone."""
    w, n, offers = 0.0, count(y, weights), weighted(y, weights).sum()
    for _ in range(30):
        p = float(expit(w))
        precision = n * p * (1 - p) + INTERCEPT_PRECISION
        w += (offers - n * p - INTERCEPT_PRECISION * w) / precision
    evidence = _log_likelihood(y, np.full(len(y), w), weights) - 0.5 * INTERCEPT_PRECISION * w**2
    return w, evidence + 0.5 * float(np.log(INTERCEPT_PRECISION / precision))


def _mode(
    phi: Floats, y: Floats, precision: Floats, w: Floats, centre: Floats, weights: RowWeights
) -> tuple[Floats, Floats, float]:
    """Maximise the penalised logistic likelihood by Newton's method.

    Returns the mode, the inverse Hessian and the logarithm of the Hessian's determinant.
    """
    eta = phi @ w
    now = _log_likelihood(y, eta, weights)
    for _ in range(50):
        p = expit(eta)
        hessian, root = np.diag(precision), np.sqrt(weighted(p * (1 - p), weights))
        for start in range(0, len(phi), 8192):  # in slices, since a weighted copy of 100,000 rows is large
            part = phi[start : start + 8192] * root[start : start + 8192, None]
            hessian += part.T @ part
        factor, failed = lapack.dpotrf(hessian, lower=1)
        if failed:
            raise FloatingPointError("the Hessian is not positive definite, which its prior should ensure")
        gradient = phi.T @ weighted(y - p, weights) - precision * (w - centre)
        step = lapack.dpotrs(factor, gradient, lower=1)[0]
        expected = float(gradient @ step)
        if expected < 1e-4:
            w = w + step  # so near the mode a whole step squares the error
            break
        move, length = phi @ step, 1.0
        while True:
            new_w, new_eta = w + length * step, eta + length * move
            new = _log_likelihood(y, new_eta, weights)
            change = new - now - 0.5 * float(precision @ ((new_w - centre) ** 2 - (w - centre) ** 2))
            if change >= 1e-4 * length * expected or length < 1e-6:
                break
            length /= 2
        w, eta, now = new_w, new_eta, new
    lower = np.tril(lapack.dpotri(factor, lower=1)[0])
    return w, lower + np.tril(lower, -1).T, 2 * float(np.log(np.diag(factor)).sum())


def _log_likelihood(y: Floats, eta: Floats, weights: RowWeights) -> float:
    return float(weighted(y, weights) @ eta - weighted(np.logaddexp(0, eta), weights).sum())
