"""Detect the dialect of a CSV file from its beginning: encoding, separator, and header.

The delimiter is the one by which rows have as many cells as the header, and cells are numbers, dates or words: the
idea of G. van den Burg, A. Nazabal and C. Sutton, Wrangling messy CSV files by detecting row and type patterns, Data
Mining and Knowledge Discovery 33:1799-1820, 2019. On real files it decides as the authors' library,
CleverCSV, does.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from predictor.errors import Problem, RatingsError, RatingsWarning, shorten

DELIMITERS = ",;\t|"
HEAD = 1 << 16  # bytes by which all is decided
LONGEST_HEADER = 1 << 20  # bytes
MOST_COLUMNS = 16_384  # as in a spreadsheet
LONGEST_CELL = 131_072  # characters, at which Python's csv stops
BYTE_ORDERS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark begins it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WORKBOOK = "is {}, by its first bytes; name it .xlsx, or save it as CSV"
FOREIGN = {
    b"PK\x03\x04": _WORKBOOK.format("an Excel workbook, or another archive"),
    b"\xd0\xcf\x11\xe0": _WORKBOOK.format("an old Excel workbook"),
    b"\x1f\x8b": "is compressed (gzip), by its first bytes; decompress it",
    b"BZh": "is compressed (bzip2), by its first bytes; decompress it",
    b"\x28\xb5\x2f\xfd": "is compressed (Zstandard), by its first bytes; decompress it",
    b"\xfd7zXZ": "is compressed (xz), by its first bytes; decompress it",
    **dict.fromkeys((b"<!DOCTYPE", b"<!doctype", b"<html", b"<HTML"), "is a web page and no data; export it again"),
    b"HTTP/": "begins with the headers of a reply; take them off, or export it again without them",
}
_WESTERN = "cp1252"
_HINT = re.compile(r'"?sep=(.|\\t)"?(?:\r\n|\r|\n|$)', re.IGNORECASE)  # a line that spreadsheets write for themselves
_ORDINARY = re.compile(r"[\w .:/+-]*|[+-]?\d+[.,]\d+ ?%?|\d+ ?%")
_LATE_QUOTE = re.compile(r"[ \t]+\"")
_JSON = re.compile(r'\s*[\[{]\s*(["{]|$)')
_NAME = re.compile(r"[^\W\d_]")
_RULE = re.compile(r"[ \t]*[|+]?([ \t:]*-{3,}[ \t:]*[|+,;\t]?)+[ \t]*(\r\n|\r|\n)")  # below the header, as in Markdown
# Where a program wrote line ends twice, and where files were joined, of which each had a mark.
_BETWEEN = ((b"\r\r\n", b"\r\n"), (codecs.BOM_UTF8, b""))
_BEGUN = (b"\xef\xbb", b"\xef", b"\r\r", b"\r")
_NOT_TEXT = "is not UTF-8 text; save it as 'CSV UTF-8' or as UTF-8"
_TOO_LONG = (
    f"its header is longer than {LONGEST_HEADER >> 20} MB; look for a quote that nothing closes, or whether it is a "
    "table at all"
)


def encoding_of(content: bytes, *, whole: bool = True) -> str | None:
    """Return the encoding of text by its beginning; None where it is ASCII as far as it goes.

    What is not marked as UTF-8 or UTF-16 is decided by its first letter beyond ASCII: UTF-8 where that is one, else
    Windows-1252, which spreadsheets write in Western Europe.

    >>> encoding_of("é".encode()), encoding_of("é".encode("cp1252")), encoding_of("4".encode("utf-16"))
    ('utf-8', 'cp1252', 'utf-16')
    """
    for mark, encoding in BYTE_ORDERS.items():
        if content.startswith(mark):
            return encoding
    head = content[:64]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if 2 * head[first::2].count(0) > len(head[first::2]):
            return encoding
    return _by_letters(content, whole=whole)


def _by_letters(content: bytes, *, whole: bool) -> str | None:
    if content.isascii():
        return None
    start = next(re.finditer(rb"[\x80-\xff]", content)).start()
    try:
        letter = codecs.getincrementaldecoder("utf-8")().decode(content[start : start + _length(content[start])])
    except UnicodeDecodeError:
        return _WESTERN
    return "utf-8" if letter else _WESTERN if whole else None  # half a letter, at the end of what is there


def _length(first: int) -> int:
    """Bytes of a UTF-8 letter that begins with this one."""
    return 2 if first < 0xE0 else 3 if first < 0xF0 else 4


def decode(content: bytes, source: str) -> str:
    """Decode the text of a CSV file.

    Raises
    ------
    RatingsError
        If it is not text in a known encoding.
    """
    refuse_foreign(content, source)
    encoding = encoding_of(content) or "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise RatingsError(source, [Problem(f"{_NOT_TEXT} (byte {error.start + 1:,})")]) from None
    if encoding == _WESTERN:
        _warn_of_western(source)
    for wrong, right in _BETWEEN:
        text = text.replace(wrong.decode(), right.decode())
    return text


def encode(text: str, like: bytes) -> bytes:
    """Encode text as a file is encoded: its byte order and mark too.

    >>> encode("4", codecs.BOM_UTF16_BE + b"\\0x")
    b'\\xfe\\xff\\x004'
    """
    encoding = encoding_of(like) or "utf-8"
    if encoding in ("utf-16", "utf-32"):  # by which Python writes the byte order of the machine
        text, encoding = "\ufeff" + text, encoding + ("-le" if like.startswith(codecs.BOM_UTF16_LE) else "-be")
    return text.encode(encoding)


def refuse_foreign(start: bytes, source: str) -> None:
    """Refuse what is not a text of data, by its first bytes.

    Raises
    ------
    RatingsError
        With what it is.
    """
    for first, kind in FOREIGN.items():
        if start.startswith(first):
            raise RatingsError(source, [Problem(kind)])


def _warn_of_western(source: str) -> None:
    warnings.warn(
        f"{source}: is not UTF-8, so it was read as Windows-1252, of Western Europe; if letters are wrong, save it as "
        "'CSV UTF-8'",
        RatingsWarning,
        stacklevel=2,
    )


class Utf8:
    """A stream of text in any known encoding, as UTF-8.

    Parameters
    ----------
    stream
        Gives bytes by `read`.
    source
        How messages call it.

    Examples
    --------
    >>> Utf8(io.BytesIO("é".encode("utf-16")), "my.csv").read(10).decode()
    'é'
    """

    def __init__(self, stream: Any, source: str) -> None:
        self._stream, self._source, self._begun = stream, source, False
        self._decoder: codecs.IncrementalDecoder | None = None
        self._encoding: str | None = None
        self._half = self._end = b""

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes, and return them as UTF-8, which may be longer; empty only at the end."""
        while more := bytes(self._stream.read(size)):
            if not self._begun:
                refuse_foreign(more, self._source)
            text = self._end + self._as_utf8(more)
            self._end = next((end for end in _BEGUN if text.endswith(end)), b"")
            if text := _joined(text.removesuffix(self._end)):
                return text
        text, self._end = self._end + self._as_utf8(b"", final=True), b""
        return _joined(text)

    def _as_utf8(self, block: bytes, *, final: bool = False) -> bytes:
        if self._encoding is None:
            detect = _by_letters if self._begun else encoding_of
            block, self._half, self._begun = self._half + block, b"", True
            self._encoding = detect(block, whole=final)
            if self._encoding is None:
                text = block if final or block.isascii() else block[: -_unfinished(block)]
                self._half = block[len(text) :]
                return text
            if self._encoding == _WESTERN:
                _warn_of_western(self._source)
            if self._encoding == "utf-8-sig":
                self._encoding, block = "utf-8", block.removeprefix(codecs.BOM_UTF8)
            if self._encoding != "utf-8":
                self._decoder = codecs.getincrementaldecoder(self._encoding)()
        if self._decoder is None:
            return block
        try:
            return self._decoder.decode(block, final).encode()
        except UnicodeError:
            raise RatingsError(self._source, [Problem(_NOT_TEXT)]) from None


