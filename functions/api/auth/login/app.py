"""POST /api/auth/login: sign in with a password."""

from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.apis import botlaunch, snapotp
from gerbang.apis.botlaunch import requests as botlaunch_requests
from gerbang.apis.fields import is_username
from gerbang.apis.snapotp import requests as snapotp_requests
from gerbang.container import container
from gerbang.core.emails import EmailAddress, InvalidEmail
from gerbang.http.conditions import BodyHas
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.first_factor import SecondFactorRequired

endpoint = Endpoint("/api/auth/login")
sign_in = container.password_sign_in_with_role
container.warm_up_tokens()
container.warm_up_users(connections=4)


@endpoint.post(
    snapotp.API,
    when=BodyHas("username"),
    request=snapotp_requests.LoginRequest,
    response=snapotp.SessionResponse,
    errors=(InvalidCredentials, EmailNotVerified, SecondFactorRequired, TooManyAttempts),
)
def log_in_by_username(call: Call[snapotp_requests.LoginRequest, None]) -> snapotp.SessionResponse:
    """Sign in with a user name, or an e-mail address in its place, and a password."""
    return snapotp.session(sign_in.sign_in(_credentials(call.body), call.client))


@endpoint.post(
    botlaunch.API,
    request=botlaunch_requests.LoginRequest,
    response=botlaunch.SessionResponse,
    errors=(InvalidCredentials, EmailNotVerified, SecondFactorRequired, TooManyAttempts),
)
def log_in_by_email(call: Call[botlaunch_requests.LoginRequest, None]) -> botlaunch.SessionResponse:
    """Sign in with an e-mail address and a password."""
    credentials = Credentials.by_email(call.body.email, call.body.password)
    return botlaunch.session(sign_in.sign_in(credentials, call.client), "Login successful")


def _credentials(body: snapotp_requests.LoginRequest) -> Credentials:
    """Return the credentials in SnapOTP's body. Text that cannot be a user name is rejected like a wrong one."""
    name = body.username.strip()
    if "@" in name:
        try:
            return Credentials.by_email(EmailAddress(name), body.password)
        except InvalidEmail:
            raise InvalidCredentials(None) from None
    if not is_username(name):
        raise InvalidCredentials(None)
    return Credentials.by_username(name, body.password)


handler = endpoint.handler()
