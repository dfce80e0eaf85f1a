"""Inherited hashes in the manner of crypt(3): bcrypt and its disguises, phpass, SHA-crypt.

bcrypt is computed by the `bcrypt` package, which since version 5 refuses passwords above 72 bytes; old systems hashed
the first 72 of them, and so do we (docs/security.md 120).
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable
from itertools import cycle, islice
from typing import Final

import bcrypt

from gerbang.passwords.legacy.inherited import LegacyHash, MalformedLegacyHash, as_typed

_BCRYPT_READS_BYTES: Final = 72
_BCRYPT_ALPHABET: Final = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_CRYPT_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHA_CRYPT_DEFAULT_ROUNDS: Final = 5000  # of a hash that names none (Drepper, "Unix crypt using SHA-256 and SHA-512")

# How many rounds of each took as long as one round of bcrypt (CPython 3.13, bcrypt 5.0.0, x86_64).
_PHPASS_PER_ROUND: Final = 100
_SHA_CRYPT_PER_ROUND: Final = {"sha256": 65, "sha512": 50}


type _Prepare = Callable[[bytes], bytes]
type _Spell = Callable[[str], tuple[str, ...]]


def read_bcrypt(text: str) -> LegacyHash:
    """Read `$2a$`, `$2b$`, `$2x$` or `$2y$`, as PHP, Laravel, Node, Ruby and Python write them.

    All but `$2x$` are one algorithm here. crypt_blowfish gives `$2a$` its own result for some passwords, but only for
    such as hold the byte 0xFF, which UTF-8 has not.

    Raises:
        MalformedLegacyHash: not a whole bcrypt hash.
        HostileLegacyHash: its cost is above 14.
    """
    prepare = sign_extended if text.startswith("$2x$") else _as_it_is
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
    return _bcrypt("django-bcrypt", before="bcrypt$", text=text.removeprefix("bcrypt$"), prepare=_as_it_is)


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


def read_phpass(text: str) -> LegacyHash:
    """Read phpass's portable hash: `$P$` as WordPress wrote it up to 6.7, `$H$` as phpBB 3 does.

    Raises:
        MalformedLegacyHash: not a whole phpass hash.
        HostileLegacyHash: more than 2^20 rounds of MD5.
    """
    parts = re.fullmatch(r"\$([PH])\$([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{22})", text)
    log2_rounds = _CRYPT_ALPHABET.index(parts[2]) if parts else 0
    if parts is None or not 7 <= log2_rounds <= 30:  # noqa: PLR2004 - phpass's own bounds (`crypt_private`)
        raise MalformedLegacyHash("phpass", "is not $P$ or $H$, a round count of 7 to 30, 8 characters of salt and 22")
    salt = parts[3].encode("ascii")

    def compute(password: bytes) -> bytes:
        digest = hashlib.md5(salt + password).digest()  # noqa: S324 - it is what phpass is made of
        for _ in range(1 << log2_rounds):
            digest = hashlib.md5(digest + password).digest()  # noqa: S324
        return _crypt_base64(digest, 22)

    return LegacyHash(
        format="phpass",
        digest=parts[4].encode("ascii"),
        blank=_blanked(text, parts[4]),
        compute=compute,
        rounds=(1 << log2_rounds) // _PHPASS_PER_ROUND,
        rests_on_md5=True,
        spell=as_wordpress_was_sent if parts[1] == "P" else as_typed,
    )


def read_sha_crypt(text: str) -> LegacyHash:
    """Read `$5$` (SHA-256) or `$6$` (SHA-512): what crypt(3) writes to `/etc/shadow`.

    Raises:
        MalformedLegacyHash: not a whole SHA-crypt hash.
        HostileLegacyHash: more than some 800,000 rounds; passlib writes 656,000 where nothing is set.
    """
    algorithm, length = ("sha256", 43) if text.startswith("$5$") else ("sha512", 86)
    name = f"{algorithm}-crypt"
    pattern = rf"\$[56]\$(?:rounds=([1-9][0-9]{{3,8}})\$)?([./0-9A-Za-z]{{0,16}})\$([./0-9A-Za-z]{{{length}}})"
    parts = re.fullmatch(pattern, text)
    if parts is None:
        raise MalformedLegacyHash(
            name, f"is not an optional rounds=1000 to 999999999, up to 16 of ./0-9A-Za-z as salt and {length} as digest"
        )
    salt, rounds = parts[2].encode("ascii"), int(parts[1] or _SHA_CRYPT_DEFAULT_ROUNDS)

    def compute(password: bytes) -> bytes:
        return _crypt_base64(_transposed(_sha_crypt(password, salt, rounds, algorithm)), length)

    return LegacyHash(
        format=name,
        digest=parts[3].encode("ascii"),
        blank=_blanked(text, parts[3]),
        compute=compute,
        rounds=rounds // _SHA_CRYPT_PER_ROUND[algorithm],
    )


def sign_extended(password: bytes) -> bytes:
    """Return the 72 bytes that bcrypt must be given to compute what crypt_blowfish before 1.1 made of *password*.

    That version, whose hashes are marked `$2x$` today, read each byte as a signed number, so that a byte above 0x7F
    overwrote up to three bytes before it with 0xFF (CVE-2011-2483). A key only ever enters bcrypt as 18 words of
    4 bytes; making the words as the old code did and handing them over as 72 bytes gives the old result.
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


