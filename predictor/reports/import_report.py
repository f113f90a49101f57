"""The report of an import of scorecards: what came in, what was left out and why, what waits for a decision.

For the person who exported the files, who need not know statistics. The terminal shows the same in short.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
import numpy as np

from predictor.errors import plural, printable
from predictor.evaluation.scores import GroupBootstrap, Score, roc_auc
from predictor.model.wording import PURPOSE
from predictor.reports.format import number, span
from predictor.reports.page import Facts, Folded, Note, Page, Section, Table, Tile, render_html
from predictor.reports.text import WIDTH, cut, title
from predictor.sources.scorecards.findings import ASKED, FLAGGED, LEFT_OUT, REASONS
from predictor.sources.scorecards.signals import OVERALL
from predictor.sources.scorecards.stages import in_order, stage_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from predictor.sources.scorecards.findings import Finding
    from predictor.sources.scorecards.imported import Imported

LISTED = 20  # rows of a reason shown in the report; the file of rows has them all
RESAMPLES = 200
FEWEST = 30  # offers and non-offers from which a model is more than its prior
FOOTER = (
    f"{PURPOSE} No names, addresses, notes or free text are in the tables or in this report; raters have pseudonyms."
)


def render_import(imported: Imported, *, forgotten: Sequence[str] = ()) -> str:
    """Write the report of an import as a whole HTML page.

    Parameters
    ----------
    imported
        What was read.
    forgotten
        People of an earlier table who are no longer in the files.
    """
    return render_html(_page(imported, forgotten))


def _page(imported: Imported, forgotten: Sequence[str]) -> Page:
    offers, others, open_ = _outcome_counts(imported)
    known, read = offers + others, imported.counts["cards"]
    rated, phrase = imported.usable.submitted, imported.rows.phrase
    last = str(np.datetime64(rated.max(), "D")) if len(rated) else "no usable scorecard"
    return Page(
        kind="Scorecards imported",
        day=f"cards up to {last}" if len(rated) else last,
        name=imported.system[:1].upper() + imported.system[1:],
        simulated="SIMULATED: these people, cards and offers were made up by a program." if imported.simulated else "",
        lede=_lede(imported),
        tiles=[
            Tile("Rows to learn from", f"{known:,}", f"{open_:,} without an outcome", f"One per application {phrase}."),
            Tile("Rows with an offer", f"{offers:,}", f"of {known:,} with an outcome", "Those sent, also if declined."),
            Tile("Scorecards used", f"{_used(imported):,}", f"of {read:,} read", "The others are listed below."),
            Tile("Raters", f"{len(imported.raters[1]):,}", _per_row(imported), "Under pseudonyms."),
        ],
        warnings=[*_warnings(imported, forgotten)],
        quiet="Nothing waits for a decision, and nothing looked doubtful.",
        sections=[*_sections(imported)],
        footer=FOOTER,
    )  # fmt: skip


def _lede(imported: Imported) -> str:
    if not len(imported):
        return (
            "No row could be made of these files: each needs a scorecard and its application. Below is what was "
            "read, and what is missing."
        )
    return (
        f"{plural(len(set(imported.rows.application)), 'application')} became {plural(len(imported), 'row')}: "
        f"one per application {imported.rows.phrase}, from the scorecards submitted by then. Nothing was guessed: "
        "words that are not on the scale count as not observed, and reasons that only you can judge are asked about."
    )


def _outcome_counts(imported: Imported) -> tuple[int, int, int]:
    state = imported.outcomes.state[imported.rows.application]
    return int((state == "yes").sum()), int((state == "no").sum()), int((state == "unlabelled").sum())


def _in_rows(imported: Imported) -> NDArray[np.bool_]:
    return np.isin(imported.usable.use, ("row", "unlabelled"))


def _used(imported: Imported) -> int:
    return int(_in_rows(imported).sum())


def _per_row(imported: Imported) -> str:
    if not len(imported):
        return "no row"
    return f"{_used(imported) / max(len(imported), 1):.1f} cards per row on average"


def _warnings(imported: Imported, forgotten: Sequence[str]) -> Iterator[str]:
    """Return what a reader should know or do first."""
    offers, others, _ = _outcome_counts(imported)
    yield from imported.about
    for text, count in imported.outcomes.asked.items():
        name = text or "no reason"
        yield (
            f"What does the reason '{name}' mean ({plural(count, 'application')})? Import again with "
            f"--reason '{name}=OUTCOME'; OUTCOME is yes (an offer was sent), no, withdrew or no outcome yet. Until "
            "then they have no outcome."
        )
    words = {word for item in imported.findings.by_reason().get("unknown word", ()) for *_, word in item.lines()}
    for word in sorted(words)[:LISTED]:
        yield (
            f"The word '{word}' is not on the scale, so it counts as not observed. If you know what it means, give its "
            f"number from 1 to 5: --level '{word}=5'."
        )
    if min(offers, others) < FEWEST and len(imported):
        yield (
            f"{plural(offers, 'offer')} and {plural(others, 'rejection')} are few: a model learned from them will "
            "be unsure. Some hundreds make a useful one."
        )
    if forgotten:
        yield (
            f"People of the earlier table who are not in these files, and left it: {len(forgotten):,}. Models that "
            "learned from them: predictor forget PERSON."
        )
    if naive := imported.counts.get("naive times"):
        yield f"{plural(naive, 'time')} had no zone, and {'counts' if naive == 1 else 'count'} as UTC."
    yield from imported.findings.notes


def _sections(imported: Imported) -> Iterator[Section]:
    yield Section("What was left out, and why", [*_left_out(imported)])
    yield Section("Outcomes", [*_outcomes(imported)])
    if imported.names:
        yield Section("Signals", [*_signals(imported)])
    if len(imported):
        yield Section("Stages", [*_stages(imported)])
    if worth := _worth(imported):
        yield Section("Overall recommendation", worth)
    yield Section("Files", [_files(imported)])
    yield Section("How it was read", [_rules(imported)])


def _left_out(imported: Imported) -> Iterator[str | Note | Table | Folded]:
    by_reason = imported.findings.by_reason()
    if not by_reason:
        yield "Nothing: every row of every file was used."
        return
    rows = [
        (
            f"{REASONS[reason].title}. {REASONS[reason].remedy}".rstrip(),
            REASONS[reason].became,
            f"{imported.findings.count(reason):,}",
        )
        for reason in by_reason
    ]
    yield Table(("What, and what you can do", "What was done", "Rows"), rows, 2, "By reason")
    yield Note(
        f"Each row is listed with its file and number: the first {LISTED} of each reason here, all of them in the file "
        "whose name ends in -rows.csv."
    )
    for reason, items in by_reason.items():
        total = sum(map(len, items))
        lines = [line for item in items for line in item.lines(LISTED)][:LISTED]
        more = f", the first {len(lines)}" if total > len(lines) else ""
        yield Folded(f"{REASONS[reason].title}: {total:,}{more}", _rows(lines))


def _rows(lines: Sequence[tuple[str, int, str, str]]) -> Table:
    if any(word for *_, word in lines):
        return Table(
            ("File", "Id", "Word or reason", "Row"), [(of, key, word, f"{row:,}") for of, row, key, word in lines], 3
        )
    return Table(("File", "Id", "Row"), [(of, key, f"{row:,}") for of, row, key, _ in lines], 2)


def _outcomes(imported: Imported) -> Iterator[str | Table]:
    yield (
        "An offer that was sent is a yes, also if it was declined. Rejected or archived without an offer is a no. "
        "Who is still in process has no outcome yet; who withdrew is left out."
    )
    rows = [(kind[:1].upper() + kind[1:], f"{count:,}") for kind, count in imported.outcomes.kinds.items()]
    if rows:
        yield Table(
            ("What came of it", "Applications"), rows, caption="All applications that were read and may be kept"
        )


def _signals(imported: Imported) -> Iterator[str | Table]:
    yield "How often each word was read, on any card; its number is under 'How it was read'."
    rows = []
    for name, label in imported.card_ratings.labels.items():
        words = imported.card_ratings.words[name]
        levels = imported.card_ratings.levels[name].words
        ordered = sorted(words.items(), key=lambda item: levels.index(item[0]) if item[0] in levels else len(levels))
        texts = ", ".join(f"{word.replace('_', ' ')} {count:,}" for word, count in ordered)
        rows.append((label, texts, f"{sum(words.values()):,}"))
    yield Table(("Signal", "Words read", "Ratings"), rows, 2, "Signals, as they are called in the system")


def _stages(imported: Imported) -> Iterator[str | Note | Table]:
    yield (
        "Only those who got so far have cards of late stages. So each row has its stage, and the model takes it into "
        "account."
    )
    state = imported.outcomes.state[imported.rows.application]
    used, inside = imported.usable, _in_rows(imported)
    cards = stage_counts(used.stage[inside].tolist())
    rows = []
    for stage in in_order(used.application[inside], used.stage[inside], used.submitted[inside]):
        at = imported.rows.stage.astype(str) == stage
        offers, known = int((state[at] == "yes").sum()), int(np.isin(state[at], ("yes", "no")).sum())
        rows.append((stage, f"{cards[stage]:,}", f"{int(at.sum()):,}", f"{offers:,} of {known:,}"))
    yield Table(("Stage", "Cards used", "Rows", "Offers, of known outcomes"), rows)
    yield Note(
        "Where raters can read others' cards before they submit their own, agreement looks better than it is. These "
        "files do not show whether they could."
    )


def _worth(imported: Imported) -> list[str | Table]:
    """Compare the overall recommendation with the mean of the signals, each alone, where it is on."""
    if OVERALL not in imported.names or not len(imported):
        return []
    ratings = imported.ratings
    known = ~np.isnan(ratings.y)
    values = ratings.values[known]
    place = imported.names.index(OVERALL)
    others = np.delete(values, place, axis=1)
    both = ~np.isnan(values[:, place]) & (~np.isnan(others)).any(axis=1)
    y, groups = ratings.y[known][both], np.asarray(ratings.groups)[known][both]
    if len(set(y)) < 2 or len(set(groups)) < 2:
        return ["It is a signal here. There are too few rows with an outcome to say what it is worth."]
    rows = []
    for label, guess in (
        ("Overall recommendation alone", values[both, place]),
        ("Mean of the signals alone", np.nanmean(others[both], axis=1)),
    ):
        auc = _auc(y, guess, groups)
        rows.append((label, number(auc.value), span(auc.low, auc.high), f"{auc.n:,}"))
    return [
        "It is a signal here, since --with-overall was given. It is half the decision already: a model that "
        "relies on it explains little of why. How often each ranks an offer above a rejection, of 1; .5 is chance:",
        Table(("What", "ROC AUC", "90 % interval", "n"), rows, caption="Same rows"),
    ]


def _auc(y: np.ndarray, guess: np.ndarray, groups: np.ndarray) -> Score:
    resampling = GroupBootstrap(groups, RESAMPLES, 0)
    return resampling.score(lambda _, weight: roc_auc(y, guess, weight), 1, len(y), (0.0, 1.0))


def _files(imported: Imported) -> Table:
    rows = [(label, kind or "not needed, not read") for label, kind in imported.files.items()]
    return Table(("File", "Read as"), rows, 2, "What was read of each file")


def _rules(imported: Imported) -> Facts:
    scales = dict.fromkeys(
        ", ".join(
            f"{word.replace('_', ' ')} = {value:g}" for word, value in zip(levels.words, levels.values, strict=True)
        )
        for first in imported.card_ratings.levels.values()
        for levels in (first, *first.others)
    )
    facts = [("Levels", scale) for scale in scales]
    if any(levels.others for levels in imported.card_ratings.levels.values()):
        facts.append(("Scales", "forms differ: an answer is read on the scale of its own form, as in 'Good (scale 2)'"))
    facts += [
        (
            "Rows",
            f"one per application {imported.rows.phrase}: of each signal the mean over raters, their number and spread",
        ),
        ("People", "a model is never tested on people it has learned from"),
        (
            "Late cards",
            "submitted after the decision: left out; the order of interviews is never taken from their dates",
        ),
        ("Times", "all in UTC; times without a zone are taken as UTC"),
        ("Raters", "pseudonyms, made with the key in the file beside the table; without it nobody can see who is who"),
        (
            "Overall",
            "a signal, since --with-overall was given"
            if OVERALL in imported.names
            else "the overall recommendation is left out; --with-overall includes it",
        ),
    ]
    return Facts(facts)


# -- the terminal ------------------------------------------------------------------------------------------------------


def render_import_text(imported: Imported, *, forgotten: Sequence[str] = ()) -> str:
    """Return the report in at most 80 columns."""
    offers, others, open_ = _outcome_counts(imported)
    lines = [title(f"Scorecards of {imported.system}")]
    if imported.simulated:
        lines.append(click.style("SIMULATED people, cards and offers", fg="yellow"))
    lines += [
        f"  {'cards read, and used in rows':<44}{imported.counts['cards']:>9,}{_used(imported):>9,}",
        f"  {'applications read, and rows made':<44}{imported.counts['applications']:>9,}{len(imported):>9,}",
        f"  {'rows with an offer, without, not known yet':<44}{offers:>9,}{others:>9,}{open_:>9,}",
        f"  {'signals, raters':<44}{len(imported.names):>9,}{len(imported.raters[1]):>9,}",
        *_wrapped(f"Rows: one per application {imported.rows.phrase} (--stage)."),
    ]
    if by_reason := imported.findings.by_reason():
        lines += ["", title(f"{'Left out (-), not known (~), flagged (!), asked (?)':<62}rows")]
        for reason, items in by_reason.items():
            lines += _counted(REASONS[reason].title, REASONS[reason].became, items)
    else:
        lines += ["", "Every row of every file was used."]
    warnings = [*_warnings(imported, forgotten)]
    if warnings:
        lines += ["", title("What to know first")]
        for warning in warnings:
            lines += [click.style(line, fg="yellow") for line in _wrapped(printable(warning), "- ", "  ")]
    return "\n".join(lines)


def _counted(title: str, became: str, items: Sequence[Finding]) -> Iterator[str]:
    """Return a reason with its count, and the place of its first row."""
    total = sum(map(len, items))
    sign = {ASKED: "? ", FLAGGED: "! ", LEFT_OUT: "- "}.get(became, "~ ")
    wrapped = textwrap.wrap(title, 58)
    yield f"{sign}{wrapped[0]:<59}{total:>7,}"
    yield from (f"  {line}" for line in wrapped[1:])
    file, row, key, word = next(items[0].lines(1))
    first = f"{file}, row {row:,}" + (f", id {key}" if key else "") + (f": {word}" if word else "")
    yield click.style(f"    {cut(printable(first), 72)}", dim=True)


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest or " " * len(first))
