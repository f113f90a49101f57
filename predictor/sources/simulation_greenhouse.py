"""A simulated team's export from Greenhouse (Harvest v3), with every quirk of a real one; no row is a real person.

Candidates have a quality; who rates sees it with noise, and some raters are strict. A phone screen, then an on-site
panel for who passed; offers follow quality as the panel saw it. Then the quirks are put in, each a few times, so that
an import of these files shows every line that its report can have.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from predictor.atomic import write_text
from predictor.errors import ConfigError
from predictor.ratings.catalogue import SIMULATED

# Signal, family (a type of attribute), loading on quality, shift of the mean.
SIGNALS = (
    ("Problem solving", "Skills", 0.75, 0.0),
    ("Communication", "Skills", 0.55, 0.3),
    ("Relevant experience", "Qualifications", 0.65, 0.1),
    ("Ownership", "Personality traits", 0.60, 0.1),
    ("Works well with others", "Personality traits", 0.50, 0.4),
)
LOGISTICS = ("Salary expectation", "Details")
WORDS = ("definitely_not", "no", "mixed", "yes", "strong_yes")
CUTS = (-1.9, -0.9, 0.0, 1.1)
OVERALL_CUTS, OVERALL = (-1.2, 0.0, 1.2), ("strong_no", "no", "yes", "strong_yes")
STAGES = ("Phone screen", "On-site interview")
JOBS = (4201, 4202)
RATERS, SEVERITY = 14, 0.35  # sd of severity, about 8 % of the variance of a rating
PANEL = 2
UNSEEN = 0.07  # share of ratings without a decision
REASONS = (
    (901, "Lacking skills", "WE_REJECTED_THEM"),
    (902, "Took another job", "THEY_REJECTED_US"),
    (903, "Hiring freeze", "NONE_SPECIFIED"),
    (904, "Offer declined", "NONE_SPECIFIED"),
    (905, "Other", "culture"),
)
SEXES = ("Male", "Female", "Decline To Self Identify")
RACES = (
    "White", "Asian", "Black or African American", "Hispanic or Latino", "Two or More Races",
    "American Indian or Alaskan Native", "I don't wish to answer",
)  # fmt: skip
START = datetime(2025, 1, 6, 9)


@dataclass
class _Team:
    """The endpoints of the API, filled step by step."""

    rng: np.random.Generator
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    cards: int = 0
    ratings: int = 0

    def add(self, endpoint: str, **cells: Any) -> dict[str, Any]:
        self.lists.setdefault(endpoint, []).append(cells)
        return cells


def simulate_greenhouse(n: int = 200, *, seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Simulate the records of a team's export by endpoint.

    Parameters
    ----------
    n
        Applications; at least 40, so that there are records for every quirk.
    seed
        The same seed gives the same records.

    Returns
    -------
    dict
        Records by endpoint of Harvest v3; each application has `origin` SIMULATED.

    Raises
    ------
    ConfigError
        If an argument is out of range.

    Examples
    --------
    >>> records = simulate_greenhouse(60, seed=1)
    >>> len(records["applications"]), records["applications"][0]["origin"]
    (60, 'SIMULATED')
    >>> records == simulate_greenhouse(60, seed=1)
    True
    """
    if n < 40 or seed < 0:
        raise ConfigError(f"simulate --greenhouse: {n} applications, seed {seed}; write at least 40, and a seed from 0")
    team = _Team(np.random.default_rng(seed))
    severity = SEVERITY * team.rng.standard_normal(RATERS)
    _set_up(team)
    people = np.arange(n) - (team.rng.random(n) < 0.04)  # some apply twice
    quality = team.rng.standard_normal(n)[people]
    for number in range(n):
        _application(team, number, n, 10_000 + int(people[number]), float(quality[number]), severity)
    _quirks(team)
    return team.lists


def write_greenhouse(records: dict[str, list[dict[str, Any]]], folder: Path) -> list[Path]:
    """Write an export as a client of the API keeps it: one file per endpoint, cards in pages, one record per line."""
    paths = []
    for endpoint, items in records.items():
        pages: Sequence[list[dict[str, Any]]] = [items]
        if endpoint == "scorecards":
            half = len(items) // 2
            pages = [items[: half + 1], items[half:]]  # a card that changed between two requests comes twice
        for number, page in enumerate(pages, 1):
            name = f"{endpoint}.json" if len(pages) == 1 else f"{endpoint}-page-{number}.json"
            lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in page)
            paths.append(write_text(folder / name, f"[\n{lines}\n]\n"))
    return paths


