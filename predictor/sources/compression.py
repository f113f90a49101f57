"""Compressed files: `ratings.csv.gz` is read like `ratings.csv`, by every reader."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from pathlib import Path
from typing import Any

from predictor.errors import MissingExtraError, Problem, RatingsError
from predictor.reading import read_whole

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
MOST = 128 << 20  # bytes of a file, decompressed, that is read whole: it takes seven times that in memory
_AT_ONCE = 1 << 20


def unpacked(path: Path) -> Path:
    """Return what a file would be called if it were not compressed.

    >>> unpacked(Path("ratings.csv.gz")).name, unpacked(Path("ratings.csv")).name
    ('ratings.csv', 'ratings.csv')
    """
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def read_unpacked(path: Path) -> bytes:
    """Read a whole file, decompressed if its name has the ending of a compressed file.

    Raises
    ------
    OSError
        If it cannot be read.
    RatingsError
        If it is not compressed as its name states, damaged, or larger than 128 MB when decompressed.
    MissingExtraError
        If pyarrow, which unpacks .zst and .lz4, is not installed.
    """
    if path.suffix.lower() not in COMPRESSIONS:
        return read_whole(path)
    parts, size = list[bytes](), 0
    with io.BytesIO(read_whole(path)) as raw:
        try:
            with _opened(raw, COMPRESSIONS[path.suffix.lower()]) as stream:
                while part := bytes(stream.read(_AT_ONCE)):
                    parts.append(part)
                    if (size := size + len(part)) > MOST:
                        most = (
                            f"is larger than {MOST >> 20} MB decompressed, the most that is read of a compressed file"
                        )
                        kind = f"{most}; decompress it first, or score it with: predictor batch"
                        raise RatingsError(str(path), [Problem(kind)])
        except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: as Arrow's errors are
            kind = f"is not compressed as its name states, or damaged: {error}; compress it again, or decompress it"
            raise RatingsError(str(path), [Problem(kind)]) from None
    return b"".join(parts)


def _opened(raw: io.BytesIO, compression: str) -> Any:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if compression == "bz2":
        return bz2.BZ2File(raw)
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise MissingExtraError("pyarrow", f"unpacking {compression}", "train") from None
    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), compression)
