"""POST /auth/v1/resend: mail the code of a sign-up or of an e-mail change again."""

from gerbang.apis import gotrue
from gerbang.apis.gotrue.links import REDIRECT_TO, Links
from gerbang.apis.gotrue.requests import PhoneProviderDisabled, ResendRequest
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndCaptcha
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail
from gerbang.sessions.api_keys import KeyKind

endpoint = Endpoint("/auth/v1/resend")
mail_service, change_mails = container.mail_service, container.email_change_mails
links = Links(container.settings.public_url, container.redirect_targets)
container.warm_up_limits(connections=3)
container.warm_up_mail_queue()


@endpoint.post(
    gotrue.API,
    caller=ApiKeyAndCaptcha(container.api_keys, container.captcha),
    request=ResendRequest,
    parameters=(REDIRECT_TO,),
    response=gotrue.EmptyResponse,
    errors=(PhoneProviderDisabled, TooMuchMail, TooManyAttempts),
)
def resend(call: Call[ResendRequest, KeyKind]) -> gotrue.EmptyResponse:
    """Mail the code of a sign-up or an e-mail change again, if one is pending; the answer is the same if none is."""
    email, client, link = call.body.address, call.client, links.asked_for(call.request)
    if call.body.type == "signup":
        mail_service.request_verification_again(email, client.locale, client.address, link)
    else:
        change_mails.request_again(email, client.locale, client.address, link)
    return {}


handler = endpoint.handler()
