"""Inherited hashes that are keys derived by PBKDF2, in all their notations.

One function computes them. Its readers differ in the notation only.
"""

import hashlib
from base64 import b64encode
from typing import Final

from gerbang.passwords.legacy.inherited import (
    LegacyHash,
    MalformedLegacyHash,
    from_base64,
    parts_of,
    require_sound_key,
    with_blank_digest,
)

_PER_ROUND: Final = {"sha1": 200, "sha256": 200, "sha512": 85}
"""How many HMACs of each took as long as one round of bcrypt (CPython 3.13 with OpenSSL 3, x86_64)."""

_NUMBER: Final = r"([1-9][0-9]{0,9})"
_BASE64: Final = r"([A-Za-z0-9+/]+={0,2})"


def read_django_pbkdf2(text: str) -> LegacyHash:
    """Read `pbkdf2_sha256$iterations$salt$base64` or `pbkdf2_sha1$…`, as Django writes them.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work than a sign-in may do: some 3.2 million iterations.
    """
    name = "django-pbkdf2-" + text.removeprefix("pbkdf2_").partition("$")[0]
    parts = parts_of(name, rf"pbkdf2_(sha1|sha256)\${_NUMBER}\$([^$]*)\${_BASE64}", text)
    return pbkdf2(
        name,
        algorithm=parts[1],
        iterations=int(parts[2]),
        salt=parts[3].encode(),
        digest=from_base64(name, parts[4]),
        blank=with_blank_digest(text, parts[4], "A"),
    )


def read_werkzeug_pbkdf2(text: str) -> LegacyHash:
    """Read `pbkdf2:sha256:iterations$salt$hex` (or sha1, sha512), as Werkzeug and Flask write it.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind, or one without iterations, whose default has changed often.
        HostileLegacyHash: more work than a sign-in may do.
    """
    name = "werkzeug-pbkdf2"
    parts = parts_of(name, rf"pbkdf2:(sha1|sha256|sha512):{_NUMBER}\$([^$]*)\$((?:[0-9a-f]{{2}})+)", text)
    return pbkdf2(
        name,
        algorithm=parts[1],
        iterations=int(parts[2]),
        salt=parts[3].encode(),
        digest=bytes.fromhex(parts[4]),
        blank=with_blank_digest(text, parts[4], "0"),
    )


def read_passlib_pbkdf2(text: str) -> LegacyHash:
    """Read `$pbkdf2-sha256$iterations$salt$digest` (`$pbkdf2$` is SHA-1), in passlib's own base64.

    Ory Kratos writes the same with `i=iterations,l=length` and ordinary base64.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work than a sign-in may do.
    """
    name = "passlib-pbkdf2"
    parts = parts_of(
        name,
        rf"\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?{_NUMBER}(?:,l=[0-9]+)?\$([+./A-Za-z0-9]*)\$([+./A-Za-z0-9]+)",
        text,
    )
    return pbkdf2(
        name,
        algorithm=parts[1] or "sha1",
        iterations=int(parts[2]),
        salt=from_base64(name, parts[3].replace(".", "+")),
        digest=from_base64(name, parts[4].replace(".", "+")),
        blank=with_blank_digest(text, parts[4], "A"),
    )


def read_aspnet_identity(text: str) -> LegacyHash:
    """Read the base64 that ASP.NET Identity writes: version 2 (PBKDF2-SHA1, 1,000 rounds) and 3 (says what it is).

    Layouts: https://github.com/dotnet/aspnetcore, `src/Identity/Extensions.Core/src/PasswordHasher.cs`.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work than a sign-in may do.
    """
    packed = from_base64("aspnet-identity", text)
    if packed[:1] == b"\0":
        return _aspnet_identity_2(packed)
    return _aspnet_identity_3(packed)


def _aspnet_identity_2(packed: bytes) -> LegacyHash:
    name = "aspnet-identity-2"
    salt, digest = packed[1:17], packed[17:]
    if len(digest) != 32:  # noqa: PLR2004 - version 2 always derives 256 bits
        raise MalformedLegacyHash(name, "is not a 0 byte, 16 bytes of salt and 32 of digest")
    return pbkdf2(
        name, algorithm="sha1", iterations=1000, salt=salt, digest=digest, blank=_packed_blank(packed, digest)
    )


def _aspnet_identity_3(packed: bytes) -> LegacyHash:
    name = "aspnet-identity-3"
    algorithm = {0: "sha1", 1: "sha256", 2: "sha512"}.get(int.from_bytes(packed[1:5], "big"))
    iterations, salt_length = int.from_bytes(packed[5:9], "big"), int.from_bytes(packed[9:13], "big")
    salt, digest = packed[13 : 13 + salt_length], packed[13 + salt_length :]
    if packed[:1] != b"\1" or algorithm is None or iterations == 0 or len(salt) != salt_length:
        raise MalformedLegacyHash(name, "is not a 1 byte, a known function, iterations, a salt and a digest")
    return pbkdf2(
        name,
        algorithm=algorithm,
        iterations=iterations,
        salt=salt,
        digest=digest,
        blank=_packed_blank(packed, digest),
    )


def pbkdf2(name: str, *, algorithm: str, iterations: int, salt: bytes, digest: bytes, blank: str) -> LegacyHash:
    """Return a hash of these parts. Of a longer key, only the first block is compared, which is as long as a digest.

    Each block takes all the iterations; passport-local-mongoose derives 16 of them.

    Raises:
        MalformedLegacyHash: the key was cut off.
        HostileLegacyHash: more work than a sign-in may do.
    """
    require_sound_key(name, digest)
    digest = digest[: hashlib.new(algorithm).digest_size]
    length = len(digest)

    def compute(password: bytes) -> bytes:
        return hashlib.pbkdf2_hmac(algorithm, password, salt, iterations, length)

    return LegacyHash(
        format=name,
        digest=digest,
        blank=blank,
        compute=compute,
        rounds=iterations // _PER_ROUND[algorithm],
    )


def _packed_blank(packed: bytes, digest: bytes) -> str:
    return b64encode(packed.removesuffix(digest) + bytes(len(digest))).decode("ascii")
