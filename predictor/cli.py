"""The command line: one command for each verb.

Heavy libraries are imported inside the commands that need them, so that `predict` starts at once.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.errors import (
    ConfigError,
    ModelError,
    PredictorError,
    RatingsError,
    RatingsWarning,
    TrackingError,
    nearest,
    printable,
)
from predictor.training_folder import MODEL, RECORD, REPORT

if TYPE_CHECKING:
    from predictor.journal.store import Journal
    from predictor.model.offer_model import OfferModel
    from predictor.model.tables import Floats
    from predictor.ratings.catalogue import Catalogue
    from predictor.ratings.ratings import Ratings
    from predictor.training.config import TrainingConfig

MODELS = Path("experiments/models")
CHAMPION = "champion"
EXPERIMENTS = Path("experiments")
SERVERS = ("serve", "ui")  # which answer elsewhere than on standard output


class _Commands(click.Group):
    """Commands in the order of the work, whose user errors are one clear message and exit code 2."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        if _closed_streams() and [*(sys.argv[1:] if args is None else args), ""][0] not in SERVERS:
            _say_error("standard output is closed, so the answer would be lost; open it, as in: > answer.txt")
            sys.exit(2)
        try:
            return super().main(args, *more, **options)
        except OSError as error:  # of --help and --version, which no command prints; else see `invoke`
            _say_error(f"the output cannot be written: {error.strerror or error}")
            sys.exit(2)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _spoken_warnings():
                return super().invoke(ctx)
        except PredictorError as error:
            message = str(error)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has enough; click ends quietly
                raise
            place = error.filename or "the output"
            message = f"{place}: cannot be written: {error.strerror or error}; name another place"
        except KeyboardInterrupt:
            click.echo("\nStopped.", err=True)
            return ctx.exit(130)
        _say_error(message)
        return ctx.exit(2)


@contextmanager
def _spoken_warnings() -> Iterator[None]:
    """Print what was decided about a file, each once, as a person reads it."""
    said, show = set[str](), warnings.showwarning

    def say(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, RatingsWarning):
            show(message, category, *where, **more)
        elif str(message) not in said:
            said.add(str(message))
            _warn(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", RatingsWarning)
        warnings.showwarning = say
        yield


_sheet = click.option("--sheet", metavar="NAME", help="Of an Excel workbook.  [default: the first that is visible]")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="interview-outcome-predictor")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Predict the likelihood of an offer from ratings of an interview, and say what drove it.

    \b
    Examples:
      predictor signals form > ratings.json       an empty form to fill in
      predictor predict ratings.json              the likelihood, and why
      predictor train my.csv --signals my.toml    a model of your own
      predictor ui                                every training run, in MLflow

    A tool for reflection, practice and interviewer training, not for selecting people.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Files are UTF-8 everywhere; a terminal that cannot show a bar still shows the numbers.
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="replace")
    if os.environ.get("NO_COLOR"):  # see no-color.org
        ctx.color = False


@main.command()
@click.argument("ratings", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--model", "-m", help="A model file, or a name in experiments/models.  [default: the champion]")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a CSV file, a row an interview.")
@click.option("--base-rate", type=float, help="Your own share of offers, as in 0.2.  [default: the model's]")
@click.option("--past", type=float, help="Also tell which better ratings went with an estimate above this, as in 0.5.")
@_sheet
def predict(
    ratings: Path,
    model: str | None,
    as_json: bool,
    out: Path | None,
    base_rate: float | None,
    past: float | None,
    sheet: str | None,
) -> None:
    """Predict the likelihood of an offer for the interviews of a file.

    RATINGS is a CSV, Excel, JSON, JSON Lines or Parquet file, or - for JSON from standard input. Of the champions of
    several catalogues, the one answers whose signals they name.

    \b
    Examples:
      predictor predict data/ratings.json
      predictor predict data/ratings.json --json
      predictor predict data/ratings.json --past 0.5
      predictor predict interviews.csv --model experiments/models/my-pool.json --out answers.csv
      echo '{"goals_discussed": 4}' | predictor predict - --base-rate 0.2
    """
    from predictor.model.champions import fitting_model
    from predictor.model.offer_model import OfferModel
    from predictor.ratings.ratings import Ratings
    from predictor.sources.files import parse_json, read_ratings, refuse_sheet

    if out and as_json:
        raise ConfigError("--out writes a CSV file, --json prints; choose one of them")
    if out and out.exists() and ratings.exists() and out.samefile(ratings):
        raise ConfigError(f"--out {out} is the file of ratings itself; name another")
    if sheet is not None:
        refuse_sheet(ratings, sheet)
    given = _standard_input() if str(ratings) == "-" else None

    def read(catalogue: Catalogue) -> Ratings:
        if given is None:
            return read_ratings(ratings, catalogue, sheet=sheet)
        records, problems = parse_json(given, "standard input")
        return Ratings.from_records(records, catalogue, source="standard input", problems=problems)

    if model:
        chosen = OfferModel.load(_model_path(model))
        rows = read(chosen.catalogue)
    else:
        chosen, rows = fitting_model(MODELS, read)
    if past is not None and (out or (not as_json and len(rows) != 1)):
        raise ConfigError("--past tells about one interview; for many of them use --json")
    if out:
        from predictor.atomic import write_text

        table = chosen.predict_many(rows, base_rate=base_rate, contributions=True)
        table["model"], table["fingerprint"] = chosen.name, chosen.fingerprint
        table["simulated_model"], table["prior_share"] = chosen.simulated, chosen.prior_share
        table.index += 1
        write_text(out, table.to_csv(index_label="row", lineterminator="\n"))
        kind = "by a model of SIMULATED interviews " if chosen.simulated else ""
        click.echo(f"{len(rows):,} answer{'s' * (len(rows) != 1)} {kind}written to {out}")
        return
    answers = chosen.predict_each(rows, base_rate=base_rate)
    if past is not None:
        from predictor.model.changes import what_would_change
        from predictor.reports.inspection import render_changes
    if as_json:
        data = []
        for answer in answers:
            data.append(answer.to_dict())
            if past is not None:
                data[-1]["what_would_change"] = what_would_change(chosen, answer, line=past).to_dict()
        click.echo(json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=False))
        return
    from predictor.reports.terminal import MOST_ROWS, render_prediction, render_table

    shown = list(islice(answers, MOST_ROWS))
    told = render_prediction(shown[0], chosen.catalogue) if len(rows) == 1 else render_table(shown, len(rows))
    click.echo(told)
    if past is not None:
        click.echo(render_changes(what_would_change(chosen, shown[0], line=past)))


