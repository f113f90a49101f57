"""The ledger of a folder of parts: its options and the finished parts, so that an interrupted run can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from predictor.atomic import write_text
from predictor.batch.parts import Part
from predictor.batch.scoring import ScoringTotals
from predictor.errors import ConfigError

PLAN, PARTS = "_predictor.json", "_parts.log"  # must not match *.parquet, *.csv or *.jsonl: these are the answers
Checksum = list[Any]  # size and SHA-256 of a file


def checksum(path: Path | None) -> Checksum | None:
    """Compute size and SHA-256 of a file, to recognise it later; None if there is no file.

    Examples
    --------
    >>> checksum(Path("no such file")) is None
    True
    """
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return [path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()]


def refuse_links(folder: Path, files: Iterable[Path]) -> None:
    """Refuse to write files of a folder through links, since the files that these point at would be lost.

    Raises
    ------
    ConfigError
        If a file, or a folder on the way to it, is a link.
    """
    inside = {path for file in files for path in (file, *file.parents) if folder in path.parents}
    if links := sorted(str(path.relative_to(folder)) for path in inside if path.is_symlink()):
        raise ConfigError(
            f"{folder}: {', '.join(links[:10])}{' ...' if len(links) > 10 else ''}: a link, and what it points at "
            "would be overwritten; remove the link, or name another folder"
        )


class Ledger:
    """The ledger of a folder.

    Parameters
    ----------
    folder
        The folder of the parts.
    plan
        What determines their content: model, options, format.
    resume
        Whether to continue with the parts in the folder.

    Raises
    ------
    ConfigError
        If the folder holds anything and is not to be continued, belongs to another run, or has a link for a ledger.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], *, resume: bool) -> None:
        self.folder, self.plan = folder, json.loads(json.dumps(plan))
        refuse_links(folder, [folder / PLAN, folder / PARTS])
        there = sorted(path.name for path in folder.glob("[!.]*"))
        if PLAN in there:
            before = self._plan()
            if not resume:
                raise ConfigError(f"{folder}: is a partial run; continue with --resume, or name another folder")
            if other := sorted(key for key in {*before, *self.plan} if before.get(key) != self.plan.get(key)):
                raise ConfigError(f"{folder}: belongs to a run with other {' and '.join(other)}; name another folder")
        elif there:
            raise ConfigError(f"{folder}: is not empty (there is {there[0]}); name an empty or a new folder")
        self._finished = self._notes()
        self._write(complete=False)

    def _plan(self) -> dict[str, Any]:
        """Read the plan of an earlier run in the folder."""
        path = self.folder / PLAN
        try:
            plan = json.loads(path.read_bytes())["plan"] if path.is_file() else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            plan = None
        if not isinstance(plan, dict):
            raise ConfigError(f"{path}: is damaged; name another folder")
        return plan

    def _notes(self) -> dict[str, dict[str, Any]]:
        """Read which parts are finished; lines that fail their digest are ignored, so their parts are scored again."""
        path, notes = self.folder / PARTS, {}
        if not path.is_file():
            if path.exists():
                raise ConfigError(f"{path}: is not a file; name another folder")
            return {}
        for line in path.read_bytes().splitlines():
            try:
                note = json.loads(line)
                if note.pop("digest") != self._digest(note):
                    continue
                ScoringTotals(int(note["rows"]), int(note["bad"]), frozenset(note["observed"]))
                notes[str(note["part"])] = {**note, "source": str(note["source"])}
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                continue
        return notes

    def _digest(self, note: Mapping[str, Any]) -> str:
        """Compute a digest of a note and of its plan, to detect changes of either."""
        return hashlib.sha256(json.dumps([self.plan, note], sort_keys=True).encode()).hexdigest()

    def finished(self, part: Part, path: Path, bad_rows_file: Path | None) -> ScoringTotals | None:
        """Return the totals of a finished part; None if it must be scored.

        It must also be scored if its source has changed, or if the file of its answers or of its bad rows is not the
        one that was written.
        """
        note = self._finished.get(part.name)
        if note is None or any(note.get(key) != value for key, value in part.identity().items()):
            return None
        for key, file in (("written", path), ("set_aside", bad_rows_file)):
            before = note.get(key, ())
            if isinstance(before, list) and file and file.is_file() and before[:1] != [file.stat().st_size]:
                return None  # without reading it
            if before != checksum(file):
                return None
        return ScoringTotals(int(note["rows"]), int(note["bad"]), frozenset(note["observed"]))

    def check(self, parts: tuple[Part, ...]) -> None:
        """Refuse to continue if the files of some finished parts no longer exist.

        Raises
        ------
        ConfigError
            If there are such parts.
        """
        if gone := sorted(set(self._finished) - {part.name for part in parts}):
            raise ConfigError(
                f"{self.folder}: has results of files that are gone, such as {self._finished[gone[0]]['source']}; "
                "name another folder"
            )

    def add(self, part: Part, scored: ScoringTotals, written: Checksum | None, set_aside: Checksum | None) -> None:
        """Note that a part is finished, with the checksums of its answers and of its bad rows."""
        line = {"part": part.name, **part.identity(), "rows": scored.rows, "bad": scored.bad}
        line |= {"written": written, "set_aside": set_aside, "observed": sorted(scored.observed)}
        with (self.folder / PARTS).open("a") as file:
            file.write("\n" + json.dumps({**line, "digest": self._digest(line)}))
            file.flush()

    def complete(self, total: ScoringTotals) -> None:
        """Note that all parts are finished."""
        self._write(complete=True, rows=total.rows, bad_rows=total.bad)

    def _write(self, **state: Any) -> None:
        write_text(self.folder / PLAN, json.dumps({"plan": self.plan, **state}, indent=1) + "\n")
