"""Summary of a team's raters: how far they agree, how high panels rate, and what that changes.

Nobody is named or ranked: figures are of all raters together, and numbers of applications.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from predictor.model.log_odds import logit, one_probability
from predictor.model.raters import LENIENCY, LEVELS
from predictor.model.tables import Floats
from predictor.panels.agreement import Agreement, agreement
from predictor.panels.cards import Cards
from predictor.panels.identification import Identification, identify
from predictor.panels.leniency import codes_of, fit_leniency, quantile_cuts
from predictor.ratings.catalogue import Catalogue

if TYPE_CHECKING:
    from predictor.model.offer_model import OfferModel

FAR = 2  # steps of the scale between two raters of one person, from which they differ a lot
NOTICEABLE = 0.25  # steps of the scale, from which a panel rates noticeably high or low
IN_ROWS = ("row", "unlabelled", "")  # what an import uses for rows


@dataclass(frozen=True)
class Spread:
    """How much raters of the same person differ on one signal.

    Attributes
    ----------
    name
        Of the signal.
    cards, mean
        Scorecards that rate it, and their mean.
    within
        Standard deviation between raters of the same person, in points of the scale; None where nobody was rated twice.
    far
        Share of these people on whom two raters are two steps or more apart.
    n
        Applications that two raters or more rated on it at one stage.
    """

    name: str
    cards: int
    mean: float
    within: float | None
    far: float | None
    n: int


@dataclass(frozen=True)
class LeniencyLevel:
    """The applications whose panel rates at one level.

    Attributes
    ----------
    name
        Of the level.
    n
        How many applications.
    steps
        By how much their panels rate higher than others, the mean, in steps of the scale.
    log_odds, likelihood
        What a model adds for the level, and the likelihood with it at the model's base rate; None without such a model.
    """

    name: str
    n: int
    steps: float
    log_odds: float | None = None
    likelihood: float | None = None


@dataclass(frozen=True)
class PanelSummary:
    """Figures of a team's scorecards.

    Attributes
    ----------
    source, simulated, catalogue
        Where they came from, whether SIMULATED, and their signals.
    cards, applications, people, raters
        How many there are.
    panels
        Number of applications by their number of raters, at all stages together.
    per_rater
        Scorecards of a rater: lowest quarter, median, highest quarter.
    spreads
        By signal.
    identification
        What follows from who rated whom.
    agreement
        How far raters agree; None where that is not identifiable.
    leniency_sd
        Standard deviation between raters of how high they rate, in steps of the scale; 0 where they differ by no more
        than chance explains; None where there are too few scorecards.
    levels
        Applications by how high their panel rates.
    noticeable
        How many applications have a panel that rates a quarter of a step or more higher or lower than others.
    steps
        Steps of the scale, the mean over signals, for figures that are shares of it.
    assigned_at_random
        Whether the user states that people are assigned at random.
    model
        Name of the model whose log-odds are shown; "" without.
    not_in_rows
        Scorecards that an import did not use in rows, by the reason, such as "withdrawn".
    """

    source: str
    simulated: bool
    catalogue: Catalogue
    cards: int
    applications: int
    people: int
    raters: int
    panels: dict[int, int]
    per_rater: tuple[float, float, float]
    spreads: tuple[Spread, ...]
    identification: Identification
    agreement: Agreement | None
    leniency_sd: float | None
    levels: tuple[LeniencyLevel, ...]
    noticeable: int
    steps: float
    assigned_at_random: bool
    model: str
    not_in_rows: dict[str, int]


def summarise_panels(
    cards: Cards,
    *,
    model: OfferModel | None = None,
    assigned_at_random: bool = False,
    seed: int = 0,
) -> PanelSummary:
    """Summarise scorecards.

    Parameters
    ----------
    cards
        One per row.
    model
        A model that has the input `panel_leniency`; its table is then shown by level.
    assigned_at_random
        Whether raters meet people at random, as stated by the user.
    seed
        For intervals.

    Examples
    --------
    >>> from predictor.sources.simulation_teams import simulate_team
    >>> summary = summarise_panels(Cards.from_ratings(simulate_team(60, seed=1).cards))
    >>> summary.cards, summary.applications, summary.agreement.single.n
    (180, 60, 60)
    """
    scores, raters, _ = cards.scores()
    identified = identify(scores, single=cards.single, random_assignment=assigned_at_random)
    panels = _panels(cards)
    count = np.asarray((scores.raters > 0).sum(axis=0)).ravel()
    quarters = np.quantile(count, (0.25, 0.5, 0.75)).tolist()
    scales = [signal.scale for signal in cards.catalogue.signals]
    steps = float(np.mean([(scale.high - scale.low) / scale.step for scale in scales]))
    leniency_sd: float | None = None
    levels: tuple[LeniencyLevel, ...] = ()
    noticeable = 0
    if identified.enough:
        leniency = fit_leniency(cards)
        leniency_sd = float(np.sqrt(leniency.effects.rater)) * steps
        if leniency.differs:
            # each without its application's own scorecards
            of_panels = leniency.of_panels([*panels.values()], np.array([*panels], dtype=object))
            levels, noticeable = _levels(of_panels, steps, model)
    return PanelSummary(
        source=cards.source,
        simulated=cards.simulated,
        catalogue=cards.catalogue,
        cards=len(cards),
        applications=len(panels),
        people=len(np.unique(cards.person)),
        raters=len(raters),
        panels=dict(sorted(Counter(map(len, panels.values())).items())),
        per_rater=(quarters[0], quarters[1], quarters[2]),
        spreads=tuple(_spreads(cards.by_rater())),
        identification=identified,
        agreement=None if identified.agreement_obstacle else agreement(cards, seed=seed),
        leniency_sd=leniency_sd,
        levels=levels,
        noticeable=noticeable,
        steps=steps,
        assigned_at_random=assigned_at_random,
        model=model.name if model and model.raters else "",
        not_in_rows=_not_in_rows(cards),
    )


def _panels(cards: Cards) -> dict[str, tuple[str, ...]]:
    """Return the raters of each application."""
    panels: dict[str, set[str]] = {}
    for application, names in zip(cards.application.tolist(), cards.raters, strict=True):
        panels.setdefault(application, set()).update(names)
    return {application: tuple(sorted(names)) for application, names in panels.items()}


def _not_in_rows(cards: Cards) -> dict[str, int]:
    counts = Counter([] if cards.use is None else cards.use.tolist())
    return {use: n for use, n in sorted(counts.items()) if use not in IN_ROWS}


def _levels(leniency: Floats, steps: float, model: OfferModel | None) -> tuple[tuple[LeniencyLevel, ...], int]:
    table = model.raters if model else None
    cuts = np.array(table.cut_points) if table else quantile_cuts(leniency)
    codes = codes_of(leniency, cuts)
    levels = []
    for code, name in enumerate(LEVELS):
        inside = codes == code
        mean = float(leniency[inside].mean()) * steps if inside.any() else float("nan")
        added = float(model.tables[LENIENCY][code]) if model and table else None
        likelihood = one_probability(logit(model.base_rate) + added) if model and added is not None else None
        levels.append(LeniencyLevel(name, int(inside.sum()), mean, added, likelihood))
    return tuple(levels), int((np.abs(leniency) * steps >= NOTICEABLE).sum())


def _spreads(cards: Cards) -> list[Spread]:
    spreads, (unit, _) = [], cards.application_stages()
    low = np.array(cards.catalogue.ends[0])
    for at, signal in enumerate(cards.catalogue.signals):
        rated = cards.values[:, at] >= low[at]
        values, of = cards.values[rated, at], unit[rated]
        size = np.bincount(of, minlength=int(unit.max()) + 1)
        sums = np.bincount(of, weights=values, minlength=len(size))
        paired = size > 1
        mean = float(values.mean()) if len(values) else float("nan")
        within = far = None
        if paired.any():
            squares = (values - (sums / np.maximum(size, 1))[of]) ** 2
            within = float(np.sqrt(squares[paired[of]].sum() / (size[paired] - 1).sum()))
            highest, lowest = np.full(len(size), -np.inf), np.full(len(size), np.inf)
            np.maximum.at(highest, of, values)
            np.minimum.at(lowest, of, values)
            far = float(((highest - lowest)[paired] >= FAR * signal.scale.step).mean())
        spreads.append(Spread(signal.name, len(values), mean, within, far, int(paired.sum())))
    return spreads
