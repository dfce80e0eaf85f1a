"""What files are read into: lines, records, and records that are not imported."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Final

CHUNK_BYTES: Final = 2**16
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

MOST_LINE_BYTES: Final = 2**23
"""The longest line. A file with longer lines is not a list of users, and must not fill the memory."""


LINE: Final = "rejected_line"
REASON: Final = "rejected_reason"
"""Columns, or members, that a file of rejections adds to those of the row. They are not read."""


NOT_UTF_8: Final = "is not UTF-8: save the file as UTF-8"


class Unreadable(Exception):
    """The file as a whole cannot be read; its text says why, in a sentence, without quoting from the file."""


@dataclass(frozen=True, slots=True)
class Record:
    """One user as the file has it."""

    line: int
    """Where it begins, counted from 1."""
    fields: Mapping[str, object]
    end: int = 0
    """Bytes of the file up to its end."""
    text: str | None = None
    """The lines as they are, where a record is more than its fields."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that is not imported."""

    line: int
    reason: str
    """It quotes no personal data and no part of a hash."""
    record: Record | None = None
    text: str | None = None
    """The lines as they are, if they are not a record."""


class Lines:
    """A file as text, line by line. Bytes that are not UTF-8 become lone surrogates; their record is rejected."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Read *stream* from its present position."""
        self._stream: Final = stream
        self._pieces: Final[list[bytes]] = []
        self._returned: Final[list[str]] = []
        self.read = 0
        """How many lines were read."""
        self.read_bytes = 0
        """How many bytes they had."""

    def head(self) -> str:
        """Return the first line that is not blank, at most 64 KiB of it, without consuming it; empty if there is none.

        Raises:
            Unreadable: the file is in UTF-16.
        """
        while True:
            piece = self._stream.readline(CHUNK_BYTES)
            self._pieces.append(piece)
            if not self._pieces[1:] and piece[:2] in {b"\xff\xfe", b"\xfe\xff"}:
                raise Unreadable("The file is in UTF-16. Save it as UTF-8.")
            text = piece.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
            if text.strip() or not piece:
                return text

    def __iter__(self) -> "Lines":
        """Return itself: every line is read once."""
        return self

    def __next__(self) -> str:
        """Return the next line, with its end.

        Raises:
            Unreadable: it is too long.
        """
        if self._returned:
            self.read += 1
            return self._returned.pop()
        line = self._next(MOST_LINE_BYTES + 1)
        if len(line) > MOST_LINE_BYTES:
            raise Unreadable(f"Line {self.read} is longer than {MOST_LINE_BYTES:,} bytes.")
        return line.decode("utf-8", "surrogateescape")

    def give_back(self, lines: list[str]) -> None:
        """Put back *lines*, the last that were read, to be read again."""
        self._returned.extend(reversed(lines))
        self.read -= len(lines)

    def chunks(self) -> Iterator[bytes]:
        """Return what is left in pieces of at most 64 KiB, none of which has the end of a line before its own end."""
        while True:
            try:
                yield self._next(CHUNK_BYTES)
            except StopIteration:
                return

    def _next(self, most: int) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else self._stream.readline(most)
        if len(piece) < most and not piece.endswith(b"\n"):  # a piece of the head, or the file's last line
            piece += self._stream.readline(most - len(piece))
        if not piece:
            raise StopIteration
        is_first = self.read_bytes == 0
        self.read += self._is_at_end_of_line
        self._is_at_end_of_line = piece.endswith(b"\n")
        self.read_bytes += len(piece)
        return piece.removeprefix(_BYTE_ORDER_MARK) if is_first else piece

    _is_at_end_of_line = True


def is_utf_8(text: str) -> bool:
    """Say whether a text was UTF-8 in the file: bytes that are not were read as lone surrogates."""
    return text.isascii() or not any("\ud800" <= one <= "\udfff" for one in text)
