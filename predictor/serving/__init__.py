"""The predictor over HTTP: the JSON API and the pages of one server."""