def _set_up(team: _Team) -> None:
    for index, stage in enumerate(STAGES):
        for job in JOBS:
            team.add(
                "job_interviews",
                id=500 + 10 * index + job % 10,
                name=stage,
                job_id=job,
                job_interview_stage_id=80 + index,
            )
            team.add(
                "interview_kits",
                id=700 + 10 * index + job % 10,
                job_interview_id=500 + 10 * index + job % 10,
                job_id=job,
            )
    families = list(dict.fromkeys([family for _, family, *_ in SIGNALS] + [LOGISTICS[1]]))
    for index, family in enumerate(families):
        team.add("candidate_attribute_types", id=60 + index, name=family)
    for job in JOBS:
        named = [(signal[0], signal[1]) for signal in SIGNALS]
        for index, (name, family) in enumerate((*named, LOGISTICS)):
            shown = name.upper() if job == JOBS[1] and index == 1 else name  # written otherwise in another job
            team.add(
                "job_candidate_attributes", id=job * 10 + index, name=shown, job_id=job, active=True, sort_order=index,
                candidate_attribute_type_id=60 + families.index(family),
            )  # fmt: skip
    for key, name, side in REASONS:
        team.add("rejection_reasons", id=key, name=name, type_id=1, type_key=side)


def _application(team: _Team, number: int, total: int, person: int, quality: float, severity: Any) -> None:
    rng = team.rng
    key, job = 30_000 + number, JOBS[number % 2]
    applied = START + timedelta(hours=17 * number + int(rng.integers(12)))
    application = team.add(
        "applications", id=key, candidate_id=person, job_id=job, status="in_process", prospect=False,
        created_at=_iso(applied), rejected_at=None, stage_id=80, stage_name=STAGES[0], origin=SIMULATED,
    )  # fmt: skip
    for _ in range(2 if number % 40 == 7 else 1):  # some answer twice: the newest counts
        team.add(
            "eeoc", application_id=key, candidate_id=person, gender=SEXES[rng.choice(3, p=[0.46, 0.46, 0.08])],
            race=RACES[rng.choice(7, p=[0.42, 0.22, 0.13, 0.11, 0.05, 0.01, 0.06])], submitted_at=_iso(applied),
        )  # fmt: skip
    phone = applied + timedelta(days=4)
    seen = _card(team, key, job, 0, phone, int(rng.integers(RATERS)), quality, severity)
    if seen + 1.2 * rng.standard_normal() < -0.3:
        _reject(team, application, phone + timedelta(days=3), 901)
        return
    onsite = phone + timedelta(days=9)
    application["stage_id"], application["stage_name"] = 81, STAGES[1]
    panel = rng.choice(RATERS, PANEL, replace=False)
    views = [_card(team, key, job, 1, onsite, int(rater), quality, severity) for rater in panel]
    decided = onsite + timedelta(days=4)
    if number >= total - 8:  # the last are still in process
        return
    if float(np.mean(views)) + 0.9 * rng.standard_normal() > 0.2:
        accepted = rng.random() < 0.8
        application["status"] = "hired" if accepted else "rejected"
        application["rejected_at"] = None if accepted else _iso(decided + timedelta(days=3))
        team.add(
            "offers", id=50_000 + number, version=1, application_id=key, candidate_id=person, job_id=job,
            status="Accepted" if accepted else "Rejected", sent_on=decided.date().isoformat(),
            resolved_at=_iso(decided + timedelta(days=3)), created_at=_iso(decided - timedelta(days=1)),
        )  # fmt: skip
    else:
        _reject(team, application, decided, 901)


def _reject(team: _Team, application: dict[str, Any], when: datetime, reason: int) -> None:
    application["status"], application["rejected_at"] = "rejected", _iso(when)
    team.add(
        "rejection_details", id=70_000 + application["id"], application_id=application["id"],
        rejection_reason_id=reason, rejected_at=_iso(when),
    )  # fmt: skip


def _card(
    team: _Team, application: int, job: int, stage: int, held: datetime, rater: int, quality: float, severity: Any
) -> float:
    """Add a card with its attributes; return what the rater saw."""
    rng = team.rng
    team.cards += 1
    view = quality + 0.7 * rng.standard_normal()
    lenient = float(severity[rater])
    submitted = held + timedelta(hours=2 + int(rng.integers(30)), minutes=int(rng.integers(60)))
    team.add(
        "scorecards", id=team.cards, application_id=application, interview_kit_id=700 + 10 * stage + job % 10,
        interviewer_id=100 + rater, submitter_id=100 + rater, status="complete",
        candidate_rating=OVERALL[int(np.searchsorted(OVERALL_CUTS, view + lenient))], interviewed_at=_iso(held),
        submitted_at=_iso(submitted), created_at=_iso(held), updated_at=_iso(submitted),
    )  # fmt: skip
    for index, (_, _, loading, mean) in enumerate(SIGNALS):
        z = mean + lenient + loading * view + 0.6 * rng.standard_normal()
        word = "no_decision" if rng.random() < UNSEEN else WORDS[int(np.searchsorted(CUTS, z))]
        _mark(team, team.cards, job * 10 + index, word)
    return view + lenient


