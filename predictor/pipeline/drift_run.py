"""A check for drift as a folder and an MLflow run of its own."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from predictor.atomic import write_text
from predictor.evaluation.drift_check import DriftCheck
from predictor.reports.drift_report import headline, render_drift_page
from predictor.sources.compression import unpacked
from predictor.tracking.record import DIGITS, Record, environment
from predictor.training_folder import DRIFT, DRIFT_REPORT

KIND = "drift"


def save_drift(check: DriftCheck, folder: Path, seconds: float) -> Path:
    """Write a check to a folder of its own: the page, its figures, and what MLflow keeps of it.

    Returns
    -------
    Path
        The folder; `predictor.tracking.track` records it.
    """
    write_text(folder / DRIFT_REPORT, render_drift_page(check))
    write_text(folder / DRIFT, json.dumps(check.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    drift_record(check, seconds).save(folder)
    return folder


def drift_record(check: DriftCheck, seconds: float) -> Record:
    """Describe a check for drift as MLflow records it."""
    model, outcomes = check.model, check.outcomes
    metrics = {
        "n": float(check.n),
        "moved": float(len(check.significant)),  # this and "looks" keep their names of the first release
        "looks": float(len(check.tests)),
        "outcomes/known": float(outcomes.n),
        "outcomes/open": float(outcomes.open),
        "seconds": round(seconds, 2),
    }
    if check.tests:
        metrics["lowest_p_corrected"] = round(min(test.adjusted for test in check.tests), 6)
    if outcomes.in_the_large and outcomes.slope and outcomes.corp and outcomes.log_loss is not None:
        calibration = {
            "log_loss": outcomes.log_loss,
            "brier": outcomes.corp.brier,
            "outcomes/in_the_large": outcomes.in_the_large.value,
            "outcomes/slope": outcomes.slope.value,
            "outcomes/miscalibration": outcomes.corp.miscalibration,
            "outcomes/discrimination": outcomes.corp.discrimination,
        }
        metrics |= {name: round(value, DIGITS) for name, value in calibration.items()}
    stem = unpacked(Path(check.source)).stem
    return Record(
        name=f"{KIND}-{model.name}-{stem}",
        experiment=KIND,
        began=time.time() - seconds,
        seconds=seconds,
        params={"experiment": KIND, "model": model.name, "fingerprint": model.fingerprint},
        metrics=metrics,
        tags=environment()
        | {
            "kind": KIND,
            "moved": str(bool(check.significant)).lower(),
            "simulated": str(check.simulated).lower(),
            "catalogue": model.catalogue.name,
            "data_digest": check.digest,
            "mlflow.source.name": "predictor drift",
            "mlflow.source.type": "LOCAL",
            "mlflow.note.content": f"**{headline(check)}**\n\nThe page is `{DRIFT_REPORT}` under Artifacts.",
        },
        dataset={
            "name": Path(check.source).name[:500],
            "digest": check.digest[:12],
            "source": check.source,
            "rows": check.n,
            "columns": list(model.signals),
        },
    )


def drift_folder(check: DriftCheck, root: Path) -> Path:
    """Name the folder of a check: by model, file and time, so that none replaces another.

    The time is that of the check, to the second.
    """
    stem = re.sub(r"[^\w.-]+", "-", unpacked(Path(check.source)).stem).lstrip(".-") or "current"
    return root / f"{check.model.name}-{stem}-{check.made[:19].replace(':', '').replace('-', '')}"
