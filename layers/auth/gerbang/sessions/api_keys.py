"""API keys: the values of the `apikey` header, one for clients and one for the deployment's own back ends."""

import hmac
from enum import Enum
from typing import Protocol

from gerbang.core.clock import Clock
from gerbang.core.errors import AuthError
from gerbang.sessions.cached_secret import CachedSecret


class InvalidApiKey(AuthError):
    """There is no `apikey`, or it is not one of this deployment's."""

    code = "invalid_api_key"


class KeyKind(Enum):
    """Which of the deployment's keys an API key is."""

    PUBLISHABLE = "publishable"
    """In every client; it grants nothing by itself."""
    SECRET = "secret"  # noqa: S105 - the name of a kind
    """For the deployment's own back ends."""


class CurrentSecret(Protocol):
    """Where the secret key is stored."""

    def current(self) -> str:
        """Return its text.

        Raises:
            DependencyUnavailable: it could not be read.
        """
        ...


class ApiKeys:
    """The deployment's API keys; thread-safe. The secret one is read only when a key is not the publishable one."""

    def __init__(self, publishable: str, secret: CurrentSecret, now: Clock) -> None:
        """Take the publishable key and the source of the secret one; nothing is read yet."""
        self._publishable = publishable
        self._secret = CachedSecret(secret.current, now)

    def kind_of(self, presented: str | None) -> KeyKind:
        """Return which key was presented; compared in constant time.

        Raises:
            InvalidApiKey: neither.
            DependencyUnavailable: the secret key could not be read.
        """
        if not presented:
            raise InvalidApiKey("none")
        if hmac.compare_digest(presented.encode(), self._publishable.encode()):
            return KeyKind.PUBLISHABLE
        if hmac.compare_digest(presented.encode(), self._secret.get().encode()):
            return KeyKind.SECRET
        raise InvalidApiKey("unknown")
