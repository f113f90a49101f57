"""Commands that monitor a model in use: `audit`, `drift`, `card`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.common import EXPERIMENTS, FILE, FOLDER, MODELS, model_option, model_path, sheet_option
from predictor.cli.group import say, warn
from predictor.errors import ConfigError, TrackingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictor.pipeline.trained_model import TrainedModel

_out_option = click.option("--out", type=FOLDER, help="Folder of the report.  [default: the model's]")
_track_option = click.option("--no-track", is_flag=True, help="Do not record it in MLflow.")


@click.command()
@click.argument("data", type=FILE)
@model_option
@click.option(
    "--attribute", "--group", "attributes", metavar="NAME=COLUMN", multiple=True, required=True,
    help="A way to group people, and its column: sex=Gender; may be given more than once. Pairs are crossed, too. "
    "--group is the former name.",
)  # fmt: skip
@click.option("--groups", type=FILE, help="A file with the groups, if they are not in DATA.")
@click.option("--on", metavar="COLUMN", help="Column that joins both tables.  [default: the first that both have]")
@click.option(
    "--cards", type=FILE,
    help="The scorecards one by one, as for `predictor train`: used if the model has learned how high panels rate.",
)  # fmt: skip
@click.option("--threshold", type=float, default=0.5, show_default=True, help="Likelihood that counts as selected.")
@_out_option
@_track_option
def audit(
    data: Path,
    model: str | None,
    attributes: tuple[str, ...],
    groups: Path | None,
    on: str | None,
    cards: Path | None,
    threshold: float,
    out: Path | None,
    no_track: bool,
) -> None:
    """Compare a model's likelihoods between groups: rates, impact ratios, calibration, errors.

    DATA is a table of ratings, with outcomes where they are known. Training rows are predicted out of fold, by models
    that were not trained on them; other rows by the model itself. Groups are joined to the predictions and are never an
    input of the model. Selection rate, scoring rate and impact ratio are those of 6 RCNY 5-300; this is not an
    independent bias audit. Writes audit.html and audit.json, and attaches them to the training's MLflow run.

    \b
    Examples:
      predictor audit interviews.csv --attribute sex=sex --attribute race=race_ethnicity
      predictor audit interviews.csv --groups groups.csv --attribute sex --attribute race --model my-pool
    """
    from predictor.pipeline.audit_run import audit_model, save_audit
    from predictor.pipeline.group_columns import parse_groups
    from predictor.pipeline.trained_model import TrainedModel
    from predictor.reports.audit_lines import audit_lines

    columns = parse_groups(attributes)
    trained = TrainedModel.load(model_path(model), MODELS)
    audited = audit_model(trained, data, columns, groups_file=groups, on=on, cards=cards, threshold=threshold)
    if audited.simulated:
        click.secho("SIMULATED: nothing here is about real people.\n", fg="yellow")
    for warning in audited.warnings:
        warn(warning)
    say("\n".join(audit_lines(audited)))
    files = save_audit(audited, trained.report_folder(out))
    say(f"\nReport: {files[0]}")
    if not no_track:
        _attach(trained, files, {"audited": audited.made})


@click.command()
@click.argument("current", type=FILE, required=False)
@click.option("--journal", type=FILE, help="A journal to compare, instead of CURRENT.")
@model_option
@sheet_option
@click.option("--out", type=FOLDER, help="Folder of the page.  [default: a new one in experiments/drift]")
@_track_option
@click.pass_context
def drift(
    ctx: click.Context,
    current: Path | None,
    journal: Path | None,
    model: str | None,
    sheet: str | None,
    out: Path | None,
    no_track: bool,
) -> None:
    """Compare current interviews with a model's training rows; exit code 1 if a change is significant.

    CURRENT is a table of ratings; outcomes may still be unknown. Of a journal all interviews are compared. The model's
    file holds the counts to compare with, so the training rows are not needed. Thresholds are corrected for the number
    of rows and of tests: if nothing has changed, at most one check in twenty raises an alarm. Writes an HTML page, and
    one MLflow run.

    \b
    Examples:
      predictor drift last-month.csv
      predictor drift last-month.csv --model my-pool || echo "look at it"
      predictor drift --journal my.journal
    """
    from predictor.evaluation.drift_check import check_drift
    from predictor.journal.store import Journal
    from predictor.model.offer_model import OfferModel
    from predictor.pipeline.drift_run import drift_folder, save_drift
    from predictor.reports.drift_report import drift_lines
    from predictor.sources.files import read_ratings

    started = time.perf_counter()
    if journal and sheet:
        raise ConfigError("--worksheet is for Excel workbooks; a journal has none")
    chosen = OfferModel.load(model_path(model))
    if journal and not current:
        ratings = Journal.existing(journal, chosen.catalogue).ratings()
    elif current and not journal:
        ratings = read_ratings(current, chosen.catalogue, sheet=sheet)
    else:
        raise ConfigError("name what to compare: either CURRENT, a file of ratings, or --journal FILE")
    check = check_drift(chosen, ratings)
    if check.simulated:
        click.secho("SIMULATED interviews\n", fg="yellow")
    say("\n".join(drift_lines(check)))
    folder = save_drift(check, out or drift_folder(check, EXPERIMENTS / "drift"), time.perf_counter() - started)
    say(f"\nPage: {folder / 'drift.html'}")
    if not no_track:
        from predictor.tracking import track

        try:
            say(f"Recorded in MLflow: {track(folder).hint}")
        except TrackingError as error:
            warn(f"{error}\n  The page is written; to record it later: predictor track {folder}")
    if check.significant:
        ctx.exit(1)


@click.command()
@model_option
@_out_option
@_track_option
def card(model: str | None, out: Path | None, no_track: bool) -> None:
    """Write the model card: what the model is, its data, accuracy by who rated, importances, limits.

    It contains only what was measured or counted, with the audit and the latest check for drift if there are any.
    Writes card.md and card.html, and attaches them to the training's MLflow run.

    \b
    Example:
      predictor card --model my-pool
    """
    from predictor.pipeline.model_card_run import save_model_card
    from predictor.pipeline.trained_model import TrainedModel

    trained = TrainedModel.load(model_path(model), MODELS)
    files = save_model_card(trained, trained.report_folder(out), EXPERIMENTS / "drift")
    say(f"Card written: {', '.join(map(str, files))}")
    if not no_track:
        _attach(trained, files, {})


def _attach(trained: TrainedModel, files: Sequence[Path], tags: dict[str, str]) -> None:
    """Attach reports to the run of a training; a store that is down is only a warning, since files are written."""
    from predictor.tracking.runs import add_to_run

    if trained.folder is None:
        click.echo("Not saved in MLflow: the training of this model is not here.")
        return
    try:
        run = add_to_run(trained.folder, files, tags)
    except TrackingError as error:
        warn(f"{error}\n  The files are written.")
        return
    say(f"Saved with the MLflow run {run}" if run else "Not saved in MLflow: the training has no run in this store.")
