"""Draft a signal catalogue from a file of ratings: a starting point that a person reviews, not a verdict.

What a model must not see is left out where the file gives it away, and each such column says why.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem, RatingsError, nearest, shorten
from predictor.model.tables import uneven_knots
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.cells import mark_of, says_not_observed, word_key
from predictor.ratings.outcomes import Outcomes
from predictor.ratings.signals import Scale, Signal
from predictor.sources.drafting.hints import CODES, OddEnd, Tendency, numbered, obvious_codes, odd_ends, tendency
from predictor.sources.drafting.protected import is_protected
from predictor.sources.drafting.rating_words import Levels, direction_of, levels_of, unordered
from predictor.sources.files import (
    LINES,
    TEXT,
    read_json,
    read_parquet,
    read_ratings,
    read_text,
    refuse_sheet,
    unknown_format,
)

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
_OUTCOME = re.compile(
    r"(^|_)(label|target|outcomes?|decisions?|decided|hire|hired|hiring|offer|offered|results?|accept|accepted"
    r"|acceptance|rejected|selected|status|passed|recommend|recommended|recommendation|verdict)(_|$)"
)
_INDEX = re.compile(r"^(unnamed(_\d+)?|(index|row)(_(number|num|no|nr|\d+))?)$")
_DATE_NAME = re.compile(r"(^|_)(date|datetime|timestamp)(_|$)")
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2}([T ].*)?)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?|\d{1,2}:\d\d(:\d\d)?"
)
_SIDES = {"interviewer": "interviewer", "candidate": "candidate", "applicant": "candidate", "mutual": "both"}

# The ends of scales in use: taken at their word from many whole numbers, else the next that is usual. A scale drafted
# too wide costs nothing; one drafted too narrow refuses the first 5 that comes in after a file without one.
_WIDE = (10, 20, 50, 100, 200, 500, 1000)
_WORD = {0: (1, 2, 3, 4, 5, 6, *_WIDE), 1: (2, 3, 4, 5, 6, 7, 10)}
_USUAL = {0: (1, 5, *_WIDE), 1: (5, 7, 10)}
_MANY = 30  # rows from which a pattern is no accident
_FEW_WORDS = 12
_GRADES = re.compile(r"(^|_|[a-z])(?<!foot)(?<!key)noten?$")
_ANCHORED = re.compile(r"\s*\([^()]*\)\s*$")
_ANCHOR = re.compile(r"(\d{1,3})\s*[=:–]\s*([^,;/()\d][^,;/()]*)")  # noqa: RUF001 - as in (1 = poor, 5 = good)


class _Column:
    """A column of the file; `cells` are None where empty, `values` None unless every cell could be a rating.

    Obvious codes for "not observed" are in `codes`, and count as empty, as do words for it. Words that are known to be
    ratings are `levels`, their places on the scale `values`. Where numbers say what they are out of, as in "4/5" and
    "80%", that is `out_of`.
    """

    def __init__(self, name: str, cells: Sequence[Any], *, reused: Signal | None) -> None:
        self.name, self.snake, self.cells, self.reused = name, "_".join(_tokens(name)).lower(), cells, reused
        self.texts = [None if cell is None else _word(cell) for cell in cells]
        self.levels: Levels | None = None
        self.out_of: float | None = None
        self.codes: tuple[float, ...] = ()
        self.values: Floats | None = self._numbers()
        if self.values is not None:
            self.filled = ~np.isnan(self.values)
            self.codes = obvious_codes(self.values) if self.out_of is None else ()
            if self.codes:
                self.values = np.where(np.isin(self.values, self.codes), np.nan, self.values)
                self.filled = ~np.isnan(self.values)
            self.words = [f"{point:.15g}" for point in np.unique(self.values[self.filled])]
        else:
            self.filled = np.array([text is not None and not says_not_observed(text) for text in self.texts])
            every = _different(text for text in self.texts if text is not None)
            self.words = _different(
                text for text, filled in zip(self.texts, self.filled, strict=True) if filled and text
            )
            if levels := (levels_of(every) if len(every) > len(self.words) else None) or levels_of(self.words):
                self._take(levels)
        if self.values is not None and self.filled.any():
            self._measure()

    def _numbers(self) -> Floats | None:
        """Read numbers however they are written; None where a cell is none, or is out of something else."""
        numbers, out_of, known = [], set[float](), dict[str, Any]()
        for cell, text in zip(self.cells, self.texts, strict=True):
            if text is None or isinstance(cell, bool | np.bool_):
                numbers.append(math.nan)
                if text is not None:
                    return None
                continue
            if text not in known:
                known[text] = mark_of(text)
            if (mark := known[text]) is None:
                if not says_not_observed(text):
                    return None
                numbers.append(math.nan)
            else:
                numbers.append(mark.number)
                if mark.out_of is not None:
                    out_of.add(mark.out_of)
        values = np.array(numbers, dtype=np.float64)
        if len(out_of) > 1 or (out_of and not 0 <= np.nanmin(values) <= np.nanmax(values) <= max(out_of)):
            return None
        self.out_of = max(out_of, default=None)
        return values

    def _take(self, levels: Levels) -> None:
        """Take words as ratings."""
        self.levels = levels
        by_word = dict(zip(map(word_key, levels.words), levels.numbers, strict=True))
        self.values = np.array(
            [math.nan if text is None else by_word.get(word_key(text), math.nan) for text in self.texts]
        )
        self.filled = ~np.isnan(self.values)

    def take_unordered(self, words: Sequence[str]) -> None:
        """Take words as ratings whose order nobody knows; those of other columns may be among them."""
        self._take(unordered(words))
        self._measure()

    def _measure(self) -> None:
        assert self.values is not None
        self.points = np.unique(self.values[self.filled])
        self.low, self.high = float(self.points[0]), float(self.points[-1])
        self.whole = bool((self.points == np.round(self.points)).all())
        self.binary = {*self.points} <= {0.0, 1.0} and not self.levels

    @property
    def shipped(self) -> Signal | None:
        """The shipped signal of this name, if its scale holds these ratings."""
        scale = self.reused.scale if self.reused and not self.levels else None
        return self.reused if scale and scale.low <= self.low and self.high <= scale.high else None

    @cached_property
    def scale(self) -> Scale:
        """The narrowest scale in use that holds the column."""
        if self.shipped:
            return self.shipped.scale
        if self.levels:
            return _scale_of(self.levels.numbers)
        if self.out_of is not None:
            low = 0 if self.low < 1 or self.out_of > 10 else 1
            return Scale(low, self.out_of, 1 if self.out_of - low <= 10 else (self.out_of - low) / 10)
        if self.anchors:
            low, high = min(self.anchors), max(self.anchors)
            if low <= self.low and self.high <= high:
                return Scale(low, high, 1 if high - low <= 10 else (high - low) / 10)
        scale = _narrowest(self.low, self.high, whole=self.whole, many=bool(self.filled.sum() >= _MANY))
        if self.values is not None and len(scale.knots) > 2 and len(self.points) > len(scale.knots):
            knots = uneven_knots(self.values[self.filled], scale.low, scale.high)
            return Scale(uneven=tuple(float(f"{knot:.6g}") for knot in knots)) if knots else scale
        return scale

    @cached_property
    def anchors(self) -> dict[int, str]:
        """What ratings mean by the heading, as in "Listening (1 = poor, 5 = good)"; empty where it is silent."""
        found = {int(number): text.strip() for number, text in _ANCHOR.findall(self.name)}
        return dict(sorted(found.items())) if len(found) > 1 and not self.levels else {}

    def fits(self, scale: Scale) -> bool:
        """Whether the column can share a scale, though it may not use its ends.

        Not if it fills only the lowest quarter, or if it fills a scale of its own that ends in the lower half.
        """
        if scale == self.scale:
            return True
        if self.out_of is not None:
            return scale.high == self.out_of and scale.low <= self.low
        if self.anchors or self.shipped or self.binary or not scale.low <= self.low <= self.high <= scale.high:
            return False
        own = self.scale
        fills = self.high == own.high and self.low - own.low <= (own.high - own.low) / 4
        share = 0.5 if fills and self.whole and self.filled.sum() >= 10 else 0.25
        return self.high > scale.low + share * (scale.high - scale.low)


def _scale_of(numbers: Sequence[float]) -> Scale:
    """Return the scale on which levels stand."""
    even = all(b - a == 1 for a, b in pairwise(numbers))
    return Scale(numbers[0], numbers[-1], 1) if even else Scale(uneven=tuple(numbers))


def _different(words: Iterable[str]) -> list[str]:
    """Give each word once, in any case of letters, in order."""
    return list({word.casefold(): word for word in sorted(words, reverse=True)}.values())[::-1]


def _narrowest(low: float, high: float, *, whole: bool, many: bool) -> Scale:
    if low < 0:
        top = next(end for end in (1, 2, 3, 4, 5, *_WIDE) if end >= max(-low, high))
        bottom = -top
    else:
        bottom = 0 if low < 1 or high > 10 else 1
        ends = (_WORD if whole and many else _USUAL)[bottom]
        top = next(end for end in ends if end >= high)
    span = top - bottom
    return Scale(bottom, top, 1 if span <= 10 and (span > 2 or whole) else span / 10)


def draft_catalogue(
    path: str | Path,
    *,
    outcome: str,
    group: str | None = None,
    offer_word: str | None = None,
    unknown_words: Sequence[str] = (),
    sheet: str | None = None,
) -> str:
    """Draft a catalogue from a file of ratings with known outcomes.

    Parameters
    ----------
    path
        A file as `read_ratings` reads it, one row an interview, ratings on any scale within -1000 to 1000, or in words.
    outcome
        Column with the outcome, yes or no.
    group
        Column whose rows belong together, such as a candidate's.
    offer_word
        The outcome that means an offer, where it is an unusual word; see `read_ratings`.
    unknown_words
        Outcomes that mean unknown, such as "Maybe".
    sheet
        Of a workbook; see `read_ratings`.

    Returns
    -------
    str
        The catalogue as TOML with comments that say what was seen and what to review. `read_ratings` reads the file
        with it. Columns that look like ids, dates, words, protected attributes or the outcome in disguise are
        context: carried along, never learned from.

    Raises
    ------
    RatingsError
        If the file cannot be trained with: unreadable, `outcome` or `group` not in it, an outcome that is not
        yes or no, or no column of ratings.
    MissingExtraError
        If pyarrow, which reads Parquet, is not installed.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "my.csv"
    >>> _ = path.write_text("EyeContact,age,hired\\n4,31,yes\\n5,44,no\\n2,27,no\\n1,38,yes\\n")
    >>> catalogue = Catalogue.from_dict(tomllib.loads(draft_catalogue(path, outcome="hired")))
    >>> catalogue.names, catalogue.signals[0].label, catalogue.context
    (('EyeContact',), 'Eye contact', ('age',))
    """
    path = Path(path)
    columns = _read(path, sheet)
    for role, wanted in (("outcome", outcome), ("group", group)):
        if wanted is not None and wanted not in columns:
            names = ", ".join(map(shorten, columns))
            kind = f"is not in the file, so it cannot be the {role} (columns: {names}){nearest(wanted, columns)}"
            raise RatingsError(str(path), [Problem(kind, column=wanted)])
    if outcome == group:
        raise RatingsError(str(path), [Problem("cannot be both the outcome and the group", column=outcome)])
    y = _outcome(columns[outcome], path, offer_word, unknown_words)
    left_out: dict[str, str] = {}
    inputs, signals, in_words = [], [], []
    for column in columns.values():
        if column.name in (outcome, group):
            continue
        if reason := _reason(column, y, group is not None):
            left_out[column.name] = reason
        elif column.values is not None and (column.levels is None or column.levels.sure):
            signals.append(column)
        elif column.levels is None and _is_role(column):
            inputs.append(column)
        else:
            in_words.append(column)
    alike = [*_rated_alike(in_words)]
    for column, words in alike or ([(column, column.words) for column in in_words] if not signals else []):
        if column.levels is None:
            column.take_unordered(words)
        signals.append(column)
    signals = [column for column in columns.values() if column in signals]
    left_out |= {column.name: _in_words(column) for column in in_words if column not in signals}
    left_out = {name: left_out[name] for name in columns if name in left_out}
    if not signals:
        why = "".join(f"\n    {shorten(name)}: {reason}" for name, reason in left_out.items())
        raise RatingsError(str(path), [Problem(f"no column holds ratings that a model may learn from{why}")])
    options = f" --offer-word {shorten(shlex.quote(offer_word), 40)}" if offer_word else ""
    options += "".join(f" --unknown-word {shorten(shlex.quote(word), 40)}" for word in unknown_words)
    text = _write(path, path.stem, columns[outcome], columns.get(group or ""), y, signals, inputs, left_out, options)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RatingsError(str(path), [Problem("a name or word has half a character (a lone surrogate)")]) from None
    catalogue = Catalogue.from_dict(tomllib.loads(text))
    how: dict[str, Any] = {"offer_word": offer_word, "unknown_words": unknown_words, "sheet": sheet}
    read_ratings(path, catalogue, training=True, **how)  # the draft must work at once
    return text


def _read(path: Path, sheet: str | None) -> dict[str, _Column]:
    problems: list[Problem] = []
    rows: Sequence[Sequence[Any]]
    refuse_sheet(path, sheet)
    text = path.suffix.lower() in TEXT
    match path.suffix.lower():
        case ending if ending in (".json", *LINES):
            records, problems = read_json(path)
            bad = [number for number, record in enumerate(records, 1) if not isinstance(record, Mapping)]
            problems += [Problem("is not a mapping of signals to ratings", number) for number in bad]
            flat: list[dict[str, Any]] = []
            for record in records if not bad else ():
                inner = record.get("ratings")
                outer = {key: cell for key, cell in record.items() if key != "ratings"}
                flat.append({**outer, **inner} if isinstance(inner, Mapping) else dict(record))
            header = list(dict.fromkeys(key for record in flat for key in record))
            rows = [[record.get(key) for key in header] for record in flat]
        case _ if text:
            header, rows, problems = read_text(path, sheet)
            rows = [[cell.strip() or None for cell in row] for row in rows]
        case ".parquet":
            frame = read_parquet(path)
            header = [str(label) for label in frame.columns]
            rows = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
        case _:
            raise unknown_format(path)
    for name, times in Counter(header).items():
        if not name.strip() and not problems:
            problems.append(Problem("a column of the header has no name; name it or take it out"))
        elif name.strip() and times > 1:
            problems.append(Problem(f"stands {times:,} times in the header; keep one column", column=name))
    if not rows and not problems:
        problems = [Problem("there are no rows; it needs rated interviews with known outcomes")]
    if problems:
        raise RatingsError(str(path), problems)
    shipped = {signal.name: signal for signal in Catalogue.shipped().signals}
    table = zip(header, zip(*rows, strict=True), strict=True)
    return {name: _Column(name, cells, reused=shipped.get(name)) for name, cells in table}


def _word(cell: Any) -> str:
    """Write a cell as `Ratings` keeps it in a context column."""
    return (str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)).strip()


def _outcome(column: _Column, path: Path, offer_word: str | None, unknown_words: Sequence[str]) -> Floats:
    words = {text for text, filled in zip(column.texts, column.filled, strict=True) if filled and text}
    if not words:
        raise RatingsError(str(path), [Problem("is empty in every row; it needs known outcomes", column=column.name)])
    if len({word.casefold() for word in words}) == 1:
        found = f"is '{shorten(max(words), 20)}' in every row; a draft needs both yes and no"
        raise RatingsError(str(path), [Problem(found, column=column.name)])
    y, problems = Outcomes(column.name, "empty", offer_word, tuple(unknown_words)).parse(column.texts)
    if not problems:
        return y
    if missing := [problem for problem in problems if problem.row is None]:
        raise RatingsError(str(path), missing)
    if column.values is not None and not column.levels:
        found = f"holds {len(column.words):,} different numbers from {column.low:g} to {column.high:g}"
        mend = "decide which of them mean yes, and write yes or no (or 1 or 0)"
    else:
        some = ", ".join(f"'{shorten(word, 20)}'" for word in column.words[:5])
        found = f"holds {some}{', ...' if len(column.words) > 5 else ''}"
        mend = "write yes or no (or 1 or 0), or leave it empty where unknown; or name the word that means an offer"
        mend += ": --offer-word WORD; and those that mean neither: --unknown-word WORD"
    raise RatingsError(str(path), [Problem(f"{found}, which is no outcome; {mend}", column=column.name)])


def _reason(column: _Column, y: Floats, grouped: bool) -> str:
    """Say why a column is no signal and no input, or nothing if it is one."""
    words, name, filled, numeric = column.words, column.snake, column.filled.sum(), column.values is not None
    if len(words) < 2:
        return f"'{shorten(words[0])}' in every row" if words else "empty in every row"
    if _STAND_IN.search(name) or is_protected(column.name):
        return "a protected attribute or a stand-in for one, by its name"
    if is_protected("", words):
        return "a protected attribute, by its words"
    if _INDEX.match(name):
        return "an index of rows"
    if reason := _disguise(column, y):
        return f"the outcome in disguise: {reason}"
    counts = numeric and column.whole and not column.levels
    unique = len(words) == filled
    counted = counts and unique and (filled >= _MANY or column.high - column.low + 1 == filled >= 10)
    if counted or _IDENTITY.search(name):
        hint = "" if unique or grouped else "; if it says whose row it is, make it the group (--group)"
        return f"an id, {len(words):,} different{hint}"
    dates = not numeric and sum(bool(_DATE.fullmatch(word)) for word in words) >= 0.8 * len(words)
    if dates or _DATE_NAME.search(name) or (counts and 1900 <= column.low < column.high <= 2100):
        return f"dates, such as '{shorten(words[0])}'"
    if column.levels:
        return ""
    if numeric:
        wide = max(-column.low, column.high) > _WIDE[-1]
        kind = "a measure rather than a rating; bring it to a scale such as 0 to 100 to use it"
        return f"{column.low:g} to {column.high:g}: {kind}" if wide else ""
    numbers = [word for word in words if mark_of(word)]
    if 2 * len(numbers) > len(words):
        odd = next((word for word in words if word not in numbers), "")
        if odd:
            mend = "mend or empty those cells to make it a signal, or name them: not_observed = [...]"
            return f"numbers, but for such as '{shorten(odd)}'; {mend}"
        return f"numbers out of different things, such as {shorten(', '.join(words[:3]))}; write them on one scale"
    if len(words) > min(_FEW_WORDS, filled - 1) or max(map(len, words)) > 40:
        return f"free text, {len(words):,} different"
    return ""


def _is_role(column: _Column) -> bool:
    tokens = {*column.snake.split("_")}
    return ("role" in tokens or {"rater", "type"} <= tokens) and len(column.words) <= 6


def _in_words(column: _Column) -> str:
    """Say what to do with a column of words that may be ratings or not."""
    levels = ", ".join(map(_quoted, column.levels.words if column.levels else column.words))
    return (
        f"words; if they are ratings, write [[signals]] with levels = [{levels}], put in order, worst to best; to let "
        f"the model use them as they are, move it to [inputs.{_key(column.name)}] with levels = [{levels}]"
    )


def _rated_alike(columns: Sequence[_Column]) -> Iterator[tuple[_Column, list[str]]]:
    """Find the columns whose words are those of another, which makes them a scale; each with all of these words."""
    keys = [{word_key(word) for word in column.words} for column in columns]
    for column, own in zip(columns, keys, strict=True):
        alike = [other for other, theirs in zip(columns, keys, strict=True) if own <= theirs or theirs <= own]
        if len(alike) > 1:
            words = {word_key(word): word for other in (*alike, column) for word in other.words}
            yield column, sorted(words.values(), key=str.casefold)


def _disguise(column: _Column, y: Floats) -> str:
    known = ~np.isnan(y)
    if known.sum() >= _MANY and _auc(column.filled[known].astype(float), y[known]) in (0.0, 1.0):
        return "filled in for one outcome only"
    both = known & column.filled
    if column.values is not None:
        x = column.values[both]
    elif len(column.words) <= _FEW_WORDS:
        words = np.array([(text or "").casefold() for text in column.texts])[both]
        share = {word: y[both][words == word].mean() for word in {*words}}
        x = np.array([share[word] for word in words])
    else:
        return ""
    auc = _auc(x, y[both])
    if auc in (0.0, 1.0) and len(x) >= (5 if len(column.words) == 2 else _MANY):
        return "it tells the outcomes apart without fail"
    if _OUTCOME.search(column.snake) and len(x) >= 10 and max(auc, 1 - auc) >= 0.95:
        return "by its name, and it nearly tells the outcomes apart"
    return ""


def _auc(x: Floats, y: Floats) -> float:
    """Share of pairs, one of each outcome, that x puts in order; exactly 0 or 1 if it never errs."""
    _, place = np.unique(x, return_inverse=True)
    yes, no = np.bincount(place, weights=y), np.bincount(place, weights=1 - y)
    pairs = yes.sum() * no.sum()
    return float((yes * (np.cumsum(no) - no / 2)).sum() / pairs) if pairs else 0.5


def _scales(signals: Sequence[_Column]) -> tuple[Scale, dict[str, Scale]]:
    """Give each signal a scale, shared where it can be; the first is that of most signals that are not 0 or 1.

    The widest scale wins only if a quarter of those that would share it need its width: one item from 1 to 7 among
    twenty from 1 to 5 must not stretch them all.
    """
    uneven = {column.name: column.scale for column in signals if column.scale.uneven or column.levels}
    given: dict[str, Scale] = {}
    even = [column for column in signals if column.name not in uneven]
    rest = [column for column in even if not column.binary] or even
    while rest:
        own = [column.scale for column in rest]
        sharing = {scale: [column for column in rest if column.fits(scale)] for scale in own}
        fair = [scale for scale in sharing if 4 * own.count(scale) >= len(sharing[scale])] or own
        best = max(fair, key=lambda scale: (len(sharing[scale]), own.count(scale)))
        given |= {column.name: best for column in sharing[best]}
        rest = [column for column in rest if column.name not in given]
    common = next(iter(given.values()), Scale())
    return common, {column.name: (given | uneven).get(column.name, column.scale) for column in signals}


def _write(
    path: Path,
    name: str,
    outcome: _Column,
    group: _Column | None,
    y: Floats,
    signals: Sequence[_Column],
    inputs: Sequence[_Column],
    left_out: Mapping[str, str],
    options: str,
) -> str:
    file = shorten(path.name, 80)
    common, scales = _scales(signals)
    known = Catalogue.shipped()
    unreused = any(column.reused is None for column in signals)
    families = {"signals": "Signals"} if unreused else {}
    used = {column.reused.family for column in signals if column.reused}
    families |= {key: label for key, label in known.families.items() if key in used}
    lines = [
        f"# Drafted from {file} ({len(y):,} rows). Please review before training:",
        "#   signals    take out what nobody rated, or what was known only after the decision",
        "#   scale      the ends on the form, which the file need not reach; the comments say what was seen",
        "#   levels     ratings in words, worst to best, each a step; put them in order where the comment asks for it",
        "#   codes      not_observed = [99] names what means the same as an empty cell, not_applicable = [0] an answer",
        "#              that is no rating. They lie outside of the scale; comments say where one is likely",
        '#   better     "higher" or "lower" where you know it: a better rating then never lowers the likelihood. Let',
        "#              the label say what a high rating means: 'Calm' or 'Stressed'",
        "#   context    what was left out, and why; to use a column after all, write [[signals]] for it instead",
        "#   families   group the signals: add keys under [families] and name them at the signals",
        '#   side       whose behaviour it is: "interviewer", "candidate" or "both"',
        '#   question   what raters were asked; and anchors.1 = "...", what a 1 looks like',
        f"# Then train with it: predictor train {shorten(shlex.quote(str(path)), 200)} --signals my.toml{options}",
        "",
        f"name = {_quoted(name)}",
        f"title = {_quoted(_label(name))}",
        "",
        "[scale]",
        *(f"{end} = {getattr(common, end):g}" for end in ("low", "high", "step")),
        "",
        "[columns]",
        f"outcome = {_quoted(outcome.name)} # yes in {np.nanmean(y):.0%} of {np.sum(~np.isnan(y)):,} known",
    ]
    if group:
        lines.append(f"group = {_quoted(group.name)} # {len(group.words):,} different; rows of one stay together")
    lines += ["# carried along, never learned from:", "context = ["] if left_out else ["context = []"]
    lines += [f"  {_quoted(column)}, # {reason}" for column, reason in left_out.items()]
    lines += ["]"] if left_out else []
    for column in inputs:
        same = [item for item in known.inputs if item.name == column.name and {*column.words} <= {*item.levels}]
        label, levels = (same[0].label, same[0].levels) if same else (_label(column.name), tuple(column.words))
        lines += ["", f"[inputs.{_key(column.name)}] # the model may use it", f"label = {_quoted(label)}"]
        lines.append(f"levels = [{', '.join(map(_quoted, levels))}]")
    lines += ["", "[families]", *(f"{key} = {_quoted(label)}" for key, label in families.items())]
    groups = numbered(group.cells) if group else np.arange(len(y))
    for column in signals:
        seen = _seen(column, y, groups, len(signals))
        lines += ["", *_entry(column, scales[column.name], common, outcome.name, *seen)]
    return "\n".join(lines) + "\n"


def _seen(column: _Column, y: Floats, groups: NDArray[np.int64], columns: int) -> tuple[Tendency | None, list[OddEnd]]:
    """See which way the ratings of a column go with the outcome, and which end of the scale may be no rating."""
    assert column.values is not None
    known = ~np.isnan(y) & column.filled
    x = column.values[known]
    odd = list(odd_ends(x, y[known], columns))
    rating = ~np.isin(x, [end.value for end in odd])
    return tendency(x[rating], y[known][rating], groups[known][rating], columns), [] if column.levels else odd


def _entry(
    column: _Column, scale: Scale, common: Scale, outcome: str, direction: Tendency | None, odd: Sequence[OddEnd]
) -> list[str]:
    points, n = column.points, column.filled.sum()
    kind = "whole numbers" if column.whole else "with decimals"
    span = f"{column.low:.4g} to {column.high:.4g}, {kind}"
    if column.levels:
        span = f"{len(points)} words"
    elif column.out_of is not None:
        span += f", out of {column.out_of:g}"
    lines = [f"# seen: {span}, n = {n:,}, {1 - n / len(column.cells):.0%} missing"]
    if column.levels and not column.levels.why:
        lines.append(
            "# PUT THE LEVELS IN ORDER, worst to best: nothing is known of these words. If they are no ratings,"
        )
        lines.append("# take the signal out and name its column under context")
    ends = ((points[-1], points[-2], points[0]), (points[0], points[1], points[-1])) if len(points) > 1 else ()
    for far, near, other in ends:
        gap = abs(far - near)
        coded = (far in CODES and gap > 1) or far < 0 <= near or gap > 2 * abs(near - other)
        if coded and 4 <= len(points) <= 21 and not column.levels and column.out_of is None:
            count = int((column.values == far).sum())
            why = f"{far:g} stands apart (n = {count:,}): if it means 'not observed'"
            lines += _suggested(column, why, "not_observed", far)
    for end in odd:
        there, beside = f"{end.share:.0%} (n = {end.n:,})", f"{end.next_share:.0%} at {end.next:g} (n = {end.n_next:,})"
        lines.append(f"# {end.value:g} stands out: {_shown(outcome)} = yes in {there} against {beside},")
        why = "against the order of the ratings; if it means 'not applicable'"
        lines += _suggested(column, why, "not_applicable", end.value)
    if _OUTCOME.search(column.snake):
        lines.append("# the name sounds like an outcome: take it out if it was known only after the decision")
    lines += ["[[signals]]", f"name = {_quoted(column.name)}"]
    if column.reused:
        lines += [f"label = {_quoted(column.reused.label)}", f"family = {_quoted(column.reused.family)}"]
        lines += [f"side = {_quoted(column.reused.side or '')}", f"question = {_quoted(column.reused.question)}"]
    else:
        label = _ANCHORED.sub("", column.name).strip() if column.anchors else ""
        lines += [f"label = {_quoted(_label(label or column.name))}", 'family = "signals"']
        side = _SIDES.get(column.snake.split("_")[0])
        lines += [f"side = {_quoted(side)}"] if side else []
    if column.shipped:
        lines += [f"anchors.{rating} = {_quoted(text)}" for rating, text in column.shipped.anchors.items()]
    elif column.anchors:
        lines += [f"anchors.{rating} = {_quoted(text)}" for rating, text in column.anchors.items()]
    if column.levels:
        why = f" # {column.levels.why}" if column.levels.why else ""
        lines.append(f"levels = [{', '.join(map(_quoted, column.levels.words))}]{why}")
        if column.levels.numbers[0] != 1 or scale.uneven:
            lines.append(_inline(scale))
    elif scale != common:
        lines.append(_inline(scale))
    better, way = _better(column, direction), ""
    if direction:
        which = "higher" if direction.correlation > 0 else "lower"
        way = f" # in this file {which} ratings go with {_shown(outcome)} = yes ({direction})"
        if {better, which} == {"higher", "lower"}:
            better, way = "either", f"{way}, though its words say {better}"
    lines.append(f"better = {_quoted(better)}{way}")
    if column.codes:
        lines.append(f"not_observed = [{', '.join(f'{code:g}' for code in column.codes)}] # far from all ratings")
    return lines


def _better(column: _Column, direction: Tendency | None) -> str:
    """Say which ratings are better, where the words of the column or of its heading do."""
    if column.shipped:
        return column.shipped.better
    if column.levels:
        return column.levels.better
    if not column.anchors and _GRADES.search(column.snake) and 1 <= column.low <= column.high <= 6:
        falls = direction is not None and direction.correlation < 0
        return (
            "lower" if re.search("schul|zeugnis", column.snake) or falls else "either"
        )  # a French note is better where it is higher
    return {1: "higher", -1: "lower", 0: "either"}[direction_of([*column.anchors.values()])]


def _suggested(column: _Column, why: str, key: str, code: float) -> list[str]:
    """Suggest, as comments, to name a code, and the scale that it leaves."""
    ratings = column.points[column.points != code]
    low, high = float(ratings[0]), float(ratings[-1])
    scale = _narrowest(low, high, whole=column.whole, many=True)
    if scale.low <= code <= scale.high:
        if not column.whole:
            return [f"# {why}, empty those cells and draft again"]
        scale = Scale(low, high, 1 if high - low <= 10 else (high - low) / 10)
    return [f"# {why}, write, in place of the scale:", f"#   {key} = [{code:g}]", f"#   {_inline(scale)}"]


def _inline(scale: Scale) -> str:
    if scale.uneven:
        return f"scale = {{ knots = [{', '.join(f'{knot:g}' for knot in scale.uneven)}] }} # where its values are"
    return f"scale = {{ low = {scale.low:g}, high = {scale.high:g}, step = {scale.step:g} }}"


def _shown(text: str) -> str:
    """Write a name into a comment, which ends with its line."""
    return shorten(" ".join(text.split()), 40)


def _tokens(name: str) -> list[str]:
    """Split snake_case, CamelCase and anything else at its seams: 'candidateID' is 'candidate', 'ID'."""
    seams = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return [token for token in re.split(r"[\W_]+", seams) if token]


def _label(name: str) -> str:
    """Turn a column's name into words; short capitals such as CV stay, and so does what is words already."""
    if " " in name.strip():
        return name.strip()
    tokens = _tokens(name)
    words = [token if token.isupper() and len(token) <= 3 else token.lower() for token in tokens]
    label = " ".join(words)
    return label[:1].upper() + label[1:] if label else name


def _quoted(text: str) -> str:
    """Write a TOML string; JSON's escapes are TOML's, but for DEL, which JSON leaves bare."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
