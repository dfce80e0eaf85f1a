"""POST /auth/v1/recover: mail a one-time code to sign in with when the password is forgotten."""

from gerbang.apis import gotrue
from gerbang.apis.gotrue.requests import RecoverRequest
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndCaptcha
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail
from gerbang.sessions.api_keys import KeyKind

endpoint = Endpoint("/auth/v1/recover")
mail_service = container.mail_service
container.warm_up_limits(connections=3)
container.warm_up_mail_queue()


@endpoint.post(
    gotrue.API,
    caller=ApiKeyAndCaptcha(container.api_keys, container.captcha),
    request=RecoverRequest,
    response=gotrue.EmptyResponse,
    errors=(TooMuchMail, TooManyAttempts),
)
def request_recovery(call: Call[RecoverRequest, KeyKind]) -> gotrue.EmptyResponse:
    """Mail a code to sign in with and set a new password, if an account has the address; the answer is the same."""
    mail_service.request_recovery(call.body.email, call.client.locale, call.client.address)
    return {}


handler = endpoint.handler()
