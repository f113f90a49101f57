"""Write files atomically, and folders by one process at a time."""

from __future__ import annotations

import atexit
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from predictor.errors import ConfigError

_temporary_files: set[Path] = set()


@contextmanager
def temporary_file(path: Path, ending: str = "") -> Iterator[Path]:
    """Yield a hidden name beside a file, under which to write what is to take its place; remove what has that name.

    What is still there when the process ends is removed then: Ctrl-C or SIGTERM can come between the making of a file
    and the block that clears up.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{ending}")
    _temporary_files.add(temporary)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        _temporary_files.discard(temporary)


@atexit.register
def _remove_temporary_files() -> None:
    for path in [*_temporary_files]:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def resolved(path: Path) -> Path:
    """Follow the links of a path.

    Raises
    ------
    OSError
        If they lead in a circle, for which `Path.resolve` raises RuntimeError before Python 3.13.
    """
    try:
        return path.resolve()
    except RuntimeError:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None


def resolve_target(path: Path) -> Path:
    """Return the file that a new one may take the place of, through a link, so that the link stays one.

    Raises
    ------
    OSError
        If it is a folder or a device, of which nothing would be left.
    """
    path = resolved(path)
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not an ordinary file", str(path))
    return path


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
        If the path is a folder or device, or cannot be written; the old file, if any, is then untouched.
    """
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a binary file atomically; see `write_text`."""
    given, path = Path(path), resolve_target(Path(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary_file(path) as temporary:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # not the temporary one, which means nothing to a person
        raise
    return given


@contextmanager
def exclusive_lock(folder: Path, busy_message: str, place: Path | None = None) -> Iterator[None]:
    """Lock a folder or file against other processes and threads while the block runs; the lock is a file.

    Parameters
    ----------
    folder
        It need not exist; folders on the way are made.
    busy_message
        The message of the error if another has it.
    place
        The file that is the lock; by default beside the folder.

    Raises
    ------
    ConfigError
        If another has it; at once, nobody waits.
    """
    from filelock import FileLock, Timeout  # here, since predicting needs no lock

    place = place or folder.absolute().with_name(f".{folder.name}.lock")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place)
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(busy_message) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
    try:
        yield
    finally:
        place.unlink(missing_ok=True)  # while it is held: who opened it meanwhile sees that it is gone
        lock.release()
