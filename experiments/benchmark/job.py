"""One job of the benchmark: a peer learns and predicts, here or on a worker."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import pandas as pd
from peers import PEERS, installed, prepare
from protocol import scores


def learn(
    about: dict[str, Any], X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, T: pd.DataFrame, known: np.ndarray
) -> dict[str, Any]:
    """Let one peer learn from X and y, predict T, and be scored; what it raises is recorded."""
    record = {**about, "version": installed(about["peer"])}
    started = time.perf_counter()
    try:
        prepare(about["peer"])
        started = time.perf_counter()
        p = PEERS[about["peer"]](X, y, groups, T)
        found: dict[str, Any] = {"seconds": round(time.perf_counter() - started, 3), **scores(known, p)}
    except Exception as error:  # whatever a peer raises, the others go on
        found = {
            "seconds": round(time.perf_counter() - started, 3),
            "error": f"{type(error).__name__}: {error}"[:300],
        }
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None  # who shared the machine
    return {**record, **found, "load": load}
