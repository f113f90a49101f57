"""Simulated hiring teams with a known truth: panels whose raters differ in severity. No row is a real person.

A scorecard's mean holds how good the person is, how severe the rater is, how this rater saw this person, and chance;
the offer depends on how good the person is, and on nothing that a rater does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import ConfigError
from predictor.ratings.catalogue import SIMULATED, Catalogue
from predictor.ratings.ratings import Ratings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SIGNALS = Path(__file__).with_name("team_signals.toml")
STAGES = ("phone screen", "on-site")

# Shares of the variance of a scorecard's mean, severity apart: published ones are 19 % (Roberts 2010) to 45 % for the
# person; the rest is how this rater saw this person, and chance.
PERSON = 0.45
NOISE = 0.7  # sd of one signal about its scorecard's mean, in the same units
CUTS = np.array([-1.9, -1.0, -0.1, 1.0])  # lenient, as scorecards are
CHANCE = 0.75  # sd of what else decides on an offer, against 1 of how good people are
MATCHED = 0.7  # correlation of a person's quality with the severity of who meets them, where confounded
INVITED = 0.5  # share of people, after the phone screen
AGAIN = 0.08  # of applications are a person's second one (assumption)


@dataclass(frozen=True, eq=False)
class SimulatedTeam:
    """A simulated team's scorecards, with the truth.

    Attributes
    ----------
    ratings
        One row per application: means over its panel, offers, and `panel`, the raters' pseudonyms.
    cards
        One row per scorecard, with `application` and `rater`.
    severity
        By rater: how much lower they rate than others, in standard deviations of a scorecard's mean.
    quality
        How good people are, standard normal, shape (n,).
    invited
        Who was invited after the phone screen, shape (n,); all where there are no stages.
    """

    ratings: Ratings
    cards: Ratings
    severity: Mapping[str, float]
    quality: Floats
    invited: NDArray[np.bool_]


def simulate_team(
    n: int,
    *,
    seed: int = 0,
    panel: int = 3,
    cards_per_rater: float = 12,
    severity: float = 0.08,
    confounded: bool = False,
    stages: bool = False,
    base_rate: float = 0.35,
) -> SimulatedTeam:
    """Simulate `n` applications, each rated by a panel.

    Parameters
    ----------
    n
        Applications, at least 1.
    seed
        Any whole number from 0; the same seed gives the same team.
    panel
        Raters of each application, 1 to 10; of the on-site where there are stages, the phone screen having one.
    cards_per_rater
        Scorecards of a rater, on average.
    severity
        Share of the variance of a scorecard's mean that is the rater's severity, 0 to .9.
    confounded
        Whether strict raters meet strong people; otherwise raters meet people at random.
    stages
        Whether a phone screen comes first, which half pass. Those rejected there have one scorecard and no offer.
    base_rate
        Share of applications that end in an offer, above 0 and below 1; with stages below a half.

    Returns
    -------
    SimulatedTeam
        Everything marked SIMULATED, with the truth.

    Raises
    ------
    ConfigError
        If an argument is out of range.

    Examples
    --------
    >>> team = simulate_team(100, panel=2, seed=1)
    >>> len(team.ratings), len(team.cards), team.ratings.simulated, team.cards.simulated
    (100, 200, True, True)
    """
    _check(n, seed, panel, cards_per_rater, severity, base_rate, stages)
    rng = np.random.default_rng([int(seed), 20])
    catalogue = Catalogue.load(SIGNALS)
    person = np.maximum.accumulate(np.where(rng.random(n) < AGAIN, 0, np.arange(n)))
    quality = _persons(person, rng)
    raters = max(panel + 1, round(n * panel / cards_per_rater))
    strict = rng.standard_normal(raters)
    who = _assign(quality, strict, panel + stages, MATCHED if confounded else 0.0, rng)
    seen = _rate(quality[:, None], strict[who], severity, len(catalogue.signals), rng)
    stage = np.array([0, *[1] * panel]) if stages else np.ones(panel, dtype=np.int64)
    invited = np.ones(n, dtype=bool)
    if stages:
        screened = seen[:, 0].mean(axis=1) + 0.3 * rng.standard_normal(n)
        invited = screened >= np.quantile(screened, 1 - INVITED)
    offer, probability = _offers(quality, invited, base_rate, rng)

    written = (stage == stage[0]) | invited[:, None]  # (n, cards): which scorecards there are
    in_mean = stage == invited[:, None]  # those of the last stage
    names = np.array([f"R-{number:03d}" for number in range(1, raters + 1)], dtype=object)
    applications = _ids("APP", np.arange(n))
    context: dict[str, NDArray[Any]] = {
        "application": applications,
        "person": _ids("PER", person),
        "origin": np.full(n, SIMULATED, dtype=object),
    }
    row, column = np.nonzero(written)
    cards = Ratings(
        replace(catalogue, inputs=(), context=("application", "stage", "rater", "origin")),
        seen[row, column],
        np.full(len(row), np.nan),
        {name: values[row] for name, values in context.items()}
        | {"stage": np.array(STAGES, dtype=object)[stage[column]], "rater": names[who[row, column]]},
        f"simulate_team(n={n}, seed={seed}).cards",
    )
    means = np.stack([seen[at, in_mean[at]].mean(axis=0) for at in range(n)])
    ratings = Ratings(
        catalogue if stages else replace(catalogue, inputs=()),
        means,
        offer.astype(np.float64),
        context
        | ({"stage": np.array(STAGES, dtype=object)[invited.astype(np.int64)]} if stages else {})
        | {
            "panel": np.array([";".join(sorted(names[who[at, in_mean[at]]])) for at in range(n)], dtype=object),
            "latent_quality": quality,
            "latent_offer_probability": probability,
        },
        f"simulate_team(n={n}, seed={seed})",
    )
    truth = dict(zip(names.tolist(), (math.sqrt(severity) * strict).tolist(), strict=True))
    return SimulatedTeam(ratings, cards, truth, quality, invited)


def _check(n: int, seed: int, panel: int, cards: float, severity: float, base_rate: float, stages: bool) -> None:
    for name, value, low, high in (("n", n, 1, 10**7), ("seed", seed, 0, 2**63), ("panel", panel, 1, 10)):
        if not isinstance(value, Integral) or isinstance(value, bool) or not low <= value <= high:
            raise ConfigError(f"simulate_team: {name} is {value!r}; write a whole number from {low} to {high}")
    most = INVITED if stages else 1.0
    for name, number, least, end in (
        ("cards_per_rater", cards, 1.0, 1e6), ("severity", severity, 0.0, 0.9), ("base_rate", base_rate, 1e-6, most)
    ):  # fmt: skip
        if not isinstance(number, Real) or not least <= number <= end or number == most == end:
            raise ConfigError(f"simulate_team: {name} is {number!r}; write a number from {least:g} to {end:g}")


def _persons(person: Ints, rng: np.random.Generator) -> Floats:
    """Draw how good each application is, standard normal; most of it stays a person's own."""
    own, today = rng.standard_normal(len(person))[person], rng.standard_normal(len(person))
    return np.asarray(math.sqrt(0.8) * own + math.sqrt(0.2) * today)


