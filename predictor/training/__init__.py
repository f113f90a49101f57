"""Train on ratings: cross-validate, compare, fit on everything."""

import predictor.learning  # noqa: F401  # which names the extra that is missing, before a traceback does

POOL = "pool"  # the model itself, beside its baselines; here, where to know it costs no scikit-learn
