"""Expected responses. A shape such as `UUID` is equal to every value of that form."""

import json
import re
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, override

_SEGMENT: Final = r"[A-Za-z0-9_-]+"


@dataclass(frozen=True, eq=False, slots=True)
class Text:
    """Is equal to every text that the whole pattern matches."""

    pattern: str

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    @override
    def __hash__(self) -> int:
        return hash(self.pattern)


@dataclass(frozen=True, eq=False, slots=True)
class Integer:
    """Is equal to every integer from *least* to *most*, but not to booleans."""

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
SNAPOTP_NUMBER: Final = Integer(1, 2**31 - 1)
SENTENCE: Final = Text(r"[A-Z][^\n]{5,200}")


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JWT without verifying it."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


# --- errors of each API; messages may be any sentence ----------------------------------------------------------------


def botlaunch_error(status: int, title: str) -> dict[str, object]:
    return {"statusCode": status, "error": title, "message": SENTENCE}


def botlaunch_invalid(*fields: str) -> dict[str, object]:
    """Return a validation error that names these fields."""
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


def atourin_invalid(*fields: str) -> dict[str, object]:
    """Return a validation error that names these fields."""
    return atourin_error(400, Text("; ".join(f"{field}: [A-Z][^;]+" for field in fields)))


# --- sessions and users -----------------------------------------------------------------------------------------------


def botlaunch_session(email: str, name: str) -> dict[str, object]:
    """Return the `data` of the session of an organisation's owner."""
    return {
        "accessToken": JWT,
        "refreshToken": JWT,
        "expiresIn": 3600,
        "user": {
            "id": BOTLAUNCH_USER,
            "email": email,
            "role": "CLIENT_OWNER",
            "name": name,
            "organizationId": BOTLAUNCH_ORGANIZATION,
        },
    }


def snapotp_user(*, email: str, name: str, username: str | None) -> dict[str, object]:
    return {
        "id": SNAPOTP_NUMBER,
        "username": username,
        "name": name,
        "email": email,
        "credit_balance": 0,
        "role_id": 3,
    }


def snapotp_session(user: dict[str, object]) -> dict[str, object]:
    return {"success": True, "data": {"token": JWT, "refresh_token": JWT, "expires_in": 3600, "user": user}}


def atourin_session(info: str, *, email: str, name: str) -> dict[str, object]:
    now = int(time.time())
    return {
        "status": True,
        "code": 200,
        "info": info,
        "msg": "Ok",
        "data": {
            "access_token": JWT,
            "token_type": "bearer",
            "expires_in": 3600,
            "expires_at": Integer(now + 3540, now + 3660),
            "refresh_token": JWT,
            "user": {"id": UUID, "email": email, "user_metadata": {"name": name}},
        },
    }


def gotrue_session(user: dict[str, object]) -> dict[str, object]:
    now = int(time.time())
    return {
        "access_token": JWT,
        "token_type": "bearer",
        "expires_in": 3600,
        "expires_at": Integer(now + 3540, now + 3720),
        "refresh_token": JWT,
        "user": user,
    }


def gotrue_user(*, user_id: str, email: str, name: str) -> dict[str, object]:
    """Return a user with a password and an unverified address."""
    return {
        "id": user_id,
        "aud": "authenticated",
        "role": "authenticated",
        "email": email,
        "phone": "",
        "is_anonymous": False,
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {"name": name},
        "identities": [gotrue_email_identity(user_id=user_id, email=email)],
        "last_sign_in_at": INSTANT,
        "created_at": INSTANT,
        "updated_at": INSTANT,
    }


def gotrue_email_identity(*, user_id: str, email: str) -> dict[str, object]:
    """Return the identity of an unverified address."""
    data = {"sub": user_id, "email": email, "email_verified": False, "phone_verified": False}
    return {
        "identity_id": Text(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        "id": user_id,
        "user_id": user_id,
        "identity_data": data,
        "provider": "email",
        "last_sign_in_at": INSTANT,
        "created_at": INSTANT,
        "updated_at": INSTANT,
        "email": email,
    }
