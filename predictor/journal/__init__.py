"""The journal: rated interviews in one SQLite file, and what came of them.

`store` has the class `Journal`, `reader` its queries, `edits` which changes are allowed, `file` and `schema` the SQLite
file. Imports start in `import_export`, which parses exports of a journal, and leaves the file that the exported page
saves to `page_file` and tables of ratings to `ratings_tables`; `duplicates` decides what is added.
"""
