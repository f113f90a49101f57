"""Small exports of each system with the quirks of real ones, as records; `written` puts them into files."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

from predictor.sources.scorecards.tables import plain

CANARY = "canary"


def v1_card(key: int, application: int, word: str = "yes", **other: Any) -> dict[str, Any]:
    return {
        "id": key, "application_id": application, "candidate_id": application + 500, "interview": "Phone screen",
        "interview_step": {"id": 1, "name": "Phone screen"}, "interviewer": {"id": 821, "name": f"{CANARY} name"},
        "submitted_by": {"id": 4080, "name": f"{CANARY} name"}, "submitted_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-01T10:00:00Z", "interviewed_at": "2027-01-01T00:00:00Z", "overall_recommendation": "yes",
        "attributes": [{"name": "Communication", "type": "Skills", "note": f"{CANARY} note", "rating": word}],
        "questions": [{"id": None, "question": "Private Notes", "answer": f"{CANARY} answer"}], **other,
    }  # fmt: skip


def v1_application(key: int, status: str = "active", **other: Any) -> dict[str, Any]:
    return {
        "id": key, "candidate_id": key + 500, "status": status, "prospect": False, "rejected_at": None,
        "location": {"address": f"{CANARY} street"}, "answers": [{"question": "?", "answer": f"{CANARY} answer"}],
        "current_stage": {"id": 1, "name": "Phone screen"}, "jobs": [{"id": 1, "name": f"{CANARY} job"}], **other,
    }  # fmt: skip


def v1(**applications: Any) -> dict[str, list[Any]]:
    """Return one card and one application per keyword, whose value has the cells of the application."""
    cards, rows = [], []
    for number, cells in enumerate(applications.values(), 1):
        cards.append(v1_card(number, number))
        rows.append(v1_application(number, **cells))
    return {"scorecards": cards, "applications": rows}


def rejected(reason: str = "Lacking skills", side: str = "We rejected them", **other: Any) -> dict[str, Any]:
    why = {"id": 9, "name": reason, "type": {"id": 1, "name": side}} if reason else None
    return {"status": "rejected", "rejected_at": "2026-03-05T12:00:00Z", "rejection_reason": why, **other}


def lever(**forms: dict[str, Any]) -> dict[str, list[Any]]:
    """Return forms of an archived opportunity of contact c-1 and of another one of the same person."""
    cards = []
    for number, cells in enumerate(forms.values(), 1):
        cards.append(
            {
                "id": f"form-{number}", "type": "interview", "text": "Phone interview", "user": f"u{number}", "opportunityId": "o-1",
                "instructions": f"{CANARY} text", "createdAt": 1_772_000_000_000, "completedAt": 1_772_000_100_000,
                "fields": [
                    {"type": "score-system", "text": "How was it?", "value": "3 - Hire"},
                    {"type": "scorecard", "text": "Criteria", "scores": [{"text": "Teamwork", "description": f"{CANARY} x"}, {"text": "Drive"}],
                     "value": [{"score": 4, "comment": f"{CANARY} comment"}, {"score": None, "comment": None}]},
                    {"type": "textarea", "text": "Notes", "value": f"{CANARY} note"},
                ],
                **cells,
            }
        )  # fmt: skip
    opportunities = [
        {"id": key, "name": f"{CANARY} person", "headline": f"{CANARY} head", "contact": "c-1", "emails": [f"{CANARY}@x.org"],
         "stage": "stage-1", "archived": archived, "isAnonymized": False, "createdAt": 1_771_000_000_000}
        for key, archived in (("o-1", {"archivedAt": 1_773_000_000_000, "reason": "r-1"}), ("o-2", None))
    ]  # fmt: skip
    reasons = [{"id": "r-1", "text": "Overqualified"}, {"id": "r-2", "text": "Offer Declined"}]
    return {"feedback": cards, "opportunities": opportunities, "archive_reasons": reasons}


def ashby(value: Any = 4, **other: Any) -> dict[str, list[Any]]:
    field = {"type": "Score", "path": "tech", "title": "Technical skills", "humanReadablePath": f"{CANARY} path"}
    note = {"type": "RichText", "path": "notes", "title": "Notes"}
    overall = {
        "type": "ValueSelect", "path": "overall_recommendation", "title": "Overall",
        "selectableValues": [{"label": "Strong Hire", "value": "a"}, {"label": "No Hire", "value": "b"}],
    }  # fmt: skip
    user = {"firstName": CANARY, "lastName": CANARY, "email": f"{CANARY}@x.org"}
    card = {
        "id": "fb-1", "applicationId": "app-1", "interviewId": "int-1", "submittedAt": "2026-03-01T12:00:00.000Z",
        "submittedByUser": {"id": "user-1", **user}, "creditedToUser": {"id": "user-2", **user},
        "formDefinition": {"sections": [{"title": "Scorecard", "fields": [{"field": one} for one in (field, note, overall)]}]},
        "submittedValues": {"tech": value, "notes": f"{CANARY} note", "overall_recommendation": "a"}, **other,
    }  # fmt: skip
    application = {
        "id": "app-1", "candidate": {"id": "cand-1", "name": f"{CANARY} name", "primaryEmailAddress": {"value": CANARY}},
        "status": "Hired", "archivedAt": None, "customFields": [{"title": "x", "value": f"{CANARY} field"}],
    }  # fmt: skip
    return {"feedback": [card], "applications": [application], "interviews": [{"id": "int-1", "title": "Screen"}]}


def written(folder: Path, records: dict[str, list[Any]], form: str = "json") -> Path:
    """Write records in one of the forms of real exports."""
    folder.mkdir(parents=True, exist_ok=True)
    if form == "bundle":
        (folder / "bundle.json").write_text(json.dumps(records))
        return folder
    for name, items in records.items():
        if form == "json":
            (folder / f"{name}.json").write_text(json.dumps(items))
        elif form == "envelope":
            (folder / f"{name}.json").write_text(json.dumps({"data": items, "hasNext": False}))
        elif form == "pages":
            for number, item in enumerate(items):
                (folder / f"{name}-{number}.json").write_text(json.dumps({"results": [item], "success": True}))
        elif form == "lines":
            (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, items)))
        elif form == "gz":
            with gzip.open(folder / f"{name}.json.gz", "wt") as file:
                json.dump(items, file)
        elif form == "airbyte":
            lines = [json.dumps({"type": "RECORD", "record": {"stream": name, "data": item}}) for item in items]
            (folder / f"{name}.jsonl").write_text("\n".join([json.dumps({"type": "STATE", "state": {}}), *lines]))
        else:  # a warehouse whose nested cells are JSON, with columns in capitals
            columns = list(dict.fromkeys(key for item in items for key in item))
            with (folder / f"{name}.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow([plain(key).upper() for key in columns])
                for item in items:
                    cells = [item.get(key) for key in columns]
                    writer.writerow(
                        [json.dumps(c) if isinstance(c, dict | list) else "" if c is None else c for c in cells]
                    )
    return folder
