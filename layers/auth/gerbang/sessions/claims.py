"""What tokens say, and the errors of reading them. Imports no JWT library, so that every module may import this one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gerbang.core.errors import AuthError

if TYPE_CHECKING:
    from gerbang.storage.families import Family
    from gerbang.storage.users import User


class InvalidToken(AuthError):
    """The token is not ours, is for another use, or is damaged."""

    code = "bad_jwt"


class TokenExpired(AuthError):
    """The access token was valid and has expired: the client should refresh."""

    code = "token_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """What is trusted in an access token: its session and generation. The rest is read from the account."""

    user_id: str
    family_id: str
    generation: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClaims:
    """What a refresh token says: a family, the generation it was issued at, and when the user signed in."""

    family_id: str
    user_id: str
    generation: int
    signed_in_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a client receives: two tokens, and what the access token says of its audience, role and end."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    audience: str
    role: str
    expires_at: datetime
    expires_in: timedelta


def role_of(user: "User", family: "Family") -> str:
    """Return the `role` that the tokens of a session have."""
    return family.guest_role if user.is_anonymous else "authenticated"
