"""The progress of the import: one line, rewritten in place on a terminal."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TextIO

from gerbang_import.importing import Count

_TERMINAL_SECONDS: Final = 0.2
_LOG_SECONDS: Final = 10.0
_RATE_SECONDS: Final = 30.0
"""The rate is an average over this time: users who exist already or have strong hashes take less time."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """Shows progress as often as is useful: five times a second on a terminal, every ten seconds in a log."""

    count: Count
    total_bytes: int | None
    """Of the file; None when that cannot be known."""
    output: TextIO
    seconds: Callable[[], float] = time.monotonic
    shown: float = field(init=False)
    _marks: deque[tuple[float, int, int]] = field(init=False)
    """Instants with the users and bytes done by then. The first is at least `_RATE_SECONDS` ago, if there is one."""

    def __post_init__(self) -> None:
        """Start the clock."""
        self.shown = self.seconds()
        self._marks = deque([(self.shown, 0, 0)])

    def show(self) -> None:
        """Show the progress, unless it was shown a moment ago."""
        interval = _TERMINAL_SECONDS if self.output.isatty() else _LOG_SECONDS
        if self.seconds() - self.shown >= interval:
            self.show_now()

    def show_now(self) -> None:
        """Show the progress."""
        self.shown = self.seconds()
        clear, end = ("\r\x1b[K", "") if self.output.isatty() else ("", "\n")
        print(f"{clear}{self.text()}", end=end, file=self.output, flush=True)
        self._marks.append((self.shown, self.count.users, self.count.done_bytes))
        while len(self._marks) > 1 and self._marks[1][0] <= self.shown - _RATE_SECONDS:
            self._marks.popleft()

    def text(self) -> str:
        """Return the line: how many users were written, how many not, how fast, how much time is left."""
        count = self.count
        since, users, done_bytes = self._marks[0]
        elapsed = max(self.shown - since, 0.001)
        parts = [
            f"{count.users:,} users",
            f"{count.imported:,} imported",
            f"{count.already_there:,} already there",
            f"{count.rejected:,} rejected",
            f"{(count.users - users) / elapsed:,.0f} a second",
        ]
        if self.total_bytes and count.done_bytes:
            parts[0] += f" ({min(count.done_bytes / self.total_bytes, 1.0):.0%})"
            if count.done_bytes > done_bytes:
                bytes_left = max(self.total_bytes - count.done_bytes, 0)
                left = round(bytes_left * elapsed / (count.done_bytes - done_bytes))
                parts.append(f"{left // 60}:{left % 60:02d} left")
        return ", ".join(parts)
