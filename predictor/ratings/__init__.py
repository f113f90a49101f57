"""Ratings and their catalogue: signals, scales, and the validation of values."""
