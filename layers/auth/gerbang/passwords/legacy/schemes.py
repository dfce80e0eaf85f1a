"""Inherited hashes with their scheme in braces in front: LDAP servers, Dovecot, Spring Security.

`{bcrypt}`, `{CRYPT}` and similar schemes add nothing to the hash. The others have notations of their own.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gerbang.passwords.legacy.crypt_formats import read_des_crypt
from gerbang.passwords.legacy.derived_keys import pbkdf2, read_passlib_pbkdf2
from gerbang.passwords.legacy.formulas import DIGESTS_PER_ROUND, from_hex
from gerbang.passwords.legacy.inherited import (
    LegacyHash,
    MalformedLegacyHash,
    UnknownLegacyHash,
    from_base64,
    parts_of,
    with_blank_digest,
)
from gerbang.passwords.legacy.memory_hard_keys import read_scrypt
from gerbang.passwords.legacy.plain_digests import read_packed_digest

_CONTAINERS: Final = frozenset({
    "CRYPT", "BCRYPT", "BLF-CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "DES-CRYPT",
    "ARGON2", "ARGON2I", "ARGON2ID", "LDAP",
})  # fmt: skip
"""Schemes of hashes that say themselves what they are."""

_CLEAR_TEXT: Final = frozenset({"PLAIN", "CLEAR", "CLEARTEXT", "NOOP", "PLAIN-TRUNC"})

_SPRING_STRETCHES: Final = 1024  # `StandardPasswordEncoder`
_SPRING_STANDARD_DIGITS: Final = 80
_SPRING_PBKDF2: Final = {40: ("sha1", 185_000, 8), 48: ("sha256", 310_000, 16)}
"""Algorithm, iterations and bytes of salt of `Pbkdf2PasswordEncoder`, by the bytes of salt and key: up to Spring
Security 5.7, and since 5.8. A hash does not name them."""

type _Parse = Callable[[str], LegacyHash]


def read_scheme(text: str, parse: _Parse) -> LegacyHash:
    """Read a hash with its scheme in braces; *parse* reads the hash in a container.

    Raises:
        UnknownLegacyHash: the scheme is not known, or holds the password in clear text.
        MalformedLegacyHash: not a whole hash of its scheme.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    scheme, brace, rest = text.removeprefix("{").partition("}")
    name = scheme.upper().partition("@")[0]  # Spring: {pbkdf2@SpringSecurity_v5_8}
    if not brace or "$$" in scheme:
        raise UnknownLegacyHash("scheme", "its scheme is not known; docs/legacy-users.md lists those that are")
    if name in _CLEAR_TEXT:
        raise UnknownLegacyHash("scheme", "holds the password in clear text, which is not imported; hash it first")
    if name in _CONTAINERS or (name == "MD5" and rest.startswith("$1$")):
        return _contained(f"{{{scheme}}}", rest, name, parse)
    parsed = _read_by_name(name, rest)
    if parsed is None:
        return read_packed_digest(scheme, rest)
    return replace(parsed, blank=f"{{{scheme}}}{parsed.blank}")


def _contained(before: str, rest: str, name: str, parse: _Parse) -> LegacyHash:
    if rest.startswith("{") and name != "LDAP":
        raise MalformedLegacyHash("scheme", "has a scheme in a scheme")
    is_des = re.fullmatch(r"[./0-9A-Za-z]{13}", rest) is not None
    inner = read_des_crypt(rest) if is_des else parse(rest)
    return replace(inner, blank=f"{before}{inner.blank}")


def _read_by_name(name: str, rest: str) -> LegacyHash | None:
    """Return the hash of a scheme with a notation of its own, without the scheme in `blank`; None: it has none."""
    is_hex = re.fullmatch(r"[0-9A-Fa-f]+", rest) is not None
    parsed: LegacyHash | None = None
    match name:
        case "PBKDF2" if rest.startswith("$1$"):
            parsed = _dovecot_pbkdf2(rest)
        case "PBKDF2" if is_hex:
            parsed = _spring_pbkdf2(rest)
        case "PBKDF2" | "PBKDF2-SHA1" | "PBKDF2-SHA256" | "PBKDF2-SHA512":
            parsed = _openldap_pbkdf2(name, rest)
        case "PBKDF2_SHA256" | "PKCS5S2":
            parsed = _packed_pbkdf2(name, rest)
        case "SCRYPT":
            parsed = _spring_scrypt(rest)
        case "SHA256" if is_hex and len(rest) == _SPRING_STANDARD_DIGITS:
            parsed = _spring_standard(rest)
        case _:
            pass
    return parsed


