"""Commands that use a model: `predict`, `batch`, `inspect`."""

from __future__ import annotations

import json
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.common import FILE, FOLDER, MODELS, model_option, model_path, read_standard_input, sheet_option
from predictor.cli.group import say
from predictor.cli.progress import Bar
from predictor.errors import ConfigError, MissingExtraError, plural

if TYPE_CHECKING:
    from predictor.model.offer_model import OfferModel
    from predictor.ratings.catalogue import Catalogue
    from predictor.ratings.ratings import Ratings


@click.command()
@click.argument("ratings", type=click.Path(path_type=Path, allow_dash=True))
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print the whole prediction as JSON.")
@click.option("--out", type=FILE, help="Write a CSV file, one row per interview.")
@click.option("--base-rate", type=float, help="Your own share of offers, such as 0.2.  [default: the model's]")
@click.option(
    "--threshold", type=float, help="Also show which better ratings would lift the estimate above this, such as 0.5."
)
@click.option("--past", type=float, hidden=True)  # the old name of --threshold
@sheet_option
def predict(
    ratings: Path,
    model: str | None,
    as_json: bool,
    out: Path | None,
    base_rate: float | None,
    threshold: float | None,
    past: float | None,
    sheet: str | None,
) -> None:
    """Predict the likelihood of an offer for the interviews of a file.

    RATINGS is a CSV, Excel, JSON, JSON Lines or Parquet file, or - for JSON from standard input. If there are champions
    of several catalogues, the one with the signals of the file is used.

    \b
    Examples:
      predictor predict data/ratings.json
      predictor predict data/ratings.json --json
      predictor predict data/ratings.json --threshold 0.5
      predictor predict interviews.csv --model my-pool --out answers.csv
      echo '{"goals_discussed": 4}' | predictor predict - --base-rate 0.2
    """
    from predictor.model.champions import champion_for
    from predictor.model.offer_model import OfferModel
    from predictor.ratings.ratings import Ratings
    from predictor.sources.files import parse_json, read_ratings, refuse_sheet

    threshold = past if threshold is None else threshold
    if out and as_json:
        raise ConfigError("--out writes a CSV file, --json prints; choose one of them")
    if out and out.exists() and ratings.exists() and out.samefile(ratings):
        raise ConfigError(f"--out {out} is the file of ratings itself; name another")
    if sheet is not None:
        refuse_sheet(ratings, sheet)
    piped = read_standard_input() if str(ratings) == "-" else None

    def read(catalogue: Catalogue) -> Ratings:
        if piped is None:
            return read_ratings(ratings, catalogue, ignore_outcomes=True, sheet=sheet)
        records, problems = parse_json(piped, "standard input")
        how: dict[str, Any] = {"source": "standard input", "problems": problems, "ignore_outcomes": True}
        return Ratings.from_records(records, catalogue, **how)

    if model:
        chosen = OfferModel.load(model_path(model))
        rows = read(chosen.catalogue)
    else:
        chosen, rows = champion_for(MODELS, read)
    if threshold is not None and (out or (not as_json and len(rows) != 1)):
        raise ConfigError(
            f"--threshold takes a single interview, found {plural(len(rows), 'row')}; for many of them use --json"
        )
    if out:
        _write_csv(chosen, rows, base_rate, out)
    elif as_json:
        _print_json(chosen, rows, base_rate, threshold)
    else:
        _print_text(chosen, rows, base_rate, threshold)


def _write_csv(model: OfferModel, rows: Ratings, base_rate: float | None, out: Path) -> None:
    from predictor.atomic import write_text

    table = model.predict_many(rows, base_rate=base_rate, contributions=True)
    table["model"], table["fingerprint"] = model.name, model.fingerprint
    table["simulated_model"], table["prior_share"] = model.simulated, model.prior_share
    table.index += 1
    write_text(out, table.to_csv(index_label="row", lineterminator="\n"))
    kind = "by a model of SIMULATED interviews " if model.simulated else ""
    say(f"{plural(len(rows), 'answer')} {kind}written to {out}")


def _print_json(model: OfferModel, rows: Ratings, base_rate: float | None, threshold: float | None) -> None:
    from predictor.model.changes import what_would_change

    data = []
    for answer in model.predict_each(rows, base_rate=base_rate):
        data.append(answer.to_dict())
        if threshold is not None:
            data[-1]["what_would_change"] = what_would_change(model, answer, line=threshold).to_dict()
    click.echo(json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=False))


