"""How good a model is: scores with intervals, baselines, importances, and how sound the data are."""

import predictor.learning  # noqa: F401  # its import names the missing extra instead of a traceback
