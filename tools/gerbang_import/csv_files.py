"""CSV in its dialects: comma, semicolon, tab or bar; with Excel's `sep=;`; with PostgreSQL's and MySQL's escapes."""

import csv
import re
from collections.abc import Iterator
from typing import Final

from gerbang_import.fields import fold
from gerbang_import.records import LINE, NOT_UTF_8, REASON, Lines, Record, Rejection, Unreadable, is_utf_8
from gerbang_import.rejections import Form, csv_form
from gerbang_import.systems.system import System

MOST_FIELD_CHARACTERS: Final = 2**20
"""The longest field. An unclosed quote is noticed after this many characters; reading continues at the next line."""

_HASHES: Final = fold("password_hash")
_LIKELY: Final = re.compile(r"passw|hash|passwd|pwd", re.IGNORECASE)
"""Names of columns that probably contain password hashes."""

_RULE: Final = frozenset("-")
"""What `sqlcmd` writes below the names."""

_DELIMITERS: Final = ",;\t|"
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\s*')
_ESCAPES: Final = {r"\t": "\t", r"\n": "\n", r"\r": "\r", r"\\": "\\"}
"""What PostgreSQL's COPY and `mysql --batch` write in files with tabs."""


class Source:
    """Lines, which keeps those of the current record."""

    def __init__(self, lines: Lines) -> None:
        """Read *lines*."""
        self._lines: Final = lines
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        """Return itself."""
        return self

    def __next__(self) -> str:
        """Return the next line."""
        line = next(self._lines)
        self.taken.append(line)
        return line


def csv_records(lines: Lines, system: System) -> tuple[Iterator[Record | Rejection], Form]:
    """Return the records of a CSV file, and its form. The first line has the names, unless the system writes none.

    Raises:
        Unreadable: the first line is not CSV, names a column twice, or lacks one that is needed.
    """
    csv.field_size_limit(MOST_FIELD_CHARACTERS)
    first, delimiter = _first_line(lines)
    names = _split(first, delimiter)
    folded = {fold(name) for name in names}
    if system.positions and folded.isdisjoint(map(fold, system.positions)):
        lines.give_back([first])
        names = list(system.positions)
        return _rows(names, lines, delimiter), csv_form(delimiter.join(names), delimiter)
    _check(names, system)
    return _rows(names, lines, delimiter), csv_form(first, delimiter)


def _first_line(lines: Lines) -> tuple[str, str]:
    delimiter = None
    for line in lines:
        if (separator := _SEPARATOR_LINE.fullmatch(line)) is not None and delimiter is None:
            delimiter = separator[1]
        elif line.strip():
            return line, delimiter or max(_DELIMITERS, key=line.count)
    raise Unreadable("The file is empty.")


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error:
        raise Unreadable(
            f"The first line is not CSV: it has a column of more than {MOST_FIELD_CHARACTERS:,} characters, "
            "or the file's lines end in a carriage return alone."
        ) from None


def _check(names: list[str], system: System) -> None:
    folded = [fold(name) for name in names if name and name not in {LINE, REASON}]
    missing = [one for one in system.needed if folded and not any(fold(name) in folded for name in one.split("|"))]
    if missing or not folded:
        columns = " and ".join(one.replace("|", " or ") for one in missing)
        raise Unreadable(f"The first line does not name the column {columns}. Add a header line.")
    if len(set(folded)) != len(folded):
        raise Unreadable("The first line names a column twice. Rename or remove one of them.")
    if (
        system.rejects_unknown_hash_columns
        and _HASHES not in folded
        and (likely := [one for one in names if _LIKELY.search(one)])
    ):
        raise Unreadable(
            f"The column {likely[0]} is not read. If it has the hashes, name it password_hash, else remove it."
        )


def _rows(names: list[str], lines: Lines, delimiter: str) -> Iterator[Record | Rejection]:
    source = Source(lines)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        line = lines.read + 1
        source.taken = []
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            last = lines.read
            lines.give_back(source.taken[1:])
            text = source.taken[0]
            yield Rejection(line, f"is not CSV: quotes do not match, up to line {last}", text=text)
            reader = csv.reader(source, delimiter=delimiter, strict=True)
            continue
        text = "".join(source.taken)
        if not is_utf_8(text):
            yield Rejection(line, NOT_UTF_8, text=text)
            continue
        if delimiter == "\t":
            row = [_unescaped(value) for value in row]
        beyond = row[len(names) :]
        if any(beyond):
            reason = "has more fields than the first line: a value with the separator in it needs quotes"
            yield Rejection(line, reason, text=text)
        elif any(row) and not _RULE.issuperset("".join(row)):
            fields = {name: value for name, value in zip(names, row, strict=False) if name and value}
            yield Record(line, fields, lines.read_bytes, text)


def _unescaped(value: str) -> str:
    return re.sub(r"\\[tnr\\]", lambda found: _ESCAPES[found[0]], value) if "\\" in value else value
