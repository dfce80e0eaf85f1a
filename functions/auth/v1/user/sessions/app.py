"""GET /auth/v1/user/sessions: the sessions of the caller's account."""

from gerbang.apis import gotrue
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/user/sessions")
own_sessions = container.own_sessions
caller = ApiKeyAndUser(container.api_keys, container.sessions)
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.get(gotrue.API, caller=caller, response=gotrue.SessionsResponse)
def list_sessions(call: Call[None, Authenticated]) -> gotrue.SessionsResponse:
    """List the active sessions of the caller's account, with their devices."""
    return gotrue.own_sessions(own_sessions.list(call.caller.user), call.caller.family)


handler = endpoint.handler()
