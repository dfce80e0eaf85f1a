"""GET /auth/logout: end the session of an access token."""

from gerbang.apis import atourin
from gerbang.container import container
from gerbang.http.callers import BearerToken
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import SessionEnded, UserDeleted, UserDisabled

endpoint = Endpoint("/auth/logout")
sessions = container.sessions
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.get(
    atourin.API,
    caller=BearerToken(),
    response=atourin.SignedOutResponse,
    errors=(InvalidToken, SessionEnded, UserDeleted, UserDisabled),
)
def log_out(call: Call[None, str]) -> atourin.SignedOutResponse:
    """End the session at once, even if its access token has expired."""
    sessions.close(call.caller)
    return atourin.signed_out()


handler = endpoint.handler()
