"""POST /api/auth/register: make an account and sign it in."""

from http import HTTPStatus

from gerbang.accounts.registration import EmailTaken, NewAccount, UsernameTaken
from gerbang.accounts.sign_up_policy import SignUpDisabled
from gerbang.apis import botlaunch, snapotp
from gerbang.apis.botlaunch import requests as botlaunch_requests
from gerbang.apis.fields import PASSWORD_POLICY
from gerbang.apis.snapotp import requests as snapotp_requests
from gerbang.container import container
from gerbang.http.conditions import BodyHas
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts

endpoint = Endpoint("/api/auth/register")
registration = container.registration
policy = {PASSWORD_POLICY: container.password_policy}
container.warm_up_tokens()
container.warm_up_limits()


@endpoint.post(
    snapotp.API,
    when=BodyHas("username"),
    request=snapotp_requests.RegisterRequest,
    context=policy,
    response=snapotp.SessionResponse,
    status=HTTPStatus.CREATED,
    errors=(SignUpDisabled, EmailTaken, UsernameTaken, TooManyAttempts),
)
def register_username(call: Call[snapotp_requests.RegisterRequest, None]) -> snapotp.SessionResponse:
    """Make an account with a user name, signed in."""
    body = call.body
    new = NewAccount(
        email=body.email, password=body.password, name=body.name, username=body.username, locale=call.client.locale
    )
    registered = registration.register(new, call.client)
    return snapotp.session(registered.signed_in)


@endpoint.post(
    botlaunch.API,
    request=botlaunch_requests.RegisterRequest,
    context=policy,
    response=botlaunch.SessionResponse,
    status=HTTPStatus.CREATED,
    errors=(SignUpDisabled, EmailTaken, TooManyAttempts),
)
def register_organization(call: Call[botlaunch_requests.RegisterRequest, None]) -> botlaunch.SessionResponse:
    """Make an account with an organization, signed in."""
    body = call.body
    new = NewAccount(
        email=body.email,
        password=body.password,
        name=body.name,
        founds=body.organization_name or body.name,
        locale=call.client.locale,
    )
    registered = registration.register(new, call.client)
    return botlaunch.session(registered.signed_in, "Registration successful", registered.organization)


handler = endpoint.handler()
