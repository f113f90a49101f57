"""Panels: how far raters agree, how high each panel usually rates, and whether a model gains by knowing it."""
