"""GET /api/auth/me: the account of an access token, from any API."""

from gerbang.apis import snapotp
from gerbang.container import container
from gerbang.http.callers import RegisteredUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/api/auth/me")
sessions = container.sessions
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.get(snapotp.API, caller=RegisteredUser(sessions), response=snapotp.UserResponse)
def show_account(call: Call[None, Authenticated]) -> snapotp.UserResponse:
    """Show the caller's account."""
    return snapotp.user(call.caller.user)


handler = endpoint.handler()
