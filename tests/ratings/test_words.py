"""Words and marks mean the same to every reader, and a file gets the same answers everywhere."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from starlette.testclient import TestClient

from predictor import Catalogue, OfferClassifier, OfferModel, Ratings, ScoringOptions, read_ratings, score_files
from predictor.batch.coding import Coder
from predictor.errors import CatalogueError, RatingsError
from predictor.journal.store import Journal
from predictor.ratings.cells import NOT_APPLICABLE_FOREIGN, NOT_OBSERVED
from predictor.ratings.records import parse_record_fast, validated_columns
from predictor.serving.app import make_app
from predictor.serving.settings import Settings
from predictor.sources.drafting.write import draft_catalogue
from predictor.tracking.served import ServedModel

VERDICT = ("Strong No", "No", "Yes", "Strong Yes")
CATALOGUE = Catalogue.from_dict(
    {
        "name": "words",
        "columns": {"outcome": "hired", "context": ["id"]},
        "families": {"all": "All"},
        "inputs": {"round": {"levels": ["1", "2", "3"]}},
        "signals": [
            {"name": "verdict", "family": "all", "levels": [*VERDICT], "better": "higher"},
            {"name": "numbered", "family": "all", "levels": [f"{n} - {w}" for n, w in enumerate(("No", "Yes"))],
             "scale": {"low": 0, "high": 1, "step": 1}},
            {"name": "stars", "family": "all", "not_applicable": ["N/A"]},
            {"name": "share", "family": "all", "scale": {"low": 0, "high": 100, "step": 10}},
            {"name": "ratio", "family": "all", "scale": {"low": 0, "high": 1, "step": 0.1}},
            {"name": "grade", "family": "all", "better": "lower", "scale": {"low": 1, "high": 6, "step": 1}},
            {"name": "plus", "family": "all", "levels": ["--", "-", "0", "+", "++"]},
            {"name": "degree", "family": "all", "levels": ["false", "true"]},
        ],
    }
)  # fmt: skip
N, A = np.nan, 0.0
CELLS: dict[str, dict[Any, float]] = {  # for each signal what may stand in a file, and what it means
    "verdict": {"strong_yes": 4, " STRONG  no": 1, "Strong-Yes": 4, "3": 3, 2: 2, "4/4": 4, "N/A": N, "no decision": N},
    "numbered": {"1 - Yes": 1, "0-no": 0, "1 – YES": 1, "0": 0, 1: 1, "-": N},  # noqa: RUF001
    "stars": {"★★★☆☆": 3, "⭐⭐": 2, "3 stars": 3, "4/5": 4, "4 von 5": 4, "2½": 2.5, "N/A": A, "n.a.": N, "3,5": 3.5, "5.0": 5},
    "share": {"80%": 80, "80,5 %": 80.5, "70 Prozent": 70, "55": 55, 100: 100, "30/100": 30, "#N/A": N, "": N},
    "ratio": {"80%": 0.8, "0,125": 0.125, ".5": 0.5, 1: 1, "1/1": 1, "k. A.": N, "nicht beobachtet": N},
    "grade": {"1,3": 1.3, "6": 6, "2/6": 2, "2+": 5 / 3, "3 -": 10 / 3, "1+": 1, "2-3": 2.5, 4.5: 4.5, "Keine Angabe": N, "NULL": N, "None": N},
    "plus": {"--": 1, "-": 2, "0": 3, "+": 4, "++": 5, 5: 5, "?": N, "nan": N},
    "degree": {"TRUE": 2, "false": 1, 1: 1, "??": N},
}  # fmt: skip
BAD = {
    "verdict": ("Stron Yes", "is not one of the levels; write 'Strong No', 'No', 'Yes', 'Strong Yes', or a number on 1 to 4.*mean 'Strong Yes'"),
    "numbered": ("2 - Maybe", "is not one of the levels"),
    "stars": ("8/10", "is out of 10, and the scale is 1 to 5"),
    "ratio": ("1+", "has \\+ or -, and the catalogue does not state which end is better: write better = "),
    "share": ("1,000", "comma that may be a thousands separator"),
    "grade": ("80%", "is out of 100, and the scale is 1 to 6"),
}  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """Return rows that together contain every cell of CELLS."""
    longest = max(map(len, CELLS.values()))
    return [{name: [*cells][row % len(cells)] for name, cells in CELLS.items()} for row in range(longest)]


def meant() -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([[CELLS[name][cell] for name, cell in row.items()] for row in rows()], dtype=float)


@pytest.fixture(scope="module")
def model() -> OfferModel:
    rng = np.random.default_rng(5)
    low, high = map(np.array, CATALOGUE.ends)
    values = np.round(low + rng.random((200, len(low))) * (high - low))
    y = (rng.random(200) < 1 / (1 + np.exp(2.5 - values[:, 0]))).astype(float)
    ratings = Ratings(CATALOGUE, values, y, {"round": rng.choice(["1", "2", "3"], 200).astype(object)})
    return OfferClassifier(CATALOGUE).fit(ratings.features, y).model_


def test_all_input_paths_read_words_alike() -> None:
    names = CATALOGUE.names
    text = [["" if cell is None else f"{cell}" for cell in row.values()] for row in rows()]
    frame = pd.DataFrame(rows(), dtype=object)
    for found in (
        Ratings.from_records(rows(), CATALOGUE).values,
        [parse_record_fast(row, CATALOGUE)[: len(names)] for row in rows()],  # type: ignore[index]
        Ratings.from_text(names, text, CATALOGUE).values,
        Ratings.from_frame(frame, CATALOGUE).values,
        np.column_stack(validated_columns(frame, CATALOGUE))[:, : len(names)],
    ):
        np.testing.assert_array_equal(np.asarray(found, dtype=float), meant())


@pytest.mark.parametrize(
    "word",
    [
        *NOT_OBSERVED,
        *NOT_APPLICABLE_FOREIGN,
        "n/a ",
        " NO  APLICA ",
        "N. V. T.",
        "N.A.",
        "----",
        "Nicht_beobachtet",
        "K.A.",
    ],
)
def test_words_for_not_observed_are_read(word: str) -> None:
    """At a signal, an input and the outcome; the catalogue's meaning of a word comes first."""
    record = {"grade": word, "round": word, "hired": word}
    ratings = Ratings.from_records([record], CATALOGUE)
    assert np.isnan(ratings.values).all()
    assert np.isnan(ratings.y).all()
    assert ratings.columns["round"].tolist() == [""]
    assert (Ratings.from_records([{"stars": "n/a"}], CATALOGUE).values[0, 2]) == A


