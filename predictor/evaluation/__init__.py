"""How good a model is: scores with intervals, baselines, importances, and how sound the data are."""

import predictor.learning  # noqa: F401  # which names the extra that is missing, before a traceback does
