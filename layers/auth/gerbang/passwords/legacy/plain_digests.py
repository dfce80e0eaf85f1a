"""Inherited hashes that are one or a few plain MD5, SHA-1 or SHA-2 digests, salted or not.

A bare digest does not say how salt and password were joined, so an import file says it, in a notation of ours that
reads like the line of PHP that made it:

    md5:5f4dcc3b5aa765d61d8327deb882cf99                 of the password alone; also sha1:, sha256:, sha512:
    md5(password.salt):HEX:SALT                          PHP's md5($password . $salt)
    sha256(salt.password):HEX:SALT
    sha1(salt.sha1(salt.sha1(password))):HEX:SALT        inner digests enter as lower-case hexadecimal, as in PHP
    sha512(hexsalt.password):HEX:SALT_IN_HEX             the salt's bytes, written in hexadecimal
    hmac-sha256(salt,password):HEX:SALT                  an HMAC: its key, then its message

The salt is whatever follows the second colon, colons and spaces included. 32, 40, 64 or 128 hexadecimal digits alone
are taken for MD5, SHA-1, SHA-256 or SHA-512 of the password.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gerbang.passwords.legacy.inherited import LegacyHash, MalformedLegacyHash, UnknownLegacyHash

_ALGORITHM_BY_HEX_LENGTH: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_MOST_CALLS: Final = 8
"""More digests in one formula than any system is known to nest."""

type _Term = Callable[[bytes, bytes], bytes]
"""Returns a part of a formula's text, given password and salt."""


def read_bare_digest(text: str) -> LegacyHash:
    """Read 32, 40, 64 or 128 hexadecimal digits: MD5, SHA-1, SHA-256 or SHA-512 of the password and nothing else.

    Raises:
        UnknownLegacyHash: of another length.
    """
    algorithm = _ALGORITHM_BY_HEX_LENGTH.get(len(text))
    if algorithm is None:
        raise UnknownLegacyHash("digest", f"{len(text)} hexadecimal digits are no MD5, SHA-1, SHA-256 or SHA-512")
    return read_formula(f"{algorithm}:{text}")


def read_formula(text: str) -> LegacyHash:
    """Read `md5(password.salt):HEX:SALT` and its like, as this module's description has them.

    Raises:
        MalformedLegacyHash: the formula cannot be read, or digest or salt do not fit it.
    """
    formula, _, rest = text.partition(":")
    hex_digest, colon, salt_text = rest.partition(":")
    reader = _FormulaReader(formula if "(" in formula else f"{formula}(password)")
    compute_text = reader.read()

    name = f"digest {formula}"
    digest = _from_hex(name, hex_digest)
    if len(digest) != hashlib.new(reader.algorithm).digest_size:
        raise MalformedLegacyHash(name, f"its digest is not as long as {reader.algorithm} makes them")
    if reader.uses_salt != bool(colon):
        raise MalformedLegacyHash(name, "has a salt and a formula without one, or the other way round")
    salt = _from_hex(name, salt_text) if reader.salt_is_hex else salt_text.encode()

    def compute(password: bytes) -> bytes:
        return bytes.fromhex(compute_text(password, salt).decode("ascii"))

    return LegacyHash(
        format=name,
        digest=digest,
        blank=f"{formula}:{'0' * len(hex_digest)}{colon}{salt_text}",
        compute=compute,
        rounds=1,
    )


def read_django_digest(text: str) -> LegacyHash:
    """Read `md5$salt$hex` or `sha1$salt$hex`: a digest of salt and password, in that order, as Django wrote them.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
    """
    algorithm, _, rest = text.partition("$")
    salt_text, _, hex_digest = rest.rpartition("$")
    name = f"django-{algorithm}"
    digest, salt = _from_hex(name, hex_digest), salt_text.encode()
    if len(digest) != hashlib.new(algorithm).digest_size or "$" in salt_text:
        raise MalformedLegacyHash(name, f"is not {algorithm}$, a salt, $ and a digest in hexadecimal")

    def compute(password: bytes) -> bytes:
        return hashlib.new(algorithm, salt + password).digest()

    return LegacyHash(
        format=name,
        digest=digest,
        blank=f"{algorithm}${salt_text}${'0' * len(hex_digest)}",
        compute=compute,
        rounds=1,
    )


