"""Tokens of mailed links, derived from the mail job like codes and reset tokens.

A token contains the slot of its code and the digest of its address, so that its item can be found. They are encrypted
with a mask made from the token's secret: without the key, a token looks like 76 random characters. The item has an HMAC
of the token, and the address encrypted with the token itself, so the table alone reveals neither.
"""

import re
from typing import Final

from gerbang.core.dataclass import dataclass
from gerbang.core.identifiers import MAC_CHARACTERS, from_base62, to_base62
from gerbang.limits.rate_limits import digest
from gerbang.sessions.keys import KeyedHash, Keys, Purpose, hkdf_sha256
from gerbang.storage.one_time_codes import Slot

PKCE_PREFIX: Final = "pkce_"
"""The prefix of tokens for clients that exchange an authorization code. Clients look for it."""

_NAME_BYTES: Final = 24
_NAME_CHARACTERS: Final = 33
"""62^33 > 2^192: 24 bytes in base 62."""
_CHECK: Final = b"\0\0\0"
"""In front of the encrypted name, to recognize the key that decrypts it."""
_FORM: Final = re.compile(rf"(?:{PKCE_PREFIX})?([0-9A-Za-z]{{{MAC_CHARACTERS}}})([0-9A-Za-z]{{{_NAME_CHARACTERS}}})")

_SLOTS: Final = (Slot.EMAIL, Slot.RECOVERY, Slot.EMAIL_CHANGE_CURRENT, Slot.EMAIL_CHANGE_NEW)
"""The slots that a token can name, by its number. Append only: tokens that were mailed must stay valid."""

_SEALED_WITH: Final = b"gerbang link address v1"


@dataclass(frozen=True, slots=True)
class LinkedCode:
    """The slot and the subject of the code that a token belongs to."""

    slot: Slot
    subject: str
    """The digest of the address."""


@dataclass(frozen=True, slots=True)
class LinkTokens:
    """Makes tokens from jobs, and reads them."""

    keys: Keys

    def token(self, job_id: str, slot: Slot, email: str, *, subject: str, epoch: int, is_pkce: bool = False) -> str:
        """Return the token of a job's code: the same until the account's epoch rises.

        *email* is the address that it is mailed to, *subject* what the code is made for.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        secret = self._hash.digest(f"link\0{job_id}\0{slot}\0{subject}\0{epoch}")
        encoded = to_base62(int.from_bytes(secret), length=MAC_CHARACTERS)
        name = _CHECK + bytes([_SLOTS.index(slot)]) + bytes.fromhex(digest(email))
        masked = _xor(name, self._hash.digest(_mask_of(encoded)))
        prefix = PKCE_PREFIX if is_pkce else ""
        return f"{prefix}{encoded}{to_base62(int.from_bytes(masked), length=_NAME_CHARACTERS)}"

    def read(self, token: str) -> LinkedCode | None:
        """Return the code that a token belongs to, None if the text is not a token. The token is not verified.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        found = _FORM.fullmatch(token)
        number = -1 if found is None else from_base62(found[2])
        if found is None or number >= 1 << (8 * _NAME_BYTES):
            return None
        for mask in self._hash.digests(_mask_of(found[1])):
            name = _xor(number.to_bytes(_NAME_BYTES), mask)
            check, slot, subject = name[: len(_CHECK)], name[len(_CHECK)], name[len(_CHECK) + 1 :]
            if check == _CHECK and slot < len(_SLOTS):
                return LinkedCode(_SLOTS[slot], subject.hex())
        return None

    def stored_form(self, token: str, *, subject: str) -> str:
        """Return the form in which a token is stored. It is invalid for another subject, as the code is."""
        return self._hash.digest(f"stored\0{subject}\0{token}").hex()

    def matches(self, stored: str, token: str, *, subject: str) -> bool:
        """Return whether *stored* was made from this token, under the current or the previous secret."""
        return self._hash.matches(stored, f"stored\0{subject}\0{token}")

    @property
    def _hash(self) -> KeyedHash:
        return KeyedHash(self.keys, Purpose.LINK_TOKEN)


def seal(token: str, email: str) -> str:
    """Return an address encrypted with a token. No other address is encrypted with the same token."""
    return _with_key_of(token, email.encode()).hex()


def unseal(token: str, sealed: str, named: LinkedCode) -> str | None:
    """Return the address that `seal` encrypted with this token, None if it was another token."""
    email = _with_key_of(token, bytes.fromhex(sealed)).decode(errors="replace")
    return email if digest(email) == named.subject else None


def _with_key_of(token: str, text: bytes) -> bytes:
    return _xor(text, hkdf_sha256(token.encode(), info=_SEALED_WITH, length=len(text)))


def _mask_of(secret: str) -> str:
    return f"mask\0{secret}"


def _xor(left: bytes, right: bytes) -> bytes:
    """Return the exclusive or of two texts, as long as the first one."""
    return bytes(one ^ other for one, other in zip(left, right[: len(left)], strict=True))
