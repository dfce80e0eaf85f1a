"""What the fields of the contracts have in common."""

import re
from datetime import datetime
from typing import Annotated, Final
from unicodedata import category

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

LONGEST_NAME: Final = 200
"""Characters of a person's or an organisation's name (contract)."""


_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that a name may not hold: controls, surrogates, line and paragraph separators."""


class Body(BaseModel):
    """A request body: types are taken as they are, unknown members are dropped (ASVS 15.3.3, 15.3.5)."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True, defer_build=True)


def cleaned_name(text: str) -> str:
    """Return a name that somebody else vouches for as one we would have taken: printable, trimmed, cut to length."""
    return (
        "".join(character for character in text if category(character) not in _UNPRINTABLE)
        .strip()[:LONGEST_NAME]
        .rstrip()
    )


def _printable(text: str) -> str:
    if any(category(character) in _UNPRINTABLE for character in text):
        raise PydanticCustomError("unprintable", "Must not contain control characters")
    return text


type Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME), AfterValidator(_printable)
]
"""A name: 1 to 200 characters, no control characters; white space around it is dropped."""

_USERNAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,30}")


def is_username(text: str) -> bool:
    """Say whether somebody may have this user name: 3 to 30 of letters, digits, `_`, `.`, `-` (contract)."""
    return _USERNAME.fullmatch(text) is not None


def _username(text: str) -> str:
    if not is_username(text):
        raise PydanticCustomError("username", "Must be 3 to 30 of the letters a to z, digits, _, . and -")
    return text


type Username = Annotated[str, AfterValidator(_username)]
"""A user name; unique without regard to case, kept as typed."""

type Typed = Annotated[str, StringConstraints(min_length=1)]
"""Text that must not be empty; what it must be beyond that is the domain's to say."""


def instant(at: datetime) -> str:
    """Return an instant as the contracts write it: RFC 3339, UTC, whole seconds, `Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
