"""Inherited hashes of the crypt(3) family, besides bcrypt: phpass, MD5-crypt, SHA-crypt, DES-crypt and Drupal's.

libpass computes all but Drupal's. It is imported when such a hash is compared, which takes 25 to 60 ms once. Nothing
else in a function needs it.
"""

import hashlib
import re
from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import Any, Final

from gerbang.passwords.legacy.inherited import (
    LegacyHash,
    MalformedLegacyHash,
    as_typed,
    parts_of,
    with_blank_digest,
)

CRYPT_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHA_CRYPT_DEFAULT_ROUNDS: Final = 5000  # of a hash that names none (Drepper, "Unix crypt using SHA-256 and SHA-512")

# How many rounds of each took as long as one round of bcrypt (CPython 3.13, libpass 1.9.4, bcrypt 5.0.0, x86_64).
PHPASS_PER_ROUND: Final = 85
_SHA_CRYPT_PER_ROUND: Final = {"sha256": 65, "sha512": 45}
_SHA1_CRYPT_PER_ROUND: Final = 50
_DRUPAL_PER_ROUND: Final = 60

# The work of these formats, in rounds of bcrypt. They have a fixed number of rounds.
_MD5_CRYPT_ROUNDS: Final = 12
_DES_CRYPT_ROUNDS: Final = 40

_PHP_SPACE: Final = " \t\n\r\0\x0b"
"""What PHP's `trim` removes."""


def read_phpass(text: str) -> LegacyHash:
    """Read phpass's portable hash: `$P$` as WordPress wrote it up to 6.7, `$H$` as phpBB 3 does.

    Raises:
        MalformedLegacyHash: not a whole phpass hash.
        HostileLegacyHash: more than 2^20 rounds of MD5.
    """
    parts = re.fullmatch(r"\$([PH])\$([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{22})", text)
    log2_rounds = CRYPT_ALPHABET.index(parts[2]) if parts else 0
    if parts is None or not 7 <= log2_rounds <= 30:  # noqa: PLR2004 - phpass's own bounds (`crypt_private`)
        raise MalformedLegacyHash("phpass", "is not $P$ or $H$, a round count of 7 to 30, 8 characters of salt and 22")
    salt = parts[3]
    return LegacyHash(
        format="phpass",
        digest=parts[4].encode("ascii"),
        blank=with_blank_digest(text, parts[4], "."),
        compute=lambda password: phpass_digest(password, salt, log2_rounds),
        rounds=(1 << log2_rounds) // PHPASS_PER_ROUND,
        rests_on_md5=True,
        spell=as_wordpress_was_sent if parts[1] == "P" else as_phpbb_was_sent,
    )


def phpass_digest(password: bytes, salt: str, log2_rounds: int) -> bytes:
    """Return the digest of phpass's portable hash, as text."""
    return _by_libpass("phpass", "phpass", 22, salt=salt, rounds=log2_rounds)(password)


def read_md5_crypt(text: str) -> LegacyHash:
    """Read `$1$` (crypt(3)) or `$apr1$` (Apache's htpasswd): a thousand rounds of MD5.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
    """
    name = "apr-md5-crypt" if text.startswith("$apr1$") else "md5-crypt"
    parts = parts_of(name, r"\$(?:1|apr1)\$([./0-9A-Za-z]{0,8})\$([./0-9A-Za-z]{22})", text)
    return LegacyHash(
        format=name,
        digest=parts[2].encode("ascii"),
        blank=with_blank_digest(text, parts[2], "."),
        compute=_by_libpass("md5_crypt", name.replace("-", "_"), 22, salt=parts[1]),
        rounds=_MD5_CRYPT_ROUNDS,
        rests_on_md5=True,
    )


def read_sha_crypt(text: str) -> LegacyHash:
    """Read `$5$` (SHA-256) or `$6$` (SHA-512): what crypt(3) writes to `/etc/shadow`.

    Raises:
        MalformedLegacyHash: not a whole SHA-crypt hash.
        HostileLegacyHash: more than some 700,000 rounds; passlib writes 656,000 where nothing is set.
    """
    algorithm, length = ("sha256", 43) if text.startswith("$5$") else ("sha512", 86)
    name = f"{algorithm}-crypt"
    pattern = rf"\$[56]\$(?:rounds=([1-9][0-9]{{3,8}})\$)?([./0-9A-Za-z]{{0,16}})\$([./0-9A-Za-z]{{{length}}})"
    parts = re.fullmatch(pattern, text)
    if parts is None:
        raise MalformedLegacyHash(
            name, f"is not an optional rounds=1000 to 999999999, up to 16 of ./0-9A-Za-z as salt and {length} as digest"
        )
    rounds = int(parts[1] or _SHA_CRYPT_DEFAULT_ROUNDS)
    return LegacyHash(
        format=name,
        digest=parts[3].encode("ascii"),
        blank=with_blank_digest(text, parts[3], "."),
        compute=_by_libpass("sha2_crypt", f"{algorithm}_crypt", length, salt=parts[2], rounds=rounds),
        rounds=rounds // _SHA_CRYPT_PER_ROUND[algorithm],
    )


