r"""Inherited hashes that are plain digests, with a formula that says how salt and password were joined.

A bare digest does not say how it was made. So an import file has a formula, in our own notation, which looks like the
line of PHP that made the digest:

    md5:5f4dcc3b5aa765d61d8327deb882cf99                 of the password alone; also sha1:, sha224:, ... sha512:
    md5(password.salt):HEX:SALT                          PHP's md5($password . $salt)
    sha256(salt.password):HEX:SALT
    sha1(salt.sha1(salt.sha1(password))):HEX:SALT        inner digests enter as lower-case hexadecimal, as in PHP
    sha1(raw-sha1(password)):HEX                         raw-: an inner digest enters as bytes (PHP's third argument)
    sha512^20(password.salt):HEX:SALT                    twenty times over: the digest of the digest, and so on
    sha1('--'.salt.'--'.password.'--'):HEX:SALT          quoted text enters as it is
    sha512(hexsalt.password):HEX:SALT_IN_HEX             the salt's bytes, written in hexadecimal
    hmac-sha256(salt,password):HEX:SALT                  an HMAC: its key, then its message

The salt is everything after the second colon, colons and spaces included. Two formulas have names, because each of
their digests is made from the previous one, the salt and the password (joined by `--`):

    authlogic-sha1:10:HEX:SALT                           Authlogic's Sha1, ten times over
    restful-authentication:10:KEY:HEX:SALT               the plug-in for Rails; KEY is its site key, in base64
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import field
from typing import Final

from gerbang.core.dataclass import dataclass
from gerbang.passwords.legacy.inherited import LegacyHash, MalformedLegacyHash, from_base64, parts_of

ALGORITHMS: Final = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")

_MOST_CALLS: Final = 8
"""The most digests in one formula: more than any known system nests."""

DIGESTS_PER_ROUND: Final = 50
"""How many digests took as long as one round of bcrypt (CPython 3.13, x86_64)."""

type _Term = Callable[[bytes, bytes], bytes]
"""Returns a part of a formula's text, given password and salt."""


def read_formula(text: str) -> LegacyHash:
    """Read `md5(password.salt):HEX:SALT` and similar formulas, described at the top of this module.

    Raises:
        MalformedLegacyHash: the formula cannot be read, or digest or salt do not fit it.
        HostileLegacyHash: more repetitions than a sign-in may compute.
    """
    formula, rest = _split(text)
    hex_digest, colon, salt_text = rest.partition(":")
    reader = _FormulaReader(formula if "(" in formula else f"{formula}(password)")
    compute_text = reader.read()

    name = f"digest {formula}"
    digest = from_hex(name, hex_digest)
    if len(digest) != hashlib.new(reader.algorithm).digest_size:
        raise MalformedLegacyHash(name, f"its digest is not as long as {reader.algorithm} makes them")
    if reader.uses_salt != bool(colon):
        raise MalformedLegacyHash(name, "has a salt and a formula without one, or the other way round")
    salt = from_hex(name, salt_text) if reader.salt_is_hex else salt_text.encode()

    def compute(password: bytes) -> bytes:
        return bytes.fromhex(compute_text(password, salt).decode("ascii"))

    return LegacyHash(
        format=name,
        digest=digest,
        blank=f"{formula}:{'0' * len(hex_digest)}{colon}{salt_text}",
        compute=compute,
        rounds=1 + reader.digests // DIGESTS_PER_ROUND,
    )


def read_chained_sha1(text: str) -> LegacyHash:
    """Read `authlogic-sha1:…` or `restful-authentication:…`, described at the top of this module.

    Raises:
        MalformedLegacyHash: not a whole hash of this kind.
        HostileLegacyHash: more repetitions than a sign-in may compute.
    """
    name = text.partition(":")[0]
    key_pattern = "()" if name == "authlogic-sha1" else "([A-Za-z0-9+/_-]*={0,2}):"
    parts = parts_of(name, rf"{name}:([1-9][0-9]{{0,9}}):{key_pattern}([0-9A-Fa-f]{{40}}):(.*)", text)
    times, key, salt = int(parts[1]), from_base64(name, parts[2]), parts[4].encode()

    def compute(password: bytes) -> bytes:
        first, others = (password, (salt,)) if name == "authlogic-sha1" else (key, (salt, password, key))
        digest = first
        for _ in range(times):
            digest = hashlib.sha1(b"--".join((digest, *others))).hexdigest().encode("ascii")  # noqa: S324 - as they do
        return bytes.fromhex(digest.decode("ascii"))

    return LegacyHash(
        format=name,
        digest=bytes.fromhex(parts[3]),
        blank=f"{name}:{parts[1]}:{parts[2]}{':' if parts[2] else ''}{'0' * 40}:{parts[4]}",
        compute=compute,
        rounds=1 + times // DIGESTS_PER_ROUND,
    )


