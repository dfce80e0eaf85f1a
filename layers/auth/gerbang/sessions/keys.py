"""Keys: all but two are derived from the deployment's master secret, with one label per purpose.

The RSA key pair cannot be derived: the rotation function makes one for each version of the secret, and stores it in the
version (docs/decisions/0037-rs256.md). The lasting key outlives rotations: each version carries over the one of the
version before (docs/decisions/0041-second-factor.md).

The secret has a current and, after a rotation, a previous version. Both verify, and one of them signs: the current one
once it is old enough to be known to every reader, the previous one until then. So tokens end by their own expiry, not
by a rotation. (docs/decisions/0014-publish-then-sign.md)
"""

import hmac
import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.cached_secret import FRESH_FOR, CachedSecret
from gerbang.storage.secrets import SecretVersions

REREAD_AT_MOST_EVERY: Final = timedelta(seconds=10)
"""An unknown key id makes us read the secret again, but not more often than this: anyone can invent key ids."""

PUBLISHED_FOR: Final = timedelta(minutes=10)
"""How long caches may keep the public keys: `max-age` of the JWKS, and what Supabase's clients do."""

KEPT_BY_GATEWAYS: Final = timedelta(hours=2)
"""How long API Gateway keeps the public keys of an issuer, regardless of `max-age`
(docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html). An AWS SDK or library keeps them
for less."""

KNOWN_AFTER: Final = FRESH_FOR + PUBLISHED_FOR + KEPT_BY_GATEWAYS
"""The age at which a new key starts to sign: by then every warm function has read it, every cached JWKS was fetched
from a function that had, and every gateway has fetched that JWKS (F22)."""


class Purpose(StrEnum):
    """The purpose of a derived key. The text is HKDF's `info`: changing it changes the key."""

    KEY_ID = "gerbang key id v1"
    ACCESS_TOKEN = "gerbang access token v1"  # noqa: S105 - a label
    REFRESH_TOKEN = "gerbang refresh token v1"  # noqa: S105 - a label
    ONE_TIME_CODE = "gerbang one-time code v1"
    RESET_TOKEN = "gerbang reset token v1"  # noqa: S105 - a label
    LINK_TOKEN = "gerbang link token v1"  # noqa: S105 - a label
    FIRST_FACTOR_TOKEN = "gerbang first factor token v1"  # noqa: S105 - a label
    FACTOR_CHALLENGE = "gerbang factor challenge v1"
    LASTING_KEY = "gerbang lasting key v1"
    TOTP_SECRET = "gerbang TOTP secret v1"  # noqa: S105 - a label
    INVITATION_TOKEN = "gerbang invitation token v1"  # noqa: S105 - a label
    SIGNING_KEY_P256 = "gerbang access token P-256 v1"


class Algorithm(StrEnum):
    """How access tokens are signed. Refresh tokens, which only we read, are always HS256."""

    HS256 = "HS256"
    ES256 = "ES256"
    RS256 = "RS256"


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


class NoKeyPair(DependencyUnavailable):
    """No version of the secret has an RSA key pair. Rotating the secret makes one."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One version of the master secret, and the key id that tokens name it by."""

    kid: str
    secret: bytes = field(repr=False)
    key_pair: bytes | None = field(default=None, repr=False)
    """The RSA private key of RS256, as PKCS #8 in DER; None if the version was not made by the rotation function."""
    carried: bytes | None = field(default=None, repr=False)
    """The lasting key of the version before; None if the rotation function did not make this version."""

    @classmethod
    def from_secret(cls, text: str) -> "MasterKey":
        """Return the key of a version's text: of `version_text`, or of a text that is the secret itself.

        Its `kid` is derived from the secret, the same in every function.
        """
        version = _Version.parse(text)
        raw = version.secret.encode("utf-8")
        kid = urlsafe_b64encode(hkdf_sha256(raw, info=Purpose.KEY_ID.encode(), length=9)).decode("ascii")
        return cls(kid, raw, version.key_pair, version.lasting)

    def derive(self, purpose: Purpose, length: int = 32) -> bytes:
        """Return the key for one purpose, *length* bytes."""
        return hkdf_sha256(self.secret, info=purpose.encode(), length=length)

    @property
    def lasting(self) -> bytes:
        """The key that rotations do not change: derived from the first secret, and carried over by later versions."""
        return self.derive(Purpose.LASTING_KEY) if self.carried is None else self.carried


def version_text(secret: str, key_pair: bytes, *, lasting: bytes) -> str:
    """Return the text of a version: the secret, the key pair of `MasterKey.key_pair`, and the *lasting* key."""
    return json.dumps({"secret": secret, "rsa": b64encode(key_pair).decode("ascii"), "lasting": lasting.hex()})


