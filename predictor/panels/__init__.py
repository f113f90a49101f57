"""Panels: agreement of raters, leniency of each panel, and whether a model gains by that input."""

import predictor.evaluation  # noqa: F401  # which names the extra that is missing, before a traceback does
