"""The journal: rated interviews in one SQLite file, and what came of them."""
