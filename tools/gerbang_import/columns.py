"""The columns of one user, read one by one. A value that cannot be read is dropped and listed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gerbang_import.systems.system import Row
from gerbang_import.values import InvalidValue


@dataclass(frozen=True, slots=True)
class Dropped:
    """A value that is left out of an account."""

    line: int
    column: str
    reason: str
    """It quotes no personal data."""


class Columns:
    """A row whose values are read one by one. Values that cannot be read are dropped."""

    def __init__(self, row: Row, line: int) -> None:
        """Take a row, and the line on which its record begins."""
        self._row: Final = row
        self._line: Final = line
        self.dropped: Final[list[Dropped]] = []

    def read[Value](self, column: str, reader: Callable[[object], Value | None]) -> Value | None:
        """Return the value of a column, None if there is none or it cannot be read."""
        value = self._row.get(column)
        if value is None:
            return None
        try:
            return reader(value)
        except InvalidValue as error:
            self.drop(column, str(error))
            return None

    def drop(self, column: str, reason: str) -> None:
        """Note that a column's value is dropped."""
        self.dropped.append(Dropped(self._line, column, reason))

    def has_dropped(self, *columns: str) -> bool:
        """Say whether a value of these columns could not be read."""
        return any(one.column in columns for one in self.dropped)
