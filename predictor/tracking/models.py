"""Log a trained model to MLflow, in a form that MLflow can serve, and register it."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.model.champions import suffix_of
from predictor.ratings.catalogue import ORIGIN, RATINGS, Catalogue
from predictor.tracking.served import CONFIG
from predictor.tracking.store import import_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

    from predictor.model.offer_model import OfferModel

REGISTERED = "offer-predictor"
CATALOGUE = "catalogue"  # a tag of a logged model
ABOUT = (
    "Likelihood of an offer from ratings of an interview, and what drove it: exact tables of log-odds. The alias "
    "`champion` is the version that `predictor pull` fetches. The first version gets it; `predictor promote` moves it "
    "to one that is significantly better on the same rows, or, with `--force`, for a recorded reason; "
    "`predictor rollback` moves it back. For reflection, practice and interviewer training, **not for "
    "selecting people**."
)
PACKAGE = Path(__file__).parent.parent
# The code that travels with a logged model: what predicting needs, and nothing that learns. A test serves from it.
RUNTIME = ("__init__.py", "errors.py", "atomic.py", "reading.py", "ratings", "model", "tracking/served.py")
EXAMPLE = "EXAMPLE"
_VERSIONS = "mlflow.modelVersions"
# What predicting needs beside the code that travels along; MLflow's full package would bring scikit-learn.
_REQUIRED = ("mlflow-skinny", "numpy", "pandas")


def registered_name(catalogue: str) -> str:
    """Name the registered model of a catalogue: models of other signals do not compete, so they have another.

    Examples
    --------
    >>> registered_name("interview-signals"), registered_name("my")
    ('offer-predictor', 'offer-predictor-my')
    """
    return REGISTERED + suffix_of(catalogue)


def version_number(registered: str, number: object) -> str:
    """Name a version: its number, after the catalogue's name and a slash, unless that is the shipped one.

    Examples
    --------
    >>> version_number("offer-predictor", 3), version_number("offer-predictor-my", 1)
    ('3', 'my/1')
    """
    catalogue = registered.removeprefix(REGISTERED).removeprefix("-")
    return f"{catalogue}/{number}" if catalogue else str(number)


def log_model(client: MlflowClient, run_id: str, model: OfferModel) -> str:
    """Log a model to a run as a Python function that MLflow can serve: `model.json`, source code, and no pickle.

    A run that has this model already keeps it. Nothing of it depends on which run or tracking URI is active. To an
    SQLite store, log under `store.locked`.

    Parameters
    ----------
    client
        Of the store that has the run, as `store.connect` makes it.
    run_id
        The run that trained the model. Params that it has by now are shown with the model, too.
    model
        The model; see `predictor.tracking.served.ServedModel` for how it answers.

    Returns
    -------
    str
        The model's URI, "models:/m-...".

    Raises
    ------
    MlflowException
        If the store cannot be reached or written. A model already begun is marked FAILED.
    """
    import_mlflow()
    from mlflow.entities import LoggedModelOutput

    run = client.get_run(run_id)
    for output in run.outputs.model_outputs if run.outputs else ():
        there = client.get_logged_model(output.model_id)
        if there.status == "READY" and there.tags.get("fingerprint") == model.fingerprint:
            return str(there.model_uri)
    tags = {"name": model.name, "fingerprint": model.fingerprint, "simulated": str(model.simulated).lower()}
    tags |= {CATALOGUE: model.catalogue.name}
    name = registered_name(model.catalogue.name)
    logged = client.create_logged_model(run.info.experiment_id, name, run_id, tags, run.data.params)
    try:
        with tempfile.TemporaryDirectory() as folder:
            client.log_model_artifacts(logged.model_id, str(_save(model, logged, Path(folder))))
        client.finalize_logged_model(logged.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    except BaseException:  # Ctrl-C too: a model left PENDING would look as if it was still coming
        with contextlib.suppress(Exception):
            client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    return str(logged.model_uri)


def register(client: MlflowClient, uri: str) -> str:
    """Register a logged model as the next version of its catalogue's registered model, unless it is one already.

    Parameters
    ----------
    client
        Of the store that has the model.
    uri
        What `log_model` returned.

    Returns
    -------
    str
        The version, as `version_number` names it.

    Raises
    ------
    MlflowException
        If there is no such model, or the store cannot be reached or written.
    """
    from mlflow.exceptions import MlflowException

    model_id = uri.removeprefix("models:/")
    logged = client.get_logged_model(model_id)
    name = registered_name(logged.tags[CATALOGUE]) if CATALOGUE in logged.tags else REGISTERED
    for known in client.search_model_versions(f"name = '{name}' and run_id = '{logged.source_run_id}'"):
        if known.source == logged.artifact_location:
            return version_number(name, known.version)
    try:
        client.create_registered_model(name, description=ABOUT)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # By its place: MLflow would look for a models:/ address in whichever store is active.
    run = client.get_run(str(logged.source_run_id))
    made = client.create_model_version(
        name, logged.artifact_location, run.info.run_id, logged.tags,
        description=run.data.tags.get("mlflow.note.content", "").replace("**", ""),  # a table shows it as it is written
        model_id=logged.model_id,
    )  # fmt: skip
    # So that MLflow's page of the model leads to the version; a server has done it by now, an SQLite store has not.
    links = json.loads(client.get_logged_model(model_id).tags.get(_VERSIONS, "[]"))
    if all(str(link["version"]) != str(made.version) for link in links):
        links.append({"name": name, "version": str(made.version)})
        client.set_logged_model_tags(model_id, {_VERSIONS: json.dumps(links)})
    return version_number(name, made.version)


def signature_of(catalogue: Catalogue) -> ModelSignature:
    """Write down what a model of this catalogue takes and answers.

    Every column that a file of ratings may have is there, and is optional: what is not observed may be left out. None
    has a type: a signature with doubles refuses whole numbers in a frame, and checks no range anyway. `Ratings` does
    all of that in its own words, naming row and signal.
    """
    from mlflow.models import ModelSignature

    types: Any = import_module("mlflow.types.schema")  # it has no types of its own
    anything = types.AnyType()

    def table(**kinds: Any) -> Any:
        return types.Object([types.Property(name, kind) for name, kind in kinds.items()])

    contribution = table(signal="string", family="string", side=anything, rating=anything, log_odds="double")
    answer = {
        "offer_probability": "double",
        "interval": table(level="double", low="double", high="double"),
        "base_rate": "double",
        "log_odds": "double",
        "baseline": "double",
        "contributions": types.Array(contribution),
        "families": types.Map("double"),
        "feature_importances": types.Map("double"),
        "not_rated": types.Array("string"),
        "notes": types.Array("string"),
        "model": types.Map(anything),
    }
    columns = (*catalogue.columns, RATINGS)
    return ModelSignature(
        inputs=types.Schema([types.ColSpec(anything, name, required=False) for name in columns]),
        outputs=types.Schema([types.ColSpec(kind, name) for name, kind in answer.items()]),
        params=types.ParamSchema([types.ParamSpec("base_rate", "double", None)]),
    )


def scales_of(catalogue: Catalogue) -> dict[str, str]:
    """Write down the scale of each signal, and the words of each input.

    Examples
    --------
    >>> list(scales_of(Catalogue.shipped()).items())[-2:]
    [('candidate_asks_next_steps', '1 to 5'), ('rater_role', 'interviewer, observer, candidate')]
    """
    scales = {signal.name: f"{signal.scale.low:g} to {signal.scale.high:g}" for signal in catalogue.signals}
    return {**scales, **{item.name: ", ".join(item.levels) for item in catalogue.inputs}}


def example_of(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Build an input example: an invented interview, with the middle of every scale."""
    middle = {signal.name: (signal.scale.low + signal.scale.high) / 2 for signal in catalogue.signals}
    words = {item.name: item.levels[0] for item in catalogue.inputs}
    return [{**({ORIGIN: EXAMPLE} if ORIGIN in catalogue.columns else {}), **words, RATINGS: middle}]


def _save(model: OfferModel, logged: LoggedModel, folder: Path) -> Path:
    """Write the model in MLflow's format; this neither loads it nor looks around for what it might need."""
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    code = folder / PACKAGE.name
    (code / "tracking").mkdir(parents=True)  # without its __init__, which imports the rest of tracking
    for name in RUNTIME:
        if (PACKAGE / name).is_dir():
            shutil.copytree(PACKAGE / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PACKAGE / name, code / name)
    save_model(
        folder / "logged",
        loader_module="predictor.tracking.served",
        data_path=str(model.save(folder / "model.json")),
        code_paths=[str(code)],
        model_config=CONFIG,
        pip_requirements=[f"{name}=={version(name)}" for name in _REQUIRED],
        signature=signature_of(model.catalogue),
        input_example=example_of(model.catalogue),
        metadata={
            "code": "the project is on no package index: the part of it that predicts is in the folder code",
            "input_example": f"{EXAMPLE}: made up, the middle of every scale",
            "simulated": model.simulated,
            "scales": scales_of(model.catalogue),  # a signature has no place for them
        },
        mlflow_model=Model(
            logged.artifact_location, logged.source_run_id, model_uuid=logged.model_id, model_id=logged.model_id
        ),
    )
    return folder / "logged"
