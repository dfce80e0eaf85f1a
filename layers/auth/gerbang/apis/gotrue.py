"""Supabase Auth (GoTrue): snake_case, bare objects; errors `{code, error_code, msg}`."""

from http import HTTPStatus
from typing import Any, Final

from gerbang.apis.fields import Body, Typed, instant
from gerbang.apis.refusals import problem_of
from gerbang.core.errors import AuthError
from gerbang.http import edge
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import RefreshTokenReused, SessionEnded, SignedIn
from gerbang.storage.users import User


class UnsupportedGrant(AuthError):
    """`grant_type` is not one that this endpoint trades for a session."""


class RefreshRequest(Body):
    """`POST /auth/v1/token?grant_type=refresh_token`."""

    refresh_token: Typed


_DEAD_REFRESH_TOKEN: Final = "refresh_token_not_found"  # noqa: S105 - a code of GoTrue's, not a token
_REFUSED_REFRESH: Final[dict[type[Exception], str]] = {
    RefreshTokenReused: "refresh_token_already_used",
    SessionEnded: _DEAD_REFRESH_TOKEN,
    InvalidToken: _DEAD_REFRESH_TOKEN,
}
"""Refusals that are 400 here, where the token is what is traded and not who asks, and 401 everywhere else."""


def render(error: Exception, request: edge.Request) -> edge.Response:
    """Word a refusal for Supabase's clients.

    A number as `code` beside `error_code` and `msg` is what all of them read right, whatever version of the API they
    ask for (`x-supabase-api-version`).
    """
    problem = problem_of(error, request)
    status, code = problem.status, problem.wording.code
    if type(error) in _REFUSED_REFRESH:
        status, code = HTTPStatus.BAD_REQUEST.value, _REFUSED_REFRESH[type(error)]
    body = {"code": status, "error_code": code, "msg": problem.message}
    return edge.Response(status, body, {**problem.headers, "x-sb-error-code": code})


post = edge.endpoint("POST", render)
"""Makes a handler of POST in this contract."""


def refresh_token_of(request: edge.Request) -> str:
    """Return the refresh token that a request wants to trade.

    Raises:
        UnsupportedGrant: it asks for another grant.
    """
    if request.query.get("grant_type") != "refresh_token":
        raise UnsupportedGrant
    return request.parse(RefreshRequest).refresh_token


def signed_in(session: SignedIn) -> edge.Response:
    """Return 200 with a bare session."""
    tokens = session.tokens
    return edge.ok(
        {
            "access_token": tokens.access_token,
            "token_type": "bearer",
            "expires_in": int(tokens.expires_in.total_seconds()),
            "expires_at": int(tokens.expires_at.timestamp()),
            "refresh_token": tokens.refresh_token,
            "user": _user(session.user, tokens.audience),
        }
    )


def _user(user: User, audience: str) -> dict[str, Any]:
    return {
        "id": user.user_id,
        "aud": audience,
        "role": "anonymous" if user.is_anonymous else "authenticated",
        "email": user.email or "",
        "phone": "",
        "is_anonymous": user.is_anonymous,
        "app_metadata": {},
        "user_metadata": {"name": user.name} if user.name else {},
        "created_at": instant(user.created_at),
        "updated_at": instant(user.updated_at),
    }
