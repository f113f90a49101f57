"""How far a long command is, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import click


class Bar:
    """A bar with rate and time left on a terminal, nothing where output is kept in a file."""

    def __enter__(self) -> Bar:
        self._stack = ExitStack()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._stack.__exit__(*raised)

    def begin(self, length: int, unit: str) -> Callable[[float], None]:
        """Begin to show how much of `length` is done; what is given back is told how much more."""
        if not (length and sys.stderr.isatty()):
            return lambda _: None
        started, done = time.monotonic(), 0.0
        bar: Any = click.progressbar(
            length=length,
            label="Scoring",
            file=sys.stderr,
            show_eta=True,
            item_show_func=lambda _: f"{done / max(time.monotonic() - started, 1e-9):,.0f} {unit} a second",
        )
        self._stack.enter_context(bar)

        def advance(more: float) -> None:
            nonlocal done
            bar.update(int(done + more) - int(done))
            done += more

        return advance


def progress_bar(label: str) -> Any:
    """Show a bar on a terminal, nothing where output is kept in a file."""

    def wrap(items: Iterator[Any], length: int) -> Iterator[Any]:
        if not sys.stderr.isatty():
            yield from items
            return
        with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
            yield from bar

    return wrap
