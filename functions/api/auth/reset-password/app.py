"""POST /api/auth/reset-password: set a new password with a mailed token."""

from gerbang.apis import snapotp
from gerbang.apis.fields import PASSWORD_POLICY
from gerbang.apis.snapotp.requests import ResetPasswordRequest
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import InvalidResetToken
from gerbang.passwords.policy import UnacceptablePassword

endpoint = Endpoint("/api/auth/reset-password")
reset = container.password_reset
policy = container.password_policy
container.warm_up_keys()
container.warm_up_limits(connections=2)
container.warm_up_mail_queue()


@endpoint.post(
    snapotp.API,
    request=ResetPasswordRequest,
    context={PASSWORD_POLICY: policy},
    response=snapotp.MessageResponse,
    errors=(InvalidResetToken, UnacceptablePassword, TooManyAttempts),
)
def reset_password(call: Call[ResetPasswordRequest, None]) -> snapotp.MessageResponse:
    """Set a new password with the token that was mailed, and end every session of the account."""
    reset.reset(call.body.token, call.body.password, client=call.client, policy=policy)
    return snapotp.message("The password was changed. Sign in with it.")


handler = endpoint.handler()
