"""Inherited hashes after they have been read, and the errors of those that are not accepted.

Invariant: every hash that was read may be computed. One that would cost a sign-in more time or memory than
`MOST_ROUNDS` and `MOST_MEMORY_BYTES` is rejected while reading, so no stored hash is a CPU bomb (ASVS 15.1.3).
"""

import re
from binascii import a2b_base64
from collections.abc import Callable
from dataclasses import field
from hmac import compare_digest
from math import ceil
from typing import Final, override
from unicodedata import normalize

from gerbang.core.dataclass import dataclass
from gerbang.passwords import bcrypt_sha256

MOST_ROUNDS: Final = 2**14
"""The most work that one inherited hash may ask for, in rounds of bcrypt: bcrypt of cost 14, some 0.8 s on a full vCPU.

A password that is not in Unicode NFC is tried twice, and sign-ins should be answered within 5 s (docs/security.md 124).
"""

MOST_MEMORY_BYTES: Final = 256 * 2**20
"""The most memory that scrypt or Argon2 may ask for: twice OWASP's scrypt (N=2^17, r=8: 128 MiB), and what a function
of 1,769 MB can spare."""

SHORTEST_KEY_BYTES: Final = 16
"""Shorter derived keys were cut off, and can be matched by chance; no known system writes fewer than 128 bits."""

FAST_ROUNDS: Final = 2**7
"""Below this work, some 6 ms on a full vCPU, a hash counts as fast: PBKDF2 below 25,000 rounds, SHA-crypt at its
default of 5,000, bcrypt below cost 7. OWASP ASVS 5.0, appendix C, allows none of them."""


class LegacyHashError(ValueError):
    """A hash from another system is not accepted. It names the format and the rule, never a part of the hash."""

    def __init__(self, format: str, reason: str) -> None:  # noqa: A002 - the word that the import report uses
        """Keep *format*, a name such as `phpass`, and *reason*, a clause to follow it in a report for operators."""
        super().__init__(f"{format}: {reason}")
        self.format = format
        self.reason = reason


class UnknownLegacyHash(LegacyHashError):
    """The format is not known, or the hash does not say how it was made."""


class MalformedLegacyHash(LegacyHashError):
    """The format is known, but this is not a whole and valid hash of it."""


class HostileLegacyHash(LegacyHashError):
    """A valid hash that would cost more time or memory than a sign-in may."""


def in_utf8(password: str) -> bytes:
    """Return the bytes that most systems hashed.

    Raises:
        UnicodeEncodeError: the text has a lone surrogate.
    """
    return password.encode()


