"""The files of an export: which of a folder's files are read, which are refused, which are only listed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from predictor.atomic import resolved
from predictor.errors import ConfigError
from predictor.sources.compression import COMPRESSIONS, unpacked
from predictor.sources.workbook import WORKBOOKS

ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".pq", *WORKBOOKS)
_UNREAD = {  # what may hold a part of an export
    (".zip", ".tar", ".tgz", ".7z", ".rar"): "unpack it and name the folder",
    (".xz", ".lzma", ".br", ".snappy", ".z"): "decompress it",
    (".xls", ".xlsb", ".ods", ".numbers"): "save it as .xlsx or CSV",
    (".avro", ".orc", ".feather", ".arrow", ".sqlite", ".duckdb"): "save it as Parquet, CSV or JSON",
}
_OURS = (".html", ".toml", ".key", ".salt")  # what an import writes beside its tables
_SYSTEM_FILES = ("desktop.ini", "thumbs.db")


def written_beside(out: Path | None, groups: Path | None = None) -> frozenset[Path]:
    """Return the files that an import writes, which are not part of an export in the same folder."""
    if out is None:
        return frozenset()
    names = (out.name, *(f"{out.stem}-{part}{ending}" for part in ("cards", "rows") for ending in (".csv", ".parquet")))
    return frozenset(resolved(path) for path in (*map(out.with_name, names), *([groups] if groups else [])))


def files_of(places: Sequence[str | Path], skip: frozenset[Path] = frozenset()) -> list[tuple[Path, str]]:
    """Return the files of folders and paths in a fixed order, each with the label by which messages call it.

    Raises
    ------
    ConfigError
        If there is none.
    """
    chosen: list[tuple[Path, str]] = []
    for place in map(Path, places):
        if place.is_dir():
            files = sorted(path for path in place.rglob("*") if path.is_file() and path.resolve() not in skip)
            for path in files:
                _refuse_unread_data(path)
            inside = [path for path in files if is_read(path)]
            chosen += [(path, path.relative_to(place).as_posix()) for path in inside]
            if not inside:
                raise ConfigError(f"{place}: has no file that is read ({', '.join(ENDINGS)}, compressed or not)")
        elif not place.exists():
            raise ConfigError(f"{place}: no such file or folder")
        elif not place.is_file():  # a pipe would be waited for
            raise ConfigError(f"{place}: not an ordinary file; name another")
        else:
            _refuse_unread_data(place)
            if not is_read(place):
                raise ConfigError(
                    f"{place}: is not a format that is read; use {', '.join(ENDINGS)}, "
                    f"also compressed ({', '.join(COMPRESSIONS)})"
                )
            chosen.append((place, place.name))
    if not chosen:
        raise ConfigError("name a folder or files of the export")
    return list({path.resolve(): (path, label) for path, label in chosen}.values())


def not_read(places: Sequence[str | Path]) -> list[str]:
    """Return the labels of the files of folders whose endings are not read: a report lists them."""
    folders = [place for place in map(Path, places) if place.is_dir()]
    files = [(folder, path) for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        path.relative_to(folder).as_posix()
        for folder, path in files
        if not is_read(path)
        and not path.name.startswith((".", "_", "~$"))
        and path.suffix.lower() not in _OURS
        and path.name.lower() not in _SYSTEM_FILES
    ]


def _refuse_unread_data(path: Path) -> None:
    """Refuse a file that may hold a part of the export, and cannot be read as it is."""
    for endings, remedy in _UNREAD.items():
        if unpacked(path).name.lower().endswith(endings) or path.name.lower().endswith(endings):
            raise ConfigError(f"{path}: is not read as it is; {remedy}, or remove it from the folder")


def is_read(path: Path) -> bool:
    """Whether a file's name has an ending that is read; what we write beside a table is not."""
    name = unpacked(path).name.lower()
    return name.endswith(ENDINGS) and not name.startswith((".", "~$"))
