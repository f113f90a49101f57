"""A training from ratings to a recorded run: what the command line and the server start."""
