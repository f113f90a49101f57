"""Batches code whole columns to the same values that `Ratings` reads row by row, and refuse the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import EXAMPLES

from predictor import OfferModel, Ratings
from predictor.batch.coding import Coder
from predictor.errors import RatingsError
from predictor.ratings.signals import Scale
from predictor.sources.text import with_point

SIGNAL, INPUT = "goals_discussed", "rater_role"
SCALES = [Scale(1, 5, 1), Scale(-2, 2, 1), Scale(0, 1, 0.25), Scale(0, 8, 2), Scale(0.5, 4.5, 1)]  # of five knots each
FLOATS = st.one_of(st.none(), st.sampled_from([1.0, 3.5, 3.3, 0.25, -2.0]), st.floats(-3, 9, width=16), st.just(np.nan), st.just(np.inf))  # fmt: skip
DECIMALS = st.one_of(st.none(), st.decimals(-3, 9, places=2))
WORDS = st.sampled_from([None, "", "observer", " Observer ", "OBSERVER", "boss", "4"])
KINDS = {
    **{kind: st.one_of(st.none(), st.integers(-3, 9), st.integers(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    **{kind: st.one_of(st.none(), st.integers(0, 9), st.integers(0, 2**kind.bit_width - 1)) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
    pa.float16(): FLOATS, pa.float32(): FLOATS, pa.float64(): FLOATS,
    pa.decimal128(6, 2): DECIMALS, pa.decimal256(40, 2): DECIMALS,
    pa.dictionary(pa.int8(), pa.int64()): st.one_of(st.none(), st.integers(-3, 9)),
    pa.dictionary(pa.int32(), pa.float64()): FLOATS,
    pa.null(): st.none(),
}  # fmt: skip
INPUT_KINDS = [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
TEXTS = st.sampled_from(["", " ", "4", " 4.0 ", "3.5", "3,5", "+4", "-1", "4.", "9", "1e0", "nan", "inf", "0x1", "four", "4 4", "٣", "1e999"])  # fmt: skip


@pytest.fixture(scope="module")
def models() -> dict[Scale, OfferModel]:
    """The published model on other scales."""
    model = OfferModel.published()
    catalogues = {
        scale: replace(
            model.catalogue, signals=tuple(replace(signal, scale=scale) for signal in model.catalogue.signals)
        )
        for scale in SCALES
    }
    return {scale: replace(model, catalogue=catalogue) for scale, catalogue in catalogues.items()}


def read_as_ratings(model: OfferModel, rows: Sequence[Any]) -> list[tuple[float, float] | str]:
    """Return what `Ratings` reads in each row: the rating and the code of the input, or its problem."""
    found: list[tuple[float, float] | str] = []
    for row in rows:
        try:
            if isinstance(row, dict):
                ratings = Ratings.from_records([row], model.catalogue)
            else:
                ratings = Ratings.from_text([SIGNAL, INPUT], [row], model.catalogue)
        except RatingsError as error:
            found.append("; ".join(sorted(f"{p.column} {p.found} {p.message}" for p in error.problems)))
        else:
            place = model.signals.index(SIGNAL)
            found.append((ratings.values[0, place], ratings.codes(model.catalogue.inputs[0])[0]))
    return found


def coded(model: OfferModel, batch: pa.RecordBatch, **how: Any) -> list[tuple[float, float] | str]:
    """Return what the batch coder reads in each row."""
    numbers = np.arange(len(batch)) * 2 + 7
    codes, bad, explained = Coder(model, **how).code(batch, numbers)
    problems = list(explained)
    values = model.blocks.all_values(codes)[:, [model.terms.index(SIGNAL), model.terms.index(INPUT)]]
    printed = {
        number: sorted(f"{p.column} {p.found} {p.message}" for p in problems if p.row == number) for number in numbers
    }
    return ["; ".join(printed[number]) if wrong else tuple(row) for number, wrong, row in zip(numbers, bad, values.tolist(), strict=True)]  # fmt: skip


def agree(one: list[tuple[float, float] | str], other: list[tuple[float, float] | str]) -> None:
    assert [isinstance(row, str) for row in one] == [isinstance(row, str) for row in other]
    for ours, theirs in zip(one, other, strict=True):
        if isinstance(ours, str) or isinstance(theirs, str):
            assert ours == theirs
        else:
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_arrow_columns_are_coded_as_ratings_reads_them(kind: pa.DataType, models: dict[Scale, OfferModel]) -> None:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind

    @settings(max_examples=EXAMPLES or 30, deadline=None)
    @given(st.sampled_from(SCALES), st.lists(st.tuples(KINDS[kind], WORDS), min_size=1, max_size=6), st.sampled_from(INPUT_KINDS))  # fmt: skip
    def check(scale: Scale, rows: list[tuple[Any, Any]], input_kind: pa.DataType) -> None:
        cells = [np.float16(cell) if inner == pa.float16() and cell is not None else cell for cell, _ in rows]
        ratings = pa.array(cells, inner)
        batch = pa.record_batch({
            SIGNAL: ratings if inner == kind else ratings.dictionary_encode().cast(kind),
            INPUT: pa.array([word for _, word in rows], pa.string()).cast(input_kind),
        })  # fmt: skip
        agree(coded(models[scale], batch), read_as_ratings(models[scale], batch.to_pylist()))

    check()


def test_text_columns_are_coded_as_ratings_reads_them(models: dict[Scale, OfferModel]) -> None:
    @settings(max_examples=EXAMPLES or 60, deadline=None)
    @given(st.sampled_from(SCALES), st.lists(st.tuples(TEXTS, WORDS.filter(bool)), min_size=1, max_size=6), st.booleans())  # fmt: skip
    def check(scale: Scale, rows: list[tuple[str, str]], comma: bool) -> None:
        model = models[scale]
        batch = pa.record_batch([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], [SIGNAL, INPUT])
        pointed = [[with_point(cell) if comma else cell for cell in row] for row in rows]
        agree(coded(model, batch, text=True, delimiter=";" if comma else ","), read_as_ratings(model, pointed))

    check()


def test_decimals_out_of_scale_are_reported_as_written(models: dict[Scale, OfferModel]) -> None:
    batch = pa.record_batch({SIGNAL: pa.array([Decimal("9.50"), None], pa.decimal128(6, 2))})
    _, bad, (problem,) = Coder(models[SCALES[0]]).code(batch, np.array([10, 11]))
    assert bad.tolist() == [True, False]
    assert (problem.row, problem.column, problem.found) == (10, SIGNAL, "9.5")
