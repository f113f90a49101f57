"""The import pages: a template to fill in, a preview of what a file would add, and the import, all or nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from starlette.datastructures import UploadFile

from predictor.errors import Problem, RatingsError
from predictor.journal.duplicates import ImportPlan
from predictor.journal.entry import Entry
from predictor.journal.import_export import MOST_COLUMNS, MOST_ROWS, join_parsed
from predictor.journal.page_file import superseded
from predictor.journal.ratings_tables import template_csv
from predictor.serving.api.answers import Refusal
from predictor.serving.web.forms import Form, text
from predictor.serving.web.journal_pages import OpenJournal, attachment, redirect_to
from predictor.serving.web.pages import page

import_pages = APIRouter(prefix="/journal", include_in_schema=False)

SHOWN = 50  # interviews, and problems
MOST_FILES = 100
MOST_WAITING, WAIT = 4, 1800.0  # previews waiting for confirmation: how many, and for how many seconds


@dataclass
class Previews:
    """Interviews of files that were previewed and not added yet, in memory only, for half an hour."""

    _waiting: dict[str, tuple[float, Sequence[Entry], str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def put(self, entries: Sequence[Entry], name: str) -> str:
        """Store them, and return the key by which they are read again."""
        key = secrets.token_urlsafe(24)
        with self._lock:
            self._drop_old()
            while len(self._waiting) >= MOST_WAITING:
                self._waiting.pop(next(iter(self._waiting)))
            self._waiting[key] = time.monotonic(), entries, name
        return key

    def take(self, key: str) -> tuple[Sequence[Entry], str]:
        """Return what was stored, and forget it.

        Raises
        ------
        Refusal
            409, if it is not there any more.
        """
        with self._lock:
            self._drop_old()
            if key not in self._waiting:
                raise Refusal(409, "the preview of this file has expired, so nothing was added; choose the file again")
            _, entries, name = self._waiting.pop(key)
        return entries, name

    def _drop_old(self) -> None:
        latest = time.monotonic() - WAIT
        self._waiting = {key: item for key, item in self._waiting.items() if item[0] > latest}


@import_pages.get("/import")
def choose(request: Request, journal: OpenJournal) -> Response:
    """Ask for files."""
    return _page(request)


@import_pages.get("/template.csv")
def template(journal: OpenJournal) -> Response:
    """Return an empty table with the page's own labels."""
    return attachment(template_csv(journal.catalogue), "text/csv", "interviews-template.csv")


@import_pages.post("/import")
def preview(request: Request, form: Form, journal: OpenJournal) -> Response:  # not async, so it runs in a thread
    """Show what files would add, or every problem by its row; nothing is saved yet."""
    uploads = [item for item in form.getlist("file") if isinstance(item, UploadFile) and item.filename]
    if not uploads:
        return _page(
            request, 422, problems=[Problem("choose one file at least", column="Files")], source="Nothing chosen"
        )
    with request.app.state.importing:  # one at a time, since each takes memory
        try:
            files = [((upload.filename or "")[:100], upload.file.read()) for upload in uploads[:MOST_FILES]]
            older = superseded([content for _, content in files])
            latest = [file for place, file in enumerate(files) if place not in older]
            parsed = [(name, journal.parse_upload(content, name)) for name, content in latest]
            entries, problems, name = join_parsed(parsed)
            if older:
                name = f"{len(files)} files, {len(older)} of them saved again later"
            plan = journal.plan(entries)
        except RatingsError as error:
            entries, problems, name, plan = [], list(error.problems), error.source, None
    if plan and not problems:
        problems = list(plan.problems)
    if problems or plan is None:
        return _page(request, 422, problems=sorted(problems, key=lambda problem: problem.row or 0), source=name)
    if not (both := plan.fresh + plan.updated):
        return _page(request, plan=plan, source=name)
    key = request.app.state.previews.put(both, name)
    return _page(request, plan=plan, source=name, key=key, shown=both[:SHOWN], total=len(both))


@import_pages.post("/import/add")
def add(request: Request, form: Form, journal: OpenJournal) -> Response:
    """Add what was previewed, all of it or nothing."""
    entries, name = request.app.state.previews.take(text(form, "key"))
    with request.app.state.importing:
        done = journal.add_entries(entries, [], name)
    there = text(form, "already_there")
    counts = {
        "added": len(done.fresh),
        "updated": len(done.updated),
        "already_there": there if there.isdecimal() else 0,
    }
    return redirect_to(f"/journal?{urlencode(counts)}")


def _page(
    request: Request,
    status: int = 200,
    *,
    plan: ImportPlan | None = None,
    problems: Sequence[Problem] = (),
    key: str = "",
    **context: Any,
) -> Response:
    most = {"rows": MOST_ROWS, "columns": MOST_COLUMNS, "MB": request.app.state.settings.max_upload // 1_000_000}
    return page(
        request, "import.html", status, most=most, plan=plan, problems=problems, key=key, limit=SHOWN, **context
    )
