"""The registered model `offer-predictor`: its versions, which of them is the champion, and how that changes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.errors import ConfigError, RatingsError, TrackingError
from predictor.learning.comparison import OutOfFold, Verdict, judge
from predictor.model import OfferModel
from predictor.tables import Floats
from predictor.tracking.models import REGISTERED
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
    forced
        Whether it was promoted without being better.
    """

    version: str
    model: OfferModel
    promoted: bool
    before: str | None
    verdict: Verdict | None
    reason: str
    forced: bool = False


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
        versions = _versions(client)
        # Of the registered model: a search for versions does not tell their aliases.
        named = client.get_registered_model(REGISTERED).aliases if versions else {}
        return [_told(client, version, named) for version in versions]


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
    answers: Callable[[OfferModel, OfferModel, Floats], Floats] | None = None,
    force: str | None = None,
    store: str | None = None,
) -> Promotion:
    """Make a version the champion, if it is better than the present one beyond noise.

    Parameters
    ----------
    version
        Its number.
    answers
        Given the champion's model, the version's model, and the outcomes of the rows that the version learned from,
        shape (n,): the probabilities that the champion gives these rows, in their order, shape (n,), NaN where it
        cannot answer. Called only if some of these rows are new to the champion.
    force
        A reason to promote it all the same, even if the two cannot be compared; it stays with the version as a tag.
    store
        As for `history`.

    Raises
    ------
    TrackingError
        If there is no such version, or the store cannot be reached or written.
    ConfigError
        If the reason to force it is empty.

    Whatever `answers` raises; with a reason to force it, only if that is no ConfigError or RatingsError.
    """
    if force is not None and not force.strip():
        raise ConfigError("the reason to force a promotion is empty; write it, as in --force 'the old one was wrong'")
    place = Store.named(store)
    import_mlflow()
    with explained(place, f"promote version {version}"), locked(place):
        client = connect(place)
        chosen = _version(client, version)
        champion = _champion(client)
        model = _model(client, chosen)
        if champion and champion.version == chosen.version:
            return Promotion(version, model, False, version, None, "it is the champion already")
        verdict, reason = None, "There was no champion."
        if champion:
            found = _out_of_fold(client, chosen)
            theirs = (lambda: answers(_model(client, champion), model, found.y)) if answers else None
            try:
                verdict = judge(found, _out_of_fold(client, champion), theirs)
                reason = str(verdict)
            except (ConfigError, RatingsError) as error:
                if force is None:
                    raise
                reason = f"Cannot be compared: {error}"
        before = str(champion.version) if champion else None
        earned = champion is None or (verdict is not None and verdict.better)
        promoted, forced = earned or force is not None, force is not None and not earned
        if promoted:
            tags = {PROMOTED: datetime.now(UTC).isoformat(timespec="seconds"), BEFORE: before or "none"}
            tags |= {GAIN: str(verdict.gain)} if verdict and verdict.gain else {}
            tags |= {FORCED: force} if force is not None and forced else {}
            _crown(client, chosen, tags)
        return Promotion(version, model, promoted, before, verdict, reason, forced)


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
    with tempfile.TemporaryDirectory() as folder:
        return OutOfFold.read(Path(client.download_artifacts(str(version.run_id), OUT_OF_FOLD, folder)))


def _told(client: MlflowClient, version: ModelVersion, named: Mapping[str, object]) -> Version:
    run = client.get_run(str(version.run_id))
    return Version(
        number=str(version.version),
        name=run.info.run_name,
        run_id=run.info.run_id,
        aliases=tuple(name for name, number in named.items() if str(number) == str(version.version)),
        metrics=dict(run.data.metrics),
        tags=dict(version.tags),
        made=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
    )