def _dovecot_pbkdf2(rest: str) -> LegacyHash:
    """Read `$1$salt$rounds$hex`: PBKDF2-HMAC-SHA1 (Dovecot, `auth/password-scheme-pbkdf2.c`)."""
    name = "dovecot-pbkdf2"
    parts = parts_of(name, r"\$1\$([^$]+)\$([1-9][0-9]{0,9})\$([0-9a-f]{40})", rest)
    digest, blank = from_hex(name, parts[3]), with_blank_digest(rest, parts[3], "0")
    return pbkdf2(name, algorithm="sha1", iterations=int(parts[2]), salt=parts[1].encode(), digest=digest, blank=blank)


def _openldap_pbkdf2(name: str, rest: str) -> LegacyHash:
    """Read `iterations$salt$digest` in passlib's base64 (OpenLDAP, `contrib/slapd-modules/passwd/pbkdf2`)."""
    algorithm = name.removeprefix("PBKDF2").removeprefix("-").lower() or "sha1"
    parsed = read_passlib_pbkdf2(f"$pbkdf2-{algorithm}${rest}")
    return replace(parsed, format="ldap-pbkdf2", blank=parsed.blank.removeprefix(f"$pbkdf2-{algorithm}$"))


def _packed_pbkdf2(name: str, rest: str) -> LegacyHash:
    """Read base64 of salt and key: 389 Directory Server, which has the iterations before them, and Atlassian's."""
    label = "ldap-pbkdf2" if name == "PBKDF2_SHA256" else "atlassian-pbkdf2"
    packed = from_base64(label, rest)
    if name == "PBKDF2_SHA256":  # 389-ds-base, `pbkdf2_pwd.c`: 4 bytes, 64 of salt, 256 of key
        algorithm, iterations, start, end = "sha256", int.from_bytes(packed[:4], "big"), 4, 68
    else:  # atlassian-crowd, `DefaultPasswordEncoder`
        algorithm, iterations, start, end = "sha1", 10_000, 0, 16
    if iterations == 0:
        raise MalformedLegacyHash(label, "has no iterations")
    return pbkdf2(
        label,
        algorithm=algorithm,
        iterations=iterations,
        salt=packed[start:end],
        digest=packed[end:],
        blank=b64encode(packed[:end] + bytes(len(packed[end:]))).decode("ascii"),
    )


def _spring_pbkdf2(rest: str) -> LegacyHash:
    """Read hexadecimal of salt and key: `Pbkdf2PasswordEncoder` with the settings of its version, and no secret."""
    name = "spring-pbkdf2"
    packed = from_hex(name, rest)
    if len(packed) not in _SPRING_PBKDF2:
        raise MalformedLegacyHash(name, "is not 8 or 16 bytes of salt and 32 of key")
    algorithm, iterations, length = _SPRING_PBKDF2[len(packed)]
    salt, digest = packed[:length], packed[length:]
    blank = (salt + bytes(len(digest))).hex()
    return pbkdf2(name, algorithm=algorithm, iterations=iterations, salt=salt, digest=digest, blank=blank)


def _spring_scrypt(rest: str) -> LegacyHash:
    """Read `$e0801$salt$digest`: the logarithm of N, then r and p in two digits each (`SCryptPasswordEncoder`)."""
    base64 = r"([A-Za-z0-9+/]+={0,2})"
    parts = parts_of("spring-scrypt", rf"\$([0-9a-f]{{1,2}})([0-9a-f]{{2}})([0-9a-f]{{2}})\${base64}\${base64}", rest)
    logarithm, r, p = (int(parts[place], 16) for place in (1, 2, 3))
    salt = parts[4].rstrip("=")
    parsed = read_scrypt(f"$scrypt$ln={logarithm},r={r},p={p}${salt}${parts[5]}")
    return replace(parsed, format="spring-scrypt", blank=with_blank_digest(rest, parts[5], "A"))


def _spring_standard(rest: str) -> LegacyHash:
    """Read hexadecimal of 8 bytes of salt and SHA-256, 1,024 times over (`StandardPasswordEncoder`)."""
    packed = from_hex("spring-sha256", rest)
    salt, digest = packed[:8], packed[8:]

    def compute(password: bytes) -> bytes:
        result = salt + password
        for _ in range(_SPRING_STRETCHES):
            result = hashlib.sha256(result).digest()
        return result

    return LegacyHash(
        format="spring-sha256",
        digest=digest,
        blank=(salt + bytes(len(digest))).hex(),
        compute=compute,
        rounds=_SPRING_STRETCHES // DIGESTS_PER_ROUND,
    )
