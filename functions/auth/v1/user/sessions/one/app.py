"""DELETE /auth/v1/user/sessions/{session_id}: end a session of the caller's account."""

from gerbang.apis import gotrue
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.own_sessions import NoSuchSession
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/user/sessions/{session_id}")
own_sessions = container.own_sessions
caller = ApiKeyAndUser(container.api_keys, container.sessions)
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.delete(gotrue.API, caller=caller, response=gotrue.EmptyResponse, errors=(NoSuchSession,))
def end_session(call: Call[None, Authenticated]) -> gotrue.EmptyResponse:
    """End a session of the caller's account at once, which may be the one of the request."""
    own_sessions.end(call.caller.user, call.request.path_parameters["session_id"])
    return {}


handler = endpoint.handler()
