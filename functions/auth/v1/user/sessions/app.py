"""GET /auth/v1/user/sessions: the sessions of the caller's account."""

from gerbang.apis import gotrue
from gerbang.apis.gotrue.own_sessions import SessionsResponse, own_sessions
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/user/sessions")
listing = container.own_sessions
caller = ApiKeyAndUser(container.api_keys, container.sessions)
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_devices()


@endpoint.get(gotrue.API, caller=caller, response=SessionsResponse)
def list_sessions(call: Call[None, Authenticated]) -> SessionsResponse:
    """List the active sessions of the caller's account, with their devices."""
    return own_sessions(listing.list(call.caller.user), call.caller.family)


handler = endpoint.handler()
