"""Check raw CSV for wrong quotes, with which readers merge many rows into one without an error."""

from __future__ import annotations

from codecs import utf_8_decode
from typing import Any

import numpy as np

QUOTE = ord('"')
_AT_ONCE = 4096  # quotes
_AFTER = "has text after a closing quote; perhaps one is missing, or a quote inside a cell is not doubled"


class QuotedText:
    """A byte stream that stops before the first quoting error, and drops blank rows at the end of a spreadsheet.

    A quote at the start of a cell opens it; the next single quote closes it, and must be followed by a delimiter or the
    end of the line. A doubled quote inside is one quote. A quote in an unquoted cell is an ordinary character. Readers
    of CSV accept violations, and then read many rows as one cell. Bytes that are not UTF-8 are an error as well.

    Parameters
    ----------
    stream
        The bytes, by its method `read`.
    start
        Bytes that were read from it before.
    delimiter
        Separator of cells.

    Attributes
    ----------
    wrong
        The error in the row at which it stopped; empty if there is none.

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
        self._beside = np.isin(np.arange(256), [*b'\r\n"', ord(delimiter)])  # bytes allowed beside an outer quote
        self._held, self._last, self._inside, self._begun = b"", ord("\n"), False, False

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int) -> bytes:
        """Read at most `size` more bytes; none at the end."""
        while not self.wrong:
            room = size - len(self._held)
            more = self._take(room)
            if room and not more:
                return self._end()
            block = self._held + more
            text = block.rstrip(self._blank) if room else block
            self._held = block[len(text) :]
            if text:
                self._begun = True
                checked = self._checked(text)
                if checked or self.wrong:
                    return checked
        return b""

    def _take(self, size: int) -> bytes:
        if not self._start:
            return bytes(self._stream.read(size)) if size else b""
        taken, self._start = self._start[:size], self._start[size:]
        return taken

    def _end(self) -> bytes:
        held, self._held = self._held, b""
        last = (held.splitlines() or [b""])[0]  # of the last row that is not blank
        if self._begun and last:
            return self._checked(last, final=True)
        if self._inside:
            self.wrong = "has a quote that nothing closes; close it, or write a quote inside a cell twice"
        return b""

    def _checked(self, text: bytes, *, final: bool = False) -> bytes:
        """Return the text up to the first error."""
        try:
            whole = utf_8_decode(text, "strict", final)[1]
        except UnicodeDecodeError as error:
            self.wrong = "is not UTF-8 text; save the file as 'CSV UTF-8' or as UTF-8"
            text = text[: error.start] + b"?"  # so that the error belongs to a row
        else:
            self._held = text[whole:] + self._held  # half a character
            text = text[:whole]
        closed = self._last == QUOTE and not self._inside
        if QUOTE not in text and not closed:
            self._last = text[-1] if text else self._last
            return text
        around = np.frombuffer(bytes([self._last]) + text + b"\n", dtype=np.uint8).copy()  # around[i + 1] is text[i]
        if closed and not self._beside[around[1]]:
            self.wrong = _AFTER
            return b""
        quotes = np.flatnonzero(around[1:-1] == QUOTE) + 1
        while len(quotes):
            now = quotes[:_AT_ONCE]
            opens = (np.arange(len(now)) % 2 == 1) == self._inside
            valid = self._beside[around[np.where(opens, now - 1, now + 1)]]
            first = int(np.argmin(valid))  # the first that is not, if there is one
            if valid[first]:
                self._inside ^= len(now) % 2 == 1
                quotes = quotes[len(now) :]
            elif opens[first]:
                around[now[first]] = 0  # an ordinary character, in an unquoted cell
                self._inside = False
                quotes = quotes[first + 1 :]
            else:
                self.wrong = _AFTER
                return text[: now[first] - 1]
        self._last = int(around[-2])
        return text
