"""The scorecards command: its files, repeated imports, people who left, and no free text of a person anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from exports import CANARY, ashby, lever, rejected, v1, v1_card, written
from openpyxl import Workbook

from predictor import Catalogue, read_ratings
from predictor.reports.import_report import render_import
from predictor.sources.scorecards import read_scorecards
from predictor.sources.simulation_greenhouse import simulate_greenhouse, write_greenhouse

Run = Callable[..., Result]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


KILLED = """
import os, signal
from pathlib import Path
from predictor.atomic import temporary_file
with temporary_file(Path("made/interviews.key")) as left:
    left.touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated team's export."""
    folder = tmp_path_factory.mktemp("team") / "export"
    write_greenhouse(simulate_greenhouse(120, seed=3), folder)
    return folder


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_export_becomes_ratings_and_a_second_import_is_identical(
    run: Run, workplace: Path, team: Path, ending: str
) -> None:
    arguments = ("scorecards", "greenhouse", str(team), "--out", f"made/interviews.{ending}", "--catalogue", "made/my.toml", "--groups", "made/g.csv")  # fmt: skip
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    assert "stong_yes" in first.output and "--reason 'Offer declined=OUTCOME'" in first.output
    assert max(map(len, first.output.partition("Written:")[0].splitlines())) <= 80
    before = contents(workplace / "made")
    subprocess.run([sys.executable, "-c", KILLED])
    assert len(contents(workplace / "made")) == len(before) + 1
    assert run(*arguments).exit_code == 0 and contents(workplace / "made") == before
    catalogue = Catalogue.load("made/my.toml")
    assert (catalogue.group, [item.name for item in catalogue.inputs]) == ("person", ["stage"])
    assert catalogue.signals[0].levels[0] == "definitely not" and catalogue.signals[0].better == "higher"
    for name in ("interviews", "interviews-cards"):
        assert read_ratings(f"made/{name}.{ending}", catalogue).simulated
    ratings = read_ratings(f"made/interviews.{ending}", catalogue, training=True)
    direct = read_scorecards("greenhouse", [team]).ratings
    assert ratings.y.tolist()[:9] == direct.y.tolist()[:9] or len(ratings) == len(direct)
    pd.testing.assert_frame_equal(ratings.X, direct.X.round(4))


def test_the_simulated_export_contains_every_quirk(team: Path) -> None:
    kinds = set(read_scorecards("greenhouse", [team]).findings.by_reason())
    assert {
        "draft", "unknown status", "orphan card", "after decision", "changed later", "same day", "unrated", "submitter", "no rater", "orphan rating",
        "unknown word", "details", "unnamed", "withdrawn", "prospect", "open", "offer not sent", "unknown state", "ask", "unknown reason",
        "no card", "no decision time", "orphan offer", "reason kind", "repeated",
    } <= kinds  # fmt: skip


def test_imported_ratings_recover_the_simulated_effect(team: Path) -> None:
    imported = read_scorecards("greenhouse", [team], reasons=["*=no"])
    table = imported.table
    known = table[table["offer"] != ""]
    means = known[list(imported.names)].mean(axis=1)
    offers = known["offer"] == "yes"
    assert means[offers].mean() > means[~offers].mean() + 0.5
    assert set(imported.rows.stage) == {"Phone screen", "On-site interview"} and imported.simulated


def test_people_missing_from_an_export_are_deleted_only_on_request(run: Run, workplace: Path) -> None:
    records = v1(a={"status": "hired"}, b=rejected(), c=rejected())
    arguments = ("scorecards", "greenhouse", str(written(workplace / "export", records)))
    assert run(*arguments).exit_code == 0
    before = contents(workplace)
    records["applications"].pop(1)
    written(workplace / "export", records)
    refused = run(*arguments)
    assert refused.exit_code == 2 and "1 person of this table is not in these files (502)" in refused.output
    assert "--forget" in refused.output and contents(workplace) == before
    forgotten = run(*arguments, "--forget")
    assert forgotten.exit_code == 0 and "predictor forget PERSON" in forgotten.output
    assert "502" not in (workplace / "interviews.csv").read_text() + (workplace / "interviews-cards.csv").read_text()


