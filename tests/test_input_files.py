"""A pipe without a writer or an endless device is refused wherever a file is read; a pipe in use is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from predictor import Catalogue, OfferModel, TrainingConfig, read_ratings
from predictor.errors import PredictorError
from predictor.sources.scorecards.mapping import ColumnMapping

READERS = {
    "pipe.toml": (Catalogue.load, TrainingConfig.load, ColumnMapping.load),
    "pipe.json": (OfferModel.load, read_ratings),
    **{f"pipe.{ending}": (read_ratings,) for ending in ("csv", "csv.gz", "jsonl", "xlsx", "parquet")},
}


@pytest.mark.parametrize(
    ("name", "read"), [pytest.param(name, read, id=name) for name, readers in READERS.items() for read in readers]
)
def test_endless_devices_and_unused_pipes_are_refused(
    name: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / name)
    device = tmp_path / f"device-{name}"
    device.symlink_to("/dev/zero")
    for path in (tmp_path / name, device):
        with pytest.raises(PredictorError, match="not an ordinary file"):
            read(path)


def test_a_pipe_in_use_is_read() -> None:
    ours, theirs = os.pipe()  # as a shell makes one for <(command)
    os.write(theirs, b"repeats = 2\n")
    os.close(theirs)
    try:
        assert TrainingConfig.load(f"/dev/fd/{ours}").repeats == 2
    finally:
        os.close(ours)