def read_sha1_crypt(text: str) -> LegacyHash:
    """Read `$sha1$rounds$salt$digest`: what crypt(3) of NetBSD writes.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work than a sign-in may do.
    """
    parts = parts_of("sha1-crypt", r"\$sha1\$([1-9][0-9]{0,9})\$([./0-9A-Za-z]{0,64})\$([./0-9A-Za-z]{28})", text)
    rounds = int(parts[1])
    return LegacyHash(
        format="sha1-crypt",
        digest=parts[3].encode("ascii"),
        blank=with_blank_digest(text, parts[3], "."),
        compute=_by_libpass("sha1_crypt", "sha1_crypt", 28, salt=parts[2], rounds=rounds),
        rounds=rounds // _SHA1_CRYPT_PER_ROUND,
    )


def read_des_crypt(text: str) -> LegacyHash:
    """Read the first hash of crypt(3): two characters of salt and eleven. Only eight characters of a password count.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
    """
    parts = parts_of("des-crypt", r"([./0-9A-Za-z]{2})([./0-9A-Za-z]{11})", text)
    return LegacyHash(
        format="des-crypt",
        digest=parts[2].encode("ascii"),
        blank=with_blank_digest(text, parts[2], "."),
        compute=_by_libpass("des_crypt", "des_crypt", 11, salt=parts[1]),
        rounds=_DES_CRYPT_ROUNDS,
    )


def read_drupal(text: str) -> LegacyHash:
    """Read `$S$…`: phpass over SHA-512, cut off, as Drupal 7 to 10 write it, or `U$S$…`, of an MD5 of Drupal 6.

    Drupal 7, `includes/password.inc`. The log-in form trims passwords (`user_login_authenticate_validate`).

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work than a sign-in may do.
    """
    parts = re.fullmatch(r"(U?)\$S\$([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{43})", text)
    log2_rounds = CRYPT_ALPHABET.index(parts[2]) if parts else 0
    if parts is None or not 7 <= log2_rounds <= 30:  # noqa: PLR2004 - Drupal's own bounds
        raise MalformedLegacyHash("drupal", "is not $S$, a round count of 7 to 30, 8 characters of salt and 43")
    is_of_md5, salt = bool(parts[1]), parts[3].encode("ascii")

    def compute(password: bytes) -> bytes:
        text = hashlib.md5(password).hexdigest().encode() if is_of_md5 else password  # noqa: S324 - Drupal 6 used it
        digest = hashlib.sha512(salt + text).digest()
        for _ in range(1 << log2_rounds):
            digest = hashlib.sha512(digest + text).digest()
        number = int.from_bytes(digest, "little")
        return "".join(CRYPT_ALPHABET[number >> 6 * place & 63] for place in range(43)).encode("ascii")

    return LegacyHash(
        format="drupal",
        digest=parts[4].encode("ascii"),
        blank=with_blank_digest(text, parts[4], "."),
        compute=compute,
        rounds=(1 << log2_rounds) // _DRUPAL_PER_ROUND,
        spell=lambda password: (password.strip(_PHP_SPACE), password),
    )


def as_wordpress_was_sent(password: str) -> tuple[str, ...]:
    r"""Return the texts that WordPress may have hashed for what a person typed.

    It trims passwords, as PHP's `trim` does, and hashes those from its forms with `'`, `"` and `\` still escaped by
    `wp_magic_quotes` (WordPress 6.1 `wp_signon`, `edit_user`). Passwords set in another way are hashed unescaped.
    """
    trimmed = password.strip(_PHP_SPACE)
    return re.sub(r"(['\"\\])", r"\\\1", trimmed), trimmed


def as_phpbb_was_sent(password: str) -> tuple[str, ...]:
    """Return the texts that phpBB may have hashed for what a person typed.

    Its forms escape `&`, `<`, `>` and `"` for HTML (`type_cast_helper`). Earlier versions also trim passwords.
    """
    escaped = escape(password, quote=False).replace('"', "&quot;")
    return escaped, escaped.strip(_PHP_SPACE), *as_typed(password)


def _by_libpass(module: str, name: str, length: int, **settings: str | int) -> Callable[[bytes], bytes]:
    """Return the function that computes the last *length* characters of a hash with these settings, with libpass."""

    def compute(password: bytes) -> bytes:
        handler: Any = getattr(import_module(f"passlib.handlers.{module}"), name)  # libpass has no types
        written: str = handler.using(**settings).hash(password)
        return written[-length:].encode("ascii")

    return compute
