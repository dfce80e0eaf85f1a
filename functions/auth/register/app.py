"""POST /auth/register: make an account, and mail a code that verifies its address."""

from gerbang.accounts.registration import EmailTaken, NewAccount
from gerbang.accounts.sign_up_policy import SignUpDisabled
from gerbang.apis import atourin
from gerbang.apis.atourin.requests import RegisterRequest
from gerbang.apis.fields import PASSWORD_POLICY
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts

endpoint = Endpoint("/auth/register")
registration = container.registration_with_mail
container.warm_up_limits(connections=3)
container.warm_up_mail_queue()


@endpoint.post(
    atourin.API,
    request=RegisterRequest,
    context={PASSWORD_POLICY: container.password_policy},
    response=atourin.RegistrationResponse,
    errors=(SignUpDisabled, EmailTaken, TooManyAttempts),
)
def register(call: Call[RegisterRequest, None]) -> atourin.RegistrationResponse:
    """Make an account and mail the code that verifies its address."""
    body = call.body
    new = NewAccount(email=body.email, password=body.password, name=body.name, locale=call.client.locale)
    user = registration.register_without_session(new, call.client)
    return atourin.registered(user)


handler = endpoint.handler()
