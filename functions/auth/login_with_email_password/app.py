"""POST /auth/login_with_email_password: sign in with an e-mail address and a password."""

from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.apis import atourin
from gerbang.apis.atourin.requests import LoginRequest
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.first_factor import SecondFactorRequired

endpoint = Endpoint("/auth/login_with_email_password")
sign_in = container.password_sign_in
container.warm_up_tokens()
container.warm_up_users(connections=4)


@endpoint.post(
    atourin.API,
    request=LoginRequest,
    response=atourin.SessionResponse,
    errors=(InvalidCredentials, EmailNotVerified, SecondFactorRequired, TooManyAttempts),
)
def log_in(call: Call[LoginRequest, None]) -> atourin.SessionResponse:
    """Sign in with an e-mail address and a password."""
    credentials = Credentials.by_email(call.body.email, call.body.password)
    return atourin.session(sign_in.sign_in(credentials, call.client), "Success login")


handler = endpoint.handler()
