"""The factor model's closed form, if it is a tree: one overall factor, and one factor per family.

The factor model of a catalogue in which every signal has a direction is a tree: the overall impression g ~ N(0, 1), an
impression of each family f, and its ratings j in standard units:

    h_f = a_f g + sqrt(c_f) e,  c_f = 1 - a_f^2        z_j = b_j h_f + e_j,  var(e_j) = psi_j

On a tree, messages that go up to its root and down again once give every mean and variance exactly (Pearl 1988,
Probabilistic Reasoning in Intelligent Systems, chapter 7.2). With the rated signals' precision Q_f = sum b_j^2 / psi_j
and evidence R_f = sum b_j z_j / psi_j, a family alone leaves the variance c_f d_f, d_f = 1 / (1 + c_f Q_f), and with
w_f = a_f d_f

    up:    var(g) = V = 1 / (1 + sum a_f w_f Q_f)      mean(g) = m = V sum w_f R_f
    down:  mean(h_f) = w_f m + c_f d_f R_f             cov(h_f, h_k) = w_f w_k V, and c_f d_f more where f = k

In the code a is `overall`, b `loadings`, psi `unique`, c d `alone`, w `weight`, V `together`, and m the final `up`.

So no matrix is inverted, and families meet in two sums only. If the share of signals left unrated
depends on the overall impression, it adds to these two sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.model.factors import FactorModel, Missingness, is_tree
from predictor.model.tables import Floats

# By how much a family's proportions may differ: less than in `is_tree`, since here one proportion stands for all.
EXACT = 1e-13


@dataclass(frozen=True, eq=False)
class Impressions:
    """What the rated signals of n rows suggest about the families' impressions, lists by family.

    Attributes
    ----------
    mean
        Of each impression, shape (n,).
    alone, weight
        c d and w, shape (n,).
    together
        V, shape (n,).
    """

    mean: list[Floats]
    alone: list[Floats]
    weight: list[Floats]
    together: Floats

    def variance(self, family: int) -> Floats:
        """Variance of one impression, shape (n,)."""
        weight = self.weight[family]
        return self.alone[family] + weight * weight * self.together

    def variance_of_sum(self, slopes: list[Floats]) -> Floats:
        """Variance of the sum of slope times impression, shape (n,); a slope of shape (n,) for each family."""
        own, shared = np.zeros_like(self.together), np.zeros_like(self.together)
        for slope, alone, weight in zip(slopes, self.alone, self.weight, strict=True):
            own += slope * slope * alone
            shared += slope * weight
        return own + shared * shared * self.together


@dataclass(frozen=True)
class Tree:
    """A tree with p signals in some families.

    Attributes
    ----------
    family
        Number of each signal's family, p numbers.
    loadings
        b of each signal: its correlation with its family's impression times its standard deviation; p numbers.
    overall
        a of each family: the correlation of its impression with the overall one, 0 to 1.
    unique
        psi of each signal, p numbers.
    missingness
        How the share left unrated depends on the overall impression; None where it does not, significantly.

    Examples
    --------
    >>> model = FactorModel(
    ...     np.full(3, 3.0), np.ones(3), np.array([[0.6, 0.3, 0], [0.8, 0.4, 0], [0.5, 0, 0.5]]), np.full(3, 0.4), ()
    ... )
    >>> tree = Tree.of(model)
    >>> tree.family, [round(a, 3) for a in tree.overall]
    ((0, 0, 1), [0.894, 0.707])
    >>> rated = tree.impressions([np.array([1.0]), np.zeros(1)], [np.array([0.5]), np.zeros(1)], np.zeros(1))
    >>> [mean.round(3) for mean in rated.mean], rated.variance(1).round(3)
    ([array([0.25]), array([0.158])], array([0.8]))
    """

    family: tuple[int, ...]
    loadings: tuple[float, ...]
    overall: tuple[float, ...]
    unique: tuple[float, ...]
    missingness: Missingness | None = None

    @classmethod
    def of(cls, model: FactorModel) -> Tree | None:
        """Return the tree that a factor model is, or None; a signal may have a minus in all of its loadings."""
        sign = np.where(model.loadings.sum(axis=1) < 0, -1.0, 1.0)
        loadings = model.loadings * sign[:, None]
        if not is_tree(loadings) or not loadings.any(axis=1).all():
            return None
        length = np.sqrt((loadings**2).sum(axis=1))
        if loadings.shape[1] == 1:
            family = np.zeros(len(loadings), dtype=np.int64)
        else:
            _, family = np.unique(np.argmax(loadings[:, 1:] > 0, axis=1), return_inverse=True)
        share = loadings[:, 0] / length
        overall = [share[family == number] for number in range(int(family.max()) + 1)]
        if any(np.ptp(shares) > EXACT for shares in overall):
            return None
        if model.missingness is not None and model.missingness.loadings[1:].any():
            return None
        return cls(
            tuple(family.tolist()),
            tuple((sign * length).tolist()),
            tuple(float(shares[0]) for shares in overall),
            tuple(model.unique.tolist()),
            model.missingness,
        )

    def impressions(self, precision: list[Floats], evidence: list[Floats], share: Floats) -> Impressions:
        """Compute what the rated signals of n rows suggest about the families' impressions.

        Parameters
        ----------
        precision, evidence
            Q and R of each family, shape (n,) each.
        share
            Share of the signals that was left unrated, 0 to 1, shape (n,).
        """
        root, up = np.ones_like(precision[0]), np.zeros_like(precision[0])
        if self.missingness is not None:
            weight = float(self.missingness.loadings[0]) / self.missingness.unique
            root += weight * float(self.missingness.loadings[0])
            up += weight * self.missingness.z_of(share)
        alone, weights = [], []
        for a, q, r in zip(self.overall, precision, evidence, strict=True):
            d = 1 / (1 + (1 - a * a) * q)
            w = a * d
            root += a * (w * q)
            up += w * r
            alone.append((1 - a * a) * d)
            weights.append(w)
        together = 1 / root
        up *= together
        mean = [w * up + own * r for w, own, r in zip(weights, alone, evidence, strict=True)]
        return Impressions(mean, alone, weights, together)
