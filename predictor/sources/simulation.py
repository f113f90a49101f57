"""Simulated interviews with a known truth: no row is a real person.

Five steps, one function each: what happened in the interview, the decision-maker's verdict, the offer, what a rater
writes down, and what stays empty. Published figures set the strengths (References below); where none exists, the
number is an assumption and says so. Signals are mostly signs of the verdict here, not causes of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from predictor.errors import ConfigError, nearest
from predictor.ratings.catalogue import SIMULATED, Catalogue
from predictor.ratings.ratings import Ratings
from predictor.ratings.signals import Signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MODES = ("default", "null", "hindsight")


class SimulatedSignal(NamedTuple):
    """How a signal is rated.

    Attributes
    ----------
    loading
        On the quality of its family.
    verdict_leak
        How far the verdict shows in it: interviewers who already like a candidate warm up, sell the job and inform more
        (Dougherty 1994).
    mean_shift
        Of its mean, in standard deviations.
    missing_share
        Share of its ratings that is left empty, 0 to 1.
    """

    loading: float
    verdict_leak: float
    mean_shift: float
    missing_share: float


SIGNALS = {
    "interviewer_active_listening": SimulatedSignal(0.55, 0.14, 0.05, 0.02),
    "interviewer_thoughtful_questions": SimulatedSignal(0.55, 0.10, 0.00, 0.02),
    "interviewer_gives_feedback": SimulatedSignal(0.45, 0.14, -0.45, 0.08),
    "interviewer_genuine_interest": SimulatedSignal(0.55, 0.24, 0.00, 0.03),
    "candidate_enthusiasm": SimulatedSignal(0.60, 0.05, 0.20, 0.02),
    "candidate_relevant_questions": SimulatedSignal(0.50, 0.05, -0.05, 0.03),
    "mutual_rapport": SimulatedSignal(0.65, 0.16, 0.05, 0.02),
    "interviewer_explains_role": SimulatedSignal(0.50, 0.10, 0.05, 0.02),
    "interviewer_openness": SimulatedSignal(0.50, 0.08, 0.05, 0.04),
    "candidate_transparency": SimulatedSignal(0.55, 0.05, 0.25, 0.03),
    "goals_discussed": SimulatedSignal(0.60, 0.10, -0.20, 0.06),
    "interviewer_highlights_fit": SimulatedSignal(0.55, 0.24, -0.35, 0.08),
    "candidate_goal_alignment": SimulatedSignal(0.65, 0.08, 0.10, 0.05),
    "candidate_eye_contact": SimulatedSignal(0.55, 0.04, 0.15, 0.02),
    "candidate_smiles_and_nods": SimulatedSignal(0.55, 0.03, 0.10, 0.02),
    "candidate_open_posture": SimulatedSignal(0.45, 0.02, 0.15, 0.03),
    "interviewer_energy": SimulatedSignal(0.50, 0.18, 0.05, 0.02),
    "mutual_respect": SimulatedSignal(0.50, 0.12, 0.35, 0.02),
    "next_steps_stages": SimulatedSignal(0.60, 0.12, 0.00, 0.04),
    "next_steps_timeline": SimulatedSignal(0.60, 0.08, -0.30, 0.05),
    "interviewer_interest_in_continuing": SimulatedSignal(0.50, 0.34, -0.20, 0.05),
    "candidate_appreciation": SimulatedSignal(0.40, 0.00, 0.60, 0.03),
    "candidate_reiterates_interest": SimulatedSignal(0.45, 0.03, 0.15, 0.04),
    "candidate_asks_next_steps": SimulatedSignal(0.45, 0.02, -0.05, 0.04),
}

# Share of an interview's general quality in each family (the families then correlate .32 to .57), and the family's
# weight in the verdict: fit first (Cable & Judge 1997), follow-up last (no published effect on real offers was found).
FAMILIES = {
    "engagement": (0.80, 0.26),
    "clarity": (0.65, 0.14),
    "alignment": (0.72, 0.34),
    "body_language": (0.65, 0.16),
    "follow_up": (0.50, 0.04),
}


class SimulatedRole(NamedTuple):
    """How one kind of rater rates."""

    share: float  # of the rows
    clarity: float  # with which what happened is seen; low for candidates (Connerley & Rynes 1997)
    halo: float  # pull of one general impression on every signal
    halo_with_verdict: float  # correlation of that impression with the verdict, which deciders know
    severity_sd: float  # stays with the rater; 9 % of a rating's variance (Roberts 2010)
    noise_sd: float


ROLES = {
    "interviewer": SimulatedRole(0.40, 0.95, 0.45, 0.60, 0.30, 0.60),
    "observer": SimulatedRole(0.20, 0.90, 0.40, 0.35, 0.30, 0.65),
    "candidate": SimulatedRole(0.40, 0.45, 0.45, 0.15, 0.45, 0.65),
}

PERSON = 0.6  # of quality and merit stays the candidate's own: two sessions correlate .53-.70 (from Naim 2018)
RATED = 12  # interviews for each interviewer or observer, enough to see how severe they are
CUTS = np.array([-1.95, -1.15, -0.25, 0.85]) * 1.05  # lenient: few 1s, most ratings 3 and 4

# Cumulants of the raw verdict, over 240 million draws: mean, sd, skewness, excess kurtosis. Fixed here and not taken
# from the sample, so that a hundred files of a thousand rows follow the same law as one of a hundred thousand. To
# compute them again: those of `_verdict` with VERDICT = (0, 1, 0, 0).
VERDICT = (0.0262, 1.1620, 0.111, 0.044)
ORGANISATION, CHANCE = 0.35, 0.75  # what else decides: how the organisation hires; rivals, head-count and money

HIDDEN = 0.10  # of outcomes; non-offers twice as often, since rejected people hear less (assumption, no source)
SHARE_SHIFTED = 0.5  # of ratings, in mode "hindsight"
DAYS = np.arange("2024-01-01", "2026-07-01", dtype="datetime64[D]").astype(str).astype(object)


def simulate_interviews(n: int, *, seed: int = 0, base_rate: float = 0.35, mode: str = "default") -> Ratings:
    """Simulate `n` interviews, each rated by one person on the shipped catalogue.

    Parameters
    ----------
    n
        Rows; one interview and one rater each, at least 1. About 1.5 rows share a candidate, 50 an organisation
        (there are at least 40) and 12 an interviewer or observer; candidates rate their own interviews.
    seed
        Any whole number from 0; the same seed gives the same rows.
    base_rate
        Share of interviews that end in an offer, above 0 and below 1. Among the rows whose outcome is known it is
        a little higher (.365 for .35), since non-offers stay unknown more often.
    mode
        "default"; "null": the same ratings with the offers shuffled, so nothing can be learned; "hindsight": rated
        after the outcome was known, half of the ratings one point nearer to it, so models look too good.

    Returns
    -------
    Ratings
        `values` (n, signals): 1 to 5, NaN for about one in twenty. `y` (n,): 1, 0, NaN for about one in ten.
        `columns`: ids, role, stage, format and dates, `origin` "SIMULATED", and the truth: `latent_quality` and
        `latent_verdict` (standard deviations), `latent_offer_probability` (0 to 1, of an offer given the verdict).

    Raises
    ------
    ConfigError
        If an argument is out of range.

    References
    ----------
    Cable & Judge (1997), J. Applied Psychology. Connerley & Rynes (1997). Dougherty, Turban & Callender (1994),
    J. Applied Psychology. Moore, Lee, Kim & Cable (2017), J. Applied Psychology 102:1493. Naim, Tanveer, Gildea &
    Hoque (2018). Roberts, Rothnie, Zoanetti & Crossley (2010), Medical Education 44:690.

    Examples
    --------
    >>> ratings = simulate_interviews(500, seed=1)
    >>> ratings.values.shape == (500, len(ratings.catalogue.signals)), ratings.simulated
    (True, True)
    >>> simulate_interviews(500, seed=1).digest == ratings.digest
    True
    """
    _check(n, seed, base_rate, mode)
    catalogue = Catalogue.shipped()
    check_strengths(catalogue.signals)
    # the modes draw from a stream of their own, so that everything else stays the same
    rng, rng_of_mode = (np.random.default_rng(stream) for stream in np.random.SeedSequence(int(seed)).spawn(2))

    candidate, visit = _candidates(n, rng)
    role, rater, organisation, severity = _raters(candidate, rng)
    quality, merit, factors = _what_happened(candidate, rng)
    verdict = _verdict(merit, factors, rng)
    offer, probability = _offer(verdict, organisation, base_rate, rng)
    values = _rate(catalogue.signals, role, severity, verdict, factors, rng)
    phone = _leave_empty(values, catalogue.signals, quality, rng)
    if mode == "null":
        offer, probability = rng_of_mode.permutation(offer), np.full(n, float(base_rate))
    known = rng.random(n) >= HIDDEN * np.where(offer, 1, 2) / (2 - base_rate)
    if mode == "hindsight":
        _shift_towards_outcome(values, np.where(known, np.where(offer, 1, -1), 0), rng_of_mode)

    columns: dict[str, NDArray[Any]] = {
        "interview_id": _ids("SIM", np.arange(n)),
        "candidate_id": _ids("CAN", candidate),
        "organisation_id": _ids("ORG", organisation),
        "rater_id": np.empty(n, dtype=object),
        "rater_role": np.array(list(ROLES), dtype=object)[role],
        "stage": np.array(["first", "second", "final"], dtype=object)[rng.choice(3, n, p=[0.3, 0.4, 0.3])],
        "format": np.where(phone, "phone", np.where(rng.random(n) < 0.5, "video", "in person")).astype(object),
        **_dates(candidate, visit, known, mode, rng),
        "origin": np.full(n, SIMULATED, dtype=object),
        "latent_quality": quality,
        "latent_verdict": verdict,
        "latent_offer_probability": probability,
    }
    for number, name in enumerate(ROLES):
        columns["rater_id"][role == number] = _ids(name[:3].upper(), rater[role == number])
    source = f"simulate_interviews(n={n}, seed={seed}"
    source += f", base_rate={base_rate}" * (base_rate != 0.35) + f", mode={mode!r}" * (mode != "default") + ")"
    return Ratings(catalogue, values, np.where(known, offer, np.nan), columns, source)


def _check(n: int, seed: int, base_rate: float, mode: str) -> None:
    for name, value, low in (("n", n, 1), ("seed", seed, 0)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
            raise ConfigError(f"simulate_interviews: {name} is {value!r}; write a whole number from {low}")
    if not isinstance(base_rate, Real) or not 0 < base_rate < 1:
        raise ConfigError(f"simulate_interviews: base_rate is {base_rate!r}; write a share above 0 and below 1")
    if mode not in MODES:
        hint = nearest(str(mode), MODES) or f"; write one of {', '.join(MODES)}"
        raise ConfigError(f"simulate_interviews: there is no mode {mode!r}{hint}")


def check_strengths(signals: tuple[Signal, ...]) -> None:
    """Check that every signal of the shipped catalogue is in `SIGNALS`; see CONTRIBUTING.md.

    Raises
    ------
    ConfigError
        With every signal that has no entry in `SIGNALS`, and every family that has none in `FAMILIES`.
    """
    families = dict.fromkeys(signal.family for signal in signals)
    missing = [f"{signal.name!r} to SIGNALS" for signal in signals if signal.name not in SIGNALS]
    missing += [f"{family!r} to FAMILIES" for family in families if family not in FAMILIES]
    if missing:
        raise ConfigError(
            "the simulation lacks the strengths of signals or families in predictor/ratings/signals.toml; "
            f"in predictor/sources/simulation.py add {', '.join(missing)}"
        )


def _candidates(n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Assign each row a candidate with one to three interviews, 1.5 on average, and the interview's number."""
    interviews = rng.choice([1, 2, 3], n, p=[0.6, 0.3, 0.1])
    candidate = np.repeat(np.arange(n), interviews)[:n]
    return candidate, np.arange(n) - (np.cumsum(interviews) - interviews)[candidate]


