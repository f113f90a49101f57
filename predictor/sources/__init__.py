"""Where ratings come from; every source ends in `Ratings`."""
