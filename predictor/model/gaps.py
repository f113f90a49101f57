"""Missing ratings that go with the outcome: what leaving signals unrated adds to the log-odds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.model.factors import fade


@dataclass(frozen=True)
class Gaps:
    """The effect of missing ratings on the log-odds, beyond what the other ratings suggest about them.

    Attributes
    ----------
    slope
        Log-odds for each unit of the share of signals left unrated (0 to 1), up to `most`; beyond it the effect
        fades. 0 unless it is significant.
    mean
        Mean share left out among the training rows: there, nothing is added.
    most
        Share up to which the training rows reach (99 % of them).

    Examples
    --------
    >>> gaps = Gaps(slope=-1.0, mean=0.1, most=0.2)
    >>> gaps.total(np.array([0.0, 0.1, 0.2, 0.25, 0.9])).round(2)
    array([ 0.1 ,  0.  , -0.1 , -0.05,  0.  ])
    """

    slope: float = 0.0
    mean: float = 0.0
    most: float = 1.0

    def offset(self, share: Any = 0.0) -> Any:
        """Compute the part that belongs to the baseline, for a share of signals left out, 0 to 1."""
        return -self.slope * self.mean * fade(share, self.mean, self.most)

    def added(self, share: Any) -> Any:
        """Compute the part that belongs to the signals left out."""
        return self.slope * np.minimum(share, self.most) * fade(share, self.mean, self.most)

    def total(self, share: Any) -> Any:
        """Compute both together."""
        return self.offset(share) + self.added(share)
