"""Lever: feedback forms of the API and of a warehouse.

The system lets customers name everything, so a field is known by its type. A person has several opportunities: rows
are grouped by the opportunity's contact. The warehouse's fields have no names, only a place in their template.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from predictor.errors import Problem, plural
from predictor.sources.scorecards.export import APPLICATION, CARD, OFFER, SourceExport, folded, list_others, mapped
from predictor.sources.scorecards.findings import Findings, shown_word
from predictor.sources.scorecards.levels import FOUR_NUMBERS, ScoreLevels, numbered_scale, scale_of, word_on
from predictor.sources.scorecards.signals import ABOUT_OVERALL, OVERALL, name_of
from predictor.sources.scorecards.tables import (
    DELETED,
    Table,
    TableKind,
    ids_of,
    positions,
    stacked,
    text_ids,
    words_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPPORTUNITY = ("opportunity_id", "opportunity", "opportunity_id_", "opportunityid")
FORMS = TableKind(
    "feedback forms",
    (
        ("fields", "score_system_value", "base_template_id", "template_id"),
        ("id",),
        ("created_at", "completed_at", "user"),
    ),
    {
        "id": ("id",),
        "application": OPPORTUNITY,
        "rater": ("user_id", "user", "creator_id", "creator"),
        "stage": ("text",),
        "submitted": ("completed_at",),
        "updated": ("updated_at",),
        "created": ("created_at",),
        "overall": ("score_system_value",),
        "template": ("template_id", "base_template_id"),
        "interview": ("interview_id", "interview"),
        "deleted": DELETED,
    },
    never=("status", "sent_at", "field_index"),
)
KINDS = (
    FORMS,
    TableKind(
        "fields of forms",
        (("feedback_form_id",), ("field_index",)),
        {
            "card": ("feedback_form_id",),
            "field": ("field_index",),
            "value": ("value_index",),
            "number": ("value_number",),
            "decimal": ("value_decimal",),
        },
        required=("card", "field"),
    ),
    TableKind(
        "links of forms to interviews",
        (("feedback_form_id",), ("interview_id",)),
        {"card": ("feedback_form_id",), "interview": ("interview_id",)},
        required=("card", "interview"),
    ),
    TableKind(
        "interviews",
        (("id",), ("panel_id", "panel", "subject", "gcal_event_url"), ("stage_id", "stage", "date")),
        {"id": ("id",), "application": OPPORTUNITY},
    ),
    TableKind(
        "reasons of archiving",
        (("id",), ("text",)),
        {"id": ("id",), "reason_text": ("text",), "type": ("type",)},
        label="reason",
        never=("contact", "created_at"),
    ),
    TableKind(
        "offers",
        (
            ("status",),
            ("id",),
            ("candidate_id", *OPPORTUNITY, "sent_at", "approved", "signatures", "creator", "creator_id"),
        ),
        {
            "id": ("id",),
            "application": OPPORTUNITY,
            "person": ("candidate_id",),
            "state": ("status",),
            "sent": ("sent_at",),
            "created": ("created_at",),
            "deleted": DELETED,
        },
        never=("requisition_code", "headcount_total", "contact", "fields_type", "archived_at"),
    ),
    TableKind(
        "opportunities",
        (("contact", "contact_id", "headline", "is_anonymized"), ("id",)),
        {
            "id": ("id",),
            "person": ("contact", "contact_id"),
            "stage": ("stage_id", "stage"),
            "rejected": ("archived_at", "archived_archived_at"),
            "reason": ("archived_reason_id", "archived_reason", "archive_reason_id"),
            "reason_text": ("archived_reason_text",),
            "anonymised": ("is_anonymized",),
            "allowed": ("data_protection_store_allowed",),
            "expires": ("data_protection_store_expires_at",),
            "updated": ("updated_at",),
            "deleted": DELETED,
            "origin": ("simulated",),
        },
        required=("id", "person"),
    ),
    TableKind("deleted opportunities", (("id",), ("deleted_at",)), {"id": ("id",)}, label="opportunit|delet"),
)
OFFER_STATE = {
    **dict.fromkeys(("sent", "sentmanually", "opened", "denied", "signed"), "sent"),
    **dict.fromkeys(
        ("draft", "approvalsent", "approved", "cancelled", "canceled", "voided", "approvaldenied"), "waiting"
    ),
}
CHOICES = ("multiple-choice", "dropdown")
TEXTS = ("text", "textarea", "code", "date", "note", "file-upload")  # free-form fields
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def read(
    tables: dict[str, list[Table]], findings: Findings, fields: Mapping[str, Mapping[str, str]] | None = None
) -> SourceExport:
    """Convert the tables of Lever to common columns.

    Parameters
    ----------
    fields
        Names of the warehouse's fields: by template, by field index.
    """
    forms = tables.get(FORMS.name, [])
    warehouse = not any("fields" in record for part in forms for record in part.records)
    export = SourceExport("Lever, tables of a warehouse" if warehouse else "Lever", levels=FOUR_NUMBERS)
    export.overall_levels = FOUR_NUMBERS
    _cards(export, tables)
    if warehouse:
        _fields(export, tables, findings, fields or {})
    else:
        _ratings(export, findings)
    _opportunities(export, tables)
    _offers(export, tables, findings)
    return export


def _cards(export: SourceExport, tables: dict[str, list[Table]]) -> None:
    cards = stacked(tables.get(FORMS.name, []), (*CARD, "template", "interview", "created"))
    frame = cards.frame
    application = text_ids(frame["application"])
    interviews = stacked(tables.get("interviews", []), ("id", "application"))
    interviews = interviews.chosen(~interviews.frame.duplicated("id", keep="last").to_numpy())
    links = stacked(tables.get("links of forms to interviews", []), ("card", "interview"))
    links = links.chosen(~links.frame.duplicated("card", keep="last").to_numpy())
    linked = np.append(text_ids(links.column("interview")), "")[positions(frame["id"], links.column("card"))]
    interview = text_ids(frame["interview"])
    interview = np.where(interview == "", linked, interview)
    of_interview = np.append(text_ids(interviews.column("application")), "")
    application = np.where(application == "", of_interview[positions(interview, interviews.column("id"))], application)
    if len(cards):
        files, _ = cards.files_and_rows(np.arange(len(cards)))
        by_file = {file: (UUID.findall(file) or [""])[-1] for file in set(files)}  # the API lists forms by opportunity
        application = np.where(application == "", [by_file[file] for file in files], application)
    if lost := int((application == "").sum()):
        export.about.append(
            f"Forms that do not name their opportunity: {lost:,}. The API lists forms by opportunity; name each file, "
            "or its folder, after the opportunity's id."
        )
    frame["application"] = ids_of(application)
    frame["status"] = np.where(np.isnat(frame["submitted"].to_numpy()), "draft", "complete")
    export.cards = cards


def _ratings(export: SourceExport, findings: Findings) -> None:
    """Read the fields within each form: scorecards by their items, the score system as the overall recommendation."""
    owners, names, scores = list[int](), list[str](), list[Any]()
    overall, others, scales = list[str](), defaultdict[str, list[int]](list), dict[str, ScoreLevels]()

    def rate(position: int, name: str, answer: Any, scale: ScoreLevels = FOUR_NUMBERS) -> None:
        answer = answer.get("score") if isinstance(answer, dict) else answer
        owners.append(position)
        names.append(name)
        scores.append(word_on(scales, name_of(name), scale, "" if answer is None else str(answer)))

    files, rows = export.cards.files_and_rows(np.arange(len(export.cards)))
    for position, record in enumerate(export.cards.records):
        verdict = ""
        fields = [] if "fields" in record and record["fields"] is None else record.get("fields")
        if not isinstance(fields, list):
            kind = "has no list of fields; export it again"
            findings.refuse(str(files[position]), Problem(kind, int(rows[position]), "fields"))
            fields = []
        for item in (field for field in fields if isinstance(field, dict)):
            kind, value = str(item.get("type")), item.get("value")
            options = [str(one["text"]) for one in item.get("options") or [] if isinstance(one, dict) and "text" in one]
            if _is_overall(item):
                own = numbered_scale(options) or scale_of(options) or FOUR_NUMBERS
                verdict = word_on(scales, OVERALL, own, "" if value is None else str(value))
            elif kind == "scorecard":
                items = item.get("scores") or []
                values = [] if value is None else value
                items = items if isinstance(items, list) else [items]
                if not isinstance(values, list) or (values and len(values) != len(items)):
                    count = len(values) if isinstance(values, list) else 1
                    problem = (
                        f"has {count} values for {len(items)} scores, which belong together one to one; export it again"
                    )
                    findings.refuse(str(files[position]), Problem(problem, int(rows[position]), "fields"))
                    continue
                for asked, given in zip(items, values, strict=False):
                    rate(position, str(asked.get("text") if isinstance(asked, dict) else asked), given)
            elif kind == "score" and item.get("text"):  # a single score has the field's own name
                rate(position, str(item["text"]), value)
            elif kind in CHOICES and (scale := _scale_of_choice(item, options)):
                rate(position, str(item["text"]), value, scale)
            elif kind not in TEXTS and value not in (None, "", []):
                others[kind].append(position)
        overall.append(verdict)
    export.set_ratings(owners, names, [""] * len(names), scores)
    list_others(others, export.cards, findings)
    if overall:
        export.cards.frame["overall"] = words_of(overall)
    export.overall_levels = scales.pop(OVERALL, FOUR_NUMBERS)
    export.levels_by_signal = scales


def _scale_of_choice(field: Mapping[str, Any], options: Sequence[str]) -> ScoreLevels | None:
    """Return the scale of a choice whose options have a known order; None where it is a verdict, or no rating."""
    title = str(field.get("text") or "")
    about = ABOUT_OVERALL.search(" ".join((title, *options)))
    return None if about or not title.strip() or isinstance(field.get("value"), list) else scale_of(options)


def _is_overall(field: Mapping[str, Any]) -> bool:
    """Whether a field is the overall rating: by its type, or a score that has the options of one, as in older forms."""
    is_score = field.get("type") == "score" and bool(field.get("options") or field.get("overall"))
    return field.get("type") == "score-system" or is_score


def _fields(
    export: SourceExport, tables: dict[str, list[Table]], findings: Findings, fields: Mapping[str, Mapping[str, str]]
) -> None:
    """Name the warehouse's fields by the file of their names; texts are notes and are never read."""
    ratings = stacked(tables.get("fields of forms", []), ("card", "field", "value", "number", "decimal"))
    number, decimal = (np.asarray(ratings.column(name), dtype=object) for name in ("number", "decimal"))
    words = np.where(number != "", number, decimal)
    position = positions(ratings.column("card"), export.cards.column("id"))
    template = np.append(text_ids(export.cards.column("template")), "")[position]
    field = np.asarray(ratings.column("field"), dtype=object).astype(str)
    value = np.asarray(ratings.column("value"), dtype=object).astype(str)
    names = np.array(
        [
            fields.get(of, {}).get(f"{at}.{part}") or fields.get(of, {}).get(at) or ""
            for of, at, part in zip(template, field, value, strict=True)
        ],
        dtype=object,
    )
    rated = words != ""
    known = (names != "") & rated
    where = np.array(
        [f"field {at} of template {shown_word(of)}" for at, of in zip(field, template, strict=True)], object
    )
    findings.add("orphan rating", ratings, position < 0, ids=ratings.column("card"))
    if unnamed := int((rated & (names == "") & (position >= 0)).sum()):
        findings.add("unnamed", ratings, rated & (names == "") & (position >= 0), ids=where)
        export.about.append(
            f"Fields have only their places in this layout; without a name: {plural(unnamed, 'score')}."
        )
    elif len(ratings) and not rated.any():
        export.about.append("The fields of the forms hold texts only, and no scores: texts are never read.")
    chosen = ratings.chosen(known)
    chosen.frame["signal"], chosen.frame["word"] = words_of(names[known]), words_of(words[known])
    chosen.frame["family"] = words_of([""] * int(known.sum()))
    export.ratings = chosen


