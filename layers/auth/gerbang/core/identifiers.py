"""One identity, several faces: a UUID, the same UUID in another alphabet, and a random integer."""

from typing import Final
from uuid import UUID

USER: Final = "usr"
"""Prefix of BotLaunch's user ids."""

ORGANIZATION: Final = "org"
"""Prefix of BotLaunch's organisation ids."""

LARGEST_NUMBER: Final = 2**31 - 1
"""The largest integer id: SnapOTP's clients keep it in 31 bits."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def public_id(prefix: str, identifier: UUID) -> str:
    """Return `prefix_…`: the UUID as a number in base 62, so that either form can be told from the other."""
    number, digits = identifier.int, ""
    while number:
        number, remainder = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[remainder] + digits
    return f"{prefix}_{digits or _ALPHABET[0]}"


def read_public_id(prefix: str, text: str) -> UUID:
    """Return the UUID that `public_id` made *text* of.

    Raises:
        ValueError: it made no such text.
    """
    found, _, digits = text.partition("_")
    if found != prefix or not digits:
        raise ValueError("another prefix, or no digits")
    number = 0
    for digit in digits:
        number = number * len(_ALPHABET) + _ALPHABET.index(digit)
    identifier = UUID(int=number)
    if public_id(prefix, identifier) != text:
        raise ValueError("another spelling")
    return identifier


def botlaunch_id(user_id: str) -> str:
    """Return an account's id as BotLaunch's clients know it, `usr_…`."""
    return public_id(USER, UUID(user_id))
