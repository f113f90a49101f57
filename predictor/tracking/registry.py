"""The registered model `offer-predictor`: its versions, which of them is the champion, and how that changes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.errors import TrackingError
from predictor.learning.comparison import OutOfFold, Verdict, judge
from predictor.model import OfferModel
from predictor.tables import Floats
from predictor.tracking.models import REGISTERED, register
from predictor.tracking.runs import run_of
from predictor.tracking.store import Store, connect, explained, import_mlflow, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
FORCED, BEFORE, GAIN, PROMOTED = "forced", "champion_before", "gain", "promoted_at"
OUT_OF_FOLD = "out_of_fold.csv"


@dataclass(frozen=True)
class Version:
    """A version of the registered model.

    Attributes
    ----------
    number
        1, 2, ...
    name, run_id
        Of the model, and the run that trained it.
    aliases
        Such as "champion".
    metrics
        Of its run.
    tags
        What was said when it was promoted.
    made
        When it was registered.
    """

    number: str
    name: str
    run_id: str
    aliases: tuple[str, ...]
    metrics: dict[str, float]
    tags: dict[str, str]
    made: datetime


@dataclass(frozen=True)
class Promotion:
    """What came of asking for a promotion.

    Attributes
    ----------
    version, model
        The one that asked.
    promoted
        Whether it is the champion now.
    before
        Number of the champion before, or None.
    verdict
        How it stood to the champion; None where there was nobody to stand against, or nothing to hold it by.
    reason
        Why, in words.
    """

    version: str
    model: OfferModel
    promoted: bool
    before: str | None
    verdict: Verdict | None
    reason: str


def history(store: str | None = None) -> list[Version]:
    """List every version, the latest first.

    Raises
    ------
    TrackingError
        If the store cannot be reached.
    """
    place = Store.named(store)
    import_mlflow()
    with explained(place, "list the versions"), locked(place):
        client = connect(place)
        return [_told(client, version) for version in _versions(client)]


def register_folder(folder: Path, store: str | None = None) -> str:
    """Make the recorded model of a training's folder a version; its number. An old one if it is registered already.

    Raises
    ------
    TrackingError
        If the folder was not recorded in this store, or the store cannot be reached.
    """
    place, known = Store.named(store), run_of(folder)
    if known.get("store") != place.uri or "model_uri" not in known:
        raise TrackingError(
            f"{folder} is not recorded in {place.path or place.uri}; record it: predictor track {folder}"
        )
    import_mlflow()
    with explained(place, f"register {folder.name}"), locked(place):
        client = connect(place)
        for version in _versions(client):
            if version.run_id == known["run_id"]:
                return str(version.version)
        return register(client, known["model_uri"])


def champion_out_of_fold(store: str | None = None) -> tuple[str, OutOfFold] | None:
    """Fetch the champion's number, and what was said of its rows out of fold; None where there is no champion.

    Raises
    ------
    TrackingError
        If the store cannot be reached.
    """
    place = Store.named(store)
    import_mlflow()
    with explained(place, "look for the champion"), locked(place):
        client = connect(place)
        champion = _champion(client)
        return (str(champion.version), _out_of_fold(client, champion)) if champion else None


def promote(
    version: str,
    *,
    answers: Callable[[OfferModel], Floats] | None = None,
    force: str | None = None,
    store: str | None = None,
) -> Promotion:
    """Make a version the champion, if it is better than the present one beyond noise.

    Parameters
    ----------
    version
        Its number.
    answers
        Given the champion's model, the probabilities that it gives the rows which the version learned from, in their
        order, shape (n,), NaN where it cannot answer; called only if some of these rows are new to the champion.
    force
        A reason to promote it all the same; it stays with the version as a tag.
    store
        As for `history`.

    Raises
    ------
    TrackingError
        If there is no such version, or the store cannot be reached or written.
    """
    place = Store.named(store)
    import_mlflow()
    with explained(place, f"promote version {version}"), locked(place):
        client = connect(place)
        chosen = _version(client, version)
        champion = _champion(client)
        model = _model(client, chosen)
        if champion and champion.version == chosen.version:
            return Promotion(version, model, False, version, None, "it is the champion already")
        verdict, reason = None, "there was no champion"
        if champion:
            theirs = (lambda: answers(_model(client, champion))) if answers else None
            verdict = judge(_out_of_fold(client, chosen), _out_of_fold(client, champion), theirs)
            reason = str(verdict)
        before = str(champion.version) if champion else None
        promoted = verdict is None or verdict.better or force is not None
        if promoted:
            tags = {PROMOTED: datetime.now(UTC).isoformat(timespec="seconds"), BEFORE: before or "none"}
            tags |= {GAIN: str(verdict.gain)} if verdict and verdict.gain else {}
            tags |= {FORCED: force} if force is not None else {}
            _crown(client, chosen, tags)
        return Promotion(version, model, promoted, before, verdict, reason)


def roll_back(store: str | None = None) -> Promotion:
    """Make the champion before the present one the champion again.

    Raises
    ------
    TrackingError
        If there was none, or the store cannot be reached or written.
    """
    place = Store.named(store)
    import_mlflow()
    with explained(place, "roll back"), locked(place):
        client = connect(place)
        champion = _champion(client)
        before = champion.tags.get(BEFORE, "none") if champion else "none"
        if champion is None or before == "none":
            raise TrackingError("there was no champion before the present one; promote one: predictor promote VERSION")
        chosen = _version(client, before)
        client.set_registered_model_alias(REGISTERED, CHAMPION, chosen.version)
        return Promotion(before, _model(client, chosen), True, str(champion.version), None, "rolled back")


def pull(version: str | None = None, store: str | None = None) -> tuple[str, OfferModel]:
    """Fetch a version's model, the champion's where none is named; its number and the model.

    Raises
    ------
    TrackingError
        If there is no such version, or the store cannot be reached.
    """
    place = Store.named(store)
    import_mlflow()
    with explained(place, "fetch a model"), locked(place):
        client = connect(place)
        chosen = _version(client, version) if version else _champion(client)
        if chosen is None:
            raise TrackingError(
                f"{place.path or place.uri} has no champion; register one: predictor train DATA --register"
            )
        return str(chosen.version), _model(client, chosen)


def _crown(client: MlflowClient, chosen: ModelVersion, tags: dict[str, str]) -> None:
    for name in (PROMOTED, BEFORE, GAIN, FORCED):  # what was said at an earlier promotion
        if name in chosen.tags and name not in tags:
            client.delete_model_version_tag(REGISTERED, chosen.version, name)
    for name, value in tags.items():
        client.set_model_version_tag(REGISTERED, chosen.version, name, value)
    client.set_registered_model_alias(REGISTERED, CHAMPION, chosen.version)  # last: the one step that counts


def _versions(client: MlflowClient) -> list[ModelVersion]:
    found = client.search_model_versions(f"name = '{REGISTERED}'")
    return sorted(found, key=lambda version: -int(version.version))


def _version(client: MlflowClient, number: str) -> ModelVersion:
    there = {str(version.version): version for version in _versions(client)}
    if number not in there:
        hint = f"there are: {', '.join(there)}" if there else "none is registered: predictor train DATA --register"
        raise TrackingError(f"no version {number} of {REGISTERED}; {hint}")
    return there[number]


def _champion(client: MlflowClient) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(REGISTERED, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no such model, no such alias
            return None
        raise


def _model(client: MlflowClient, version: ModelVersion) -> OfferModel:
    with tempfile.TemporaryDirectory() as folder:
        return OfferModel.load(client.download_artifacts(str(version.run_id), "model.json", folder))


def _out_of_fold(client: MlflowClient, version: ModelVersion) -> OutOfFold:
    run_id = str(version.run_id)
    if all(item.path != OUT_OF_FOLD for item in client.list_artifacts(run_id)):
        return OutOfFold.none()  # trained on too few rows to measure anything
    with tempfile.TemporaryDirectory() as folder:
        return OutOfFold.read(Path(client.download_artifacts(run_id, OUT_OF_FOLD, folder)))


def _told(client: MlflowClient, version: ModelVersion) -> Version:
    run = client.get_run(str(version.run_id))
    return Version(
        number=str(version.version),
        name=run.info.run_name,
        run_id=run.info.run_id,
        aliases=tuple(version.aliases),
        metrics=dict(run.data.metrics),
        tags=dict(version.tags),
        made=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
    )
