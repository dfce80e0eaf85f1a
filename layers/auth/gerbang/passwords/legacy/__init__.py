"""Verifies password hashes that other systems made. It never makes one.

`parse` reads a hash at import, and rejects one that no sign-in could or should compute. `wrap` hashes a weak hash again
in the current format, so that no fast hash is stored. `check` compares either with a password at sign-in.

`docs/legacy-users.md` lists the formats and who writes them. Libraries compute them: bcrypt, hashlib, cryptography
(Argon2, Firebase), and libpass (phpass, MD5-, SHA- and DES-crypt). This package reads the notations, bounds the work
before it is done, and computes the formats that no library has (Drupal, Rails, Spring).

Passwords become bytes in UTF-8, unless a `preparation` says otherwise. A password with a NUL never matches, because
bcrypt, PBKDF2 and scrypt read it as another, shorter one (docs/security.md 122). cryptography and libpass are imported
when a hash needs them. They are in a layer of their own; without it, such a hash is UNUSABLE.
"""

import re
from collections.abc import Callable
from typing import Final

from gerbang.core.dataclass import dataclass
from gerbang.passwords import bcrypt_sha256
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.passwords.legacy import (
    bcrypt_formats,
    crypt_formats,
    derived_keys,
    formulas,
    memory_hard_keys,
    plain_digests,
    preparation,
    schemes,
)
from gerbang.passwords.legacy.inherited import (
    MOST_ROUNDS,
    HostileLegacyHash,
    Inherited,
    LegacyHash,
    LegacyHashError,
    MalformedLegacyHash,
    UnknownLegacyHash,
    WrappedHash,
)

__all__ = [
    "Checked",
    "HostileLegacyHash",
    "Inherited",
    "LegacyHash",
    "LegacyHashError",
    "MalformedLegacyHash",
    "UnknownLegacyHash",
    "Verdict",
    "WrappedHash",
    "check",
    "parse",
    "to_store",
    "wrap",
]

MOST_TEXT_LENGTH: Final = 4096
"""The longest hash that is read, in characters; passport-local-mongoose's have some 1,100."""

MOST_ROUNDS_IN_ALL: Final = 4 * MOST_ROUNDS
"""The most work for all spellings of one password. Further spellings are not tried."""

MOST_PASSWORD_BYTES: Final = 1024
"""The longest password that is compared: 256 characters of 4 bytes, as many as a new password may have. phpass and
SHA-crypt hash all of it in every round, so longer ones would take longer than `inherited.MOST_ROUNDS` allows."""

_WRAPPED: Final = "$wrapped$"

_READERS: Final[tuple[tuple[str, Callable[[str], LegacyHash]], ...]] = (
    ("$2a$", bcrypt_formats.read_bcrypt),
    ("$2b$", bcrypt_formats.read_bcrypt),
    ("$2x$", bcrypt_formats.read_bcrypt),
    ("$2y$", bcrypt_formats.read_bcrypt),
    ("$bcrypt-sha256$", bcrypt_formats.read_bcrypt_sha256),
    ("$wp$2", bcrypt_formats.read_wordpress_bcrypt),
    ("$H\\2", bcrypt_formats.read_phpbb_bcrypt),
    ("bcrypt$", bcrypt_formats.read_django_bcrypt),
    ("bcrypt_sha256$", bcrypt_formats.read_django_bcrypt_sha256),
    ("$P$", crypt_formats.read_phpass),
    ("$H$", crypt_formats.read_phpass),
    ("$S$", crypt_formats.read_drupal),
    ("U$S$", crypt_formats.read_drupal),
    ("$1$", crypt_formats.read_md5_crypt),
    ("$apr1$", crypt_formats.read_md5_crypt),
    ("$5$", crypt_formats.read_sha_crypt),
    ("$6$", crypt_formats.read_sha_crypt),
    ("$sha1$", crypt_formats.read_sha1_crypt),
    ("pbkdf2_sha256$", derived_keys.read_django_pbkdf2),
    ("pbkdf2_sha1$", derived_keys.read_django_pbkdf2),
    ("pbkdf2:", derived_keys.read_werkzeug_pbkdf2),
    ("$pbkdf2$", derived_keys.read_passlib_pbkdf2),
    ("$pbkdf2-", derived_keys.read_passlib_pbkdf2),
    ("scrypt$", memory_hard_keys.read_django_scrypt),
    ("scrypt:", memory_hard_keys.read_werkzeug_scrypt),
    ("s2:", memory_hard_keys.read_lucia),
    ("$scrypt$", memory_hard_keys.read_scrypt),
    ("$fbscrypt$", memory_hard_keys.read_firebase_scrypt),
    ("$argon2", memory_hard_keys.read_argon2),
    ("argon2$", memory_hard_keys.read_django_argon2),
    *((f"{algorithm}$", plain_digests.read_salted_digest) for algorithm in formulas.ALGORITHMS),
    *((f"{algorithm}{mark}", formulas.read_formula) for algorithm in formulas.ALGORITHMS for mark in ":(^"),
    ("hmac-", formulas.read_formula),
    ("authlogic-sha1:", formulas.read_chained_sha1),
    ("restful-authentication:", formulas.read_chained_sha1),
)

