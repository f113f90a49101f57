"""MLflow's pages in a real browser: runs and comparisons, reports and plots, and a clean shutdown."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest
from conftest import ROOT

from predictor import Ratings, TrainingConfig, TrainingResult
from predictor.pipeline.comparison_run import compare_and_save
from predictor.tracking import RecordedRun, promote, track

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes by Linux's /proc")

SCORES = ("log_loss", "roc_auc", "gain_over_base_rate", "n")  # columns of the table of runs, in this order
SECONDS = 60_000.0  # of patience, in ms; a page takes one or two


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 2200, "height": 1000})
    page.set_default_timeout(SECONDS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda printed: errors.append(f"{printed.text} {printed.location}") if printed.type == "error" else None,
    )
    yield page
    assert not [error for error in errors if "users/current" not in error]  # MLflow asks for a user that it has not


@pytest.fixture(scope="module")
def work_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("my work")


@pytest.fixture(scope="module")
def store(work_folder: Path) -> str:
    return f"sqlite:///{work_folder}/experiments/mlflow.db"


@pytest.fixture(scope="module")
def champion_run(training_folder: Path, work_folder: Path, store: str) -> RecordedRun:
    """A training that is the registered champion."""
    run = track(shutil.copytree(training_folder, work_folder / "kept"), registered=True, store=store)
    promote(str(run.version), store=store)
    return run


@pytest.fixture(scope="module")
def comparison_run(champion_run: RecordedRun, interviews: Ratings, work_folder: Path, store: str) -> RecordedRun:
    """A comparison of two quick experiments on the rows that the champion learned from."""
    settings = TrainingConfig(repeats=1, resamples=50)
    configs = {name: replace(settings, model=name.replace("-", "_")) for name in ("logistic", "base-rate")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store)
        run = compare_and_save(interviews, configs, name="compared", folder=work_folder / "compared").run
    assert run
    return run


class Server:
    """`serve_ui` in a separate process, started in some folder; `url` is the address that it prints."""

    def __init__(self, folder: Path, store: str | None = None) -> None:
        code = f"from predictor.tracking import serve_ui; serve_ui(store={store!r})"
        environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
        environment |= {"PYTHONPATH": str(ROOT), "http_proxy": "http://127.0.0.1:9"}  # a proxy must not be asked
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert self.process.stdout
        self.said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+\S*", self.said)
        assert found, self.said + self.process.stdout.read()
        self.url = found.group()
        self.children = descendants(self.process.pid)

    def end(self, number: signal.Signals) -> str:
        """Send a signal, check that no process is left, and return the last output."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        assert self.children
        assert not [child for child in self.children if alive(child)]
        where = urlsplit(self.url)
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection(str(where.hostname), where.port, timeout=5).connect()
        return rest

    def kill(self) -> None:
        for number in (self.process.pid, *self.children):
            if alive(number):
                os.kill(number, signal.SIGKILL)


