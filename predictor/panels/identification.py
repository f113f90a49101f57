"""Whether raters' severity can be distinguished from the people they met, and if not, why not, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from predictor.panels.effects import CardMeans

FEWEST = 3  # raters, and scorecards of each on average, below which nothing about raters can be learned
PAIRED = 10  # applications with two scorecards or more, below which people and raters cannot be distinguished


@dataclass(frozen=True)
class Identification:
    """What the scorecards can say about raters.

    Attributes
    ----------
    agreement
        Why agreement cannot be computed; empty where it can.
    severity
        Why severity cannot be distinguished from the people met; empty where it can.
    applications, paired
        How many applications there are, and how many of them have two or more scorecards.
    raters, linked
        How many raters there are, and how many of them are connected through shared people, in the largest component.
    """

    agreement: str
    severity: str
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
    >>> identify(scores).agreement
    'not identifiable: each person was rated by one rater only, so nobody else can agree or disagree'
    >>> identify(scores, random_assignment=True).severity
    ''
    """
    units = int(scores.unit.max(initial=-1)) + 1
    m, raters = scores.raters.shape
    member = csr_array((np.ones(m), (scores.unit, np.arange(m))), shape=(units, m))
    seen = csr_array((member @ scores.raters) > 0)
    by_unit = np.asarray(seen.sum(axis=1)).ravel()
    paired, used = int((by_unit > 1).sum()), int((np.asarray(seen.sum(axis=0)).ravel() > 0).sum())
    links = csr_array(seen.T.astype(np.int64) @ seen.astype(np.int64))
    _, label = connected_components(links, directed=False)
    linked = int(np.bincount(label).max(initial=0)) if paired else 0
    few = raters < FEWEST or m < FEWEST * raters
    agreement = severity = ""
    if not single:
        agreement = "not identifiable: only the panels' means are known; bring the scorecards one by one"
    elif paired == 0:
        agreement = "not identifiable: each person was rated by one rater only, so nobody else can agree or disagree"
    elif paired < PAIRED:
        agreement = f"not identifiable: {paired} of {units:,} people have two raters or more; {PAIRED} are needed"
    if few:
        severity = (
            f"not identifiable: {m:,} scorecards by {raters:,} raters are too few; at least {FEWEST} raters "
            f"with {FEWEST} scorecards each are needed"
        )
    elif not random_assignment and paired < PAIRED:
        severity = (
            "not identifiable: each person was rated by one rater, and whether raters met equally strong people is not "
            "known, so high ratings may be a lenient rater's or strong people's; if people are assigned to raters at "
            "random, state it with --assigned-at-random"
        )
    elif not random_assignment and linked < used:
        severity = (
            f"identifiable in part: {linked} of {used} raters are connected through shared people; how high the others "
            "rate against them is not known, unless people are assigned at random (--assigned-at-random)"
        )
    return Identification(agreement, severity, units, paired, used, linked)
