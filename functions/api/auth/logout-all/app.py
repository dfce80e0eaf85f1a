"""POST /api/auth/logout-all: end every session of the caller's account."""

from gerbang.apis import botlaunch
from gerbang.container import container
from gerbang.http.callers import BearerToken
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import SessionEnded, UserDeleted, UserDisabled
from gerbang.sessions.sign_out import Scope

endpoint = Endpoint("/api/auth/logout-all")
sign_out = container.sign_out
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.post(
    botlaunch.API,
    caller=BearerToken(),
    response=botlaunch.MessageResponse,
    errors=(InvalidToken, SessionEnded, UserDeleted, UserDisabled),
)
def log_out_everywhere(call: Call[None, str]) -> botlaunch.MessageResponse:
    """End every session of the account at once, even if the access token has expired."""
    sign_out.sign_out(call.caller, Scope.GLOBAL)
    return botlaunch.MessageResponse(message="Logout successful")


handler = endpoint.handler()
