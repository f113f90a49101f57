"""Write an import: all its files or none; and notice who is no longer in the files.

Systems do not report every deletion (Greenhouse v3 reports none), so a person of the earlier table who is missing now
was deleted, or the export is only a part. Nobody can know which but the one who exported: the import stops and asks.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from predictor.atomic import remove_abandoned, resolve_target, temporary_file
from predictor.errors import CatalogueError, ConfigError
from predictor.ratings.catalogue import Catalogue
from predictor.sources.scorecards.findings import REASONS, Findings
from predictor.sources.scorecards.imported import Imported
from predictor.sources.scorecards.pseudonyms import key_file_of
from predictor.sources.scorecards.signals import PERSON, toml_of

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 5  # people named in a message
DRAFTED = "# Drafted by predictor scorecards; as it was drafted: "
ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class Places:
    """Where the files of an import are."""

    out: Path
    catalogue: Path
    groups: Path | None = None

    @property
    def cards(self) -> Path:
        """The table of cards."""
        return self.out.with_name(f"{self.out.stem}-cards{self.out.suffix}")

    @property
    def rows(self) -> Path:
        """Every row that was left out or flagged."""
        return self.out.with_name(f"{self.out.stem}-rows.csv")

    @property
    def report(self) -> Path:
        """The report."""
        return self.out.with_name(f"{self.out.stem}-report.html")

    @property
    def key(self) -> Path:
        """The key of the pseudonyms."""
        return key_file_of(self.out)

    def described(self) -> dict[Path, str]:
        """Return what each file holds."""
        files = {
            self.out: "one row per application and stage",
            self.cards: "one row per scorecard",
            self.rows: "every row that was left out or flagged, with the reason",
            self.report: "the report, to read in a browser",
            self.catalogue: "the signals; review it, and edit families and labels",
            self.key: "the key of the pseudonyms; keep it to yourself",
        }
        return files | ({self.groups: "sex and race by person, for an audit"} if self.groups else {})

    def check(self) -> None:
        """Refuse what cannot be written.

        Raises
        ------
        ConfigError
            If the table is neither CSV nor Parquet.
        OSError
            If a pipe, a device or a circle of links is where a file is to be written.
        """
        if self.out.suffix.lower() not in ENDINGS:
            raise ConfigError(f"--out {self.out}: write a name that ends in .csv or .parquet")
        for path in self.described():
            resolve_target(path)
        if self.out.exists() and PERSON not in _columns(self.out):
            raise ConfigError(f"{self.out}: exists and is not a table of scorecards; name another, or move it away")


def missing_people(places: Places, imported: Imported) -> list[str]:
    """Return the people of the table that is there who are not in the import."""
    if not places.out.exists():
        return []
    here = set(imported.person_ids.astype(str))
    before = _people(places.out) | (_people(places.cards) if places.cards.exists() else set())
    return sorted(before - here - {""})


def refuse_missing_people(places: Places, people: list[str]) -> None:
    """Refuse an import that lacks people of the table that is there.

    Raises
    ------
    ConfigError
        With their ids, and what to do.
    """
    if people:
        names = ", ".join(people[:SHOWN]) + (", ..." if len(people) > SHOWN else "")
        who = "1 person" if len(people) == 1 else f"{len(people):,} people"
        raise ConfigError(
            f"{places.out}: {who} of this table {'is' if len(people) == 1 else 'are'} not in these files ({names}); "
            "nothing was written.\n  Deleted at the source? Add --forget: they leave the tables; then mark the "
            "models that learned from them: predictor forget PERSON\n  Only a part? Import all of it, or name "
            "another --out."
        )


def write(imported: Imported, places: Places, report: str, *, forget: bool = False) -> list[Path]:
    """Write tables, catalogue, report and key: all of them or none.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ConfigError
        If people of an earlier table are missing, or an edited catalogue does not fit any more.
    OSError
        If a file cannot be written; all are then as they were.
    """
    if not forget:
        refuse_missing_people(places, missing_people(places, imported))
    catalogue = imported.catalogue
    with _together() as new:
        if catalogue is not None:
            _write_table(new(places.out), imported.row_blocks, places.out.suffix)
            _write_table(new(places.cards), imported.card_blocks, places.out.suffix)
            if text := _catalogue_text(places.catalogue, catalogue, imported):
                new(places.catalogue).write_text(text, encoding="utf-8")
            key = new(places.key)
            key.touch(mode=0o600)
            key.write_bytes(imported.pseudonym_key + b"\n")
        if places.groups is not None and imported.groups is not None:
            new(places.groups).write_text(imported.groups.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
        write_rows(imported.findings, new(places.rows))
        new(places.report).write_text(report, encoding="utf-8")
    return [path for path in places.described() if path.exists()]


@contextmanager
def _together() -> Iterator[Callable[[Path], Path]]:
    """Yield a temporary name for each file; at the end rename all of them to their final names, or none."""
    files: dict[Path, Path] = {}
    with ExitStack() as stack:

        def new(path: Path) -> Path:
            path = resolve_target(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_abandoned(path)
            files[path] = stack.enter_context(temporary_file(path))
            return files[path]

        try:
            yield new
            for path, temporary in files.items():
                temporary.replace(path)
        except OSError as error:
            error.filename = str(
                next((path for path, other in files.items() if str(other) == error.filename), error.filename)
            )
            raise


def _write_table(path: Path, blocks: Callable[[], Iterator[pd.DataFrame]], ending: str) -> None:
    import pyarrow as pa
    import pyarrow.csv as arrow
    import pyarrow.parquet as pq

    if ending.lower() == ".parquet":
        writer: Any = None
        for block in blocks():
            table = _arrow(block)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        writer.close()
        return
    options = arrow.WriteOptions(include_header=False, quoting_style="needed")
    with pa.OSFile(str(path), "wb") as file:
        for number, block in enumerate(blocks()):
            if not number:
                file.write((",".join(_quoted(str(name)) for name in block) + "\n").encode())
            arrow.write_csv(_arrow(block), file, options)


def _arrow(block: pd.DataFrame) -> pa.Table:
    """Build a table whose columns have the same type in every block; levels are rounded for readers."""
    import pyarrow as pa

    columns = {}
    for name in block:
        cells = block[name]
        if cells.dtype.kind == "f":
            columns[str(name)] = pa.array(cells.to_numpy().round(4), pa.float64(), from_pandas=True)
        elif cells.dtype.kind in "iu":
            columns[str(name)] = pa.array(cells.to_numpy(), pa.int64())
        else:
            columns[str(name)] = pa.array(cells.astype(object).to_numpy(), pa.string())
    return pa.table(columns)


def _quoted(name: str) -> str:
    return f'"{name}"' if "," in name or '"' in name else name


def write_rows(findings: Findings, path: Path) -> None:
    """Write every row that was left out or flagged, with the reason: nothing is dropped in silence."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "row", "id", "became", "reason", "word"))
        for reason, items in findings.by_reason().items():
            for item in items:
                writer.writerows(
                    (of, row, key, REASONS[reason].became, REASONS[reason].title, word)
                    for of, row, key, word in item.lines()
                )


