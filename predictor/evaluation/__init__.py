"""How good a model is: scores with intervals, baselines, importances, and how sound the data are."""
