"""The rate page as one HTML file with the model inside, which works without a server."""
