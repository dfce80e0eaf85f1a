"""The current hash format: bcrypt over an HMAC-SHA-256 of the text, in passlib's public `$bcrypt-sha256$v=2` format.

With the HMAC, length and NUL bytes do not matter: bcrypt alone reads 72 bytes and stops at a NUL. The format is public,
so hashes can be moved to any other system. (docs/decisions/0004-bcrypt-over-hmac.md)
"""

import hmac
from base64 import b64encode
from enum import Enum
from typing import Final

import bcrypt

RECOMMENDED_COST: Final = 12
"""2^12 rounds, some 0.2 s on a full vCPU. OWASP's Password Storage cheat sheet asks for 10 at least."""

LOWEST_COST: Final = 10
"""The lowest cost that a deployment may set (OWASP ASVS 5.0, appendix C)."""

HIGHEST_COST: Final = 15
"""The highest cost that is computed, some 1.5 s. A stored hash of a higher cost would be a CPU bomb (ASVS 15.1.3)."""

CHEAPEST_COST: Final = 4
"""The lowest cost of bcrypt. For tests only."""

_PREFIX: Final = "$bcrypt-sha256$v=2,t=2b,r="
_SALT_LENGTH: Final = 22
_DIGEST_LENGTH: Final = 31
_DUMMY_SALT: Final = "GerbangNobodysSaltOOOO"  # 22 of bcrypt's base64, the last with its unused bits zero
_DUMMY_DIGEST: Final = "." * _DIGEST_LENGTH


class Verdict(Enum):
    """The result of comparing a password with a stored hash."""

    RIGHT = "right"
    WRONG = "wrong"
    UNUSABLE = "unusable"
    """The stored hash cannot be read or costs too much to compute. The sign-in fails, and an operator should look."""


def hash_text(text: str, cost: int) -> str:
    """Return the hash of a text at 2^*cost* rounds, with a salt of its own.

    The text is hashed unchanged, in UTF-8; `gerbang.passwords.hashing` normalizes passwords before.
    """
    salt = bcrypt.gensalt(cost).decode("ascii")[-_SALT_LENGTH:]
    return _hash_with(text, cost, salt)


def verify_text(stored: str, text: str) -> bool:
    """Return whether *stored*, in the format of `hash_text`, is the hash of *text*; compared in constant time.

    Raises:
        ValueError: *stored* is not in that format.
    """
    cost, salt, _ = _parts(stored)
    return hmac.compare_digest(_hash_with(text, cost, salt).encode(), stored.encode())


def is_current_format(stored: str) -> bool:
    """Return whether a stored hash is in the format of `hash_text`, of any cost."""
    return stored.startswith(_PREFIX)


def _hash_with(text: str, cost: int, salt: str) -> str:
    keyed = hmac.digest(salt.encode("ascii"), text.encode("utf-8"), "sha256")
    digest = bcrypt.hashpw(b64encode(keyed), f"$2b${cost:02d}${salt}".encode("ascii")).decode("ascii")
    return f"{_PREFIX}{cost}${salt}${digest[-_DIGEST_LENGTH:]}"


def cost_of(stored: str) -> int:
    """Return the cost that a hash was made at.

    Raises:
        ValueError: *stored* is not in the format that `hash_text` writes.
    """
    return _parts(stored)[0]


def dummy_hash(cost: int) -> str:
    """Return a hash of that cost that no text has. Comparing with it takes as long as with any other hash."""
    return f"{_PREFIX}{cost}${_DUMMY_SALT}${_DUMMY_DIGEST}"


def _parts(stored: str) -> tuple[int, str, str]:
    if not stored.startswith(_PREFIX):
        raise ValueError("not a bcrypt-sha256 version 2 hash")
    cost, _, rest = stored.removeprefix(_PREFIX).partition("$")
    salt, _, digest = rest.partition("$")
    if not cost.isdecimal() or int(cost) > HIGHEST_COST or len(salt) != _SALT_LENGTH or len(digest) != _DIGEST_LENGTH:
        raise ValueError("a damaged bcrypt-sha256 hash")
    return int(cost), salt, digest
