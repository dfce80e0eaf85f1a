"""The API that a path belongs to: for paths without an endpoint, and for those that serve every API."""

from gerbang.apis import atourin, botlaunch, gotrue
from gerbang.http.errors import Api
from gerbang.http.request import Request


def api_of(request: Request) -> Api:
    """Return the API that a request's path belongs to; BotLaunch's if it belongs to none."""
    path = f"{request.path}/"
    if path.startswith("/auth/v1/"):
        return gotrue.API
    return atourin.API if path.startswith("/auth/") else botlaunch.API
