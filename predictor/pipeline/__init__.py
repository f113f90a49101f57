"""A training from ratings to a recorded run: what the command line and the server start."""

import predictor.learning  # noqa: F401  # its import names the missing extra instead of a traceback
