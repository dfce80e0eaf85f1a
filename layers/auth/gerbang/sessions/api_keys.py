"""API keys: the values of the `apikey` header, for clients and for the deployment's own back ends.

A key is compared as text and may have any form: Supabase's opaque `sb_publishable_…` and `sb_secret_…`, or the earlier
JWTs of the roles `anon` and `service_role`. There may be several of each kind, separated by commas.
(docs/decisions/0027-supabase-auth.md)
"""

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
    """In every client; it gives no access by itself."""
    SECRET = "secret"  # noqa: S105 - the name of a kind
    """For the deployment's own back ends."""


class CurrentSecret(Protocol):
    """Where the secret key is stored."""

    def current(self) -> str:
        """Return the text of the secret.

        Raises:
            DependencyUnavailable: it could not be read.
        """
        ...


class ApiKeys:
    """The deployment's API keys; thread-safe. The secret one is read only when a key is not the publishable one."""

    def __init__(self, publishable: str, secret: CurrentSecret, now: Clock) -> None:
        """Take the publishable keys and the source of the secret ones; nothing is read yet."""
        self._publishable = publishable
        self._secret = CachedSecret(secret.current, now)

    def read_secret(self) -> None:
        """Read the secret keys, unless they have been read.

        Raises:
            DependencyUnavailable: they could not be read.
        """
        self._secret.get()

    def kind_of(self, presented: str | None) -> KeyKind:
        """Return which key was presented; compared in constant time.

        Raises:
            InvalidApiKey: there is no key, or it is neither.
            DependencyUnavailable: the secret keys could not be read.
        """
        if not presented:
            raise InvalidApiKey("none")
        if _is_one_of(self._publishable, presented):
            return KeyKind.PUBLISHABLE
        if _is_one_of(self._secret.get(), presented):
            return KeyKind.SECRET
        raise InvalidApiKey("unknown")


def _is_one_of(keys: str, presented: str) -> bool:
    return any(hmac.compare_digest(presented.encode(), key.encode()) for key in keys.split(",") if key)
