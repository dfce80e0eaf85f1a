"""POST /auth/verify_otp: sign in with a mailed code, which verifies the address."""

from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.apis import atourin
from gerbang.apis.atourin.requests import CodeRequest
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.first_factor import SecondFactorRequired

endpoint = Endpoint("/auth/verify_otp")
sign_in = container.code_sign_in
container.warm_up_tokens()
container.warm_up_users(connections=3)


@endpoint.post(
    atourin.API,
    request=CodeRequest,
    response=atourin.SessionResponse,
    errors=(InvalidCode, SecondFactorRequired, TooManyAttempts),
)
def redeem_code(call: Call[CodeRequest, None]) -> atourin.SessionResponse:
    """Sign in with the code that was mailed to an address, which verifies the address."""
    redeemed = sign_in.sign_in(call.body.email, call.body.otp, call.client)
    answer = atourin.session(redeemed.signed_in, "Success verify OTP")
    if redeemed.password_removed:
        answer["data"]["password_removed"] = True
    return answer


handler = endpoint.handler()
