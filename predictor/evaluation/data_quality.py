"""Checks of the data and of a training: facts, and warnings.

Each threshold of a warning has a comment with its reason; none of them changes how a model is trained.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from predictor.errors import plural, shorten
from predictor.evaluation.copies import all_equal, copies, hashes
from predictor.evaluation.importance import TOP, Importance
from predictor.evaluation.rates import mean_cluster_size
from predictor.evaluation.scores import LEAST_OF_EACH, GroupBootstrap, Score, roc_auc
from predictor.model.tables import Floats
from predictor.ratings.ratings import Ratings
from predictor.ratings.signals import ContextInput, Signal
from predictor.sources.drafting.protected import is_protected

FEW_OF_EACH = 50  # with fewer offers, or non-offers, scores are unreliable, and prior = "auto" uses the published model
# Above this AUC, by who rated, scores are suspiciously good for ratings made before the outcome was known. A judgement:
# the best possible model of simulated interviews reaches .78 to .81, .74 to .78 and .62 to .68; in the public
# speed-dating data own ratings predict one's own decision with .82 to .845, and the other person's with .61.
SUSPICIOUS_AUC = {"interviewer": 0.87, "observer": 0.84, "candidate": 0.75}
# One signal that predicts as well as all ratings of a decision-maker together (.78 to .81) must be leaking the outcome.
REVEALING_AUC = 0.81
MOST_LEAVES, LEAF_ROWS = 8, 5  # of the tree on one signal: enough for a curve, and for informative missingness
MOST_ROWS_PER_GROUP = 3.0  # mean over rows of the size of their group; above it people are far fewer than rows
COPIED_SHARE = 0.01  # fewer copies do not change scores
PASTED_SHARE = 0.05  # copies under one person are harmless in splits
# Least mean overlap of the five strongest signals of the model and of a fold's model, although both learned from mostly
# the same rows; below it their order is called unstable.
LEAST_SHARED_TOP = 3.0
MOST_NAMED = 3  # signals named in one warning
_WHOLE_FLOAT = re.compile(r"^(\d+)\.0+$")
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")
_DOTTED = re.compile(r"(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})( .*)?")


@dataclass(frozen=True)
class DataQuality:
    """Facts about the training rows; shares are 0 to 1.

    Attributes
    ----------
    n
        Rows with a known outcome.
    rated
        By signal: the number of rows in which it was rated.
    missing
        By signal: the share of rows in which it was not rated.
    not_applicable
        By signal with that answer: the number of rows in which it was not applicable.
    floor, ceiling
        By signal: the share of its ratings at the bottom and at the top of the scale; 0 if it was never rated.
    duplicates
        Rows that repeat an earlier one: every rating, the inputs and the outcome.
    flat
        Rows of three or more ratings that are all equal.
    groups, largest_group
        Number of groups (candidates), and rows of the largest.
    rows_per_group
        Mean cluster size: the mean over rows of the size of their own group.

    Examples
    --------
    >>> from predictor import Catalogue
    >>> row = {"goals_discussed": 5, "mutual_rapport": 5, "mutual_respect": 5, "offer": "yes"}
    >>> facts = data_quality(Ratings.from_records([row, row], Catalogue.shipped()))
    >>> facts.duplicates, facts.flat, facts.ceiling["goals_discussed"], facts.missing["candidate_enthusiasm"]
    (1, 2, 1.0, 1.0)
    """

    n: int
    rated: Mapping[str, int]
    missing: Mapping[str, float]
    not_applicable: Mapping[str, int]
    floor: Mapping[str, float]
    ceiling: Mapping[str, float]
    duplicates: int
    flat: int
    groups: int
    largest_group: int
    rows_per_group: float


def data_quality(ratings: Ratings) -> DataQuality:
    """Count ratings that are missing, equal or at the ends of their scale, and rows that repeat others."""
    values, names, n = ratings.rated_values, ratings.catalogue.names, len(ratings)
    rated, missing = (~np.isnan(values)).sum(axis=0), np.isnan(ratings.values).sum(axis=0)
    other = dict(zip(names, (n - rated - missing).tolist(), strict=True))
    ends = [(values == end).sum(axis=0) / np.maximum(rated, 1) for end in map(np.array, ratings.catalogue.ends)]
    sizes = np.unique(_groups(ratings), return_counts=True)[1]
    return DataQuality(
        n=n,
        rated=dict(zip(names, rated.tolist(), strict=True)),
        missing=dict(zip(names, (missing / n if n else missing + 1.0).tolist(), strict=True)),
        not_applicable={
            signal.name: other[signal.name] for signal in ratings.catalogue.signals if signal.not_applicable
        },
        floor=dict(zip(names, ends[0].tolist(), strict=True)),
        ceiling=dict(zip(names, ends[1].tolist(), strict=True)),
        duplicates=n - len(np.unique(hashes(ratings))),
        flat=int(all_equal(values).sum()),
        groups=len(sizes),
        largest_group=int(sizes.max(initial=0)),
        rows_per_group=mean_cluster_size(_groups(ratings)),
    )


def revealing_signals(
    ratings: Ratings, folds: Sequence[tuple[NDArray[Any], NDArray[Any]]], resampling: GroupBootstrap
) -> dict[str, Score]:
    """Find signals and inputs that give the outcome away, each by itself, in rows not seen.

    Parameters
    ----------
    ratings
        Ratings whose outcomes are known.
    folds
        Training rows and test rows of each fold of one cross-validation.
    resampling
        Draws for the intervals.

    Returns
    -------
    dict
        The ROC AUC of a small tree on the one column, missing ratings included, if the lower end of its interval is
        above .81; the highest first.
    """
    y, scores = ratings.y, {}
    for name, column in ratings.features.items():
        X, p = column.to_numpy()[:, None], np.full(len(y), y.mean())
        for train, test in folds:
            if np.isfinite(X[train]).any():
                tree = DecisionTreeClassifier(max_leaf_nodes=MOST_LEAVES, min_samples_leaf=LEAF_ROWS, random_state=0)
                p[test] = tree.fit(X[train], y[train]).predict_proba(X[test])[:, 1]
        if roc_auc(y, p, np.ones(len(y))) > REVEALING_AUC:  # else no interval is needed, which takes longer

            def figure(_: int, weight: Floats, p: Floats = p) -> Floats:
                return np.asarray(roc_auc(y, p, weight))

            score = resampling.score(figure, 1, len(y), (0.0, 1.0))
            if score.low > REVEALING_AUC:
                scores[str(name)] = score
    return dict(sorted(scores.items(), key=lambda item: -item[1].value))


def shared_top(importances: Mapping[str, Importance]) -> float | None:
    """Count how many of the five strongest signals are among the five of a fold's model, on average; None if unknown.

    Examples
    --------
    >>> shared_top({}) is None
    True
    """
    tops = [item.top for item in list(importances.values())[:TOP] if item.top is not None]
    return sum(tops) if tops else None


def find_warnings(
    ratings: Ratings,
    trained_on: Mapping[str, Any],
    quality: DataQuality,
    *,
    scores: Mapping[str, Score],
    scores_by_role: Mapping[str, Mapping[str, Score]],
    roles: NDArray[Any] | None,
    importances: Mapping[str, Importance],
    fits: int,
    revealing: Mapping[str, Score],
) -> Iterator[str]:
    """Yield what to check before relying on the scores, as sentences.

    Parameters
    ----------
    ratings
        The training rows.
    trained_on
        Counts and scores as in the model's file, with the prior's share if there is one.
    quality
        Facts about the rows.
    scores, scores_by_role, importances
        As in `TrainingResult`; empty if nothing could be measured.
    roles
        Who rated each row, shape (n,), "" if not given; None without such a column.
    fits
        Number of models fitted in the folds.
    revealing
        The result of `revealing_signals`.
    """
    yield from _about_copies(ratings)
    yield from _about_the_prior(ratings, trained_on)
    if ratings.simulated:
        yield "SIMULATED: these interviews are simulated; the model says nothing about real ones."
    yield from _about_protected(ratings)
    yield from _about_time(ratings)
    yield from _too_good(scores, scores_by_role, roles)
    yield from _given_away(ratings, revealing)
    yield from _about_rows(ratings, quality)
    yield from _unstable(importances, fits)
    if unknown := trained_on["n_outcome_unknown"]:
        rows, were = ("row", "was") if unknown == 1 else ("rows", "were")
        yield f"{unknown:,} {rows} without a known outcome {were} left out."
    if quality.n and (empty := [name for name, rated in quality.rated.items() if not rated]):
        yield f"Never rated: {', '.join(empty)}."


def _about_the_prior(ratings: Ratings, trained_on: Mapping[str, Any]) -> Iterator[str]:
    if "prior" in trained_on:
        share = trained_on["prior"]["share"]
        yield (
            f"Prior: {100 * share:.0f} % of this model comes from published effects, SIMULATED; "
            f"{100 - 100 * share:.0f} % comes from your {plural(len(ratings), 'interview')}."
        )
        if not trained_on["scores"]:
            yield (
                f"Too few to measure how well it predicts: that takes {LEAST_OF_EACH} offers and {LEAST_OF_EACH} "
                "non-offers, of several people."
            )


def _about_time(ratings: Ratings) -> Iterator[str]:
    columns = [[*map(_year_first, ratings.columns.get(name, ()))] for name in ("rated_on", "outcome_on")]
    pairs = [pair for pair in zip(*columns, strict=False) if all(pair)]
    if late := sum(_is_later(*pair) for pair in pairs if all(map(_ISO.fullmatch, pair))):
        were = "row was" if late == 1 else "rows were"
        yield f"{late:,} {were} rated after the outcome was known: such ratings leak the outcome."
    today = datetime.now(timezone(timedelta(hours=14))).date().isoformat()  # where the day begins first
    days = [day for day in columns[1] if _ISO.fullmatch(day) and day[:10] > today]
    if days:
        yield (
            f"{plural(len(days), 'row')} {'has' if len(days) == 1 else 'have'} an outcome known in the future, such as "
            f"on {shorten(max(days), 10)}: correct `outcome_on`, or leave the outcome empty until it is known."
        )
    if odd := [day for pair in pairs for day in pair if not _ISO.fullmatch(day)]:
        yield (
            "Whether ratings were made before the outcome was known cannot be checked: days such as "
            f"'{shorten(odd[0])}' are not in the form 2026-05-31."
        )


def _year_first(text: str) -> str:
    """Write a day such as 31.5.2026 or 2026/05/31 as 2026-05-31; 5/6/2026 is ambiguous and stays."""
    if day := _DOTTED.fullmatch(text):
        return f"{day[3]}-{day[2]:0>2}-{day[1]:0>2}{day[4] or ''}"
    return text.replace("/", "-") if _ISO.fullmatch(text.replace("/", "-")) else text


def _zoned(text: str) -> datetime | None:
    """Read a time with its zone, as UTC; None without a zone, or in the calendar's first or last year."""
    if ":" not in text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo and 1 < at.year < 9999 else None
    except ValueError:
        return None


