"""A secret that is read from its store once and reused for five minutes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from gerbang.core.clock import Clock
from gerbang.core.errors import DependencyUnavailable

FRESH_FOR: Final = timedelta(minutes=5)
"""How long a secret that was read is used before it is read again: every warm function notices a rotation within it."""


class CachedSecret[T]:
    """Reads a secret and caches it; thread-safe.

    While the store cannot be read, the last value read stays in use. If there is none, the failure is raised.
    """

    def __init__(self, read: Callable[[], T], now: Clock) -> None:
        """Take the function that *reads* the secret; nothing is read yet."""
        self._read = read
        self._now = now
        self._lock = Lock()
        self._last: T | None = None
        self._read_at: datetime | None = None

    def get(self, fresh_for: timedelta = FRESH_FOR) -> T:
        """Return the secret, read again if the last read is older than *fresh_for*.

        A last read that is in the future counts as old: the clock was set back, and a secret that was rotated would
        stay in use for as long as it was set back (F21).

        Raises:
            DependencyUnavailable: the secret could not be read, now or before.
        """
        with self._lock:
            now = self._now()
            if self._last is None or self._read_at is None or not timedelta(0) <= now - self._read_at < fresh_for:
                try:
                    self._last = self._read()
                except DependencyUnavailable:
                    if self._last is None:
                        raise
                self._read_at = now
            return self._last
