"""A wrong quote in CSV is refused where a strict reader refuses it; correct quotes are read unchanged."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from predictor.batch.quoting import QuotedText


@given(st.text('",\na ', max_size=30), st.integers(2, 9))
@example('1,"a\n2,"b"\n', 4)  # the second row would stand in a cell of the first
@example('a,5""\n"a"', 3)
@example(",\n\n" * 9, 2)
def test_quotes_are_refused_where_a_strict_reader_refuses_them(text: str, size: int) -> None:
    stream = QuotedText(io.BytesIO(text.encode()), b"", ",")
    given = b"".join(iter(lambda: stream.read(size), b"")).decode()
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        assert stream.wrong
        return
    assert not stream.wrong
    kept = list(csv.reader(io.StringIO(given, newline="")))
    assert kept == rows[: len(kept)]
    assert not any(cell.strip() for row in rows[len(kept) :] for cell in row)
    assert text.startswith(given)


@given(st.text("äß€😀\n", min_size=1, max_size=12), st.integers(5, 9), st.integers(0, 11))
def test_bytes_that_are_not_utf_8_are_located(text: str, size: int, place: int) -> None:
    before, after = text[:place].encode(), text[place:].encode()
    stream = QuotedText(io.BytesIO(before + b"\xff" + after), b"", ",")
    given = b"".join(iter(lambda: stream.read(size), b""))
    assert "UTF-8" in stream.wrong
    assert given == before + b"?"