def _assign(quality: Floats, strict: Floats, seats: int, matched: float, rng: np.random.Generator) -> Ints:
    """Seat raters, shape (n, seats), nobody twice; where `matched`, strict ones with strong people."""
    n, raters = len(quality), len(strict)
    by_severity = np.argsort(strict, kind="stable")
    who = np.empty((n, seats), dtype=np.int64)
    for seat in range(seats):
        order = matched * quality + math.sqrt(1 - matched**2) * rng.standard_normal(n)
        rank = np.argsort(np.argsort(order, kind="stable"), kind="stable") * raters // n
        for _ in range(seat):  # who sits there already sends the next one over
            rank = np.where((who[:, :seat] == rank[:, None]).any(axis=1), (rank + 1) % raters, rank)
        who[:, seat] = rank
    return np.asarray(by_severity[who])


def _rate(quality: Floats, strict: Floats, severity: float, signals: int, rng: np.random.Generator) -> Floats:
    """Write down ratings from 1 to 5, shape (n, seats, signals)."""
    left = (1 - severity) * (1 - PERSON) - NOISE**2 / signals
    mean = math.sqrt(PERSON * (1 - severity)) * quality - math.sqrt(severity) * strict
    mean = mean + math.sqrt(max(left, 0.0)) * rng.standard_normal(strict.shape)
    each = mean[..., None] + NOISE * rng.standard_normal((*strict.shape, signals))
    return np.searchsorted(CUTS, each).astype(np.float64) + 1


def _offers(
    quality: Floats, invited: NDArray[np.bool_], base_rate: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], Floats]:
    """Decide by how good people are and by chance, among those invited; also return the chance given quality."""
    standing = quality + CHANCE * rng.standard_normal(len(quality))
    if invited.all():
        threshold = math.hypot(1, CHANCE) * NormalDist().inv_cdf(1 - base_rate)
    else:
        share = min(base_rate * len(quality) / invited.sum(), 1.0)
        threshold = float(np.quantile(standing[invited], 1 - share))
    chance = NormalDist(threshold, CHANCE)
    probability = np.array([chance.cdf(value) for value in quality.tolist()])
    return invited & (standing > threshold), np.where(invited, probability, 0.0)


def _ids(prefix: str, numbers: Ints) -> NDArray[Any]:
    return np.array([f"{prefix}-{number + 1:06d}" for number in numbers.tolist()], dtype=object)
