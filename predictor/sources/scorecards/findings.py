"""What was left out, flagged or asked, row by row: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import PredictorError, Problem, RatingsError, printable
from predictor.sources.scorecards.pseudonyms import is_plain_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEFT_OUT = "left out"
FLAGGED = "kept and flagged"
ASKED = "waits for your answer"
NO_OUTCOME_YET = "no outcome yet"
LONGEST_WORD = 24  # characters of a word that a report may show; what is longer may be a note about a person


@dataclass(frozen=True)
class FindingReason:
    """One reason why rows are listed: a title for recruiters, what became of them (see above), and what can be done."""

    title: str
    became: str
    remedy: str = ""


REASONS = {
    # cards
    "draft": FindingReason("Drafts: cards that were never submitted", LEFT_OUT),
    "deleted card": FindingReason("Cards that were deleted", LEFT_OUT),
    "unknown status": FindingReason(
        "Cards whose status is not known", LEFT_OUT, "The known statuses are draft, complete and submitted."
    ),
    "orphan card": FindingReason(
        "Cards whose application is in none of the files",
        LEFT_OUT,
        "Export the applications too, or more of them. A deleted application leaves such cards behind.",
    ),
    "no application": FindingReason(
        "Cards without any application: there is no file of applications",
        LEFT_OUT,
        "The table of cards still lists their ratings. Person and outcome come from the applications: export them too.",
    ),
    "undated": FindingReason(
        "Cards without the time of submission",
        LEFT_OUT,
        "It is not known whether they were submitted before the decision. Export 'submitted_at' too.",
    ),
    "future": FindingReason(
        "Cards whose time of submission is still to come", FLAGGED, "Look at the clock of the export, or its time zone."
    ),
    "after decision": FindingReason(
        "Scorecards submitted after the decision, whose raters may have known it", LEFT_OUT
    ),
    "after stage": FindingReason(
        "Cards submitted after the chosen stage",
        LEFT_OUT,
        "They remain in the table of cards, whose name ends in -cards.",
    ),
    "unrated": FindingReason("Cards on which nothing was rated, or everything is 'no decision'", LEFT_OUT),
    "changed later": FindingReason(
        "Cards changed after the decision", FLAGGED, "Whether a rating was changed then is not recorded."
    ),
    "same day": FindingReason(
        "Cards submitted on the day of a decision whose time of day is not recorded",
        FLAGGED,
        "Which came first is not recorded.",
    ),
    "submitter": FindingReason(
        "Cards without an interviewer: who submitted them counts as the rater", FLAGGED, "It may be an assistant."
    ),
    "alike": FindingReason(
        "Rows that repeat another one, cell by cell", FLAGGED, "If a row came twice, delete one and import again."
    ),
    "no rater": FindingReason(
        "Cards that do not name their rater: each counts as if another rater had written it", FLAGGED
    ),
    "no stage": FindingReason(
        "Cards whose stage is not known: together they count as one",
        FLAGGED,
        "Export the interviews too; of Greenhouse v3 also the interview kits.",
    ),
    # ratings
    "deleted rating": FindingReason("Ratings that were deleted at the source", LEFT_OUT),
    "orphan rating": FindingReason(
        "Ratings whose card is in none of the files", LEFT_OUT, "Export all pages of the cards, or the missing table."
    ),
    "unknown word": FindingReason(
        "Ratings in words that are not on the scale",
        "not observed",
        "If you know what a word means, give its number from 1 to 5: --level 'WORD=4'.",
    ),
    "details": FindingReason("Attributes of the type Details, such as a start date: they are not ratings", LEFT_OUT),
    "other answer": FindingReason(
        "Answers to questions that are not ratings, such as a choice or thumbs, by the question's type", LEFT_OUT
    ),
    "unnamed": FindingReason(
        "Ratings of attributes whose names are not in these files",
        LEFT_OUT,
        "Name the attributes in a file, with the option --fields; or export the table that has their names.",
    ),
    # applications
    "deleted": FindingReason("Applications of people who were deleted at the source", LEFT_OUT),
    "anonymised": FindingReason("Applications of people who were anonymised at the source", LEFT_OUT),
    "consent": FindingReason("Applications whose consent to be stored has ended", LEFT_OUT),
    "withdrawn": FindingReason("The candidate withdrew: neither an offer nor a rejection", LEFT_OUT),
    "prospect": FindingReason("Prospects and leads: never applied", NO_OUTCOME_YET),
    "open": FindingReason("Still in process", NO_OUTCOME_YET),
    "offer not sent": FindingReason("An offer was drafted or cancelled, but never sent", NO_OUTCOME_YET),
    "unknown state": FindingReason(
        "Applications whose status is not known", f"{NO_OUTCOME_YET}, unless an offer was sent"
    ),
    "ask": FindingReason(
        "The reason may mean an offer or a withdrawal",
        ASKED,
        "Give its meaning: --reason 'TEXT=yes' (or no, withdrew, no outcome yet). Until then they have no outcome.",
    ),
    "unknown reason": FindingReason(
        "Rejected for a reason whose kind is not known: it may be a withdrawal",
        ASKED,
        "Export the table of reasons, or give its meaning: --reason 'TEXT=no' (or yes, withdrew, no outcome yet); "
        "--reason '*=no' answers for all.",
    ),
    "no card": FindingReason("Applications without a usable card: no row", LEFT_OUT),
    "not at stage": FindingReason("Applications without a card of the chosen stage: no row", LEFT_OUT),
    "no decision time": FindingReason(
        "An outcome without a date: late cards could not be noticed",
        FLAGGED,
        "Export the offers, or the history of the applications.",
    ),
    # other
    "orphan offer": FindingReason(
        "Offers whose application is in none of the files", LEFT_OUT, "Export more applications."
    ),
    "orphan history": FindingReason(
        "History and rejections of applications that are in none of the files", LEFT_OUT, "Export more applications."
    ),
    "reason kind": FindingReason(
        "Rejection reasons that do not show who decided, the team or the candidate",
        FLAGGED,
        "The known kinds are 'We rejected them', 'They rejected us', 'None specified'; the import asks about others.",
    ),
    "deleted offer": FindingReason("Offers that were deleted at the source: they count as never made", LEFT_OUT),
    "unknown offer": FindingReason("Offers whose status is not known: they count as not sent", LEFT_OUT),
    "repeated": FindingReason("Rows that came more than once: the newest counts", LEFT_OUT),
    "unknown group": FindingReason("Unknown words for sex or race: the cell is left empty", FLAGGED),
    "orphan group": FindingReason(
        "Answers about sex and race for applications that are in none of the files",
        LEFT_OUT,
        "Export more applications.",
    ),
    "gone": FindingReason("People of the earlier table who are not in these files", LEFT_OUT),
}


@dataclass(frozen=True)
class Finding:
    """Rows that are listed for one reason: file and row of each, the system's id, and a word where one tells more."""

    reason: str
    files: NDArray[Any]
    rows: NDArray[np.int64]
    ids: NDArray[Any]
    words: NDArray[Any]

    def __len__(self) -> int:
        return len(self.rows)

    def lines(self, most: int | None = None) -> Iterator[tuple[str, int, str, str]]:
        """Return file, row (from 1), id and word of each row."""
        cut = slice(most)
        for file, row, key, word in zip(self.files[cut], self.rows[cut], self.ids[cut], self.words[cut], strict=True):
            yield str(file), int(row), str(key), str(word)


