"""A short run of `tests/stress/endurance.py`: kills in mid-write, full disks, a swapped model, floods, shutdown."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.parametrize("words", ["kills 12", "disk", "swap 100", "flood 8", "uploads 6000", "term 100"])
def test_stress_scenarios_pass(words: str) -> None:
    command = [sys.executable, "tests/stress/endurance.py", *words.split()]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