def _raters(candidate: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Floats]:
    """Draw who rates each interview, with a severity that stays theirs, and where it takes place."""
    n = len(candidate)
    organisations = max(40, n // 50)
    role = rng.choice(len(ROLES), n, p=[kind.share for kind in ROLES.values()])
    rater, organisation, severity = candidate.copy(), rng.integers(organisations, size=n), np.empty(n)
    for number, (name, kind) in enumerate(ROLES.items()):
        rows = np.flatnonzero(role == number)
        if name != "candidate":  # who works for one organisation; a candidate rates themself, wherever that was
            rater[rows] = rng.integers(max(1, round(len(rows) / RATED)), size=len(rows))
            organisation[rows] = rater[rows] % organisations
        severity[rows] = kind.severity_sd * rng.standard_normal(n)[rater[rows]]
    return role, rater, organisation, severity


def _what_happened(candidate: Ints, rng: np.random.Generator) -> tuple[Floats, Floats, dict[str, Floats]]:
    """Draw general quality, merit (which nobody rates) and the five families, all N(0, 1) over interviews."""
    n = len(candidate)

    def lasting() -> Floats:
        own = rng.standard_normal(candidate[-1] + 1)[candidate]
        return _mix(math.sqrt(PERSON), own, rng.standard_normal(n))

    quality = lasting()
    merit = _mix(0.30, quality, lasting())
    return quality, merit, {k: _mix(share, quality, rng.standard_normal(n)) for k, (share, _) in FAMILIES.items()}


def _mix(r: float, shared: Floats, rest: Floats) -> Floats:
    """Draw N(0, 1) values that correlate `r` with `shared`."""
    return r * shared + math.sqrt(1 - r * r) * rest


def _verdict(merit: Floats, factors: Mapping[str, Floats], rng: np.random.Generator) -> Floats:
    """Weigh what happened as the decision-maker does; mean 0, sd 1 over all interviews."""
    verdict = 0.45 * merit + 0.60 * rng.standard_normal(len(merit))
    for family, (_, weight) in FAMILIES.items():
        verdict += weight * factors[family]
    verdict += 0.10 * factors["follow_up"] / (1 + np.exp(-1.5 * factors["engagement"]))  # next steps need engagement
    verdict += 0.08 * factors["clarity"] * merit  # openness helps strong candidates, hurts weak ones (Moore 2017)
    verdict -= 0.03 * (factors["body_language"] ** 2 - 1)  # more and more body language adds less and less
    return (verdict - VERDICT[0]) / VERDICT[1]


def _offer(
    verdict: Floats, organisation: Ints, base_rate: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], Floats]:
    """Draw offers from verdicts. Even the true verdict predicts them with an AUC of only .87."""
    n, rest = len(verdict), math.hypot(ORGANISATION, CHANCE)
    standing = verdict + CHANCE * rng.standard_normal(n)
    standing += ORGANISATION * rng.standard_normal(organisation.max() + 1)[organisation]
    # quantile of `standing` at 1 - base_rate by Cornish & Fisher (1938); within .0002 of the base rate, .02 to .95
    z, sd, (skew, kurtosis) = NormalDist().inv_cdf(1 - base_rate), math.hypot(1, rest), VERDICT[2:]
    threshold = sd * z + skew * (z * z - 1) / (6 * sd**2) + kurtosis * (z**3 - 3 * z) / (24 * sd**3)
    normal = NormalDist(threshold, rest)
    return standing > threshold, np.array([normal.cdf(value) for value in verdict])


