"""The answers of Supabase Auth's API."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from gerbang.core.clock import rfc3339

if TYPE_CHECKING:
    from gerbang.sessions.sessions import SignedIn


class User(TypedDict):
    """An account as Supabase's clients read it; times are RFC 3339."""

    id: str
    aud: str
    role: str
    email: str
    phone: str
    is_anonymous: bool
    app_metadata: Mapping[str, Any]
    user_metadata: Mapping[str, Any]
    created_at: str
    updated_at: str


class SessionResponse(TypedDict):
    """A bare session; `expires_in` is in seconds, `expires_at` in seconds since 1970."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    expires_at: int
    refresh_token: str
    user: User


def session(signed_in: "SignedIn") -> SessionResponse:
    """Return the answer with a session."""
    tokens, account = signed_in.tokens, signed_in.user
    return SessionResponse(
        access_token=tokens.access_token,
        token_type="bearer",  # noqa: S106 - a kind of token, not one
        expires_in=int(tokens.expires_in.total_seconds()),
        expires_at=int(tokens.expires_at.timestamp()),
        refresh_token=tokens.refresh_token,
        user=User(
            id=account.user_id,
            aud=tokens.audience,
            role="anonymous" if account.is_anonymous else "authenticated",
            email=account.email or "",
            phone="",
            is_anonymous=account.is_anonymous,
            app_metadata={},
            user_metadata={"name": account.name} if account.name else {},
            created_at=rfc3339(account.created_at),
            updated_at=rfc3339(account.updated_at),
        ),
    )
