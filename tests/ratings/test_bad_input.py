"""Bad input is refused with row, column and remedy; exit code 2, no traceback, nothing written."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import EXAMPLES

from predictor import Catalogue, OfferModel, Ratings, read_ratings
from predictor.errors import RatingsError

GOALS = "goals_discussed"
CELLS = [  # a bad rating as it stands in JSON, and what the message must say of it
    ("9", "out of scale; write 1 to 5"), ("0", "out of scale"), ("-1", "out of scale"), ("5.0001", "out of scale"),
    ("0.999", "out of scale"), ("1e9", "out of scale"), ("-1e300", "out of scale"), ("1e999", "number"), ("-1e999", "number"),
    ("Infinity", "not a number; write one, or leave it null"), ("-Infinity", "not a number"),
    ("true", "true or false, not a rating"), ("false", "true or false"), ('"9"', "out of scale"),
    ('" 0 "', "out of scale"), ('"four"', "not a number"), ('"not applicable"', "not a number"), ('"5%"', "out of 100"),
    ('"inf"', "not a number"), ('"9/10"', "out of 10, and the scale is 1 to 5"), ('"1_0"', "not a number"),
    ('"☆☆☆☆☆"', "out of scale"), ("[4]", "not a number"), ("{}", "not a number"), ('{"value": 4}', "not a number"),
    ("[]", "not a number"), ("1" + "0" * 400, "number"), ('"\\u0664"', "not a number"), ('"0x4"', "not a number"),
    ('"4\\u0000"', "not a number"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "says"), CELLS, ids=[cell[:20] for cell, _ in CELLS])
def test_a_bad_rating_in_json_is_refused(run: Callable[..., Result], cell: str, says: str) -> None:
    text = f'[{{"{GOALS}": 3}}, {{"ratings": {{"mutual_rapport": 4, "{GOALS}": {cell}}}}}]'
    _refused(run("predict", "-", stdin=text), "row 2", GOALS, says)


TEXTS = [  # a bad CSV cell, and what the message must say of it
    ("9", "out of scale"), ("0", "out of scale"), ("-2", "out of scale"), ("5.5", "out of scale"), ("1e3", "out of scale"),
    ("abc", "not a number; write one, or leave it empty"), ("not applicable", "not a number"),
    ("inf", "not a number"), ("-Infinity", "not a number"), ("true", "not a number"), ("yes", "not a number"),
    ('"3,500"', "comma that may be a thousands separator; write a decimal point"), ("1_0", "not a number"), ("٣", "not a number"), ("4-5", "not a number"),
    ("4 of 6", "out of 6"), ("80%", "out of 100"), ("★★★★★★", "out of scale"), ("0x4", "not a number"), ("#REF!", "not a number"), ("=4", "not a number"),
    ("4\x00", "not a number"), ("2024-01-01", "not a number"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "says"), TEXTS, ids=[ascii(cell) for cell, _ in TEXTS])
def test_a_bad_rating_in_csv_is_refused(run: Callable[..., Result], workplace: Path, cell: str, says: str) -> None:
    rows = [f"c{row},{1 + row % 5},{'yes' if row % 2 else 'no'}" for row in range(20)]
    rows[6] = f"c6,{cell},no"
    (workplace / "my.csv").write_text("\n".join([f"candidate_id,{GOALS},offer", *rows]), encoding="utf-8")
    _refused(run("train", "my.csv", "--no-track"), "row 7", GOALS, says)


RECORDS = [  # bad JSON for predict, and what the message must say of it
    ("", "empty"), ("   \n", "empty"), ("{", "not JSON", "line 1"), ('{"goals_discussed": 4', "not JSON"),
    ("[1, 2", "not JSON"), ("4", "row 1", "not a mapping"), ("null", "row 1", "not a mapping"), ('"x"', "row 1", "not a mapping"),
    ("[]", "no rows"), ("[[]]", "row 1", "not a mapping"), ("[{}, 3]", "row 2", "not a mapping"),
    ('{"ratings": 4}', "row 1", "ratings", "must be a mapping"), ('{"ratings": null}', "must be a mapping"),
    ('{"ratings": [4]}', "must be a mapping"), ('{"goal_discussed": 4}', "row 1", "did you mean 'goals_discussed'"),
    ('{"ratings": {"mutual_raport": 4}}', "did you mean 'mutual_rapport'"), ('{"zzz": 4}', "'zzz'", "predictor signals show"),
    ('{"": 4}', "not in the catalogue"), ('{"goals_discussed": 4, "goals_discussed": 5}', "row 1", GOALS, "given twice"),
    ('[{}, {"ratings": {"goals_discussed": 4, "goals_discussed": 4}}]', "row 2", GOALS, "given twice"),
    ('{"goals_discussed": 4, "ratings": {"goals_discussed": 5}}', GOALS, "given twice"),
    ('{"rater_role": "boss"}', "row 1", "rater_role", "none of interviewer, observer, candidate"),
    ('{"rater_role": "observr"}', "did you mean 'observer'"), ('{"rater_role": 3}', "rater_role", "none of"),
    ('{"rater_role": ["observer"]}', "rater_role", "must be text"), ('{"candidate_id": {"a": 1}}', "candidate_id", "must be text"),
    ("[" * 100_000, "JSON"), ('{"goals_discussed": 4}}', "not JSON"), ("{'goals_discussed': 4}", "not JSON"),
    ('{"goals_discussed": 04}', "not JSON"), ("\ufeff\ufeff{}", "not JSON"),
]  # fmt: skip


@pytest.mark.parametrize("case", RECORDS, ids=[case[0][:30] for case in RECORDS])
def test_bad_json_is_refused(run: Callable[..., Result], case: tuple[str, ...]) -> None:
    _refused(run("predict", "-", stdin=case[0]), *case[1:])


HEADER = f"candidate_id,{GOALS},offer"
GOOD = [f"c{row},{1 + row % 5},{'yes' if row % 2 else 'no'}" for row in range(20)]
FILES: dict[str, tuple[bytes | str, tuple[str, ...]]] = {
    "empty file": ("", ("empty",)),
    "only a newline": ("\n\n", ("empty",)),
    "header only": (HEADER, ("'yes' in 0 rows", "'no' in 0 rows")),
    "utf-8 with a slip": (
        "\n".join([HEADER, "ä,3,yes", *GOOD, "é,3,yes"]).encode()[:-8] + b"\xe9,3,yes",
        ("not UTF-8", "byte"),
    ),
    "binary": (bytes(range(256)), ("not UTF-8",)),
    "no outcome column": ("\n".join(line.rpartition(",")[0] for line in [HEADER, *GOOD]), ("offer", "is missing")),
    "no group column": ("\n".join(line.partition(",")[2] for line in [HEADER, *GOOD]), ("candidate_id", "is missing")),
    "no signal column": ("candidate_id,offer\nc1,yes\nc2,no", ("no column of a signal",)),
    "one class yes": (
        "\n".join([HEADER, *(r.replace("no", "yes") for r in GOOD)]),
        ("offer", "'no' in 0 rows", "at least 5"),
    ),
    "one class no": (
        "\n".join([HEADER, *(r.replace("yes", "no") for r in GOOD)]),
        ("offer", "'yes' in 0 rows", "at least 5"),
    ),
    "outcome empty": (
        "\n".join([HEADER, *(r.rpartition(",")[0] + "," for r in GOOD)]),
        ("offer", "'yes' in 0 rows", "'no' in 0 rows"),
    ),
    "outcome maybe": ("\n".join([HEADER, *GOOD, "c9,3,maybe"]), ("row 21", "offer", "'maybe'", "yes or no")),
    "outcome 2": ("\n".join([HEADER, *GOOD, "c9,3,2"]), ("row 21", "offer", "'2'")),
    "group empty": ("\n".join([HEADER, *GOOD, ",3,yes"]), ("row 21", "candidate_id", "empty")),
    "duplicate column": (f"{HEADER},{GOALS}\n" + "\n".join(f"{r},3" for r in GOOD), (GOALS, "2 times")),
    "unknown column": (f"{HEADER},charm\n" + "\n".join(f"{r},3" for r in GOOD), ("charm", "not in the catalogue")),
    "another catalogue": ("a,b,c,d,e\n" + "1,2,3,4,yes\n" * 9, ("5 columns, such as 'a'", "signals infer")),
    "misspelt column": (
        HEADER.replace("goals_", "goal_") + "\n" + "\n".join(GOOD),
        ("did you mean 'goals_discussed'",),
    ),
    "nameless column": (f"{HEADER},\n" + "\n".join(f"{r},3" for r in GOOD), ("no name",)),
    "cell too many": ("\n".join([HEADER, *GOOD, "c9,3,yes,4"]), ("row 21", "4 cells", "header's 3")),
    "cell too few": ("\n".join([HEADER, *GOOD, "c9,3"]), ("row 21", "2 cells")),
    "open quote": ("\n".join([HEADER, *GOOD, '"c9,3,yes']), ("not a CSV table",)),
    "few offers": ("\n".join([HEADER, *GOOD[::2], "x,3,yes"]), ("'yes' in 1 rows", "at least 5")),
}


@pytest.mark.parametrize("kind", FILES)
def test_bad_csv_is_refused(run: Callable[..., Result], workplace: Path, kind: str) -> None:
    content, says = FILES[kind]
    (workplace / "my.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    _refused(run("train", "my.csv", "--prior", "none", "--no-track"), "my.csv", *says)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.csv", None, "no such file"),
        ("folder.csv", "folder", "cannot be read"),
        ("my.xlsx", "x", "is not an Excel workbook"),
        ("my.xls", "x", "save it as .xlsx or as CSV"),
        ("my", "x", "none of the endings"),
        ("broken.parquet", "PAR1 and then nothing", "not a whole Parquet file"),
        ("absent.parquet", None, "no such file"),
    ],
)
def test_an_unusable_file_is_refused(
    run: Callable[..., Result], workplace: Path, name: str, content: str | None, says: str
) -> None:
    if content == "folder":
        (workplace / name).mkdir()
    elif content:
        (workplace / name).write_text(content)
    _refused(run("predict", name), name, says)


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "in.csv", "--out", "circle"], ["simulate", "circle", "-n", "20"], ["batch", "in.csv", "circle"],
        ["batch", "circle.csv", "out.csv"], ["predict", "circle.csv"], ["train", "in.csv", "--journal", "circle"],
        ["inspect", "-m", "circle.json"], ["journal", "import", "in.csv", "--journal", "circle"],
        ["serve", "--journal", "circle"], ["serve", "--model", "circle.json"], ["signals", "show", "--signals", "circle"],
        ["batch", "in.csv", "out.csv", "--bad-rows", "circle"], ["train", "in.csv", "--experiment", "circle.toml"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_circular_links_are_refused(run: Callable[..., Result], workplace: Path, words: list[str]) -> None:
    (workplace / "in.csv").write_text(f"{GOALS}\n4\n")
    for name in ("circle", "circle.csv", "circle.json", "circle.toml"):
        (workplace / name).symlink_to(name)
    _refused(run(*words), *[word for word in words if word.startswith("circle") and "train" not in words])


@pytest.mark.parametrize(
    "bad",
    [
        {GOALS: [3.0, 9.0]}, {GOALS: [3.0, np.inf]}, {GOALS: [0, 3]}, {GOALS: ["4", "x"]}, {GOALS: [True, False]},
        {"charm": [1, 2]}, {"rater_role": ["boss", None]}, {"rater_role": pd.Categorical(["observer", "boss"])},
        {"rater_role": [3, 4]}, {"candidate_id": [["a"], "b"]}, {"": [1, 2]},
    ],
    ids=str,
)  # fmt: skip
def test_predict_many_and_from_frame_refuse_the_same_frames(model: OfferModel, bad: dict[str, Any]) -> None:
    frame = pd.DataFrame({"mutual_rapport": [1.0, np.nan], **bad})
    with pytest.raises(RatingsError) as expected:
        Ratings.from_frame(frame, model.catalogue)
    with pytest.raises(RatingsError) as caught:
        model.predict_many(frame)
    assert caught.value.problems == expected.value.problems
    for wrong in (frame.iloc[:0, :1], frame.iloc[:, [0, 0]]):
        with pytest.raises(RatingsError):
            model.predict_many(wrong)


def test_a_frame_with_every_kind_of_problem_is_refused(catalogue: Catalogue) -> None:
    frame = pd.DataFrame({GOALS: [1.0, np.inf, 9.0], "mutual_rapport": [True, False, True], "charm": 1})
    frame["mutual_respect"] = ["four", None, pd.Timestamp("2024-01-01")]
    with pytest.raises(RatingsError) as caught:
        Ratings.from_frame(frame, catalogue)
    found = {(problem.row, problem.column) for problem in caught.value.problems}
    assert found == {
        (2, GOALS), (3, GOALS), (1, "mutual_rapport"), (2, "mutual_rapport"), (3, "mutual_rapport"),
        (None, "charm"), (1, "mutual_respect"), (3, "mutual_respect"),
    }  # fmt: skip


@pytest.mark.usefixtures("without_figures")
def test_separator_lines_blank_rows_and_decimal_commas_are_read(run: Callable[..., Result], workplace: Path) -> None:
    rows = [row.replace(",", ";") for row in GOOD]
    rows[3] = "c3;3,5;yes"
    text = "\ufeffsep=;\r" + "\r".join([HEADER.replace(",", ";"), *rows[:10], "", *rows[10:], ";;", ";;"])
    (workplace / "my.csv").write_text(text, newline="")
    ratings = read_ratings("my.csv")
    assert len(ratings) == 21  # a blank line among the rows is a row unobserved
    assert 3.5 in ratings.values
    Path("quick.toml").write_text('folds = 2\nrepeats = 1\nresamples = 20\nbaselines = ["base_rate"]\n')
    done = run("train", "my.csv", "-e", "quick.toml", "--no-track")
    assert done.exit_code == 0, done.output
    assert "trained on 20" in done.output
    (workplace / "my.csv").write_text(text.replace("c12;3", "c12;33"), newline="")
    _named(run("train", "my.csv", "--no-track", "--name", "other"), "row 14", "'33'")


def test_frames_keep_long_ids_and_numbered_columns(catalogue: Catalogue) -> None:
    frame = pd.DataFrame({GOALS: [3, 4], "candidate_id": [1234567890123456789, 1234567890123456788]})
    assert len(set(Ratings.from_frame(frame, catalogue).columns["candidate_id"])) == 2
    numbered = Catalogue.from_dict(
        {"name": "n", "columns": {"outcome": "2"}, "families": {"f": "F"}, "signals": [{"name": "0", "family": "f"}]}
    )
    assert Ratings.from_frame(pd.DataFrame({0: [3.0], 2: [1]}), numbered).values[0, 0] == 3


def test_ratings_cannot_be_constructed_with_invalid_values(catalogue: Catalogue) -> None:
    values = np.full((1, len(catalogue.signals)), np.nan)
    bad: list[dict[str, Any]] = [{"y": np.array([7.0])}, {"columns": {"rater_role": np.array(["boss"], dtype=object)}}]
    for wrong in bad:
        with pytest.raises(RatingsError):
            Ratings(catalogue, values, **{"y": np.array([1.0]), **wrong})


def test_ten_thousand_bad_rows_are_summarised(run: Callable[..., Result], workplace: Path) -> None:
    rows = [f"c{row},7,{'yes' if row % 2 else 'no'}" for row in range(10_000)]
    (workplace / "my.csv").write_text("\n".join([HEADER, *rows]))
    done = run("train", "my.csv", "--no-track")
    _refused(done, "10,000 problems", f"{GOALS} is out of scale", "(10,000 times: rows 1 ('7'), 2 ('7'), 3 ('7'), ...)")
    assert len(done.output.splitlines()) < 10


@pytest.mark.parametrize(
    "header",
    [",".join(f"c{n}" for n in range(50_000)), ",".join([GOALS] * 50_000), "," * 50_000],
    ids=["many columns", "one column many times", "columns without names"],
)
def test_a_wide_file_is_refused_in_linear_time(run: Callable[..., Result], workplace: Path, header: str) -> None:
    (workplace / "wide.csv").write_text(f"{header}\n{header}\n")
    started = time.process_time()
    _refused(run("predict", "wide.csv"), "problem")
    assert time.process_time() - started < 5  # over 100 s if each name were counted again


@pytest.mark.parametrize("word", ["boss", "observer of {n}", "x" * 500])
def test_many_unknown_words_are_refused_in_linear_time(catalogue: Catalogue, word: str) -> None:
    started = time.process_time()
    with pytest.raises(RatingsError) as caught:
        Ratings.from_text(["rater_role"], [[word.format(n=n)] for n in range(20_000)], catalogue)
    assert len(caught.value.problems) == 20_000
    assert time.process_time() - started < 3


def test_every_problem_is_reported_at_once(run: Callable[..., Result]) -> None:
    text = '[{"goals_discussed": 9, "charm": 1}, {"mutual_rapport": "x", "rater_role": "boss"}]'
    done = run("predict", "-", stdin=text)
    _refused(done, "4 problems", "charm", GOALS, "mutual_rapport", "rater_role")


SIGNAL = Catalogue.shipped().signals[0]
good = st.one_of(st.none(), st.integers(1, 5), st.floats(1, 5))
bad = st.one_of(
    st.floats(allow_nan=False).filter(lambda x: not 1 <= x <= 5), st.integers().filter(lambda x: not 1 <= x <= 5),
    st.booleans(), st.text().filter(lambda x: SIGNAL.parse_text(x) is None), st.lists(st.integers(), max_size=2), st.dictionaries(st.text(), st.integers(), max_size=2),
)  # fmt: skip


@given(data=st.data(), rows=st.integers(1, 5))
@settings(max_examples=EXAMPLES or 100, suppress_health_check=[HealthCheck.too_slow])
def test_exactly_the_bad_cells_are_named(catalogue: Catalogue, data: st.DataObject, rows: int) -> None:
    records = [data.draw(st.dictionaries(st.sampled_from(catalogue.names), good)) for _ in range(rows)]
    places = data.draw(
        st.sets(st.tuples(st.integers(1, rows), st.sampled_from(catalogue.names)), min_size=1, max_size=4)
    )
    for row, name in places:
        records[row - 1][name] = data.draw(bad)
    with pytest.raises(RatingsError) as caught:
        Ratings.from_records(records, catalogue)
    assert {(problem.row, problem.column) for problem in caught.value.problems} == places
    assert "nothing was written" in str(caught.value)


@given(data=st.data())
def test_valid_ratings_survive_json(catalogue: Catalogue, data: st.DataObject) -> None:
    record = data.draw(st.dictionaries(st.sampled_from(catalogue.names), good))
    once = Ratings.from_records([record], catalogue)
    row = dict(zip(catalogue.names, once.values[0].tolist(), strict=True))
    again = json.loads(json.dumps({name: None if math.isnan(x) else x for name, x in row.items()}))
    np.testing.assert_array_equal(Ratings.from_records([again], catalogue).values, once.values)


def _named(done: Result, *says: str) -> None:
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    for words in says:
        assert words in done.output, f"{words!r} is not in:\n{done.output}"


def _refused(done: Result, *says: str) -> None:
    _named(done, *says)
    assert [path.as_posix() for path in Path("experiments").rglob("*.*")] == ["experiments/models/champion.json"]
