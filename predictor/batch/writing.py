"""Write predictions as files: Parquet, CSV or JSON Lines, atomically."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from predictor.atomic import resolve_target, resolved, temporary_file
from predictor.batch.parts import CSV, PARQUET, STANDARD, FileFormat
from predictor.errors import ConfigError

TEMPORARY = ".predictor-batch"  # ending of the names of unfinished files
GROUP_BYTES = 64 << 20  # of a row group
DICTIONARY_BYTES = 64 << 10  # of different words up to which a column has a dictionary; columns of ids soon exceed it


class Writer:
    """Write tables of one schema to a file that appears when all are written; or to standard output, at once.

    Parameters
    ----------
    path
        The file; folders on the way are made. "-" is standard output.
    form
        Its format.
    schema
        Schema of every table; its metadata is written to a Parquet file.

    Examples
    --------
    >>> import tempfile
    >>> there = tempfile.TemporaryDirectory()
    >>> table = pa.table({"offer_probability": [0.25]})
    >>> with Writer(Path(there.name, "answers.jsonl"), FileFormat("jsonl"), table.schema) as writer:
    ...     writer.write(table)
    >>> Path(there.name, "answers.jsonl").read_text()
    '{"offer_probability": 0.25}\\n'
    >>> there.cleanup()
    """

    def __init__(self, path: Path, form: FileFormat, schema: pa.Schema) -> None:
        self.path, self.form, self.schema = path, form, schema
        self._written = without_json(schema.empty_table()).schema
        self._held: list[pa.Table] = []
        self._ending = contextlib.ExitStack()
        if str(path) == STANDARD:
            self._temporary = None
            self._file: Any = pa.PythonFile(sys.stdout.buffer, mode="w")
        else:
            self._place = resolve_target(path)
            self._place.parent.mkdir(parents=True, exist_ok=True)
            self._temporary = self._ending.enter_context(temporary_file(self._place, TEMPORARY))
            self._file = pa.OSFile(str(self._temporary), mode="wb")
        self._stream = pa.CompressedOutputStream(self._file, form.compression) if form.compression else self._file
        self._writer: Any = None

    def write(self, table: pa.Table) -> None:
        """Write some rows."""
        if self.form.format in (PARQUET, CSV):
            table = without_json(table)
        if self.form.format != PARQUET:
            self._put(table)
            return
        self._held.append(table)
        if sum(held.nbytes for held in self._held) >= GROUP_BYTES:
            self._flush()

    def append(self, path: Path) -> None:
        """Write the lines of a file of text."""
        with self._named(), path.open("rb") as file:
            shutil.copyfileobj(file, self._stream)

    def __enter__(self) -> Writer:
        try:
            with self._named():
                if self.form.format == PARQUET:
                    # no dictionary of floats, since likelihoods seldom repeat
                    words = [field.name for field in self.schema if not pa.types.is_floating(field.type)]
                    self._writer = pq.ParquetWriter(
                        self._stream, self._written, use_dictionary=words, dictionary_pagesize_limit=DICTIONARY_BYTES
                    )
                elif self.form.format == CSV:
                    self._writer = pa.csv.CSVWriter(self._stream, self._written)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Rename the file to its final name, or, after an error, remove it."""
        try:
            if kind is None:
                self._flush()
            with self._named() if kind is None else contextlib.suppress(Exception):  # the first error counts
                if self._writer:
                    self._writer.close()
                if self._stream is not self._file:
                    self._stream.close()
                if kind is None and self._temporary:
                    self._file.close()
                    with self._temporary.open("rb") as written:
                        os.fsync(written.fileno())
                    self._temporary.replace(self._place)
                elif kind is None:
                    self._file.flush()
        finally:
            if self._temporary:
                with contextlib.suppress(OSError):
                    self._file.close()
            self._ending.close()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Raise an error with the name of the file, not of the temporary one."""
        try:
            yield
        except pa.ArrowInvalid as error:
            raise ConfigError(
                f"{self.path}: a column that is kept cannot be written as {self.form.format}: {error}; write Parquet"
            ) from None
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(error.errno, why, str(self.path)) from None

    def _flush(self) -> None:
        if self._held:
            held, self._held = pa.concat_tables(self._held), []
            self._put(held)

    def _put(self, table: pa.Table) -> None:
        with self._named():
            if self._writer:
                self._writer.write_table(table)
            else:
                for place, field in enumerate(table.schema):
                    if pa.types.is_floating(field.type):  # JSON has no NaN
                        cells = table.column(place)
                        cells = pc.if_else(pc.is_finite(cells), cells, pa.scalar(None, field.type))
                        table = table.set_column(place, field, cells)
                of_json = [field.name for field in table.schema if isinstance(field.type, pa.JsonType)]
                rows = table.to_pylist()
                for row in rows if of_json else ():
                    row |= {name: json.loads(row[name] or "null") for name in of_json}
                lines = [json.dumps(row, ensure_ascii=False, default=_text) for row in rows]
                self._stream.write("".join(f"{line}\n" for line in lines).encode())


def without_json(table: pa.Table) -> pa.Table:
    """Write columns of JSON, which hold numbers and words, as text: 7 and "7" alike."""
    for place, field in enumerate(table.schema):
        if isinstance(field.type, pa.JsonType):
            cells = [None if text is None else json.loads(text) for text in table.column(place).to_pylist()]
            words = [cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in cells]
            table = table.set_column(place, field.name, pa.chunked_array([pa.array(words, pa.string())]))
    return table


def _text(cell: Any) -> str:
    return cell.decode(errors="backslashreplace") if isinstance(cell, bytes) else str(cell)


def clear(path: Path) -> None:
    """Remove the unfinished files of a killed process: of a file, or of all files in a folder."""
    if path.is_dir():
        left = [*path.rglob(f".*{TEMPORARY}"), *path.glob("._*")]  # the latter are of `predictor.atomic`
    else:
        path = resolved(path)
        left = [*path.parent.glob(f".{escape(path.name)}.*{TEMPORARY}")]
    for file in left:
        file.unlink(missing_ok=True)