@pytest.mark.parametrize("word", ["no aplica", "n.v.t.", "не применимо", "Sans objet", "不适用"])
def test_foreign_words_for_not_applicable_are_read_if_it_is_allowed(model: OfferModel, word: str) -> None:
    row = {"stars": word, "grade": word}
    coded, *_ = Coder(model).code(pa.record_batch({name: [cell] for name, cell in row.items()}), np.arange(1))
    for values in (
        Ratings.from_records([row], CATALOGUE).values[0],
        parse_record_fast(row, CATALOGUE),
        model.blocks.all_values(coded)[0],
    ):
        assert values is not None and values[2] == A and np.isnan(values[5])


@pytest.mark.parametrize("name", BAD)
def test_unknown_words_are_refused_with_the_known_levels(name: str) -> None:
    word, says = BAD[name]
    assert parse_record_fast({name: word}, CATALOGUE) is None
    readers: list[Callable[[], Ratings]] = [
        lambda: Ratings.from_records([{}, {name: word}], CATALOGUE),
        lambda: Ratings.from_text([name], [[""], [word]], CATALOGUE),
    ]
    for refuse in readers:
        with pytest.raises(RatingsError, match=f"row 2, {name}: '{re.escape(word)}' .*{says}"):
            refuse()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"levels": ["a", "b"], "scale": {"low": 1, "high": 5}}, "2 levels and a scale with 5 steps"),
        ({"levels": ["a", "A "]}, "read alike"),
        ({"levels": ["1", "2"]}, "numbers in quotes"),
        ({"levels": ["a", 2]}, "write words"),
        ({"levels": ["a", "b"], "not_observed": ["B"]}, "a level and a code"),
        ({"levels": ["a"]}, "1 levels"),
    ],
)
def test_impossible_levels_are_refused(change: dict[str, Any], says: str) -> None:
    data = {"name": "x", "columns": {"outcome": "y"}, "families": {"f": "F"}}
    with pytest.raises(CatalogueError, match=says):
        Catalogue.from_dict({**data, "signals": [{"name": "s", "family": "f", **change}]})


