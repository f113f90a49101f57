"""Progress of a long command, on standard error: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import click

PAUSE = 5.0  # seconds between two lines, so that a log stays short


class Lines:
    """Lines of progress for a log, no more often than every `PAUSE` seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()  # so the first line comes after PAUSE: short commands print none

    def show(self, label: str, done: float, total: float, more: str = "") -> None:
        """Print how much is done, unless the last line is too recent or everything is done."""
        now = time.monotonic()
        if done < total and now - self._last >= PAUSE:
            self._last = now
            click.echo(f"{label}: {100 * done / total:.0f} %{more}", err=True)


class Bar:
    """Progress of scoring, with rate; on a terminal a bar with the time left."""

    def __enter__(self) -> Bar:
        self._stack = ExitStack()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._stack.__exit__(*raised)

    def begin(self, length: int, unit: str) -> Callable[[float], None]:
        """Begin to show how much of `length` is done; return the function to call with each further amount."""
        if not length:
            return lambda _: None
        started, done = time.monotonic(), 0.0

        def rate() -> str:
            return f"{done / max(time.monotonic() - started, 1e-9):,.0f} {unit} a second"

        if not sys.stderr.isatty():
            lines = Lines()

            def print_line(more: float) -> None:
                nonlocal done
                done += more
                lines.show("Scoring", done, length, f", {rate()}")

            return print_line
        bar: Any = click.progressbar(
            length=length, label="Scoring", file=sys.stderr, show_eta=True, item_show_func=lambda _: rate()
        )
        self._stack.enter_context(bar)

        def advance(more: float) -> None:
            nonlocal done
            bar.update(int(done + more) - int(done))
            done += more

        return advance


def fit_progress() -> Callable[[str], Any]:
    """Return what shows the progress of one or more series of fits.

    Returns
    -------
    callable
        Given a label, a function that wraps the iteration over fits, given their number. All series share one timer,
        so that many short ones also print only one line every `PAUSE` seconds.
    """
    lines = Lines()

    def labelled(label: str) -> Any:
        def wrap(items: Iterator[Any], length: int) -> Iterator[Any]:
            if sys.stderr.isatty():
                with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
                    yield from bar
                return
            for done, item in enumerate(items, start=1):
                lines.show(label, done, length, f", {done} of {length} fits")
                yield item

        return wrap

    return labelled
