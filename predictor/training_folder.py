"""The folder of a training: the names of its files, and writing it atomically.

One process at a time writes it, under a temporary name, and renames it when it is complete.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from predictor.atomic import exclusive_lock

MODEL, REPORT, OUT_OF_FOLD = "model.json", "report.html", "out_of_fold.csv"
IMPORTANCES, SCORES = "importances.csv", "scores.csv"
RECORD = "record.json"  # what is recorded in MLflow
RECORDED = "recorded.json"  # the run in which it was recorded
AUDIT, AUDIT_REPORT = "audit.json", "audit.html"  # these three lines: written by later commands
DRIFT, DRIFT_REPORT = "drift.json", "drift.html"
CARD, CARD_PAGE = "card.md", "card.html"
LEADERBOARD = "leaderboard.csv"
CALIBRATION_PLOT, IMPORTANCES_PLOT, LEADERBOARD_PLOT = "calibration.png", "importances.png", "leaderboard.png"


@contextmanager
def one_training(folder: Path) -> Iterator[None]:
    """Lock a folder against other trainings, from before this one begins until it is recorded.

    Otherwise a record could mix two trainings. What a killed training left behind is repaired.
    """
    with exclusive_lock(
        folder, f"another training writes to {folder}; wait until it is done, or give this one another --name"
    ):
        _fix(folder)
        yield


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Fill a temporary folder by `fill`, then put it in the place of `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        fresh.mkdir()
        fill(fresh)
        if folder.exists() or folder.is_symlink():
            old = fresh.with_name(f"{fresh.name}.old")
            folder.rename(old)
            fresh.rename(folder)
            _remove(old)
        else:
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _fix(folder: Path) -> None:
    """Repair what was left by a training that was killed while it replaced a folder.

    The new folder is complete before the old one is renamed to .old. So if the folder is missing, the new one is used,
    or else the old one is put back.
    """
    if not folder.parent.is_dir():
        return
    name = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{8}}(\.old)?")
    left = [path for path in folder.parent.iterdir() if name.fullmatch(path.name)]
    if not folder.exists():
        for old in (path for path in left if path.suffix == ".old"):
            fresh = old.with_suffix("")
            (fresh if fresh.exists() else old).rename(folder)
            break
    for path in left:
        _remove(path)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)
