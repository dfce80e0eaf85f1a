"""POST /auth/v1/recover: mail a one-time code to sign in with when the password is forgotten."""

from gerbang.apis import gotrue
from gerbang.apis.gotrue.links import REDIRECT_TO, Links
from gerbang.apis.gotrue.requests import RecoverRequest
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndCaptcha
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import InvalidFields
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail
from gerbang.sessions.api_keys import KeyKind

endpoint = Endpoint("/auth/v1/recover")
mail_service = container.mail_service
links = Links(container.settings.public_url, container.redirect_targets)
container.warm_up_limits(connections=3)
container.warm_up_mail_queue()


@endpoint.post(
    gotrue.API,
    caller=ApiKeyAndCaptcha(container.api_keys, container.captcha),
    request=RecoverRequest,
    parameters=(REDIRECT_TO,),
    response=gotrue.EmptyResponse,
    errors=(InvalidFields, TooMuchMail, TooManyAttempts),
)
def request_recovery(call: Call[RecoverRequest, KeyKind]) -> gotrue.EmptyResponse:
    """Mail a code and a link to sign in and set a new password; the answer is the same if none is mailed."""
    link = links.asked_for(call.request, call.body.challenge)
    mail_service.request_recovery(call.body.email, call.client.locale, call.client.address, link)
    return {}


handler = endpoint.handler()
