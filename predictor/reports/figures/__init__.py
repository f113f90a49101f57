"""Figures by matplotlib: of a training, of a model's tables, of a comparison; without it, MissingExtraError."""
