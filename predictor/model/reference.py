"""The distribution of a model's training rows, as counts: the reference with which drift is detected.

How often each rating was given is in the model's `counts`. No row can be read from any of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from predictor.model.tables import Floats

KINDS = ("ratings", "missing", "rated", "inputs", "likelihood")


@dataclass(frozen=True, eq=False)
class Reference:
    """Counts of the training rows, beside those of their ratings.

    Attributes
    ----------
    rated
        Rows by how many signals were rated, shape (signals + 1,).
    edges
        Likelihoods that part ten bins of about equal size, rising; none where likelihoods could not be measured.
    likelihood
        Rows by bin of their likelihood by models that had not seen them, shape (edges + 1,).
    mean_cluster_size
        Mean over rows of the number of rows of the same person.
    intraclass_correlation
        By kind of figure (`KINDS`): correlation of rows of one person, 0 to 1, the mean over signals.

    Examples
    --------
    >>> some = Reference(np.array([1.0, 9.0]), np.array([0.3]), np.array([4.0, 6.0]), 1.5, {"ratings": 0.25})
    >>> Reference.from_dict(some.to_dict()).design_effect("ratings", 2.0)
    1.25
    """

    rated: Floats
    edges: Floats
    likelihood: Floats
    mean_cluster_size: float = 1.0
    intraclass_correlation: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = np.concatenate([self.rated, self.likelihood])
        ends = np.array([0.0, *self.edges, 1.0])
        if not np.isfinite(counts).all() or (counts < 0).any() or len(self.likelihood) != len(self.edges) + 1:
            raise ValueError("its counts for drift are not counts")
        if not (np.diff(ends) >= 0).all() or not 1 <= self.mean_cluster_size < 1e12:
            raise ValueError(
                "its bins of likelihood are out of order or outside 0 to 1, or its rows per person are below 1"
            )
        if any(name not in KINDS or not 0 <= value <= 1 for name, value in self.intraclass_correlation.items()):
            raise ValueError("a correlation of rows of one person is not between 0 and 1, or of an unknown kind")

    def design_effect(self, kind: str, mean_cluster_size: float) -> float:
        """Compute the design effect: by how much rows of one person, being alike, raise the variance of a mean."""
        return 1.0 + (mean_cluster_size - 1.0) * self.intraclass_correlation.get(kind, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, as in a model's file."""
        return {
            "rated": self.rated.tolist(),
            "edges": self.edges.tolist(),
            "likelihood": self.likelihood.tolist(),
            "crowd": self.mean_cluster_size,
            "likeness": dict(self.intraclass_correlation),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Reference:
        """Read what `to_dict` returns.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is not that.
        """
        rated, edges, likelihood = (np.array(data[key], dtype=np.float64) for key in ("rated", "edges", "likelihood"))
        return cls(
            rated,
            edges,
            likelihood,
            float(data["crowd"]),
            {name: float(value) for name, value in data["likeness"].items()},
        )