def _opportunities(export: SourceExport, tables: dict[str, list[Table]]) -> None:
    parts = tables.get("opportunities", [])
    export.no_applications = not parts
    table = stacked(parts, (*APPLICATION, "stage", "reason", "allowed"))
    frame = table.frame
    gone = stacked(tables.get("deleted opportunities", []), ("id",))
    frame["deleted"] = frame["deleted"].to_numpy() | (positions(frame["id"], gone.column("id")) >= 0)
    archived = ~np.isnat(frame["rejected"].to_numpy())
    lead = np.array([str(stage).startswith("lead") for stage in frame["stage"]], dtype=bool)
    reasons = stacked(tables.get("reasons of archiving", []), ("id", "reason_text", "type"))
    reasons = reasons.chosen(~reasons.frame.duplicated("id", keep="last").to_numpy())
    reason = text_ids(frame["reason"])
    position = positions(reason, text_ids(reasons.column("id")))
    text = np.append(np.asarray(reasons.column("reason_text"), dtype=object), "")[position]
    text = np.where(text == "", np.asarray(frame["reason_text"], dtype=object), text)
    kind = np.append(np.asarray(reasons.column("type"), dtype=object), "")[position]
    hired = archived & ((kind == "hired") | np.array([folded(str(word)) == "hired" for word in text], dtype=bool))
    state = np.where(archived, np.where(hired, "hired", "rejected"), "open")
    frame["state"] = np.where(lead, "lead", state).astype(object)
    frame["hired"] = np.where(hired, frame["rejected"].to_numpy(), np.datetime64("NaT", "ms"))
    frame["reason_kind"] = np.where(reason == "", "", np.where(text != "", "none", "unknown")).astype(object)
    frame["reason_text"] = np.where((text == "") & (reason != ""), reason, text)
    frame["refused"] = np.isin([str(word).lower() for word in frame["allowed"]], ("false", "f", "no", "0"))
    export.applications = table


def _offers(export: SourceExport, tables: dict[str, list[Table]], findings: Findings) -> None:
    offers = stacked(tables.get("offers", []), (*OFFER, "person"))
    frame = offers.frame
    application, person = text_ids(frame["application"]), text_ids(frame["person"])
    frame["application"] = ids_of(
        np.where(application == "", person, application)
    )  # a candidateId is an opportunity's id
    lost = text_ids(frame["application"]) == ""
    if lost.any():
        files, _ = offers.files_and_rows(np.arange(len(offers)))
        by_file = [(UUID.findall(str(file)) or [""])[-1] for file in files]
        frame["application"] = ids_of(np.where(lost, by_file, text_ids(frame["application"])))
    state: NDArray[Any] = mapped(frame["state"].array, OFFER_STATE, "unknown")
    state = np.where(np.isnat(frame["sent"].to_numpy()), state, "sent")  # whatever came of it later
    findings.add("unknown offer", offers, state == "unknown", words=frame["state"])
    frame["state"] = np.where(state == "", "unknown", state)
    export.offers = offers
