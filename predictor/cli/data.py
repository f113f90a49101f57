"""Commands that make files to work with: `simulate`, and `signals` with its `show`, `form` and `infer`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from predictor.cli.common import FILE, load_catalogue, reading_options, signals_option
from predictor.cli.group import Commands, say
from predictor.errors import ConfigError


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("-n", "n", type=int, help="Number of rated interviews, or of applications.  [default: 1200, or 200]")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same file.")
@click.option("--base-rate", type=float, default=0.35, show_default=True, help="Share of offers to simulate.")
@click.option(
    "--mode",
    type=click.Choice(["default", "null", "hindsight"]),
    default="default",
    show_default=True,
    help="null shuffles the offers; hindsight moves ratings toward the known outcome.",
)
@click.option("--groups", type=FILE, help="Also write sex and race of the candidates to this file.")
@click.option(
    "--disparity", type=float, default=0.0, show_default=True,
    help="About how many standard deviations lower some groups are judged.",
)  # fmt: skip
@click.option("--drift", "drifted", metavar="SIGNAL", multiple=True, help="Shift the ratings of this signal.")
@click.option("--greenhouse", is_flag=True, help="Write a team's export from Greenhouse, with its quirks, to a folder.")
@click.option("--by", type=float, default=-0.5, show_default=True, help="With --drift: shift in standard deviations.")
@click.option(
    "--cards",
    type=FILE,
    help="Simulate a hiring team instead: write its scorecards to this file, and its signals to OUT.toml.",
)
@click.option("--panel", type=int, default=3, show_default=True, help="With --cards: number of raters per application.")
@click.option(
    "--severity",
    type=float,
    default=0.08,
    show_default=True,
    help="With --cards: the share of variance due to rater severity.",
)
@click.option("--confounded", is_flag=True, help="With --cards: strict raters interview stronger people.")
@click.option("--stages", is_flag=True, help="With --cards: a phone screen first, which half pass.")
def simulate(
    out: Path,
    n: int | None,
    seed: int,
    base_rate: float,
    mode: str,
    groups: Path | None,
    disparity: float,
    drifted: tuple[str, ...],
    by: float,
    cards: Path | None,
    greenhouse: bool,
    **team: Any,
) -> None:
    """Write SIMULATED interviews to a CSV file, for trying things out and for tests.

    \b
    Examples:
      predictor simulate my-simulated.csv -n 500 --seed 7 --base-rate 0.2
      predictor simulate team.csv --groups groups.csv --disparity 0.8
      predictor simulate later.csv -n 80 --seed 8 --drift goals_discussed --drift mutual_rapport
      predictor simulate team.csv --cards team-cards.csv -n 600 --severity 0.2
      predictor simulate my-export --greenhouse --seed 7
    """
    ctx = click.get_current_context()
    given = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if greenhouse:
        if given - {"out", "n", "seed", "greenhouse"}:
            raise ConfigError("--greenhouse takes -n and --seed only; leave the other options out")
        _write_greenhouse(out, n or 200, seed)
        return
    n = n or 1200
    if cards:
        if groups or drifted or disparity or mode != "default":
            raise ConfigError("--cards simulates a team: leave --groups, --disparity, --drift and --mode out")
        _simulate_team(out, cards, n=n, seed=seed, base_rate=base_rate, **team)
        return
    if given & {*team}:
        raise ConfigError(
            f"{', '.join(f'--{name}' for name in sorted(team))} need --cards FILE, which simulates a team"
        )
    if "by" in given and not drifted:
        raise ConfigError("--by needs --drift SIGNAL, the signal that it moves")
    from predictor.sources.files import write_csv
    from predictor.sources.simulation import simulate_interviews
    from predictor.sources.simulation_known_effects import add_drift, write_groups

    ratings = simulate_interviews(n, seed=seed, base_rate=base_rate, mode=mode)
    if disparity and not groups:
        raise ConfigError("--disparity needs --groups FILE, the file that the groups are written to")
    if drifted:
        ratings = add_drift(ratings, drifted, by=by, seed=seed)
    write_csv(ratings, out)
    say(f"{n:,} SIMULATED ratings of interviews written to {out}")
    if groups:
        people = write_groups(ratings, groups, seed=seed, disparity=disparity)
        say(f"SIMULATED sex and race of {people:,} candidates written to {groups}")


def _write_greenhouse(folder: Path, n: int, seed: int) -> None:
    from predictor.sources.simulation_greenhouse import simulate_greenhouse, write_greenhouse

    if folder.is_file():
        raise ConfigError(f"{folder}: is a file; --greenhouse writes a folder")
    records = simulate_greenhouse(n, seed=seed)
    write_greenhouse(records, folder)
    say(f"{n:,} SIMULATED applications written to {folder}, as Greenhouse exports them")


def _simulate_team(out: Path, cards: Path, *, n: int, **how: Any) -> None:
    from predictor.atomic import write_text
    from predictor.sources.files import write_csv
    from predictor.sources.simulation_teams import SIGNALS, simulate_team

    team = simulate_team(n, **how)
    write_csv(team.ratings, out)
    write_csv(team.cards, cards)
    parts = SIGNALS.read_text(encoding="utf-8").split("\n\n")
    signals = "\n\n".join(part for part in parts if how["stages"] or not part.startswith("[inputs.stage]"))
    beside = write_text(out.with_suffix(".toml"), signals)
    say(
        f"{n:,} SIMULATED applications written to {out}, their {len(team.cards):,} scorecards to {cards}, the signals "
        f"to {beside}\nNext: predictor train {out} --signals {beside} --cards {cards}"
    )


@click.group(cls=Commands)
def signals() -> None:
    """Show the signal catalogue, write a form to fill in, or draft a catalogue from a file."""


@signals.command()
@signals_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(signals: Path | None, as_json: bool) -> None:
    """Print the signals: questions, and what ratings mean.

    \b
    Examples:
      predictor signals show
      predictor signals show --signals my.toml --json
    """
    from predictor.reports.terminal import render_catalogue

    catalogue = load_catalogue(signals)
    click.echo(
        json.dumps(catalogue.to_dict(), indent=2, ensure_ascii=False) if as_json else render_catalogue(catalogue)
    )


@signals.command()
@signals_option
def form(signals: Path | None) -> None:
    """Print an empty form as JSON: null means not observed; "not applicable" is for signals with that category.

    \b
    Example:
      predictor signals form > ratings.json
    """
    catalogue = load_catalogue(signals)
    empty: dict[str, Any] = {item.name: None for item in catalogue.inputs}
    empty["ratings"] = dict.fromkeys(catalogue.names)
    click.echo(json.dumps(empty, indent=2, ensure_ascii=False))


@signals.command()
@click.argument("data", type=FILE)
@click.option("--outcome", required=True, help="Column with the outcome, yes or no.")
@click.option("--person", "--group", "group", help="Column with the person: all rows of a person stay in one fold.")
@reading_options
def infer(data: Path, outcome: str, group: str | None, **how: Any) -> None:
    """Draft a catalogue from a file of ratings, for you to review.

    \b
    Example:
      predictor signals infer my.csv --outcome hired --person candidate > my.toml
    """
    from predictor.sources.drafting.write import draft_catalogue

    click.echo(draft_catalogue(data, outcome=outcome, group=group, **how), nl=False)
