"""Write files atomically; lock a file or folder against other processes."""

from __future__ import annotations

import atexit
import errno
import os
import re
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from predictor.errors import ConfigError

_temporary_files: set[Path] = set()


@contextmanager
def temporary_file(path: Path, ending: str = "") -> Iterator[Path]:
    """Yield a hidden path in the same folder to write the new content to; remove it when the block ends.

    A file that is left when the process ends is removed then: Ctrl-C or SIGTERM can come between the making of a file
    and the block that clears up.
    """
    temporary = path.with_name(f".{path.name}.{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{ending}")
    _temporary_files.add(temporary)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        _temporary_files.discard(temporary)


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files for a path that killed processes of this machine have left."""
    name = re.compile(rf"\.{re.escape(path.name)}\.{_machine()}-(\d+)-[0-9a-f]{{8}}")
    for left in [*path.parent.iterdir()] if path.parent.is_dir() else ():
        if (match := name.fullmatch(left.name)) and not _is_running(int(match[1])):
            left.unlink(missing_ok=True)


def _machine() -> str:
    """Return digits for this machine: a folder may be shared with others, whose processes cannot be looked up."""
    return f"{zlib.crc32(os.uname().nodename.encode()) & 0xFFFF:04x}"


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


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
    """Resolve a path to write to; of a symbolic link the target is replaced, and not the link.

    Raises
    ------
    OSError
        If it is a folder or a device, which must not be replaced.
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
def exclusive_lock(path: Path, busy_message: str, lock_file: Path | None = None) -> Iterator[None]:
    """Lock a folder or file against other processes and threads while the block runs.

    Parameters
    ----------
    path
        It need not exist; folders on the way are made.
    busy_message
        The message of the error if another holds the lock.
    lock_file
        The file that is locked; by default a hidden one in the same folder as `path`.

    Raises
    ------
    ConfigError
        Immediately, if another holds the lock.
    """
    from filelock import FileLock, Timeout  # here, since predicting needs no lock

    lock_file = lock_file or path.absolute().with_name(f".{path.name}.lock")
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_file)
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(busy_message) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        yield
    finally:
        lock_file.unlink(missing_ok=True)  # while it is held: who opened it meanwhile sees that it is gone
        lock.release()
