"""Commands that train: `train`, `compare`, and `track`, which records a training afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from predictor.cli.common import (
    EXPERIMENTS,
    FILE,
    FOLDER,
    MODELS,
    checked_name,
    load_catalogue,
    load_experiment,
    make_models_folder,
    model_path,
    plain_name,
    read_rows,
    reading_options,
    signals_option,
)
from predictor.cli.group import say, warn
from predictor.cli.progress import fit_progress
from predictor.cli.registry import make_champion, may_replace_champion, settle_version
from predictor.errors import CatalogueError, ConfigError, TrackingError
from predictor.sources.compression import unpacked
from predictor.training_folder import MODEL, REPORT


def _clustered(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of where fits run to a command, and run it there."""

    @click.option("--scheduler", metavar="ADDRESS", help="Fit on the Dask cluster of this scheduler, tcp://HOST:PORT.")
    @click.option("--workers", metavar="N", type=click.IntRange(min=1), help="Fit in N processes of this machine.")
    @wraps(command)
    def run(*, scheduler: str | None, workers: int | None, **options: Any) -> None:
        if scheduler is None and workers is None:
            return command(**options)
        from predictor.cluster import cluster

        with cluster(scheduler, workers):
            return command(**options)

    return run


@click.command()
@click.argument("data", type=FILE, required=False)
@click.option("--journal", type=FILE, help="A journal to train on, instead of DATA.")
@signals_option
@click.option(
    "--experiment", "-e", default="pool", show_default=True, help="A file experiments/NAME.toml, or its path."
)
@click.option("--name", help="Name of the model.  [default: DATA-EXPERIMENT, or journal-EXPERIMENT]")
@click.option(
    "--cards",
    type=FILE,
    help="The scorecards of DATA, to use the leniency of panels as an input; see: predictor panels --help",
)
@click.option(
    "--prior",
    type=click.Choice(["auto", "published", "none"]),
    help="Start from published effects (SIMULATED); auto does so with fewer than 50 offers or non-offers.  "
    "[default: the experiment's, auto]",
)
@reading_options
@click.option("--plots", type=FOLDER, help="Also write the plots to this folder.")
@click.option("--register", "registered", is_flag=True, help="Register the model; the first becomes the champion.")
@click.option("--no-track", is_flag=True, help="Do not record the run in MLflow.")
@_clustered
def train(
    data: Path | None,
    journal: Path | None,
    signals: Path | None,
    experiment: str,
    name: str | None,
    cards: Path | None,
    prior: str | None,
    plots: Path | None,
    registered: bool,
    no_track: bool,
    **how: Any,
) -> None:
    """Train a model on rated interviews with known outcomes, and record the run in MLflow.

    DATA is a CSV, Excel, JSON, JSON Lines or Parquet file with one column per signal and one with the outcome, yes or
    no. With the shipped signals a handful of interviews can be trained on: the model then consists mostly of published
    effects, and its predictions state how much of it is prior. A journal, which `predictor serve` writes, can be
    trained on in the same way; the new model is then compared with the current one. The folder experiments/models/NAME
    holds the model, the report and other results; the first model becomes the champion, which `predict` uses.

    \b
    Examples:
      predictor train data/interviews.csv
      predictor train my.csv --signals my.toml --register
      predictor train data/interviews.csv --experiment no-body-language
      predictor train my-five-interviews.csv --prior published
      predictor train --journal my.journal
      predictor train many.csv --workers 8
    """
    from predictor.model.offer_model import OfferModel
    from predictor.panels.cards import read_cards
    from predictor.reports.terminal import render_training

    source = data or journal
    if source is None or (data and journal):
        raise ConfigError("name what to train on: either DATA, a file of ratings, or --journal FILE")
    if registered and no_track:
        raise ConfigError("--register needs the run in MLflow, --no-track leaves it out; choose one of them")
    if journal:
        _refuse_for_journal(cards, **how)
    short, config = load_experiment(experiment)
    if registered and config.model != "pool":
        raise ConfigError(
            f"--register: only a model of the type pool can be registered; this experiment trains {config.model}"
        )
    config = replace(config, prior=prior or config.prior)
    name = checked_name(name or plain_name(f"{unpacked(data).stem if data else 'journal'}-{short}"))
    catalogue = load_catalogue(signals)
    ratings = read_rows(source, catalogue, journal=journal is not None, **how)
    # Imported only now, since that takes a second: errors come before.
    from predictor.pipeline.journal_training import CurrentTraining
    from predictor.pipeline.run import train_and_save

    incumbent = CurrentTraining.of(OfferModel.load(model_path(None)), MODELS) if journal else None
    make_models_folder()
    saved = train_and_save(
        ratings,
        config,
        name=name,
        experiment=short,
        folder=MODELS / name,
        recorded=not no_track,
        registered=registered,
        progress=fit_progress()("Cross-validating"),
        warn=warn,
        cards=read_cards(cards, catalogue) if cards else None,
    )
    result = saved.result
    click.echo(render_training(result))
    if incumbent:
        say(f"\n{incumbent.summary(incumbent.judge(result, ratings))}")
    if result.tables:
        say(f"\nModel saved: {saved.folder / MODEL}\nReport: {saved.folder / REPORT}")
        registered_version = saved.run and saved.run.version  # `settle_version` then decides on the champion
        if not registered_version and may_replace_champion(result.model):
            make_champion(result.model)
        elif not registered_version:
            first = f"predictor track {saved.folder} --register, then " if no_track else ""
            say(
                f"To use it: predictor predict FILE --model {name}; to make it the champion: {first}"
                f"predictor promote {name}"
            )
    else:
        say(f"\nSaved in {saved.folder}: evaluated only, since a {config.model} model has no tables to predict with")
    if plots:
        from predictor.reports.figures.training import save_plots

        say(f"Plots written: {', '.join(map(str, save_plots(result, plots)))}")
    if saved.run:
        say(f"Recorded in MLflow as run '{saved.run.name}' in {saved.run.seconds:.1f} s; {saved.run.hint}")
    if saved.tracking_error:
        raise TrackingError(
            f"{saved.tracking_error}\n"
            f"  The training is finished and saved in {saved.folder}; only its record is missing.\n"
            f"  When the store is back: predictor track {saved.folder}{' --register' if registered else ''}"
        )
    if saved.run and saved.run.version:
        settle_version(saved.run.version)