def as_typed(password: str) -> tuple[str, ...]:
    """Return the one spelling that most systems hashed: the characters they received."""
    return (password,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """A stored hash that can be compared with a password."""

    format: str
    """The format's name in reports and logs, such as `django-pbkdf2-sha256`."""
    rounds: int
    """How long one comparison takes, in rounds of bcrypt (2^12 of them at cost 12); right within a factor of two."""
    spell: Callable[[str], tuple[str, ...]] = field(default=as_typed, repr=False)
    """Returns the spellings in which the old system may have hashed a password."""
    to_bytes: Callable[[str], bytes] = field(default=in_utf8, repr=False)
    """Returns the bytes of a spelling that were hashed. Raises UnicodeEncodeError if the old system had none."""

    @property
    def is_weak(self) -> bool:
        """Whether the hash is fast, so that a thief of the table could guess many passwords in a short time."""
        return self.rounds < FAST_ROUNDS

    def spellings(self, password: str) -> tuple[str, ...]:
        """Return the texts that may have been hashed, each once: the password as received, its NFC, and its NFKC form.

        Old systems hashed what they received, and phones may send the same text in another composition
        (docs/security.md C13). Lucia and Better Auth hash the NFKC form.
        """
        texts = (password, normalize("NFC", password), normalize("NFKC", password))
        return tuple(dict.fromkeys(spelling for text in texts for spelling in self.spell(text)))

    def matches(self, password: bytes) -> bool:
        """Return whether the hash was made from exactly these bytes; compared in constant time.

        Raises:
            ValueError: the parameters are beyond what this machine's libraries can compute.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyHash(Inherited):
    """A hash as the old system wrote it."""

    digest: bytes = field(repr=False)
    blank: str = field(repr=False)
    """The hash's text with a blank digest: the format, its parameters and salt, but no secret."""
    compute: Callable[[bytes], bytes] = field(repr=False)
    """Returns the digest of a password."""
    compute_otherwise: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    """Returns the digest that another system writes in the same notation."""
    rests_on_md5: bool = False

    def __post_init__(self) -> None:
        """Reject a hash that takes too long to compute.

        Raises:
            HostileLegacyHash: the work is above `MOST_ROUNDS`.
        """
        if self.rounds > MOST_ROUNDS:
            times = self.rounds / MOST_ROUNDS
            raise HostileLegacyHash(self.format, f"takes {times:,.1f} times as long to compute as is allowed")

    @property
    @override
    def is_weak(self) -> bool:
        """Whether it is fast, or made of MD5, which ASVS 11.4.1 bans however often it is repeated."""
        return self.rests_on_md5 or self.rounds < FAST_ROUNDS

    def digests(self, password: bytes) -> tuple[bytes, ...]:
        """Return the digest of a password, one for each system that writes this notation."""
        if self.compute_otherwise is None:
            return (self.compute(password),)
        return self.compute(password), self.compute_otherwise(password)

    @override
    def matches(self, password: bytes) -> bool:
        return any(compare_digest(digest, self.digest) for digest in self.digests(password))


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedHash(Inherited):
    """A weak hash whose digest was replaced at import by a hash of the digest, in the current format."""

    inner: LegacyHash = field(repr=False)
    """Computes the digest from a password; its own digest is blank."""
    outer: str = field(repr=False)
    """The hash of the digest's hexadecimal text, as `gerbang.passwords.bcrypt_sha256` writes it."""

    @override
    def matches(self, password: bytes) -> bool:
        return any(bcrypt_sha256.verify_text(self.outer, digest.hex()) for digest in self.inner.digests(password))


def require_memory(format: str, needed_bytes: int) -> None:  # noqa: A002 - as above
    """Reject a hash that would need more memory than a sign-in has.

    Raises:
        HostileLegacyHash: *needed_bytes* is above `MOST_MEMORY_BYTES`.
    """
    if needed_bytes > MOST_MEMORY_BYTES:
        wanted, most = ceil(needed_bytes / 2**20), MOST_MEMORY_BYTES // 2**20
        raise HostileLegacyHash(format, f"needs {wanted:,} MiB of memory to compute, {most} MiB are allowed")


def require_sound_key(format: str, key: bytes) -> None:  # noqa: A002 - as above
    """Reject a derived key that was cut off.

    Raises:
        MalformedLegacyHash: *key* is shorter than `SHORTEST_KEY_BYTES`.
    """
    if len(key) < SHORTEST_KEY_BYTES:
        raise MalformedLegacyHash(format, f"its digest is shorter than {SHORTEST_KEY_BYTES} bytes: it was cut off")


def from_base64(format: str, text: str) -> bytes:  # noqa: A002 - as above
    """Return what *text* encodes, in the standard or the URL alphabet, with or without padding.

    Raises:
        MalformedLegacyHash: *text* is not base64.
    """
    unpadded = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(unpadded + "=" * (-len(unpadded) % 4), strict_mode=True)
    except ValueError:
        raise MalformedLegacyHash(format, "holds a part that is not base64") from None


def parts_of(format: str, pattern: str, text: str) -> re.Match[str]:  # noqa: A002 - as above
    """Return the match of a whole hash.

    Raises:
        MalformedLegacyHash: *text* does not match *pattern*.
    """
    parts = re.fullmatch(pattern, text)
    if parts is None:
        raise MalformedLegacyHash(format, "does not have the parts of such a hash, each with values that it allows")
    return parts


def with_blank_digest(text: str, digest: str, filler: str) -> str:
    """Return *text* with the digest that it ends in replaced by fillers of the same length; base64 padding stays."""
    padding = len(digest) - len(digest.rstrip("="))
    return text.removesuffix(digest) + filler * (len(digest) - padding) + "=" * padding