def test_a_model_carries_its_levels(model: OfferModel, tmp_path: Path) -> None:
    loaded = OfferModel.load(model.save(tmp_path / "m.json"))
    assert loaded.catalogue == model.catalogue
    assert loaded.catalogue.signals[0].levels == VERDICT
    assert loaded.predict({"verdict": "strong yes"}).contributions[0].rating == 4
    assert loaded.predict({"verdict": "strong yes"}).to_dict() == model.predict({"verdict": 4}).to_dict()


def test_a_file_gets_the_same_answers_from_every_command_and_format(model: OfferModel, tmp_path: Path) -> None:
    """By `predict`, `predict_many`, batch and as MLflow serves it."""
    records = [{**row, "round": [1, "2", 3.0, "1.0", None][i % 5], "id": f"a{i}"} for i, row in enumerate(rows())]
    expected = np.array([model.predict({**row, "id": None}).offer_probability for row in records])
    text = [{name: "" if cell is None else f"{cell}" for name, cell in row.items()} for row in records]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [*records[0]])
        table.writeheader()
        table.writerows(text)
    (tmp_path / "a.json").write_text(json.dumps(records))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    pq.write_table(pa.table({name: [row[name] for row in text] for name in text[0]}), tmp_path / "a.parquet")
    for name in ("a.csv", "a.json", "a.parquet"):
        many = model.predict_many(read_ratings(tmp_path / name, CATALOGUE))["offer_probability"]
        np.testing.assert_allclose(many, expected, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(model.predict_many(pd.DataFrame(records))["offer_probability"], expected, atol=1e-12)
    served = [answer["offer_probability"] for answer in ServedModel(model).predict(pd.DataFrame(records))]
    np.testing.assert_allclose(served, expected, atol=1e-12)
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        score_files(tmp_path / name, tmp_path / "out.csv", model, options=ScoringOptions(keep=("id",)))
        with (tmp_path / "out.csv").open() as file:
            answers = [*csv.DictReader(file)]
        assert [row["id"] for row in answers] == [row["id"] for row in records]
        np.testing.assert_allclose([float(a["offer_probability"]) for a in answers], expected, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([1, 2, 3, None], pa.int8()),
        pa.array([1.0, 2.0, 3.0, None]),
        pa.array([Decimal("1.00"), Decimal(2), Decimal(3), None], pa.decimal128(5, 2)),
        pa.array(["1", "2.0", " 3", "N/A"]),
        pa.array(["1", "2", "3", None]).dictionary_encode(),
    ],
    ids=lambda cells: str(cells.type),
)
def test_numeric_levels_of_an_input_are_read_from_number_columns(
    model: OfferModel, cells: pa.Array, tmp_path: Path
) -> None:
    expected = [model.predict({"verdict": 4, "round": level}).offer_probability for level in ("1", "2", "3", None)]
    assert len({*expected}) == 4
    pq.write_table(pa.table({"verdict": [4.0] * 4, "round": cells}), tmp_path / "a.parquet")
    ratings = read_ratings(tmp_path / "a.parquet", CATALOGUE)
    assert ratings.columns["round"].tolist() == ["1", "2", "3", ""]
    np.testing.assert_allclose(model.predict_many(ratings)["offer_probability"], expected, atol=1e-12)
    options = ScoringOptions(unobserved=tuple(name for name in CATALOGUE.names if name != "verdict"))
    score_files(tmp_path / "a.parquet", tmp_path / "out.parquet", model, options=options)
    answers = pq.read_table(tmp_path / "out.parquet")["offer_probability"]
    np.testing.assert_allclose(answers, expected, atol=1e-12)


