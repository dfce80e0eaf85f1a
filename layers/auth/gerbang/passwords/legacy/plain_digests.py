"""Inherited hashes that are one or a few plain MD5, SHA-1 or SHA-2 digests, in the notations of the systems themselves.

`formulas` reads those that do not say how they were made.
"""

import hashlib
import hmac
import re
from base64 import b64encode

from gerbang.passwords.legacy.formulas import ALGORITHMS, from_hex, read_formula
from gerbang.passwords.legacy.inherited import LegacyHash, MalformedLegacyHash, UnknownLegacyHash, from_base64

_BARE_DIGESTS = re.compile(r"[0-9A-Fa-f]{16,}")


def reject_bare_digest(text: str) -> None:
    """Reject hexadecimal, alone or with a salt after a colon: it does not say how it was made, and we do not guess.

    Raises:
        UnknownLegacyHash: *text* is such a digest; the reason says what to write.
    """
    digest, colon, rest = text.partition(":")
    if not _BARE_DIGESTS.fullmatch(digest):
        return
    if not colon:
        by_length = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
        likely = by_length.get(len(digest), "sha256")
        reason = f"is bare hexadecimal; write {likely}: before it if it is of the password alone, otherwise a formula"
        raise UnknownLegacyHash("digest", f"{reason} such as {likely}(salt.password):HEX:SALT, or import with DIGEST=")
    if re.fullmatch(r"[0-9a-f]{128}", rest):
        raise UnknownLegacyHash("digest", "is a salt and a key; import with DIGEST=better-auth or DIGEST=lucia")
    raise UnknownLegacyHash(
        "digest",
        "does not say how salt and password were joined; write md5(password.salt): or the like before it, "
        "or import with DIGEST=",
    )


def read_salted_digest(text: str) -> LegacyHash:
    """Read `sha1$salt$hex` and similar: of salt and password by Django, an HMAC with the salt as key by Werkzeug.

    Django wrote `md5$` and `sha1$` up to 4.2 (`SHA1PasswordHasher`), Werkzeug those and `sha256$` and others up to 2.2
    (`_hash_internal`). The first two cannot be distinguished, so both are tried.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
    """
    algorithm, _, rest = text.partition("$")
    salt_text, _, hex_digest = rest.rpartition("$")
    is_of_both = algorithm in {"md5", "sha1"}
    name = f"salted-{algorithm}" if is_of_both else f"werkzeug-{algorithm}"
    digest, salt = from_hex(name, hex_digest), salt_text.encode()
    if len(digest) != hashlib.new(algorithm).digest_size or "$" in salt_text:
        raise MalformedLegacyHash(name, f"is not {algorithm}$, a salt, $ and a digest in hexadecimal")

    def compute_as_django(password: bytes) -> bytes:
        return hashlib.new(algorithm, salt + password).digest()

    def compute_as_werkzeug(password: bytes) -> bytes:
        return hmac.digest(salt, password, algorithm)

    return LegacyHash(
        format=name,
        digest=digest,
        blank=f"{algorithm}${salt_text}${'0' * len(hex_digest)}",
        compute=compute_as_werkzeug,
        compute_otherwise=compute_as_django if is_of_both else None,
        rounds=1,
    )


def read_mysql(text: str) -> LegacyHash:
    """Read `*HEX`: what PASSWORD() of MySQL 4.1 to 5.7 and MariaDB writes, SHA-1 of the bytes of SHA-1.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
    """
    formula = read_formula(f"sha1(raw-sha1(password)):{text.removeprefix('*')}")
    return LegacyHash(
        format="mysql", digest=formula.digest, blank=f"*{'0' * 40}", compute=formula.compute, rounds=formula.rounds
    )


def read_packed_digest(scheme: str, encoded: str) -> LegacyHash:
    """Read the text after `{SSHA}` and similar schemes: base64, or hexadecimal, of a digest, then salt (RFC 2307).

    Spring's `MessageDigestPasswordEncoder` writes its salt first, in braces that belong to the salt.

    Raises:
        UnknownLegacyHash: there is no such scheme.
        MalformedLegacyHash: not a whole hash of this kind.
    """
    base = scheme.upper().partition(".")[0].removeprefix("LDAP-").removeprefix("PLAIN-").replace("SHA-", "SHA")
    is_salted = base.startswith(("SS", "SM"))
    algorithm = {"SHA": "sha1"}.get(bare := base[1:] if is_salted else base, bare.lower())
    if algorithm not in ALGORITHMS:
        raise UnknownLegacyHash("scheme", "its scheme is not known; docs/legacy-users.md lists those that are")
    name, length = f"ldap-{base.lower()}", hashlib.new(algorithm).digest_size
    if encoded.startswith("{"):
        return _read_message_digest(scheme, algorithm, encoded)
    is_hex = (len(encoded) == 2 * length and re.fullmatch(r"[0-9A-Fa-f]+", encoded)) or scheme.upper().endswith(".HEX")
    packed = from_hex(name, encoded) if is_hex else from_base64(name, encoded)
    digest, salt = packed[:length], packed[length:]
    if len(digest) != length or bool(salt) != is_salted:
        raise MalformedLegacyHash(name, "does not hold a digest and, in the salted schemes only, a salt")

    def compute(password: bytes) -> bytes:
        return hashlib.new(algorithm, password + salt).digest()

    blank = bytes(length) + salt
    written = blank.hex() if is_hex else b64encode(blank).decode("ascii")
    return LegacyHash(format=name, digest=digest, blank=f"{{{scheme}}}{written}", compute=compute, rounds=1)


def _read_message_digest(scheme: str, algorithm: str, encoded: str) -> LegacyHash:
    salt, brace, hex_digest = encoded.partition("}")
    formula = read_formula(f"{algorithm}(password.salt):{hex_digest}:{salt}{brace}")
    return LegacyHash(
        format=f"spring-{algorithm}",
        digest=formula.digest,
        blank=f"{{{scheme}}}{salt}{brace}{'0' * len(hex_digest)}",
        compute=formula.compute,
        rounds=formula.rounds,
    )
