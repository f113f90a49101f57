"""Draft a signal catalogue from a file of ratings: a starting point that a person reviews, not a verdict.

What a model must not see is left out where the file gives it away, with the reason at each such column.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem, RatingsError, nearest, shorten
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.signals import Scale
from predictor.sources.compression import unpacked
from predictor.sources.drafting.hints import CODES, OddEnd, Tendency, numbered
from predictor.sources.drafting.read import Column, narrowest, outcome_of, read_columns, tokens_of
from predictor.sources.drafting.rules import (
    OUTCOME_NAME,
    better_of,
    is_role,
    rated_alike,
    scales_of,
    tendency_and_odd_ends,
    why_left_out,
    why_unread,
)
from predictor.sources.files import (
    read_ratings,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SIDES = {"interviewer": "interviewer", "candidate": "candidate", "applicant": "candidate", "mutual": "both"}
_ANCHORED = re.compile(r"\s*\([^()]*\)\s*$")


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
        A file as `read_ratings` reads it, one row per interview, ratings on any scale from -1000 to 1000, or in words.
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
        The catalogue as TOML with comments on what is in the file and what to review. `read_ratings` reads the file
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
    columns = read_columns(path, sheet)
    for role, wanted in (("outcome", outcome), ("group", group)):
        if wanted is not None and wanted not in columns:
            names = ", ".join(map(shorten, columns))
            kind = f"is not in the file, so it cannot be the {role} (columns: {names}){nearest(wanted, columns)}"
            raise RatingsError(str(path), [Problem(kind, column=wanted)])
    if outcome == group:
        raise RatingsError(str(path), [Problem("cannot be both the outcome and the group", column=outcome)])
    y = outcome_of(columns[outcome], path, offer_word, unknown_words)
    left_out: dict[str, str] = {}
    inputs, signals, in_words = [], [], []
    for column in columns.values():
        if column.name in (outcome, group):
            continue
        if reason := why_left_out(column, y, group is not None):
            left_out[column.name] = reason
        elif column.values is not None and (column.levels is None or column.levels.sure):
            signals.append(column)
        elif column.levels is None and is_role(column):
            inputs.append(column)
        else:
            in_words.append(column)
    alike = [*rated_alike(in_words)]
    for column, words in alike or ([(column, column.words) for column in in_words] if not signals else []):
        if column.levels is None:
            column.take_unordered(words)
        signals.append(column)
    signals = [column for column in columns.values() if column in signals]
    left_out |= {column.name: _in_words(column) for column in in_words if column not in signals}
    groups = numbered(columns[group].cells) if group else np.arange(len(y))
    for column in [column for column in signals if column.mark]:
        if reason := why_unread(column, tendency_and_odd_ends(column, y, groups, len(signals))[0]):
            left_out[column.name] = reason
            signals.remove(column)
    left_out = {name: left_out[name] for name in columns if name in left_out}
    if not signals:
        why = "".join(f"\n    {shorten(name)}: {reason}" for name, reason in left_out.items())
        raise RatingsError(str(path), [Problem(f"no column holds ratings that a model may learn from{why}")])
    options = f" --offer-word {shorten(shlex.quote(offer_word), 40)}" if offer_word else ""
    options += "".join(f" --unknown-word {shorten(shlex.quote(word), 40)}" for word in unknown_words)
    roles = columns[outcome], columns.get(group or ""), groups
    text = _write(path, unpacked(path).stem, *roles, y, signals, inputs, left_out, options)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RatingsError(str(path), [Problem("a name or word has half a character (a lone surrogate)")]) from None
    catalogue = Catalogue.from_dict(tomllib.loads(text))
    how: dict[str, Any] = {"offer_word": offer_word, "unknown_words": unknown_words, "sheet": sheet}
    read_ratings(path, catalogue, training=True, **how)  # the draft must work at once
    return text


def _in_words(column: Column) -> str:
    """Write what to do with a column of words that may be ratings or not."""
    levels = ", ".join(map(quoted, column.levels.words if column.levels else column.words))
    return (
        f"words; if they are ratings, write [[signals]] with levels = [{levels}], put in order, worst to best; to let "
        f"the model use them as they are, move it to [inputs.{key_of(column.name)}] with levels = [{levels}]"
    )


def _write(
    path: Path,
    name: str,
    outcome: Column,
    group: Column | None,
    groups: NDArray[np.int64],
    y: Floats,
    signals: Sequence[Column],
    inputs: Sequence[Column],
    left_out: Mapping[str, str],
    options: str,
) -> str:
    file = shorten(path.name, 80)
    common, scales = scales_of(signals)
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
        "#              that is not a rating. They lie outside of the scale; comments say where one is likely",
        '#   better     "higher" or "lower" where you know it: a better rating then never lowers the likelihood. Let',
        "#              the label say what a high rating means: 'Calm' or 'Stressed'",
        "#   context    what was left out, and why; to use a column after all, write [[signals]] for it instead",
        "#   families   group the signals: add keys under [families] and name them at the signals",
        '#   side       whose behaviour it is: "interviewer", "candidate" or "both"',
        '#   question   what raters were asked; and anchors.1 = "...", what a 1 looks like',
        f"# Then train with it: predictor train {shorten(shlex.quote(str(path)), 200)} --signals my.toml{options}",
        "",
        f"name = {quoted(name)}",
        f"title = {quoted(_label(name))}",
        "",
        "[scale]",
        *(f"{end} = {getattr(common, end):g}" for end in ("low", "high", "step")),
        "",
        "[columns]",
        f"outcome = {quoted(outcome.name)} # yes in {np.nanmean(y):.0%} of {np.sum(~np.isnan(y)):,} known",
    ]
    if group:
        lines.append(f"group = {quoted(group.name)} # {len(group.words):,} different; rows of one stay together")
    lines += ["# carried along, never learned from:", "context = ["] if left_out else ["context = []"]
    lines += [f"  {quoted(column)}, # {reason}" for column, reason in left_out.items()]
    lines += ["]"] if left_out else []
    for column in inputs:
        same = [item for item in known.inputs if item.name == column.name and {*column.words} <= {*item.levels}]
        label, levels = (same[0].label, same[0].levels) if same else (_label(column.name), tuple(column.words))
        lines += ["", f"[inputs.{key_of(column.name)}] # the model may use it", f"label = {quoted(label)}"]
        lines.append(f"levels = [{', '.join(map(quoted, levels))}]")
    lines += ["", "[families]", *(f"{key} = {quoted(label)}" for key, label in families.items())]
    for column in signals:
        seen = tendency_and_odd_ends(column, y, groups, len(signals))
        lines += ["", *_entry(column, scales[column.name], common, outcome.name, *seen)]
    return "\n".join(lines) + "\n"


def _entry(
    column: Column, scale: Scale, common: Scale, outcome: str, direction: Tendency | None, odd: Sequence[OddEnd]
) -> list[str]:
    """Write a signal: comments on what was seen, then its table."""
    lines = [*_comments(column, outcome, odd), "[[signals]]", f"name = {quoted(column.name)}", *_naming(column)]
    if column.levels:
        why = f" # {column.levels.why}" if column.levels.why else ""
        lines.append(f"levels = [{', '.join(map(quoted, column.levels.words))}]{why}")
        if column.levels.numbers[0] != 1 or scale.uneven:
            lines.append(_inline(scale))
    elif scale != common:
        lines.append(_inline(scale))
    lines.append(_better(column, outcome, direction))
    if column.codes:
        lines.append(f"not_observed = [{', '.join(f'{code:g}' for code in column.codes)}] # far from all ratings")
    return lines


def _comments(column: Column, outcome: str, odd: Sequence[OddEnd]) -> list[str]:
    """Describe the cells of a column, and what a person should check."""
    n, kind = column.filled.sum(), "whole numbers" if column.whole else "with decimals"
    span = f"{column.low:.4g} to {column.high:.4g}, {kind}"
    if column.levels:
        span = f"{len(column.points)} words"
    elif column.out_of is not None:
        span += f", out of {column.out_of:g}"
    lines = [f"# seen: {span}, n = {n:,}, {1 - n / len(column.cells):.0%} missing"]
    if column.levels and not column.levels.why:
        lines.append(
            "# PUT THE LEVELS IN ORDER, worst to best: nothing is known of these words. If they are not ratings,"
        )
        lines.append("# take the signal out and name its column under context")
    lines += _codes_apart(column)
    for end in odd:
        here, next_ = f"{end.share:.0%} (n = {end.n:,})", f"{end.next_share:.0%} at {end.next:g} (n = {end.n_next:,})"
        lines.append(f"# {end.value:g} stands out: {_shown(outcome)} = yes in {here} against {next_},")
        why = "against the order of the ratings; if it means 'not applicable'"
        lines += _suggested(column, why, "not_applicable", end.value)
    if OUTCOME_NAME.search(column.snake):
        lines.append("# the name sounds like an outcome: take it out if it was known only after the decision")
    return lines


def _codes_apart(column: Column) -> list[str]:
    """Write which end of the ratings is set apart, and may mean that nothing was observed."""
    points, lines = column.points, list[str]()
    if not 4 <= len(points) <= 21 or column.levels or column.out_of is not None:
        return lines
    for far, near, other in ((points[-1], points[-2], points[0]), (points[0], points[1], points[-1])):
        gap = abs(far - near)
        if (far in CODES and gap > 1) or far < 0 <= near or gap > 2 * abs(near - other):
            count = int((column.values == far).sum())
            why = f"{far:g} is set apart (n = {count:,}): if it means 'not observed'"
            lines += _suggested(column, why, "not_observed", far)
    return lines


def _naming(column: Column) -> list[str]:
    """Write label, family, side, question and anchors, as the shipped catalogue or the heading has them."""
    own: dict[str, str] = {}
    if column.reused:
        words = column.reused.own
        own = {name: text for name, text in (("label", words.label), ("question", words.question)) if text}
        lines = [f"label = {quoted(column.reused.label)}", f"family = {quoted(column.reused.family)}"]
        lines += [f"side = {quoted(column.reused.side or '')}", f"question = {quoted(column.reused.question)}"]
    else:
        label = _ANCHORED.sub("", column.name).strip() if column.anchors else ""
        lines = [f"label = {quoted(_label(label or column.name))}", 'family = "signals"']
        side = _SIDES.get(column.snake.split("_")[0])
        lines += [f"side = {quoted(side)}"] if side else []
    anchors = column.shipped.anchors if column.shipped else column.anchors
    if column.shipped:
        own |= {f"anchors.{rating}": text for rating, text in column.shipped.own.anchors.items()}
    lines += [f"anchors.{rating} = {quoted(text)}" for rating, text in anchors.items()]
    return lines + [f"own.{name} = {quoted(text)}" for name, text in own.items()]


def _better(column: Column, outcome: str, direction: Tendency | None) -> str:
    """Write which ratings are better, and which way they go with the outcome in this file."""
    better, way = better_of(column, direction), ""
    if direction:
        which = "higher" if direction.correlation > 0 else "lower"
        way = f" # in this file {which} ratings go with {_shown(outcome)} = yes ({direction})"
        if {better, which} == {"higher", "lower"}:
            way = f"{way}, though its words say {better}"
            better = better if column.mark else "either"
    return f"better = {quoted(better)}{way}"


def _suggested(column: Column, why: str, key: str, code: float) -> list[str]:
    """Suggest, as comments, to name a code, and the scale that it leaves."""
    ratings = column.points[column.points != code]
    low, high = float(ratings[0]), float(ratings[-1])
    scale = narrowest(low, high, whole=column.whole, many=True)
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


def _label(name: str) -> str:
    """Write a column's name as words; short capitals such as CV stay, and so does what is words already."""
    if " " in name.strip():
        return name.strip()
    tokens = tokens_of(name)
    words = [token if token.isupper() and len(token) <= 3 else token.lower() for token in tokens]
    label = " ".join(words)
    return label[:1].upper() + label[1:] if label else name


def quoted(text: str) -> str:
    """Write a TOML string; JSON's escapes are TOML's, but for DEL, which JSON leaves bare."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def key_of(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)