_offer_word = click.option(
    "--offer-word", metavar="WORD", help="The outcome that means an offer, such as Ja; one other word may mean none."
)


_unknown_words = click.option(
    "--unknown-word", "unknown_words", metavar="WORD", multiple=True,
    help="An outcome that means neither, such as Maybe: left out as unknown; may be given more than once.",
)  # fmt: skip


def _clustered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of where its fits run, and run it there."""

    @click.option("--scheduler", metavar="ADDRESS", help="Fit on the Dask cluster of this scheduler, tcp://HOST:PORT.")
    @click.option("--workers", metavar="N", type=click.IntRange(min=1), help="Fit in N processes of this machine.")
    @wraps(command)
    def run(*, scheduler: str | None, workers: int | None, **given: Any) -> None:
        if scheduler is None and workers is None:
            return command(**given)
        from predictor.cluster import cluster

        _end_on_sigterm()
        with cluster(scheduler, workers):
            return command(**given)

    return run


@main.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--model", "-m", help="A model file, or a name in experiments/models.  [default: the champion]")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Take this column over, as an id.")
@click.option("--unobserved", multiple=True, metavar="SIGNAL", help="The files do not have this signal.")
@click.option("--interval/--no-interval", default=True, show_default=True, help="Give the ends of the 90 % interval.")
@click.option("--contributions", is_flag=True, help="Give what each signal added, in log-odds.")
@click.option("--top", type=click.IntRange(0), default=0, metavar="K", help="Give the K strongest of them, by name.")
@click.option("--base-rate", type=float, help="Your own share of offers, as in 0.2.  [default: the model's]")
@click.option("--bad-rows", type=click.Path(path_type=Path, dir_okay=False), help="Set rows that cannot be used aside.")
@click.option("--resume", is_flag=True, help="Go on with a folder that was begun before.")
@click.option("--format", "read_as", type=click.Choice(["csv", "jsonl"]), help="What standard input is.")
@_sheet
@click.option("--to", type=click.Choice(["parquet", "csv", "jsonl"]), help="What parts are.  [default: as IN]")
@click.option("--threads", type=click.IntRange(1), help="How many work side by side.  [default: one a processor]")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, whose workers see the same files.")
@click.option("--workers", type=click.IntRange(1), help="A Dask cluster of so many processes, on this machine.")
def batch(source: Path, out: Path, model: str | None, **given: Any) -> None:
    """Score files of any size: the likelihood of an offer for each row, with its interval.

    IN is a Parquet, CSV, JSON Lines or Excel file, a folder of such files, or - for standard input; CSV and JSON Lines
    may be compressed. OUT is a file, as answers.parquet or answers.csv.gz, a folder of parts, or - for standard output.
    Each appears whole or not at all.

    \b
    Examples:
      predictor batch ratings.parquet answers.parquet --keep interview_id
      predictor batch ratings/ answers/ --keep interview_id --top 3 --bad-rows bad.jsonl
      predictor batch ratings/ answers/ --resume
      predictor batch ratings/ answers/ --scheduler tcp://10.0.0.5:8786
      gunzip -c ratings.csv.gz | predictor batch - - --format csv > answers.csv
    """
    from predictor.errors import MissingExtraError
    from predictor.model.offer_model import OfferModel

    try:
        from predictor.batch.running import score_files
        from predictor.batch.scoring import ScoringOptions
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "scoring files", "batch") from None
    _end_on_sigterm()
    started, chosen = time.perf_counter(), OfferModel.load(_model_path(model))
    asked = {name: given.pop(name) for name in ("base_rate", "interval", "contributions", "top", "keep", "unobserved")}
    with _Bar() as bar:
        total = score_files(
            source, out, chosen, options=ScoringOptions(**asked), write_as=given.pop("to"), progress=bar.begin, **given
        )
    seconds = time.perf_counter() - started
    kind = "a model of SIMULATED interviews" if chosen.simulated else "the model"
    told = [f"{total.rows:,} interview{'s' * (total.rows != 1)} scored by {kind}, {chosen.name}, in {seconds:,.1f} s"]
    if total.bad:
        told.append(f"{total.bad:,} row{'s' * (total.bad != 1)} set aside: {given['bad_rows']}")
    unrated = [name for name in chosen.signals if name not in total.observed and name not in asked["unobserved"]]
    if total.rows and unrated:
        told.append(f"Rated in no row: {', '.join(unrated)}")
    click.echo("\n".join(told), err=str(out) == "-")


@main.command()
@click.option("--model", "-m", help="A model file, or a name in experiments/models.  [default: the champion]")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, every table whole.")
@click.option("--plots", type=click.Path(path_type=Path, file_okay=False), help="Also write plots to this folder.")
def inspect(model: str | None, as_json: bool, plots: Path | None) -> None:
    """Tell what a model goes by: scores, importances, what each rating adds, the strongest pairs.

    \b
    Examples:
      predictor inspect
      predictor inspect --model my-pool --plots my-plots
      predictor inspect --json > champion.json
    """
    from predictor.model.offer_model import OfferModel
    from predictor.reports.inspection import model_data, render_model

    chosen = OfferModel.load(_model_path(model))
    if as_json:
        click.echo(json.dumps(model_data(chosen), indent=2, ensure_ascii=False))
    else:
        click.echo(render_model(chosen))
    if plots:
        from predictor.reports.figures.tables import save_model_plots

        click.echo(f"Plots written: {', '.join(map(str, save_model_plots(chosen, plots)))}", err=as_json)
        if not chosen.pairs:
            click.echo("No plot of pairs: the model has none.", err=as_json)


@main.command()
@click.argument("data", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--journal", type=click.Path(path_type=Path, dir_okay=False), help="A journal to train on, in place of DATA."
)
@click.option(
    "--signals", type=click.Path(path_type=Path, dir_okay=False), help="A catalogue.  [default: the shipped one]"
)
@click.option(
    "--experiment", "-e", default="pool", show_default=True, help="A file experiments/NAME.toml, or its path."
)
@click.option("--name", help="Name of the model.  [default: DATA-EXPERIMENT, or journal-EXPERIMENT]")
@click.option(
    "--prior",
    type=click.Choice(["auto", "published", "none"]),
    help="Start from published effects (SIMULATED); auto does so with fewer than 50 offers or non-offers.  "
    "[default: the experiment's, auto]",
)
@_offer_word
@_unknown_words
@_sheet
@click.option("--plots", type=click.Path(path_type=Path, file_okay=False), help="Also write the plots to this folder.")
@click.option("--register", "registered", is_flag=True, help="Register the model; the first becomes the champion.")
@click.option("--no-track", is_flag=True, help="Do not record the run in MLflow.")
@_clustered
def train(
    data: Path | None,
    journal: Path | None,
    signals: Path | None,
    experiment: str,
    name: str | None,
    prior: str | None,
    offer_word: str | None,
    unknown_words: tuple[str, ...],
    sheet: str | None,
    plots: Path | None,
    registered: bool,
    no_track: bool,
) -> None:
    """Train a model on rated interviews with known outcomes, and record the run in MLflow.

    DATA is a CSV, Excel, JSON, JSON Lines or Parquet file with a column a signal and one with the outcome, yes or no.
    On the shipped signals a handful of interviews is enough: the model then starts from published effects, and says how
    much of it is prior. A journal, which `predictor serve` keeps, is trained on alike: its interviews with an offer or
    no offer. The new model is then compared with the current one.
    The folder experiments/models/NAME holds the model, the report and all else; the first model becomes the champion,
    which `predict` uses.

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
    from predictor.pipeline.journal_training import IncumbentModel
    from predictor.pipeline.run import train_and_save
    from predictor.reports.terminal import render_training

    source = data or journal
    if source is None or (data and journal):
        raise ConfigError("name what to train on: either DATA, a file of ratings, or --journal FILE")
    if registered and no_track:
        raise ConfigError("--register needs the run in MLflow, --no-track leaves it out; choose one of them")
    short, config = _experiment(experiment)
    if registered and config.model != "pool":
        raise ConfigError(
            f"--register: a {config.model} model has no tables to predict with; only a pool is registered"
        )
    config = replace(config, prior=prior or config.prior)
    name = _name(name or _plain(f"{data.stem if data else 'journal'}-{short}"))
    if (offer_word or unknown_words) and journal:
        option = "--offer-word" if offer_word else "--unknown-word"
        raise ConfigError(f"{option} is for files; a journal's outcomes are offers or not")
    if sheet and journal:
        raise ConfigError("--sheet is for Excel workbooks; a journal has none")
    how = {"offer_word": offer_word, "unknown_words": unknown_words, "sheet": sheet}
    ratings = _rows(source, _catalogue(signals), journal=journal is not None, **how)
    present = IncumbentModel.of(OfferModel.load(_model_path(None)), MODELS) if journal else None
    _writable()
    _end_on_sigterm()
    kept = train_and_save(
        ratings,
        config,
        name=name,
        experiment=short,
        folder=MODELS / name,
        recorded=not no_track,
        registered=registered,
        progress=_progress("Cross-validating"),
        warn=_warn,
    )
    result = kept.result
    click.echo(render_training(result))
    if present:
        click.echo(f"\n{present.summary(present.judge(result, ratings))}")
    if result.tables:
        click.echo(f"\nModel saved: {kept.folder / MODEL}\nReport: {kept.folder / REPORT}")
        if kept.run and kept.run.version:
            pass  # the registry says who is the champion
        elif _succeeds(result.model):
            _set_champion(result.model)
        else:
            first = f"predictor track {kept.folder} --register, then " if no_track else ""
            click.echo(
                f"To use it: predictor predict FILE --model {name}; to make it the champion: {first}"
                f"predictor promote {name}"
            )
    else:
        click.echo(
            f"\nKept in {kept.folder}: measured only, since a {config.model} model has no tables to predict with"
        )
    if plots:
        from predictor.reports.figures.training import save_plots

        click.echo(f"Plots written: {', '.join(map(str, save_plots(result, plots)))}")
    if kept.run:
        click.echo(f"Recorded in MLflow as run '{kept.run.name}' in {kept.run.seconds:.1f} s; {kept.run.hint}")
    if kept.trouble:
        raise TrackingError(
            f"{kept.trouble}\n  The training is finished and kept in {kept.folder}; only its record is missing.\n"
            f"  When the store is back: predictor track {kept.folder}{' --register' * registered}"
        )
    if kept.run and kept.run.version:
        _registered(kept.run.version)