def from_hex(name: str, text: str) -> bytes:
    """Return the bytes that *text* writes in hexadecimal.

    Raises:
        MalformedLegacyHash: *text* is not hexadecimal.
    """
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2})*", text) is None:
        raise MalformedLegacyHash(name, "holds a part that is not hexadecimal")
    return bytes.fromhex(text)


def _split(text: str) -> tuple[str, str]:
    """Return a formula and what follows its colon; a quoted text may have colons, too."""
    match = re.match(r"((?:'[^']*'|[^':])*):", text)
    formula = match[1] if match else text
    return formula, text[len(formula) + 1 :]


@dataclass(slots=True)
class _FormulaReader:
    """Reads one formula from left to right.

    `call = name ["^" times] "(" joined ["," joined] ")"`, `joined = term ("." term)*`,
    `term = call | "password" | "salt" | "hexsalt" | "'" text "'"`.
    """

    formula: str
    at: int = 0
    calls: int = 0
    algorithm: str = ""
    """The algorithm of the outermost call, whose digest is stored."""
    digests: int = 0
    """How many digests are computed."""
    words: set[str] = field(default_factory=set[str])

    @property
    def uses_salt(self) -> bool:
        return bool(self.words & {"salt", "hexsalt"})

    @property
    def salt_is_hex(self) -> bool:
        return "hexsalt" in self.words

    def read(self) -> _Term:
        """Return the function that computes the hexadecimal digest from password and salt.

        Raises:
            MalformedLegacyHash: not a formula, or one without the password, which would match every password.
        """
        term = self._call(self._word())
        if self.at != len(self.formula) or "password" not in self.words or {"salt", "hexsalt"} <= self.words:
            raise self._malformed()
        return term

    def _call(self, function: str) -> _Term:
        self.calls += 1
        function, _, times_text = function.partition("^")
        is_raw, keyed = function.startswith("raw-") and self.calls > 1, function.removeprefix("raw-")
        algorithm = keyed.removeprefix("hmac-")
        is_known = algorithm in ALGORITHMS and (is_raw or not function.startswith("raw-"))
        if not is_known or self.calls > _MOST_CALLS or not re.fullmatch(r"([1-9][0-9]{0,8})?", times_text):
            raise self._malformed()
        times = int(times_text or 1)
        self.algorithm = self.algorithm or algorithm
        self.digests += times
        form = _unchanged if is_raw else _hex
        self._expect("(")
        first = self._joined()
        if keyed == algorithm:
            self._expect(")")
            return lambda password, salt: _repeated(algorithm, form, times, first(password, salt))
        self._expect(",")
        message = self._joined()
        self._expect(")")
        if times_text:
            raise self._malformed()
        return lambda password, salt: form(hmac.digest(first(password, salt), message(password, salt), algorithm))

    def _joined(self) -> _Term:
        terms = [self._term()]
        while self.formula.startswith(".", self.at):
            self.at += 1
            terms.append(self._term())
        return lambda password, salt: b"".join(term(password, salt) for term in terms)

    def _term(self) -> _Term:
        if self.formula.startswith("'", self.at):
            return self._quoted()
        word = self._word()
        if word not in {"password", "salt", "hexsalt"}:
            return self._call(word)
        self.words.add(word)
        if word == "password":
            return lambda password, _salt: password
        return lambda _password, salt: salt

    def _quoted(self) -> _Term:
        end = self.formula.find("'", self.at + 1)
        if end < 0:
            raise self._malformed()
        text = self.formula[self.at + 1 : end].encode()
        self.at = end + 1
        return lambda _password, _salt: text

    def _word(self) -> str:
        start = self.at
        while self.at < len(self.formula) and self.formula[self.at] not in "(),.'":
            self.at += 1
        return self.formula[start : self.at]

    def _expect(self, mark: str) -> None:
        if not self.formula.startswith(mark, self.at):
            raise self._malformed()
        self.at += 1

    def _malformed(self) -> MalformedLegacyHash:
        return MalformedLegacyHash(
            "digest",
            f"its formula is not like md5(salt.password), of {', '.join(ALGORITHMS)} and hmac-…, the password once",
        )


def _repeated(algorithm: str, form: Callable[[bytes], bytes], times: int, text: bytes) -> bytes:
    new = getattr(hashlib, algorithm)
    for _ in range(times):
        text = form(new(text).digest())
    return text


def _hex(digest: bytes) -> bytes:
    return digest.hex().encode("ascii")


def _unchanged(digest: bytes) -> bytes:
    return digest
