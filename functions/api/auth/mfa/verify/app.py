"""POST /api/auth/mfa/verify: complete a sign-in with a second factor."""

from gerbang.accounts.second_factor import COMPLETION_ERRORS
from gerbang.apis import botlaunch, snapotp
from gerbang.apis.botlaunch import requests as botlaunch_requests
from gerbang.apis.snapotp import requests as snapotp_requests
from gerbang.container import container
from gerbang.http.conditions import BodyHas
from gerbang.http.endpoint import Call, Endpoint

endpoint = Endpoint("/api/auth/mfa/verify")
second_factor = container.second_factor_sign_in_with_role
container.warm_up_tokens()
container.warm_up_users(connections=3)


@endpoint.post(
    snapotp.API,
    when=BodyHas("mfa_token"),
    request=snapotp_requests.SecondFactorRequest,
    response=snapotp.SessionResponse,
    errors=COMPLETION_ERRORS,
)
def complete_at_snapotp(call: Call[snapotp_requests.SecondFactorRequest, None]) -> snapotp.SessionResponse:
    """Trade the `mfa_token` of a sign-in, and a code of the app or a recovery code, for the session."""
    return snapotp.session(second_factor.sign_in(call.body.mfa_token, call.body.code, call.client))


@endpoint.post(
    botlaunch.API,
    request=botlaunch_requests.SecondFactorRequest,
    response=botlaunch.SessionResponse,
    errors=COMPLETION_ERRORS,
)
def complete_at_botlaunch(call: Call[botlaunch_requests.SecondFactorRequest, None]) -> botlaunch.SessionResponse:
    """Trade the `mfaToken` of a sign-in, and a code of the app or a recovery code, for the session."""
    signed_in = second_factor.sign_in(call.body.mfa_token, call.body.code, call.client)
    return botlaunch.session(signed_in, "Login successful")


handler = endpoint.handler()