def _catalogue_text(path: Path, catalogue: Catalogue, imported: Imported) -> str:
    """Return the catalogue to write; "" where a person has edited the one that is there, and it still fits.

    Raises
    ------
    CatalogueError
        If an edited one does not fit any more.
    """
    body = toml_of(catalogue, _comments(imported))
    text = f"{DRAFTED}{_digest(body)}\n{body}"
    if not path.exists():
        return text
    first, _, rest = path.read_text(encoding="utf-8-sig", errors="replace").partition("\n")
    if first == f"{DRAFTED}{_digest(rest)}":
        return text
    edited = Catalogue.load(path)
    lost = [name for name in catalogue.columns if name not in edited.columns]
    stages = {item.name: item.levels for item in edited.inputs}
    lost += [
        f"stage {level}" for item in catalogue.inputs for level in item.levels if level not in stages.get(item.name, ())
    ]
    if lost:
        raise CatalogueError(
            f"{path}: was edited, and does not have {', '.join(lost[:SHOWN])}{', ...' if len(lost) > SHOWN else ''}; "
            f"add {'it' if len(lost) == 1 else 'them'}, or name another with --catalogue and carry your changes over"
        )
    return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _comments(imported: Imported) -> list[str]:
    scales = dict.fromkeys(
        ", ".join(f"{word} = {value:g}" for word, value in zip(levels.words, levels.values, strict=True))
        for first in imported.card_ratings.levels.values()
        for levels in (first, *first.others)
    )
    return [
        f"{imported.system}; rows: {imported.rows.phrase}. Read it, name families, and train with it.",
        *(f"Levels: {scale}" for scale in scales),
    ]


def _columns(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as pq

        from predictor.sources.parquet import explained

        with explained(str(path)):
            return list(pq.read_schema(path).names)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return next(csv.reader(file), [])


def _people(path: Path) -> set[str]:
    if PERSON not in _columns(path):
        return set()
    if path.suffix.lower() == ".parquet":
        return set(pd.read_parquet(path, columns=[PERSON])[PERSON].astype(str))
    frame = pd.read_csv(path, usecols=[PERSON], dtype=str, keep_default_na=False)
    return set(frame[PERSON])
