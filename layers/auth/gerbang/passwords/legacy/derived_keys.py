"""Inherited hashes that are derived keys: PBKDF2, scrypt and Argon2, in every notation they are written down in.

One function computes each; the readers below it differ in punctuation only.
"""

import hashlib
import re
from base64 import b64encode
from typing import Final

from gerbang.passwords.legacy.inherited import (
    HostileLegacyHash,
    LegacyHash,
    MalformedLegacyHash,
    from_base64,
    require_memory,
    require_sound_key,
)

_LEAST_ARGON2_SALT_BYTES: Final = 8  # RFC 9106, section 3.1
_MOST_ARGON2_LANES: Final = 64
"""RFC 9106, section 4, sets 4 lanes; a thousand times as many take time that memory and passes do not show."""

_FIREBASE_KEY_BYTES: Final = 64

# How much of each took as long as one round of bcrypt (CPython 3.13 with OpenSSL 3, cryptography 50, x86_64).
_PBKDF2_PER_ROUND: Final = {"sha1": 200, "sha256": 200, "sha512": 85}  # HMACs, two hashes each
_SCRYPT_PER_ROUND: Final = 150  # (N + 16) x r x p; the 16 for filling and reading out B
_ARGON2_KIB_PER_ROUND: Final = 55  # memory x passes

_NUMBER: Final = r"([1-9][0-9]{0,9})"
_BASE64: Final = r"([A-Za-z0-9+/]+={0,2})"


def read_django_pbkdf2(text: str) -> LegacyHash:
    """Read `pbkdf2_sha256$iterations$salt$base64` or `pbkdf2_sha1$…`, as Django writes them.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work than a sign-in may do: some 3.2 million iterations.
    """
    name = "django-pbkdf2-" + text.removeprefix("pbkdf2_").partition("$")[0]
    parts = _parts(name, rf"pbkdf2_(sha1|sha256)\${_NUMBER}\$([^$]*)\${_BASE64}", text)
    return _pbkdf2(
        name,
        algorithm=parts[1],
        iterations=int(parts[2]),
        salt=parts[3].encode(),
        digest=from_base64(name, parts[4]),
        blank=_blanked(text, parts[4]),
    )


def read_werkzeug_pbkdf2(text: str) -> LegacyHash:
    """Read `pbkdf2:sha256:iterations$salt$hex` (or sha1, sha512), as Werkzeug and Flask write it.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind, or one without iterations, whose default has changed often.
        HostileLegacyHash: more work than a sign-in may do.
    """
    name = "werkzeug-pbkdf2"
    parts = _parts(name, rf"pbkdf2:(sha1|sha256|sha512):{_NUMBER}\$([^$]*)\$((?:[0-9a-f]{{2}})+)", text)
    return _pbkdf2(
        name,
        algorithm=parts[1],
        iterations=int(parts[2]),
        salt=parts[3].encode(),
        digest=bytes.fromhex(parts[4]),
        blank=_blanked(text, parts[4], filler="0"),
    )


