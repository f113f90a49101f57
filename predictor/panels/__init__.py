"""Panels: agreement of raters, leniency of each panel, and whether a model gains by that input."""

import predictor.evaluation  # noqa: F401  # its import names the missing extra instead of a traceback
