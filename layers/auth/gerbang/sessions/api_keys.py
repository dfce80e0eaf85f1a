"""API keys: what a project's clients show in the `apikey` header, and what its own back ends show."""

import hmac
from datetime import datetime, timedelta
from enum import Enum
from threading import Lock
from typing import Final, Protocol

from gerbang.core.clock import Clock
from gerbang.core.errors import AuthError, DependencyUnavailable

FRESH_FOR: Final = timedelta(minutes=5)
"""For how long a read of the secret key is believed."""


class InvalidApiKey(AuthError):
    """There is no `apikey`, or it is not one of this deployment's."""

    code = "invalid_api_key"


class KeyKind(Enum):
    """Whom an API key speaks for."""

    PUBLISHABLE = "publishable"
    """Anybody: it is in every client and opens nothing by itself."""
    SECRET = "secret"  # noqa: S105 - the name of a kind
    """The deployment's own back ends."""


class CurrentSecret(Protocol):
    """Where the secret key is kept."""

    def current(self) -> str:
        """Return its text.

        Raises:
            DependencyUnavailable: it could not be read.
        """
        ...


class ApiKeys:
    """Knows the deployment's keys; thread-safe. The secret one is read when something else than the public is shown."""

    def __init__(self, publishable: str, secret: CurrentSecret, now: Clock) -> None:
        """Take the publishable key and the source of the secret one; nothing is read yet."""
        self._publishable = publishable
        self._source = secret
        self._now = now
        self._lock = Lock()
        self._secret: str | None = None
        self._read_at: datetime | None = None

    def kind_of(self, shown: str | None) -> KeyKind:
        """Return whose key this is; compared in constant time.

        Raises:
            InvalidApiKey: nobody's.
            DependencyUnavailable: the secret key could not be read.
        """
        if not shown:
            raise InvalidApiKey("none")
        if hmac.compare_digest(shown.encode(), self._publishable.encode()):
            return KeyKind.PUBLISHABLE
        if hmac.compare_digest(shown.encode(), self._standing().encode()):
            return KeyKind.SECRET
        raise InvalidApiKey("unknown")

    def _standing(self) -> str:
        with self._lock:
            now = self._now()
            if self._secret is None or self._read_at is None or now - self._read_at >= FRESH_FOR:
                try:
                    self._secret = self._source.current()
                except DependencyUnavailable:
                    if self._secret is None:
                        raise
                self._read_at = now
            return self._secret
