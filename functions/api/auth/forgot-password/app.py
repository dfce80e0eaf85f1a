"""POST /api/auth/forgot-password: mail a password reset token."""

from gerbang.apis import snapotp
from gerbang.apis.snapotp.requests import ForgotPasswordRequest
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail

endpoint = Endpoint("/api/auth/forgot-password")
mail_service = container.mail_service
container.warm_up_limits(connections=3)
container.warm_up_mail_queue()


@endpoint.post(
    snapotp.API,
    request=ForgotPasswordRequest,
    response=snapotp.MessageResponse,
    errors=(TooMuchMail, TooManyAttempts),
)
def forgot_password(call: Call[ForgotPasswordRequest, None]) -> snapotp.MessageResponse:
    """Mail a password reset token, if an account has the address; the answer is the same if none has."""
    mail_service.request_reset(call.body.email, call.client.locale, call.client.address)
    return snapotp.message("If the address has an account, a mail with a reset token is on its way")


handler = endpoint.handler()
