"""The registered models, one for each catalogue: their versions, which of them is the champion, how that changes.

`offer-predictor` is that of the shipped signals, `offer-predictor-NAME` that of the catalogue NAME. A version is named
by its number, or by NAME/NUMBER; a number alone is one of the shipped signals, or of the only catalogue that there is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.errors import ConfigError, RatingsError, TrackingError
from predictor.model.champions import CHAMPION
from predictor.model.offer_model import OfferModel
from predictor.model.tables import Floats
from predictor.tracking.models import REGISTERED, registered_name, version_number
from predictor.tracking.record import interval_of
from predictor.tracking.store import Store, open_client, open_client_to_read
from predictor.training.comparison import OutOfFold, Verdict, judge
from predictor.training_folder import MODEL, OUT_OF_FOLD

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

FORCED, PREVIOUS, GAIN, PROMOTED = "forced", "champion_before", "gain", "promoted_at"


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes
    ----------
    number
        1, 2, ...; after the catalogue's name and a slash, unless that is the shipped one.
    name, run_id
        Of the model, and the run that trained it.
    aliases
        Such as "champion".
    metrics
        Of its run.
    tags
        Of its promotion: when, over which version, by how much, and why if forced.
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
    """The result of a promotion.

    Attributes
    ----------
    version, model
        The version that was to be promoted, as `Version.number` has it, and its model.
    promoted
        Whether it is the champion now.
    before
        Number of the champion before, or None.
    verdict
        Its comparison with the champion; None without a champion, or without data to compare.
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
    with open_client_to_read(Store.named(store), "list the versions") as client:
        if client is None:
            return []
        versions = []
        for name in _registered(client):
            # Of the registered model: a search for versions does not return their aliases.
            aliases = client.get_registered_model(name).aliases
            versions += [_described(client, version, aliases) for version in _versions(client, name)]
        return versions


def champion_out_of_fold(catalogue: str) -> tuple[str, OutOfFold] | None:
    """Fetch the number of a catalogue's champion, and its out-of-fold predictions; None where there is no champion.

    Raises
    ------
    TrackingError
        If the store cannot be reached.
    """
    with open_client_to_read(Store.named(None), "look for the champion") as client:
        if client and (champion := _champion(client, registered_name(catalogue))):
            return _number(champion), _out_of_fold(client, champion)
    return None


def promote(
    version: str,
    *,
    champion_probabilities: Callable[[OfferModel, OfferModel, Floats], Floats] | None = None,
    force: str | None = None,
    store: str | None = None,
) -> Promotion:
    """Make a version the champion, if it is significantly better than the current one.

    Parameters
    ----------
    version
        Its number, as in "3" or "my/3"; the command `predictor promote` looks it up where it is given a name.
    champion_probabilities
        A function of the champion's model, the version's model, and the outcomes of the rows that the version learned
        from, shape (n,). It returns the champion's probabilities of these rows, in their order, shape (n,), NaN where
        the champion cannot predict. Called only if some of these rows are new to the champion.
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

    Exceptions of `champion_probabilities` pass through; with `force`, a ConfigError or RatingsError becomes the reason.
    """
    if force is not None and not force.strip():
        raise ConfigError("the reason to force a promotion is empty; write it, as in --force 'the old one was wrong'")
    with open_client(Store.named(store), f"promote version {version}") as client:
        chosen = _version(client, version)
        champion = _champion(client, chosen.name)
        model, version = _model(client, chosen), _number(chosen)
        if champion and champion.version == chosen.version:
            return Promotion(version, model, False, version, None, "it is the champion already")
        verdict, reason = None, "No registered version was the champion yet."
        if champion:
            predictions = _out_of_fold(client, chosen)
            ask = champion_probabilities
            theirs = (lambda: ask(_model(client, champion), model, predictions.y)) if ask else None
            try:
                verdict = judge(predictions, _out_of_fold(client, champion), theirs)
                reason = str(verdict)
            except (ConfigError, RatingsError) as error:
                if force is None:
                    raise
                reason = f"Cannot be compared: {error}"
        before = _number(champion) if champion else None
        earned = champion is None or (verdict is not None and verdict.better)
        promoted, forced = earned or force is not None, force is not None and not earned
        if promoted:
            tags = {PROMOTED: datetime.now(UTC).isoformat(timespec="seconds")}
            tags |= {PREVIOUS: str(champion.version) if champion else "none"}
            tags |= {GAIN: str(verdict.gain)} if verdict and verdict.gain else {}
            tags |= {FORCED: force} if force is not None and forced else {}
            _set_champion_alias(client, chosen, tags)
        return Promotion(version, model, promoted, before, verdict, reason, forced)