def _registered(version: str) -> None:
    """Say which version a model became; where there is no champion it becomes that, too, others have to be better."""
    from predictor.tracking import history, promote, pull

    versions = history()
    catalogue = version.rpartition("/")[0]
    champions = [known.number for known in versions if CHAMPION in known.aliases]
    rivals = [number for number in champions if number.rpartition("/")[0] == catalogue]
    if not rivals and (done := promote(version)).promoted:
        if _succeeds(done.model):
            _set_champion(done.model, told=False)
            click.echo(f"Registered as version {version}, the champion, which `predict` uses")
        else:  # it comes from elsewhere: another store, or a training that is not recorded
            click.echo(
                f"Registered as version {version}, the first and so the champion of this store. Here `predict` goes on "
                f"with {_champion_here(done.model).name}; to use the new one: predictor pull {version}"
            )
    elif version in rivals:
        click.echo(f"Registered as version {version}, which is the champion")
        _, model = pull(version)
        if _succeeds(model):
            _set_champion(model)
    else:
        click.echo(f"Registered as version {version}; to make it the champion: predictor promote {version}")


@main.command()
@click.argument("data", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("experiments", nargs=-1)
@click.option(
    "--signals", type=click.Path(path_type=Path, dir_okay=False), help="A catalogue.  [default: the shipped one]"
)
@_offer_word
@_unknown_words
@_sheet
@click.option("--name", help="Name of the comparison.  [default: compare-DATA]")
@click.option("--no-track", is_flag=True, help="Do not record the runs in MLflow.")
@_clustered
def compare(
    data: Path,
    experiments: tuple[str, ...],
    signals: Path | None,
    offer_word: str | None,
    unknown_words: tuple[str, ...],
    sheet: str | None,
    name: str | None,
    no_track: bool,
) -> None:
    """Train experiments on the same rows and folds, and rank them.

    EXPERIMENTS are files experiments/NAME.toml; all of them where none is named.

    \b
    Examples:
      predictor compare data/interviews.csv
      predictor compare data/interviews.csv pool no-body-language
      predictor compare many.csv --scheduler tcp://10.0.0.5:8786
    """
    from predictor.errors import CatalogueError
    from predictor.pipeline.comparison_run import compare_and_save
    from predictor.reports.terminal import render_leaderboard
    from predictor.sources.files import read_ratings

    name = _name(name or _plain(f"compare-{data.stem}"))
    how: dict[str, Any] = {"offer_word": offer_word, "unknown_words": unknown_words, "sheet": sheet}
    ratings = read_ratings(data, _catalogue(signals), training=True, **how)
    named = experiments or tuple(sorted(path.stem for path in EXPERIMENTS.glob("*.toml"))) or ("pool",)
    configs = {}
    for short, config in map(_experiment, named):
        try:
            ratings.catalogue.without(config.leave_out)
        except CatalogueError as error:
            if experiments:
                raise
            click.echo(f"Left out, since it does not fit these signals: {short} ({error})", err=True)
            continue
        configs[short] = config
    _writable()
    _end_on_sigterm()
    folder = MODELS / name
    done = compare_and_save(
        ratings,
        configs,
        name=name,
        folder=folder,
        recorded=not no_track,
        progress=lambda short: _progress(f"{list(configs).index(short) + 1}/{len(configs)} {short}"),
        warn=_warn,
    )
    if ratings.simulated:
        click.secho("SIMULATED interviews\n", fg="yellow")
    click.echo(render_leaderboard(done.board))
    click.echo(f"\nKept in {folder}: leaderboard.csv, leaderboard.png; each experiment in {folder}-EXPERIMENT")
    winner = f"{name}-{done.board.best.name}"
    if done.board.best.word == "better" and (MODELS / winner / MODEL).is_file():
        click.echo(f"To make {done.board.best.name} the champion: predictor promote {winner}")
    if done.run:
        click.echo(f"Recorded in MLflow as run '{done.run.name}', each experiment below it; {done.run.hint}")
    if done.missing:
        commands = "".join(f"\n    predictor track {missing}" for missing in done.missing)
        raise TrackingError(
            f"{done.trouble}\n  The trainings are finished and kept; only records are missing. When the store is back:"
            f"{commands}"
        )


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--register", "registered", is_flag=True, help="Register the model, too.")
def track(folder: Path, registered: bool) -> None:
    """Record a finished training that MLflow has not heard of, or not all of.

    \b
    Example:
      predictor track experiments/models/interviews-pool
    """
    from predictor.tracking import track as record

    run = record(folder, registered=registered)
    click.echo(f"Recorded in MLflow as run '{run.name}' in {run.seconds:.1f} s; {run.hint}")
    if run.version:
        _registered(run.version)


@main.command()
@click.argument("model")
@click.option(
    "--data", type=click.Path(path_type=Path, dir_okay=False), help="The file it was trained on, if it moved."
)
@click.option("--force", metavar="REASON", help="Promote it even if it is no better; the reason is kept with it.")
@click.pass_context
def promote(ctx: click.Context, model: str, data: Path | None, force: str | None) -> None:
    """Make a trained model the champion, which `predict` uses, if it is better beyond noise.

    MODEL is a name in experiments/models, or the number of a registered version, as in 3, or my/3 for the catalogue
    my. It is compared with the present champion of its catalogue on the rows that it learned from, by what both said
    while they had not seen them. Exit code 1 says that it stays as it is.

    \b
    Examples:
      predictor promote my-pool
      predictor promote 3 --force "the old one used signals that we no longer rate"
    """
    from predictor.tracking import is_unrecorded, track
    from predictor.tracking import promote as ask

    version: str | None = model
    if not model.rpartition("/")[2].isdigit():
        path = _model_path(model)
        if not (path.parent / RECORD).is_file():
            raise ModelError(f"{path} is not in the folder of a training; only a training can be recorded and promoted")
        if is_unrecorded(path.parent):
            raise ModelError(
                f"{model} was trained with --no-track, so no registry knows it; to record and register it after all: "
                f"predictor track {path.parent} --register"
            )
        version = track(path.parent, registered=True).version
        click.echo(f"Registered as version {version}")
    done = ask(str(version), answers=lambda champion, chosen, y: _answers(champion, chosen, y, data), force=force)
    if done.before == done.version:
        click.echo(f"Version {done.version} is the champion already")
    elif not done.promoted:
        click.echo(f"Version {done.version} ({done.model.name}) is not promoted: {done.reason}")
        click.echo("To promote it all the same: --force REASON")
        ctx.exit(1)
    else:
        click.echo(done.reason + (f" Forced: {force}" if done.forced else ""))
        click.echo(f"Champion: version {done.version}" + (f", instead of {done.before}" if done.before else ""))
    _set_champion(done.model)


def _answers(champion: OfferModel, chosen: OfferModel, y: Floats, data: Path | None) -> Floats:
    """Predict by the champion the rows that another model was trained on."""
    import numpy as np

    from predictor.journal.store import Journal

    source = data or Path(str(chosen.trained_on["source"]))
    if not source.is_file():
        raise ConfigError(
            f"some rows are new to the champion, and {source}, which {chosen.name} was trained on, is not here; "
            "name the file: --data FILE"
        )
    try:
        rows = _rows(source, champion.catalogue, journal=Journal.recognises(source)).labelled()
    except RatingsError as error:
        name, first = chosen.catalogue.name, error.problems[0]
        raise ConfigError(
            f"{chosen.name} cannot be compared with the champion, {champion.name}, which rates other signals of the "
            f"same catalogue '{name}': {len(error.problems):,} problems in {source}, the first: "
            f"{f'{first.column} ' if first.column else ''}{first.kind}.\n  If this catalogue is about other signals, "
            "give it another name and train again; else --force REASON"
        ) from None
    if not np.array_equal(rows.y, y):
        raise ConfigError(
            f"{source} has {len(rows):,} rows with an outcome, but these are not the {len(y):,} that {chosen.name} was "
            "trained on; name the file as it was then: --data FILE"
        )
    found: Floats = champion.predict_many(rows, interval=False)["offer_probability"].to_numpy()
    return found


@main.command()
@click.argument("version", required=False)
def pull(version: str | None) -> None:
    """Bring registered models here as the champions that `predict` uses: the registry's champions, or a VERSION.

    \b
    Examples:
      predictor pull
      predictor pull 3
      predictor pull my/3
    """
    from predictor.model.champions import champion_file
    from predictor.tracking import history
    from predictor.tracking import pull as fetch

    champions = [known.number for known in history() if CHAMPION in known.aliases]
    for wanted in [version] if version or not champions else champions:
        number, model = fetch(wanted)
        _set_champion(model, told=False)
        click.echo(
            f"Version {number} ({model.name}) is in {champion_file(MODELS, model.catalogue.name)}, which `predict` uses"
        )


@main.command()
def history() -> None:
    """List the registered versions with their scores, and which is the champion.

    \b
    Example:
      predictor history
    """
    from predictor.reports.terminal import render_history
    from predictor.tracking import history as listed

    versions = listed()
    click.echo(
        render_history(versions) if versions else "No version is registered yet: predictor train DATA --register"
    )


@main.command()
@click.argument("catalogue", required=False)
def rollback(catalogue: str | None) -> None:
    """Make the champion before the present one the champion again, of the shipped signals or of another CATALOGUE.

    \b
    Examples:
      predictor rollback
      predictor rollback my
    """
    from predictor.tracking import roll_back

    done = roll_back(catalogue)
    click.echo(f"Champion: version {done.version} again, instead of {done.before}")
    _set_champion(done.model)


def _set_champion(model: OfferModel, *, told: bool = True) -> None:
    """Make a model the champion here; whom it replaced is said, and for which signals, where that needs saying."""
    from predictor.model.champions import set_champion, suffix_of

    before = set_champion(model, MODELS)
    replaced = f", instead of {before.name}" if before else ""
    ratings = f" for ratings by the catalogue '{model.catalogue.name}'" if suffix_of(model.catalogue.name) else ""
    if told:
        click.echo(f"Champion, which `predict` uses{ratings}: {model.name}{replaced}")
    elif before:
        click.echo(f"Here `predict` used {before.name} until now{ratings}")


def _champion_here(model: OfferModel) -> OfferModel:
    from predictor.model.champions import champion_file

    return type(model).load(champion_file(MODELS, model.catalogue.name))


@main.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-n", "n", type=int, default=1200, show_default=True, help="Ratings of interviews.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same file.")
@click.option("--base-rate", type=float, default=0.35, show_default=True, help="Share of offers.")
@click.option(
    "--mode",
    type=click.Choice(["default", "null", "hindsight"]),
    default="default",
    show_default=True,
    help="null shuffles the offers; hindsight moves ratings toward the known outcome.",
)
def simulate(out: Path, n: int, seed: int, base_rate: float, mode: str) -> None:
    """Write SIMULATED interviews to a CSV file, to try things out and to test.

    \b
    Example:
      predictor simulate my-simulated.csv -n 500 --seed 7 --base-rate 0.2
    """
    from predictor.sources.files import write_csv
    from predictor.sources.simulation import simulate_interviews

    ratings = simulate_interviews(n, seed=seed, base_rate=base_rate, mode=mode)
    write_csv(ratings, out)
    click.echo(f"{n:,} SIMULATED ratings of interviews written to {out}")


@main.group(cls=_Commands)
def signals() -> None:
    """Show the signal catalogue, write a form to fill in, or draft a catalogue from a file."""


@signals.command()
@click.option(
    "--signals", type=click.Path(path_type=Path, dir_okay=False), help="A catalogue.  [default: the shipped one]"
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(signals: Path | None, as_json: bool) -> None:
    """Print the signals: questions, and what ratings mean.

    \b
    Examples:
      predictor signals show
      predictor signals show --signals my.toml --json
    """
    from predictor.reports.terminal import render_catalogue

    catalogue = _catalogue(signals)
    click.echo(
        json.dumps(catalogue.to_dict(), indent=2, ensure_ascii=False) if as_json else render_catalogue(catalogue)
    )


@signals.command()
@click.option(
    "--signals", type=click.Path(path_type=Path, dir_okay=False), help="A catalogue.  [default: the shipped one]"
)
def form(signals: Path | None) -> None:
    """Print an empty form as JSON: null means not observed; "not applicable" is for signals that have this answer.

    \b
    Example:
      predictor signals form > ratings.json
    """
    catalogue = _catalogue(signals)
    empty: dict[str, Any] = {item.name: None for item in catalogue.inputs}
    empty["ratings"] = dict.fromkeys(catalogue.names)
    click.echo(json.dumps(empty, indent=2, ensure_ascii=False))


@signals.command()
@click.argument("data", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--outcome", required=True, help="Column with the outcome, yes or no.")
@click.option("--group", help="Column whose rows belong together, as a candidate's.")
@_offer_word
@_unknown_words
@_sheet
def infer(
    data: Path,
    outcome: str,
    group: str | None,
    offer_word: str | None,
    unknown_words: tuple[str, ...],
    sheet: str | None,
) -> None:
    """Draft a catalogue from a file of ratings, for you to review.

    \b
    Example:
      predictor signals infer my.csv --outcome hired --group candidate > my.toml
    """
    from predictor.sources.drafting.write import draft_catalogue

    how: dict[str, Any] = {"offer_word": offer_word, "unknown_words": unknown_words, "sheet": sheet}
    click.echo(draft_catalogue(data, outcome=outcome, group=group, **how), nl=False)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="[default: 5000, or the next that is free]")
def ui(port: int | None) -> None:
    """Open MLflow on the recorded training runs, on this machine only; Ctrl-C ends it.

    \b
    Example:
      predictor ui --port 5001
    """
    from predictor.tracking import serve_ui

    serve_ui(port=port)


@main.command()
@click.option("--model", "-m", help="A model file, or a name in experiments/models.  [default: the champion]")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; beyond this machine, with a token."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), help="Keep interviews in this file.")
@click.option("--token", envvar="PREDICTOR_TOKEN", show_envvar=True, help="What every request must present.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="A name that requests may call the server by.")
@click.option("--root-path", default="", metavar="PREFIX", help="Prefix that a proxy serves it under, as /interviews.")
@click.option("--https", is_flag=True, help="Browsers reach it by HTTPS, through a proxy: cookies go over HTTPS only.")
def serve(
    model: str | None,
    host: str,
    port: int,
    journal: Path | None,
    token: str | None,
    allow_host: tuple[str, ...],
    root_path: str,
    https: bool,
) -> None:
    """Answer over HTTP, on this machine only unless told otherwise; Ctrl-C ends it.

    A model that is promoted while it runs is picked up. Open the address in a browser to rate an interview, and with
    --journal to keep it and to learn from it; /docs lists what it answers to programs.

    \b
    Examples:
      predictor serve
      predictor serve --model my-pool --port 8080
      PREDICTOR_TOKEN=$(openssl rand -hex 32) predictor serve --host 0.0.0.0 --allow-host my-machine
      predictor serve --allow-host interviews.example --root-path /interviews --https    behind a proxy
    """
    from predictor.errors import MissingExtraError
    from predictor.model.offer_model import PUBLISHED

    try:
        from predictor.serving.app import serve as run
        from predictor.serving.settings import Settings
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "serving", "serve") from None
    # The champion need not be there yet: the first that is trained while the server runs is picked up.
    path, fallback = _model_path(model), None
    if path == PUBLISHED and not model:
        path, fallback = MODELS / f"{CHAMPION}.json", PUBLISHED
    settings = Settings(
        path, fallback, host=host, port=port, token=token, hosts=allow_host, root_path=root_path, https=https,
        journal=journal,
    )  # fmt: skip
    run(settings, lambda served, address: click.echo(f"Serving {served.name} at {address}; Ctrl-C ends it"))


@main.group(cls=_Commands)
def journal() -> None:
    """Import interviews into a journal, or export them; `predictor serve --journal FILE` keeps one."""


_JOURNAL = click.option(
    "--journal",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("experiments/journal.db"),
    show_default=True,
    help="The journal's file.",
)


@journal.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_JOURNAL
@click.option(
    "--signals", type=click.Path(path_type=Path, dir_okay=False), help="A catalogue.  [default: the champion's]"
)
@_sheet
def import_(file: Path, path: Path, signals: Path | None, sheet: str | None) -> None:
    """Add the interviews of a file, all of them or none: an export of a journal, CSV or JSON, or a file of ratings.

    What is there already is left out. Unlike on the page, the file may be of any size.

    \b
    Examples:
      predictor journal import export.csv
      predictor journal import ratings.csv --journal my.journal
    """
    added = _journal(path, signals).import_file(file, sheet=sheet)
    click.echo(f"{added:,} interview{'s' * (added != 1)} added to {path}")


@journal.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@_JOURNAL
def export(file: Path, path: Path) -> None:
    """Write all interviews to a file, CSV or JSON by its name; `import` reads both back. - prints CSV.

    \b
    Examples:
      predictor journal export export.csv
      predictor journal export export.json --journal my.journal
    """
    from predictor.journal.store import Journal

    opened = Journal.existing(path)
    if str(file) == "-":
        click.echo(opened.export_csv(), nl=False)
        return
    write = {".csv": opened.export_csv, ".json": opened.export_json}.get(file.suffix.lower())
    if write is None:
        raise ConfigError(f"{file}: its name ends in neither .csv nor .json; name a file of one of these")
    if file.exists() and file.samefile(path):
        raise ConfigError(f"{file} is the journal itself; name another file")
    write(file)
    total = sum(opened.outcomes().values())
    click.echo(f"{total:,} interview{'s' * (total != 1)} written to {file}")


def _journal(path: Path, signals: Path | None) -> Journal:
    """Open a journal with the catalogue that a server would use, or another."""
    from predictor.journal.store import Journal
    from predictor.model.offer_model import OfferModel

    return Journal(path, _catalogue(signals) if signals else OfferModel.load(_model_path(None)).catalogue)


def _say_error(message: str) -> None:
    with suppress(OSError):  # where nobody can hear it, the exit code is left
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {printable(message)}", err=True)


def _closed_streams() -> bool:
    """Put the empty device where a standard stream is closed; say whether the output is.

    Else the next file that is opened takes the stream's number, and what is meant for the stream goes into the file.
    """
    closed = sys.stdout is None
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None and os.open(os.devnull, os.O_RDWR) == number:
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    return closed


def _standard_input() -> bytes:
    from predictor.errors import Problem, RatingsError

    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise RatingsError("standard input", [Problem(f"cannot be read: {error.strerror or error}")]) from None


class _Bar:
    """A bar with rate and time left on a terminal, nothing where output is kept in a file."""

    def __enter__(self) -> _Bar:
        self._stack = ExitStack()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._stack.__exit__(*raised)

    def begin(self, length: int, unit: str) -> Callable[[float], None]:
        """Begin to show how much of `length` is done; what is given back is told how much more."""
        if not (length and sys.stderr.isatty()):
            return lambda _: None
        started, done = time.monotonic(), 0.0
        bar: Any = click.progressbar(
            length=length,
            label="Scoring",
            file=sys.stderr,
            show_eta=True,
            item_show_func=lambda _: f"{done / max(time.monotonic() - started, 1e-9):,.0f} {unit} a second",
        )
        self._stack.enter_context(bar)

        def advance(more: float) -> None:
            nonlocal done
            bar.update(int(done + more) - int(done))
            done += more

        return advance


def _catalogue(path: Path | None) -> Catalogue:
    from predictor.ratings.catalogue import Catalogue

    return Catalogue.load(path) if path else Catalogue.shipped()


def _rows(source: Path, catalogue: Catalogue, *, journal: bool, **how: Any) -> Ratings:
    """Read rows to train on, from a file or a journal."""
    from predictor.journal.store import Journal
    from predictor.sources.files import read_ratings

    if journal:
        return Journal.existing(source, catalogue).ratings(training=True)
    return read_ratings(source, catalogue, training=True, **how)


def _experiment(given: str) -> tuple[str, TrainingConfig]:
    """Read an experiment by name or by path; "pool" needs no file."""
    from predictor.training.config import TrainingConfig

    path = Path(given) if given.endswith(".toml") else EXPERIMENTS / f"{given}.toml"
    if path.exists():
        return path.stem, TrainingConfig.load(path)
    if given == "pool":
        return given, TrainingConfig()
    there = sorted(known.stem for known in path.parent.glob("*.toml"))
    if there:
        hint = nearest(path.stem, there) or f"; there are: {', '.join(there)}"
    else:
        hint = ", which has none; work in the project's folder, or name the file: --experiment my/folder/NAME.toml"
    raise ConfigError(f"no experiment '{given}': looked for {path.name} in {path.absolute().parent}{hint}")


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).lstrip(".-")


def _name(name: str) -> str:
    taken = name == CHAMPION or name.startswith(f"{CHAMPION}-") or name.isdigit()
    if not re.fullmatch(r"\w[\w.-]{0,99}", name) or name.endswith(".json") or taken:
        raise ConfigError(
            f"invalid name {name!r}: give --name of letters, digits, - and _, not a number, and not '{CHAMPION}...'"
        )
    return name


def _warn(told: str) -> None:
    click.echo(f"{click.style('Warning:', fg='yellow', bold=True)} {printable(told)}", err=True)


def _writable() -> None:
    if not EXPERIMENTS.exists():  # so that nobody looks for it where they stood another time
        click.echo(f"Made here, for models and runs: {EXPERIMENTS.absolute()}", err=True)
    MODELS.mkdir(parents=True, exist_ok=True)
    if not os.access(MODELS, os.W_OK):  # known now rather than after the work
        raise ModelError(f"{MODELS}: cannot be written; work in a folder that you may write to")


def _end_on_sigterm() -> None:
    """Let SIGTERM end as an exception does: a training's run is marked failed, unfinished files are taken away."""
    import signal
    import threading

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _model_path(model: str | None) -> Path:
    """Find a model by name or by path; where none is named the champion, or the published prior if there is none."""
    from predictor.model.champions import default_model
    from predictor.model.offer_model import PUBLISHED, OfferModel

    if model is None:
        return default_model(MODELS)
    for path in (MODELS / f"{model}.json", MODELS / model / MODEL):
        if path.is_file():
            return path
    if model.endswith(".json") or Path(model).is_file():
        return Path(model)
    if model in (PUBLISHED.stem, OfferModel.published().name):
        return PUBLISHED
    there = sorted({*(p.stem for p in MODELS.glob("*.json")), *(p.parent.name for p in MODELS.glob(f"*/{MODEL}"))})
    hint = nearest(model, there) or (f"; there are: {', '.join(there)}" if there else "; none has been trained yet")
    raise ModelError(f"no model '{model}' in {MODELS}{hint}")


def _succeeds(model: OfferModel) -> bool:
    """Say whether a new model takes the champion's place: there is none, or it is an earlier one of the same kind."""
    from predictor.model.champions import champion_file

    if not champion_file(MODELS, model.catalogue.name).exists():
        return True
    champion = _champion_here(model)
    return champion.trained_on["n"] == 0 or (champion.name == model.name and champion.catalogue == model.catalogue)


def _progress(label: str) -> Any:
    """Show a bar on a terminal, nothing where output is kept in a file."""

    def wrap(items: Iterator[Any], length: int) -> Iterator[Any]:
        if not sys.stderr.isatty():
            yield from items
            return
        with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
            yield from bar

    return wrap