@dataclass(frozen=True, slots=True)
class _Version:
    """The parts of a version's text."""

    secret: str
    key_pair: bytes | None = None
    lasting: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> "_Version":
        """Return the parts of a text. A text that `version_text` did not make is the secret itself."""
        if text.startswith("{"):
            try:
                parts = json.loads(text)
                key_pair, lasting = b64decode(parts["rsa"], validate=True), bytes.fromhex(parts["lasting"])
                return cls(str(parts["secret"]), key_pair, lasting)
            except (KeyError, TypeError, ValueError):
                pass
        return cls(text)


class SecretSource(Protocol):
    """Where the master secret is stored."""

    def read(self) -> SecretVersions:
        """Return the current and the previous version.

        Raises:
            DependencyUnavailable: it could not be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class _ActiveKeys:
    """The keys of a secret's versions, the newest first."""

    keys: tuple[MasterKey, ...]
    newest_since: datetime | None

    @classmethod
    def of(cls, versions: SecretVersions) -> "_ActiveKeys":
        texts = [text for text in (versions.current, versions.previous) if text]
        return cls(tuple(MasterKey.from_secret(text) for text in dict.fromkeys(texts)), versions.current_since)


class Keys:
    """The active keys, cached for five minutes; thread-safe.

    While the secret store is down, keys already read stay in use; without any, DependencyUnavailable.
    """

    def __init__(self, source: SecretSource, now: Clock) -> None:
        """Take the *source* of the secret; nothing is read yet."""
        self._now = now
        self._active = CachedSecret(lambda: _ActiveKeys.of(source.read()), now)
        self._derived: dict[tuple[str, Purpose, int], bytes] = {}

    def current(self) -> MasterKey:
        """Return the key that signs.

        Raises:
            DependencyUnavailable: the secret could not be read, now or before.
        """
        active = self._active.get()
        return self._signing(active, active.keys)

    def current_with_pair(self) -> MasterKey:
        """Return the key whose RSA key pair signs.

        A version without one, such as the first of a stack, is skipped. If none has one, the secret is read again at
        once, because the stack's first rotation may have ended meanwhile.

        Raises:
            DependencyUnavailable: the secret could not be read, now or before.
            NoKeyPair: no version has a key pair.
        """
        for fresh_for in (FRESH_FOR, REREAD_AT_MOST_EVERY):
            active = self._active.get(fresh_for)
            keys = tuple(key for key in active.keys if key.key_pair is not None)
            if keys:
                return self._signing(active, keys)
        raise NoKeyPair("the master secret has no RSA key pair: rotate it")

    def _signing(self, active: _ActiveKeys, keys: tuple[MasterKey, ...]) -> MasterKey:
        """Return which of these active *keys* signs: the newest once it is known everywhere, until then the oldest."""
        is_known = active.newest_since is None or self._now() >= active.newest_since + KNOWN_AFTER
        return keys[0] if is_known else keys[-1]  # a deployment's first key has no other, and signs at once

    def verifying(self) -> tuple[MasterKey, ...]:
        """Return the keys that verify, the newest first.

        Raises:
            DependencyUnavailable: the secret could not be read, now or before.
        """
        return self._active.get().keys

    def find(self, kid: str) -> MasterKey | None:
        """Return the key with this id, None if no version has it.

        Raises:
            DependencyUnavailable: the secret could not be read, now or before.
        """
        for fresh_for in (FRESH_FOR, REREAD_AT_MOST_EVERY):
            for key in self._active.get(fresh_for).keys:
                if key.kid == kid:
                    return key
        return None

    def lasting(self) -> bytes:
        """Return the key that rotations do not change.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        return self._active.get().keys[0].lasting

    def derive(self, key: MasterKey, purpose: Purpose, length: int = 32) -> bytes:
        """Return `key.derive(purpose, length)`, computed once."""
        name = (key.kid, purpose, length)
        if name not in self._derived:
            self._derived[name] = key.derive(purpose, length)
        return self._derived[name]


@dataclass(frozen=True, slots=True)
class KeyedHash:
    """HMAC-SHA-256 of texts, with one key per purpose: made with the current key, matched with the previous one too."""

    keys: Keys
    purpose: Purpose

    def digest(self, text: str) -> bytes:
        """Return the HMAC of a text with the current key, 32 bytes.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        return self._digest(self.keys.current(), text)

    def matches(self, stored: str, text: str) -> bool:
        """Return whether *stored* is the hexadecimal digest of *text* with an active key; compared in constant time.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        return any(hmac.compare_digest(digest.hex().encode(), stored.encode()) for digest in self.digests(text))

    def digests(self, text: str) -> tuple[bytes, ...]:
        """Return the digest of *text* with each active key, the newest first.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        return tuple(self._digest(key, text) for key in self.keys.verifying())

    def _digest(self, key: MasterKey, text: str) -> bytes:
        return hmac.digest(self.keys.derive(key, self.purpose), text.encode(), "sha256")
