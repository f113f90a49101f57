"""Train on ratings: cross-validate, compare, fit on everything."""
