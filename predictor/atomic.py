"""Write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file atomically: readers see the old file or the new one, never a part.

    Parameters
    ----------
    path
        Where to write, UTF-8; folders on the way are made.
    text
        The whole content.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    OSError
        If the folder cannot be written; the old file, if any, is then untouched.
    """
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a binary file atomically; see `write_text`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files; a model is an ordinary one
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
    return path
