"""A training from ratings to a recorded run: what the command line and the server start."""

import predictor.learning  # noqa: F401  # which names the extra that is missing, before a traceback does
