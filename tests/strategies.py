"""Interviews as Hypothesis draws them, and how many it draws."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import strategies as st

from predictor import Catalogue

EXAMPLES = int(os.environ.get("EXAMPLES", "0"))  # of each property; 0: what a test run has time for
rating = st.one_of(st.none(), st.integers(1, 5), st.floats(1, 5))


def interview(catalogue: Catalogue) -> st.SearchStrategy[dict[str, Any]]:
    """Draw one interview: a role, or none, and any of the signals of a catalogue on the scale 1 to 5."""
    roles = st.sampled_from([None, *catalogue.inputs[0].levels])
    return st.fixed_dictionaries({"rater_role": roles}, optional=dict.fromkeys(catalogue.names, rating))
