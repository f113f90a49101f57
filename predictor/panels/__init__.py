"""Panels: how far raters agree, how high each panel usually rates, and whether a model gains by knowing it."""

import predictor.evaluation  # noqa: F401  # which names the extra that is missing, before a traceback does
