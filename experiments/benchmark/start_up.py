"""Time `predictor predict --json`, from the shell's prompt to the answer, beside `import numpy`.

Runs the two in turn, so that a machine that slows down slows both, and prints the ratio of each pair: median, least
and most. A champion must have been trained.

    .venv/bin/python experiments/benchmark/start_up.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

PAIRS = 21
PREDICT = [str(Path(sys.executable).with_name("predictor")), "predict", "data/ratings.json", "--json"]
NUMPY = [sys.executable, "-c", "import numpy"]


def seconds(command: list[str]) -> float:
    """Run a command and time it as a whole process."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Time pairs, after one of each that is not counted, and print the ratios."""
    seconds(PREDICT), seconds(NUMPY)
    pairs = [(seconds(PREDICT), seconds(NUMPY)) for _ in range(PAIRS)]
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    middle = [statistics.median(column) for column in zip(*pairs, strict=True)]
    print(f"predict {middle[0]:.3f} s, import numpy {middle[1]:.3f} s (medians of {PAIRS})")
    print(f"ratio {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