def _print_text(model: OfferModel, rows: Ratings, base_rate: float | None, threshold: float | None) -> None:
    from predictor.reports.terminal import MOST_ROWS, render_prediction, render_table

    shown = list(islice(model.predict_each(rows, base_rate=base_rate), MOST_ROWS))
    if len(rows) == 1:
        click.echo(render_prediction(shown[0], model.catalogue))
    else:
        click.echo(render_table(shown, len(rows)))
    if threshold is not None:
        from predictor.model.changes import what_would_change
        from predictor.reports.inspection import render_changes

        click.echo(render_changes(what_would_change(model, shown[0], line=threshold)))


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, allow_dash=True))
@model_option
@click.option("--keep", multiple=True, metavar="COLUMN", help="Copy this column to OUT, such as an id.")
@click.option(
    "--unobserved", multiple=True, metavar="SIGNAL", help="This signal was not rated: the files have no column for it."
)
@click.option("--interval/--no-interval", default=True, show_default=True, help="Add the ends of the 90 % interval.")
@click.option("--contributions", is_flag=True, help="Add what each signal contributed, in log-odds.")
@click.option(
    "--top", type=click.IntRange(0), default=0, metavar="K", help="Add the K strongest contributions, by name."
)
@click.option("--base-rate", type=float, help="Your own share of offers, such as 0.2.  [default: the model's]")
@click.option("--bad-rows", type=FILE, help="Write rows that cannot be used to this file.")
@click.option("--resume", is_flag=True, help="Continue an interrupted run into the folder OUT.")
@click.option("--format", "read_as", type=click.Choice(["csv", "jsonl"]), help="Format of standard input.")
@sheet_option
@click.option("--to", type=click.Choice(["parquet", "csv", "jsonl"]), help="Format of OUT.  [default: as IN]")
@click.option("--threads", type=click.IntRange(1), help="Number of threads.  [default: one per processor]")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, whose workers see the same files.")
@click.option("--workers", type=click.IntRange(1), help="A Dask cluster of this many processes, on this machine.")
def batch(source: Path, out: Path, model: str | None, **options: Any) -> None:
    """Predict the likelihood of an offer, with its interval, for each row of files of any size.

    IN is a Parquet, CSV, JSON Lines or Excel file, a folder of such files, or - for standard input; CSV and JSON Lines
    may be compressed. OUT is a file, such as answers.parquet or answers.csv.gz, a folder, or - for standard output.
    Files are written atomically.

    \b
    Examples:
      predictor batch ratings.parquet answers.parquet --keep interview_id
      predictor batch ratings/ answers/ --keep interview_id --top 3 --bad-rows bad.jsonl
      predictor batch ratings/ answers/ --resume
      predictor batch ratings/ answers/ --scheduler tcp://10.0.0.5:8786
      gunzip -c ratings.csv.gz | predictor batch - - --format csv > answers.csv
    """
    from predictor.model.offer_model import OfferModel

    try:
        from predictor.batch.heap import keep_freed_memory
        from predictor.batch.running import score_files
        from predictor.batch.scoring import ScoringOptions
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "scoring files", "batch") from None
    keep_freed_memory()
    started, chosen = time.perf_counter(), OfferModel.load(model_path(model))
    scoring = {
        name: options.pop(name) for name in ("base_rate", "interval", "contributions", "top", "keep", "unobserved")
    }
    with Bar() as bar:
        total = score_files(
            source,
            out,
            chosen,
            options=ScoringOptions(**scoring),
            write_as=options.pop("to"),
            progress=bar.begin,
            **options,
        )
    seconds = time.perf_counter() - started
    kind = "a model of SIMULATED interviews" if chosen.simulated else "the model"
    lines = [f"{plural(total.rows, 'interview')} scored by {kind}, {chosen.name}, in {seconds:,.1f} s"]
    if total.bad:
        lines.append(f"{plural(total.bad, 'row')} set aside: {options['bad_rows']}")
    unrated = [name for name in chosen.signals if name not in total.observed and name not in scoring["unobserved"]]
    if total.rows and unrated:
        lines.append(f"Rated in no row: {', '.join(unrated)}")
    say("\n".join(lines), err=str(out) == "-")


@click.command()
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print the model as JSON, with every table.")
@click.option("--plots", type=FOLDER, help="Also write plots to this folder.")
def inspect(model: str | None, as_json: bool, plots: Path | None) -> None:
    """Show what a model relies on: scores, importances, what each rating adds, the strongest pairs.

    \b
    Examples:
      predictor inspect
      predictor inspect --model my-pool --plots my-plots
      predictor inspect --json > champion.json
    """
    from predictor.model.offer_model import OfferModel
    from predictor.reports.inspection import model_data, render_model

    chosen = OfferModel.load(model_path(model))
    if as_json:
        click.echo(json.dumps(model_data(chosen), indent=2, ensure_ascii=False))
    else:
        click.echo(render_model(chosen))
    if plots:
        from predictor.reports.figures.tables import save_model_plots

        say(f"Plots written: {', '.join(map(str, save_model_plots(chosen, plots)))}", err=as_json)
        if not chosen.pairs:
            click.echo("No plot of pairs: the model has none.", err=as_json)
