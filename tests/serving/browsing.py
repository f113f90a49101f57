"""A real server and its pages in a real browser, for the tests of pages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from conftest import ROOT

from predictor import OfferModel, Prediction
from predictor.model.first_questions import first_questions
from predictor.model.wording import headline

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

Open = Callable[..., "Page"]
PUBLISHED = OfferModel.published()


def served(work: Path) -> Iterator[str]:
    """Serve a folder with a journal, and check at the end that the server logged no error."""
    command = [sys.executable, "-m", "predictor", "serve", "--port", "0", "--journal", "my.journal"]
    log = (work / "log").open("w")
    process = subprocess.Popen(
        command, cwd=work, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE, stderr=log
    )
    try:
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:\d+", line := process.stdout.readline())
        assert found, line + (work / "log").read_text()
        yield found.group()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
        log.close()
    lines = [json.loads(line) for line in (work / "log").read_text().splitlines()]
    assert not [line for line in lines if line["level"] == "error"]


def opened(browser: Browser, address: str) -> Iterator[Open]:
    """Open pages of the server; check at the end that they had no error and requested no other host."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []
    asked: set[str] = set()

    def open_page(path: str = "/", *, beside: Page | None = None, refused: bool = False, **options: Any) -> Page:
        """Open a page, in a browser of its own or as one more tab beside another; `refused`: it will be sent a 422."""
        if beside is None:
            contexts.append(context := browser.new_context(base_url=address, **options))
        else:
            context = beside.context
        page = context.new_page()
        page.set_default_timeout(20_000)

        def hear(line: ConsoleMessage) -> None:
            if line.type in ("error", "warning") and not (refused and "status of 422" in line.text):
                wrong.append(line.text)

        page.on("console", hear)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong, wrong
    assert asked == {urlsplit(address).netloc}


def rate(page: Page, signal: str, rating: int) -> None:
    """Tap a rating."""
    page.locator(f'label:has([name="rating.{signal}"][value="{rating}.0"])').click()


def eight() -> dict[str, int]:
    """Return ratings for the first questions, not all alike."""
    return {name: 1 + number % 5 for number, name in enumerate(first_questions(PUBLISHED))}


def rate_eight(page: Page) -> None:
    """Answer the first questions by one tap each."""
    for name, rating in eight().items():
        rate(page, name, rating)


def see(page: Page) -> None:
    """Ask for the answer, and wait for it."""
    page.locator("#submit").click()
    page.locator(".headline").wait_for()


def sheets_of_paper(page: Page) -> list[int]:
    """Return how many pages of A4 and of Letter a page takes in print."""
    return [len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) for paper in ("A4", "Letter")]


def headline_of(answer: Prediction) -> str:
    """Return the sentence that an answer of the shipped model begins with."""
    interval = answer.interval
    return headline(
        answer.offer_probability,
        interval.low,
        interval.high,
        simulated=1,
        rated=len(answer.contributions) - 1 - len(answer.not_rated),
    )