def processes() -> dict[int, tuple[str, int]]:
    """Return the state and parent of every process, by number."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended while we looked
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            found[int(path.parent.name)] = state, int(parent)
    return found


def descendants(number: int) -> list[int]:
    family, everyone = [number], processes()
    for one in family:
        family += [child for child, (_, parent) in everyone.items() if parent == one]
    return family[1:]


def alive(number: int) -> bool:
    return processes().get(number, ("Z", 0))[0] != "Z"  # a zombie has ended, but its parent has not collected it


@pytest.fixture(scope="module")
def server(comparison_run: RecordedRun, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # the pages must not depend on where they are opened from
    server = Server(elsewhere, store)
    try:
        yield server
        assert not list(elsewhere.iterdir())
        assert "closed" in server.end(signal.SIGTERM)
    finally:
        server.kill()


def open_at(page: Page, address: str) -> None:
    page.goto("about:blank")  # otherwise only the part after # changes, and the old page may stay
    page.goto(address)


def experiment(server: Server) -> str:
    return server.url.partition("/runs")[0]


def test_runs_are_listed_with_their_metrics(page: Page, server: Server, training_result: TrainingResult) -> None:
    open_at(page, server.url)
    page.get_by_role("link", name=training_result.name).first.wait_for()
    table = page.locator(".ag-root").first
    for name in ("log_loss", "roc_auc"):
        assert table.locator(f"text={name}").count(), name
        near = f"Math.abs(parseFloat(cell.innerText) - {training_result.scores[name].value}) < 0.001"
        page.wait_for_function(f"[...document.querySelectorAll('.ag-cell')].some(cell => {near})")
    page.set_viewport_size({"width": 1280, "height": 800})
    try:
        for name in SCORES[:2]:  # on a laptop, beside the two panels that MLflow opens by itself
            page.wait_for_function(
                "name => { const right = at => at.getBoundingClientRect().right; return right(document.querySelector("
                "'.ag-root')) >= right([...document.querySelectorAll('.ag-header-cell')]"
                ".find(cell => cell.innerText.trim() === name)) }",
                arg=name,
            )
    finally:
        page.set_viewport_size({"width": 2200, "height": 1000})


def test_a_comparison_lists_its_experiments_as_child_runs(page: Page, server: Server) -> None:
    open_at(page, server.url)
    page.get_by_role("link", name="compared", exact=True).wait_for()
    page.locator("[row-index='0'] button, [row-index='0'] [role=button]").first.click()  # expands its child runs
    for name in ("compared-logistic", "compared-base-rate", "tested"):
        page.get_by_role("link", name=name, exact=True).wait_for()
    page.wait_for_function(  # every run has a line of its own
        "(rows => rows.length && new Set(rows).size === rows.length)("
        "[...document.querySelectorAll('.ag-pinned-left-cols-container .ag-row')].map(row => row.style.transform))"
    )
    head = page.evaluate(
        "[...document.querySelectorAll('.ag-header-cell')].map(c => [c.getBoundingClientRect().left, c.innerText.trim()])"
    )
    assert [name for _, name in sorted(head) if name in SCORES] == list(SCORES)
    cut_off = page.evaluate(
        "[...document.querySelectorAll('.ag-header-cell')].flatMap(c => [...c.querySelectorAll('*')]"
        ".filter(e => !e.children.length && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)"
        ".map(e => e.innerText.trim())).filter(Boolean)"
    )
    assert not set(cut_off) & set(SCORES)


def test_the_comparison_names_the_best_experiment(
    page: Page, server: Server, comparison_run: RecordedRun, store: str
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(store)
    parent = client.get_run(comparison_run.run_id)
    below = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{comparison_run.run_id}'")
    assert parent.data.metrics == {"log_loss": min(run.data.metrics["log_loss"] for run in below)}
    open_at(page, f"{experiment(server)}/runs/{comparison_run.run_id}")
    won = re.compile(r"logistic has the lowest log-loss of the experiments, 0\.\d+ \(.*the champion \(version 1\)")
    page.get_by_text(won).first.wait_for()


@pytest.mark.parametrize("plot", ["kept/calibration.png", "kept/importances.png", "compared/leaderboard.png"])
def test_plots_open_in_the_pages(
    page: Page, server: Server, champion_run: RecordedRun, comparison_run: RecordedRun, work_folder: Path, plot: str
) -> None:
    run = comparison_run if plot.startswith("compared") else champion_run
    open_at(page, f"{experiment(server)}/runs/{run.run_id}/artifacts/{Path(plot).name}")
    width, height = struct.unpack(">II", (work_folder / plot).read_bytes()[16:24])  # as stored in a PNG file
    shown = f"i.complete && i.naturalWidth === {width} && i.naturalHeight === {height}"
    page.wait_for_function(f"[...document.images].some(i => i.src.startsWith('blob:') && {shown})")


def test_the_run_page_shows_result_data_and_version(
    page: Page, server: Server, champion_run: RecordedRun, training_result: TrainingResult
) -> None:
    open_at(page, f"{experiment(server)}/runs/{champion_run.run_id}")
    page.get_by_text("SIMULATED: these interviews are simulated").first.wait_for()
    page.get_by_text(f"Saves {training_result.gains['base_rate']} of log-loss against the base rate").first.wait_for()
    page.get_by_text(training_result.data["digest"][:12]).first.wait_for()
    page.get_by_role("link", name="offer-predictor").first.wait_for()
    page.get_by_text("v1", exact=True).first.wait_for()


def test_the_report_opens_in_the_run_page(
    page: Page, server: Server, champion_run: RecordedRun, training_result: TrainingResult
) -> None:
    open_at(page, f"{experiment(server)}/runs/{champion_run.run_id}/artifacts/report.html")
    report = page.frame_locator("iframe")
    report.get_by_role("heading", level=1, name=training_result.name).wait_for()
    report.get_by_text("SIMULATED: this model learned from simulated interviews").wait_for()
    assert report.locator("#is-it-calibrated svg").count()


def test_the_server_is_small_and_local(server: Server) -> None:
    own = psutil.Process(server.process.pid)
    family = [own, *own.children(recursive=True)]
    assert len(family) <= 4
    assert (
        sum(one.memory_full_info().pss for one in family) <= 600e6
    )  # about 610 MB here, of which MLflow itself is nearly all
    listening = [each.laddr.ip for one in family for each in one.net_connections() if each.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}


def test_the_pages_request_no_other_host(page: Page, server: Server) -> None:
    asked: set[str | None] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
    open_at(page, server.url.partition("#")[0])
    page.get_by_text("interview-outcome-predictor").first.wait_for()
    assert "127.0.0.1" in asked
    assert asked <= {"127.0.0.1", None}  # None: addresses inside the page, such as data: and blob:


def test_ctrl_c_stops_the_server_of_a_fresh_folder(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        assert {path.name for path in (tmp_path / "experiments").iterdir()} == {"mlflow.db", "mlflow.db.lock"}
        assert "closed" in server.end(signal.SIGINT)
    finally:
        server.kill()
