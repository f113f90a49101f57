"""Plots and reports about a model or about data."""
