"""Crossed random effects of people and raters on scorecards' means, by REML.

    score = stage + person + rater + rest

Person effects are absorbed exactly: with a the ratio of people's variance to the rest's, the k scorecards of an
application have the inverse covariance (I - a / (1 + k a) 11') / rest. So one unknown per stage and one per rater
are left, and X'WX, X'Wy and y'Wy are plain sums over scorecards (`square`, `right`, `norm`) less a / (1 + k a) times
the same of the applications' sums (`by_size`, for each k). Each application has a weight: leaving people out is a fit
with 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.sparse import csr_array, hstack

from predictor.errors import ConfigError
from predictor.model.tables import Floats, Ints

MOST_RATERS = 3_000  # the equations are a full matrix
NO_EFFECT = 1e-3  # ratio of standard deviations below which there is none
ALIKE = 1e-13  # share of the mean square that is rounding only, where all scores of a stage are the same
SINGULAR = 1e-9  # of a matrix whose entries are about 1
CHUNK = 512  # applications at once


@dataclass(frozen=True, eq=False)
class CardMeans:
    """Scorecards' means, and whose they are.

    Attributes
    ----------
    score
        Mean rating of each scorecard, or of each panel, shape (m,).
    unit
        Number of the application, 0, 1, ..., shape (m,).
    raters
        Shape (m, raters): 1 for who rated; where only a panel's mean is known, a share of each of its raters.
    stage
        Number of the stage, 0, 1, ..., shape (m,); each stage has a mean of its own.
    """

    score: Floats
    unit: Ints
    raters: csr_array
    stage: Ints


@dataclass(frozen=True, eq=False)
class Effects:
    """Fitted effects.

    Attributes
    ----------
    person, rater, rest
        Variances: of persons, of raters, of what is left (how this rater saw this person, and chance). Where nobody
        was rated twice, persons cannot be distinguished from the rest: `person` is then NaN, and `rest` holds both.
    stages
        Mean score of each stage, shape (stages,).
    leniency
        Of each rater: how much higher than others they rate, drawn towards 0 as far as their scorecards are few (BLUP),
        shape (raters,).
    uncertainty
        Variance of each leniency about the truth, shape (raters,).
    equations
        What `without_own` needs.
    """

    person: float
    rater: float
    rest: float
    stages: Floats
    leniency: Floats
    uncertainty: Floats
    equations: _Solved

    def without_own(self, panels: Sequence[Ints], units: Ints) -> Floats:
        """Compute the mean leniency of panels, each as it would be without the scorecards of one application.

        Exact, by the leave-one-out formula of linear models, at the variances as they are.

        Parameters
        ----------
        panels
            Numbers of the raters of each panel.
        units
            Number of the application left out for each of them, -1 for none, shape (panels,).
        """
        means = np.array([self.leniency[panel].mean() if len(panel) else 0.0 for panel in panels])
        if self.rater == 0:
            return means
        where = np.flatnonzero(units >= 0)
        shift = self.equations.shifts([panels[at] for at in where.tolist()], units[where])
        means[where] -= shift
        return means


def fit_effects(
    scores: CardMeans, weights: Floats | None = None, start: Effects | None = None, *, signed: bool = False
) -> Effects:
    """Fit variances by restricted maximum likelihood, and effects given these.

    Parameters
    ----------
    scores
        At least three scorecards.
    weights
        How often each application counts, shape (units,).
    start
        A fit of nearly the same scorecards, to start from.
    signed
        Whether the variance of people may become negative. For intervals it must: an estimate that is cut at 0 varies
        too little between samples.

    Returns
    -------
    Effects
        Rater effects are exactly 0 where the likelihood is highest without them.

    Raises
    ------
    ConfigError
        If there are more than 3,000 raters.

    References
    ----------
    D. Bates, M. Maechler, B. Bolker, S. Walker (2015), Fitting linear mixed-effects models using lme4, Journal of
    Statistical Software 67(1). G. Robinson (1991), That BLUP is a good thing, Statistical Science 6:15-32.

    Examples
    --------
    >>> cards = csr_array(np.tile(np.eye(2), (3, 1)))
    >>> score = np.array([1.0, 2.1, 2.0, 2.9, 3.0, 4.0])
    >>> effects = fit_effects(CardMeans(score, np.repeat(np.arange(3), 2), cards, np.zeros(6, dtype=np.int64)))
    >>> effects.leniency.round(2)
    array([-0.5,  0.5])
    """
    if scores.raters.shape[1] > MOST_RATERS:
        raise ConfigError(
            f"{scores.raters.shape[1]:,} raters: leniency is estimated for up to {MOST_RATERS:,} at once; take the "
            "scorecards of one office, or of one year"
        )
    return _Equations(scores, weights).fit(start, signed=signed)


class _Equations:
    """Sums over applications, from which the equations follow for any variances."""

    def __init__(self, scores: CardMeans, weights: Floats | None) -> None:
        units = int(scores.unit.max(initial=-1)) + 1
        self.scores = scores
        self.weight = np.ones(units) if weights is None else weights
        m, stages = len(scores.score), int(scores.stage.max(initial=0)) + 1
        fixed = csr_array((np.ones(m), (np.arange(m), scores.stage)), shape=(m, stages))
        each = self.weight[scores.unit]
        used = np.asarray(fixed.T @ each) > 0  # a draw may have nobody of a stage
        self.used = used
        fixed = fixed[:, np.flatnonzero(used)]
        self.design = csr_array(hstack([fixed, scores.raters]))
        self.p, self.q = fixed.shape[1], scores.raters.shape[1]
        member = csr_array((np.ones(m), (scores.unit, np.arange(m))), shape=(units, m))
        self.sums, self.size = csr_array(member @ self.design), np.asarray(member.sum(axis=1)).ravel()
        self.total = member @ scores.score
        self.sizes = np.unique(self.size[self.weight > 0])
        self.n = float(each.sum())
        weighted = self.design.multiply(each[:, None]).tocsr()
        self.square = (weighted.T @ self.design).toarray()
        self.right = weighted.T @ scores.score
        self.norm = float(each @ scores.score**2)
        self.by_size = []  # for each size: weight, X'X, X'y, y'y
        for size in self.sizes:
            rows = np.flatnonzero((self.size == size) & (self.weight > 0))
            part, weight = self.sums[rows], self.weight[rows]
            heavy = part.multiply(weight[:, None]).tocsr()
            square, right = (heavy.T @ part).toarray(), heavy.T @ self.total[rows]
            self.by_size.append((float(weight.sum()), square, right, float(weight @ self.total[rows] ** 2)))

    def fit(self, before: Effects | None = None, *, signed: bool = False) -> Effects:
        largest = int(self.sizes.max(initial=1))
        repeated = largest > 1
        none = _Solved(self, 0.0, 0.0)
        if none.rest <= ALIKE * self.norm / max(self.n, 1.0):
            return self._effects(none, repeated=repeated)
        ratios = [before.equations.rater, before.equations.person] if before else [0.0, 0.0]
        start = np.array([ratios[0] or 0.5, ratios[1] or 1.0])[: 1 + repeated]
        least = -0.98 / largest if signed else NO_EFFECT**2 / 4

        def objective(ratios: Floats) -> tuple[float, Floats]:
            solved = _Solved(self, float(ratios[0]), float(ratios[1]) if repeated else 0.0)
            return solved.deviance, solved.slope[: len(ratios)]

        optimum = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(NO_EFFECT / 2, 1e3), (least, 1e6)][: len(start)],
            options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 200},
        )
        rater, person = float(optimum.x[0]), float(optimum.x[1]) if repeated else 0.0
        solved = _Solved(self, rater if rater > NO_EFFECT else 0.0, person if signed or person > NO_EFFECT**2 else 0.0)
        return self._effects(solved, repeated=repeated)

    def _effects(self, solved: _Solved, *, repeated: bool) -> Effects:
        rest = solved.rest
        stages = np.full(len(self.used), np.nan)
        stages[self.used] = solved.effects[: self.p]
        return Effects(
            person=solved.person * rest if repeated else np.nan,
            rater=solved.rater**2 * rest,
            rest=rest,
            stages=stages,
            leniency=solved.effects[self.p :],
            uncertainty=solved.rater**2 * rest * np.diagonal(solved.inverse)[self.p :],
            equations=solved,
        )


class _Solved:
    """The equations solved at given ratios to the rest: of raters' standard deviation, and of people's variance.

    Raters' effects are scaled by their ratio, as in lme4, so that a ratio of 0 is as good as any.
    """

    def __init__(self, sums: _Equations, rater: float, person: float) -> None:
        self.sums, self.rater, self.person = sums, rater, person
        p, q = sums.p, sums.q
        self.scale = np.append(np.ones(p), np.full(q, rater))
        square, right, norm, log_size = sums.square.copy(), sums.right.copy(), sums.norm, 0.0
        for size, (weight, part, total, squares) in zip(sums.sizes, sums.by_size, strict=True):
            shared = person / (1 + size * person)
            square -= shared * part
            right -= shared * total
            norm -= shared * squares
            log_size += weight * float(np.log1p(size * person))
        square *= self.scale[:, None] * self.scale
        square[np.arange(p, p + q), np.arange(p, p + q)] += 1.0
        self.factor = cho_factor(square, lower=True, check_finite=False)
        unknown = cho_solve(self.factor, self.scale * right, check_finite=False)
        self.scaled = unknown
        self.effects = self.scale * unknown
        left = max(norm - float((self.scale * right) @ unknown), 1e-300)
        freedom = max(sums.n - p, 1.0)
        self.rest = left / freedom
        self.deviance = 2 * float(np.log(np.diagonal(self.factor[0])).sum()) + log_size + freedom * float(np.log(left))

    @cached_property
    def inverse(self) -> Floats:
        """Inverse of the equations' matrix, shape (unknowns, unknowns)."""
        return np.asarray(cho_solve(self.factor, np.eye(len(self.scale)), check_finite=False))

    @property
    def slope(self) -> Floats:
        """Derivative of the deviance by both ratios."""
        sums, p = self.sums, self.sums.p
        trace = float(np.diagonal(self.inverse)[p:].sum())
        unknown = self.scaled[p:]
        by_rater = 2 / self.rater * (sums.q - trace - float(unknown @ unknown) / self.rest)
        scaled = self.scale[:, None] * self.inverse * self.scale
        left = (sums.total - sums.sums @ self.effects) ** 2 * sums.weight
        by_person = 0.0
        for size, (weight, part, _, _) in zip(sums.sizes, sums.by_size, strict=True):
            growth = 1 + size * self.person
            by_person += weight * size / growth - float((scaled * part).sum()) / growth**2
            by_person -= float(left[sums.size == size].sum()) / (self.rest * growth**2)
        return np.array([by_rater, by_person])

    def shifts(self, panels: Sequence[Ints], units: Ints) -> Floats:
        """Compute by how much each panel's mean leniency rests on the scorecards of an application."""
        sums, p = self.sums, self.sums.p
        covariance = self.scale[:, None] * self.inverse * self.scale
        order = np.argsort(sums.scores.unit, kind="stable")
        starts = np.searchsorted(sums.scores.unit[order], np.arange(len(sums.size) + 1))
        shifts = np.zeros(len(units))
        for size, chosen in self._by_size(units):
            rows = order[starts[units[chosen]][:, None] + np.arange(size)]
            design = sums.design[rows.ravel()].toarray().reshape(*rows.shape, -1)
            seen = design @ covariance
            own = seen @ design.transpose(0, 2, 1)
            left = sums.scores.score[rows] - design @ self.effects
            free = np.eye(size) + self.person - own
            # the pseudo-inverse: `free` is singular where an application has the only scorecard of a stage
            share = (np.linalg.pinv(free, SINGULAR, hermitian=True) @ left[..., None])[..., 0]
            for at, shares, part in zip(chosen, share, seen, strict=True):
                if len(panel := panels[at]):
                    shifts[at] = float(shares @ part[:, p + panel].mean(axis=1))
        return shifts

    def _by_size(self, units: Ints) -> Iterator[tuple[int, NDArray[Any]]]:
        sizes = self.sums.size[units]
        for size in np.unique(sizes[sizes > 0]):
            rows = np.flatnonzero(sizes == size)
            for start in range(0, len(rows), CHUNK):
                yield int(size), rows[start : start + CHUNK]
