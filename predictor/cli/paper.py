"""Commands that make pages to hand out: `export page`, one file that anyone opens, and `sheet`, paper for a session."""

from __future__ import annotations

from pathlib import Path

import click

from predictor.cli.common import FILE, FOLDER, MODELS, load_catalogue, model_option, model_path, sheet_option
from predictor.cli.group import Commands, say
from predictor.errors import plural

LARGE = 300  # kB: more open slowly on a phone


@click.group(cls=Commands)
def export() -> None:
    """Write the rate page as one HTML file that works without a server."""


@export.command()
@model_option
@click.option("--out", type=FILE, required=True, help="The HTML file to write.")
def page(model: str | None, out: Path) -> None:
    """Write the rate page as one HTML file: it predicts with reasons, prints, and saves answers to a file.

    The file contains the model and works offline, from disk, on a phone too. Mail programs often strip such files: hand
    it out by a link, a drive or a phone's own sharing. `predictor journal import` reads the answers that it saves, many
    files at once.

    \b
    Examples:
      predictor export page --out rate.html
      predictor export page --model my-pool --out rate.html
      predictor journal import interview-answers-*.json
    """
    from predictor.model.offer_model import OfferModel
    from predictor.reports.measured_scores import accuracy_by_role
    from predictor.reports.rate_page.export import save_rate_page

    file = model_path(model)
    chosen = OfferModel.load(file)
    by_role = accuracy_by_role(file.parent, chosen) or accuracy_by_role(MODELS / chosen.name, chosen)
    size = save_rate_page(chosen, out, by_role) / 1000
    kind = ", which learned from SIMULATED interviews," if chosen.simulated else ""
    say(f"{out}: {size:,.0f} kB, with the model {chosen.name}{kind} inside")
    if size > LARGE:
        say(f"It is larger than {LARGE} kB, so it may open slowly on a phone.", err=True)


@click.command("sheet")
@click.argument("file", type=FILE)
@click.option(
    "--who", metavar="COLUMN", help="Column that names the person.  [default: who, client, person or candidate]"
)
@click.option("--out", type=FOLDER, required=True, help="The folder to write to.")
@model_option
@click.option("--signals", type=FILE, help="A catalogue.  [default: the model's]")
@sheet_option
def coaching_sheets(
    file: Path, who: str | None, out: Path, model: str | None, signals: Path | None, sheet: str | None
) -> None:
    """Write a one-page coaching sheet for each person of a file, and one for all of them together.

    FILE is a table of ratings, CSV or Excel, an export of a journal, or a journal itself. Each sheet is an HTML file
    that prints on one page, A4 or Letter, in black and white. Private notes are not on it.

    \b
    Examples:
      predictor sheet clients.csv --who client --out sheets/
      predictor sheet experiments/journal.db --out sheets/
    """
    from predictor.model.offer_model import OfferModel
    from predictor.reports.sheet.reading import read_entries
    from predictor.reports.sheet.writing import save_sheets

    chosen = OfferModel.load(model_path(model))
    entries = read_entries(file, load_catalogue(signals) if signals else chosen.catalogue, who=who, worksheet=sheet)
    people = save_sheets(chosen, entries, out)
    say(f"{plural(people, 'sheet')} and cohort.html written to {out}")
