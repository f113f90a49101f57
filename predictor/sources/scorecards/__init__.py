"""Scorecards of hiring systems: Greenhouse, Lever, Ashby, and any spreadsheet, read as `Ratings`."""

from predictor.sources.scorecards.imported import Imported
from predictor.sources.scorecards.importing import read_scorecards

__all__ = ["Imported", "read_scorecards"]