def _is_later(rated: str, known: str) -> bool:
    """Return whether ratings are later than the outcome, both ISO dates; on the same day only if both have a time.

    If only one of the two has a time zone, its day is the earliest (of the ratings) or latest (of the outcome) that it
    was anywhere on Earth, so that no row is wrongly called late.
    """
    early, late = _zoned(rated), _zoned(known)
    if early and late:
        return early > late
    if early:
        rated = early.astimezone(timezone(timedelta(hours=-12))).date().isoformat()
    if late:
        known = late.astimezone(timezone(timedelta(hours=14))).date().isoformat()
    (day, _, at), (other, _, then) = (text.replace("T", " ").partition(" ") for text in (rated, known))
    return bool(day and other) and (day > other or (day == other and bool(at and then) and at > then))


def _too_good(
    scores: Mapping[str, Score], by_role: Mapping[str, Mapping[str, Score]], roles: NDArray[Any] | None
) -> Iterator[str]:
    """Compare AUC with what is realistic for each role; if no role stands out, that of all rows with the mean limit."""
    auc_and_limit = {f"by the {role}": (auc["roc_auc"], SUSPICIOUS_AUC.get(role, 1.0)) for role, auc in by_role.items()}
    suspicious = {who: score for who, (score, line) in auc_and_limit.items() if score.low > line}
    if scores and not suspicious:
        highest = SUSPICIOUS_AUC["interviewer"]  # nobody's ratings are known to be better than a decision-maker's
        line = highest if roles is None else float(np.mean([SUSPICIOUS_AUC.get(role, highest) for role in roles]))
        if scores["roc_auc"].low > line:
            suspicious = {"taken together": scores["roc_auc"]}
    for who, score in suspicious.items():
        yield (
            f"Ratings {who} predict suspiciously well (ROC AUC {score}, n = {score.n:,}): were they made after the "
            "outcome was known?"
        )