_UNSUPPORTED: Final = {
    "$y$": "yescrypt",
    "$gy$": "gost-yescrypt",
    "$7$": "scrypt of crypt(3)",
    "$2$": "bcrypt of 1999",
    "$md5": "Sun's MD5-crypt",
    "$A$": "MySQL's caching_sha2_password",
}
"""Formats that no library here computes."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of comparing a password with an inherited hash, and the work it took."""

    verdict: Verdict
    rounds: int
    """The work done, in rounds of bcrypt. A caller adds work to answer in the same time for every account."""

    def costs_left(self, cost: int) -> tuple[int, ...]:
        """Return the bcrypt costs whose work brings this up to 2^*cost* rounds, to the nearest sixteenth of it.

        They are the 1 bits of the missing number of rounds in binary; none if nothing is missing.
        """
        finest = max(cost - 4, bcrypt_sha256.CHEAPEST_COST)
        missing = (1 << cost) - self.rounds + (1 << finest - 1)
        return tuple(each for each in range(cost, finest - 1, -1) if missing > 0 and missing >> each & 1)


def parse(text: str) -> Inherited:
    """Return the hash that *text* is: a `LegacyHash`, or a `WrappedHash` if `wrap` wrote it.

    Raises:
        UnknownLegacyHash: in no format of the table above, or its format does not say how it was made.
        MalformedLegacyHash: not a whole and valid hash of its format.
        HostileLegacyHash: would cost more time or memory than a sign-in may.
    """
    if len(text) > MOST_TEXT_LENGTH:
        raise MalformedLegacyHash("hash", f"is longer than {MOST_TEXT_LENGTH:,} characters")
    if not text.isprintable():  # lone surrogates are not printable either, so what passes has a UTF-8 form
        raise MalformedLegacyHash("hash", "holds characters that do not print; write such a salt as hexsalt")
    if text.startswith(_WRAPPED):
        return _parse_wrapped(text)
    return _parse_bare(text)


def wrap(legacy: LegacyHash, *, cost: int) -> str:
    """Return *legacy* with its digest replaced by a current hash of the digest, at 2^*cost* rounds.

    It reads `$wrapped$`, the old hash with a blank digest, `$`, the new hash; `check` takes it.
    """
    return f"{_WRAPPED}{legacy.blank}${bcrypt_sha256.hash_text(legacy.digest.hex(), cost)}"


def to_store(text: str, *, cost: int) -> str:
    """Return the text to store for a hash of another system: the hash itself or, if it is weak, `wrap` of it.

    Raises:
        LegacyHashError: as `parse`.
    """
    inherited = parse(text)
    if isinstance(inherited, LegacyHash) and inherited.is_weak:
        return wrap(inherited, cost=cost)
    return text


def check(stored: str, password: str) -> Checked:
    """Compare *password* with the hash *stored*, and return the verdict and the work it took.

    It never raises for anything stored. UNUSABLE: the hash cannot be computed here; `parse` gives the reason, if it is
    in the hash.
    """
    try:
        inherited = parse(stored)
    except LegacyHashError:
        return Checked(Verdict.UNUSABLE, 0)
    if not _can_be_inherited(password):
        return Checked(Verdict.WRONG, 0)
    rounds = 0
    for spelling in inherited.spellings(password):
        if rounds + inherited.rounds > MOST_ROUNDS_IN_ALL:
            break
        rounds += inherited.rounds
        try:
            is_right = inherited.matches(inherited.to_bytes(spelling))
        except UnicodeEncodeError:  # the old system's encoding does not have all its characters
            continue
        except (ValueError, MemoryError, ImportError):
            return Checked(Verdict.UNUSABLE, rounds)
        if is_right:
            return Checked(Verdict.RIGHT, rounds)
    return Checked(Verdict.WRONG, rounds)


def _can_be_inherited(password: str) -> bool:
    try:
        received = password.encode()
    except UnicodeEncodeError:  # a lone surrogate: JSON can carry one, UTF-8 cannot
        return False
    return b"\0" not in received and len(received) <= MOST_PASSWORD_BYTES


def _parse_bare(text: str) -> LegacyHash:
    if text.startswith(preparation.PREFIX):
        prepared, rest = preparation.Preparation.read(text)
        return prepared.of(_parse_unprepared(rest))
    return _parse_unprepared(text)


def _parse_unprepared(text: str) -> LegacyHash:
    for prefix, read in _READERS:
        if text.startswith(prefix):
            return read(text)
    if text.startswith("{"):
        return schemes.read_scheme(text, _parse_unprepared)
    if re.fullmatch(r"\*[0-9A-Fa-f]{40}", text):
        return plain_digests.read_mysql(text)
    plain_digests.reject_bare_digest(text)
    if re.fullmatch(r"A[A-Q][A-Za-z0-9+/]+={0,2}", text):
        return derived_keys.read_aspnet_identity(text)
    for prefix, name in _UNSUPPORTED.items():
        if text.startswith(prefix):
            raise UnknownLegacyHash("hash", f"is {name}, which cannot be verified; these users need a new password")
    raise UnknownLegacyHash("hash", "is in no known format")


def _parse_wrapped(text: str) -> WrappedHash:
    blank, _, outer = text.removeprefix(_WRAPPED).rpartition("$$")
    outer = f"${outer}"
    parts = re.fullmatch(r"\$bcrypt-sha256\$v=2,t=2b,r=([0-9]{1,2})\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{31}", outer)
    if parts is None or not bcrypt_sha256.CHEAPEST_COST <= int(parts[1]) <= bcrypt_sha256.HIGHEST_COST:
        raise MalformedLegacyHash("wrapped", "does not end in a hash of today's format")
    inner = _parse_bare(blank)
    return WrappedHash(
        format=f"wrapped {inner.format}",
        rounds=inner.rounds + ((1 << int(parts[1])) << (inner.compute_otherwise is not None)),
        spell=inner.spell,
        to_bytes=inner.to_bytes,
        inner=inner,
        outer=outer,
    )
