"""Sex and race as people gave them, in the words of the EEO-1 report: for an audit, never beside ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from predictor.sources.scorecards.export import SourceExport, folded
from predictor.sources.scorecards.findings import Findings
from predictor.sources.scorecards.outcomes import ApplicationOutcomes
from predictor.sources.scorecards.tables import positions

UNKNOWN = ""
SEX = {"male": "Male", "female": "Female"}
RACE = {
    "hispanicorlatino": "Hispanic or Latino",
    "white": "White",
    "blackorafricanamerican": "Black or African American",
    "nativehawaiianorotherpacificislander": "Native Hawaiian or Other Pacific Islander",
    "asian": "Asian",
    "americanindianoralaskannative": "American Indian or Alaska Native",
    "americanindianoralaskanative": "American Indian or Alaska Native",
    "twoormoreraces": "Two or More Races",
}


def groups_of(
    export: SourceExport, outcomes: ApplicationOutcomes, people: Any, findings: Findings
) -> pd.DataFrame | None:
    """Return person, sex and race, one row per person: the newest answer counts; declined and unknown are empty.

    None where the export has no such answers.
    """
    table = export.groups
    if not len(table):
        return None
    position = positions(table.column("application"), outcomes.applications.column("id"))
    findings.add("orphan group", table, position < 0, ids=table.column("application"))
    sex, race = _read(table.frame["sex"].array, SEX), _read(table.frame["race"].array, RACE)
    for read in (sex, race):
        strange = np.array([word is None for word in read], bool) & (position >= 0)
        findings.add("unknown group", table, strange, ids=table.column("application"), words=np.full(len(table), ""))
    frame = pd.DataFrame(
        {
            "person": np.append(people, "")[position],
            "sex": [word or UNKNOWN for word in sex],
            "race": [word or UNKNOWN for word in race],
            "at": table.column("submitted"),
        }
    )
    frame = frame[position >= 0].sort_values(["person", "at"], kind="stable", na_position="first")
    return frame.drop_duplicates("person", keep="last").drop(columns="at").reset_index(drop=True)


def _read(words: Any, known: dict[str, str]) -> list[str | None]:
    """Return each word in the report's words: "" where it was declined, None where it is not known."""
    meant = []
    for word in words.categories:
        key = folded(str(word))
        declined = not key or "decline" in key or "wishtoanswer" in key or key == "unknown"
        meant.append(UNKNOWN if declined else known.get(key))
    return [*np.array([*meant, UNKNOWN], dtype=object)[words.codes]]
