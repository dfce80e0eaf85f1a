"""Options that describe hashes where the file does not: pepper, prehash, encoding, formula of digests.

Each option adds to a hash's notation what the hash itself does not say, so that a sign-in can compute it.
"""

import argparse
import re
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from gerbang.passwords.legacy import LegacyHashError, parse
from gerbang.passwords.legacy.preparation import (
    ENCODINGS,
    PEPPER_PLACES,
    PREHASHES,
    InvalidPreparation,
    Preparation,
)

_BARE: Final = re.compile(r"[0-9A-Fa-f]{32,}(:.*)?", re.DOTALL)
_LUCIA: Final = re.compile(r"[0-9A-Za-z]+:[0-9a-f]{128}")
_LUCIA_NAMES: Final = frozenset({"better-auth", "lucia"})
_RAILS: Final = re.compile(r"(authlogic-sha1|restful-authentication)(:[1-9][0-9]*)?")
_RAILS_STRETCHES: Final = ":10"
"""The default of both."""

DIGEST_HELP: Final = (
    "how hexadecimal hashes were made: md5, sha1, sha256, sha512, a formula such as 'md5(password.salt)', "
    "authlogic-sha1[:TIMES], restful-authentication[:TIMES] (its site key is the pepper), better-auth or lucia"
)


class InvalidHashOptions(ValueError):
    """The options contradict each other or a file cannot be read; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HashOptions:
    """Completes the hashes of a file."""

    preparation: Preparation = field(default_factory=Preparation)
    digest: str = ""
    """How hexadecimal hashes were made, see `DIGEST_HELP`. If empty, they are rejected."""
    site_key: bytes = field(default=b"", repr=False)
    """Of restful-authentication."""

    @classmethod
    def read(cls, options: argparse.Namespace) -> Self:
        """Return the options that a command line names.

        Raises:
            InvalidHashOptions: one is wrong.
        """
        pepper = _read_pepper(options.pepper_file)
        is_site_key = options.digest.startswith("restful-authentication")
        if is_site_key and not pepper:
            raise InvalidHashOptions("restful-authentication needs its site key: name the file that holds it.")
        try:
            preparation = Preparation(
                encoding=options.encoding,
                prehash=options.prehash,
                pepper=b"" if is_site_key else pepper,
                pepper_at=options.pepper_at,
            )
        except InvalidPreparation as error:
            raise InvalidHashOptions(f"{error}.".capitalize()) from None
        read = cls(preparation=preparation, digest=options.digest, site_key=pepper if is_site_key else b"")
        read.check_digest()
        return read

    def check_digest(self) -> None:
        """Try the formula of digests on an empty digest.

        Raises:
            InvalidHashOptions: it cannot be read.
        """
        if not self.digest or self.digest in _LUCIA_NAMES or _RAILS.fullmatch(self.digest):
            return
        salt = ":00" if re.search(r"\b(hex)?salt\b", self.digest) else ""
        problem = ""
        for length in (32, 40, 56, 64, 96, 128):
            try:
                parse(f"{self.digest}:{'0' * length}{salt}")
            except LegacyHashError as error:
                problem = error.reason
            else:
                return
        raise InvalidHashOptions(f"DIGEST={self.digest} cannot be read: {problem}.")

    def notation(self, text: str, salt: str | None = None) -> str:
        """Return a hash of the file in the notation that `gerbang.passwords.legacy` reads.

        *salt* is the value of a separate column. It is used if a hexadecimal hash has no salt after a colon.
        """
        return f"{self.preparation}{self._completed(text, salt)}"

    def _completed(self, text: str, salt: str | None) -> str:
        if not self.digest or not _BARE.fullmatch(text):
            return text
        if self.digest in _LUCIA_NAMES:
            return f"s2:{text}" if _LUCIA.fullmatch(text) else text
        if salt and ":" not in text:
            text = f"{text}:{salt}"
        if not (rails := _RAILS.fullmatch(self.digest)):
            return f"{self.digest}:{text}"
        key = f"{b64encode(self.site_key).decode('ascii')}:" if self.site_key else ""
        return f"{rails[1]}{rails[2] or _RAILS_STRETCHES}:{key}{text}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command line."""
    group = parser.add_argument_group("hashes that need an option")
    group.add_argument("--digest", default="", metavar="FORMULA", help=DIGEST_HELP)
    group.add_argument(
        "--prehash", default="", choices=("", *PREHASHES), metavar="NAME",
        help="what the old system did to passwords before it hashed them: sha256-hex (Meteor), sha512-hex (NodeBB), "
        "sha512-base64, hmac-sha256-hex (its key is the pepper), and so on",
    )  # fmt: skip
    group.add_argument("--encoding", default="utf-8", choices=ENCODINGS, help="of passwords (default: %(default)s)")
    group.add_argument("--pepper-file", type=Path, metavar="FILE", help="holds the pepper, a secret text that the old "
        "system joined to every password; a line end after it does not count. It is stored with each hash",
    )  # fmt: skip
    group.add_argument(
        "--pepper-at", default="end", choices=PEPPER_PLACES, help="of the password (default: %(default)s)"
    )


def _read_pepper(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        pepper = path.read_bytes()
    except OSError as error:
        raise InvalidHashOptions(f"{path}: {error.strerror}.") from None
    pepper = pepper.removesuffix(b"\n").removesuffix(b"\r")
    if not pepper:
        raise InvalidHashOptions(f"{path} is empty.")
    return pepper
