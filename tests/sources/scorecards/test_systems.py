"""Exports of each system in each form: outcomes by the rules, and every quirk counted and listed by row."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from exports import ashby, lever, rejected, v1, v1_application, v1_card, written
from openpyxl import Workbook

from predictor.errors import ConfigError
from predictor.reports.import_report import render_import
from predictor.sources.scorecards import Imported, read_scorecards
from predictor.sources.scorecards.pseudonyms import key_file_of, key_for

KEY = b"a key of sixteen"
SHARED = Path(__file__).parents[4] / "shared/ats"
TODAY = datetime(2026, 6, 1, tzinfo=UTC)


def read(system: str, records: dict[str, list[Any]], **how: Any) -> Imported:
    return read_scorecards(system, records=records, pseudonym_key=KEY, today=TODAY, **how)


def listed(imported: Imported, reason: str) -> list[tuple[int, str, str]]:
    return [line[1:] for item in imported.findings.items if item.reason == reason for line in item.lines()]


@pytest.mark.parametrize("form", ["json", "envelope", "pages", "lines", "gz", "airbyte", "bundle", "columns"])
@pytest.mark.parametrize("system", ["greenhouse", "lever", "ashby"])
def test_all_formats_of_an_export_give_the_same_rows(tmp_path: Path, system: str, form: str) -> None:
    records = {"greenhouse": v1(a={"status": "hired"}), "lever": lever(a={}), "ashby": ashby()}[system]
    imported = read_scorecards(system, [written(tmp_path / form, records, form)], pseudonym_key=KEY, today=TODAY)
    direct = read(system, records)
    assert imported.table.to_dict("records")[0].keys() == direct.table.to_dict("records")[0].keys()
    assert imported.table.astype(str).equals(direct.table.astype(str))
    assert imported.cards.astype(str).equals(direct.cards.astype(str))
    assert len(imported) == 1 and imported.ratings.y.tolist() == [{"lever": 0.0}.get(system, 1.0)]


# Greenhouse ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("application", "offer", "outcome", "kind"),
    [
        ({"status": "hired"}, None, "yes", ""),
        (rejected(), None, "no", ""),
        (rejected(""), None, "no", ""),
        (rejected("Hiring freeze", "None specified"), None, "no", ""),
        (rejected(), {"status": "rejected", "sent_at": None}, "yes", ""),
        (rejected(), {"status": "deprecated", "sent_at": "2026-03-04"}, "yes", ""),
        ({"status": "active"}, {"status": "accepted", "sent_at": None}, "yes", ""),
        ({"status": "active"}, {"status": "unresolved", "sent_at": "2026-03-04"}, "yes", ""),
        ({"status": "active"}, {"status": "unresolved", "sent_at": None}, "", "offer not sent"),
        (rejected(), {"status": "deprecated", "sent_at": None}, "", "offer not sent"),
        ({"status": "active"}, None, "", "open"),
        ({"status": "in_process"}, None, "", "open"),
        ({"status": "active", "prospect": True}, None, "", "prospect"),
        ({"status": "on_hold"}, None, "", "unknown state"),
        (rejected("Took another job", "They rejected us"), None, None, "withdrawn"),
        (rejected("Offer declined", "They rejected us"), None, "", "ask"),
        (rejected("Candidate withdrew", "None specified"), None, "", "ask"),
        (rejected("Not a cultural fit", "culture"), None, "", "unknown reason"),
    ],
)
def test_outcomes_follow_the_rules(
    application: dict[str, Any], offer: dict[str, Any] | None, outcome: str | None, kind: str
) -> None:
    records = v1(a=application)
    if offer:
        records["offers"] = [
            {"id": 1, "application_id": 1, "created_at": "2026-03-03T10:00:00Z", "resolved_at": None, **offer}
        ]
    imported = read("greenhouse", records)
    assert imported.table["offer"].tolist() == ([] if outcome is None else [outcome])
    assert not kind or listed(imported, kind)


def test_answered_reasons_decide_open_outcomes() -> None:
    records = v1(a=rejected("Offer declined", "None specified"), b=rejected("Other", "culture"), c=rejected())
    assert read("greenhouse", records).outcomes.asked == {"Offer declined": 1, "Other": 1}
    answered = read("greenhouse", records, reasons=["offer declined=yes", "*=no"])
    assert answered.table["offer"].tolist() == ["yes", "no", "no"] and not answered.outcomes.asked


def test_unknown_rating_words_are_never_guessed() -> None:
    records = v1(a={"status": "hired"}, b=rejected())
    records["scorecards"] += [v1_card(3, 1, "stong_yes", submitted_by={"id": 1}), v1_card(4, 2, "no_decision")]
    records["scorecards"][0]["attributes"] += [
        {"name": " communication ", "type": "Skills", "rating": "no"},
        {"name": "Salary", "type": "Details", "rating": "yes"},
    ]
    imported = read("greenhouse", records)
    assert imported.catalogue and imported.catalogue.names == ("communication",)
    assert listed(imported, "unknown word") == [(3, "3", "stong_yes")]
    assert listed(imported, "details") == [(1, "1", "")]
    assert listed(imported, "unrated") == [(3, "3", ""), (4, "4", "")]
    assert imported.table[["communication", "communication_raters", "raters"]].to_numpy().tolist() == [
        [3, 1, 1],
        [4, 1, 1],
    ]
    known = read("greenhouse", records, levels=["stong_yes=5"])
    assert known.table["communication"].tolist() == [pytest.approx(11 / 3), 4] and not listed(known, "unknown word")


def test_cards_after_the_decision_are_left_out() -> None:
    records = v1(a=rejected(), b={"status": "hired"})
    records["offers"] = [
        {
            "id": 1,
            "application_id": 2,
            "status": "accepted",
            "sent_at": "2026-03-04",
            "created_at": "2026-03-02T10:00:00Z",
        }
    ]
    records["scorecards"] += [
        v1_card(3, 1, submitted_at="2026-03-05T12:00:01Z"),
        v1_card(4, 1, updated_at="2026-03-09T00:00:00Z"),
        v1_card(5, 2, submitted_at="2026-03-04T23:00:00Z"),
        v1_card(6, 2, submitted_at="2026-03-05T00:00:00Z"),
        v1_card(7, 1, submitted_at=None),
        v1_card(8, 77),
        v1_card(1, 1, "no", updated_at="2026-03-02T10:00:00Z"),  # the same card, changed between two pages
    ]
    imported = read("greenhouse", records)
    kinds = ("after decision", "changed later", "same day", "draft", "orphan card", "repeated")
    assert {kind: [key for _, key, _ in listed(imported, kind)] for kind in kinds} == {
        "after decision": ["3", "6"], "changed later": ["4"], "same day": ["5"], "draft": ["7"], "orphan card": ["8"], "repeated": ["1"],
    }  # fmt: skip
    assert imported.table["communication"].tolist() == [3.0, 4.0]  # 2 of the newer card, 4 of another, by one rater
    assert imported.cards["card"].tolist() == ["1", "4", "2", "5"]
    assert (imported.table["rated_on"] <= imported.table["outcome_on"]).all()


def v3(**columns: Any) -> dict[str, list[Any]]:
    card = {"id": 5, "application_id": 10, "interview_kit_id": 70, "interviewer_id": 100, "submitter_id": 101, "candidate_rating": "strong_no",
            "status": "submitted", "submitted_at": "2026-03-01 10:00:00.123", "updated_at": "2026-03-01 10:00:00", "notes": "canary"}  # fmt: skip
    marks = [{"id": n, "scorecard_id": 5, "job_candidate_attribute_id": 900 + n, "candidate_attribute_rating": word, "note": "canary"}
             for n, word in enumerate(("strong_yes", "definitely_not", "strong_no"))]  # fmt: skip
    names = [
        {"id": 900 + n, "name": f"Signal {n}", "candidate_attribute_type_id": 1, "sort_order": n, "job_id": 1}
        for n in range(2)
    ]
    return {
        "scorecard": [{**card, **columns}], "scorecard_candidate_attribute": marks, "job_candidate_attribute": names,
        "interview_kit": [{"id": 70, "job_interview_id": 50, "job_id": 1}],
        "job_interview": [{"id": 50, "name": "Technical", "job_interview_stage_id": 8, "require_scorecard": True}],
        "application": [{"id": 10, "candidate_id": 1, "status": "rejected", "prospect": False, "rejected_at": None}],
        "rejection_detail": [{"id": 1, "application_id": 10, "rejection_reason_id": 9, "rejected_at": "2026-03-05 12:00:00"}],
        "rejection_reason": [{"id": 9, "name": "Lacking skills", "type_id": 1, "type_key": "WE_REJECTED_THEM"}],
    }  # fmt: skip


@pytest.mark.parametrize("form", ["json", "columns"])
def test_greenhouse_v3_is_joined_from_its_tables(tmp_path: Path, form: str) -> None:
    imported = read_scorecards("greenhouse", [written(tmp_path, v3(), form)], pseudonym_key=KEY, overall=True)
    row = imported.table.iloc[0]
    assert row[["application", "person", "stage", "offer", "outcome_on"]].tolist() == [
        "10",
        "1",
        "Technical",
        "no",
        "2026-03-05T12:00:00Z",
    ]
    assert row[["signal_0", "signal_1", "overall_recommendation"]].tolist() == [5, 1, 1]
    assert [word for *_, word in listed(imported, "unnamed")] == [""] and imported.counts["naive times"] > 1
    assert not listed(imported, "unknown word")  # a mark without a name has no scale either


def test_every_omitted_rating_is_listed() -> None:
    """An attribute without a name, a deleted rating, and a card whose lists use words."""
    records = v3()
    records["job_candidate_attribute"][1]["name"] = None
    records["scorecard_candidate_attribute"][0]["_fivetran_deleted"] = True
    imported = read("greenhouse", records)
    assert listed(imported, "deleted rating") == [(1, "5", "")]
    assert [row for row, *_ in listed(imported, "unnamed")] == [3, 2]
    records = v1(a={"status": "hired"}, b=rejected())
    records["scorecards"][0].update(attributes=None, ratings={"strong_yes": ["Communication"], "no": None})
    assert read("greenhouse", records).table["communication"].tolist() == [5, 4]
    records["offers"] = [{"id": 1, "application_id": 2, "status": "accepted", "sent_at": "2026-03-04", "deleted": True}]
    imported = read("greenhouse", records)
    assert listed(imported, "deleted offer") == [(1, "2", "")] and imported.table["offer"].tolist() == ["yes", "no"]


def test_a_reopened_application_is_not_decided() -> None:
    """An open application keeps the time of a rejection that was withdrawn, as does one that ended in a hire."""
    again = {"rejected_at": "2026-02-01T00:00:00Z"}
    imported = read("greenhouse", v1(a={"status": "active", **again}, b={"status": "hired", **again}))
    assert not listed(imported, "after decision") and [row for row, *_ in listed(imported, "no decision time")] == [2]
    assert imported.table["offer"].tolist() == ["", "yes"] and set(imported.table["outcome_on"]) == {""}
    imported = read("greenhouse", v1(a={"status": "archived", **again}))  # what a new word means is not guessed
    assert listed(imported, "unknown state") == [(1, "1", "archived")] and imported.table["offer"].tolist() == [""]


def test_stages_follow_the_process_and_unknown_ones_are_listed() -> None:
    records = v1(a={"status": "hired"}, b=rejected())
    on_site: dict[str, Any] = {"interview": "A final", "interview_step": {"id": 2, "name": "A final"}}
    records["scorecards"] += [v1_card(key, 1, submitted_at="2026-03-04T10:00:00Z", **on_site) for key in (3, 4, 5)]
    records["scorecards"][1] |= {"interview": None, "interview_step": None}
    imported = read("greenhouse", records)
    assert listed(imported, "no stage") == [(2, "2", "")]
    page = render_import(imported).partition("Stages</h2>")[2]
    assert -1 < page.index("Phone screen") < page.index("A final")


def test_greenhouse_v3_drafts_and_unknown_statuses_are_listed() -> None:
    assert listed(read("greenhouse", v3(status="draft")), "draft")
    assert listed(read("greenhouse", v3(status="reopened")), "unknown status") == [(1, "5", "reopened")]


def test_only_the_card_without_a_time_is_left_out() -> None:
    records = v3()
    records["scorecard"].append({**records["scorecard"][0], "id": 6, "submitted_at": None})
    records["scorecard_candidate_attribute"].append(
        {**records["scorecard_candidate_attribute"][0], "id": 9, "scorecard_id": 6}
    )
    imported = read("greenhouse", records)
    assert listed(imported, "undated") == [(2, "6", "")]
    assert not listed(imported, "after stage")
    assert imported.table["cards"].tolist() == [1]


def test_deleted_and_merged_people_and_repeated_answers_are_resolved() -> None:
    records = v1(a={"status": "hired"}, b=rejected(), c=rejected())
    records["candidates"] = [
        {"id": 501, "is_private": False, "new_candidate_id": 900, "_fivetran_deleted": False},
        {"id": 502, "is_private": False, "new_candidate_id": None, "_fivetran_deleted": True},
    ]
    records["eeoc"] = [
        {"application_id": 1, "race": {"description": race}, "gender": {"description": "Female"}, "submitted_at": at}
        for race, at in (("White", "2026-01-02T00:00:00Z"), ("Asian", "2026-01-01T00:00:00Z"))
    ] + [
        {
            "application_id": 3,
            "race": {"description": "American Indian or Alaskan Native"},
            "gender": {"description": "canary"},
        }
    ]
    imported = read("greenhouse", records)
    assert imported.table["person"].tolist() == ["900", "503"] and listed(imported, "deleted") == [(2, "2", "")]
    assert imported.groups is not None
    assert imported.groups.to_numpy().tolist() == [
        ["503", "", "American Indian or Alaska Native"], ["900", "Female", "White"],
    ]  # fmt: skip
    assert listed(imported, "unknown group") == [(3, "3", "")]


# Stages, raters -------------------------------------------------------------------------------------------------------


def stage_records() -> dict[str, list[Any]]:
    records = v1(a={"status": "hired"}, b=rejected())
    step = {"id": 2, "name": "On-site (panel)"}
    later = "2026-03-02T10:00:00Z"
    records["scorecards"] += [
        v1_card(3, 1, "strong_yes", interview_step=step, submitted_at=later, interviewer={"id": 7}),
        v1_card(4, 1, "no", interview_step=step, submitted_at=later, interviewer={"id": 8}),
    ]
    return records


def test_a_landmark_stage_uses_only_earlier_cards() -> None:
    records = stage_records()
    each, phone, onsite = (
        read("greenhouse", records, stage=stage).table for stage in ("each", "after the phone screen", "on site")
    )
    assert [*each[["communication", "communication_raters", "raters"]].loc[1]] == [pytest.approx(11 / 3), 3, 3]
    assert each.loc[1, "communication_spread"] == pytest.approx(np.std([4, 5, 2], ddof=1))
    assert each["communication_spread"].isna()[2]
    assert each["stage"].tolist() == ["Phone screen", "On-site (panel)", "Phone screen"]
    assert phone["communication"].tolist() == [4, 4] and onsite["application"].tolist() == ["1"]
    imported = read("greenhouse", records, stage="after the phone screen")
    assert [key for _, key, _ in listed(imported, "after stage")] == ["3", "4"]
    assert imported.cards["use"].tolist() == ["row", "later", "later", "row"]
    with pytest.raises(ConfigError, match=r"no such stage; the stages are: .*Phone screen \(2 cards\)"):
        read("greenhouse", records, stage="debrief")


def test_rater_pseudonyms_are_stable_for_a_key() -> None:
    first, again, other = (
        read_scorecards("greenhouse", records=stage_records(), pseudonym_key=key) for key in (KEY, KEY, b"b" * 16)
    )
    panel = str(first.table.loc[1, "panel"]).split(";")
    assert len(panel) == 3 and panel == sorted(panel) and set(panel) == set(first.cards["rater"])
    assert first.table.equals(again.table) and not set(panel) & set(other.cards["rater"])
    assert all(re.fullmatch(r"R-[0-9a-f]{10}", text) for text in first.cards["rater"])


def test_a_key_file_of_the_earlier_name_is_still_used(tmp_path: Path) -> None:
    (tmp_path / "early.salt").write_bytes(KEY)
    assert key_for(tmp_path / "early.csv") == KEY
    assert [key_file_of(tmp_path / name).name for name in ("early.csv", "new.csv")] == ["early.salt", "new.key"]


# Lever, Ashby ---------------------------------------------------------------------------------------------------------


def test_lever_fields_are_read_by_type_and_people_by_contact() -> None:
    records = lever(a={}, b={"completedAt": None}, c={"deletedAt": 1_772_900_000_000})
    del records["feedback"][1]["completedAt"]
    records["feedback"].append({**records["feedback"][0], "id": "form-4", "opportunityId": "o-2", "user": "u9"})
    imported = read("lever", records)
    assert imported.table[["application", "person", "offer"]].to_numpy().tolist() == [
        ["o-1", "c-1", "no"],
        ["o-2", "c-1", ""],
    ]
    assert imported.table["teamwork"].tolist() == [5, 5] and imported.table["drive"].isna().all()
    assert [listed(imported, kind)[0][1] for kind in ("draft", "deleted card")] == ["form-2", "form-3"]
    assert imported.catalogue and imported.catalogue.signals[1].anchors == {"1": "1", "2": "2", "4": "3", "5": "4"}
    assert read("lever", records, overall=True).table["overall_recommendation"].tolist() == [4, 4]
    assert read("lever", records, evenly_spaced=True, overall=True).table["overall_recommendation"].tolist() == [
        3.6667,
        3.6667,
    ]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("sent", "yes"),
        ("sent-manually", "yes"),
        ("opened", "yes"),
        ("denied", "yes"),
        ("signed", "yes"),
        ("draft", ""),
        ("approval-sent", ""),
        ("approved", ""),
    ],
)
def test_lever_offers_decide_the_outcome(status: str, outcome: str) -> None:
    records = lever(a={})
    records["offers"] = [
        {"id": "of-1", "status": status, "creator": "u1", "candidateId": "o-1", "createdAt": 1_772_500_000_000}
    ]
    assert read("lever", records).table["offer"].tolist() == [outcome]


def test_lever_people_without_consent_are_left_out_and_reasons_listed() -> None:
    for cells, kind in (
        ({"isAnonymized": True}, "anonymised"),
        ({"dataProtection": {"store": {"allowed": True, "expiresAt": 1_773_500_000_000}}}, "consent"),
        ({"archived": {"archivedAt": 1_773_000_000_000, "reason": "r-2"}}, "ask"),
        ({"archived": {"archivedAt": 1_773_000_000_000, "reason": "r-9"}}, "unknown reason"),
        ({"stage": "lead-new"}, "prospect"),
    ):
        records = lever(a={})
        records["opportunities"][0] |= cells
        imported = read("lever", records)
        assert [key for _, key, _ in listed(imported, kind)] == ["o-1"], kind
        assert len(imported.cards) == (kind not in ("anonymised", "consent"))


def test_lever_warehouse_tables_require_field_names() -> None:
    records: dict[str, list[Any]] = {
        "feedback_form": [{"id": "f", "completed_at": "2026-03-01 10:00:00", "created_at": "2026-03-01", "creator_id": "u", "score_system_value": "3 - Hire",
                           "template_id": "T=", "text": "Debrief", "opportunity_id": "o-1"}],
        "feedback_form_field": [{"feedback_form_id": "f", "field_index": n, "value_index": 0, "value_number": v, "value_text": t} for n, v, t in ((1, 4, None), (2, None, "canary"))],
        "opportunity": lever()["opportunities"],
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"(?s)no signal is named.*only their places.*--fields"):
        read("lever", records).ratings  # noqa: B018 - the property refuses
    named = read("lever", records, fields={"T=": {"1": "Teamwork"}}, overall=True)
    assert named.table[["teamwork", "overall_recommendation"]].to_numpy().tolist() == [[5, 4]]


@pytest.mark.parametrize("value", [4, "4", {"score": 4}, 4.0])
def test_ashby_scores_belong_to_the_credited_user(value: Any) -> None:
    imported, own = read("ashby", ashby(value)), read("ashby", ashby(value, creditedToUser=None))
    assert imported.table[["technical_skills", "stage", "offer"]].to_numpy().tolist() == [[5, "Screen", "yes"]]
    assert imported.cards["rater"].tolist() != own.cards["rater"].tolist() and listed(own, "submitter")
    assert listed(read("ashby", ashby(9)), "unknown word") == [(1, "fb-1", "9")]


def test_ashby_without_applications_keeps_cards_and_names_the_gap() -> None:
    records = {"feedback": ashby()["feedback"]}
    imported = read("ashby", records)
    assert len(imported) == 0 and imported.cards[["application", "person", "use"]].to_numpy().tolist() == [
        ["app-1", "", "no application"]
    ]
    assert listed(imported, "no application")


def test_the_overall_rating_is_never_a_signal() -> None:
    """In older forms of Lever it is a score with options; forms of Ashby give it customer-specific titles."""
    options = [{"text": text} for text in ("4 - Strong Hire", "3 - Hire", "2 - No Hire", "1 - Strong No Hire")]
    records = lever(a={})
    records["feedback"][0]["fields"][0] = {"type": "score", "text": "Rating", "options": options, "value": "3 - Yes"}
    records["feedback"][0]["fields"].append({"type": "yes-no", "text": "Again?", "value": "yes"})
    assert read("lever", records).names == ("drive", "teamwork")
    imported = read("lever", records, overall=True)
    assert imported.table["overall_recommendation"].tolist() == [4] and listed(imported, "other answer") == [
        (1, "form-1", "yes-no")
    ]
    records = ashby()
    fields = records["feedback"][0]["formDefinition"]["sections"][0]["fields"]
    fields[2]["field"] |= {"path": "3f0e", "title": "Overall Recommendation"}
    choice = [{"label": word, "value": word[0]} for word in ("Definitely not", "No", "Yes", "Strong yes")]
    fields += [
        {"field": {"type": "ValueSelect", "path": "c", "title": "Culture", "selectableValues": choice}},
        {"field": {"type": "Boolean", "path": "b", "title": "Again"}},
    ]
    records["feedback"][0]["submittedValues"] |= {"3f0e": "a", "c": "Y", "b": True, "gone": {"score": 2}}
    imported = read("ashby", records)
    assert imported.table[["culture", "technical_skills"]].to_numpy().tolist() == [[4, 5]] and len(imported.names) == 2
    assert listed(imported, "unnamed") == [(1, "fb-1", "")] and (1, "fb-1", "Boolean") in listed(
        imported, "other answer"
    )
    assert read("ashby", records, overall=True).table["overall_recommendation"].tolist() == [5]


def test_a_pending_ashby_offer_counts_as_decided_when_created() -> None:
    records = ashby()
    records["offers"] = [
        {"id": "o", "applicationId": "app-1", "acceptanceStatus": "WaitingOnResponse", "decidedAt": "2026-03-09T00:00:00Z",
         "latestVersion": {"createdAt": "2026-03-01T11:00:00Z"}}
    ]  # fmt: skip
    records["feedback"].append({**records["feedback"][0], "id": "fb-2", "submittedAt": "2026-03-01T10:00:00Z"})
    imported = read("ashby", records)
    assert [key for _, key, _ in listed(imported, "after decision")] == ["fb-1"] and imported.table[
        "offer"
    ].tolist() == ["yes"]


def test_all_file_shapes_of_an_export_are_read(tmp_path: Path) -> None:
    """Pages appended to a file, pages in a list, applications within candidates, single answers, child tables."""
    records, cards = v1(a={"status": "hired"}, b=rejected()), "scorecards.json"
    wanted = read("greenhouse", records).table
    people = [
        {"id": one["candidate_id"], "is_private": False, "applications": [one]} for one in records["applications"]
    ]
    for number, text in enumerate(
        ("".join(json.dumps([card]) for card in records["scorecards"]), "\n".join(json.dumps([card], indent=1) for card in records["scorecards"]),
         json.dumps([[card] for card in records["scorecards"]]))
    ):  # fmt: skip
        folder = written(tmp_path / str(number), {"candidates": people})
        (folder / cards).write_text(text)
        pd.testing.assert_frame_equal(read_scorecards("greenhouse", [folder], pseudonym_key=KEY).table, wanted)
    folder = written(tmp_path / "single", {})
    for name, items in ashby().items():
        (folder / f"{name}.json").write_text(json.dumps({"success": True, "results": items[0]}))
    assert read_scorecards("ashby", [folder]).table["technical_skills"].tolist() == [5]
    flat = [
        {key: cell for key, cell in card.items() if key not in ("attributes", "questions")}
        for card in records["scorecards"]
    ]
    child = [{"_sdc_source_key_id": 1, "name": "Communication", "rating": "no"}]
    folder = written(tmp_path / "child", {**records, "scorecards": flat, "scorecards__attributes": child}, "columns")
    assert read_scorecards("greenhouse", [folder]).table["communication"].tolist() == [2]


def test_each_sheet_of_a_workbook_is_a_table(tmp_path: Path) -> None:
    book = Workbook()
    cards, applications = book.active, book.create_sheet("Applications")
    cards.title = "Scorecards"
    for row in (["id", "application_id", "submitted_at", "overall_recommendation", "attributes"],
                [1, 7, "2026-03-01T10:00:00Z", "yes", '[{"name": "Drive", "rating": "yes"}]']):  # fmt: skip
        cards.append(row)
    for row in (["id", "candidate_id", "status"], [7, 3, "hired"]):
        applications.append(row)
    book.save(tmp_path / "export.xlsx")
    imported = read_scorecards("greenhouse", [tmp_path])
    assert [*imported.files.values()] == ["scorecards of Harvest v1", "applications"] and len(imported) == 1


def test_missing_pages_future_cards_and_v3_logistics_are_listed() -> None:
    expanded = lever(a={})
    expanded["opportunities"][0]["contact"] = {"id": "c-1", "name": "canary"}  # the other one has only the id
    assert read("lever", expanded).table["person"].tolist() == ["c-1"]
    imported = read("greenhouse", {**v1(a={}), "scorecards": [v1_card(1, 1, submitted_at="2027-01-02T00:00:00Z")]})
    assert listed(imported, "future") == [(1, "1", "")]
    records = v3()
    records["candidate_attribute_types"] = [
        {"id": n, "job_id": 1, "name": name, "sort_order": 0, "is_draft": False}
        for n, name in ((1, "Skills"), (2, "Details"))
    ]
    records["job_candidate_attribute"][1]["candidate_attribute_type_id"] = 2
    imported = read("greenhouse", records)
    assert imported.names == ("signal_0",) and len(listed(imported, "details")) == 1


@pytest.mark.parametrize(("flags", "printed"), [((True, True), 1), ((True, False), 0)])
def test_an_export_without_its_last_page_is_reported(tmp_path: Path, flags: tuple[bool, ...], printed: int) -> None:
    records = ashby()
    folder = written(tmp_path, {"applications": records["applications"]})
    for number, more in enumerate(flags):
        page = {"results": [{**records["feedback"][0], "id": f"fb-{number}"}], "moreDataAvailable": more}
        (folder / f"page-{number}.json").write_text(json.dumps(page))
    notes = read_scorecards("ashby", [folder]).findings.notes
    assert len(notes) == printed and all("export all pages of the feedback" in note for note in notes)


# The files that were kept back ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED.is_dir(), reason="the sample files of the systems are not here")
@pytest.mark.parametrize(
    ("system", "folder", "kinds"),
    [
        ("greenhouse", "greenhouse-harvest-v1", {"orphan card": 2, "prospect": 1, "open": 1, "orphan offer": 2}),
        ("greenhouse", "greenhouse-harvest-v3-shape", {"draft": 1, "after decision": 1, "open": 1, "orphan offer": 2}),
        (
            "greenhouse",
            "fivetran-greenhouse-v1",
            {"unknown word": 1, "orphan rating": 2, "orphan card": 2, "submitter": 2},
        ),
        ("greenhouse", "fivetran-greenhouse-v3", {"orphan card": 2, "reason kind": 2, "open": 2}),
        ("lever", "lever-v1-shape", {"draft": 1, "deleted card": 1, "no application": 2, "unrated": 1}),
        ("lever", "fivetran-lever", {"draft": 1, "anonymised": 1, "orphan rating": 3, "prospect": 1}),
        ("ashby", "ashby-shape", {"no application": 2, "submitter": 1}),
    ],
)
def test_sample_files_of_the_systems_are_read(system: str, folder: str, kinds: dict[str, int]) -> None:
    imported = read_scorecards(system, [SHARED / folder], pseudonym_key=KEY)
    assert {kind: imported.findings.count(kind) for kind in kinds} == kinds
    if folder == "greenhouse-harvest-v3-shape":
        assert imported.table[
            ["application", "person", "communication", "problem_solving", "offer"]
        ].to_numpy().tolist() == [["10", "1", 3, 5, "no"]]
    if folder == "greenhouse-harvest-v1":
        assert imported.counts["ratings"] == 12 and len(imported.names) == 6
    if folder == "lever-v1-shape":
        assert imported.cards[["teamwork", "work_ethic"]].to_numpy().tolist() == [[5, 4]]
    if folder == "ashby-shape":
        assert imported.cards["technical_skills"].tolist() == [5, 2]


def test_a_duplicate_application_counts_once() -> None:
    records = v1(a={"status": "hired"})
    records["applications"].append(v1_application(1, "hired"))
    assert len(read("greenhouse", records)) == 1
