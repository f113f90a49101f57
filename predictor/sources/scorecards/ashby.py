"""Ashby: feedback with the form's definition in each record, since forms differ by version.

The rater is whoever a card is credited to, else its submitter. A score arrives as 4, "4" or {"score": 4}.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from predictor.errors import Problem
from predictor.sources.scorecards.export import APPLICATION, CARD, OFFER, SourceExport, list_others, mapped
from predictor.sources.scorecards.findings import Findings
from predictor.sources.scorecards.levels import FOUR_NUMBERS, ScoreLevels, numbered_scale, scale_of, word_on
from predictor.sources.scorecards.signals import ABOUT_OVERALL, OVERALL, name_of
from predictor.sources.scorecards.tables import DELETED, Table, TableKind, positions, stacked, text_ids, words_of

FEEDBACK = TableKind(
    "feedback",
    (("submitted_values",), ("id",)),
    {
        "id": ("id",),
        "application": ("application_id",),
        "rater": ("credited_to_user_id",),
        "submitter": ("submitted_by_user_id",),
        "submitted": ("submitted_at",),
        "updated": ("updated_at",),
        "interview": ("interview_id",),
        "deleted": (*DELETED, "is_archived"),
    },
    required=("id", "application"),
)
KINDS = (
    FEEDBACK,
    TableKind(
        "offers",
        (("offer_status", "acceptance_status"), ("application_id",)),
        {
            "id": ("id",),
            "application": ("application_id",),
            "status": ("offer_status",),
            "accepted": ("acceptance_status",),
            "created": ("created_at", "latest_version_created_at"),
            "resolved": ("decided_at",),
            "sent": ("sent_at",),
            "deleted": DELETED,
        },
        required=("application",),
    ),
    TableKind(
        "applications",
        (("candidate_id",), ("status",), ("id",)),
        {
            "id": ("id",),
            "person": ("candidate_id",),
            "status": ("status",),
            "rejected": ("archived_at",),
            "hired": ("hired_at",),
            "updated": ("updated_at",),
            "reason": ("archive_reason_id",),
            "reason_text": ("archive_reason_text",),
            "type": ("archive_reason_reason_type", "archive_reason_type"),
            "deleted": DELETED,
            "origin": ("simulated",),
        },
        required=("id", "person"),
    ),
    TableKind(
        "interviews",
        (("title",), ("id",)),
        {"id": ("id",), "stage": ("title",)},
        never=("status", "order_in_interview_plan"),
    ),
)
CHOICES = ("ValueSelect", "ValueSingleSelect")
TEXTS = ("RichText", "LongText", "String", "Email", "Phone", "Date", "File", "SocialLink")  # free-form fields
STATES = {
    "active": "open",
    "archived": "rejected",
    "hired": "hired",
    "lead": "lead",
    "pending": "open",
}
ENDED_BY = {
    "rejectedbyorg": "ours",
    "rejectedbycandidate": "theirs",
    "other": "none",
}
OFFER_STATE = {
    **dict.fromkeys(
        (
            *("waitingoncandidateresponse", "candidateaccepted", "candidaterejected"),
            *("waitingonresponse", "accepted", "declined"),
        ),
        "sent",
    ),
    **dict.fromkeys(
        ("waitingonapprovalstart", "waitingonofferapproval", "waitingonapprovaldefinition", "approvalrejected"),
        "waiting",
    ),
    **dict.fromkeys(
        ("offercancelled", "offercanceled", "cancelled", "canceled", "draft", "created", "pending"), "waiting"
    ),
}


def read(tables: dict[str, list[Table]], findings: Findings) -> SourceExport:
    """Convert the records of Ashby to common columns."""
    export = SourceExport("Ashby", levels=FOUR_NUMBERS)
    cards = stacked(tables.get(FEEDBACK.name, []), (*CARD, "submitter", "interview"))
    frame = cards.frame
    rater, submitter = text_ids(frame["rater"]), text_ids(frame["submitter"])
    findings.add("submitter", cards, (rater == "") & (submitter != ""))
    frame["rater"] = np.where(rater == "", submitter, rater)
    frame["status"] = np.where(np.isnat(frame["submitted"].to_numpy()), "draft", "complete")
    interviews = stacked(tables.get("interviews", []), ("id", "stage"))
    interviews = interviews.chosen(~interviews.frame.duplicated("id", keep="last").to_numpy())
    interview = text_ids(frame["interview"])
    position = positions(interview, text_ids(interviews.column("id")))
    titles = np.append(np.asarray(interviews.column("stage"), dtype=object), "")[position]
    unnamed = np.where(interview == "", "", np.char.add("interview ", interview.astype(str)).astype(object))
    frame["stage"] = words_of(np.where(titles != "", titles, unnamed))
    export.cards = cards
    _ratings(export, findings)
    _applications(export, tables, findings)
    return export


def _ratings(export: SourceExport, findings: Findings) -> None:
    """Read the answers of each form by its own definition: scores, and choices on a scale whose order is known."""
    owners, names, families, scores = list[int](), list[str](), list[str](), list[Any]()
    overall, others = list[str](), defaultdict[str, list[int]](list)
    scales, unnamed = dict[str, ScoreLevels](), list[int]()
    files, rows = export.cards.files_and_rows(np.arange(len(export.cards)))
    for position, record in enumerate(export.cards.records):
        values = record.get("submittedValues", record.get("submitted_values"))
        definition = record.get("formDefinition", record.get("form_definition"))
        for part, name in ((values, "submittedValues"), (definition, "formDefinition")):
            if not isinstance(part, dict):
                problem = Problem("is missing; export it again", int(rows[position]), name)
                findings.refuse(str(files[position]), problem)
        values, verdict = dict(values) if isinstance(values, dict) else {}, ""
        for title, section, field in _fields(definition):
            kind, path = str(field.get("type", "")), _path(field)
            labels = _labels(field)
            answer = _answer(values.pop(path, None), labels)
            scale = scale_of([*labels.values()]) if kind in CHOICES else None
            if kind not in ("Score", *CHOICES):
                others[kind] += [position] * (kind not in TEXTS and answer is not None)
            elif ABOUT_OVERALL.search(" ".join((path.replace("_", " "), title, *labels.values()))):
                scale = scale_of([*labels.values()]) or numbered_scale([*labels.values()]) or FOUR_NUMBERS
                verdict = verdict or word_on(scales, OVERALL, scale, "" if answer is None else str(answer))
            elif kind == "Score" or scale:
                owners.append(position)
                names.append(title)
                families.append(section)
                scores.append(
                    word_on(scales, name_of(title), scale or FOUR_NUMBERS, "" if answer is None else str(answer))
                )
            else:
                others[kind] += [position] * (answer is not None)
        unnamed += [position] * sum(_is_score(value) for value in values.values())
        overall.append(verdict)
    findings.add("unnamed", export.cards, np.array(unnamed, dtype=np.int64))
    export.set_ratings(owners, names, families, scores)
    list_others(others, export.cards, findings)
    if overall:
        export.cards.frame["overall"] = words_of(overall)
    export.overall_levels = scales.pop(OVERALL, FOUR_NUMBERS)
    export.levels_by_signal = scales


def _is_score(value: Any) -> bool:
    value = value.get("score") if isinstance(value, dict) else value
    return isinstance(value, int | float) and not isinstance(value, bool)


def _labels(field: Mapping[str, Any]) -> dict[str, str]:
    """Return the options of a field: the label of each value."""
    options = field.get("selectableValues", field.get("selectable_values"))
    there = options if isinstance(options, list) else []
    return {str(option.get("value")): str(option.get("label")) for option in there if isinstance(option, dict)}


def _answer(value: Any, labels: Mapping[str, str]) -> Any:
    """Return what was answered: a score, or the label of the option that was chosen."""
    if isinstance(value, dict):
        value = value.get("score", value.get("value"))
    return labels.get(str(value), value)


def _fields(definition: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the fields of the form that a record carries: title, section, field.

    A title that is in several sections of a form is named after its section, too.
    """
    sections = definition.get("sections") if isinstance(definition, dict) else None
    fields = []
    for section in sections if isinstance(sections, list) else []:
        items = section.get("fields") if isinstance(section, dict) else None
        for item in items if isinstance(items, list) else []:
            field = item.get("field", item) if isinstance(item, dict) else None
            if isinstance(field, dict):
                title = " ".join(str(field.get("title") or field.get("humanReadablePath") or _path(field)).split())
                fields.append((title, str(section.get("title") or ""), field))
    count = Counter(title.casefold() for title, *_ in fields)
    return [
        (f"{section}: {title}" if section and count[title.casefold()] > 1 else title, section, field)
        for title, section, field in fields
    ]


