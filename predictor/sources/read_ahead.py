"""Lend a stream to Arrow, which reads ahead in a thread of its own, and stop that thread at the end."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WAIT = 1.0  # seconds for Arrow's thread to come to its end, where it neither reads on nor lets go of the stream


@contextmanager
def read_ahead(stream: Any) -> Iterator[Any]:
    """Lend a stream to Arrow while the block lasts; afterwards it is not read any more.

    Arrow's reader of CSV reads up to 32 blocks ahead. If it fails, or its caller stops, its thread would read on from a
    stream that is closed, or while Python ends, which then crashes or waits for ever.

    Parameters
    ----------
    stream
        Gives bytes by `read`.

    Yields
    ------
    object
        What Arrow may read from.

    Examples
    --------
    >>> import io
    >>> with read_ahead(io.BytesIO(b"a,b")) as lent:
    ...     lent.read(2)
    b'a,'
    >>> lent.read(2)
    b''
    """
    lent, over = _Lent(stream), threading.Event()
    weakref.finalize(lent, over.set)
    lent.over = over
    try:
        yield lent
    finally:
        with lent.lock:  # a read that is under way comes to its end, and the next one gives nothing
            lent.stream = None
        del lent
        over.wait(WAIT)


class _Lent:
    closed = False
    over: threading.Event

    def __init__(self, stream: Any) -> None:
        self.stream, self.lock = stream, threading.Lock()

    def readable(self) -> bool:
        return True

    def read(self, size: int) -> bytes:
        with self.lock:
            content = bytes(self.stream.read(size)) if self.stream else b""
        if not content:
            self.over.set()
        return content
