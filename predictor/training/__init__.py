"""Train on ratings: cross-validate, compare, fit on everything."""

import predictor.learning  # noqa: F401  # its import names the missing extra instead of a traceback

POOL = "pool"  # the model itself, beside its baselines; here, where to know it costs no scikit-learn