def test_output_in_the_export_folder_is_not_read_as_input(run: Run, workplace: Path) -> None:
    records = v1(a={"status": "hired"}, b=rejected())
    records["eeoc"] = [{"application_id": 1, "race": {"description": "White"}, "gender": {"description": "Female"}}]
    arguments = ("scorecards", "greenhouse", str(written(workplace, records)), "--out", "i.csv", "--groups", "g.csv")
    assert run(*arguments).exit_code == 0
    before = contents(workplace)
    assert run(*arguments).exit_code == 0 and contents(workplace) == before


def test_forget_names_the_other_files_of_the_import(run: Run, workplace: Path) -> None:
    folder = str(written(workplace / "export", v1(a={"status": "hired"}, b=rejected())))
    run("scorecards", "greenhouse", folder, "--out", "i.csv")
    done = run("forget", "502", "--table", "i.csv", "--yes")
    assert done.exit_code == 0 and "i-cards.csv, i-rows.csv, i-report.html: of the same import" in done.output


def test_an_edited_catalogue_is_kept_while_it_fits(run: Run, workplace: Path) -> None:
    records = v1(a={"status": "hired"}, b=rejected())
    arguments = ("scorecards", "greenhouse", str(written(workplace / "export", records)))
    run(*arguments)
    text = Path("interviews.toml").read_text().replace('"Communication"', '"How they talk"')
    Path("interviews.toml").write_text(text)
    assert run(*arguments).exit_code == 0 and Path("interviews.toml").read_text() == text
    records["scorecards"][0]["attributes"].append({"name": "Drive", "type": "Skills", "rating": "yes"})
    written(workplace / "export", records)
    refused = run(*arguments)
    assert refused.exit_code == 2 and "was edited, and does not have drive" in refused.output


def test_files_that_are_no_scorecard_tables_are_not_overwritten(run: Run, workplace: Path) -> None:
    Path("interviews.csv").write_text("a,b\n1,2\n")
    folder = str(written(workplace / "export", v1(a={"status": "hired"})))
    assert "is not a table of scorecards" in run("scorecards", "greenhouse", folder).output
    assert "ends in .csv or .parquet" in run("scorecards", "greenhouse", folder, "--out", "my.xlsx").output
    os.mkfifo("made-cards.csv")  # nothing takes the place of a pipe or device, such as /dev/null
    made = run("scorecards", "greenhouse", folder, "--out", "made.csv")
    assert "not an ordinary file" in made.output and Path("made-cards.csv").is_fifo() and not Path("made.csv").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("pipe.json",), "pipe.json: not an ordinary file"),  # without a writer, reading would wait for ever
        (("export", "--out", "pipe.csv"), "pipe.csv: cannot be written: not an ordinary file"),
        (("export", "--out", "my.csv", "--catalogue", "pipe.csv"), "pipe.csv: cannot be written: not an ordinary file"),
        (("export", "--out", "circle.csv"), "circle.csv: cannot be written: Too many levels of symbolic links"),
        (("export", "--out", ""), "ends in .csv or .parquet"),
        (("export", "--out", "my.csv", "--catalogue", "garbage.toml"), "garbage.toml: is not UTF-8 text"),
    ],
)
def test_output_paths_that_are_no_files_are_refused(
    run: Run, workplace: Path, options: tuple[str, ...], words: str
) -> None:
    written(workplace / "export", v1(a={"status": "hired"}))
    for name in ("pipe.json", "pipe.csv"):
        os.mkfifo(name)
    Path("circle.csv").symlink_to("circle.csv")
    Path("garbage.toml").write_bytes(b"\x80")
    refused = run("scorecards", "greenhouse", *options)
    assert (refused.exit_code, words in refused.output) == (2, True), refused.output
    assert not Path("my.csv").exists()


