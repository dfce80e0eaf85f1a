"""POST /api/auth/logout (BotLaunch): end the session of an access token."""

from gerbang import container as runtime
from gerbang.apis import botlaunch
from gerbang.http import edge

sessions = runtime.sessions()  # once per container


@botlaunch.post
def handler(request: edge.Request) -> edge.Response:
    """End the session; its tokens are dead from the next call on."""
    sessions.close(request.bearer())
    return botlaunch.signed_out()