def _joined(text: bytes) -> bytes:
    """Take out what does not belong between lines."""
    for wrong, right in _BETWEEN:
        if wrong[:1] in text:  # most files have none, which is quicker to see
            text = text.replace(wrong, right)
    return text


def _unfinished(block: bytes) -> int:
    """Bytes of the half letter at the end of a block that is otherwise ASCII."""
    return len(block) - next(re.finditer(rb"[\x80-\xff]", block)).start()


@dataclass(frozen=True)
class Header:
    """How a CSV file begins.

    Attributes
    ----------
    names
        Of the columns; "" where one has none.
    delimiter
        What separates cells.
    length
        Characters until the first row.
    """

    names: tuple[str, ...]
    delimiter: str
    length: int

    @classmethod
    def of(cls, head: str, source: str, *, whole: bool, most: int = MOST_COLUMNS) -> Header | None:
        """Read it from how the text begins; None where the header goes on beyond that.

        Parameters
        ----------
        head
            The beginning, without a byte order mark.
        source
            How messages call the file.
        whole
            Whether that is all there is.
        most
            Columns that are read.

        Raises
        ------
        RatingsError
            If there is no header, or it cannot be read.
        """
        start = len(head) - len(head.lstrip("\r\n"))
        if hint := _HINT.match(head, start):
            start = hint.end()
            start += len(head[start:]) - len(head[start:].lstrip("\r\n"))
        if not head[start:].strip():
            if whole:
                raise RatingsError(source, [Problem("the file is empty; it needs a header and rated interviews")])
            return None
        body = head[start:]
        delimiter = (
            hint.group(1).replace(r"\t", "\t") if hint else delimiter_of(body[:HEAD], whole=whole and len(body) <= HEAD)
        )
        read = 0

        def lines() -> Iterator[str]:
            nonlocal read
            for line in io.StringIO(body, newline=""):
                read += len(line)
                yield line

        try:
            names = next(csv.reader(lines(), delimiter=delimiter, strict=True))
        except csv.Error as error:
            if not whole and read == len(body) and "field limit" not in str(error):
                return None
            raise RatingsError(source, [Problem(f"has a header that is not a row of CSV: {in_words(error)}")]) from None
        if len(names) > 1 and (rule := _RULE.match(body, read)):
            read = rule.end()
        if not whole and read == len(body):
            return None
        if len(names) > most:
            raise RatingsError(source, [too_many_columns(len(names), most)])
        below, ended = body[read : read + HEAD], whole and len(body) - read <= HEAD
        if problem := _no_heading(names, below, ended):
            raise RatingsError(source, [problem])
        rows = sample(below, delimiter, whole=ended)
        return cls(tuple(header_as_wide_as_rows([*map(heading, names)], rows)), delimiter, start + read)

    @classmethod
    def read(cls, stream: Utf8, source: str) -> tuple[Header, bytes]:
        """Read it from a stream, with the bytes that were read beyond it.

        Raises
        ------
        RatingsError
            As `of` does, or if the header is longer than 1 MB.
        """
        start, wanted, ended = b"", HEAD, False
        while True:
            while len(start) < wanted and not ended:
                more = stream.read(HEAD)
                start, ended = start + more, not more
            text = _begun(start)
            if header := cls.of(text, source, whole=ended):
                return header, start[len(text[: header.length].encode()) :]
            if wanted > LONGEST_HEADER:
                raise RatingsError(source, [Problem(_TOO_LONG)])
            wanted *= 4


