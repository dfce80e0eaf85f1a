"""Reads a file of users, record by record, in constant memory. A bad record is reported and skipped."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final, cast

MOST_LINE_BYTES: Final = 2**20
"""The longest line: a file with longer ones is not a list of users, and must not fill the memory."""

MOST_FIELD_CHARACTERS: Final = 8192
"""The longest CSV field. A quote that is never closed spoils at most this much, about 50 users."""

REQUIRED: Final = ("email", "password_hash")


class Unreadable(Exception):
    """The file as a whole cannot be read; its text says why, in a sentence, without quoting from the file."""


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one user that are not empty."""

    line: int
    """Where it begins, counted from 1."""
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that is not imported."""

    line: int
    reason: str
    """It quotes no personal data and no part of a hash."""


class Lines:
    """A file as text, line by line. Bytes that are not UTF-8 become lone surrogates; their record is rejected."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Read *stream* from its present position."""
        self._stream = stream
        self.read = 0
        """How many lines were read."""
        self.read_bytes = 0
        """How many bytes they had."""

    def __iter__(self) -> Iterator[str]:
        """Return itself: every line is read once."""
        return self

    def __next__(self) -> str:
        """Return the next line, with its end.

        Raises:
            Unreadable: it is too long, or the file is in UTF-16.
        """
        line = self._stream.readline(MOST_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self.read += 1
        self.read_bytes += len(line)
        if self.read == 1 and line[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            raise Unreadable("The file is in UTF-16. Save it as UTF-8.")
        if len(line) > MOST_LINE_BYTES:
            raise Unreadable(f"Line {self.read} is longer than {MOST_LINE_BYTES:,} bytes.")
        text = line.decode("utf-8", "surrogateescape")
        return text.removeprefix("\ufeff") if self.read == 1 else text


def records(lines: Lines) -> Iterator[Record | Rejection]:
    """Return the records of a file, JSON Lines if it begins with a brace, CSV otherwise.

    Raises:
        Unreadable: it is empty, has no header with the required columns, or is in another form.
    """
    for first in lines:
        beginning = first.lstrip()[:1]
        if beginning == "{":
            return _json_records(first, lines)
        if beginning == "[":
            raise Unreadable("The file is one JSON array. Convert it to one object per line: jq -c '.[]'.")
        if beginning:
            return _csv_records(first, lines)
    raise Unreadable("The file is empty.")


def _json_records(first: str, lines: Lines) -> Iterator[Record | Rejection]:
    yield from _json_record(first, lines.read)
    for text in lines:
        yield from _json_record(text, lines.read)


def _json_record(text: str, line: int) -> Iterator[Record | Rejection]:
    if not text.strip():
        return
    try:
        members: Any = json.loads(text)
    except (ValueError, RecursionError):
        yield Rejection(line, "is not JSON")
        return
    if not isinstance(members, dict):
        yield Rejection(line, "is not a JSON object")
        return
    fields = cast("dict[str, object]", members)
    yield Record(line, {name: value for name, value in fields.items() if value not in (None, "")})


def _csv_records(header: str, lines: Lines) -> Iterator[Record | Rejection]:
    delimiter = max(",;\t", key=header.count)
    csv.field_size_limit(MOST_FIELD_CHARACTERS)
    try:
        columns = [column.strip() for column in next(csv.reader([header], delimiter=delimiter))]
    except csv.Error:
        raise Unreadable(
            f"The first line is not CSV: it has a column of more than {MOST_FIELD_CHARACTERS:,} characters, "
            "or the file's lines end in a carriage return alone."
        ) from None
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise Unreadable(f"The first line does not name the column {' and '.join(missing)}. Add a header line.")
    if len(set(columns)) != len(columns):
        raise Unreadable("The first line names a column twice. Rename or remove one of them.")
    return _csv_rows(columns, csv.reader(lines, delimiter=delimiter, strict=True), lines)


def _csv_rows(columns: list[str], rows: Iterator[list[str]], lines: Lines) -> Iterator[Record | Rejection]:
    while True:
        line = lines.read + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield Rejection(line, f"is not CSV: quotes do not match, up to line {lines.read}")
            continue
        if len(row) > len(columns):
            yield Rejection(line, "has more fields than the first line: a value with the separator in it needs quotes")
        elif any(row):
            yield Record(line, {name: value for name, value in zip(columns, row, strict=False) if value})
