"""Scoring files that are larger than memory: on one machine, or on a cluster."""
