"""DELETE /api/auth/sessions/{sessionId}: end a session of the caller's account."""

from gerbang.apis import botlaunch
from gerbang.container import container
from gerbang.http.callers import RegisteredUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.own_sessions import NoSuchSession
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/api/auth/sessions/{sessionId}")
sessions, own_sessions = container.sessions, container.own_sessions
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.delete(
    botlaunch.API, caller=RegisteredUser(sessions), response=botlaunch.MessageResponse, errors=(NoSuchSession,)
)
def end_session(call: Call[None, Authenticated]) -> botlaunch.MessageResponse:
    """End a session of the caller's account at once, which may be the one of the request."""
    own_sessions.end(call.caller.user, call.request.path_parameters["sessionId"])
    return botlaunch.MessageResponse(message="Session ended")


handler = endpoint.handler()
