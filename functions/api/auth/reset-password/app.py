"""POST /api/auth/reset-password (SnapOTP): a mailed token for a new password; ends every session."""

from gerbang import container as runtime
from gerbang.apis import snapotp
from gerbang.apis.client import client_of
from gerbang.http import edge

reset = runtime.password_reset()  # once per container
policy = runtime.password_policy()
edge.rehearse(lambda request: request.parse(snapotp.ResetPasswordRequest))


@snapotp.post
def handler(request: edge.Request) -> edge.Response:
    """Set a new password with the token that was mailed."""
    body = request.parse(snapotp.ResetPasswordRequest)
    reset.reset(body.token, body.password, client=client_of(request), policy=policy)
    return snapotp.done("The password was changed; please sign in")
