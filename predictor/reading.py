"""Read small files whole, without blocking on an empty pipe or reading an endless device."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

from predictor.errors import PredictorError


def read_whole(path: str | Path) -> bytes:
    """Read a file, or a pipe to which somebody writes.

    Raises
    ------
    OSError
        If it cannot be read, is a device, or an empty pipe.
    """
    with open(path, "rb", opener=_open_nonblocking) as file:
        kind = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(kind):
            return file.read()
        os.set_blocking(file.fileno(), True)
        if stat.S_ISFIFO(kind) and (content := file.read()):
            return content
    raise OSError(errno.EINVAL, "not an ordinary file; name another", str(path))


def _open_nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_toml(path: str | Path, error: type[PredictorError], missing: str) -> dict[str, Any]:
    """Read a TOML file, or raise an error of this type: with `missing` if there is no such file."""
    import tomllib  # here, since predicting with a saved model needs no TOML

    try:
        return tomllib.loads(read_whole(path).decode("utf-8-sig"))
    except FileNotFoundError:
        raise error(f"{path}: {missing}") from None
    except UnicodeDecodeError:
        raise error(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except (OSError, ValueError, RecursionError) as problem:  # a number of thousands of digits is a ValueError
        raise error(f"{path}: not a readable TOML file: {problem}") from None
