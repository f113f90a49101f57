"""The command line: one command for each verb.

Heavy libraries are imported inside the commands that need them, so that `predict` starts at once.
"""

from __future__ import annotations

import io
import os
import sys

import click

from predictor.cli import audits, data, forget, panels, paper, predict, registry, scorecards, serve, train
from predictor.cli.group import Commands

__all__ = ["main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="interview-outcome-predictor")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Predict the likelihood of an offer from ratings of an interview, and show what drove it.

    \b
    Examples:
      predictor signals form > ratings.json       an empty form to fill in
      predictor predict ratings.json              the likelihood, and why
      predictor train my.csv --signals my.toml    a model of your own
      predictor ui                                every training run, in MLflow

    A tool for reflection, practice and interviewer training, not for selecting people.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Files are UTF-8 everywhere; a terminal that cannot show a bar still shows the numbers.
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="replace")
    if os.environ.get("NO_COLOR"):  # see no-color.org
        ctx.color = False


for _command in (
    predict.predict, predict.batch, predict.inspect,
    train.train, train.compare, train.track,
    audits.audit, audits.drift, audits.card, forget.forget,
    registry.promote, registry.pull, registry.history, registry.rollback,
    panels.panels, data.simulate, data.signals, scorecards.scorecards,
    serve.ui, serve.serve, serve.journal, paper.export, paper.coaching_sheets,
):  # fmt: skip
    main.add_command(_command)
