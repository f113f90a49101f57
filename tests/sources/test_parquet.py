"""Parquet as pandas writes it: an index becomes ordinary columns, and ids keep their value."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor import Catalogue, OfferModel, Ratings, read_ratings, simulate_interviews
from predictor.batch.running import score_files
from predictor.batch.scoring import ScoringOptions
from predictor.errors import RatingsError
from predictor.sources.drafting.write import draft_catalogue

BIG = 2**60  # from 2^53 on, floats cannot tell whole numbers apart
INDEXES = [["rater_role"], ["rater_role", "origin"], ["goals_discussed"], ["candidate_id"], ["offer"], []]


def _frame() -> pd.DataFrame:
    ratings = simulate_interviews(40, seed=3)
    known = ratings.context[[name for name in ratings.context if name in ratings.catalogue.columns]]
    outcomes = pd.Series(ratings.y).map({0.0: "no", 1.0: "yes"})
    return pd.concat([ratings.X, known], axis=1).assign(offer=outcomes)


@pytest.mark.parametrize("index", INDEXES, ids=",".join)
def test_index_columns_are_read(tmp_path: Path, index: list[str]) -> None:
    """From a file, by batch and from the frame: the same rows, the same answers, still labelled SIMULATED."""
    frame, model, catalogue = _frame(), OfferModel.published(), Catalogue.shipped()
    wanted = Ratings.from_frame(frame, catalogue)
    frame = frame.sort_values("goals_discussed").sort_index()  # an index of numbers, which pandas keeps as a column
    indexed = frame.set_index(index) if index else frame
    indexed.to_parquet(path := tmp_path / "indexed.parquet")
    read = read_ratings(path, catalogue)
    for ratings in (read, Ratings.from_frame(indexed, catalogue)):
        assert ratings.digest == wanted.digest
        assert ratings.simulated
    expected = model.predict_many(wanted)["offer_probability"].to_numpy()
    np.testing.assert_array_equal(model.predict_many(read)["offer_probability"], expected)
    np.testing.assert_array_equal(model.predict_many(indexed)["offer_probability"], expected)
    score_files(path, tmp_path / "out.parquet", model, options=ScoringOptions())
    np.testing.assert_allclose(pd.read_parquet(tmp_path / "out.parquet")["offer_probability"], expected, atol=1e-12)


def test_an_unnamed_number_index_is_no_column(tmp_path: Path) -> None:
    _frame().iloc[::2].to_parquet(path := tmp_path / "half.parquet")
    assert "__index_level_0__" not in read_ratings(path).columns
    assert len(read_ratings(path)) == 20


def test_a_range_index_is_a_column_only_if_named(tmp_path: Path) -> None:
    frame = _frame().drop(columns="interview_id", errors="ignore")
    frame.index = pd.RangeIndex(7, 7 + 3 * len(frame), 3, name="interview_id")
    frame.to_parquet(path := tmp_path / "my.parquet")
    assert read_ratings(path).columns["interview_id"].tolist() == [str(7 + 3 * row) for row in range(len(frame))]


def test_lists_are_refused_as_ids(tmp_path: Path) -> None:
    pq.write_table(pa.table({"interview_id": [["a"]], "goals_discussed": [4]}), tmp_path / "my.parquet")
    with pytest.raises(RatingsError, match=r"interview_id: .* must be text or a number"):
        read_ratings(tmp_path / "my.parquet")


def test_a_draft_includes_index_columns(tmp_path: Path) -> None:
    _frame().set_index("candidate_id").to_parquet(path := tmp_path / "my.parquet")
    assert 'group = "candidate_id"' in draft_catalogue(path, outcome="offer", group="candidate_id")


def test_timestamps_at_midnight_are_read_as_days() -> None:
    days = pd.to_datetime(["2026-03-02 00:00", "2026-03-02 16:30"])
    frame = pd.DataFrame({"rated_on": days, "goals_discussed": [4, 5]})
    assert Ratings.from_frame(frame, Catalogue.shipped()).columns["rated_on"].tolist() == [
        "2026-03-02",
        "2026-03-02 16:30:00",
    ]


@pytest.mark.parametrize("kind", ["parquet", "frame", "object", "json", "csv"])
def test_whole_number_ids_keep_their_value_despite_gaps(tmp_path: Path, kind: str) -> None:
    ids = pd.array([BIG + 1, BIG + 2, None], dtype="Int64")
    frame = pd.DataFrame({"candidate_id": ids, "goals_discussed": [4, 5, 3]})
    if kind == "parquet":
        frame.to_parquet(path := tmp_path / "ids.parquet")
    elif kind == "json":
        (path := tmp_path / "ids.json").write_text(frame.to_json(orient="records"))
    elif kind == "csv":
        frame.to_csv(path := tmp_path / "ids.csv", index=False)
    else:
        frame = frame.astype({"candidate_id": object}) if kind == "object" else frame
    ratings = Ratings.from_frame(frame, Catalogue.shipped()) if kind in ("frame", "object") else read_ratings(path)
    assert ratings.columns["candidate_id"].tolist() == [str(BIG + 1), str(BIG + 2), ""]


@pytest.mark.parametrize("dtype", ["float32", "float64", "Float32", "Float64"])
def test_ids_stored_as_floats_are_whole_numbers_or_refused(dtype: str) -> None:
    """They are whole numbers where a float holds them exactly; otherwise they are refused as groups to train with."""
    frame = pd.DataFrame({"candidate_id": pd.Series([7, 8], dtype=dtype), "goals_discussed": [4, 5], "offer": [1, 0]})
    assert Ratings.from_frame(frame, Catalogue.shipped(), training=True).columns["candidate_id"].tolist() == ["7", "8"]
    limit = 2 ** (24 if "32" in dtype else 53)
    for ids in ([7 * BIG, 8 * BIG], [limit, limit + 1]):
        frame["candidate_id"] = pd.Series(ids).astype(pd.api.types.pandas_dtype(dtype))
        with pytest.raises(RatingsError, match="too large to distinguish ids") as refused:
            Ratings.from_frame(frame, Catalogue.shipped(), training=True)
        assert "is empty" not in str(refused.value)
    frame["candidate_id"] = pd.Series([limit - 1, limit - 2]).astype(pd.api.types.pandas_dtype(dtype))
    known = Ratings.from_frame(frame, Catalogue.shipped(), training=True)
    assert known.columns["candidate_id"].tolist() == [str(limit - 1), str(limit - 2)]


def test_decimals_are_read_as_ids_like_whole_numbers() -> None:
    frame = pd.DataFrame({"candidate_id": [Decimal("7.00"), Decimal(f"{BIG + 1}.0"), Decimal("7.05"), 7]}, dtype=object)
    ids = Ratings.from_frame(frame, Catalogue.shipped()).columns["candidate_id"]
    assert ids.tolist() == ["7", str(BIG + 1), "7.05", "7"]


def test_equal_numbers_with_different_bits_are_copied_rows(catalogue: Catalogue) -> None:
    """Half floats, for example, have a NaN of their own."""
    frame = pd.DataFrame({"goals_discussed": [4, np.nan], "mutual_respect": [np.nan, 2.5]})
    one, other = (Ratings.from_frame(frame.astype(kind), catalogue) for kind in ("float64", "float16"))
    odd = Ratings(catalogue, np.copysign(one.values, -1) * -1, one.y)
    assert one.digest == other.digest == odd.digest


def test_a_duplicate_column_is_refused(tmp_path: Path) -> None:
    table = pa.table([[4, 5], [3, 2], ["a", "b"], ["c", "d"]], names=["goals_discussed"] * 2 + ["id"] * 2)
    pq.write_table(table, path := tmp_path / "doubled.parquet")
    others = tuple(name for name in OfferModel.published().signals if name != "goals_discussed")
    with pytest.raises(RatingsError, match=r"(?s)goals_discussed: appears 2 times .* keep one.*id: appears 2 times"):
        score_files(
            path, tmp_path / "o.csv", OfferModel.published(), options=ScoringOptions(keep=("id",), unobserved=others)
        )
    with pytest.raises(RatingsError, match="goals_discussed: appears 2 times in the header"):
        read_ratings(path)
