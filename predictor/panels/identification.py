"""Whether raters' leniency can be distinguished from the people they met, and if not, why not, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from predictor.errors import plural
from predictor.model.tables import Ints
from predictor.panels.effects import CardMeans

LEAST = 3  # raters, and scorecards of each on average, to learn anything about raters
LEAST_PAIRED = 10  # applications with two raters or more, to distinguish people and raters
ROUNDING = 1e-9  # shares of the scale


@dataclass(frozen=True)
class Identification:
    """What can be learned about raters from the scorecards.

    Attributes
    ----------
    agreement_obstacle
        Why agreement cannot be computed, to follow "Agreement is"; empty where it can.
    leniency_obstacle
        Why leniency cannot be distinguished from the people met, to follow "is"; empty where it can.
    enough
        Whether there are raters and scorecards enough to estimate how high raters rate, whatever the reason.
    applications, paired
        How many applications there are, and how many of them have two or more raters.
    raters, linked
        How many raters there are, and how many of them are connected through shared people, in the largest component.
    """

    agreement_obstacle: str
    leniency_obstacle: str
    enough: bool
    applications: int
    paired: int
    raters: int
    linked: int


def identify(scores: CardMeans, *, single: bool = True, random_assignment: bool = False) -> Identification:
    """Analyse who rated whom.

    Parameters
    ----------
    scores
        Scorecards' means.
    single
        Whether each row is one rater's; agreement needs that.
    random_assignment
        Whether the user states that raters meet people at random.

    Examples
    --------
    >>> one_each = csr_array(np.tile(np.eye(4), (10, 1)))
    >>> scores = CardMeans(np.arange(40.0), np.arange(40), one_each, np.zeros(40, dtype=np.int64))
    >>> identify(scores).agreement_obstacle
    'not identifiable: no person was rated by two raters at one stage, so there is nobody to agree with'
    >>> identify(scores, random_assignment=True).leniency_obstacle
    ''
    """
    m, raters = scores.raters.shape
    seen = _seen(scores, scores.unit)
    units = seen.shape[0]
    by_unit = np.asarray(seen.sum(axis=1)).ravel()
    paired, used = int((by_unit > 1).sum()), int((np.asarray(seen.sum(axis=0)).ravel() > 0).sum())
    links = csr_array(seen.T.astype(np.int64) @ seen.astype(np.int64))
    _, label = connected_components(links, directed=False)
    linked = int(np.bincount(label).max(initial=0)) if paired else 0
    enough = raters >= LEAST and m >= LEAST * raters
    _, together = np.unique(np.stack([scores.unit, scores.stage]), axis=1, return_inverse=True)
    same_stage = int((np.asarray(_seen(scores, together.ravel()).sum(axis=1)).ravel() > 1).sum())
    agreement = leniency = ""
    if not single:
        agreement = "not identifiable: only the panels' means are known; bring the scorecards one by one"
    elif same_stage == 0:
        agreement = "not identifiable: no person was rated by two raters at one stage, so there is nobody to agree with"
    elif same_stage < LEAST_PAIRED:
        who = "person has" if same_stage == 1 else "people have"
        agreement = f"not identifiable: {same_stage} {who} two raters or more at one stage; {LEAST_PAIRED} are needed"
    elif np.ptp(scores.score) < ROUNDING:
        agreement = "not identifiable: all scorecards rate alike, so people do not differ"
    if not enough:
        leniency = (
            f"not identifiable: {plural(m, 'scorecard')} by {plural(raters, 'rater')}; at least {LEAST} raters with "
            f"{LEAST} scorecards each are needed"
        )
    elif not random_assignment and paired < LEAST_PAIRED:
        leniency = (
            "not identifiable: each person was rated by one rater, and whether raters met equally strong people is not "
            "known, so high ratings may be a lenient rater's or strong people's; if people are assigned to raters at "
            "random, state it with --assigned-at-random"
        )
    elif not random_assignment and linked < used:
        leniency = (
            f"identifiable in part: {linked} of {used} raters are connected through shared people; how high the others "
            "rate against them is not known, unless people are assigned at random (--assigned-at-random)"
        )
    return Identification(agreement, leniency, enough, units, paired, used, linked)


def _seen(scores: CardMeans, unit: Ints) -> csr_array:
    """Return whether each rater rated each unit, shape (units, raters)."""
    m = len(unit)
    member = csr_array((np.ones(m), (unit, np.arange(m))), shape=(int(unit.max(initial=-1)) + 1, m))
    return csr_array((member @ scores.raters) > 0)
