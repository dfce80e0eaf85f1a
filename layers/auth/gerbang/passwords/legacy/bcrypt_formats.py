"""Inherited hashes that are bcrypt of the password, or of another digest of the password.

bcrypt is computed by the `bcrypt` package, which since version 5 rejects passwords above 72 bytes. Old systems hashed
the first 72 bytes, and so do we (docs/security.md 120).
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Final

import bcrypt

from gerbang.passwords.bcrypt_sha256 import HIGHEST_COST
from gerbang.passwords.legacy.crypt_formats import (
    CRYPT_ALPHABET,
    PHPASS_PER_ROUND,
    as_phpbb_was_sent,
    as_wordpress_was_sent,
    phpass_digest,
)
from gerbang.passwords.legacy.inherited import (
    MOST_ROUNDS,
    HostileLegacyHash,
    LegacyHash,
    MalformedLegacyHash,
    as_typed,
    parts_of,
    with_blank_digest,
)

_BCRYPT_READS_BYTES: Final = 72
_BCRYPT_ALPHABET: Final = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

_COST: Final = "(0[4-9]|[12][0-9]|3[01]|[4-9])"  # bcrypt's own bounds; bcrypt-sha256 writes them without a 0
_SALT: Final = "([./A-Za-z0-9]{22})"
_DIGEST: Final = "([./A-Za-z0-9]{31})"

type _Prepare = Callable[[bytes], bytes]
type _Spell = Callable[[str], tuple[str, ...]]


def read_bcrypt(text: str) -> LegacyHash:
    """Read `$2a$`, `$2b$`, `$2x$` or `$2y$`, as PHP, Laravel, Node, Ruby and Python write them.

    All but `$2x$` are one algorithm here. crypt_blowfish gives `$2a$` its own result for some passwords, but only for
    those with the byte 0xFF, which UTF-8 does not have.

    Raises:
        MalformedLegacyHash: not a whole bcrypt hash.
        HostileLegacyHash: its cost is above 14.
    """
    prepare = sign_extended if text.startswith("$2x$") else _unchanged
    return _bcrypt("bcrypt", before="", text=text, prepare=prepare)


def read_wordpress_bcrypt(text: str) -> LegacyHash:
    """Read `$wp$2y$…`: bcrypt of the base64 of an HMAC-SHA-384, as WordPress writes it since 6.8 (`wp_hash_password`).

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: its cost is above 14.
    """

    def prepare(password: bytes) -> bytes:
        return b64encode(hmac.digest(b"wp-sha384", password, "sha384"))

    return _bcrypt(
        "wordpress-bcrypt", before="$wp", text=text.removeprefix("$wp"), prepare=prepare, spell=as_wordpress_was_sent
    )


def read_django_bcrypt(text: str) -> LegacyHash:
    """Read `bcrypt$$2b$…`: Django's `BCryptPasswordHasher`.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: its cost is above 14.
    """
    return _bcrypt("django-bcrypt", before="bcrypt$", text=text.removeprefix("bcrypt$"), prepare=_unchanged)


def read_django_bcrypt_sha256(text: str) -> LegacyHash:
    """Read `bcrypt_sha256$$2b$…`: bcrypt of the hexadecimal SHA-256, Django's `BCryptSHA256PasswordHasher`.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: its cost is above 14.
    """

    def prepare(password: bytes) -> bytes:
        return hashlib.sha256(password).hexdigest().encode("ascii")

    rest = text.removeprefix("bcrypt_sha256$")
    return _bcrypt("django-bcrypt-sha256", before="bcrypt_sha256$", text=rest, prepare=prepare)


def read_bcrypt_sha256(text: str) -> LegacyHash:
    """Read `$bcrypt-sha256$v=2,t=2b,r=12$salt$digest`, as Gerbang and passlib write it, or passlib's version 1.

    Version 2 is bcrypt over the base64 of HMAC-SHA-256 with the salt as key, version 1 (`$bcrypt-sha256$2b,12$…`) over
    that of SHA-256. Gerbang's own hashes may cost as much as a deployment may set.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: its cost is above 14 (version 1) or 15.
    """
    name = "bcrypt-sha256"
    parts = parts_of(name, rf"\$bcrypt-sha256\$(?:v=2,t=2[by],r=|(2[aby]),){_COST}\${_SALT}\${_DIGEST}", text)
    is_first_version, cost, salt, digest = parts[1] is not None, int(parts[2]), parts[3], parts[4]
    if cost > HIGHEST_COST:
        raise HostileLegacyHash(name, f"has a cost above {HIGHEST_COST}")

    def prepare(password: bytes) -> bytes:
        if is_first_version:
            return b64encode(hashlib.sha256(password).digest())
        return b64encode(hmac.digest(salt.encode("ascii"), password, "sha256"))

    compute = _computing(cost, salt, prepare)
    blank = with_blank_digest(text, digest, ".")
    rounds = min(1 << cost, MOST_ROUNDS) if not is_first_version else 1 << cost
    return LegacyHash(format=name, digest=digest.encode("ascii"), blank=blank, compute=compute, rounds=rounds)


def read_phpbb_bcrypt(text: str) -> LegacyHash:
    r"""Read `$H\2y$…`: bcrypt of the digest of a phpass hash, as phpBB 3.1 made of those of phpBB 3.0.

    Between the prefix and bcrypt's digest are the settings of phpass and of bcrypt, with `\` for `$`
    (phpBB 3.3, `phpbb/passwords/helper.php`).

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work than a sign-in may do.
    """
    name = "phpbb-bcrypt"
    parts = parts_of(name, rf"\$H\\2[ay]\$([./0-9A-Za-z])([./0-9A-Za-z]{{8}})\${_COST}\\{_SALT}\${_DIGEST}", text)
    log2_rounds = CRYPT_ALPHABET.index(parts[1])
    if not 7 <= log2_rounds <= 17:  # noqa: PLR2004 - phpass's own minimum; phpBB 3.0 set 11
        raise HostileLegacyHash(name, "takes longer to compute than is allowed")

    def prepare(password: bytes) -> bytes:
        return phpass_digest(password, parts[2], log2_rounds)

    return LegacyHash(
        format=name,
        digest=parts[5].encode("ascii"),
        blank=with_blank_digest(text, parts[5], "."),
        compute=_computing(int(parts[3]), parts[4], prepare),
        rounds=(1 << int(parts[3])) + (1 << log2_rounds) // PHPASS_PER_ROUND,
        spell=as_phpbb_was_sent,
    )


def sign_extended(password: bytes) -> bytes:
    """Return the 72 bytes that bcrypt must be given to compute what crypt_blowfish before 1.1 made of *password*.

    That version, whose hashes are marked `$2x$` today, read each byte as a signed number, so that a byte above 0x7F
    overwrote up to three bytes before it with 0xFF (CVE-2011-2483). A key only ever enters bcrypt as 18 words of
    4 bytes. So making the words as the old code did, and passing them as 72 bytes, gives the old result.
    """
    key = password + b"\0"
    words = bytearray()
    for start in range(0, _BCRYPT_READS_BYTES, 4):
        word = 0
        for place in range(start, start + 4):
            byte = key[place % len(key)]
            signed = byte - 0x100 if byte & 0x80 else byte
            word = (word << 8 | signed) & 0xFFFFFFFF
        words += word.to_bytes(4, "big")
    return bytes(words)


def _bcrypt(name: str, *, before: str, text: str, prepare: _Prepare, spell: _Spell = as_typed) -> LegacyHash:
    parts = re.fullmatch(rf"\$(2[abxy])\${_COST}\${_SALT}{_DIGEST}", text)
    if parts is None:
        raise MalformedLegacyHash(
            name, "is not $2a$, $2b$, $2x$ or $2y$, a cost of 04 to 31, 22 characters of salt and 31"
        )
    return LegacyHash(
        format=name,
        digest=parts[4].encode("ascii"),
        blank=before + with_blank_digest(text, parts[4], "."),
        compute=_computing(int(parts[2]), parts[3], prepare),
        rounds=1 << int(parts[2]),
        spell=spell,
    )


def _computing(cost: int, salt: str, prepare: _Prepare) -> _Prepare:
    # The last character of a salt has 4 unused bits, which `bcrypt` requires to be zero.
    valid_salt = salt[:-1] + _BCRYPT_ALPHABET[_BCRYPT_ALPHABET.index(salt[-1]) & 0x30]
    settings = f"$2b${cost:02d}${valid_salt}".encode("ascii")
    return lambda password: bcrypt.hashpw(prepare(password)[:_BCRYPT_READS_BYTES], settings)[-31:]


def _unchanged(password: bytes) -> bytes:
    return password