@dataclass
class Findings:
    """Every finding of an import, and what is wrong with its files.

    Attributes
    ----------
    ids_may_be_names
        Whether ids are whatever somebody wrote into a spreadsheet; then only those that can be nothing else are listed.
    """

    items: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    ids_may_be_names: bool = False

    def add(self, reason: str, table: Any, chosen: NDArray[Any], *, ids: Any = None, words: Any = None) -> None:
        """List rows of a table, chosen by a mask or positions; nothing happens where there are none."""
        positions = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        if not len(positions):
            return
        files, rows = table.files_and_rows(positions)
        keys = table.frame["id"] if ids is None else ids
        names = np.asarray(keys)[positions].astype(str) if keys is not None else np.full(len(positions), "")
        if self.ids_may_be_names:
            names = np.array([key if is_plain_id(key) else "" for key in names])
        shown = np.full(len(positions), "")
        if words is not None:
            texts = np.asarray(words, dtype=object)[positions]
            shown = np.array([shown_word(word) for word in texts], dtype=object)
        self.items.append(Finding(reason, files, rows, names, shown))

    def by_reason(self) -> dict[str, list[Finding]]:
        """Return the findings of each reason, in the order of `REASONS`."""
        in_order = {reason: [item for item in self.items if item.reason == reason] for reason in REASONS}
        return {reason: items for reason, items in in_order.items() if items}

    def count(self, reason: str) -> int:
        """Return how many rows are listed for a reason."""
        return sum(len(item) for item in self.items if item.reason == reason)

    def refuse(self, source: str, problem: Problem) -> None:
        """Collect a problem that makes the whole import fail at the end."""
        self.problems.setdefault(source, []).append(problem)

    def check(self) -> None:
        """Refuse the import if there is any problem.

        Raises
        ------
        PredictorError
            With every problem of every file.
        """
        if self.problems:
            raise joined([RatingsError(source, problems) for source, problems in self.problems.items()])


def joined(errors: Sequence[PredictorError]) -> PredictorError:
    """Return one error with the messages of all."""
    return errors[0] if len(errors) == 1 else PredictorError("\n".join(map(str, errors)))


def shown_word(word: Any) -> str:
    """Return a word as a report may show it: what is long, or holds an address, may be a note about a person.

    Examples
    --------
    >>> shown_word("stong_yes"), shown_word("She was late, and her manners were poor")
    ('stong_yes', 'a text of 39 characters')
    """
    text = "" if word is None or word != word else str(word).strip()
    if len(text) > LONGEST_WORD or "@" in text or len(text.split()) > 3:
        return f"a text of {len(text)} characters"
    return printable(text)
