"""The rows of a part, and lines that cannot be read as rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
from numpy.typing import NDArray

from predictor.batch.parts import STANDARD, Part
from predictor.errors import Problem

BYTES = 8 << 20  # of a batch of text


@dataclass(frozen=True)
class BadRow:
    """A bad row, such as one with a cell too many: its problems, and its text in the file.

    `explain` is slow, so it is called for the first bad rows only, or for all if they are written to a file.
    """

    row: int
    explain: Callable[[], tuple[Problem, ...]]
    text: str

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(replace(problem, row=self.row) for problem in self.explain())


@dataclass(frozen=True)
class RowBlock:
    """Some rows of a part.

    Attributes
    ----------
    batch
        The columns that are needed, as far as the file has them.
    numbers
        Row numbers in the file, counted from 1, shape (n,).
    broken
        Bad rows, which are not in `batch`.
    done
        Share of the part that has been read, 0 to 1.
    delimiter
        Separator of the cells if all of them are text, as in CSV; None if they have types.
    """

    batch: pa.RecordBatch
    numbers: NDArray[np.int64]
    broken: tuple[BadRow, ...] = ()
    done: float = 0.0
    delimiter: str | None = None


def no_rows(schema: pa.Schema, names: Sequence[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], pa.schema([schema.field(name) for name in names]))


def opened(part: Part) -> tuple[Any, Callable[[], float]]:
    """Open a file of text, decompressed, with a function that returns the share that has been read."""
    if str(part.path) == STANDARD:
        return sys.stdin.buffer, lambda: 0.0
    raw = pa.OSFile(str(part.path))
    size = max(raw.size(), 1)
    stream = pa.CompressedInputStream(raw, part.form.compression) if part.form.compression else raw
    return stream, lambda: raw.tell() / size