def _mark(team: _Team, card: int, attribute: int, word: str | None) -> dict[str, Any]:
    team.ratings += 1
    return team.add(
        "scorecard_candidate_attributes", id=team.ratings, scorecard_id=card, job_candidate_attribute_id=attribute,
        candidate_attribute_rating=word,
    )  # fmt: skip


def _quirks(team: _Team) -> None:
    """Add the quirks of real exports, each to fixed records; comments are the reasons of `findings.REASONS`."""
    applications, cards, ratings = (
        team.lists[name] for name in ("applications", "scorecards", "scorecard_candidate_attributes")
    )
    by_id = {item["id"]: item for item in applications}
    rejected = [item for item in applications if item["status"] == "rejected" and item["rejected_at"]]
    no_offer = {item["application_id"] for item in team.lists.get("rejection_details", ())}
    refused = [item for item in rejected if item["id"] in no_offer]
    reasons = {item["application_id"]: item for item in team.lists["rejection_details"]}
    for at, reason in ((10, 902), (11, 902), (12, 903), (13, 904), (14, 905)):  # withdrawn, ask
        reasons[refused[at]["id"]]["rejection_reason_id"] = reason
    for number, status in enumerate(("Created", "Deprecated")):  # offer not sent
        key = refused[18 + number]["id"]
        team.add(
            "offers", id=59_000 + number, version=1, application_id=key, status=status, sent_on=None, resolved_at=None
        )
    team.add(
        "offers", id=59_010, version=1, application_id=99_999, status="Accepted", sent_on="2025-03-01", resolved_at=None
    )
    applications[4]["prospect"] = applications[5]["prospect"] = True  # prospect
    applications[6]["status"] = "on_hold"
    for at in (11, 12):  # submitted on behalf of the interviewer
        cards[at]["submitter_id"] = 900
    cards[13]["interviewer_id"] = cards[14]["interviewer_id"] = cards[14]["submitter_id"] = None  # submitter, no rater
    for at in (20, 21, 22):  # draft
        cards[at] |= {"status": "draft", "submitted_at": None}
    cards[23]["status"] = "reopened"  # unknown status
    late = [card for card in cards if card["application_id"] in {item["id"] for item in refused}][40:44]
    for card in late[:3]:  # after decision
        ended = by_id[card["application_id"]]["rejected_at"]
        card["submitted_at"] = card["updated_at"] = _shifted(ended, 2)
    late[3]["updated_at"] = _shifted(by_id[late[3]["application_id"]]["rejected_at"], 5)  # changed later
    offer = next(item for item in team.lists["offers"] if item["sent_on"])
    same_day = [card for card in cards if card["application_id"] == offer["application_id"]][-1]
    undated = next(item for item in team.lists["offers"][1:] if item["status"] == "Accepted")
    team.lists["offers"].remove(undated)  # hired, and nobody wrote down when
    same_day["submitted_at"] = same_day["updated_at"] = f"{offer['sent_on']}T08:00:00Z"  # same day
    cards[30]["submitted_at"] = cards[30]["submitted_at"].removesuffix("Z")  # no zone
    cards[31]["interviewed_at"] = _shifted(cards[31]["submitted_at"], 20)  # the order of times is not guaranteed
    silent = {cards[40]["id"], cards[41]["id"]}
    for rating in ratings:
        if rating["scorecard_id"] in silent:  # unrated
            rating["candidate_attribute_rating"] = "no_decision"
    ratings[60]["candidate_attribute_rating"], ratings[75]["candidate_attribute_rating"] = (
        "stong_yes",
        None,
    )  # unknown word
    _mark(team, cards[50]["id"], JOBS[0] * 10 + len(SIGNALS), "yes")  # details
    _mark(team, cards[51]["id"], 999_999, "yes")  # unnamed
    _mark(team, 888_888, JOBS[0] * 10, "yes")  # orphan rating
    cards.append(dict(cards[52], id=777_777, application_id=99_998))  # orphan card
    half = len(cards) // 2  # `write_greenhouse` has this card on both pages, so that it needs a time of change
    cards[half]["updated_at"] = cards[half]["updated_at"] or cards[half]["created_at"]


def _iso(time: datetime) -> str:
    return time.isoformat() + "Z"


def _shifted(time: str, days: int) -> str:
    return _iso(datetime.fromisoformat(time.removesuffix("Z")) + timedelta(days=days))
