"""The progress of the import: one line, rewritten in place on a terminal."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TextIO

from gerbang_import.importing import Count
from gerbang_import.reading import Lines

_TERMINAL_SECONDS: Final = 0.2
_LOG_SECONDS: Final = 10.0


@dataclass(slots=True, kw_only=True)
class Progress:
    """Shows progress as often as is useful: five times a second on a terminal, every ten seconds in a log."""

    count: Count
    lines: Lines
    total_bytes: int | None
    """Of the file; None when that cannot be known."""
    output: TextIO
    seconds: Callable[[], float] = time.monotonic
    started: float = field(init=False)
    shown: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.started = self.shown = self.seconds()

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

    def text(self) -> str:
        """Return the line: how many users, how many of each outcome, how fast, how much time is left."""
        count, elapsed = self.count, max(self.shown - self.started, 0.001)
        parts = [
            f"{count.records:,} users",
            f"{count.imported:,} imported",
            f"{count.already_there:,} already there",
            f"{count.rejected:,} rejected",
            f"{count.records / elapsed:,.0f} a second",
        ]
        if self.total_bytes and self.lines.read_bytes:
            share = min(self.lines.read_bytes / self.total_bytes, 1.0)
            left = round(elapsed / share - elapsed)
            parts[0] += f" ({share:.0%})"
            parts.append(f"{left // 60}:{left % 60:02d} left")
        return ", ".join(parts)
