"""The models in use, one for each catalogue: `champion.json` for the shipped signals, `champion-NAME.json` for others.

Models of different signals do not compete, so neither replaces the other.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.atomic import temporary_file
from predictor.errors import ModelError
from predictor.model.offer_model import PUBLISHED, OfferModel
from predictor.ratings.catalogue import Catalogue
from predictor.training_folder import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from predictor.ratings.ratings import Ratings

CHAMPION = "champion"


def suffix_of(catalogue: str) -> str:
    """Return the suffix of a champion's name for a catalogue; empty for the shipped one.

    Examples
    --------
    >>> suffix_of("my signals"), suffix_of("interview-signals")
    ('-my-signals', '')
    """
    if catalogue == Catalogue.shipped().name:
        return ""
    return "-" + (re.sub(r"[^\w-]+", "-", catalogue).strip("-") or "other")


def champion_file(models: Path, catalogue: str) -> Path:
    """Name the file of a catalogue's champion in a folder of trainings."""
    return models / f"{CHAMPION}{suffix_of(catalogue)}.json"


def champion_files(models: Path) -> list[Path]:
    """List the champions of a folder of trainings: that of the shipped signals first, if there is one."""
    shipped = models / f"{CHAMPION}.json"
    return [path for path in (shipped, *sorted(models.glob(f"{CHAMPION}-*.json"))) if path.is_file()]


def default_model(models: Path) -> Path:
    """Return the file of the model that predicts if none is named: the champion, or else the published prior.

    Raises
    ------
    ModelError
        If there are champions of several catalogues, and none of them is of the shipped signals.
    """
    champions = champion_files(models)
    if len(champions) > 1 and champions[0].stem != CHAMPION:
        raise ModelError(
            f"{models} has a champion for each of several catalogues; name one: "
            + " or ".join(f"--model {path.stem}" for path in champions)
        )
    return champions[0] if champions else PUBLISHED


def champion_for(models: Path, read: Callable[[Catalogue], Ratings]) -> tuple[OfferModel, Ratings]:
    """Choose the champion that some ratings are meant for, by the signals that they name, and read them.

    Parameters
    ----------
    models
        The folder of trainings.
    read
        Reads the ratings by a catalogue, or raises RatingsError.

    Returns
    -------
    tuple
        The model, and the ratings by its catalogue. Where several could read them, the one with most of them rated.

    Raises
    ------
    RatingsError
        If no champion's catalogue fits, with the problems of the one that fits best.
    """
    from predictor.errors import RatingsError

    first, *others = champion_files(models) or [PUBLISHED]
    # Otherwise ratings with the shipped signals could be read by another catalogue's champion.
    if first.stem != CHAMPION and first != PUBLISHED:
        first, others = PUBLISHED, [first, *others]
    best: tuple[OfferModel, Ratings] | None = None
    refused: list[RatingsError] = []
    for path in (first, *others):
        model = OfferModel.load(path)
        try:
            rows = read(model.catalogue)
        except RatingsError as error:
            refused.append(error)
            continue
        if best is None or rows.X.notna().to_numpy().sum() > best[1].X.notna().to_numpy().sum():
            best = model, rows
    if best is None:
        raise min(refused, key=lambda error: len(error.problems))
    return best


def _with_local_deletions(model: OfferModel, models: Path) -> OfferModel:
    """Add to a model the rows that were deleted here since: a copy from a registry does not have them."""
    for path in (models / model.name / MODEL, champion_file(models, model.catalogue.name)):
        try:
            known = OfferModel.load(path)
        except ModelError:
            continue
        if known.fingerprint == model.fingerprint and known.rows_deleted > model.rows_deleted:
            model = replace(model, deletions=known.deletions)
    return model


def write_champion(model: OfferModel, models: Path) -> OfferModel | None:
    """Make a model its catalogue's champion on this machine.

    A link is replaced, not followed: what it points at is somebody's training.

    Returns
    -------
    OfferModel or None
        The champion that it replaced, if there was another.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    path = champion_file(models, model.catalogue.name)
    model = _with_local_deletions(model, models)
    try:
        before = OfferModel.load(path)
    except ModelError:  # there is none, or it is damaged
        before = None
    try:
        if path.is_symlink():
            with temporary_file(path) as file:
                model.save(file).replace(path)
        else:
            model.save(path)
    except ModelError as error:
        raise ModelError(
            f"{error}; `predict` still uses the previous champion. Work in a folder that you may write to, "
            "with MLFLOW_TRACKING_URI naming the store"
        ) from None
    return before if before and before.fingerprint != model.fingerprint else None
