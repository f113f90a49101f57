"""Commands that run a server, `ui` and `serve`, and `journal`, which imports and exports interviews."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.common import CHAMPION, FILE, MODELS, load_catalogue, model_option, model_path, sheet_option
from predictor.cli.group import Commands, say
from predictor.errors import ConfigError, MissingExtraError, plural

if TYPE_CHECKING:
    from predictor.journal.store import Journal


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="[default: 5000, or the next that is free]")
def ui(port: int | None) -> None:
    """Open MLflow on the recorded training runs, on this machine only; Ctrl-C stops it.

    \b
    Example:
      predictor ui --port 5001
    """
    from predictor.tracking import serve_ui

    serve_ui(port=port)


@click.command()
@model_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; other machines need a token."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 chooses a free port.")
@click.option("--journal", type=FILE, help="Save interviews in this file.")
@click.option("--token", envvar="PREDICTOR_TOKEN", show_envvar=True, help="Token that every request must have.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="A host name that requests may use.")
@click.option("--root-path", default="", metavar="PREFIX", help="Path prefix behind a proxy, such as /interviews.")
@click.option("--https", is_flag=True, help="Send cookies over HTTPS only; for a proxy that serves HTTPS.")
def serve(
    model: str | None,
    host: str,
    port: int,
    journal: Path | None,
    token: str | None,
    allow_host: tuple[str, ...],
    root_path: str,
    https: bool,
) -> None:
    """Serve predictions over HTTP, by default on this machine only; Ctrl-C stops it.

    When another model is promoted, the server uses it without a restart. Open the address in a browser to rate an
    interview; with --journal interviews are saved and can be trained on; /docs describes the JSON API.

    \b
    Examples:
      predictor serve
      predictor serve --model my-pool --port 8080
      PREDICTOR_TOKEN=$(openssl rand -hex 32) predictor serve --host 0.0.0.0 --allow-host my-machine
      predictor serve --allow-host interviews.example --root-path /interviews --https    behind a proxy
    """
    from predictor.model.offer_model import PUBLISHED

    try:
        from predictor.serving.app import serve as run
        from predictor.serving.settings import Settings
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "serving", "serve") from None
    # The champion of the shipped signals may come later, and is then used; one of another catalogue needs a restart.
    path, fallback = model_path(model), None
    if path == PUBLISHED and model is None:
        path, fallback = MODELS / f"{CHAMPION}.json", PUBLISHED
    settings = Settings(
        path, fallback, replaceable=model is None, host=host, port=port, token=token, hosts=allow_host,
        root_path=root_path, https=https, journal=journal,
    )  # fmt: skip
    run(settings, lambda served, address: say(f"Serving {served.name} at {address}; Ctrl-C ends it"))


@click.group(cls=Commands)
def journal() -> None:
    """Import interviews into a journal, or export them; `predictor serve --journal FILE` creates one."""


_JOURNAL = click.option(
    "--journal",
    "path",
    type=FILE,
    default=Path("experiments/journal.db"),
    show_default=True,
    help="The journal's file.",
)


@journal.command(name="import")
@click.argument("files", nargs=-1, required=True, type=FILE)
@_JOURNAL
@click.option("--signals", type=FILE, help="A catalogue.  [default: the champion's]")
@sheet_option
def import_(files: tuple[Path, ...], path: Path, signals: Path | None, sheet: str | None) -> None:
    """Add the interviews of FILES, all of them or none: exports of a journal, answers of the page, or ratings.

    Interviews that are already in the journal are not changed, so importing the same file twice adds nothing; an answer
    that the page saved again later takes the place of the earlier one. Unlike on the page, files may be of any size.
    Files of ratings may have the page's own columns, such as Title, Who, Date and Outcome.

    \b
    Examples:
      predictor journal import export.csv
      predictor journal import answers-*.json --journal my.journal
    """
    done = _journal(path, signals).import_files(files, sheet=sheet)
    updated = f", {len(done.updated)} updated from what was saved again" if done.updated else ""
    say(f"{plural(len(done.fresh), 'interview')} added to {path}{updated}")


@journal.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@_JOURNAL
@click.option("--who", metavar="NAME", help="Export the interviews of this person only.")
def export(file: Path, path: Path, who: str | None) -> None:
    """Write interviews to a CSV or JSON file, which `import` can read back; - prints CSV.

    Private notes are left out; a copy of the journal's file itself has them.

    \b
    Examples:
      predictor journal export export.csv
      predictor journal export ab.json --who AB --journal my.journal
    """
    from predictor.journal.store import Journal

    opened = Journal.existing(path)
    if who is not None and who not in opened.person_names():
        raise ConfigError(f"no interview of {path} is about {who!r}; names are as they were written on the page")
    if str(file) == "-":
        click.echo(opened.export_csv(who=who), nl=False)
        return
    write = {".csv": opened.export_csv, ".json": opened.export_json}.get(file.suffix.lower())
    if write is None:
        raise ConfigError(f"{file}: the name must end in .csv or .json")
    if file.exists() and file.samefile(path):
        raise ConfigError(f"{file} is the journal itself; name another file")
    write(file, who=who)
    total = sum(opened.outcomes().values()) if who is None else len(opened.of_person(who))
    say(f"{plural(total, 'interview')} written to {file}")


def _journal(path: Path, signals: Path | None) -> Journal:
    """Open a journal with the catalogue that a server would use, or another."""
    from predictor.journal.store import Journal
    from predictor.model.offer_model import OfferModel

    return Journal(path, load_catalogue(signals) if signals else OfferModel.load(model_path(None)).catalogue)
