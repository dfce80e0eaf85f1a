"""Ids of accounts and organizations: UUIDs, the same UUIDs in base 62 with a prefix, and SnapOTP's integers."""

from typing import Final
from uuid import UUID

USER: Final = "usr"
"""Prefix of BotLaunch's user ids."""

ORGANIZATION: Final = "org"
"""Prefix of BotLaunch's organization ids."""

INVITATION: Final = "inv"
"""Prefix of the ids of invitations to organizations."""

NO_ACCOUNT: Final = "no-account"
"""An id that no account, session or counter has. Reading it costs as much as reading one that exists."""

LARGEST_NUMBER: Final = 2**31 - 1
"""The largest integer id: SnapOTP's clients keep it in 31 bits."""

UUID_CHARACTERS: Final = 22
"""62^22 > 2^128: a UUID in base 62."""

MAC_CHARACTERS: Final = 43
"""62^43 > 2^256: an HMAC-SHA-256 in base 62."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def public_id(prefix: str, identifier: UUID) -> str:
    """Return `prefix_…`: the UUID as a number in base 62, so that each form can be computed from the other."""
    return f"{prefix}_{to_base62(identifier.int)}"


def read_public_id(prefix: str, text: str) -> UUID:
    """Return the UUID of an id that `public_id` made.

    Raises:
        ValueError: *text* is not an id with this prefix.
    """
    found, _, digits = text.partition("_")
    if found != prefix or not digits:
        raise ValueError("another prefix, or no digits")
    identifier = UUID(int=from_base62(digits))
    if public_id(prefix, identifier) != text:
        raise ValueError("another spelling")
    return identifier


def to_base62(number: int, *, length: int = 1) -> str:
    """Return a non-negative number in base 62 (digits and letters), padded with zeros to *length*."""
    digits = ""
    while number:
        number, remainder = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[remainder] + digits
    return digits.rjust(length, _ALPHABET[0])


def from_base62(digits: str) -> int:
    """Return the number that `to_base62` wrote.

    Raises:
        ValueError: a character is not a digit of base 62.
    """
    number = 0
    for digit in digits:
        number = number * len(_ALPHABET) + _ALPHABET.index(digit)
    return number


def botlaunch_id(user_id: str) -> str:
    """Return an account's id as BotLaunch's clients know it, `usr_…`."""
    return public_id(USER, UUID(user_id))
