"""GET /api/auth/me (SnapOTP): the account of an access token, from whichever contract."""

from gerbang import container as runtime
from gerbang.apis import snapotp
from gerbang.http import edge

sessions = runtime.sessions()  # once per container


@snapotp.get
def handler(request: edge.Request) -> edge.Response:
    """Return the caller's account."""
    return snapotp.me(sessions.authenticate_person(request.bearer()).user)
