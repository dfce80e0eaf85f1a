"""The claims of tokens, and the errors of reading them. Every module may import it: it imports no JWT library."""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError

if TYPE_CHECKING:
    from gerbang.storage.accounts import User
    from gerbang.storage.families import Family


CLOCK_SKEW: Final = timedelta(seconds=60)
"""How far the time in a token may be ahead of our clock: the clocks of other environments differ (F20). It does not
make a token live longer."""


class Occasion(StrEnum):
    """Why an access token is signed."""

    SIGN_IN = "sign_in"
    REFRESH = "refresh"


type ExtraClaims = Callable[["User", str, Occasion], Mapping[str, object]]
"""Returns the operator's claims for an access token, given the account, the session's id and the occasion. They must
not be claims that the token has already. May raise DependencyUnavailable."""

NO_CLAIMS: Final[Mapping[str, object]] = MappingProxyType({})


def no_claims(_user: "User", _session_id: str, _occasion: Occasion) -> Mapping[str, object]:
    """Return no claims, for deployments without a claims function."""
    return NO_CLAIMS


class InvalidToken(AuthError):
    """The token is not ours, is for another use, or is damaged."""

    code = "bad_jwt"


class TokenExpired(AuthError):
    """The access token was valid and has expired: the client should refresh."""

    code = "token_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """The claims of an access token that are trusted: its session and generation. The rest is read from the account."""

    user_id: str
    family_id: str
    generation: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClaims:
    """The claims of a refresh token: its family, the generation it was issued at, and when the user signed in."""

    family_id: str
    user_id: str
    generation: int
    signed_in_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """The tokens that a client receives, with the audience, role and expiry of the access token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    audience: str
    role: str
    expires_at: datetime
    expires_in: timedelta


def role_of(user: "User", family: "Family") -> str:
    """Return the `role` that the tokens of a session have."""
    return family.guest_role if user.is_anonymous else "authenticated"
