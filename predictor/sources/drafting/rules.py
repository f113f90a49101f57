"""Classify a column: a signal, an input, or context that a model must not use, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from predictor.errors import shorten
from predictor.ratings.cells import parse_number, word_key
from predictor.ratings.signals import Scale
from predictor.sources.drafting.hints import OddEnd, Tendency, odd_ends, tendency
from predictor.sources.drafting.protected import is_protected
from predictor.sources.drafting.rating_words import direction_of
from predictor.sources.drafting.read import MANY, WIDE, Column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_STAND_IN = re.compile(  # for protected attributes
    r"(^|_)(protected|male|female|skin|health|photos?|zip(_?code)?|post_?codes?|postal(_?code)?"
    r"|(first|last|full|sur)_?name)\d*(_|$)|(^|_)names?$"
)
_IDENTITY = re.compile(
    r"(^|_)(ids?|uuid|guid)\d*$"
    r"|(candidate|applicant|person|participant|subject|user|employee|rater|interview|interviewer|record|case)id$"
)
OUTCOME_NAME = re.compile(
    r"(^|_)(label|target|outcomes?|decisions?|decided|hire|hired|hiring|offer|offered|results?|accept|accepted"
    r"|acceptance|rejected|selected|status|passed|recommend|recommended|recommendation|verdict)(_|$)"
)
_INDEX = re.compile(r"^(unnamed(_\d+)?|(index|row)(_(number|num|no|nr|\d+))?)$")
_DATE_NAME = re.compile(r"(^|_)(date|datetime|timestamp)(_|$)")
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2}([T ].*)?)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?|\d{1,2}:\d\d(:\d\d)?"
)
FEW_WORDS = 12
_GRADES = re.compile(r"(^|_|[a-z])(?<!foot)(?<!key)noten?$")


def why_left_out(column: Column, y: Floats, grouped: bool) -> str:
    """Return why a column is neither a signal nor an input; empty if it is one."""
    words, name, filled, numeric = column.words, column.snake, column.filled.sum(), column.values is not None
    if len(words) < 2:
        return f"'{shorten(words[0])}' in every row" if words else "empty in every row"
    if _STAND_IN.search(name) or is_protected(column.name):
        return "a protected attribute or a stand-in for one, by its name"
    if is_protected(column.name, words):
        return "a protected attribute, by its words"
    if _INDEX.match(name):
        return "an index of rows"
    if reason := _disguise(column, y):
        return f"the outcome in disguise: {reason}"
    counts = numeric and column.whole and not column.levels
    unique = len(words) == filled
    counted = counts and unique and (filled >= MANY or column.high - column.low + 1 == filled >= 10)
    if counted or _IDENTITY.search(name):
        hint = "" if unique or grouped else "; if it says whose row it is, make it the person (--person)"
        return f"an id, {len(words):,} different{hint}"
    dates = not numeric and sum(bool(_DATE.fullmatch(word)) for word in words) >= 0.8 * len(words)
    if dates or _DATE_NAME.search(name) or (counts and 1900 <= column.low < column.high <= 2100):
        return f"dates, such as '{shorten(words[0])}'"
    if column.levels:
        return ""
    if numeric:
        wide = max(-column.low, column.high) > WIDE[-1]
        kind = "a measure rather than a rating; bring it to a scale such as 0 to 100 to use it"
        return f"{column.low:g} to {column.high:g}: {kind}" if wide else ""
    numbers = [word for word in words if parse_number(word)]
    if 2 * len(numbers) > len(words):
        odd = next((word for word in words if word not in numbers), "")
        if odd:
            fix = "fix or empty those cells to make it a signal, or name them: not_observed = [...]"
            return f"numbers, but for such as '{shorten(odd)}'; {fix}"
        return f"numbers out of different things, such as {shorten(', '.join(words[:3]))}; write them on one scale"
    if len(words) > min(FEW_WORDS, filled - 1) or max(map(len, words)) > 40:
        return f"free text, {len(words):,} different"
    return ""


def is_role(column: Column) -> bool:
    tokens = {*column.snake.split("_")}
    return ("role" in tokens or {"rater", "type"} <= tokens) and len(column.words) <= 6


def rated_alike(columns: Sequence[Column]) -> Iterator[tuple[Column, list[str]]]:
    """Return the columns whose words are those of another, which makes them a scale; each with all of these words."""
    keys = [{word_key(word) for word in column.words} for column in columns]
    for column, own in zip(columns, keys, strict=True):
        alike = [other for other, theirs in zip(columns, keys, strict=True) if own <= theirs or theirs <= own]
        if len(alike) > 1:
            words = {word_key(word): word for other in (*alike, column) for word in other.words}
            yield column, sorted(words.values(), key=str.casefold)


def _disguise(column: Column, y: Floats) -> str:
    known = ~np.isnan(y)
    if known.sum() >= MANY and _auc(column.filled[known].astype(float), y[known]) in (0.0, 1.0):
        return "filled in for one outcome only"
    both = known & column.filled
    if column.values is not None:
        x = column.values[both]
    elif len(column.words) <= FEW_WORDS:
        words = np.array([(text or "").casefold() for text in column.texts])[both]
        share = {word: y[both][words == word].mean() for word in {*words}}
        x = np.array([share[word] for word in words])
    else:
        return ""
    auc = _auc(x, y[both])
    if auc in (0.0, 1.0) and len(x) >= (5 if len(column.words) == 2 else MANY):
        return "it separates the outcomes without error"
    if OUTCOME_NAME.search(column.snake) and len(x) >= 10 and max(auc, 1 - auc) >= 0.95:
        return "by its name, and it nearly separates the outcomes"
    return ""


def _auc(x: Floats, y: Floats) -> float:
    """Share of pairs, one of each outcome, that x puts in order; exactly 0 or 1 if it never errs."""
    _, index = np.unique(x, return_inverse=True)
    yes, no = np.bincount(index, weights=y), np.bincount(index, weights=1 - y)
    pairs = yes.sum() * no.sum()
    return float((yes * (np.cumsum(no) - no / 2)).sum() / pairs) if pairs else 0.5


def scales_of(signals: Sequence[Column]) -> tuple[Scale, dict[str, Scale]]:
    """Return a scale for each signal, shared where it can be; the first is that of most signals that are not 0 or 1.

    The widest scale wins only if a quarter of those that would share it need its width: one item from 1 to 7 among
    twenty from 1 to 5 must not stretch them all.
    """
    uneven = {column.name: column.scale for column in signals if column.scale.uneven or column.levels}
    shared: dict[str, Scale] = {}
    even = [column for column in signals if column.name not in uneven]
    rest = [column for column in even if not column.binary] or even
    while rest:
        own = [column.scale for column in rest]
        sharing = {scale: [column for column in rest if column.fits(scale)] for scale in own}
        fair = [scale for scale in sharing if 4 * own.count(scale) >= len(sharing[scale])] or own
        best = max(fair, key=lambda scale: (len(sharing[scale]), own.count(scale)))
        shared |= {column.name: best for column in sharing[best]}
        rest = [column for column in rest if column.name not in shared]
    common = next(iter(shared.values()), Scale())
    return common, {column.name: (shared | uneven).get(column.name, column.scale) for column in signals}


def tendency_and_odd_ends(
    column: Column, y: Floats, groups: NDArray[np.int64], columns: int
) -> tuple[Tendency | None, list[OddEnd]]:
    """Return which way the ratings of a column go with the outcome, and which end of the scale may not be a rating."""
    assert column.values is not None
    known = ~np.isnan(y) & column.filled
    x = column.values[known]
    odd = list(odd_ends(x, y[known], columns))
    rating = ~np.isin(x, [end.value for end in odd])
    return tendency(x[rating], y[known][rating], groups[known][rating], columns), [] if column.levels else odd


def better_of(column: Column, direction: Tendency | None) -> str:
    """Return which ratings are better, where the words of the column or of its heading do."""
    if column.shipped:
        return column.shipped.better
    if column.levels:
        return column.levels.better
    if not column.anchors and _GRADES.search(column.snake) and 1 <= column.low <= column.high <= 6:
        falls = direction is not None and direction.correlation < 0
        if falls or re.search("schul|zeugnis", column.snake):
            return "lower"  # a French note is better where it is higher
    worded = direction_of([*column.anchors.values()])
    if column.mark and not worded and direction:
        worded = 1 if direction.correlation > 0 else -1
    return {1: "higher", -1: "lower", 0: "either"}[worded]


def why_unread(column: Column, direction: Tendency | None) -> str:
    """Return why the marks of a column mean nothing yet, and what to write; empty where they do."""
    better = better_of(column, direction)
    if not column.mark or better == "lower" or (better == "higher" and not column.between):
        return ""
    if better == "higher":
        return f"numbers, but for such as '{shorten(column.between, 10)}'; write the number between them"
    scale = f"scale = {{ low = {column.scale.low:g}, high = {column.scale.high:g}, step = {column.scale.step:g} }}"
    return (
        f"marks such as '{shorten(column.mark, 10)}', whose order depends on which is best: write [[signals]] with "
        f'{scale} and better = "lower" if 1 is the best mark, "higher" if it is the worst'
    )