@pytest.mark.parametrize("form", ["json", "columns"])
@pytest.mark.parametrize("system", ["greenhouse", "lever", "ashby"])
def test_no_personal_text_reaches_any_output(run: Run, workplace: Path, system: str, form: str) -> None:
    records = {"greenhouse": v1(a={"status": "hired"}, b=rejected()), "lever": lever(a={}), "ashby": ashby()}[system]
    assert json.dumps(records).count(CANARY) > 4
    folder = str(written(workplace / "export", records, form))
    result = run("scorecards", system, folder, "--out", "made/interviews.csv", "--with-overall")
    assert result.exit_code == 0, result.output
    assert CANARY not in result.output
    for name, content in contents(workplace / "made").items():
        assert CANARY.encode() not in content, name


def test_names_and_addresses_in_a_spreadsheet_become_pseudonyms(run: Run, workplace: Path) -> None:
    rows = [
        f"{CANARY} Doe,{CANARY}@x.org,Phone screen,{outcome},{mark},{fit},{CANARY} wrote a note that is long"
        for outcome, mark, fit in (("Hired", "4", "Strong Yes"), ("Rejected", "2", "No"))
    ]
    rows[1] = rows[1].replace(f"{CANARY} Doe", f"{CANARY} Roe")
    Path("my.csv").write_text("\n".join(["Candidate,Interviewer,Stage,Outcome,Listening,Fit,Notes", *rows]))
    Path("map.toml").write_text(run("scorecards", "csv", "--draft", "my.csv").output)
    mapping = Path("map.toml").read_text()
    assert (
        'person = "Candidate"' in mapping and "Listening = { low = 1, high = 4 }" in mapping and "Strong No" in mapping
    )
    assert "Notes" in mapping.splitlines()[-1] and CANARY not in mapping
    result = run("scorecards", "csv", "my.csv", "--mapping", "map.toml", "--out", "made/interviews.csv")
    assert result.exit_code == 0, result.output
    for name, content in contents(workplace / "made").items():
        assert CANARY.encode() not in content, name
    table = pd.read_csv("made/interviews.csv", keep_default_na=False)
    assert all(re.fullmatch(r"P-[0-9a-f]{10}", person) for person in table["person"])
    assert sorted(table[["listening", "fit", "offer"]].to_numpy().tolist()) == [[2.0, 2.0, "no"], [5.0, 5.0, "yes"]]
    assert "could not be noticed" in result.output  # no column of times


