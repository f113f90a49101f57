"""The click group of the commands: their errors, warnings and output streams."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click

from predictor.errors import PredictorError, RatingsWarning, printable

ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
SERVERS = ("serve", "ui")  # commands whose answer is not on standard output


class Commands(click.Group):
    """Commands in the order of the work; a user's error is one clear message and exit code 2."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        if _closed_streams() and [*(sys.argv[1:] if args is None else args), ""][0] not in SERVERS:
            print_error("standard output is closed, so the answer would be lost; open it, as in: > answer.txt")
            sys.exit(2)
        try:
            return super().main(args, *more, **options)
        except OSError as error:  # of --help and --version, which no command prints; else see `invoke`
            print_error(f"the output cannot be written: {error.strerror or error}")
            sys.exit(2)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _printed_warnings(), _ended_in_order():
                return super().invoke(ctx)
        except PredictorError as error:
            message = str(error)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has enough; click ends quietly
                raise
            place = error.filename or "the output"
            message = f"{place}: cannot be written: {error.strerror or error}; name another place"
        except MemoryError as error:
            message = f"there is not enough memory: {error or 'no more is given'}; take fewer rows, or a larger machine"
        except KeyboardInterrupt:
            click.echo("\nStopped.", err=True)
            return ctx.exit(130)
        print_error(message)
        return ctx.exit(2)


@contextmanager
def _printed_warnings() -> Iterator[None]:
    """Print each `RatingsWarning` once."""
    printed, show = set[str](), warnings.showwarning

    def show_once(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, RatingsWarning):
            show(message, category, *where, **more)
        elif str(message) not in printed:
            printed.add(str(message))
            warn(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", RatingsWarning)
        warnings.showwarning = show_once
        yield


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Handle SIGTERM, and SIGHUP of a terminal that closes, like an exception, which removes unfinished files.

    A training's run is marked failed, too. Only the first signal counts, so that nothing disturbs the clean-up.
    """

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in ENDS:
            if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None):  # nohup ignores SIGHUP: keep that
                before[number] = handler
                signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(message: str, *, err: bool = False) -> None:
    """Print a line; control characters in it, as from the name of a file, are escaped."""
    click.echo(printable(message), err=err)


def print_error(message: str) -> None:
    with suppress(OSError):  # if stderr is closed, only the exit code remains
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {printable(message)}", err=True)


def warn(message: str) -> None:
    click.echo(f"{click.style('Warning:', fg='yellow', bold=True)} {printable(message)}", err=True)


def _closed_streams() -> bool:
    """Replace closed standard streams by the null device; return whether standard output was closed.

    Else the next file that is opened takes the stream's number, and what is meant for the stream goes into the file.
    """
    closed = sys.stdout is None
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None and os.open(os.devnull, os.O_RDWR) == number:
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    return closed
