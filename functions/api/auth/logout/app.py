"""POST /api/auth/logout (BotLaunch): end the session of an access token."""

from gerbang import edge, runtime
from gerbang.contracts import botlaunch

sessions = runtime.sessions()  # once per container


@botlaunch.post
def handler(request: edge.Request) -> edge.Response:
    """End the session; its tokens are dead from the next call on."""
    sessions.close(request.bearer())
    return botlaunch.signed_out()
