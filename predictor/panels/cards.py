"""Scorecards: each row has one rater's ratings of one application, and their mean as one number.

They come from a long table of their own, or, less precisely, from the wide table, whose rows are means over panels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from predictor.errors import ConfigError, Problem, RatingsError, nearest
from predictor.model.raters import names_of
from predictor.model.tables import Floats, Ints
from predictor.panels.effects import CardMeans
from predictor.ratings.catalogue import ORIGIN, PANEL, RATINGS, Catalogue
from predictor.ratings.ratings import Ratings
from predictor.sources.files import read_by_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

APPLICATION, PERSON, STAGE, RATER, USE = "application", "person", "stage", "rater", "use"  # columns


@dataclass(frozen=True, eq=False)
class Cards:
    """Scorecards of applications.

    Attributes
    ----------
    catalogue
        The signals they rate.
    values
        Ratings, shape (m, p); NaN where not observed.
    application, stage
        Whose and at which stage, shape (m,); the stage is "" where there is none.
    raters
        Who rated, shape (m,): one pseudonym each, or all of a panel where a row is a panel's mean.
    person
        Who applied, shape (m,): what is resampled for intervals; the application where that is not known.
    source
        Where they came from.
    simulated
        Whether any is marked SIMULATED.
    use
        What an import used each for, such as "row" or "withdrawn", shape (m,); None where the table has no such column.

    Examples
    --------
    >>> from predictor.sources.simulation_teams import simulate_team
    >>> cards = simulate_team(40, panel=2, seed=1).cards
    >>> len(cards), cards.simulated
    (80, True)
    """

    catalogue: Catalogue
    values: Floats
    application: NDArray[Any]
    stage: NDArray[Any]
    raters: tuple[tuple[str, ...], ...]
    person: NDArray[Any]
    source: str = "cards"
    simulated: bool = False
    use: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.raters)

    @property
    def single(self) -> bool:
        """Whether every row is one rater's, not the mean of a panel."""
        return all(len(names) == 1 for names in self.raters)

    def rows(self, chosen: NDArray[Any]) -> Cards:
        """Select rows by a mask or by indices."""
        at = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return replace(
            self,
            values=self.values[at],
            application=self.application[at],
            stage=self.stage[at],
            raters=tuple(self.raters[row] for row in at.tolist()),
            person=self.person[at],
            use=None if self.use is None else self.use[at],
        )

    def without(self, signals: Sequence[int]) -> Cards:
        """Return the scorecards as if some signals were not rated, without those that then rate nothing."""
        values = self.values.copy()
        values[:, list(signals)] = np.nan
        cards = replace(self, values=values)
        return cards.rows(np.flatnonzero((values >= np.array(self.catalogue.ends[0])).any(axis=1)))

    def application_stages(self) -> tuple[Ints, Ints]:
        """Return each scorecard's number of its application at its stage, and the first scorecard of each number."""
        _, stage = np.unique(self.stage, return_inverse=True)
        _, application = np.unique(self.application, return_inverse=True)
        together = application.astype(np.int64) * (int(stage.max(initial=0)) + 1) + stage
        _, first, number = np.unique(together, return_index=True, return_inverse=True)
        return number, first

    def by_rater(self) -> Cards:
        """Return one scorecard for each rater of an application at a stage, the mean where there are several."""
        number, _ = self.application_stages()
        keys = [(at, *names) for at, names in zip(number.tolist(), self.raters, strict=True)]
        number_of = {key: at for at, key in enumerate(dict.fromkeys(keys))}
        if len(number_of) == len(self):
            return self
        unit = np.array([number_of[key] for key in keys])
        cards = self.rows(np.unique(unit, return_index=True)[1])
        return replace(cards, values=means_by(unit, self.values, self.catalogue)[0])

    @classmethod
    def from_ratings(cls, ratings: Ratings, *, panel: str = RATER) -> Cards:
        """Extract scorecards from ratings with context columns.

        Rows without a rater, without an application or without a rating are left out.

        Parameters
        ----------
        ratings
            With the context columns `application`, `rater` and where there are any `stage` and `person`.
        panel
            The column that names who rated; several pseudonyms are separated by ";".

        Raises
        ------
        RatingsError
            If a column is missing.
        """
        numbered = np.arange(1, len(ratings) + 1).astype(str).astype(object)
        needed = [panel, *([APPLICATION] if panel == RATER else [])]
        if missing := [name for name in needed if name not in ratings.columns]:
            kind = "is missing; a table of scorecards says whose each is and who rated"
            raise RatingsError(ratings.source, [Problem(kind, column=name) for name in missing])
        application = ratings.columns.get(APPLICATION, numbered)
        group = ratings.groups if ratings.groups is not None else ratings.columns.get(PERSON, application)
        raters = tuple(map(names_of, ratings.columns[panel].tolist()))
        problems = []
        if panel == RATER:
            for row, names in enumerate(raters):
                if len(names) > 1:
                    kind = "names several raters; write one row for each scorecard"
                    problems.append(Problem(kind, row + 1, RATER, "; ".join(names)))
        if problems:
            raise RatingsError(ratings.source, problems)
        cards = cls(
            ratings.catalogue,
            ratings.values,
            application,
            ratings.columns.get(STAGE, np.full(len(ratings), "", dtype=object)),
            raters,
            np.where(group == "", application, group),
            ratings.source,
            ratings.simulated,
            ratings.columns.get(USE),
        )
        there = (ratings.values >= np.array(ratings.catalogue.ends[0])).any(axis=1)
        named = np.array([len(names) > 0 for names in raters], dtype=bool)
        return cards.rows(there & named & (application != ""))

    def scores(self) -> tuple[CardMeans, tuple[str, ...], NDArray[Any]]:
        """Compute each scorecard's mean over what it rates, as a share of the scale, better being higher.

        Each signal counts against its own mean at the stage, so that a scorecard which rates only what is seldom rated
        well is not taken for a severe one.

        Returns
        -------
        scores, raters, applications
            With the names that the numbers in `scores` stand for.
        """
        low, high = (np.array(ends) for ends in self.catalogue.ends)
        shares = np.where(self.values >= low, (self.values - low) / (high - low), np.nan)
        shares = np.where(np.array(self.catalogue.directions) < 0, 1 - shares, shares)
        stages, stage = np.unique(self.stage, return_inverse=True)
        score = np.empty(len(self))
        for number in range(len(stages)):
            rows = np.flatnonzero(stage == number)
            part = shares[rows]
            seen = ~np.isnan(part)
            count = np.maximum(seen.sum(axis=0), 1)
            usual = np.where(seen, part, 0).sum(axis=0) / count
            overall = float(usual[seen.any(axis=0)].mean())
            deviations = np.where(seen, part - usual, 0.0)
            score[rows] = overall + deviations.sum(axis=1) / seen.sum(axis=1)
        applications, unit = np.unique(self.application, return_inverse=True)
        raters = tuple(sorted({name for names in self.raters for name in names}))
        number_of = {name: number for number, name in enumerate(raters)}
        counts = [len(names) for names in self.raters]
        shape = (len(self), len(raters))
        at = (np.repeat(np.arange(len(self)), counts), [number_of[name] for names in self.raters for name in names])
        who = csr_array((np.repeat(1 / np.array(counts), counts), at), shape=shape)
        return CardMeans(score, unit, who, stage), raters, applications