def _about_protected(ratings: Ratings) -> Iterator[str]:
    catalogue = ratings.catalogue
    columns: list[Signal | ContextInput] = [*catalogue.signals, *catalogue.inputs]
    if used := [item.name for item in columns if is_protected(item.name) or is_protected(item.label, item.levels)]:
        are = "is a protected attribute" if len(used) == 1 else "are protected attributes"
        yield (
            f"{', '.join(used)} {are}, by name or by values, and an input of the model: list it under `context` in "
            "the catalogue, so that the model does not use it."
        )


def _given_away(ratings: Ratings, revealing: Mapping[str, Score]) -> Iterator[str]:
    for name, score in list(revealing.items())[:MOST_NAMED]:
        yield (
            f"{ratings.catalogue.labels[name]} gives the outcome away: alone it reaches a ROC AUC of {score}, "
            f"n = {score.n:,}. Was it written down after the outcome, or is it the outcome under another name?"
        )
    if (more := len(revealing) - MOST_NAMED) > 0:
        yield f"So {'do' if more > 1 else 'does'} {plural(more, 'more signal')}."


def _about_rows(ratings: Ratings, quality: DataQuality) -> Iterator[str]:
    n, group = quality.n, ratings.catalogue.group
    few = int(min(ratings.y.sum(), n - ratings.y.sum()))
    if few < FEW_OF_EACH:
        have = "row has" if few == 1 else "rows have"
        yield f"Only {few} {have} the rarer outcome: expect the scores to move with more data."
    if ratings.groups is None and n:
        yield "No group column: if one person has several rows, the scores are too good; name it in the catalogue."
    if ratings.groups is not None:
        yield from _about_spelling({*map(str, ratings.groups)}, str(group))
    if quality.rows_per_group >= MOST_ROWS_PER_GROUP:
        yield (
            f"The same {group} in many rows: {n:,} rows are of {quality.groups:,}, the largest has "
            f"{quality.largest_group:,}. Intervals are computed by {group}, not by rows."
        )


