"""How high panels usually rate: from pseudonyms of raters to a level of the input `panel_leniency`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.ratings.catalogue import PANEL
from predictor.ratings.signals import ContextInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from predictor.ratings.ratings import Ratings

LENIENCY = "panel_leniency"
LEVELS = ("low", "rather low", "average", "rather high", "high")
INPUT = ContextInput(LENIENCY, "How high the panel usually rates", LEVELS, ordered=True)
AVERAGE = LEVELS.index("average")


@dataclass(frozen=True)
class Rater:
    """How high one rater usually rates.

    Attributes
    ----------
    leniency
        By how much higher than others, in shares of the scale, drawn towards 0 as far as scorecards are few.
    variance
        Of the estimated leniency around the true one.
    n
        Scorecards that it rests on.
    """

    leniency: float
    variance: float
    n: int


@dataclass(frozen=True)
class PanelLevel:
    """What a model makes of a panel.

    Attributes
    ----------
    code
        Index of the level in `LEVELS`.
    leniency
        Mean over its raters, in shares of the scale; 0 for those whom the model does not know.
    variance
        Mean variance of its raters' leniency, over their number.
    raters, n_unknown
        How many it has, and how many of them the model does not know.
    """

    code: int
    leniency: float
    variance: float
    raters: int
    n_unknown: int

    def note(self) -> str:
        """Describe how it gets its level."""
        if self.n_unknown == self.raters:
            who = "its rater is" if self.raters == 1 else f"all {self.raters} raters are"
            return f"Panel: {who} new to this model and count{'s' * (self.raters == 1)} as average."
        are = "is new to this model and counts" if self.n_unknown == 1 else "are new to this model and count"
        some = f"; {self.n_unknown} of its {self.raters} raters {are} as average"
        return f"Panel leniency, from earlier scorecards: {LEVELS[self.code]}{some if self.n_unknown else ''}."


@dataclass(frozen=True, eq=False)
class RaterTable:
    """The raters whom a model knows, by pseudonym.

    Attributes
    ----------
    raters
        By pseudonym.
    unknown_variance
        Variance of the leniency of somebody whom it does not know.
    cut_points
        Where one level ends and the next begins: 10, 30, 70 and 90 % quantiles of the training panels' leniency.
    slope
        Log-odds for each unit of leniency, as the model's table has it on average.
    usual_variances
        By level: the mean `PanelLevel.variance` of the training panels; the model's intervals include it already.

    Examples
    --------
    >>> table = RaterTable({"r-1": Rater(0.1, 0.001, 12)}, 0.01, (-0.1, -0.02, 0.02, 0.08), -5.0, (0.001,) * 5)
    >>> table.level(["r-1"]).code, table.level(["r-9"]).code, table.level(["r-1", "r-9"]).leniency
    (4, 2, 0.05)
    """

    raters: Mapping[str, Rater]
    unknown_variance: float
    cut_points: tuple[float, float, float, float]
    slope: float
    usual_variances: tuple[float, ...]

    def level(self, panel: Sequence[str]) -> PanelLevel:
        """Find the level of a panel of at least one rater; a rater whom it does not know is an average one."""
        known = [self.raters[name] for name in panel if name in self.raters]
        size, n_unknown = len(panel), len(panel) - len(known)
        leniency = sum(rater.leniency for rater in known) / size
        variance = (sum(rater.variance for rater in known) + n_unknown * self.unknown_variance) / size
        return PanelLevel(self.code(leniency) if known else AVERAGE, leniency, variance / size, size, n_unknown)

    def code(self, leniency: float) -> int:
        """Return the index in `LEVELS` of the level of a mean leniency."""
        return bisect_right(self.cut_points, leniency)

    def widening(self, level: PanelLevel) -> float:
        """Variance of the log-odds that this panel's leniency adds beyond what its level usually does."""
        return self.slope**2 * (level.variance - self.usual_variances[level.code])

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, as a model's file holds it."""
        return {
            "raters": {name: [rater.leniency, rater.variance, rater.n] for name, rater in self.raters.items()},
            "unknown": self.unknown_variance,
            "cuts": list(self.cut_points),
            "slope": self.slope,
            "usual": list(self.usual_variances),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], largest: float) -> RaterTable:
        """Read plain data.

        Raises
        ------
        ValueError
            If it holds what no training makes.
        """
        raters = {name: Rater(*item) for name, item in data["raters"].items()}
        table = cls(raters, data["unknown"], tuple(data["cuts"]), data["slope"], tuple(data["usual"]))
        numbers = [table.unknown_variance, *table.cut_points, table.slope, *table.usual_variances]
        numbers += [number for rater in raters.values() for number in (rater.leniency, rater.variance, rater.n)]
        if any(type(number) not in (int, float) or not abs(number) <= largest for number in numbers):
            raise ValueError(f"a number of the raters is not finite, or beyond {largest:g}")
        variances = [table.unknown_variance, *table.usual_variances, *(rater.variance for rater in raters.values())]
        if min(variances) < 0 or len(table.usual_variances) != len(LEVELS) or len(table.cut_points) != len(LEVELS) - 1:
            raise ValueError("the raters have a variance below 0, or other levels than the input has")
        if list(table.cut_points) != sorted(table.cut_points):
            raise ValueError("the levels of the panels' leniency are not in order")
        return table


def levels_of(table: RaterTable | None, ratings: Ratings) -> list[PanelLevel | None]:
    """Return the level of each row's panel; None without a panel, where its level is given, and without a table."""
    if table is None or PANEL not in ratings.columns:
        return [None] * len(ratings)
    given = ratings.columns.get(LENIENCY, [""] * len(ratings))
    panels = [() if level else names_of(cell) for cell, level in zip(ratings.columns[PANEL], given, strict=True)]
    return [table.level(panel) if panel else None for panel in panels]


def with_levels(table: RaterTable | None, ratings: Ratings) -> Ratings:
    """Add the level of each row's panel, as a model has it, as a column."""
    if table is None or PANEL not in ratings.columns:
        return ratings
    given = ratings.columns.get(LENIENCY, [""] * len(ratings))
    levels = zip(levels_of(table, ratings), given, strict=True)
    words = np.array([LEVELS[level.code] if level else word for level, word in levels], dtype=object)
    return replace(ratings, columns={**ratings.columns, LENIENCY: words})


def coded_input(ratings: Ratings, item: ContextInput, levels: Sequence[PanelLevel | None]) -> NDArray[np.float64]:
    """Code an input of each row, that of its panel by the panel's level."""
    codes = ratings.codes(item)
    for row, level in enumerate(levels if item.name == LENIENCY else ()):
        if level is not None:
            codes[row] = level.code
    return codes


def widenings(table: RaterTable | None, levels: Sequence[PanelLevel | None]) -> NDArray[np.float64] | None:
    """Compute `RaterTable.widening` of each row, 0 without a panel; None where no row has one."""
    if table is None or not any(levels):
        return None
    return np.array([table.widening(level) if level else 0.0 for level in levels])


def names_of(panel: Any) -> tuple[str, ...]:
    """Read a cell of the column `panel`: pseudonyms separated by ";", each once.

    Examples
    --------
    >>> names_of("r-2; r-1;r-2"), names_of("")
    (('r-1', 'r-2'), ())
    """
    parts: Iterable[str] = map(str.strip, str(panel).split(";"))
    return tuple(sorted({name for name in parts if name}))
