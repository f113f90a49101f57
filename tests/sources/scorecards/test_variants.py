"""Further forms of real exports: wrappers, warehouses, empty tables, changing forms, unusual labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from exports import ashby, lever, rejected, v1, v1_application, v1_card, written
from test_systems import KEY, TODAY, listed, read, v3

from predictor.errors import ConfigError
from predictor.reports.import_report import render_import
from predictor.sources.scorecards import Imported, read_scorecards
from predictor.sources.scorecards.times import read_times


def opened(folder: Path, system: str = "greenhouse", **how: Any) -> Imported:
    return read_scorecards(system, [folder], pseudonym_key=KEY, today=TODAY, **how)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name, items: {"data": {name: items}, "meta": {"page": 1}},
        lambda name, items: [{name: items[:1], "next_cursor": "x"}, {name: items[1:], "next_cursor": None}],
        lambda name, items: [items, []],
        lambda name, items: {str(item["id"]): item for item in items},
        lambda name, items: {"items": items, "next_cursor": None, "warnings": [], "errors": []},
    ],
)
def test_wrappers_of_api_clients_are_read(tmp_path: Path, wrap: Any) -> None:
    records = v1(a={"status": "hired"}, b=rejected())
    for name, items in records.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(wrap(name, items)))
    assert opened(tmp_path).table["offer"].tolist() == ["yes", "no"]


def test_a_bundle_of_parts_with_envelopes_is_read(tmp_path: Path) -> None:
    bundle = {name: {"data": items, "next_cursor": None} for name, items in v3().items()}
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    assert opened(tmp_path).table[["stage", "offer"]].to_numpy().tolist() == [["Technical", "no"]]


def test_tables_without_rows_are_empty_and_not_damaged(tmp_path: Path) -> None:
    """A header alone and an empty Parquet file are empty tables, not damaged files."""
    written(tmp_path, v1(a={"status": "hired"}))
    (tmp_path / "offer.csv").write_text("id,application_id,status,sent_at\n")
    frame = pd.DataFrame({"id": [7], "application_id": [1], "status": ["accepted"], "sent_at": ["2026-03-04"]})
    frame.iloc[:0].to_parquet(tmp_path / "part-1.parquet")
    imported = opened(tmp_path)
    assert imported.table["offer"].tolist() == ["yes"]
    assert [imported.files[name] for name in ("offer.csv", "part-1.parquet")] == ["offers", "offers"]


def test_files_that_are_not_read_are_refused_or_listed(tmp_path: Path) -> None:
    written(tmp_path, v1(a={"status": "hired"}))
    (tmp_path / "notes.txt").write_text("as of March")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    assert [name for name, kind in opened(tmp_path).files.items() if not kind] == ["notes.txt"]
    (tmp_path / "offers.json.xz").write_bytes(b"\xfd7zXZ")
    with pytest.raises(ConfigError, match=r"offers\.json\.xz: is not read as it is; decompress it"):
        opened(tmp_path)


def test_times_in_warehouse_formats_are_read() -> None:
    texts = ["2026-03-05 10:00:00.000 +0000", "2026-03-05 02:00:00 -0800", "2026-03-05 10:00:00 +0000 UTC", "NaT"]
    times = read_times(texts, day_end=False)
    assert times.values.astype(str).tolist() == ["2026-03-05T10:00:00.000"] * 3 + ["NaT"]
    assert not times.bad.any() and not times.naive.any()


def test_greenhouse_warehouse_tables_are_read(tmp_path: Path) -> None:
    """Attributes by their ids and category, types of reasons in words, and days as midnight."""
    tables: dict[str, list[dict[str, Any]]] = {
        "scorecards": [
            {"id": n, "application_id": 10 + n, "interviewer_id": 5, "overall_recommendation": "yes", "stage_name": "On-site",
             "submitted_at": "2026-03-04 10:00:00"}
            for n in (1, 2)
        ],
        "scorecards_attributes": [
            {"scorecard_id": n, "attribute_id": at, "rating": "mixed", "notes": "canary"} for n in (1, 2) for at in (55, 57)
        ],
        "attributes": [{"id": 55, "name": "Grit", "category": "Personality Traits"}, {"id": 57, "name": "Pay", "category": "Details"}],
        "applications": [
            {"id": 11, "candidate_id": 1, "status": "hired", "prospect": "f", "rejection_reason_id": None},
            {"id": 12, "candidate_id": 2, "status": "rejected", "prospect": "f", "rejection_reason_id": 9},
        ],
        "rejection_reasons": [{"id": 9, "organization_id": 1, "name": "Skills", "type": "We Rejected Them"}],
        "offers": [{"id": 3, "application_id": 11, "status": "accepted", "sent_at": "2026-03-04 00:00:00"}],
    }  # fmt: skip
    for name, rows in tables.items():
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    imported = opened(tmp_path)
    assert imported.table[["stage", "grit", "offer"]].to_numpy().tolist() == [
        ["On-site", 3, "yes"],
        ["On-site", 3, "no"],
    ]
    assert imported.card_ratings.families == {"grit": "personality_traits"} and len(listed(imported, "details")) == 2
    assert [key for _, key, _ in listed(imported, "same day")] == ["1"]


def test_tables_with_similar_columns_are_not_confused() -> None:
    """Stages of jobs resemble attributes, and held interviews resemble interview kits; ids of both may be equal."""
    records = v3()
    records["job_interview_stages"] = [{"id": 900, "name": "On-site", "job_id": 1, "sort_order": 1, "active": True}]
    records["interviews"] = [
        {"id": 70, "job_interview_id": 51, "job_id": 1, "application_id": 10, "status": "complete"}
    ]
    imported = read("greenhouse", records)
    assert imported.names == ("signal_0", "signal_1") and imported.table["stage"].tolist() == ["Technical"]


def test_an_application_without_a_status_is_listed() -> None:
    assert listed(read("greenhouse", v1(a={"status": None})), "unknown state") == [(1, "1", "")]
    records = ashby()
    records["applications"][0]["status"] = None
    assert listed(read("ashby", records), "unknown state") == [(1, "app-1", "")]


def test_labels_with_different_meanings_are_separate_signals() -> None:
    names = ["C++", "C#", "C", "\N{ELECTRIC LIGHT BULB}", "\N{ROCKET}", "<b>Team &amp; tools</b>", "team & Tools:"]
    attributes = [{"name": name, "type": "Skills", "rating": "yes"} for name in names]
    imported = read("greenhouse", {"cards": [v1_card(1, 1, attributes=attributes)], "a": [v1_application(1, "hired")]})
    assert imported.names == ("c", "c_plus_plus", "c_sharp", "electric_light_bulb", "rocket", "team_tools")
    assert imported.card_ratings.labels["team_tools"] == "Team & tools"


def test_stages_that_differ_only_in_case_are_merged() -> None:
    records = lever(**{name: {"text": text} for name, text in zip("abc", ("Phone screen", "PHONE  SCREEN", "Phone screen"), strict=True)})  # fmt: skip
    assert read("lever", records).table[["stage", "cards"]].to_numpy().tolist() == [["Phone screen", 3]]


def test_an_answer_is_read_on_the_scale_of_its_form() -> None:
    """Forms change: then a word or a number is another level."""
    records = lever(**{name: {"opportunityId": key} for name, key in (("a", "o-1"), ("b", "o-2"))})
    five = [{"text": text} for text in ("5 - Excellent", "4 - Good", "3 - Average", "2 - Poor", "1 - Very poor")]
    records["feedback"][1]["fields"][0] |= {"options": five, "value": "4 - Good"}
    assert read("lever", records, overall=True).table["overall_recommendation"].tolist() == [4, 4]
    words = (("Poor", "Good"), ("Poor", "Fair", "Good", "Excellent"), ())
    scales = [[{"label": word, "value": word[0]} for word in options] for options in words]
    records = {"feedback": [], "applications": []}
    for number, options in enumerate(scales):
        one = ashby(id=f"fb-{number}", applicationId=f"app-{number}")
        kind = {"type": "ValueSelect", "selectableValues": options} if options else {"type": "Score"}
        form = one["feedback"][0]["formDefinition"]["sections"][0]
        form["fields"] = [{"field": {"path": "fit", "title": ("Fit", "fit ", "FIT")[number], **kind}}]
        one["feedback"][0]["submittedValues"] = {"fit": "G" if options else 2}
        records["feedback"] += one["feedback"]
        records["applications"].append({**one["applications"][0], "id": f"app-{number}"})
    imported = read("ashby", records)
    assert imported.table["fit"].tolist() == [5, 4, 2]
    assert "Poor = 1, Fair = 2, Good = 4, Excellent = 5" in render_import(imported)
    assert read("ashby", records, evenly_spaced=True).table["fit"].tolist() == [5, 3.6667, 2.3333]


def test_a_title_in_two_sections_of_a_form_gives_two_signals() -> None:
    records = ashby()
    sections = [
        {"title": title, "fields": [{"field": {"type": "Score", "path": title, "title": "Depth"}}]}
        for title in ("A", "B")
    ]
    records["feedback"][0] |= {"formDefinition": {"sections": [*sections, None]}, "submittedValues": {"A": 1, "B": 4}}
    assert read("ashby", records).table[["a_depth", "b_depth"]].to_numpy().tolist() == [[1, 5]]


def test_lever_api_offers_choices_and_deletions_are_read(tmp_path: Path) -> None:
    """Offers name their posting and lie in a folder of their opportunity; deletions are listed by id alone."""
    key, gone = "00000001-1111-4111-8111-111111111111", "00000002-1111-4111-8111-111111111111"
    records = lever(a={"opportunityId": key}, b={"opportunityId": gone}, c={})
    del records["feedback"][2]["opportunityId"]
    for item, name in zip(records["opportunities"], (key, gone), strict=True):
        item["id"] = name
    words = [{"text": word} for word in ("Poor", "Fair", "Good", "Excellent")]
    records["feedback"][0]["fields"] += [
        {"type": "multiple-choice", "text": "Clarity", "options": words, "value": "Good"},
        {"type": "score", "text": "Depth", "value": {"score": 2, "comment": "canary"}},
    ]
    records["deleted_opportunities"] = [{"id": gone, "deletedAt": 1_773_000_000_000}]
    written(tmp_path, records)
    offers = [{"id": "of", "posting": "p", "status": "revoked", "creator": "u", "createdAt": 1_772_500_000_000, "sentAt": 1_772_600_000_000}]  # fmt: skip
    written(tmp_path / f"Canary ({key})", {"offers": offers})
    imported = opened(tmp_path, "lever")
    assert imported.table[["offer", "clarity", "depth"]].to_numpy().tolist() == [["yes", 4, 2]]
    assert [name for _, name, _ in listed(imported, "deleted")] == [gone]
    assert any("do not name their opportunity: 1" in sentence for sentence in imported.about)
