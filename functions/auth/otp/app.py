"""POST /auth/otp: mail a one-time code."""

from gerbang.apis import atourin
from gerbang.apis.atourin.requests import EmailRequest
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail

endpoint = Endpoint("/auth/otp")
mail_service = container.mail_service
container.warm_up_limits(connections=3)
container.warm_up_mail_queue()


@endpoint.post(
    atourin.API, request=EmailRequest, response=atourin.CodeSentResponse, errors=(TooMuchMail, TooManyAttempts)
)
def request_code(call: Call[EmailRequest, None]) -> atourin.CodeSentResponse:
    """Mail a one-time code, if an account has the address; the answer is the same if none has."""
    mail_service.request_code(call.body.email, call.client.locale, call.client.address)
    return atourin.code_sent()


handler = endpoint.handler()
