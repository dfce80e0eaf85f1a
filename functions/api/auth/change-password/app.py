"""POST /api/auth/change-password: change the password of the caller's account."""

from gerbang.accounts.password_change import WrongPassword
from gerbang.apis import snapotp
from gerbang.apis.fields import PASSWORD_POLICY
from gerbang.apis.snapotp.requests import ChangePasswordRequest
from gerbang.container import container
from gerbang.http.callers import BearerToken
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.passwords.policy import UnacceptablePassword
from gerbang.sessions.assurance import InsufficientLevel
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.sessions import NotAPerson, SessionEnded, UserDeleted, UserDisabled

endpoint = Endpoint("/api/auth/change-password")
change = container.password_change
policy = container.password_policy
container.warm_up_tokens()
container.warm_up_sessions(connections=3)
container.warm_up_mail_queue()


@endpoint.post(
    snapotp.API,
    caller=BearerToken(),
    request=ChangePasswordRequest,
    context={PASSWORD_POLICY: policy},
    response=snapotp.MessageResponse,
    errors=(
        InvalidToken,
        TokenExpired,
        SessionEnded,
        UserDeleted,
        UserDisabled,
        NotAPerson,
        InsufficientLevel,
        WrongPassword,
        UnacceptablePassword,
        TooManyAttempts,
    ),
)
def change_password(call: Call[ChangePasswordRequest, str]) -> snapotp.MessageResponse:
    """Set another password with the current one, and end the other sessions of the account."""
    change.change(
        call.caller,
        current=call.body.current_password,
        new=call.body.new_password,
        client=call.client,
        policy=policy.naming("new_password"),
    )
    return snapotp.message("The password was changed. Other sessions have ended.")


handler = endpoint.handler()
