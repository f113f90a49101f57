"""Shared by several commands: options, validation of names, and loading of models, catalogues and experiments."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.group import say
from predictor.errors import ConfigError, ModelError, Problem, RatingsError, nearest
from predictor.training_folder import MODEL

if TYPE_CHECKING:
    from predictor.ratings.catalogue import Catalogue
    from predictor.ratings.ratings import Ratings
    from predictor.training.config import TrainingConfig

EXPERIMENTS = Path("experiments")
MODELS = EXPERIMENTS / "models"
CHAMPION = "champion"  # as in model/champions.py, which would load numpy here

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

model_option = click.option(
    "--model", "-m", help="A model file, or a name in experiments/models.  [default: the champion]"
)
signals_option = click.option("--signals", type=FILE, help="A catalogue.  [default: the shipped one]")
sheet_option = click.option(
    "--worksheet", "--sheet", "sheet", metavar="NAME",
    help="Sheet of an Excel workbook.  [default: the first visible one]",
)  # fmt: skip
offer_word_option = click.option(
    "--offer-word",
    metavar="WORD",
    help="The word that means an offer in your file, such as Ja; one other word may mean no offer.",
)
unknown_words_option = click.option(
    "--unknown-word", "unknown_words", metavar="WORD", multiple=True,
    help="A word for an unknown outcome, such as Maybe: these rows are left out; may be given more than once.",
)  # fmt: skip


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `read_ratings`: `offer_word`, `unknown_words` and `sheet`."""
    return offer_word_option(unknown_words_option(sheet_option(command)))


def read_standard_input() -> bytes:
    """Read all of standard input."""
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise RatingsError("standard input", [Problem(f"cannot be read: {error.strerror or error}")]) from None


def load_catalogue(path: Path | None) -> Catalogue:
    """Load a catalogue's file, or the shipped catalogue."""
    from predictor.ratings.catalogue import Catalogue

    return Catalogue.load(path) if path else Catalogue.shipped()


def read_rows(source: Path, catalogue: Catalogue, *, journal: bool, **how: Any) -> Ratings:
    """Read rows to train on, from a file or a journal."""
    from predictor.journal.store import Journal
    from predictor.sources.files import read_ratings

    if journal:
        return Journal.existing(source, catalogue).ratings(training=True)
    return read_ratings(source, catalogue, training=True, **how)


def load_experiment(experiment: str) -> tuple[str, TrainingConfig]:
    """Read an experiment by name or by path; "pool" needs no file."""
    from predictor.training.config import TrainingConfig

    path = Path(experiment) if experiment.endswith(".toml") else EXPERIMENTS / f"{experiment}.toml"
    if path.exists():
        return path.stem, TrainingConfig.load(path)
    if experiment == "pool":
        return experiment, TrainingConfig()
    existing = sorted(known.stem for known in path.parent.glob("*.toml"))
    if existing:
        hint = nearest(path.stem, existing) or f"; there are: {', '.join(existing)}"
    else:
        hint = ", which has none; work in the project's folder, or name the file: --experiment my/folder/NAME.toml"
    raise ConfigError(f"no experiment '{experiment}': looked for {path.name} in {path.absolute().parent}{hint}")


def plain_name(name: str) -> str:
    """Make a model's name of a file's: "my file" becomes "my-file"."""
    return re.sub(r"[^\w.-]+", "-", name).lstrip(".-")


def checked_name(name: str) -> str:
    """Return a model's name, or refuse it: "champion", "7" and "a/b" are none."""
    taken = name == CHAMPION or name.startswith(f"{CHAMPION}-") or name.isdigit()
    if not re.fullmatch(r"\w[\w.-]{0,99}", name) or name.endswith(".json") or taken:
        raise ConfigError(f"invalid name {name!r}: use letters, digits, - and _, not a number, and not '{CHAMPION}...'")
    return name


def make_models_folder() -> None:
    """Make experiments/models in the current folder."""
    if not EXPERIMENTS.exists():  # print where it is, since it depends on the current folder
        say(f"Folder made for models and runs: {EXPERIMENTS.absolute()}", err=True)
    MODELS.mkdir(parents=True, exist_ok=True)
    if not os.access(MODELS, os.W_OK):  # known now rather than after the work
        raise ModelError(f"{MODELS}: cannot be written; work in a folder that you may write to")


def model_path(model: str | None) -> Path:
    """Return a model's file by name or by path; by default the champion's, or else the published prior's."""
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
    files = {path.stem for path in MODELS.glob("*.json")}
    existing = sorted(files | {path.parent.name for path in MODELS.glob(f"*/{MODEL}")})
    there_are = f"; there are: {', '.join(existing)}" if existing else "; none has been trained yet"
    hint = nearest(model, existing) or there_are
    raise ModelError(f"no model '{model}' in {MODELS}{hint}")
