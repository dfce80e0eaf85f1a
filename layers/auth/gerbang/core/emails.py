"""E-mail addresses: one canonical form, by which they are stored, looked up, counted and compared."""

import re
from typing import Final, Self
from unicodedata import normalize

from gerbang.core.errors import AuthError, FieldError

LONGEST_ADDRESS: Final = 254
"""Octets of an address in a mail's path (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""

LONGEST_LOCAL_PART: Final = 64
"""Octets before the `@` (RFC 5321, section 4.5.3.1.1)."""

_DOT_ATOM: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""dot-atom of RFC 5322, section 3.2.3, lower case. Quoted local parts are rejected, because they are very rare.
So are characters outside ASCII: SES does not deliver to them, and some look like others (dotless i, sharp s)."""

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""A label of a host name (RFC 1123, section 2.1)."""


_ENCODED_WORD: Final = re.compile(r"=\?.*\?=")
"""An encoded word of RFC 2047, section 2, which mail programs may read as another address."""


class InvalidEmail(AuthError):
    """The text is not an address that mail can be sent to."""

    code = "email_address_invalid"
    field_errors = (FieldError("email", "The email address is not valid"),)


class EmailAddress(str):
    """An address in the form that is compared; `as_typed` is what its owner typed."""

    __slots__ = ("as_typed",)
    as_typed: str

    def __new__(cls, typed: str) -> Self:
        """Return the address that was typed.

        Raises:
            InvalidEmail: it is not an address.
        """
        address = super().__new__(cls, canonical(typed))
        address.as_typed = typed.strip()
        return address


def canonical(typed: str) -> str:
    """Return the canonical form of an address: trimmed, NFKC, lower case, domain in its ASCII form (IDNA 2008).

    Raises:
        InvalidEmail: it is not an address.
    """
    if len(typed) > 4 * LONGEST_ADDRESS:  # before any work: folding can shorten, but not that much
        raise InvalidEmail("too long")
    text = normalize("NFKC", typed.strip()).lower()
    local, at, domain = text.rpartition("@")
    if not at or not _DOT_ATOM.fullmatch(local) or len(local) > LONGEST_LOCAL_PART or _ENCODED_WORD.search(local):
        raise InvalidEmail("local part")
    address = f"{local}@{_ascii_domain(domain)}"
    if len(address) > LONGEST_ADDRESS:
        raise InvalidEmail("too long")
    return address


def _ascii_domain(domain: str) -> str:
    if not domain.isascii() or "xn--" in domain:
        import idna  # noqa: PLC0415 - its tables are 4 % of a start, and hardly any address needs them

        try:  # an A-label must be one that the encoding makes (RFC 5890, section 2.3.2.1)
            domain = idna.encode(idna.decode(domain, uts46=True), uts46=True).decode("ascii").lower()
        except (idna.IDNAError, UnicodeError) as error:
            raise InvalidEmail("domain") from error
    labels = domain.split(".")
    if len(labels) < 2 or labels[-1].isdecimal() or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004
        raise InvalidEmail("domain")
    return domain
