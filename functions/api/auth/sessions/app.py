"""GET /api/auth/sessions: the sessions of the caller's account."""

from gerbang.apis import botlaunch
from gerbang.apis.botlaunch.own_sessions import SessionsResponse, own_sessions
from gerbang.container import container
from gerbang.http.callers import RegisteredUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/api/auth/sessions")
sessions, listing = container.sessions, container.own_sessions
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_devices()


@endpoint.get(botlaunch.API, caller=RegisteredUser(sessions), response=SessionsResponse)
def list_sessions(call: Call[None, Authenticated]) -> SessionsResponse:
    """List the active sessions of the caller's account, with their devices."""
    return own_sessions(listing.list(call.caller.user), call.caller.family)


handler = endpoint.handler()
