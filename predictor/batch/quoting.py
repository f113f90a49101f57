"""Check raw CSV for wrong quotes, which merge many rows into one and lose rows without an error."""

from __future__ import annotations

from codecs import utf_8_decode
from typing import Any

import numpy as np

QUOTE = ord('"')
_AT_ONCE = 4096  # quotes
_AFTER = "has text after a closing quote; perhaps one is missing, or a quote inside a cell is not doubled"


class QuotedText:
    """A stream of CSV that ends before what is wrong, and without the blank rows at the end of a spreadsheet.

    What is not UTF-8 is wrong, and so is a quote in a wrong place.

    A quote opens a cell at its beginning, and closes it at its end; twice inside, it is one; in a cell that does not
    begin with one it stands for itself. Readers of CSV accept others, and then read many rows as one cell.

    Parameters
    ----------
    stream
        Gives bytes by `read`.
    start
        What was read from it before.
    delimiter
        What parts cells.

    Attributes
    ----------
    wrong
        What is wrong with the last row that was given, in words; empty where nothing is.

    Examples
    --------
    >>> import io
    >>> text = QuotedText(io.BytesIO(b'1,"a\\n2,"b"\\n'), b"", ",")
    >>> text.read(100), text.wrong
    (b'1,"a\\n2,', 'has text after a closing quote; perhaps one is missing, or a quote inside a cell is not doubled')
    """

    closed = False

    def __init__(self, stream: Any, start: bytes, delimiter: str) -> None:
        self.wrong = ""
        self._stream, self._start = stream, start
        self._blank = b"\r\n \t" + delimiter.encode()
        self._beside = np.isin(np.arange(256), [*b'\r\n"', ord(delimiter)])  # of quotes that begin or end a cell
        self._held, self._last, self._inside, self._begun = b"", ord("\n"), False, False

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int) -> bytes:
        """Read on: not more than `size` bytes; none at the end."""
        while not self.wrong:
            room = size - len(self._held)
            more = self._take(room)
            if room and not more:
                return self._end()
            block = self._held + more
            text = block.rstrip(self._blank) if room else block
            self._held = block[len(text) :]
            self._begun |= bool(text)
            if text and ((text := self._checked(text)) or self.wrong):
                return text
        return b""

    def _take(self, size: int) -> bytes:
        if not self._start:
            return bytes(self._stream.read(size)) if size else b""
        taken, self._start = self._start[:size], self._start[size:]
        return taken

    def _end(self) -> bytes:
        held, self._held = self._held, b""
        last = (held.splitlines() or [b""])[0]  # what belongs to the last row, not to blank ones after it
        if self._begun and last:
            return self._checked(last, final=True)
        if self._inside:
            self.wrong = "has a quote that nothing closes; close it, or write a quote inside a cell twice"
        return b""

    def _checked(self, text: bytes, *, final: bool = False) -> bytes:
        """Return the text up to the first that is wrong."""
        try:
            whole = utf_8_decode(text, "strict", final)[1]
        except UnicodeDecodeError as error:
            self.wrong = "is not UTF-8 text; save the file as 'CSV UTF-8' or as UTF-8"
            text = text[: error.start] + b"?"  # so that it is in a row
        else:
            self._held = text[whole:] + self._held  # half a character
            text = text[:whole]
        closed = self._last == QUOTE and not self._inside
        if QUOTE not in text and not closed:
            self._last = text[-1] if text else self._last
            return text
        around = np.frombuffer(bytes([self._last]) + text + b"\n", dtype=np.uint8).copy()
        if closed and not self._beside[around[1]]:
            self.wrong = _AFTER
            return b""
        quotes = np.flatnonzero(around[1:-1] == QUOTE) + 1
        while len(quotes):
            now = quotes[:_AT_ONCE]
            opens = (np.arange(len(now)) % 2 == 1) == self._inside
            right = self._beside[around[np.where(opens, now - 1, now + 1)]]
            first = int(np.argmin(right))
            if right[first]:
                self._inside ^= len(now) % 2 == 1
                quotes = quotes[len(now) :]
            elif opens[first]:
                around[now[first]] = 0  # in a cell that does not begin with one: it stands for itself
                self._inside = False
                quotes = quotes[first + 1 :]
            else:
                self.wrong = _AFTER
                return text[: now[first] - 1]
        self._last = int(around[-2])
        return text