def means_by(unit: Ints, values: Floats, catalogue: Catalogue) -> tuple[Floats, Floats]:
    """Compute the mean of each signal by unit, and how many ratings it is of, shape (units, p); NaN of none."""
    rated = values >= np.array(catalogue.ends[0])
    shape = int(unit.max(initial=-1)) + 1, values.shape[1]
    count, total = np.zeros(shape), np.zeros(shape)
    np.add.at(count, unit, rated)
    np.add.at(total, unit, np.where(rated, values, 0.0))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), count


def read_cards(path: str | Path, catalogue: Catalogue) -> Cards:
    """Read a long table of scorecards from a file, by the rules of every file of ratings.

    Parameters
    ----------
    path
        CSV, Excel, JSON, JSON Lines or Parquet: columns `application` and `rater`, where there are any `stage` and
        `person`, and one column per signal. Other columns are left alone.
    catalogue
        The signals and their scales.

    Returns
    -------
    Cards
        One per row; rows without a rating are left out.

    Raises
    ------
    RatingsError
        With every problem of the file.
    """
    return Cards.from_ratings(read_by_header(lambda names: _with_columns(catalogue, names), path))


def _with_columns(catalogue: Catalogue, header: Iterable[Any]) -> Catalogue:
    """Allow columns that are not signals; a name similar to a signal's is left for the parser to reject."""
    group = catalogue.group or PERSON
    known = {*catalogue.names, catalogue.outcome, group, RATINGS}
    near = {name for name in map(str, header) if name not in known and not nearest(name, catalogue.names)}
    others = dict.fromkeys((APPLICATION, STAGE, RATER, ORIGIN, *sorted(near)))
    context = tuple(name for name in others if name not in known and name.strip())
    return replace(catalogue, inputs=(), group=group, context=context)


def cards_of(ratings: Ratings, cards: Cards | None = None) -> Cards | None:
    """Choose what leniency is learned from: a table of scorecards, or the wide table's panels; None without either.

    Raises
    ------
    ConfigError
        If there are scorecards, but rows do not name their application.
    """
    if PANEL not in ratings.columns or not any(ratings.columns[PANEL]):
        if cards is not None:
            raise ConfigError(
                f"{ratings.source}: with scorecards each row needs the column '{PANEL}', the raters whose scorecards "
                'are in it, separated by ";"'
            )
        return None
    if cards is None:
        return Cards.from_ratings(ratings, panel=PANEL)
    if APPLICATION not in ratings.columns:
        raise ConfigError(
            f"{ratings.source}: with scorecards each row needs the column '{APPLICATION}', by which they are joined"
        )
    theirs = set(cards.application.tolist())
    alone = sum(bool(names) and name not in theirs for name, names in zip(
        ratings.columns[APPLICATION].tolist(), ratings.columns[PANEL].tolist(), strict=True
    ))  # fmt: skip
    if alone:
        raise ConfigError(
            f"{cards.source}: {alone:,} of {len(ratings):,} applications of {ratings.source} have a panel there and no "
            "scorecard here; name the table of scorecards that this one was made from"
        )
    return cards
