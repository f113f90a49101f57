"""Commands that import the scorecards of a hiring system: `scorecards greenhouse`, `lever`, `ashby` and `csv`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from predictor.cli.common import FILE, sheet_option
from predictor.cli.group import Commands, say
from predictor.errors import ConfigError
from predictor.reading import read_toml

FILES = click.Path(path_type=Path)


@click.group(cls=Commands)
def scorecards() -> None:
    """Import the scorecards of a hiring system as a table to train on, from a folder with its export.

    \b
    Examples:
      predictor scorecards greenhouse my-export/ --out interviews.csv --catalogue my.toml
      predictor scorecards csv --draft my-spreadsheet.xlsx > my-mapping.toml
      predictor train interviews.csv --signals my.toml
    """


_OPTIONS = (
    click.argument("files", nargs=-1, type=FILES),
    click.option("--out", type=FILE, help="Table to write, .csv or .parquet.  [default: interviews.csv]"),
    click.option("--catalogue", type=FILE, help="Catalogue of the signals to write.  [default: as --out, .toml]"),
    click.option(
        "--stage",
        default="each",
        show_default=True,
        metavar="WORDS",
        help="Stage up to which scorecards are used: one row for each stage, or words such as 'after the on-site'.",
    ),
    click.option("--with-overall", "overall", is_flag=True, help="Use the overall recommendation as a signal, too."),
    click.option(
        "--even-levels", "evenly_spaced", is_flag=True, help="Code four levels as 1, 2.33, 3.67, 5, not 1, 2, 4, 5."
    ),
    click.option(
        "--level",
        "levels",
        multiple=True,
        metavar="WORD=N",
        help="The rating of a word that is not a level, such as a misspelt 'stong_yes=5'; may be given more than once.",
    ),
    click.option(
        "--reason",
        "reasons",
        multiple=True,
        metavar="TEXT=OUTCOME",
        help="Outcome of a rejection reason: yes, no, withdrew or 'no outcome yet'; '*=no' answers all that are asked.",
    ),
    click.option("--groups", type=FILE, help="Also write sex and race by person, for an audit."),
    click.option("--forget", is_flag=True, help="Remove people of the earlier table who are not in the files."),
)


def _import_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what all systems share."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@scorecards.command()
@_import_options
def greenhouse(**options: Any) -> None:
    """Import from Greenhouse: Harvest v1 or v3, JSON of its API or tables of a warehouse (CSV, Parquet).

    FILES are folders and files: scorecards and applications; offers and rejection reasons, if you have them. Files are
    recognised by their columns, so names and order do not matter.

    \b
    Example:
      predictor scorecards greenhouse my-export/ --out interviews.csv --catalogue my.toml
    """
    _import("greenhouse", **options)


@scorecards.command()
@_import_options
@click.option("--fields", type=FILE, help="Names of the fields, for tables of a warehouse: a TOML file.")
def lever(fields: Path | None, **options: Any) -> None:
    """Import from Lever: feedback forms of its API, or tables of a warehouse.

    FILES are folders and files: feedback and opportunities; offers, interviews, archive reasons, if you have them.
    Tables of a warehouse have no field names; a file given by --fields names them: one TOML table per template, one
    line per field index.

    \b
    Example:
      predictor scorecards lever my-export/ --out interviews.csv --catalogue my.toml
    """
    _import("lever", fields=_fields(fields) if fields else None, **options)


@scorecards.command()
@_import_options
def ashby(**options: Any) -> None:
    """Import from Ashby: applicationFeedback.list, application.list, offer.list and interview.list of its API.

    \b
    Example:
      predictor scorecards ashby my-export/ --out interviews.csv --catalogue my.toml
    """
    _import("ashby", **options)


@scorecards.command("csv")
@_import_options
@click.option("--mapping", type=FILE, help="Which column is what; draft one with --draft.")
@click.option("--draft", is_flag=True, help="Print a mapping for these files, for you to review.")
@sheet_option
def from_csv(mapping: Path | None, draft: bool, sheet: str | None, **options: Any) -> None:
    """Import any CSV file or Excel workbook, by a mapping file that defines the columns.

    \b
    Examples:
      predictor scorecards csv --draft my-spreadsheet.csv > my-mapping.toml
      predictor scorecards csv my-spreadsheet.csv --mapping my-mapping.toml --out interviews.csv
    """
    if draft:
        from predictor.sources.scorecards.drafting import TO_DO, draft_mapping

        text = draft_mapping(options["files"], sheet)
        click.echo(text, nl=False)
        for line in text.splitlines():
            if line.startswith(TO_DO):
                click.secho(f"To do before it runs: {line.removeprefix(TO_DO)}", fg="yellow", err=True)
        return
    _import("csv", mapping=mapping, sheet=sheet, **options)


def _import(
    system: str,
    files: tuple[Path, ...],
    out: Path | None,
    catalogue: Path | None,
    groups: Path | None,
    forget: bool,
    **how: Any,
) -> None:
    from predictor.reports.import_report import render_import, render_import_text
    from predictor.sources.scorecards import read_scorecards
    from predictor.sources.scorecards.findings import REASONS
    from predictor.sources.scorecards.writing import Places, missing_people, refuse_missing_people, write

    out = out or Path("interviews.csv")
    places = Places(out, catalogue or out.parent / f"{out.stem}.toml", groups)
    places.check()
    imported = read_scorecards(system, files, out=out, groups=groups, **how)
    missing = missing_people(places, imported)
    if not forget:
        refuse_missing_people(places, missing)
    if groups is not None and imported.groups is None:
        raise ConfigError("--groups: these files have no answers about sex and race; leave it out")
    report = render_import(imported, forgotten=missing)
    written = write(imported, places, report, forget=forget)
    click.echo(render_import_text(imported, forgotten=missing))
    click.echo("\nWritten:")
    for path, what in places.described().items():
        if path in written:
            say(f"  {path}: {what}")
    imported.usable_catalogue()
    if len(imported):
        say(f"\nNext: predictor train {out} --signals {places.catalogue} --cards {places.cards}")
    else:
        missing_file = REASONS["no application"].remedy if imported.findings.count("no application") else ""
        why = f" {missing_file}" if missing_file else " The report lists what is missing."
        click.secho(f"\nThere is no row to learn from.{why}", fg="yellow")


def _fields(path: Path) -> dict[str, dict[str, str]]:
    data = read_toml(path, ConfigError, "no such file")
    wrong = [name for name, fields in data.items() if not isinstance(fields, dict)]
    tables = [fields for fields in data.values() if isinstance(fields, dict)]
    wrong += [key for fields in tables for key, name in fields.items() if not isinstance(name, str)]
    if wrong:
        example = '["TEMPLATE"] with lines such as 2 = "Teamwork"'
        raise ConfigError(
            f"{path}: '{wrong[0]}' is not the name of a field in quotes; write one table per template, {example}"
        )
    return data
