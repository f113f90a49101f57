"""Train on ratings: cross-validate, compare, fit on everything."""

import predictor.learning  # noqa: F401  # says what to install, where a library to train with is missing