def as_wordpress_was_sent(password: str) -> tuple[str, ...]:
    r"""Return the texts that WordPress may have hashed for what a person typed.

    It trims passwords, as PHP's `trim` does, and hashes those that come by its forms with `'`, `"` and `\` still
    escaped by `wp_magic_quotes` (WordPress 6.1 `wp_signon`, `edit_user`); those set otherwise are hashed unescaped.
    """
    trimmed = password.strip(" \t\n\r\0\x0b")
    return re.sub(r"(['\"\\])", r"\\\1", trimmed), trimmed


def _bcrypt(name: str, *, before: str, text: str, prepare: _Prepare, spell: _Spell = as_typed) -> LegacyHash:
    parts = re.fullmatch(r"\$(2[abxy])\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})", text)
    if parts is None or not 4 <= int(parts[2]) <= 31:  # noqa: PLR2004 - bcrypt's own bounds
        raise MalformedLegacyHash(
            name, "is not $2a$, $2b$, $2x$ or $2y$, a cost of 04 to 31, 22 characters of salt and 31"
        )
    # The last character of a salt carries 4 bits that mean nothing; `bcrypt` wants them zero.
    salt = parts[3][:-1] + _BCRYPT_ALPHABET[_BCRYPT_ALPHABET.index(parts[3][-1]) & 0x30]
    settings = f"$2b${parts[2]}${salt}".encode("ascii")

    def compute(password: bytes) -> bytes:
        return bcrypt.hashpw(prepare(password)[:_BCRYPT_READS_BYTES], settings)[-31:]

    return LegacyHash(
        format=name,
        digest=parts[4].encode("ascii"),
        blank=before + _blanked(text, parts[4]),
        compute=compute,
        rounds=1 << int(parts[2]),
        spell=spell,
    )


def _sha_crypt(password: bytes, salt: bytes, rounds: int, algorithm: str) -> bytes:
    """Return the digest of Drepper's "Unix crypt using SHA-256 and SHA-512" (2008), whose letters name its parts."""

    def digest_of(text: bytes) -> bytes:
        return hashlib.new(algorithm, text).digest()

    def stretched(digest: bytes, length: int) -> bytes:
        return (digest * (length // len(digest) + 1))[:length]

    length = len(password)
    b = digest_of(password + salt + password)
    bits = (b if length >> place & 1 else password for place in range(length.bit_length()))
    a = digest_of(password + salt + stretched(b, length) + b"".join(bits))
    p = stretched(digest_of(password * length), length)
    s = stretched(digest_of(salt * (16 + a[0])), len(salt))
    # Round i hashes P, S, P and the digest before it, or the digest before it, S, P and P; every third round leaves S
    # out and every seventh a P. So after 42 rounds all is as it was in the beginning.
    around = [
        (p + (s if i % 3 else b"") + (p if i % 7 else b""), b"")
        if i % 2
        else (b"", (s if i % 3 else b"") + (p if i % 7 else b"") + p)
        for i in range(42)
    ]
    new = getattr(hashlib, algorithm)
    c = a
    for before, after in islice(cycle(around), rounds):
        c = new(before + c + after).digest()
    return bytes(c)


def _transposed(digest: bytes) -> bytes:
    """Return a SHA-crypt digest's bytes in the order in which they are written down."""
    third = len(digest) // 3
    x, y, z = 0, third, 2 * third
    order: list[int] = []
    for _ in range(third):
        order += (z, y, x)
        x, y, z = (y + 1, z + 1, x + 1) if third % 2 else (z + 1, x + 1, y + 1)
    return bytes(digest[place] for place in order) + digest[3 * third :]


def _crypt_base64(digest: bytes, length: int) -> bytes:
    """Return the base64 of crypt(3): its own alphabet, and of each number the lowest six bits first."""
    number = int.from_bytes(digest, "little")
    return "".join(_CRYPT_ALPHABET[number >> 6 * place & 63] for place in range(length)).encode("ascii")


def _blanked(text: str, digest: str) -> str:
    return text.removesuffix(digest) + "." * len(digest)


def _as_it_is(password: bytes) -> bytes:
    return password
