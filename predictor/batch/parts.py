"""Split the input of a batch into parts: each is one file, or some row groups of a large Parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from predictor.errors import ConfigError, Problem, RatingsError
from predictor.sources.compression import COMPRESSIONS
from predictor.sources.files import refuse_sheet

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PARQUET, CSV, JSONL = FORMATS = ("parquet", "csv", "jsonl")
EXCEL = "xlsx"  # can be read, not written
READ_AS_CSV = (".tsv", ".txt")  # can be read, not written
ENDINGS = {
    ".parquet": PARQUET,
    ".csv": CSV,
    **dict.fromkeys(READ_AS_CSV, CSV),
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".xlsx": EXCEL,
    ".xlsm": EXCEL,
}
EMPTY = "__HIVE_DEFAULT_PARTITION__"  # stands for a missing value in a folder's name
STANDARD = "-"  # standard input or output
ROWS_PER_PART = 524_288  # of a larger Parquet file: a quarter of a second of work


@dataclass(frozen=True)
class FileFormat:
    """The format of a file, and for text perhaps its compression."""

    format: str
    compression: str | None = None

    @classmethod
    def of(cls, path: Path) -> FileFormat | None:
        """Return the format by a file's name, as in ratings.csv.gz; None if it has no known ending."""
        name, compression = path.name.lower(), None
        for ending, known in COMPRESSIONS.items():
            if name.endswith(ending):
                name, compression = name.removesuffix(ending), known
        kind = ENDINGS.get(Path(name).suffix)
        return cls(kind, compression) if kind and not (kind in (PARQUET, EXCEL) and compression) else None

    @property
    def ending(self) -> str:
        """The ending of such a file's name."""
        compressed = {known: ending for ending, known in COMPRESSIONS.items()}
        return f".{self.format}" + (compressed[self.compression] if self.compression else "")


@dataclass(frozen=True)
class Part:
    """Some rows of one file, whose predictions become one file.

    Attributes
    ----------
    path
        The file; "-" is standard input.
    form
        Its format.
    name
        Path of its output file, relative to the output folder, without an ending.
    row_groups
        First row group, and the one after the last; None: the whole file.
    first
        Number of rows of the file before this part.
    rows
        Number of rows; None if it is not known before reading.
    weight
        Amount of work for the progress: rows, or bytes if their number is not known.
    constants
        Columns from the names of folders, as in year=2026.
    sheet
        Name of the worksheet of a workbook; None: the first visible one.
    """

    path: Path
    form: FileFormat
    name: str
    row_groups: tuple[int, int] | None = None
    first: int = 0
    rows: int | None = None
    weight: int = 0
    constants: tuple[tuple[str, str | None], ...] = ()
    sheet: str | None = None

    def identity(self) -> dict[str, object]:
        """Return what must be unchanged when a batch is resumed: file, size, time of change, row groups."""
        status = self.path.stat()
        groups = list(self.row_groups) if self.row_groups else None
        return {"source": str(self.path), "size": status.st_size, "changed": status.st_mtime_ns, "groups": groups}


@dataclass(frozen=True)
class Source:
    """The file, or the files of a folder, to score.

    Attributes
    ----------
    path
        The file or folder.
    parts
        The parts, in the order of their names.
    schemas
        The schemas of Parquet files.
    """

    path: Path
    parts: tuple[Part, ...]
    schemas: Mapping[Path, pa.Schema] = field(default_factory=dict)