SHEETS = {  # typical tables: text that the draft must contain, and the ratings and outcomes that it gives without edits
    "word scales that share their words": (
        "Interviewer Name,Candidate Name,Date,Clarity,Fit,Years of experience,Decision\nBob,Ann,2026-03-01,Good,Poor,3,Offer extended\n"
        "Bob,Cy,2026-03-02,Excellent,Average,5,Rejected\n",
        ['person = "Candidate Name"', 'rater = "Interviewer Name"', 'Fit = ["Poor", "Average", "Good", "Excellent"]'],
        [[4, 1, "yes"], [5, 2, "no"]],
    ),
    "German, with semicolons": (
        "\ufeffBewerber;Runde;Datum;Clarity;Fit (1-4);Ergebnis\nAnna;Telefon;01.03.2026;3,5;1;Zusage\nBo;Telefon;02.03.2026;5;4;Absage\n",
        ['date_format = "%d.%m.%Y"', '"Fit (1-4)" = { low = 1, high = 4 }', 'stage = "Runde"'],
        [[3.5, 1, "yes"], [5, 5, "no"]],
    ),
    "dates of the United States, and numbers before words": (
        "Email,Interviewed by,Submitted on,Clarity,Fit,Final outcome,Decision date\na@x.org,Bob,3/1/2026,4 - Strong,3 - Good,Offer Declined,3/20/2026\n"
        "b@x.org,Bob,3/14/2026,2 - Fair,1 - Weak,Not selected,3/21/2026\n",
        ['date_format = "%m/%d/%Y"', 'rater = "Interviewed by"', 'yes = ["Offer Declined"]', 'Clarity = ["1 - Weak", "2 - Fair"'],
        [[5, 4, "yes"], [2, 1, "no"]],
    ),
    "numbers before words, some of which nobody gave": (
        "Candidate,Interviewer,Clarity,Fit,Outcome\nC1,R1,4 - Strong,5,hired\nC2,R1,2 - Fair,1,rejected\nC3,R1,5 - Best,,open\n",
        ["Clarity = { low = 1, high = 5 }"],
        [[4, 5, "yes"], [2, 1, "no"]],
    ),
    "ids that look like ratings, and days with and without their time": (
        "Candidate Name,Candidate ID,Date,Clarity,Fit,Outcome,Decided at\nAnn,1,01.03.2026 10:30,4,5,Hired,05.03.2026\n"
        "Bo,2,02.03.2026 11:00,2,1,Rejected,06.03.2026\n",
        ['person = "Candidate ID"', 'date_format = "%d.%m.%Y %H:%M"', "# left out, no ratings: Candidate Name"],
        [[4, 5, "yes"], [2, 1, "no"]],
    ),
    "no heading for the outcome": (
        "Name,Clarity,Fit,Grade,What next\nAnn,★★★★☆,2,A,hired\nBo,★☆☆☆☆,5,C,rejected\n",
        ['outcome = "What next"', '# Grade = ["D", "C", "B", "A"]'],
        [[4, 2, "yes"], [1, 5, "no"]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHEETS)
def test_a_draft_mapping_works_without_edits(run: Run, workplace: Path, name: str) -> None:
    content, held, ratings = SHEETS[name]
    Path("my.csv").write_text(content)
    drafted = run("scorecards", "csv", "--draft", "my.csv")
    Path("map.toml").write_text(drafted.stdout)
    assert [line for line in held if line not in drafted.stdout] == [] and "To do" not in drafted.output
    result = run("scorecards", "csv", "my.csv", "--mapping", "map.toml", "--out", "made/i.csv")
    assert result.exit_code == 0, result.output
    table = pd.read_csv("made/i.csv").dropna(subset="offer")
    fit = "fit_1_4" if "fit_1_4" in table else "fit"
    assert sorted(table[["clarity", fit, "offer"]].to_numpy().tolist(), key=lambda row: row[2] == "no") == ratings


def test_raters_in_headings_are_read_once_confirmed(run: Run, workplace: Path) -> None:
    Path("my.csv").write_text(
        "Candidate,Bob: Clarity,Bob: Fit,Ann: Clarity,Outcome\nC1,4,5,3,hired\nC2,2,1,,rejected\nC2,2,1,,rejected\n"
    )
    drafted = run("scorecards", "csv", "--draft", "my.csv").output
    assert 'people who rated: Bob, Ann? If so, write the line heading = "{rater}: {signal}"' in drafted
    lines = [line for line in drafted.splitlines() if line[:1] not in ('"', "#") and not line.startswith("To do")]
    mapping = 'heading = "{rater}: {signal}"\n' + "\n".join(
        [*lines, "Clarity = { low = 1, high = 5 }", "Fit = { low = 1, high = 5 }"]
    )
    Path("map.toml").write_text(mapping)
    result = run("scorecards", "csv", "my.csv", "--mapping", "map.toml", "--out", "made/i.csv")
    assert result.exit_code == 0, result.output
    cards = pd.read_csv("made/i-cards.csv")
    rated = cards[["person", "clarity", "fit"]].fillna(0).to_numpy().tolist()
    assert sorted(rated) == [["C1", 3, 0], ["C1", 4, 5], ["C2", 2, 1], ["C2", 2, 1]]
    assert cards["rater"].nunique() == 2 and "Bob" not in Path("made/i-cards.csv").read_text()
    assert "repeat another one" in result.output and "row 3, id row-3" in result.output
    Path("map.toml").write_text(mapping.replace("{rater}: {signal}", "{signal}"))
    refused = run("scorecards", "csv", "my.csv", "--mapping", "map.toml", "--out", "made/i.csv")
    assert refused.exit_code == 2 and 'write a form such as "{rater}: {signal}"' in refused.output


def test_a_draft_mapping_has_no_control_characters(run: Run, workplace: Path) -> None:
    Path("a\x1b[31m.csv").write_text("x\x1b[2Jy,z\n\x1b]0;hi\x07,2\n")
    drafted = run("scorecards", "csv", "--draft", "a\x1b[31m.csv")
    assert drafted.exit_code == 0 and "\x1b" not in drafted.output and "\x07" not in drafted.output


def test_an_ambiguous_draft_mapping_lists_what_to_decide(run: Run, workplace: Path) -> None:
    """Of a named sheet; nothing ambiguous is decided automatically."""
    book = Workbook()
    book.active.append(["Read me"])
    scores = book.create_sheet("Scores")
    for row in (
        ["Panelist", "Date", "Clarity", "Result"],
        ["P1", "3/4/2026", 4, "Declined"],
        ["P2", "3/5/2026", 2, "Hired"],
    ):
        scores.append(row)
    book.save("my.xlsx")
    drafted = run("scorecards", "csv", "--draft", "my.xlsx", "--worksheet", "Scores")
    to_do = [line for line in drafted.output.splitlines() if line.startswith("To do")]
    assert len(to_do) == 3 and all(any(word in line for line in to_do) for word in ("person", "Declined", "day first"))
    text = drafted.stdout.replace('# date_format = "%m/', 'date_format = "%m/').replace("no = []", 'no = ["Declined"]')
    Path("map.toml").write_text(text.replace('# person = "COLUMN"', 'person = "Panelist"'))
    arguments = ("scorecards", "csv", "my.xlsx", "--mapping", "map.toml")
    assert "--worksheet NAME" in run(*arguments).output  # the first sheet has none of these columns
    assert run(*arguments, "--worksheet", "Scores").exit_code == 0
    assert pd.read_csv("interviews.csv")["rated_on"].tolist() == ["2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z"]


def test_a_spreadsheet_with_one_rating_per_row_is_read(workplace: Path) -> None:
    Path("long.csv").write_text(
        "Who;What;Score;When;Result;Decided\nC-1;Talk;4;01.03.2026;Hired;05.03.2026\nC-1;Drive;3,5;01.03.2026;Hired;05.03.2026\nC-2;Talk;1;07.03.2026;No;06.03.2026\n"
    )
    Path("map.toml").write_text(
        'date_format = "%d.%m.%Y"\n[columns]\nperson = "Who"\nsubmitted = "When"\noutcome = "Result"\ndecided = "Decided"\nsignal = "What"\nrating = "Score"\n'
        '[outcomes]\nyes = ["Hired"]\nno = ["No"]\n[signals]\n"*" = { low = 1, high = 5 }\n'
    )
    imported = read_scorecards("csv", ["long.csv"], mapping="map.toml")
    assert imported.table[["person", "talk", "drive", "offer"]].to_numpy().tolist() == [["C-1", 4, 3.5, "yes"]]
    assert imported.findings.count("after decision") == 1 and imported.table["outcome_on"].tolist() == [
        "2026-03-05T23:59:59Z"
    ]


def test_the_overall_recommendation_is_scored_alone(run: Run, workplace: Path, team: Path) -> None:
    run("scorecards", "greenhouse", str(team), "--with-overall")
    page = Path("interviews-report.html").read_text()
    assert (
        re.search(r"Overall recommendation alone</th><td class=\"figure\">0\.\d\d</td>", page)
        and "90 % interval" in page
    )


def test_stage_counts_in_the_report_add_up_to_the_cards_used(team: Path) -> None:
    imported = read_scorecards("greenhouse", [team])
    used = imported.usable.use == "row"
    assert (imported.usable.use == "withdrawn").any()  # their cards are read but belong to no row
    used |= imported.usable.use == "unlabelled"
    page = render_import(imported)
    stages = re.findall(r">(?:On-site interview|Phone screen)</th><td class=\"figure\">([\d,]+)<", page)
    assert sum(int(count.replace(",", "")) for count in stages) == used.sum()
    assert f'{used.sum():,}</p><p class="span">of ' in page


def test_a_card_in_two_files_counts_once(workplace: Path) -> None:
    records = v1(a={"status": "hired"})
    records["more"] = [v1_card(1, 1), v1_card(2, 1)]
    imported = read_scorecards("greenhouse", [written(workplace / "export", records)])
    assert imported.findings.count("repeated") == 1 and imported.table["cards"].tolist() == [2]
