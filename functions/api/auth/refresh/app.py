"""POST /api/auth/refresh: exchange a refresh token for the next session."""

from gerbang.apis import botlaunch, snapotp
from gerbang.apis.botlaunch import requests as botlaunch_requests
from gerbang.apis.snapotp import requests as snapotp_requests
from gerbang.container import container
from gerbang.http.conditions import BodyHas
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.sessions import REFRESH_ERRORS

endpoint = Endpoint("/api/auth/refresh")
sessions = container.sessions_with_role
container.warm_up_tokens()
container.warm_up_users(connections=2)


@endpoint.post(
    snapotp.API,
    when=BodyHas("refresh_token", without="refreshToken"),
    request=snapotp_requests.RefreshRequest,
    response=snapotp.SessionResponse,
    errors=REFRESH_ERRORS,
)
def refresh_snapotp(call: Call[snapotp_requests.RefreshRequest, None]) -> snapotp.SessionResponse:
    """Exchange `refresh_token` for the next session."""
    return snapotp.session(sessions.refresh(call.body.refresh_token))


@endpoint.post(
    botlaunch.API,
    request=botlaunch_requests.RefreshRequest,
    response=botlaunch.SessionResponse,
    errors=REFRESH_ERRORS,
)
def refresh_botlaunch(call: Call[botlaunch_requests.RefreshRequest, None]) -> botlaunch.SessionResponse:
    """Exchange `refreshToken` for the next session."""
    return botlaunch.session(sessions.refresh(call.body.refresh_token), "Token refreshed")


handler = endpoint.handler()
