"""Commands that choose the champion: `promote`, `pull`, `history`, `rollback`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.common import CHAMPION, MODELS, model_path, read_rows
from predictor.cli.group import say
from predictor.errors import ConfigError, ModelError, RatingsError, plural
from predictor.training_folder import RECORD

if TYPE_CHECKING:
    from predictor.model.offer_model import OfferModel
    from predictor.model.tables import Floats


@click.command()
@click.argument("model")
@click.option(
    "--data",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The file it was trained on, if it moved; read only if some of its rows are new to the champion.",
)
@click.option("--force", metavar="REASON", help="Promote it even if it is no better; the reason is recorded.")
@click.pass_context
def promote(ctx: click.Context, model: str, data: Path | None, force: str | None) -> None:
    """Make a trained model the champion, which `predict` uses, if it is significantly better.

    MODEL is a name in experiments/models, or the number of a registered version, such as 3, or my/3 for the catalogue
    my. It is compared with the champion of its catalogue on MODEL's training rows, using out-of-fold predictions of
    both. Exit code 1: it was not promoted.

    \b
    Examples:
      predictor promote my-pool
      predictor promote 3 --force "the old one used signals that we no longer rate"
    """
    from predictor import tracking

    version: str | None = model
    if not model.rpartition("/")[2].isdigit():
        path = model_path(model)
        if not (path.parent / RECORD).is_file():
            raise ModelError(f"{path} is not in the folder of a training; only a training can be recorded and promoted")
        if tracking.is_unrecorded(path.parent):
            raise ModelError(
                f"{model} was trained with --no-track, so it is in no registry; to record and register it: "
                f"predictor track {path.parent} --register"
            )
        version = tracking.track(path.parent, registered=True).version
        say(f"Registered as version {version}")
    done = tracking.promote(
        str(version),
        champion_probabilities=lambda champion, chosen, y: _answers(champion, chosen, y, data),
        force=force,
    )
    if done.before == done.version:
        say(f"Version {done.version} is the champion already")
    elif not done.promoted:
        say(f"Version {done.version} ({done.model.name}) is not promoted: {done.reason}")
        click.echo("To promote it anyway: --force REASON")
        ctx.exit(1)
    else:
        say(done.reason + (f" Forced: {force}" if done.forced else ""))
        say(f"Champion: version {done.version}" + (f", instead of {done.before}" if done.before else ""))
    make_champion(done.model)


def _answers(champion: OfferModel, chosen: OfferModel, y: Floats, data: Path | None) -> Floats:
    """Predict, with the champion, the rows that another model was trained on."""
    import numpy as np

    from predictor.journal.store import Journal
    from predictor.sources.files import ending_of
    from predictor.sources.workbook import WORKBOOKS

    source = data or Path(str(chosen.trained_on["source"]))
    if not source.is_file():
        raise ConfigError(
            f"some rows are new to the champion, and {source}, which {chosen.name} was trained on, is not here; "
            "name the file: --data FILE"
        )
    try:
        how = dict(chosen.trained_on.get("read_with", {}))  # the words for outcomes as they were named then
        if ending_of(source) not in WORKBOOKS:  # saved as another format since
            how.pop("sheet", None)
        rows = read_rows(source, champion.catalogue, journal=Journal.recognises(source), **how).labelled()
    except RatingsError as error:
        name, first = chosen.catalogue.name, error.problems[0]
        raise ConfigError(
            f"{chosen.name} cannot be compared with the champion, {champion.name}, which uses other signals of the "
            f"same catalogue '{name}'. {source} has {plural(len(error.problems), 'problem')}; the first: "
            f"{f'{first.column} ' if first.column else ''}{first.message}.\n  If this catalogue is about other "
            "signals, give it another name and train again; else --force REASON"
        ) from None
    if not np.array_equal(rows.y, y):
        raise ConfigError(
            f"{source} has {len(rows):,} rows with an outcome, but these are not the {len(y):,} that {chosen.name} was "
            "trained on; name the file as it was then: --data FILE"
        )
    answers: Floats = champion.predict_many(rows, interval=False)["offer_probability"].to_numpy()
    return answers


@click.command()
@click.argument("version", required=False)
def pull(version: str | None) -> None:
    """Download registered models as the champions that `predict` uses: the registry's champions, or a VERSION.

    \b
    Examples:
      predictor pull
      predictor pull 3
      predictor pull my/3
    """
    from predictor import tracking
    from predictor.model.champions import champion_file

    champions = [known.number for known in tracking.history() if CHAMPION in known.aliases]
    for wanted in [version] if version or not champions else champions:
        number, model = tracking.pull(wanted)
        make_champion(model, announce=False)
        say(
            f"Version {number} ({model.name}) is in {champion_file(MODELS, model.catalogue.name)}, which `predict` uses"
        )


@click.command()
def history() -> None:
    """List the registered versions with their scores, and which one is the champion.

    \b
    Example:
      predictor history
    """
    from predictor import tracking
    from predictor.reports.terminal import render_history

    versions = tracking.history()
    click.echo(
        render_history(versions) if versions else "No version is registered yet: predictor train DATA --register"
    )


@click.command()
@click.argument("catalogue", required=False)
def rollback(catalogue: str | None) -> None:
    """Make the previous champion the champion again, for the shipped signals or another CATALOGUE.

    \b
    Examples:
      predictor rollback
      predictor rollback my
    """
    from predictor import tracking

    done = tracking.roll_back(catalogue)
    say(f"Champion: version {done.version} again, instead of {done.before}")
    make_champion(done.model)


def settle_version(version: str) -> None:
    """Make a version that was just registered the champion if there is none yet, and print what it is."""
    from predictor import tracking

    versions = tracking.history()
    catalogue = version.rpartition("/")[0]
    champions = [known.number for known in versions if CHAMPION in known.aliases]
    rivals = [number for number in champions if number.rpartition("/")[0] == catalogue]
    if not rivals and (done := tracking.promote(version)).promoted:
        if may_replace_champion(done.model):
            make_champion(done.model, announce=False)
            say(f"Registered as version {version}, the champion, which `predict` uses")
        else:  # it comes from elsewhere: another store, or a training that is not recorded
            say(
                f"Registered as version {version}, the first and so the champion of this store. Here `predict` still "
                f"uses {present_champion(done.model).name}; to use the new one: predictor pull {version}"
            )
    elif version in rivals:
        say(f"Registered as version {version}, which is the champion")
        _, model = tracking.pull(version)
        if may_replace_champion(model):
            make_champion(model)
    else:
        say(f"Registered as version {version}; to make it the champion: predictor promote {version}")


def make_champion(model: OfferModel, *, announce: bool = True) -> None:
    """Make a model the champion here; print which one it replaced, and for which catalogue if not the shipped one."""
    from predictor.model.champions import suffix_of, write_champion

    before = write_champion(model, MODELS)
    replaced = f", instead of {before.name}" if before else ""
    ratings = f" for ratings by the catalogue '{model.catalogue.name}'" if suffix_of(model.catalogue.name) else ""
    if announce:
        say(f"Champion, which `predict` uses{ratings}: {model.name}{replaced}")
    elif before:
        say(f"Now `predict` here uses {model.name}{ratings}, instead of {before.name}")


def present_champion(model: OfferModel) -> OfferModel:
    from predictor.model.champions import champion_file

    return type(model).load(champion_file(MODELS, model.catalogue.name))


def may_replace_champion(model: OfferModel) -> bool:
    """Return whether a new model takes the champion's place without a comparison.

    It does if there is none, or one that was trained on no interview, or an earlier training of the same name.
    """
    from predictor.model.champions import champion_file

    if not champion_file(MODELS, model.catalogue.name).exists():
        return True
    champion = present_champion(model)
    return champion.trained_on["n"] == 0 or (champion.name == model.name and champion.catalogue == model.catalogue)