def read_ldap(text: str) -> LegacyHash:
    """Read `{SSHA}`, `{SSHA256}`, `{SSHA512}`, `{SMD5}`, the same without salt: base64 of digest, then salt (RFC 2307).

    Raises:
        UnknownLegacyHash: another scheme stands in the braces.
        MalformedLegacyHash: not a whole hash of this kind.
    """
    scheme, brace, encoded = text.removeprefix("{").partition("}")
    algorithm = {
        "MD5": "md5", "SMD5": "md5", "SHA": "sha1", "SSHA": "sha1",
        "SHA256": "sha256", "SSHA256": "sha256", "SHA512": "sha512", "SSHA512": "sha512",
    }.get(scheme.upper())  # fmt: skip
    if not brace or algorithm is None:
        raise UnknownLegacyHash("ldap", "only MD5, SHA, SHA256 and SHA512 are known, with or without salt")
    name = f"ldap-{scheme.lower()}"
    try:
        packed = a2b_base64(encoded, strict_mode=True)
    except ValueError:
        raise MalformedLegacyHash(name, "is not base64") from None
    length, is_salted = hashlib.new(algorithm).digest_size, scheme.upper().startswith(("SS", "SM"))
    digest, salt = packed[:length], packed[length:]
    if len(digest) != length or bool(salt) != is_salted:
        raise MalformedLegacyHash(name, "does not hold a digest and, in the salted schemes only, a salt")

    def compute(password: bytes) -> bytes:
        return hashlib.new(algorithm, password + salt).digest()

    return LegacyHash(
        format=name,
        digest=digest,
        blank=f"{{{scheme}}}{b64encode(bytes(length) + salt).decode('ascii')}",
        compute=compute,
        rounds=1,
    )


@dataclass(slots=True)
class _FormulaReader:
    """Reads one formula from left to right: `call = name "(" joined ["," joined] ")"`, `joined = term ("." term)*`."""

    formula: str
    at: int = 0
    calls: int = 0
    algorithm: str = ""
    """Of the outermost call, whose digest is stored."""
    words: set[str] = field(default_factory=set[str])

    @property
    def uses_salt(self) -> bool:
        return bool(self.words & {"salt", "hexsalt"})

    @property
    def salt_is_hex(self) -> bool:
        return "hexsalt" in self.words

    def read(self) -> _Term:
        """Return what computes the hexadecimal digest from password and salt.

        Raises:
            MalformedLegacyHash: not a formula, or one without the password: it would let in everybody.
        """
        term = self._call(self._word())
        if self.at != len(self.formula) or "password" not in self.words or {"salt", "hexsalt"} <= self.words:
            raise self._malformed()
        return term

    def _call(self, function: str) -> _Term:
        self.calls += 1
        algorithm = function.removeprefix("hmac-")
        if algorithm not in _ALGORITHM_BY_HEX_LENGTH.values() or self.calls > _MOST_CALLS:
            raise self._malformed()
        self.algorithm = self.algorithm or algorithm
        self._expect("(")
        first = self._joined()
        if function == algorithm:
            self._expect(")")
            return lambda password, salt: _hex(hashlib.new(algorithm, first(password, salt)).digest())
        self._expect(",")
        message = self._joined()
        self._expect(")")
        return lambda password, salt: _hex(hmac.digest(first(password, salt), message(password, salt), algorithm))

    def _joined(self) -> _Term:
        terms = [self._term()]
        while self.formula.startswith(".", self.at):
            self.at += 1
            terms.append(self._term())
        return lambda password, salt: b"".join(term(password, salt) for term in terms)

    def _term(self) -> _Term:
        word = self._word()
        if word not in {"password", "salt", "hexsalt"}:
            return self._call(word)
        self.words.add(word)
        if word == "password":
            return lambda password, _salt: password
        return lambda _password, salt: salt

    def _word(self) -> str:
        start = self.at
        while self.at < len(self.formula) and self.formula[self.at] not in "(),.":
            self.at += 1
        return self.formula[start : self.at]

    def _expect(self, mark: str) -> None:
        if not self.formula.startswith(mark, self.at):
            raise self._malformed()
        self.at += 1

    def _malformed(self) -> MalformedLegacyHash:
        return MalformedLegacyHash(
            "digest",
            "its formula is not like md5(salt.password), of md5, sha1, sha256, sha512, hmac-…, the password once",
        )


def _hex(digest: bytes) -> bytes:
    return digest.hex().encode("ascii")


def _from_hex(name: str, text: str) -> bytes:
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2})*", text) is None:
        raise MalformedLegacyHash(name, "holds a part that is not hexadecimal")
    return bytes.fromhex(text)
