"""What came of each application, by rules that guess nothing: offer, no offer, no outcome yet, withdrawn, deleted.

An offer that was sent is a yes, whatever was answered. Rejected or archived without an offer is a no, unless the
candidate withdrew. Where only a person can know, the import asks, and leaves the outcome open until it is answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import ConfigError, Problem, nearest
from predictor.sources.scorecards.export import SourceExport
from predictor.sources.scorecards.findings import Findings
from predictor.sources.scorecards.tables import Table, no_id, positions, text_ids
from predictor.sources.scorecards.times import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPEN = "no outcome yet"
MEANINGS = {"yes": "yes", "no": "no", "withdrew": "withdrawn", OPEN: "unlabelled"}
ALL = "*"
# Words of reasons that may mean something other than a rejection; of a candidate's own reason, only an offer is asked.
_OFFER = re.compile(r"offer|hired|accept", re.IGNORECASE)
_EITHER = re.compile(r"offer|hired|accept|declin|withdr[ae]w|not interested|no longer interested", re.IGNORECASE)


@dataclass
class ApplicationOutcomes:
    """Applications that are kept, and what came of each.

    Attributes
    ----------
    applications
        One row per application: deleted, anonymised and expired ones are left out.
    state
        yes, no, withdrawn or unlabelled (no outcome yet), shape (n,).
    decided
        When, in UTC; NaT where nothing is decided or nobody wrote it down.
    day_only
        Where only the day of the decision is known.
    person
        Who, merged profiles as one.
    asked
        Reasons that wait for an answer, and how many applications have each.
    kinds
        How many applications of each kind, in words.
    """

    applications: Table
    state: NDArray[Any]
    decided: NDArray[Any]
    day_only: NDArray[np.bool_]
    person: NDArray[Any]
    asked: dict[str, int]
    kinds: dict[str, int]


def read_reasons(options: tuple[str, ...]) -> dict[str, str]:
    """Read meanings of reasons such as "Offer declined=yes".

    Raises
    ------
    ConfigError
        If one is not a reason with yes, no, withdrew or no outcome yet.
    """
    meanings = {}
    for option in options:
        text, sign, word = map(str.strip, option.rpartition("="))
        word = OPEN if word == "unlabelled" else word
        if not sign or not text or word not in MEANINGS:
            hint = nearest(word, MEANINGS)
            example = "--reason 'Offer declined=yes'"
            raise ConfigError(
                f"--reason {option!r}: write a reason and one of {', '.join(MEANINGS)}, such as {example}{hint}"
            )
        meanings[text.casefold()] = MEANINGS[word]
    return meanings


def decide(
    export: SourceExport, meanings: Mapping[str, str], today: datetime, findings: Findings
) -> ApplicationOutcomes:
    """Decide what came of each application: the first rule that applies, in the order of the calls of `take`.

    Parameters
    ----------
    meanings
        What reasons mean, by `read_reasons`.
    today
        The day by which consent has ended or not.
    """
    applications = _kept(export, today, findings)
    frame, n = applications.frame, len(applications)
    was_sent, waiting, when, day = _offers(export, applications, findings)
    state = np.full(n, "", dtype=object)
    kinds: dict[str, int] = {}

    def take(chosen: NDArray[Any], outcome: str, kind: str, listed: str = "") -> None:
        now = chosen & (state == "")
        state[now] = outcome
        if now.any():
            kinds[kind] = kinds.get(kind, 0) + int(now.sum())
        if listed:
            words = frame["reason_text"] if listed in ("ask", "unknown reason", "withdrawn") else None
            findings.add(listed, applications, now, words=words)

    status, reason_kind = frame["state"].to_numpy(), frame["reason_kind"].to_numpy()
    texts = np.asarray(frame["reason_text"], dtype=object)
    rejected = status == "rejected"
    take(was_sent, "yes", "an offer was sent")
    take(status == "hired", "yes", "hired")
    take(status == "lead", "unlabelled", "prospect or lead", "prospect")
    meant = np.array([meanings.get(str(text).casefold(), "") for text in texts], dtype=object)
    for word, outcome in MEANINGS.items():
        listed = "withdrawn" if outcome == "withdrawn" else ""
        take(rejected & (meant == outcome), outcome, f"by your answer: {word}", listed)
    take(waiting, "unlabelled", "an offer was drafted, but not sent", "offer not sent")
    words = {text: (bool(_OFFER.search(str(text))), bool(_EITHER.search(str(text)))) for text in set(texts)}
    offer_like = np.array([words[text][0] for text in texts], dtype=bool)
    either = np.array([words[text][1] for text in texts], dtype=bool)
    ask = rejected & (offer_like | (either & (reason_kind == "none")))
    unknown = rejected & (reason_kind == "unknown") & ~ask
    if ALL in meanings:
        word = next(word for word, outcome in MEANINGS.items() if outcome == meanings[ALL])
        take(ask | unknown, meanings[ALL], f"by your answer for all: {word}")
    asked = _counted(texts[(ask | unknown) & (state == "")])
    take(ask, "unlabelled", "a reason that may mean an offer or a withdrawal", "ask")
    take(rejected & (reason_kind == "theirs"), "withdrawn", "the candidate withdrew", "withdrawn")
    take(unknown, "unlabelled", "a reason of unknown kind", "unknown reason")
    take(rejected, "no", "rejected without an offer")
    take(status == "open", "unlabelled", "still in process", "open")
    take(state == "", "unlabelled", "status not known")
    decided, day_only = _when(frame, state, was_sent, when, day)
    findings.add("no decision time", applications, np.isin(state, ("yes", "no")) & np.isnat(decided))
    person = _people(export, text_ids(frame["person"]))
    return ApplicationOutcomes(applications, state, decided, day_only, person, asked, kinds)


def _counted(texts: NDArray[Any]) -> dict[str, int]:
    names, counts = np.unique(texts.astype(str), return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _kept(export: SourceExport, today: datetime, findings: Findings) -> Table:
    """Keep one row per application, and nobody who was deleted, anonymised or whose consent has ended."""
    table = newest(export.applications, findings)
    deleted = table.column("deleted")
    gone = newest(export.people, findings)
    position = positions(table.column("person"), gone.column("id"))
    deleted = deleted | np.append(gone.column("deleted"), False)[position]
    findings.add("deleted", table, deleted)
    anonymised = table.column("anonymised") & ~deleted
    findings.add("anonymised", table, anonymised)
    expires = table.column("expires")
    ended = expires < np.datetime64(today.replace(tzinfo=None), "ms")
    refused = table.frame["refused"].to_numpy() if "refused" in table.frame else np.zeros(len(table), bool)
    consent = (ended | refused) & ~deleted & ~anonymised
    findings.add("consent", table, consent)
    return table.chosen(~(deleted | anonymised | consent))


def newest(table: Table, findings: Findings) -> Table:
    """Keep the newest row of each id, by its time of change; count the others, refuse those without an order."""
    ids = table.column("id")
    twice = (
        table.frame.duplicated("id", keep=False).to_numpy() & ~no_id(ids) if "id" in table.frame else np.zeros(0, bool)
    )
    if not twice.any():
        return table
    updated = table.column("updated")
    order = np.lexsort((np.arange(len(table)), np.where(np.isnat(updated), np.datetime64(0, "ms"), updated)))
    last = table.frame["id"].iloc[order].duplicated(keep="last").to_numpy()
    drop = np.zeros(len(table), bool)
    drop[order[last]] = True
    drop &= twice
    _refuse_different(table, np.flatnonzero(drop), np.flatnonzero(twice & ~drop), findings)
    findings.add("repeated", table, drop)
    return table.chosen(~drop)


def _refuse_different(table: Table, dropped: NDArray[np.int64], kept: NDArray[np.int64], findings: Findings) -> None:
    """Refuse rows with the id of a kept one and other content, where no time of change tells which is newer."""
    ids, updated = table.column("id"), table.column("updated")
    of = kept[positions(ids[dropped], ids[kept])]
    alike = (updated[dropped] == updated[of]) | (np.isnat(updated[dropped]) & np.isnat(updated[of]))
    files, rows = table.files_and_rows(np.arange(len(table)))
    for one, other in zip(dropped[alike].tolist(), of[alike].tolist(), strict=True):
        if table.records:
            same = table.records[one] == table.records[other]
        else:
            same = table.frame.iloc[one].equals(table.frame.iloc[other])
        if not same:
            where = f"{files[other]}, row {rows[other]:,}" if files[one] != files[other] else f"row {rows[other]:,}"
            kind = f"has the id of {where}, other content, and no later time of change; keep one of them"
            findings.refuse(str(files[one]), Problem(kind, int(rows[one])))


def _offers(
    export: SourceExport, applications: Table, findings: Findings
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[Any], NDArray[np.bool_]]:
    """Read the offers of applications.

    Returns
    -------
    was_sent, only_unsent, sent_at, day_only
        Of each application: whether an offer was sent, whether there are only others, when it was sent, and whether
        only the day of that is known.
    """
    deleted = export.offers.column("deleted")
    findings.add("deleted offer", export.offers, deleted, ids=export.offers.column("application"))
    offers = export.offers.chosen(~deleted)
    n = len(applications)
    position = positions(offers.column("application"), applications.column("id"))
    known = positions(offers.column("application"), export.applications.column("id"))
    findings.add("orphan offer", offers, known < 0, ids=offers.column("application"))
    sent, resolved, created = (offers.column(name) for name in ("sent", "resolved", "created"))
    # An offer that was made was decided on: where nobody wrote down when it was sent, when it was made is the latest.
    first = np.fmin(sent, np.where(np.isnat(sent), np.fmin(resolved, created), resolved))
    is_sent = (offers.frame["state"].to_numpy() == "sent") & (position >= 0)
    was_sent, waiting = np.zeros(n, bool), np.zeros(n, bool)
    when, day = np.full(n, NO_TIME), np.zeros(n, bool)
    was_sent[position[is_sent]] = True
    waiting[position[~is_sent & (position >= 0)]] = True
    order = np.argsort(first[is_sent], kind="stable")[
        ::-1
    ]  # the earliest is written last; NaT sorts last, so first here
    when[position[is_sent][order]] = first[is_sent][order]
    if "sent day" in offers.frame:
        days = offers.frame["sent day"].fillna(False).to_numpy(bool) & (first == sent)
        day[position[is_sent][order]] = days[is_sent][order]
    return was_sent, waiting & ~was_sent, when, day


def _when(
    frame: Any, state: NDArray[Any], was_sent: NDArray[np.bool_], when: NDArray[Any], day: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return when each application was decided.

    A time of rejection counts only where it is rejected still: one that was opened again keeps the time.
    """
    hired, status = frame["hired"].to_numpy(), frame["state"].to_numpy()
    rejected = np.where(status == "rejected", frame["rejected"].to_numpy(), NO_TIME)
    yes = state == "yes"
    decided = np.where(yes, np.where(was_sent, np.fmin(when, hired), hired), rejected)
    decided = np.where(yes & np.isnat(decided), rejected, decided)  # a declined offer ends in a rejection
    return decided, day & (decided == when) & yes


def _people(export: SourceExport, person: NDArray[Any]) -> NDArray[Any]:
    """Follow merged profiles to the one that is left."""
    ids, merged = text_ids(export.people.column("id")), text_ids(export.people.column("merged"))
    into = {one: other for one, other in zip(ids, merged, strict=True) if other and other != one}
    if not into:
        return person

    def last(one: str) -> str:
        seen = set[str]()
        while one in into and one not in seen:
            seen.add(one)
            one = into[one]
        return one

    return np.array([last(str(one)) for one in person], dtype=object)
