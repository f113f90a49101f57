"""Codes: all input paths read "not observed" and "not applicable" alike, and answers and files write them as words."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from strategies import EXAMPLES

from predictor import Catalogue, OfferClassifier, OfferModel, Ratings
from predictor.batch.coding import Coder
from predictor.batch.running import score_files
from predictor.batch.scoring import ScoringOptions
from predictor.errors import RatingsError
from predictor.evaluation.baselines import baseline
from predictor.evaluation.data_quality import data_quality
from predictor.journal.store import Journal
from predictor.model.changes import what_would_change
from predictor.model.data import mean_and_spread
from predictor.ratings.parsing import parse_ratings
from predictor.ratings.records import parse_record_fast, validated_columns
from predictor.ratings.signals import NOT_APPLICABLE
from predictor.serving.app import make_app
from predictor.serving.settings import Settings
from predictor.sources.files import read_ratings, write_csv

WORDED = {"not_observed": [99, -9, "?"], "not_applicable": ["n/a"]}  # 0 is how arrays hold "not applicable"
CATALOGUE = Catalogue.from_dict(
    {
        "name": "coded",
        "columns": {"outcome": "offer", "context": ["id"]},
        "families": {"all": "All"},
        "inputs": {"rater_role": {"levels": ["interviewer", "candidate"]}},
        "not_observed": [99],
        "signals": [
            {"name": "calm", "family": "all", "side": "candidate", **WORDED},
            {"name": "clear", "family": "all", "side": "candidate", "not_applicable": [0, -1], "better": "higher"},
            {"name": "warm", "family": "all", "scale": {"low": 0, "high": 1, "step": 0.1}, "not_applicable": [9]},
            {"name": "kind", "family": "all", "not_observed": []},
            {"name": "fair", "family": "all"},
        ],
    }
)
N = 400
# For each signal what may stand in a file, and what it means; None: an empty cell.
ANSWERS: list[dict[Any, float]] = [
    {None: np.nan, 99: np.nan, -9: np.nan, " ? ": np.nan, "N/A": 0, "Not applicable": 0, 0: 0, 1: 1, 3.5: 3.5, 5: 5},
    {None: np.nan, 99: np.nan, 0: 0, -1: 0, "not applicable": 0, 2: 2, 4.25: 4.25},
    {None: np.nan, 99: np.nan, 9: -0.1, "NOT APPLICABLE ": -0.1, -0.1: -0.1, 0: 0, 0.3: 0.3, 1: 1},
    {None: np.nan, 1: 1, 5: 5},
    {None: np.nan, 99: np.nan, 1: 1, 2: 2},
]
row = st.tuples(*(st.sampled_from([*answers]) for answers in ANSWERS))
rows = st.lists(row, min_size=1, max_size=5)


def meant(cells: Sequence[Sequence[Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([[answers[cell] for answers, cell in zip(ANSWERS, row, strict=True)] for row in cells], dtype=float)


def equal(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(np.asarray(found, dtype=float), expected)


@pytest.fixture(scope="module")
def coded_ratings() -> Ratings:
    """Interviews in which "not applicable" predicts the outcome, in its own way for each signal that has it."""
    rng = np.random.default_rng(4)
    values = rng.integers(1, 6, (N, 5)).astype(float)
    values[:, 2] = rng.integers(0, 11, N) / 10
    values[rng.random(values.shape) < 0.1] = np.nan
    for j, share in ((0, 0.2), (1, 0.1), (2, 0.1)):
        values[rng.random(N) < share, j] = CATALOGUE.not_applicable_values[j]
    log_odds = 1.5 * (values[:, 0] == 0) - 1.5 * (values[:, 1] == 0) + np.nan_to_num(values[:, 3] - 3)
    y = (rng.random(N) < 1 / (1 + np.exp(-log_odds))).astype(float)
    roles = rng.choice(["interviewer", "candidate", ""], N).astype(object)
    return Ratings(CATALOGUE, values, y, {"rater_role": roles, "id": np.arange(N).astype(str).astype(object)})


@pytest.fixture(scope="module")
def model(coded_ratings: Ratings) -> OfferModel:
    return OfferClassifier(CATALOGUE).fit(coded_ratings.features, coded_ratings.y).model_


@given(cells=rows)
@settings(max_examples=EXAMPLES or 100, deadline=None)
def test_all_input_paths_parse_codes_alike(cells: list[tuple[Any, ...]]) -> None:
    expected, names = meant(cells), CATALOGUE.names
    records = [dict(zip(names, row, strict=True)) for row in cells]
    equal(Ratings.from_records(records, CATALOGUE).values, expected)
    equal([parse_record_fast(record, CATALOGUE)[:5] for record in records], expected)  # type: ignore[index]
    text = [["" if cell is None else f"{cell}" for cell in row] for row in cells]
    equal(Ratings.from_text(names, text, CATALOGUE).values, expected)
    frame = pd.DataFrame(dict(zip(names, zip(*cells, strict=True), strict=True)), dtype=object)
    equal(Ratings.from_frame(frame, CATALOGUE).values, expected)
    equal(np.column_stack(validated_columns(frame, CATALOGUE))[:, :5], expected)
    numbers = pd.DataFrame(
        [
            [np.nan if c is None else c if not isinstance(c, str) else v for c, v in zip(r, e, strict=True)]
            for r, e in zip(cells, expected, strict=True)
        ],
        columns=list(names),
        dtype=float,
    )
    equal(np.column_stack(validated_columns(numbers, CATALOGUE))[:, :5], expected)


@given(cells=rows)
@settings(max_examples=EXAMPLES or 50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_codes_survive_files_and_frames(cells: list[tuple[Any, ...]], tmp_path: Path) -> None:
    values = meant(cells)
    ratings = Ratings(CATALOGUE, values, np.ones(len(values)))
    equal(read_ratings(write_csv(ratings, tmp_path / "a.csv"), CATALOGUE).values, values)
    equal(Ratings.from_frame(ratings.X, CATALOGUE).values, values)
    answers = json.loads(json.dumps([ratings.ratings_of_row(row) for row in range(len(values))]))
    equal(Ratings.from_records(answers, CATALOGUE).values, values)
    assert {cell for row in answers for cell in row.values() if isinstance(cell, str)} <= {NOT_APPLICABLE}
    equal(ratings.rated_values, np.where(values == np.array(CATALOGUE.not_applicable_values), np.nan, values))


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("calm", 0.5, "is out of scale; write 1 to 5 or 'not applicable', or leave it null where it was not observed"),
        ("calm", "nn/a", "is not a number; write one or 'not applicable', or leave it null"),
        ("kind", "not applicable", "is not a number; write one, or leave it null"),
        ("kind", 99, "is out of scale; write 1 to 5, or leave it null"),
        ("fair", 0, "is out of scale; write 1 to 5, or leave it null"),
    ],
)
def test_unknown_codes_are_refused(column: str, cell: Any, says: str) -> None:
    assert parse_record_fast({column: cell}, CATALOGUE) is None
    with pytest.raises(RatingsError, match=says) as error:
        Ratings.from_records([{column: cell}], CATALOGUE)
    assert error.value.problems[0].column == column


def test_all_prediction_paths_handle_codes_alike(model: OfferModel, coded_ratings: Ratings, tmp_path: Path) -> None:
    """One row, many, log-odds and files: also the contribution of each term and its words."""
    many = model.predict_many(coded_ratings, contributions=True)
    for ours, answer, values in zip(
        many.to_numpy(), model.predict_each(coded_ratings), coded_ratings.values, strict=True
    ):
        parts = [item.log_odds for item in answer.contributions]
        expected = [answer.offer_probability, answer.interval.low, answer.interval.high, answer.baseline, *parts]
        np.testing.assert_allclose(ours, expected, atol=1e-12)
        words = [item.rating == NOT_APPLICABLE for item in answer.contributions[:5]]
        assert words == (values == CATALOGUE.not_applicable_values).tolist()
        assert answer.not_rated == tuple(np.array(CATALOGUE.names)[np.isnan(values)])
    classifier = OfferClassifier(CATALOGUE).fit(coded_ratings.features, coded_ratings.y)
    np.testing.assert_allclose(
        classifier.predict_proba(coded_ratings.features)[:, 1], many["offer_probability"], atol=1e-12
    )
    assert {name: len(table) for name, table in model.tables.items()} == {
        "calm": 7,
        "clear": 7,
        "warm": 13,
        "kind": 6,
        "fair": 6,
        "rater_role": 3,
    }
    loaded = OfferModel.load(model.save(tmp_path / "model.json"))
    pd.testing.assert_frame_equal(loaded.predict_many(coded_ratings, contributions=True), many)
    again = loaded.shape_functions()
    assert again[again["rating"] == NOT_APPLICABLE]["signal"].tolist() == ["calm", "clear", "warm"]
    assert (
        again[again["rating"] == NOT_APPLICABLE]["n"].tolist()
        == (coded_ratings.values == CATALOGUE.not_applicable_values).sum(axis=0)[:3].tolist()
    )


def test_batch_reads_codes_in_every_format(model: OfferModel, coded_ratings: Ratings, tmp_path: Path) -> None:
    """Text, JSON Lines with words and with numbers, Parquet with whole numbers, floats and dictionaries."""
    expected = model.predict_many(coded_ratings)["offer_probability"].to_numpy()
    role = coded_ratings.columns["rater_role"]
    write_csv(coded_ratings, tmp_path / "a.csv")
    with (tmp_path / "a.jsonl").open("w") as lines:
        for number in range(N):
            codes = {"kind": None, "rater_role": role[number], "id": str(number)}
            ratings = coded_ratings.ratings_of_row(number)
            record = (
                {**codes, **ratings}
                if number % 2
                else {"rater_role": role[number], "id": str(number), "ratings": ratings}
            )
            lines.write(json.dumps(record) + "\n")
    table = pa.table({"id": coded_ratings.columns["id"], "rater_role": role})
    for j, (name, code) in enumerate(zip(CATALOGUE.names, (0, -1, 9, None, None), strict=True)):
        cells = [
            code if value == CATALOGUE.not_applicable_values[j] else None if np.isnan(value) else value
            for value in coded_ratings.values[:, j]
        ]
        column = pa.array(cells, pa.float64())
        if name in ("calm", "clear"):
            column = column.cast(pa.int8())
        table = table.append_column(name, column.dictionary_encode() if name == "calm" else column)
    pq.write_table(table, tmp_path / "a.parquet")
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        score_files(tmp_path / name, tmp_path / f"out-{name}.csv", model, options=ScoringOptions(keep=("id",)))
        with (tmp_path / f"out-{name}.csv").open() as file:
            answers = [float(answer["offer_probability"]) for answer in csv.DictReader(file)]
        np.testing.assert_allclose(answers, expected, atol=1e-12, err_msg=name)


@given(cells=rows, wrong=st.sampled_from([None, 0.5, -2, 98]))
@settings(max_examples=EXAMPLES or 50, deadline=None)
def test_batch_columns_are_coded_as_rows_are(model: OfferModel, cells: list[tuple[Any, ...]], wrong: Any) -> None:
    expected = meant(cells)
    for j, name in enumerate(CATALOGUE.names[:3]):
        given = [wrong, *(row[j] for row in cells)]
        for text in (True, False):
            if text:
                column = pa.array(["" if cell is None else f"{cell}" for cell in given], pa.string())
            else:
                column = pa.array(
                    [expected[i - 1, j] if isinstance(cell, str) else cell for i, cell in enumerate(given)],
                    pa.float64(),
                )
            coded, bad, _ = Coder(model, text=text).code(pa.record_batch({name: column}), np.arange(len(given)))
            outside = wrong is not None and not (name == "warm" and wrong == 0.5)
            assert bad.tolist() == [outside, *[False] * len(cells)]
            equal(np.round(model.blocks.all_values(coded)[1:, j], 9), expected[:, j])


def test_means_exclude_not_applicable(coded_ratings: Ratings, model: OfferModel) -> None:
    rated = (coded_ratings.values >= CATALOGUE.ends[0]).any(axis=1)
    mean, spread = mean_and_spread(coded_ratings.values[rated], CATALOGUE)
    assert mean.min() >= 0
    np.testing.assert_allclose(mean, mean_and_spread(coded_ratings.rated_values[rated], CATALOGUE)[0])
    assert spread.max() <= 0.5
    facts = data_quality(coded_ratings)
    other = (coded_ratings.values == CATALOGUE.not_applicable_values).sum(axis=0)
    assert facts.not_applicable == dict(zip(CATALOGUE.names[:3], other[:3].tolist(), strict=True))
    assert facts.rated["calm"] + facts.not_applicable["calm"] + np.isnan(coded_ratings.values[:, 0]).sum() == N
    for name in ("mean_rating", "logistic", "forest"):
        fitted = baseline(name, CATALOGUE).fit(coded_ratings.features, coded_ratings.y)
        inside = fitted[0].transform(coded_ratings.features)
        assert np.nanmin(inside[:, :1] if name == "mean_rating" else inside[:, [0, 1, 3, 4]]) >= (
            0 if name == "mean_rating" else 1
        )
    ratings = {"calm": "n/a", "clear": 2}
    found = what_would_change(model, model.predict(ratings), line=0.999)
    assert not found.reached and "calm" not in [change.signal for change in found.changes]


def test_codes_work_over_http_on_pages_and_in_the_journal(model: OfferModel, tmp_path: Path) -> None:
    path = model.save(tmp_path / "model.json")
    journal = tmp_path / "my.journal"
    client = TestClient(make_app(Settings(path, journal=journal)), base_url="http://localhost")
    answer = client.post("/v1/predict", json={"calm": "N/A", "clear": -1, "fair": 99}).json()
    assert [item["rating"] for item in answer["contributions"][:5]] == [NOT_APPLICABLE] * 2 + [None] * 3
    schema = client.get("/openapi.json").json()["components"]["schemas"]["Ratings"]["properties"]
    assert {NOT_APPLICABLE, "n/a", "?", 99, -9} <= {*schema["calm"]["anyOf"][2]["enum"]}
    assert schema["kind"]["anyOf"][0]["maximum"] == 5

    page = client.get("/").text
    assert page.count('value="not applicable"') == 3
    token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
    filled = {
        "csrf_token": token,
        "title": "Acme",
        "rating.calm": NOT_APPLICABLE,
        "rating.kind": "4",
        "rating.warm": NOT_APPLICABLE,
    }
    shown = client.post("/", data=filled).text
    assert len(re.findall(r'value="not applicable" (?:checked|selected)', shown)) == 2
    assert client.post("/journal", data=filled).status_code == 200
    (entry,) = Journal(journal, CATALOGUE).entries()
    assert entry.ratings == {"calm": NOT_APPLICABLE, "warm": NOT_APPLICABLE, "kind": 4.0}
    assert NOT_APPLICABLE in client.get(f"/journal/{entry.id}").text
    Journal(journal, CATALOGUE).set_outcome(entry.id, "offer")
    assert client.get("/calibration").status_code == 200
    other = Journal(tmp_path / "other.journal", CATALOGUE)
    assert other.import_csv(Journal(journal, CATALOGUE).export_csv().encode()) == 1
    assert other.entries() == Journal(journal, CATALOGUE).entries()
    equal(other.ratings().values, [[0, np.nan, -0.1, 4, np.nan]])


def test_codes_in_text_columns_ignore_case_and_spaces() -> None:
    calm = CATALOGUE.signals[0]
    values, problems = parse_ratings(["NOT APPLICABLE", " n/A", "?", "99.0", "+5"], calm, "empty")
    equal(values, [0, 0, np.nan, np.nan, 5])
    assert not problems
