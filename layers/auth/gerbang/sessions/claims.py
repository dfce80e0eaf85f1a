"""What tokens say, and the errors of reading them. Imports no JWT library, so that every module may import this one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gerbang.core.errors import AuthError

if TYPE_CHECKING:
    from gerbang.storage.accounts import User
    from gerbang.storage.families import Family


class Occasion(StrEnum):
    """Why an access token is signed."""

    SIGN_IN = "sign_in"
    REFRESH = "refresh"


type ExtraClaims = Callable[["User", str, Occasion], Mapping[str, object]]
"""Returns the operator's claims for an access token of an account's session, by the session's id. None of them may be
one that the token has already. May raise DependencyUnavailable."""

NO_CLAIMS: Final[Mapping[str, object]] = MappingProxyType({})


def no_claims(_user: "User", _session_id: str, _occasion: Occasion) -> Mapping[str, object]:
    """Return no claims: there is no function that makes any."""
    return NO_CLAIMS


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
