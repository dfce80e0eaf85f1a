"""Recovery codes: ten codes, of one use each, that replace a lost second factor.

A code has 120 bits, so a plain hash is enough (ASVS 6.5.2). It needs no key, which a rotation could remove.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

NUMBER: Final = 10
RANDOM_BYTES: Final = 15
_GROUP: Final = 6
_FORM: Final = re.compile(r"[a-z2-7]{24}")
_HASH_CHARACTERS: Final = 40
"""160 bits: more than a code has."""


def new_codes(random_bytes: Callable[[int], bytes]) -> tuple[str, ...]:
    """Return new codes: letters, and digits that look like no letter, in four groups."""
    return tuple(_grouped(b32encode(random_bytes(RANDOM_BYTES)).decode("ascii").lower()) for _ in range(NUMBER))


def canonical(typed: str) -> str | None:
    """Return a code in lower case, without spaces and hyphens; None if the text cannot be a code."""
    code = typed.lower().replace(" ", "").replace("-", "")
    return code if _FORM.fullmatch(code) else None


def hashes_of(user_id: str, codes: Sequence[str]) -> tuple[str, ...]:
    """Return what is stored of codes: hashes, salted with the account's id."""
    return tuple(_hash_of(user_id, code.replace("-", "")) for code in codes)


def without(stored: Sequence[str], user_id: str, code: str) -> tuple[str, ...] | None:
    """Return what is stored once a canonical code is spent, None if it is not one of them. Constant time."""
    presented = _hash_of(user_id, code)
    left = tuple(each for each in stored if not hmac.compare_digest(each.encode(), presented.encode()))
    return None if len(left) == len(stored) else left


def _grouped(code: str) -> str:
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def _hash_of(user_id: str, code: str) -> str:
    return sha256(f"recovery code\0{user_id}\0{code}".encode()).hexdigest()[:_HASH_CHARACTERS]
