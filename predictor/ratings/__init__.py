"""Ratings and their catalogue: what is rated, on which scale, and what makes a value valid."""
