"""MLflow's pages, opened in a real browser: runs with their scores, plots that show, and a clean end."""

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
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from predictor import TrainingResult
from predictor.tracking import RecordedRun, track

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes by Linux's /proc")

ROOT = Path(__file__).parent.parent
SECONDS = 60_000.0  # of patience, in ms; a page takes one or two


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 2200, "height": 1000})
    page.set_default_timeout(SECONDS)
    return page


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("my work")


@pytest.fixture(scope="module")
def recorded(kept: Path, work: Path) -> RecordedRun:
    return track(shutil.copytree(kept, work / "kept"), store=f"sqlite:///{work}/experiments/mlflow.db")


class Server:
    """`serve_ui` in a process of its own, started in some folder; `url` is what it says it is open at."""

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
        """Send a signal, check that nothing is left, and give what was said last."""
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
    """State and parent of every process, by number."""
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
    return processes().get(number, ("Z", 0))[0] != "Z"  # a zombie has ended; nobody has asked how yet


@pytest.fixture(scope="module")
def server(recorded: RecordedRun, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # the pages must not depend on where they are opened from
    server = Server(elsewhere, f"sqlite:///{work}/experiments/mlflow.db")
    try:
        yield server
        assert not list(elsewhere.iterdir())
        assert "closed" in server.end(signal.SIGTERM)
    finally:
        server.kill()


def open_at(page: Page, address: str) -> None:
    page.goto("about:blank")  # else only the part after # changes, and what was shown before may stay
    page.goto(address)


def experiment(server: Server) -> str:
    return server.url.partition("/runs")[0]


def test_runs_are_listed_with_their_metrics(page: Page, server: Server, result: TrainingResult) -> None:
    open_at(page, server.url)
    page.get_by_role("link", name=result.name).first.wait_for()
    table = page.locator(".ag-root").first
    for name in ("log_loss", "roc_auc"):
        assert table.locator(f"text={name}").count(), name
        near = f"Math.abs(parseFloat(cell.innerText) - {result.scores[name].value}) < 0.001"
        page.wait_for_function(f"[...document.querySelectorAll('.ag-cell')].some(cell => {near})")


@pytest.mark.parametrize("plot", ["calibration.png", "importances.png"])
def test_plots_open(page: Page, server: Server, recorded: RecordedRun, work: Path, plot: str) -> None:
    open_at(page, f"{experiment(server)}/runs/{recorded.run_id}/artifacts/{plot}")
    width, height = struct.unpack(">II", (work / "kept" / plot).read_bytes()[16:24])  # as a PNG file says it
    shown = f"i.complete && i.naturalWidth === {width} && i.naturalHeight === {height}"
    page.wait_for_function(f"[...document.images].some(i => i.src.startsWith('blob:') && {shown})")


def test_run_page_says_simulated(page: Page, server: Server, recorded: RecordedRun) -> None:
    open_at(page, f"{experiment(server)}/runs/{recorded.run_id}")
    page.get_by_text("SIMULATED: these interviews are simulated").first.wait_for()


def test_no_other_host_is_asked(page: Page, server: Server) -> None:
    asked: set[str | None] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
    open_at(page, server.url.partition("#")[0])
    page.get_by_text("interview-outcome-predictor").first.wait_for()
    assert "127.0.0.1" in asked
    assert asked <= {"127.0.0.1", None}  # None: addresses inside the page, such as data: and blob:


def test_ctrl_c_ends_the_pages_of_a_fresh_folder(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        assert {path.name for path in (tmp_path / "experiments").iterdir()} == {"mlflow.db", "mlflow.db.lock"}
        assert "closed" in server.end(signal.SIGINT)
    finally:
        server.kill()
