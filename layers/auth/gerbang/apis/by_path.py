"""Paths without a route: answered in the envelope of the contract they lie under."""

from gerbang.http import edge


def render(error: Exception, request: edge.Request) -> edge.Response:
    """Word a refusal in the contract of the request's path; outside all of them, in BotLaunch's."""
    path = f"{request.path}/"
    if path.startswith("/auth/v1/"):
        from gerbang.apis import gotrue

        return gotrue.render(error, request)
    if path.startswith("/auth/"):
        from gerbang.apis import atourin

        return atourin.render(error, request)
    from gerbang.apis import botlaunch

    return botlaunch.render(error, request)


anything = edge.endpoint(edge.ANY, render)
"""Makes a handler of any method in the contract of the path."""