def _refuse_for_journal(
    cards: Path | None, offer_word: str | None, unknown_words: tuple[str, ...], sheet: str | None
) -> None:
    """Refuse options that apply to files only."""
    if offer_word or unknown_words:
        option = "--offer-word" if offer_word else "--unknown-word"
        raise ConfigError(f"{option} applies to files only; the outcomes of a journal are known")
    if cards:
        raise ConfigError("--cards applies to files only; a journal has no scorecards")
    if sheet:
        raise ConfigError("--worksheet is for Excel workbooks; a journal has none")


@click.command()
@click.argument("data", type=FILE)
@click.argument("experiments", nargs=-1)
@signals_option
@reading_options
@click.option("--name", help="Name of the comparison.  [default: compare-DATA]")
@click.option("--no-track", is_flag=True, help="Do not record the runs in MLflow.")
@_clustered
def compare(
    data: Path,
    experiments: tuple[str, ...],
    signals: Path | None,
    name: str | None,
    no_track: bool,
    **how: Any,
) -> None:
    """Train experiments on the same rows and folds, and rank them.

    EXPERIMENTS are files experiments/NAME.toml; without any, all of them.

    \b
    Examples:
      predictor compare data/interviews.csv
      predictor compare data/interviews.csv pool no-body-language
      predictor compare many.csv --scheduler tcp://10.0.0.5:8786
    """
    from predictor.reports.terminal import render_leaderboard
    from predictor.sources.files import read_ratings

    name = checked_name(name or plain_name(f"compare-{unpacked(data).stem}"))
    ratings = read_ratings(data, load_catalogue(signals), training=True, **how)
    named = experiments or tuple(sorted(path.stem for path in EXPERIMENTS.glob("*.toml"))) or ("pool",)
    configs = {}
    for short, config in map(load_experiment, named):
        try:
            ratings.catalogue.without(config.leave_out)
        except CatalogueError as error:
            if experiments:
                raise
            say(f"Left out, since it does not fit these signals: {short} ({error})", err=True)
            continue
        configs[short] = config
    from predictor.pipeline.comparison_run import compare_and_save

    make_models_folder()
    folder, progress = MODELS / name, fit_progress()
    done = compare_and_save(
        ratings,
        configs,
        name=name,
        folder=folder,
        recorded=not no_track,
        progress=lambda short: progress(f"{list(configs).index(short) + 1}/{len(configs)} {short}"),
        warn=warn,
    )
    if ratings.simulated:
        click.secho("SIMULATED interviews\n", fg="yellow")
    click.echo(render_leaderboard(done.board))
    say(f"\nKept in {folder}: leaderboard.csv, leaderboard.png; each experiment in {folder}-EXPERIMENT")
    winner = f"{name}-{done.board.best.name}"
    if done.board.best.verdict == "better" and (MODELS / winner / MODEL).is_file():
        say(f"To make {done.board.best.name} the champion: predictor promote {winner}")
    if done.run:
        say(f"Recorded in MLflow as run '{done.run.name}', each experiment below it; {done.run.hint}")
    if done.missing:
        commands = "".join(f"\n    predictor track {missing}" for missing in done.missing)
        raise TrackingError(
            f"{done.tracking_error}\n"
            f"  The trainings are finished and saved; only records are missing. When the store is back:{commands}"
        )


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--register", "registered", is_flag=True, help="Register the model, too.")
def track(folder: Path, registered: bool) -> None:
    """Record a finished training in MLflow, if its record is missing or incomplete.

    \b
    Example:
      predictor track experiments/models/interviews-pool
    """
    from predictor import tracking

    run = tracking.track(folder, registered=registered)
    say(f"Recorded in MLflow as run '{run.name}' in {run.seconds:.1f} s; {run.hint}")
    if run.version:
        settle_version(run.version)