def _path(field: Mapping[str, Any]) -> str:
    """Return the key of a field's answer."""
    return str(field.get("path") or field.get("id") or "")


def _applications(export: SourceExport, tables: dict[str, list[Table]], findings: Findings) -> None:
    parts = tables.get("applications", [])
    export.no_applications = not parts
    table = stacked(parts, (*APPLICATION, "status", "reason", "type"))
    frame = table.frame
    state = mapped(frame["status"].array, STATES, "unknown")
    frame["state"] = np.where(state == "", "unknown", state)
    findings.add("unknown state", table, (frame["state"] == "unknown").to_numpy(), words=frame["status"])
    kind = mapped(frame["type"].array, ENDED_BY, "unknown")
    reason, text = text_ids(frame["reason"]), np.asarray(frame["reason_text"], dtype=object)
    given = (reason != "") | (text != "")
    frame["reason_kind"] = np.where((kind == "") & given, "unknown", kind).astype(object)
    frame["reason_text"] = np.where(text == "", reason, text)
    export.applications = table
    offers = stacked(tables.get("offers", []), (*OFFER, "status", "accepted"))
    state = mapped(offers.frame["status"].array, OFFER_STATE, "unknown")
    accepted = mapped(offers.frame["accepted"].array, OFFER_STATE, "unknown")
    state = np.where((accepted == "sent") | (state == "sent"), "sent", np.where(state == "", accepted, state))
    findings.add("unknown offer", offers, np.isin(state, ("unknown", "")), words=offers.frame["status"])
    offers.frame["state"] = state
    export.offers = offers
