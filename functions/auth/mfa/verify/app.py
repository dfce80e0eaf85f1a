"""POST /auth/mfa/verify: complete a sign-in with a second factor."""

from gerbang.accounts.second_factor import COMPLETION_ERRORS
from gerbang.apis import atourin
from gerbang.apis.atourin.requests import SecondFactorRequest
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint

endpoint = Endpoint("/auth/mfa/verify")
second_factor = container.second_factor_sign_in
container.warm_up_tokens()
container.warm_up_users(connections=3)


@endpoint.post(atourin.API, request=SecondFactorRequest, response=atourin.SessionResponse, errors=COMPLETION_ERRORS)
def complete(call: Call[SecondFactorRequest, None]) -> atourin.SessionResponse:
    """Trade the `mfa_token` of a sign-in, and a code of the app or a recovery code, for the session."""
    signed_in = second_factor.sign_in(call.body.mfa_token, call.body.code, call.client)
    return atourin.session(signed_in, "Success login")


handler = endpoint.handler()