def read_passlib_pbkdf2(text: str) -> LegacyHash:
    """Read `$pbkdf2-sha256$iterations$salt$digest` (`$pbkdf2$` is SHA-1), in passlib's own base64.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work than a sign-in may do.
    """
    name = "passlib-pbkdf2"
    parts = _parts(name, rf"\$pbkdf2(?:-(sha1|sha256|sha512))?\${_NUMBER}\$([./A-Za-z0-9]*)\$([./A-Za-z0-9]+)", text)
    return _pbkdf2(
        name,
        algorithm=parts[1] or "sha1",
        iterations=int(parts[2]),
        salt=from_base64(name, parts[3].replace(".", "+")),
        digest=from_base64(name, parts[4].replace(".", "+")),
        blank=_blanked(text, parts[4]),
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


def read_django_scrypt(text: str) -> LegacyHash:
    """Read `scrypt$N$salt$r$p$base64`, as Django writes it.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    name = "django-scrypt"
    parts = _parts(name, rf"scrypt\${_NUMBER}\$([^$]*)\${_NUMBER}\${_NUMBER}\${_BASE64}", text)
    return _scrypt(
        name,
        n=int(parts[1]),
        r=int(parts[3]),
        p=int(parts[4]),
        salt=parts[2].encode(),
        digest=from_base64(name, parts[5]),
        blank=_blanked(text, parts[5]),
    )


def read_werkzeug_scrypt(text: str) -> LegacyHash:
    """Read `scrypt:N:r:p$salt$hex`, as Werkzeug and Flask write it since 2.3.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    name = "werkzeug-scrypt"
    parts = _parts(name, rf"scrypt:{_NUMBER}:{_NUMBER}:{_NUMBER}\$([^$]*)\$((?:[0-9a-f]{{2}})+)", text)
    return _scrypt(
        name,
        n=int(parts[1]),
        r=int(parts[2]),
        p=int(parts[3]),
        salt=parts[4].encode(),
        digest=bytes.fromhex(parts[5]),
        blank=_blanked(text, parts[5], filler="0"),
    )


def read_scrypt(text: str) -> LegacyHash:
    """Read `$scrypt$ln=16,r=8,p=1$salt$digest`, the PHC string that passlib and others write.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    name = "scrypt"
    parts = _parts(name, rf"\$scrypt\$ln=([1-9][0-9]?),r={_NUMBER},p={_NUMBER}\$([A-Za-z0-9+/]*)\${_BASE64}", text)
    return _scrypt(
        name,
        n=1 << int(parts[1]),
        r=int(parts[2]),
        p=int(parts[3]),
        salt=from_base64(name, parts[4]),
        digest=from_base64(name, parts[5]),
        blank=_blanked(text, parts[5]),
    )


def read_firebase_scrypt(text: str) -> LegacyHash:
    """Read `$fbscrypt$v=1,n=14,r=8,p=1,ss=SEPARATOR,sk=SIGNER_KEY$salt$digest`: Firebase Authentication.

    It is the notation that Supabase Auth imports too. n is the project's `mem_cost`, r its `rounds`, ss its
    `base64_salt_separator`, sk its `base64_signer_key`; salt and digest are a user's `passwordSalt` and `passwordHash`
    from `firebase auth:export`. Base64 may be of the ordinary or of the URL alphabet.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    name = "firebase-scrypt"
    field = r"([A-Za-z0-9+/_-]*={0,2})"
    parts = _parts(
        name, rf"\$fbscrypt\$v=1,n=([1-9][0-9]?),r={_NUMBER},p={_NUMBER},ss={field},sk={field}\${field}\${field}", text
    )
    separator, signer_key, salt, digest = (from_base64(name, parts[place]) for place in range(4, 8))
    if len(digest) != len(signer_key):
        raise MalformedLegacyHash(name, "its digest must be as long as the signer key")
    n, r, p = 1 << int(parts[1]), int(parts[2]), int(parts[3])
    require_sound_key(name, digest)
    _require_sound_scrypt(name, n=n, r=r, p=p)

    def compute(password: bytes) -> bytes:
        # Firebase derives a key from the password and encrypts the project's signer key with it.
        # (https://github.com/firebase/scrypt)
        from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415 - few deployments ever need it
        from cryptography.hazmat.primitives.ciphers.algorithms import AES256  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.modes import CTR  # noqa: PLC0415

        key = _derive_scrypt(password, salt=salt + separator, n=n, r=r, p=p, length=_FIREBASE_KEY_BYTES)
        encryptor = Cipher(AES256(key[:32]), CTR(bytes(16))).encryptor()
        return encryptor.update(signer_key) + encryptor.finalize()

    return LegacyHash(
        format=name,
        digest=digest,
        blank=_blanked(text, parts[7]),
        compute=compute,
        rounds=_scrypt_rounds(n, r, p),
    )


def read_argon2(text: str) -> LegacyHash:
    """Read `$argon2id$v=19$m=65536,t=4,p=1$salt$digest` (or argon2i, argon2d): the PHC string all libraries write.

    Raises:
        MalformedLegacyHash: not a whole hash of version 1.3 (19); version 1.0 gave way to it in March 2016.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    return _argon2("argon2", before="", text=text)


def read_django_argon2(text: str) -> LegacyHash:
    """Read `argon2$argon2id$…`, as Django writes it.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    return _argon2("django-argon2", before="argon2", text=text.removeprefix("argon2"))


def _aspnet_identity_2(packed: bytes) -> LegacyHash:
    name = "aspnet-identity-2"
    salt, digest = packed[1:17], packed[17:]
    if len(digest) != 32:  # noqa: PLR2004 - version 2 always derives 256 bits
        raise MalformedLegacyHash(name, "is not a 0 byte, 16 bytes of salt and 32 of digest")
    return _pbkdf2(
        name, algorithm="sha1", iterations=1000, salt=salt, digest=digest, blank=_packed_blank(packed, digest)
    )


def _aspnet_identity_3(packed: bytes) -> LegacyHash:
    name = "aspnet-identity-3"
    algorithm = {0: "sha1", 1: "sha256", 2: "sha512"}.get(int.from_bytes(packed[1:5], "big"))
    iterations, salt_length = int.from_bytes(packed[5:9], "big"), int.from_bytes(packed[9:13], "big")
    salt, digest = packed[13 : 13 + salt_length], packed[13 + salt_length :]
    if packed[:1] != b"\1" or algorithm is None or iterations == 0 or len(salt) != salt_length:
        raise MalformedLegacyHash(name, "is not a 1 byte, a known function, iterations, a salt and a digest")
    return _pbkdf2(
        name,
        algorithm=algorithm,
        iterations=iterations,
        salt=salt,
        digest=digest,
        blank=_packed_blank(packed, digest),
    )


def _pbkdf2(name: str, *, algorithm: str, iterations: int, salt: bytes, digest: bytes, blank: str) -> LegacyHash:
    require_sound_key(name, digest)
    length = len(digest)
    blocks = -(-length // hashlib.new(algorithm).digest_size)  # each block takes all the iterations

    def compute(password: bytes) -> bytes:
        return hashlib.pbkdf2_hmac(algorithm, password, salt, iterations, length)

    return LegacyHash(
        format=name,
        digest=digest,
        blank=blank,
        compute=compute,
        rounds=iterations * blocks // _PBKDF2_PER_ROUND[algorithm],
    )


def _scrypt(name: str, *, n: int, r: int, p: int, salt: bytes, digest: bytes, blank: str) -> LegacyHash:
    require_sound_key(name, digest)
    _require_sound_scrypt(name, n=n, r=r, p=p)
    length = len(digest)

    def compute(password: bytes) -> bytes:
        return _derive_scrypt(password, salt=salt, n=n, r=r, p=p, length=length)

    return LegacyHash(format=name, digest=digest, blank=blank, compute=compute, rounds=_scrypt_rounds(n, r, p))


def _derive_scrypt(password: bytes, *, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=2 * _scrypt_memory(n, r, p), dklen=length)


def _require_sound_scrypt(name: str, *, n: int, r: int, p: int) -> None:
    if n < 2 or n & (n - 1) or n.bit_length() > 16 * r:  # noqa: PLR2004 - the bounds of RFC 7914, section 2
        raise MalformedLegacyHash(name, "its N is not a power of two below 2^(16 r)")
    require_memory(name, _scrypt_memory(n, r, p))


def _scrypt_rounds(n: int, r: int, p: int) -> int:
    return (n + 16) * r * p // _SCRYPT_PER_ROUND


def _scrypt_memory(n: int, r: int, p: int) -> int:
    return 128 * r * (n + p)  # RFC 7914, sections 5 and 6: the bytes of V and of B


def _argon2(name: str, *, before: str, text: str) -> LegacyHash:
    pattern = rf"\$argon2(id|i|d)\$v=19\$m={_NUMBER},t={_NUMBER},p={_NUMBER}\$([A-Za-z0-9+/]+)\${_BASE64}"
    parts = _parts(name, pattern, text)
    kind, memory_kib, passes, lanes = parts[1], int(parts[2]), int(parts[3]), int(parts[4])
    salt, digest = from_base64(name, parts[5]), from_base64(name, parts[6])
    require_sound_key(name, digest)
    if len(salt) < _LEAST_ARGON2_SALT_BYTES or memory_kib < 8 * lanes:
        raise MalformedLegacyHash(name, "has less than 8 bytes of salt or 8 KiB a lane (RFC 9106, section 3.1)")
    require_memory(name, 1024 * memory_kib)
    if lanes > _MOST_ARGON2_LANES:
        raise HostileLegacyHash(name, f"has more than {_MOST_ARGON2_LANES} lanes")

    def compute(password: bytes) -> bytes:
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2d, Argon2i, Argon2id  # noqa: PLC0415 - as above

        kinds: dict[str, type[Argon2d | Argon2i | Argon2id]] = {"d": Argon2d, "i": Argon2i, "id": Argon2id}
        argon2 = kinds[kind](salt=salt, length=len(digest), iterations=passes, lanes=lanes, memory_cost=memory_kib)
        return argon2.derive(password)

    return LegacyHash(
        format=name,
        digest=digest,
        blank=before + _blanked(text, parts[6]),
        compute=compute,
        rounds=memory_kib * passes // _ARGON2_KIB_PER_ROUND,
    )


def _parts(name: str, pattern: str, text: str) -> re.Match[str]:
    parts = re.fullmatch(pattern, text)
    if parts is None:
        raise MalformedLegacyHash(name, "does not have the parts of such a hash, each with values that it allows")
    return parts


def _blanked(text: str, digest: str, filler: str = "A") -> str:
    padding = len(digest) - len(digest.rstrip("="))
    return text.removesuffix(digest) + filler * (len(digest) - padding) + "=" * padding


def _packed_blank(packed: bytes, digest: bytes) -> str:
    return b64encode(packed.removesuffix(digest) + bytes(len(digest))).decode("ascii")
