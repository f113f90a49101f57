"""Text for a terminal of 80 columns: titles, wrapped sentences, cut labels, log-odds with an ASCII sign."""

from __future__ import annotations

import textwrap

import click

WIDTH = 80


def title(text: str) -> str:
    return click.style(text, bold=True)


def wrap(text: str, *, indent: str = "") -> list[str]:
    """Break a text into lines, from the second on two columns further in."""
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")


def yellow(text: str) -> list[str]:
    """Break a text into lines in yellow."""
    return [click.style(line, fg="yellow") for line in wrap(text)]


def cut(label: str, width: int) -> str:
    return textwrap.shorten(label, width, placeholder="...")


def signed_ascii(log_odds: float) -> str:
    """Write log-odds with a sign that every terminal has; `format.signed` has a true minus."""
    return f"{round(float(log_odds), 2) + 0.0:+.2f}"  # adding 0 turns -0 into 0
