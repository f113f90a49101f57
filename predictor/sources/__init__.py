"""Where ratings come from; every source returns `Ratings`."""