def test_booleans_are_levels_if_the_catalogue_names_them(model: OfferModel) -> None:
    assert parse_record_fast({"degree": True}, CATALOGUE)[7] == 2  # type: ignore[index]
    coded, bad, _ = Coder(model).code(pa.record_batch({"degree": pa.array([True, False, None])}), np.arange(3))
    np.testing.assert_array_equal(model.blocks.all_values(coded)[:, 7], [2, 1, np.nan])
    assert not bad.any()


# --- ids that are kept

IDS = {
    "now a number, now a word": [7, "b7", "7", None, -3],
    "beyond 64 bits": [2**63 - 1, 2**63, 2**70, -(2**65), None],
    "whole and not": [1, 1.5, None, 2**60 + 1, 2],
    "true and a word": [True, "x", None, False, 3],
}


@pytest.mark.parametrize("ids", IDS.values(), ids=[*IDS])
def test_ids_of_json_lines_are_returned_unchanged(model: OfferModel, ids: list[Any], tmp_path: Path) -> None:
    """Also unusual ones beyond the lines from which types are inferred; all valid interviews are scored."""
    every = [10, 11] * 600 + ids
    lines = [json.dumps({"id": key, "verdict": 4, **dict.fromkeys(CATALOGUE.names[1:])}) for key in every]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, '{"note": "\\"id\\": x", "verdict": "yes"}']))
    options = ScoringOptions(keep=("id",))
    for name in ("out.jsonl", "out.csv", "out.parquet"):
        done = score_files(tmp_path / "a.jsonl", tmp_path / name, model, options=options)
        assert (done.rows, done.bad) == (len(every) + 1, 0)
    back = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(type(key), key) for key in back] == [(type(key), key) for key in [*every, None]]
    words = [None if key is None else key if isinstance(key, str) else json.dumps(key) for key in [*every, None]]
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == words
    with (tmp_path / "out.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == [word or "" for word in words]
    (tmp_path / "a.json").write_text(f"[{','.join(lines)}]")
    context = read_ratings(tmp_path / "a.json", CATALOGUE).columns["id"]
    assert [word.casefold() for word in context] == ["" if word is None else word.casefold() for word in words[:-1]]


def test_ids_of_several_files_are_merged_unchanged(model: OfferModel, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, key in (("a", 1), ("b", "x")):
        row = {"id": key, "verdict": 4, **dict.fromkeys(CATALOGUE.names[1:])}
        (tmp_path / "in" / f"{name}.jsonl").write_text(json.dumps(row))
    score_files(tmp_path / "in", tmp_path / "out.jsonl", model, options=ScoringOptions(keep=("id",)))
    assert [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [1, "x"]


# --- outcomes


@pytest.mark.parametrize(
    ("cells", "y"),
    [
        (["1.00", "0.00", "1,0", "0"], [1, 0, 1, 0]),
        ([Decimal("1.00"), Decimal("0.00"), None, 1], [1, 0, N, 1]),
        (["TRUE", "FALSCH", "WAHR", "vrai"], [1, 0, 1, 1]),
        (["hired ", "HIRED", " Not hired", "N/A"], [1, 1, 0, N]),
        ([True, False, np.True_, np.nan], [1, 0, 1, N]),
        (["yes", "-", "k.A.", "no"], [1, N, N, 0]),
    ],
    ids=str,
)
def test_outcomes_are_read_from_records_and_frames(cells: list[Any], y: list[float]) -> None:
    records = [{"verdict": 4, "hired": cell} for cell in cells]
    np.testing.assert_array_equal(Ratings.from_records(records, CATALOGUE).y, y)
    frame = pd.DataFrame({"verdict": 4, "hired": pd.Series(cells, dtype=object)})
    np.testing.assert_array_equal(Ratings.from_frame(frame, CATALOGUE).y, y)


def test_maybe_counts_as_unknown_on_request(tmp_path: Path, run: Callable[..., Result], workplace: Path) -> None:
    (path := workplace / "a.csv").write_text("verdict,hired\n" + "Yes,Yes\nNo,No\nNo,Maybe\nYes,Later\nNo,Yes\n" * 5)
    with pytest.raises(RatingsError, match=r"is not an outcome.*--unknown-word WORD.*rows 3 \('Maybe'\)"):
        read_ratings(path, CATALOGUE)
    ratings = read_ratings(path, CATALOGUE, unknown_words=["maybe", "Later"])
    np.testing.assert_array_equal(ratings.y[:4], [1, 0, N, N])
    np.testing.assert_array_equal(
        read_ratings(path, CATALOGUE, offer_word="No", unknown_words=["Maybe", "Later"]).y[:4], [0, 1, N, N]
    )
    with pytest.raises(RatingsError, match="'Mabye' does not occur in the column, so it cannot mean unknown"):
        read_ratings(path, CATALOGUE, unknown_words=["Mabye", "Maybe", "Later"])
    with pytest.raises(RatingsError, match="'No' cannot mean an offer and unknown"):
        read_ratings(path, CATALOGUE, offer_word="No", unknown_words=["no", "Maybe", "Later"])
    words = ("--unknown-word", "Maybe", "--unknown-word", "Later")
    drafted = run("signals", "infer", "a.csv", "--outcome", "hired", *words)
    assert drafted.exit_code == 0, drafted.output
    assert "--signals my.toml --unknown-word Maybe --unknown-word Later" in drafted.output
    refused = run("signals", "infer", "a.csv", "--outcome", "hired")
    assert refused.exit_code == 2
    assert "--unknown-word WORD" in refused.output


# --- drafts


def drafted(folder: Path, columns: dict[str, list[str]]) -> tuple[str, Ratings]:
    """Draft a catalogue and read the file with it, without edits."""
    n = max(map(len, columns.values())) * 12
    path = folder / "my.csv"
    rng = np.random.default_rng(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*columns, "hired"])
        for i in range(n):
            table.writerow([*(str(rng.choice(words)) for words in columns.values()), "yes" if i % 3 else "no"])
    text = draft_catalogue(path, outcome="hired")
    catalogue = Catalogue.from_dict(tomllib.loads(text))
    assert {*catalogue.names} <= {*columns}
    return text, read_ratings(path, catalogue, training=True)


@pytest.mark.parametrize(
    ("words", "levels", "better"),
    [
        (["strong_yes", "yes", "no", "definitely_not", "no_decision"], ["definitely_not", "no", "yes", "strong_yes"], "higher"),
        (["Strong Yes", "Mixed", "No"], ["Strong No", "No", "Mixed", "Yes", "Strong Yes"], "higher"),
        (["4 - Strong Hire", "2 - No Hire", "3 - Hire", "null"], [], "higher"),
        (["1 = sehr gut", "2 = gut", "5 = mangelhaft"], [], "lower"),
        (["Gut", "Sehr gut", "Ausreichend", "k.A."], ["Ungenügend", "Mangelhaft", "Ausreichend", "Befriedigend", "Gut", "Sehr gut"], "higher"),
        (["Agree", "Disagree", "Strongly agree"], ["Strongly disagree", "Disagree", "Agree", "Strongly agree"], "higher"),
        (["Yes", "No", "?"], ["No", "Yes"], "either"),
        (["++", "-", "+", "--"], ["--", "-", "+", "++"], "higher"),
        (["1 (sehr gut)", "2 (gut)", "4 (ausreichend)"], [], "lower"),
        (["Strong Hire", "HIRE", "lean no", "No"], ["strong no hire", "No", "lean no", "lean hire", "HIRE", "Strong Hire"], "higher"),
        (["Muy en desacuerdo", "De acuerdo", "no aplica"], ["Muy en desacuerdo", "En desacuerdo", "De acuerdo", "Totalmente de acuerdo"], "higher"),
        (["eens", "helemaal mee oneens", "neutraal"], ["helemaal mee oneens", "mee oneens", "neutraal", "eens", "helemaal mee eens"], "higher"),
        (["raczej tak", "zdecydowanie nie", "nie dotyczy"], ["zdecydowanie nie", "raczej nie", "raczej tak", "zdecydowanie tak"], "higher"),
        (["отлично", "плохо", "хорошо"], ["плохо", "удовлетворительно", "хорошо", "отлично"], "higher"),
        (["bra", "mycket bra", "dåligt"], ["mycket dåligt", "dåligt", "okej", "bra", "mycket bra"], "higher"),
        (["😐", "🙂", "🙁"], ["🙁", "😐", "🙂"], "higher"),
        (["0 - none", "1 - some", "3 - all"], ["0 - none", "1 - some", "3 - all"], "either"),
    ],
)  # fmt: skip
def test_a_draft_orders_known_words(tmp_path: Path, words: list[str], levels: list[str], better: str) -> None:
    text, ratings = drafted(tmp_path, {"verdict": words})
    (signal,) = ratings.catalogue.signals
    assert list(signal.levels) == levels or not levels
    assert signal.better == better
    if not levels:
        assert [int(level[0]) for level in signal.levels] == list(range(1, len(signal.levels) + 1))
    assert "PUT THE LEVELS IN ORDER" not in text
    assert (~np.isnan(ratings.values)).any()


@pytest.mark.parametrize(
    ("words", "scale"),
    [
        (["4/5", "3/5", "5/5", "-"], "1 to 5"),
        (["8/10", "3 / 10", "10/10"], "1 to 10"),
        (["80%", "75 %", "100%", "N/A"], "0 to 100"),
        (["★★★☆☆", "★☆☆☆☆", "★★★★★"], "1 to 5"),
        (["3 stars", "1 star", "5 stars"], "1 to 5"),
        (["3,5", "4", "2", "n/a", "k.A."], "1 to 5"),
        (["1", "2", "5", "NA", "#N/A"], "1 to 5"),
    ],
)
def test_a_draft_recognises_marks(tmp_path: Path, words: list[str], scale: str) -> None:
    text, ratings = drafted(tmp_path, {"s": words})
    assert str(ratings.catalogue.signals[0].scale) == scale
    assert not ratings.catalogue.signals[0].levels
    assert "levels =" not in text


def test_a_draft_of_unknown_words_works_and_states_what_to_edit(tmp_path: Path) -> None:
    text, ratings = drafted(tmp_path, {"first": ["wow", "meh", "hm"], "second": ["wow", "hm"], "team": ["red", "blue"]})
    assert ratings.catalogue.names == ("first", "second")  # words shared by columns form a scale
    assert {signal.levels for signal in ratings.catalogue.signals} == {("hm", "meh", "wow")}
    assert text.count("PUT THE LEVELS IN ORDER, worst to best") == 2
    assert '"team", # words; if they are ratings, write [[signals]] with levels = ["blue", "red"], put in order' in text
    text, ratings = drafted(tmp_path, {"only": ["wow", "meh", "hm"]})
    assert ratings.catalogue.names == ("only",)
    assert "PUT THE LEVELS IN ORDER" in text


def test_a_heading_with_meanings_sets_anchors_and_direction(tmp_path: Path) -> None:
    good, bad = "Listening (1 = poor, 3 = mixed, 5 = good)", "Schulnote (1 = sehr gut, 6 = ungenügend)"
    _, ratings = drafted(tmp_path, {good: ["2", "3", "4"], bad: ["1", "2", "4"]})
    first, second = ratings.catalogue.signals
    assert (first.label, first.better, str(first.scale), dict(first.anchors)) == (
        "Listening", "higher", "1 to 5", {"1": "poor", "3": "mixed", "5": "good"},
    )  # fmt: skip
    assert (second.label, second.better, str(second.scale)) == ("Schulnote", "lower", "1 to 6")


def test_a_draft_fits_and_predicts_without_edits(run: Callable[..., Result], workplace: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [f"c{i},{VERDICT[rng.integers(4)]},{rng.integers(1, 5)}/5,{'yes' if i % 2 else 'no'}" for i in range(60)]
    (workplace / "my.csv").write_text("\n".join(["candidate,verdict,frac,hired", *rows]))
    text = run("signals", "infer", "my.csv", "--outcome", "hired", "--group", "candidate").output
    (workplace / "my.toml").write_text(text)
    known = read_ratings("my.csv", Catalogue.load("my.toml"), training=True)
    model = OfferClassifier(known.catalogue).fit(known.features, known.y).model_
    (workplace / "one.csv").write_text("verdict,frac\nstrong yes,5/5\n")
    (answer,) = model.predict_each(read_ratings("one.csv", model.catalogue))
    assert [item.rating for item in answer.contributions] == [4, 5]


# --- over HTTP, on the page, into the journal


def test_words_work_over_http_on_pages_and_in_the_journal(model: OfferModel, tmp_path: Path) -> None:
    journal = tmp_path / "my.journal"
    client = TestClient(
        make_app(Settings(model.save(tmp_path / "model.json"), journal=journal)), base_url="http://localhost"
    )
    answer = client.post("/v1/predict", json={"verdict": "Strong yes", "stars": "3/5", "grade": "k.A."}).json()
    ratings = {item["signal"]: item["rating"] for item in answer["contributions"]}
    assert (ratings["verdict"], ratings["stars"], ratings["grade"]) == (4, 3, None)
    refused = client.post("/v1/predict", json={"verdict": "Strong maybe"})
    assert refused.status_code == 422
    assert "Strong Yes" in refused.json()["problems"][0]["problem"]
    page = client.get("/").text
    assert "Strong Yes" in page
    token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
    filled = {
        "csrf_token": token,
        "title": "Acme",
        "rating.verdict": "strong yes",
        "rating.stars": "4/5",
        "rating.grade": "-",
    }
    assert client.post("/journal", data=filled).status_code == 200
    (entry,) = Journal(journal, CATALOGUE).entries()
    assert entry.ratings == {"verdict": 4.0, "stars": 4.0}
    assert Journal(journal, CATALOGUE).import_csv(b"verdict,stars,hired\nYES,3 stars,1.00\n") == 1
    kept = [entry.ratings for entry in Journal(journal, CATALOGUE).entries() if entry.outcome == "offer"]
    assert kept == [{"verdict": 3.0, "stars": 3.0}]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("N/A", "names nobody; write whose row"), ("-", "names nobody"), ("unknown", "names nobody"), ("", "is empty"),
        ("1.23E+17", "that a spreadsheet shortened, so that many ids may be one"), ("1,2e+12", "shortened"),
        ("NA", ""), ("N. A.", ""), ("1e+05", ""), ("1.00000000001E+11", ""),
    ],
)  # fmt: skip
def test_placeholder_words_for_people_are_refused(word: str, says: str) -> None:
    """Rows of many people with such a word would count as one person; initials are a valid name."""
    rows = [{"candidate_id": word, "goals_discussed": 4, "offer": "yes"}] * 2
    rows.append({"candidate_id": "b", "goals_discussed": 4, "offer": "no"})
    if says:
        with pytest.raises(RatingsError, match=f"candidate_id.*{says}"):
            Ratings.from_records(rows, Catalogue.shipped(), training=True)
    else:
        assert Ratings.from_records(rows, Catalogue.shipped(), training=True).groups is not None
