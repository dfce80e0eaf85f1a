"""Inherited hashes that are keys derived by scrypt or Argon2, in all their notations.

One function computes each. Its readers differ in the notation only.
"""

import hashlib
from typing import Final

from gerbang.passwords.legacy.inherited import (
    HostileLegacyHash,
    LegacyHash,
    MalformedLegacyHash,
    from_base64,
    parts_of,
    require_memory,
    require_sound_key,
    with_blank_digest,
)

_LEAST_ARGON2_SALT_BYTES: Final = 8  # RFC 9106, section 3.1
_MOST_ARGON2_LANES: Final = 64
"""RFC 9106, section 4, sets 4 lanes. Many more lanes take time that memory and passes do not account for."""

_FIREBASE_KEY_BYTES: Final = 64
_FIRST_N: Final = 1000
"""From here on, `ln` is N itself."""

# How much of each took as long as one round of bcrypt (CPython 3.13 with OpenSSL 3, cryptography 50, x86_64).
_SCRYPT_PER_ROUND: Final = 150  # (N + 16) x r x p; the 16 for filling and reading out B
_ARGON2_KIB_PER_ROUND: Final = 55  # memory x passes

_NUMBER: Final = r"([1-9][0-9]{0,9})"
_BASE64: Final = r"([A-Za-z0-9+/]+={0,2})"


def read_django_scrypt(text: str) -> LegacyHash:
    """Read `scrypt$N$salt$r$p$base64`, as Django writes it.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    name = "django-scrypt"
    parts = parts_of(name, rf"scrypt\${_NUMBER}\$([^$]*)\${_NUMBER}\${_NUMBER}\${_BASE64}", text)
    return _scrypt(
        name,
        n=int(parts[1]),
        r=int(parts[3]),
        p=int(parts[4]),
        salt=parts[2].encode(),
        digest=from_base64(name, parts[5]),
        blank=with_blank_digest(text, parts[5], "A"),
    )


def read_werkzeug_scrypt(text: str) -> LegacyHash:
    """Read `scrypt:N:r:p$salt$hex`, as Werkzeug and Flask write it since 2.3.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    name = "werkzeug-scrypt"
    parts = parts_of(name, rf"scrypt:{_NUMBER}:{_NUMBER}:{_NUMBER}\$([^$]*)\$((?:[0-9a-f]{{2}})+)", text)
    return _scrypt(
        name,
        n=int(parts[1]),
        r=int(parts[2]),
        p=int(parts[3]),
        salt=parts[4].encode(),
        digest=bytes.fromhex(parts[5]),
        blank=with_blank_digest(text, parts[5], "0"),
    )


def read_lucia(text: str) -> LegacyHash:
    """Read `s2:salt:hex`, as Lucia 2 and its `LegacyScrypt` write it: N 16384, r 16, p 1, and the salt as text.

    Lucia's `Scrypt` and Better Auth write `salt:hex`, which does not say what it is; an import adds `s2:`.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
    """
    parts = parts_of("lucia", r"s2:([0-9A-Za-z]+):([0-9a-f]{128})", text)
    return _scrypt(
        "lucia",
        n=16_384,
        r=16,
        p=1,
        salt=parts[1].encode(),
        digest=bytes.fromhex(parts[2]),
        blank=with_blank_digest(text, parts[2], "0"),
    )


def read_scrypt(text: str) -> LegacyHash:
    """Read `$scrypt$ln=16,r=8,p=1$salt$digest`, the PHC string that passlib and others write.

    Ory Kratos writes N itself as `ln`, such as 16384, which cannot be a logarithm.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    name = "scrypt"
    parts = parts_of(name, rf"\$scrypt\$ln={_NUMBER},r={_NUMBER},p={_NUMBER}\$([A-Za-z0-9+/]*)\${_BASE64}", text)
    return _scrypt(
        name,
        n=1 << logarithm if (logarithm := int(parts[1])) < _FIRST_N else logarithm,
        r=int(parts[2]),
        p=int(parts[3]),
        salt=from_base64(name, parts[4]),
        digest=from_base64(name, parts[5]),
        blank=with_blank_digest(text, parts[5], "A"),
    )


def read_firebase_scrypt(text: str) -> LegacyHash:
    """Read `$fbscrypt$v=1,n=14,r=8,p=1,ss=SEPARATOR,sk=SIGNER_KEY$salt$digest`: Firebase Authentication.

    Supabase Auth imports the same notation. n is the project's `mem_cost`, r its `rounds`, ss its
    `base64_salt_separator`, sk its `base64_signer_key`; salt and digest are a user's `passwordSalt` and `passwordHash`
    from `firebase auth:export`. Base64 may be of the ordinary or of the URL alphabet.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more work or memory than a sign-in may use.
    """
    name = "firebase-scrypt"
    field = r"([A-Za-z0-9+/_-]*={0,2})"
    parts = parts_of(
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
        blank=with_blank_digest(text, parts[7], "A"),
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
    pattern = r"\$argon2(id|i|d)\$v=19\$((?:[mtp]=[1-9][0-9]{0,9},?){3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+={0,2})"
    parts = parts_of(name, pattern, text)
    numbers = {
        each[0]: int(each[2:]) for each in parts[2].split(",") if each
    }  # in any order: npm's argon2 writes m,p,t
    if set(numbers) != {"m", "t", "p"}:
        raise MalformedLegacyHash(name, "does not have each of m, t and p once")
    kind, memory_kib, passes, lanes = parts[1], numbers["m"], numbers["t"], numbers["p"]
    salt, digest = from_base64(name, parts[3]), from_base64(name, parts[4])
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
        blank=before + with_blank_digest(text, parts[4], "A"),
        compute=compute,
        rounds=memory_kib * passes // _ARGON2_KIB_PER_ROUND,
    )
