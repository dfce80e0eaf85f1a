"""GET /auth/v1/reauthenticate: mail a code by which the signed-in user confirms a change."""

from gerbang.apis import gotrue
from gerbang.container import container
from gerbang.core.errors import FieldError
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import InvalidFields
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/reauthenticate")
mail_service = container.mail_service
caller = ApiKeyAndUser(container.api_keys, container.sessions)
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_limits(connections=3)
container.warm_up_mail_queue()


@endpoint.get(
    gotrue.API,
    caller=caller,
    response=gotrue.EmptyResponse,
    errors=(InvalidFields, EmailNotVerified, TooMuchMail, TooManyAttempts),
    overrides=gotrue.REAUTHENTICATION_ERRORS,
)
def request_code(call: Call[None, Authenticated]) -> gotrue.EmptyResponse:
    """Mail a code to the caller's address, which confirms a change of the password."""
    user, client = call.caller.user, call.client
    if user.email is None:
        raise InvalidFields((FieldError("email", "Your account has no address that a code could be mailed to"),))
    if user.email_verified_at is None:
        raise EmailNotVerified(user.user_id)
    mail_service.request_reauthentication(user.email, client.locale, client.address)
    return {}


handler = endpoint.handler()
