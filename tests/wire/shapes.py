"""What bodies must look like where a test cannot know the value: `==` says whether a value is of the shape."""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, override

_SEGMENT: Final = r"[A-Za-z0-9_-]+"


@dataclass(frozen=True, eq=False, slots=True)
class Text:
    """Equals a text that the pattern matches as a whole."""

    pattern: str

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    @override
    def __hash__(self) -> int:
        return hash(self.pattern)


@dataclass(frozen=True, eq=False, slots=True)
class Whole:
    """Equals an integer from *least* to *most*; booleans are none."""

    least: int
    most: int

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and not isinstance(other, bool) and self.least <= other <= self.most

    @override
    def __hash__(self) -> int:
        return hash((self.least, self.most))


JWT: Final = Text(rf"eyJ{_SEGMENT}\.eyJ{_SEGMENT}\.{_SEGMENT}")
UUID: Final = Text(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
BOTLAUNCH_USER: Final = Text(r"usr_[0-9A-Za-z]{1,22}")
BOTLAUNCH_ORGANIZATION: Final = Text(r"org_[0-9A-Za-z]{1,22}")
INSTANT: Final = Text(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z")
SNAPOTP_NUMBER: Final = Whole(1, 2**31 - 1)
SENTENCE: Final = Text(r"[A-Z][^\n]{5,200}")


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says; nothing is verified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


# --- errors, one envelope an API; words are not pinned ----------------------------------------------------------------


def botlaunch_error(status: int, title: str) -> dict[str, object]:
    return {"statusCode": status, "error": title, "message": SENTENCE}


def botlaunch_invalid(*fields: str) -> dict[str, object]:
    """A validation error that names these fields."""
    details = [{"field": field, "message": SENTENCE} for field in fields]
    return {**botlaunch_error(400, "Validation Error"), "details": details}


def snapotp_error() -> dict[str, object]:
    return {"success": False, "message": SENTENCE}


def snapotp_invalid(*fields: str) -> dict[str, object]:
    return {**snapotp_error(), "errors": [{"field": field, "message": SENTENCE} for field in fields]}


def atourin_error(status: int, info: str | Text = SENTENCE) -> dict[str, object]:
    return {"status": False, "code": status, "info": info, "msg": HTTPStatus(status).phrase}


def gotrue_error(status: int, error_code: str) -> dict[str, object]:
    return {"code": status, "error_code": error_code, "msg": SENTENCE}