def _about_spelling(names: Collection[str], group: str) -> Iterator[str]:
    """Name groups whose names differ only in case, blanks or invisible letters: of one person, they leak."""
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        letters = unicodedata.normalize("NFKC", name).casefold()
        shown = "".join(letter for letter in letters if unicodedata.category(letter) != "Cf")
        alike.setdefault(" ".join(_WHOLE_FLOAT.sub(r"\1", shown).split()), []).append(name)
    if several := [spelled for spelled in alike.values() if len(spelled) > 1]:
        first, second = (shorten(name, 30) for name in several[0][:2])
        yield (
            f"{sum(map(len, several)):,} of {group} are written almost alike, such as '{first}' and '{second}': if "
            "they are the same, write them in one way, so that their rows are not on both sides of a split."
        )


def _about_copies(ratings: Ratings) -> Iterator[str]:
    n, numbers = len(ratings), copies(ratings)
    repeats = n - len(np.unique(numbers))
    across = _across_groups(numbers, ratings.groups) if ratings.groups is not None else 0
    if across > max(1, COPIED_SHARE * n):
        yield (
            f"{across:,} of {n:,} rows are the same as another to the last rating, under another "
            f"{ratings.catalogue.group}: copies on both sides of a split make the scores too good. Take them out, or "
            "give them one group."
        )
    elif repeats > max(1, (PASTED_SHARE if ratings.groups is not None else COPIED_SHARE) * n):
        yield (
            f"{repeats:,} of {n:,} rows repeat another to the last rating, {repeats / n:.0%}. Was the file pasted more "
            "than once? Copies stay together in cross-validation, but intervals are too narrow; remove "
            "them."
        )


def _unstable(importances: Mapping[str, Importance], fits: int) -> Iterator[str]:
    shared = shared_top(importances)
    if shared is not None and shared < LEAST_SHARED_TOP:
        yield (
            f"Importances are not stable: of the {TOP} strongest signals a fold's model has {shared:.1f} among its "
            f"own {TOP}, on average over {fits} models. Do not rely on their ranking."
        )


def _across_groups(numbers: NDArray[np.int64], groups: NDArray[Any]) -> int:
    """Count the rows that have a copy in another group."""
    owner = np.unique(groups, return_inverse=True)[1]
    owned = np.unique(np.stack([numbers, owner]), axis=1)[0]
    return int((np.bincount(owned, minlength=1)[numbers] > 1).sum())


def _groups(ratings: Ratings) -> NDArray[Any]:
    return np.arange(len(ratings)) if ratings.groups is None else ratings.groups