def _begun(start: bytes) -> str:
    """Decode the valid UTF-8 at the start; the reader of the rows rejects the rest."""
    try:
        return start.decode()
    except UnicodeDecodeError as error:
        return start[: error.start].decode()


def header_of(text: str, source: str, most: int = MOST_COLUMNS) -> Header:
    """Read the header of a whole text; see `Header.of`."""
    if header := Header.of(text[: LONGEST_HEADER + 1], source, whole=len(text) <= LONGEST_HEADER, most=most):
        return header
    raise RatingsError(source, [Problem(_TOO_LONG)])


def delimiter_of(head: str, *, whole: bool = True) -> str:
    r"""Return what separates the cells of a CSV file, by how it begins: comma, semicolon, tab or pipe.

    >>> delimiter_of('"Listening (1 = poor, 3 = mixed, 5 = good)";hired\r\n4;yes\r\n')
    ';'
    """

    def merit(delimiter: str) -> tuple[float, int]:
        rows = [row for row in sample(head, delimiter, whole=whole) if row]
        if not rows or len(rows[0]) < 2:
            return 0.0, 0
        alike = [row for row in rows if len(row) == len(rows[0])]
        cells = [cell for row in alike for cell in row]
        ordinary = sum(bool(_ORDINARY.fullmatch(cell.strip())) for cell in cells)
        return round(len(alike) / len(rows) * ordinary / len(cells), 6), len(rows[0])

    return max(DELIMITERS, key=merit)


