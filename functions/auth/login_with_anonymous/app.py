"""POST /auth/login_with_anonymous: sign a guest in."""

from gerbang.accounts.sign_up_policy import AnonymousSignInsDisabled, SignUpDisabled
from gerbang.apis import atourin
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts

endpoint = Endpoint("/auth/login_with_anonymous")
guests = container.guests
container.warm_up_tokens()
container.warm_up_limits()


@endpoint.post(
    atourin.API,
    response=atourin.SessionResponse,
    errors=(SignUpDisabled, AnonymousSignInsDisabled, TooManyAttempts),
)
def admit_guest(call: Call[None, None]) -> atourin.SessionResponse:
    """Make a guest's account and sign it in; the body is not read."""
    return atourin.session(guests.admit(call.client), "Success login anonymous")


handler = endpoint.handler()
