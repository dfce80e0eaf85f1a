"""Hashes that systems store in several fields, in the notations of `gerbang.passwords.legacy`."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from gerbang_import.fields import Fields
from gerbang_import.systems.system import InvalidHash

_HEX_SALT_AND_KEY: Final = re.compile(r"([^:$]{8,128}):((?:[0-9a-fA-F]{2}){32,128})")


def decoded(text: str) -> bytes:
    """Return the bytes of base64 in the ordinary or the URL alphabet, padded or not.

    Raises:
        InvalidHash: it is not base64.
    """
    text = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidHash("is not base64") from None


def encoded(data: bytes) -> str:
    """Return bytes in base64 without padding."""
    return base64.b64encode(data).rstrip(b"=").decode()


def whole(text: str, what: str) -> int:
    """Return a number that a hash names.

    Raises:
        InvalidHash: it is not a number, or larger than any system's.
    """
    if not re.fullmatch(r"[1-9]\d{0,9}", text):
        raise InvalidHash(f"has no {what}")
    return int(text)


def pbkdf2(algorithm: str, *, iterations: str, salt: bytes, digest: bytes) -> str:
    """Return PBKDF2 in passlib's notation."""
    name = {"sha1": "pbkdf2", "sha256": "pbkdf2-sha256", "sha512": "pbkdf2-sha512"}.get(algorithm)
    if name is None:
        raise InvalidHash("is of an algorithm that is not read")
    parts = (encoded(part).replace("+", ".") for part in (salt, digest))
    return f"${name}${whole(iterations, 'number of iterations')}${'$'.join(parts)}"


def scrypt(*, n: int, r: int, p: int, salt: bytes, digest: bytes) -> str:
    """Return scrypt as a PHC string; *n* is the cost, a power of two."""
    if n < 2 or n & (n - 1):  # noqa: PLR2004 - the smallest power of two that scrypt takes (RFC 7914)
        raise InvalidHash("has a cost that is no power of two")
    return f"$scrypt$ln={n.bit_length() - 1},r={r},p={p}${encoded(salt)}${encoded(digest)}"


def phc(text: str) -> str:
    """Return a PHC string in the notations that are read: some systems write parameters differently.

    PBKDF2 as `$pbkdf2-sha256$i=100000,l=32$salt$digest`, scrypt with its cost in place of the cost's logarithm.
    """
    if (
        found := re.fullmatch(r"\$pbkdf2-(sha1|sha256|sha512)\$i=(\d+)(?:,l=\d+)?\$([^$]*)\$([^$]+)", text)
    ) is not None:
        return pbkdf2(found[1], iterations=found[2], salt=decoded(found[3]), digest=decoded(found[4]))
    if (found := re.fullmatch(r"\$scrypt\$ln=(\d{3,8}),r=(\d+),p=(\d+)\$([^$]*)\$([^$]+)", text)) is not None:
        n, r, p = (int(found[place]) for place in (1, 2, 3))
        return scrypt(n=n, r=r, p=p, salt=decoded(found[4]), digest=decoded(found[5]))
    return text


def hex_scrypt(text: str, *, r: int) -> str:
    """Return the scrypt of JavaScript's libraries, `salt:hexkey` with the salt as text, N = 16,384 and p = 1."""
    if (found := _HEX_SALT_AND_KEY.fullmatch(text)) is None:
        return text
    return scrypt(n=16_384, r=r, p=1, salt=found[1].encode(), digest=bytes.fromhex(found[2]))


def firebase_scrypt(digest: str, salt: str, config: Mapping[str, str]) -> str:
    """Return Firebase's scrypt with its project's parameters."""
    parameters = f"v=1,n={config['mem_cost']},r={config['rounds']},p=1"
    keys = f"ss={config['base64_salt_separator']},sk={config['base64_signer_key']}"
    return f"$fbscrypt${parameters},{keys}${salt}${digest}"


def auth0(custom: Fields) -> str:
    """Return Auth0's `custom_password_hash`.

    https://auth0.com/docs/manage-users/user-migration/bulk-user-import-database-schema-and-examples

    Raises:
        InvalidHash: its algorithm, encoding or way to salt is not supported.
    """
    algorithm = custom.text("algorithm").lower()
    value = custom.text("hash.value")
    if custom.text("password.encoding").lower() not in {"", "utf8", "utf-8"}:
        raise InvalidHash("was made of a password in another encoding than UTF-8")
    if algorithm in {"bcrypt", "argon2", "pbkdf2", "ldap"}:
        return phc(value)
    if algorithm == "scrypt":
        return _auth0_scrypt(custom)
    digest_hex = _of_encoding(value, custom.text("hash.encoding") or "base64").hex()
    if algorithm == "hmac":
        digest = custom.text("hash.digest").lower()
        key = _of_encoding(custom.text("hash.key.value"), custom.text("hash.key.encoding") or "utf8")
        return f"hmac-{digest}(hexsalt,password):{digest_hex}:{key.hex()}"
    if algorithm not in {"md5", "sha1", "sha256", "sha512"}:
        raise InvalidHash("is of an algorithm that is not read")
    salt = _of_encoding(custom.text("salt.value"), custom.text("salt.encoding") or "utf8")
    if not salt:
        return f"{algorithm}:{digest_hex}"
    joined = "password.hexsalt" if custom.text("salt.position") == "suffix" else "hexsalt.password"
    return f"{algorithm}({joined}):{digest_hex}:{salt.hex()}"


def _auth0_scrypt(custom: Fields) -> str:
    cost, block, lanes = (custom.text(name) or default for name, default in _AUTH0_SCRYPT)
    salt = _of_encoding(custom.text("salt.value"), custom.text("salt.encoding") or "utf8")
    digest = _of_encoding(custom.text("hash.value"), custom.text("hash.encoding") or "base64")
    return scrypt(n=whole(cost, "cost"), r=whole(block, "r"), p=whole(lanes, "p"), salt=salt, digest=digest)


_AUTH0_SCRYPT: Final = (("cost", "16384"), ("blockSize", "8"), ("parallelization", "1"))


def _of_encoding(text: str, encoding: str) -> bytes:
    if encoding == "utf8":
        return text.encode("utf-8", "surrogateescape")
    try:
        return bytes.fromhex(text) if encoding == "hex" else decoded(text)
    except ValueError:
        raise InvalidHash(f"is not {encoding}") from None