def sample(head: str, delimiter: str, *, whole: bool) -> list[list[str]]:
    """Read the rows of a beginning, as far as they can be read, without the last where it may go on."""
    rows: list[list[str]] = []
    try:
        rows.extend(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return rows
    return rows if whole or len(rows) == 1 else rows[:-1]


def heading(name: str) -> str:
    r"""Return the name of a column as its heading has it, whichever program broke its lines.

    >>> heading(" Warmth\r\nof tone"), heading("\ufeffcalm")
    ('Warmth\nof tone', 'calm')
    """
    return name.strip().strip("\ufeff\u200b").strip().replace("\r\n", "\n").replace("\r", "\n")


def _no_heading(names: Sequence[str], below: str, ended: bool) -> Problem | None:
    """Return why the first row is no header: it is a title, or has quotes that stand after a blank."""
    if _JSON.match(names[0]):
        return Problem("is JSON, by its first bytes; name it .json, or .jsonl for one interview a line")
    if any(_LATE_QUOTE.match(name) for name in names):
        return Problem("its header has a quote after a blank; take out the blanks between cells")
    if len(names) == 1:
        for delimiter in DELIMITERS:
            rows = [row for row in sample(below, delimiter, whole=ended) if any(map(str.strip, row))][:3]
            if len(rows) > 1 and len({*map(len, rows)}) == 1 < len(rows[0]) and all(map(_NAME.search, rows[0])):
                count, title = len(rows[0]), shorten(names[0].strip(), 30)
                return Problem(
                    f"its first line, '{title}', is not a header: the lines below have {count} cells; take out what "
                    "stands above the header"
                )
    return None


def header_as_wide_as_rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Add empty names where rows have more cells than the header: labels of rows, or empty cells.

    Empty names at the end, for which no row has a cell, are taken out.

    >>> header_as_wide_as_rows(["a", "b"], [["4", "5", ""], ["4", "3", ""]])
    ['a', 'b', '']
    >>> header_as_wide_as_rows(["a"], [["1", "4"], ["2", "4"], ["3", "5"]])
    ['', 'a']
    >>> header_as_wide_as_rows(["a", "b", ""], [["4", "5"]])
    ['a', 'b']
    """
    named = max((number for number, name in enumerate(names, 1) if name), default=0)
    if rows and all(len(row) == named for row in rows if row):
        names = names[:named]
    first = next((row for row in rows if row), ())
    extra = len(first) - len(names)
    if extra > 0 and not any(cell.strip() for cell in first[len(names) :]):
        return [*names, *[""] * extra]
    labels = [row[0].strip() for row in rows if row and len(row) == len(names) + 1]
    if len(labels) > 2 and labels == [str(number) for number in range(1, sum(map(bool, rows)) + 1)]:
        return ["", *names]  # as R writes them
    return list(names)


def counts_rows(cells: Sequence[str]) -> bool:
    """Whether cells are labels of rows, such as pandas' index: whole numbers, each of them once.

    >>> counts_rows(["0", "1", "2"]), counts_rows(["4", "4", "5"]), counts_rows(["4"])
    (True, False, False)
    """
    words = [cell.strip() for cell in cells]
    if len(words) == 1:
        return words == ["0"]  # a 1 may be a rating
    return bool(words) and all(word.isdecimal() for word in words) and len({*words}) == len(words)


def too_many_columns(count: int, most: int) -> Problem:
    """Return the problem that there are more columns than are read."""
    return Problem(f"has {count:,} columns, of which at most {most:,} are read; is it a table of ratings?")


def too_many_rows(most: int) -> Problem:
    """Return the problem that there are more rows than a page imports."""
    return Problem(f"has more than {most:,} rows; a larger file is imported by: predictor journal import FILE")


def in_words(error: csv.Error) -> str:
    """Return what Python's csv module reports."""
    if "field limit" in str(error):
        return f"a cell has more than {LONGEST_CELL:,} characters; look for a quote that nothing closes"
    return str(error)
