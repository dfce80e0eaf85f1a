"""POST /api/auth/change-password: another password for whoever knows the present one; ends the other sessions."""

from gerbang import container as runtime
from gerbang.apis import snapotp
from gerbang.apis.client import client_of
from gerbang.http import edge

change = runtime.password_change()  # once per container
policy = runtime.password_policy().naming("new_password")
edge.rehearse(lambda request: request.parse(snapotp.ChangePasswordRequest))


@snapotp.post
def handler(request: edge.Request) -> edge.Response:
    """Change the caller's password."""
    token, body = request.bearer(), request.parse(snapotp.ChangePasswordRequest)
    change.change(
        token,
        current=body.current_password,
        new=body.new_password,
        client=client_of(request),
        policy=policy,
    )
    return snapotp.done("The password was changed; other sessions have ended")
