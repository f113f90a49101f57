"""Files appear complete or not at all, whenever a process ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from predictor.atomic import temporary_file, write_text

ENDED_BEFORE_ITS_BLOCK = """
import ctypes, os, signal, sys
from pathlib import Path
from predictor.atomic import temporary_file

signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
entered = temporary_file(Path("answers.csv"))  # by a caller that has not reached the block which leaves it again
entered.__enter__().touch()
ctypes.pythonapi.Py_IncRef(ctypes.py_object(entered))  # else collecting it may clear up
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_killed_process_leaves_no_temporary_file(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", ENDED_BEFORE_ITS_BLOCK], cwd=tmp_path)
    assert ended.returncode == 3
    assert [*tmp_path.iterdir()] == []


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_text(tmp_path / "model.json", "old")
    with pytest.raises(ValueError), temporary_file(path) as temporary:
        temporary.write_text("half")
        raise ValueError
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_text() == "old"
