"""POST /api/auth/logout: end the session of an access token."""

from gerbang.apis import botlaunch
from gerbang.container import container
from gerbang.http.callers import BearerToken
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import SessionEnded, UserDeleted, UserDisabled

endpoint = Endpoint("/api/auth/logout")
sessions = container.sessions
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.post(
    botlaunch.API,
    caller=BearerToken(),
    response=botlaunch.MessageResponse,
    errors=(InvalidToken, SessionEnded, UserDeleted, UserDisabled),
)
def log_out(call: Call[None, str]) -> botlaunch.MessageResponse:
    """End the session at once, even if its access token has expired."""
    sessions.close(call.caller)
    return botlaunch.MessageResponse(message="Logout successful")


handler = endpoint.handler()
