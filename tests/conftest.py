"""Values that many tests share: simulated interviews, and a model trained on them once."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from click.testing import CliRunner, Result
from filelock import FileLock
from hypothesis import settings
from strategies import EXAMPLES

from predictor import Catalogue, OfferModel, Ratings, TrainingConfig, TrainingResult, simulate_interviews, train
from predictor.cli import main
from predictor.pipeline import run as pipeline
from predictor.pipeline.run import save
from predictor.reports.figures.training import save_plots
from predictor.reports.training_report import save_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Tests start many processes. Where Python may keep no compiled modules, each of them compiles its libraries for seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Imports make half a million objects. Looking for garbage among them again and again takes a twentieth of the time.
gc.set_threshold(10_000, 20, 20)

collect_ignore = ["serving/schemathesis_api.py"]  # it fits a model; test_api.py runs it in a process of its own

# How long an example takes says how busy the machine is. 100 is Hypothesis's own, for what names no number of its own.
settings.register_profile("suite", deadline=None, max_examples=EXAMPLES or 100)
settings.load_profile("suite")

ROOT = Path(__file__).parent.parent
SIGNALS = len(Catalogue.shipped().signals)  # of the shipped catalogue
# Files that take longest, which start first: a core is not left with one of them when the other has none.
SLOW = (
    "cluster", "pages", "rate_page", "ui", "own_data", "api", "exported_page", "server", "runs", "train", "registry", "cli",
    "partial", "training_report", "prior", "audit_run", "endurance", "faults", "autologging", "terminal", "served",
    "silent_store", "docs", "connections", "journal_pages", "people_pages", "classifier", "notebook", "store", "reading",
    "bad_input", "importance", "systems", "offer_model", "files", "run", "baselines", "inspection",
)  # fmt: skip
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = {"resultTypes": ["violations"]}  # every rule; passes are not listed node by node, which would double the time
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # so that the pages show that they need no other host
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first; each file keeps its order."""
    place = {f"test_{name}": number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def own_code_first() -> Iterator[None]:
    """Restore sys.path: MLflow adds the code of a loaded model, a part of this package that would hide the rest."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.shipped()


@pytest.fixture(scope="session")
def interviews() -> Ratings:
    return simulate_interviews(600, seed=5)


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this test run, the same for all workers."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def warm_python(session_folder: Path) -> Path:
    """A program that takes `-m predictor ...` or `-c CODE ...` as `python` does, with the imports already done."""
    program, server = session_folder / "python", ROOT / "tests/warm.py"
    parent = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    with FileLock(f"{program}.lock"):
        if not program.exists():
            with Path(f"{program}.log").open("w") as log:
                started = subprocess.Popen(
                    [sys.executable, "-W", "ignore::DeprecationWarning", server, "serve", f"{program}.socket", str(parent)],
                    env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=session_folder, start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
            while not Path(f"{program}.socket").exists():
                assert started.poll() is None, Path(f"{program}.log").read_text()
                time.sleep(0.02)
            started.returncode = 0  # it ends by itself after the tests
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{server}" ask "{program}.socket" "$@"\n')
            program.chmod(0o755)
    return program


@pytest.fixture(scope="session")
def training_result(interviews: Ratings, session_folder: Path) -> TrainingResult:
    """A training, run by the first worker that needs it; the others read its result."""
    path = session_folder / "tested.pickle"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            trained = train(interviews, TrainingConfig(repeats=1, resamples=50), name="tested")
            path.write_bytes(pickle.dumps(trained))
        return cast(TrainingResult, pickle.loads(path.read_bytes()))


@pytest.fixture(scope="session")
def training_folder(training_result: TrainingResult, session_folder: Path) -> Path:
    """The folder of that training; copy it before changing anything in it."""
    folder = session_folder / "models" / training_result.name
    with FileLock(f"{session_folder}/models.lock"), pytest.MonkeyPatch.context() as patch:
        for write in (save_report, save_plots):  # the real ones, despite `without_figures`
            patch.setattr(pipeline, write.__name__, write)
        return folder if folder.exists() else save(training_result, folder)


@pytest.fixture(scope="module")
def without_figures() -> Iterator[None]:
    """Write a short report and no plots, which dominate a small training; tests/reports covers the real ones."""

    def save_short(result: TrainingResult, path: Path) -> Path:
        path.write_text(f"<!doctype html><title>{result.name}</title>")
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "save_report", save_short)
        patch.setattr(pipeline, "save_plots", lambda *_: [])
        yield


@pytest.fixture(scope="session")
def model(training_result: TrainingResult) -> OfferModel:
    return training_result.model


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: OfferModel) -> Path:
    """A working folder as a user has it, with a champion."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    model.save("experiments/models/champion.json")
    return tmp_path


@pytest.fixture
def run(workplace: Path) -> Callable[..., Result]:
    """Run the command line in the workplace."""

    def call(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin, catch_exceptions=False)

    return call


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser for one module, since its event loop must not outlive the module."""
    missing = [name for name, there in (("playwright", find_spec("playwright")), ("chromium", CHROMIUM)) if not there]
    if missing:
        reason = f"{' and '.join(missing)} not installed: pip install playwright; apt-get install chromium"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
