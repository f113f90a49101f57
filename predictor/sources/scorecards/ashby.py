"""Ashby: feedback with the form's definition in each record, since forms differ by version.

Who a card is credited to rates, else who submitted it. A score arrives as 4, "4" or {"score": 4}.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from predictor.errors import Problem
from predictor.ratings.cells import word_key
from predictor.sources.drafting.rating_words import levels_of
from predictor.sources.scorecards.export import APPLICATION, CARD, OFFER, Export, mapped
from predictor.sources.scorecards.findings import Findings
from predictor.sources.scorecards.levels import FOUR_NUMBERS, Levels
from predictor.sources.scorecards.tables import DELETED, Kind, Table, positions, stacked, text_ids, words_of

FEEDBACK = Kind(
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
    Kind(
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
    Kind(
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
    Kind(
        "interviews",
        (("title",), ("id",)),
        {"id": ("id",), "stage": ("title",)},
        never=("status", "order_in_interview_plan"),
    ),
)
STATES = {
    "active": "open",
    "archived": "rejected",
    "hired": "hired",
    "lead": "lead",
    "pending": "open",
}
SIDES = {
    "rejectedbyorg": "ours",
    "rejectedbycandidate": "theirs",
    "other": "none",
}
OUT = {
    **dict.fromkeys(
        ("waitingoncandidateresponse", "candidateaccepted", "candidaterejected", "accepted", "declined"), "out"
    ),
    **dict.fromkeys(
        ("waitingonapprovalstart", "waitingonofferapproval", "waitingonapprovaldefinition", "approvalrejected"),
        "waiting",
    ),
    **dict.fromkeys(("offercancelled", "offercanceled", "draft", "created", "pending"), "waiting"),
}


def read(tables: dict[str, list[Table]], findings: Findings) -> Export:
    """Convert the records of Ashby to common columns."""
    export = Export("Ashby", levels=FOUR_NUMBERS, by_position=True)
    cards = stacked(tables.get(FEEDBACK.name, []), (*CARD, "submitter", "interview"))
    frame = cards.frame
    rater, submitter = text_ids(frame["rater"]), text_ids(frame["submitter"])
    findings.add("submitter", cards, (rater == "") & (submitter != ""))
    frame["rater"] = np.where(rater == "", submitter, rater)
    frame["status"] = np.where(np.isnat(frame["submitted"].to_numpy()), "draft", "complete")
    interviews = stacked(tables.get("interviews", []), ("id", "stage"))
    interviews = interviews.chosen(~interviews.frame.duplicated("id", keep="last").to_numpy())
    interview = text_ids(frame["interview"])
    place = positions(interview, text_ids(interviews.column("id")))
    titles = np.append(np.asarray(interviews.column("stage"), dtype=object), "")[place]
    unnamed = np.where(interview == "", "", np.char.add("interview ", interview.astype(str)).astype(object))
    frame["stage"] = words_of(np.where(titles != "", titles, unnamed))
    export.cards = cards
    _marks(export, findings)
    _applications(export, tables, findings)
    return export


def _marks(export: Export, findings: Findings) -> None:
    owners, names, families, scores = [], [], [], []
    overall, options = [], dict[str, str]()
    files, rows = export.cards.places(np.arange(len(export.cards)))
    for position, record in enumerate(export.cards.records):
        where = (str(files[position]), int(rows[position]))
        values, verdict = record.get("submittedValues", record.get("submitted_values")), ""
        if not isinstance(values, dict):
            findings.refuse(where[0], Problem("has no submitted values; export it again", where[1], "submittedValues"))
            values = {}
        for section, field in _fields(record):
            kind, path = str(field.get("type", "")), str(field.get("path") or field.get("id") or "")
            value = values.get(path)
            title = str(field.get("title") or field.get("humanReadablePath") or path)
            if kind == "Score":
                score = value.get("score") if isinstance(value, dict) else value
                owners.append(position)
                names.append(title)
                families.append(section)
                scores.append("" if score is None else str(score))
            elif kind in ("ValueSelect", "ValueSingleSelect") and word_key(path) == "overall recommendation":
                chosen = value.get("value") if isinstance(value, dict) else value
                verdict = "" if chosen is None else str(chosen)
                for option in field.get("selectableValues") or []:
                    if isinstance(option, dict):
                        options[str(option.get("value"))] = str(option.get("label"))
        overall.append(verdict)
    places = np.array(owners, dtype=np.int64)
    row = export.cards.places(places)[1] if len(places) else np.array([], np.int64)
    columns = {"card": places, "signal": words_of(names), "family": words_of(families), "word": words_of(scores)}
    starts = np.searchsorted(places, export.cards.starts).tolist()
    export.marks = Table(pd.DataFrame(columns), list(export.cards.files), starts, row - 1)
    if overall:
        export.cards.frame["overall"] = words_of([options.get(word, word) for word in overall])
    known = levels_of(list(dict.fromkeys(options.values()))) if len(options) > 1 else None
    export.overall_levels = Levels.of(known.words) if known and known.better == "higher" else FOUR_NUMBERS


def _fields(record: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the fields of the form that a record carries, each with the title of its section."""
    definition = record.get("formDefinition", record.get("form_definition"))
    sections = definition.get("sections") if isinstance(definition, dict) else None
    fields = []
    for section in sections if isinstance(sections, list) else []:
        for item in section.get("fields") or []:
            field = item.get("field", item) if isinstance(item, dict) else None
            if isinstance(field, dict):
                fields.append((str(section.get("title") or ""), field))
    return fields


def _applications(export: Export, tables: dict[str, list[Table]], findings: Findings) -> None:
    parts = tables.get("applications", [])
    export.no_applications = not parts
    table = stacked(parts, (*APPLICATION, "status", "reason", "type"))
    frame = table.frame
    state = mapped(frame["status"].array, STATES, "unknown")
    findings.add("unknown state", table, state == "unknown", words=frame["status"])
    frame["state"] = np.where(state == "", "unknown", state)
    kind = mapped(frame["type"].array, SIDES, "unknown")
    reason, text = text_ids(frame["reason"]), np.asarray(frame["reason_text"], dtype=object)
    given = (reason != "") | (text != "")
    frame["reason_kind"] = np.where((kind == "") & given, "unknown", kind).astype(object)
    frame["reason_text"] = np.where(text == "", reason, text)
    export.applications = table
    offers = stacked(tables.get("offers", []), (*OFFER, "status", "accepted"))
    state = mapped(offers.frame["status"].array, OUT, "unknown")
    accepted = mapped(offers.frame["accepted"].array, OUT, "unknown")
    state = np.where((accepted == "out") | (state == "out"), "out", np.where(state == "", accepted, state))
    findings.add("unknown offer", offers, np.isin(state, ("unknown", "")), words=offers.frame["status"])
    offers.frame["state"] = state
    export.offers = offers
