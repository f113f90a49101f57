"""Train on ratings: cross-validate, compare, fit on everything."""

import predictor.learning  # noqa: F401  # which names the extra that is missing, before a traceback does
