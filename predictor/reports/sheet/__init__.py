"""Sheets for a session: one page of paper for a person, and one for a cohort."""