def roll_back(catalogue: str | None = None, store: str | None = None) -> Promotion:
    """Make the previous champion the champion again.

    Parameters
    ----------
    catalogue
        Whose; None for the shipped signals, or the only catalogue that has a version.
    store
        As for `history`.

    Raises
    ------
    TrackingError
        If there was none, or the store cannot be reached or written.
    """
    with open_client(Store.named(store), "roll back") as client:
        champion = _champion(client, registered_name(catalogue) if catalogue else _default_name(client))
        before = champion.tags.get(PREVIOUS, "none") if champion else "none"
        if champion is None or before == "none":
            raise TrackingError("there was no champion before the present one; promote one: predictor promote VERSION")
        chosen = client.get_model_version(champion.name, before)
        client.set_registered_model_alias(chosen.name, CHAMPION, chosen.version)
        return Promotion(_number(chosen), _model(client, chosen), True, _number(champion), None, "rolled back")


def pull(version: str | None = None, store: str | None = None) -> tuple[str, OfferModel]:
    """Fetch a version's model, the champion's where none is named; its number and the model.

    Raises
    ------
    TrackingError
        If there is no such version, or the store cannot be reached.
    """
    target = Store.named(store)
    with open_client_to_read(target, "fetch a model") as client:
        if client and (chosen := _version(client, version) if version else _champion(client, _default_name(client))):
            return _number(chosen), _model(client, chosen)
    raise TrackingError(f"{target.path or target.uri} has no champion; register one: predictor train DATA --register")


def _set_champion_alias(client: MlflowClient, chosen: ModelVersion, tags: dict[str, str]) -> None:
    for name in (PROMOTED, PREVIOUS, GAIN, FORCED):  # tags of an earlier promotion
        if name in chosen.tags and name not in tags:
            client.delete_model_version_tag(chosen.name, chosen.version, name)
    for name, value in tags.items():
        client.set_model_version_tag(chosen.name, chosen.version, name, value)
    client.set_registered_model_alias(chosen.name, CHAMPION, chosen.version)  # last: the one step that counts


def _registered(client: MlflowClient) -> list[str]:
    """List our registered models, that of the shipped signals first."""
    names, token = [], None
    while True:
        page = client.search_registered_models(f"name LIKE '{REGISTERED}%'", page_token=token)
        names += [model.name for model in page]
        token = page.token
        if not token:
            ours = (name for name in names if name == REGISTERED or name.startswith(f"{REGISTERED}-"))
            return sorted(ours)


def _default_name(client: MlflowClient) -> str:
    """Name the registered model that is meant where none is named."""
    there = _registered(client)
    return there[0] if len(there) == 1 else REGISTERED


def _number(version: ModelVersion) -> str:
    return version_number(version.name, version.version)


def _versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    versions = client.search_model_versions(f"name = '{name}'")
    return sorted(versions, key=lambda version: -int(version.version))


def _version(client: MlflowClient, number: str) -> ModelVersion:
    catalogue, slash, digits = number.rpartition("/")
    name = registered_name(catalogue) if slash else _default_name(client)
    there = {str(version.version): version for version in _versions(client, name)}
    if digits not in there:
        every = [_number(version) for known in _registered(client) for version in _versions(client, known)]
        hint = f"there are: {', '.join(every)}" if every else "none is registered: predictor train DATA --register"
        raise TrackingError(f"no version {digits} of {name}; {hint}")
    return there[digits]


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no such model, no such alias
            return None
        raise


def _model(client: MlflowClient, version: ModelVersion) -> OfferModel:
    with tempfile.TemporaryDirectory() as folder:
        return OfferModel.load(client.download_artifacts(str(version.run_id), MODEL, folder))


def _out_of_fold(client: MlflowClient, version: ModelVersion) -> OutOfFold:
    with tempfile.TemporaryDirectory() as folder:
        return OutOfFold.read(Path(client.download_artifacts(str(version.run_id), OUT_OF_FOLD, folder)))


def _metrics(run: Run) -> dict[str, float]:
    metrics = dict(run.data.metrics)
    if (ends := interval_of(run.data.tags, "log_loss")) is not None:  # else an early run has them among its metrics
        metrics |= {"log_loss_low": ends[0], "log_loss_high": ends[1]}
    return metrics


def _described(client: MlflowClient, version: ModelVersion, named: Mapping[str, object]) -> Version:
    run = client.get_run(str(version.run_id))
    return Version(
        number=_number(version),
        name=run.info.run_name,
        run_id=run.info.run_id,
        aliases=tuple(name for name, number in named.items() if str(number) == str(version.version)),
        metrics=_metrics(run),
        tags=dict(version.tags),
        made=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
    )
