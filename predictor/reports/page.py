"""A report as data: headline, warnings, sections of text, tables and figures; rendered as HTML or as Markdown."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from predictor.model.wording import CAVEAT
from predictor.reports.format import percent

# MLflow shows a page in a sandbox, in which browsers refuse links within it; without the script they are plain links.
SCRIPT = """
for (const link of document.querySelectorAll("nav a"))
  link.onclick = event => { event.preventDefault(); document.querySelector(link.hash).scrollIntoView(); };
"""
LIMITS = f"{CAVEAT[:-1]}: an interviewer's warmth is a sign of the verdict, not a lever."


@dataclass(frozen=True)
class Table:
    """A table; the first `text_columns` columns are text, the others figures."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    text_columns: int = 1
    caption: str = ""


@dataclass(frozen=True)
class Drawing:
    """A figure, what to read from it, and its numbers as a table where a reader may want them."""

    svg: Markup
    caption: str
    table: Table | None = None


@dataclass(frozen=True)
class Note:
    """A paragraph in small print."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Terms, and what is known of each."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Folded:
    """A table that opens on demand."""

    summary: str
    table: Table


Part = str | Note | Table | Drawing | Facts | Folded


@dataclass(frozen=True)
class Section:
    """A section of a report; a part that is text is a paragraph."""

    title: str
    parts: Sequence[Part]

    @property
    def anchor(self) -> str:
        """Its id within the page."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-") or "section"


@dataclass(frozen=True)
class Tile:
    """A figure of the headline: its name, value, interval or n, and what it means."""

    name: str
    value: str
    span: str
    meaning: str


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes
    ----------
    kind, day
        What it is, and of which day.
    name
        Of the model.
    simulated
        A sentence in a strip over the page, where anything in it is simulated; else "".
    lede
        The answer, in a sentence or two.
    tiles, warnings, sections
        What follows, in this order.
    quiet
        What is shown in place of warnings where there are none.
    heading
        Of the warnings.
    footer
        The last lines.
    """

    kind: str
    day: str
    name: str
    simulated: str
    lede: str
    sections: Sequence[Section]
    tiles: Sequence[Tile] = ()
    warnings: Sequence[str] = ()
    quiet: str = ""
    heading: str = "What to know first"
    footer: str = field(default=LIMITS)


def render_html(page: Page) -> str:
    """Render a report as a whole HTML page, which asks for nothing else.

    Examples
    --------
    >>> text = render_html(Page("Audit", "2026-11-30", "<mine>", "", "All is well.", [Section("How", ["So & so."])]))
    >>> "<h1>&lt;mine&gt;" in text, '<section id="how">' in text, "So &amp; so." in text
    (True, True, True)
    """
    return render_template("report_page.html", page)


def render_template(
    name: str, page: Page, filters: Mapping[str, Callable[..., str]] | None = None, **values: Any
) -> str:
    """Render a template of this folder that extends `report_frame.html`, which takes all of a page but its sections."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, **(filters or {})}
    environment.tests["part"] = lambda value, kind: type(value).__name__ == kind
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return environment.get_template(name).render(values, page=page, script=Markup(SCRIPT), script_digest=digest)


def render_markdown(page: Page) -> str:
    """Render a report as Markdown; figures are left out, their tables are not.

    Examples
    --------
    >>> print(render_markdown(Page("Card", "2026-11-30", "mine", "", "Good.", [Section("How", [Facts([("n", "9")])])])))
    # Card: mine
    <BLANKLINE>
    Good.
    <BLANKLINE>
    ## How
    <BLANKLINE>
    - **n**: 9
    <BLANKLINE>
    For reflection, practice and interviewer training, not for selecting people. ...
    """
    return "\n\n".join(_markdown(page)) + "\n"


def _markdown(page: Page) -> Iterator[str]:
    yield f"# {page.kind}: {_plain(page.name)}"
    if page.simulated:
        yield f"> **{_plain(page.simulated)}**"
    yield _plain(page.lede)
    if page.tiles:
        yield "\n".join(
            f"- **{_plain(tile.name)}**: {_plain(tile.value)} ({_plain(tile.span)}). {_plain(tile.meaning)}"
            for tile in page.tiles
        )
    if page.warnings:
        yield "\n".join(f"> - {_plain(warning)}" for warning in page.warnings)
    for section in page.sections:
        yield f"## {_plain(section.title)}"
        for part in section.parts:
            yield from _markdown_of(part)
    yield _plain(page.footer)


def _markdown_of(part: Part) -> Iterator[str]:
    if isinstance(part, str):
        yield _plain(part)
    elif isinstance(part, Note):
        yield f"*{_plain(part.text)}*"
    elif isinstance(part, Facts):
        yield "\n".join(f"- **{_plain(term)}**: {_plain(text)}" for term, text in part.items)
    elif isinstance(part, Table):
        yield from _markdown_table(part)
    elif part.table:
        yield from _markdown_table(part.table)


def _markdown_table(table: Table) -> Iterator[str]:
    if table.caption:
        yield f"**{_plain(table.caption)}**"
    sides = ["---" if place < table.text_columns else "--:" for place in range(len(table.head))]
    lines = [table.head, sides, *table.rows]
    yield "\n".join(f"| {' | '.join(_plain(str(cell)) for cell in row)} |" for row in lines)


def _plain(text: str) -> str:
    """Escape text of a file, so that it is not read as Markdown or HTML."""
    text = text.replace("\u00a0", " ")
    return re.sub(r"([|<>`\[\]])", r"\\\1", text) if not re.fullmatch(r"-+:?", text) else text
