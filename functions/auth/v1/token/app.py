"""POST /auth/v1/token: exchange a refresh token for the next session."""

from gerbang.apis import gotrue
from gerbang.apis.gotrue.requests import RefreshRequest, UnsupportedGrantType
from gerbang.container import container
from gerbang.http.callers import ApiKeyHolder
from gerbang.http.endpoint import Call, Endpoint, QueryIs
from gerbang.sessions.api_keys import KeyKind
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import RefreshTokenReused, SessionEnded, UserDisabled

endpoint = Endpoint("/auth/v1/token")
sessions = container.sessions
key_holder = ApiKeyHolder(container.api_keys)
container.warm_up_tokens()
container.warm_up_users()


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "refresh_token"),
    caller=key_holder,
    request=RefreshRequest,
    response=gotrue.SessionResponse,
    errors=(InvalidToken, SessionEnded, UserDisabled, RefreshTokenReused),
    overrides=gotrue.REFRESH_ERRORS,
)
def refresh(call: Call[RefreshRequest, KeyKind]) -> gotrue.SessionResponse:
    """Exchange a refresh token for the next session."""
    return gotrue.session(sessions.refresh(call.body.refresh_token))


@endpoint.post(gotrue.API, caller=key_holder, errors=(UnsupportedGrantType,))
def other_grant(_call: Call[None, KeyKind]) -> None:
    """Answer 400 to any other grant."""
    raise UnsupportedGrantType


handler = endpoint.handler()
