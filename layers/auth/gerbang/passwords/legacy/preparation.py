"""What an old system did to a password before hashing it, where the hash does not show it.

An import writes it in front of the hash, and a sign-in does the same to the password:

    $prepared$prehash=sha256-hex$HASH                  the hash is of the hexadecimal SHA-256 (Meteor)
    $prepared$encoding=utf-16-le$HASH                  of the password in UTF-16
    $prepared$pepper=BASE64,pepper-at=end$HASH         of the password with a secret text after it (Devise)
    $prepared$prehash=hmac-sha256-hex,pepper=BASE64$HASH       of an HMAC with the secret as key

The order is: encode, join the pepper to it, hash. The pepper is in base64 of the URL alphabet, without padding.
"""

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from dataclasses import field, replace
from typing import Final, Self, override

from gerbang.core.dataclass import dataclass
from gerbang.passwords.legacy.formulas import ALGORITHMS
from gerbang.passwords.legacy.inherited import LegacyHash, MalformedLegacyHash, from_base64

PREFIX: Final = "$prepared$"

ENCODINGS: Final = ("utf-8", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252")
PREHASHES: Final = tuple(
    f"{keyed}{algorithm}-{form}" for keyed in ("", "hmac-") for algorithm in ALGORITHMS for form in ("hex", "base64")
)
PEPPER_PLACES: Final = ("end", "start")

_LONGEST_PEPPER: Final = 512
"""Bytes. It is stored with each hash."""


class InvalidPreparation(ValueError):
    """The preparation is not supported; the message says why, without the pepper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Makes the bytes that an old system hashed from a password."""

    encoding: str = "utf-8"
    prehash: str = ""
    """One of `PREHASHES`; empty: none."""
    pepper: bytes = field(default=b"", repr=False)
    pepper_at: str = "end"

    def __post_init__(self) -> None:
        """Reject what is not supported.

        Raises:
            InvalidPreparation: there is no such encoding, hash or place, or a pepper is missing or too long.
        """
        if self.encoding not in ENCODINGS:
            raise InvalidPreparation(f"the encoding must be one of {', '.join(ENCODINGS)}")
        if self.prehash and self.prehash not in PREHASHES:
            raise InvalidPreparation(f"the prehash must be one of {', '.join(PREHASHES)}")
        if self.pepper_at not in PEPPER_PLACES:
            raise InvalidPreparation("the pepper must be at the end or at the start")
        if self.prehash.startswith("hmac-") and not self.pepper:
            raise InvalidPreparation("an HMAC needs a pepper, which is its key")
        if len(self.pepper) > _LONGEST_PEPPER:
            raise InvalidPreparation(f"the pepper must have at most {_LONGEST_PEPPER} bytes")

    @classmethod
    def read(cls, text: str) -> tuple[Self, str]:
        """Return the preparation at the beginning of a hash, and the rest of the hash.

        Raises:
            MalformedLegacyHash: it cannot be read.
        """
        entries, dollar, rest = text.removeprefix(PREFIX).partition("$")
        pairs = [entry.partition("=") for entry in entries.split(",")]
        values = {name: value for name, _, value in pairs}
        if (
            not dollar
            or len(values) < len(pairs)
            or not values.keys() <= {"encoding", "prehash", "pepper", "pepper-at"}
        ):
            raise MalformedLegacyHash("prepared", "does not begin with a preparation, each part of it once")
        try:
            preparation = cls(
                encoding=values.get("encoding", "utf-8"),
                prehash=values.get("prehash", ""),
                pepper=from_base64("prepared", values.get("pepper", "")),
                pepper_at=values.get("pepper-at", "end"),
            )
        except InvalidPreparation as error:
            raise MalformedLegacyHash("prepared", str(error)) from None
        return preparation, rest

    @override
    def __str__(self) -> str:
        """Return the text that is written in front of a hash; empty if nothing is done."""
        entries: list[str] = []
        if self.encoding != "utf-8":
            entries.append(f"encoding={self.encoding}")
        if self.prehash:
            entries.append(f"prehash={self.prehash}")
        if self.pepper:
            entries.append(f"pepper={urlsafe_b64encode(self.pepper).decode('ascii').rstrip('=')}")
            if not self.prehash.startswith("hmac-"):
                entries.append(f"pepper-at={self.pepper_at}")
        return f"{PREFIX}{','.join(entries)}$" if entries else ""

    def of(self, legacy: LegacyHash) -> LegacyHash:
        """Return a hash with this preparation in front of it."""
        done = [self.prehash, self.encoding if self.encoding != "utf-8" else "", "a pepper" if self.pepper else ""]
        return replace(
            legacy,
            format=f"{legacy.format} with {' and '.join(filter(None, done))}",
            blank=f"{self}{legacy.blank}",
            to_bytes=self.prepare,
        )

    def prepare(self, password: str) -> bytes:
        """Return the bytes that the old system hashed.

        Raises:
            UnicodeEncodeError: the encoding does not have all characters of the password.
        """
        text = password.encode(self.encoding)
        if not self.prehash.startswith("hmac-"):
            text = self.pepper + text if self.pepper_at == "start" else text + self.pepper
        if not self.prehash:
            return text
        algorithm, _, form = self.prehash.removeprefix("hmac-").partition("-")
        if self.prehash.startswith("hmac-"):
            digest = hmac.digest(self.pepper, text, algorithm)
        else:
            digest = hashlib.new(algorithm, text).digest()
        return digest.hex().encode("ascii") if form == "hex" else b64encode(digest)