def find_parts(path: Path, format: str | None = None, sheet: str | None = None) -> Source:  # noqa: A002
    """Return the parts of a file, of the files of a folder, or of standard input.

    Parameters
    ----------
    path
        A Parquet, CSV, JSON Lines or Excel file; CSV and JSON Lines may be compressed (.gz, .zst, .bz2, .lz4). Or a
        folder of such files of one format, at any depth: folders named key=value become columns, and names that begin
        with . or _ are ignored. Or "-" for standard input.
    format
        "csv" or "jsonl", for standard input.
    sheet
        Name of the worksheet of workbooks; None: the first visible one.

    Raises
    ------
    RatingsError
        If there are no files, or some cannot be read: every such file is named.
    ConfigError
        If standard input has no format, or a file is given one; or a sheet is named, and a file is not a workbook.
    """
    if str(path) == STANDARD:
        if format not in (CSV, JSONL):
            raise ConfigError("standard input needs --format csv or --format jsonl; Parquet is read from files only")
        return Source(path, (Part(path, FileFormat(format), "standard-input"),))
    if format:
        raise ConfigError(f"{path}: --format is for standard input; the ending of a file says what it is")
    if sheet is not None and path.is_file():
        refuse_sheet(path, sheet)
    files = _files(path)
    forms = {file: FileFormat.of(file) for file in files}
    problems = [
        Problem(f"{file}: has none of the endings {', '.join(ENDINGS)}, with {', '.join(COMPRESSIONS)} or without")
        for file, form in forms.items()
        if form is None
    ]
    if len(formats := sorted({form.format for form in forms.values() if form})) > 1:
        problems.append(Problem(f"holds files of more than one format: {', '.join(formats)}; name a folder of one"))
    if problems:
        raise RatingsError(str(path), problems)
    parts: list[Part] = []
    schemas: dict[Path, pa.Schema] = {}
    for file, form in forms.items():
        assert form
        inside = file.relative_to(path) if path.is_dir() else Path(file.name)
        name = str(inside).removesuffix("".join(inside.suffixes[-2 if form.compression else -1 :]))
        constants = tuple(
            (key, None if value == EMPTY else unquote(value))
            for key, equals, value in (folder.partition("=") for folder in inside.parts[:-1])
            if equals
        )
        try:
            if form.format == PARQUET:
                parts += _row_groups(file, name, constants, schemas)
            else:
                parts.append(Part(file, form, name, weight=file.stat().st_size, constants=constants, sheet=sheet))
        except RatingsError as error:
            problems += [Problem(f"{file}: {problem.message}") for problem in error.problems]
        except OSError as error:
            problems.append(Problem(f"{file}: cannot be read: {error.strerror}"))
    sources: dict[str, Path] = {}
    for part in parts:
        if (other := sources.setdefault(part.name.casefold(), part.path)) != part.path:
            problems.append(Problem(f"{other} and {part.path} would become one file, {part.name}; rename one"))
    if problems:
        raise RatingsError(str(path), problems)
    return Source(path, tuple(parts), schemas)


def name_of(part: Part) -> str:
    """Return the name of a part's file for messages."""
    return "standard input" if str(part.path) == STANDARD else str(part.path)


def open_parquet(path: Path, **how: object) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises
    ------
    RatingsError
        If it cannot be read or is damaged.
    """
    import pyarrow.parquet as pq

    from predictor.sources.parquet import explained

    with explained(str(path)):
        return pq.ParquetFile(path, **how)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        kind = "is neither a file nor a folder; a pipe is read as -" if path.exists() else "no such file or folder"
        raise RatingsError(str(path), [Problem(kind)])
    files, problems = list[Path](), list[Problem]()

    def unread(error: OSError) -> None:
        problems.append(Problem(f"{error.filename}: cannot be read: {error.strerror}"))

    for folder, inner, names in os.walk(path, onerror=unread):
        inner[:] = [name for name in inner if not name.startswith((".", "_"))]
        links = [Path(folder, name) for name in inner if Path(folder, name).is_symlink()]
        problems += [Problem(f"{link}: is a link to a folder; put the folder itself there") for link in links]
        files += [Path(folder, name) for name in names if not name.startswith((".", "_"))]
    if not files and not problems:
        problems.append(Problem("the folder has no files to score; names that begin with . or _ are passed over"))
    if problems:
        raise RatingsError(str(path), problems)
    return sorted(files)


def _row_groups(
    path: Path, name: str, constants: tuple[tuple[str, str | None], ...], schemas: dict[Path, pa.Schema]
) -> Iterator[Part]:
    """Cut a Parquet file at its row groups."""
    from predictor.sources.parquet import explained

    with explained(str(path)), open_parquet(path) as file:
        schemas[path] = file.schema_arrow
        counts = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    cuts, rows = [0], 0
    for group, count in enumerate(counts):
        if rows and rows + count > ROWS_PER_PART:
            cuts.append(group)
            rows = 0
        rows += count
    cuts.append(len(counts))
    for number, row_groups in enumerate(pairwise(cuts)):
        rows = sum(counts[slice(*row_groups)])
        label = name if len(cuts) == 2 else f"{name}-{number:05}"
        yield Part(path, FileFormat(PARQUET), label, row_groups, sum(counts[: row_groups[0]]), rows, rows, constants)
