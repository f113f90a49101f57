"""Greenhouse: Harvest v1 and v3, as JSON of the API and as tables of a warehouse.

v1 has a card's attributes within it; v3 splits a card over `scorecards`, `scorecard_candidate_attributes` and
`job_candidate_attributes`, which have the names. The words of the overall recommendation changed between them
(`definitely_not` became `strong_no`), those of attributes did not. v3 never reports what was deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor.errors import Problem
from predictor.sources.scorecards.export import (
    APPLICATION,
    CARD,
    GROUP,
    OFFER,
    PERSON,
    RATING,
    SourceExport,
    exploded,
    mapped,
)
from predictor.sources.scorecards.findings import Findings
from predictor.sources.scorecards.levels import FIVE_WORDS, ScoreLevels
from predictor.sources.scorecards.opening import source_of
from predictor.sources.scorecards.tables import (
    DELETED,
    Table,
    TableKind,
    no_id,
    positions,
    stacked,
    text_ids,
    words_of,
)
from predictor.sources.scorecards.times import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

OVERALL = ScoreLevels.of(("strong_no", "no", "yes", "strong_yes")).with_words(
    {"definitely_not": 1.0}
)  # v3's word, v1's word
_COMMON = {
    "id": ("id", "scorecard_id"),
    "application": ("application_id",),
    "person": ("candidate_id", "person_id"),
    "rater": ("interviewer_id", "interviewer_user_id"),
    "submitter": ("submitted_by_id", "submitted_by_user_id", "submitter_id", "submitter_user_id"),
    "submitted": ("submitted_at",),
    "updated": ("updated_at",),
    "deleted": DELETED,
}
V1 = TableKind(
    "scorecards of Harvest v1",
    (("overall_recommendation",), ("application_id", "candidate_id", "submitted_at", "interview")),
    {
        **_COMMON,
        "overall": ("overall_recommendation",),
        "stage": ("interview_step_name", "interview_name", "interview", "stage_name"),
    },
    required=("id", "application"),
)
V3 = TableKind(
    "scorecards of Harvest v3",
    (("candidate_rating",), ("application_id", "submitted_at", "interview_kit_id")),
    {
        **_COMMON,
        "overall": ("candidate_rating",),
        "status": ("status",),
        "kit": ("interview_kit_id",),
        "stage": ("interview_name", "interview", "stage_name"),
    },
    required=("id", "application"),
)
APPLICATIONS = TableKind(
    "applications",
    (("candidate_id", "person_id"), ("status",), ("id",)),
    {
        "id": ("id",),
        "person": ("candidate_id", "person_id"),
        "status": ("status",),
        "prospect": ("prospect",),
        "rejected": ("rejected_at",),
        "hired": ("hired_at",),
        "updated": ("updated_at", "last_activity_at"),
        "reason": ("rejected_reason_id", "rejection_reason_id"),
        "reason_text": ("rejection_reason_name",),
        "type": ("rejection_reason_type_key", "rejection_reason_type_name", "rejection_reason_type_id"),
        "deleted": DELETED,
        "origin": ("origin",),
    },
    required=("id", "person"),
)
_NAMES = {
    "id": ("id",),
    "signal": ("name",),
    "family": ("candidate_attribute_type_name", "candidate_attribute_type_id", "category"),
}
KINDS = (
    V1,
    V3,
    TableKind(
        "attributes",
        (("scorecard_id", "sdc_source_key_id"), ("rating",), ("name", "attribute_name")),
        {
            "card": ("scorecard_id", "sdc_source_key_id"),
            "signal": ("name", "attribute_name"),
            "family": ("type", "attribute_type"),
            "word": ("rating",),
            "deleted": DELETED,
        },
        required=("card", "signal"),
    ),
    TableKind(  # of v3, and of Greenhouse's own warehouse
        "attributes by their ids",
        (("candidate_attribute_rating", "rating"), ("job_candidate_attribute_id", "attribute_id"), ("scorecard_id",)),
        {
            "card": ("scorecard_id",),
            "attribute": ("job_candidate_attribute_id", "attribute_id"),
            "word": ("candidate_attribute_rating", "rating"),
            "deleted": DELETED,
        },
        required=("card", "attribute"),
    ),
    TableKind(
        "attribute types",
        (("name",), ("id",)),
        {"id": ("id",), "family": ("name",)},
        never=("candidate_attribute_type_id",),
        label="attribute_type",
    ),
    TableKind("attribute names", (("candidate_attribute_type_id",), ("name",), ("id",)), _NAMES),
    TableKind("attribute names", (("name",), ("id",)), _NAMES, label="attribute"),  # a stage has such columns, too
    TableKind(
        "interview kits",
        (("job_interview_id",), ("id",)),
        {"id": ("id",), "interview": ("job_interview_id",)},
        never=("application_id",),  # an interview that was held
    ),
    TableKind(
        "interviews",
        (("name",), ("id",), ("job_interview_stage_id", "require_scorecard", "scheduling_type")),
        {"id": ("id",), "stage": ("name",)},
    ),
    TableKind(
        "history of applications",
        (("new_status",), ("application_id",)),
        {"application": ("application_id",), "status": ("new_status",), "hired": ("updated_at",)},
        required=("application",),
    ),
    TableKind(
        "offers",
        (("sent_at", "sent_on"), ("status",), ("application_id",)),
        {
            "id": ("id",),
            "application": ("application_id",),
            "status": ("status",),
            "sent": ("sent_at", "sent_on"),
            "resolved": ("resolved_at",),
            "created": ("created_at",),
            "updated": ("updated_at",),
            "deleted": DELETED,
        },
        required=("application",),
    ),
    TableKind(
        "rejection details",
        (("rejection_reason_id", "rejected_reason_id"), ("application_id",)),
        {
            "application": ("application_id",),
            "reason": ("rejection_reason_id", "rejected_reason_id"),
            "rejected": ("rejected_at",),
            "deleted": DELETED,
        },
        required=("application",),
    ),
    TableKind(
        "rejection reasons",
        (("name",), ("type_key", "type_name", "type_id", "type"), ("id",)),
        {"id": ("id",), "reason_text": ("name",), "type": ("type_key", "type_name", "type_id", "type")},
        label="reason",
    ),
    TableKind(
        "interviewers",
        (("scorecard_id",), ("interviewer_id", "user_id")),
        {"card": ("scorecard_id",), "rater": ("interviewer_id", "user_id"), "deleted": DELETED},
        required=(),
        never=("rating",),
    ),
    TableKind(
        "answers about sex and race",
        (("application_id",), ("gender_description", "gender", "gender_id", "race_description", "race")),
        {
            "application": ("application_id",),
            "person": ("candidate_id",),
            "sex": ("gender_description", "gender"),
            "race": ("race_description", "race"),
            "submitted": ("submitted_at",),
        },
        required=("application",),
    ),
    TableKind(
        "people",
        (("id",), ("new_candidate_id", "application_ids", "is_private", "first_name")),
        {"id": ("id",), "merged": ("new_candidate_id",), "deleted": DELETED},
        never=("site_admin", "primary_email_address", "disabled"),
    ),
    APPLICATIONS,
)
STATES = {
    "active": "open",
    "inprocess": "open",
    "rejected": "rejected",
    "hired": "hired",
    "converted": "lead",
}
ENDED_BY = {
    "werejectedthem": "ours",
    "securityconcern": "ours",
    "theyrejectedus": "theirs",
    "nonespecified": "none",
    "none": "none",
}
OFFER_STATE = {
    **dict.fromkeys(("accepted", "rejected", "sent"), "sent"),
    **dict.fromkeys(
        ("unresolved", "created", "draft", "deprecated", "pending", "inapproval", "approved", "cancelled", "canceled"),
        "waiting",
    ),
}
STATUSES = {"draft": "draft", "complete": "complete", "completed": "complete", "submitted": "complete"}


def read(tables: dict[str, list[Table]], findings: Findings) -> SourceExport:
    """Convert the tables of Greenhouse to common columns."""
    old, new = tables.get(V1.name, []), tables.get(V3.name, [])
    if old and new:
        files = f"{old[0].files[0]} and {new[0].files[0]}"
        findings.refuse(
            files, Problem("hold cards of Harvest v1 and of v3; import one of them, in a folder of its own")
        )
        return SourceExport("Greenhouse")
    export = SourceExport(f"Greenhouse Harvest v{3 if new else 1}", levels=FIVE_WORDS, overall_levels=OVERALL)
    _cards(export, old or new, tables, findings)
    _ratings(export, tables, findings)
    _applications(export, tables, findings)
    _offers(export, tables, findings)
    export.people = stacked(tables.get("people", []), PERSON)
    export.groups = stacked(tables.get("answers about sex and race", []), GROUP)
    return export


def _cards(export: SourceExport, parts: list[Table], tables: dict[str, list[Table]], findings: Findings) -> None:
    extra = ("submitter", "kit")
    cards = stacked(parts, (*CARD, *extra))
    frame = cards.frame
    raters = text_ids(frame["rater"])
    panel = stacked(tables.get("interviewers", []), ("card", "rater", "deleted"))
    if (raters == "").any() and len(panel):
        panel = panel.chosen(~panel.column("deleted") & ~no_id(panel.column("card")))
        panel = panel.chosen(~panel.frame.duplicated("card", keep="last").to_numpy())
        position = positions(frame["id"], panel.column("card"))
        known = text_ids(panel.column("rater"))
        raters = np.where((raters == "") & (position >= 0), np.append(known, "")[position], raters)
    alone = (raters == "") & ~no_id(frame["submitter"])
    findings.add("submitter", cards, alone)
    frame["rater"] = words_of(np.where(alone, text_ids(frame["submitter"]), raters))
    status = mapped(frame["status"].array, STATUSES, "unknown")
    findings.add("unknown status", cards, status == "unknown", words=frame["status"])
    none, submitted = status == "", ~np.isnat(frame["submitted"].to_numpy())
    status[none & submitted], status[none & ~submitted] = "complete", "draft"
    frame["status"] = words_of(status)
    if len(kits := stacked(tables.get("interview kits", []), ("id", "interview"))):
        interviews = stacked(tables.get("interviews", []), ("id", "stage"))
        kits, interviews = _newest(kits), _newest(interviews)
        position = positions(kits.column("interview"), interviews.column("id"))
        names = np.append(np.asarray(interviews.column("stage"), dtype=object), "")[position]
        of_card = np.append(names, "")[positions(frame["kit"], kits.column("id"))]
        frame["stage"] = words_of(np.where(of_card != "", of_card, np.asarray(frame["stage"], dtype=object)))
    export.cards = cards


def _kept(ratings: Table, findings: Findings) -> Table:
    deleted = ratings.column("deleted")
    findings.add("deleted rating", ratings, deleted, ids=ratings.column("card"))
    return ratings.chosen(~deleted)


def _newest(table: Table) -> Table:
    """Keep the last row of each id."""
    return table.chosen(~table.frame.duplicated("id", keep="last").to_numpy() & ~no_id(table.column("id")))


def _ratings(export: SourceExport, tables: dict[str, list[Table]], findings: Findings) -> None:
    if export.cards.records and (inner := _within(export.cards, findings)) is not None:
        export.ratings, export.by_position = inner, True
        return
    new = tables.get("attributes by their ids", [])
    if not new:
        ratings = stacked(tables.get("attributes", []), (*RATING, "deleted"))
        export.ratings = _kept(ratings, findings)
        return
    ratings = stacked(new, ("card", "attribute", "word", "deleted"))
    ratings = _kept(ratings, findings)
    names = _newest(stacked(tables.get("attribute names", []), ("id", "signal", "family")))
    types = _newest(stacked(tables.get("attribute types", []), ("id", "family")))
    position = positions(ratings.column("attribute"), names.column("id"))
    findings.add("unnamed", ratings, position < 0, ids=ratings.column("attribute"))
    ratings = ratings.chosen(position >= 0)
    position = position[position >= 0]
    signal, family = names.frame["signal"].array, names.frame["family"].array
    if len(types):
        of_type = positions(np.asarray(family, dtype=object), text_ids(types.column("id")))
        labels = np.append(np.asarray(types.column("family"), dtype=object), "")[of_type]
        family = words_of(np.where(of_type >= 0, labels, ""))
    else:
        family = words_of(["" if str(word).isdigit() else word for word in family])  # a number names no family
    ratings.frame["signal"], ratings.frame["family"] = signal.take(position), family.take(position)
    del ratings.frame["attribute"]
    export.ratings = ratings


def _within(cards: Table, findings: Findings) -> Table | None:
    """Extract the attributes that are inside the cards of v1."""
    for position, record in enumerate(cards.records):
        if not isinstance(record.get("attributes", []), list | None):
            (file,), (row,) = cards.files_and_rows(np.array([position]))
            findings.refuse(str(file), Problem("is not a list; export it again", int(row), "attributes"))
    inside = [record.get("attributes") or _by_word(record) for record in cards.records]
    items = [item for inner in inside if isinstance(inner, list) for item in inner]
    if not items:
        return None
    owners = np.repeat(np.arange(len(inside)), [len(inner) if isinstance(inner, list) else 0 for inner in inside])
    columns: dict[str, list[Any]] = {"signal": [], "family": [], "word": []}
    files, rows = cards.files_and_rows(owners)
    for item, file, row in zip(items, files, rows, strict=True):
        name = item.get("name") if isinstance(item, dict) else None
        word = item.get("rating") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name.strip():
            findings.refuse(
                str(file), Problem("has an attribute without a name; export it again", int(row), "attributes")
            )
        if isinstance(word, dict | list):
            findings.refuse(
                str(file), Problem("is not a word; export it again", int(row), "rating", type(word).__name__)
            )
            word = None
        columns["signal"].append(name if isinstance(name, str) else "")
        family = item.get("type") if isinstance(item, dict) else ""
        columns["family"].append(family if isinstance(family, str) else "")
        columns["word"].append("" if word is None else str(word))
    frame = pd.DataFrame({"card": owners, **{name: words_of(cells) for name, cells in columns.items()}})
    return Table(frame, list(cards.files), _starts(cards, owners), rows - 1)


def _starts(cards: Table, owners: NDArray[np.int64]) -> list[int]:
    return [int(start) for start in np.searchsorted(owners, cards.starts)]


def _by_word(record: Any) -> list[dict[str, str]]:
    """Return attributes where a card has only the lists of names by word."""
    lists = record.get("ratings")
    if not isinstance(lists, dict):
        return []
    return [{"name": name, "rating": word} for word, names in lists.items() for name in names or []]


def _applications(export: SourceExport, tables: dict[str, list[Table]], findings: Findings) -> None:
    extra = ("status", "prospect", "reason", "type")
    parts = tables.get(APPLICATIONS.name) or _within_people(tables, findings)
    export.no_applications = not parts
    applications = stacked(parts, (*APPLICATION, *extra))
    frame, ids = applications.frame, applications.column("id")
    state = mapped(frame["status"].array, STATES, "unknown")
    history = stacked(tables.get("history of applications", []), ("application", "status", "hired"))
    for meaning in ("hired", "rejected"):  # what the history alone knows
        of = history.chosen(mapped(history.frame["status"].array, STATES, "") == meaning)
        of = of.chosen(np.argsort(of.column("hired"), kind="stable"))
        of = of.chosen(~of.frame.duplicated("application", keep="last").to_numpy())
        position = positions(ids, of.column("application"))
        when = np.append(of.column("hired"), NO_TIME)[position]
        column = frame[meaning].to_numpy().copy()
        frame[meaning] = np.where(np.isnat(column), when, column)
        if meaning == "hired":
            state = np.where((position >= 0) & np.isin(state, ("open", "", "unknown")), "hired", state)
            lost = positions(history.column("application"), ids) < 0
            findings.add("orphan history", history, lost, ids=history.column("application"))
    _reasons(applications, tables, findings)
    rejected = ~np.isnat(frame["rejected"].to_numpy())
    state = np.where((state == "") & rejected, "rejected", state)
    state = np.where(state == "", "unknown", state)
    findings.add("unknown state", applications, (state == "unknown") & ~frame["prospect"], words=frame["status"])
    frame["state"] = np.where(frame["prospect"], "lead", state)
    export.applications = applications


def _within_people(tables: dict[str, list[Table]], findings: Findings) -> list[Table]:
    """Read the applications within the candidates of v1, where there is no file of applications."""
    parts = []
    for people in tables.get("people", []):
        records, _ = exploded(people, "applications")
        if records:
            source = source_of(records, f"{people.files[0]}: applications", findings)
            parts += [source.read(APPLICATIONS, findings)] if APPLICATIONS.fits(source.label, source.columns) else []
    return parts


def _reasons(applications: Table, tables: dict[str, list[Table]], findings: Findings) -> None:
    frame = applications.frame
    reason, kind = text_ids(frame["reason"]), mapped(frame["type"].array, ENDED_BY, "unknown")
    text = np.asarray(frame["reason_text"], dtype=object)
    details = stacked(tables.get("rejection details", []), ("application", "reason", "rejected", "deleted"))
    if len(details):
        details = details.chosen(~details.column("deleted"))
        details = details.chosen(~details.frame.duplicated("application", keep="last").to_numpy())
        lost = positions(details.column("application"), frame["id"]) < 0
        findings.add("orphan history", details, lost, ids=details.column("application"))
        position = positions(frame["id"], details.column("application"))
        reason = np.where(reason == "", np.append(text_ids(details.column("reason")), "")[position], reason)
        when = np.append(details.column("rejected"), NO_TIME)[position]
        frame["rejected"] = np.where(np.isnat(frame["rejected"].to_numpy()), when, frame["rejected"].to_numpy())
    reasons = _newest(stacked(tables.get("rejection reasons", []), ("id", "reason_text", "type")))
    position = positions(reason, text_ids(reasons.column("id")))
    ended_by = mapped(reasons.frame["type"].array, ENDED_BY, "unknown")
    findings.add("reason kind", reasons, ended_by == "unknown", words=reasons.frame["type"])
    known = np.append(ended_by, "")[position]
    kind = np.where(kind == "", known, kind)
    text = np.where(text == "", np.append(np.asarray(reasons.column("reason_text"), dtype=object), "")[position], text)
    kind = np.where((kind == "") & (reason != ""), "unknown", kind)
    frame["reason_kind"], frame["reason_text"] = kind, np.where((text == "") & (reason != ""), reason, text)


def _offers(export: SourceExport, tables: dict[str, list[Table]], findings: Findings) -> None:
    offers = stacked(tables.get("offers", []), (*OFFER, "status"))
    frame = offers.frame
    state = mapped(frame["status"].array, OFFER_STATE, "unknown")
    sent = ~np.isnat(frame["sent"].to_numpy())
    state = np.where(sent, "sent", state)
    findings.add("unknown offer", offers, state == "unknown", words=frame["status"])
    frame["state"] = state
    export.offers = offers
