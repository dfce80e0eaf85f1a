"""Keys: every one is derived from the deployment's master secret, one label a purpose.

The secret has a current and, after a rotation, a previous version. Both verify, and one of them signs: the current one
as soon as it has been there for long enough that everybody knows it, the previous one until then. So rotating is
"rotate and wait": a token dies by its own expiry, not by the rotation. (docs/decisions/0014-publish-then-sign.md)
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Final, Protocol

from gerbang.core.clock import Clock
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.secrets import SecretVersions

FRESH_FOR: Final = timedelta(minutes=5)
"""For how long a read of the secret is believed: a rotation reaches every warm function within it."""

ASKED_AT_MOST_EVERY: Final = timedelta(seconds=10)
"""An unknown key id makes us look for a newer secret, but not more often than this: strangers can make up ids."""

PUBLISHED_FOR: Final = timedelta(minutes=10)
"""For how long others may keep the public keys: `max-age` of the JWKS, and as long as Supabase's clients do."""

KNOWN_AFTER: Final = FRESH_FOR + PUBLISHED_FOR
"""The age from which a new key signs: by then every warm function has read it, and whoever keeps the public keys has
fetched them from one that had (F22)."""


class Purpose(StrEnum):
    """What a derived key is for; the text is HKDF's `info`, so changing one makes another key."""

    KEY_ID = "gerbang key id v1"
    ACCESS_TOKEN = "gerbang access token v1"  # noqa: S105 - a label
    REFRESH_TOKEN = "gerbang refresh token v1"  # noqa: S105 - a label
    ONE_TIME_CODE = "gerbang one-time code v1"
    RESET_TOKEN = "gerbang reset token v1"  # noqa: S105 - a label
    SIGNING_KEY_P256 = "gerbang access token P-256 v1"


class Algorithm(StrEnum):
    """How access tokens are signed. Refresh tokens, which only we read, are always HS256."""

    HS256 = "HS256"
    ES256 = "ES256"


def hkdf_sha256(secret: bytes, *, info: bytes, length: int = 32, salt: bytes = b"") -> bytes:
    """Return *length* bytes derived from a secret: HKDF with SHA-256 (RFC 5869, sections 2.2 and 2.3).

    On the standard library's HMAC, because the cryptography package costs every cold start some 17 ms.
    """
    extracted = hmac.digest(salt or bytes(32), secret, "sha256")
    derived, block, counter = b"", b"", 0
    while len(derived) < length:
        counter += 1
        block = hmac.digest(extracted, block + info + bytes([counter]), "sha256")
        derived += block
    return derived[:length]


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One version of the master secret and the name that tokens call it by."""

    kid: str
    secret: bytes = field(repr=False)

    @classmethod
    def from_secret(cls, secret: str) -> "MasterKey":
        """Return the key of a secret text; its `kid` is derived too, so both sides of a rotation agree on it."""
        raw = secret.encode("utf-8")
        kid = urlsafe_b64encode(hkdf_sha256(raw, info=Purpose.KEY_ID.encode(), length=9)).decode("ascii")
        return cls(kid, raw)

    def derive(self, purpose: Purpose, length: int = 32) -> bytes:
        """Return the key for one purpose, *length* bytes."""
        return hkdf_sha256(self.secret, info=purpose.encode(), length=length)


class SecretSource(Protocol):
    """Where the master secret is kept."""

    def read(self) -> SecretVersions:
        """Return the versions that stand.

        Raises:
            DependencyUnavailable: it could not be read.
        """
        ...


class Keys:
    """The keys that stand, read from the secret store and kept for five minutes; thread-safe.

    While the store is down, keys once read go on serving; without any, DependencyUnavailable: there is no default key.
    """

    def __init__(self, source: SecretSource, now: Clock) -> None:
        """Take the *source* of the secret; nothing is read yet."""
        self._source = source
        self._now = now
        self._lock = Lock()
        self._versions: tuple[MasterKey, ...] = ()
        self._current_since: datetime | None = None
        self._read_at: datetime | None = None
        self._derived: dict[tuple[str, Purpose, int], bytes] = {}

    def current(self) -> MasterKey:
        """Return the key that signs.

        Raises:
            DependencyUnavailable: the secret could not be read, now or before.
        """
        versions = self._standing(FRESH_FOR)
        since = self._current_since
        if since is None or self._now() >= since + KNOWN_AFTER:
            return versions[0]
        return versions[-1]  # the previous one; a deployment's first key has none and signs at once

    def verifying(self) -> tuple[MasterKey, ...]:
        """Return the keys that verify, the newest first.

        Raises:
            DependencyUnavailable: the secret could not be read, now or before.
        """
        return self._standing(FRESH_FOR)

    def find(self, kid: str) -> MasterKey | None:
        """Return the key of that id, None if no version has it.

        Raises:
            DependencyUnavailable: the secret could not be read, now or before.
        """
        for age in (FRESH_FOR, ASKED_AT_MOST_EVERY):
            for key in self._standing(age):
                if key.kid == kid:
                    return key
        return None

    def derive(self, key: MasterKey, purpose: Purpose, length: int = 32) -> bytes:
        """Return what `key.derive` does, computed once."""
        name = (key.kid, purpose, length)
        if name not in self._derived:
            self._derived[name] = key.derive(purpose, length)
        return self._derived[name]

    def _standing(self, fresh_for: timedelta) -> tuple[MasterKey, ...]:
        with self._lock:
            now = self._now()
            if self._read_at is None or not timedelta(0) <= now - self._read_at < fresh_for:
                try:
                    versions = self._source.read()
                except DependencyUnavailable:
                    if not self._versions:
                        raise
                else:
                    texts = [text for text in (versions.current, versions.previous) if text]
                    self._versions = tuple(MasterKey.from_secret(text) for text in dict.fromkeys(texts))
                    self._current_since = versions.current_since
                self._read_at = now
            return self._versions


@dataclass(frozen=True, slots=True)
class KeyedHash:
    """HMAC-SHA-256 of texts, a key a purpose: made with the current key, recognised under the previous one, too."""

    keys: Keys
    purpose: Purpose

    def digest(self, text: str) -> bytes:
        """Return the 32 bytes that nobody can make of a text without the key.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        return self._digest(self.keys.current(), text)

    def matches(self, stored: str, text: str) -> bool:
        """Say whether *stored* is the hexadecimal digest of *text* under a key that stands; compared in constant time.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        digests = [self._digest(key, text).hex() for key in self.keys.verifying()]
        return any(hmac.compare_digest(digest.encode(), stored.encode()) for digest in digests)

    def _digest(self, key: MasterKey, text: str) -> bytes:
        return hmac.digest(self.keys.derive(key, self.purpose), text.encode(), "sha256")