def _rate(
    signals: tuple[Signal, ...],
    role: Ints,
    severity: Floats,
    verdict: Floats,
    factors: Mapping[str, Floats],
    rng: np.random.Generator,
) -> Floats:
    """Write down ratings from 1 to 5: what was seen, general impression (halo), severity and noise."""
    n = len(role)
    _, clarity, halo, with_verdict, _, noise = np.array(list(ROLES.values()))[role].T
    impression = halo * (with_verdict * verdict + np.sqrt(1 - with_verdict**2) * rng.standard_normal(n))
    taste = {family: 0.30 * rng.standard_normal(n) for family in factors}  # this rater's, in this interview
    values = np.empty((n, len(signals)))
    for j, signal in enumerate(signals):
        loading, leak, mean, _ = SIGNALS[signal.name]
        # less halo where behaviour can simply be seen or counted (assumption)
        counted = {"body_language": 0.8, "follow_up": 0.6 if signal.side == "candidate" else 0.8}
        z = mean + severity + clarity * (loading * factors[signal.family] + leak * verdict)
        z += counted.get(signal.family, 1.0) * impression + taste[signal.family] + noise * rng.standard_normal(n)
        values[:, j] = 1 + np.searchsorted(CUTS, z)
    return values


def _leave_empty(
    values: Floats, signals: tuple[Signal, ...], quality: Floats, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Empty about one rating in twenty, in place; return which interviews were on the phone."""
    n = len(values)
    phone = rng.random(n) < 0.12
    for j, signal in enumerate(signals):
        share = SIGNALS[signal.name].missing_share
        # a cold interview ends without next steps and seldom comes to goals: log-odds of a gap fall with quality
        fall = {"alignment": 0.3, "follow_up": 0.6 if signal.side == "interviewer" else 0.0}.get(signal.family, 0.0)
        chance = 1 / (1 + (1 / share - 1) * np.exp(fall * quality))
        values[rng.random(n) < chance, j] = np.nan
        if signal.family == "body_language" and signal.side == "candidate":
            values[phone, j] = np.nan
    return phone


def _shift_towards_outcome(values: Floats, outcome: Ints, rng: np.random.Generator) -> None:
    """Move a share of the ratings one point toward the outcome (1, -1, or 0 for unknown), in place."""
    for column in values.T:
        column[:] = np.clip(column + outcome * (rng.random(len(column)) < SHARE_SHIFTED), 1, 5)


def _dates(
    candidate: Ints, visit: Ints, known: NDArray[np.bool_], mode: str, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Date the rating within two days of the interview and the outcome later; the other way round in hindsight."""
    n = len(candidate)
    held = rng.integers(700, size=candidate[-1] + 1)[candidate] + 14 * visit
    rated, outcome = held + rng.integers(3, size=n), held + rng.integers(3, 29, size=n)
    if mode == "hindsight":
        rated = np.where(known, outcome + 1, rated)
    return {"rated_on": DAYS[rated], "outcome_on": np.where(known, DAYS[outcome], "")}


def _ids(prefix: str, numbers: Ints) -> NDArray[Any]:
    """Name rows, people and organisations; 0 becomes SIM-000001."""
    names = [f"{prefix}-{number:06d}" for number in range(1, numbers.max(initial=-1) + 2)]
    return np.array(names, dtype=object)[numbers]
