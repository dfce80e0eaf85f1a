"""POST /auth/v1/otp: mail a one-time code."""

from gerbang.apis import gotrue
from gerbang.apis.gotrue.links import REDIRECT_TO, Links
from gerbang.apis.gotrue.requests import OtpRequest, PhoneProviderDisabled
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndCaptcha
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import InvalidFields
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail
from gerbang.sessions.api_keys import KeyKind

endpoint = Endpoint("/auth/v1/otp")
mail_service = container.mail_service
policy = container.sign_up_policy
links = Links(container.settings.public_url, container.redirect_targets)
container.warm_up_limits(connections=3)
container.warm_up_mail_queue()


@endpoint.post(
    gotrue.API,
    caller=ApiKeyAndCaptcha(container.api_keys, container.captcha),
    request=OtpRequest,
    parameters=(REDIRECT_TO,),
    response=gotrue.EmptyResponse,
    errors=(InvalidFields, PhoneProviderDisabled, TooMuchMail, TooManyAttempts),
)
def request_code(call: Call[OtpRequest, KeyKind]) -> gotrue.EmptyResponse:
    """Mail a one-time code and a link, which sign in or make an account; the answer is the same if none is mailed."""
    body, client = call.body, call.client
    makes_account = body.create_user and policy.takes_accounts
    mail_service.request_code_or_account(
        body.address,
        client.locale,
        client.address,
        name=body.name,
        metadata=body.data if makes_account else None,
        link=links.asked_for(call.request, body.challenge),
    )
    return {}


handler = endpoint.handler()
