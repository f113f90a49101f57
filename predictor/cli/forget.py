"""The command that deletes a person: `forget`."""

from __future__ import annotations

from pathlib import Path

import click

from predictor.cli.common import FILE, MODELS
from predictor.cli.group import say, warn
from predictor.errors import ConfigError, TrackingError, plural


@click.command()
@click.argument("person")
@click.option(
    "--journal", "journals", type=FILE, multiple=True,
    help="A journal; may be given more than once, like --table and --cards.",
)  # fmt: skip
@click.option(
    "--table", "tables", type=FILE, multiple=True, help="A table of interviews: CSV, JSON, JSON Lines or Parquet."
)
@click.option("--cards", type=FILE, multiple=True, help="A table of imported scorecards.")
@click.option(
    "--column", help="Column that identifies the person.  [default: person, or that of the catalogues of your models]"
)
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option("--no-track", is_flag=True, help="Leave MLflow's copies of out-of-fold predictions as they are.")
def forget(
    person: str,
    journals: tuple[Path, ...],
    tables: tuple[Path, ...],
    cards: tuple[Path, ...],
    column: str | None,
    yes: bool,
    no_track: bool,
) -> None:
    """Delete a person from journals and tables, and record the deletion in models that learned from them.

    PERSON is the candidate's id or pseudonym in the tables' column, and the name under "who" in a journal. Every file
    is read first: if one cannot be read, nothing is deleted. The person is also deleted from the out-of-fold
    predictions in experiments/models, by which the models that learned from them are identified. Copies and exports
    elsewhere are not deleted.

    \b
    Examples:
      predictor forget CAN-000017 --table interviews.csv --column candidate_id
      predictor forget 4711 --table interviews.csv --table groups.csv --cards interviews-cards.csv --yes
    """
    from predictor.pipeline.forgetting import left_beside, plan

    if not person.strip():
        raise ConfigError('PERSON is empty; give the id in the tables\' column, or the name under "who" in a journal')
    planned = plan(person, journals, [*tables, *cards], MODELS, column)
    for line in planned.lines():
        say(line)
    if not planned.total:
        raise ConfigError(f"'{person}' is in none of the files; write the name exactly as it is in them")
    if not yes:
        click.confirm("Delete all of this for good?", abort=True)
    deleted = planned.carry_out()
    say(f"Deleted: {plural(deleted, 'row')} of '{person}'")
    for model in planned.models:
        say(f"{model.name} now has the note: trained with {plural(model.rows, 'row')} since deleted")
    if planned.models and not no_track:
        try:
            planned.forget_in_runs()
        except TrackingError as error:
            warn(f"{error}\n  MLflow may still hold out-of-fold predictions of the person: numbers, and no ratings.")
    if left := left_beside([*tables, *cards]):
        warn(
            f"{', '.join(map(str, left))}: of the same import, and left as they are. Name the tables, too; the others "
            "hold ids of applications and scorecards: delete them, or import again without the person."
        )
    click.echo("Not deleted: copies, exports, backups, registered versions, and what models have learned.")
