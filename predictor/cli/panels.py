"""The command `panels`: how far a team's raters agree, and how high its panels rate."""

from __future__ import annotations

from pathlib import Path

import click

from predictor.cli.common import FILE, load_catalogue, model_path, signals_option
from predictor.cli.group import say
from predictor.errors import ConfigError


@click.command()
@click.argument("cards", type=FILE)
@signals_option
@click.option("--model", "-m", help="A model with panels as an input: show its effect; its signals are used.")
@click.option(
    "--assigned-at-random", is_flag=True, help="State that raters are assigned at random; the report quotes it."
)
@click.option("--out", type=FILE, help="Also write the report as an HTML page.")
def panels(cards: Path, signals: Path | None, model: str | None, assigned_at_random: bool, out: Path | None) -> None:
    """Show how far raters agree and how high panels rate. Nobody is named.

    CARDS is a table with one row per scorecard: `application`, `rater`, optionally `person` and `stage`, and one column
    per signal. `predictor scorecards` writes one.

    \b
    Examples:
      predictor panels interviews-cards.csv --signals my.toml
      predictor panels interviews-cards.csv --model my-pool --out panels.html
    """
    from predictor.model.offer_model import OfferModel
    from predictor.panels.cards import read_cards
    from predictor.panels.summary import summarise_panels
    from predictor.reports.panel_report import render_panels, save_panel_report

    chosen = OfferModel.load(model_path(model)) if model else None
    if chosen and chosen.raters is None:
        raise ConfigError(
            f"--model {model}: the model does not use how high panels rate, so --model changes nothing; leave it out"
        )
    table = read_cards(cards, chosen.catalogue if chosen and not signals else load_catalogue(signals))
    if not len(table):
        raise ConfigError(f"{cards}: no row has an application, a rater and a rating")
    summary = summarise_panels(table, model=chosen, assigned_at_random=assigned_at_random)
    click.echo(render_panels(summary))
    if out:
        say(f"\nReport: {save_panel_report(summary, out)}")
